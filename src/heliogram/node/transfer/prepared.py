"""Files that are sealed and wait for their message.

    prepared = await prepare(paths, …)              # outside of the engine: it takes time
    node.call(SendMessage(chat, text), extra=prepared)

Who does the command puts `prepared.parts` into the message, beside its text, and gives message and files to
the engine's part for files. Whoever fails before that calls `discard`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from heliogram.content.making import together
from heliogram.content.mimi import Disposition, ExternalPart, Part, SinglePart
from heliogram.node.files import SealedFile

#: Days that relays are asked to keep a file.
DAYS = 30

#: Media type of thumbnails.
THUMBNAIL = "image/webp"


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A sealed file in the spool, and what its message says of it."""

    file: SealedFile = field(repr=False)
    #: What the message says: `url` is `heliogram:blob/` and the blob's id.
    external: ExternalPart = field(repr=False)
    #: The sealed copy.
    spool: Path = field(repr=False)
    #: Where the file itself lies; None if it is nowhere but in the sealed copy.
    path: Path | None = field(repr=False)
    #: Whether it is a picture that is shown in its place; then it has a thumbnail, if there was room for one.
    inline: bool = False
    thumbnail: bytes = field(default=b"", repr=False)
    #: Seconds, of a voice note.
    duration: float | None = None

    @property
    def part(self) -> Part:
        """The file's part of the message: alone, or together with its thumbnail."""
        if not self.thumbnail:
            return self.external
        preview = SinglePart(THUMBNAIL, self.thumbnail, Disposition.PREVIEW)
        return together(self.external, preview)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The files of one message, in order: what `SendMessage` is given as `extra`."""

    files: tuple[PreparedFile, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """What goes into the message beside its text, one part for each file."""
        return tuple(one.part for one in self.files)

    def discard(self) -> None:
        """Delete the sealed copies: the message will not be sent."""
        for one in self.files:
            one.spool.unlink(missing_ok=True)
