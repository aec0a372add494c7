"""A core that only notes what it hears, a sink, and servers that are no relays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from heliogram.node.asking import Address, Ask, LogScope, LogSource, Scope, Source, Work
from heliogram.wire import frames
from heliogram.wire.objects import Open
from tests.relay.members import configured, member_key, seat_of

#: What a server of ours does with a connection.
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Core:
    """A `LogSource` that asks nothing by itself."""

    def asks(self, now: float) -> list[Ask]:
        """Nothing."""
        return []

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        """The sink has noted it."""

    def lost(self, ask: Ask, now: float) -> None:
        """The sink has noted it."""

    def deadline(self, now: float) -> float | None:
        """Never."""
        return None

    def opened(self, relay: bytes, scope: Scope, answer: frames.Authorised, now: float) -> None:
        """The sink has noted it."""

    def pushed(self, relay: bytes, push: frames.Push, now: float) -> None:
        """The sink has noted it."""

    def parted(self, relay: bytes, now: float) -> None:
        """The sink has noted it."""


class Notes:
    """A sink that notes everything, and fails if an ask comes to its end twice."""

    def __init__(self) -> None:
        self.answers: dict[Ask, tuple[frames.Request, frames.Answer, int]] = {}
        self.losses: set[Ask] = set()
        #: Everything in order: "answered", "lost", "opened", "pushed", "parted", with what it was about.
        self.story: list[tuple[str, object]] = []
        self._news = asyncio.Event()

    def answered(self, ask: Ask, request: frames.Request, answer: frames.Answer, size: int) -> None:
        assert not self.over(ask)
        self.answers[ask] = (request, answer, size)
        self._note("answered", ask)

    def lost(self, ask: Ask) -> None:
        assert not self.over(ask)
        self.losses.add(ask)
        self._note("lost", ask)

    def opened(
        self, source: LogSource, relay: bytes, scope: Scope, answer: frames.Authorised
    ) -> None:
        self._note("opened", scope)

    def pushed(self, source: LogSource, relay: bytes, push: frames.Push) -> None:
        self._note("pushed", push)

    def parted(self, source: LogSource, relay: bytes) -> None:
        self._note("parted", source)

    def over(self, ask: Ask) -> bool:
        """Whether this one was answered or lost."""
        return ask in self.answers or ask in self.losses

    def heard(self, what: str) -> list[object]:
        """All that happened of one kind."""
        return [about for kind, about in self.story if kind == what]

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(60):
            while not ready():
                self._news.clear()
                await self._news.wait()

    async def end_of(self, *asks: Ask) -> None:
        """Wait until all are answered or lost."""
        await self.until(lambda: all(map(self.over, asks)))

    def answer(self, ask: Ask) -> frames.Answer:
        """The answer that came."""
        return self.answers[ask][1]

    def _note(self, kind: str, about: object) -> None:
        self.story.append((kind, about))
        self._news.set()


class Talk:
    """A log at one relay, and asks about it."""

    def __init__(self, relay: bytes, where: str, log: str = "log") -> None:
        self.core = Core()
        self.relay = Address(relay, (f"ws://{where}/ws".encode(),))
        self.log = log
        self.seat = seat_of(log, configured(log, [relay], 1), 1)

    def scope(self, epoch: int = 1) -> LogScope:
        """The channel of an epoch."""
        return LogScope(self.seat.id, epoch, member_key(self.log, epoch, self.relay.key))

    def open(self) -> Ask:
        """OPEN, with its work."""

        def finish(proof: bytes) -> frames.Request:
            return frames.Open(0, self.seat.encode() + proof)

        return self.ask(Work(self.seat.id, True, finish))

    def ask(self, request: frames.Request | Work, scope: Scope | None = None) -> Ask:
        """Any request."""
        return Ask(self.core, self.relay, request, scope)

    def post(self, data: bytes) -> Ask:
        """POST in the first epoch."""
        return self.ask(frames.Post(0, 0, data), self.scope())

    def peek(self, scope: LogScope | None = None) -> Ask:
        """PEEK, by default in the first epoch."""
        return self.ask(frames.Peek(0, 0), scope or self.scope())

    def subscribe(self, start: int = 0) -> Ask:
        """SUBSCRIBE to the first epoch."""
        return self.ask(frames.Subscribe(0, 0, start), self.scope())


#: So that type checkers hold both against the protocols.
SOURCE: Source = Core()
FORM = Open


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A TCP server on a free port: where it is. Its connections end with the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            pass  # the block has ended
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
