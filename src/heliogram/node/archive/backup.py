"""Backups: made while the node runs, and brought back as a new device.

    sizes = await asyncio.to_thread(back_up, profile, path, time=…, entropy=…)
    restore(path, directory, phrase, time=…, entropy=…)

A restored profile has the account, contacts, links and all history. It speaks for itself: it is a new device,
the one that the backup was made on is revoked, and it is in no conversation any more (ADR 25).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlcipher3 import dbapi2

from heliogram.mls import Secret
from heliogram.node.archive import container, rows
from heliogram.node.engine.account import replace_device
from heliogram.node.errors import (
    BackupFault,
    InvalidBackup,
    ProfileExists,
    StoreDamaged,
    StoreNewer,
)
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.lock import Lock
from heliogram.node.profile.profile import Profile
from heliogram.node.store import keys
from heliogram.node.store.database import Store
from heliogram.node.store.disk import make_directory, sync_directory
from heliogram.node.store.schema import remove

Entropy = Callable[[int], bytes]

#: The setting that says that this profile came from a backup, until its contacts were reached anew.
RESTORED = "restored"

#: What the names of a database's files end with.
_PARTS = ("", "-wal", "-shm", "-journal")


def back_up(profile: Profile, path: Path, *, time: int, entropy: Entropy) -> container.Sizes:
    """An encrypted copy of a profile in a new file; the profile's passphrase opens it. Blocks.

    It is of one moment, while the node goes on. Raises `InvalidBackup`, `StoreError`.
    """
    try:
        key_file = profile.directory.key.read_bytes()
    except OSError:
        raise InvalidBackup(BackupFault.NOT_READ) from None
    with profile.store.reader() as reader, reader.snapshot():

        def source() -> Iterator[bytes]:
            return rows.written(reader, created=time)

        return container.write(
            path, source, key_file=key_file, key=profile.store.key, entropy=entropy
        )


def restore(
    path: Path,
    directory: Directory,
    phrase: Secret,
    *,
    time: int,
    entropy: Entropy,
    costs: keys.Costs | None = None,
) -> None:
    """Make a profile of a backup, in a directory where there is none. All of it, or nothing. Blocks.

    The passphrase of the backup becomes the profile's. Raises `WrongPassphrase`, `InvalidBackup`,
    `ProfileExists`, another `ProfileError`, `StoreError`.
    """
    if directory.exists:
        raise ProfileExists
    opened = container.read(path, phrase)
    # Beside its place: until all is there and right, there is no profile.
    new = Directory(directory.root.with_name(f".{directory.root.name}.{entropy(4).hex()}.new"))
    try:
        make_directory(directory.root.parent)
        with Profile.create(new, phrase, entropy, costs=costs) as profile:
            _fill(profile.store, opened, time=time, entropy=entropy)
        new.lock.unlink(missing_ok=True)
        if directory.root.exists():
            _clear(directory)
        os.rename(new.root, directory.root)
        sync_directory(directory.root.parent)
    except StoreNewer:
        raise InvalidBackup(BackupFault.NEWER) from None
    except (StoreDamaged, dbapi2.IntegrityError):  # rows that name others that are not there
        raise InvalidBackup(BackupFault.DAMAGED) from None
    except OSError:
        raise InvalidBackup(BackupFault.NOT_WRITTEN) from None
    finally:
        shutil.rmtree(new.root, ignore_errors=True)


def _clear(directory: Directory) -> None:
    """Take away a directory without a profile: an empty one, or what is left of one that was being made.

    Where there is anything that no profile begins with, nothing is taken away: a key may be of a database
    that lies there under another name. Raises `OSError`, `ProfileBusy`, `ProfileExists`.
    """
    directory.check()
    if any(directory.root.iterdir()):
        database = directory.database.with_name(directory.database.name + ".new")
        files = [directory.lock]
        for file in (directory.key, directory.config):
            files += [file, file.with_name(file.name + ".new")]
        folders = [directory.files, directory.spool]
        lock = Lock(directory.lock, directory=True)
        try:
            if directory.exists:
                raise ProfileExists
            known = {*files, *folders, *(database.with_name(database.name + end) for end in _PARTS)}
            beginnings = set(directory.root.iterdir()) <= known
            if not beginnings or any(one.is_dir() and any(one.iterdir()) for one in folders):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            remove(database)
            for folder in folders:
                if folder.exists():
                    folder.rmdir()
            for file in reversed(files):
                file.unlink(missing_ok=True)
        finally:
            lock.release()
    directory.root.rmdir()


def _fill(store: Store, opened: container.Opened, *, time: int, entropy: Entropy) -> None:
    with store.transaction():
        # Rows name others that come later.
        store.execute("PRAGMA defer_foreign_keys=ON")
        writer = rows.Writer(store)
        for piece in opened.pieces():
            writer.take(piece)
        writer.finish()
        if writer.head is None:
            raise InvalidBackup(BackupFault.DAMAGED)
        replace_device(store, writer.head.device, writer.head.suite, now=time, entropy=entropy)
        store.set_setting(RESTORED, b"1")
