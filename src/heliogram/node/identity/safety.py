"""Codes that two people compare, to know that nobody stands between them.

Each account has thirty digits of its own, or nine words; the code of two is both, the smaller first, so both
see the same. To forge one, somebody has to find a key whose hash begins with the same hundred bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from heliogram.node.errors import InvalidLink, LinkFault
from heliogram.node.identity import armour
from heliogram.node.identity.words import words_of
from heliogram.node.signing import Label, labelled_hash
from heliogram.wire.limits import HASH_SIZE

VERSION = 1

_KIND = "safety"

#: For one account: groups of digits, digits in a group, words.
_GROUPS, _DIGITS, _WORDS = 6, 5, 9

_MARK_WORDS = 3


@dataclass(frozen=True, slots=True)
class SafetyCode:
    """The code of two accounts. Equal for both of them."""

    accounts: tuple[bytes, bytes] = field(repr=False)

    def digits(self) -> str:
        """Sixty digits in groups of five."""
        return " ".join(sorted(_digits(account) for account in self.accounts))

    def words(self) -> str:
        """Eighteen words of the list that account seeds are written in."""
        return " ".join(sorted(_words(account) for account in self.accounts))

    def to_scan(self) -> str:
        """The text of a QR code that the other one scans."""
        data = bytes((VERSION,)) + b"".join(self.accounts)
        return armour.to_scan(armour.to_text(_KIND, data))

    def matches(self, scanned: str) -> bool:
        """Whether what was scanned is the code of the same two. Raises `InvalidLink` if it is no code."""
        data = armour.from_text(_KIND, scanned)
        if data[:1] > bytes((VERSION,)):
            raise InvalidLink(LinkFault.NEWER)
        if len(data) != 1 + 2 * HASH_SIZE:
            raise InvalidLink(LinkFault.DAMAGED)
        return data == bytes((VERSION,)) + b"".join(self.accounts)


def safety_code(one: bytes, other: bytes) -> SafetyCode:
    """The code of two accounts, given by their ids in any order."""
    first, second = sorted((one, other))
    return SafetyCode((first, second))


def mark(account: bytes) -> str:
    """Three words by which accounts of one name are told apart at a glance. Too few to prove anything."""
    return " ".join(words_of(_fingerprint(account)[-8:], _MARK_WORDS))


def _fingerprint(account: bytes) -> bytes:
    return labelled_hash(Label.SAFETY, account)


def _digits(account: bytes) -> str:
    digest = _fingerprint(account)
    pieces = (digest[at : at + 5] for at in range(0, 5 * _GROUPS, 5))
    return " ".join(f"{int.from_bytes(one, 'big') % 10**_DIGITS:0{_DIGITS}}" for one in pieces)


def _words(account: bytes) -> str:
    return " ".join(words_of(_fingerprint(account), _WORDS))
