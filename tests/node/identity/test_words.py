"""Recovery words: the list, BIP-39's own vectors, and what people mistype."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.node.errors import InvalidWords, WordsFault
from heliogram.node.identity.accounts import Account
from heliogram.node.identity.words import COUNT, PREFIX, from_words, to_words, word_list
from tests.node.identity.samples import ALICE

seeds = st.binary(min_size=32, max_size=32)


def test_the_list() -> None:
    data = files("heliogram.node.identity").joinpath("english.txt").read_bytes()
    digest = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
    assert sha256(data).hexdigest() == digest
    words = word_list()
    assert len(set(words)) == 2048 == len({word[:PREFIX] for word in words})
    assert list(words) == sorted(words)


#: BIP-39's test vectors of 256 bits, without the wallets' further steps.
VECTORS = [
    ("00" * 32, "abandon " * 23 + "art"),
    ("7f" * 32, "legal winner thank year wave sausage worth useful " * 2 + "legal winner thank "
     "year wave sausage worth title"),
    ("80" * 32, "letter advice cage absurd amount doctor acoustic avoid " * 2 + "letter advice "
     "cage absurd amount doctor acoustic bless"),
    ("ff" * 32, "zoo " * 23 + "vote"),
    ("68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
     "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy "
     "gospel tennis maple dilemma loan word shrug inflict delay length"),
    ("9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
     "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed "
     "nation flash devote level hobby quick inner drive ghost inside"),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "words"), VECTORS)
def test_published_vectors(seed: str, words: str) -> None:
    assert to_words(bytes.fromhex(seed)) == words
    assert from_words(words).hex() == seed


@given(seeds)
def test_there_and_back(seed: bytes) -> None:
    words = to_words(seed)
    assert len(words.split()) == COUNT
    assert from_words(words) == seed
    shouted = "\n".join(f"  {word.upper()}" for word in words.split())
    assert from_words(shouted) == seed
    assert from_words(" ".join(word[:4] for word in words.split())) == seed


def fault(text: str) -> InvalidWords:
    with pytest.raises(InvalidWords) as caught:
        from_words(text)
    return caught.value


def test_a_wrong_word_is_named_by_its_place() -> None:
    """The text names the position, never the word; what it may have been is beside it."""
    words = to_words(bytes(range(32))).split()
    words[6] = "abandom"
    error = fault(" ".join(words))
    assert (error.fault, error.position, error.count) == (WordsFault.UNKNOWN_WORD, 7, 24)
    assert error.close[0] == "abandon"
    assert str(error) == "word 7 is not in the list"
    assert "abandon" not in repr(error)
    assert error.code == "words unknown word"


@pytest.mark.parametrize("count", [0, 1, 12, 23, 25])
def test_another_number_of_words(count: int) -> None:
    error = fault("abandon " * count)
    assert (error.fault, error.count) == (WordsFault.COUNT, count)
    assert str(error) == f"there are {count} words, not 24"


def test_the_checksum() -> None:
    """Of all words that could stand last, one in 256 fits; swapped neighbours are noticed as often."""
    good = to_words(bytes(range(32))).split()
    fitting = 0
    for word in word_list():
        try:
            from_words(" ".join((*good[:-1], word)))
        except InvalidWords as error:
            assert error.fault is WordsFault.CHECKSUM and error.position == 0
            assert "swapped" in str(error)
        else:
            fitting += 1
    assert fitting == 8


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    assert fault(text).code.startswith("words ")


def test_endless_text() -> None:
    assert fault(to_words(bytes(32)) + " " * 10_000).fault is WordsFault.COUNT
    assert fault("a" * 1_000_000).position == 1


@given(seeds)
def test_accounts_are_restored(seed: bytes) -> None:
    account = Account(seed)
    again = Account.from_words(account.words())
    assert (again.public, again.id, again.seed) == (account.public, account.id, seed)
    assert repr(account) == "<Account>"


def test_the_seed_is_no_key() -> None:
    """What signs is derived: the seed can be the root of other keys without any of them meeting."""
    from heliogram.wire.signing import SigningKey

    assert SigningKey(ALICE.seed).public != ALICE.public
    assert Account.new(entropy=bytes).seed == bytes(32)
