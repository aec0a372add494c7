"""A profile that was copied, or brought back from a copy: its keys are not used twice without a word."""

from __future__ import annotations

import shutil
from pathlib import Path

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.store.database import Store
from tests.node.engine.kit import Person, World

WARNING = "keys used elsewhere"


def copied(one: Person, to: Path) -> None:
    """Copy a profile as people do: its program has ended, and begins again after it."""
    one.down()
    one.store.close()
    shutil.copy(one.path, to)
    one.store = Store.open(one.path, Secret(bytes(one.key)))
    one.boot()


def brought_back(one: Person, copy: Path) -> None:
    """Put the copy where the profile was."""
    one.down()
    one.store.close()
    for path in one.path.parent.glob(f"{one.path.name}*"):
        path.unlink()
    shutil.copy(copy, one.path)
    one.store = Store.open(one.path, Secret(bytes(one.key)))
    one.boot()


def warned(one: Person) -> list[str]:
    return [warning.code for warning in one.heard(api.Warned)]


def test_an_old_copy_brought_back_says_nothing_under_a_used_key(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    bob.call(api.SendMessage(chat, "1"))
    world.run(until=lambda: alice.texts(chat) == ["1"])
    copied(bob, tmp_path / "copy")
    for text in ("2", "3"):
        bob.call(api.SendMessage(chat, text))
    world.run(until=lambda: alice.texts(chat) == ["1", "2", "3"])
    brought_back(bob, tmp_path / "copy")
    # At once: before anything was read.
    bob.call(api.SendMessage(chat, "4"))
    world.run(until=lambda: alice.texts(chat) == ["1", "2", "3", "4"])
    world.run(20)
    assert all(one.kind != "unreadable" for one in alice.history(chat))
    assert warned(bob) == [WARNING] and WARNING not in warned(alice)
    # What was said in between is here again.
    assert sorted(bob.texts(chat)) == ["1", "2", "3", "4"]
    assert all(one.state != "queued" for one in bob.messages(chat) if one.mine)
    assert bob.events(chat)[-1] == "keys used elsewhere"
    # And only once.
    bob.crash()
    bob.call(api.SendMessage(chat, "5"))
    world.run(until=lambda: alice.texts(chat)[-1] == "5")
    assert warned(bob) == [WARNING]


def test_a_crash_is_no_copy(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    for text in ("1", "2"):
        bob.call(api.SendMessage(chat, text))
        bob.crash()
    world.run(until=lambda: alice.texts(chat) == ["1", "2"])
    world.run(20)
    assert not warned(bob)
    assert bob.talks.log(bob.number(chat)).conversation.epoch == 1, "no fresh keys were needed"


def test_a_copy_that_runs_beside_is_told(tmp_path: Path) -> None:
    """One of them goes on, the other one is out: nothing is lost without a word."""
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    copied(bob, tmp_path / "copy")
    twin = Person(world, "twin")
    twin.down()
    twin.store.close()
    twin.path, twin.key = tmp_path / "copy", bob.key
    twin.store = Store.open(twin.path, Secret(bytes(bob.key)))
    twin.boot()
    world.run(5)
    twin.call(api.SendMessage(chat, "from the copy"))
    world.run(until=lambda: "from the copy" in alice.texts(chat))
    world.run(30)
    # Who sees the other takes fresh keys; who cannot follow that is put back in the one place that there is.
    assert WARNING in warned(bob) and "wounded" in warned(twin)
    assert sorted((bob.chat(chat).phase, twin.chat(chat).phase)) == ["open", "out"]
    assert bob.events(chat)[-1] == "member removed"
    twin.call(api.SendMessage(chat, "from the one that is left"))
    world.run(until=lambda: "from the one that is left" in alice.texts(chat))
    assert all(one.kind != "unreadable" for one in alice.history(chat))
