"""A node over a real socket: what is asked comes back as it was, and nothing that comes in does harm."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import socket
import stat
import subprocess
import sys
import threading
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.node import api, errors
from heliogram.node.control import faults, place, protocol, server
from heliogram.node.control.client import Client
from heliogram.node.control.faults import (
    AlreadyRunning,
    Fault,
    Interrupted,
    InvalidCommand,
    NotRunning,
    RemoteNodeError,
    TooMuch,
    UnsafePlace,
)
from heliogram.node.control.place import Place
from heliogram.node.control.plain import PlainClient
from heliogram.node.control.server import Server
from heliogram.node.errors import InvalidLink, InvalidWords, LinkFault, NodeError, WordsFault
from tests.node.control.memory import MemoryNode

KINDS = [pytest.param(False, id="unix"), pytest.param(True, id="loopback")]
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "profile"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest, folder: Path) -> Place:
    return Place(folder / "node.sock", loopback=request.param)


@pytest.fixture
def node() -> MemoryNode:
    made = MemoryNode()
    made.meet("Anna")
    return made


@pytest.fixture
async def serving(node: MemoryNode, here: Place) -> AsyncIterator[Server]:
    async with Server(node, here) as made:
        yield made


@contextlib.contextmanager
def raw(here: Place) -> Iterator[socket.socket]:
    """A connection that was let in, for what no client of ours sends."""
    with here.connect() as made:
        made.settimeout(30)
        yield made


async def elsewhere(work: Callable[[], Any]) -> Any:
    """What blocks, beside the loop that serves."""
    return await asyncio.to_thread(work)


# --- Calls and answers ----------------------------------------------------------------------------


async def test_calls_give_their_results(serving: Server, here: Place) -> None:
    async with Client(here) as client:
        status = await client.call(api.GetStatus())
        assert isinstance(status, api.Status) and status.me.name == "Ben"
        chats = await client.call(api.GetChats())
        assert [type(one) for one in chats] == [api.Chat, api.Chat]
        said = await client.call(api.SendMessage("Anna", "hello"))
        assert said.text == "hello" and said.state == "queued"
        assert await client.call(api.MarkRead("Anna")) == api.Done()


async def test_calls_without_asyncio(serving: Server, here: Place) -> None:
    def ask() -> tuple[Any, Any]:
        with PlainClient(here) as client:
            return client.call(api.GetContacts()), client.call(api.GetHistory("Anna"), timeout=30)

    contacts, history = await elsewhere(ask)
    assert contacts[0].who.name == "Anna" and history == []


async def test_many_calls_at_once(serving: Server, here: Place) -> None:
    async with Client(here) as client:
        texts = [f"number {n}" for n in range(200)]
        said = await asyncio.gather(*(client.call(api.SendMessage("Anna", t)) for t in texts))
        assert [one.text for one in said] == texts


async def test_a_text_of_the_greatest_length(serving: Server, here: Place) -> None:
    text = "\x01" * 65_536  # six bytes each, in JSON
    async with Client(here) as client:
        assert (await client.call(api.SendMessage("Anna", text))).text == text
        with pytest.raises(InvalidCommand) as refused:
            await client.call(api.SendMessage("Anna", text + "x"))
        assert refused.value.where == "text"


async def test_a_number_that_no_store_takes(serving: Server, here: Place) -> None:
    async with Client(here) as client:
        for number in (1 << 53, 1 << 63, 1 << 70, -(1 << 63)):
            with pytest.raises(InvalidCommand) as refused:
                await client.call(api.MarkRead("Anna", number))
            assert refused.value.where == "number"


def numbers(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.IntType]:
    """All numbers in a value of this type."""
    match kind:
        case msgspec.inspect.IntType():
            yield kind
        case msgspec.inspect.UnionType(types=inner) | msgspec.inspect.TupleType(item_types=inner):
            for one in inner:
                yield from numbers(one)
        case msgspec.inspect.VarTupleType(item_type=item):
            yield from numbers(item)
        case msgspec.inspect.StructType(fields=fields):
            for field in fields:
                yield from numbers(field.type)


def test_all_numbers_of_commands_have_bounds() -> None:
    """SQLite takes 64 bits, browsers have 53 of them exactly: more would cost the node a turn."""
    kinds = [one for one in vars(api).values() if isinstance(one, type)]
    commands = [one for one in kinds if issubclass(one, api.Command) and one is not api.Command]
    found = [it for one in commands for it in numbers(msgspec.inspect.type_info(one))]
    assert len(found) > 20
    for number in found:
        assert number.ge is not None and number.le is not None
        assert -(1 << 53) < number.ge <= number.le < 1 << 53


def some(kind: msgspec.inspect.Type) -> Any:
    """A value of this type, with what it must have."""
    match kind:
        case msgspec.inspect.StructType():
            return kind.cls(**{one.name: some(one.type) for one in kind.fields if one.required})
        case msgspec.inspect.StrType():
            return "x"
        case msgspec.inspect.IntType():
            return kind.ge or 5
        case msgspec.inspect.LiteralType():
            return kind.values[0]
        case msgspec.inspect.VarTupleType():
            return (some(kind.item_type),) * (kind.min_length or 1)
    raise TypeError(kind)


def test_each_command_and_notice_survives_the_way() -> None:
    for kind in typing.get_args(api.AnyCommand):
        made = some(msgspec.inspect.type_info(kind))
        request = protocol.decode_request(protocol.encode_command(3, made))
        assert request.id == 3 and protocol.decode_command(request.command) == made


# --- Errors ---------------------------------------------------------------------------------------


async def test_errors_come_back_as_they_were(serving: Server, here: Place) -> None:
    async with Client(here) as client:
        with pytest.raises(InvalidLink) as refused:
            await client.call(api.AddContact("nonsense"))
        assert refused.value.fault is LinkFault.NOT_A_LINK
        with pytest.raises(RemoteNodeError) as unknown:
            await client.call(api.GetChat("nobody"))
        assert unknown.value.code == "no such chat"
        assert unknown.value.fields == {"kind": "chat"}


def every_error() -> Iterator[NodeError]:
    """One of each error there is, with each reason that it may have."""
    for kind in faults._known():
        wanted = faults.arguments(kind)
        reasons = [
            one for one in wanted.values() if isinstance(one, type) and issubclass(one, Enum)
        ]
        plain: dict[Any, Any] = {int: 3, str: "a sentence", tuple[str, ...]: ("one", "two")}
        values = {name: plain.get(one) for name, one in wanted.items()}
        if kind is NodeError or kind is RemoteNodeError:
            continue
        for reason in list(reasons[0]) if reasons else [None]:
            for name, one in wanted.items():
                if reasons and one is reasons[0]:
                    values[name] = reason
            yield faults._remake(kind, msgspec.to_builtins(values))


def test_every_error_survives_the_way() -> None:
    seen = 0
    for error in every_error():
        line = protocol.encode_error(1, faults.describe(error))
        back = protocol.decode_line(line).error
        assert back is not None
        again = faults.restore(back)
        assert type(again) is type(error) and again.code == error.code
        assert str(again) == str(error)
        seen += 1
    assert seen > 25


def test_what_was_wrong_with_words_is_told() -> None:
    error = InvalidWords(WordsFault.UNKNOWN_WORD, count=24, position=7, close=("abandon",))
    again = faults.restore(faults.describe(error))
    assert isinstance(again, InvalidWords)
    assert (again.position, again.count, again.close) == (7, 24, ("abandon",))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("new code", "NewError", {"x": 1}),
        Fault("words count", "InvalidWords", {"fault": "no such fault"}),
        Fault("words count", "InvalidWords", {}),
        Fault("something else", "NotNow", {}),
        Fault("x", "Exception", {}),
        Fault("x", "annotations", {}),
    ],
)
def test_errors_of_another_version_keep_their_code(fault: Fault) -> None:
    again = faults.restore(fault)
    assert isinstance(again, RemoteNodeError)
    assert again.code == fault.code and again.fields == fault.fields
    assert faults.describe(again).code == fault.code


async def test_a_failure_that_nobody_foresaw_says_nothing(
    serving: Server, node: MemoryNode, here: Place, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret text")

    node.do_GetLinks = fail  # type: ignore[method-assign, assignment]
    async with Client(here) as client:
        with pytest.raises(faults.InternalError):
            await client.call(api.GetLinks())
        assert await client.call(api.GetContacts())
    assert "secret" not in caplog.text and "RuntimeError" in caplog.text


async def test_no_node(here: Place) -> None:
    with pytest.raises(NotRunning):
        PlainClient(here)
    with pytest.raises(NotRunning):
        await Client(here).call(api.GetStatus())


async def test_a_node_that_goes_away(node: MemoryNode, here: Place) -> None:
    class Slow(MemoryNode):
        async def call(self, command: api.Command) -> Any:
            await asyncio.Event().wait()

    serving = Server(Slow(), here)
    await serving.start()
    client = Client(here)
    waiting = asyncio.create_task(client.call(api.GetStatus()))
    while not serving.connections:
        await asyncio.sleep(0)
    await serving.close()
    with pytest.raises(Interrupted):
        await waiting
    async with Server(node, here):  # the same client finds the next one
        assert (await client.call(api.GetStatus())).me.name == "Ben"
    await client.close()


# --- Notices --------------------------------------------------------------------------------------


async def test_notices(serving: Server, node: MemoryNode, here: Place) -> None:
    client = Client(here)
    heard = await client.subscribe()
    node.somebody_says("Anna", "hello")
    first = await anext(heard)
    assert isinstance(first, api.MessageAdded) and first.message.text == "hello"
    node.stop()
    rest = [one async for one in heard]
    assert isinstance(rest[-1], api.Locked)
    await client.close()


async def test_notices_from_the_first_step(serving: Server, node: MemoryNode, here: Place) -> None:
    heard = Client(here).notices()
    first = asyncio.create_task(anext(heard))  # type: ignore[arg-type, var-annotated]
    while not node.listeners:
        await asyncio.sleep(0)
    node.somebody_says("Anna", "hello")
    assert isinstance(await first, api.MessageAdded)
    await heard.aclose()  # type: ignore[attr-defined]


async def test_notices_without_asyncio(serving: Server, node: MemoryNode, here: Place) -> None:
    ready = threading.Event()

    def listen() -> list[api.AnyNotice]:
        with PlainClient(here) as client:
            heard = client.subscribe()
            ready.set()
            return list(heard)

    listening = asyncio.create_task(elsewhere(listen))
    await asyncio.to_thread(ready.wait, 30)
    node.somebody_says("Anna", "hello")
    node.stop()
    assert [type(one) for one in await listening] == [
        api.MessageAdded,
        api.ChatChanged,
        api.Locked,
    ]


async def test_a_second_subscription_on_one_connection(serving: Server, here: Place) -> None:
    def ask() -> list[bytes]:
        with raw(here) as made, made.makefile("rb") as lines:
            made.sendall(b'{"id":1,"subscribe":true}\n{"id":2,"subscribe":true}\n')
            return sorted((lines.readline(), lines.readline()))

    first, second = await elsewhere(ask)
    assert json.loads(first)["id"] == 1 and "error" not in json.loads(first)
    assert json.loads(second)["error"]["code"] == TooMuch().code


# --- Limits ---------------------------------------------------------------------------------------


async def test_no_more_connections_than_there_may_be(serving: Server, here: Place) -> None:
    def crowd() -> tuple[int, int]:
        with contextlib.ExitStack() as stack:
            let_in = [stack.enter_context(PlainClient(here)) for _ in range(server.MAX_CONNECTIONS)]
            for one in let_in:
                one.call(api.GetContacts())
            turned_away = 0
            try:
                with PlainClient(here) as more:
                    more.call(api.GetContacts())
            except (Interrupted, NotRunning):
                turned_away += 1
            return len(let_in), turned_away

    assert await elsewhere(crowd) == (server.MAX_CONNECTIONS, 1)


async def test_only_so_many_calls_are_under_way(here: Place) -> None:
    class Slow(MemoryNode):
        def __init__(self) -> None:
            super().__init__()
            self.under_way = 0
            self.most = 0
            self.go = asyncio.Event()

        async def call(self, command: api.Command) -> Any:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            if self.under_way == server.MAX_CALLS:
                self.go.set()
            await self.go.wait()
            self.under_way -= 1
            return await super().call(command)

    slow = Slow()
    async with Server(slow, here), Client(here) as client:
        calls = (client.call(api.GetContacts()) for _ in range(5 * server.MAX_CALLS))
        # All answers come, though the last round never fills: `go` stays set.
        assert len(await asyncio.gather(*calls)) == 5 * server.MAX_CALLS
    assert slow.most == server.MAX_CALLS


async def test_who_does_not_read_notices_is_dropped(
    serving: Server, node: MemoryNode, here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_WAITING", 1 << 20)
    with await elsewhere(here.connect) as made:
        made.sendall(b'{"id":1,"subscribe":true}\n')
        while not node.listeners:
            await asyncio.sleep(0)
        said = 0
        while node.listeners:
            node.somebody_says("Anna", "x" * 60_000)
            said += 1
            await asyncio.sleep(0)
            assert said < 2000
    async with Client(here) as client:  # others are not concerned
        assert await client.call(api.GetContacts())


async def test_who_does_not_read_answers_is_dropped(node: MemoryNode, here: Place) -> None:
    for _ in range(100):
        node.somebody_says("Anna", "x" * 60_000)
    async with Server(node, here, slowest=0.2) as serving:
        with await elsewhere(here.connect) as made:
            made.sendall(b'{"id":1,"command":{"do":"history","chat":"Anna","limit":100}}\n')
            while not serving.connections:
                await asyncio.sleep(0)
            while serving.connections:
                await asyncio.sleep(0.01)


async def test_an_answer_that_is_too_large(
    serving: Server, node: MemoryNode, here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_ANSWER", 1000)
    node.somebody_says("Anna", "x" * 2000)
    async with Client(here) as client:
        with pytest.raises(TooMuch):
            await client.call(api.GetHistory("Anna"))
        assert await client.call(api.MarkRead("Anna")) == api.Done()


# --- Garbage --------------------------------------------------------------------------------------

HARD = [
    b"\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'{"id":1}\n',
    b'{"id":-1,"subscribe":true}\n',
    b'{"id":1e400,"subscribe":true}\n',
    b'{"id":99999999999999999999999999,"subscribe":true}\n',
    b'{"id":1,"subscribe":true,"command":{"do":"status"}}\n',
    b'{"id":"1","command":{"do":"status"}}\n',
    b'{"id":1,"command":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    b'{"x":' * 100_000 + b"\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
    b"\xff\xfe\xfd\n",
    b"x" * (2 << 20),
    b"x" * (2 << 20) + b"\n",
]

#: Requests whose command is none: they get an answer, and the connection stays.
SOFT = [
    b'{"id":1,"command":{}}\n',
    b'{"id":1,"command":null}\n',
    b'{"id":1,"command":{"do":"no such thing"}}\n',
    b'{"id":1,"command":{"do":"send"}}\n',
    b'{"id":1,"command":{"do":"send","chat":5}}\n',
    b'{"id":1,"command":{"do":"history","chat":"Anna","limit":0}}\n',
    b'{"id":1,"command":{"do":"history","chat":"Anna","limit":1e9}}\n',
    b'{"id":1,"command":{"do":"react","message":"0","emoji":"' + b"x" * 65 + b'"}}\n',
    b'{"id":1,"command":["do"]}\n',
]


@pytest.mark.parametrize("line", HARD, ids=range(len(HARD)))
async def test_garbage_ends_its_connection_and_nothing_else(
    serving: Server, here: Place, line: bytes
) -> None:
    def send() -> bytes:
        with raw(here) as made:
            with contextlib.suppress(OSError):
                made.sendall(line)
                made.shutdown(socket.SHUT_WR)
            try:
                return made.recv(1000)
            except ConnectionError:
                return b""

    assert await elsewhere(send) == b""
    async with Client(here) as client:
        assert await client.call(api.GetContacts())


@pytest.mark.parametrize("line", SOFT, ids=range(len(SOFT)))
async def test_a_command_that_is_none_is_refused(
    serving: Server, node: MemoryNode, here: Place, line: bytes
) -> None:
    def send() -> tuple[bytes, bytes]:
        with raw(here) as made, made.makefile("rb") as lines:
            made.sendall(line)
            first = lines.readline()
            made.sendall(b'{"id":2,"command":{"do":"contacts"}}\n')
            return first, lines.readline()

    first, second = await elsewhere(send)
    assert json.loads(first)["id"] == 1
    assert json.loads(first)["error"]["code"] == "invalid command"
    assert "result" in json.loads(second)


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda s: (
            st.lists(s, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "command", "do", "subscribe", "chat", "notice", "error", "code"]
                ),
                s,
                max_size=4,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_decoders_raise_what_they_say(data: bytes) -> None:
    with contextlib.suppress(protocol.NotALine):
        request = protocol.decode_request(data)
        with contextlib.suppress(InvalidCommand):
            protocol.decode_command(request.command)
    with contextlib.suppress(InvalidCommand):
        protocol.decode_command(msgspec.Raw(data))
    with contextlib.suppress(protocol.NotALine):
        line = protocol.decode_line(data)
        protocol.notice_of(line)
        with contextlib.suppress(NodeError):
            protocol.result_of(line, api.GetStatus())


async def test_lines_that_were_changed_do_no_harm(serving: Server, here: Place) -> None:
    """Every command, with bytes changed, in many connections: the node goes on."""
    chance = random.Random(7)
    good = [
        protocol.encode_command(1, one)
        for one in (
            api.GetStatus(),
            api.SendMessage("Anna", "hello", files=("/a",)),
            api.GetHistory("Anna", limit=5),
            api.React("00", "x"),
            api.Search("hello"),
        )
    ]

    def send() -> None:
        for _ in range(300):
            line = bytearray(chance.choice(good))
            for _ in range(chance.randint(1, 4)):
                line[chance.randrange(len(line))] = chance.randrange(256)
            with contextlib.suppress(OSError), raw(here) as made:
                made.sendall(bytes(line))
                made.shutdown(socket.SHUT_WR)
                while made.recv(65536):
                    pass

    await elsewhere(send)
    async with Client(here) as client:
        assert await client.call(api.GetContacts())


# --- Who may come ---------------------------------------------------------------------------------


async def test_60_only_the_owner_may_open_the_socket(folder: Path, node: MemoryNode) -> None:
    """0600 from the moment when it is there, whatever the umask; in a directory that is 0700."""
    made = Place(folder / "node.sock", loopback=False)
    modes: list[int] = []
    before = os.umask(0)
    try:
        real = socket.socket.listen

        def looking(self: socket.socket, *arguments: Any) -> None:
            modes.append(stat.S_IMODE(os.stat(made.path).st_mode))
            real(self, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket.socket, "listen", looking)
            async with Server(node, made):
                modes.append(stat.S_IMODE(os.stat(made.path).st_mode))
    finally:
        os.umask(before)
    assert set(modes) == {0o600} and len(modes) >= 2
    assert not made.path.exists()


async def test_60_the_file_with_the_secret_is_the_owners(folder: Path, node: MemoryNode) -> None:
    made = Place(folder / "node.sock", loopback=True)
    before = os.umask(0)
    try:
        async with Server(node, made):
            assert stat.S_IMODE(os.stat(made.path).st_mode) == 0o600
    finally:
        os.umask(before)


CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
made = socket.socket(socket.AF_UNIX)
made.settimeout(30)
try:
    made.connect(sys.argv[1])
    made.sendall(b'{"id":1,"command":{"do":"contacts"}}\\n')
    print("read", len(made.recv(100)))
except PermissionError:
    print("refused")
except ConnectionError:
    print("read 0")
"""


@pytest.mark.skipif(not ROOT, reason="only root can be somebody else")
async def test_60_another_user_cannot_connect(folder: Path, node: MemoryNode) -> None:
    """Not by the modes; and not when somebody has opened the modes, because the kernel says who it is."""
    made = Place(folder / "node.sock", loopback=False)

    async def attempt() -> str:
        done = await asyncio.create_subprocess_exec(
            "/usr/bin/env", "python3", "-c", CONNECT, str(made.path), stdout=subprocess.PIPE
        )
        return (await done.communicate())[0].decode().strip()

    async with Server(node, made) as serving:
        parents = [one for one in folder.parents if one.stat().st_mode & 0o055 != 0o055]
        modes = {one: one.stat().st_mode for one in parents}
        try:
            for one in parents:  # pytest's own folders are closed to others too
                one.chmod(0o755)
            assert await attempt() == "refused"
            folder.chmod(0o755)
            assert await attempt() == "refused"
            made.path.chmod(0o666)
            assert await attempt() == "read 0"
        finally:
            for one, mode in modes.items():
                one.chmod(mode)
        assert serving.connections == 0 and node.called == []


async def test_60_nobody_listens_where_others_can_write(folder: Path, node: MemoryNode) -> None:
    folder.chmod(0o755)
    for loopback in (False, True):
        with pytest.raises(UnsafePlace):
            await Server(node, Place(folder / "node.sock", loopback)).start()


async def test_60_a_port_without_the_secret(folder: Path, node: MemoryNode) -> None:
    """Wrong proofs, none, and one that was overheard: all are turned away."""
    made = Place(folder / "node.sock", loopback=True)

    def attempt(answer: Callable[[str], str]) -> bytes:
        port = json.loads(made.path.read_bytes())["port"]
        with socket.create_connection(("127.0.0.1", port), 30) as raw, raw.makefile("rb") as lines:
            raw.sendall(f"{answer(lines.readline().decode().strip())}\n".encode())
            with contextlib.suppress(OSError):
                raw.sendall(b'{"id":1,"command":{"do":"contacts"}}\n')
            try:
                return lines.readline()
            except ConnectionError:
                return b""

    async with Server(node, made):
        secret = json.loads(made.path.read_bytes())["secret"]
        assert await elsewhere(lambda: attempt(lambda _: "")) == b""
        assert await elsewhere(lambda: attempt(lambda nonce: f"{nonce} {nonce}")) == b""
        old = f"00 {place.proof(secret, 'client', '11', '00')}"
        assert await elsewhere(lambda: attempt(lambda _: old)) == b""
        good = await elsewhere(
            lambda: attempt(lambda nonce: f"00 {place.proof(secret, 'client', nonce, '00')}")
        )
        assert len(good) == 65
        assert node.called == [] or isinstance(node.called[-1], api.GetContacts)


def test_60_who_took_the_port_of_a_node_learns_nothing(folder: Path) -> None:
    """A file that a node left behind leads to somebody else: nothing is said to them."""
    made = Place(folder / "node.sock", loopback=True)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as thief:
        made.path.write_text(json.dumps({"port": thief.getsockname()[1], "secret": "s"}))

        def answer() -> None:
            connection, _ = thief.accept()
            with connection:
                connection.sendall(b"aa\n")
                heard.append(connection.recv(1000))
                connection.sendall(b"bb\n")
                heard.append(connection.recv(1000))

        stealing = threading.Thread(target=answer)
        stealing.start()
        with pytest.raises(NotRunning):
            PlainClient(made)
        stealing.join(30)
    assert b"s" not in heard[0] and heard[1] == b""


# --- Places ---------------------------------------------------------------------------------------


async def test_one_node_a_place(serving: Server, here: Place) -> None:
    with pytest.raises(AlreadyRunning):
        await elsewhere(here.listen)
    async with Client(here) as client:  # the first one is as it was
        assert await client.call(api.GetContacts())


async def test_what_a_killed_node_left_is_taken_away(node: MemoryNode, here: Place) -> None:
    listening, _ = here.listen()
    listening.close()
    assert here.path.exists()
    async with Server(node, here), Client(here) as client:
        assert await client.call(api.GetContacts())
    assert not here.path.exists()


async def test_nothing_else_is_taken_away(node: MemoryNode, folder: Path) -> None:
    path = folder / "node.sock"
    path.write_text("mine")
    with pytest.raises(UnsafePlace):
        await Server(node, Place(path, loopback=False)).start()
    assert path.read_text() == "mine"


def test_no_secret_is_shown() -> None:
    assert "5ecret" not in repr(place.Door(1, "5ecret"))


def test_what_a_client_loads_is_light() -> None:
    """The way to a running node is without asyncio, cryptography and databases: it starts fast."""
    heavy = ("asyncio", "ssl", "cryptography", "aiohttp", "sqlcipher3", "heliogram.mls", "logging")
    code = (
        "import sys; import heliogram.node.control.plain, heliogram.node.api;"
        f"print([one for one in {heavy!r} if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_known_errors_are_those_of_the_node() -> None:
    assert errors.NotNow in faults._known()
    gc.collect()
