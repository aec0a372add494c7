"""The shim really loses what is not durable, and only that: files, names, SQLite, a disk that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import apsw
import pytest

from tests.relay import powerloss
from tests.relay.powerloss import Failure

KILLS = int(os.environ.get("HELIOGRAM_KILLS", "30"))

#: What the scripts begin with: a file made and durable, its name as well.
PRELUDE = """
import errno, os, sys
data = sys.argv[1]
def durable(*names):
    for name in names:
        fd = os.open(os.path.join(data, name), os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
def put(name, content, mode="wb"):
    with open(os.path.join(data, name), mode) as file:
        file.write(content)
os.chdir(data)
put("old", b"o" * 2000)
durable("old", "")
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if powerloss.compiler() is None:
        pytest.skip("no C compiler: install gcc")
    return powerloss.build(tmp_path_factory.mktemp("powerloss"))


class Disk:
    """A directory behind the shim, and programs that use it."""

    def __init__(self, library: Path, where: Path) -> None:
        self.data, self.journal = where / "data", where / "journal"
        self.environment = os.environ | powerloss.environment(library, self.data, self.journal)

    def run(self, script: str) -> str:
        """Run a script to its end, which is abrupt; what it printed."""
        code = PRELUDE + script + "\nsys.stdout.flush()\nos.kill(os.getpid(), 9)\n"
        command = [sys.executable, "-c", code, str(self.data)]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        assert done.returncode == -9
        return done.stdout

    @contextmanager
    def start(self, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A script that runs until it is killed, at the end of the block."""
        command = [sys.executable, "-c", script, str(self.data), *arguments]
        process = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def lose(self, rng: Random | None = None) -> powerloss.Loss:
        return powerloss.lose(self.data, self.journal, rng)

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.data.rglob("*") if path.is_file())
        return {str(path.relative_to(self.data)): path.read_bytes() for path in found}


@pytest.fixture
def disk(library: Path, tmp_path: Path) -> Disk:
    return Disk(library, tmp_path)


OLD = {"old": b"o" * 2000}

#: What a script does, and what is left of it when the power goes.
STORIES: dict[str, tuple[str, dict[str, bytes]]] = {
    "nothing": ("", OLD),
    "an unsynced write": ("put('old', b'new', 'r+b')", OLD),
    "a synced write": ("put('old', b'new', 'r+b'); durable('old')", {"old": b"new" + b"o" * 1997}),
    "writes around a sync": (
        "put('old', b'new', 'r+b'); durable('old'); put('old', b'NEW!', 'r+b')",
        {"old": b"new" + b"o" * 1997},
    ),
    "an unsynced append": ("put('old', b'new', 'ab')", OLD),
    "a synced append": ("put('old', b'new', 'ab'); durable('old')", {"old": b"o" * 2000 + b"new"}),
    "an unsynced truncation": ("put('old', b'')", OLD),
    "a synced truncation": ("put('old', b''); durable('old')", {"old": b""}),
    "a file without its name": ("put('new', b'n'); durable('new')", OLD),
    "a name without its file": ("put('new', b'n'); durable('')", OLD | {"new": b""}),
    "both": ("put('new', b'n'); durable('new', '')", OLD | {"new": b"n"}),
    "an unsynced removal": ("os.unlink('old')", OLD),
    "a synced removal": ("os.unlink('old'); durable('')", {}),
    "written, then removed": ("put('old', b'new', 'r+b'); os.unlink('old')", OLD),
    "an unsynced rename": (
        "put('new', b'n'); durable('new', ''); os.rename('new', 'old')",
        OLD | {"new": b"n"},
    ),
    "a synced rename": (
        "put('new', b'n'); durable('new', ''); os.replace('new', 'old'); durable('')",
        {"old": b"n"},
    ),
    "a rename of nothing durable": ("put('new', b'n'); os.rename('new', 'old'); durable('')",
        {"old": b""},
    ),
    "an unsynced directory": ("os.mkdir('d'); put('d/new', b'n'); durable('d/new', 'd')", OLD),
    "a synced directory": (
        "os.mkdir('d'); put('d/new', b'n'); durable('d/new', 'd', '')",
        OLD | {"d/new": b"n"},
    ),
    "half a rename between directories": (
        "os.mkdir('d'); durable(''); os.rename('old', 'd/new'); durable('d')",
        OLD,
    ),
    "a rename between directories": (
        "os.mkdir('d'); durable(''); os.rename('old', 'd/new'); durable('d', '')",
        {"d/new": b"o" * 2000},
    ),
    "a second name": ("os.link('old', 'two'); durable('')", OLD | {"two": b"o" * 2000}),
    "a name used twice": (
        "os.unlink('old'); put('old', b'other'); durable('old')",
        OLD,
    ),
    "much": (
        "put('old', b'x' * (5 << 20)); durable('old'); put('old', b'y' * (3 << 20), 'r+b');"
        "os.truncate('old', 7)",
        {"old": b"x" * (5 << 20)},
    ),
    "vectors and positions": (
        "fd = os.open('old', os.O_RDWR); os.writev(fd, [b'ab', b'cd']); os.pwrite(fd, b'e', 9);"
        "os.pwritev(fd, [b'f', b'g'], 1998); os.posix_fallocate(fd, 0, 5000); os.fdatasync(fd);"
        "os.pwrite(fd, b'lost', 0); os.dup(fd)",
        {"old": b"abcd" + b"o" * 5 + b"e" + b"o" * 1988 + b"fg" + bytes(3000)},
    ),
    "a copy": (
        "import shutil; shutil.copyfile('old', 'new'); durable('new', '');"
        "shutil.copyfile('new', 'old')",
        OLD | {"new": b"o" * 2000},
    ),
    "a child's write": (
        "pid = os.fork()\n"
        "if not pid:\n    put('old', b'new', 'r+b'); os._exit(0)\n"
        "os.waitpid(pid, 0)",
        OLD,
    ),
    "shared memory": ("put('db-shm', b'map'); durable('db-shm', '')", OLD),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_what_is_left(disk: Disk, name: str) -> None:
    script, left = STORIES[name]
    disk.run(script)
    disk.lose()
    assert disk.files() == left
    disk.run("")
    assert disk.lose().pending == 0  # and the disk goes on from there
    assert disk.files()["old"] == b"o" * 2000


def test_a_killed_program_loses_nothing(disk: Disk) -> None:
    disk.run("put('old', b'new', 'r+b'); os.rename('old', 'new'); put('two', b'2')")
    assert disk.files() == {"new": b"new" + b"o" * 1997, "two": b"2"}


def test_a_loss_goes_back_beyond_the_last_program(disk: Disk) -> None:
    disk.run("put('old', b'first', 'r+b')")
    append = "import sys; open(sys.argv[1] + '/old', 'ab').write(b'second')"
    second = append + "; print(flush=True); sys.stdin.read()"
    with disk.start(second) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "\n"
    assert disk.files() == {"old": b"first" + b"o" * 1995 + b"second"}
    disk.lose()
    assert disk.files() == OLD


def test_a_random_part_reaches_the_disk(disk: Disk) -> None:
    """Every sector is old or new; over many losses both are seen, and torn writes."""
    seen: set[frozenset[bytes]] = set()
    torn = 0
    for seed in range(20):
        disk.run("put('old', b'n' * 2000, 'r+b'); put('old', b'm' * 1024, 'r+b')")
        torn += disk.lose(Random(seed)).torn
        content = disk.files()["old"]
        assert len(content) == 2000
        sectors = [content[at : at + 512] for at in range(0, 2000, 512)]
        assert all(len(set(sector)) == 1 for sector in sectors)
        seen.add(frozenset(sector[:1] for sector in sectors))
    assert torn and {frozenset({b"o"}), frozenset({b"m", b"n"})} <= seen
    assert any(len(one & {b"m", b"n"}) and b"o" in one for one in seen)


def test_a_file_is_cut_in_part(disk: Disk) -> None:
    sizes = set()
    for seed in range(40):
        disk.run("os.truncate('old', 100)")
        disk.lose(Random(seed))
        content = disk.files()["old"]
        assert content == b"o" * len(content)
        sizes.add(len(content))
    assert sizes == {100, 512, 1024, 1536, 2000}


# --- A disk that fails ----------------------------------------------------------------------------

ATTEMPTS = """
def attempt(what, *arguments):
    try:
        what(*arguments)
        print("done")
    except OSError as error:
        print(errno.errorcode[error.errno])
attempt(put, "old", b"new", "r+b")
attempt(put, "new", b"new")
attempt(os.mkdir, "d")
fd = os.open("old", os.O_RDONLY)
attempt(os.fsync, fd)
attempt(os.unlink, "old")
"""


@pytest.mark.parametrize(
    ("failure", "answers"),
    [
        (None, "done done done done done"),
        (Failure.FULL, "ENOSPC ENOSPC ENOSPC done done"),
        (Failure.READONLY, "EROFS EROFS EROFS done EROFS"),
        (Failure.UNSYNCABLE, "done done done EIO done"),
    ],
)
def test_a_disk_that_fails(disk: Disk, failure: Failure | None, answers: str) -> None:
    script = f"open(sys.argv[1] + '/../journal/{failure.value}', 'w').close()" if failure else ""
    assert disk.run(script + ATTEMPTS).split() == answers.split()


def test_a_disk_recovers(disk: Disk) -> None:
    disk.run("")
    with powerloss.failing(disk.journal, Failure.FULL):
        assert (disk.journal / "full").exists()
    assert "done" in disk.run(ATTEMPTS)


FORGETS = """
switch = data + "/../journal/unsyncable"
fd = os.open("old", os.O_WRONLY)
os.pwrite(fd, b"forgotten", 0)
open(switch, "w").close()
try:
    os.fsync(fd)
    raise SystemExit("it did not fail")
except OSError:
    os.unlink(switch)
os.pwrite(fd, b"NEW", 3)
os.pwrite(fd, b"more", 2000)
os.fsync(fd)
"""


def test_a_failed_fsync_is_not_made_good_by_a_later_one(disk: Disk) -> None:
    disk.run(FORGETS)
    assert (disk.data / "old").read_bytes() == b"forNEWten" + b"o" * 1991 + b"more"
    assert disk.lose().lost == 1
    assert (disk.data / "old").read_bytes() == b"oooNEW" + b"o" * 1994 + b"more"


# --- SQLite ---------------------------------------------------------------------------------------

WRITER = """
import sys, threading
import apsw
db = apsw.Connection(sys.argv[1] + "/db")
db.set_busy_timeout(10000)
db.pragma("journal_mode", "wal")
db.pragma("synchronous", sys.argv[2])
db.pragma("wal_autocheckpoint", int(sys.argv[3]))
db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, content BLOB)")
def read():  # another thread, as a server has
    other = apsw.Connection(sys.argv[1] + "/db")
    other.set_busy_timeout(10000)
    while True:
        other.execute("SELECT count(*) FROM t").fetchall()
threading.Thread(target=read, daemon=True).start()
(last,) = db.execute("SELECT coalesce(max(id), 0) FROM t").fetchall()[0],
last = last[0]
while True:
    last += 1
    with db:
        db.execute("INSERT INTO t VALUES (?, zeroblob(?))", (last, last * 37 % 3000))
    print(last, flush=True)
"""


def write_until_killed(disk: Disk, acks: int, synchronous: str, checkpoint: int) -> int:
    """Commit until `acks` commits are known, then kill; the last commit that was reported."""
    with disk.start(WRITER, synchronous, str(checkpoint)) as running:
        assert running.stdout is not None
        last = 0
        for _ in range(acks):
            last = int(running.stdout.readline())
        running.kill()
        # What was still reported before the end counts too; a line that was cut off does not.
        rest = [line for line in running.stdout.read().split("\n")[:-1] if line]
    return int(rest[-1]) if rest else last


def committed(disk: Disk) -> int:
    """The last commit in the database, which is in order and has no holes."""
    db = apsw.Connection(str(disk.data / "db"))
    try:
        assert db.pragma("integrity_check") == "ok"
        if not db.table_exists(None, "t"):
            return 0
        ids = [row[0] for row in db.execute("SELECT id FROM t ORDER BY id")]
        assert ids == [*range(1, len(ids) + 1)]
        return len(ids)
    finally:
        db.close()


def test_sqlite_without_syncs_loses_commits(disk: Disk) -> None:
    """Here the shim bites: what was committed is gone."""
    last = write_until_killed(disk, 5, "off", 1000)
    assert last >= 5
    assert disk.lose().lost > 0
    assert committed(disk) == 0


def test_sqlite_with_syncs_never_loses_a_commit(disk: Disk) -> None:
    """Killed at random, the power cut each time, on the same database: every reported commit is there."""
    rng = Random(20)
    last = lost = 0
    for _ in range(KILLS):
        known = write_until_killed(disk, rng.randint(1, 12), "full", rng.choice((3, 20, 1000)))
        assert known > last
        loss = disk.lose(rng if rng.random() < 0.7 else None)
        lost += loss.lost
        last = committed(disk)
        assert last >= known
    assert lost > 0


def test_a_note_that_was_cut_off(disk: Disk) -> None:
    """A program may be killed while it notes. What it did counts as done; the notes go on."""
    disk.run('os.chdir(data); put("a", b"lost"); durable("")')
    journal = disk.journal / "journal"
    whole = journal.stat().st_size
    with journal.open("ab") as file:
        file.write(journal.read_bytes()[:100])
    powerloss.mend(disk.journal)
    assert journal.stat().st_size == whole
    disk.run('put("b", b"kept"); durable("b", "")')
    disk.lose()
    assert (disk.data / "a").read_bytes() == b""
    assert (disk.data / "b").read_bytes() == b"kept"
