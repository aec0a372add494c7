"""What somebody wants of their node: kept, told, and followed where a conversation says nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.store import preferences
from tests.node.engine.kit import Person, World

Two = tuple[Person, Person, str]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def two(world: World) -> Two:
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    world.run(300)
    return alice, bob, chat


def test_they_begin_alike_and_are_kept(world: World) -> None:
    (alice,) = world.people("alice")
    assert alice.call(api.GetPreferences()) == api.Preferences()
    wanted = alice.call(api.SetPreferences(typing=True, app='{"theme": "dark"}'))
    assert wanted == api.Preferences(typing=True, app='{"theme": "dark"}')
    assert alice.heard(api.PreferencesChanged) == [api.PreferencesChanged(wanted)]
    again = alice.call(api.SetPreferences(lock_after=300))
    assert (again.typing, again.lock_after, again.app) == (True, 300, wanted.app)
    alice.call(api.SetPreferences())
    alice.call(api.SetPreferences(lock_after=300))
    assert len(alice.heard(api.PreferencesChanged)) == 2
    alice.crash()
    assert alice.call(api.GetPreferences()) == again


def test_a_turn_that_is_undone_leaves_them_as_they_were(world: World) -> None:
    (alice,) = world.people("alice")

    def change() -> None:
        preferences.save(alice.store, api.Preferences(typing=True))
        assert alice.talks.desk.preferences.typing
        raise ValueError

    with pytest.raises(ValueError):
        alice.do(change)
    assert not alice.call(api.GetPreferences()).typing


def test_nothing_is_reported_where_a_conversation_says_nothing_else(world: World, two: Two) -> None:
    alice, bob, chat = two
    assert bob.chat(chat).reports
    bob.notices.clear()
    bob.call(api.SetPreferences(reports=False))
    assert chat in [one.chat.id for one in bob.heard(api.ChatChanged)]
    assert not bob.chat(chat).reports
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(until=lambda: len(bob.messages(chat)) == 1)
    bob.call(api.MarkRead(chat))
    world.run(300)
    assert alice.message(sent.id).state == "stored"
    bob.call(api.SetChat(chat, reports=True))
    again = alice.call(api.SendMessage(chat, "And now?"))
    world.run(until=lambda: alice.message(again.id).state == "delivered")


def test_what_is_owed_is_not_reported_any_more(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(1.0, until=lambda: len(bob.messages(chat)) == 1)
    bob.call(api.SetPreferences(reports=False))
    world.run(300)
    assert alice.message(sent.id).state == "stored"


def test_a_conversation_that_says_so_reports_all_the_same(world: World, two: Two) -> None:
    alice, bob, chat = two
    bob.call(api.SetChat(chat, reports=True))
    bob.notices.clear()
    bob.call(api.SetPreferences(reports=False))
    assert bob.chat(chat).reports and chat not in [o.chat.id for o in bob.heard(api.ChatChanged)]
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(until=lambda: alice.message(sent.id).state == "delivered")
