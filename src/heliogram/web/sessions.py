"""Who may speak: start tokens that are good once, and the secrets that they are changed for.

A start token is in a link or a file for a moment. Whoever brings it first gets a secret; the browser keeps
that for one tab. Only hashes are kept here, so that a look into this process finds none.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from heliogram.web.errors import NoSession
from heliogram.web.scopes import Scope

#: Bytes of a token and a secret.
SIZE: Final = 32

#: Characters of one that somebody brings.
LONGEST: Final = 128

#: Seconds that a start token waits, and how many do.
PATIENCE: Final = 120.0
MAX_TOKENS: Final = 16

#: Secrets at once; beyond that, the oldest of a browser's goes.
MAX_SECRETS: Final = 256


def unguessable(entropy: Callable[[int], bytes]) -> str:
    """A new secret, fit for a path, a header and a subprotocol of a WebSocket."""
    return base64.urlsafe_b64encode(entropy(SIZE)).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class _Secret:
    hash: bytes
    scope: Scope
    #: Whether it lasts until the end: those for other programs.
    lasting: bool


class Sessions:
    """Tokens and secrets of one run."""

    def __init__(self, entropy: Callable[[int], bytes], now: Callable[[], float]) -> None:
        """`now` is a monotonic clock in seconds."""
        self._entropy = entropy
        self._now = now
        self._tokens: list[tuple[bytes, float]] = []
        self._secrets: list[_Secret] = []
        #: Called when a token was used.
        self.used: Callable[[], None] = lambda: None

    def new_token(self) -> str:
        """A start token: good once, within `PATIENCE`."""
        made = unguessable(self._entropy)
        waiting = [one for one in self._tokens if one[1] > self._now()]
        self._tokens = [*waiting[-MAX_TOKENS + 1 :], (_hash(made), self._now() + PATIENCE)]
        return made

    @property
    def starting(self) -> bool:
        """Whether a token waits for its browser."""
        return any(until > self._now() for _, until in self._tokens)

    def redeem(self, token: str) -> str:
        """A new secret for everything, in exchange for a token. Raises `NoSession`."""
        shown = _hash(token)
        # All are compared, so that time does not tell which one it was.
        matches = [hmac.compare_digest(shown, kept) for kept, _ in self._tokens]
        if not any(matches):
            raise NoSession
        at = matches.index(True)
        _, until = self._tokens.pop(at)
        if until <= self._now():
            raise NoSession
        made = self.new_secret(Scope.APP, lasting=False)
        self.used()
        return made

    def new_secret(self, scope: Scope, *, lasting: bool) -> str:
        """A new secret. One that is `lasting` is good until the end of this run."""
        made = unguessable(self._entropy)
        self._secrets.append(_Secret(_hash(made), scope, lasting))
        if len(self._secrets) > MAX_SECRETS:
            oldest = next((one for one in self._secrets if not one.lasting), None)
            if oldest is not None:
                self._secrets.remove(oldest)
        return made

    def scope_of(self, secret: str) -> Scope:
        """What a secret may do. Raises `NoSession`."""
        shown = _hash(secret)
        found = [one for one in self._secrets if hmac.compare_digest(shown, one.hash)]
        if not found:
            raise NoSession
        return found[0].scope


def _hash(text: str) -> bytes:
    return sha256(text[:LONGEST].encode("utf-8", "replace")).digest()
