"""From outside: external commits, resync, external senders, and asking to be added."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram import mls
from tests.scenarios.cast import (
    NOW,
    OPEN,
    PLAIN,
    Open,
    Person,
    agree,
    all_follow,
    all_note,
    entropy_of,
    everyone_commits,
    gathering,
)

# -- external commits ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_external_join(size: int) -> None:
    everybody = gathering(*(f"member {number}" for number in range(size)), config=OPEN)
    zoe = Person("Zoe", config=OPEN)
    staged = zoe.joins_from_outside(
        everybody[-1].group.group_info(external_pub=True), authenticated_data=b"hello"
    )
    assert staged.welcome is None
    for one in everybody:
        step = one.follows(staged.message)
        assert (step.committer, step.own, step.authenticated_data) == (size, False, b"hello")
        assert [sent.sender.sender_type for sent in step.proposals] == [
            mls.SenderType.NEW_MEMBER_COMMIT
        ]
    everybody.append(zoe)
    agree(everybody)
    everyone_commits(everybody)


def test_external_join_with_the_tree_by_other_means() -> None:
    everybody = gathering("Alice", "Bob", config=OPEN)
    alice, bob = everybody
    info = alice.group.group_info(external_pub=True, ratchet_tree=False)
    carol = Person("Carol", config=OPEN)
    with pytest.raises(mls.InvalidMessage) as caught:
        carol.joins_from_outside(info)
    assert caught.value.rule == 89
    staged = carol.joins_from_outside(info, ratchet_tree=bob.group.ratchet_tree())
    all_follow(staged.message, everybody)
    agree([*everybody, carol])


def test_external_join_fills_the_leftmost_blank_leaf() -> None:
    everybody = gathering(*(f"member {number}" for number in range(5)), config=OPEN)
    alice = everybody[0]
    staged = alice.commits(mls.Remove(1), mls.Remove(3))
    remaining = [everybody[0], everybody[2], everybody[4]]
    all_follow(staged.message, remaining, alice)
    for leaf in (1, 3, 5):
        newcomer = Person(f"newcomer {leaf}", config=OPEN)
        staged = newcomer.joins_from_outside(remaining[-1].group.group_info(external_pub=True))
        assert newcomer.leaf == leaf
        all_follow(staged.message, remaining)
        remaining.append(newcomer)
        agree(remaining)
    everyone_commits(remaining)


def test_external_join_at_the_first_epoch() -> None:
    alice, bob = Person("Alice", config=OPEN), Person("Bob", config=OPEN)
    alice.creates()
    staged = bob.joins_from_outside(alice.group.group_info(external_pub=True))
    alice.follows(staged.message)
    agree([alice, bob])
    everyone_commits([alice, bob])


def test_external_join_with_a_pre_shared_key() -> None:
    config = replace(OPEN, psk=lambda psk: mls.Secret(b"password") if psk == password else None)
    password = mls.ExternalPSKID(b"password", bytes(32))
    alice, bob = gathering("Alice", "Bob", config=config)
    info = alice.group.group_info(external_pub=True)
    carol = Person("Carol", config=config)
    staged = carol.joins_from_outside(info, psks=[mls.PreSharedKey(password)])
    all_follow(staged.message, [alice, bob])
    agree([alice, bob, carol])
    # Who does not know it cannot even try; who guesses is refused.
    with pytest.raises(mls.UsageError):
        Person("Dave", config=OPEN).joins_from_outside(info, psks=[mls.PreSharedKey(password)])
    erin = Person("Erin", config=replace(OPEN, psk=lambda _: mls.Secret(b"a guess")))
    staged = erin.joins_from_outside(
        alice.group.group_info(external_pub=True), psks=[mls.PreSharedKey(password)]
    )
    with pytest.raises(mls.InvalidMessage) as caught:
        alice.receives(staged.message)
    assert caught.value.rule == 80


def test_external_join_is_refused_by_default() -> None:
    """On both sides, before anything is sent and when it arrives."""
    alice, bob = gathering("Alice", "Bob")
    info = alice.group.group_info(external_pub=True)
    with pytest.raises(mls.UsageError):
        Person("Carol").joins_from_outside(info)
    staged = Person("Mallory", config=OPEN).joins_from_outside(info)
    for one in (alice, bob):
        with pytest.raises(mls.InvalidMessage) as caught:
            one.receives(staged.message)
        assert caught.value.rule in (15, 72)


def test_external_join_loses_its_race() -> None:
    everybody = gathering("Alice", "Bob", config=OPEN)
    alice, bob = everybody
    carol = Person("Carol", config=OPEN)
    late = carol.joins_from_outside(alice.group.group_info(external_pub=True))
    bob.follows(alice.commits().message)
    for one in everybody:
        with pytest.raises(mls.UnknownEpoch):
            one.receives(late.message)
    staged = carol.joins_from_outside(bob.group.group_info(external_pub=True))
    all_follow(staged.message, everybody)
    agree([alice, bob, carol])
    with pytest.raises(mls.UnknownEpoch):
        carol.receives(staged.message)


def test_group_info_without_a_key_for_outsiders() -> None:
    alice, _ = gathering("Alice", "Bob", config=OPEN)
    with pytest.raises(mls.InvalidMessage) as caught:
        Person("Carol", config=OPEN).joins_from_outside(alice.group.group_info())
    assert caught.value.rule == 71


def test_two_external_joins_in_a_row_by_one_client() -> None:
    """A client that is a member already comes in only as a resync of its own leaf (section 12.2)."""
    everybody = gathering("Alice", "Bob", config=OPEN)
    alice, bob = everybody
    again = Person("Bob", device=2, config=OPEN)
    info = alice.group.group_info(external_pub=True)
    staged = again.joins_from_outside(info, resync=bob.leaf)
    alice.follows(staged.message)
    bob.gets(mls.Removed, staged.message)
    agree([alice, again])


# -- resync ----------------------------------------------------------------------------------------


def test_resync_after_losing_everything() -> None:
    everybody = gathering("Alice", "Bob", "Carol", config=OPEN)
    alice, bob, carol = everybody
    again = Person("Bob", device=2, config=OPEN)
    staged = again.joins_from_outside(alice.group.group_info(external_pub=True), resync=bob.leaf)
    assert again.leaf == bob.leaf
    for one in (alice, carol):
        step = one.follows(staged.message)
        assert (step.committer, step.removed) == (1, (1,))
    assert bob.gets(mls.Removed, staged.message).committer is None
    agree([alice, again, carol])
    everyone_commits([alice, again, carol])


def test_resync_with_the_same_signature_key() -> None:
    everybody = gathering("Alice", "Bob", config=OPEN)
    alice, bob = everybody
    again = Person("Bob", device=2, config=OPEN, key=bob.key)
    staged = again.joins_from_outside(alice.group.group_info(external_pub=True), resync=bob.leaf)
    alice.follows(staged.message)
    agree([alice, again])


def test_resync_of_the_last_leaf_shrinks_the_tree_and_fills_it() -> None:
    everybody = gathering("Alice", "Bob", "Carol", config=OPEN)
    alice, bob, carol = everybody
    again = Person("Carol", device=2, config=OPEN)
    staged = again.joins_from_outside(alice.group.group_info(external_pub=True), resync=carol.leaf)
    all_follow(staged.message, [alice, bob])
    agree([alice, bob, again])
    assert again.leaf == 2


def test_resync_of_somebody_else() -> None:
    """An external joiner may remove itself and nobody else: refused by all, the victim included."""
    everybody = gathering("Alice", "Bob", "Carol", config=OPEN)
    alice, bob, _ = everybody
    info = alice.group.group_info(external_pub=True)
    with pytest.raises(mls.UsageError):
        Person("Mallory", config=OPEN).joins_from_outside(info, resync=bob.leaf)

    class Liar(mls.AcceptAnyCredential):
        """Everybody is the same client to Mallory, so her own side does not stop her."""

        def is_successor(self, old: mls.Credential, new: mls.Credential) -> bool:
            return True

    mallory = Person("Mallory", config=replace(OPEN, authentication=Liar()))
    staged = mallory.joins_from_outside(info, resync=bob.leaf)
    for one in everybody:
        before = bytes(one.group.to_bytes())
        with pytest.raises(mls.InvalidMessage) as caught:
            one.receives(staged.message)
        assert caught.value.rule == 68
        assert bytes(one.group.to_bytes()) == before
    agree(everybody)


# -- proposals from outside ------------------------------------------------------------------------


def with_senders(*names: str) -> tuple[list[Person], list[mls.SignatureKey]]:
    """A group of three that takes proposals from these."""
    keys = [mls.new_signature_key(1, entropy=entropy_of(name)) for name in names]
    senders = [
        mls.ExternalSender(key.public, mls.BasicCredential(name.encode()))
        for name, key in zip(names, keys, strict=True)
    ]
    extensions = (mls.external_senders_extension(senders),)
    return gathering(
        "Alice", "Bob", "Carol", config=OPEN, creating={"extensions": extensions}
    ), keys


def test_external_sender_proposes() -> None:
    everybody, keys = with_senders("server", "moderator")
    alice, bob, carol = everybody
    dave = Person("Dave", config=OPEN)
    info = alice.group.group_info()
    messages = [
        mls.external_proposal(info, mls.Add(dave.key_package()), 0, keys[0]),
        mls.external_proposal(
            info, mls.Remove(carol.leaf), 1, keys[1], authenticated_data=b"for the record"
        ),
    ]
    for message in messages:
        for one in everybody:
            got = one.notes(message)
            assert got.sender.sender_type == mls.SenderType.EXTERNAL
    staged = bob.commits()
    step = alice.follows(staged.message)
    assert {sent.sender.index for sent in step.proposals} == {0, 1}
    assert (step.added, step.removed) == ((2,), (2,))
    carol.gets(mls.Removed, staged.message)
    dave.joins(staged.welcome)
    agree([alice, bob, dave])
    # Who joined later listens to them as well.
    message = mls.external_proposal(dave.group.group_info(), mls.Remove(dave.leaf), 1, keys[1])
    all_note(message, [alice, bob, dave])
    staged = alice.commits()
    bob.follows(staged.message)
    dave.gets(mls.Removed, staged.message)
    agree([alice, bob])


def test_external_sender_proposes_each_kind_that_it_may() -> None:
    everybody, (key,) = with_senders("server")
    extensions = everybody[0].group.context.extensions
    kinds: list[mls.Proposal] = [
        mls.Add(Person("Dave").key_package()),
        mls.Remove(1),
        mls.PreSharedKey(mls.ExternalPSKID(b"key", bytes(32))),
        mls.ReInit(b"new", 1, 1, ()),
        mls.GroupContextExtensions(extensions),
        mls.AppDataUpdate(0x8000, b"data"),
        mls.AppEphemeral(0x8000, b"data"),
    ]
    info = everybody[0].group.group_info()
    for proposal in kinds:
        everybody[1].notes(mls.external_proposal(info, proposal, 0, key))
    with pytest.raises(mls.InvalidMessage) as caught:
        everybody[1].receives(mls.external_proposal(info, mls.SelfRemove(), 0, key))
    assert caught.value.rule in (12, 54)


def test_external_sender_that_is_not_in_the_list() -> None:
    everybody, keys = with_senders("server", "moderator")
    info = everybody[0].group.group_info()
    stranger = mls.new_signature_key(1, entropy=entropy_of("stranger"))
    for index, key, rule in ((0, stranger, 11), (1, keys[0], 11), (2, keys[0], 12)):
        with pytest.raises(mls.InvalidMessage) as caught:
            everybody[1].receives(mls.external_proposal(info, mls.Remove(1), index, key))
        assert caught.value.rule == rule


def test_external_sender_of_another_epoch() -> None:
    everybody, (key,) = with_senders("server")
    alice, bob, carol = everybody
    message = mls.external_proposal(alice.group.group_info(), mls.Remove(1), 0, key)
    all_follow(bob.commits().message, [alice, carol])
    with pytest.raises(mls.UnknownEpoch):
        alice.receives(message)


def test_external_sender_that_was_dismissed() -> None:
    everybody, (key,) = with_senders("server")
    alice, bob, carol = everybody
    all_follow(bob.commits(mls.GroupContextExtensions(())).message, [alice, carol])
    message = mls.external_proposal(alice.group.group_info(), mls.Remove(1), 0, key)
    with pytest.raises(mls.InvalidMessage) as caught:
        alice.receives(message)
    assert caught.value.rule == 12
    agree(everybody)


def test_asking_to_be_added() -> None:
    everybody = gathering("Alice", "Bob", config=OPEN)
    alice, bob = everybody
    carol = Person("Carol", config=OPEN)
    carol.key_package()
    message = mls.propose_own_add(
        alice.group.group_info(), carol.packages[0], authenticated_data=b"let me in"
    )
    for one in everybody:
        got = one.notes(message)
        assert got.sender.sender_type == mls.SenderType.NEW_MEMBER_PROPOSAL
    staged = bob.commits()
    assert alice.follows(staged.message).added == (2,)
    carol.joins(staged.welcome)
    agree([alice, bob, carol])
    everyone_commits([alice, bob, carol])


def test_proposals_from_outside_are_refused_by_default() -> None:
    alice, _ = gathering("Alice", "Bob")
    carol = Person("Carol")
    carol.key_package()
    with pytest.raises(mls.InvalidMessage) as caught:
        alice.receives(mls.propose_own_add(alice.group.group_info(), carol.packages[0]))
    assert caught.value.rule == 15


class Door(Open):
    """Anybody may ask to be added, but only the first member may agree."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        asks = sent.sender.sender_type == mls.SenderType.NEW_MEMBER_PROPOSAL
        return sent.sender.is_member or asks

    def allows_commit(self, view: mls.EpochView, committer: int | None, proposals: object) -> bool:
        adds = any(isinstance(sent.proposal, mls.Add) for sent in proposals)  # type: ignore[attr-defined]
        return committer == 0 or not adds


def test_asking_the_one_who_may_agree() -> None:
    config = replace(PLAIN, policy=Door())
    alice, bob = gathering("Alice", "Bob", config=config)
    carol = Person("Carol", config=config)
    carol.key_package()
    message = mls.propose_own_add(bob.group.group_info(), carol.packages[0])
    all_note(message, [alice, bob])
    # Bob's commit leaves it out; Carol asks again, and Alice's takes it.
    assert alice.follows(bob.commits().message).added == ()
    all_note(mls.propose_own_add(bob.group.group_info(), carol.packages[0]), [alice, bob])
    staged = alice.commits()
    bob.follows(staged.message)
    carol.joins(staged.welcome)
    agree([alice, bob, carol])


def test_key_of_an_outsider_is_not_accepted() -> None:
    """The authentication service judges external senders, too (section 5.3.1)."""

    class Picky(mls.AcceptAnyCredential):
        def accepts(self, credential: mls.Credential, signature_key: bytes, *, now: int) -> bool:
            return credential != mls.BasicCredential(b"spy")

    config = replace(PLAIN, authentication=Picky())
    alice, bob = gathering("Alice", "Bob", config=config)
    key = mls.new_signature_key(1, entropy=entropy_of("spy"))
    spy = mls.ExternalSender(key.public, mls.BasicCredential(b"spy"))
    change = mls.GroupContextExtensions((mls.external_senders_extension([spy]),))
    for act in (alice.stages, alice.proposes):
        with pytest.raises(mls.UsageError):
            act(change)
    with pytest.raises(mls.UsageError):
        mls.Group.create(
            b"spied on",
            1,
            alice.credential,
            alice.key,
            config=config,
            extensions=change.extensions,
            now=NOW,
            entropy=alice.entropy,
        )
    alice.kept = mls.Group.from_bytes(bytes(alice.group.to_bytes()), config=PLAIN)
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.receives(alice.stages(change).message)
    assert caught.value.rule == 52
