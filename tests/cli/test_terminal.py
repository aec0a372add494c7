"""What other people write does not command the terminal, and pipes and terminals each get what they need."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from heliogram.cli import cleaning, showing
from heliogram.cli.editing import Editor
from heliogram.cli.lazily import COMMANDS, load
from heliogram.cli.printing import Screen, Table
from heliogram.node import api
from tests.cli.kit import World, a_world
from tests.node.control.memory import MemoryNode

#: Clear the screen, set the title, the clipboard, have it type, move, 8-bit CSI, BEL, backspace, bidi.
ATTACKS = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b[6n",
    "\x1bP+q\x1b\\",
    "\x9b31m",
    "\x9d0;x\x9c",
    "a\rb",
    "\b\b\b",
    "\x07",
    "\x0e",
    "\u202eevil\u202c",
    "\u2066x\u2069",
    "\u200bx",
    "\ufeff",
    "\U000e0041",
    "\x00",
    "\x7f",
    "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path / "home") as made:
        made.do(lambda node: node.meet("Anna"))
        yield made


class Terminal:
    """The command line on a terminal of its own."""

    def __init__(
        self,
        world: World,
        *arguments: str,
        term: str = "xterm-256color",
        no_color: str = "",
        columns: int = 100,
    ) -> None:
        self.screen, inner = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "heliogram.cli", *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={
                **world.environment,
                "TERM": term,
                "NO_COLOR": no_color,
                "COLUMNS": str(columns),
                "LINES": "30",
            },
            start_new_session=True,
        )
        os.close(inner)
        self.seen = b""

    def until(self, text: str) -> str:
        """What was printed, once `text` is in it. What was seen before does not count again."""
        wanted = text.encode()
        end = time.monotonic() + 60
        while wanted not in self.seen:
            ready, _, _ = select.select([self.screen], [], [], 1)
            try:
                more = os.read(self.screen, 65536) if ready else None
            except OSError:
                more = b""
            if more == b"" or time.monotonic() > end:
                raise AssertionError(f"{text!r} did not come: {self.seen!r}")
            self.seen += more or b""
        before, _, self.seen = self.seen.partition(wanted)
        return (before + wanted).decode()

    def rest(self) -> str:
        """What is printed to the end."""
        while True:
            try:
                more = os.read(self.screen, 65536)
            except OSError:
                break
            if not more:
                break
            self.seen += more
        self.process.wait(60)
        seen, self.seen = self.seen, b""
        return seen.decode()

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.screen)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for one in made:
        one.close()


def harmless(printed: str, *, colours: bool = False) -> bool:
    """Whether a terminal only shows this."""
    if colours:
        printed = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    hidden = {"Cc", "Cf", "Cs", "Co"}
    return not any(
        unicodedata.category(char) in hidden and char not in "\n\r\t\u200c\u200d"
        for char in printed
    )


# --- Cleaning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS)
def test_50_nothing_that_a_terminal_obeys(attack: str) -> None:
    for text in (attack, f"before {attack} after"):
        assert harmless(cleaning.block(text)) and harmless(cleaning.line(text))
        assert harmless(cleaning.field(text))
        assert harmless(cleaning.json(json.dumps(text, ensure_ascii=False)))


@given(st.text())
def test_50_no_text_at_all(text: str) -> None:
    assert harmless(cleaning.block(text))
    assert "\n" not in cleaning.line(text) and "\n" not in cleaning.field(text)
    assert "\t" not in cleaning.field(text)
    escaped = cleaning.json(json.dumps(text, ensure_ascii=False))
    assert harmless(escaped) and json.loads(escaped) == text


def test_57_marks_do_not_pile_up() -> None:
    shown = cleaning.block("e" + "\u0301" * 10_000 + "x")
    assert len(shown) <= 2 + cleaning.MAX_MARKS


def test_what_people_write_stays() -> None:
    for text in ("Grüße, Анна", "日本語", "مرحبا", "👩\u200d👩\u200d👧 ❤\ufe0f", "a\nb"):
        assert cleaning.block(text) == text


@given(st.text(max_size=50), st.integers(1, 20))
def test_what_is_cut_fits(text: str, cells: int) -> None:
    shown = cleaning.fit(cleaning.line(text), cells)
    assert cleaning.width(shown) <= cells


@pytest.mark.parametrize("arguments", [("read", "Anna"), ("chats",), ("search", "x")])
@pytest.mark.parametrize("form", ["pipe", "json", "terminal"])
def test_50_messages_do_not_command_the_terminal(
    world: World, terminals: list[Terminal], arguments: tuple[str, ...], form: str
) -> None:
    everything = "x" + "".join(ATTACKS)
    world.do(lambda node: node.somebody_says("Anna", everything))
    world.do(lambda node: node.do_RenameContact(_rename(everything)))
    where = world.do(lambda node: next(iter(node.contacts.values())).chat or "")
    wanted = ["read", where] if arguments[0] == "read" else list(arguments)
    if form == "terminal":
        terminals.append(Terminal(world, *wanted))
        assert harmless(terminals[0].rest(), colours=True)
        return
    done = world.run(*wanted, *(["--json"] if form == "json" else []))
    assert done.returncode == 0 and harmless(done.stdout)
    if form == "json":
        assert "\x1b" in json.dumps(json.loads(done.stdout)).replace("\\u001b", "\x1b")


def _rename(name: str) -> api.RenameContact:
    return api.RenameContact("Anna", name)


# --- Pipes, colours, widths -----------------------------------------------------------------------


def test_pipes_get_whole_rows(world: World) -> None:
    text = "word " * 2000
    world.do(lambda node: node.somebody_says("Anna", text))
    done = world.run("read", "Anna")
    assert done.stdout.count("\n") == 1 and done.stdout.count("\t") == 4
    assert text.strip() in done.stdout and "\x1b" not in done.stdout


def test_colours_only_where_they_are_wanted(world: World, terminals: list[Terminal]) -> None:
    world.do(lambda node: node.somebody_says("Anna", "hello"))
    terminals.append(Terminal(world, "read", "Anna"))
    assert "\x1b[1m" in terminals[-1].rest()
    terminals.append(Terminal(world, "read", "Anna", term="dumb"))
    assert "\x1b" not in terminals[-1].rest()
    terminals.append(Terminal(world, "read", "Anna", no_color="1"))
    assert "\x1b" not in terminals[-1].rest()


def test_57_a_terminal_gets_a_part_of_a_flood(world: World, terminals: list[Terminal]) -> None:
    world.do(lambda node: node.somebody_says("Anna", "line\n" * 10_000))
    world.do(lambda node: node.somebody_says("Anna", "the next one"))
    terminals.append(Terminal(world, "read", "Anna"))
    seen = terminals[0].rest()
    assert seen.count("line") < 200 and "pipe the command" in seen and "the next one" in seen


class Paper(io.StringIO):
    """A terminal that keeps what is printed."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_tables_fit_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    link = "heliogram:contact/" + "a" * 300
    names = ["Anna", "x" * 64, "日本語の名前", "עברית שם"]
    rows = [("0123456789ab", name, "", "amber lion tide", "") for name in names]
    paper = Paper()
    screen = Screen(paper)
    screen.table(Table(("id", "name", "unread", "mark", "message"), rows))
    shown = paper.getvalue()
    assert all(cleaning.width(line) < columns for line in shown.splitlines())
    # What is needed to tell things apart is there, and no empty columns are.
    assert shown.count("0123456789ab") == 4 and shown.count("tide") == 4
    assert "unread" not in shown
    paper.truncate(0)
    screen.table(Table(("id", "name", "link"), [("01", "Anna", link)], whole=True))
    assert link in paper.getvalue()


@pytest.mark.parametrize("name", ["Anna", 'O\'Brien "q"', "-dash", "$(x) `y`", "🦊", "a b"])
def test_names_as_a_shell_takes_them(name: str) -> None:
    written = shlex.split(showing.named(name, "0" * 64))
    assert written[-1] == name and written[:-1] == (["--"] if name[0] == "-" else [])


def test_a_name_that_cannot_be_typed() -> None:
    assert showing.named("a\u202eb", "1234567890abcdef") == "1234567890ab"


def test_a_reader_that_has_seen_enough(world: World) -> None:
    world.do(lambda node: [node.somebody_says("Anna", "x" * 1000) for _ in range(500)])
    command = f"{sys.executable} -m heliogram.cli read Anna --limit 500 | head -1"
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=world.environment, capture_output=True, text=True
    )
    assert done.stdout.count("\n") == 1 and done.stderr == ""


# --- The conversation to stay in ------------------------------------------------------------------


def test_chat_on_a_terminal(world: World, terminals: list[Terminal]) -> None:
    world.do(lambda node: node.somebody_says("Anna", "first"))
    terminals.append(Terminal(world, "chat", "Anna"))
    it = terminals[0]
    it.until("first")
    it.until("Anna> ")
    it.until("Ctrl-D ends")
    it.type("helo\x7flo there")
    world.do(lambda node: node.somebody_says("Anna", "in between"))
    it.until("in between")
    it.until("hello there")  # what was being written is there again
    it.type("\r")
    it.until("stored by 3 of 3 relays")
    assert world.do(lambda node: node.messages[-1].text) == "hello there"
    it.type("/nothing\r")
    it.until("/help")
    it.type("/search first\r")
    it.until("first")
    it.type("/edit hello again\r")
    it.until("edited")
    assert world.do(lambda node: node.messages[-1].text) == "hello again"
    it.type("\x04")
    it.rest()
    assert it.process.returncode == 0


def test_chat_in_little_room(world: World, terminals: list[Terminal]) -> None:
    name = "x" * 60
    world.do(lambda node: node.do_RenameContact(_rename(name)))
    where = world.do(lambda node: next(iter(node.contacts.values())).chat or "")
    terminals.append(Terminal(world, "chat", where, columns=40))
    it = terminals[0]
    it.until("xxx…")
    it.type("hello there\r")
    it.until("stored by 3 of 3 relays")
    it.type("\x04")
    it.rest()
    assert it.process.returncode == 0


def test_chat_shows_polls_and_where_messages_come_from(
    world: World, terminals: list[Terminal]
) -> None:
    anna = world.do(lambda node: next(iter(node.contacts.values())).who)
    poll = api.PollInfo(
        "Which\x1b[2J evening?", (api.PollOption("Tuesday", (anna,)), api.PollOption("Thursday"))
    )
    asked = world.do(lambda node: node.somebody_says("Anna", "1. Tuesday", kind="poll", poll=poll))
    terminals.append(Terminal(world, "chat", "Anna", columns=60))
    it = terminals[0]
    seen = it.until("2. [ ] Thursday")
    assert "1. [ ] Tuesday: 1 (Anna)" in seen and "\x1b[2J" not in seen
    more: dict[str, Any] = {"forwarded": api.Origin("Cleo"), "pinned": True}
    world.do(lambda node: node.somebody_says("Anna", "they said", **more))
    it.until("[forwarded from Cleo]")
    it.until("pinned")
    voted = api.PollInfo(poll.question, (api.PollOption("Tuesday"), poll.options[0]))
    world.do(lambda node: node._change(replace(asked, poll=voted)))
    it.until("2. [ ] Tuesday: 1 (Anna)")
    it.type("/poll What?\r")
    it.until("/help")
    it.type("/vote 00 1\r")
    it.until("There is no message")
    it.type("/later soon it is\r")
    it.until("is no time")
    it.type("\x04")
    it.rest()


def test_chat_keeps_what_was_begun(world: World, terminals: list[Terminal]) -> None:
    terminals.append(Terminal(world, "chat", "Anna"))
    it = terminals[0]
    it.until("Ctrl-D ends")
    it.type("half a word")
    it.until("half a word")
    it.process.send_signal(signal.SIGHUP)
    it.rest()
    chat = world.do(lambda node: next(iter(node.contacts.values())).chat or "")
    assert world.do(lambda node: node.chats[chat].draft) == "half a word"
    terminals.append(Terminal(world, "chat", "Anna"))
    it = terminals[1]
    it.until("half a word")
    it.type(" more\r")
    it.until("stored by 3 of 3 relays")
    it.type("\x04")
    it.rest()
    assert world.do(lambda node: node.messages[-1].text) == "half a word more"
    assert world.do(lambda node: node.chats[chat].draft) == ""


def test_chat_goes_on_where_the_conversation_does(world: World, terminals: list[Terminal]) -> None:
    terminals.append(Terminal(world, "chat", "Anna"))
    it = terminals[0]
    it.until("Ctrl-D ends")
    chat = world.do(lambda node: next(iter(node.contacts.values())).chat or "")
    world.do(lambda node: node._set(replace(node.chats[chat], phase="dead")))
    new = world.do(lambda node: node.do_StartSuccessor(api.StartSuccessor(chat)))
    world.do(lambda node: node._set(replace(node.chats[chat], successor=new.id)))
    it.until("goes on in a new log")
    it.type("here I am\r")
    it.until("stored by 3 of 3 relays")
    assert world.do(lambda node: node.messages[-1].chat) == new.id
    it.type("\x04")
    it.rest()


def test_50_a_chat_does_not_command_the_terminal(world: World, terminals: list[Terminal]) -> None:
    terminals.append(Terminal(world, "chat", "Anna"))
    it = terminals[0]
    it.until("Ctrl-D ends")
    it.seen = b""
    world.do(lambda node: node.somebody_says("Anna", "".join(ATTACKS) + "end of it"))
    seen = it.until("end of it")
    assert "\x1b]" not in seen and "\x1b[2J" not in seen and "\x9b" not in seen
    assert "\u202e" not in seen and "\x07" not in seen
    it.type("\x04")
    it.rest()


def test_chat_on_a_dumb_terminal(world: World, terminals: list[Terminal]) -> None:
    terminals.append(Terminal(world, "chat", "Anna", term="dumb"))
    it = terminals[0]
    it.type("hello\n")
    it.until("stored by 3 of 3 relays")
    it.type("/quit\n")
    assert "\x1b" not in it.rest()
    assert it.process.returncode == 0


def test_chat_in_a_pipe(world: World) -> None:
    done = world.run("chat", "Anna", input="hello\n/quit\n")
    assert done.returncode == 0
    assert world.do(lambda node: node.messages[-1].text) == "hello"


def test_send_follows_a_message_to_another_conversation(world: World) -> None:
    def there(node: MemoryNode) -> None:
        deliver = node.deliver

        def deliver_there(message: api.Message) -> None:
            moved = node._change(replace(message, id="5" * 64))
            asyncio.get_running_loop().call_later(0.05, deliver, moved)

        node.deliver = deliver_there  # type: ignore[method-assign]

    world.do(there)
    done = world.run("send", "Anna", "hello")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "555555555555 stored by 3 of 3 relays\n"


@pytest.mark.parametrize(
    "arguments, code",
    [
        (("read", "Anna", "--before", "9" * 30), 2),
        (("read", "Anna", "--before", "-1"), 2),
        (("chats", "--timeout", "inf"), 2),
        (("chats", "--timeout", "nan"), 2),
        (("me", " "), 2),
        (("send", "Anna", "x" * 70_000), 2),
        (("send", "--", "-dash", "hello"), 1),
        (("poll", "new", "Anna", "?", "one"), 2),
        (("chats", "--home", "/nowhere"), 3),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_what_is_wrong_is_said_in_a_sentence(
    world: World, arguments: tuple[str, ...], code: int
) -> None:
    done = world.run(*arguments)
    assert done.returncode == code and done.stdout == ""
    assert done.stderr and "Traceback" not in done.stderr


def test_read_follow(world: World, terminals: list[Terminal]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "heliogram.cli", "read", "Anna", "--follow", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=world.environment,
    )
    try:
        world.do(lambda node: node.somebody_says("Anna", "one"))
        assert process.stdout
        assert json.loads(process.stdout.readline())["text"] == "one"
        world.do(lambda node: node.somebody_says("Anna", "two"))
        assert json.loads(process.stdout.readline())["text"] == "two"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.communicate()


# --- The line that is written ---------------------------------------------------------------------


def test_the_editor() -> None:
    editor = Editor()
    assert editor.feed("hello\r") == ["hello"]
    assert editor.feed("world\x1b[D\x1b[D\x7f!\x01>\r") == [">wo!ld"]
    assert editor.feed("\x1b[A\x1b[A\r") == ["hello"]
    assert editor.feed("one two three\x17\x17four\r") == ["one four"]
    assert editor.feed("\x1b[200~a\nb\x1b[201~\r") == ["a\nb"]
    assert editor.feed("gone\x15\x04") == [] and editor.over


@given(
    st.lists(
        st.text(
            alphabet=st.sampled_from("ab\x1b[]O~0123456789;ABCDHF\x01\x7f\r\n\x9b\u202eé\x04"),
            max_size=8,
        )
    )
)
def test_the_editor_takes_anything(typed: list[str]) -> None:
    editor = Editor()
    for one in typed:
        for line in editor.feed(one):
            assert harmless(line)
        assert 0 <= editor.cursor <= len(editor.text)
        assert harmless(editor.text)


# --- Help and starting ----------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, object]]:
    for name, room, _ in COMMANDS:
        made = load(name, room)
        below = getattr(made, "commands", {})
        if below:
            yield from ((f"{name} {one}", each) for one, each in below.items())
        else:
            yield name, made


@pytest.mark.parametrize(
    "name, made", list(commands()), ids=lambda one: one if isinstance(one, str) else ""
)
def test_each_command_has_its_help(name: str, made: object) -> None:
    epilog = getattr(made, "epilog", "")
    assert f"heliogram {name}" in epilog
    assert getattr(made, "help", "")
    options = {each for param in getattr(made, "params", []) for each in param.opts}
    assert {"--home", "--json", "--timeout", "--no-wait"} <= options
    for param in getattr(made, "params", []):
        assert param.help, (name, param.name)


def test_the_list_of_commands_says_what_they_say() -> None:
    for name, room, what in COMMANDS:
        said = load(name, room).help
        assert " ".join(said.split()).startswith(what.rstrip("."))


def test_what_starting_loads(world: World) -> None:
    """A question to a running node starts in a fraction of a second: nothing heavy is loaded for it."""
    heavy = ("asyncio", "pydantic", "rich", "ssl", "cryptography", "aiohttp", "sqlcipher3", "segno")
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print([one for one in {heavy!r} if one in sys.modules], file=sys.stderr))\n"
        "sys.argv = ['heliogram', *sys.argv[1:]]\n"
        "from heliogram.cli.__main__ import main\n"
        "main()\n"
    )
    for arguments in (["chats"], ["--help"], ["send", "Anna", "hello"], ["read", "Anna"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            env=world.environment,
        )
        assert done.returncode == 0 and done.stderr.strip() == "[]", (arguments, done.stderr)


def test_completion_offers_what_the_node_knows(world: World) -> None:
    def offered(line: str, home: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", "from heliogram.cli.__main__ import main; main()"],
            env={
                **world.environment,
                "HELIOGRAM_HOME": home,
                "_HELIOGRAM_COMPLETE": "complete_bash",
                "COMP_WORDS": line,
                "COMP_CWORD": str(
                    len(line.split()) if line.endswith(" ") else len(line.split()) - 1
                ),
            },
            capture_output=True,
            text=True,
        ).stdout

    world.do(lambda node: node.meet("Annette"))
    assert offered("heliogram chat An", str(world.home)).split() == ["Anna", "Annette"]
    assert offered("heliogram chat An", str(world.home / "nowhere")).strip() == ""
    assert "status" in offered("heliogram sta", str(world.home))
