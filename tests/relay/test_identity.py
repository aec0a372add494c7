"""The relay's key on disk, and one process a directory."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from heliogram.relay.errors import StoreError
from heliogram.relay.operating import identity
from heliogram.relay.operating.identity import Busy, IdentityError, NoIdentity
from heliogram.relay.store import Database
from heliogram.wire.signing import Label, SigningKey, verify

SEED = bytes(range(32))

posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")


def entropy(size: int) -> bytes:
    return SEED[:size]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The directory of a new relay."""
    identity.create(tmp_path / "relay", entropy=entropy)
    return tmp_path / "relay"


# --- The seed -------------------------------------------------------------------------------------


def test_what_is_made_is_loaded(tmp_path: Path) -> None:
    made = identity.create(tmp_path / "a" / "relay", entropy=entropy)
    loaded = identity.load(tmp_path / "a" / "relay")
    assert made.public == loaded.public == SigningKey(SEED).public
    assert verify(made.public, Label.HELLO, b"x", loaded.sign(Label.HELLO, b"x"))


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    assert identity.create(tmp_path, entropy=entropy)


@pytest.mark.parametrize("name", ["identity", "relay.db", ".hidden"])
def test_a_relay_begins_in_an_empty_directory(tmp_path: Path, name: str) -> None:
    """Not in what somebody restored."""
    (tmp_path / name).touch()
    with pytest.raises(IdentityError, match=r"not empty.*backup"):
        identity.create(tmp_path, entropy=entropy)
    assert os.listdir(tmp_path) == [name]


def test_a_second_one_is_refused(data: Path) -> None:
    with pytest.raises(IdentityError, match="not empty"):
        identity.create(data, entropy=os.urandom)
    assert identity.load(data).public == SigningKey(SEED).public


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_the_seed_is_private_from_the_first_moment(
    tmp_path: Path, mask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is made with its mode; nothing makes it private later."""
    opened: list[int] = []
    open_file = os.open

    def watch(path: str, flags: int, mode: int = 0o777) -> int:
        file = open_file(path, flags, mode)
        if flags & os.O_CREAT:
            assert flags & os.O_EXCL
            opened.append(os.fstat(file).st_mode)
        return file

    def never(*_: object) -> None:
        raise AssertionError("too late")

    monkeypatch.setattr(os, "open", watch)
    monkeypatch.setattr(os, "chmod", never)
    monkeypatch.setattr(os, "fchmod", never)
    before = os.umask(mask)
    try:
        identity.create(tmp_path / "relay", entropy=entropy)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(mode) for mode in opened] == [0o600]
    assert stat.S_IMODE((tmp_path / "relay").stat().st_mode) == 0o700


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o620])
def test_a_seed_that_others_can_touch_is_refused(data: Path, mode: int) -> None:
    (data / "identity").chmod(mode)
    with pytest.raises(IdentityError, match="chmod 600"):
        identity.load(data)


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_directory_that_others_can_write_is_refused(data: Path, mode: int) -> None:
    data.chmod(mode)
    with pytest.raises(IdentityError, match="chmod 700"):
        identity.load(data)


@pytest.mark.parametrize(
    "content",
    [b"", SEED, SEED.hex().encode()[:-2], SEED.hex().encode() + b"00", b"zz" * 32, b"\xff" * 64],
)
def test_a_damaged_seed_is_refused_and_not_shown(data: Path, content: bytes) -> None:
    (data / "identity").write_bytes(content)
    with pytest.raises(IdentityError, match="damaged") as caught:
        identity.load(data)
    assert SEED.hex()[:16] not in str(caught.value)


@posix
def test_what_is_no_file_is_refused(data: Path) -> None:
    (data / "identity").unlink()
    os.mkfifo(data / "identity", 0o600)
    with pytest.raises(IdentityError, match="no file"):
        identity.load(data)


def test_no_relay_yet(tmp_path: Path) -> None:
    for data in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NoIdentity, match="no relay here yet"):
            identity.load(data)
        assert not identity.is_locked(data)
    with pytest.raises(NoIdentity), identity.lock(tmp_path / "missing"):
        pass


def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IdentityError, match="cannot be written"):
        identity.create(tmp_path / "file" / "relay", entropy=entropy)
    with pytest.raises(IdentityError, match="cannot be read"):
        identity.load(tmp_path / "file")


# --- The lock -------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from heliogram.relay.operating import identity
with identity.lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold() -> object:
    """Another process that holds a directory until it is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(data: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout and process.stdout.readline() == b"held\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_one_process_serves_a_directory(
    data: Path, hold: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    process = hold(data)
    assert identity.is_locked(data)
    with pytest.raises(Busy, match="another process"), identity.lock(data):
        pass
    process.kill()
    process.wait()
    # The file of the dead one is still there, and hinders nobody.
    assert (data / identity.LOCK_NAME).exists()
    assert not identity.is_locked(data)
    with identity.lock(data):
        assert identity.is_locked(data)


def test_a_lock_is_given_back(data: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), identity.lock(data):
            _ = 1 / 0
    assert not identity.is_locked(data)


def test_other_directories_are_free(
    tmp_path: Path, data: Path, hold: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    hold(data)
    identity.create(tmp_path / "other", entropy=entropy)
    with identity.lock(tmp_path / "other"):
        pass


# --- Whose database it is -------------------------------------------------------------------------


def test_a_database_knows_its_relay(tmp_path: Path) -> None:
    ours, theirs = b"\1" * 32, b"\2" * 32
    database = Database(tmp_path / "relay.db", writes=True)
    with pytest.raises(StoreError, match="does not say whose"):
        database.check_owner(ours)
    database.claim(ours)
    database.check_owner(ours)
    with pytest.raises(StoreError, match="another relay's"):
        database.check_owner(theirs)
    with pytest.raises(StoreError, match="already"):
        database.claim(theirs)
    database.close()
    reader = Database(tmp_path / "relay.db", writes=False)
    reader.check_owner(ours)
    reader.close()
