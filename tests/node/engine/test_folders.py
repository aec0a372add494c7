"""Folders of conversations: only ours, in the order that was wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import NotAllowed, NotFound
from tests.node.engine.kit import Person, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def groups(world: World, alice: Person, *names: str) -> list[str]:
    return [world.group(name, alice) for name in names]


def test_folders_are_set_and_kept(world: World) -> None:
    (alice,) = world.people("alice")
    tea, chess, work = groups(world, alice, "Tea", "Chess", "Work")
    assert alice.call(api.GetFolders()) == []
    alice.notices.clear()
    wanted = [
        api.Folder("Fun", (chess, tea)),
        api.Folder("All", (tea, work, chess)),
        api.Folder("x"),
    ]
    assert alice.call(api.SetFolders(tuple(wanted))) == wanted
    assert alice.heard(api.FoldersChanged) == [api.FoldersChanged(tuple(wanted))]
    changed = {one.chat.id: one.chat.folders for one in alice.heard(api.ChatChanged)}
    assert changed == {tea: ("Fun", "All"), chess: ("Fun", "All"), work: ("All",)}
    alice.crash()
    assert alice.call(api.GetFolders()) == wanted
    assert alice.chat(work).folders == ("All",)
    alice.notices.clear()
    # The same once more is nothing new; of another order, only those hear whose names have another one.
    alice.call(api.SetFolders(tuple(wanted)))
    assert alice.notices == []
    alice.call(api.SetFolders((wanted[1], wanted[0])))
    assert {one.chat.id for one in alice.heard(api.ChatChanged)} == {tea, chess}
    assert alice.chat(tea).folders == ("All", "Fun")
    alice.call(api.SetFolders(()))
    assert alice.call(api.GetFolders()) == [] and alice.chat(tea).folders == ()


def test_what_is_no_folder_changes_nothing(world: World) -> None:
    (alice,) = world.people("alice")
    (tea,) = groups(world, alice, "Tea")
    alice.call(api.SetFolders((api.Folder("Fun", (tea, tea)),)))
    assert alice.call(api.GetFolders()) == [api.Folder("Fun", (tea,))]
    with pytest.raises(NotAllowed):
        alice.call(api.SetFolders((api.Folder("a"), api.Folder("A"))))
    with pytest.raises(NotAllowed):
        alice.call(api.SetFolders((api.Folder(" \u200b"),)))
    with pytest.raises(NotFound):
        alice.call(api.SetFolders((api.Folder("a", ("00" * 32,)),)))
    assert alice.call(api.GetFolders()) == [api.Folder("Fun", (tea,))]


def test_a_successor_lies_where_its_predecessor_does(world: World) -> None:
    (alice,) = world.people("alice")
    old, new, other = groups(world, alice, "Old", "New", "Other")
    alice.call(api.SetFolders((api.Folder("a", (other, old)), api.Folder("b", (old, new)))))
    numbers = alice.number(old), alice.number(new)
    alice.do(lambda: alice.talks.desk.folders.go_along(*numbers))
    assert alice.call(api.GetFolders()) == [
        api.Folder("a", (other, old, new)),
        api.Folder("b", (old, new)),
    ]
