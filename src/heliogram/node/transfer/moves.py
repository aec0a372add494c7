"""What the engine wants moved over HTTP, and how it went: between its part for files and the mover."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from heliogram.node import api
from heliogram.node.asking import Address
from heliogram.node.files import SealedFile
from heliogram.node.transfer.sniffing import Verdict

# --- What is wanted -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upload:
    """Bring a blob to a relay that has announced it. `source` is a name in the spool, or the blob itself."""

    key: Hashable
    relay: Address
    circuit: bytes = field(repr=False)
    blob: bytes = field(repr=False)
    size: int = field(repr=False)
    ticket: bytes = field(repr=False)
    offset: int = field(repr=False)
    source: str | bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Download:
    """Fetch a file from whichever relay has it, open it, and save it in `directory` under `name`.

    With an empty `directory` it is not saved.
    """

    key: Hashable
    relays: tuple[Address, ...]
    circuit: bytes = field(repr=False)
    file: SealedFile
    spool: str = field(repr=False)
    directory: str = field(repr=False)
    name: str = field(repr=False)
    content_type: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch a small blob into memory."""

    key: Hashable
    relays: tuple[Address, ...]
    circuit: bytes = field(repr=False)
    blob: bytes = field(repr=False)
    size: int


Move: TypeAlias = Upload | Download | Fetch


# --- How it went ----------------------------------------------------------------------------------


class Outcome(Enum):
    """How a move ended."""

    DONE = "done"
    #: No connection, or not now: try again.
    LATER = "later"
    #: An upload: the ticket or the offset is not right any more. Ask for a new one.
    STALE = "stale"
    #: No relay has the blob.
    GONE = "gone"
    #: What lies there is not what the message says; or the sealed copy is damaged.
    DAMAGED = "damaged"
    #: It could not be written here.
    NOT_SAVED = "not saved"


@dataclass(frozen=True, slots=True)
class Progress:
    """So many bytes of the blob are through."""

    key: Hashable
    done: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A move is over. `relay` is that of an upload."""

    key: Hashable
    outcome: Outcome
    relay: bytes = field(default=b"", repr=False)
    path: str = field(default="", repr=False)
    verdict: Verdict | None = None
    data: bytes = field(default=b"", repr=False)
    #: Of a download: whether the sealed copy is all here.
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Moves:
    """What is to be begun, and which moves nobody wants any more."""

    begin: tuple[Move, ...] = ()
    stop: tuple[Hashable, ...] = ()


# --- Where files lie ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Where:
    """A file that may be read here: from its sealed copy, or from where it was saved."""

    #: The number of its message, and its place there.
    key: tuple[int, int]
    file: SealedFile
    spool: str | None = field(repr=False)
    path: str | None = field(repr=False)
    name: str = field(repr=False)
    content_type: str = field(repr=False)
    #: Whether it was sent as a recording.
    voice: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that was saved, and may have been deleted since."""

    key: tuple[int, int]
    path: str = field(repr=False)
    size: int


# --- Said to the engine ---------------------------------------------------------------------------


class TakeMoves(api.Command, frozen=True, tag="take moves"):
    """What is to be moved. No command of a face: it is in no union that is decoded."""

    Result = Moves


class Moved(api.Command, frozen=True, tag="moved"):
    """Something moved or ended: `extra` is `Progress` or `Ended`."""


class FindFile(api.Command, frozen=True, tag="find file"):
    """Where a file lies. Raises `NotHere` if it is nowhere."""

    Result = Where

    message: api.Name
    index: int


class GetSaved(api.Command, frozen=True, tag="saved files"):
    """All files that were saved."""

    Result = tuple[Saved, ...]


class LoseCopy(api.Command, frozen=True, tag="lose copy"):
    """A sealed copy is not there, or is damaged: `extra` is its `Where`."""
