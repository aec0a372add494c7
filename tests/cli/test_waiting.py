"""A command that waits for what becomes of it minds its own, whatever else happens in the group meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliogram.cli.sentences import FAILED
from heliogram.node import api
from tests.cli.kit import World, a_world
from tests.node.control.memory import MemoryNode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path / "home") as made:
        yield made


def refuse(node: MemoryNode) -> None:
    """What is removed by commands: Cleo by another one, and Anna never. Cleo cannot be removed twice."""

    def remove(command: api.RemoveMembers) -> api.Done:
        chat = node._chat(command.chat)
        people = {one.who.name: one.who for one in node.members[chat.id]}
        failed = {
            name: api.CommandFailed(chat.id, "remove members", "not allowed", (people[name],))
            for name in ("Anna", "Cleo")
        }
        node.tell(failed["Cleo"])
        node._line(chat, api.Line(code="member removed", who=people["Cleo"]))
        node.tell(failed["Anna"])
        return api.Done()

    node.do_RemoveMembers = remove  # type: ignore[method-assign]


def test_what_becomes_of_others_is_theirs(world: World) -> None:
    for name in ("Anna", "Cleo"):
        world.do(lambda node, name=name: node.meet(name))  # type: ignore[misc]
    assert world.run("group", "create", "Garden", "Anna", "Cleo").returncode == 0
    world.do(refuse)
    done = world.run("group", "remove", "Garden", "Anna")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr.startswith("Anna: The members of the conversation do not allow this.\n")
    done = world.run("group", "remove", "Garden", "Anna", "--json")
    assert json.loads(done.stderr)["error"]["code"] == "not allowed"
