"""A profile with very many messages, for benches: words as rare as in real texts, people, months, files."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

from heliogram.mls import Secret
from heliogram.node.store.database import Store
from heliogram.node.store.messages import Messages

#: Milliseconds: the first message, and how far messages lie apart on average.
BEGIN = 1_700_000_000_000
STEP = 80_000

_SYLLABLES = [a + b for a in "bdfghklmnprstvwz" for b in "aeiou"]


def vocabulary(size: int) -> list[str]:
    """Words, the most common one first."""
    words = []
    for number in range(size):
        word, rest = "", number + 80
        while rest:
            word, rest = word + _SYLLABLES[rest % 80], rest // 80
        words.append(word)
    return words


def account(number: int) -> bytes:
    """The id of a person."""
    return random.Random(f"account {number}").randbytes(32)


def fill(store: Store, messages: int, conversations: int = 200, *, seed: int = 1) -> None:
    """Put messages into a new store: Zipf's words, a few conversations far busier than others."""
    for _ in batches(store, messages, conversations, seed=seed):
        pass


def batches(
    store: Store, messages: int, conversations: int = 200, *, seed: int = 1
) -> Iterator[int]:
    """The same bit by bit: gives how many are there."""
    rng = random.Random(seed)
    words = vocabulary(60_000)
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    busy = [1 / rank for rank in range(1, conversations + 1)]
    table = Messages(store)
    with store.transaction():
        for number in range(1, conversations + 1):
            store.execute(
                "INSERT INTO conversations (id, kind, phase, created) VALUES (?, 'group', 'open', 0)",
                (number.to_bytes(32, "big"),),
            )
    done = 0
    while done < messages:
        batch = min(10_000, messages - done)
        where = rng.choices(range(1, conversations + 1), busy, k=batch)
        said = rng.choices(words, weights, k=batch * 8)
        with store.transaction():
            for index in range(batch):
                at = BEGIN + (done + index) * STEP + rng.randrange(STEP)
                count = rng.randrange(1, 16)
                start = rng.randrange(len(said) - count)
                person = rng.randrange(1, 40)
                table.add(
                    conversation=where[index],
                    sent=at,
                    kind="text",
                    text=" ".join(said[start : start + count]),
                    received=at // 1000,
                    state="read",
                    id=rng.randbytes(32),
                    sender=account(person),
                    content=rng.randbytes(100),
                    files=int(person == 7),
                )
        done += batch
        yield done


def make(path: Path, messages: int = 1_000_000, conversations: int = 200) -> Secret:
    """A new file with that many messages; gives its key."""
    key = Secret(os.urandom(32))
    store = Store.create(path, key)
    try:
        fill(store, messages, conversations)
        store.execute("INSERT INTO search (search) VALUES ('optimize')")
    finally:
        store.close()
    return key
