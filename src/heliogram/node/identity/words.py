"""A 256-bit seed as 24 words (BIP-39, English list), and back.

The words are the seed and a byte of its SHA-256, eleven bits each. They are not hashed further, as wallets do
it: whoever has the words has the seed and nothing else.
"""

from __future__ import annotations

import hashlib
import unicodedata
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from heliogram.node.errors import InvalidWords, WordsFault

SEED_SIZE = 32
COUNT = 24

#: Letters by which each word of the list is known already.
PREFIX = 4

#: Characters of the longest text that is looked at.
_LONGEST = 4096

#: Words that are offered in place of a wrong one.
_OFFERED = 5

_BITS = 11


@cache
def word_list() -> tuple[str, ...]:
    """The 2,048 words, in order."""
    return tuple(files(__package__).joinpath("english.txt").read_text("ascii").split())


@cache
def _positions() -> dict[str, int]:
    """Where each word is; short forms as well."""
    words = word_list()
    short = {word[:PREFIX]: at for at, word in enumerate(words)}
    return short | {word: at for at, word in enumerate(words)}


def words_of(data: bytes, count: int) -> tuple[str, ...]:
    """The first `count` words of `data`, eleven bits each."""
    number = int.from_bytes(data, "big")
    bits = 8 * len(data)
    mask = (1 << _BITS) - 1
    return tuple(word_list()[number >> bits - _BITS * (at + 1) & mask] for at in range(count))


def to_words(seed: bytes) -> str:
    """The 24 words of `seed`, 32 bytes, with spaces between them."""
    return " ".join(words_of(seed + hashlib.sha256(seed).digest()[:1], COUNT))


def from_words(text: str) -> bytes:
    """The seed of 24 words; case and spaces do not matter, four letters of a word are enough.

    Raises `InvalidWords`: which word is in no list and what it may have been, or that they do not belong
    together.
    """
    words = unicodedata.normalize("NFKD", text[:_LONGEST]).lower().split()
    number = 0
    for position, word in enumerate(words[:COUNT], start=1):
        at = _positions().get(word)
        if at is None:
            close = tuple(get_close_matches(word[:16], word_list(), _OFFERED))
            fault = WordsFault.UNKNOWN_WORD
            raise InvalidWords(fault, count=len(words), position=position, close=close)
        number = number << _BITS | at
    if len(words) != COUNT or len(text) > _LONGEST:
        raise InvalidWords(WordsFault.COUNT, count=len(words))
    seed, checksum = (number >> 8).to_bytes(SEED_SIZE, "big"), number & 0xFF
    if hashlib.sha256(seed).digest()[0] != checksum:
        raise InvalidWords(WordsFault.CHECKSUM, count=len(words))
    return seed
