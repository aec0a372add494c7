"""Objects: one encoding each, nothing else is accepted, and signatures count only where they were made."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.wire import objects as o
from heliogram.wire import receipts as r
from heliogram.wire import work
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.limits import (
    MAX_BATCH,
    MAX_BODY,
    MAX_ENDPOINT,
    MAX_ENDPOINTS,
    MAX_FIRST_EPOCH,
    MAX_HEADER,
    MAX_PATH,
    MAX_RELAYS,
    MAX_STATUS,
    MAX_VERSIONS,
)
from heliogram.wire.signing import Label, Object, SigningKey, labelled, labelled_hash, verify
from tests.wire import samples as s

# --- Encodings ------------------------------------------------------------------------------------

bytes32, bytes64 = st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64)


def uint(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


def tuples(one: st.SearchStrategy[Any], low: int, high: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, min_size=low, max_size=high).map(tuple)


proofs = st.builds(work.Proof, uint(32), uint(64))
relays = st.builds(
    o.RelayDescription,
    bytes32,
    bytes32,
    tuples(st.binary(max_size=MAX_ENDPOINT), 0, MAX_ENDPOINTS),
)


@st.composite
def configurations(draw: st.DrawFn) -> o.Configuration:
    chosen = draw(
        st.lists(relays, min_size=1, max_size=MAX_RELAYS, unique_by=lambda relay: relay.key)
    )
    quorum = draw(st.integers(len(chosen) // 2 + 1, len(chosen)))
    return o.Configuration(draw(bytes32), quorum, tuple(chosen))


@st.composite
def seats(draw: st.DrawFn, last: int = 2**64 - 1) -> o.Seat:
    configuration = draw(configurations())
    keys = draw(tuples(bytes32, configuration.n, configuration.n))
    return o.Seat(configuration, draw(st.integers(0, last)), keys)


opens = st.builds(o.Open, seats(MAX_FIRST_EPOCH), proofs)
headers = seats().map(lambda seat: o.Header(seat.configuration, seat.keys))
values = st.builds(o.Value, st.binary(max_size=200), st.binary(max_size=200))
signatures = st.builds(o.RelaySignature, uint(8), bytes64)


def ascending(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    found = st.lists(one, max_size=MAX_RELAYS, unique_by=lambda part: part.relay)
    return found.map(lambda parts: tuple(sorted(parts, key=lambda part: part.relay)))


certificates = st.builds(o.Certificate, uint(64), uint(32), bytes32, ascending(signatures))
promises = st.builds(o.SignedPromise, uint(8), st.none() | certificates, bytes64)
justifications = st.builds(o.Justification, ascending(promises))


@st.composite
def receipts(draw: st.DrawFn) -> r.Receipt:
    size = draw(st.integers(1, MAX_BATCH))
    position = draw(st.integers(0, size - 1))
    path = draw(tuples(bytes32, 0, MAX_PATH))
    return r.Receipt(draw(uint(64)), draw(bytes32), position, size, path, draw(bytes64))


evidences = st.builds(r.Evidence, uint(64), bytes32, receipts())
limits = st.builds(
    o.Limits,
    *(uint(8), uint(8), uint(32), uint(32), uint(16), uint(16)),
    *(uint(64), uint(16), uint(16), uint(16)),
)
greetings = st.builds(
    o.Greeting,
    *(uint(16), tuples(uint(16), 0, MAX_VERSIONS), bytes32, bytes32, bytes32, uint(64), limits),
)
statuses = st.builds(
    o.Status,
    *(bytes32, bytes32, bytes32, uint(64), bytes32, uint(64), bytes64),
)

STRATEGIES: dict[type[Object], st.SearchStrategy[Any]] = {
    work.Proof: proofs,
    o.RelayDescription: relays,
    o.Configuration: configurations(),
    o.Seat: seats(),
    o.Open: opens,
    o.Header: headers,
    o.Value: values,
    o.RelaySignature: signatures,
    o.Certificate: certificates,
    o.SignedPromise: promises,
    o.Justification: justifications,
    r.Receipt: receipts(),
    r.Evidence: evidences,
    o.Limits: limits,
    o.Greeting: greetings,
    o.Status: statuses,
}
kinds = pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)


def test_every_structure_is_here() -> None:
    # By name: a slotted dataclass leaves the class that it was made from behind.
    names = {kind.__name__ for kind in STRATEGIES}
    ours = {
        kind.__name__
        for kind in Object.__subclasses__()
        if kind.__module__.startswith("heliogram.wire.")  # the relay has structures of its own
    }
    assert names == ours
    assert names == {type(one).__name__ for one in s.OBJECTS}


@kinds
@given(data=st.data())
def test_round_trip(kind: type[Object], data: st.DataObject) -> None:
    value = data.draw(STRATEGIES[kind])
    encoded = value.encode()
    assert kind.from_bytes(encoded) == value
    with pytest.raises(RemoteError):
        kind.from_bytes(encoded + b"\x00")


@pytest.mark.parametrize("value", s.OBJECTS, ids=lambda value: type(value).__name__)
def test_every_cut_is_refused(value: Object) -> None:
    encoded = value.encode()
    for end in range(len(encoded)):
        with pytest.raises(RemoteError) as caught:
            type(value).from_bytes(encoded[:end])
        assert caught.value.code is ErrorCode.MALFORMED


@pytest.mark.parametrize("value", s.OBJECTS, ids=lambda value: type(value).__name__)
@given(data=st.data())
def test_changed_bytes_are_refused_or_another_value(value: Object, data: st.DataObject) -> None:
    """Whatever is read, encodes to the bytes that were read; and only `RemoteError` comes out."""
    encoded = bytearray(value.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(uint(8))
    try:
        read = type(value).from_bytes(bytes(encoded))
    except RemoteError:
        return
    assert read.encode() == encoded


def test_nothing_from_outside_in_a_text() -> None:
    for value in s.OBJECTS:
        text = repr(value)
        assert "b'" not in text.replace("b''", "") and 'b"' not in text, type(value).__name__
    assert repr(s.OWNER) == "<SigningKey>"


# --- What is refused ------------------------------------------------------------------------------

_CONFIGURATION = s.CONFIGURATION


@pytest.mark.parametrize(
    "value",
    [
        replace(_CONFIGURATION, quorum=2),  # two quorums of 2 in 4 need not meet
        replace(_CONFIGURATION, quorum=5),
        replace(_CONFIGURATION, quorum=0),
        replace(_CONFIGURATION, quorum=0, relays=()),
        replace(_CONFIGURATION, quorum=4, relays=_CONFIGURATION.relays[:1] * 4),
        replace(
            _CONFIGURATION,
            quorum=12,
            relays=tuple(replace(_CONFIGURATION.relays[0], key=bytes([i]) * 32) for i in range(17)),
        ),
        replace(_CONFIGURATION.relays[0], endpoints=(b"x",) * 5),
        replace(_CONFIGURATION.relays[0], endpoints=(b"x" * 257,)),
        replace(s.SEAT, keys=s.SEAT.keys[:3]),
        replace(s.OPEN, seat=replace(s.SEAT, epoch=MAX_FIRST_EPOCH + 1)),
        replace(s.HEADER, next_keys=(*s.HEADER.next_keys, b"k" * 32)),
        replace(s.DECISION, signatures=s.DECISION.signatures[::-1]),
        replace(s.DECISION, signatures=s.DECISION.signatures[:1] * 2),
        replace(
            s.DECISION,
            signatures=tuple(o.RelaySignature(i, bytes(64)) for i in range(MAX_RELAYS + 1)),
        ),
        replace(s.JUSTIFICATION, promises=s.JUSTIFICATION.promises[::-1]),
        replace(s.RECEIPT, position=3),
        replace(s.RECEIPT, size=MAX_BATCH + 1),
        replace(s.RECEIPT, path=(bytes(32),) * (MAX_PATH + 1)),
        o.Value(bytes(MAX_HEADER + 1), b""),
        o.Value(b"", bytes(MAX_BODY + 1)),
    ],
)
def test_refused(value: Object) -> None:
    with pytest.raises(RemoteError) as caught:
        type(value).from_bytes(value.encode())
    assert caught.value.code is ErrorCode.MALFORMED


def test_another_version_of_a_configuration() -> None:
    encoded = b"\x00\x02" + _CONFIGURATION.encode()[2:]
    with pytest.raises(RemoteError):
        o.Configuration.from_bytes(encoded)


def test_sizes_of_quorums() -> None:
    """The table of the design: n, q, and how many may lie."""
    one = _CONFIGURATION.relays[0]
    for n, q, b in [(1, 1, 0), (3, 2, 0), (4, 3, 1), (5, 4, 2), (5, 3, 0), (7, 5, 2)]:
        chosen = tuple(replace(one, key=bytes([i]) * 32) for i in range(n))
        value = o.Configuration.from_bytes(o.Configuration(bytes(32), q, chosen).encode())
        assert (value.n, value.q, value.b) == (n, q, b)
        assert value.index_of(bytes([n - 1]) * 32) == n - 1
        assert value.index_of(b"nobody") is None


@pytest.mark.parametrize(
    "changed",
    [
        {"difficulty_open": 33},
        {"difficulty_inbox": 33},
        {"max_frame": (384 << 10) + 1},
        {"max_frame": 1000},
        {"max_entry": (64 << 10) + 1},
        {"max_entry": 100},
        {"max_pending": 0},
        {"max_pending": 65},
        {"max_channels": 0},
        {"max_channels": 129},
        {"max_blob": (4 << 30) + 1},
        {"blob_days": 91},
    ],
)
def test_limits_beyond_the_protocol(changed: dict[str, int]) -> None:
    assert s.LIMITS.within_protocol()
    assert not replace(s.LIMITS, **changed).within_protocol()


# --- Labels and signatures ------------------------------------------------------------------------


def test_labels_are_different_and_hold_no_zero() -> None:
    values = [label.value for label in Label]
    assert len(set(values)) == len(values)
    assert not any(b"\x00" in value for value in values)
    assert labelled(Label.VOTE1, b"x") == b"Heliogram 1 vote 1\x00x"


@pytest.mark.parametrize("made", Label)
@pytest.mark.parametrize("asked", Label)
def test_a_signature_is_good_for_its_label_only(made: Label, asked: Label) -> None:
    """Number 45 of the acceptance list, for what relays and their clients sign."""
    signature = s.OWNER.sign(made, b"content")
    assert verify(s.OWNER.public, asked, b"content", signature) == (made is asked)


def test_verify_never_raises() -> None:
    good = s.OWNER.sign(Label.CELL, b"")
    assert not verify(b"", Label.CELL, b"", good)
    assert not verify(s.OWNER.public, Label.CELL, b"", good[:-1])
    assert not verify(bytes(32), Label.CELL, b"", bytes(64))  # a key of small order
    assert not verify(b"\xff" * 32, Label.CELL, b"", good)


# --- Certificates ---------------------------------------------------------------------------------


def test_a_quorum_counts() -> None:
    assert s.LOCK.counts(s.SEAT, Label.VOTE1)
    assert s.DECISION.counts(s.SEAT, Label.VOTE2)
    assert s.certificate(Label.VOTE2, voters=(0, 1, 2, 3)).counts(s.SEAT, Label.VOTE2)
    assert s.DECISION.has(3) and not s.DECISION.has(2)


def other_seats() -> list[o.Seat]:
    """Seats that differ from the story's in one thing each."""
    configuration, keys = s.CONFIGURATION, s.SEAT.keys
    return [
        replace(s.SEAT, epoch=s.EPOCH + 1),
        # A stranger's: all the same but the keys.
        replace(s.SEAT, keys=(*keys[:3], s.keys(2)[3])),
        replace(s.SEAT, keys=keys[::-1]),
        *(
            replace(s.SEAT, configuration=other)
            for other in (
                replace(configuration, log=bytes(32)),
                replace(configuration, quorum=4),
                replace(configuration, relays=configuration.relays[:3]),
                replace(configuration, relays=configuration.relays[::-1]),
            )
        ),
    ]


def test_what_does_not_count() -> None:
    """Numbers 5 and 20: forged, short, foreign, out of another slot."""
    good = s.DECISION
    votes = good.signatures
    bad = [
        s.LOCK,  # first votes are no second votes
        replace(good, signatures=votes[:2]),
        replace(good, signatures=(*votes[:2], votes[1])),
        replace(good, signatures=(*votes[:2], replace(votes[2], relay=2))),
        replace(good, signatures=(*votes[:2], replace(votes[2], relay=4))),
        replace(good, signatures=(*votes, o.RelaySignature(4, bytes(64)))),
        replace(good, signatures=(votes[0], votes[1], o.RelaySignature(2, bytes(64)), votes[2])),
        replace(good, epoch=good.epoch + 1),
        replace(good, round=1),
        replace(good, h=bytes(32)),
        replace(good, signatures=()),
    ]
    assert not any(one.counts(s.SEAT, Label.VOTE2) for one in bad)
    for seat in other_seats():
        assert not good.counts(seat, Label.VOTE2)
        # Not even if it says that it is of that epoch.
        assert not replace(good, epoch=seat.epoch).counts(seat, Label.VOTE2)


def test_promises() -> None:
    """A promise counts with its lock or not at all."""
    free, locked, _ = s.JUSTIFICATION.promises
    seat = s.SEAT
    assert free.counts(seat, 1)
    assert locked.counts(seat, 1)
    assert not locked.counts(seat, 2)
    assert not any(one.counts(other, 1) for one in (free, locked) for other in other_seats())
    assert not replace(locked, lock=None).counts(seat, 1)
    assert not replace(free, lock=s.LOCK).counts(seat, 1)
    assert not replace(free, relay=1).counts(seat, 1)
    assert not replace(free, relay=4).counts(seat, 1)
    # A real signature over a lock whose certificate does not count: second votes, or a later round.
    assert not s.promise(0, s.DECISION).counts(seat, 1)
    assert not s.promise(0, s.LOCK, round=0).counts(seat, 0)


# --- Hashes ---------------------------------------------------------------------------------------


def test_names() -> None:
    """Each hash by hand, from the law's words."""

    def by_hand(label: bytes, content: bytes) -> bytes:
        return hashlib.sha256(b"Heliogram 1 " + label + b"\x00" + content).digest()

    body_hash = hashlib.sha256(s.VALUE.body).digest()
    assert s.VALUE.hash == by_hand(b"value", s.VALUE.header + body_hash)
    assert s.SEAT.id == s.OPEN.instance == by_hand(b"seat", s.OPEN.encode()[:-12])
    assert s.ENTRY_HASH == by_hand(b"entry", s.ENTRY)
    assert s.CHAIN == by_hand(b"chain", s.INSTANCE + s.ENTRY_HASH)
    assert s.DECISION.hash == by_hand(b"certificate", s.DECISION.encode())
    assert o.inbox_id(b"k") == by_hand(b"inbox", b"k")
    assert o.cell_id(b"k") == by_hand(b"cell id", b"k")
    assert o.blob_delete_hash(b"k") == by_hand(b"blob delete", b"k")
    assert o.blob_id(b"k") == o.work_target(b"k") == hashlib.sha256(b"k").digest()
    assert labelled_hash(Label.ENTRY, s.ENTRY) == s.ENTRY_HASH


def test_the_instance_is_the_first_seat_without_the_proof() -> None:
    assert replace(s.OPEN, proof=work.Proof(1, 1)).instance == s.INSTANCE
    assert len({seat.id for seat in (s.SEAT, *other_seats())}) == 1 + len(other_seats())


def test_a_seat_is_the_same_with_and_without_its_id() -> None:
    """The id is kept beside the fields: nothing else sees it."""
    known, fresh = replace(s.SEAT), replace(s.SEAT)
    assert known.id is known.id
    assert (known, hash(known), repr(known)) == (fresh, hash(fresh), repr(fresh))
    assert replace(known, epoch=2).id != known.id
    relay = s.RELAYS[2].public
    assert (fresh.index_of(relay), fresh.key_of(relay)) == (2, s.SEAT.keys[2])
    assert fresh.index_of(b"nobody") is None and fresh.key_of(b"nobody") is None
    assert s.HEADER.seat(2) == o.Seat(s.CONFIGURATION, 2, s.keys(2))


# --- Merkle trees ---------------------------------------------------------------------------------


def rfc_6962(leaves: list[bytes]) -> bytes:
    """The root as RFC 6962, section 2.1, defines it."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + rfc_6962(leaves[:half]) + rfc_6962(leaves[half:])).digest()


@given(size=st.integers(1, 70))
def test_trees_are_those_of_the_rfc(size: int) -> None:
    leaves = [bytes([i]) * 32 for i in range(size)]
    root, paths = r.merkle_tree(leaves)
    assert root == rfc_6962(leaves)
    for position, path in enumerate(paths):
        assert r.merkle_root(leaves[position], position, size, path) == root


@given(size=st.integers(1, 40), data=st.data())
def test_a_path_fits_one_place(size: int, data: st.DataObject) -> None:
    """Another leaf, another place, a longer or a shorter path: another root, or none."""
    leaves = [bytes([i]) * 32 for i in range(size)]
    root, paths = r.merkle_tree(leaves)
    at = data.draw(st.integers(0, size - 1))
    path = paths[at]
    assert r.merkle_root(b"x" * 32, at, size, path) != root
    for other in {*range(size + 1), -1} - {at}:
        assert r.merkle_root(leaves[at], other, size, path) != root
    assert r.merkle_root(leaves[at], at, size, (*path, bytes(32))) != root
    if path:
        assert r.merkle_root(leaves[at], at, size, path[:-1]) != root


def test_receipts() -> None:
    relay, receipt = s.RELAYS[0].public, s.RECEIPT
    assert receipt.proves(relay, s.INSTANCE, s.EPOCH, s.ENTRY_HASH)
    assert s.EVIDENCE.proves(relay, s.INSTANCE)
    assert not receipt.proves(s.RELAYS[1].public, s.INSTANCE, s.EPOCH, s.ENTRY_HASH)
    assert not receipt.proves(relay, bytes(32), s.EPOCH, s.ENTRY_HASH)
    assert not receipt.proves(relay, s.INSTANCE, s.EPOCH + 1, s.ENTRY_HASH)
    assert not receipt.proves(relay, s.INSTANCE, s.EPOCH, bytes(32))
    for changed in (
        replace(receipt, index=1),
        replace(receipt, chain=bytes(32)),
        replace(receipt, position=0),
        replace(receipt, size=2),
        replace(receipt, size=4),
        replace(receipt, path=receipt.path[:1]),
    ):
        assert not changed.proves(relay, s.INSTANCE, s.EPOCH, s.ENTRY_HASH)


def test_statuses() -> None:
    relay = s.RELAYS[1].public
    assert s.STATUS.proves(relay)
    assert not s.STATUS.proves(s.RELAYS[0].public)
    assert not replace(s.STATUS, epoch=9).proves(relay)
    assert not replace(s.STATUS, seat=bytes(32)).proves(relay)
    assert len(s.STATUS.encode()) <= MAX_STATUS


def test_signing_keys_come_from_their_seed() -> None:
    assert SigningKey(bytes(32)).public == SigningKey(bytes(32)).public
