"""Rows 54 to 66: what may stand together in a commit. RFC 9420, section 12.2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from heliogram import mls
from heliogram.mls import (
    Add,
    AppDataUpdate,
    ExternalPSKID,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    RequiredCapabilities,
    SelfRemove,
    SentProposal,
    Update,
)
from heliogram.mls.crypto import Secret
from heliogram.mls.founding import EXTERNAL_INIT
from heliogram.mls.proposals import ExternalInit
from heliogram.mls.ratchet_tree import LeafNodeSource
from tests.mls import forge
from tests.mls.forge import NOW, Stream, World
from tests.mls.rules import BOTH, Attempt, broken, does, receives, right

#: A component of an application, in the private range.
COMPONENT = 0x8001


class Open(mls.Policy):
    """Lets everybody do everything, joiners too."""

    def allows_proposal(self, *_: object) -> bool:
        return True

    def allows_commit(self, *_: object) -> bool:
        return True


class Components(mls.Policy):
    """Takes any update of a component as its new data."""

    def update_component(
        self, component_id: int, current: bytes | None, updates: Sequence[bytes]
    ) -> bytes | None:
        return updates[-1]


def update_of(world: World, group: mls.Group) -> Update:
    """An update of the group's own member. Its keys are kept nowhere."""
    return Update(world.owner(group).leaf(LeafNodeSource.UPDATE, group=group))


def psk(world: World, name: bytes, seed: bytes = b"nonce") -> PreSharedKey:
    """A pre-shared key by its name, with the nonce that follows from `seed`."""
    return PreSharedKey(ExternalPSKID(name, Stream(seed)(world.suite.hash_length)))


def with_psks(world: World, **more: Any) -> mls.Config:
    """A configuration in which every external pre-shared key is known."""
    return world.config(psk=lambda psk_id: Secret(b"secret" + psk_id.encode()), **more)


def reinit(world: World) -> ReInit:
    """A ReInit into a group of the same suite."""
    return ReInit(b"the next one", 1, world.suite.id, ())


def told(sender: mls.Group, proposal: Proposal, *groups: mls.Group) -> SentProposal:
    """A proposal that these members received from `sender`."""
    message, sent = forge.sent(sender, proposal)
    for group in groups:
        group.process(message, now=NOW)
    return sent


# -- 54: each proposal is valid, each reference leads somewhere ------------------------------------


@right(54, suites=BOTH)
def a_reference_to_what_was_proposed(world: World) -> Attempt:
    alice, bob, carol = world.group()
    sent = told(carol, Add(world.package("dave").key_package), bob)
    return receives(bob, forge.commit(alice, [sent]).message)


@broken(54, suites=BOTH)
def a_reference_to_what_was_not_proposed_here(world: World) -> Attempt:
    alice, bob, carol = world.group()
    sent = told(carol, Add(world.package("dave").key_package))
    return receives(bob, forge.commit(alice, [sent]).message)


@broken(54)
def a_reference_to_a_proposal_of_the_epoch_before(world: World) -> Attempt:
    groups = world.group()
    sent = told(groups[2], Add(world.package("dave").key_package), groups[1])
    alice, bob, _ = world.advance(groups, 0)
    return receives(bob, forge.commit(alice, [sent]).message)


@right(54)
def a_self_remove_by_reference(world: World) -> Attempt:
    alice, bob, carol = world.group()
    return receives(bob, forge.commit(alice, [told(carol, SelfRemove(), bob)]).message)


@right(54)
def a_proposal_in_a_private_message(world: World) -> Attempt:
    _, bob, carol = world.group()
    return receives(bob, forge.private_message(carol, Remove(0)))


@broken(54)
def a_self_remove_by_value(world: World) -> Attempt:
    # It can only name its sender, the committer; so it stands in an external commit.
    alice, bob, _ = world.group(config=world.config(policy=Open()))
    message = forge.commit(alice, [SelfRemove()], joiner=world.client("dave")).message
    return receives(bob, message)


@broken(54)
def a_self_remove_in_a_private_message(world: World) -> Attempt:
    _, bob, carol = world.group()
    return receives(bob, forge.private_message(carol, SelfRemove()))


# -- 55: the committer does not update itself by a proposal ----------------------------------------


@right(55)
def somebody_elses_update(world: World) -> Attempt:
    alice, bob, carol = world.group()
    return receives(bob, forge.commit(alice, [told(carol, update_of(world, carol), bob)]).message)


@broken(55, suites=BOTH)
def an_update_of_the_committer_by_value(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.commit(alice, [update_of(world, alice)]).message)


@broken(55)
def an_update_of_the_committer_by_reference(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.commit(alice, [told(alice, update_of(world, alice), bob)]).message)


# -- 56: nor remove itself -------------------------------------------------------------------------


@right(56)
def somebody_else_is_removed(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.commit(alice, [Remove(2)]).message)


@broken(56, suites=BOTH)
def a_removal_of_the_committer(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    yield receives(bob, forge.commit(alice, [Remove(0)]).message)
    sent = told(carol, Remove(0), bob)
    yield receives(bob, forge.commit(alice, [sent]).message)
    yield does(lambda: alice.commit([Remove(0)], now=NOW, entropy=world.entropy), alice)


@broken(56)
def a_self_remove_of_the_committer(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.commit(alice, [told(alice, SelfRemove(), bob)]).message)


# -- 57: one change for a leaf ---------------------------------------------------------------------


@right(57)
def an_update_and_a_removal_of_two_leaves(world: World) -> Attempt:
    alice, bob, carol, _ = world.group("alice", "bob", "carol", "dave")
    sent = told(carol, update_of(world, carol), bob)
    return receives(bob, forge.commit(alice, [sent, Remove(3)]).message)


@broken(57, suites=BOTH)
def two_changes_of_one_leaf(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    first = told(carol, update_of(world, carol), bob)
    second = told(carol, update_of(world, carol), bob)
    leave = told(carol, SelfRemove(), bob)
    lists: list[list[Remove | SentProposal]] = [
        [Remove(2), Remove(2)],
        [first, Remove(2)],
        [Remove(2), first],
        [first, second],
        [leave, Remove(2)],
        [first, leave],
    ]
    for both in lists:
        yield receives(bob, forge.commit(alice, both).message)
    yield does(lambda: alice.commit([Remove(2)] * 2, now=NOW, entropy=world.entropy), alice)


@broken(57)
def two_changes_of_one_leaf_by_a_joiner(world: World) -> Iterator[Attempt]:
    # Carol's leaf is the only one in the right half: taken out once, it is no more in the tree.
    alice, bob, carol = world.group(config=world.config(policy=Open()))
    leave, again = told(carol, SelfRemove(), bob), told(carol, SelfRemove(), bob)
    joiner = world.owner(carol)
    yield receives(bob, forge.commit(alice, [Remove(2), leave], joiner=joiner).message)
    other = told(carol, SelfRemove(), bob)
    assert leave == again == other  # the message is the same: it has nothing to differ in
    yield receives(bob, forge.commit(alice, [leave, leave], joiner=joiner).message)


# -- 58 and 59: each client once -------------------------------------------------------------------


@right(58)
def two_clients_are_added(world: World) -> Attempt:
    alice, bob, _ = world.group()
    adds = [Add(world.package(name).key_package) for name in ("dave", "erin")]
    return receives(bob, forge.commit(alice, adds).message)


@broken(58, suites=BOTH)
def one_client_is_added_twice(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    adds = [Add(world.package("dave").key_package) for _ in range(2)]
    yield receives(bob, forge.commit(alice, adds).message)
    yield does(lambda: alice.commit(adds, now=NOW, entropy=world.entropy), alice)


@right(59)
def a_member_is_replaced(world: World) -> Attempt:
    alice, bob, _ = world.group()
    both: list[Proposal] = [Add(world.package("carol").key_package), Remove(2)]
    return receives(bob, forge.commit(alice, both).message)


@broken(59, suites=BOTH)
def a_member_is_added(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    add = Add(world.package("carol").key_package)
    yield receives(bob, forge.commit(alice, [add]).message)
    yield does(lambda: alice.commit([add], now=NOW, entropy=world.entropy), alice)


# -- 60 to 63: what can come once, or not at all ---------------------------------------------------


@right(60)
def two_pre_shared_keys(world: World) -> Attempt:
    alice, bob, _ = world.group(config=with_psks(world))
    return receives(bob, forge.commit(alice, [psk(world, b"one"), psk(world, b"two")]).message)


@broken(60)
def one_pre_shared_key_twice(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=with_psks(world))
    for other in (psk(world, b"one"), psk(world, b"one", b"another nonce")):
        both = [psk(world, b"one"), other]
        yield receives(bob, forge.commit(alice, both).message)
        yield does(lambda both=both: alice.commit(both, now=NOW, entropy=world.entropy), alice)  # type: ignore[misc]


@right(61)
def the_extensions_are_replaced(world: World) -> Attempt:
    alice, bob, _ = world.group()
    replace = GroupContextExtensions((RequiredCapabilities().extension(),))
    return receives(bob, forge.commit(alice, [replace]).message)


@broken(61)
def the_extensions_are_replaced_twice(world: World) -> Attempt:
    alice, bob, _ = world.group()
    replace = GroupContextExtensions((RequiredCapabilities().extension(),))
    return receives(bob, forge.commit(alice, [replace, replace]).message)


@right(62)
def a_reinit_alone(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.commit(alice, [reinit(world)]).message)


@broken(62)
def a_reinit_with_others(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    add = Add(world.package("dave").key_package)
    again = reinit(world)
    lists: list[list[Proposal]] = [[again, add], [add, again], [again, again]]
    for both in lists:
        yield receives(bob, forge.commit(alice, both).message)
        yield does(lambda both=both: alice.commit(both, now=NOW, entropy=world.entropy), alice)  # type: ignore[misc]


@right(63)
def a_joiner_commits_an_external_init(world: World) -> Attempt:
    alice, bob, _ = world.group(config=world.config(policy=Open()))
    return receives(bob, forge.commit(alice, joiner=world.client("dave")).message)


@broken(63)
def a_member_commits_an_external_init(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group(config=world.config(policy=Open()))
    external = alice._member.current.secrets.external_key(world.suite).public
    output, secret = world.suite.export_to(
        external, EXTERNAL_INIT, world.suite.hash_length, entropy=world.entropy
    )
    init = ExternalInit(output)
    yield receives(bob, forge.commit(alice, [init]).message)
    yield receives(bob, forge.commit(alice, [init], init_secret=lambda _: secret).message)
    # No commit could hold it, so it is refused when it is proposed already.
    yield receives(bob, forge.proposal(carol, init))


# -- 64: what results is valid ---------------------------------------------------------------------


@right(64)
def a_component_is_set(world: World) -> Attempt:
    alice, bob, _ = world.group(config=world.config(policy=Components()))
    update = AppDataUpdate(COMPONENT, b"data")
    staged = alice.commit([update], now=NOW, entropy=world.entropy)
    return receives(bob, staged.message)


@broken(64)
def a_component_becomes_invalid(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group(config=world.config(policy=Components()))
    # There is nothing to remove, and no removal beside an update.
    for updates in (
        [AppDataUpdate(COMPONENT, None)],
        [AppDataUpdate(COMPONENT, b"data"), AppDataUpdate(COMPONENT, None)],
    ):
        yield receives(bob, forge.commit(alice, updates).message)
    # The same where there is something to remove.
    alice, bob, _ = world.advance([alice, bob, carol], 0, [AppDataUpdate(COMPONENT, b"data")])
    yield receives(bob, forge.commit(alice, updates).message)
    # The application says no.
    alice, bob, _ = world.group()
    yield receives(bob, forge.commit(alice, [AppDataUpdate(COMPONENT, b"data")]).message)


@right(64)
def newcomers_fit_the_new_extensions(world: World) -> Attempt:
    alice, bob, _ = world.group()
    required = RequiredCapabilities(credentials=(1,)).extension()
    both: list[Proposal] = [
        Add(world.package("dave").key_package),
        GroupContextExtensions((required,)),
    ]
    return receives(bob, forge.commit(alice, both).message)


@broken(64)
def a_newcomer_does_not_fit_the_new_extensions(world: World) -> Attempt:
    alice, bob, _ = world.group()
    required = RequiredCapabilities(proposals=(mls.ProposalType.SELF_REMOVE,)).extension()
    capabilities = world.client("dave").capabilities(proposals=())
    dave = world.package("dave", capabilities=capabilities)
    both: list[Proposal] = [GroupContextExtensions((required,)), Add(dave.key_package)]
    return receives(bob, forge.commit(alice, both).message, row=27)


@broken(64)
def two_newcomers_have_one_key(world: World) -> Attempt:
    alice, bob, _ = world.group()
    key = world.suite.new_hpke_key(world.entropy)
    adds = [
        Add(world.client(name).key_package(leaf_key=key).key_package) for name in ("dave", "erin")
    ]
    return receives(bob, forge.commit(alice, adds).message, row=37)


# -- 65: what the application allows ---------------------------------------------------------------


class NoRemovals(mls.Policy):
    """Members may do everything but propose removals."""

    def allows_proposal(self, view: mls.EpochView, sent: SentProposal) -> bool:
        return sent.sender.is_member and not isinstance(sent.proposal, Remove)


class OnlyFounder(mls.Policy):
    """Only the member at leaf 0 commits."""

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[SentProposal]
    ) -> bool:
        return committer == 0


@right(65)
def what_the_application_allows(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(policy=NoRemovals()))
    add = Add(world.package("dave").key_package)
    yield receives(bob, forge.commit(alice, [add]).message)
    alice, bob, _ = world.group(config=world.config(policy=OnlyFounder()))
    yield receives(bob, forge.commit(alice, [Remove(2)]).message)


@broken(65)
def what_the_application_forbids(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(policy=NoRemovals()))
    yield receives(bob, forge.proposal(alice, Remove(2)))
    yield receives(bob, forge.commit(alice, [Remove(2)]).message)
    yield does(lambda: alice.commit([Remove(2)], now=NOW, entropy=world.entropy), alice)
    yield does(lambda: alice.propose(Remove(2), now=NOW, entropy=world.entropy), alice)

    groups = world.group(config=world.config(policy=OnlyFounder()))
    yield receives(groups[1], forge.commit(groups[2], [Remove(0)]).message)
    yield receives(groups[1], forge.commit(groups[2]).message)
    yield does(lambda: groups[2].commit(now=NOW, entropy=world.entropy), groups[2])


# -- 66: a committer chooses -----------------------------------------------------------------------


def committed(world: World, groups: Sequence[mls.Group]) -> list[Proposal]:
    """What the first member's commit of all that waits lists; the others follow it."""
    staged = groups[0].commit(now=NOW, entropy=world.entropy)
    listed: list[Proposal] = []
    for group in groups[1:]:
        outcome = group.process(staged.message, now=NOW)
        if isinstance(outcome, mls.EpochAdvanced):
            assert outcome.group.epoch_authenticator == staged.group.epoch_authenticator
            listed = [sent.proposal for sent in outcome.proposals]
    groups[0].discard_staged()
    return listed


@right(66)
def all_that_fits_is_committed(world: World) -> None:
    alice, bob, carol = groups = world.group(config=with_psks(world))
    add, secret = Add(world.package("dave").key_package), psk(world, b"one")
    told(carol, add, alice, bob)
    told(bob, secret, alice, bob)
    told(carol, update_of(world, carol), alice, bob)
    assert [type(proposal) for proposal in committed(world, groups[:2])] == [
        Add,
        PreSharedKey,
        Update,
    ]


@broken(66)
def what_contradicts_is_left_out(world: World) -> None:
    # A removal goes before an update of the same leaf, in whatever order they came.
    for first in (True, False):
        groups = world.group()
        if first:
            told(groups[1], Remove(2), *groups)
        told(groups[2], update_of(world, groups[2]), *groups)
        if not first:
            told(groups[1], Remove(2), *groups)
        assert committed(world, groups) == [Remove(2)]
    # The latest update goes before earlier ones.
    groups = world.group()
    told(groups[2], update_of(world, groups[2]), *groups)
    latest = told(groups[2], update_of(world, groups[2]), *groups)
    assert committed(world, groups[:2]) == [latest.proposal]
    # Everything goes before a ReInit, which goes if nothing else waits.
    groups = world.group()
    told(groups[2], reinit(world), *groups)
    assert committed(world, groups) == [reinit(world)]
    told(groups[2], Remove(1), *groups)
    assert committed(world, groups) == [Remove(1)]


@broken(66)
def what_no_list_can_hold_is_left_out(world: World) -> None:
    alice, bob, carol = groups = world.group()
    told(carol, Add(world.package("bob").key_package), alice, bob)
    told(carol, psk(world, b"unknown here"), alice, bob)
    good = told(carol, Add(world.package("dave").key_package), alice, bob)
    assert committed(world, groups[:2]) == [good.proposal]


@broken(66)
def what_the_caller_gives_is_never_left_out(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    told(carol, Remove(1), alice, bob)
    given: list[Proposal] = [Add(world.package("carol").key_package)]
    yield does(lambda: alice.commit(given, now=NOW, entropy=world.entropy), alice, row=59)
    staged = alice.commit([Remove(1)], now=NOW, entropy=world.entropy)
    assert isinstance(bob.process(staged.message, now=NOW), mls.Removed)
