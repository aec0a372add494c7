"""What a power cut leaves of files: `powerloss.c` notes what a program does, `lose` takes it away again.

    library = build(tmp)
    subprocess.Popen(..., env=environ | environment(library, data, journal))      # then SIGKILL
    lost = lose(data, journal, rng)

A killed program loses nothing of what the kernel holds; a machine without power does. `lose` undoes whatever
was not durable (the rules stand in `powerloss.c`), or leaves a random part of it: any writes in any order,
cut at sectors, and files that were to be cut down to a size half cut. Without a loss the journal goes on:
after `mend`, the next program's notes follow.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from pathlib import Path
from random import Random

SOURCE = Path(__file__).with_suffix(".c")
SECTOR = 512

_RECORD = struct.Struct("=6Q")
_EDIT = struct.Struct("=4Q256s")


class Failure(Enum):
    """What a disk can refuse, or that it is slow: the name of the file that makes it so."""

    FULL = "full"
    READONLY = "readonly"
    UNSYNCABLE = "unsyncable"
    SLOW = "slow"


@dataclass(frozen=True)
class Loss:
    """How much was not durable, and how much of that is gone. What is done in part is among the lost ones."""

    pending: int
    lost: int
    torn: int


def compiler() -> str | None:
    """The C compiler, if this machine has one."""
    return shutil.which("gcc") or shutil.which("cc")


def build(where: Path) -> Path:
    """The library, compiled into `where`. Raises `CalledProcessError` if it cannot be."""
    library = where / "powerloss.so"
    gcc = compiler()
    assert gcc is not None
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([gcc, *flags, "-o", library, SOURCE, "-lpthread"], check=True)
    return library


def environment(library: Path, data: Path, journal: Path) -> dict[str, str]:
    """The variables for a program whose files below `data` are to be looked after. Makes both directories."""
    data.mkdir(parents=True, exist_ok=True)
    journal.mkdir(parents=True, exist_ok=True)
    return {
        "LD_PRELOAD": str(library),
        "POWERLOSS_DATA": str(data),
        "POWERLOSS_JOURNAL": str(journal),
    }


@contextmanager
def failing(journal: Path, how: Failure) -> Iterator[None]:
    """For as long as this lasts, the disk fails in this way."""
    switch = journal / how.value
    switch.touch()
    try:
        yield
    finally:
        switch.unlink()


def lose(data: Path, journal: Path, rng: Random | None = None) -> Loss:
    """Cut the power; no program may run there. Without `rng`, all that was not durable is lost."""
    found = _read(journal)
    chance = None if rng is None else rng.choice((0.0, 0.2, 0.5, 0.8, 0.95))
    lost = torn = pending = 0

    def survives() -> bool:
        return rng is not None and chance is not None and rng.random() < chance

    places = _places(data, journal)
    for inode, changes in found.changes.items():
        pending += sum(not change.durable for change in changes)
        kept: list[tuple[_Change, set[int] | None]] = []
        for change in changes:
            if change.durable or survives():
                kept.append((change, None))
                continue
            lost += 1
            if rng is None or not chance or rng.random() < 0.5:
                continue
            if change.kind is Kind.WRITE:
                sectors = _sectors(change)
                kept.append((change, set(rng.sample(sectors, rng.randrange(len(sectors) + 1)))))
                torn += 1
            elif change.at < change.size:
                size = rng.randrange(change.at, change.size) // SECTOR * SECTOR
                kept.append((replace(change, at=max(size, change.at)), None))
                torn += 1
        if inode in places:
            _rewrite(places[inode], changes, kept)
    doomed: set[int] = set()
    for at, edits in enumerate(found.edits):
        if edits.awaits:
            pending += 1
            if not survives():
                doomed.add(at)
    _rename(data, journal, found.edits, doomed)
    for shared in [*data.rglob("*-shm")]:
        shared.unlink()
    for left in [*journal.glob("kept-*"), journal / "journal"]:
        left.unlink(missing_ok=True)
    return Loss(pending, lost + len(doomed), torn)


def mend(journal: Path) -> None:
    """After a kill without a loss: take away a last note that was cut off. No program may run there."""
    path = journal / "journal"
    if path.exists():
        whole, size = 0, path.stat().st_size
        with path.open("r+b") as file:
            while whole + _RECORD.size <= size:
                file.seek(whole)
                end = whole + _RECORD.size + sum(_RECORD.unpack(file.read(_RECORD.size))[-2:])
                if end > size:
                    break
                whole = end
            file.truncate(whole)


# --- The journal ----------------------------------------------------------------------------------


class Kind(IntEnum):
    """What a note is of."""

    WRITE = 1
    RESIZE = 2
    SYNC = 3
    NAMES = 4
    FORGOTTEN = 5


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a directory: the inode behind it before and after, 0 for none."""

    directory: int
    name: bytes
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Note:
    """One note of the journal. What `first` and `second` are says `powerloss.c`, at each call of `note`."""

    start: int
    end: int
    kind: Kind
    inode: int
    first: int
    second: int
    old: bytes
    new: bytes

    @property
    def names(self) -> tuple[Name, ...]:
        """The names that change in one step."""
        return tuple(
            Name(directory, name[:size], before, after)
            for directory, before, after, size, name in _EDIT.iter_unpack(self.old)
        )


def notes(journal: Path) -> Iterator[Note]:
    """The journal's notes. A last one that was cut off is none. Raises `ValueError` if it is no journal."""
    path = journal / "journal"
    text, at = path.read_bytes() if path.exists() else b"", 0
    while at + _RECORD.size <= len(text):
        kind, inode, first, second, old_size, new_size = _RECORD.unpack_from(text, at)
        middle = at + _RECORD.size + old_size
        end = middle + new_size
        if end > len(text):
            break
        old, new = text[middle - old_size : middle], text[middle:end]
        yield Note(at, end, Kind(kind), inode, first, second, old, new)
        at = end


@dataclass(slots=True)
class _Change:
    """A write at `at`, or a new size `at`; `size` is that of the file before.

    One that is durable is noted as long as an earlier one is not: that one may have to be undone.
    """

    kind: Kind
    at: int
    size: int
    old: bytes
    new: bytes
    start: int
    durable: bool = False
    forgotten: bool = False


@dataclass(slots=True)
class _Edits:
    """Names that change in one step, and the directories that must be synced before it is durable."""

    names: tuple[Name, ...]
    awaits: set[int]


@dataclass(slots=True)
class _Notes:
    """What files' data was changed by inode, durable or not, and all that happened to names, in order."""

    changes: dict[int, list[_Change]] = field(default_factory=dict)
    edits: list[_Edits] = field(default_factory=list)


def _read(journal: Path) -> _Notes:
    """What the journal's notes come to."""
    found = _Notes()
    edit_starts: list[int] = []
    for note in notes(journal):
        inode = note.inode
        if note.kind in (Kind.WRITE, Kind.RESIZE):
            change = _Change(note.kind, note.first, note.second, note.old, note.new, note.start)
            found.changes.setdefault(inode, []).append(change)
        elif note.kind is Kind.NAMES:
            found.edits.append(_Edits(note.names, {name.directory for name in note.names}))
            edit_starts.append(note.start)
        else:
            for one in {inode} & set(found.changes) if inode else list(found.changes):
                worked = note.kind is Kind.SYNC
                found.changes[one] = _synced(found.changes[one], note.first, worked)
            if note.kind is Kind.FORGOTTEN:
                continue
            for edits, position in zip(found.edits, edit_starts, strict=True):
                if position < note.first:
                    edits.awaits -= {inode} if inode else set(edits.awaits)
    return found


def _synced(changes: list[_Change], before: int, worked: bool) -> list[_Change]:
    """`changes` after an fsync of what was noted `before`, without the durable ones in front."""
    for change in changes:
        if change.start < before and worked:
            change.durable = change.durable or not change.forgotten
        elif change.start < before:
            change.forgotten = not change.durable
    first = next((at for at, one in enumerate(changes) if not one.durable), len(changes))
    return changes[first:]


# --- Data -----------------------------------------------------------------------------------------


def _places(data: Path, journal: Path) -> dict[int, Path]:
    """A path of every file and directory below `data`, and of every file that was kept, by inode."""
    found = {data.stat().st_ino: data}
    for path in [*journal.glob("kept-*"), *data.rglob("*")]:
        found[path.lstat().st_ino] = path
    return found


def _sectors(change: _Change) -> list[int]:
    """The sectors that a write touches."""
    return list(range(change.at // SECTOR, (change.at + len(change.new) - 1) // SECTOR + 1))


def _rewrite(
    path: Path, changes: list[_Change], kept: list[tuple[_Change, set[int] | None]]
) -> None:
    """Undo `changes`, then do again those of `kept`: whole, or some sectors only."""
    with path.open("r+b", buffering=0) as file:
        for change in reversed(changes):
            if change.kind is Kind.WRITE:
                os.pwrite(file.fileno(), change.old, change.at)
                file.truncate(change.size)
            else:
                file.truncate(change.size)
                os.pwrite(file.fileno(), change.old, change.at)
        for change, sectors in kept:
            if change.kind is Kind.RESIZE:
                file.truncate(change.at)
            elif sectors is None:
                os.pwrite(file.fileno(), change.new, change.at)
            else:
                for sector in sectors:
                    start = max(change.at, sector * SECTOR)
                    end = min(change.at + len(change.new), (sector + 1) * SECTOR)
                    piece = change.new[start - change.at : end - change.at]
                    os.pwrite(file.fileno(), piece, start)


# --- Names ----------------------------------------------------------------------------------------


def _rename(data: Path, journal: Path, edits: list[_Edits], doomed: set[int]) -> None:
    """Give the directories the names that they had without the `doomed` edits."""
    if not doomed:
        return
    final: dict[tuple[int, bytes], int] = {}
    for at, step in enumerate(edits):
        for edit in step.names:
            final.setdefault((edit.directory, edit.name), edit.before)
            if at not in doomed:
                final[edit.directory, edit.name] = edit.after
    places = _places(data, journal)
    wrong: list[tuple[Path, int]] = []
    for (directory, name), inode in final.items():
        parent = places.get(directory)
        if parent is None:
            continue  # the directory itself is gone
        path = parent / os.fsdecode(name)
        now = path.lstat().st_ino if path.is_symlink() or path.exists() else 0
        if now != inode:
            wrong.append((path, inode))
            if now and (journal / f"kept-{now}").exists():
                path.unlink()
            elif now:
                os.rename(path, journal / f"kept-{now}")
    for path, inode in wrong:
        if inode:
            _restore(journal / f"kept-{inode}", places.get(inode), path)
    for left in journal.glob("kept-*"):
        if left.is_dir():
            shutil.rmtree(left)


def _restore(kept: Path, elsewhere: Path | None, path: Path) -> None:
    """Put a file or directory at `path`, from where it was kept or where it has another name."""
    if not path.parent.exists():
        return  # it vanished with its directory
    source = kept if kept.exists() or elsewhere is None else elsewhere
    if source.is_dir():
        os.rename(source, path)
    elif source.exists():
        os.link(source, path)
    else:
        path.mkdir()  # a directory was removed: it was empty
