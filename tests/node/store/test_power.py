"""The power goes at every single step: nothing that was committed is lost, and the store opens.

Each program of `turns` runs once and notes what it does to files. Then, for each point of these notes, all
that a power cut may leave is laid out (`cuts`), opened, and read: it must be all of some turn that is not
older than the last one that was promised by then. With HELIOGRAM_CHAOS=all really all of it, else a part.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from heliogram.node.errors import NodeError
from heliogram.node.store.database import Store
from tests.node.store import turns
from tests.node.store.cuts import Disk, Files
from tests.node.store.kit import KEY
from tests.relay import powerloss

pytestmark = pytest.mark.skipif(powerloss.compiler() is None, reason="no C compiler: install gcc")

#: Everything is laid out, or as much as takes little time.
ALL = os.environ.get("HELIOGRAM_CHAOS") == "all"

#: Of all that is left by a first power cut: how many are opened with another one to come.
AGAIN = 60 if ALL else 4

#: Where files are laid out: nobody needs them on a disk.
MEMORY = Path("/dev/shm")


class Lost(AssertionError):
    """Something promised is not there."""


@dataclass
class Looked:
    """What is known of all that was laid out."""

    #: By what the files hold: the turn, or what was wrong.
    turns: dict[bytes, int | str] = field(default_factory=dict)
    points: int = 0
    cuts: int = 0


class Power:
    """Runs programs below `powerloss`, and cuts the power."""

    def __init__(self, root: Path, memory: Path) -> None:
        self.memory = memory
        self.data, self.journal = root / "data", root / "journal"
        self.library = powerloss.build(root)
        self.looked = Looked()
        self.schema = turns.FIRST
        #: One of so many is laid out.
        self.part = 1 if ALL else 8
        #: All that was left, by what it holds; None if nobody wants it again.
        self.left: dict[bytes, Files] | None = None

    def run(
        self, program: str, broken: str, folders: Sequence[Path]
    ) -> list[list[tuple[int, int]]]:
        """Run a program in each folder; for each, where the journal was when a turn was promised."""
        command = (
            sys.executable,
            "-m",
            "tests.node.store.turns",
            program,
            broken,
            *map(str, folders),
        )
        environment = powerloss.environment(self.library, self.data, self.journal)
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found: list[list[tuple[int, int]]] = []
        for line in done.stdout.splitlines():
            position, turn = map(int, line.split())
            if turn < 0:
                found.append([])
            found[-1].append((position, turn))
        return found

    def cut(
        self, disk: Disk, promises: list[tuple[int, int]], until: int, newest: int = -1
    ) -> Iterator[tuple[Files, int]]:
        """At each point of the notes: all that may be left, and the turn that was promised before."""
        rng = Random(69)
        waiting = [*promises]
        for note in powerloss.notes(self.journal):
            if note.start >= until:
                break
            if note.start < promises[0][0]:
                continue
            while waiting and waiting[0][0] <= note.start:
                newest = max(newest, waiting.pop(0)[1])
            self.looked.points += 1
            for files in disk.left(rng):
                self.looked.cuts += 1
                yield files, newest
            disk.do(note)
        for _, turn in waiting:
            newest = max(newest, turn)
        for files in disk.left(rng):
            self.looked.cuts += 1
            yield files, newest

    def check(self, files: Files, promised: int) -> None:
        """Open what is left, and raise `Lost` unless all is there."""
        digest = hashlib.blake2b(digest_size=16)
        for name in sorted(files):
            digest.update(b"%s %d\n" % (name.encode(), len(files[name])) + files[name])
        key = digest.digest()
        if key[0] % self.part:
            return
        if key not in self.looked.turns:
            self.looked.turns[key] = self._open(files)
            if self.left is not None:
                self.left[key] = files
        turn = self.looked.turns[key]
        if isinstance(turn, str):
            if promised >= 0 or "profile.db" in files:
                raise Lost(f"{turn}; promised was turn {promised}")
        elif turn < promised:
            raise Lost(f"turn {turn} is there; promised was turn {promised}")

    def lay(self, folder: Path, files: Files) -> Path:
        """Put files into a new folder."""
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    def _open(self, files: Files) -> int | str:
        folder = self.memory / "look"
        shutil.rmtree(folder, ignore_errors=True)
        self.lay(folder, files)
        try:
            store = Store.open(folder / "profile.db", KEY, schema=self.schema)
        except NodeError as error:
            return f"{error!r} {sorted(files)}"
        try:
            return turns.turn_of(store)
        except (NodeError, AssertionError) as error:
            return f"{error!r} {sorted(files)}"
        finally:
            store.close(rewrite=False)


@pytest.fixture
def power(tmp_path: Path) -> Iterator[Power]:
    where = MEMORY if os.access(MEMORY, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=where) as memory:
        yield Power(tmp_path, Path(memory))


def begun(power: Power, program: str) -> Path:
    """A folder with what a program begins with."""
    folder = power.data / "profile"
    folder.mkdir(parents=True)
    if program != "create":
        store = Store.create(folder / "profile.db", KEY, schema=turns.FIRST)
        for turn in range(1, 4):
            turns.play(store, turn)
        store.close(rewrite=False)
    return folder


def cut_everywhere(power: Power, program: str, broken: str = "nothing") -> None:
    """Run it once, and cut its power at each point."""
    if program == "upgrade":
        power.schema = turns.SECOND
    folder = begun(power, program)
    disk = Disk(folder)
    (promises,) = power.run(program, broken, [folder])
    for files, promised in power.cut(disk, promises, sys.maxsize, -1 if program == "create" else 3):
        power.check(files, promised)


@pytest.mark.parametrize(
    "program", ["create", "cut_the_wal", "run_over", "rewrite", "close", "upgrade"]
)
def test_67_the_power_goes_at_any_point(power: Power, program: str) -> None:
    cut_everywhere(power, program)
    looked = power.looked
    different = len(looked.turns)
    print(f"{program}: {looked.points} points, {looked.cuts} cuts, {different} different looked at")
    assert looked.points > 10


#: What is left out, and where that must be noticed.
PRECAUTIONS = {
    "wait for the disk": "close",
    "begin the wal anew": "cut_the_wal",
    "sync directories": "rewrite",
}


@pytest.mark.parametrize("broken", PRECAUTIONS)
def test_67_each_precaution_is_needed(power: Power, broken: str) -> None:
    power.part = 1
    with pytest.raises(Lost):
        cut_everywhere(power, PRECAUTIONS[broken], broken)


@pytest.mark.parametrize("program", ["cut_the_wal", "run_over", "rewrite"])
def test_67_the_power_goes_again_while_it_is_opened(power: Power, program: str) -> None:
    """All over again for some of what a first power cut leaves: one that goes wrong would do harm here."""
    left = power.left = {}
    cut_everywhere(power, program)
    power.left, turns_then = None, power.looked.turns
    some = Random(69).sample(sorted(left), min(AGAIN, len(left)))
    shutil.rmtree(power.journal)
    folders = [power.lay(power.data / f"again-{at}", left[key]) for at, key in enumerate(some)]
    disks = [Disk(folder) for folder in folders]
    found = power.run("recover", "nothing", folders)
    ends = [promises[0][0] for promises in found[1:]] + [sys.maxsize]
    power.looked = Looked()
    for key, disk, promises, end in zip(some, disks, found, ends, strict=True):
        turn = turns_then[key]
        assert isinstance(turn, int)
        for files, promised in power.cut(disk, promises, end, turn):
            power.check(files, promised)
    looked, different = power.looked, len(power.looked.turns)
    print(
        f"{program}: {len(some)} opened, {looked.points} points, {looked.cuts} cuts, {different} different"
    )
