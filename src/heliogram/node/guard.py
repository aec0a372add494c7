"""What a running node does only for who knows the passphrase: show the account's words, take another one.

Who guesses waits: after a few wrong ones, longer each time. It holds for this process alone: whoever can read
the files guesses without us, at the price that Argon2id asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from heliogram.node import api
from heliogram.node.engine.account import recovery_words
from heliogram.node.errors import NotAllowed, WrongPassphrase
from heliogram.node.profile.profile import Profile
from heliogram.node.shell import Outside
from heliogram.node.store import keys

Entropy = Callable[[int], bytes]
T = TypeVar("T")

#: Wrong passphrases in a row that cost nothing, and seconds that the next ones do: doubled, up to a bound.
FREE, PAUSE, LONGEST = 3, 1.0, 60.0


class Guard:
    """Does `GetWords` and `ChangePassphrase`."""

    def __init__(
        self,
        profile: Profile,
        entropy: Entropy,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`sleep` waits for so many seconds."""
        self._profile = profile
        self._entropy = entropy
        self._sleep = sleep
        #: One guess at a time: many at once would not wait, and each takes 64 MiB.
        self._lock = asyncio.Lock()
        self._wrong = 0

    @property
    def outside(self) -> Mapping[type[api.Command], Outside]:
        """For `Shell.outside`."""
        return {api.GetWords: self._words, api.ChangePassphrase: self._change}

    async def _words(self, command: api.GetWords) -> str:
        path = self._profile.directory.key
        await self._try(lambda: keys.load(path, keys.passphrase(command.passphrase)))
        return recovery_words(self._profile.store)

    async def _change(self, command: api.ChangePassphrase) -> api.Done:
        try:
            new = keys.passphrase(command.new)
        except WrongPassphrase:
            raise NotAllowed("a passphrase is neither empty nor longer than 1,024 bytes") from None

        def change() -> None:
            self._profile.change_passphrase(keys.passphrase(command.old), new, self._entropy)

        await self._try(change)
        return api.Done()

    async def _try(self, use: Callable[[], T]) -> T:
        """What comes of using a passphrase; in a thread, since it is slow. Raises `WrongPassphrase`."""
        async with self._lock:
            if self._wrong >= FREE:
                await self._sleep(min(LONGEST, PAUSE * 2.0 ** min(self._wrong - FREE, 16)))
            try:
                found = await asyncio.to_thread(use)
            except WrongPassphrase:
                self._wrong += 1
                raise
            self._wrong = 0
            return found
