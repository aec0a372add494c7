"""A profile: made once, opened by one process at a time, whole wherever its making was interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from heliogram.node.errors import (
    NoProfile,
    ProfileBusy,
    ProfileError,
    ProfileExists,
    StoreDamaged,
    StoreError,
    WrongPassphrase,
)
from heliogram.node.profile.config import Config
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.lock import Lock, is_locked
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs, passphrase
from tests.node.store.killing import in_a_process

CHEAP = Costs(memory=64, passes=1, lanes=1)
PHRASE = passphrase("correct horse")


def make(folder: Path) -> Profile:
    return Profile.create(Directory(folder / "home"), PHRASE, os.urandom, costs=CHEAP)


def test_a_profile_is_made_and_opened(tmp_path: Path) -> None:
    with make(tmp_path) as profile:
        profile.store.set_setting("a", b"1")
        directory = profile.directory
        if os.name == "posix":
            for folder in (directory.root, directory.files, directory.spool):
                assert folder.stat().st_mode & 0o777 == 0o700
            for file in directory.root.iterdir():
                assert file.is_dir() or file.stat().st_mode & 0o777 == 0o600
    with Profile.open(directory, lambda _: PHRASE) as profile:
        assert profile.store.setting("a") == b"1"
        assert profile.config == Config()


def test_a_profile_is_made_once(tmp_path: Path) -> None:
    make(tmp_path).close()
    with pytest.raises(ProfileExists):
        make(tmp_path)
    with pytest.raises(NoProfile):
        Profile.open(Directory(tmp_path / "elsewhere"), lambda _: PHRASE)
    assert not (tmp_path / "elsewhere").exists()


def test_70_a_wrong_passphrase_shows_nothing(tmp_path: Path) -> None:
    make(tmp_path).close()
    with pytest.raises(WrongPassphrase) as caught:
        Profile.open(Directory(tmp_path / "home"), lambda _: passphrase("wrong"))
    assert str(caught.value) == ""
    assert not is_locked(tmp_path / "home" / "node.lock")


def test_one_process_has_it(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from heliogram.node.profile.profile import Profile;"
        "from heliogram.node.profile.directory import Directory;"
        "from heliogram.node.store.keys import passphrase;"
        "p = Profile.open(Directory(pathlib.Path(sys.argv[1])), lambda _: passphrase('correct horse'));"
        "print('open', flush=True); sys.stdin.read()"
    )
    make(tmp_path).close()
    directory = Directory(tmp_path / "home")
    asked = []
    with subprocess.Popen(
        [sys.executable, "-c", code, str(directory.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        assert is_locked(directory.lock)
        with pytest.raises(ProfileBusy):
            Profile.open(directory, lambda _: asked.append(1) or PHRASE)  # type: ignore[func-returns-value]
        assert not asked, "nobody is asked for a passphrase in vain"
        with pytest.raises(ProfileBusy):
            make(tmp_path)
        other.kill()
    assert not is_locked(directory.lock)
    Profile.open(directory, lambda _: PHRASE).close()


def test_who_looks_does_not_hold(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")
    lock = Lock(tmp_path / "lock")
    assert is_locked(tmp_path / "lock")
    with pytest.raises(ProfileBusy):
        Lock(tmp_path / "lock")
    lock.release()
    lock.release()
    assert not is_locked(tmp_path / "lock")
    Lock(tmp_path / "lock").release()
    with pytest.raises(ProfileError):
        Lock(tmp_path / "nowhere" / "lock")


def test_another_lock_in_the_same_directory(tmp_path: Path) -> None:
    """Of the app, which opens the profile."""
    (tmp_path / "home").mkdir(mode=0o700)
    lock = Lock(tmp_path / "home" / "web.lock")
    with make(tmp_path) as profile:
        assert is_locked(profile.directory.lock)
        with pytest.raises(ProfileBusy):
            Lock(tmp_path / "home" / "web.lock")
        lock.release()
        Lock(tmp_path / "home" / "web.lock").release()


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can delete it")
def test_a_lock_whose_file_was_deleted_still_holds(tmp_path: Path) -> None:
    with make(tmp_path) as profile:
        directory = profile.directory
        directory.lock.unlink()
        assert is_locked(directory.lock)
        with pytest.raises(ProfileBusy):
            Profile.open(directory, lambda _: PHRASE)
        directory.lock.unlink(missing_ok=True)
        assert is_locked(directory.lock)
    assert not is_locked(directory.lock)
    Profile.open(directory, lambda _: PHRASE).close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    where = tmp_path / os.fsdecode(b"caf\xe9 ?#%")
    where.mkdir()
    make(where).close(rewrite=True)
    directory = Directory(where / "home")
    with Profile.open(directory, lambda _: PHRASE) as profile:
        profile.store.set_setting("a", b"1")
    names = {one.name for one in directory.root.iterdir()}
    assert names == {"config.toml", "files", "node.lock", "profile.db", "profile.key", "spool"}
    with Profile.open(directory, lambda _: PHRASE) as profile:
        assert profile.store.setting("a") == b"1"


def test_another_passphrase(tmp_path: Path) -> None:
    new = passphrase("battery staple")
    with make(tmp_path) as profile:
        with pytest.raises(WrongPassphrase):
            profile.change_passphrase(new, PHRASE, os.urandom, CHEAP)
        profile.change_passphrase(PHRASE, new, os.urandom, CHEAP)
        directory = profile.directory
    with pytest.raises(WrongPassphrase):
        Profile.open(directory, lambda _: PHRASE)
    Profile.open(directory, lambda _: new).close()


def test_files_that_do_not_belong_together_are_damage(tmp_path: Path) -> None:
    make(tmp_path / "one").close()
    make(tmp_path / "two").close()
    os.replace(tmp_path / "one" / "home" / "profile.key", tmp_path / "two" / "home" / "profile.key")
    with pytest.raises(StoreDamaged):
        Profile.open(Directory(tmp_path / "two" / "home"), lambda _: PHRASE)
    with pytest.raises(StoreError, match="cannot be read"):
        Profile.open(Directory(tmp_path / "one" / "home"), lambda _: PHRASE)


@pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    make(tmp_path).close()
    directory = Directory(tmp_path / "home")
    directory.root.chmod(0o770)
    with pytest.raises(ProfileError, match="chmod 700"):
        Profile.open(directory, lambda _: PHRASE)
    directory.root.chmod(0o755)
    Profile.open(directory, lambda _: PHRASE).close()
    assert directory.root.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name != "posix", reason="who owns a file, POSIX systems alone say")
def test_the_directory_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make(tmp_path) as profile:
        directory = profile.directory
    us = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    with pytest.raises(ProfileError, match="somebody else"):
        Profile.open(directory, lambda _: PHRASE)


def test_settings_are_kept(tmp_path: Path) -> None:
    with make(tmp_path) as profile:
        profile.set_config(replace(profile.config, downloads=tmp_path / 'a "b" \u00fc\\c'))
        config, directory = profile.config, profile.directory
    with Profile.open(
        directory, lambda seen: PHRASE if seen == config else passphrase("x")
    ) as again:
        assert again.config == config


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
def test_a_profile_killed_while_it_is_made_can_be_made_or_opened(tmp_path: Path) -> None:
    assert int(in_a_process("tests.node.profile.making", str(tmp_path))) > 50
