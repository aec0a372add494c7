"""What relays see: few sizes, no leaf, no key package; and conversations too large for one value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from heliogram import mls
from heliogram.content.limits import MAX_MESSAGE
from heliogram.content.padding import BUCKETS
from heliogram.mls.treekem import HPKECiphertexts
from heliogram.node.changes import AddPeople, RenewKeys, Restore, halves
from heliogram.node.components import Role
from heliogram.node.conversation import MLS_MESSAGE
from heliogram.node.errors import NotAllowed, TooLong
from heliogram.node.events import Dead, InvitationDue, MemberWounded, RescueArrived, Wounded
from heliogram.node.invitation import GRACE_SIZES, INVITATION_SIZES
from heliogram.node.records import Phase
from heliogram.node.value import BODY_SIZES, WelcomeBlob
from heliogram.wire.limits import MAX_BODY, MAX_GRACE_ENTRY, MAX_INBOX_ITEM
from tests.mls import forge
from tests.node.conversation.forging import broken
from tests.node.conversation.world import (
    Group,
    Member,
    decide,
    group_of,
    one,
)


def test_sizes_fit_the_wire() -> None:
    assert BODY_SIZES[-1] == MAX_BODY
    assert INVITATION_SIZES[-1] == MAX_INBOX_ITEM
    assert GRACE_SIZES[-1] + 8 == MAX_GRACE_ENTRY


def test_entries_have_few_sizes_and_departures_look_like_words() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    for size in range(1, 3500, 100):
        alice.say(b"x" * size)
    sizes = {len(entry.data) for entry in alice.outbox}
    assert len(sizes) == 3
    bob.write(bob.conversation.leave(entropy=bob.entropy))
    assert len(bob.outbox[0].data) in sizes
    assert max(sizes) < 2 * BUCKETS[2]
    with pytest.raises(TooLong):
        alice.say(b"x" * (MAX_MESSAGE + 1))
    with pytest.raises(NotAllowed):
        alice.conversation.send(b"x", MLS_MESSAGE, entropy=alice.entropy)


def test_a_value_shows_no_more_than_its_header_and_a_size() -> None:
    group = group_of("Alice", "Bob")
    alice = group.members[0]
    dave = Member("Dave")
    package = dave.package()
    staged = alice.stage(AddPeople((package,), frozenset({dave.id})))
    body = staged.value.body
    assert len(body) in BODY_SIZES
    for secret in (package.reference(), package.leaf_node.encryption_key, dave.id):
        assert secret not in body
    assert alice.conversation.group_id not in body


@pytest.mark.parametrize("suite", [mls.DEFAULT_SUITE])
def test_ten_members_with_the_default_suite(suite: int) -> None:
    names = [f"member {number}" for number in range(10)]
    group = group_of(*names, suite=suite)
    assert group.together()
    for number in range(3):
        group.decide(group.members[3 * number], RenewKeys())
        assert group.together()
    for member in group.members:
        member.say(member.called.encode())
    heard = group.read()
    for member in group.members:
        assert sorted(heard[member.called]) == sorted(
            set(map(str.encode, names)) - {member.called.encode()}
        )


def test_a_long_welcome_lies_in_a_blob() -> None:
    names = [f"member {number}" for number in range(16)]
    group = group_of(*names, suite=mls.DEFAULT_SUITE)
    founder = group.members[0]
    dave = Member("Dave", suite=mls.DEFAULT_SUITE)
    staged = founder.stage(AddPeople((dave.package(),), frozenset({dave.id})))
    (blob,) = staged.blobs
    events = group.follow(founder.conversation.seat, staged, founder, newcomers=[dave])
    assert isinstance(one(events["member 3"], InvitationDue).draft.welcome, WelcomeBlob)
    assert group.together()
    assert blob not in staged.value.body


def test_what_fits_no_value_is_not_staged_and_nothing_is_lost() -> None:
    group = group_of("Alice", "Bob", suite=mls.DEFAULT_SUITE)
    alice = group.members[0]
    many = [Member(f"member {number}", suite=mls.DEFAULT_SUITE) for number in range(90)]
    wish = AddPeople(
        tuple(member.package() for member in many), frozenset(member.id for member in many)
    )
    with pytest.raises(TooLong):
        alice.stage(wish)
    assert alice.conversation.staged is None
    group.decide(alice, RenewKeys())
    assert group.together()


def test_a_wish_that_is_too_large_is_divided_between_accounts() -> None:
    bob, phone, carol, dave = (Member("Bob"), Member("Bob", 2), Member("Carol"), Member("Dave"))
    packages = tuple(one.package() for one in (bob, carol, phone, dave))
    wish = AddPeople(packages, frozenset({bob.id, carol.id, dave.id}), Role.ADMIN)
    parts = halves(wish)
    assert parts is not None
    assert parts[0] == AddPeople((packages[0], packages[2]), frozenset({bob.id}), Role.ADMIN)
    assert parts[1] == AddPeople(
        (packages[1], packages[3]), frozenset({carol.id, dave.id}), Role.ADMIN
    )
    assert halves(parts[0]) is None and halves(RenewKeys()) is None


def test_a_rescue_fits_into_the_grace_lane_with_the_default_suite() -> None:
    names = [f"member {number}" for number in range(10)]
    group = group_of(*names, suite=mls.DEFAULT_SUITE)
    mallory, victim = group.members[8:]

    def hook(path: Any) -> Any:
        return forge.changed(path, nodes=(forge.corrupt_ciphertext(path.nodes[0]), *path.nodes[1:]))

    decision = decide(mallory.conversation.seat, broken(mallory, update_path=hook))
    group.members.remove(mallory)
    for member in group.members:
        member.apply(decision)
    assert victim.conversation.phase is Phase.WOUNDED
    victim.write(victim.conversation.report(victim.package(), entropy=victim.entropy))
    cry = one(group.members[3].receive(victim.outbox[0]), MemberWounded)
    assert len(victim.outbox[0].data) <= MAX_GRACE_ENTRY
    group.members.remove(victim)
    healthy = group.members[3]
    staged = healthy.stage(Restore(cry.package))
    due = one(
        group.follow(healthy.conversation.seat, staged, healthy)[healthy.called], InvitationDue
    )
    (rescue,) = healthy.conversation.rescue(due.draft, cry, entropy=healthy.entropy).entries
    assert len(rescue.data) <= MAX_GRACE_ENTRY
    invitation = one(victim.receive(rescue), RescueArrived).invitation
    victim.accept(invitation, staged.blobs, replaces=victim.conversation)
    group.members.append(victim)
    assert group.together()


@pytest.mark.parametrize(
    "sealed", [(b"", b""), (bytes(32), bytes(64)), (b"\1" + bytes(31), bytes(64))]
)
def test_39_a_path_secret_of_any_form_wounds_and_does_not_kill(sealed: tuple[bytes, bytes]) -> None:
    """Nobody but who it is for can see what it is."""
    group = group_of("Alice", "Bob", "Carol", "Mallory")
    *honest, mallory = group.members

    def hook(path: Any) -> Any:
        node = path.nodes[0]
        spoilt = forge.changed(node, encrypted_path_secret=HPKECiphertexts.of([sealed]))
        return replace(path, nodes=(spoilt, *path.nodes[1:]))

    decision = decide(mallory.conversation.seat, broken(mallory, update_path=hook))
    outcomes = {member.called: member.apply(decision) for member in honest}
    assert one(outcomes["Carol"], Wounded)
    for name in ("Alice", "Bob"):
        assert not [event for event in outcomes[name] if isinstance(event, Dead | Wounded)]
    assert Group(honest[:2]).together()
