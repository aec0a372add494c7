"""Who may do what: what is allowed works for all, what is not is refused before it leaves."""

from __future__ import annotations

import pytest

from heliogram.node.changes import (
    AddPeople,
    ChangeRelays,
    RemoveDevices,
    RemovePeople,
    Rename,
    RenewKeys,
    Restore,
    SetRole,
    Wish,
)
from heliogram.node.components import MAX_NAME, Metadata, Role, Roles
from heliogram.node.errors import NotAllowed, NotNow
from heliogram.node.events import (
    Event,
    KeysRenewed,
    LeavingAnnounced,
    MemberAdded,
    MemberLeft,
    MemberRemoved,
    MetadataChanged,
    Out,
    RelaysChanged,
    RoleChanged,
)
from tests.node.conversation.world import Group, Member, configuration, group_of, one
from tests.node.identity.samples import name

A, B, C = name("a"), name("b"), name("c")


def cast() -> tuple[Group, dict[str, Member]]:
    """An owner, an admin, two members."""
    group = group_of("owner", "admin", "member", "other")
    people = {member.called: member for member in group.members}
    group.decide(people["owner"], SetRole(people["admin"].id, Role.ADMIN))
    return group, people


def wishes(people: dict[str, Member]) -> dict[str, Wish]:
    """What somebody may want."""
    new = Member("new")
    ids = {called: frozenset({member.id}) for called, member in people.items()}
    return {
        "add": AddPeople((new.package(),), frozenset({new.id})),
        "add an admin": AddPeople((new.package(),), frozenset({new.id}), Role.ADMIN),
        "remove a member": RemovePeople(ids["other"]),
        "remove an admin": RemovePeople(ids["admin"]),
        "remove an owner": RemovePeople(ids["owner"]),
        "appoint": SetRole(people["other"].id, Role.ADMIN),
        "depose": SetRole(people["admin"].id, Role.MEMBER),
        "rename": Rename(Metadata("Coffee", "Beans", b"picture", 3600)),
        "relays": ChangeRelays(configuration((0, 1, 2, 4))),
        "renew": RenewKeys(),
    }


ALLOWED = {
    "owner": {
        *("add", "add an admin", "remove a member", "remove an admin", "appoint", "depose"),
        *("rename", "relays", "renew"),
    },
    "admin": {"add", "remove a member", "rename", "relays", "renew"},
    "member": {"renew"},
}


@pytest.mark.parametrize("who", list(ALLOWED))
def test_each_role_may_what_it_may_and_no_more(who: str) -> None:
    _, people = cast()
    for what in wishes(people):
        group, people = cast()
        actor, wish = people[who], wishes(people)[what]
        if what in ALLOWED[who]:
            events = group.decide(actor, wish)
            assert events["other"], what
            group.members = [m for m in group.members if m.conversation.phase.name == "OPEN"]
            assert group.together(), what
        else:
            with pytest.raises(NotAllowed):
                actor.stage(wish)


def test_history_says_who_did_what() -> None:
    group, people = cast()
    owner, member = people["owner"], people["member"]
    new = Member("new")
    wish = AddPeople((new.package(),), frozenset({new.id}), Role.ADMIN)
    events = group.decide(owner, wish, newcomers=[new])["member"]
    added, role = one(events, MemberAdded), one(events, RoleChanged)
    assert added.by.account == owner.id and added.who.account == new.id and added.first
    assert (role.account, role.role) == (new.id, Role.ADMIN)
    second = Member("member", 2)
    wish = AddPeople((second.package(),), frozenset({member.id}))
    events = group.decide(member, wish, newcomers=[second])["owner"]
    assert not one(events, MemberAdded).first
    events = group.decide(new, Rename(Metadata("Coffee")))["owner"]
    assert one(events, MetadataChanged).metadata == Metadata("Coffee")
    assert one(events, MetadataChanged).by.account == new.id
    events = group.decide(owner, RemovePeople(frozenset({member.id})))["other"]
    removed = [event for event in events if isinstance(event, MemberRemoved)]
    assert [event.last for event in removed] == [True, True]
    group.members = [owner, people["admin"], people["other"], new]
    assert one(group.decide(new, RenewKeys())["owner"], KeysRenewed).by.account == new.id
    assert group.together()


def test_relays_change_and_new_ones_have_instances_of_their_own() -> None:
    group, people = cast()
    owner = people["owner"]
    before = owner.conversation.instances
    events = group.decide(owner, ChangeRelays(configuration((0, 1, 2, 4))))
    changed = one(events["member"], RelaysChanged)
    assert changed.configuration == configuration((0, 1, 2, 4)) and not changed.objections
    for member in group.members:
        assert member.conversation.seat.configuration == changed.configuration
        seat = member.conversation.seat
        assert member.conversation.instances == (*before[:3], seat.id)
    with pytest.raises(NotAllowed):
        owner.stage(ChangeRelays(configuration((5, 6, 7, 8))))
    events = group.decide(owner, ChangeRelays(configuration((5, 6, 7, 8)), emergency=True))
    assert one(events["member"], RelaysChanged).objections
    group.decide(people["member"], RenewKeys())
    assert group.together()


def test_the_log_stays_the_same() -> None:
    _, people = cast()
    with pytest.raises(NotAllowed):
        people["owner"].stage(ChangeRelays(configuration(log="another")))


def test_what_nobody_accepts_is_not_staged() -> None:
    group = group_of("owner", "member")
    owner = group.members[0]
    wishes: list[Wish] = [
        Rename(Metadata("x" * (MAX_NAME + 1))),
        RemoveDevices(frozenset({(owner.id, owner.device_id)})),  # a committer who removes itself
        RemoveDevices(frozenset({(owner.id, bytes(16))})),
    ]
    for wish in wishes:
        with pytest.raises(NotAllowed):
            owner.stage(wish)
    group.decide(group.members[0], RenewKeys())
    assert group.together()


def test_an_account_has_so_many_devices_and_no_more() -> None:
    group = group_of("owner", "member")
    member = group.members[1]
    more = [Member("member", number) for number in range(2, 18)]
    packages = tuple(device.package() for device in more)
    with pytest.raises(NotAllowed):
        member.stage(AddPeople(packages, frozenset({member.id})))
    group.decide(member, AddPeople(packages[1:], frozenset({member.id})))
    assert group.together()
    with pytest.raises(NotAllowed):
        group.members[0].stage(AddPeople(packages[:1], frozenset({member.id})))


# --- Leaving, and who follows ---------------------------------------------------------------------


def leave(group: Group, leaver: Member, by: Member) -> dict[str, tuple[Event, ...]]:
    """Somebody leaves, and `by` commits it."""
    leaver.write(leaver.conversation.leave(entropy=leaver.entropy))
    group.log.post(leaver)
    entry = group.log.entries[-1]
    for member in group.members:
        if member is not leaver:
            assert one(member.receive(entry), LeavingAnnounced).who.account == leaver.id
            assert member.receive(entry) == ()
            with pytest.raises(NotNow):
                member.say(b"not before a commit")
    return group.decide(by, RenewKeys())


@pytest.mark.parametrize("crash", [False, True])
def test_a_plain_member_commits_that_the_last_owner_leaves_and_the_admin_follows(
    crash: bool,
) -> None:
    group, people = cast()
    owner, member = people["owner"], people["member"]
    if crash:
        owner.write(owner.conversation.leave(entropy=owner.entropy))
        (entry,) = owner.outbox
        for other in group.members:
            other.crash()
            if other is not owner:
                other.receive(entry)
                other.crash()
                assert other.conversation.commit_due
        assert owner.conversation.leave(entropy=owner.entropy).entries == ()
        events = group.decide(member, RenewKeys())
    else:
        events = leave(group, owner, member)
    assert one(events["owner"], Out).left
    assert one(events["other"], MemberLeft).last
    roles = [event for event in events["other"] if isinstance(event, RoleChanged)]
    assert {(event.account, event.role) for event in roles} == {
        (owner.id, Role.MEMBER),
        (people["admin"].id, Role.OWNER),
    }
    group.members.remove(owner)
    assert group.together()
    for left in group.members:
        left.say(b"we go on")
    assert set(owner.records) == {b"c"}


def test_without_admins_the_first_leaf_follows() -> None:
    group = group_of("owner", "first", "second")
    owner, first, second = group.members
    leave(group, owner, second)
    group.members.remove(owner)
    assert second.conversation.charter.roles == Roles(((first.id, Role.OWNER),))
    group.decide(first, Rename(Metadata("Mine now")))
    assert group.together()


def test_the_last_owner_steps_back_and_the_longest_appointed_admin_follows() -> None:
    group, people = cast()
    owner, admin = people["owner"], people["admin"]
    group.decide(owner, SetRole(people["other"].id, Role.ADMIN))
    group.decide(owner, SetRole(owner.id, Role.MEMBER))
    roles = admin.conversation.charter.roles
    assert roles.of(owner.id) is Role.MEMBER and roles.of(admin.id) is Role.OWNER
    assert roles.of(people["other"].id) is Role.ADMIN
    with pytest.raises(NotAllowed):
        owner.stage(Rename(Metadata("No more")))
    alone = group_of("owner").members[0]
    alone.stage(SetRole(alone.id, Role.ADMIN))
    assert alone.conversation.charter.roles.of(alone.id) is Role.OWNER


def test_a_role_goes_with_the_last_device() -> None:
    group, people = cast()
    owner, admin = people["owner"], people["admin"]
    phone = Member("admin", 2)
    wish = AddPeople((phone.package(),), frozenset({admin.id}))
    group.decide(admin, wish, newcomers=[phone])
    leave(group, admin, owner)
    group.members.remove(admin)
    assert owner.conversation.charter.roles.of(admin.id) is Role.ADMIN
    group.decide(owner, RemovePeople(frozenset({admin.id})))
    group.members.remove(phone)
    assert owner.conversation.charter.roles.of(admin.id) is Role.MEMBER
    again = Member("admin", 3)
    wish = AddPeople((again.package(),), frozenset({admin.id}))
    group.decide(owner, wish, newcomers=[again])
    assert again.conversation.charter.roles.of(admin.id) is Role.MEMBER
    assert group.together()


def test_who_was_not_taken_along_announces_it_anew() -> None:
    group, people = cast()
    member, other, owner = people["member"], people["other"], people["owner"]
    staged = owner.stage(RenewKeys())  # before the announcement
    member.write(member.conversation.leave(entropy=member.entropy))
    member.outbox = []
    group.follow(owner.conversation.seat, staged, owner)
    assert member.conversation.phase.name == "OPEN"
    (entry,) = member.outbox
    assert entry.epoch == member.conversation.epoch
    one(other.receive(entry), LeavingAnnounced)
    assert one(group.decide(other, RenewKeys())["member"], Out).left


def test_who_has_not_read_the_announcement_follows_all_the_same() -> None:
    group, people = cast()
    member, other = people["member"], people["other"]
    member.write(member.conversation.leave(entropy=member.entropy))
    other.receive(member.outbox[0])
    events = group.decide(other, RenewKeys())
    assert one(events["owner"], MemberLeft).who.account == member.id
    group.members.remove(member)
    assert group.together()


def test_two_leave_at_once_and_nobody_is_left() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    for member in group.members:
        member.write(member.conversation.leave(entropy=member.entropy))
    for reader, writer in ((alice, bob), (bob, alice)):
        one(reader.receive(writer.outbox[0]), LeavingAnnounced)
    events = group.decide(alice, RenewKeys())
    assert one(events["Bob"], Out).left and one(events["Alice"], Out).left
    assert set(alice.records) == set(bob.records) == {b"c"}
    alice.crash()
    assert alice.conversation.phase.name == "OUT"


def test_one_alone_just_leaves() -> None:
    alice = group_of("Alice").members[0]
    events = alice.write(alice.conversation.leave(entropy=alice.entropy))
    assert one(events, Out).left and set(alice.records) == {b"c"}


def test_putting_back_takes_a_package_of_the_very_device() -> None:
    _, people = cast()
    member, other = people["member"], people["other"]
    stranger, phone = Member("stranger"), Member("other", 2)
    for package in (stranger.package(), phone.package()):
        with pytest.raises(NotAllowed):
            member.stage(Restore(package))
    member.stage(Restore(other.package()))


# --- Roles ----------------------------------------------------------------------------------------


def test_roles_keep_the_order_of_appointment() -> None:
    roles = Roles().appoint(A, Role.ADMIN).appoint(B, Role.OWNER).appoint(C, Role.ADMIN)
    assert roles.appoint(A, Role.OWNER).appointments[0] == (A, Role.OWNER)
    assert roles.appoint(B, Role.MEMBER).appointments == ((A, Role.ADMIN), (C, Role.ADMIN))
    assert roles.settled([A, B, C]) == roles
    assert roles.settled([C, A]).of(A) is Role.OWNER
    assert Roles().settled([C, A]).appointments == ((C, Role.OWNER),)
    assert roles.settled([]).appointments == ()
    assert Roles.from_bytes(roles.encode()) == roles
