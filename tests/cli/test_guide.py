"""The newcomer's guide is true: its commands run as they stand there, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

from heliogram.node import api
from tests.cli.town import Town, World

GUIDE = (Path(__file__).parent.parent.parent / "docs/guide/messenger.md").read_text()
BLOCK = re.compile(r"^```sh( as Anna)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)

#: A picture of one pixel.
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8"
    "cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


async def _there(node: api.Node, text: str) -> bool | None:
    chats: list[api.Chat] = await node.call(api.GetChats())
    return any(one.last and one.last.text == text for one in chats) or None


async def _asked(node: api.Node) -> bool | None:
    return bool(await node.call(api.GetRequests())) or None


def test_the_commands_of_the_guide(town: Town, tmp_path: Path) -> None:
    (tmp_path / "ben").mkdir()
    (tmp_path / "anna").mkdir()
    ben, anna = World(town, tmp_path / "ben"), World(town, tmp_path / "anna", "Anna")
    values = {f"RELAY{n}": one for n, one in enumerate(town.addresses, start=1)}
    (anna.desk / "picture.png").write_bytes(PICTURE)
    try:
        anna.make()
        anna.serve()
        for block in BLOCK.finditer(GUIDE):
            who = anna if block[1] else ben
            for line in block[2].splitlines():
                _run(who, line, values)
                if line == "heliogram contact add $LINK --name Ben":
                    ben.wait(_asked)
                elif line == "heliogram accept Anna":
                    ben.knows("Anna", on=anna)
                elif line.startswith("heliogram send Anna"):
                    anna.wait(lambda node: _there(node, "Hello *Anna*"))
                elif line.startswith("heliogram send Ben"):
                    ben.wait(lambda node: _there(node, "Hello Ben"))
                elif line.startswith("heliogram group create"):
                    anna.wait(_asked)
                elif line.startswith("heliogram send Friends"):
                    ben.wait(lambda node: _there(node, "All of us"))
        assert not ben.serves
        assert (ben.desk / "heliogram.backup").exists() and (ben.desk / "readable").is_dir()
    finally:
        ben.stop()
        anna.stop()


def _run(who: World, line: str, values: dict[str, str]) -> None:
    words = re.findall(r"'[^']*'|\S+", re.sub(r"\$(\w+)", lambda found: values[found[1]], line))
    program, *arguments = [word.strip("'") for word in words]
    assert program == "heliogram"
    if arguments == ["serve"]:
        assert who.serve()[0] == "ready\n"
        return
    done = who.run(*arguments)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    if arguments == ["link", "new"]:
        values["LINK"] = done.stdout.strip()
    if arguments == ["lock"]:
        assert who.served() == (0, "")
