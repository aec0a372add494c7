"""What a forged message costs, counted: derivations and decryptions, not seconds."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any

import pytest

from heliogram import mls
from heliogram.mls.crypto import Suite
from heliogram.mls.framing import PrivateMessage, SenderData, _sender_data_key, encode_message
from heliogram.node.epoch_keys import TAG_SIZE
from heliogram.node.events import CouldNotRead, Unread
from heliogram.node.records import Outgoing
from tests.mls import forge
from tests.node.conversation.world import Member, group_of, one, texts

#: Derivations of a message: the sender data's key and nonce, and a generation's key, nonce and next secret.
SENDER_DATA, STEP = 2, 3


class Work:
    """How often was derived and opened since the last look."""

    def __init__(self) -> None:
        self.derived = self.opened = 0

    def taken(self) -> tuple[int, int]:
        """Derivations and decryptions; counts from 0 again."""
        found = self.derived, self.opened
        self.derived = self.opened = 0
        return found


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Counts while the test runs."""
    counted = Work()
    derive, open_ = hmac.digest, Suite.open

    def deriving(*arguments: Any) -> bytes:
        counted.derived += 1
        return bytes(derive(*arguments))

    def opening(self: Suite, *arguments: Any) -> bytes:
        counted.opened += 1
        return open_(self, *arguments)

    monkeypatch.setattr(hmac, "digest", deriving)
    monkeypatch.setattr(Suite, "open", opening)
    yield counted


def forged(by: Member, text: bytes, generation: int, *, leaf: int) -> Outgoing:
    """An entry that says to be `leaf`'s at `generation`. All but what is inside is as it should be."""
    (said,) = by.conversation.send(text, entropy=by.entropy).entries
    message = mls.decode_message(said.data[TAG_SIZE:])
    assert isinstance(message, PrivateMessage)
    group = by.conversation._member()
    secret = group._member.current.epoch.sender_data_secret
    broken = message.ciphertext[:-16] + bytes(16)
    key, nonce = _sender_data_key(group.suite, secret, broken)
    data = SenderData(leaf, generation, bytes(4)).encode()
    sealed = group.suite.seal(key, nonce, message._sender_data_aad(), data)
    made = forge.changed(message, encrypted_sender_data=sealed, ciphertext=broken)
    return Outgoing(said.epoch, said.data[:TAG_SIZE] + encode_message(made))


def test_32_generations_far_ahead_and_floods_of_the_next_cost_little(work: Work) -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, bob, mallory = group.members
    bob.say(b"first")
    (first,) = bob.outbox
    assert texts(alice.receive(first)) == [b"first"]
    bob.outbox = []
    bob.say(b"genuine")
    (genuine,) = bob.outbox
    leaf, saved = bob.conversation.own_leaf, dict(alice.records)
    forward = alice.conversation._member().config.max_forward

    def costs(generation: int) -> tuple[int, int]:
        entry = forged(mallory, b"x", generation, leaf=leaf)
        work.taken()
        assert one(alice.receive(entry), CouldNotRead).why is Unread.BROKEN
        return work.taken()

    for far in (1 + forward + 1, 1 << 31, (1 << 32) - 1):
        # Nothing is derived for it but who says so.
        assert costs(far) == (SENDER_DATA, 1), far
    for _ in range(300):
        assert costs(1) == (SENDER_DATA + STEP, 2)
    # The dearest there is: as far ahead as may be.
    assert costs(1 + forward) == (SENDER_DATA + STEP * (forward + 1), 2)
    # None of it left a trace, and what is genuine is read.
    assert alice.records == saved
    assert texts(alice.receive(genuine)) == [b"genuine"]
    assert texts(alice.receive(genuine)) == []
