"""Asks to relays, answers back: a connection for each circuit and relay, made on demand.

    circuits = Circuits(Dialler(proxy=proxy), sink)
    circuits.send(circuit, ask)         # sink.answered(ask, …) or sink.lost(ask) follows, once

A circuit is whatever must not be linked to anything else: one log, our inbox, one errand. Circuits share no
connection, and behind a proxy no path.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from heliogram.node.asking import Address, Ask
from heliogram.node.errors import ConnectionFault, NoConnection
from heliogram.node.network.dialling import Dialler
from heliogram.node.network.link import reach
from heliogram.node.network.routes import IDLE, Known, Route, Sink, Ways
from heliogram.node.network.solving import Solver
from heliogram.wire import frames

#: Relays whose health is remembered.
_MAX_KNOWN = 1024

_STATES = {
    ConnectionFault.UNREACHABLE: "unreachable",
    ConnectionFault.WRONG_KEY: "wrong key",
    ConnectionFault.UNTRUSTED: "untrusted",
    ConnectionFault.NO_RELAY: "unreachable",
    ConnectionFault.VERSION: "unreachable",
}


@dataclass(frozen=True, slots=True)
class Health:
    """How a relay does, as far as connections go."""

    #: "up", "unreachable", "untrusted", "wrong key", "unknown".
    state: str
    round_trip_ms: float | None = None


class Circuits:
    """All connections to relays. Used within one event loop."""

    def __init__(
        self,
        dialler: Dialler,
        sink: Sink,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        gate: asyncio.Event | None = None,
    ) -> None:
        """While `gate` is not set no relay is read: whoever cannot keep up clears it for a while."""
        self._ways = Ways(dialler, Solver(), entropy, gate)
        self._sink = sink
        self._routes: dict[tuple[bytes, bytes], Route] = {}
        self._known: dict[bytes, Known] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def dialler(self) -> Dialler:
        """The way out, for blobs."""
        return self._ways.dialler

    def send(self, circuit: bytes, ask: Ask) -> None:
        """Bring an ask to its relay. `answered` or `lost` follows once, perhaps before this returns."""
        key = (circuit, ask.relay.key)
        route = self._routes.get(key)
        if route is None:
            if self._closed:
                self._sink.lost(ask)
                return
            known = self._remembered(ask.relay.key)
            route = Route(self._ways, circuit, ask.relay, self._sink, known)
            self._routes[key] = route
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(IDLE / 4, self._look)
        route.send(ask)

    def close(self, circuit: bytes) -> None:
        """End the connections of a circuit: what is under way is lost."""
        for key in [one for one in self._routes if one[0] == circuit]:
            self._routes.pop(key).close()

    def drop(self) -> None:
        """End all connections and tell nobody: those who asked are gone."""
        routes, self._routes = self._routes, {}
        for route in routes.values():
            route.drop()

    async def use(self, dialler: Dialler) -> None:
        """Go another way from now on: all connections of the old one end."""
        self._end()
        old, self._ways.dialler = self._ways.dialler, dialler
        self._known.clear()
        await old.close()

    async def stop(self) -> None:
        """End everything, for good."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._end()
        await asyncio.gather(*self._ways.ending, return_exceptions=True)
        self._ways.solver.close()
        await self._ways.dialler.close()

    def health(self, relay: bytes) -> Health:
        """How the relay with this key does, as the last connections to it have shown."""
        known = self._known.get(relay)
        if known is None:
            return Health("unknown")
        trip = None if known.round_trip is None else known.round_trip * 1000
        if known.links:
            return Health("up", trip)
        return Health("unknown" if known.fault is None else _STATES[known.fault], trip)

    async def check(self, address: Address) -> Health:
        """Connect to a relay, on a circuit of its own, and see."""
        circuit = self._ways.entropy(32)
        try:
            with self._ways.dialler.using(circuit) as session:
                link = await reach(
                    self._ways.dialler, session, address, _Silent(), entropy=self._ways.entropy
                )
                await link.close()
        except NoConnection as error:
            return Health(_STATES[error.fault])
        except OSError:
            return Health("unreachable")
        return Health("up", link.round_trip * 1000)

    def _end(self) -> None:
        routes, self._routes = self._routes, {}
        for route in routes.values():
            route.close()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        for key, route in list(self._routes.items()):
            if route.look(loop.time()):
                del self._routes[key]
                route.close()
        self._timer = loop.call_later(IDLE / 4, self._look) if self._routes else None

    def _remembered(self, relay: bytes) -> Known:
        known = self._known.get(relay)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                del self._known[next(iter(self._known))]
            known = self._known[relay] = Known()
        return known


class _Silent:
    """Who listens to a relay that is only looked at."""

    def pushed(self, push: frames.Push) -> None:
        """Nothing was asked for."""

    def ended(self) -> None:
        """It is closed at once."""
