"""Pictures made fit for sending, in a child process: this process decodes none.

    picture = await clean_picture(data)     # the same without metadata, upright; and a thumbnail

A picture that cannot be cleaned can still be sent as a file, with its metadata; whoever sends must be told.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field

from heliogram.node.errors import InvalidPicture, PictureFault
from heliogram.node.media.limits import (
    ANIMATED,
    ANSWER,
    FORMATS,
    MAX_INPUT,
    MAX_OUTPUT,
    MAX_SIDE,
    NUMBERS,
    THUMBNAIL_BYTES,
    TOO_LARGE,
    UNREADABLE,
    WAIT,
)

_FAULTS = {
    ANIMATED: PictureFault.ANIMATED,
    TOO_LARGE: PictureFault.TOO_LARGE,
    UNREADABLE: PictureFault.UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture without metadata."""

    content_type: str
    data: bytes = field(repr=False)
    width: int
    height: int
    #: A WebP; empty if none was small enough.
    thumbnail: bytes = field(repr=False)


async def clean_picture(
    data: bytes, *, thumbnail: int = THUMBNAIL_BYTES, wait: float = WAIT
) -> Picture:
    """The picture in `data`, decoded and encoded anew; with a thumbnail of at most `thumbnail` bytes.

    Raises `InvalidPicture`: it is animated, too large, broken, or its decoder took too much. Takes up to
    `wait` seconds.
    """
    if len(data) > MAX_INPUT:
        raise InvalidPicture(PictureFault.TOO_LARGE)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "heliogram.node.media", str(thumbnail)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=os.path.abspath(os.sep),
        env=_environment(),
        close_fds=True,
    )
    try:
        answer, code = await asyncio.wait_for(_converse(child, data), wait)
    except TimeoutError:
        raise InvalidPicture(PictureFault.COSTLY) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if code != 0:
        # Killed by its limits, or by what it met.
        raise InvalidPicture(_FAULTS.get(code, PictureFault.COSTLY))
    return _read(answer)


async def _converse(child: asyncio.subprocess.Process, data: bytes) -> tuple[bytes, int]:
    feeding = asyncio.ensure_future(_feed(child, data))
    try:
        answer = await _take(child)
        await feeding
    finally:
        feeding.cancel()
    return answer, await child.wait()


async def _feed(child: asyncio.subprocess.Process, data: bytes) -> None:
    if child.stdin is None:
        raise InvalidPicture(PictureFault.UNREADABLE)
    try:
        child.stdin.write(data)
        await child.stdin.drain()
        child.stdin.close()
        await child.stdin.wait_closed()
    except ConnectionError:
        return  # it ended early, and its exit code says why


async def _take(child: asyncio.subprocess.Process) -> bytes:
    most = ANSWER.size + MAX_OUTPUT + THUMBNAIL_BYTES
    taken = bytearray()
    while child.stdout is not None and (piece := await child.stdout.read(1 << 18)):
        taken += piece
        if len(taken) > most:
            raise InvalidPicture(PictureFault.TOO_LARGE)
    return bytes(taken)


def _read(answer: bytes) -> Picture:
    """What the child said: it may be in other hands by now, so every number is checked."""
    if len(answer) < ANSWER.size:
        raise InvalidPicture(PictureFault.UNREADABLE)
    width, height, size, small, number = ANSWER.unpack_from(answer)
    sound = 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and 0 < size <= MAX_OUTPUT
    whole = len(answer) == ANSWER.size + size + small and small <= THUMBNAIL_BYTES
    if not sound or not whole or number >= len(NUMBERS):
        raise InvalidPicture(PictureFault.UNREADABLE)
    end = ANSWER.size + size
    kind = FORMATS[NUMBERS[number]]
    return Picture(kind, answer[ANSWER.size : end], width, height, answer[end:])


def _environment() -> dict[str, str]:
    """What a Python needs to start, and nothing of what this process was told."""
    kept = ("SYSTEMROOT", "SYSTEMDRIVE", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}
