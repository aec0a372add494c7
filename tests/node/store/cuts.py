"""Everything that a power cut may leave of one directory, at each step of what a program did there.

    disk = Disk(folder)                       # before the program runs, below `powerloss`
    ...
    for note in powerloss.notes(journal):
        disk.do(note)
        for left in disk.left(rng):           # name: content of each file

The rules are those of `powerloss.c`. What is not durable may be there or not, each for itself; a write may be
there in part, and a file that was to be cut half cut. Of few such steps all combinations are tried; of many
none, all, those up to each one and from each one, each alone, all but each, all of each file; and some at
random.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from random import Random

from tests.relay.powerloss import SECTOR, Kind, Name, Note

#: The files of a directory.
Files = Mapping[str, bytes]

#: Steps of which all combinations are tried.
FEW = 6

#: Combinations at random, of more.
RANDOM = 6


@dataclass(slots=True, eq=False)
class _Step:
    """A write, a new size, or new names. `awaits` are directories whose names are not durable yet."""

    start: int
    kind: Kind
    inode: int
    at: int = 0
    size: int = 0
    data: bytes = b""
    names: tuple[Name, ...] = ()
    awaits: set[int] = field(default_factory=set)
    durable: bool = False


#: Which steps happened, and those that happened in part: sectors of a write, or a size.
_Choice = tuple[frozenset[_Step], Mapping[_Step, frozenset[int] | int]]


class Disk:
    """One directory without directories in it."""

    def __init__(self, folder: Path) -> None:
        """What is there is durable."""
        self._directory = folder.stat().st_ino
        self._files: dict[int, bytes] = {}
        self._names: dict[str, int] = {}
        for path in folder.iterdir():
            if not path.name.endswith("-shm"):
                self._names[path.name] = path.stat().st_ino
                self._files[path.stat().st_ino] = path.read_bytes()
        self._steps: list[_Step] = []

    def do(self, note: Note) -> None:
        """What the program did next, in whatever directory."""
        if note.kind is Kind.NAMES:
            names = note.names
            if any(name.directory == self._directory for name in names):
                assert all(name.directory == self._directory for name in names)
                awaits = {name.directory for name in names}
                self._steps.append(_Step(note.start, note.kind, 0, names=names, awaits=awaits))
                for name in names:
                    if name.after:
                        self._files.setdefault(name.after, b"")
        elif note.kind in (Kind.WRITE, Kind.RESIZE):
            if note.inode in self._files:
                step = _Step(note.start, note.kind, note.inode, note.first, note.second, note.new)
                self._steps.append(step)
        elif note.kind is Kind.SYNC:
            self._sync(note)
        else:
            raise ValueError("a disk that fails is not looked at")

    def left(self, rng: Random) -> Iterator[dict[str, bytes]]:
        """What a power cut may leave now. The same may come twice."""
        open_ones = [one for one in self._steps if not one.durable]
        for happened, partly in _choices(open_ones, rng):
            yield self._after(happened, partly)

    def _sync(self, note: Note) -> None:
        for step in self._steps:
            if step.start < note.first and note.inode in {0, step.inode, *step.awaits}:
                step.awaits -= {note.inode} if note.inode else set(step.awaits)
                step.durable = not step.awaits
        # What nothing open comes before is what the disk holds.
        waiting: set[int] = set()
        left = []
        for step in self._steps:
            place = step.inode
            if step.durable and place not in waiting:
                self._apply(self._files, self._names, step, None)
            else:
                waiting.add(place)
                left.append(step)
        self._steps = left

    def _after(
        self, happened: frozenset[_Step], partly: Mapping[_Step, frozenset[int] | int]
    ) -> dict[str, bytes]:
        files, names = dict(self._files), dict(self._names)
        for step in self._steps:
            if step.durable or step in happened:
                self._apply(files, names, step, None)
            elif step in partly:
                self._apply(files, names, step, partly[step])
        return {name: files[inode] for name, inode in names.items()}

    @staticmethod
    def _apply(
        files: dict[int, bytes],
        names: dict[str, int],
        step: _Step,
        part: frozenset[int] | int | None,
    ) -> None:
        if step.kind is Kind.NAMES:
            for name in step.names:
                if name.after:
                    names[os.fsdecode(name.name)] = name.after
                else:
                    names.pop(os.fsdecode(name.name), None)
        elif step.kind is Kind.RESIZE:
            size = part if isinstance(part, int) else step.at
            files[step.inode] = files[step.inode][:size].ljust(size, b"\0")
        else:
            content = bytearray(files[step.inode])
            for start, end in _pieces(step, part):
                if len(content) < end:
                    content.extend(bytes(end - len(content)))
                content[start:end] = step.data[start - step.at : end - step.at]
            files[step.inode] = bytes(content)


def _pieces(step: _Step, part: frozenset[int] | int | None) -> list[tuple[int, int]]:
    end = step.at + len(step.data)
    if not isinstance(part, frozenset):
        return [(step.at, end)]
    return [(max(step.at, n * SECTOR), min(end, (n + 1) * SECTOR)) for n in sorted(part)]


def _sectors(step: _Step) -> range:
    return range(step.at // SECTOR, (step.at + len(step.data) - 1) // SECTOR + 1)


def _choices(steps: list[_Step], rng: Random) -> Iterator[_Choice]:
    everything = frozenset(steps)
    wholes: list[frozenset[_Step]] = []
    if len(steps) <= FEW:
        for many in range(len(steps) + 1):
            wholes.extend(frozenset(some) for some in combinations(steps, many))
    else:
        for at, step in enumerate(steps):
            wholes += [frozenset(steps[:at]), frozenset(steps[at:])]
            wholes += [frozenset((step,)), everything - {step}]
        wholes += [frozenset(), everything]
        for inode in {step.inode for step in steps}:
            one = frozenset(step for step in steps if step.inode == inode)
            wholes += [one, everything - one]
        chances = [rng.random() for _ in range(RANDOM)]
        wholes += [frozenset(it for it in steps if rng.random() < chance) for chance in chances]
    for whole in wholes:
        yield whole, {}
    # One step in part: with what came before it, with nothing else, with everything else.
    for at, step in enumerate(steps):
        for part in _parts(step, rng):
            for whole in {frozenset(steps[:at]), frozenset[_Step](), everything - {step}}:
                yield whole, {step: part}
    # All writes in part.
    for _ in range(RANDOM if steps else 0):
        parts = {step: rng.choice(found) for step in steps if (found := _parts(step, rng))}
        some = frozenset(step for step in steps if rng.random() < 0.5)
        yield some, {step: part for step, part in parts.items() if step not in some}


def _parts(step: _Step, rng: Random) -> list[frozenset[int] | int]:
    """Ways in which a step may have happened in part: not too many."""
    if step.kind is Kind.RESIZE:
        return [*range(-(-(step.at + 1) // SECTOR) * SECTOR, step.size, SECTOR * 3)]
    if step.kind is Kind.NAMES or len(_sectors(step)) < 2:
        return []
    sectors = [*_sectors(step)]
    first = rng.randrange(1, len(sectors))
    some = rng.sample(sectors, rng.randrange(1, len(sectors)))
    return [frozenset(sectors[:first]), frozenset(sectors[first:]), frozenset(some)]
