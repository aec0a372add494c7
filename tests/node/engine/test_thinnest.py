from __future__ import annotations

from pathlib import Path

from heliogram.node import api
from tests.node.engine.kit import World


def test_notes_to_self(tmp_path: Path) -> None:
    world = World(tmp_path)
    (alice,) = world.people("alice")
    world.run(until=lambda: alice.call(api.GetChats())[0].phase == "open")
    [chat] = alice.call(api.GetChats())
    assert chat.kind == "self"
    sent = alice.call(api.SendMessage("self", "Buy **tea**"))
    assert sent.state == "queued"
    world.run(until=lambda: alice.message(sent.id).state == "stored")
    world.run(5)
    assert len(alice.message(sent.id).stored_by) == 4


def test_two(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(until=lambda: bob.texts(chat) == ["Hello"])
    world.run(until=lambda: alice.message(sent.id).state == "delivered")
    bob.call(api.MarkRead(chat))
    world.run(until=lambda: alice.message(sent.id).state == "read")
    print(alice.lines(chat), bob.lines(chat))
