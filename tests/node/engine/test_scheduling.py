"""What is said at its time: by a node that runs then, or runs again."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import NotAllowed, NotFound
from tests.node.engine.kit import Person, World


@pytest.fixture
def two(tmp_path: Path) -> tuple[World, Person, Person, str]:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    return world, alice, bob, world.befriend(alice, bob)


Two = tuple[World, Person, Person, str]


def waiting(who: Person, chat: str | None = None) -> list[str]:
    return [one.text for one in who.call(api.GetScheduled(chat))]


def schedule(who: Person, chat: str, text: str, after: float, **how: str) -> api.Scheduled:
    made: api.Scheduled = who.call(api.Schedule(chat, int(who.time + after), text, **how))  # type: ignore[arg-type]
    return made


def test_it_is_said_at_its_time(two: Two) -> None:
    world, alice, bob, chat = two
    asked = bob.call(api.SendMessage(chat, "When?"))
    world.run(until=lambda: len(alice.messages(chat)) == 1)
    alice.call(api.SetDraft(chat, "Now"))
    alice.notices.clear()
    second = schedule(alice, chat, "Now", 100, reply_to=asked.id)
    first = schedule(alice, chat, "Soon", 50)
    assert alice.call(api.GetScheduled(chat)) == [first, second]
    assert (second.chat, second.reply_to, second.files) == (chat, asked.id, ())
    assert alice.chat(chat).draft == ""
    assert alice.heard(api.ScheduledChanged) == [api.ScheduledChanged(chat)] * 2
    assert alice.texts(chat) == ["When?"]
    world.run(45)
    assert bob.texts(chat) == ["When?"]
    world.run(10, until=lambda: bob.texts(chat) == ["When?", "Soon"])
    assert waiting(alice) == ["Now"]
    world.run(60, until=lambda: bob.texts(chat) == ["When?", "Soon", "Now"])
    said = bob.messages(chat)[-1]
    assert said.reply_to == asked.id
    assert abs(said.time - second.at) <= 5
    assert waiting(alice) == [] and len(alice.heard(api.ScheduledChanged)) == 4


def test_a_node_that_runs_again_says_what_is_due(two: Two) -> None:
    world, alice, bob, chat = two
    schedule(alice, chat, "Good morning", 30)
    later = schedule(alice, chat, "Good night", 3000)
    alice.down()
    world.run(100)
    assert bob.texts(chat) == []
    alice.rise()
    world.run(until=lambda: bob.texts(chat) == ["Good morning"])
    assert alice.call(api.GetScheduled()) == [later]


def test_not_or_at_once(two: Two) -> None:
    world, alice, bob, chat = two
    first, second = schedule(alice, chat, "no", 50), schedule(alice, chat, "yes", 50)
    alice.call(api.Unschedule(first.number))
    alice.call(api.Unschedule(second.number, now=True))
    world.run(until=lambda: bob.texts(chat) == ["yes"])
    world.run(60)
    assert bob.texts(chat) == ["yes"] and waiting(alice) == []
    for gone in (first.number, second.number, -1, 1 << 70):
        with pytest.raises(NotFound):
            alice.call(api.Unschedule(gone))


def test_at_another_time(two: Two) -> None:
    world, alice, bob, chat = two
    first, second = schedule(alice, chat, "first", 50), schedule(alice, chat, "second", 60)
    moved = alice.call(api.Reschedule(first.number, int(alice.time + 100)))
    assert alice.call(api.GetScheduled()) == [second, moved]
    assert (moved.number, moved.text) == (first.number, "first")
    for wrong in (-1, 1 << 60):
        with pytest.raises(NotAllowed):
            alice.call(api.Reschedule(first.number, wrong))
    world.run(80, until=lambda: bob.texts(chat) == ["second"])
    alice.call(api.Reschedule(first.number, 0))
    world.run(10, until=lambda: bob.texts(chat) == ["second", "first"])
    with pytest.raises(NotFound):
        alice.call(api.Reschedule(first.number, 0))


def test_what_is_too_late_comes_at_once_and_what_is_nothing_never(two: Two) -> None:
    world, alice, bob, chat = two
    schedule(alice, chat, "late", -1000)
    world.run(until=lambda: bob.texts(chat) == ["late"])
    for wrong in (
        api.Schedule(chat, -1, "x"),
        api.Schedule(chat, 1 << 60, "x"),
        api.Schedule(chat, 0, ""),
        api.Schedule(chat, 0, "x", files=("/nowhere",)),
    ):
        with pytest.raises(NotAllowed):
            alice.call(wrong)
    with pytest.raises(NotFound):
        alice.call(api.Schedule("self", 0, "x", bob.messages(chat)[0].id))


def test_an_answer_to_what_is_gone_is_no_answer(two: Two) -> None:
    world, alice, bob, chat = two
    asked = bob.call(api.SendMessage(chat, "When?"))
    world.run(until=lambda: len(alice.messages(chat)) == 1)
    schedule(alice, chat, "Now", 10, reply_to=asked.id)
    alice.call(api.DeleteMessage(asked.id, only_here=True))
    world.run(until=lambda: bob.texts(chat) == ["When?", "Now"])
    assert bob.messages(chat)[-1].reply_to is None


def test_where_nothing_can_be_said_any_more_somebody_is_told(two: Two) -> None:
    world, alice, _, chat = two
    schedule(alice, chat, "x", 50)
    alice.call(api.LeaveChat(chat))
    world.run(60, until=lambda: waiting(alice) == [])
    [failed] = alice.heard(api.CommandFailed)
    assert (failed.chat, failed.command, failed.code) == (chat, "schedule", "chat ended")
    assert alice.texts(chat) == []
