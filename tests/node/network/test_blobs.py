"""Blobs up and down: against real relays, cut off, resumed, lied to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from heliogram.node.asking import Address
from heliogram.node.errors import TransferFailed, TransferFault
from heliogram.node.network import blobs, dialling
from heliogram.node.network.blobs import Blob, download, size, upload
from heliogram.node.network.dialling import Dialler
from heliogram.wire import frames
from heliogram.wire.objects import blob_delete_hash
from tests.node.network.kit import serving
from tests.node.network.socks import Socks, proxying
from tests.relay.blob_kit import blob_of
from tests.relay.members import Member
from tests.relay.serving import Serving

DATA = blob_of("a film", 900_000)
BLOB = Blob(sha256(DATA).digest(), len(DATA))


def read(offset: int, count: int) -> bytes:
    return DATA[offset : offset + count]


@dataclass
class Place:
    """A relay with a log, and a way to it."""

    relay: Serving
    member: Member
    dialler: Dialler
    address: Address

    async def ticket(self, blob: Blob = BLOB) -> frames.BlobReady:
        """Announce an upload, or ask how far it is."""
        frame = frames.BlobOpen(
            0, self.member.channel(), blob.id, blob.size, 10, blob_delete_hash(b"s" * 32)
        )
        return await self.member.clients[self.relay.key].ask(frame, frames.BlobReady)

    async def up(self, ticket: bytes, progress: list[int]) -> None:
        await upload(self.dialler, b"c", self.address, ticket, BLOB, read, progress.append)

    async def down(self, start: int = 0, stop: int | None = None) -> bytes:
        pieces = download(self.dialler, b"c", self.address, BLOB.id, start, stop)
        return b"".join([piece async for piece in pieces])


@asynccontextmanager
async def placed(tmp_path: Path) -> AsyncIterator[Place]:
    async with Serving(tmp_path / "data") as relay:
        member = await relay.member("log")
        dialler = Dialler()
        address = Address(relay.key, (b"ws://127.0.0.1:9/ws", f"ws://{relay.where}/ws".encode()))
        yield Place(relay, member, dialler, address)
        await dialler.close()
        await member.close()


async def test_up_and_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts, past an endpoint that is not there; any range comes back."""
    monkeypatch.setattr(blobs, "PART", 300_000)
    async with placed(tmp_path) as place:
        ready, progress = await place.ticket(), list[int]()
        await place.up(ready.ticket, progress)
        assert progress == [0, 300_000, 600_000, 900_000]
        assert await size(place.dialler, b"c", place.address, BLOB.id) == BLOB.size
        assert await place.down() == DATA
        assert await place.down(5, 6) == DATA[5:6]
        assert await place.down(500_000) == DATA[500_000:]
        assert await place.down(899_999, 2_000_000) == DATA[-1:]
        # It is there: nothing is sent again.
        progress.clear()
        await place.up((await place.ticket()).ticket, progress)
        assert set(progress) == {900_000}
        with pytest.raises(TransferFailed) as caught:
            await place.down(900_000)
        assert caught.value.fault is TransferFault.GONE


async def test_what_is_not_there(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        for going in (place.down(), size(place.dialler, b"c", place.address, BLOB.id)):
            with pytest.raises(TransferFailed) as caught:
                await going
            assert caught.value.fault is TransferFault.GONE
        with pytest.raises(TransferFailed) as caught:
            await place.up(bytes(32), [])
        assert caught.value.fault is TransferFault.TICKET
        await place.dialler.close()
        with pytest.raises(TransferFailed) as caught:
            await place.down()
        assert caught.value.fault is TransferFault.LOST


async def test_an_upload_goes_on_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled in the middle; the file fails; and the second time only what lacks is sent."""
    monkeypatch.setattr(blobs, "PART", 300_000)
    async with placed(tmp_path) as place:
        ready, asked = await place.ticket(), list[int]()

        def failing(offset: int, count: int) -> bytes:
            asked.append(offset)
            if offset >= 600_000:
                raise PermissionError("not this time")
            return read(offset, count)

        with pytest.raises(PermissionError):
            await upload(
                place.dialler, b"c", place.address, ready.ticket, BLOB, failing, asked.append
            )
        progress: list[int] = []
        again = asyncio.create_task(place.up(ready.ticket, progress))
        while not progress:
            await asyncio.sleep(0.001)
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
        assert progress[0] == 600_000
        progress.clear()
        await place.up((await place.ticket()).ticket, progress)
        assert progress[-1] == 900_000 and await place.down() == DATA


async def test_what_is_not_what_it_should_be(tmp_path: Path) -> None:
    """Bytes that do not hash to the name are refused at the end, and it can be begun again."""
    async with placed(tmp_path) as place:
        ready = await place.ticket()
        with pytest.raises(TransferFailed) as caught:
            await upload(
                place.dialler, b"c", place.address, ready.ticket, BLOB,
                lambda offset, count: bytes(count), lambda done: None,
            )  # fmt: skip
        assert caught.value.fault is TransferFault.DAMAGED
        await place.up((await place.ticket()).ticket, [])
        with pytest.raises(OSError, match="shorter"):
            other = Blob(sha256(b"other").digest(), 1000)
            ticket = (await place.ticket(other)).ticket
            await upload(
                place.dialler, b"c", place.address, ticket, other,
                lambda offset, count: b"x", lambda done: None,
            )  # fmt: skip


async def test_through_the_proxy(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        host, _, port = place.relay.where.rpartition(":")
        async with proxying(Socks({"relay.onion": (host, int(port))})) as socks:
            dialler = Dialler(proxy=socks.proxy)
            address = Address(place.relay.key, (b"ws://relay.onion/ws",))
            ready = await place.ticket()
            await upload(dialler, b"up", address, ready.ticket, BLOB, read, lambda done: None)
            for circuit in (b"one", b"two"):
                pieces = download(dialler, circuit, address, BLOB.id)
                assert b"".join([piece async for piece in pieces]) == DATA
            await dialler.close()
            assert len({one[:2] for one in socks.asked}) == 3


async def test_leaving_a_download_early(tmp_path: Path) -> None:
    async with placed(tmp_path) as place:
        await place.up((await place.ticket()).ticket, [])
        pieces = download(place.dialler, b"c", place.address, BLOB.id)
        async for piece in pieces:
            assert DATA.startswith(piece)
            break
        await pieces.aclose()  # type: ignore[attr-defined]
        assert await place.down() == DATA


# --- Bad relays -----------------------------------------------------------------------------------


def answer(status: str, headers: str = "", body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}\r\n".encode() + body


LIES = {
    "all of it": answer("200 OK", "Content-Length: 3\r\n", b"abc"),
    "another range": answer("206 P", "Content-Range: bytes 1-3/9\r\nContent-Length: 3\r\n", b"abc"),
    "too little": answer("206 P", "Content-Range: bytes 0-8/9\r\nContent-Length: 3\r\n", b"abc"),
    "too much": answer("206 P", "Content-Range: bytes 0-2/3\r\nContent-Length: 9\r\n", b"a" * 9),
    "no range": answer("206 P", "Content-Length: 3\r\n", b"abc"),
    "packed": answer(
        "206 P",
        "Content-Encoding: gzip\r\nContent-Range: bytes 0-2/3\r\nContent-Length: 3\r\n",
        b"abc",
    ),
    "cut off": answer("206 P", "Content-Range: bytes 0-8/9\r\nContent-Length: 9\r\n", b"abc"),
    "a teapot": answer("418 I'm a teapot"),
    "garbage": b"\x00" * 100,
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES)
async def test_downloads_of_liars(lie: str) -> None:
    async def lying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LIES[lie])
        await writer.drain()

    async with serving(lying) as where:
        dialler = Dialler()
        address = Address(b"k" * 32, (f"ws://{where}/ws".encode(),))
        got = b""
        with pytest.raises(TransferFailed) as caught:
            async for piece in download(dialler, b"c", address, BLOB.id):
                got += piece
        assert caught.value.fault in (TransferFault.REFUSED, TransferFault.LOST)
        assert len(got) < 9
        await dialler.close()


@pytest.mark.parametrize("offset", ["0", "7", "1000000", "-1", "01", "", "9" * 30])
async def test_uploads_to_a_relay_that_never_moves(
    offset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the upload stands where it stood, or where it cannot: it does not get all of it again."""
    monkeypatch.setattr(blobs, "_AGAIN", 0.0)
    parts = 0

    async def stubborn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal parts
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"PUT"):
                parts += 1
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            writer.write(f"HTTP/1.1 204 N\r\nUpload-Offset: {offset}\r\n\r\n".encode())
            await writer.drain()

    async with serving(stubborn) as where:
        dialler = Dialler()
        address = Address(b"k" * 32, (f"ws://{where}/ws".encode(),))
        with pytest.raises(TransferFailed) as caught:
            await upload(dialler, b"c", address, bytes(32), BLOB, read, lambda done: None)
        known = offset in ("0", "7")
        assert caught.value.fault is (TransferFault.LATER if known else TransferFault.REFUSED)
        assert parts == (4 if known else 0)
        await dialler.close()


@pytest.mark.parametrize("going", ["up", "down"])
async def test_a_relay_that_stands_still(going: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "SILENCE", 0.2)
    monkeypatch.setattr(dialling, "PATIENCE", 0.2)

    async def still(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if going == "up":
            writer.write(answer("204 N", "Upload-Offset: 0\r\n"))
        else:
            headers = "Content-Range: bytes 0-8/9\r\nContent-Length: 9\r\n"
            writer.write(answer("206 P", headers, b"abc"))
        await writer.drain()
        await asyncio.sleep(3600)

    async with serving(still) as where:
        dialler = Dialler()
        address = Address(b"k" * 32, (f"ws://{where}/ws".encode(),))
        with pytest.raises(TransferFailed) as caught:
            if going == "up":
                await upload(dialler, b"c", address, bytes(32), BLOB, read, lambda done: None)
            else:
                async for _ in download(dialler, b"c", address, BLOB.id):
                    pass
        assert caught.value.fault is TransferFault.LOST
        await dialler.close()


async def test_a_relay_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "STRETCH", 0.2)

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        headers = "Content-Range: bytes 0-99999/100000\r\nContent-Length: 100000\r\n"
        writer.write(answer("206 P", headers))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(dripping) as where:
        dialler = Dialler()
        address = Address(b"k" * 32, (f"ws://{where}/ws".encode(),))
        with pytest.raises(TransferFailed) as caught:
            async for _ in download(dialler, b"c", address, BLOB.id):
                pass
        assert caught.value.fault is TransferFault.LOST
        await dialler.close()
