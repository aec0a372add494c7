"""One turn: what has come, what follows, what is to be sent. Written before anything of it leaves.

    turned = engine.turn([Called(command), Answered(ask, request, answer)], now=…, time=…)
    send(turned.asks); tell(turned.notices); give back turned.results

All of a turn is one transaction of the store. If it cannot be written the engine is thrown away, and a new
one goes on from what the store holds: what was to be sent in that turn has not left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from heliogram.node import api
from heliogram.node.asking import Ask, LogSource, Scope
from heliogram.node.engine.context import Context, Handler, Part
from heliogram.node.errors import NodeError, NotNow
from heliogram.wire import frames

# --- What comes in --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Called:
    """Somebody wants something. `extra` is what was made ready for it outside."""

    command: api.Command
    extra: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """A relay answered."""

    ask: Ask
    request: frames.Request = field(repr=False)
    answer: frames.Answer = field(repr=False)
    #: Bytes of the request's message, as it was written; 0 if it was not.
    size: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """A relay did not answer."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel of a source is open."""

    source: LogSource = field(repr=False)
    relay: bytes = field(repr=False)
    scope: Scope
    answer: frames.Authorised = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pushed:
    """A relay said something by itself."""

    source: LogSource = field(repr=False)
    relay: bytes = field(repr=False)
    push: frames.Push = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parted:
    """A source's connection to a relay is over."""

    source: LogSource = field(repr=False)
    relay: bytes = field(repr=False)


Input: TypeAlias = Called | Answered | Lost | Opened | Pushed | Parted


# --- What comes out -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turned:
    """What came of a turn."""

    #: What is to be sent, with the circuit that each belongs to.
    asks: list[tuple[bytes, Ask]]
    notices: list[api.AnyNotice]
    #: What commands gave, or the error to raise.
    results: list[tuple[Called, object]]
    #: When the next turn must be at the latest (monotonic seconds).
    deadline: float | None


class Engine:
    """Parts that work on one store."""

    def __init__(self, context: Context, parts: Sequence[Part]) -> None:
        self.context = context
        self.parts = tuple(parts)
        self._handlers: dict[type[api.Command], Handler] = {}
        for part in self.parts:
            self._handlers.update(part.handlers)

    def does(self, command: api.Command) -> bool:
        """Whether a command is done here."""
        return type(command) in self._handlers

    def turn(self, inputs: Sequence[Input], *, now: float, time: float) -> Turned:
        """Take `inputs` in order. Raises `StoreError`; then make a new engine."""
        context = self.context
        context.now, context.time = now, time
        context.notices.clear()
        results: list[tuple[Called, object]] = []
        with context.store.transaction():
            for one in inputs:
                if isinstance(one, Called):
                    results.append((one, self._call(one)))
                else:
                    self._take(one, now)
            for part in self.parts:
                part.settle()
            asks = [ask for part in self.parts for ask in part.asks()]
        deadlines = [at for part in self.parts if (at := part.deadline()) is not None]
        return Turned(asks, list(context.notices), results, min(deadlines, default=None))

    def _call(self, called: Called) -> object:
        handler = self._handlers.get(type(called.command))
        if handler is None:
            return NotNow()
        said = len(self.context.notices)
        try:
            with self.context.store.transaction():
                return handler(called.command, called.extra)
        except NodeError as error:
            del self.context.notices[said:]
            return error

    @staticmethod
    def _take(one: Input, now: float) -> None:
        match one:
            case Answered():
                one.ask.source.answered(one.ask, one.request, one.answer, now)
            case Lost():
                one.ask.source.lost(one.ask, now)
            case Opened():
                one.source.opened(one.relay, one.scope, one.answer, now)
            case Pushed():
                one.source.pushed(one.relay, one.push, now)
            case Parted():
                one.source.parted(one.relay, now)


#: Makes the engine of a store: at the start, and again after a turn that could not be written.
Maker: TypeAlias = Callable[[], Engine]
