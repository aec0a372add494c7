"""The shell: turns, calls, notices, clocks, failed turns; with a real store and real relays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from heliogram.mls import Secret
from heliogram.node import api, shell
from heliogram.node.asking import Ask, Scope
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.engine import Called, Engine
from heliogram.node.errors import NotFound, NotNow, StoreError
from heliogram.node.network.dialling import Dialler
from heliogram.node.shell import Shell
from heliogram.node.store.database import Store
from heliogram.wire import frames
from tests.node.network.kit import Talk
from tests.relay.serving import Serving


class Poster:
    """A part of an engine that posts what is said in "chat" to one log, and counts in the store.

    It is a real part as far as the shell can see: what it sends is what its store says.
    """

    def __init__(self, context: Context, talk: Talk | None) -> None:
        self.context = context
        self.talk = talk
        self.out: list[Ask] = []
        self.stored: list[bytes] = []
        self.lost_asks = 0
        self.opens: list[Scope] = []
        self.due: float | None = None
        self.settled = 0
        if talk is not None:
            talk.core = self  # type: ignore[assignment]

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        return {api.SetDraft: self._draft, api.GetChats: self._chats, api.LeaveChat: self._refuse}

    def _draft(self, command: api.SetDraft, extra: object) -> api.Done:
        self.context.store.set_setting(command.chat, command.text.encode())
        if command.text == "explode":
            raise RuntimeError("a bug")
        if self.talk is not None:
            self.out.append(self.talk.post(command.text.encode()))
        self.context.tell(api.RequestGone(command.chat))
        return api.Done()

    def _chats(self, command: api.GetChats, extra: object) -> list[api.Chat]:
        return []

    def _refuse(self, command: api.LeaveChat, extra: object) -> api.Done:
        raise NotFound("chat")

    def settle(self) -> None:
        self.settled += 1

    def asks(self) -> list[tuple[bytes, Ask]]:
        out, self.out = self.out, []
        return [(b"circuit", ask) for ask in out]

    def deadline(self) -> float | None:
        return self.due

    # As the source of its asks.

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        if isinstance(answer, frames.Stored) and isinstance(request, frames.Post):
            self.stored.append(request.data)
            self.context.tell(api.RequestGone(request.data.decode()))

    def lost(self, ask: Ask, now: float) -> None:
        self.lost_asks += 1
        self.context.tell(api.RequestGone("lost"))

    def opened(self, relay: bytes, scope: Scope, answer: frames.Authorised, now: float) -> None:
        self.opens.append(scope)

    def pushed(self, relay: bytes, push: frames.Push, now: float) -> None:
        self.context.tell(api.RequestGone("pushed"))

    def parted(self, relay: bytes, now: float) -> None:
        self.context.tell(api.RequestGone("parted"))


class Node:
    """A shell over a store, with every engine that it made."""

    def __init__(self, path: Path, talk: Talk | None = None) -> None:
        key = Secret(bytes(32))
        self.store = Store.open(path, key) if path.exists() else Store.create(path, key)
        self.talk = talk
        self.parts: list[Poster] = []
        self.shell = Shell(self.make, Dialler())

    def make(self) -> Engine:
        context = Context(self.store, bytes)
        self.parts.append(Poster(context, self.talk))
        return Engine(context, self.parts[-1:])


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Shell]:
    task = asyncio.create_task(node.shell.run())
    try:
        yield node.shell
    finally:
        await node.shell.stop()
        await task
        node.store.close()


async def test_calls_and_what_they_raise(tmp_path: Path) -> None:
    node = Node(tmp_path / "profile")
    async with running(node) as here:
        assert await here.call(api.GetChats()) == []
        with pytest.raises(NotFound):
            await here.call(api.LeaveChat("nobody"))
        with pytest.raises(NotNow):
            await here.call(api.GetStatus())
        results = await asyncio.gather(
            *(here.call(api.SetDraft(f"chat {n}", f"{n}")) for n in range(600))
        )
        assert results == [api.Done()] * 600
        assert node.store.setting("chat 599") == b"599"
        # Many calls, few turns.
        assert node.shell.turns.count < 20
    with pytest.raises(NotNow):
        await here.call(api.GetChats())


async def test_what_is_done_outside(tmp_path: Path) -> None:
    node = Node(tmp_path / "profile")

    async def export(command: api.Export) -> api.Done:
        await here.turn(api.SetDraft("exported", command.directory), extra="made ready")
        return api.Done()

    async with running(node) as here:
        here.outside[api.Export] = export
        assert await here.call(api.Export("/somewhere")) == api.Done()
        assert node.store.setting("exported") == b"/somewhere"


async def test_a_call_that_nobody_waits_for_is_not_done(tmp_path: Path) -> None:
    node = Node(tmp_path / "profile")
    call = asyncio.create_task(node.shell.call(api.SetDraft("a", "b")))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    async with running(node) as here:
        await here.call(api.GetChats())
        assert node.store.setting("a") is None


async def test_asks_leave_and_answers_come_back(tmp_path: Path) -> None:
    async with Serving(tmp_path / "relay") as relay:
        member = await relay.member("log")
        talk = Talk(relay.key, relay.where, "log")
        node = Node(tmp_path / "profile", talk)
        async with running(node) as here:
            notices = here.notices()
            await asyncio.gather(*(here.call(api.SetDraft("c", f"{n}")) for n in range(50)))
            while len(node.parts[0].stored) < 50:
                await anext(notices)
            assert node.parts[0].opens == [talk.scope()]
            here.circuits.close(b"circuit")
            while await anext(notices) != api.RequestGone("parted"):
                pass
        assert len(await member.read(member.clients[relay.key])) == 50
        await member.close()


async def test_nothing_is_waited_for_when_all_have_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "_GATHER", 3600.0)
    async with Serving(tmp_path / "relay") as relay:
        member = await relay.member("log")
        node = Node(tmp_path / "profile", Talk(relay.key, relay.where, "log"))
        async with running(node) as here:
            here.turns.usual = 1e9
            await asyncio.gather(*(here.call(api.SetDraft("c", f"{n}")) for n in range(3)))
            notices = here.notices()
            async with asyncio.timeout(300):
                while len(node.parts[0].stored) < 3:
                    await anext(notices)
        await member.close()


async def test_time_passes(tmp_path: Path) -> None:
    node = Node(tmp_path / "profile")
    async with running(node) as here:
        await here.call(api.GetChats())
        part = node.parts[0]
        for _ in range(3):
            settled = part.settled
            part.due = here._now() + 0.02
            await here.call(api.GetChats())
            while part.settled < settled + 2:
                await asyncio.sleep(0.005)
            part.due = None
        await here.call(api.GetChats())
        settled = part.settled
        await asyncio.sleep(0.05)
        assert part.settled <= settled + 1  # nothing is due: no turns
        here.wake()
        while part.settled <= settled:
            await asyncio.sleep(0.005)


async def test_a_turn_that_fails_costs_the_engine_and_nothing_else(tmp_path: Path) -> None:
    async with Serving(tmp_path / "relay") as relay:
        member = await relay.member("log")
        node = Node(tmp_path / "profile", Talk(relay.key, relay.where, "log"))
        async with running(node) as here:
            notices = here.notices()
            await here.call(api.SetDraft("first", "1"))
            for _ in range(2):
                await anext(notices)
            together = await asyncio.gather(
                here.call(api.SetDraft("second", "2")),
                here.call(api.SetDraft("third", "explode")),
                return_exceptions=True,
            )
            # What was wanted in the same turn is done by itself.
            assert not isinstance(together[0], BaseException)
            assert isinstance(together[1], StoreError) and "bug" not in str(together[1])
            assert node.store.setting("first") == b"1" and node.store.setting("second") == b"2"
            assert node.store.setting("third") is None
            # Another engine goes on, on new connections.
            await here.call(api.SetDraft("fourth", "4"))
            while await anext(notices) != api.RequestGone("4"):
                pass
            assert len(node.parts) == 3 and node.parts[2].stored == [b"4"]
            assert len(node.parts[2].opens) == 1
        await member.close()


async def test_69_one_can_look_though_the_rest_of_the_turn_fails(tmp_path: Path) -> None:
    node = Node(tmp_path / "profile")
    async with running(node) as here:
        asked = (api.GetChats(), api.SetDraft("x", "explode"), api.GetChats())
        found = await asyncio.gather(*map(here.call, asked), return_exceptions=True)
        assert found[0] == found[2] == [] and isinstance(found[1], StoreError)
        assert here.turns.failed == 2


async def test_trouble_is_told_and_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "PAUSE", 0.01)
    node = Node(tmp_path / "profile")
    async with running(node) as here:
        notices = here.notices()
        for _ in range(shell.TROUBLE):
            with pytest.raises(StoreError):
                await here.call(api.SetDraft("x", "explode"))
        assert await anext(notices) == api.Warned("store")
        assert await here.call(api.GetChats()) == []
        assert here.turns.failed == shell.TROUBLE


async def test_people_are_told_soon_that_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a failing disk is left alone by itself."""
    monkeypatch.setattr(shell, "PAUSE", 1000.0)
    monkeypatch.setattr(shell, "LONGEST_PAUSE", 1000.0)
    monkeypatch.setattr(shell, "CALLED_PAUSE", 0.01)
    node = Node(tmp_path / "profile")
    async with running(node) as here:
        for _ in range(4):
            with pytest.raises(StoreError):
                await here.call(api.SetDraft("x", "explode"))
        assert await here.call(api.GetChats()) == []


async def test_who_is_too_slow_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "BACKLOG", 10)
    node = Node(tmp_path / "profile")
    async with running(node) as here:
        slow, quick = here.notices(), here.notices()
        for n in range(11):
            await here.call(api.SetDraft(f"{n}", "x"))
            assert await anext(quick) == api.RequestGone(f"{n}")
        assert [one async for one in slow] == []
        assert isinstance(slow, shell.Notices) and slow.too_slow
    assert [one async for one in quick] == [api.Locked()]


async def test_a_stop_ends_calls(tmp_path: Path) -> None:
    node = Node(tmp_path / "profile")
    call = asyncio.create_task(node.shell.call(api.GetChats()))
    await asyncio.sleep(0)
    await node.shell.stop()
    with pytest.raises(NotNow):
        await call
    node.store.close()


def test_inputs_say_nothing() -> None:
    assert "secret" not in repr(Called(api.GetChats(), extra="secret"))
