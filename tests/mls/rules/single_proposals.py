"""Rows 47 to 53: what a single proposal must be. RFC 9420, section 12.1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from heliogram import mls
from heliogram.mls.app_data import encode_dictionary
from heliogram.mls.credentials import AcceptAnyCredential, Credential
from heliogram.mls.extensions import (
    Extension,
    Extensions,
    RequiredCapabilities,
    external_senders_extension,
)
from heliogram.mls.proposals import (
    Add,
    AppEphemeral,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    Update,
)
from heliogram.mls.ratchet_tree import LeafNodeSource
from heliogram.mls.registries import ProposalType, WireFormat
from tests.mls import forge
from tests.mls.forge import NOW, AllowAll, World, fields
from tests.mls.rules import BOTH, Attempt, broken, does, receives, right
from tests.mls.rules.framing import external, with_server

OURS = 0xF123


def proposed_and_committed(
    alice: mls.Group, bob: mls.Group, proposal: mls.Proposal, *, row: int | None = None
) -> Iterator[Attempt]:
    """Alone, in both framings, and by value in a commit."""
    yield receives(bob, forge.proposal(alice, proposal), row=row)
    yield receives(bob, forge.private_message(alice, proposal), row=row)
    yield receives(bob, forge.commit(alice, [proposal]).message, row=row)


# -- 47 to 49: add, update, remove -----------------------------------------------------------------


@right(47, suites=BOTH)
def somebody_is_added(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield from proposed_and_committed(alice, bob, Add(world.package("dave").key_package))


@broken(47, suites=BOTH)
def a_key_package_that_is_wrong(world: World) -> Iterator[Attempt]:
    # Each of its rules has its own row; `key_packages` breaks all of them.
    alice, bob, _ = world.group()
    client = world.client("dave")
    for row, own in (
        (41, client.key_package(package=fields(cipher_suite=7))),
        (42, client.key_package(leaf=fields(source=LeafNodeSource.UPDATE, lifetime=None))),
        (43, client.key_package(signed_package=fields(signature=b"wrong"))),
        (22, client.key_package(signed_leaf=fields(signature=b"wrong"))),
    ):
        yield from proposed_and_committed(alice, bob, Add(own.key_package), row=row)


@right(48, suites=BOTH)
def a_member_updates_itself(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    leaf = world.owner(alice).leaf(LeafNodeSource.UPDATE, group=alice)
    yield receives(bob, forge.proposal(alice, Update(leaf)))
    yield receives(bob, forge.private_message(alice, Update(leaf)))


@broken(48)
def somebody_outside_updates(world: World) -> Attempt:
    (alice, bob, _), server = with_server(world)
    leaf = server.leaf(LeafNodeSource.UPDATE, group=alice)
    message = forge.proposal(alice, Update(leaf), sender=external(), key=server.signature_key)
    return receives(bob, message)


@broken(48)
def an_update_for_another_leaf(world: World) -> Iterator[Attempt]:
    # The leaf is signed for a place, and the sender's is another one.
    alice, bob, carol = world.group()
    leaf = world.owner(alice).leaf(LeafNodeSource.UPDATE, group=carol)
    yield receives(bob, forge.proposal(alice, Update(leaf)), row=22)


@right(49)
def a_member_is_removed(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield from proposed_and_committed(alice, bob, Remove(2))


@broken(49, suites=BOTH)
def nobody_is_at_that_leaf(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for index in (3, 4, 2**31, 2**32 - 1):
        yield from proposed_and_committed(alice, bob, Remove(index))
    yield does(lambda: alice.propose(Remove(3), now=NOW, entropy=world.entropy), alice)


@broken(49)
def somebody_was_at_that_leaf(world: World) -> Iterator[Attempt]:
    groups = world.group("alice", "bob", "carol", "dave")
    alice, bob, _ = world.advance(groups, 0, [Remove(2)])
    yield from proposed_and_committed(alice, bob, Remove(2))


# -- 50: pre-shared keys ---------------------------------------------------------------------------


def _resumption(
    group: mls.Group, usage: mls.ResumptionPSKUsage, nonce: bytes | None = None
) -> PreSharedKey:
    nonce = bytes(group.suite.hash_length) if nonce is None else nonce
    return PreSharedKey(mls.ResumptionPSKID(usage, group.group_id, group.epoch, nonce))


@right(50, suites=BOTH)
def a_nonce_of_the_right_length(world: World) -> Iterator[Attempt]:
    secret = mls.Secret(bytes(world.suite.hash_length))
    alice, bob, _ = world.group(config=world.config(psk=lambda psk_id: secret))
    usage = mls.ResumptionPSKUsage.APPLICATION
    nonce = bytes(world.suite.hash_length)
    yield receives(bob, forge.proposal(alice, _resumption(alice, usage)))
    external_psk = PreSharedKey(mls.ExternalPSKID(b"an id", nonce))
    yield from proposed_and_committed(alice, bob, external_psk)


@broken(50, suites=BOTH)
def a_nonce_of_another_length(world: World) -> Iterator[Attempt]:
    secret = mls.Secret(bytes(world.suite.hash_length))
    alice, bob, _ = world.group(config=world.config(psk=lambda psk_id: secret))
    usage = mls.ResumptionPSKUsage.APPLICATION
    size = world.suite.hash_length
    for nonce in (b"", bytes(size - 1), bytes(size + 1)):
        for proposal in (
            PreSharedKey(mls.ExternalPSKID(b"an id", nonce)),
            _resumption(alice, usage, nonce),
        ):
            yield from proposed_and_committed(alice, bob, proposal)
            yield does(
                partial(alice.propose, proposal, now=NOW, entropy=world.entropy),
                alice,
            )


@broken(50)
def a_resumption_secret_for_another_use(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for usage in (mls.ResumptionPSKUsage.REINIT, mls.ResumptionPSKUsage.BRANCH):
        yield from proposed_and_committed(alice, bob, _resumption(alice, usage))


# -- 51: reinit ------------------------------------------------------------------------------------


@right(51)
def the_same_or_a_newer_version(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for version in (1, 2):
        yield receives(bob, forge.proposal(alice, ReInit(b"new", version, world.suite.id, ())))


@broken(51)
def an_older_version(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    proposal = ReInit(b"new", 0, world.suite.id, ())
    yield from proposed_and_committed(alice, bob, proposal)
    yield does(lambda: alice.propose(proposal, now=NOW, entropy=world.entropy), alice)


# -- 52: group context extensions ------------------------------------------------------------------


@dataclass(frozen=True)
class DoubtsServers(AcceptAnyCredential):
    """Believes everybody but a server called mallory."""

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        return credential != mls.BasicCredential(b"mallory")


def _senders(world: World, *names: bytes) -> Extensions:
    return (
        external_senders_extension(
            mls.ExternalSender(world.client("").signature_key.public, mls.BasicCredential(name))
            for name in names
        ),
    )


@right(52, suites=BOTH)
def extensions_that_all_can_have(world: World) -> Iterator[Attempt]:
    listed = world.client("").capabilities(extensions=(OURS,), proposals=(0xF00D,))
    config = world.config(authentication=DoubtsServers())
    for extensions in (
        (),
        (Extension(OURS, b"data"),),
        (RequiredCapabilities((OURS,), (0xF00D,), (1,)).extension(),),
        _senders(world, b"server", b"another"),
    ):
        alice, bob, _ = world.group(capabilities=listed, config=config)
        yield from proposed_and_committed(alice, bob, GroupContextExtensions(extensions))


@right(52)
def who_is_removed_needs_nothing_and_who_is_added_does(world: World) -> Iterator[Attempt]:
    config = world.config(policy=AllowAll())
    able = world.client("").capabilities(extensions=(OURS,))
    alice, bob = world.group("alice", "bob", capabilities=able, config=config)
    alice, bob = world.advance([alice, bob], 0, [Add(world.package("old").key_package)])
    required = GroupContextExtensions((RequiredCapabilities((OURS,)).extension(),))
    dave = world.package("dave", capabilities=able)
    proposals: list[mls.Proposal] = [required, Remove(2), Add(dave.key_package)]
    yield receives(bob, forge.commit(alice, proposals).message)


@broken(52)
def an_external_sender_that_is_not_accepted(world: World) -> Iterator[Attempt]:
    config = world.config(authentication=DoubtsServers())
    alice, bob, _ = world.group(config=config)
    for names in ((b"mallory",), (b"server", b"mallory")):
        new = GroupContextExtensions(_senders(world, *names))
        yield from proposed_and_committed(alice, bob, new)
        yield does(partial(alice.propose, new, now=NOW, entropy=world.entropy), alice)


@broken(52)
def a_dictionary_that_only_its_own_proposal_may_change(world: World) -> Iterator[Attempt]:
    required = RequiredCapabilities((), (ProposalType.APP_DATA_UPDATE,)).extension()
    old, new = (encode_dictionary({7: data}) for data in (b"old", b"new"))
    alice, bob, _ = world.group(extensions=(required, old))
    yield receives(bob, forge.commit(alice, [GroupContextExtensions((required, new))]).message)
    alice, bob, _ = world.group(extensions=(required,))
    yield receives(bob, forge.commit(alice, [GroupContextExtensions((new,))]).message)


@right(52)
def a_dictionary_that_stays_or_has_no_proposal_of_its_own(world: World) -> Iterator[Attempt]:
    required = RequiredCapabilities((), (ProposalType.APP_DATA_UPDATE,)).extension()
    old, new = (encode_dictionary({7: data}) for data in (b"old", b"new"))
    alice, bob, _ = world.group(extensions=(required, old))
    yield receives(bob, forge.commit(alice, [GroupContextExtensions((required, old))]).message)
    alice, bob, _ = world.group(extensions=(old,))
    yield receives(bob, forge.commit(alice, [GroupContextExtensions((new,))]).message)


@broken(52)
def extensions_that_a_member_of_the_new_epoch_cannot_have(world: World) -> Iterator[Attempt]:
    # Found in the tree that results, and so refused by the rules of leaves.
    able = world.client("").capabilities(extensions=(OURS,))
    alice, bob = world.group("alice", "bob", capabilities=able)
    required = GroupContextExtensions((RequiredCapabilities((OURS,)).extension(),))
    proposals: list[mls.Proposal] = [required, Add(world.package("dave").key_package)]
    yield receives(bob, forge.commit(alice, proposals).message, row=27)
    new = GroupContextExtensions((Extension(OURS, b"data"),))
    proposals = [new, Add(world.package("dave").key_package)]
    yield receives(bob, forge.commit(alice, proposals).message, row=39)
    alice, bob, _ = world.group()
    yield receives(bob, forge.commit(alice, [required]).message, row=27)
    yield receives(bob, forge.commit(alice, [new]).message, row=39)


# -- 53: proposal types ----------------------------------------------------------------------------

SAYING = AppEphemeral(7, b"data")


@right(53)
def a_type_that_all_know(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield from proposed_and_committed(alice, bob, SAYING)


@right(53)
def who_comes_and_who_goes_need_not_know_it(world: World) -> Iterator[Attempt]:
    unable = world.client("").capabilities(proposals=())
    alice, bob = world.group("alice", "bob")
    alice, bob = world.advance(
        [alice, bob], 0, [Add(world.package("old", capabilities=unable).key_package)]
    )
    new = world.package("new", capabilities=unable)
    proposals: list[mls.Proposal] = [SAYING, Remove(2), Add(new.key_package)]
    yield receives(bob, forge.commit(alice, proposals).message)


@broken(53)
def a_type_that_a_member_does_not_know(world: World) -> Iterator[Attempt]:
    listed = (ProposalType.APP_DATA_UPDATE, ProposalType.SELF_REMOVE)
    unable = world.client("").capabilities(proposals=listed)
    alice, bob = world.group("alice", "bob")
    alice, bob = world.advance(
        [alice, bob], 0, [Add(world.package("old", capabilities=unable).key_package)]
    )
    private = WireFormat.PRIVATE_MESSAGE
    yield receives(bob, forge.commit(alice, [SAYING]).message)
    yield receives(bob, forge.commit(alice, [SAYING], wire_format=private).message)
    message, sent = forge.sent(alice, SAYING)
    bob.process(message, now=NOW)
    yield receives(bob, forge.commit(alice, [sent]).message)
    yield does(lambda: alice.commit([SAYING], now=NOW, entropy=world.entropy), alice)
