"""What a member's modified program may send: entries, values and invitations of odd forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from heliogram import mls
from heliogram.codec import DecodeError, u8, vector
from heliogram.content.framing import ApplicationFraming, MediaType, framed
from heliogram.node.changes import AddPeople, Rename, RenewKeys
from heliogram.node.components import Charter, Component, Metadata, Role, Roles
from heliogram.node.conversation import MLS_MESSAGE, WOUNDED
from heliogram.node.errors import InvalidInvitation, InvitationFault, NotAllowed, NotNow
from heliogram.node.events import (
    CouldNotRead,
    Dead,
    Event,
    InvitationDue,
    KeysUsedElsewhere,
    MemberWounded,
    Out,
    Unread,
)
from heliogram.node.membership import PAST_EPOCHS, Device
from heliogram.node.records import Outgoing
from heliogram.node.value import Body
from heliogram.wire.objects import Configuration, Header
from tests.mls.forge import flipped
from tests.node.conversation.forging import broken, data_of, free, reheaded, unruly, wrapped
from tests.node.conversation.test_acceptance import follow
from tests.node.conversation.world import (
    Group,
    Member,
    configuration,
    decide,
    group_of,
    one,
    texts,
)
from tests.node.identity.samples import NOW, name


def sealed(member: Member, data: bytes) -> Outgoing:
    """An entry with any application data of a member."""
    keys = member.conversation.keys(member.conversation.epoch)
    assert keys is not None
    return Outgoing(keys.epoch, keys.tag + free(member).protect(data, entropy=member.entropy))


def why(events: tuple[Event, ...]) -> Unread:
    return one(events, CouldNotRead).why


# --- Entries --------------------------------------------------------------------------------------


def odd_entries(mallory: Member, alice: Member) -> dict[str, tuple[bytes, Unread]]:
    """Application data that Alice cannot make sense of."""
    departure = free(mallory).propose(mls.SelfRemove(), now=NOW, entropy=mallory.entropy)
    others = free(alice).propose(mls.SelfRemove(), now=NOW, entropy=alice.entropy)
    removal = free(mallory).propose(mls.Remove(0), now=NOW, entropy=mallory.entropy)
    package = alice.device.package(now=NOW, entropy=alice.entropy).message
    bare = mls.new_key_package(
        mallory.suite,
        mls.BasicCredential(b"nobody"),
        mallory.device.key,
        now=NOW,
        entropy=mallory.entropy,
    ).message
    broken, unknown = Unread.BROKEN, Unread.UNKNOWN_FORM
    later = ApplicationFraming(MediaType("application/vnd.later"), b"x").encode()
    return {
        "no framing": (b"\xff", unknown),
        "a kind of later": (later, unknown),
        "somebody else's departure": (framed(MLS_MESSAGE, others), broken),
        "a departure with a wrong tag": (framed(MLS_MESSAGE, flipped(departure)), broken),
        "a removal": (framed(MLS_MESSAGE, removal), broken),
        "no message": (framed(MLS_MESSAGE, b"x"), broken),
        "a short cry": (framed(WOUNDED, b"x"), broken),
        "a cry for somebody else": (framed(WOUNDED, bytes(32) + package), broken),
        "a cry of nobody": (framed(WOUNDED, bytes(32) + bare), broken),
    }


ODD = list(odd_entries(*group_of("Mallory", "Alice").members))


@pytest.mark.parametrize("what", ODD)
def test_odd_entries_are_told_and_change_nothing(what: str) -> None:
    group = group_of("Alice", "Mallory")
    alice, mallory = group.members
    data, reason = odd_entries(mallory, alice)[what]
    assert why(alice.receive(sealed(mallory, data))) is reason
    assert not alice.conversation.commit_due
    group.decide(alice, RenewKeys())
    assert group.together()


def test_what_is_no_entry_at_all() -> None:
    group = group_of("Alice", "Mallory")
    alice, mallory = group.members
    entry = sealed(mallory, b"x")
    tag = entry.data[:8]
    for data in (tag, tag + b"x", flipped(entry.data), tag + mallory.package().message):
        assert why(alice.receive(Outgoing(1, data))) is Unread.BROKEN
    with pytest.raises(NotNow):
        alice.receive(Outgoing(2, entry.data))
    alice.say(b"x")
    group.log.post(alice)
    assert alice.receive(group.log.entries[-1]) == ()  # her own comes back
    # What her keys say without her is told.
    assert alice.receive(Outgoing(1, sealed(alice, b"y").data)) == (KeysUsedElsewhere(1),)
    assert alice.conversation.must_renew


def test_a_late_departure_is_none() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    carol.write(carol.conversation.leave(entropy=carol.entropy))
    (old,) = carol.outbox
    group.decide(alice, RenewKeys())
    assert bob.receive(old) == ()
    assert not bob.conversation.commit_due
    carol.write(carol.conversation.leave(entropy=carol.entropy))
    bob.receive(carol.outbox[-1])
    with pytest.raises(NotNow):  # first Carol's departure is committed
        bob.conversation.leave(entropy=bob.entropy)


def test_rescues_are_for_the_wounded() -> None:
    group = group_of("Alice", "Mallory")
    alice, mallory = group.members
    keys = alice.conversation.keys(1)
    assert keys is not None
    assert alice.receive(Outgoing(1, keys.reply + bytes(100))) == ()
    with pytest.raises(NotNow):
        alice.conversation.report(alice.package(), entropy=alice.entropy)
    wound = MemberWounded(alice.conversation.people()[1], 99, mallory.package(), bytes(32))
    draft: Any = None
    with pytest.raises(NotNow):
        alice.conversation.rescue(draft, wound, entropy=alice.entropy)


# --- Values ---------------------------------------------------------------------------------------


def test_a_departure_of_an_older_epoch_in_a_value_is_the_end() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    mallory = group.members[2]
    old = free(mallory).propose(mls.SelfRemove(), now=NOW, entropy=mallory.entropy)
    group.decide(group.members[0], RenewKeys())
    staged = free(mallory).commit(
        path=True,
        authenticated_data=data_of(mallory).encode(),
        now=NOW,
        entropy=mallory.entropy,
    )
    value = wrapped(mallory, staged.message, staged.group, departures=[old])
    group.members.remove(mallory)
    for events in follow(group, value).values():
        assert one(events, Dead)


@pytest.mark.parametrize("honest", [True, False])
def test_who_is_removed_judges_the_relays_too(honest: bool) -> None:
    """What the others refuse must not talk anybody out of the conversation."""
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, _ = group.members
    relays = configuration((0, 1, 2, 4))
    value = unruly(
        alice,
        mls.Remove(bob.conversation.own_leaf),
        mls.AppDataUpdate(Component.CONFIGURATION, relays.encode()),
    )
    if not honest:
        value = reheaded(value, alice, next_configuration=configuration())
    group.members.remove(alice)
    events = follow(group, value)
    if honest:
        assert one(events["Bob"], Out)
    else:
        assert one(events["Bob"], Dead) and one(events["Carol"], Dead)


# --- Invitations ----------------------------------------------------------------------------------


def invited(group: Group, dave: Member) -> InvitationDue:
    founder = group.members[0]
    events = group.decide(founder, AddPeople((dave.package(),), frozenset({dave.id})))
    return one(events[founder.called], InvitationDue)


def test_an_invitation_without_a_name_for_each_relay_is_refused() -> None:
    group, dave = group_of("Alice"), Member("Dave")
    due = invited(group, dave)
    short = replace(due, draft=replace(due.draft, instances=due.draft.instances[1:]))
    with pytest.raises(InvalidInvitation) as caught:
        dave.join(group.members[0].invite(short))
    assert caught.value.fault is InvitationFault.MALFORMED


@pytest.mark.parametrize("wrong", ["no owner", "no charter", "more"])
def test_a_group_that_no_honest_member_makes_is_not_joined(wrong: str) -> None:
    mallory, dave = Member("Mallory"), Member("Dave")
    relays: Configuration = configuration()
    roles = Roles(((name("nobody"), Role.OWNER),)) if wrong == "no owner" else Roles()
    extensions = list(Charter(relays, roles, Metadata()).extensions())
    if wrong == "no charter":
        extensions.pop()
    elif wrong == "more":
        extensions.append(mls.external_senders_extension(()))
    mallory.found(relays)
    group = mallory.conversation._member()
    theirs = mls.Group.create(
        group.group_id,
        mallory.suite,
        mallory.device.credential,
        mallory.device.key,
        config=free(mallory).config,
        extensions=tuple(extensions),
        leaf_extensions=group.own_leaf.extensions,
        now=NOW,
        entropy=mallory.entropy,
    )
    staged = theirs.commit([mls.Add(dave.package())], path=True, now=NOW, entropy=mallory.entropy)
    own = Group([mallory])
    due = invited(own, Member("Eve"))
    forged = replace(due, draft=replace(due.draft, welcome=staged.welcome))
    with pytest.raises(InvalidInvitation) as caught:
        dave.join(mallory.invite(forged))
    assert caught.value.fault is InvitationFault.BAD_GROUP


# --- Other ----------------------------------------------------------------------------------------


def test_a_device_without_a_certificate_founds_nothing() -> None:
    member = Member("Alice")
    member.device = Device(member.suite, mls.BasicCredential(b"me"), member.device.key)
    with pytest.raises(NotAllowed):
        member.found(configuration())


@pytest.mark.parametrize(
    "data",
    [
        vector([name("a") + u8(0)]),
        vector([name("a") + u8(3)]),
        vector([name("a") + u8(1), name("a") + u8(2)]),
        b"\x01\x00",
    ],
)
def test_odd_roles_are_none(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Roles.from_bytes(data)


def test_metadata_is_utf_8() -> None:
    with pytest.raises(DecodeError):
        Metadata.from_bytes(b"\x01\x01\xff\x00\x00" + bytes(4))
    with pytest.raises(DecodeError):
        Metadata.from_bytes(b"\x02" + Metadata().encode()[1:])


def test_words_among_the_departures_of_a_value_are_the_end() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    mallory = group.members[2]
    staged = free(mallory).commit(
        path=True,
        authenticated_data=data_of(mallory).encode(),
        now=NOW,
        entropy=mallory.entropy,
    )
    words = free(mallory).protect(b"x", entropy=mallory.entropy)
    value = wrapped(mallory, staged.message, staged.group, departures=[words])
    group.members.remove(mallory)
    for events in follow(group, value).values():
        assert one(events, Dead)


def test_an_owner_may_not_leave_the_conversation_without_one() -> None:
    for roles in (Roles(), Roles(((name("nobody"), Role.OWNER),))):
        group = group_of("Alice", "Bob", "Carol")
        alice = group.members[0]
        value = unruly(alice, mls.AppDataUpdate(Component.ROLES, roles.encode()))
        group.members.remove(alice)
        for events in follow(group, value).values():
            culprit = one(events, Dead).culprit
            assert culprit is not None and culprit.account == alice.id


def test_not_even_an_owner_changes_the_log() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice = group.members[0]
    other = configuration(log="another")
    update = mls.AppDataUpdate(Component.CONFIGURATION, other.encode())
    header = Header(configuration(), alice.conversation.seat.keys)
    value = unruly(alice, update, header=header)
    group.members.remove(alice)
    for events in follow(group, value).values():
        culprit = one(events, Dead).culprit
        assert culprit is not None and culprit.account == alice.id


def test_an_invitation_to_another_quorum_is_refused() -> None:
    group, dave = group_of("Alice"), Member("Dave")
    alice = group.members[0]
    seat = alice.conversation.seat
    staged = alice.stage(AddPeople((dave.package(),), frozenset({dave.id})))
    value = reheaded(staged.value, alice, next_configuration=configuration(quorum=4))
    link = decide(seat, value).link
    events = group.follow(seat, staged, alice)
    due = one(events["Alice"], InvitationDue)
    forged = replace(due, draft=replace(due.draft, links=(link,)))
    with pytest.raises(InvalidInvitation) as caught:
        dave.join(alice.invite(forged))
    assert caught.value.fault is InvitationFault.ANOTHER_GROUP


def test_what_is_read_is_forgotten_with_the_keys_of_its_epoch() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    alice.say(b"again and again")
    assert texts(bob.receive(alice.outbox.pop())) == [b"again and again"]
    for _ in range(PAST_EPOCHS + 1):
        assert [record for record in bob.records if record[:1] == b"d"]
        group.decide(alice, RenewKeys())
    assert not [record for record in bob.records if record[:1] == b"d"]
    alice.say(b"again and again")
    assert texts(bob.receive(alice.outbox.pop())) == [b"again and again"]


def test_departures_do_not_outlive_their_epoch() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    carol.write(carol.conversation.leave(entropy=carol.entropy))
    for member in (alice, bob):
        member.receive(carol.outbox[0])
        assert [record for record in member.records if record[:1] == b"w"]
    group.decide(alice, RenewKeys())
    group.members.remove(carol)
    for member in (alice, bob):
        assert not [record for record in member.records if record[:1] == b"w"]
        member.crash()
        group.decide(member, RenewKeys())
    assert group.together()


def test_every_commit_renews_the_keys_of_who_makes_it() -> None:
    group = group_of("Alice", "Bob")
    alice, dave = group.members[0], Member("Dave")
    for wish in (
        Rename(Metadata("Coffee")),
        AddPeople((dave.package(),), frozenset({dave.id})),
        RenewKeys(),
    ):
        before = alice.conversation._member().own_leaf.encryption_key
        group.decide(alice, wish)
        assert alice.conversation._member().own_leaf.encryption_key != before


def test_a_value_without_the_departures_of_its_commit_is_the_end_for_all_alike() -> None:
    group = group_of("Alice", "Bob", "Carol", "Eve", "Mallory")
    alice, bob, carol, eve, mallory = group.members
    eve.write(eve.conversation.leave(entropy=eve.entropy))
    group.read(alice, bob, mallory)  # not Carol
    honest = alice.stage(RenewKeys()).value
    keys = mallory.conversation.keys(1)
    assert keys is not None
    body = Body.unseal(keys.value, honest.header, honest.body)
    assert len(body.departures) == 1
    value = wrapped(mallory, body.commit, None, header=Header.from_bytes(honest.header))
    decision = decide(bob.conversation.seat, value)
    for member in (alice, bob, carol, eve):  # also who made the commit, and who wants to leave
        assert one(member.apply(decision), Dead).culprit is None
        assert member.conversation.epoch == 1


def test_who_cannot_follow_misses_the_departures_all_the_same() -> None:
    group = group_of("Alice", "Bob", "Carol", "Eve", "Mallory")
    alice, bob, carol, eve, mallory = group.members
    eve.write(eve.conversation.leave(entropy=eve.entropy))
    group.read(alice, bob, mallory)  # not Carol
    waiting = tuple(mallory.conversation._member().pending_proposals)
    assert len(waiting) == 1
    value = broken(mallory, waiting, confirmation_tag=flipped)
    decision = decide(bob.conversation.seat, value)
    for member in (alice, bob, carol):
        assert one(member.apply(decision), Dead).culprit is None
