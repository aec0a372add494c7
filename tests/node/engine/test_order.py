"""One order for all, in whichever order things come; and what the clock does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.content.mimi import Extension, Message
from heliogram.node import api
from heliogram.node.engine import clock
from tests.node.engine.desk_kit import START, Reader, Room, Told
from tests.node.engine.kit import World

PEOPLE = ("alice", "bob", "carol")


@pytest.fixture(scope="module")
def readers() -> Iterator[tuple[Reader, Reader]]:
    with TemporaryDirectory() as folder:
        yield Reader(Path(folder), "one"), Reader(Path(folder), "other")


def story(room: Room, random: Random, steps: int) -> list[Told]:
    """Things that people say, each about what was said before; some are not theirs to say."""
    told: list[Told] = []
    posts: list[Told] = []
    reactions: list[Told] = []
    for at in range(steps):
        who = random.choice(PEOPLE)
        # Clocks of people differ, and several may stand at one time.
        sent = room.clock + random.randint(-2, 3)
        act = random.random()
        if act < 0.4 or not posts:
            reply = random.choice(posts).id if posts and random.random() < 0.3 else None
            one = room.post(who, f"post {at}", in_reply_to=reply, sent=sent)
            posts.append(one)
        elif act < 0.6:
            one = room.edit(who, random.choice(posts), f"edit {at}", sent=sent)
        elif act < 0.7:
            one = room.take_back(who, random.choice(posts), sent=sent)
        elif act < 0.9 or not reactions:
            one = room.react(who, random.choice(posts).id, random.choice("abc"), sent=sent)
            reactions.append(one)
        else:
            one = room.take_back(who, random.choice(reactions), sent=sent)
        told.append(one)
    return told


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 25))
@settings(max_examples=60, deadline=None)
def test_2_all_see_the_same_in_whichever_order_it_comes(
    readers: tuple[Reader, Reader], seed: int, steps: int
) -> None:
    random = Random(seed)
    room = Room(f"{seed} {steps} {random.random()}")
    told = story(room, random, steps)
    one, other = readers
    for reader in readers:
        if reader.person.talks.desk.logs.number_of(room.id) is None:
            reader.enter(room)
    shuffled = told + random.choices(told, k=len(told) // 3)
    random.shuffle(shuffled)
    one.take_at_once(room, *told)
    other.take_at_once(room, *shuffled)
    assert one.seen(room) == other.seen(room)
    assert len(one.seen(room)) == len({row[0] for row in one.seen(room)})


def test_what_answers_comes_after(tmp_path: Path) -> None:
    """Bob's clock is an hour behind: his answer still stands after what it answers."""
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    bob.offset = -3600
    for at in range(3):
        alice.call(api.SendMessage(chat, f"question {at}"))
        world.run(until=lambda: len(bob.messages(chat)) == len(alice.messages(chat)))
        answer = bob.call(api.SendMessage(chat, f"answer {at}"))
        assert answer.time <= answer.received  # never later than now, by their own clock
        world.run(until=lambda: len(bob.messages(chat)) == len(alice.messages(chat)))
    texts = [f"{what} {at}" for at in range(3) for what in ("question", "answer")]
    assert alice.texts(chat) == bob.texts(chat) == texts


def test_a_clock_far_ahead_moves_nobody(tmp_path: Path) -> None:
    reader, room = Reader(tmp_path), Room()
    chat = reader.enter(room)
    year = 365 * 86_400_000
    reader.take(room, room.post("alice", "from the future", sent=START + year))
    sent = room.post("bob", "now", sent=START)
    reader.take(room, sent)
    assert reader.person.texts(chat) == ["now", "from the future"]
    [_, future] = reader.person.messages(chat)
    assert future.time == future.received
    desk = reader.person.talks.desk
    row = desk.logs.get(reader.person.number(chat))
    assert row is not None and row.clock == START


def test_the_clock() -> None:
    assert clock.next_time(5_000, 4.0) == 5_001
    assert clock.next_time(5_000, 6.0) == 6_000
    assert clock.next_time(6_000 + clock.FAR_AHEAD, 6.0) == 6_001 + clock.FAR_AHEAD
    assert clock.next_time(6_001 + clock.FAR_AHEAD, 6.0) == 6_000
    assert clock.raised(5_000, 7_000, 6.0) == 7_000
    assert clock.raised(5_000, 4_000, 6.0) == 5_000
    limit = 6_000 + clock.AHEAD
    assert clock.raised(5_000, limit, 6.0) == limit
    assert clock.raised(5_000, limit + 1, 6.0) == 5_000
    assert clock.raised(5_000, 3_600_000, 6.0, minute=60) == 3_600_000
    day = 86_400_000 + 6_000
    assert clock.raised(5_000, day, 6.0, minute=10**9) == day
    assert clock.raised(5_000, day + 1, 6.0, minute=10**9) == 5_000


def test_messages_without_a_time_have_the_minute(tmp_path: Path) -> None:
    room = Room()
    plain = room.post("alice", "x", sent=-1).message
    assert clock.time_of(plain, 125.0) == 120_000
    for odd in (b"\x20", b"\x61a", b"\xf6", b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x80"):
        extension = Extension("heliogram.sent", odd)
        strange = Message(plain.salt, plain.part, extensions=(extension,))
        assert clock.time_of(Message.from_bytes(strange.encode()), 125.0) == 120_000


def test_a_clock_that_was_years_ahead_does_no_harm_once_it_is_right(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    bob.offset = 10 * 366 * 86_400.0
    bob.call(api.SendMessage(chat, "from the future"))
    world.run(until=lambda: len(alice.texts(chat)) == 1)
    bob.offset = 0.0

    def both_have(least: int) -> bool:
        return all(len(one.texts(chat)) >= least for one in (alice, bob))

    for count, who in enumerate((bob, alice, bob, alice), 1):
        who.call(api.SendMessage(chat, str(count)))
        world.run(until=partial(both_have, count + 1))
    assert alice.texts(chat) == bob.texts(chat) == ["1", "2", "3", "4", "from the future"]
