"""Files made ready for a message: pictures cleaned, voice notes named, everything sealed into the spool.

It takes as long as reading the files twice, in threads; no turn of the engine waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from heliogram.content.mimi import Disposition
from heliogram.node.errors import FileFault, InvalidFile, InvalidPicture, PictureFault
from heliogram.node.files import SealedFile
from heliogram.node.media.limits import MAX_INPUT, THUMBNAIL_BYTES
from heliogram.node.media.pictures import Picture, clean_picture
from heliogram.node.transfer import sniffing
from heliogram.node.transfer.naming import ending, safe_name
from heliogram.node.transfer.prepared import DAYS, Prepared, PreparedFile
from heliogram.node.transfer.spool import Source, Spool, open_plain, reading
from heliogram.wire.limits import MAX_BLOB

#: Files of one message.
MAX_FILES = 32

#: Bytes of all thumbnails of one message: a text has room beside them.
THUMBNAILS = 36_000

#: What stands before a blob's id in a message.
URL = "heliogram:blob/"

#: Seconds that a voice note may say it lasts.
MAX_DURATION = 86_400.0


async def prepare(
    paths: Sequence[str | Path],
    *,
    spool: Spool,
    as_files: bool = False,
    voice: float | None = None,
    time: int,
) -> Prepared:
    """These files, sealed. Pictures are cleaned and get thumbnails unless `as_files`; `voice` is seconds.

    Raises `InvalidFile` for what cannot be read or is too large, and `InvalidPicture` for a picture that
    cannot be freed of its metadata: with `as_files` it goes as it is. Then nothing is left in the spool.
    """
    if len(paths) > MAX_FILES:
        raise InvalidFile(FileFault.TOO_LARGE)
    heads = [await asyncio.to_thread(_head, Path(path)) for path in paths]
    kinds = [
        sniffing.type_of(Path(path).name, head) for path, head in zip(paths, heads, strict=True)
    ]
    if voice is not None and (len(kinds) != 1 or kinds[0] not in sniffing.VOICES):
        raise InvalidFile(FileFault.NOT_A_VOICE)
    pictures = 0 if as_files else sum(kind.startswith("image/") for kind in kinds)
    room = min(THUMBNAIL_BYTES, THUMBNAILS // max(1, pictures))
    done: list[PreparedFile] = []
    try:
        for path, kind in zip(paths, kinds, strict=True):
            to_clean = not as_files and kind.startswith("image/") and kind != sniffing.SVG
            if to_clean:
                done.append(await _picture(Path(path), kind, spool, room, time))
            else:
                done.append(await _plain(Path(path), kind, spool, voice, time))
    except BaseException:
        Prepared(tuple(done)).discard()
        raise
    return Prepared(tuple(done))


async def prepare_picture(path: str | Path) -> bytes:
    """The picture in a file as groups have theirs: a WebP without metadata, of at most 320 pixels a side.

    Raises as `prepare`.
    """
    made = (await clean_picture(await asyncio.to_thread(_all, Path(path)))).thumbnail
    if not made:
        raise InvalidPicture(PictureFault.TOO_LARGE)
    return made


def duration_of(content_type: str) -> float | None:
    """The seconds that a voice note says it lasts: a parameter of its media type. None if it says nothing."""
    if sniffing.essence(content_type) not in sniffing.VOICES:
        return None
    for parameter in content_type.split(";")[1:17]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "duration":
            try:
                seconds = float(value[:16])
            except ValueError:
                return None
            return seconds if 0 <= seconds <= MAX_DURATION else None
    return None


async def _picture(path: Path, kind: str, spool: Spool, room: int, time: int) -> PreparedFile:
    if kind not in sniffing.PICTURES:
        raise InvalidPicture(PictureFault.UNREADABLE)
    picture = await clean_picture(await asyncio.to_thread(_all, path), thumbnail=room)

    def again() -> Iterator[bytes]:
        yield picture.data

    file, spooled = await asyncio.to_thread(_sealed, spool, again)
    name = _named(path, picture)
    part = file.part(
        url=URL + file.ciphertext_hash.hex(),
        content_type=picture.content_type,
        filename=name,
        expires=time + DAYS * 86_400,
        disposition=Disposition.RENDER,
    )
    return PreparedFile(file, part, spooled, path, inline=True, thumbnail=picture.thumbnail)


async def _plain(
    path: Path, kind: str, spool: Spool, voice: float | None, time: int
) -> PreparedFile:
    if await asyncio.to_thread(_size, path) > MAX_BLOB:
        raise InvalidFile(FileFault.TOO_LARGE)
    file, spooled = await asyncio.to_thread(_sealed, spool, reading(path))
    seconds = None if voice is None else round(min(max(voice, 0.0), MAX_DURATION), 1)
    part = file.part(
        url=URL + file.ciphertext_hash.hex(),
        content_type=kind if seconds is None else f"{kind};duration={seconds}",
        filename=safe_name(path.name),
        expires=time + DAYS * 86_400,
        disposition=Disposition.ATTACHMENT if voice is None else Disposition.RENDER,
    )
    return PreparedFile(file, part, spooled, path, inline=voice is not None, duration=seconds)


def _sealed(spool: Spool, source: Source) -> tuple[SealedFile, Path]:
    try:
        return spool.seal(source)
    except InvalidFile as error:
        # Of a file of ours, this means one thing.
        too_large = error.fault is FileFault.NOT_OURS
        raise InvalidFile(FileFault.TOO_LARGE) if too_large else error from None
    except OSError:
        raise InvalidFile(FileFault.NOT_SAVED) from None


def _named(path: Path, picture: Picture) -> str:
    """The picture's name, with an ending that is true."""
    name = safe_name(path.name)
    if sniffing.may_be_inline(picture.content_type, name):
        return name
    last = picture.content_type.removeprefix("image/").replace("jpeg", "jpg")
    stem = name[: -len(ending(name)) - 1] if ending(name) else name
    return safe_name(f"{stem}.{last}")


def _head(path: Path) -> bytes:
    with open_plain(path) as file:
        return file.read(sniffing.HEAD)


def _size(path: Path) -> int:
    with open_plain(path) as file:
        return file.seek(0, 2)


def _all(path: Path) -> bytes:
    with open_plain(path) as file:
        data = file.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise InvalidPicture(PictureFault.TOO_LARGE)
    return data
