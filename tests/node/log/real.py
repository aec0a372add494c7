"""The devices of `world` over real connections to real relay processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Any

from heliogram.node.asking import Ask, LogSource, Scope
from heliogram.node.events import InvitationDue
from heliogram.node.log import happenings as told
from heliogram.node.log.log import Log
from heliogram.node.network.circuits import Circuits
from heliogram.node.network.dialling import Dialler
from heliogram.wire import frames
from heliogram.wire.objects import Configuration, RelayDescription
from tests.node.conversation.world import INBOX, LINK
from tests.node.log.world import Device
from tests.relay.process import RelayProcess
from tests.sim.relays import NOW, name


class Line:
    """One device's connections: what comes is taken in a turn of its own."""

    def __init__(self, net: Net, device: Device) -> None:
        self._net, self._device = net, device
        self.circuits = Circuits(Dialler(), self)

    def _later(self, do: Callable[[Log], None]) -> None:
        life = self._device.life

        def now() -> None:
            if self._device.life == life and self._device.live is not None:
                with self._device.turn():
                    do(self._device.live)

        asyncio.get_running_loop().call_soon(now)

    def answered(self, ask: Ask, request: frames.Request, answer: frames.Answer, size: int) -> None:
        self._later(lambda log: log.answered(ask, request, answer, self._net.now))

    def lost(self, ask: Ask) -> None:
        self._later(lambda log: log.lost(ask, self._net.now))

    def opened(
        self, source: LogSource, relay: bytes, scope: Scope, answer: frames.Authorised
    ) -> None:
        self._later(lambda log: log.opened(relay, scope, answer, self._net.now))

    def pushed(self, source: LogSource, relay: bytes, push: frames.Push) -> None:
        self._later(lambda log: log.pushed(relay, push, self._net.now))

    def parted(self, source: LogSource, relay: bytes) -> None:
        self._later(lambda log: log.parted(relay, self._net.now))


class Net:
    """What a `Device` knows of its world, over real relays and in real time."""

    def __init__(self, processes: list[RelayProcess], *, n: int = 4, q: int = 3) -> None:
        self.processes = processes
        self.random = Random(0)
        self.crash_rate = 0.0
        self.doom: Any = None
        self.blobs: dict[bytes, bytes] = {}
        self.newcomers: dict[bytes, Device] = {}
        self.devices: list[Device] = []
        self._lines: dict[str, Line] = {}
        self._began = time.monotonic()
        self.described = [
            RelayDescription(one.key, name(f"operator {at}"), (f"ws://{one.where}/ws".encode(),))
            for at, one in enumerate(processes)
        ]
        self.configuration = Configuration(name("real"), q, tuple(self.described[:n]))

    @property
    def now(self) -> float:
        return time.monotonic()

    @property
    def time(self) -> int:
        return NOW + int(self.now - self._began)

    def border(self, device: Device) -> None:
        """Nobody dies here but when told."""

    def at(self, when: float, do: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(max(0.0, when - self.now), do)

    def send(self, device: Device, ask: Ask) -> None:
        self._lines[device.called].circuits.send(b"log", ask)

    def forget(self, device: Device) -> None:
        """Its connections are over."""
        line = self._lines.get(device.called)
        if line is not None:
            line.circuits.drop()

    def upload(self, by: Device, wanted: told.BlobToStore) -> None:
        """No Welcome is so long here."""

    def fetch(self, by: Device, wanted: told.BlobToFetch) -> None:
        """Nor here."""

    def invite(self, by: Device, due: InvitationDue) -> None:
        item = by.conversation.invitation(
            due.draft, b"profile", LINK, INBOX, entropy=by.member.entropy
        )
        for account in due.accounts:
            one = self.newcomers.get(account)
            if one is not None and one.live is None:
                asyncio.get_running_loop().call_soon(one.join, item)

    def device(self, called: str) -> Device:
        made = Device(self, called)  # type: ignore[arg-type]
        self._lines[called] = Line(self, made)
        self.devices.append(made)
        return made

    async def until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until it is so. The time is a net for what hangs."""
        async with asyncio.timeout(seconds):
            while not done():
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        for line in self._lines.values():
            await line.circuits.stop()
