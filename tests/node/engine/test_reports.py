"""What is reported, when, and what never is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from heliogram.content.status import Report, Status, report
from heliogram.node import api
from heliogram.node.engine.reports import DIRECT_DELAY, GROUP_DELAY, delay
from tests.node.engine.kit import Person, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def two(world: World) -> tuple[Person, Person, str]:
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    world.run(300)
    return alice, bob, chat


Two = tuple[Person, Person, str]


def test_delays() -> None:
    for members, (least, most) in ((2, DIRECT_DELAY), (3, GROUP_DELAY), (500, GROUP_DELAY)):
        assert delay(members, b"\x00\x00") == least
        assert least < delay(members, b"\xff\xff") < most


def test_many_messages_are_answered_by_one_entry(world: World, two: Two) -> None:
    alice, bob, chat = two
    for at in range(20):
        alice.call(api.SendMessage(chat, f"message {at}"))
    world.run(1.0, until=lambda: len(bob.messages(chat)) == 20)
    before = len(world.posted)
    bob.call(api.MarkRead(chat))
    world.run(0.5)
    assert len(world.posted) == before
    world.run(10, until=lambda: {one.state for one in alice.messages(chat)} == {"read"})
    world.run(60)
    assert len(world.posted) == before + 1


def test_reports_ride_along(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(1.0, until=lambda: len(bob.messages(chat)) == 1)
    bob.call(api.SendMessage(chat, "Hi"))
    world.run(0.5, until=lambda: alice.message(sent.id).state == "delivered")


def test_who_does_not_want_to_report_does_not(world: World, two: Two) -> None:
    alice, bob, chat = two
    bob.call(api.SetChat(chat, reports=False))
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(until=lambda: len(bob.messages(chat)) == 1)
    bob.call(api.MarkRead(chat))
    world.run(300)
    assert alice.message(sent.id).state == "stored"
    bob.call(api.SetChat(chat, reports=True))
    again = alice.call(api.SendMessage(chat, "And now?"))
    world.run(until=lambda: alice.message(again.id).state == "delivered")
    assert alice.message(sent.id).state == "stored"


def test_large_groups_report_only_if_wanted(world: World, two: Two) -> None:
    alice, _, chat = two
    desk, number = alice.talks.desk, alice.number(chat)

    def grow(many: int) -> None:
        for at in range(many):
            desk.context.store.execute(
                "INSERT OR IGNORE INTO members VALUES (?, ?, 0, 1)",
                (number, at.to_bytes(32, "big")),
            )
        desk.context.store.forget_memos()

    alice.do(lambda: grow(18))
    assert alice.chat(chat).reports
    alice.do(lambda: grow(19))
    assert not alice.chat(chat).reports
    assert alice.call(api.SetChat(chat, reports=True)).reports


def test_nobody_reports_to_who_is_blocked(world: World, two: Two) -> None:
    alice, bob, chat = two
    bob.call(api.BlockContact(alice.id.hex()))
    bob.notices.clear()
    alice.call(api.SendMessage(chat, "Hello?"))
    world.run(300)
    assert bob.messages(chat) == [] and bob.heard(api.MessageAdded) == []
    assert alice.messages(chat)[0].state == "stored"


def test_reports_about_others_messages_are_nothing(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = alice.call(api.SendMessage(chat, "mine"))
    world.run(until=lambda: len(bob.messages(chat)) == 1)
    bobs = bob.call(api.SendMessage(chat, "yours"))
    world.run(until=lambda: len(alice.messages(chat)) == 2)
    world.run(60)
    alice.notices.clear()
    row = alice.talks.desk.logs.get(alice.number(chat))
    assert row is not None
    ids = [bytes.fromhex(one) for one in (sent.id, bobs.id)]

    def reported(content: bytes, by: bytes = bob.id) -> None:
        alice.do(lambda: alice.talks._reports.receive(row, by, content))

    reported(report([ids[1]], Status.READ).encode())
    reported(report([b"\x01" * 32], Status.READ).encode())
    reported(b"nonsense")
    reported(report([ids[0]], Status.READ).encode(), by=alice.id)
    assert alice.notices == []
    assert alice.message(bobs.id).reports == ()
    reported(Report(((ids[0], Status.READ), (ids[0], Status.DELIVERED))).encode())
    assert alice.message(sent.id).state == "read"
    reported(report([ids[0]], Status.DELIVERED).encode())
    assert alice.message(sent.id).state == "read"


def test_nobody_who_is_blocked_hears_what_was_owed_before(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(1.0, until=lambda: len(bob.messages(chat)) == 1)
    bob.call(api.BlockContact(alice.id.hex()))
    before = len(world.posted)
    world.run(60)
    assert len(world.posted) == before
    assert alice.message(sent.id).state == "stored"
    bob.call(api.BlockContact(alice.id.hex(), False))
    world.run(60)
    assert alice.message(sent.id).state == "stored"


def test_nothing_owed_is_told_once_nobody_wants_it(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(1.0, until=lambda: len(bob.messages(chat)) == 1)
    bob.call(api.SetChat(chat, reports=False))
    world.run(60)
    assert alice.message(sent.id).state == "stored"


def test_reports_of_a_later_version_cost_nothing(world: World, two: Two) -> None:
    """Otherwise each of 250 numbers would be another change of each of a thousand messages."""
    alice, bob, chat = two
    bob.call(api.SetChat(chat, reports=False))
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(until=lambda: len(bob.messages(chat)) == 1)
    world.run(5)
    alice.notices.clear()
    row = alice.talks.desk.logs.get(alice.number(chat))
    assert row is not None
    for status in (7, 100, 255):
        content = Report(((bytes.fromhex(sent.id), status),)).encode()
        take = partial(alice.talks._reports.receive, row, bob.id, content)
        alice.do(take)
    assert not alice.heard(api.MessageChanged)
    assert alice.message(sent.id).reports == () and alice.message(sent.id).state == "stored"
