"""Load on cells and on blobs: values that are compared and swapped, files that come in parts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

import apsw

from heliogram.wire import ErrorCode, Label, SigningKey, frames, verify, work
from heliogram.wire.objects import blob_delete_hash, blob_id, cell_content, cell_id
from tests.relay.client import Client
from tests.relay.load import Relay, said
from tests.relay.load_logs import LogLoad
from tests.relay.members import name


@dataclass
class Cell:
    """A cell's owner, what it has been written, and what may have been."""

    key: SigningKey
    version: int = 0
    value: bytes = b""
    open: frames.CellPut | None = None


class CellLoad:
    """Cells that are compared and swapped."""

    def __init__(self, relay: Relay, count: int = 4) -> None:
        self.relay = relay
        self.cells = [Cell(SigningKey(name(f"cell {i}"))) for i in range(count)]
        self.client: Client
        self._number = 0

    async def connect(self) -> None:
        """Connect."""
        self._number += 1
        self.client = await self.relay.connect(f"cells {self._number}")

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()

    async def run(self, rng: Random) -> None:
        """Write until the relay dies."""
        while True:
            await self._one(rng)
            await asyncio.sleep(0)

    async def _one(self, rng: Random) -> None:
        cell = rng.choice(self.cells)
        if cell.version and rng.random() < 0.3:
            await self._check(cell)
            return
        if cell.version > 1 and rng.random() < 0.2:
            # A stale writer is told what there is.
            answer = await self.relay.ask(self.client, self._frame(cell, cell.version, b"stale"))
            self._is(cell, answer)
            return
        frame = self._frame(cell, cell.version + 1, rng.randbytes(rng.choice((10, 3000))))
        cell.open = frame
        await self._write(cell, frame)

    async def _write(self, cell: Cell, frame: frames.CellPut) -> None:
        answer = await self.relay.ask(self.client, frame)
        assert isinstance(answer, frames.Done), said(answer)
        cell.version, cell.value, cell.open = frame.version, frame.value, None

    def _frame(self, cell: Cell, version: int, value: bytes) -> frames.CellPut:
        owner = cell.key.public
        target = cell_id(owner)
        signature = cell.key.sign(Label.CELL, cell_content(target, version, value))
        now = self.client.greeting.time
        proof = work.solve(self.client.relay, target, 0, now=now).encode()
        return frames.CellPut(0, owner, version, value, signature, proof)

    def _is(self, cell: Cell, answer: frames.Answer) -> None:
        assert isinstance(answer, frames.CellValue), said(answer)
        content = cell_content(cell_id(cell.key.public), answer.version, answer.value)
        assert verify(cell.key.public, Label.CELL, content, answer.signature)
        now = (answer.version, answer.value)
        known = [(cell.version, cell.value)]
        if cell.open is not None:
            known.append((cell.open.version, cell.open.value))
        assert now in known, "a cell has lost a value"

    async def _check(self, cell: Cell) -> None:
        frame = frames.CellGet(0, cell_id(cell.key.public))
        self._is(cell, await self.relay.ask(self.client, frame))

    async def check(self, rng: Random) -> None:
        """Each cell has the last value that was answered, or the one that was under way."""
        for cell in self.cells:
            if cell.version:
                await self._check(cell)
            if cell.open is not None:
                await self._write(cell, cell.open)
                await self._check(cell)

    async def check_all(self) -> None:
        """The same."""
        await self.check(Random(0))

    def check_copy(self, database: apsw.Connection) -> None:
        """The sockets show all of it."""


# --- Blobs ----------------------------------------------------------------------------------------


@dataclass
class Blob:
    """A blob: how much of it has an answer, and whether it is whole or taken back."""

    data: bytes
    secret: bytes
    stored: int = 0
    whole: bool = False
    deleting: bool = False


class BlobLoad:
    """Blobs of a log whose slot stays open."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.log = LogLoad(relay, "blobs", slots=False)
        self.blobs: dict[bytes, Blob] = {}
        self.gone: list[bytes] = []

    async def connect(self) -> None:
        """Connect."""
        await self.log.connect()
        await self.log.authorise(1)

    async def close(self) -> None:
        """Close the connection."""
        await self.log.close()

    async def run(self, rng: Random) -> None:
        """Upload, read, delete until the relay dies."""
        while True:
            what, ids = rng.random(), list(self.blobs)
            if not ids or what < 0.15:
                secret = rng.randbytes(32)
                data = rng.randbytes(rng.choice((9, 5000, 70_000, 300_000)))
                self.blobs[blob_id(data)] = Blob(data, secret)
                await self._open(blob_id(data))
            elif what < 0.8:
                unfinished = [one for one in ids if not self.blobs[one].whole]
                if unfinished:
                    await self._part(rng.choice(unfinished), rng)
            elif what < 0.92 or len(ids) < 8:
                await self._check(rng.choice(ids))
            else:
                await self._delete(rng.choice(ids))
            await asyncio.sleep(0)

    async def _open(self, id: bytes) -> frames.BlobReady:
        blob = self.blobs[id]
        deletes = blob_delete_hash(blob.secret)
        frame = frames.BlobOpen(0, self.log.channel(1), id, len(blob.data), 3, deletes)
        answer = await self.relay.must(self.log.client, frame, frames.BlobReady)
        assert answer.offset >= blob.stored, "parts of a blob were lost"
        assert not blob.whole or answer.offset == len(blob.data)
        blob.stored, blob.whole = answer.offset, answer.offset == len(blob.data)
        return answer

    async def _part(self, id: bytes, rng: Random) -> None:
        ready, blob = await self._open(id), self.blobs[id]
        start, size = ready.offset, len(blob.data)
        if start == size:
            return
        end = min(size, start + rng.choice((1, 3000, 64_000, 100_000)))
        headers = {
            "Authorization": f"Heliogram {ready.ticket.hex()}",
            "Content-Range": f"bytes {start}-{end - 1}/{size}",
        }
        self.relay.sent()
        client = self.log.client
        url = f"{client.base}/blob/{id.hex()}"
        async with client.session.put(url, data=blob.data[start:end], headers=headers) as answer:
            if answer.status in (503, 507):
                full = answer.status == 507
                self.relay.refuse(ErrorCode.DISK_FULL if full else ErrorCode.UNAVAILABLE)
            assert answer.status == (201 if end == size else 204), answer.status
        self.relay.answered("Part")
        blob.stored, blob.whole = end, end == size

    async def _delete(self, id: bytes) -> None:
        blob = self.blobs[id]
        blob.deleting = True
        answer = await self.relay.ask(self.log.client, frames.BlobDelete(0, id, blob.secret))
        if isinstance(answer, frames.Failure):
            assert answer.code == ErrorCode.NOT_AUTHORISED, said(answer)
        del self.blobs[id]
        self.gone.append(id)

    async def _check(self, id: bytes) -> None:
        """A whole blob can be read, any other cannot."""
        status, data = await self._get(id)
        blob = self.blobs[id]
        if blob.whole:
            assert status == 200 and data == blob.data, (
                f"a blob was lost: {status}, {len(blob.data)}"
            )

    async def _get(self, id: bytes) -> tuple[int, bytes]:
        self.relay.sent()
        client = self.log.client
        async with client.session.get(f"{client.base}/blob/{id.hex()}") as answer:
            return answer.status, await answer.read()

    async def check(self, rng: Random) -> None:
        """Uploads go on where they stood at least; whole blobs are whole; what was deleted stays away."""
        for id in [one for one, blob in self.blobs.items() if blob.deleting]:
            await self._delete(id)
        for id in rng.sample(list(self.blobs), min(6, len(self.blobs))):
            await self._check(id)
            await self._open(id)
        for id in self.gone[-3:]:
            assert (await self._get(id))[0] == 404, "a deleted blob came back"

    async def check_all(self) -> None:
        """All of them; and every upload can be finished."""
        rng = Random(0)
        for id, blob in self.blobs.items():
            while not blob.whole:
                await self._part(id, rng)
            await self._check(id)

    def check_copy(self, database: apsw.Connection) -> None:
        """The rows say at least what the answers said."""
        for id, blob in self.blobs.items():
            if blob.stored and not blob.deleting:
                row = database.execute("SELECT stored FROM blobs WHERE blob=?", (id,)).fetchone()
                assert row is not None and row[0] >= blob.stored, "parts of a blob were lost"
