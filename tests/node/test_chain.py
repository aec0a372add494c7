"""The chain of decisions, forks, changes of relays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram.node.chain import Chain, Decision, Fork, Link, Objection, fork, objections
from heliogram.node.errors import NotInChain
from heliogram.node.misbehaviour import Ballots, Fault, HiddenLock, TwoVotes
from heliogram.wire.objects import Configuration, Header, RelayDescription, Seat, Value
from heliogram.wire.signing import Label, SigningKey
from tests.node.log_kit import KEYS, SEAT, certificate, decision, keys, promise, value, vote

V, W = value(body=b"v"), value(body=b"w")


def story(length: int) -> list[Decision]:
    """So many decisions, one after the other."""
    seat, found = SEAT, []
    for number in range(length):
        one = value(seat, b"%d" % number)
        found.append(decision(one, seat))
        seat = Header.from_bytes(one.header).seat(seat.epoch + 1)
    return found


def test_17_hundreds_of_epochs_by_headers_alone() -> None:
    links = [one.link for one in story(500)]
    read = [Link.from_bytes(one.encode()) for one in links]
    assert read == links
    chain = Chain(SEAT)
    assert chain.catch_up(read) == 500
    assert chain.epoch == SEAT.epoch + 500
    assert chain.catch_up(read) == 0
    assert chain.link_of(SEAT.epoch + 7) == links[7]
    assert chain.seat_of(SEAT.epoch + 501) is None
    assert chain.seat_of(0) is None
    assert chain.link_of(SEAT.epoch + 500) is None


def test_19_any_source_will_do_and_a_bad_one_spoils_nothing() -> None:
    links = [one.link for one in story(6)]
    broken = [*links[:3], replace(links[3], body_hash=bytes(32)), *links[4:]]
    chain = Chain(SEAT)
    assert chain.catch_up(links[2:]) == 0
    assert chain.catch_up(broken) == 3
    assert chain.catch_up(links[3:]) == 3
    with pytest.raises(NotInChain):
        Chain(SEAT, broken)


@pytest.mark.parametrize(
    "what", ["older", "foreign keys", "foreign relays", "short", "first votes", "log"]
)
def test_20_what_was_not_decided_here_is_refused(what: str) -> None:
    others = [SigningKey(bytes([number] * 32)) for number in range(4)]
    match what:
        case "older":
            link = replace(decision(V, replace(SEAT, epoch=0)).link)
        case "foreign keys":
            link = decision(V, Seat(SEAT.configuration, SEAT.epoch, keys(77))).link
        case "foreign relays":
            described = tuple(RelayDescription(one.public, one.public, ()) for one in others)
            foreign = Seat(
                Configuration(SEAT.configuration.log, 3, described), SEAT.epoch, SEAT.keys
            )
            link = decision(V, foreign).link
        case "short":
            link = decision(V, voters=(0, 3)).link
        case "first votes":
            link = Decision(certificate(Label.VOTE1, V.hash), V).link
        case _:
            elsewhere = replace(SEAT.configuration, log=bytes(32))
            one = Value(Header(elsewhere, keys(2)).encode(), b"v")
            link = decision(one).link
    chain = Chain(SEAT)
    with pytest.raises(NotInChain):
        chain.extend(link)
    assert (chain.seat, chain.links) == (SEAT, [])


def test_a_value_without_a_header_leads_nowhere() -> None:
    with pytest.raises(NotInChain):
        Chain(SEAT).extend(decision(Value(b"garbage", b"v")).link)


def test_two_decisions_are_a_fork() -> None:
    first, second = decision(V).certificate, decision(W, voters=(1, 2, 3)).certificate
    chain = Chain(SEAT, [decision(V).link])
    with pytest.raises(NotInChain):
        chain.extend(decision(W).link)
    found = chain.fork(second)
    assert found is not None
    assert found == Fork.from_bytes(found.encode())
    assert found.liars == found.signers == (KEYS[1].public, KEYS[2].public)
    assert chain.fork(first) is None
    assert chain.fork(replace(second, epoch=9)) is None
    assert fork(SEAT, first, replace(second, h=bytes(32))) is None
    # In two rounds a correct relay may have signed both.
    apart = fork(SEAT, first, decision(W, round=1).certificate)
    assert apart is not None
    assert len(apart.signers) == 3
    assert apart.liars == ()


def test_changes_of_relays() -> None:
    before = SEAT.configuration
    new = [RelayDescription(bytes([i]) * 32, bytes([i]) * 32, ()) for i in range(1, 5)]

    def after(*relays: RelayDescription, quorum: int = 3) -> Configuration:
        return replace(before, relays=relays, quorum=quorum)

    old = before.relays
    assert objections(before, before) == []
    assert objections(before, after(*old[:3], new[0])) == []
    assert objections(before, after(*old, new[0], quorum=4)) == []
    many = after(*old[:2], *new[:2])
    assert objections(before, many) == [Objection.TOO_MANY_REPLACED]
    assert objections(before, many, emergency=True) == []
    same = replace(new[0], operator_key=old[0].operator_key)
    found = objections(before, after(*old[:3], same), emergency=True)
    assert found == [Objection.SAME_OPERATOR]
    assert objections(before, replace(before, log=bytes(32))) == [Objection.FOREIGN_LOG]
    shared = after(*old[:3], same)
    assert objections(shared, shared) == []


def test_proofs_prove_themselves_and_nothing_else() -> None:
    ballots = Ballots(SEAT)
    ballots.certificate(certificate(Label.VOTE2, V.hash, round=2), Label.VOTE2)
    ballots.vote(3, Label.VOTE1, 0, V.hash, vote(3, Label.VOTE1, V.hash))
    ballots.vote(3, Label.VOTE1, 0, V.hash, vote(3, Label.VOTE1, V.hash))
    ballots.promise(0, 1, None, promise(0, 1).signature)
    lock = certificate(Label.VOTE1, V.hash, round=2)
    ballots.promise(1, 3, (2, V.hash), promise(1, 3, lock).signature)
    assert ballots.found == []
    ballots.vote(3, Label.VOTE1, 0, W.hash, vote(3, Label.VOTE1, W.hash))
    ballots.promise(0, 3, None, promise(0, 3).signature)
    ballots.promise(2, 4, None, promise(2, 4).signature)
    assert [one.fault for one in ballots.found] == [
        Fault.TWO_VOTES, Fault.HIDDEN_LOCK, Fault.HIDDEN_LOCK,
    ]  # fmt: skip
    two, hidden = ballots.found[0].proof, ballots.found[1].proof
    assert isinstance(two, TwoVotes)
    assert isinstance(hidden, HiddenLock)
    assert two == TwoVotes.from_bytes(two.encode())
    assert hidden == HiddenLock.from_bytes(hidden.encode())
    assert two.proves()
    assert hidden.proves()
    for bad in (
        replace(two, relay=2), replace(two, relay=9), replace(two, label=Label.VOTE2),
        replace(two, round=1), replace(two, other_h=two.h, other_signature=two.signature),
    ):  # fmt: skip
        assert not bad.proves()
    for worse in (
        replace(hidden, relay=2), replace(hidden, relay=9), replace(hidden, promised=2),
        replace(hidden, shown=(2, V.hash)), replace(hidden, shown=(1, V.hash)),
        replace(hidden, vote=bytes(64)),
    ):  # fmt: skip
        assert not worse.proves()


def test_the_other_order_is_noticed_as_well() -> None:
    ballots = Ballots(SEAT)
    for round in range(400):
        ballots.promise(0, round, None, promise(0, round).signature)
    ballots.vote(0, Label.VOTE2, 300, V.hash, vote(0, Label.VOTE2, V.hash, 300))
    assert [one.fault for one in ballots.found] == [Fault.HIDDEN_LOCK]
