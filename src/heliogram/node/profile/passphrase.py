"""Where the passphrase comes from: an argument, a file, the desktop's own store, a person."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from heliogram.mls import Secret
from heliogram.node.errors import PassphraseNeeded, ProfileError
from heliogram.node.profile.directory import Directory
from heliogram.node.store.keys import LONGEST_PASSPHRASE, passphrase

#: The variable that names a file with the passphrase in its first line.
FILE_VARIABLE: Final = "HELIOGRAM_PASSPHRASE_FILE"

_SERVICE: Final = "heliogram"


def find(
    directory: Directory,
    *,
    given: str | None = None,
    keyring: bool = False,
    ask: Callable[[], str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Secret:
    """The passphrase, from the first of these that has one.

    Raises `PassphraseNeeded` if none has, `ProfileError` if the file is not fit for it, `WrongPassphrase` for
    what can be none.
    """
    if given is not None:
        return passphrase(given)
    environ = os.environ if environ is None else environ
    if path := environ.get(FILE_VARIABLE):
        return passphrase(_read(Path(path)))
    if keyring and (kept := recall(directory)) is not None:
        return passphrase(kept)
    if ask is None:
        raise PassphraseNeeded
    return passphrase(ask())


def recall(directory: Directory) -> str | None:
    """What the desktop keeps for this profile; None if it has nothing, or cannot be asked now."""
    ring = _keyring()
    try:
        kept = ring.get_password(_SERVICE, _user(directory))
    except ring.errors.KeyringError:
        return None
    return kept if isinstance(kept, str) else None


def remember(directory: Directory, phrase: Secret) -> None:
    """Have the desktop keep the passphrase. Raises `ProfileError` if it has no place for such things."""
    ring = _keyring()
    try:
        ring.set_password(_SERVICE, _user(directory), bytes(phrase).decode())
    except ring.errors.KeyringError:
        raise ProfileError("this desktop keeps no passphrases, or does not want to now") from None


def forget(directory: Directory) -> None:
    """Have the desktop forget the passphrase, if it keeps it. Raises `ProfileError` if it refuses."""
    ring = _keyring()
    try:
        if ring.get_password(_SERVICE, _user(directory)) is not None:
            ring.delete_password(_SERVICE, _user(directory))
    except ring.errors.KeyringError:
        raise ProfileError("this desktop does not forget the passphrase now: unlock it") from None


def _read(path: Path) -> str:
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise ProfileError(f"the passphrase's file cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ProfileError("the passphrase's file is no file")
        if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ProfileError(
                "others on this machine can read the passphrase's file: allow only its owner,"
                " chmod 600, and change the passphrase if somebody may have read it"
            )
        content = os.read(file, LONGEST_PASSPHRASE + 3)
    except OSError as error:
        raise ProfileError(f"the passphrase's file cannot be read: {error.strerror}") from None
    finally:
        os.close(file)
    # Decoded so that what is no text is a passphrase that cannot be one.
    return content.decode(errors="surrogateescape").split("\n", 1)[0].removesuffix("\r")


def _user(directory: Directory) -> str:
    # The desktop shows this name. A path would tell where the profile is.
    return hashlib.sha256(os.fsencode(directory.root.resolve())).hexdigest()[:16]


def _keyring() -> Any:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise ProfileError(
            "the desktop's store needs one more package: pip install 'heliogram[keyring]'"
        ) from None
    return keyring
