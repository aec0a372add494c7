"""A profile that this process has open: nobody else runs it, and its store can be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from heliogram.mls import Secret
from heliogram.node.errors import (
    NoProfile,
    ProfileError,
    ProfileExists,
    StoreDamaged,
    WrongPassphrase,
)
from heliogram.node.profile import config as configs
from heliogram.node.profile import passphrase as passphrases
from heliogram.node.profile.config import Config
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.lock import Lock
from heliogram.node.store import keys
from heliogram.node.store.database import Store

#: Bytes of the largest store that is written anew when it is closed: somebody waits for that.
LARGEST: Final = 1 << 30


class Profile:
    """Directory, settings and store, under a lock. Close it; or use it as a context manager."""

    def __init__(self, directory: Directory, config: Config, store: Store, lock: Lock) -> None:
        """Use `create` or `open`."""
        self.directory = directory
        self.config = config
        self.store = store
        self._lock = lock
        self._closed = False

    @classmethod
    def create(
        cls,
        directory: Directory,
        phrase: Secret,
        entropy: Callable[[int], bytes],
        *,
        config: Config | None = None,
        costs: keys.Costs | None = None,
    ) -> Profile:
        """A new profile, opened by `phrase`. With `config.keyring` the desktop keeps it.

        Raises `ProfileExists`, `ProfileBusy`, another `ProfileError` or a `StoreError`. What was begun and
        not brought to its end is made anew.
        """
        config = config or Config()
        directory.make()
        directory.check()
        lock = Lock(directory.lock, directory=True)
        try:
            if directory.exists:
                raise ProfileExists
            if config.keyring:
                passphrases.remember(directory, phrase)
            configs.save(directory.config, config)
            # A key without a database: somebody was killed here, and nothing was kept under it.
            try:
                directory.key.unlink(missing_ok=True)
            except OSError as error:
                raise ProfileError(f"the profile cannot be made: {error.strerror}") from None
            key = keys.create(directory.key, phrase, entropy, costs)
            store = Store.create(directory.database, key)
        except BaseException:
            lock.release()
            raise
        return cls(directory, config, store, lock)

    @classmethod
    def open(cls, directory: Directory, phrase: Callable[[Config], Secret]) -> Profile:
        """Open a profile; `phrase` is called when it is known that the profile is there and free.

        Raises `NoProfile`, `ProfileBusy`, `WrongPassphrase`, another `ProfileError` or a `StoreError`, and
        what `phrase` raises.
        """
        if not directory.exists:
            raise NoProfile
        directory.check()
        lock = Lock(directory.lock, directory=True)
        try:
            config = configs.load(directory.config)
            key = keys.load(directory.key, phrase(config))
            directory.make()
            try:
                store = Store.open(directory.database, key)
            except WrongPassphrase:
                # The passphrase opened the key: it is the files that do not belong together.
                raise StoreDamaged from None
        except BaseException:
            lock.release()
            raise
        return cls(directory, config, store, lock)

    def change_passphrase(
        self,
        old: Secret,
        new: Secret,
        entropy: Callable[[int], bytes],
        costs: keys.Costs | None = None,
    ) -> None:
        """Let `new` open the profile, and `old` no more. Raises `WrongPassphrase` or a `StoreError`.

        If the desktop is to keep it and does not, it keeps none from now on: `ProfileError` says so.
        """
        keys.rewrap(self.directory.key, old, new, entropy, costs)
        if self.config.keyring:
            try:
                passphrases.remember(self.directory, new)
            except ProfileError:
                self.set_config(replace(self.config, keyring=False))
                raise ProfileError(
                    "the passphrase is another one now, but this desktop does not keep it: you are asked for"
                    " it from now on"
                ) from None

    def use_keyring(self, phrase: Secret | None) -> None:
        """Have the desktop keep the passphrase; None: no longer. Raises as `keys.load`, or `ProfileError`."""
        if phrase is None:
            passphrases.forget(self.directory)
        else:
            keys.load(self.directory.key, phrase)
            passphrases.remember(self.directory, phrase)
        self.set_config(replace(self.config, keyring=phrase is not None))

    def set_config(self, config: Config) -> None:
        """Write other settings. Raises `ProfileError`."""
        configs.save(self.directory.config, config)
        self.config = config

    def close(self, *, rewrite: bool = False) -> None:
        """Close the store, and let others have the profile. Once more does nothing.

        With `rewrite`, a store of up to `LARGEST` is written anew, so that nothing is left in it of what was
        deleted: 15 seconds a gigabyte, or twice that. Without, that happens only if it is quick.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self.store.close(rewrite=(rewrite and self.store.size <= LARGEST) or None)
        finally:
            self._lock.release()

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
