r"""Transcripts: commands, what they print, and how they end. What is printed is printed by the program.

    $ heliogram chats
    ...output...
    [1]

`[1]` is the exit code, where it is not 0. A line `# Anna: text` has somebody say something; `# meet Anna`,
`# request Cleo`, `# request Dora Group` and `# end Group` are what else the world does. `<message 2>` is the
id of the second message, as printed. `<<< TEXT` is what comes on standard input, `\n` its line ends.

`HELIOGRAM_WRITE_TRANSCRIPTS=1` writes the files anew: look at the difference.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.kit import World, a_world
from tests.node.control.memory import MemoryNode

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path / "home") as made:
        yield made


def happen(node: MemoryNode, event: str) -> None:
    """What a line that begins with "# " has the world do."""
    words = event.split()
    match words:
        case ["meet", name]:
            node.meet(name)
        case ["request", name, *group]:
            node.ask_to_meet(name, " ".join(group))
        case ["end", name]:
            chat = node._chat(name)
            node._set(replace(chat, phase="dead"))
        case _:
            name, _, text = event.partition(": ")
            if not text:
                return  # a comment
            where, _, who = name.rpartition("/")
            node.somebody_says(who, text, where)


def ids(node: MemoryNode) -> dict[str, str]:
    """What each id is called in a transcript."""
    messages = [one for one in node.messages if one.id]
    named = {f"message {n}": one.id for n, one in enumerate(messages, start=1)}
    named |= {f"chat {n}": one for n, one in enumerate(node.chats, start=1)}
    named |= {f"link {n}": one for n, one in enumerate(node.links, start=1)}
    named |= {f"request {n}": one for n, one in enumerate(node.requests, start=1)}
    named |= {f"account {one.who.name}": one.who.account for one in node.contacts.values()}
    named |= {f"key {n}": one.key for n, one in enumerate(node.own_relays, start=1)}
    return named | {"account Ben": node.me.account}


class Player:
    """Plays a transcript."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids: dict[str, str] = {}

    def play(self, text: str) -> str:
        """The transcript, as it happens."""
        played: list[str] = []
        for line in text.splitlines():
            if line.startswith("# "):
                self._world.do(lambda node, line=line: happen(node, line[2:]))  # type: ignore[misc]
                played += ["", line] if played and not played[-1].startswith("#") else [line]
            elif line.startswith("$ "):
                said = self._run(line[2:])
                played += ["", line] if played and not played[-1].startswith("#") else [line]
                played += said
        return "\n".join(played) + "\n"

    def _run(self, line: str) -> list[str]:
        self._ids |= self._world.do(ids)
        line = re.sub(r"<([\w ]+)>", lambda found: self._ids[found[1]][:12], line)
        program, *arguments = shlex.split(line)
        assert program == "heliogram"
        input = None
        if "<<<" in arguments:
            at = arguments.index("<<<")
            input, arguments = arguments[at + 1].replace("\\n", "\n"), arguments[:at]
        done = self._world.run(*arguments, input=input)
        assert "Traceback" not in done.stderr
        self._ids |= self._world.do(ids)
        printed = self._normal(done.stdout) + self._normal(done.stderr)
        lines = printed.splitlines()
        return [*lines, f"[{done.returncode}]"] if done.returncode else lines

    def _normal(self, printed: str) -> str:
        for name, id in self._ids.items():
            printed = printed.replace(id, f"<{name}>").replace(id[:12], f"<{name}>")
        return printed.replace(str(self._world.home), "<home>")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, world: World) -> None:
    written = path.read_text()
    played = Player(world).play(written)
    if os.environ.get("HELIOGRAM_WRITE_TRANSCRIPTS"):
        path.write_text(played)
    assert played == written


def test_there_are_transcripts() -> None:
    commands = "\n".join(path.read_text() for path in TRANSCRIPTS)
    for name in ("status", "link new", "contact add", "accept", "send", "read", "group create"):
        assert f"$ heliogram {name}" in commands
