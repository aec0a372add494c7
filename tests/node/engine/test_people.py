"""People get in touch, over real relays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from heliogram.node import api
from tests.node.conversation.world import CLASSIC
from tests.node.engine.people_kit import Net, Somebody, until
from tests.relay.process import RelayProcess


class World:
    """Relays, and whoever is there."""

    def __init__(self, path: Path, relays: list[RelayProcess]) -> None:
        self.path = path
        self.relays = relays
        self.net = Net()
        self.people: list[Somebody] = []

    async def person(self, called: str, *, suite: int = CLASSIC) -> Somebody:
        """Somebody whose inbox is ready."""
        one = Somebody(called, self.path, self.net, self.relays, suite)
        self.people.append(one)
        await one.settled()
        return one


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    relays = [RelayProcess(tmp_path / f"relay-{i}") for i in range(2)]
    made = World(tmp_path, relays)
    try:
        for one in relays:
            one.start()
        yield made
    finally:
        for person in made.people:
            await person.close()
        for one in relays:
            if one.running:
                one.kill()


async def test_two_people_get_in_touch(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    link = await alice.call(api.NewLink())
    await alice.settled()
    contact = await bob.call(api.AddContact(link.uri))
    assert (contact.who.name, contact.state) == ("Alice", "adding")
    await bob.settled()
    (contact,) = await bob.call(api.GetContacts())
    assert contact.state == "waiting"
    await alice.settled()
    (request,) = await alice.call(api.GetRequests())
    assert request.who.name == "Bob"
    code = await bob.call(api.GetSafetyCode("Alice"))
    assert code.digits == request.safety
    chat = await alice.call(api.AcceptRequest(request.id))
    assert chat.kind == "direct"
    await until(lambda: bob.people.contact(alice.id).state == "known", alice, bob)
    assert not await alice.call(api.GetRequests())
