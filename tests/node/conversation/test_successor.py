"""A conversation that ended goes on in another log: who may begin it, who comes, what nobody is led into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from heliogram import mls
from heliogram.node.changes import AddPeople, CarryOver, RemovePeople, RenewKeys, SetRole
from heliogram.node.components import Component, Metadata, Predecessor, Role, Roles
from heliogram.node.errors import (
    InvalidInvitation,
    InvitationFault,
    NotAllowed,
    NotNow,
)
from heliogram.node.events import (
    Dead,
    InvitationDue,
    MemberWounded,
    Out,
    WentOn,
    Wounded,
)
from heliogram.node.records import Phase
from heliogram.node.successor import Ground, heirs
from heliogram.wire.objects import Header, Value
from tests.mls import forge
from tests.node.conversation.forging import broken, garbage, reheaded, unruly
from tests.node.conversation.successors import (
    add,
    beside,
    come,
    ended,
    forged,
    found,
    go_on,
    offer,
    offered,
    report,
)
from tests.node.conversation.world import (
    Group,
    Member,
    configuration,
    decide,
    group_of,
    one,
    relay,
)
from tests.node.identity.samples import name


def dead(*names: str, **how: Any) -> Group:
    """A conversation whose log has ended: all but the last are left, and the last has put garbage there."""
    group = group_of(*names, "Mallory", **how)
    *honest, mallory = group.members
    ended(group, garbage, mallory, *honest)
    return group


def roles_of(member: Member) -> Roles:
    return member.conversation.charter.roles


# --- All the way ----------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [False, True])
def test_15_after_garbage_all_go_on_in_another_log(crash: bool) -> None:
    group = dead("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    if crash:
        for member in group.members:
            member.crash()
    new, _ = go_on(alice, [bob, carol])
    assert len(new.members) == 3 and new.together()
    for member in new.members[1:]:
        went = one(member.events, WentOn)
        assert went.by.account == alice.id and went.epoch == 1 and went.risen == ()
        assert went.missing == (Member("Mallory").id,)
        assert member.conversation.charter.metadata == Metadata("Tea")
        assert roles_of(member) == Roles(((alice.id, Role.OWNER),))
        if crash:
            member.crash()
            assert member.conversation.charter.predecessor is not None
    new.members[1].say(b"here again")
    assert b"here again" in new.read(new.members[0])["Alice"]
    new.decide(new.members[2], RenewKeys())
    assert new.together()


def test_15_words_that_were_on_their_way_are_read_after_the_end() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, bob, mallory = group.members
    bob.say(b"late")
    ended(group, garbage, mallory, alice, bob)
    assert group.read(alice)["Alice"] == [b"late"]
    with pytest.raises(NotNow):
        bob.say(b"more")


def test_26_a_successor_forms_without_who_made_the_commit() -> None:
    group = group_of("Alice", "Bob", "Carol", "Mallory")
    alice, bob, carol, mallory = group.members
    value = broken(mallory, confirmation_tag=forge.flipped)
    ended(group, lambda _: value, mallory, alice, bob, carol)
    assert all(one(member.events, Wounded).culprit for member in group.members)
    for member in group.members:
        member.crash()
    # His own program says that it is wounded, too: he would like to come along.
    mallory.apply(decide(mallory.conversation.seat, garbage(mallory)))
    reports = report(alice, bob, carol, mallory)
    assert mallory.id in {each.who.account for each in reports}
    new = found(alice)
    due, blobs = add(alice, new, reports)
    assert mallory.id not in due.accounts and len(due.accounts) == 2
    entries = offer(alice, new, due, [r for r in reports if r.who.account in due.accounts])
    assert offered(mallory, entries) == []
    after = Group([new, *(come(m, offered(m, entries)[0], blobs) for m in (bob, carol))])
    assert after.together()


def test_26_after_wrong_keys_in_a_header_all_go_on() -> None:
    group = group_of("Alice", "Bob", "Mallory")
    alice, bob, mallory = group.members
    honest = alice.stage(RenewKeys()).value
    keys = Header.from_bytes(honest.header).next_keys
    value = reheaded(honest, mallory, next_keys=(relay(9).public, *keys[1:]))
    ended(group, lambda _: value, mallory, alice, bob)
    new, _ = go_on(alice, [bob])
    assert new.together() and len(new.members) == 2


@pytest.mark.parametrize("suite", [mls.DEFAULT_SUITE])
def test_a_successor_with_the_default_suite(suite: int) -> None:
    group = dead("Alice", "Bob", "Carol", "Dave", suite=suite)
    new, _ = go_on(group.members[0], group.members[1:])
    assert len(new.members) == 4 and new.together()


def test_a_successor_may_end_and_be_followed() -> None:
    group = dead("Alice", "Bob")
    second, _ = go_on(group.members[0], group.members[1:])
    alice, bob = second.members
    ended(second, garbage, bob, alice, bob)
    third, _ = go_on(alice, [bob], log="third")
    assert third.together() and len(third.members) == 2
    assert one(third.members[1].events, WentOn).epoch == 1


# --- Who may found --------------------------------------------------------------------------------


def test_only_admins_found_where_more_than_two_are() -> None:
    group = dead("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    ground = bob.conversation.ground()
    assert ground.entitles(alice.id) and not ground.entitles(bob.id)
    assert not ground.entitles(name("a stranger"))
    with pytest.raises(NotAllowed):
        found(bob)
    # His own program founds it all the same, and nobody comes.
    reports = report(bob, carol)
    bold = found(bob, ground=Bold.of(ground))
    due, blobs = add(bob, bold, reports)
    (invitation,) = offered(carol, offer(bob, bold, due, reports))
    refused(carol, invitation, blobs, InvitationFault.NO_SUCCESSOR)


class Bold(Ground):
    """The ground of who thinks that everybody may found."""

    @classmethod
    def of(cls, ground: Ground) -> Bold:
        return cls(**{name: getattr(ground, name) for name in Ground.__dataclass_fields__})

    def entitles(self, account: bytes) -> bool:
        return True


def refused(old: Member, invitation: Any, blobs: Any, fault: InvitationFault, **how: Any) -> None:
    with pytest.raises(InvalidInvitation) as caught:
        come(old, invitation, blobs, **how)
    assert caught.value.fault is fault


def test_of_two_each_may_found() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    ended(group, garbage, alice, alice, bob)
    new, _ = go_on(bob, [alice])
    assert new.together() and len(new.members) == 2
    # Alice was the owner, and is one again; Bob is no more than he was.
    assert roles_of(new.members[0]) == Roles(((alice.id, Role.OWNER),))


def unallowed(member: Member) -> Value:
    return unruly(member, mls.AppDataUpdate(Component.ROLES, None))


def test_who_surely_ended_it_may_not_found_and_the_next_one_follows() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    ended(group, unallowed, alice, bob, carol)
    for member in (bob, carol):
        assert one(member.events, Dead).culprit is not None
        member.crash()
        ground = member.conversation.ground()
        assert ground.offender == alice.id and not ground.entitles(alice.id)
        assert ground.entitles(bob.id) and not ground.entitles(carol.id)
    new, _ = go_on(bob, [carol])
    assert new.together() and len(new.members) == 2
    assert roles_of(new.members[1]) == Roles(((bob.id, Role.OWNER),))


def test_of_two_not_who_surely_ended_it() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    ended(group, unallowed, alice, bob)
    ground = bob.conversation.ground()
    assert ground.entitles(bob.id) and not ground.entitles(alice.id)
    assert not ground.entitles(name("a stranger"))


def test_nobody_is_to_blame_for_a_commit_of_our_own_that_we_forgot() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, _ = group.members
    seat, before = alice.conversation.seat, dict(alice.records)
    value = alice.stage(RenewKeys()).value
    alice.records = before
    alice.crash()
    alice.apply(decide(seat, value))
    assert alice.conversation.phase is Phase.WOUNDED
    ground = alice.conversation.ground()
    assert ground.offender is None and ground.entitles(alice.id)
    assert bob.conversation.phase is Phase.OPEN


def test_nobody_loses_a_right_by_a_tag_that_anybody_could_change() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    ended(group, lambda _: broken(alice, confirmation_tag=forge.flipped), alice, bob, carol)
    ground = bob.conversation.ground()
    assert ground.offender == alice.id and not ground.sure
    assert ground.entitles(alice.id) and not ground.entitles(bob.id)


def test_a_path_secret_that_is_not_for_me_is_surely_its_makers() -> None:
    group = group_of("Alice", "Bob", "Carol", "Dave")
    alice, bob, carol, _ = group.members

    def hook(path: Any) -> Any:
        return forge.changed(path, nodes=tuple(map(forge.corrupt_ciphertext, path.nodes)))

    value = broken(alice, update_path=hook)
    ended(group, lambda _: value, alice, carol)
    assert one(carol.events, Wounded).culprit is not None
    carol.crash()
    ground = carol.conversation.ground()
    assert ground.sure and ground.entitles(bob.id) and not ground.entitles(alice.id)


def test_a_log_does_not_follow_itself() -> None:
    alice = dead("Alice", "Bob").members[0]
    with pytest.raises(NotAllowed):
        beside(alice).found(configuration(), after=alice.conversation.ground())


# --- What a successor must prove ------------------------------------------------------------------


def tampered(change: Callable[[Predecessor], Predecessor]) -> type[Ground]:
    """The ground of a founder whose program says something else."""

    class Tampering(Bold):
        def predecessor(self, configuration: Any) -> Predecessor:
            return change(super().predecessor(configuration))

    return Tampering


CHANGES: dict[str, tuple[Callable[[Predecessor], Predecessor], InvitationFault]] = {
    "earlier": (lambda p: replace(p, epoch=0), InvitationFault.BEHIND),
    "later": (lambda p: replace(p, epoch=2), InvitationFault.AHEAD),
    "branch": (lambda p: replace(p, previous=name("other")), InvitationFault.ANOTHER_BRANCH),
    "first": (lambda p: replace(p, previous=None), InvitationFault.ANOTHER_BRANCH),
    "founder": (lambda p: replace(p, founder=1), InvitationFault.NO_SUCCESSOR),
    "nobody": (lambda p: replace(p, founder=99), InvitationFault.NO_SUCCESSOR),
    "signature": (lambda p: replace(p, signature=bytes(64)), InvitationFault.NO_SUCCESSOR),
    "proof": (lambda p: replace(p, proof=bytes(32)), InvitationFault.NO_SUCCESSOR),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_word_of_a_predecessor_counts(what: str) -> None:
    change, fault = CHANGES[what]
    group = dead("Alice", "Bob")
    alice, bob = group.members
    reports = report(alice, bob)
    new = found(alice, ground=tampered(change).of(alice.conversation.ground()))  # type: ignore[attr-defined]
    due, blobs = add(alice, new, reports)
    (invitation,) = offered(bob, offer(alice, new, due, reports))
    refused(bob, invitation, blobs, fault)
    assert bob.conversation.phase is Phase.DEAD


@pytest.mark.parametrize("missing", ["key", "secret"])
def test_neither_a_stolen_key_nor_the_secret_alone_makes_a_successor(missing: str) -> None:
    group = dead("Alice", "Bob")
    alice, bob = group.members
    true = alice.conversation.ground()
    thief = {
        "key": replace(true, key=Member("Eve").device.key.secret),
        "secret": replace(true, secret=mls.Secret(bytes(32))),
    }[missing]
    reports = report(alice, bob)
    new = found(alice, ground=thief)
    due, blobs = add(alice, new, reports)
    (invitation,) = offered(bob, offer(alice, new, due, reports))
    refused(bob, invitation, blobs, InvitationFault.NO_SUCCESSOR)


def test_the_words_of_one_successor_do_not_fit_another() -> None:
    group = dead("Alice", "Bob")
    alice, bob = group.members
    ground = alice.conversation.ground()
    genuine = ground.predecessor(configuration(range(4, 8), log="second"))
    reports = report(alice, bob)
    new = found(alice, log="third", ground=tampered(lambda _: genuine).of(ground))  # type: ignore[attr-defined]
    due, blobs = add(alice, new, reports)
    (invitation,) = offered(bob, offer(alice, new, due, reports))
    refused(bob, invitation, blobs, InvitationFault.NO_SUCCESSOR)


def bring(group: Group, wish: Callable[[Ground, list[MemberWounded]], Any]) -> tuple[Any, Any]:
    """The founder of a successor stages another first wish than it should; what Bob gets."""
    alice, bob = group.members[:2]
    reports = report(*group.members)
    new = found(alice)
    staged = new.stage(wish(alice.conversation.ground(), reports))
    due = one(new.apply(decide(new.conversation.seat, staged.value)), InvitationDue)
    (invitation,) = offered(bob, offer(alice, new, due, reports))
    return invitation, staged.blobs


def packages(reports: list[MemberWounded], *accounts: bytes) -> tuple[mls.KeyPackage, ...]:
    return tuple(each.package for each in reports if each.who.account in accounts)


def test_nobody_becomes_more_by_going_on() -> None:
    group = dead("Alice", "Bob", "Carol")
    bob, carol = group.members[1:]
    invitation, blobs = bring(
        group,
        lambda ground, reports: CarryOver(
            packages(reports, bob.id, carol.id), ground.charter.roles.appoint(carol.id, Role.ADMIN)
        ),
    )
    refused(bob, invitation, blobs, InvitationFault.NO_SUCCESSOR)


def test_an_admin_who_founds_stays_an_admin() -> None:
    group = dead("Alice", "Bob", "Carol", role=Role.ADMIN)
    alice, bob, carol = group.members
    new, _ = go_on(bob, [alice, carol])
    assert new.together()
    for member in new.members:
        assert roles_of(member) == roles_of(alice).settled([alice.id, bob.id, carol.id])
        assert roles_of(member).of(bob.id) is Role.ADMIN
    # Had he kept what he was as the only one in it, nobody would have come.
    invitation, blobs = bring(
        Group([bob, carol]),
        lambda _, reports: AddPeople(packages(reports, carol.id), frozenset({carol.id})),
    )
    refused(carol, invitation, blobs, InvitationFault.NO_SUCCESSOR)


def test_no_stranger_comes_with_the_first_commit() -> None:
    group = dead("Alice", "Bob")
    bob = group.members[1]
    eve = Member("Eve")
    invitation, blobs = bring(
        group,
        lambda ground, reports: CarryOver(
            (*packages(reports, bob.id), eve.package()), ground.charter.roles
        ),
    )
    refused(bob, invitation, blobs, InvitationFault.NO_SUCCESSOR)


def test_the_name_goes_along() -> None:
    group = dead("Alice", "Bob")
    alice, bob = group.members
    reports = report(alice, bob)
    ground = alice.conversation.ground()
    other = replace(ground, charter=replace(ground.charter, metadata=Metadata("Coffee")))
    new = found(alice, ground=other)
    due, blobs = add(alice, new, reports)
    (invitation,) = offered(bob, offer(alice, new, due, reports))
    refused(bob, invitation, blobs, InvitationFault.NO_SUCCESSOR)


def test_who_founded_sits_first_and_invites() -> None:
    """Carol, another admin, shows the founder's words in a group of her own making."""
    group = dead("Alice", "Bob", "Carol", role=Role.ADMIN)
    alice, bob, carol = group.members
    relays = configuration(range(4, 8), log="second")
    genuine = alice.conversation.ground().predecessor(relays)
    reports = report(alice, bob, carol)
    new = found(carol, ground=tampered(lambda _: genuine).of(carol.conversation.ground()))  # type: ignore[attr-defined]
    due, blobs = add(carol, new, reports)
    (invitation,) = offered(bob, offer(carol, new, due, reports))
    refused(bob, invitation, blobs, InvitationFault.NO_SUCCESSOR)


def test_in_the_first_epoch_only_the_founder_invites() -> None:
    group = dead("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    reports = report(alice, bob, carol)
    new = found(alice)
    due, blobs = add(alice, new, reports)
    (mine, *_) = offered(carol, offer(alice, new, due, reports))
    there = come(carol, mine, blobs)
    refused(bob, forged(there, due.draft), blobs, InvitationFault.NO_SUCCESSOR)


@pytest.mark.parametrize("data", [b"something", None], ids=["changed", "removed"])
def test_nothing_changes_where_a_conversation_comes_from(data: bytes | None) -> None:
    group = dead("Alice", "Bob")
    new, _ = go_on(group.members[0], group.members[1:])
    alice, bob = new.members
    component = alice.conversation.charter.predecessor
    assert component is not None
    value = unruly(alice, mls.AppDataUpdate(Component.PREDECESSOR, data and component.encode()))
    assert one(bob.apply(decide(bob.conversation.seat, value)), Dead).culprit is not None
    alice, bob = group_of("Alice", "Bob").members
    value = unruly(alice, mls.AppDataUpdate(Component.PREDECESSOR, component.encode()))
    assert one(bob.apply(decide(bob.conversation.seat, value)), Dead)


# --- Who comes ------------------------------------------------------------------------------------


def test_who_is_left_out() -> None:
    group = group_of("Alice", "Bob", "Carol", "Dave", "Eve", "Mallory")
    alice, bob, carol, dave, eve, mallory = group.members
    eve.write(eve.conversation.leave(entropy=eve.entropy))
    group.read(alice, bob, carol, dave)
    ended(group, garbage, mallory, alice, bob, carol, dave, eve)
    reports = report(alice, bob, carol, dave, eve)
    ground = alice.conversation.ground()
    wish = heirs(
        ground,
        [person for person in alice.conversation.people() if person.account == alice.id],
        reports,
        [Member("Stranger").package()],
        leave_out=[bob.id],
        revoked=[dave.device_id],
    )
    assert wish is not None
    assert [package for package in wish.packages] == [
        each.package for each in reports if each.who.account == carol.id
    ]
    people = alice.conversation.people()
    assert heirs(ground, people, reports) is None


def test_the_newest_report_counts_and_packages_from_elsewhere_too() -> None:
    group = dead("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    (first,), (second,) = ([r for r in report(alice, bob) if r.who.account == bob.id] for _ in "12")
    assert first.package != second.package
    elsewhere = [carol.package(), bob.package(), carol.package()]
    wish = heirs(alice.conversation.ground(), [], [first, second], elsewhere)
    assert wish is not None
    assert set(wish.packages) == {second.package, elsewhere[-1]}


def test_who_comes_later_gets_the_role_back_and_sees_what_is_different() -> None:
    group = dead("Alice", "Bob", "Carol", role=Role.ADMIN)
    alice, bob, carol = group.members
    reports = report(alice, bob)
    new = found(alice)
    due, blobs = add(alice, new, reports)
    entries = offer(alice, new, due, reports)
    (invitation,) = offered(bob, entries)
    assert offered(carol, entries) == []
    after = Group([new, come(bob, invitation, blobs)])
    assert roles_of(new).of(carol.id) is Role.MEMBER
    late = report(alice, carol)
    staged = new.stage(heirs_of(alice, new, late))
    events = after.follow(new.conversation.seat, staged, new)
    entries = offer(alice, new, one(events["Alice"], InvitationDue), late)
    (invitation,) = offered(carol, entries)
    third = come(carol, invitation, staged.blobs)
    after.members.append(third)
    assert after.together() and roles_of(third).of(carol.id) is Role.ADMIN
    went = one(third.events, WentOn)
    assert went.by.account == alice.id and went.risen == ()
    after.decide(new, SetRole(bob.id, Role.OWNER))
    assert offered(bob, entries) == []  # not for him


def heirs_of(old: Member, new: Member, reports: list[MemberWounded]) -> CarryOver:
    wish = heirs(old.conversation.ground(), new.conversation.people(), reports)
    assert wish is not None
    return wish


def test_who_is_there_keeps_the_role_of_today() -> None:
    group = dead("Alice", "Bob", role=Role.ADMIN)
    alice, bob = group.members
    new, _ = go_on(alice, [bob])
    new.decide(new.members[0], SetRole(bob.id, Role.MEMBER))
    second = Member("Bob", 2)
    wish = heirs(
        alice.conversation.ground(),
        new.members[0].conversation.people(),
        [],
        [second.package()],
    )
    assert wish is not None
    new.decide(new.members[0], wish)
    assert roles_of(new.members[0]).of(bob.id) is Role.MEMBER


def test_who_comes_later_is_told_who_has_risen() -> None:
    group = group_of("Alice", "Bob", "Carol", "Mallory")
    alice, bob, carol, mallory = group.members
    group.decide(alice, SetRole(carol.id, Role.ADMIN))
    ended(group, garbage, mallory, alice, bob, carol)
    new, _ = go_on(alice, [bob])
    new.decide(new.members[0], SetRole(bob.id, Role.ADMIN))
    late = report(carol, alice)
    staged = new.members[1].stage(heirs_of(bob, new.members[1], late))
    events = new.follow(new.members[0].conversation.seat, staged, new.members[1])
    due = one(events["Bob"], InvitationDue)
    # Bob is an admin here: he can add her, but not give her role back.
    (invitation,) = offered(carol, offer(bob, new.members[1], due, late))
    third = come(carol, invitation, staged.blobs)
    assert one(third.events, WentOn).risen == (bob.id,)
    assert roles_of(third).of(carol.id) is Role.MEMBER


def test_who_was_wounded_before_the_end_is_not_forgotten() -> None:
    group = group_of("Alice", "Bob", "Carol", "Mallory")
    alice, bob, carol, mallory = group.members
    value = broken(alice, confirmation_tag=forge.flipped)
    decision = decide(carol.conversation.seat, value)
    carol.apply(decision)
    package = carol.package()
    carol.write(carol.conversation.report(package, entropy=carol.entropy))
    heard = one(alice.receive(carol.outbox.pop()), MemberWounded)
    group.members = [alice, bob, mallory]
    group.decide(alice, RenewKeys())
    ended(group, garbage, mallory, alice, bob)
    new = found(alice)
    due, blobs = add(alice, new, [heard])
    (entry,) = offer(alice, new, due, [heard])
    assert entry.epoch == 1 and entry.grace
    (invitation,) = offered(carol, [entry])
    # She cannot check it: what it goes on from she never saw. A person may say yes.
    refused(carol, invitation, blobs, InvitationFault.AHEAD)
    there = beside(carol)
    there.accept(invitation, blobs)
    assert Group([new, there]).together()


def test_a_dead_log_is_not_joined_again() -> None:
    group = dead("Alice", "Bob")
    alice, bob = group.members
    other = group_of("Alice", "Dave")
    due = one(other.members[0].events, InvitationDue)
    reports = report(alice, bob)
    entries = offer(alice, other.members[0], due, reports)
    assert offered(bob, entries) == []
    assert [event for entry in entries for event in bob.receive(entry)] == []


def test_offers_are_for_who_reported_and_nobody_else() -> None:
    group = dead("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    reports = report(alice, bob)
    new = found(alice)
    due, blobs = add(alice, new, reports)
    entries = offer(alice, new, due, reports)
    assert len(entries) == 1 and len(entries[0].data) in (8192 + 8, 16384)
    carol.package()
    carol.write(carol.conversation.report(carol.packages[-1].key_package, entropy=carol.entropy))
    assert offered(carol, entries) == []
    assert len(offered(bob, entries)) == 1
    with pytest.raises(NotNow):
        offer(alice, new, due, [])
    assert new.conversation.group_id not in entries[0].data
    del blobs


def test_many_are_offered_in_few_entries() -> None:
    group = dead("Alice", "Bob")
    alice, bob = group.members
    reports = report(alice, bob)
    new = found(alice)
    due, _ = add(alice, new, reports)
    (mine,) = [each for each in reports if each.who.account == bob.id]
    crowd = [replace(mine, secret=name(f"secret {number}")) for number in range(62)]
    entries = offer(alice, new, due, [*crowd, mine])
    assert len(entries) == 2
    assert len(offered(bob, entries)) == 1


# --- Which of several -----------------------------------------------------------------------------


def test_all_end_in_the_same_one_of_two_successors() -> None:
    group = dead("Alice", "Bob", "Carol", "Dave", role=Role.ADMIN)
    alice, bob, carol, dave = group.members
    reports = report(*group.members)
    offers, heads, blobs = [], {}, {}
    for founder in (bob, carol):
        new = found(founder, log=f"of {founder.called}")
        due, some = add(founder, new, reports)
        offers += offer(founder, new, due, reports)
        heads[founder.called], blobs[new.conversation.group_id] = new, some
    chosen = set()
    for member in (alice, bob, carol, dave):
        ground = member.conversation.ground()
        candidates = [heads[member.called]] if member.called in heads else []
        for invitation in offered(member, offers):
            for some in blobs.values():
                try:
                    candidates.append(come(member, invitation, some))
                    break
                except Exception:  # the blob of the other one
                    continue
        assert len(candidates) == 2
        orders = [
            (order(ground, candidate), candidate.conversation.group_id) for candidate in candidates
        ]
        chosen.add(min(orders)[1])
        loser = max(zip(orders, candidates, strict=True), key=lambda pair: pair[0])[1]
        assert one(loser.write(loser.conversation.abandon()), Out).left
        assert loser.conversation.phase is Phase.OUT and len(loser.records) == 1
        assert loser.conversation.abandon().events == ()
    assert len(chosen) == 1


def order(ground: Ground, new: Member) -> tuple[int, bytes, bytes]:
    predecessor = new.conversation.charter.predecessor
    assert predecessor is not None
    return ground.order(predecessor, new.conversation.group_id)


def test_an_owners_successor_comes_before_all_others() -> None:
    group = dead("Alice", "Bob", "Carol", "Dave", role=Role.ADMIN)
    ground = group.members[3].conversation.ground()
    made = [
        (Predecessor(ground.log, ground.epoch, ground.previous, leaf), name(f"id {leaf}"))
        for leaf in range(4)
    ]
    best = {min(some, key=lambda one: ground.order(*one)) for some in permutations(made)}
    assert best == {made[0]}
    by_rank = sorted(made[1:], key=lambda one: ground.order(*one))
    again = dead("Alice", "Bob", "Carol", "Dave", role=Role.ADMIN).members[1].conversation.ground()
    assert sorted(made[1:], key=lambda one: again.order(*one)) == by_rank
    # In another epoch the order is another one, sooner or later: nobody can know it before.
    orders = set()
    for number in range(12):
        other = replace(ground, secret=mls.Secret(name(f"successor {number}")))
        assert min(made, key=lambda p: other.order(*p)) == made[0]
        orders.add(tuple(one[0].founder for one in sorted(made[1:], key=lambda p: other.order(*p))))
    assert len(orders) > 1


# --- Ends that are none ---------------------------------------------------------------------------


def test_10_when_no_quorum_is_left_a_successor_on_other_relays_brings_all_together() -> None:
    group = group_of("Alice", "Bob", "Carol")
    alice, bob, carol = group.members
    bob.say(b"queued")
    new = found(alice)
    wish = heirs(
        alice.conversation.ground(),
        new.conversation.people(),
        [],
        [bob.package(), carol.package()],
    )
    assert wish is not None
    staged = new.stage(wish)
    due = one(new.apply(decide(new.conversation.seat, staged.value)), InvitationDue)
    alice.write(alice.conversation.stop("too many relays are lost"))
    assert alice.conversation.phase is Phase.DEAD
    assert alice.conversation.stop("again").events == ()
    with pytest.raises(NotNow):
        alice.say(b"no more")
    after = Group([new])
    for member in (bob, carol):
        there = beside(member)
        ground = member.conversation.ground()
        there.join(new.invite(due), staged.blobs, grounds=lambda log, at=ground: at)
        assert one(there.events, WentOn).by.account == alice.id
        member.write(member.conversation.stop("it goes on in another log"))
        after.members.append(there)
    assert after.together()
    assert group.read(alice)["Alice"] == [b"queued"]


def test_no_grounds_no_check_and_foreign_logs_are_none_of_our_business() -> None:
    group = dead("Alice", "Bob")
    alice, bob = group.members
    reports = report(alice, bob)
    new = found(alice)
    due, blobs = add(alice, new, reports)
    (invitation,) = offered(bob, offer(alice, new, due, reports))
    stranger = beside(bob)
    stranger.accept(invitation, blobs)
    assert not [event for event in stranger.events if isinstance(event, WentOn)]
    ground = dead("Eve", "Frank").members[0].conversation.ground()
    other = replace(ground, log=name("another log"))
    stranger = beside(bob)
    stranger.accept(invitation, blobs, grounds=lambda log: other if log == other.log else None)
    with pytest.raises(InvalidInvitation) as caught:
        other.verify(
            alice.conversation.ground().predecessor(configuration(log="second")), bytes(32)
        )
    assert caught.value.fault is InvitationFault.NO_SUCCESSOR


def test_who_was_removed_founds_nothing_that_others_follow() -> None:
    group = group_of("Alice", "Bob", "Mallory", role=Role.ADMIN)
    alice, bob, mallory = group.members
    ground = mallory.conversation.ground()
    group.decide(alice, RemovePeople(frozenset({mallory.id})))
    with pytest.raises(NotNow):
        mallory.conversation.ground()
    group.members = [alice, bob]
    ended(group, garbage, bob, alice, bob)
    (cry,) = [each for each in report(alice, bob) if each.who.account == bob.id]
    new = beside(mallory)
    new.found(configuration(range(4, 8), log="his"), after=ground)
    staged = new.stage(CarryOver((cry.package,), ground.charter.roles))
    due = one(new.apply(decide(new.conversation.seat, staged.value)), InvitationDue)
    refused(bob, forged(new, due.draft), staged.blobs, InvitationFault.BEHIND)


def test_nothing_of_a_ground_has_a_text() -> None:
    ground = dead("Alice", "Bob").members[0].conversation.ground()
    text = repr(ground)
    for secret in (ground.key, ground.secret, ground.log):
        assert bytes(secret).hex() not in text and repr(bytes(secret)) not in text
