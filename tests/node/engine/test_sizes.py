"""What the outside sees of messages: their sizes, and what `Explain` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.content.padding import BUCKETS
from heliogram.node import api
from heliogram.node.errors import NotAllowed
from tests.node.engine.kit import World


def test_74_all_that_people_do_has_four_sizes(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    world.run(60)
    world.posted.clear()
    sizes = [*range(1, 300, 23), *range(300, 3500, 199), 3500]
    for size in sizes:
        alice.call(api.SendMessage(chat, "x" * size))
    world.run(until=lambda: len(bob.messages(chat)) == len(sizes))
    bob.call(api.MarkRead(chat))
    first, *_, last = alice.messages(chat)
    for message in (first, last):
        alice.call(api.EditMessage(message.id, message.text + "!"))
        bob.call(api.React(message.id, "👍"))
        bob.call(api.SendMessage(chat, "re", reply_to=message.id))
    world.run(until=lambda: {one.state for one in alice.messages(chat) if one.mine} == {"read"})
    bob.call(api.React(first.id))
    alice.call(api.DeleteMessage(last.id))
    world.run(until=lambda: bob.message(last.id).kind == "deleted")
    world.run(60)
    assert len(world.posted) >= len(sizes) + 9
    seen = {len(one) for one in world.posted}
    assert len(seen) <= 4
    # What is around the padded content is the same for all.
    assert {one - min(seen) for one in seen} <= {one - BUCKETS[0] for one in BUCKETS} | {
        one - BUCKETS[1] for one in BUCKETS
    }


def test_what_was_seen_is_explained(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    sent = alice.call(api.SendMessage(chat, "Hello, Bob"))
    world.run(until=lambda: len(alice.message(sent.id).stored_by) == 4)
    world.run(until=lambda: bob.texts(chat) == ["Hello, Bob"])
    told = alice.call(api.Explain(sent.id))
    assert told.text_size == 10
    [entry] = {len(one) for one in world.posted if len(one) == told.entry_size}
    assert entry == told.entry_size
    assert sorted(one.relay.name for one in told.traces) == [f"{at}.example" for at in range(4)]
    assert {one.what for one in told.traces} == {"post"} and all(one.stored for one in told.traces)
    assert {one.epoch for one in told.traces} == {1}
    assert all(one.size > told.entry_size for one in told.traces)
    assert {one.minute for one in told.traces} == {int(alice.time) // 60}
    assert len(told.network) == 4 and told.proxy == ""
    # All texts up to the largest that fits look the same, and the next one does not.
    for size, same in ((told.bucket - 2, True), (told.bucket + 2, False)):
        other = alice.call(api.SendMessage(chat, "x" * size))
        world.run(until=lambda id=other.id: alice.message(id).state != "queued")  # type: ignore[misc]
        assert (alice.call(api.Explain(other.id)).entry_size == told.entry_size) is same
    with pytest.raises(NotAllowed):
        bob.call(api.Explain(sent.id))
