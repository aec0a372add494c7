"""What must hold however members and relays behave; the numbers are those of the list of attacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from heliogram import mls
from heliogram.content.framing import MIMI_CONTENT, framed
from heliogram.mls.registries import WireFormat
from heliogram.node.chain import Decision
from heliogram.node.changes import (
    AddPeople,
    RemoveDevices,
    RemovePeople,
    Rename,
    RenewKeys,
    Restore,
)
from heliogram.node.components import Component, Metadata, Role, Roles
from heliogram.node.errors import (
    InvalidInvitation,
    InvitationFault,
    NotAllowed,
    NotInChain,
    NotNow,
)
from heliogram.node.events import (
    CouldNotRead,
    Dead,
    EpochStarted,
    Event,
    ForkSuspected,
    InvitationDue,
    Joined,
    KeysRenewed,
    MemberRemoved,
    MemberRestored,
    MemberWounded,
    MessageReceived,
    Out,
    RescueArrived,
    Unread,
    Wounded,
)
from heliogram.node.invitation import Invitation
from heliogram.node.membership import PAST_EPOCHS
from heliogram.node.records import Outgoing, Phase
from heliogram.node.value import CommitData
from heliogram.wire.objects import Header, Value
from tests.mls import forge
from tests.node.conversation.forging import (
    broken,
    data_of,
    free,
    garbage,
    reheaded,
    unruly,
    wrapped,
)
from tests.node.conversation.world import (
    INBOX,
    LINK,
    Group,
    Member,
    certify,
    configuration,
    decide,
    group_of,
    one,
    relay,
    texts,
)
from tests.node.identity.samples import NOW


def follow(group: Group, value: Value) -> dict[str, tuple[Event, ...]]:
    """All members follow the decision for a value."""
    decision = decide(group.members[0].conversation.seat, value)
    return {member.called: member.apply(decision) for member in group.members}


# --- Relays and ordering --------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [False, True])
def test_08_own_commit_is_never_met_as_somebody_elses(crash: bool) -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, _ = group.members
    ours = alice.stage(Rename(Metadata("Coffee")))
    theirs = bob.stage(RenewKeys())
    if crash:
        alice.crash()
        bob.crash()
    assert alice.conversation.staged == ours.value
    with pytest.raises(NotNow):  # whatever comes of it, there is one value of ours in an epoch
        alice.stage(RenewKeys())
    events = group.follow(alice.conversation.seat, ours, alice)
    assert one(events["Alice"], EpochStarted).own
    assert not one(events["Bob"], EpochStarted).own
    assert group.together()
    assert bob.conversation.staged is None
    again = bob.stage(RenewKeys())
    assert again.value != theirs.value
    group.follow(bob.conversation.seat, again, bob)
    assert group.together()


def test_15_garbage_decided_is_death_for_all_alike_and_words_stay() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    alice.stage(RenewKeys())
    bob.say(b"before")
    for name, events in follow(group, garbage(carol)).items():
        assert one(events, Dead).culprit is None, name
    assert group.read(alice)["Alice"] == [b"before"]
    for member in group.members:
        member.crash()
        assert member.conversation.phase is Phase.DEAD
        with pytest.raises(NotNow):
            member.say(b"after")
        with pytest.raises(NotNow):
            member.stage(RenewKeys())


def test_16_keys_of_the_removed_are_worth_nothing_afterwards() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, bob, mallory = group.members
    seat = alice.conversation.seat
    old = mallory.conversation.keys(1)
    assert old is not None
    saved = dict(mallory.records)
    events = group.decide(alice, RemovePeople(frozenset({mallory.id})))
    assert one(events["Mallory"], Out).left is False
    assert mallory.conversation.phase is Phase.OUT
    assert set(mallory.records) == {b"c"}  # keys are gone, what was said is in the history
    group.members.remove(mallory)
    # The keys that relays accept from now on are none of those that he could have kept.
    after = alice.conversation.seat
    for each in seat.configuration.relays:
        kept = old.relay_key(seat.configuration.log, each.key).public
        assert kept == seat.key_of(each.key) != after.key_of(each.key)
    # And a program that did not delete them reads nothing.
    alice.say(b"he is gone")
    group.log.post(alice)
    mallory.records = saved
    mallory.crash()
    with pytest.raises(NotNow):
        mallory.receive(group.log.entries[-1])
    entry = group.log.entries[-1].data
    assert one(mallory.receive(Outgoing(1, old.tag + entry[8:])), CouldNotRead)
    assert group.read(bob)["Bob"] == [b"he is gone"]


def test_20_certificates_of_other_seats_are_none() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    value = bob.stage(RenewKeys()).value
    seat = alice.conversation.seat
    older = group.members[0].conversation._held.standing.before
    assert older is not None
    short = certify(seat, value, signers=(0, 1))
    for certificate in (
        short,
        certify(older[0], value),
        certify(replace(seat, keys=older[0].keys), value),
    ):
        with pytest.raises(NotInChain):
            alice.apply(Decision(certificate, value))
    assert group.together()


@pytest.mark.parametrize(
    "wrong", [{"log": bytes(32)}, {"seat": bytes(32)}, {"epoch": 7}, {"previous": None}], ids=str
)
def test_24_a_commit_for_another_slot_is_rejected_by_all_alike(wrong: dict[str, Any]) -> None:
    group = group_of("Alice", "Bob", "Carol")
    mallory = group.members[2]
    right = CommitData.from_bytes(data_of(mallory).encode())
    value = unruly(mallory, data=replace(right, **wrong))
    for events in follow(group, value).values():
        assert one(events, Dead)


def test_24_members_with_different_certificates_of_one_decision_stay_together() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    seat, value = alice.conversation.seat, alice.stage(RenewKeys()).value
    for member, signers, round in (
        (alice, (0, 1, 2), 0),
        (bob, (1, 2, 3), 0),
        (carol, (0, 2, 3), 4),
    ):
        member.apply(Decision(certify(seat, value, signers, round), value))
    group.decide(bob, RenewKeys())
    assert group.together()


def test_24_the_decision_before_this_one_may_come_again() -> None:
    group = group_of("Alice", "Bob")
    group.decide(group.members[0], RenewKeys())
    for member in group.members:
        assert member.apply(group.log.decisions[-1]) == ()
        with pytest.raises(NotInChain):
            member.apply(group.log.decisions[0])
    assert group.together()


# --- MLS and members ------------------------------------------------------------------------------


def wound(group: Group, culprit: Member, victim: Member) -> dict[str, tuple[Event, ...]]:
    """`culprit` commits a path secret that does not open for the leaf beside it."""

    def hook(path: object) -> object:
        nodes = path.nodes  # type: ignore[attr-defined]
        return forge.changed(path, nodes=(forge.corrupt_ciphertext(nodes[0]), *nodes[1:]))

    assert victim.conversation.own_leaf == culprit.conversation.own_leaf ^ 1
    return follow(group, broken(culprit, update_path=hook))


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("waiting", [False, True])
def test_25_who_is_wounded_says_so_and_is_put_back(crash: bool, waiting: bool) -> None:
    group = group_of("Alice", "Bob", "Carol", "Mallory", "Eve")
    alice, bob, carol, mallory, eve = group.members
    if waiting:  # somebody wants to leave: that must not silence the wounded
        eve.write(eve.conversation.leave(entropy=eve.entropy))
        group.read(alice, bob, carol)
    group.members.remove(mallory)  # his own program goes on differently
    if waiting:
        group.members.remove(eve)
    events = wound(group, mallory, carol)
    assert one(events["Carol"], Wounded).culprit == mallory_at(carol, 3)
    assert carol.conversation.phase is Phase.WOUNDED
    assert one(events["Alice"], KeysRenewed).by.account == mallory.id
    if crash:
        carol.crash()
    package = carol.package()
    carol.write(carol.conversation.report(package, entropy=carol.entropy))
    (entry,) = carol.outbox
    assert entry.grace and entry.epoch == 1
    cry = one(alice.receive(entry), MemberWounded)
    assert cry.who.account == carol.id and cry.epoch == 1
    one(bob.receive(entry), MemberWounded)
    # Bob is no admin: putting somebody back needs none.
    group.members.remove(carol)
    staged = bob.stage(Restore(cry.package))
    events = group.follow(bob.conversation.seat, staged, bob)
    assert one(events["Alice"], MemberRestored).who.account == carol.id
    due = one(events["Bob"], InvitationDue)
    bob.write(bob.conversation.rescue(due.draft, cry, entropy=bob.entropy))
    (rescue,) = bob.outbox
    assert rescue.grace and rescue.epoch == 1
    assert alice.receive(rescue) == ()
    invitation = one(carol.receive(rescue), RescueArrived).invitation
    carol.accept(invitation, staged.blobs, replaces=carol.conversation)
    group.members.append(carol)
    assert group.together()
    carol.crash()
    carol.say(b"back")
    assert b"back" in group.read(alice)["Alice"]


def mallory_at(member: Member, leaf: int) -> object:
    return next(person for person in member.conversation.people() if person.leaf == leaf)


def test_26_a_wrong_confirmation_tag_wounds_all_and_names_who_signed_it() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, bob, mallory = group.members
    group.members.remove(mallory)
    events = follow(group, broken(mallory, confirmation_tag=forge.flipped))
    for member in (alice, bob):
        assert one(events[member.called], Wounded).culprit == mallory_at(member, 2)
        assert member.conversation.phase is Phase.WOUNDED
        # Nobody signs a tag: any member could have put another one there. So it keeps nobody out.
        ground = member.conversation.ground()
        assert (ground.culprit, ground.sure) == (2, False)


def test_26_wrong_keys_in_the_header_wound_all_and_blame_nobody() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, _, mallory = group.members
    honest = alice.stage(RenewKeys()).value
    keys = Header.from_bytes(honest.header).next_keys
    value = reheaded(honest, mallory, next_keys=(relay(9).public, *keys[1:]))
    for events in follow(group, value).values():
        assert one(events, Wounded).culprit is None


def test_26_a_header_with_other_relays_than_the_group_is_death_for_all() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, _, mallory = group.members
    honest = alice.stage(RenewKeys()).value
    value = reheaded(honest, mallory, next_configuration=configuration((4, 5, 6, 7)))
    for events in follow(group, value).values():
        assert one(events, Dead).culprit is None


def test_26_whoever_cannot_follow_judges_the_relays_all_the_same() -> None:
    group = group_of("Alice", "Bob", "Carol", "Mallory")
    *honest, mallory = group.members

    def hook(path: object) -> object:
        nodes = path.nodes  # type: ignore[attr-defined]
        return forge.changed(path, nodes=(forge.corrupt_ciphertext(nodes[0]), *nodes[1:]))

    value = reheaded(
        broken(mallory, update_path=hook),
        mallory,
        next_configuration=configuration((4, 5, 6, 7)),
    )
    group.members = honest
    for events in follow(group, value).values():
        assert one(events, Dead)


def race(group: Group) -> tuple[Member, bytes, bytes]:
    """Two members add Dave at once, and Bob wins; Dave, Alice's invitation and Bob's."""
    alice, bob = group.members
    dave = Member("Dave")
    wishes = [AddPeople((dave.package(),), frozenset({dave.id})) for _ in group.members]
    lost, won = alice.stage(wishes[0]), bob.stage(wishes[1])
    seat = alice.conversation.seat
    # What Alice's program would leave if it did not wait: the true seat and her own Welcome.
    forked = free(alice)
    assert forked.staged is not None
    decision = decide(seat, won.value)
    events = {member.called: member.apply(decision) for member in group.members}
    right = one(events["Bob"], InvitationDue)
    keys = right.draft
    wrong = replace(keys, welcome=forked.staged.welcome)
    assert lost.value.hash != won.value.hash
    item = alice.conversation.invitation(wrong, b"", LINK, INBOX, entropy=alice.entropy)
    return dave, item, bob.invite(right)


def test_27_a_welcome_of_a_losing_commit_leads_nowhere_and_the_right_one_works() -> None:
    group = group_of("Alice", "Bob", role=Role.OWNER)
    dave, wrong, right = race(group)
    with pytest.raises(InvalidInvitation) as caught:
        dave.join(wrong)
    assert caught.value.fault is InvitationFault.ANOTHER_GROUP
    assert dave.live is None
    dave.join(right)
    group.members.append(dave)
    assert group.together()


def test_28_a_welcome_into_a_private_fork_is_refused() -> None:
    group = group_of("Alice", "Mallory")
    alice, mallory = group.members
    dave = Member("Dave")
    seat = mallory.conversation.seat
    roles = Roles(((mallory.id, Role.OWNER), (alice.id, Role.ADMIN)))
    forked = free(mallory).commit(
        [mls.Add(dave.package()), mls.AppDataUpdate(Component.ROLES, roles.encode())],
        path=True,
        authenticated_data=data_of(mallory).encode(),
        now=NOW,
        entropy=mallory.entropy,
    )
    value = wrapped(mallory, forked.message, forked.group, welcome=forked.welcome)
    # A real decision of the relays, and one by too few of them: none is of this value.
    real = decide(seat, alice.stage(RenewKeys()).value)
    for decision in (Decision(real.certificate, value), decide(seat, value, signers=(0, 1))):
        draft = Invitation(seat, (decision.link,), (seat.id,) * 4, forked.welcome, 1)
        with pytest.raises(InvalidInvitation) as caught:
            dave.join(mallory.invite(InvitationDue(1, (), draft, own=True)))
        assert caught.value.fault is InvitationFault.NOT_DECIDED
    # The real link does not help: it leads to another group.
    draft = Invitation(seat, (real.link,), (seat.id,) * 4, forked.welcome, 1)
    with pytest.raises(InvalidInvitation) as caught:
        dave.join(mallory.invite(InvitationDue(1, (), draft, own=True)))
    assert caught.value.fault is InvitationFault.ANOTHER_GROUP


def test_28_the_first_seat_is_tied_to_the_group() -> None:
    """Nobody shows a conversation that lies on other relays as one that began on theirs."""
    group = group_of("Mallory")
    (mallory,) = group.members
    dave = Member("Dave")
    staged = mallory.stage(AddPeople((dave.package(),), frozenset({dave.id})))
    events = group.follow(mallory.conversation.seat, staged, mallory)
    draft = one(events["Mallory"], InvitationDue).draft
    first = replace(draft.seat, configuration=configuration((4, 5, 6, 7)))
    link = decide(first, staged.value).link
    with pytest.raises(InvalidInvitation) as caught:
        forged = replace(draft, seat=first, links=(link,))
        dave.join(mallory.invite(InvitationDue(0, (), forged, own=True)))
    assert caught.value.fault is InvitationFault.ANOTHER_GROUP


def test_28_a_group_with_somebody_under_a_stolen_certificate_is_refused() -> None:
    alice, mallory, dave = Member("Alice"), Member("Mallory"), Member("Dave")
    mallory.device = replace(mallory.device, credential=alice.device.credential)
    mallory.found(configuration(), authentication=mls.AcceptAnyCredential())
    group = Group([mallory])
    events = group.decide(mallory, AddPeople((dave.package(),), frozenset({dave.id})))
    with pytest.raises(InvalidInvitation) as caught:
        dave.join(mallory.invite(one(events["Mallory"], InvitationDue)))
    assert caught.value.fault is InvitationFault.BAD_GROUP


def test_33_the_words_of_another_sealed_again_are_read_once() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, bob, mallory = group.members
    evil = free(mallory)
    alice.say(b"send the money")
    group.log.post(alice)
    (entry,) = group.log.entries
    _, plain = forge.unsealed(evil, entry.data[8:])
    signed = forge.content(
        free(alice), framed(MIMI_CONTENT, b"send the money"), wire_format=WireFormat.PRIVATE_MESSAGE
    )
    again = forge.private(evil, signed, generation=1, plain=lambda _: plain)
    assert texts(bob.receive(entry)) == [b"send the money"]
    replayed = Outgoing(1, entry.data[:8] + again)
    assert bob.receive(replayed) == ()
    bob.crash()
    assert bob.receive(entry) == () and bob.receive(replayed) == ()
    # Nor does it make who said it believe that there is a copy of them.
    for _ in range(2):
        assert alice.receive(entry) == () and alice.receive(replayed) == ()
        assert not alice.conversation.must_renew
        alice.crash()


def test_33_the_same_words_in_the_next_epoch_are_read_once() -> None:
    """Who met a closed epoch says the same again in the next: some may have read it in the first."""
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    alice.say(b"once")
    group.log.post(alice)
    assert texts(bob.receive(group.log.entries[0])) == [b"once"]
    group.decide(bob, RenewKeys())
    alice.say(b"once")
    assert group.read(bob)["Bob"] == []


def test_33_the_same_words_are_known_as_far_back_as_keys_reach() -> None:
    """In whatever order the copies come, after restarts too; counted from where they were last said."""
    group = group_of("Alice", "Bob")
    alice, bob = group.members

    def say() -> Outgoing:
        alice.say(b"once")
        return alice.outbox.pop()

    def go(epoch: int) -> None:
        while bob.conversation.epoch < epoch:
            group.decide(bob, RenewKeys())
        bob.crash()

    first = say()
    go(3)
    second = say()
    go(1 + PAST_EPOCHS)
    third = say()
    assert texts(bob.receive(second)) == [b"once"] and texts(bob.receive(first)) == []
    go(3 + PAST_EPOCHS)
    assert bob.receive(third) == ()
    go(third.epoch + PAST_EPOCHS)
    last = say()
    assert bob.receive(last) == ()
    # Beyond that it is for history, which knows messages by their ids.
    go(last.epoch + PAST_EPOCHS + 1)
    assert texts(bob.receive(say())) == [b"once"]


def test_34_nobody_joins_or_proposes_from_outside() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    eve = Member("Eve")
    info = free(alice).group_info(external_pub=True)
    config = replace(free(alice).config, private_handshakes=False)
    external = mls.Group.join_external(
        info, eve.device.credential, eve.device.key, config=config, now=NOW, entropy=eve.entropy
    )
    tag = alice.conversation.keys(1)
    assert tag is not None
    proposed = mls.propose_own_add(info, eve.device.package(now=NOW, entropy=eve.entropy))
    # As entries they are junk, as a decision the end, for all alike.
    for message in (external.message, proposed):
        assert one(bob.receive(Outgoing(1, tag.tag + message)), CouldNotRead)
    value = wrapped(bob, external.message, external.group)
    for events in follow(group, value).values():
        assert one(events, Dead)


def test_34_a_value_with_anything_but_departures_beside_the_commit_is_the_end() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, bob, mallory = group.members
    staged = free(mallory).commit(
        path=True,
        authenticated_data=data_of(mallory).encode(),
        now=NOW,
        entropy=mallory.entropy,
    )
    proposal = free(mallory).propose(mls.Remove(0), now=NOW, entropy=mallory.entropy)
    value = wrapped(mallory, staged.message, staged.group, departures=[proposal])
    group.members.remove(mallory)
    for events in follow(group, value).values():
        assert one(events, Dead)
    assert {alice.conversation.epoch, bob.conversation.epoch} == {1}


def test_34_handshakes_as_entries_are_junk_and_use_up_nothing() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, _, mallory = group.members
    tag = mallory.conversation.keys(1)
    assert tag is not None
    evil = free(mallory)
    proposal = evil.propose(mls.Remove(0), now=NOW, entropy=mallory.entropy)
    commit = free(mallory).commit(now=NOW, entropy=mallory.entropy)
    for message in (proposal, commit.message):
        assert one(alice.receive(Outgoing(1, tag.tag + message)), CouldNotRead)
    group.decide(mallory, RenewKeys())
    assert group.together()


def invited_twice(last_resort: bool) -> tuple[Member, bytes, bytes]:
    """Dave, and two invitations by one key package of his."""
    items = []
    dave = Member("Dave")
    package = dave.package(last_resort=last_resort)
    for called in ("Alice", "Bob"):
        group = group_of(called)
        (founder,) = group.members
        events = group.decide(founder, AddPeople((package,), frozenset({dave.id})))
        items.append(founder.invite(one(events[called], InvitationDue)))
    return dave, items[0], items[1]


def test_35_a_key_package_serves_once() -> None:
    dave, first, second = invited_twice(last_resort=False)
    dave.join(first)
    used = one_joined(dave)
    dave.packages = [package for package in dave.packages if package.reference != used]
    with pytest.raises(InvalidInvitation) as caught:
        dave.join(second)
    assert caught.value.fault is InvitationFault.NOT_FOR_US


def one_joined(member: Member) -> bytes:
    return one(member.events, Joined).package


def test_35_a_last_resort_serves_again_but_asks_for_fresh_keys_first() -> None:
    dave, first, second = invited_twice(last_resort=True)
    for item in (first, second):
        dave.records = {}
        dave.join(item)
        assert dave.conversation.must_renew
        dave.crash()
        with pytest.raises(NotNow):
            dave.say(b"too early")
        dave.apply(decide(dave.conversation.seat, dave.stage(RenewKeys()).value))
        assert not dave.conversation.must_renew
        dave.say(b"now")


def test_35_somebody_elses_commit_is_no_fresh_key_of_ours() -> None:
    group = group_of("Alice")
    (alice,) = group.members
    dave = Member("Dave")
    wish = AddPeople((dave.package(last_resort=True),), frozenset({dave.id}))
    group.decide(alice, wish, newcomers=[dave])
    group.decide(alice, RenewKeys())
    assert dave.conversation.must_renew
    group.decide(dave, RenewKeys())
    assert not dave.conversation.must_renew


def test_36_bad_key_packages_are_not_added() -> None:
    group = group_of("Alice", "Bob")
    alice = group.members[0]
    dave, eve = Member("Dave"), Member("Eve")
    bare = mls.new_key_package(
        dave.suite, dave.device.credential, dave.device.key, now=NOW, entropy=dave.entropy
    ).key_package
    stolen = mls.new_key_package(
        eve.suite, dave.device.credential, eve.device.key, now=NOW, entropy=eve.entropy
    ).key_package
    other = Member("Dave", suite=mls.DEFAULT_SUITE)
    year = 365 * 24 * 3600
    old = dave.device.package(now=NOW - year, entropy=dave.entropy).key_package
    early = dave.device.package(now=NOW + year, entropy=dave.entropy).key_package
    for package in (bare, stolen, other.package(), old, early):
        with pytest.raises(NotAllowed):
            alice.stage(AddPeople((package,), frozenset({dave.id})))
    with pytest.raises(NotAllowed):  # another account than the one that was meant
        alice.stage(AddPeople((eve.package(),), frozenset({dave.id})))
    group.decide(alice, AddPeople((dave.package(),), frozenset({dave.id})), newcomers=[dave])
    assert group.together()


def test_36_a_client_that_lacks_what_we_need_is_refused_by_all() -> None:
    group = group_of("Alice", "Bob", "Mallory", role=Role.OWNER)
    mallory = group.members[2]
    dave = Member("Dave")
    bare = mls.new_key_package(
        dave.suite, dave.device.credential, dave.device.key, now=NOW, entropy=dave.entropy
    ).key_package
    value = unruly(mallory, mls.Add(bare))
    group.members.remove(mallory)
    for events in follow(group, value).values():
        dead = one(events, Dead)
        assert dead.culprit is not None and dead.culprit.account == mallory.id


def forbidden(group: Group) -> dict[str, list[mls.Proposal]]:
    """What a plain member may not do."""
    dave = Member("Dave")
    alice, bob, mallory = group.members
    crown = Roles(((alice.id, Role.OWNER), (mallory.id, Role.ADMIN)))
    return {
        "add": [mls.Add(dave.package())],
        "remove": [mls.Remove(bob.conversation.own_leaf)],
        "remove the owner": [mls.Remove(alice.conversation.own_leaf)],
        "roles": [mls.AppDataUpdate(Component.ROLES, crown.encode())],
        "rename": [mls.AppDataUpdate(Component.METADATA, Metadata("Mine").encode())],
        "relays": [
            mls.AppDataUpdate(Component.CONFIGURATION, configuration((0, 1, 2, 4)).encode())
        ],
        "another component": [mls.AppDataUpdate(0x9000, b"x")],
        "drop a component": [mls.AppDataUpdate(Component.METADATA, None)],
        "garbage": [mls.AppDataUpdate(Component.METADATA, b"x")],
        "extensions": [mls.GroupContextExtensions(alice.conversation._member().context.extensions)],
        "ephemeral": [mls.AppEphemeral(0x9000, b"x")],
        "close": [mls.ReInit(b"new", 1, mallory.suite, ())],
    }


@pytest.mark.parametrize("deed", list(forbidden(group_of("Alice", "Bob", "Mallory"))))
def test_38_who_may_not_is_refused_by_all_alike_and_named(deed: str) -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, bob, mallory = group.members
    value = unruly(mallory, *forbidden(group)[deed])
    group.members.remove(mallory)
    for member in group.members:
        dead = one(follow(Group([member]), value)[member.called], Dead)
        if dead.culprit is None:
            assert deed in ("extensions", "ephemeral", "close")  # refused before anybody is asked
        else:
            assert dead.culprit.account == mallory.id
    assert {member.conversation.epoch for member in (alice, bob)} == {1}


def test_40_a_late_message_has_the_sender_of_its_own_epoch() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    carol.say(b"late")
    (late,) = carol.outbox
    carol.outbox = []
    leaf = carol.conversation.own_leaf
    group.decide(alice, RemovePeople(frozenset({carol.id})))
    group.members.remove(carol)
    dave = Member("Dave")
    group.decide(alice, AddPeople((dave.package(),), frozenset({dave.id})), newcomers=[dave])
    assert dave.conversation.own_leaf == leaf  # somebody else sits there now
    for member in (alice, bob):
        heard = one(member.receive(late), MessageReceived)
        assert (heard.sender.account, heard.epoch) == (carol.id, 1)
    # Who was not there knows nothing of that epoch.
    assert one(dave.receive(late), CouldNotRead).why is Unread.TOO_OLD


def test_40_outside_of_the_window_something_is_visibly_missing() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    for number in range(PAST_EPOCHS + 1):
        alice.say(b"word %d" % number)
        group.decide(alice, RenewKeys())
    entries = alice.outbox
    events = [bob.receive(entry) for entry in entries]
    assert one(events[0], CouldNotRead).why is Unread.TOO_OLD
    assert [text for each in events[1:] for text in texts(each)] == [
        b"word %d" % number for number in range(1, PAST_EPOCHS + 1)
    ]
    kept = [name for name in bob.records if name[:1] in (b"k", b"d")]
    assert len(kept) == PAST_EPOCHS + 1 + PAST_EPOCHS


def test_44_a_revoked_device_is_not_heard_and_is_removed() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    lost = Member("Bob", 2)
    group.decide(bob, AddPeople((lost.package(),), frozenset({bob.id})), newcomers=[lost])
    lost.say(b"it is me")
    group.log.post(lost)
    heard = alice.receive(group.log.entries[0], revoked={lost.device_id})
    assert one(heard, CouldNotRead).why is Unread.REVOKED
    # Bob is no admin; his devices are his to remove.
    events = group.decide(bob, RemoveDevices(frozenset({(lost.id, lost.device_id)})))
    gone = one(events["Alice"], MemberRemoved)
    assert gone.who.device == lost.device_id and not gone.last
    assert lost.conversation.phase is Phase.OUT
    with pytest.raises(NotNow):
        lost.stage(RenewKeys())


def test_another_branch_is_known_by_its_tag() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    seat = alice.conversation.seat
    one_way, other_way = alice.stage(RenewKeys()).value, bob.stage(RenewKeys()).value
    for member in (alice, carol):
        member.apply(decide(seat, one_way))
    bob.apply(decide(seat, other_way))  # more relays lied than may
    bob.say(b"from the other side")
    (entry,) = bob.outbox
    for member in (alice, carol):
        assert one(member.receive(entry), ForkSuspected).epoch == 2
