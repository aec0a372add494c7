"""Files of messages as rows, made from what a message says of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from heliogram.content.bodies import File
from heliogram.content.mimi import ExternalPart
from heliogram.node.errors import InvalidFile
from heliogram.node.files import Layout, SealedFile
from heliogram.node.store.files import FileRow
from heliogram.node.transfer import sniffing
from heliogram.node.transfer.naming import safe_name
from heliogram.node.transfer.prepare import URL, duration_of
from heliogram.node.transfer.prepared import THUMBNAIL, PreparedFile

#: Bytes of a thumbnail that is kept.
MAX_THUMBNAIL = 16 << 10


def sent(
    message: int, place: int, file: PreparedFile, *, relays: bytes, seed: bytes, time: int
) -> FileRow:
    """A file of ours that is about to go up."""
    return replace(
        _described(message, place, file.external, relays, time),
        inline=file.inline,
        duration=file.duration,
        thumbnail=file.thumbnail or None,
        state="sending",
        spool=file.spool.name,
        path=None if file.path is None else str(file.path),
        seed=seed,
    )


def received(message: int, place: int, file: File, *, relays: bytes, time: int) -> FileRow:
    """A file that somebody sent; `refused` if it is none that we could ever open."""
    row = _described(message, place, file.part, relays, time)
    preview = file.preview
    may_be_inline = sniffing.may_be_inline(row.content_type, row.name)
    if preview is not None and row.state == "remote" and _is_thumbnail(preview):
        return replace(row, inline=may_be_inline, thumbnail=preview.content)
    return replace(row, inline=row.duration is not None and may_be_inline)


def _described(message: int, place: int, part: ExternalPart, relays: bytes, time: int) -> FileRow:
    # What nobody could open has no key: size and name are all that is known of it.
    file = SealedFile(b"", min(part.size, (1 << 63) - 1), b"", b"")
    with suppress(InvalidFile):
        found = SealedFile.of(part)
        Layout(found.size)
        # What lies there is named once: an address of something else is no address.
        file = found if part.url == URL + found.ciphertext_hash.hex() else file
    ours = bool(file.key and relays)
    return FileRow(
        message,
        place,
        blob=file.ciphertext_hash,
        key=file.key,
        plain=file.plaintext_hash,
        name=safe_name(part.filename),
        content_type=_shown_type(part.content_type),
        size=file.size,
        inline=False,
        duration=duration_of(part.content_type),
        thumbnail=None,
        state="remote" if ours else "refused",
        doubt="",
        trouble="" if ours else "file not ours",
        relays=relays,
        spool=None,
        kept=None,
        directory="",
        path=None,
        seed=None,
        stored=b"",
        created=time,
        expires=part.expires or None,
    )


def _is_thumbnail(part: object) -> bool:
    """Whether a preview is a small WebP, by its first bytes: nobody decodes it here."""
    content = getattr(part, "content", b"")
    kind = sniffing.essence(getattr(part, "content_type", ""))
    return kind == THUMBNAIL == sniffing.sniff(content) and len(content) <= MAX_THUMBNAIL


def _shown_type(content_type: str) -> str:
    """A media type that can be shown: of a file whose sender says nonsense, none."""
    kind = sniffing.essence(content_type)
    plain = kind.isascii() and kind.isprintable() and kind.count("/") == 1 and " " not in kind
    return kind if plain else sniffing.UNKNOWN
