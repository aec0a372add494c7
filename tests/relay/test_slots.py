"""The certified slot with real signatures: the acceptance numbers of one relay, and random schedules."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.codec import DecodeError, decode_all
from heliogram.relay import errors, slots
from heliogram.relay.slots import Answer, Context, Log, Slot
from heliogram.wire.errors import RemoteError
from heliogram.wire.frames import Refusal
from heliogram.wire.limits import MAX_GRACE_ENTRIES, MAX_GRACE_ENTRY, MAX_ROUND_STEP
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    Header,
    Justification,
    RelayDescription,
    RelaySignature,
    SignedPromise,
    Value,
    sign_status,
    vote_content,
)
from heliogram.wire.signing import Label, SigningKey

N, Q, EPOCH = 4, 3, 7
KEYS = [SigningKey(sha256(b"relay %d" % i).digest()) for i in range(2 * N)]
LOG = bytes(32)


def configured(relays: range) -> Configuration:
    described = tuple(RelayDescription(KEYS[i].public, bytes(32), ()) for i in relays)
    return Configuration(LOG, Q, described)


OLD, NEW = configured(range(N)), configured(range(1, N + 1))
NOTHING = Justification(())


def member_keys(epoch: int) -> tuple[bytes, ...]:
    return tuple(sha256(b"%d %d" % (epoch, i)).digest() for i in range(N))


def value(text: bytes, configuration: Configuration = OLD) -> Value:
    return Value(Header(configuration, member_keys(EPOCH + 1)).encode(), text)


V, W = value(b"v"), value(b"w")


def certificate(
    label: Label, one: Value, round: int = 0, voters: tuple[int, ...] = (0, 1, 2), epoch: int = EPOCH,
    configuration: Configuration = OLD,
) -> Certificate:  # fmt: skip
    content = vote_content(LOG, configuration.cfg, epoch, round, one.hash)
    votes = tuple(RelaySignature(i, KEYS[i].sign(label, content)) for i in voters)
    return Certificate(epoch, round, one.hash, votes)


class Relay:
    """A relay's shell in little: it saves, loads, then signs; and remembers all that it signed."""

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.log = Log(KEYS[index].public, OLD, member_keys(EPOCH), EPOCH)
        self.slot = Slot()
        self.votes: dict[tuple[Label, int], bytes] = {}
        self.floor = 0

    def context(self) -> Context:
        return slots.context(self.log)

    def save(self, slot: Slot) -> None:
        self.slot = Slot.from_bytes(slot.encode())
        assert self.slot == slot

    def lock(self, one: Value, round: int = 0, why: Justification = NOTHING) -> Answer:
        slot, answer = slots.lock(self.slot, self.context(), round, one, why)
        self.save(slot)
        return self.signed(answer, round)

    def commit(self, one: Certificate, given: Value | None = None) -> Answer:
        slot, answer = slots.commit(self.slot, self.context(), one, given)
        self.save(slot)
        return self.signed(answer, one.round)

    def new_round(self, round: int) -> Answer:
        slot, answer = slots.new_round(self.slot, self.context(), round)
        self.save(slot)
        return self.signed(answer, round)

    def decide(self, one: Certificate, given: Value | None = None) -> Answer:
        self.log, slot, answer = slots.decide(self.log, self.slot, one, given)
        self.log = Log.from_bytes(self.log.encode())
        self.save(slot)
        return answer

    def signed(self, answer: Answer, round: int) -> Answer:
        """Nothing that is signed contradicts what was signed before."""
        if isinstance(answer, slots.Voted1 | slots.Voted2 | slots.Promised):
            assert round >= self.floor
            self.floor = round
            assert self.votes.setdefault((answer.label, round), answer.content) == answer.content
        return answer

    def promise(self, round: int) -> SignedPromise:
        answer = self.new_round(round)
        assert isinstance(answer, slots.Promised)
        return SignedPromise(
            self.index, answer.lock, KEYS[self.index].sign(answer.label, answer.content)
        )


def refused(answer: Answer) -> Refusal:
    assert isinstance(answer, slots.Refused)
    return answer.reason


LOCK, DECISION = certificate(Label.VOTE1, V), certificate(Label.VOTE2, V)


# --- The acceptance numbers -----------------------------------------------------------------------


@pytest.mark.parametrize("voters", [(0, 1), (0, 1, 1), (0, 1, 9)])
def test_5_a_forged_or_short_certificate_is_refused(voters: tuple[int, ...]) -> None:
    if 9 in voters:
        good = certificate(Label.VOTE2, V)
        bad = replace(good, signatures=(*good.signatures[:2], RelaySignature(9, bytes(64))))
    else:
        bad = certificate(Label.VOTE2, V, voters=voters)
    relay = Relay()
    with pytest.raises(errors.BadCertificate):
        relay.decide(bad, V)
    with pytest.raises(errors.BadCertificate):
        relay.decide(LOCK, V)
    assert (relay.slot, relay.log.epoch) == (Slot(), EPOCH)
    assert refused(relay.commit(DECISION, V)) is Refusal.BAD_CERTIFICATE
    # Two that count: the first one stays, the second is proof.
    relay.decide(DECISION, V)
    other = certificate(Label.VOTE2, W)
    answer = slots.decide_again(relay.slot, OLD, other)
    assert answer == slots.Decided(DECISION, V)
    assert slots.decide_again(relay.slot, OLD, DECISION) == slots.Done()
    with pytest.raises(errors.BadCertificate):
        slots.decide_again(relay.slot, OLD, certificate(Label.VOTE1, W))


def test_12_a_rollback_between_two_votes_ends_in_abstention() -> None:
    relay = Relay()
    backup = relay.slot
    assert isinstance(relay.lock(V), slots.Voted1)
    relay.slot = backup
    relay.log = slots.fence(relay.log, LOG)
    assert slots.fence(relay.log, bytes([1]) * 32) == relay.log
    # Without a context there is no LOCK, no COMMIT, no NEWROUND.
    with pytest.raises(errors.Fenced):
        relay.context()
    with pytest.raises(errors.Fenced):
        slots.status(relay.log, LOG, 0, LOG, None)
    others = [replace(relay.log, relay=KEYS[i].public, fence=None) for i in (1, 2)]
    statuses = [
        sign_status(slots.status(log, LOG, 0, LOG, None), KEYS[i])
        for i, log in enumerate(others, 1)
    ]
    for bad in (
        statuses[:1],
        [statuses[0]] * 2,
        [statuses[0], replace(statuses[1], nonce=bytes([1]) * 32)],
        [statuses[0], replace(statuses[1], relay=KEYS[0].public)],
        [statuses[0], replace(statuses[1], signature=bytes(64))],
        [statuses[0], sign_status(replace(statuses[1], decided=LOCK), KEYS[2])],
    ):
        with pytest.raises(errors.BadStatus):
            slots.unfence(relay.log, bad)
    relay.log = slots.unfence(relay.log, statuses)
    assert refused(relay.lock(W)) is Refusal.ABSTAINING
    assert refused(relay.commit(LOCK, V)) is Refusal.ABSTAINING
    assert refused(relay.new_round(1)) is Refusal.ABSTAINING
    with pytest.raises(errors.NotFenced):
        slots.unfence(relay.log, statuses)
    # The decision comes from the others, and in the next epoch it votes again.
    relay.decide(DECISION, V)
    assert not relay.context().abstains
    # Had the others shown a decision here, it would abstain in the next epoch as well.
    fenced = slots.fence(replace(relay.log, epoch=EPOCH), LOG)
    told = [sign_status(replace(s, epoch=EPOCH + 1, decided=DECISION), KEYS[i])
            for i, s in enumerate(statuses, 1)]  # fmt: skip
    assert slots.unfence(fenced, told).votes_from == EPOCH + 2


def test_13_two_values_in_one_round_get_one_vote() -> None:
    relay = Relay()
    assert isinstance(relay.lock(V), slots.Voted1)
    assert refused(relay.lock(W)) is Refusal.VOTED_OTHERWISE
    assert isinstance(relay.lock(V), slots.Voted1)
    assert isinstance(relay.commit(LOCK), slots.Voted2)
    assert refused(relay.commit(certificate(Label.VOTE1, W), W)) is Refusal.VOTED_OTHERWISE
    assert Relay().commit(LOCK) == slots.NeedValue()
    assert refused(Relay().commit(LOCK, W)) is Refusal.BAD_VALUE


def test_14_a_later_round_must_take_the_locked_value() -> None:
    relays = [Relay(i) for i in range(N)]
    for relay in relays[:3]:
        relay.lock(V)
        relay.commit(LOCK)
    promises = tuple(relay.promise(1) for relay in relays)
    for shown in (promises[:3], promises[1:], promises):
        why = Justification(shown)
        assert refused(relays[3].lock(W, 1, why)) is Refusal.NOT_THE_LOCKED_VALUE
        assert isinstance(relays[3].lock(V, 1, why), slots.Voted1)
    # A quorum that leaves the lock out, or has no quorum, frees nothing.
    hidden = replace(promises[1], lock=None)
    for shown in (promises[:2], (*promises[:2], promises[1]), (promises[0], hidden, promises[2])):
        assert refused(relays[0].lock(W, 1, Justification(shown))) is Refusal.NOT_JUSTIFIED
    assert relays[0].lock(V, 0) == slots.Nack(1)
    assert relays[0].new_round(1) == slots.Nack(1)
    assert relays[0].new_round(MAX_ROUND_STEP + 2) == slots.Nack(1)
    assert isinstance(relays[0].new_round(MAX_ROUND_STEP + 1), slots.Promised)


def test_16_the_keys_change_with_the_decision() -> None:
    relay = Relay()
    assert relay.log.key == member_keys(EPOCH)[0]
    assert relay.decide(DECISION) == slots.NeedValue()
    assert relay.decide(DECISION, V) == slots.Done()
    assert (relay.log.epoch, relay.log.key) == (EPOCH + 1, member_keys(EPOCH + 1)[0])
    assert slots.lock(relay.slot, Context(OLD, EPOCH), 0, W, NOTHING)[1] == slots.Decided(
        DECISION, V
    )
    # What has expired is never open again.
    assert slots.slot_of(relay.log, EPOCH, relay.slot) == relay.slot
    with pytest.raises(errors.Gone):
        slots.slot_of(relay.log, EPOCH, None)
    with pytest.raises(errors.Behind) as behind:
        slots.slot_of(relay.log, EPOCH + 2, None)
    assert behind.value.detail == EPOCH + 1


def test_20_certificates_of_other_configurations_and_epochs_are_refused() -> None:
    relay = Relay()
    for foreign in (
        certificate(Label.VOTE2, V, configuration=NEW),
        certificate(Label.VOTE2, V, epoch=EPOCH - 1),
    ):
        with pytest.raises(errors.BadCertificate):
            relay.decide(foreign, V)
    with pytest.raises(errors.Behind):
        relay.decide(certificate(Label.VOTE2, V, epoch=EPOCH + 1), V)
    old = certificate(Label.VOTE1, V, epoch=EPOCH - 1)
    assert refused(relay.commit(old, V)) is Refusal.BAD_CERTIFICATE


def test_a_relay_that_is_not_in_the_next_configuration_closes() -> None:
    moved = value(b"other relays", NEW)
    relay = Relay()
    relay.decide(certificate(Label.VOTE2, moved), moved)
    assert relay.log.closed and relay.log.key is None
    with pytest.raises(errors.NotAuthorised):
        relay.context()
    with pytest.raises(errors.NotAuthorised):
        relay.decide(DECISION, V)
    staying = Relay(1)
    staying.decide(certificate(Label.VOTE2, moved), moved)
    assert (staying.log.index, staying.log.configuration) == (0, NEW)


def test_a_value_from_which_the_log_cannot_go_on_gets_no_vote() -> None:
    foreign = replace(OLD, log=bytes([1]) * 32)
    for bad in (value(b"", foreign), Value(b"not a header", b"")):
        assert refused(Relay().lock(bad)) is Refusal.BAD_VALUE
        assert refused(Relay().commit(certificate(Label.VOTE1, bad), bad)) is Refusal.BAD_VALUE
        with pytest.raises(errors.BadCertificate):
            Relay().decide(certificate(Label.VOTE2, bad), bad)


def test_the_grace_lane_is_bounded() -> None:
    used = 0
    for _ in range(MAX_GRACE_ENTRIES):
        used = slots.grace(used, MAX_GRACE_ENTRY)
    with pytest.raises(errors.OverBudget):
        slots.grace(used, 1)
    with pytest.raises(errors.TooLarge):
        slots.grace(0, MAX_GRACE_ENTRY + 1)


# --- Random schedules -----------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from("lock commit round decide".split()), st.integers(0, N - 1),
              st.integers(0, 3), st.sampled_from([V, W]), st.permutations(range(N))),
    max_size=40,
)  # fmt: skip


@given(STEPS)
def test_nothing_signed_is_ever_contradicted(
    steps: list[tuple[str, int, int, Value, list[int]]],
) -> None:
    """Number 12 too: the state goes through its bytes at each step, with real signatures."""
    relays = [Relay(i) for i in range(N)]
    votes: dict[tuple[Label, int, bytes], dict[int, RelaySignature]] = {}
    promises: dict[int, dict[int, SignedPromise]] = {}
    decided = set()

    def shown(label: Label, round: int, one: Value) -> Certificate:
        found = votes.get((label, round, one.hash), {})
        return Certificate(EPOCH, round, one.hash, tuple(found[i] for i in sorted(found)))

    for what, index, round, one, order in steps:
        relay = relays[index]
        if relay.slot.decided is not None:
            continue
        if what == "lock":
            known = promises.get(round, {})
            chosen = sorted(i for i in order[:Q] if i in known)
            answer = relay.lock(one, round, Justification(tuple(known[i] for i in chosen)))
        elif what == "commit":
            answer = relay.commit(shown(Label.VOTE1, round, one), one)
        elif what == "round":
            answer = relay.new_round(round)
            if isinstance(answer, slots.Promised):
                signature = KEYS[index].sign(answer.label, answer.content)
                promise = SignedPromise(index, answer.lock, signature)
                promises.setdefault(round, {})[index] = promise
        else:
            decision = shown(Label.VOTE2, round, one)
            if decision.counts(OLD, Label.VOTE2):
                decided.add(one.hash)
                assert relay.decide(decision, one) == slots.Done()
            continue
        if isinstance(answer, slots.Voted1 | slots.Voted2):
            signature = KEYS[index].sign(answer.label, answer.content)
            found = votes.setdefault((answer.label, round, one.hash), {})
            found[index] = RelaySignature(index, signature)
        assert len(relay.slot.values) <= 2
    assert len(decided) <= 1


@given(st.binary(max_size=200))
def test_a_slot_has_one_encoding(data: bytes) -> None:
    for source in (data, Slot(3, None, LOCK, (V,)).encode()[: len(data)] + data):
        try:
            slot = decode_all(Slot.decode, source)
        except (DecodeError, RemoteError):
            pass
        else:
            assert slot.encode() == source


@pytest.mark.parametrize(
    "slot",
    [Slot(0, V.hash), Slot(0, None, LOCK), Slot(0, None, None, (V,)), Slot(decided=DECISION),
     Slot(0, W.hash, LOCK, tuple(sorted((V, W), key=lambda v: v.hash, reverse=True))),
     Slot(0, V.hash, None, (V,), DECISION), Slot(0, None, certificate(Label.VOTE1, V, 1), (V,))],
)  # fmt: skip
def test_what_the_core_never_saves_is_not_loaded(slot: Slot) -> None:
    with pytest.raises(DecodeError):
        decode_all(Slot.decode, slot.encode())
