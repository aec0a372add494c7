"""Files of what is forwarded or said again: opened where they lie, fetched if they must be, sealed anew.

What is said again elsewhere has a key and a blob of its own, so no relay sees that two conversations have the
same file. The plaintext is never on disk: a sealed copy is read and sealed in one go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from heliogram.content.mimi import Disposition
from heliogram.node import api
from heliogram.node.asking import Address
from heliogram.node.errors import FileFault, InvalidFile, TransferFailed, TransferFault
from heliogram.node.files import Receiver, SealedFile
from heliogram.node.network import blobs
from heliogram.node.network.dialling import Dialler
from heliogram.node.transfer import fetching
from heliogram.node.transfer.moves import Outcome
from heliogram.node.transfer.prepare import URL
from heliogram.node.transfer.prepared import DAYS, Prepared, PreparedFile
from heliogram.node.transfer.spool import PIECE, Source, Spool, reading


@dataclass(frozen=True, slots=True)
class Original:
    """A file of a message here: where it may be, and what its new message says of it."""

    file: SealedFile
    name: str = field(repr=False)
    content_type: str = field(repr=False)
    inline: bool
    duration: float | None
    thumbnail: bytes = field(repr=False)
    #: Where an opened copy may lie, and the name of a sealed one in the spool.
    path: str | None = field(repr=False)
    spool: str | None = field(repr=False)
    relays: tuple[Address, ...]
    circuit: bytes = field(repr=False)


class PlanForward(api.Command, frozen=True, tag="plan forward"):
    """What files these messages have: a tuple of `Original` for each. No command of a face."""

    messages: tuple[str, ...]
    chat: str


class PlanAgain(api.Command, frozen=True, tag="plan again"):
    """What files this message has, which failed: one tuple of `Original`. No command of a face."""

    message: str


async def seal_again(
    originals: Sequence[Original], *, dialler: Dialler, spool: Spool, time: int
) -> Prepared:
    """These files of one message, sealed for another one. Takes as long as the slowest relay that is needed.

    Raises `TransferFailed` if no relay has one any more or none can be reached now, and `InvalidFile` for the
    disk. Then nothing is left in the spool.
    """
    done: list[PreparedFile] = []
    try:
        for one in originals:
            done.append(await _again(one, dialler, spool, time))
    except BaseException:
        Prepared(tuple(done)).discard()
        raise
    return Prepared(tuple(done))


async def _again(one: Original, dialler: Dialler, spool: Spool, time: int) -> PreparedFile:
    sealed = await asyncio.to_thread(_from_here, one, spool)
    if sealed is None:
        path = spool.path(spool.name())
        try:
            await _fetch(one, path, dialler)
            sealed = await asyncio.to_thread(_seal, spool, _opened(path, one.file), one.file)
        finally:
            path.unlink(missing_ok=True)
    if sealed is None:
        raise InvalidFile(FileFault.DAMAGED)
    file, copy = sealed
    kind = (
        one.content_type if one.duration is None else f"{one.content_type};duration={one.duration}"
    )
    part = file.part(
        url=URL + file.ciphertext_hash.hex(),
        content_type=kind,
        filename=one.name,
        expires=time + DAYS * 86_400,
        disposition=Disposition.RENDER if one.inline else Disposition.ATTACHMENT,
    )
    plain = None if one.path is None or not Path(one.path).is_file() else Path(one.path)
    return PreparedFile(
        file, part, copy, plain, inline=one.inline, thumbnail=one.thumbnail, duration=one.duration
    )


def _from_here(one: Original, spool: Spool) -> tuple[SealedFile, Path] | None:
    """The file sealed anew from what lies here, if it is the very file that the message says."""
    if one.path is not None:
        with suppress(InvalidFile):
            if found := _seal(spool, reading(Path(one.path)), one.file):
                return found
    if one.spool is not None:
        with suppress(InvalidFile):
            return _seal(spool, _opened(spool.path(one.spool), one.file), one.file)
    return None


def _seal(spool: Spool, source: Source, expected: SealedFile) -> tuple[SealedFile, Path] | None:
    try:
        file, path = spool.seal(source)
    except OSError:
        raise InvalidFile(FileFault.NOT_SAVED) from None
    if (file.size, file.plaintext_hash) != (expected.size, expected.plaintext_hash):
        # Somebody has put another file in its place, or a picture was cleaned before it was sent.
        path.unlink(missing_ok=True)
        return None
    return file, path


def _opened(path: Path, file: SealedFile) -> Source:
    """The plaintext of a sealed copy; `InvalidFile` unless it is whole."""

    def read() -> Iterator[bytes]:
        receiver = Receiver(file)
        with open(path, "rb") as source:
            while piece := source.read(PIECE):
                yield receiver.receive(piece)
        receiver.finish()

    return read


async def _fetch(one: Original, path: Path, dialler: Dialler) -> None:
    def bytes_of(relay: Address, blob: bytes, start: int) -> AsyncIterator[bytes]:
        return blobs.download(dialler, one.circuit, relay, blob, start)

    nothing: Callable[[int], None] = lambda _: None  # noqa: E731
    try:
        outcome = await fetching.fetch(path, one.file, one.relays, bytes_of, nothing)
    except OSError:
        raise InvalidFile(FileFault.NOT_SAVED) from None
    if outcome is Outcome.DAMAGED:
        raise InvalidFile(FileFault.DAMAGED)
    if outcome is not Outcome.DONE:
        gone = outcome is Outcome.GONE
        raise TransferFailed(TransferFault.GONE if gone else TransferFault.LATER)
