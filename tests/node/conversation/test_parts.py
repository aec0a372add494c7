"""Sealing, keys of an epoch, bodies, invitations: what they give, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram import mls
from heliogram.codec import DecodeError, Reader
from heliogram.mls.crypto import Secret
from heliogram.node.components import (
    MAX_DESCRIPTION,
    MAX_NAME,
    MAX_PICTURE,
    Charter,
    Metadata,
    conversation_id,
    fits,
    is_conversation,
)
from heliogram.node.conversation import Conversation
from heliogram.node.epoch_keys import EpochKeys
from heliogram.node.errors import (
    DamagedState,
    InvalidInvitation,
    InvitationFault,
    NotNow,
    NotOpened,
    TooLong,
)
from heliogram.node.invitation import Invitation
from heliogram.node.sealing import (
    MAX_OPENERS,
    SALT,
    TAG,
    derive,
    seal,
    seal_for,
    unseal,
    unseal_for,
)
from heliogram.node.value import Body, WelcomeBlob
from heliogram.wire.limits import MAX_BODY
from tests.mls.forge import flipped
from tests.node.conversation.readers import READERS, REFUSES, seeds
from tests.node.conversation.samples import BODY, HEADER, INVITATION, KEYS, RELAYS, SEALED
from tests.node.conversation.world import INBOX, LINK, Member, configuration, group_of, one
from tests.node.identity.samples import name
from tests.scenarios.cast import entropy_of

SIZES = (64, 128, 1024)


# --- Sealing --------------------------------------------------------------------------------------


@given(st.binary(max_size=1100), st.binary(max_size=20))
def test_what_was_sealed_opens_and_has_one_of_the_sizes(content: bytes, aad: bytes) -> None:
    entropy = entropy_of("seal")
    if SALT + TAG + len(content) + (1 if len(content) < 64 else 2) > SIZES[-1]:
        with pytest.raises(TooLong):
            seal(b"key", b"x", content, aad=aad, sizes=SIZES, entropy=entropy)
        return
    sealed = seal(b"key", b"x", content, aad=aad, sizes=SIZES, entropy=entropy)
    assert len(sealed) in SIZES
    assert unseal(b"key", b"x", sealed, aad=aad, most=1024) == content
    wrongs: tuple[Callable[[], bytes], ...] = (
        lambda: unseal(b"other", b"x", sealed, aad=aad, most=1024),
        lambda: unseal(b"key", b"y", sealed, aad=aad, most=1024),
        lambda: unseal(b"key", b"x", sealed, aad=aad + b".", most=1024),
        lambda: unseal(b"key", b"x", sealed, aad=aad, most=len(sealed) - 1),
    )
    for wrong in wrongs:
        with pytest.raises(NotOpened):
            wrong()


def test_every_byte_of_what_was_sealed_counts() -> None:
    sealed = seal(b"key", b"x", b"content", sizes=SIZES, entropy=entropy_of("seal"))
    for at in range(len(sealed)):
        with pytest.raises(NotOpened):
            unseal(b"key", b"x", flipped(sealed, at), most=1024)
    for size in (*range(SALT + TAG + 2), len(sealed) - 1):
        with pytest.raises(NotOpened):
            unseal(b"key", b"x", sealed[:size], most=1024)


def test_padding_that_is_not_zero_is_refused() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    salt = bytes(SALT)
    key = ChaCha20Poly1305(derive(b"key", b"x", salt))
    assert unseal(b"key", b"x", salt + key.encrypt(bytes(12), b"\1a\0", b""), most=99) == b"a"
    for plain in (b"\1a\1", b"", b"\2a"):
        with pytest.raises(NotOpened):
            unseal(b"key", b"x", salt + key.encrypt(bytes(12), plain, b""), most=99)


def test_equal_content_is_sealed_differently() -> None:
    entropy = entropy_of("seal")
    first, second = (seal(b"key", b"x", b"content", sizes=SIZES, entropy=entropy) for _ in range(2))
    assert first[SALT:] != second[SALT:]


@given(st.integers(0, 5), st.integers(0, 5), st.binary(max_size=300))
def test_whoever_has_one_of_the_secrets_opens_it(count: int, which: int, content: bytes) -> None:
    entropy = entropy_of("several")
    secrets = [name(f"secret {number}") for number in range(count)]
    sealed = seal_for(secrets, b"x", content, aad=b"a", sizes=(640, 1024), entropy=entropy)
    assert len(sealed) in (640, 1024)
    for secret in secrets:
        assert unseal_for(secret, b"x", sealed, aad=b"a", most=1024) == content
        wrongs: tuple[Callable[[], bytes], ...] = (
            lambda secret=secret: unseal_for(secret, b"y", sealed, aad=b"a", most=1024),  # type: ignore[misc]
            lambda secret=secret: unseal_for(secret, b"x", sealed, aad=b"b", most=1024),  # type: ignore[misc]
        )
        for wrong in wrongs:
            with pytest.raises(NotOpened):
                wrong()
    with pytest.raises(NotOpened):
        unseal_for(name("another"), b"x", sealed, aad=b"a", most=1024)
    if which < count:
        # Somebody's box damaged: the others still open it.
        broken = flipped(sealed, 1 + SALT + which * 48)
        for number, secret in enumerate(secrets):
            if number == which:
                with pytest.raises(NotOpened):
                    unseal_for(secret, b"x", broken, aad=b"a", most=1024)
            else:
                assert unseal_for(secret, b"x", broken, aad=b"a", most=1024) == content


def test_what_is_sealed_for_several_is_bounded() -> None:
    entropy = entropy_of("several")
    secrets = [name(f"secret {number}") for number in range(MAX_OPENERS + 1)]
    with pytest.raises(TooLong):
        seal_for(secrets, b"x", b"", sizes=(8192,), entropy=entropy)
    sealed = seal_for(secrets[:-1], b"x", b"content", sizes=(8192,), entropy=entropy)
    assert unseal_for(secrets[-2], b"x", sealed, most=8192) == b"content"
    for size in (0, 1, 32, 33, 80, len(sealed) - 1):
        with pytest.raises(NotOpened):
            unseal_for(secrets[0], b"x", sealed[:size], most=8192)


# --- Keys -----------------------------------------------------------------------------------------


def test_members_derive_the_same_keys_and_each_relay_has_its_own() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = (member.conversation.keys(1) for member in group.members)
    assert alice == bob and alice is not None
    seat = group.members[0].conversation.seat
    assert alice.public_keys(seat.configuration) == seat.keys
    assert len(set(seat.keys)) == 4
    before = group.members[0].conversation.keys(0)
    assert before is not None and not set(before.public_keys(seat.configuration)) & set(seat.keys)
    assert before.value == before.successor == before.rank == b""
    log, relay = seat.configuration.log, seat.configuration.relays[0].key
    assert alice.relay_key(log, relay).public != alice.relay_key(name("other"), relay).public


def test_no_key_has_a_text() -> None:
    assert repr(KEYS) == "EpochKeys(epoch=0)"
    for secret in (KEYS.relay, KEYS.rank, KEYS.value, KEYS.successor, KEYS.to_bytes()):
        assert isinstance(secret, Secret)
    assert EpochKeys.from_bytes(KEYS.to_bytes()) == KEYS
    with pytest.raises(DecodeError):
        EpochKeys.from_bytes(KEYS.to_bytes()[:-1])


def test_the_secret_behind_them_is_gone() -> None:
    group = group_of("Alice", "Bob").members[0].conversation._member()
    with pytest.raises(mls.UsageError):
        EpochKeys.of(group)


def test_ranks_are_a_permutation_that_changes_with_the_epoch() -> None:
    group = group_of(*(f"member {number}" for number in range(8)))
    ranks = [member.conversation.rank for member in group.members]
    assert sorted(ranks) == list(range(8))
    from heliogram.node.changes import RenewKeys

    seen = {tuple(ranks)}
    for _ in range(3):
        group.decide(group.members[0], RenewKeys())
        seen.add(tuple(member.conversation.rank for member in group.members))
    assert len(seen) == 4


# --- Components -----------------------------------------------------------------------------------


def test_a_foreign_group_is_no_conversation() -> None:
    member = Member("Alice")
    group = mls.Group.create(
        b"id",
        member.suite,
        member.device.credential,
        member.device.key,
        config=mls.Config(authentication=mls.AcceptAnyCredential()),
        now=1,
        entropy=member.entropy,
    )
    assert not is_conversation(group.context)
    assert not fits(group.own_leaf)
    ours = group_of("Alice").members[0].conversation._member()
    assert is_conversation(ours.context) and fits(ours.own_leaf)
    more = (*ours.context.extensions, mls.Extension(0x0A0A, b""))
    assert not is_conversation(replace(ours.context, extensions=more))
    senders = mls.external_senders_extension(())
    assert not is_conversation(replace(ours.context, extensions=(*more[:-1], senders)))


@pytest.mark.parametrize(
    "metadata",
    [
        Metadata("x" * (MAX_NAME + 1)),
        Metadata("", "x" * (MAX_DESCRIPTION + 1)),
        Metadata("", "", bytes(MAX_PICTURE + 1)),
    ],
)
def test_metadata_is_bounded(metadata: Metadata) -> None:
    with pytest.raises(DecodeError):
        Metadata.from_bytes(metadata.encode())


def test_the_id_follows_from_the_first_configuration() -> None:
    assert conversation_id(RELAYS) != conversation_id(configuration())
    conversation = group_of("Alice").members[0].conversation
    assert conversation.group_id == conversation_id(configuration())
    assert conversation.charter == Charter(
        configuration(), conversation.charter.roles, Metadata("Tea")
    )


# --- Bodies and invitations -----------------------------------------------------------------------


def test_a_body_opens_under_its_own_header_and_epoch_alone() -> None:
    header = HEADER.encode()
    assert Body.unseal(KEYS.value, header, SEALED) == BODY
    with pytest.raises(NotOpened):
        Body.unseal(KEYS.value, header + b".", SEALED)
    with pytest.raises(NotOpened):
        Body.unseal(KEYS.rank, header, SEALED)
    huge = Body(bytes(MAX_BODY))
    with pytest.raises(TooLong):
        huge.seal(KEYS.value, header, entropy=entropy_of("body"))


def test_a_welcome_blob_is_bound_to_its_name() -> None:
    entropy = entropy_of("blob")
    reference, blob = WelcomeBlob.seal(bytes(30_000), entropy=entropy)
    assert reference.unseal(blob) == bytes(30_000)
    _, other = WelcomeBlob.seal(bytes(30_000), entropy=entropy)
    for wrong in (other, blob[:-1], flipped(blob)):
        with pytest.raises(NotOpened):
            reference.unseal(wrong)
    with pytest.raises(NotOpened):
        replace(reference, key=bytes(32)).unseal(blob)
    with pytest.raises(NotOpened):
        replace(reference, id=bytes(32)).unseal(blob)


def test_an_invitation_opens_for_its_inbox_and_link_alone() -> None:
    item = INVITATION.seal(LINK, INBOX, entropy=entropy_of("item"))
    assert Invitation.unseal(LINK, INBOX, item) == INVITATION
    for link, inbox, data in (
        (INBOX, INBOX, item),
        (LINK, LINK, item),
        (LINK, INBOX, flipped(item)),
    ):
        with pytest.raises(InvalidInvitation) as caught:
            Invitation.unseal(link, inbox, data)
        assert caught.value.fault is InvitationFault.MALFORMED


def test_29_an_invitation_with_any_byte_changed_leads_nowhere() -> None:
    group = group_of("Alice")
    alice = group.members[0]
    dave = Member("Dave")
    from heliogram.node.changes import AddPeople
    from heliogram.node.events import InvitationDue

    events = group.decide(alice, AddPeople((dave.package(),), frozenset({dave.id})))
    item = alice.invite(one(events["Alice"], InvitationDue))
    content = Invitation.unseal(LINK, INBOX, item).encode()
    for at in range(0, len(content), 7):
        with pytest.raises(InvalidInvitation):
            dave.accept(Invitation.from_bytes(flipped(content, at)))
    assert dave.live is None
    dave.join(item)


# --- Whatever the bytes ---------------------------------------------------------------------------


@pytest.mark.parametrize("where", list(READERS))
def test_readers_read_their_seeds(where: str) -> None:
    found = [data for name, data in seeds() if name == where]
    assert found
    for data in found:
        assert READERS[where](data) == data
        for size in range(0, len(data), 11):
            try:
                READERS[where](data[:size])
            except REFUSES:
                pass


@given(st.binary(max_size=600))
def test_readers_refuse_in_order(data: bytes) -> None:
    for where, read in READERS.items():
        if where != "decided":
            try:
                assert read(data) == data
            except REFUSES:
                pass


def test_damaged_records_are_refused() -> None:
    alice = group_of("Alice", "Bob").members[0]
    for name_, value in alice.records.items():
        for damaged in (value[:-1], b""):
            if name_[:2] in (b"gN", b"gS") or name_[:1] == b"d":
                continue  # a store is trusted: what the engine saved is checked as far as it has to be
            with pytest.raises(DamagedState):
                Conversation.load({**alice.records, name_: damaged})
    with pytest.raises(DamagedState):
        Conversation.load({})


def test_out_is_out() -> None:
    alice = group_of("Alice").members[0]
    alice.write(alice.conversation.leave(entropy=alice.entropy))
    conversation = alice.conversation
    for ask in (
        lambda: conversation.people(),
        lambda: conversation.charter,
        lambda: conversation.rank,
    ):
        with pytest.raises(NotNow):
            ask()
    with pytest.raises(NotNow):
        alice.say(b"x")
    assert "OUT" in repr(conversation)
    assert Reader(b"").done()
