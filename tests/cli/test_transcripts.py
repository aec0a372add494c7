r"""Transcripts: commands on real nodes over real relays, what they print, and how they end.

    $ heliogram chats
    ...output...
    [1]

`[1]` is the exit code, where it is not 0. `heliogram serve &` goes on until `heliogram lock`. What comes on
standard input is `<<< TEXT`, `\n` its line ends, or `< FILE`. `NAME=VALUE` before a command is its
environment. The first line may say who there is: `# Ben, served` has a profile, four relays and a running
node; `# Ben` has no running node; without one there is no profile.

A line that begins with "# " has something happen to others, and what commands can see of it has come:

    # meet Anna                  she becomes a contact (Ben must be served)
    # Anna: text                 she says it; `Anna/Friends: text` in a group
    # Anna sends note.txt        a file, in the same way
    # Anna sees text             she has it
    # Anna votes <message 1> 2   for the second option of a poll
    # Anna opens <uri 1>         she uses a link
    # Anna accepts               the invitation that comes
    # relay 4 ends, relay 4 begins
    # Ben is done                nothing waits to go
    # Ben is out of Friends      he has left, or was removed
    # Ben knows Anna             first contact is over
    # Ben sees Anna in Friends   as a member
    # Ben shows Friends          its picture is here
    # Emil invites to Club       Ben, into a group

Ids, links, codes, times and addresses are other ones each time: they stand as `<message 2>`, `<uri 1>`,
`<digits 1>`, `<time>`, `<relay 1>`, and can be used so in commands. `<link of Anna>` is a new link of hers.

`HELIOGRAM_WRITE_TRANSCRIPTS=1` writes the files anew: look at the difference.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from heliogram.cli.lazily import COMMANDS, load
from heliogram.node import api
from heliogram.node.errors import NotFound
from tests.cli.town import PHRASE, RELAYS, World, until, write_private

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))

#: What the first field of a row, or "id" in JSON, is the id of: by how the command begins.
KINDS = {
    "chats": "chat",
    "group": "chat",
    "accept": "chat",
    "link": "link",
    "requests": "request",
    "contact": "account",
    "status": "account",
    "relays": "key",
    "devices": "device",
    "group relays": "key",
}

HEX = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{12})\b")


class Names:
    """What each thing is called in a transcript."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._values: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def value(self, name: str) -> str:
        """What a name stands for, as it is written in a command."""
        if found := re.fullmatch(r"link of (\w+)", name):
            return self._world.town.do(self._world.person(found[1]).link())
        if found := re.fullmatch(r"address (\d)", name):
            return self._world.town.addresses[int(found[1]) - 1]
        if found := re.fullmatch(r"relay (\d)", name):
            return self._world.town.relays[int(found[1]) - 1].where
        value = self._values[name]
        return value[:12] if HEX.fullmatch(value) else value

    def whole(self, value: str) -> str:
        """All of an id, by its beginning."""
        found: api.Message = self._world.ask(api.GetMessage(value))
        return found.id

    def name(self, kind: str, value: str) -> str:
        """What a value is called; ids may be given by their beginning."""
        for name, known in self._values.items():
            if known == value or (HEX.fullmatch(value) and known.startswith(value)):
                return f"<{name}>"
            if HEX.fullmatch(known) and value.startswith(known):
                self._values[name] = value
                return f"<{name}>"
        self._counts[kind] = self._counts.get(kind, 0) + 1
        name = f"{kind} {self._counts[kind]}"
        self._values[name] = value
        return f"<{name}>"

    def normal(self, printed: str, command: list[str]) -> str:
        """`printed` with names for what is another one each time, in an order that is the same each time."""
        if command[:1] == ["chats"] and "--json" not in command:
            # What happened within one second comes in any order.
            printed = "".join(
                sorted(printed.splitlines(True), key=lambda row: row.split("\t")[1:3])
            )
        printed = re.sub(
            r"(?:^\t.*\bBen added \w+\.\n)+",
            lambda found: "".join(sorted(found[0].splitlines(True))),
            printed,
            flags=re.MULTILINE,
        )
        for path, name in (
            (self._world.desk, "<desk>"),
            (self._world.home, "<home>"),
            (self._world.home.parent, "<parent>"),
        ):
            printed = printed.replace(str(path), name)
        for number, relay in enumerate(self._world.town.relays, start=1):
            printed = printed.replace(relay.where, f"<relay {number}>")
            printed = printed.replace(relay.key.hex(), f"<key of relay {number}>")
            printed = printed.replace(relay.key.hex()[:12], f"<key of relay {number}>")
        two, one = " ".join(command[:2]), command[0] if command else ""
        kind = KINDS.get(two, KINDS.get(one, "message"))
        printed = re.sub(
            r"(?i)heliogram:contact/[a-z0-9_-]+|HELIOGRAM:[A-Z0-9$%*+./:-]{20,}",
            lambda found: self.name("uri", found[0]),
            printed,
        )
        printed = re.sub(
            r'(?m)^(\s*"(\w+)": "|)([0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{12})\b',
            lambda found: found[1] + self.name(self._kind(found[2], kind), found[3]),
            printed,
        )
        # Digits of a fraction are no id.
        printed = re.sub(r'("round_trip_ms": )[\d.]+', r"\1<n>", printed)
        printed = HEX.sub(lambda found: self.name("account", found[0]), printed)
        printed = re.sub(
            r"\b\d{5}( \d{5}){4,}\b", lambda found: self.name("digits", found[0]), printed
        )
        for name, person in self._world.people.items():
            me: api.Status = self._world.town.do(person.node.call(api.GetStatus()))
            printed = printed.replace(me.me.mark, f"<mark of {name}>")
        if one == "chat":
            # What becomes of a message is told while it happens.
            printed = re.sub(r"(?m)^    .*\n|^.*\tqueued\t.*\n", "", printed)
        elif one == "explain":
            # Relays are told of in the order in which they answered.
            lines = printed.splitlines(keepends=True)
            some = [line for line in lines if "<relay" in line]
            printed = "".join([line for line in lines if line not in some] + sorted(some))
        for pattern, name in _VARYING:
            printed = re.sub(pattern, name, printed, flags=re.MULTILINE)
        return printed

    def _kind(self, field: str | None, kind: str) -> str:
        if field in (None, "id"):
            return kind
        return {"chat": "chat", "account": "account", "key": "key"}.get(field, "message")


_VARYING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "<time>"),
    (r'("(?:time|received|created|expires)": )\d+', r"\1<time>"),
    (r"http://127\.0\.0\.1:\d+/[\w-]{43}/#[\w-]{43}", "<start link>"),
    (r"\b\d+ ms\b", "<n> ms"),
    (r"^[█▀▄ ]{20,}\n(?:[█▀▄ ]{20,}\n)*", "<QR>\n"),
    (rf"stored by [34] of {RELAYS} relays|\bdelivered\b", f"stored by <n> of {RELAYS} relays"),
    (r"^(authenticator\t).*", r"\1<authenticator>"),
    (r"^(device\t).*", r"\1<device>"),
    (r'("device": ").*(")', r"\1<device>\2"),
    (r'("mark": ")[a-z ]+(")', r"\1<mark>\2"),
    (r"^(words\t).*", r"\1<words>"),
    (r"^([a-z]+ ){23}[a-z]+$", "<words>"),
    (r"^(database\t).*", r"\1<size>"),
    (r"^[0-9a-f]{8}(\tthis one\t)", r"<device>\1"),
    (r"\b\d{10}\b", "<time>"),
    (r"^(mark\t).*", r"\1<mark>"),
    (r"^(you\t\w+, ).*", r"\1<mark>"),
    (r"^( +\d+ )[a-z]+ +(\d+ )[a-z]+ +(\d+ )[a-z]+ +(\d+ )[a-z]+$", r"\1…  \2…  \3…  \4…"),
    (r"^(member\tBen \(you\), \w+, \d device\(s\), ).*", r"\1<mark>"),
)


class Player:
    """Plays a transcript."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names = Names(world)
        self.played: list[str] = []

    def play(self, text: str) -> str:
        """The transcript, as it happens."""
        played = self.played
        lines = text.splitlines()
        if lines[0] in ("# Ben", "# Ben, served"):
            self._world.make()
            if lines[0].endswith("served"):
                self._world.serve()
            played.append(lines.pop(0))
        for line in lines:
            if line.startswith("# "):
                self._happen(self._filled(line[2:]))
                played += ["", line] if played and not played[-1].startswith("#") else [line]
            elif line.startswith("$ "):
                said = self._run(line[2:])
                played += ["", line] if played and not played[-1].startswith("#") else [line]
                played += said
        return "\n".join(played) + "\n"

    def _filled(self, line: str) -> str:
        return re.sub(
            r"<((?:[a-z]+ (?:of )?\w+))>", lambda found: self._names.value(found[1]), line
        )

    def _happen(self, event: str) -> None:
        world = self._world
        who, _, rest = event.partition(" ")
        first, *more = rest.split(" ") if rest else [""]
        if who == "meet":
            world.meet(first)
        elif who == "relay":
            relay = world.town.relays[int(first) - 1]
            relay.kill() if more == ["ends"] else relay.start()
        elif found := re.match(r"(\w+)(?:/([^:]+))?: (.*)", event):
            world.says(found[1], found[3], found[2] or "")
        elif first == "sends":
            world.says(who, more[0], "", str(world.desk / more[0]))
        elif first == "votes":
            person = world.person(who)
            asked = self._names.whole(more[0])
            choice = api.Vote(asked, (int(more[1]) - 1,))
            world.town.do(until(lambda: _voted(person.node, choice)))
            world.wait(lambda node: _counted(node, asked, who))
        elif first == "is" and more == ["done"]:
            world.wait(_done)
        elif first == "is":
            world.wait(lambda node: _out(node, " ".join(more[2:])))
        elif first == "knows":
            world.knows(more[0])
        elif first == "shows":
            world.wait(lambda node: _pictured(node, " ".join(more)))
        elif first == "sees" and who == world.name:
            world.wait(lambda node: _member(node, " ".join(more[2:]), more[0]))
        elif first == "sees":
            world.town.do(world.person(who).sees(world.name, " ".join(more)))
        elif first == "opens":
            world.town.do(world.person(who).opens(more[0]))
            if world.serves:
                world.wait(lambda node: _request(node, who))
        elif first == "accepts":
            world.town.do(world.person(who).accepts())
        elif first == "invites":
            world.town.do(_invites(world, who, " ".join(more[1:])))
            if world.serves:
                world.wait(lambda node: _request(node, who))

    def _run(self, line: str) -> list[str]:
        words = shlex.split(self._filled(line))
        environment = {}
        while words and re.match(r"[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        program, *arguments = words
        if program != "heliogram":
            done = subprocess.run(
                words, cwd=self._world.desk, capture_output=True, text=True, check=True
            )
            return self._names.normal(done.stdout, []).splitlines()
        if arguments[-1] == "&":
            said = "".join(self._world.serve(*arguments[1:-1], command=arguments[0]))
            self._world.wait(_settled)
            return self._names.normal(said, arguments).splitlines()
        input = None
        if len(arguments) > 2 and arguments[-2] == "<<<":
            input, arguments = arguments[-1].replace("\\n", "\n"), arguments[:-2]
        elif len(arguments) > 2 and arguments[-2] == "<":
            input, arguments = (self._world.desk / arguments[-1]).read_text(), arguments[:-2]
        done = self._world.run(*arguments, input=input, environment=environment)
        assert "Traceback" not in done.stderr, done.stderr
        printed = self._names.normal(done.stdout, arguments)
        lines = (printed + self._names.normal(done.stderr, arguments)).splitlines()
        if arguments[:1] == ["lock"] and done.returncode == 0:
            assert self._world.served() == (0, "")
        return [*lines, f"[{done.returncode}]"] if done.returncode else lines


async def _settled(node: api.Node) -> bool | None:
    """The conversation with oneself is made, which needs relays: until then less is shown."""
    chats: list[api.Chat] = await node.call(api.GetChats())
    return any(one.kind == "self" for one in chats) or None


async def _done(node: api.Node) -> bool | None:
    status: api.Status = await node.call(api.GetStatus())
    chats: list[api.Chat] = await node.call(api.GetChats())
    waits = status.queued or any(one.phase == "opening" for one in chats)
    return None if waits else True


async def _out(node: api.Node, chat: str) -> bool | None:
    info: api.ChatInfo = await node.call(api.GetChat(chat))
    return info.chat.phase == "out" or None


async def _member(node: api.Node, chat: str, name: str) -> bool | None:
    info: api.ChatInfo = await node.call(api.GetChat(chat))
    return any(one.who.name == name for one in info.members) or None


async def _pictured(node: api.Node, chat: str) -> bool | None:
    info: api.ChatInfo = await node.call(api.GetChat(chat))
    return info.chat.picture or None


async def _voted(node: api.Node, choice: api.Vote) -> bool | None:
    """Vote, once the poll is there."""
    try:
        await node.call(choice)
    except NotFound:
        return None
    return True


async def _counted(node: api.Node, poll: str, who: str) -> bool | None:
    now: api.Message = await node.call(api.GetMessage(poll))
    options = () if now.poll is None else now.poll.options
    return any(vote.name == who for option in options for vote in option.votes) or None


async def _request(node: api.Node, name: str) -> bool | None:
    found: list[api.Request] = await node.call(api.GetRequests())
    return any(one.who.name == name for one in found) or None


async def _invites(world: World, who: str, group: str) -> None:
    node = world.people[who].node
    await node.call(api.CreateGroup(group, (world.name,)))
    await node.drained()


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, newcomer: World) -> None:
    (newcomer.desk / "note.txt").write_text("hello")
    if path.stem == "groups":
        Image.new("RGB", (600, 400), "teal").save(newcomer.desk / "tea.png")
    write_private(newcomer.desk / "wrong.txt", "another passphrase")
    if path.stem == "beginning":
        write_private(newcomer.desk / "right.txt", PHRASE)
    written = path.read_text()
    player = Player(newcomer)
    try:
        played = player.play(written)
    finally:
        if os.environ.get("HELIOGRAM_WRITE_TRANSCRIPTS"):
            path.write_text("\n".join(player.played) + "\n")
    assert played == written


def test_each_command_has_its_transcript() -> None:
    said = "\n".join(path.read_text() for path in TRANSCRIPTS)
    for name, room, _ in COMMANDS:
        if name == "demo":
            continue  # it has a test of its own
        for below in getattr(load(name, room), "commands", {"": None}):
            assert re.search(rf"^\$ (\S+=\S+ )?heliogram {name} ?{below}\b", said, re.M), (
                name,
                below,
            )
