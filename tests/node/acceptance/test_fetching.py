"""Who receives a message is connected to the conversation's relays and to nothing else: number 54.

Two nodes in this process, each behind a proxy that notes who asks for what. Every connection, name, opened
file and started process of this process is noted as well.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from heliogram.content import making
from heliogram.content.mimi import Disposition, ExternalPart, Part
from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.engine.engine import Engine
from heliogram.node.engine.talks import Talks
from heliogram.node.errors import NodeError
from heliogram.node.local import LocalNode, create_profile_account, set_network
from heliogram.node.profile.config import Config
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs
from tests.node.network.kit import serving
from tests.node.network.socks import Socks, proxying
from tests.relay.process import RelayProcess

#: Where nothing may be looked for. `{trap}` is a server that notes who comes.
BAIT = (
    "http://{trap}/page",
    "https://{trap}/page",
    "http://bait.example/picture.png",
    "https://bait.example/",
    "http://[::1]:9/",
    "http://169.254.169.254/latest/meta-data",
    "file:///bait/secret",
    "file://bait.example/share",
    r"\\bait.example\share\file",
    "//bait.example/share",
    "smb://bait.example/share",
    "ftp://bait.example/file",
    "data:text/html,<img src=http://{trap}/>",
    "mailto:bait@bait.example",
    "heliogram:blob/" + "00" * 32,
)
FORMS = (
    "{}",
    "[click]({})",
    "![]({})",
    "<{}>",
    '<img src="{}"><link rel=prefetch href="{}">',
    "[a]: {}\n\n[a]",
)


class Do(api.Command, frozen=True, tag="do"):
    """Do `extra` inside of a turn."""


class Driven(LocalNode):
    """A node that can be told to send what no face would."""

    def _engine(self) -> Engine:
        engine = super()._engine()
        engine._handlers[Do] = lambda _, extra: extra(engine)  # type: ignore[operator]
        return engine

    async def post(self, chat: str, part: Part) -> None:
        """Send any part at all."""

        def post(engine: Engine) -> api.Done:
            (talks,) = (one for one in engine.parts if isinstance(one, Talks))
            number = talks.desk.logs.number_of(bytes.fromhex(chat))
            row = talks.desk.logs.get(number or 0)
            assert row is not None
            talks._speaking.aside(row, part)
            return api.Done()

        await self.shell.turn(Do(), post)


@dataclass
class Seen:
    """What this process did."""

    watching: bool = False
    places: set[Any] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    started: list[str] = field(default_factory=list)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit event of Python."""
        if not self.watching:
            return
        if event == "socket.connect":
            self.places.add(arguments[1][:2])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self.names.add(str(arguments[0]))
        elif event == "open":
            self.opened.add(str(arguments[0]))
        elif event.startswith(
            ("subprocess.", "os.exec", "os.posix_spawn", "os.system", "webbrowser.")
        ):
            self.started.append(event)


SEEN = Seen()


@pytest.fixture(scope="module", autouse=True)
def _auditing() -> None:
    sys.addaudithook(SEEN.hear)


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Everything from now on."""
    SEEN.__init__()  # type: ignore[misc]
    SEEN.watching = True
    yield SEEN
    SEEN.watching = False


async def until(node: LocalNode, command: api.Command, good: Callable[[Any], bool]) -> Any:
    """Ask until the answer is good."""
    async with asyncio.timeout(120):
        while not good(answer := await node.call(command)):
            await asyncio.sleep(0.03)
    return answer


async def begin(stack: AsyncExitStack, root: Path, name: str, socks: Socks) -> Driven:
    """Somebody whose node knows one way out."""
    await stack.enter_async_context(proxying(socks))
    config, phrase = Config(downloads=root / f"{name}-downloads"), Secret(b"a passphrase")
    costs = Costs(memory=64, passes=1)
    profile = Profile.create(Directory(root / name), phrase, os.urandom, config=config, costs=costs)
    stack.enter_context(profile)
    create_profile_account(profile, name, now=int(time.time()))
    set_network(profile, api.SetNetwork(f"socks5://{socks.where}"))
    node = Driven(profile, os.urandom)
    node.start()
    stack.push_async_callback(node.close)
    return node


async def test_54_nothing_is_fetched_for_a_message(tmp_path: Path, seen: Seen) -> None:
    seen.watching = False
    knocked: list[bytes] = []

    async def trap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocked.append(await reader.read(1 << 10))

    async with AsyncExitStack() as stack:
        relays = [stack.enter_context(RelayProcess(tmp_path / f"relay-{n}")) for n in range(4)]
        names = {f"relay{n}.onion": one.where.rsplit(":", 1) for n, one in enumerate(relays)}
        ways = {name: (host, int(port)) for name, (host, port) in names.items()}
        where = await stack.enter_async_context(serving(trap))
        # The proxies lead to the trap too, if they are asked.
        out = {**ways, "bait.example": ("127.0.0.1", int(where.rsplit(":", 1)[1]))}
        socks = [Socks(dict(out)), Socks(dict(out))]
        seen.watching = True
        alice, bob = [
            await begin(stack, tmp_path, name, one)
            for name, one in zip(("Alice", "Bob"), socks, strict=True)
        ]
        addresses = [f"ws://relay{n}.onion:80/ws#{one.key.hex()}" for n, one in enumerate(relays)]
        for node in (alice, bob):
            for one in addresses:
                await node.call(api.AddRelay(one))
            await until(node, api.GetStatus(), lambda it: it.packages >= 80)
        await alice.call(api.AddContact((await bob.call(api.NewLink())).uri))
        (request,) = await until(bob, api.GetRequests(), bool)
        chat = (await bob.call(api.AcceptRequest(request.id))).id
        await until(alice, api.GetChats(), lambda it: any(one.id == chat for one in it))
        await until(alice, api.GetChat(chat), lambda it: it.chat.phase == "open")

        bait = [one.format(trap=where) for one in BAIT]
        texts = [form.replace("{}", one) for one in bait for form in FORMS]
        for text in texts:
            await alice.call(api.SendMessage(chat, text))
        for one in bait:
            for kind in ("image/png", "text/html", "application/octet-stream"):
                await alice.post(chat, ExternalPart(kind, one, filename="a.png"))
            inline = ExternalPart("image/webp", one, size=9, disposition=Disposition.INLINE)
            await alice.post(chat, making.together(inline, making.plain(one)))
        # A real file, so that fetching is possible at all.
        file = tmp_path / "file.txt"
        file.write_text("the file's text")
        await alice.call(api.SendMessage(chat, "last", files=(str(file),)))

        many = len(texts) + 4 * len(bait) + 1
        shown: list[api.Message] = await until(
            bob,
            api.GetHistory(chat, limit=1000),
            lambda found: sum(one.kind in ("text", "file") for one in found) >= many,
        )
        # What might be HTML is sent as what it looks like.
        assert {unescape(one.text) for one in shown} >= set(texts)
        await bob.call(api.MarkRead(chat))
        assert await bob.call(api.Search("bait.example"))
        for message in shown:
            if message.kind == "file" and message.text != "last":
                for told in message.files:
                    assert told.state == "refused"
                    with pytest.raises(NodeError):
                        await bob.call(api.GetFile(message.id, told.index))
        (last,) = [one for one in shown if one.text == "last"]
        await bob.call(api.GetFile(last.id))
        got = await until(bob, api.GetMessage(last.id), lambda it: it.files[0].state == "here")
        assert Path(got.files[0].path).read_text() == "the file's text"
        await bob.call(api.Export(str(tmp_path / "export")))
        await until(bob, api.GetStatus(), lambda it: it.queued == 0)
        seen.watching = False

    assert knocked == []
    for way in socks:
        assert {host for _, _, host, _ in way.asked} == set(ways)
        assert {port for *_, port in way.asked} == {80}
    # What is connected to are the proxies, and by them the relays.
    places = {tuple(one.where.rsplit(":", 1)) for one in socks}
    allowed = {(host, int(port)) for host, port in places} | set(ways.values())
    assert seen.places <= allowed
    assert seen.names <= {"127.0.0.1"}
    assert not [one for one in seen.opened if "bait" in one]
    # Pictures are looked at in a child, and there was none.
    assert seen.started == []
