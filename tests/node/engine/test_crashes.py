"""A node that ends without a word at any border of any turn: nothing is lost, nothing doubled."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from heliogram.node import api
from tests.node.engine.kit import Person, World


@pytest.mark.parametrize("seed", range(6))
def test_67_nothing_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    alice, bob = people = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    random = Random(seed)
    world.mortality = 0.03
    said: list[str] = []
    for at in range(20):
        one = random.choice([one for one in people if one.up] or [None])
        if one is not None:
            said.append(f"{one.called} {at}")
            one.call(api.SendMessage(chat, said[-1]))
            if random.random() < 0.3:
                message = random.choice(one.messages(chat))
                one.call(api.React(message.id, "👍"))
            if random.random() < 0.3:
                one.call(api.MarkRead(chat))
        world.run(random.uniform(0, 2))
    world.mortality = 0.0
    for one in people:
        one.rise()
        one.call(api.MarkRead(chat))
    world.run(400, until=lambda: all(len(one.messages(chat)) == len(said) for one in people))
    world.run(400)
    for one in people:
        one.call(api.MarkRead(chat))
    world.run(400)
    assert sorted(alice.texts(chat)) == sorted(said)
    assert seen(alice, chat) == seen(bob, chat)
    for one in people:
        assert {message.state for message in one.messages(chat) if message.mine} <= {"read"}
        assert one.store.query("SELECT * FROM outbox") == []
        added = [notice.message.number for notice in one.heard(api.MessageAdded)]
        assert len(added) == len(set(added))


def seen(person: Person, chat: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
    return [
        (one.id, one.text, [(each.emoji, each.who.account) for each in one.reactions])
        for one in person.messages(chat)
    ]
