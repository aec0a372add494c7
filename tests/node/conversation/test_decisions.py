"""Decisions that a member serves: who was away longer than the relays lasted catches up all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.codec import opaque, u8, vector
from heliogram.node.changes import ChangeRelays, Rename, RenewKeys
from heliogram.node.components import Metadata
from heliogram.node.decisions import (
    MAX_DECISIONS,
    MAX_FILE,
    MAX_PART,
    Decisions,
    pack_decisions,
    unpack_decisions,
)
from heliogram.node.errors import (
    InvalidDecisions,
    InvalidInvitation,
    InvitationFault,
    NotInChain,
    TooLong,
)
from heliogram.node.events import RelaysChanged
from tests.node.conversation.forging import garbage
from tests.node.conversation.successors import add, come, ended, found, offer, offered, report
from tests.node.conversation.world import Group, Member, configuration, decide, group_of
from tests.node.identity.samples import name

LOG = configuration().log


def away(*names: str) -> tuple[Group, Member]:
    """The last of them is away from now on."""
    group = group_of(*names)
    return group, group.members.pop()


def caught_up(member: Member, pieces: list[bytes]) -> None:
    for piece in pieces:
        found = unpack_decisions(piece)
        assert found.log == member.conversation.seat.configuration.log
        for decision in found.decisions:
            member.apply(decision)


@pytest.mark.parametrize("most", [20_000, MAX_PART])
def test_19_when_all_relays_are_others_by_now_a_member_brings_one_level(most: int) -> None:
    group, carol = away("Alice", "Bob", "Carol")
    alice, bob = group.members
    since = len(group.log.decisions)
    # One relay at a time, until none of those that Carol knows is left.
    relays = [0, 1, 2, 3]
    for step in range(4):
        relays[step] = 4 + step
        group.decide(alice, ChangeRelays(configuration(relays)))
        group.decide(bob, RenewKeys())
    old = {each.key for each in carol.conversation.seat.configuration.relays}
    new = {each.key for each in alice.conversation.seat.configuration.relays}
    assert not old & new
    pieces = pack_decisions(LOG, group.log.decisions[since:], most)
    assert all(len(piece) <= most for piece in pieces)
    assert (len(pieces) > 1) == (most < MAX_PART)
    carol.crash()
    caught_up(carol, pieces)
    group.members.append(carol)
    assert group.together()
    assert len([event for event in carol.events if isinstance(event, RelaysChanged)]) == 4
    carol.say(b"what did I miss?")
    assert b"what did I miss?" in group.read(alice)["Alice"]


def test_19_nothing_that_a_member_serves_is_believed() -> None:
    group, carol = away("Alice", "Bob", "Carol")
    alice = group.members[0]
    since = len(group.log.decisions)
    for text in ("one", "two", "three"):
        group.decide(alice, Rename(Metadata(text)))
    first, second, third = group.log.decisions[since:]
    short = replace(first.certificate, signatures=first.certificate.signatures[:2])
    for decision in (
        second,
        replace(first, certificate=short),
        replace(first, value=second.value),
        replace(first, certificate=second.certificate),
    ):
        with pytest.raises(NotInChain):
            carol.apply(decision)
    assert carol.conversation.epoch == 1
    caught_up(carol, pack_decisions(LOG, (first, second, third)))
    assert carol.conversation.charter.metadata == Metadata("three")
    # The last one comes again without harm.
    caught_up(carol, pack_decisions(LOG, (third,)))


def test_19_who_is_behind_follows_before_coming_to_a_successor() -> None:
    group = group_of("Alice", "Bob", "Carol", "Mallory")
    alice, bob, carol, mallory = group.members
    group.members.remove(carol)
    since = len(group.log.decisions)
    group.decide(alice, RenewKeys())
    seat = alice.conversation.seat
    value = garbage(mallory)
    ended(group, lambda _: value, mallory, alice, bob)
    reports = report(alice, bob)
    new = found(alice)
    due, blobs = add(alice, new, reports, packages=[carol.package()])
    offer(alice, new, due, reports)
    invitation = new.conversation._signed(due.draft, b"")
    with pytest.raises(InvalidInvitation) as caught:
        come(carol, invitation, blobs)
    assert caught.value.fault is InvitationFault.AHEAD
    caught_up(carol, pack_decisions(LOG, [*group.log.decisions[since:], decide(seat, value)]))
    third = come(carol, invitation, blobs)
    assert Group([new, third]).together()
    assert offered(carol, []) == []


# --- Pieces ---------------------------------------------------------------------------------------

GROUP = group_of("Alice", "Bob")
for _ in range(5):
    GROUP.decide(GROUP.members[0], RenewKeys())
MADE = tuple(GROUP.log.decisions)
LONGEST = max(len(each.encode()) for each in MADE)


@given(st.integers(0, len(MADE)), st.integers(LONGEST + 37, 8 * LONGEST))
def test_pieces_hold_all_of_it_in_order(count: int, most: int) -> None:
    pieces = pack_decisions(LOG, MADE[:count], most)
    assert all(len(piece) <= most for piece in pieces)
    unpacked = [unpack_decisions(piece) for piece in pieces]
    assert tuple(one for each in unpacked for one in each.decisions) == MADE[:count]
    assert {each.log for each in unpacked} <= {LOG}
    assert [each.encode() for each in unpacked] == pieces


def test_one_that_is_too_long_for_a_part_goes_as_a_file() -> None:
    with pytest.raises(TooLong):
        pack_decisions(LOG, MADE[:1], len(MADE[0].encode()))


def test_no_more_than_so_many_in_one() -> None:
    small = replace(
        MADE[0],
        value=replace(MADE[0].value, body=b""),
        certificate=replace(MADE[0].certificate, signatures=()),
    )
    many = [
        replace(small, certificate=replace(small.certificate, epoch=number))
        for number in range(MAX_DECISIONS + 1)
    ]
    pieces = pack_decisions(LOG, many)
    assert len(pieces) > 1
    assert all(len(unpack_decisions(piece).decisions) <= MAX_DECISIONS for piece in pieces)
    too_many = Decisions(LOG, tuple(many[: MAX_DECISIONS + 1])).encode()
    with pytest.raises(InvalidDecisions):
        unpack_decisions(too_many)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        u8(2) + LOG + vector((MADE[0].encode(),)),
        u8(1) + LOG + vector(()),
        u8(1) + LOG + vector((MADE[0].encode(), MADE[2].encode())),
        u8(1) + LOG + vector((MADE[1].encode(), MADE[0].encode())),
        u8(1) + LOG + vector((opaque(b"no decision"),)),
        u8(1) + LOG + vector((MADE[0].encode(),)) + b"more",
        bytes(MAX_FILE + 1),
    ],
    ids=["nothing", "newer", "empty", "gap", "order", "junk", "more", "long"],
)
def test_what_is_no_list_of_decisions(data: bytes) -> None:
    with pytest.raises(InvalidDecisions) as caught:
        unpack_decisions(data)
    assert caught.value.code == "invalid decisions"


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_junk_is_refused_in_order(data: bytes) -> None:
    with pytest.raises(InvalidDecisions):
        unpack_decisions(u8(1) + name("a log") + data)


def test_nothing_of_it_has_a_text() -> None:
    piece = unpack_decisions(pack_decisions(LOG, MADE)[0])
    assert repr(piece) == "Decisions()"
