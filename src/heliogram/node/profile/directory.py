"""Where a profile lies, and what its files are called."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from heliogram.node.errors import ProfileError
from heliogram.node.store.disk import make_directory

#: The variable that says where the profile is, unless an argument does.
HOME_VARIABLE: Final = "HELIOGRAM_HOME"

#: The name of a profile that nobody named.
DEFAULT_NAME: Final = "default"

#: Bytes of a Unix socket's path that every system takes, with the zero at its end: macOS takes 104.
LONGEST_SOCKET_PATH: Final = 103

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Directory:
    """A profile's directory, there or not."""

    root: Path

    @property
    def database(self) -> Path:
        """The encrypted database."""
        return self.root / "profile.db"

    @property
    def key(self) -> Path:
        """Its key, which the passphrase opens."""
        return self.root / "profile.key"

    @property
    def config(self) -> Path:
        """What must be known before the database is open."""
        return self.root / "config.toml"

    @property
    def lock(self) -> Path:
        """What the one running node holds."""
        return self.root / "node.lock"

    @property
    def files(self) -> Path:
        """Opened copies of files, such as pictures to show."""
        return self.root / "files"

    @property
    def spool(self) -> Path:
        """Sealed files on their way."""
        return self.root / "spool"

    @property
    def exists(self) -> bool:
        """Whether there is a profile here: its database is the last thing that is made."""
        return self.database.exists()

    def socket(self) -> Path:
        """Where faces reach the node, in a directory that is its owner's only. Raises `ProfileError`.

        In the profile, unless no system call takes a path as long as that.
        """
        usual = self.root.absolute() / "node.sock"
        if len(os.fsencode(usual)) <= LONGEST_SOCKET_PATH:
            return usual
        name = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:16] + ".sock"
        for folder in _short_folders():
            path = folder / name
            if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
                _make_ours(folder)
                return path
        raise ProfileError("the path of the profile is too long: choose a shorter one")

    def make(self) -> None:
        """Make the directory and those in it, for their owner only. Raises `ProfileError`."""
        try:
            for folder in (self.root, self.files, self.spool):
                make_directory(folder)
                if os.name == "posix" and folder.stat().st_mode & 0o077:
                    folder.chmod(0o700)
        except OSError as error:
            raise ProfileError(
                f"the profile's directory cannot be made: {error.strerror}"
            ) from None

    def check(self) -> None:
        """Raise `ProfileError` if others could put files into the directory, or it is not ours at all."""
        try:
            status = self.root.stat()
        except OSError as error:
            raise ProfileError(
                f"the profile's directory cannot be read: {error.strerror}"
            ) from None
        if os.name != "posix":
            return
        if status.st_uid != os.geteuid():
            raise ProfileError("the profile's directory belongs to somebody else on this machine")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ProfileError(
                "others on this machine can write into the profile's directory: allow only its"
                " owner, chmod 700"
            )


def find(
    home: str | Path | None = None,
    *,
    name: str = DEFAULT_NAME,
    environ: Mapping[str, str] | None = None,
) -> Directory:
    """The profile's directory: `home`, else what `HELIOGRAM_HOME` says, else `name` where such data goes.

    Raises `ProfileError` if `name` cannot be one: small letters, digits, "-" and "_", at most 32.
    """
    environ = os.environ if environ is None else environ
    if home := home or environ.get(HOME_VARIABLE):
        return Directory(Path(home).expanduser().absolute())
    if not _NAME.fullmatch(name):
        raise ProfileError("a profile's name has small letters, digits, - and _, at most 32")
    return Directory(platformdirs.user_data_path("heliogram", appauthor=False) / name)


def downloads() -> Path:
    """Where a person's downloads go, unless the profile says otherwise. It may not be there yet."""
    return platformdirs.user_downloads_path()


def _short_folders() -> list[Path]:
    owner = os.getuid() if os.name == "posix" else 0
    return [
        platformdirs.user_runtime_path("heliogram", appauthor=False),
        Path(tempfile.gettempdir()) / f"heliogram-{owner}",
        Path("/tmp") / f"heliogram-{owner}",  # noqa: S108  # made for us only, and looked at
    ]


def _make_ours(folder: Path) -> None:
    """Have a directory that nobody else can use. Raises `ProfileError`: somebody may have been faster."""
    try:
        make_directory(folder)
        status = folder.lstat()
    except OSError as error:
        raise ProfileError(f"there is no place for the node's socket: {error.strerror}") from None
    ours = stat.S_ISDIR(status.st_mode)
    if os.name == "posix":
        ours = ours and status.st_uid == os.getuid() and not status.st_mode & 0o077
    if not ours:
        raise ProfileError("the directory for the node's socket is not ours: remove it")
