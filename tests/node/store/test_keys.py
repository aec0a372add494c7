"""The key's file: opened by one passphrase, replaced in one step, bounded in what it may ask for."""

from __future__ import annotations

import os
import resource
import struct
from pathlib import Path

import pytest

from heliogram.mls import Secret
from heliogram.node.errors import StoreDamaged, StoreError, WrongPassphrase
from heliogram.node.store import keys
from heliogram.node.store.keys import Costs, passphrase

CHEAP = Costs(memory=64, passes=1, lanes=1)


def test_the_passphrase_gives_the_key_back(tmp_path: Path) -> None:
    path = tmp_path / "profile.key"
    key = keys.create(path, passphrase("correct horse"), os.urandom)
    assert len(key) == 32
    assert keys.load(path, passphrase("correct horse")) == key
    with pytest.raises(WrongPassphrase):
        keys.load(path, passphrase("correct horsf"))
    assert bytes(key) not in path.read_bytes()
    assert repr(key) == "<Secret of 32 bytes>"
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreError, match="already"):
        keys.create(path, passphrase("x"), os.urandom)


def test_trying_a_passphrase_is_not_cheap(tmp_path: Path) -> None:
    keys.create(tmp_path / "k", passphrase("p"), os.urandom)
    magic, version, memory, passes, lanes = struct.unpack(
        ">4sBIIB", (tmp_path / "k").read_bytes()[:14]
    )
    assert (magic, version, memory, passes, lanes) == (b"HLGK", 1, 65_536, 3, 4)


def test_another_passphrase_for_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "profile.key"
    key = keys.create(path, passphrase("old"), os.urandom, CHEAP)
    before = path.read_bytes()
    with pytest.raises(WrongPassphrase):
        keys.rewrap(path, passphrase("wrong"), passphrase("new"), os.urandom, CHEAP)
    assert path.read_bytes() == before
    keys.rewrap(path, passphrase("old"), passphrase("new"), os.urandom, CHEAP)
    assert keys.load(path, passphrase("new")) == key
    with pytest.raises(WrongPassphrase):
        keys.load(path, passphrase("old"))
    assert [one.name for one in tmp_path.iterdir()] == ["profile.key"]


@pytest.mark.skipif(os.name != "posix", reason="files are kept from growing")
def test_69_without_room_the_passphrase_stays_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "profile.key"
    key = keys.create(path, Secret(b"old"), os.urandom, CHEAP)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises(StoreError):
            keys.rewrap(path, Secret(b"old"), Secret(b"new"), os.urandom, CHEAP)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert keys.load(path, Secret(b"old")) == key
    assert [one.name for one in tmp_path.iterdir()] == ["profile.key"]


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    sealed = keys.seal(Secret(bytes(range(32))), passphrase("p"), os.urandom, CHEAP)
    assert keys.unseal(sealed, passphrase("p")) == bytes(range(32))
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        # The lowest bit of a cost: others would ask for much.
        changed[place] ^= 1
        with pytest.raises((StoreDamaged, WrongPassphrase)):
            keys.unseal(bytes(changed), passphrase("p"))
    for wrong in (b"", sealed[:-1], sealed + b"x", b"\0" * len(sealed)):
        with pytest.raises(StoreDamaged):
            keys.unseal(wrong, passphrase("p"))


@pytest.mark.parametrize(
    "costs",
    [
        Costs(1 << 21, 1, 1),
        Costs(64, 65, 1),
        Costs(1 << 20, 1, 17),
        Costs(7, 1, 1),
        Costs(64, 0, 1),
    ],
)
def test_a_file_cannot_ask_for_all_memory_or_time(costs: Costs) -> None:
    header = struct.pack(
        ">4sBIIB16s12s", b"HLGK", 1, costs.memory, costs.passes, costs.lanes, bytes(16), bytes(12)
    )
    with pytest.raises(StoreDamaged):
        keys.unseal(header + bytes(48), passphrase("p"))


def test_passphrases_are_the_same_from_all_keyboards() -> None:
    assert passphrase("caf\u00e9") == passphrase("cafe\u0301")
    assert passphrase(" a b ") == b" a b "
    for none in ("", "x" * 1025, "\ud800"):
        with pytest.raises(WrongPassphrase):
            passphrase(none)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        keys.load(tmp_path / "none", passphrase("p"))
