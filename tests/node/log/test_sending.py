"""Our own words: written encrypted before they leave, and they leave only once the epoch was found open."""

from __future__ import annotations

import pytest

from heliogram.node.asking import Ask, LogScope
from heliogram.node.changes import RemovePeople, RenewKeys
from heliogram.node.events import Dead
from heliogram.node.log import happenings as told
from heliogram.node.log.log import Log
from heliogram.node.log.sending import MAX_POSTINGS, MAX_WASTED
from heliogram.wire import frames
from tests.node.log.world import Device, Said, World


class Seen:
    """What devices ask relays, in order: who, what kind, in which epoch."""

    def __init__(self, world: World) -> None:
        self.asks: list[tuple[str, str, int]] = []
        self.posted: list[bytes] = []
        send = world.send

        def watch(device: Device, ask: Ask) -> None:
            if isinstance(ask.scope, LogScope):
                kind = type(ask.request).__name__
                self.asks.append((device.called, kind, ask.scope.epoch))
                if isinstance(ask.request, frames.Post):
                    self.posted.append(ask.request.data)
            send(device, ask)

        world.send = watch  # type: ignore[method-assign]

    def epochs(self, who: str) -> set[int]:
        """Those in which somebody has posted."""
        return {epoch for one, kind, epoch in self.asks if (one, kind) == (who, "Post")}

    def kinds(self, who: str) -> list[str]:
        """What somebody asked, each kind once in a row."""
        found = [kind for one, kind, _ in self.asks if one == who and kind in ("Peek", "Post")]
        return [kind for at, kind in enumerate(found) if at == 0 or found[at - 1] != kind]


def test_what_is_said_is_written_at_once_and_leaves_once_the_epoch_is_open() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    seen = Seen(world)
    alice.say(b"hello")
    entry = next(iter(alice.disk.outbox.values())).entry
    assert entry is not None and not seen.posted
    assert world.run(10, lambda: bob.disk.shown == [b"hello"])
    assert seen.kinds("Alice") == ["Peek", "Post"]
    assert set(seen.posted) == {entry}


def test_what_is_said_while_relays_are_asked_waits_for_answers_of_its_own() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    seen = Seen(world)
    alice.say(b"one")
    alice.say(b"two")
    first, second = (one.entry for one in alice.disk.outbox.values())
    assert first is not None and second is not None
    assert world.run(10, lambda: bob.disk.shown == [b"one", b"two"])
    assert seen.kinds("Alice") == ["Peek", "Post", "Peek", "Post"]
    assert seen.posted.index(first) < seen.posted.index(second)


def test_after_a_crash_the_same_entry_leaves_and_relays_are_asked_before() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    alice.say(b"hello")
    entry = next(iter(alice.disk.outbox.values())).entry
    alice.crash()
    seen = Seen(world)
    alice.boot()
    assert world.run(10, lambda: bob.disk.shown == [b"hello"])
    assert seen.kinds("Alice")[:2] == ["Peek", "Post"]
    assert set(seen.posted) == {entry}


def test_23_what_was_encrypted_before_a_removal_and_has_not_left_is_encrypted_anew() -> None:
    """Also after a restart: what a person said before, and what is said after it."""
    world = World()
    alice, bob, mallory = world.group("Alice", "Bob", "Mallory")
    world.run(5)
    for relay in world.order[:4]:
        world.down(relay)
    bob.say(b"before")
    written = next(iter(bob.disk.outbox.values()))
    assert written.epoch == bob.conversation.epoch
    bob.crash()
    for relay in world.order[:4]:
        relay.restart()
    number = alice.wish(RemovePeople(frozenset({mallory.id})))
    assert world.run(60, lambda: number not in alice.disk.wishes)
    seen = Seen(world)
    bob.boot()
    bob.say(b"after")
    assert world.run(60, lambda: sorted(alice.disk.shown) == [b"after", b"before"])
    assert seen.epochs("Bob") == {alice.conversation.epoch}
    assert mallory.disk.shown == []


def test_the_order_stays_however_much_waits_when_an_epoch_closes() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    texts = [b"%d" % at for at in range(6 * MAX_POSTINGS)]
    for text in texts[: len(texts) // 2]:
        alice.say(text)
    bob.wish(RenewKeys())
    for text in texts[len(texts) // 2 :]:
        alice.say(text)
    assert world.run(120, lambda: len(bob.disk.shown) == len(texts))
    assert world.run(60, lambda: not alice.disk.outbox)
    encrypted = [one for one in alice.happened if isinstance(one, told.Encrypted)]
    anew = [one.number for one in encrypted if one.epoch == bob.conversation.epoch]
    assert len(anew) > MAX_POSTINGS and anew == sorted(anew)


def test_what_is_taken_back_uses_up_few_keys() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    for relay in world.order[:4]:
        world.down(relay)
    for number in range(1000, 1000 + 2 * MAX_WASTED):
        alice.log.say(number, "application/mimi-content", b"typing")
        alice.disk.outbox[number] = Said("application/mimi-content", b"typing")
        with alice.turn():
            pass
        alice.log.unsay(number)
        del alice.disk.outbox[number]
    wasted = [one for one in alice.happened if isinstance(one, told.Encrypted)]
    assert len(wasted) == MAX_WASTED
    alice.say(b"hello")
    for relay in world.order[:4]:
        relay.restart()
    assert world.run(120, lambda: bob.disk.shown == [b"hello"])


def test_what_is_taken_back_uses_up_few_keys_however_often_it_starts() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    for round_ in range(3):
        for relay in world.order[:4]:
            world.down(relay)
        for at in range(MAX_WASTED // 2 + 1):
            number = 1000 * (round_ + 1) + at
            alice.disk.outbox[number] = Said("application/mimi-content", b"typing")
            with alice.turn():
                alice.log.say(number, "application/mimi-content", b"typing")
            with alice.turn():
                alice.log.unsay(number)
                del alice.disk.outbox[number]
        alice.crash()
        for relay in world.order[:4]:
            relay.restart()
        alice.boot()
        world.run(10)
    wasted = [one for one in alice.happened if isinstance(one, told.Encrypted)]
    assert len(wasted) == MAX_WASTED
    alice.say(b"hello")
    assert world.run(30, lambda: bob.disk.shown == [b"hello"])


def test_who_was_away_encrypts_nothing_in_epochs_that_are_over() -> None:
    """However many there were: what relays have seen of a message is not pushed out by it, either."""
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    away, send = [True], world.send

    def cut(device: Device, ask: Ask) -> None:
        if device is not alice or not away[0]:
            send(device, ask)
            return
        log = alice.log
        world.at(world.now + 0.3, lambda: lost(log, ask))

    def lost(log: Log, ask: Ask) -> None:
        with alice.turn():
            log.lost(ask, world.now)

    world.send = cut  # type: ignore[method-assign]
    world.forget(alice)
    for relay in world.order[:4]:
        world.part(alice, relay)
    alice.say(b"hello")
    for _ in range(6):
        number = bob.wish(RenewKeys())
        assert world.run(60, lambda number=number: number not in bob.disk.wishes)  # type: ignore[misc]
    away[0] = False
    assert world.run(200, lambda: bob.disk.shown == [b"hello"])
    epochs = [one.epoch for one in alice.happened if isinstance(one, told.Encrypted)]
    now = bob.conversation.epoch
    assert epochs == [now - 6, now]


def test_after_a_crash_what_may_have_left_is_not_encrypted_again() -> None:
    """Where what comes after it is of the epoch before."""
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    texts = [b"%d" % at for at in range(3 * MAX_POSTINGS)]
    for text in texts:
        alice.say(text)
    bob.wish(RenewKeys())

    def half() -> bool:
        kept = [one.epoch for one in alice.disk.outbox.values() if one.epoch is not None]
        return len(set(kept)) == 2

    assert world.run(60, half)
    alice.crash()
    alice.boot()
    assert world.run(120, lambda: len(bob.disk.shown) == len(texts))
    assert world.run(60, lambda: not alice.disk.outbox)
    made = [(one.number, one.epoch) for one in alice.happened if isinstance(one, told.Encrypted)]
    assert len(made) == len(set(made))
    assert sorted(bob.disk.shown) == sorted(texts)


@pytest.mark.parametrize("dies", [False, True])
def test_what_a_quorum_signed_for_when_the_epoch_closes_is_not_said_again(dies: bool) -> None:
    """Receipts and the decision come in one turn."""
    world = World()
    alice, bob = world.group("Alice", "Bob")
    world.run(5)
    log, held = alice.log, []
    answered = log.answered

    def hold(ask: Ask, request: frames.Request, answer: frames.Answer, now: float) -> None:
        if isinstance(request, frames.Post):
            held.append((ask, request, answer))
            return
        answered(ask, request, answer, now)
        if log._deciding.decided:
            for one in held:
                answered(*one, now)
            held.clear()
            if dies:
                log.stop("for a test")

    log.answered = hold  # type: ignore[method-assign]
    alice.say(b"hello")
    assert world.run(10, lambda: len(held) == 4)
    bob.wish(RenewKeys())
    assert world.run(20, lambda: not held)
    world.run(20)
    assert bob.disk.shown == [b"hello"] and not alice.disk.outbox
    kinds = alice.kinds()
    assert kinds.count("StoredByQuorum") == 1
    if dies:  # what is not stored by then has failed
        dead = next(one for one in alice.happened if isinstance(getattr(one, "event", None), Dead))
        assert kinds.index("StoredByQuorum") < alice.happened.index(dead)
    assert len([one for one in alice.happened if isinstance(one, told.Encrypted)]) == 1
