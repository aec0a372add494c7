"""An account: a person, known by one key.

Everything of an account follows from its seed. The seed itself is never a key: each use derives its own,
under its label.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from heliogram.node.errors import IdentityFault, InvalidIdentity
from heliogram.node.identity.words import SEED_SIZE, from_words, to_words
from heliogram.node.signing import Label, NodeKey, labelled_hash
from heliogram.wire.limits import HASH_SIZE

_URI = re.compile(r"heliogram:account/([0-9a-f]{64})")


class Account(NodeKey):
    """Our own account: its seed and the key that signs for it. Its text shows nothing."""

    __slots__ = ("_seed",)

    def __init__(self, seed: bytes) -> None:
        """From a seed of 32 bytes."""
        super().__init__(labelled_hash(Label.ACCOUNT_KEY, seed))
        self._seed = seed

    @classmethod
    def new(cls, *, entropy: Callable[[int], bytes]) -> Account:
        """A new account."""
        return cls(entropy(SEED_SIZE))

    @classmethod
    def from_words(cls, text: str) -> Account:
        """The account that was written down as `text`. Raises `InvalidWords`."""
        return cls(from_words(text))

    def words(self) -> str:
        """The 24 words to write down. Whoever has them is this account."""
        return to_words(self._seed)

    @property
    def seed(self) -> bytes:
        """The 32 bytes that all else follows from, to be kept encrypted."""
        return self._seed

    @property
    def id(self) -> bytes:
        """The account's id."""
        return account_id(self.public)


def account_id(public: bytes) -> bytes:
    """The id of the account with this public key: 32 bytes, the fingerprint in contact links."""
    return labelled_hash(Label.ACCOUNT, public)


def account_uri(account: bytes) -> str:
    """The URI of the account with this id: the sender of its messages, and what a mention links to."""
    return f"heliogram:account/{account.hex()}"


def from_account_uri(uri: str) -> bytes:
    """The account id in `uri`. Raises `InvalidIdentity`."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise InvalidIdentity(IdentityFault.MALFORMED, "this is no account's URI")
    account = bytes.fromhex(found[1])
    return account[:HASH_SIZE]
