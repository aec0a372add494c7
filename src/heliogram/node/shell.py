"""The shell: asyncio around the engine. Queues what comes, runs turns, carries asks, keeps time.

    shell = Shell(maker, Dialler(proxy=proxy))
    task = asyncio.create_task(shell.run())
    chats = await shell.call(GetChats())
    await shell.stop()

A turn takes all that has come so far and runs in the event loop: it is short. Only after it is written its
asks leave and its notices are told. A turn that cannot be written costs the engine: another one is made from
the store, and connections begin anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self
from weakref import WeakSet

from heliogram.node import api
from heliogram.node.asking import Ask, LogSource, Scope
from heliogram.node.engine.engine import (
    Answered,
    Called,
    Engine,
    Input,
    Lost,
    Maker,
    Opened,
    Parted,
    Pushed,
    Turned,
)
from heliogram.node.errors import NodeError, NotNow, StoreError
from heliogram.node.network.circuits import Circuits
from heliogram.node.network.dialling import Dialler
from heliogram.wire import frames

#: Inputs of one turn, and inputs that wait above which no relay is read, and below which it is again.
BATCH, HIGH, LOW = 256, 1024, 256

#: Notices that wait for one subscriber. Who is slower is let go.
BACKLOG = 4096

#: Failed turns in a row after which people are told, and seconds before the next try: doubled, up to a bound.
TROUBLE, PAUSE, LONGEST_PAUSE = 3, 0.25, 60.0

#: The same bound while somebody waits for an answer.
CALLED_PAUSE = 1.0

#: Seconds until the next turn at least, if nothing comes but its time.
_SHORTEST = 0.005

#: Seconds at most, and parts of a usual turn, for which a turn waits for the answers of other relays.
_GATHER, _PART = 0.002, 0.5

#: Seconds between looks at the clocks at most, and by how much they must have parted for the computer to have
#: slept: monotonic time may stand still then.
_LOOK, _SLEPT = 60.0, 30.0

#: Does a command that the engine does not do. Raises `NodeError`.
Outside = Callable[[Any], Awaitable[object]]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Turns:
    """How long turns took, in seconds."""

    count: int = 0
    total: float = 0.0
    longest: float = 0.0
    #: What the last ones took, on average.
    usual: float = 0.0
    failed: int = 0

    def took(self, seconds: float) -> None:
        """Another one."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        self.usual += (seconds - self.usual) / 16


class Notices:
    """One subscriber's notices. Ends when the node stops, or when the subscriber is too slow."""

    def __init__(self) -> None:
        self._waiting: deque[api.AnyNotice] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._over = False
        #: Whether it ended because nobody took the notices.
        self.too_slow = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> api.AnyNotice:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._waiting.popleft()

    def put(self, notice: api.AnyNotice) -> None:
        """One more, or the end if there are too many."""
        if self._over:
            return
        if len(self._waiting) >= BACKLOG:
            self._waiting.clear()
            self.too_slow = True
            self.end()
            return
        self._waiting.append(notice)
        self._rouse()

    def end(self) -> None:
        """No more than what waits."""
        self._over = True
        self._rouse()

    async def aclose(self) -> None:
        """The subscriber is done."""
        self._waiting.clear()
        self.end()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Shell:
    """A node that runs here. `api.Node`, and the sink of its circuits."""

    def __init__(
        self,
        maker: Maker,
        dialler: Dialler,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Within an event loop. `now` gives monotonic seconds, `clock` Unix seconds.

        Raises what `maker` raises: the engine is made at once.
        """
        self._maker = maker
        self._now, self._clock = now, clock
        self._engine: Engine | None = maker()
        self._gate = asyncio.Event()
        self._gate.set()
        self.circuits = Circuits(dialler, self, entropy=entropy, gate=self._gate)
        #: What is done outside of the engine, by the command's type.
        self.outside: dict[type[api.Command], Outside] = {}
        self.turns = Turns()
        self._inputs: deque[Input] = deque()
        self._calls: dict[Called, asyncio.Future[Any]] = {}
        self._subscribers: WeakSet[Notices] = WeakSet()
        self._wake: asyncio.Future[None] | None = None
        self._due: float | None = 0.0
        #: What lies between the two clocks.
        self._apart = clock() - now()
        self._failures = 0
        #: Calls at the head of the queue that get a turn each: the one that they shared has failed.
        self._alone = 0
        #: Asks that are neither answered nor lost yet.
        self._flying = 0
        #: Whether one of them was, since the last turn.
        self._heard = False
        self._running = self._stopping = False
        self._stopped = asyncio.Event()

    # --- for faces ---

    async def call(self, command: api.Command, extra: object = None) -> Any:
        """Do it: in the engine, or by whoever does it outside. Raises `NodeError`.

        `extra` is for the engine: what was made ready for the command outside.
        """
        outside = self.outside.get(type(command))
        if outside is not None and extra is None:
            return await outside(command)
        return await self.turn(command, extra)

    async def turn(self, command: api.Command, extra: object = None) -> Any:
        """Do it in the engine. Raises `NodeError`."""
        if self._stopping:
            raise NotNow
        called = Called(command, extra)
        future = self._calls[called] = asyncio.get_running_loop().create_future()
        self._put(called)
        try:
            return await future
        finally:
            self._calls.pop(called, None)

    def notices(self) -> AsyncIterator[api.AnyNotice]:
        """What happens from now on, until the node stops or nobody takes it."""
        made = Notices()
        if self._stopping:
            made.end()
        self._subscribers.add(made)
        return made

    def tell(self, notice: api.AnyNotice) -> None:
        """Tell all who listen: for what happens outside of the engine."""
        for one in list(self._subscribers):
            one.put(notice)

    def wake(self) -> None:
        """Have a turn now: something outside of it has changed."""
        self._due = 0.0
        self._rouse()

    @property
    def busy(self) -> bool:
        """Whether something has come that no turn took, or some relay has not answered yet."""
        return bool(self._inputs) or self._flying > 0 or self._is_due()

    # --- for circuits ---

    def answered(self, ask: Ask, request: frames.Request, answer: frames.Answer, size: int) -> None:
        """Into the next turn."""
        self._flying -= 1
        self._heard = True
        self._put(Answered(ask, request, answer, size))

    def lost(self, ask: Ask) -> None:
        """Into the next turn."""
        self._flying -= 1
        self._heard = True
        self._put(Lost(ask))

    def opened(
        self, source: LogSource, relay: bytes, scope: Scope, answer: frames.Authorised
    ) -> None:
        """Into the next turn."""
        self._put(Opened(source, relay, scope, answer))

    def pushed(self, source: LogSource, relay: bytes, push: frames.Push) -> None:
        """Into the next turn."""
        self._put(Pushed(source, relay, push))

    def parted(self, source: LogSource, relay: bytes) -> None:
        """Into the next turn."""
        self._put(Parted(source, relay))

    # --- turns ---

    async def run(self) -> None:
        """Run until `stop`."""
        self._running = True
        try:
            while not self._stopping:
                if self._failures and not self._alone:
                    await self._rest()
                if not self._inputs and not self._is_due():
                    await self._wait(self._due)
                    continue
                await self._gather()
                self._turn()
                # Sockets and faces have their turn between two of ours.
                await asyncio.sleep(0)
        finally:
            await self._end()

    async def stop(self) -> None:
        """Finish the turn that runs, close all connections, tell who listens. Waits for it."""
        self._stopping = True
        self._rouse()
        if self._running:
            await self._stopped.wait()
        else:
            await self._end()

    def _turn(self) -> None:
        self._heard = False
        many = 1 if self._alone else BATCH
        self._alone = max(0, self._alone - 1)
        inputs = [self._inputs.popleft() for _ in range(min(many, len(self._inputs)))]
        # Who called and is gone does not want it any more.
        inputs = [one for one in inputs if not isinstance(one, Called) or one in self._calls]
        if len(self._inputs) < LOW:
            self._gate.set()
        began = self._now()
        try:
            engine = self._engine
            if engine is None:
                engine = self._engine = self._maker()
            turned = engine.turn(inputs, now=began, time=self._clock())
        except Exception as error:
            self._fail(inputs, error)
            return
        self.turns.took(self._now() - began)
        self._failures = 0
        self._follow(turned)

    def _follow(self, turned: Turned) -> None:
        """Do what a turn wants, now that it is written."""
        self._flying += len(turned.asks)
        for circuit, ask in turned.asks:
            self.circuits.send(circuit, ask)
        for notice in turned.notices:
            self.tell(notice)
        for called, result in turned.results:
            future = self._calls.pop(called, None)
            if future is not None and not future.done():
                if isinstance(result, NodeError):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        if turned.deadline is not None:
            self._due = max(turned.deadline, self._now() + _SHORTEST)
        else:
            self._due = None

    def _fail(self, inputs: list[Input], error: Exception) -> None:
        """Throw the engine away, with all that was on its way to it, but for what people want.

        Nothing of the turn was written. What people wanted in it is tried again, each by itself: on a full
        disk one can look, though what came meanwhile cannot be written.
        """
        # Its text may hold anything, so only its kind and place are logged.
        _log.error("a turn failed: %s at %s", type(error).__name__, _where(error))
        self._engine = None
        self.circuits.drop()
        self._flying = 0
        again = [one for one in inputs if isinstance(one, Called)] if len(inputs) > 1 else []
        self._alone += len(again)
        self._inputs = deque([*again, *(one for one in self._inputs if isinstance(one, Called))])
        self._gate.set()
        told = (
            error if isinstance(error, StoreError) else StoreError("the turn could not be written")
        )
        for one in inputs if not again else ():
            future = self._calls.pop(one, None) if isinstance(one, Called) else None
            if future is not None and not future.done():
                future.set_exception(told)
        self.turns.failed += 1
        self._failures += 1
        if self._failures == TROUBLE:
            self.tell(api.Warned("store"))
        self._due = 0.0

    # --- waiting ---

    def _put(self, one: Input) -> None:
        self._inputs.append(one)
        if len(self._inputs) >= HIGH:
            self._gate.clear()
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _is_due(self) -> bool:
        now = self._now()
        apart, self._apart = self._apart, self._clock() - now
        if abs(self._apart - apart) > _SLEPT:
            return True
        return self._due is not None and now >= self._due

    def _pause(self) -> float:
        """Seconds before a turn that follows failed ones; none after a single one."""
        if self._failures < 2:
            return 0.0
        return min(LONGEST_PAUSE, PAUSE * 2.0 ** min(self._failures, 16))

    async def _gather(self) -> None:
        """Wait a moment for more: several relays are asked at once, and one turn is one write to the disk.

        Nobody who called waits for that, and no longer than until all that were asked have answered.
        """
        until = self._now() + min(_GATHER, self.turns.usual * _PART)
        while not self._calls and len(self._inputs) < BATCH and self._now() < until:
            if self._flying == 0 and self._heard:
                return
            if self._stopping:
                return
            await self._wait(until)

    async def _rest(self) -> None:
        """Let a disk that fails alone for a while; not so long if a person waits to be told."""
        began = self._now()
        while not self._stopping:
            pause = self._pause()
            until = began + (min(pause, CALLED_PAUSE) if self._calls else pause)
            if self._now() >= until:
                return
            await self._wait(until)

    async def _wait(self, until: float | None) -> None:
        """Wait until then, and no longer than until something comes."""
        if self._stopping:
            return
        loop = asyncio.get_running_loop()
        left = _LOOK if until is None else min(_LOOK, until - self._now())
        if left <= 0:
            return
        self._wake = loop.create_future()
        timer = loop.call_later(left, self._rouse)
        try:
            await self._wake
        finally:
            timer.cancel()

    async def _end(self) -> None:
        """Close what is open. Calls that wait end with `NotNow`."""
        self._stopping = True
        await self.circuits.stop()
        self._engine = None
        self._inputs.clear()
        calls, self._calls = self._calls, {}
        for future in calls.values():
            if not future.done():
                future.set_exception(NotNow())
        for one in list(self._subscribers):
            one.put(api.Locked())
            one.end()
        self._stopped.set()


def _where(error: BaseException) -> str:
    """The place in the code: a file's name and a line. Never a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"


#: Held against the interface by type checkers.
_node: type[api.Node] = Shell
