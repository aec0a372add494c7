"""First contact between whole nodes: engines, sockets, four relays."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.errors import NotFound
from heliogram.node.local import LocalNode, create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs
from tests.relay.process import RelayProcess

#: Seconds after which a story has gone wrong.
PATIENCE = 90


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RelayProcess]]:
    made = [RelayProcess(tmp_path_factory.mktemp("relays") / f"relay-{i}") for i in range(4)]
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            if one.running:
                one.kill()


@asynccontextmanager
async def person(path: Path, name: str, relays: list[RelayProcess]) -> AsyncIterator[LocalNode]:
    """A node of somebody, with its relays."""
    directory, phrase = Directory(path / name), Secret(b"a passphrase")
    profile = Profile.create(directory, phrase, os.urandom, costs=Costs(memory=64, passes=1))
    create_profile_account(profile, name, now=int(time.time()))
    node = await open_node(profile)
    try:
        for one in relays:
            await node.call(api.AddRelay(f"ws://{one.where}/ws#{one.key.hex()}"))
        yield node
    finally:
        await node.close()
        profile.close()


async def until(node: LocalNode, command: api.Command, good: Callable[[Any], bool]) -> Any:
    """Ask until the answer is good."""
    async with asyncio.timeout(PATIENCE):
        while not good(answer := await node.call(command)):
            await asyncio.sleep(0.02)
    return answer


async def acquaint(one: LocalNode, other: LocalNode) -> None:
    """Two who do not know each other get in touch."""
    link = await other.call(api.NewLink())
    contact = await one.call(api.AddContact(link.uri))
    (request,) = await until(other, api.GetRequests(), bool)
    await other.call(api.AcceptRequest(request.id))

    def known(found: list[api.Contact]) -> bool:
        (now,) = (who for who in found if who.who.account == contact.who.account)
        return now.state == "known"

    await until(one, api.GetContacts(), known)


async def test_two_nodes(tmp_path: Path, relays: list[RelayProcess]) -> None:
    async with AsyncExitStack() as stack:
        alice = await stack.enter_async_context(person(tmp_path, "Alice", relays))
        bob = await stack.enter_async_context(person(tmp_path, "Bob", relays))
        await until(alice, api.GetStatus(), lambda status: status.packages == 80)
        link = await alice.call(api.NewLink())
        contact = await bob.call(api.AddContact(link.uri))
        assert contact.state == "adding"
        (request,) = await until(alice, api.GetRequests(), bool)
        chat = await alice.call(api.AcceptRequest(request.id))
        assert chat.kind == "direct"
        await until(bob, api.GetContacts(), lambda found: found[0].state == "known")
        await alice.call(api.SendMessage(chat.id, "Hello Bob"))
        (theirs,) = await until(bob, api.GetContacts(), bool)
        history = await until(
            bob,
            api.GetHistory(theirs.chat),
            lambda found: any(one.text == "Hello Bob" for one in found),
        )
        assert not any("card" in one.text for one in history)


async def test_a_group_of_three(tmp_path: Path, relays: list[RelayProcess]) -> None:
    async with AsyncExitStack() as stack:
        alice, bob, carol = [
            await stack.enter_async_context(person(tmp_path, name, relays))
            for name in ("Alice", "Bob", "Carol")
        ]
        await acquaint(alice, bob)
        await acquaint(alice, carol)
        group = await alice.call(api.CreateGroup("Tea", ("Bob", "Carol")))
        for one in (bob, carol):
            (request,) = await until(one, api.GetRequests(), bool)
            assert (request.kind, request.name, request.members) == ("group", "Tea", 3)
            await one.call(api.AcceptRequest(request.id))
        await bob.call(api.SendMessage(group.id, "Hello all"))
        for one in (alice, carol):
            await until(
                one,
                api.GetHistory(group.id),
                lambda found: any(line.text == "Hello all" for line in found),
            )


async def test_a_group_that_could_not_be_made_leaves_nothing(
    tmp_path: Path, relays: list[RelayProcess]
) -> None:
    async with AsyncExitStack() as stack:
        alice = await stack.enter_async_context(person(tmp_path, "Alice", relays))
        bob = await stack.enter_async_context(person(tmp_path, "Bob", relays))
        await acquaint(alice, bob)
        await until(alice, api.GetChats(), lambda found: all(one.phase == "open" for one in found))
        before = await alice.call(api.GetChats())
        await alice.call(api.BlockContact("Bob"))
        for _ in range(2):
            with pytest.raises(NotFound):
                await alice.call(api.CreateGroup("Tea", ("Bob",)))
        await alice.drained()
        assert {one.id for one in await alice.call(api.GetChats())} == {one.id for one in before}
        # Nothing of it goes on in memory: answers to what was never written would end a turn.
        assert alice.shell.turns.failed == 0
