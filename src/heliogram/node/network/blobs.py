"""Blobs up to relays and down from them, over HTTP: in pieces, resumed where they stand.

    await upload(dialler, circuit, address, ticket, Blob(id, size), read, progress)
    async for piece in download(dialler, circuit, address, id, start): ...

Memory is bounded by a piece. Cancelling stops at once. The tickets come from `BLOB_OPEN`; what comes down is
not checked here: the reader knows the hashes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

from heliogram.node.asking import Address
from heliogram.node.errors import InvalidEndpoint, TransferFailed, TransferFault
from heliogram.node.network.dialling import Dialler
from heliogram.node.network.endpoints import Endpoint
from heliogram.wire.limits import MAX_BLOB, MAX_ENDPOINTS

#: Bytes that are read and written at once.
PIECE = 128 << 10

#: Bytes of one part of an upload: after each the relay has it on disk, and says so.
PART = 4 << 20

#: Seconds without any byte from the relay: a part must be on its disk by then.
SILENCE = 60.0

#: Bytes per second that a transfer needs over each stretch of so many seconds.
SLOWEST, STRETCH = 1024, 60.0

#: How often the relay may tell us another place to go on from, without any progress.
_MISPLACED = 3

#: Seconds until a part is sent again that the relay did not want.
_AGAIN = 1.0

_NUMBER = re.compile("0|[1-9][0-9]{0,15}")
_CONTENT_RANGE = re.compile(r"bytes (0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})/(0|[1-9][0-9]{0,15})")

#: What a status means that is not in order.
_FAULTS = {
    404: TransferFault.GONE,
    408: TransferFault.LOST,
    413: TransferFault.REFUSED,
    416: TransferFault.GONE,
    422: TransferFault.DAMAGED,
    429: TransferFault.LATER,
    500: TransferFault.LATER,
    502: TransferFault.LOST,
    503: TransferFault.LATER,
    504: TransferFault.LOST,
    507: TransferFault.FULL,
}


@dataclass(frozen=True, slots=True)
class Blob:
    """What goes up: its id, SHA-256 of its bytes, and its size."""

    id: bytes = field(repr=False)
    size: int


#: Gives so many bytes from an offset on. Called in a thread; raises `OSError`.
Read = Callable[[int, int], bytes]

#: Hears how many bytes are on the relay's disk. Called in the event loop.
Progress = Callable[[int], None]


async def upload(
    dialler: Dialler,
    circuit: bytes,
    address: Address,
    ticket: bytes,
    blob: Blob,
    read: Read,
    progress: Progress,
) -> None:
    """Bring a blob to a relay, from where the relay stands. Raises `TransferFailed`; `OSError` from `read`.

    After `LOST` and `LATER` the same call goes on; after `TICKET` it needs a new ticket.
    """
    with _session(dialler, circuit) as session:
        base, offset = await _standing(dialler, session, address, blob, ticket)
        misplaced, left = 0, 2 * blob.size + _MISPLACED * PART
        progress(offset)
        while offset < blob.size:
            end = min(offset + PART, blob.size)
            left -= end - offset
            if left < 0:  # it has had all of it twice
                raise TransferFailed(TransferFault.REFUSED)
            stands = await _part(session, base, blob, ticket, offset, end, read)
            if stands > offset:
                misplaced = 0
            elif (misplaced := misplaced + 1) > _MISPLACED:
                raise TransferFailed(TransferFault.LATER)
            else:
                await asyncio.sleep(_AGAIN)  # another part of ours may still be arriving
            offset = stands
            progress(offset)


async def download(
    dialler: Dialler,
    circuit: bytes,
    address: Address,
    id: bytes,
    start: int = 0,
    stop: int | None = None,
) -> AsyncIterator[bytes]:
    """The bytes of a blob from `start` to `stop`, in pieces. Raises `TransferFailed`.

    Without `stop`, to its end; there must be something from `start` on. When bytes are missing it
    ends in `LOST`: go on from there. Close the iterator if you leave it early.
    """
    last = "" if stop is None else str(stop - 1)
    headers = {"Range": f"bytes={start}-{last}"}
    with _session(dialler, circuit) as session:
        _, response = await _ask(dialler, session, address, "GET", id, headers)
        async with response:
            left = _promised(response, start, stop)
            loop = asyncio.get_running_loop()
            took, began = 0, loop.time()
            try:
                async for piece in response.content.iter_chunked(PIECE):
                    left -= len(piece)
                    took += len(piece)
                    if left < 0:
                        raise TransferFailed(TransferFault.REFUSED)
                    asked = loop.time()
                    yield piece
                    began += loop.time() - asked  # the time that we took ourselves does not count
                    if (lasted := loop.time() - began) > STRETCH:
                        if took < SLOWEST * lasted:
                            raise TransferFailed(TransferFault.LOST)
                        took, began = 0, loop.time()
            except (aiohttp.ClientError, OSError, TimeoutError):
                raise TransferFailed(TransferFault.LOST) from None
            if left:
                raise TransferFailed(TransferFault.LOST)


async def size(dialler: Dialler, circuit: bytes, address: Address, id: bytes) -> int:
    """The size of a blob at a relay. Raises `TransferFailed`."""
    with _session(dialler, circuit) as session:
        _, response = await _ask(dialler, session, address, "HEAD", id, {})
        async with response:
            if response.status != 200:
                raise _failed(response.status)
            return _number(response.headers.get("Content-Length", ""))


# --- Requests -------------------------------------------------------------------------------------


@contextmanager
def _session(dialler: Dialler, circuit: bytes) -> Iterator[aiohttp.ClientSession]:
    """The circuit's session. Raises `TransferFailed` if the network is closed, or goes another way now."""
    try:
        session = dialler.take(circuit)
    except OSError:
        raise TransferFailed(TransferFault.LOST) from None
    try:
        yield session
    except RuntimeError:  # aiohttp's word for a session that was closed meanwhile
        if not session.closed:
            raise
        raise TransferFailed(TransferFault.LOST) from None
    finally:
        dialler.release(circuit)


async def _ask(
    dialler: Dialler,
    session: aiohttp.ClientSession,
    address: Address,
    method: str,
    id: bytes,
    headers: dict[str, str],
) -> tuple[str, aiohttp.ClientResponse]:
    """The answer of the first endpoint that gives one, with the URL of the blob there."""
    patience = aiohttp.ClientTimeout(total=None, connect=dialler.patience, sock_read=SILENCE)
    for text in address.endpoints[:MAX_ENDPOINTS]:
        try:
            endpoint = Endpoint.parse(text)
            if not dialler.reaches(endpoint):
                continue
            url = f"{endpoint.base}/blob/{id.hex()}"
            return url, await session.request(method, url, headers=headers, timeout=patience)
        except (InvalidEndpoint, aiohttp.ClientError, OSError, TimeoutError):
            continue
    raise TransferFailed(TransferFault.LOST)


async def _standing(
    dialler: Dialler,
    session: aiohttp.ClientSession,
    address: Address,
    blob: Blob,
    ticket: bytes,
) -> tuple[str, int]:
    """Where the upload stands, with the URL that it goes to."""
    headers = {"Authorization": _authorisation(ticket)}
    url, response = await _ask(dialler, session, address, "HEAD", blob.id, headers)
    async with response:
        if response.status != 204:
            raise _failed(response.status, ours=True)
        return url, _offset(response, blob)


async def _part(
    session: aiohttp.ClientSession,
    url: str,
    blob: Blob,
    ticket: bytes,
    first: int,
    end: int,
    read: Read,
) -> int:
    """Send the bytes from `first` to `end`; where the upload stands then."""
    loop, trouble = asyncio.get_running_loop(), list[OSError]()
    headers = {
        "Authorization": _authorisation(ticket),
        "Content-Range": f"bytes {first}-{end - 1}/{blob.size}",
        "Content-Length": str(end - first),
        "Content-Type": "application/octet-stream",
    }
    try:
        async with asyncio.timeout(SILENCE) as patience:

            async def body() -> AsyncIterator[bytes]:
                for offset in range(first, end, PIECE):
                    count = min(PIECE, end - offset)
                    try:
                        piece = await asyncio.to_thread(read, offset, count)
                    except OSError as error:
                        trouble.append(error)
                        raise
                    if len(piece) != count:
                        trouble.append(OSError("the file became shorter"))
                        raise trouble[0]
                    yield piece
                    # It was taken: the relay reads.
                    patience.reschedule(loop.time() + SILENCE)

            async with session.put(url, data=body(), headers=headers) as response:
                if response.status in (200, 201):
                    return blob.size
                if response.status in (204, 409):
                    return _offset(response, blob)
                raise _failed(response.status, ours=True)
    except (aiohttp.ClientError, OSError, TimeoutError):
        if trouble:
            raise trouble[0] from None
        raise TransferFailed(TransferFault.LOST) from None


# --- Answers --------------------------------------------------------------------------------------


def _promised(response: aiohttp.ClientResponse, start: int, stop: int | None) -> int:
    """How many bytes an answer promises, if it is what was asked for. Raises `TransferFailed`."""
    if response.status != 206:
        raise _failed(response.status)
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or "Content-Encoding" in response.headers:
        raise TransferFailed(TransferFault.REFUSED)
    first, last, total = map(int, found.groups())
    wanted = total if stop is None else min(stop, total)
    if first != start or last + 1 != wanted or not first <= last or total > MAX_BLOB:
        raise TransferFailed(TransferFault.REFUSED)
    return last + 1 - first


def _offset(response: aiohttp.ClientResponse, blob: Blob) -> int:
    """What `Upload-Offset` says. Raises `TransferFailed` if that cannot be."""
    offset = _number(response.headers.get("Upload-Offset", ""))
    if offset > blob.size:
        raise TransferFailed(TransferFault.REFUSED)
    return offset


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise TransferFailed(TransferFault.REFUSED)
    return int(text)


def _failed(status: int, *, ours: bool = False) -> TransferFailed:
    """What a status means; `ours`: of an upload, which is another thing than a blob."""
    if ours and status == 404:
        return TransferFailed(TransferFault.TICKET)
    return TransferFailed(_FAULTS.get(status, TransferFault.REFUSED))


def _authorisation(ticket: bytes) -> str:
    return f"Heliogram {ticket.hex()}"
