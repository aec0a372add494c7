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
    Open,
    RelayDescription,
    RelaySignature,
    Seat,
    SignedPromise,
    Status,
    Value,
    sign_status,
    vote_content,
)
from heliogram.wire.signing import Label, SigningKey, labelled_hash
from heliogram.wire.work import Proof

N, Q, EPOCH = 4, 3, 7
KEYS = [SigningKey(sha256(b"relay %d" % i).digest()) for i in range(2 * N)]
LOG = bytes(32)


def configured(relays: range) -> Configuration:
    described = tuple(RelayDescription(KEYS[i].public, bytes(32), ()) for i in relays)
    return Configuration(LOG, Q, described)


OLD, NEW = configured(range(N)), configured(range(1, N + 1))
NOTHING = Justification(())
NONCE = bytes([9]) * 32


def member_keys(epoch: int) -> tuple[bytes, ...]:
    return tuple(sha256(b"%d %d" % (epoch, i)).digest() for i in range(N))


def value(text: bytes, configuration: Configuration = OLD) -> Value:
    return Value(Header(configuration, member_keys(EPOCH + 1)).encode(), text)


V, W = value(b"v"), value(b"w")
SEAT = Seat(OLD, EPOCH, member_keys(EPOCH))


def certificate(
    label: Label,
    one: Value,
    round: int = 0,
    voters: tuple[int, ...] = (1, 2, 3),
    seat: Seat = SEAT,
) -> Certificate:
    content = vote_content(seat.id, round, one.hash)
    votes = tuple(RelaySignature(i, KEYS[i].sign(label, content)) for i in voters)
    return Certificate(seat.epoch, round, one.hash, votes)


class Relay:
    """A relay's shell in little: it saves, loads, then signs; and remembers all that it signed."""

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.log = Log(KEYS[index].public, SEAT)
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


NEXT = Header.from_bytes(V.header).seat(EPOCH + 1)
LOCK, DECISION = certificate(Label.VOTE1, V), certificate(Label.VOTE2, V)


def fallen(state: Slot) -> Relay:
    """Relay 0 with this state, whatever it has signed."""
    relay = Relay()
    relay.slot = state
    return relay


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
    answer = slots.decide_again(relay.slot, SEAT, other)
    assert answer == slots.Decided(DECISION, V)
    assert slots.decide_again(relay.slot, SEAT, DECISION) == slots.Done()
    with pytest.raises(errors.BadCertificate):
        slots.decide_again(relay.slot, SEAT, certificate(Label.VOTE1, W))


def statements(log: Log, nonce: bytes = NONCE) -> list[Status]:
    """What relays 1 and 2 state, where `log` stands."""
    others = [(replace(log, relay=KEYS[i].public, fence=None), KEYS[i]) for i in (1, 2)]
    return [sign_status(slots.status(other, nonce, 0, LOG), key) for other, key in others]


def test_12_a_rollback_between_two_votes_ends_in_abstention() -> None:
    relay = Relay()
    backup = relay.slot
    assert isinstance(relay.lock(V), slots.Voted1)
    relay.slot = backup
    assert not relay.log.fell_back
    relay.log = slots.fence(relay.log, NONCE, EPOCH)
    assert slots.fence(relay.log, bytes(32), EPOCH) == relay.log
    # Without a context there is no LOCK, no COMMIT, no NEWROUND.
    with pytest.raises(errors.Fenced):
        relay.context()
    with pytest.raises(errors.Fenced):
        slots.status(relay.log, NONCE, 0, LOG)
    statuses = statements(relay.log)
    one, other = statuses
    for bad in (
        statuses[:1],
        [one] * 2,
        [one, replace(other, relay=KEYS[0].public)],
        [one, replace(other, signature=bytes(64))],
        *(
            [one, sign_status(replace(other, **changed), KEYS[2])]  # type: ignore[arg-type]
            for changed in ({"nonce": bytes(32)}, {"seat": NEXT.id}, {"relay": KEYS[0].public})
        ),
        [one, sign_status(replace(other, relay=KEYS[N].public), KEYS[N])],
    ):
        with pytest.raises(errors.BadStatus):
            slots.unfence(relay.log, bad)
    relay.log = slots.unfence(relay.log, statuses)
    assert relay.log.fell_back
    assert refused(relay.lock(W)) is Refusal.ABSTAINING
    assert refused(relay.commit(LOCK, V)) is Refusal.ABSTAINING
    assert refused(relay.new_round(1)) is Refusal.ABSTAINING
    with pytest.raises(errors.NotFenced):
        slots.unfence(relay.log, statuses)
    # The decision comes from the others, and in the next epoch it votes again.
    relay.decide(DECISION, V)
    assert not relay.context().abstains


def test_12_it_abstains_in_the_epoch_that_the_evidence_shows() -> None:
    """One client told this relay alone of two decisions: the others do not know, the receipt does."""
    relay = Relay()
    fenced = slots.fence(relay.log, NONCE, EPOCH + 2)
    # Evidence of an earlier epoch later takes nothing back.
    relay.log = slots.unfence(slots.fence(fenced, NONCE, EPOCH), statements(fenced))
    for epoch in (EPOCH, EPOCH + 1, EPOCH + 2):
        assert relay.context().abstains
        seat = relay.log.seat
        moved = Value(Header(OLD, member_keys(epoch + 1)).encode(), b"")
        relay.slot = Slot()
        assert relay.decide(certificate(Label.VOTE2, moved, seat=seat), moved) == slots.Done()
    assert not relay.context().abstains


def test_a_fence_brings_the_others_level_first() -> None:
    """DECIDE works on a fenced log. A statement about another slot does not lift the fence."""
    relay = Relay()
    relay.log = slots.fence(relay.log, NONCE, EPOCH)
    early = statements(relay.log)
    assert relay.decide(DECISION, V) == slots.Done()
    assert relay.log == Log(relay.log.relay, NEXT, EPOCH + 1, NONCE)
    with pytest.raises(errors.BadStatus):
        slots.unfence(relay.log, early)
    # Where the others are known to be, it may have voted before.
    assert slots.unfence(relay.log, statements(relay.log)).votes_from == EPOCH + 2


# --- Its own signature ----------------------------------------------------------------------------


def test_a_forgotten_first_vote_is_seen_in_a_commit() -> None:
    mine = certificate(Label.VOTE1, V, 2, (0, 1, 2))
    for state in (
        Slot(),
        Slot(1),
        Slot(2),
        Slot(2, W.hash, None, (W,)),
        # Not a vote of this round: a lock on it does not stand for the vote.
        Slot(2, None, certificate(Label.VOTE1, V, 2), (V,)),
    ):
        assert fallen(state).commit(mine, V) == slots.FellBack(EPOCH)
    remembering = fallen(Slot(2, V.hash, None, (V,)))
    assert isinstance(remembering.commit(mine), slots.Voted2)
    # In earlier rounds nothing is kept, so nothing is known; elsewhere its name alone proves nothing.
    assert fallen(Slot(3)).commit(mine, V) == slots.Nack(3)
    for forged in (
        replace(mine, signatures=(RelaySignature(0, bytes(64)), *mine.signatures[1:])),
        certificate(Label.VOTE1, V, 2, (0, 1, 2), NEXT),
        certificate(Label.VOTE2, V, 2, (0, 1, 2)),
    ):
        assert refused(fallen(Slot()).commit(forged, V)) is Refusal.BAD_CERTIFICATE
    # One that abstains has been told already.
    silent = fallen(Slot())
    silent.log = replace(silent.log, votes_from=EPOCH + 1)
    assert refused(silent.commit(mine, V)) is Refusal.ABSTAINING


def test_a_forgotten_promise_is_seen_in_a_lock() -> None:
    relays = [Relay(i) for i in range(N)]
    promises = [relay.promise(2) for relay in relays]
    why = Justification(tuple(promises[:3]))
    assert isinstance(relays[0].lock(V, 2, why), slots.Voted1)
    for state in (Slot(), Slot(1), Slot(1, V.hash, None, (V,))):
        assert fallen(state).lock(V, 2, why) == slots.FellBack(EPOCH)
    forged = (replace(promises[0], signature=bytes(64)), *promises[1:3])
    assert refused(fallen(Slot()).lock(V, 2, Justification(forged))) is Refusal.NOT_JUSTIFIED
    assert isinstance(fallen(Slot()).lock(V, 2, Justification(tuple(promises[1:]))), slots.Voted1)


def test_a_forgotten_first_vote_is_seen_in_what_others_promised() -> None:
    relays = [Relay(i) for i in range(N)]
    for relay in relays:
        relay.lock(V)
    relays[1].commit(certificate(Label.VOTE1, V, 0, (0, 1, 2)))
    why = Justification(tuple(relay.promise(1) for relay in relays[1:]))
    assert fallen(Slot()).lock(V, 1, why) == slots.FellBack(EPOCH)
    assert fallen(Slot(0, W.hash, None, (W,))).lock(V, 1, why) == slots.FellBack(EPOCH)
    assert isinstance(relays[0].lock(V, 1, why), slots.Voted1)
    assert isinstance(fallen(Slot(1)).lock(V, 1, why), slots.Voted1)


def test_a_forgotten_second_vote_is_seen_in_a_decision() -> None:
    mine = certificate(Label.VOTE2, V, 1, (0, 1, 2))
    earlier = certificate(Label.VOTE1, V)
    other = certificate(Label.VOTE1, W, 1)
    for state in (Slot(), Slot(3), Slot(1, None, earlier, (V,)), Slot(1, None, other, (W,))):
        relay = fallen(state)
        assert relay.decide(mine, V) == slots.FellBack(EPOCH)
        # It is decided all the same, and fenced in the same transaction.
        assert (relay.slot.decided, relay.log.epoch) == (mine, EPOCH + 1)
        assert slots.fence(relay.log, NONCE, EPOCH).votes_from == EPOCH + 1
    for state in (
        Slot(1, None, certificate(Label.VOTE1, V, 1), (V,)),
        Slot(2, None, certificate(Label.VOTE1, W, 2), (W,)),
    ):
        assert fallen(state).decide(mine, V) == slots.Done()
    assert fallen(Slot()).decide(certificate(Label.VOTE2, V, 1), V) == slots.Done()
    silent = fallen(Slot())
    silent.log = replace(silent.log, votes_from=EPOCH + 1)
    assert silent.decide(mine, V) == slots.Done()
    # What is decided remembers none of its votes, and is never asked for them.
    late = fallen(Slot(decided=DECISION, values=(V,)))
    assert late.decide(mine) == slots.Done()
    assert slots.decide_again(late.slot, SEAT, mine) == slots.Done()


# --- Instances ------------------------------------------------------------------------------------


#: Same configuration and epoch as the log of the others, keys of his own.
STRANGER = Seat(OLD, EPOCH, member_keys(1000))
GARBAGE = Value(Header(OLD, member_keys(1001)).encode(), b"garbage")


def squatted() -> tuple[Certificate, Certificate]:
    """Honest relays vote for a stranger's garbage in his instance: the lock, the decision."""
    opened = Open(STRANGER, Proof(0, 0))
    relays = [Relay(i) for i in range(N)]
    for relay in relays:
        relay.log = slots.open_log(opened, relay.log.relay)

    def signature(relay: Relay, answer: Answer) -> RelaySignature:
        assert isinstance(answer, slots.Voted1 | slots.Voted2)
        return RelaySignature(relay.index, KEYS[relay.index].sign(answer.label, answer.content))

    first = tuple(signature(relay, relay.lock(GARBAGE)) for relay in relays)
    lock = Certificate(EPOCH, 0, GARBAGE.hash, first)
    second = tuple(signature(relay, relay.commit(lock)) for relay in relays)
    decision = Certificate(EPOCH, 0, GARBAGE.hash, second)
    assert all(relay.decide(decision) == slots.Done() for relay in relays)
    return lock, decision


def test_what_a_stranger_decides_counts_for_nobody_else() -> None:
    lock, decision = squatted()
    assert lock.counts(STRANGER, Label.VOTE1) and decision.counts(STRANGER, Label.VOTE2)
    # In the log of the others these are signatures of something else: for laggards and for relays.
    assert not lock.counts(SEAT, Label.VOTE1) and not decision.counts(SEAT, Label.VOTE2)
    assert refused(Relay().commit(lock, GARBAGE)) is Refusal.BAD_CERTIFICATE
    with pytest.raises(errors.BadCertificate):
        Relay().decide(decision, GARBAGE)
    told = Relay()
    told.decide(DECISION, V)
    with pytest.raises(errors.BadCertificate):
        slots.decide_again(told.slot, SEAT, decision)


def test_votes_must_name_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """With seats that are named by configuration and epoch alone the stranger decides for all."""

    def name(seat: Seat) -> bytes:
        return labelled_hash(Label.SEAT, replace(seat, keys=()).encode())

    monkeypatch.setattr(Seat, "id", property(name))
    lock, decision = squatted()
    assert decision.counts(SEAT, Label.VOTE2)
    assert isinstance(Relay(0).commit(lock, GARBAGE), slots.FellBack)
    relay = Relay()
    relay.decide(decision, GARBAGE)
    assert relay.log.seat.keys == member_keys(1001)


def test_two_instances_that_reach_one_seat_share_its_slot() -> None:
    """A relay that joined later has opened an instance in the middle: one seat, one decision."""
    first = Relay()
    first.decide(DECISION, V)
    opened = Open(NEXT, Proof(0, 0))
    second = Relay()
    second.log = slots.open_log(opened, first.log.relay)
    assert first.log == second.log and slots.slot_of(second.log, EPOCH + 1, None) == Slot()
    third = Value(Header(OLD, member_keys(EPOCH + 2)).encode(), b"")
    decision = certificate(Label.VOTE2, third, seat=NEXT)
    first.slot = Slot()
    assert first.decide(decision, third) == slots.Done()
    # The other instance finds the slot decided: no vote there, and it goes the same way.
    second.slot = slots.slot_of(second.log, EPOCH + 1, first.slot)
    assert second.lock(W) == slots.Decided(decision, third)
    assert second.decide(certificate(Label.VOTE2, W, seat=NEXT), W) == slots.Decided(
        decision, third
    )
    assert second.log.seat == NEXT
    assert second.decide(decision) == slots.Done()
    assert (second.log, second.slot) == (first.log, first.slot)


def test_after_a_fall_a_new_instance_begins_fenced() -> None:
    """Else a member could open one at the seat where the relay has forgotten its vote."""
    with pytest.raises(errors.Fenced):
        slots.context(slots.open_log(Open(SEAT, Proof(0, 0)), KEYS[0].public, NONCE))
    with pytest.raises(errors.NotAuthorised):
        slots.open_log(Open(SEAT, Proof(0, 0)), KEYS[N].public)


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
    assert slots.lock(relay.slot, Context(SEAT, 0), 0, W, NOTHING)[1] == slots.Decided(DECISION, V)
    # What has expired is never open again.
    assert slots.slot_of(relay.log, EPOCH, relay.slot) == relay.slot
    with pytest.raises(errors.Gone):
        slots.slot_of(relay.log, EPOCH, None)
    again = Log(relay.log.relay, SEAT)
    with pytest.raises(errors.Gone):
        slots.slot_of(again, EPOCH, None, expired=True)
    with pytest.raises(errors.Behind) as behind:
        slots.slot_of(relay.log, EPOCH + 2, None)
    assert behind.value.detail == EPOCH + 1


def test_20_certificates_of_other_configurations_and_epochs_are_refused() -> None:
    relay = Relay()
    before = replace(SEAT, epoch=EPOCH - 1)
    for foreign in (replace(SEAT, configuration=NEW), before, replace(SEAT, keys=member_keys(0))):
        with pytest.raises(errors.BadCertificate):
            relay.decide(certificate(Label.VOTE2, V, seat=foreign), V)
    with pytest.raises(errors.Behind) as behind:
        relay.decide(certificate(Label.VOTE2, V, seat=NEXT), V)
    assert behind.value.detail == EPOCH
    old = certificate(Label.VOTE1, V, seat=before)
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
            if decision.counts(SEAT, Label.VOTE2):
                decided.add(one.hash)
                assert relay.decide(decision, one) == slots.Done()
            continue
        # Whatever of its own it was shown: none of them fell back.
        assert not isinstance(answer, slots.FellBack)
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
