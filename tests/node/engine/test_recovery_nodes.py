"""Relays are lost for good, and whole nodes over real relays go on: engines, sockets, processes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.engine import catching
from heliogram.node.local import LocalNode, create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs
from tests.relay.process import RelayProcess

#: Seconds after which a story has gone wrong.
PATIENCE = 240

_PHRASE = b"a passphrase"


class Someone:
    """A profile, and its node while it runs."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self._directory = Directory(root / name)
        self._profile = Profile.create(
            self._directory, Secret(_PHRASE), os.urandom, costs=Costs(memory=64, passes=1)
        )
        create_profile_account(self._profile, name, now=int(time.time()))
        self._node: LocalNode | None = None

    async def begin(self) -> None:
        if self._node is None:
            if self._profile is None:
                self._profile = Profile.open(self._directory, lambda _: Secret(_PHRASE))
            self._node = await open_node(self._profile)

    async def end(self) -> None:
        if self._node is not None:
            node, self._node = self._node, None
            await node.close()
            self._profile.close()
            self._profile = None  # type: ignore[assignment]

    async def call(self, command: api.Command) -> Any:
        assert self._node is not None
        return await self._node.call(command)

    async def until(self, command: api.Command, good: Callable[[Any], object]) -> Any:
        """Ask until the answer is good."""
        async with asyncio.timeout(PATIENCE):
            while not good(answer := await self.call(command)):
                await asyncio.sleep(0.05)
        return answer

    async def reads(self, chat: str, text: str) -> None:
        """Wait until this is here."""
        await self.until(
            api.GetHistory(chat, limit=200), lambda found: any(one.text == text for one in found)
        )


@contextmanager
def relays(folder: Path, count: int) -> Iterator[list[RelayProcess]]:
    made = [RelayProcess(folder / f"relay-{at}") for at in range(count)]
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            if one.running:
                one.kill()


def address(one: RelayProcess) -> str:
    return f"ws://{one.where}/ws#{one.key.hex()}"


def _knows(name: str, found: list[api.Contact]) -> bool:
    return any(one.who.name == name and one.state == "known" for one in found)


@asynccontextmanager
async def town(root: Path, own: list[RelayProcess], *names: str) -> AsyncIterator[list[Someone]]:
    """People who know each other, all by the first; their inboxes and direct chats are on `own`."""
    async with AsyncExitStack() as stack:
        people = [Someone(root, name) for name in names]
        for one in people:
            stack.push_async_callback(one.end)
            await one.begin()
            for relay in own:
                await one.call(api.AddRelay(address(relay)))
        first = people[0]
        for one in people[1:]:
            link = await one.call(api.NewLink())
            await first.call(api.AddContact(link.uri))
            (request,) = await one.until(api.GetRequests(), bool)
            await one.call(api.AcceptRequest(request.id))
            await first.until(api.GetContacts(), partial(_knows, one.name))
        yield people


async def gather(founder: Someone, guests: list[Someone], where: list[RelayProcess]) -> str:
    """A group on these relays."""
    names = tuple(one.name for one in guests)
    places = tuple(address(one) for one in where)
    chat = await founder.call(api.CreateGroup("Tea", names, relays=places))
    for one in guests:
        found = await one.until(api.GetRequests(), bool)
        await one.call(api.AcceptRequest(found[0].id))
    for one in (founder, *guests):
        await one.until(api.GetChat(chat.id), lambda info: len(info.members) == len(guests) + 1)
    return str(chat.id)


async def replace(one: Someone, chat: str, old: RelayProcess, new: RelayProcess) -> None:
    """Let another relay hold it."""
    change = api.ChangeRelays(chat, add=(address(new),), remove=(old.key.hex(),))
    await one.call(change)

    def done(info: api.ChatInfo) -> bool:
        keys = {it.relay.key for it in info.relays}
        return old.key.hex() not in keys and new.key.hex() in keys

    await one.until(api.GetChat(chat), done)


async def test_19_all_relays_of_before_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching, "PATIENCE", 1.0)
    with relays(tmp_path, 8) as made:
        async with town(tmp_path, made[4:], "Alice", "Bob") as (alice, bob):
            chat = await gather(alice, [bob], made[:4])
            await bob.call(api.SendMessage(chat, "before"))
            await alice.reads(chat, "before")
            await bob.end()
            for old, new in zip(made[:4], made[4:], strict=True):
                await replace(alice, chat, old, new)
                # Whoever is no longer needed can go at once.
                old.kill()
            await alice.call(api.SendMessage(chat, "on new relays"))
            await bob.begin()
            await bob.reads(chat, "on new relays")
            await bob.call(api.SendMessage(chat, "found you"))
            await alice.reads(chat, "found you")
            for one in (alice, bob):
                for it in await one.call(api.GetChats()):
                    if it.kind == "direct":
                        history = await one.call(api.GetHistory(it.id))
                        assert all(line.kind == "line" for line in history)
                        assert it.unread == 0


async def test_19_all_relays_change_at_once_and_the_old_ones_die(tmp_path: Path) -> None:
    """With nobody's patience shortened."""
    with relays(tmp_path, 8) as made:
        async with town(tmp_path, made[4:], "Alice", "Bob", "Carol") as (alice, bob, carol):
            chat = await gather(alice, [bob, carol], made[:4])
            await bob.call(api.SendMessage(chat, "before"))
            await alice.reads(chat, "before")
            await bob.end()
            new = tuple(address(one) for one in made[4:])
            old = tuple(one.key.hex() for one in made[:4])
            await alice.call(api.ChangeRelays(chat, add=new, remove=old, emergency=True))
            await carol.until(
                api.GetChat(chat),
                lambda info: not {it.relay.key for it in info.relays} & {*old},
            )
            for relay in made[:4]:
                relay.kill()
            await carol.call(api.SendMessage(chat, "on new relays"))
            await bob.begin()
            await bob.reads(chat, "on new relays")
            await bob.call(api.SendMessage(chat, "found you"))
            for one in (alice, carol):
                await one.reads(chat, "found you")


async def test_10_who_goes_on_at_once_goes_on_elsewhere(tmp_path: Path) -> None:
    """Before anybody has noticed the loss. The founder's program ends while it does not open."""
    with relays(tmp_path, 7) as made:
        async with town(tmp_path, made, "Alice", "Bob") as (alice, bob):
            chat = await gather(alice, [bob], made[:4])
            await bob.call(api.SendMessage(chat, "before"))
            await alice.reads(chat, "before")
            for relay in made[:2]:
                relay.kill()
            first = await alice.call(api.StartSuccessor(chat))
            await alice.call(api.SendMessage(first.id, "in the new one"))
            await alice.end()
            await alice.begin()
            info = await alice.until(
                api.GetChat("Tea"), lambda it: it.chat.phase == "open" and it.chat.id != chat
            )
            there = info.chat.id
            assert there != first.id
            await bob.until(api.GetChat("Tea"), lambda it: it.chat.id == there)
            await bob.reads(there, "in the new one")
            await bob.call(api.SendMessage(there, "with you"))
            await alice.reads(there, "with you")
            # There is one, and everybody sees that one.
            for one in (alice, bob):
                seen = await one.call(api.GetChats())
                assert [it.id for it in seen if it.predecessor] == [there]


async def test_who_is_being_reached_comes_where_it_is_begun_anew(tmp_path: Path) -> None:
    """A group and a first contact, begun where two of four relays are gone: each is one."""
    with relays(tmp_path, 7) as made:
        async with town(tmp_path, made, "Alice", "Bob") as (alice, bob):
            carol = Someone(tmp_path, "Carol")
            try:
                await carol.begin()
                for relay in made[2:]:
                    await carol.call(api.AddRelay(address(relay)))
                link = await carol.call(api.NewLink())
                for relay in made[:2]:
                    relay.kill()
                chat = await alice.call(api.CreateGroup("Cake", ("Bob",)))
                await alice.call(api.AddContact(link.uri))
                for one in (bob, carol):
                    (request,) = await one.until(api.GetRequests(), bool)
                    await one.call(api.AcceptRequest(request.id))
                info = await alice.until(
                    api.GetChat("Cake"), lambda it: len(it.members) == 2 and it.chat.id != chat.id
                )
                await alice.call(api.SendMessage("Cake", "all of plums"))
                await bob.reads(info.chat.id, "all of plums")
                await alice.until(api.GetContacts(), partial(_knows, "Carol"))
                await alice.call(api.SendMessage("Carol", "hello"))
                await carol.reads("Alice", "hello")
                seen = await alice.call(api.GetChats())
                assert sorted(it.name for it in seen if it.kind != "self") == [
                    *("Bob", "Cake", "Carol")
                ]
            finally:
                await carol.end()


async def test_10_two_of_four_relays_vanish(tmp_path: Path) -> None:
    with relays(tmp_path, 8) as made:
        async with town(tmp_path, made[4:], "Alice", "Bob", "Carol") as (alice, bob, carol):
            chat = await gather(alice, [bob, carol], made[:4])
            await carol.call(api.SendMessage(chat, "before"))
            for one in (alice, bob):
                await one.reads(chat, "before")
            for relay in made[:2]:
                relay.kill()
            queued = await alice.call(api.SendMessage(chat, "queued"))
            shown = await alice.call(api.GetMessage(queued.id))
            assert shown.state == "queued"
            await bob.reads(chat, "before")
            started = await alice.call(api.StartSuccessor(chat))
            # It has another id there, and the same number here.
            moved = await alice.call(api.GetMessage(number=queued.number))
            assert (moved.text, moved.chat) == ("queued", started.id) and moved.id != queued.id
            for one in (bob, carol):
                # Nobody is asked: it is the conversation that they are in.
                await one.until(
                    api.GetChats(),
                    lambda found: any(it.id == started.id and it.phase == "open" for it in found),
                )
                assert await one.call(api.GetRequests()) == []
                await one.reads(started.id, "queued")
                await one.reads(chat, "before")
            await bob.call(api.SendMessage("Tea", "all here"))
            for one in (alice, carol):
                await one.reads(started.id, "all here")


async def test_both_go_on_at_once_where_two_of_four_relays_vanish(tmp_path: Path) -> None:
    with relays(tmp_path, 8) as made:
        async with town(tmp_path, made[4:], "Alice", "Bob") as people:
            alice, bob = people
            chat = await gather(alice, [bob], made[:4])
            for relay in made[:2]:
                relay.kill()
            begun = await asyncio.gather(*(one.call(api.StartSuccessor(chat)) for one in people))
            async with asyncio.timeout(PATIENCE):
                while len({(await one.call(api.GetChat("Tea"))).chat.id for one in people}) > 1:
                    await asyncio.sleep(0.05)
            assert (await alice.call(api.GetChat("Tea"))).chat.id in {one.id for one in begun}
            await alice.call(api.SendMessage("Tea", "both here"))
            await bob.reads("Tea", "both here")
            for one in people:
                assert await one.call(api.GetRequests()) == []


async def test_files_that_wait_go_up_to_the_relays_where_it_goes_on(tmp_path: Path) -> None:
    source = tmp_path / "list.bin"
    source.write_bytes(bytes(range(256)) * 1000)
    with relays(tmp_path, 8) as made:
        async with town(tmp_path, made[4:], "Alice", "Bob") as (alice, bob):
            chat = await gather(alice, [bob], made[:4])
            await bob.call(api.SendMessage(chat, "before"))
            await alice.reads(chat, "before")
            for relay in made[:2]:
                relay.kill()
            sent = await alice.call(api.SendMessage(chat, "look", files=(str(source),)))
            await alice.until(api.GetTransfers(), bool)
            started = await alice.call(api.StartSuccessor(chat))
            # What is left of the old relays helps nobody.
            for relay in made[2:4]:
                relay.kill()
            await bob.until(api.GetChats(), lambda found: any(it.id == started.id for it in found))
            await bob.reads(started.id, "look")
            history = await bob.call(api.GetHistory(started.id))
            (there,) = [one for one in history if one.text == "look"]
            assert there.id != sent.id
            await bob.call(api.GetFile(there.id, 0, str(tmp_path / "bob's")))
            saved = await bob.until(api.GetMessage(there.id), lambda one: one.files[0].path)
            assert Path(saved.files[0].path).read_bytes() == source.read_bytes()
            await alice.until(api.GetMessage(there.id), lambda one: one.files[0].state == "kept")
