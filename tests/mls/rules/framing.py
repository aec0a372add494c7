"""Rows 7 to 21: who says what, and how it is wrapped. RFC 9420, sections 6, 9 and 12.1.8."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from heliogram import mls
from heliogram.codec import opaque
from heliogram.mls.commits import Commit
from heliogram.mls.extensions import external_senders_extension
from heliogram.mls.framing import PrivateMessage, Sender, SenderType
from heliogram.mls.proposals import (
    Add,
    AppDataUpdate,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    SelfRemove,
    Update,
)
from heliogram.mls.ratchet_tree import LeafNodeSource
from heliogram.mls.registries import WireFormat
from heliogram.mls.secret_tree import MAX_GENERATION, RatchetKind
from tests.mls import forge
from tests.mls.forge import NOW, AllowAll, Client, Stream, World, changed, flipped
from tests.mls.rules import BOTH, Attempt, broken, does, joins_externally, receives, right

PRIVATE = WireFormat.PRIVATE_MESSAGE
NEW_MEMBER = Sender(SenderType.NEW_MEMBER_PROPOSAL)
JOINER = Sender(SenderType.NEW_MEMBER_COMMIT)


def external(index: int = 0) -> Sender:
    """The external sender with this number."""
    return Sender(SenderType.EXTERNAL, index)


def said(outcome: object) -> bytes:
    """What an application message says."""
    assert isinstance(outcome, mls.ApplicationMessage)
    return outcome.data


def with_server(world: World, policy: mls.Policy | None = None) -> tuple[list[mls.Group], Client]:
    """A group in which one external sender may propose, and that sender."""
    server = world.client("server")
    listed = external_senders_extension(
        [mls.ExternalSender(server.signature_key.public, server.credential)]
    )
    config = world.config(policy=policy or AllowAll())
    return world.group(config=config, extensions=(listed,)), server


# -- 7: group and epoch ----------------------------------------------------------------------------


@right(7)
def this_group_and_this_epoch(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.proposal(alice, Remove(2)))


@right(7)
def a_joiner_takes_along_a_self_remove(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return takes_along(world, alice, forge.proposal(bob, SelfRemove()))


@right(7)
def application_data_of_a_past_epoch(world: World) -> None:
    before = world.group()
    message = forge.private_message(before[0], b"late")
    after = world.advance(before, 2)
    assert said(after[1].process(message, now=NOW)) == b"late"


@broken(7)
def another_group(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    signed = forge.content(alice, Remove(2), group_id=b"another group")
    yield receives(bob, forge.public(alice, signed))
    signed = forge.content(alice, b"hello", group_id=b"another group", wire_format=PRIVATE)
    yield receives(bob, forge.private(alice, signed))


@broken(7)
def what_is_never_sent_inside_a_group(world: World) -> Iterator[Attempt]:
    _, bob, _ = world.group()
    yield receives(bob, world.package("dave").message)
    yield receives(bob, forge.group_info_message(bob))


@broken(7)
def another_epoch(world: World) -> Iterator[Attempt]:
    groups = world.group(config=world.config(past_epochs=1))
    commit = forge.commit(groups[0]).message
    late = forge.private_message(groups[0], b"late")
    after = world.advance(groups, 2)
    old_application, old_handshake = (
        forge.private_message(after[0], what) for what in (b"late", Remove(2))
    )
    alice, bob, _ = world.advance(after, 2)

    def unknown(message: bytes) -> Attempt:
        return Attempt(lambda: bob.process(message, now=NOW), (bob,), mls.UnknownEpoch)

    assert said(bob.process(old_application, now=NOW)) == b"late"
    yield unknown(late)
    yield unknown(old_handshake)
    yield unknown(commit)
    for epoch in (alice.epoch - 1, alice.epoch + 1, 0, 2**64 - 1):
        yield unknown(forge.proposal(alice, Remove(2), epoch=epoch))
    signed = forge.content(alice, b"hello", epoch=alice.epoch + 1, wire_format=PRIVATE)
    yield unknown(forge.private(alice, signed))


def takes_along(world: World, alice: mls.Group, message: bytes) -> Attempt:
    """Somebody joins by an external commit, and takes a member's self-remove along."""
    return joins_externally(forge.group_info_message(alice), world, self_removes=[message])


@broken(7)
def a_joiner_takes_along_what_belongs_elsewhere(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield takes_along(world, alice, forge.proposal(bob, SelfRemove(), epoch=bob.epoch - 1))
    yield takes_along(world, alice, forge.proposal(bob, SelfRemove(), group_id=b"another"))


# -- 8 and 9: what is private and what is public ---------------------------------------------------


@right(8)
def application_data_in_a_private_message(world: World) -> None:
    alice, bob, _ = world.group()
    assert said(bob.process(forge.private_message(alice, b"hello"), now=NOW)) == b"hello"


@broken(8, suites=BOTH)
def application_data_in_a_public_message(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    yield receives(bob, forge.public(alice, forge.content(alice, b"hello")))
    signed = forge.content(alice, b"hello", sender=external(), key=server.signature_key)
    yield receives(bob, forge.public(alice, signed))


@right(9)
def somebody_outside_sends_a_public_message(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    message = forge.proposal(alice, Remove(2), sender=external(), key=server.signature_key)
    yield receives(bob, message)
    yield receives(bob, forge.commit(alice, joiner=world.client("dave")).message)


@broken(9)
def somebody_outside_sends_a_private_message(world: World) -> Iterator[Attempt]:
    # A private message has no place for such a sender, only for a leaf: its owner did not sign.
    (alice, bob, _), server = with_server(world)
    dave = world.client("dave")
    for sender, key, what in (
        (external(), server.signature_key, Remove(2)),
        (NEW_MEMBER, dave.signature_key, Add(dave.key_package().key_package)),
    ):
        signed = forge.content(alice, what, sender=sender, key=key, wire_format=PRIVATE)
        yield receives(bob, forge.private(alice, signed, leaf_index=0), row=11)
    made = forge.commit(
        alice,
        joiner=dave,
        wire_format=PRIVATE,
        frame=lambda group, signed: forge.private(group, signed, leaf_index=0),
    )
    yield receives(bob, made.message, row=11)


# -- 10: membership tags ---------------------------------------------------------------------------


@right(10)
def a_member_has_a_tag_and_nobody_else(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    yield receives(bob, forge.proposal(alice, Remove(2)))
    message = forge.proposal(alice, Remove(2), sender=external(), key=server.signature_key)
    yield receives(bob, message)


@broken(10, suites=BOTH)
def a_wrong_membership_tag(world: World) -> Iterator[Attempt]:
    groups = world.group()
    old_key = groups[0]._member.current.secrets.membership_key
    alice, bob, _ = world.advance(groups, 2)
    for signed in (forge.content(alice, Remove(2)), forge.commit(alice).content):
        for tag in (
            flipped,
            lambda right: flipped(right, 0),
            lambda right: right[:-1],
            lambda right: right[:16],
            lambda right: b"",
            lambda right: right + b"\x00",
        ):
            yield receives(bob, forge.public(alice, signed, tag=tag))
        yield receives(bob, forge.public(alice, signed, membership_key=old_key))


@broken(10)
def a_tag_where_none_belongs(world: World) -> Attempt:
    (alice, bob, _), server = with_server(world)
    message = forge.proposal(alice, Remove(2), sender=external(), key=server.signature_key)
    return receives(bob, message + opaque(bytes(world.suite.hash_length)), row=3)


# -- 11: signatures --------------------------------------------------------------------------------


@right(11, suites=BOTH)
def each_kind_of_sender_signs(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    yield receives(bob, forge.proposal(alice, Remove(2)))
    yield receives(bob, forge.private_message(alice, b"hello"))
    yield receives(
        bob, forge.proposal(alice, Remove(2), sender=external(), key=server.signature_key)
    )
    dave = world.client("dave")
    add = Add(dave.key_package().key_package)
    yield receives(bob, forge.proposal(alice, add, sender=NEW_MEMBER, key=dave.signature_key))
    yield receives(bob, forge.commit(alice, joiner=world.client("erin")).message)


@broken(11, suites=BOTH)
def somebody_else_signed(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    wrong = world.client("mallory").signature_key
    for what in (Remove(2), b"hello"):
        private = forge.content(alice, what, key=wrong, wire_format=PRIVATE)
        yield receives(bob, forge.private(alice, private))
    yield receives(bob, forge.proposal(alice, Remove(2), key=wrong))
    yield receives(bob, forge.proposal(alice, Remove(2), sender=external(), key=wrong))
    add = Add(world.package("dave").key_package)
    yield receives(bob, forge.proposal(alice, add, sender=NEW_MEMBER, key=wrong))
    member = alice._member.signature_key
    yield receives(bob, forge.proposal(alice, Remove(2), key=server.signature_key))
    yield receives(bob, forge.proposal(alice, Remove(2), sender=external(), key=member))
    made = forge.commit(alice, key=wrong, leaf_signature_key=member)
    yield receives(bob, made.message)
    dave = world.client("dave")
    made = forge.commit(alice, joiner=dave, key=wrong, leaf_signature_key=dave.signature_key)
    yield receives(bob, made.message)


@broken(11)
def something_else_was_signed(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    other = changed(alice.context, tree_hash=bytes(world.suite.hash_length))
    yield receives(bob, forge.proposal(alice, Remove(2), context=other))
    signed = forge.content(alice, Remove(2), wire_format=PRIVATE)
    signed = changed(signed, wire_format=WireFormat.PUBLIC_MESSAGE)
    yield receives(bob, forge.public(alice, signed))
    signed = forge.content(alice, Remove(2))
    yield receives(bob, forge.public(alice, changed(signed, signature=flipped(signed.signature))))
    yield receives(bob, forge.public(alice, changed(signed, signature=b"")))


@broken(11)
def a_past_epoch_has_its_own_keys(world: World) -> Iterator[Attempt]:
    before = world.group()
    key = world.suite.new_signature_key(world.entropy)
    after = world.advance(before, 0, new_leaf=mls.NewLeaf(signature_key=key))
    late = forge.content(before[0], b"late", key=key, wire_format=PRIVATE)
    yield receives(after[1], forge.private(before[0], late))
    old = before[0]._member.signature_key
    yield receives(after[1], forge.proposal(after[0], Remove(2), key=old))


@broken(11)
def a_joiner_takes_along_what_somebody_else_signed(world: World) -> Attempt:
    alice, bob, _ = world.group()
    key = alice._member.signature_key
    return takes_along(world, alice, forge.proposal(bob, SelfRemove(), key=key))


# -- 12 to 15: senders outside the group -----------------------------------------------------------


def _what_outsiders_propose(world: World, alice: mls.Group) -> list[Proposal]:
    nonce = bytes(world.suite.hash_length)
    return [
        Add(world.package("dave").key_package),
        Remove(2),
        PreSharedKey(mls.ExternalPSKID(b"an id", nonce)),
        ReInit(b"a new group", 1, world.suite.id, ()),
        GroupContextExtensions(alice.context.extensions),
        AppDataUpdate(7, b"data"),
    ]


@right(12)
def an_external_sender_proposes(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    for what in _what_outsiders_propose(world, alice):
        message = forge.proposal(alice, what, sender=external(), key=server.signature_key)
        yield receives(bob, message)


@broken(12)
def an_external_sender_is_not_listed(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    key = server.signature_key
    for index in (1, 2**32 - 1):
        yield receives(bob, forge.proposal(alice, Remove(2), sender=external(index), key=key))
    alice, bob, _ = world.group(config=world.config(policy=AllowAll()))
    yield receives(bob, forge.proposal(alice, Remove(2), sender=external(), key=key))


@broken(12)
def an_external_sender_sends_what_it_cannot(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    key = server.signature_key
    init = ExternalInit(alice._member.current.secrets.external_key(alice.suite).public)
    for what in (init, SelfRemove()):
        yield receives(bob, forge.proposal(alice, what, sender=external(), key=key))
    made = forge.commit(alice, [Remove(2)], sender=external(), key=key)
    yield receives(bob, made.message)


@right(13)
def a_new_member_asks_to_be_added(world: World) -> Attempt:
    alice, bob, _ = world.group(config=world.config(policy=AllowAll()))
    dave = world.client("dave")
    add = Add(dave.key_package().key_package)
    return receives(bob, forge.proposal(alice, add, sender=NEW_MEMBER, key=dave.signature_key))


@broken(13)
def a_new_member_proposes_anything_else(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(policy=AllowAll()))
    dave = world.client("dave")
    key = dave.signature_key
    update = Update(dave.leaf(LeafNodeSource.UPDATE, group=alice))
    for what in (*_what_outsiders_propose(world, alice)[1:], update, Commit((Remove(2),), None)):
        signed = forge.content(alice, what, sender=NEW_MEMBER, key=key)
        if isinstance(what, Commit):
            signed = signed.with_tag(bytes(world.suite.hash_length))
        yield receives(bob, forge.public(alice, signed))


@right(14)
def a_joiner_commits(world: World) -> Attempt:
    alice, bob, _ = world.group(config=world.config(policy=AllowAll()))
    return receives(bob, forge.commit(alice, joiner=world.client("dave")).message)


@broken(14)
def a_joiner_proposes(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(policy=AllowAll()))
    dave = world.client("dave")
    for what in (Add(dave.key_package().key_package), Remove(2)):
        message = forge.proposal(alice, what, sender=JOINER, key=dave.signature_key)
        yield receives(bob, message)


@right(15)
def the_application_lets_outsiders_propose(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world)
    yield receives(
        bob, forge.proposal(alice, Remove(2), sender=external(), key=server.signature_key)
    )


@broken(15)
def the_application_does_not_let_outsiders_propose(world: World) -> Iterator[Attempt]:
    (alice, bob, _), server = with_server(world, mls.Policy())
    yield receives(
        bob, forge.proposal(alice, Remove(2), sender=external(), key=server.signature_key)
    )
    dave = world.client("dave")
    add = Add(dave.key_package().key_package)
    yield receives(bob, forge.proposal(alice, add, sender=NEW_MEMBER, key=dave.signature_key))


# -- 16: the sender's leaf -------------------------------------------------------------------------


def _with_a_gap(world: World) -> list[mls.Group]:
    """Alice at leaf 0, bob at 1, nobody at 2, dave at 3."""
    return world.advance(world.group("alice", "bob", "carol", "dave"), 0, [Remove(2)])


@right(16)
def the_last_leaf_sends(world: World) -> Iterator[Attempt]:
    _, bob, dave = _with_a_gap(world)
    assert dave.own_leaf_index == 3
    yield receives(bob, forge.private_message(dave, b"hello"))
    yield receives(bob, forge.proposal(dave, Remove(0)))


@broken(16, suites=BOTH)
def a_leaf_where_nobody_is(world: World) -> Iterator[Attempt]:
    alice, bob, _ = _with_a_gap(world)
    for index in (2, 4, 2**31, 2**32 - 1):
        sender = Sender(SenderType.MEMBER, index)
        yield receives(bob, forge.proposal(alice, Remove(3), sender=sender))
        for what in (b"hello", Remove(3)):
            signed = forge.content(alice, what, sender=sender, wire_format=PRIVATE)
            yield receives(bob, forge.private(alice, signed, generation=0))


@broken(16)
def a_joiner_takes_along_what_nobody_sent(world: World) -> Iterator[Attempt]:
    alice, bob, _ = _with_a_gap(world)
    for index in (2, 4):
        sender = Sender(SenderType.MEMBER, index)
        yield takes_along(world, alice, forge.proposal(bob, SelfRemove(), sender=sender))
    yield takes_along(world, alice, forge.proposal(bob, SelfRemove(), sender=external()))


# -- 17 and 18: private messages -------------------------------------------------------------------


@right(17, suites=BOTH)
def padding_is_zero(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for size in (0, 1, 1000):
        message = forge.private_message(
            alice, b"hello", plain=lambda p, size=size: p + bytes(size), generation=size
        )
        yield receives(bob, message)


@broken(17, suites=BOTH)
def padding_is_not_zero(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for padding in (b"\x01", b"\x00\x01", b"\x01\x00", bytes(100) + b"\x80"):
        for what in (b"hello", Remove(2)):
            message = forge.private_message(alice, what, plain=lambda p, tail=padding: p + tail)
            yield receives(bob, message)


@broken(17, suites=BOTH)
def a_ciphertext_that_does_not_open(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()

    def change(message: PrivateMessage, name: str, at: int) -> PrivateMessage:
        return changed(message, **{name: flipped(getattr(message, name), at)})

    for name in ("ciphertext", "encrypted_sender_data"):
        for at in (0, -1):
            yield receives(
                bob,
                forge.private_message(
                    alice, b"hello", message=lambda m, name=name, at=at: change(m, name, at)
                ),
            )
        for short in (b"", bytes(15)):
            yield receives(
                bob,
                forge.private_message(
                    alice, b"hello", message=lambda m, name=name, to=short: changed(m, **{name: to})
                ),
            )
    yield receives(
        bob,
        forge.private_message(
            alice, b"hello", message=lambda m: changed(m, authenticated_data=b"other")
        ),
    )


@right(18)
def generations_in_any_order(world: World) -> None:
    alice, bob, _ = world.group(config=world.config(max_forward=10, max_skipped=5))
    messages = [forge.private_message(alice, b"%d" % n, generation=n) for n in range(11)]
    bad = forge.private_message(alice, b"hello", generation=10, plain=lambda p: p + b"\x01")
    with pytest.raises(mls.DecryptionFailed):
        bob.process(bad, now=NOW)
    order = (10, 9, 6, 5, 7)  # 0 to 4 were dropped: five are kept
    assert [said(bob.process(messages[n], now=NOW)) for n in order] == [b"%d" % n for n in order]


@broken(18, suites=BOTH)
def a_generation_that_was_used(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    messages = [forge.private_message(alice, b"hello", generation=n) for n in (0, 3, 1)]
    for message in messages:
        bob.process(message, now=NOW)
        yield receives(bob, message)
    for n in (0, 1, 3):
        yield receives(bob, forge.private_message(alice, b"again", generation=n))
    bob = mls.Group.from_bytes(bob.to_bytes(), config=bob.config)
    for message in messages:
        yield receives(bob, message)


@broken(18)
def a_generation_too_far_ahead_or_behind(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(max_forward=10, max_skipped=5))
    yield receives(bob, forge.private_message(alice, b"hello", generation=11))
    bob.process(forge.private_message(alice, b"hello", generation=10), now=NOW)
    yield receives(bob, forge.private_message(alice, b"hello", generation=4))
    yield receives(bob, forge.private_message(alice, b"hello", generation=22))


# -- 19: confirmation tags -------------------------------------------------------------------------


@right(19)
def a_confirmation_tag_in_both_framings(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    yield receives(bob, forge.commit(alice).message)
    yield receives(carol, forge.commit(alice, wire_format=PRIVATE).message)


@broken(19, suites=BOTH)
def a_wrong_confirmation_tag(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for wire_format in (WireFormat.PUBLIC_MESSAGE, PRIVATE):
        for tag in (flipped, lambda right: right[:-1], lambda right: b""):
            made = forge.commit(alice, confirmation_tag=tag, wire_format=wire_format)
            yield receives(bob, made.message, row=80)


# -- 20: sending -----------------------------------------------------------------------------------


@right(20, suites=BOTH)
def guards_are_fresh_and_keys_are_used_once(world: World) -> None:
    alice, bob, _ = world.group()
    messages = [alice.protect(b"hello", entropy=world.entropy) for _ in range(20)]
    sent = [forge.unsealed(bob, message)[0] for message in messages]
    assert [one.generation for one in sent] == list(range(20))
    assert len({one.reuse_guard for one in sent}) == 20
    # The guard is the caller's entropy: what stands still there, stands still here.
    sent = [
        forge.unsealed(bob, alice.protect(b"hello", entropy=Stream(b"the same")))[0]
        for _ in range(3)
    ]
    assert {one.reuse_guard for one in sent} == {Stream(b"the same")(4)}
    assert [one.generation for one in sent] == [20, 21, 22]


@right(20)
def padding_that_we_make_is_zero(world: World) -> None:
    alice, bob, _ = world.group(config=world.config(padding=lambda size: 256))
    for data in (b"", b"hello"):
        message = alice.protect(data, entropy=world.entropy)
        _, plain = forge.unsealed(bob, message)
        assert len(plain) == 256 and not any(plain[100:])
        assert said(bob.process(message, now=NOW)) == data


@right(20)
def a_saved_generation_is_not_used_again(world: World) -> None:
    alice, bob, _ = world.group()
    stored = dict(alice.changes())

    def reopened() -> mls.Group:
        records = {name: value for name, value in stored.items() if value is not None}
        return mls.Group.from_records(records, config=alice.config)

    def next_generation() -> int:
        message = reopened().protect(b"hello", entropy=world.entropy)
        return forge.unsealed(bob, message)[0].generation

    alice.protect(b"hello", entropy=world.entropy)
    assert next_generation() == 0  # not saved yet, so the ciphertext must not have left
    stored.update(alice.changes())
    assert next_generation() == 1


@broken(20)
def more_messages_than_a_key_may_see(world: World) -> Iterator[Attempt]:
    alice, _, _ = world.group()
    alice.protect(b"hello", entropy=world.entropy)
    ratchet = alice._member.current.epoch.secret_tree._ratchets[0, RatchetKind.APPLICATION]
    ratchet.generation = MAX_GENERATION - 1
    alice.protect(b"hello", entropy=world.entropy)
    yield does(lambda: alice.protect(b"hello", entropy=world.entropy), alice)


@broken(20)
def padding_cannot_make_anything_shorter(world: World) -> Iterator[Attempt]:
    config = world.config(padding=lambda size: size - 1, private_handshakes=True)
    alice, _, _ = world.group(config=world.config())
    alice = mls.Group.from_bytes(alice.to_bytes(), config=config)
    yield does(lambda: alice.protect(b"hello", entropy=world.entropy), alice)
    yield does(lambda: alice.propose(Remove(2), now=NOW, entropy=world.entropy), alice)


# -- 21: proposals first ---------------------------------------------------------------------------


@right(21)
def after_the_commit_messages_are_sent_again(world: World) -> None:
    groups = world.group()
    groups[0].process(forge.proposal(groups[1], Remove(2)), now=NOW)
    groups[2].process(forge.proposal(groups[1], Remove(2)), now=NOW)
    groups[1].propose(Remove(2), now=NOW, entropy=world.entropy)
    alice, bob = world.advance(groups, 1)
    assert said(bob.process(alice.protect(b"hello", entropy=world.entropy), now=NOW)) == b"hello"


@broken(21)
def a_message_while_a_proposal_waits(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    message = alice.propose(Remove(2), now=NOW, entropy=world.entropy)
    yield does(lambda: alice.protect(b"hello", entropy=world.entropy), alice)
    bob.process(message, now=NOW)
    yield does(lambda: bob.protect(b"hello", entropy=world.entropy), bob)
