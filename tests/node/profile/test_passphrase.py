"""Where the passphrase comes from, and from where it does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliogram.mls import Secret
from heliogram.node.errors import PassphraseNeeded, ProfileError, WrongPassphrase
from heliogram.node.profile import passphrase as passphrases
from heliogram.node.profile.config import Config
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs, passphrase

CHEAP = Costs(memory=64, passes=1, lanes=1)


def file(folder: Path, content: bytes, mode: int = 0o600) -> dict[str, str]:
    path = folder / "phrase"
    path.write_bytes(content)
    path.chmod(mode)
    return {"HELIOGRAM_PASSPHRASE_FILE": str(path)}


def test_an_argument_goes_before_the_file_before_a_person(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    environ = file(tmp_path, b"from a file\r\nnot this")
    assert passphrases.find(directory, given="given", environ=environ) == b"given"
    assert passphrases.find(directory, environ=environ, ask=lambda: "asked") == b"from a file"
    assert passphrases.find(directory, environ={}, ask=lambda: "asked") == b"asked"
    with pytest.raises(PassphraseNeeded):
        passphrases.find(directory, environ={})


@pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ProfileError, match="chmod 600"):
        passphrases.find(Directory(tmp_path), environ=file(tmp_path, b"p", mode))


@pytest.mark.parametrize("content", [b"", b"\nsecond", b"\xff\xfe", b"x" * 5000])
def test_a_file_without_a_passphrase_opens_nothing(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(WrongPassphrase):
        passphrases.find(Directory(tmp_path), environ=file(tmp_path, content))


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ProfileError):
            passphrases.find(Directory(tmp_path), environ={"HELIOGRAM_PASSPHRASE_FILE": str(path)})
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ProfileError, match="no file"):
            passphrases.find(
                Directory(tmp_path), environ={"HELIOGRAM_PASSPHRASE_FILE": str(tmp_path / "pipe")}
            )


# --- The desktop's own store ----------------------------------------------------------------------


@pytest.fixture
def ring() -> Iterator[dict[str, str]]:
    """What a desktop keeps, through the package that asks it."""
    keyring = pytest.importorskip("keyring")
    kept: dict[str, str] = {}

    class Ring(keyring.backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return kept.get(f"{service} {username}")

        def set_password(self, service: str, username: str, password: str) -> None:
            kept[f"{service} {username}"] = password

        def delete_password(self, service: str, username: str) -> None:
            del kept[f"{service} {username}"]

    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    yield kept
    keyring.set_keyring(before)


def test_the_desktop_keeps_it_if_wanted(tmp_path: Path, ring: dict[str, str]) -> None:
    directory, phrase = Directory(tmp_path / "home"), passphrase("correct h\u00f6rse")
    Profile.create(directory, phrase, os.urandom, config=Config(keyring=True), costs=CHEAP).close()
    assert list(ring.values()) == ["correct h\u00f6rse"]
    assert "home" not in next(iter(ring))

    def kept(config: Config) -> Secret:
        return passphrases.find(directory, keyring=config.keyring, environ={})

    with Profile.open(directory, kept) as profile:
        profile.change_passphrase(phrase, passphrase("new"), os.urandom, CHEAP)
    with Profile.open(directory, kept) as profile:
        profile.use_keyring(None)
    assert ring == {}
    with pytest.raises(PassphraseNeeded):
        Profile.open(directory, kept)
    with Profile.open(directory, lambda _: passphrase("new")) as profile:
        with pytest.raises(WrongPassphrase):
            profile.use_keyring(phrase)
        assert ring == {} and not profile.config.keyring
        profile.use_keyring(passphrase("new"))
    Profile.open(directory, kept).close()


def test_a_machine_without_such_a_store(tmp_path: Path) -> None:
    keyring = pytest.importorskip("keyring")
    fail = pytest.importorskip("keyring.backends.fail")
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    try:
        directory = Directory(tmp_path)
        assert passphrases.recall(directory) is None
        assert (
            passphrases.find(directory, keyring=True, environ={}, ask=lambda: "asked") == b"asked"
        )
        with pytest.raises(ProfileError, match="keeps no passphrases"):
            passphrases.remember(directory, passphrase("p"))
    finally:
        keyring.set_keyring(before)
