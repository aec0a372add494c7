"""The way of one circuit to one relay: a link when it is needed, channels, work, and back-off.

An ask is in one place at a time: it waits for the link, for its proof of work, for its channel or for a
channel's number, or it is with the link. From each place it goes on, or is answered or lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import msgspec

from heliogram.node.asking import Address, Ask, LogSource, Scope, Work
from heliogram.node.errors import ConnectionFault, NoConnection
from heliogram.node.network.channels import Channel, Channels
from heliogram.node.network.dialling import Dialler
from heliogram.node.network.link import Link, reach
from heliogram.node.network.solving import HARDEST, Solver
from heliogram.wire import ErrorCode, frames
from heliogram.wire.limits import MAX_DIFFICULTY, MAX_FIRST_EPOCH

#: Seconds before the next attempt: drawn from nothing to FIRST, doubled with each failure up to MOST.
FIRST, MOST = 0.5, 30.0

#: Asks of one route that are under way. Whatever comes beyond them is lost at once.
MAX_ASKS = 4096

#: Seconds after which a link goes on which nothing is asked and nothing subscribed. Not many: a relay lets an
#: address have so many connections, and each person who is met or invited takes one for an errand.
IDLE = 15.0


#: How many times as long as proofs took that came to nothing, no other one is made for a relay: at first, and
#: twice as long after each. Seconds that this lasts at most.
IDLER, LONGEST_IDLE = 20.0, 86_400.0


class Sink(Protocol):
    """Who gets what comes of asks. Called in the event loop."""

    def answered(self, ask: Ask, request: frames.Request, answer: frames.Answer, size: int) -> None:
        """As `Source.answered`; `size` is that of the request's message, 0 if it was not sent."""

    def lost(self, ask: Ask) -> None:
        """As `Source.lost`."""

    def opened(
        self, source: LogSource, relay: bytes, scope: Scope, answer: frames.Authorised
    ) -> None:
        """As `LogSource.opened`."""

    def pushed(self, source: LogSource, relay: bytes, push: frames.Push) -> None:
        """As `LogSource.pushed`."""

    def parted(self, source: LogSource, relay: bytes) -> None:
        """As `LogSource.parted`."""


@dataclass(slots=True)
class Known:
    """How a relay does, as all routes to it see it."""

    links: int = 0
    fault: ConnectionFault | None = None
    #: Smoothed seconds.
    round_trip: float | None = None
    #: Proofs of work in a row that came to nothing, and until when no other one is made.
    wasted: int = 0
    idle: float = 0.0

    def worked(self, seconds: float, now: float, *, well: bool) -> None:
        """A proof that took so long was good for something, or not."""
        if well:
            self.wasted, self.idle = 0, 0.0
            return
        self.idle = now + min(LONGEST_IDLE, seconds * IDLER * 2.0 ** min(self.wasted, 16))
        self.wasted += 1

    def took(self, seconds: float) -> None:
        """Another round trip."""
        before = self.round_trip
        self.round_trip = seconds if before is None else 0.8 * before + 0.2 * seconds


@dataclass(slots=True)
class Ways:
    """What all routes have in common."""

    dialler: Dialler
    solver: Solver
    entropy: Callable[[int], bytes] = field(repr=False)
    gate: asyncio.Event | None = None
    #: What comes to its end by itself.
    ending: set[asyncio.Task[None]] = field(default_factory=set, repr=False)

    def leave(self, task: asyncio.Task[None]) -> None:
        """Let a task come to its end by itself."""
        if not task.done():
            self.ending.add(task)
            task.add_done_callback(self.ending.discard)


class Route:
    """One circuit's way to one relay."""

    def __init__(
        self, ways: Ways, circuit: bytes, address: Address, sink: Sink, known: Known
    ) -> None:
        """Nothing is connected before the first ask. Raises `OSError` if the network is closed."""
        self._loop = asyncio.get_running_loop()
        self._ways = ways
        self._circuit = circuit
        self._address = address
        self._sink = sink
        self._known = known
        self._dialler = ways.dialler
        self._session = self._dialler.take(circuit)
        self._link: Link | None = None
        self._channels = Channels(1)
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: deque[Ask] = deque()
        self._works: dict[Ask, asyncio.Task[None]] = {}
        #: Seconds that it took to make the proofs of what is under way.
        self._proven: dict[Ask, float] = {}
        self._parked: deque[tuple[Ask, frames.Request]] = deque()
        #: Asks that are neither answered nor lost.
        self._asks = 0
        self._tries = 0
        self._not_before = 0.0
        self._used = self._loop.time()
        self._greeted = 0.0
        #: The difficulty that the relay asked for after its greeting.
        self._harder = 0
        self._closed = False

    # --- asks ---

    def send(self, ask: Ask) -> None:
        """Carry an ask. It is lost at once if the relay has just been found not to be there."""
        self._used = now = self._loop.time()
        if ask.relay.endpoints != self._address.endpoints:
            self._address, self._not_before = ask.relay, 0.0
        self._asks += 1
        if self._closed or self._asks > MAX_ASKS:
            self._lose(ask)
        elif self._link is not None:
            if self._link.usable:
                self._carry(ask)
            else:
                self._lose(ask)
        elif self._connecting is not None:
            self._waiting.append(ask)
        elif now < self._not_before:
            self._lose(ask)
        else:
            self._waiting.append(ask)
            self._connecting = self._loop.create_task(self._connect())

    def _carry(self, ask: Ask) -> None:
        if isinstance(ask.request, Work):
            self._work(ask, ask.request)
        else:
            self._place(ask, ask.request)

    def _place(self, ask: Ask, request: frames.Request) -> None:
        """Send a request on its channel, once that is open."""
        if ask.scope is None:
            self._put(ask, request, None)
            return
        channel = self._channels.get(ask.scope) or self._open(ask.scope)
        if channel is None:
            self._parked.append((ask, request))
            return
        channel.serve(ask.source)
        if channel.open:
            self._put(ask, request, channel)
        else:
            channel.waiting.append((ask, request))

    def _put(self, ask: Ask, request: frames.Request, channel: Channel | None) -> None:
        link = self._link
        if link is None:
            self._lose(ask)
            return
        if channel is not None:
            request = msgspec.structs.replace(request, channel=channel.number)
            channel.busy += 1
            channel.used = self._loop.time()
        link.send(request, partial(self._answered, ask, channel))

    def _answered(
        self,
        ask: Ask,
        channel: Channel | None,
        request: frames.Request,
        answer: frames.Answer | None,
        size: int,
    ) -> None:
        if channel is not None:
            channel.busy -= 1
        if answer is None:
            self._lose(ask)
            return
        self._used = self._loop.time()
        if isinstance(answer, frames.Failure):
            if answer.code == ErrorCode.NOT_AUTHORISED and channel is not None:
                self._shut(channel)
            elif answer.code == ErrorCode.BAD_WORK:
                self._harder = max(self._harder, min(answer.detail, MAX_DIFFICULTY))
        elif isinstance(answer, frames.Subscribed) and channel is not None:
            channel.listening = True
        self._answer(ask, request, answer, size)
        if self._parked:
            self._unpark()

    def _answer(self, ask: Ask, request: frames.Request, answer: frames.Answer, size: int) -> None:
        self._asks -= 1
        self._weigh(ask, well=not isinstance(answer, frames.Failure))
        self._sink.answered(ask, request, answer, size)

    def _lose(self, ask: Ask) -> None:
        self._asks -= 1
        self._weigh(ask, well=False)
        self._sink.lost(ask)

    def _weigh(self, ask: Ask, *, well: bool) -> None:
        """What came of a proof, if it has one: a relay shall not make us work for nothing for ever."""
        if (seconds := self._proven.pop(ask, None)) is not None:
            self._known.worked(seconds, self._loop.time(), well=well)

    # --- channels ---

    def _open(self, scope: Scope) -> Channel | None:
        """Begin to open a channel; None while all are in use."""
        link = self._link
        if link is None or not link.usable:
            return None
        channel = self._channels.add(scope, self._loop.time())
        if channel is None:
            spare = self._channels.spare()
            if spare is None:
                return None
            self._shut(spare)
            channel = self._channels.add(scope, self._loop.time())
        if channel is not None:
            began = self._loop.time()
            link.send(link.authorise(channel.number, scope), partial(self._opened, channel, began))
        return channel

    def _opened(
        self,
        channel: Channel,
        began: float,
        request: frames.Request,
        answer: frames.Answer | None,
        size: int,
    ) -> None:
        if answer is None:
            return  # the link is over, and `ended` comes next
        waiting, channel.waiting = channel.waiting, []
        if isinstance(answer, frames.Authorised):
            channel.open = True
            self._known.took(self._loop.time() - began)
            for source in channel.sources:
                self._sink.opened(source, self._address.key, channel.scope, answer)
            for ask, what in waiting:
                self._put(ask, what, channel)
            return
        self._channels.drop(channel)
        for ask, what in waiting:
            self._answer(ask, msgspec.structs.replace(what, id=answer.id), answer, 0)
        self._unpark()

    def _shut(self, channel: Channel) -> None:
        """Close a channel. Who has subscribed on it hears that it is over."""
        if self._channels.get(channel.scope) is not channel:
            return
        self._channels.drop(channel)
        if self._link is not None:
            self._link.send(frames.Close(0, channel.number), _ignore)
        if channel.listening:
            for source in channel.sources:
                self._sink.parted(source, self._address.key)

    def _unpark(self) -> None:
        """Try again what waits for a channel's number."""
        for _ in range(len(self._parked)):
            self._place(*self._parked.popleft())

    # --- work ---

    def _work(self, ask: Ask, what: Work) -> None:
        link = self._link
        if link is None:
            self._lose(ask)
            return
        allowed = link.greeting.limits
        asked = allowed.difficulty_open if what.opens else allowed.difficulty_inbox
        difficulty = max(asked, self._harder)
        if difficulty > HARDEST or self._loop.time() < self._known.idle:
            request = what.finish(bytes(12))
            self._answer(ask, request, frames.Failure(0, ErrorCode.BAD_WORK, difficulty), 0)
            return
        self._works[ask] = self._loop.create_task(self._solve(ask, what, difficulty))

    async def _solve(self, ask: Ask, what: Work, difficulty: int) -> None:
        began = self._loop.time()
        proof = await self._ways.solver.solve(
            self._address.key, what.target, difficulty, self._relay_time
        )
        del self._works[ask]
        self._proven[ask] = self._loop.time() - began
        self._place(ask, what.finish(proof))

    def _relay_time(self) -> float:
        """The relay's Unix time, by its greeting: work counts by its clock."""
        link = self._link
        return 0.0 if link is None else link.greeting.time + self._loop.time() - self._greeted

    # --- the link ---

    async def _connect(self) -> None:
        try:
            link = await reach(
                self._dialler,
                self._session,
                self._address,
                self,
                entropy=self._ways.entropy,
                gate=self._ways.gate,
            )
        except NoConnection as error:
            self._connecting = None
            self._known.fault = error.fault
            self._fail()
            self._lose_waiting()
            return
        self._connecting = None
        self._link = link
        self._greeted = self._loop.time()
        self._harder = 0
        self._known.links += 1
        self._known.fault = None
        self._known.took(link.round_trip)
        self._channels = Channels(link.greeting.limits.max_channels)
        waiting, self._waiting = self._waiting, deque()
        for ask in waiting:
            self._carry(ask)

    def pushed(self, push: frames.Push) -> None:
        """The relay says something: whoever listens there hears it."""
        self._used = now = self._loop.time()
        if isinstance(push, frames.Goodbye):
            return
        if isinstance(push, frames.Advanced):
            # A certificate begins with its epoch.
            self._channels.decided(push.instance, int.from_bytes(push.certificate[:8], "big"))
        elif isinstance(push, frames.CatchUp):
            # Pushes of a log stop with it; those of an inbox do not.
            self._channels.decided(push.instance, MAX_FIRST_EPOCH * 2)
        told: list[LogSource] = []
        for channel in self._channels.of(push.instance):
            channel.used = now
            for source in channel.sources if channel.open else ():
                if not any(one is source for one in told):
                    told.append(source)
                    self._sink.pushed(source, self._address.key, push)

    def ended(self) -> None:
        """The link is over: everything that was not with it is lost, and then listeners hear of it."""
        link, self._link = self._link, None
        if link is None:
            return
        self._ways.leave(link.task)
        self._known.links -= 1
        if link.proven:
            self._tries = 0
        self._fail()
        self._lose_waiting()
        for source in self._channels.sources():
            self._sink.parted(source, self._address.key)
        self._channels = Channels(1)

    def _fail(self) -> None:
        """Wait before the next attempt, and longer each time: somewhere between nothing and the bound."""
        bound = min(MOST, FIRST * 2.0 ** min(self._tries, 16))
        share = int.from_bytes(self._ways.entropy(4), "big") / 2**32
        self._not_before = self._loop.time() + share * bound
        self._tries += 1

    def _lose_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        works, self._works = self._works, {}
        parked, self._parked = self._parked, deque()
        for task in works.values():
            task.cancel()
            self._ways.leave(task)
        for channel in self._channels:
            parked.extend(channel.waiting)
            channel.waiting = []
        for ask in (*waiting, *works, *(ask for ask, _ in parked)):
            self._lose(ask)

    # --- the end ---

    def look(self, now: float) -> bool:
        """Let go of a link that nobody needs. True if the whole route may be forgotten."""
        if self._asks or self._connecting is not None:
            return False
        if self._link is not None:
            if now - self._used > IDLE and not self._channels.listening:
                self._link.abandon()
            return False
        return now > self._not_before and now - self._used > IDLE

    def close(self) -> None:
        """End it: what is under way is lost, listeners hear of it."""
        if self._closed:
            return
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            self._ways.leave(self._connecting)
            self._connecting = None
        if self._link is not None:
            self._link.abandon()
        self._lose_waiting()
        self._dialler.release(self._circuit)

    def drop(self) -> None:
        """End it, and tell nobody."""
        self._sink = _Nobody()
        self.close()


class _Nobody:
    """Who hears of what is dropped."""

    def answered(self, ask: Ask, request: frames.Request, answer: frames.Answer, size: int) -> None:
        """Nothing."""

    def lost(self, ask: Ask) -> None:
        """Nothing."""

    def opened(
        self, source: LogSource, relay: bytes, scope: Scope, answer: frames.Authorised
    ) -> None:
        """Nothing."""

    def pushed(self, source: LogSource, relay: bytes, push: frames.Push) -> None:
        """Nothing."""

    def parted(self, source: LogSource, relay: bytes) -> None:
        """Nothing."""


def _ignore(request: frames.Request, answer: frames.Answer | None, size: int) -> None:
    """What comes of closing a channel does not matter."""
