"""A node that has files and nothing else: real store, shell and sockets; conversations are logs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from heliogram.content import making
from heliogram.content.bodies import File, Several, read
from heliogram.content.mimi import Message, Part
from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.asking import Ask, LogScope
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.engine import Engine
from heliogram.node.engine.files import FilesPart
from heliogram.node.engine.kept import MOST
from heliogram.node.errors import NotFound, NotNow
from heliogram.node.network.dialling import Dialler
from heliogram.node.shell import Shell
from heliogram.node.store.database import Store
from heliogram.node.transfer.moves import Outcome
from heliogram.node.transfer.prepared import Prepared
from heliogram.node.transfer.service import Transfers
from heliogram.node.transfer.spool import Spool
from heliogram.wire.objects import Configuration, RelayDescription
from tests.relay.members import Member, configured, member_key, name
from tests.relay.process import RelayProcess

#: The one log of these tests, and its conversation in a store.
LOG, CONVERSATION = "picnic", 1

#: Settings under which no budget is met.
ROOMY: Mapping[str, int] = {
    "max_blob": 4 << 30,
    "blob_bytes_per_day": 1 << 40,
    "max_blob_bytes": 1 << 40,
}

KEY = Secret(bytes(range(32)))


def pattern(size: int, seed: str = "file") -> bytes:
    """Bytes that do not repeat."""
    out, block = bytearray(), seed.encode()
    while len(out) < size:
        block = sha256(block).digest()
        out += block * 64
    return bytes(out[:size])


class Fleet:
    """Relays that have one log."""

    def __init__(self, processes: Sequence[RelayProcess], quorum: int | None = None) -> None:
        self.processes = list(processes)
        keys = [one.key for one in processes]
        bare = configured(LOG, keys, quorum)
        places = {one.key: one.where for one in processes}
        #: With the places where relays are; the log itself was opened with none.
        self.configuration = Configuration(
            bare.log,
            bare.quorum,
            tuple(
                RelayDescription(
                    one.key, one.operator_key, (f"ws://{places[one.key]}/ws".encode(),)
                )
                for one in bare.relays
            ),
        )
        self._bare = bare
        self.instances: dict[bytes, bytes] = {}

    async def open(self) -> None:
        """Open the log everywhere."""
        member = Member(LOG, self._bare)
        await member.connect({one.key: one.where for one in self.processes})
        await member.open()
        await member.close()
        self.instances = dict(member.instances)


@asynccontextmanager
async def fleet(
    directory: Path, count: int = 3, quorum: int | None = None, **settings: int
) -> AsyncIterator[Fleet]:
    """So many real relays with the log."""
    processes = [
        RelayProcess(directory / f"relay-{i}", settings={**ROOMY, **settings}) for i in range(count)
    ]
    try:
        for one in processes:
            one.start()
        made = Fleet(processes, quorum)
        await made.open()
        yield made
    finally:
        for one in processes:
            if one.running:
                one.kill()


class Words:
    """What the part for files wants of talks, of one log: messages are rows, and nothing is said."""

    def __init__(
        self, context: Context, configuration: Configuration, instances: Mapping[bytes, bytes]
    ):
        self.context = context
        self.now = configuration
        self.instances = dict(instances)
        #: The one that goes on.
        self.conversation = CONVERSATION
        self.part: FilesPart | None = None
        self.released: list[int] = []
        self.failed: list[tuple[int, str]] = []
        self.carried: list[bytes] = []
        self.fetched: list[bytes] = []

    # --- TalksSide ---

    def configuration(self, conversation: int) -> Configuration | None:
        return self.now

    def circuit(self, conversation: int) -> bytes:
        return b"circuit of the log" + bytes([conversation])

    def blob_scope(self, conversation: int, relay: bytes) -> LogScope:
        if conversation != self.conversation or relay not in self.instances:
            raise NotNow
        return LogScope(self.instances[relay], 1, member_key(LOG, 1, relay))

    def find_message(self, text: str) -> int:
        row = self.context.store.one(
            "SELECT number FROM messages WHERE id = ?", (bytes.fromhex(text),)
        )
        if row is None:
            raise NotFound("message")
        return int(row[0])

    def release(self, message: int) -> None:
        self.released.append(message)

    def not_sent(self, message: int, code: str) -> None:
        self.failed.append((message, code))

    def file_changed(self, message: int) -> None:
        pass

    def blob_stored(self, conversation: int, blob: bytes, relay: bytes) -> None:
        self.carried.append(relay)

    def blob_fetched(self, conversation: int, blob: bytes) -> None:
        self.fetched.append(blob)

    def picture_stored(self, conversation: int, blob: bytes) -> None:
        pass

    def picture_refused(self, conversation: int, blob: bytes) -> None:
        pass

    def picture_came(self, conversation: int, blob: bytes, outcome: Outcome, data: bytes) -> None:
        pass

    def go_on(self, message: int, fleet: Fleet) -> None:
        """The message is in another conversation now, on other relays."""
        self.now, self.instances = fleet.configuration, dict(fleet.instances)
        self.conversation += 1
        store = self.context.store
        store.execute(
            "INSERT INTO conversations (number, id, kind, phase, created, relays)"
            " VALUES (?, ?, 'group', 'open', 0, ?)",
            (self.conversation, name("the successor"), self.now.encode()),
        )
        store.execute(
            "UPDATE messages SET conversation = ? WHERE number = ?", (self.conversation, message)
        )
        if self.part is not None:
            self.part.move(message)

    # --- A part of the engine: it sends and receives ---

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        return {api.SendMessage: self._send, Receive: self._receive, Do: self._do}

    def settle(self) -> None:
        pass

    def asks(self) -> list[tuple[bytes, Ask]]:
        return []

    def deadline(self) -> float | None:
        return None

    def add(self, message: Message, *, mine: bool) -> int:
        """A row for a message."""
        store = self.context.store
        if store.one("SELECT 1 FROM conversations") is None:
            store.execute(
                "INSERT INTO conversations (number, id, kind, phase, created, relays)"
                " VALUES (?, ?, 'group', 'open', 0, ?)",
                (CONVERSATION, name("conversation"), self.now.encode()),
            )
        content = message.encode()
        cursor = store.execute(
            "INSERT INTO messages (conversation, sent, id, mine, kind, text, content, received, epoch, state)"
            " VALUES (?, 0, ?, ?, 'file', '', ?, 0, 1, 'queued')",
            (CONVERSATION, sha256(content).digest(), mine, content),
        )
        return int(cursor.lastrowid or 0)

    def _send(self, command: api.SendMessage, extra: object) -> bytes:
        assert isinstance(extra, Prepared) and self.part is not None
        if command.text == "refuse":
            raise NotNow
        message = making.post(body(command.text, extra.parts), entropy=os.urandom)
        self.part.sent(self.add(message, mine=True), extra)
        return message.encode()

    def _receive(self, command: api.Command, extra: object) -> bytes:
        assert isinstance(extra, bytes) and self.part is not None
        message = Message.from_bytes(extra)
        found = read(message)
        bodies = found.bodies if isinstance(found, Several) else (found,)
        number = self.add(message, mine=False)
        self.part.received(number, [one for one in bodies if isinstance(one, File)])
        return sha256(extra).digest()

    def _do(self, command: api.Command, extra: object) -> object:
        assert callable(extra) and self.part is not None
        return extra(self.part)


class Receive(api.Command, frozen=True, tag="receive"):
    """A message came: its bytes are the extra."""


class Do(api.Command, frozen=True, tag="do"):
    """Do something with the part for files within a turn."""


def body(text: str, parts: tuple[Part, ...]) -> Part:
    """Text and files as one part."""
    every = ((making.plain(text),) if text else ()) + parts
    return every[0] if len(every) == 1 else making.together(*every)


class Node:
    """A node on a directory, for as long as it runs."""

    def __init__(
        self,
        root: Path,
        fleet: Fleet | None = None,
        configuration: bytes = b"",
        most_kept: int = MOST,
    ) -> None:
        """With the relays of `fleet`, or those of an encoded configuration."""
        self.most_kept = most_kept
        self.root = root
        root.mkdir(exist_ok=True)
        made = Configuration.from_bytes(configuration) if fleet is None else fleet.configuration
        path = root / "profile.db"
        self.store = Store.open(path, KEY) if path.exists() else Store.create(path, KEY)
        self.spool = Spool(root / "spool", os.urandom)
        self.context = Context(self.store, os.urandom)
        self.words = Words(self.context, made, {} if fleet is None else fleet.instances)
        self.downloads = root / "downloads"
        #: Seconds after which a transfer has gone wrong.
        self.patience = 60.0

    def engine(self) -> Engine:
        """The engine: made at the start, and after a turn that failed."""
        part = FilesPart(
            self.context,
            wake=self._wake,
            downloads=str(self.downloads),
            forget=self.spool.forget,
            spool_name=self.spool.name,
            most_kept=self.most_kept,
        )
        part.talks = self.words
        self.words.part = part
        return Engine(self.context, [part, self.words])

    def _wake(self) -> None:
        self.transfers.wake()

    async def __aenter__(self) -> Node:
        self.dialler = Dialler()
        self.shell = Shell(self.engine, self.dialler)
        self.transfers = Transfers(self.shell, self.dialler, self.spool)
        self.notices = self.shell.notices()
        self._tasks = [
            asyncio.create_task(self.shell.run()),
            asyncio.create_task(self.transfers.run()),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tasks[1].cancel()
        with suppress(asyncio.CancelledError):
            await self._tasks[1]
        await self.shell.stop()
        await self._tasks[0]
        await self.dialler.close()
        self.store.close()

    async def send(self, *paths: Path, text: str = "", **how: object) -> bytes:
        """Send files: the message's bytes."""
        command = api.SendMessage("chat", text, files=tuple(map(str, paths)))
        for one, value in how.items():
            command = replace_struct(command, **{one: value})
        sent = await self.shell.call(command)
        assert isinstance(sent, bytes)
        return sent

    async def receive(self, message: bytes) -> str:
        """A message comes: its id."""
        found = await self.shell.turn(Receive(), message)
        return bytes(found).hex()

    async def do(self, what: Callable[[FilesPart], object]) -> object:
        """Within a turn."""
        return await self.shell.turn(Do(), what)

    async def infos(self, message: str) -> tuple[api.FileInfo, ...]:
        """What faces see of the files of a message."""
        number = self.words.find_message(message)
        found = await self.do(lambda part: part.infos(number))
        assert isinstance(found, tuple)
        return found

    async def until(self, ready: Callable[[api.Transfer], bool]) -> api.Transfer:
        """Wait for such a notice."""
        async with asyncio.timeout(self.patience):
            async for notice in self.notices:
                if isinstance(notice, api.TransferChanged) and ready(notice.transfer):
                    return notice.transfer
        raise AssertionError("the node stopped")

    async def until_stored(self, count: int) -> None:
        """Wait until so many relays have the first file."""
        while len(await self._stored()) < 32 * count:
            await asyncio.sleep(0)

    async def _stored(self) -> bytes:
        row = await self.do(lambda part: self.store.one("SELECT stored FROM files"))
        return b"" if row is None else bytes(row[0])  # type: ignore[index]

    async def fetched(self, message: str, index: int = 0, directory: str = "") -> api.FileInfo:
        """Fetch a file, to whatever end."""
        await self.shell.call(api.GetFile(message, index, directory))
        await self.until(lambda one: one.state in ("done", "failed") and one.message == message)
        return (await self.infos(message))[index]

    async def keep(self, message: str, index: int = 0) -> api.FileInfo:
        """Keep a file, to whatever end."""
        moving = await self.shell.call(api.KeepFile(message, index))
        if moving.state not in ("done", "failed"):
            await self.until(lambda one: one.state in ("done", "failed") and one.message == message)
        return (await self.infos(message))[index]

    async def read(self, message: str, offset: int = 0, length: int = 1 << 18) -> api.FileBytes:
        """A piece of the first file."""
        found = await self.shell.call(api.ReadFile(message, 0, offset, length))
        assert isinstance(found, api.FileBytes)
        return found

    async def all_of(self, message: str) -> bytes:
        """All of the first file, in pieces of an odd size."""
        out = bytearray()
        while True:
            piece = await self.read(message, len(out), 200_001)
            out += piece.data
            if len(out) >= piece.size:
                return bytes(out)

    def spooled(self) -> list[str]:
        """Names in the spool."""
        return sorted(one.name for one in self.spool.directory.iterdir())


def replace_struct(command: api.SendMessage, **values: object) -> api.SendMessage:
    """The command with other values."""
    return msgspec.structs.replace(command, **values)
