"""A log at work: found, joined, said, read, changed."""

from __future__ import annotations

from heliogram.node.changes import RemovePeople, Rename, RenewKeys
from heliogram.node.components import Metadata
from heliogram.node.records import Phase
from tests.node.log.world import World


def test_two_talk() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    alice.say(b"hello")
    bob.say(b"hi")
    assert world.run(10, lambda: alice.disk.shown == [b"hi"] and bob.disk.shown == [b"hello"])
    assert world.run(10, lambda: not alice.disk.outbox and not bob.disk.outbox)
    assert alice.kinds().count("StoredByAll") == 1


def test_a_change_is_followed_and_done() -> None:
    world = World()
    alice, bob, carol = world.group("Alice", "Bob", "Carol")
    number = alice.wish(Rename(Metadata("Coffee")))
    assert world.run(10, lambda: number not in alice.disk.wishes and world.together())
    assert bob.conversation.charter.metadata.name == "Coffee"
    alice.wish(RemovePeople(frozenset({carol.id})))
    assert world.run(10, lambda: carol.conversation.phase is Phase.OUT and world.together())
    alice.say(b"without her")
    assert world.run(10, lambda: bob.disk.shown == [b"without her"])
    assert carol.disk.shown == []


def test_06_all_change_something_at_once() -> None:
    world = World()
    group = world.group("Alice", "Bob", "Carol", "Dave")
    start = world.now
    for one in group:
        one.wish(RenewKeys())
    assert world.run(60, lambda: world.settled() and world.together())
    assert group[0].conversation.epoch == 5
    assert world.now - start < 10


def test_who_leaves_is_taken_along() -> None:
    world = World()
    alice, bob, carol = world.group("Alice", "Bob", "Carol")
    carol.leave()
    bob.say(b"bye")
    assert world.run(30, lambda: carol.conversation.phase is Phase.OUT and world.together())
    assert world.run(10, lambda: alice.disk.shown == [b"bye"])


def test_after_a_restart_it_goes_on() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    for text in (b"1", b"2", b"3"):
        alice.say(text)
        alice.crash()
        alice.boot()
        alice.wish(RenewKeys())
        bob.crash()
        bob.boot()
    assert world.run(60, lambda: world.settled() and world.together())
    assert world.run(10, lambda: sorted(bob.disk.shown) == [b"1", b"2", b"3"])
    assert alice.disk.shown == []
