"""Commits: races, restarts, what comes back, and what a commit takes from waiting proposals."""

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
    everyone_commits,
    gathering,
    people,
)

PRIVATE = replace(PLAIN, private_handshakes=True)

#: Stories that must go the same way in both framings.
both_framings = pytest.mark.parametrize("config", [PLAIN, PRIVATE], ids=["public", "private"])


# -- races -----------------------------------------------------------------------------------------


@both_framings
def test_lost_race(config: mls.Config) -> None:
    """Two commit at once. One counts; the other is discarded, and planned again."""
    everybody = gathering("Alice", "Bob", "Carol", config=config)
    alice, bob, carol = everybody
    dave = Person("Dave", config=config)
    by_alice = alice.stages()
    by_bob = bob.stages(mls.Add(dave.key_package()))
    assert bob.group.epoch == 1
    # The relay takes Alice's first.
    alice.kept = by_alice.merge()
    bob.group.discard_staged()
    all_follow(by_alice.message, [bob, carol])
    agree(everybody)
    # Bob's comes too late for everybody, Bob included, and so does its Welcome.
    for one in everybody:
        with pytest.raises(mls.UnknownEpoch) as caught:
            one.receives(by_bob.message)
        assert caught.value.epoch == 1
    # He plans again: the same key package is still good, for nobody used it.
    again = bob.commits(mls.Add(dave.packages[0].key_package))
    all_follow(again.message, [alice, carol])
    dave.joins(again.welcome)
    everybody.append(dave)
    agree(everybody)
    everyone_commits(everybody)


@both_framings
def test_a_loser_need_not_discard(config: mls.Config) -> None:
    """Following the winner is enough: the next epoch knows nothing of what was staged."""
    alice, bob = gathering("Alice", "Bob", config=config)
    by_alice, by_bob = alice.stages(), bob.stages()
    alice.kept = by_alice.merge()
    bob.follows(by_alice.message)
    assert bob.group.staged is None
    with pytest.raises(mls.UnknownEpoch):
        bob.receives(by_bob.message)
    alice.follows(bob.commits().message)
    agree([alice, bob])


def test_the_loser_s_welcome_leads_nowhere() -> None:
    """A joiner who gets it all the same is alone in an epoch that nobody else has."""
    alice, bob, carol, dave = people("Alice", "Bob", "Carol", "Dave")
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    by_alice, by_bob = (
        alice.stages(mls.Add(carol.key_package())),
        bob.stages(mls.Add(dave.key_package())),
    )
    alice.kept = by_alice.merge()
    bob.follows(by_alice.message)
    carol.joins(by_alice.welcome)
    dave.joins(by_bob.welcome)
    agree([alice, bob, carol])
    assert dave.group.epoch == alice.group.epoch
    assert dave.group.epoch_authenticator != alice.group.epoch_authenticator
    with pytest.raises(mls.DecryptionFailed):
        dave.receives(alice.says("not for you"))


def test_staging_changes_nothing() -> None:
    alice, bob = gathering("Alice", "Bob")
    carol = Person("Carol")
    before = alice.group.epoch_authenticator
    tree_hash = alice.group.tree.tree_hash()
    staged = alice.stages(mls.Remove(bob.leaf), mls.Add(carol.key_package()))
    assert alice.group.epoch_authenticator == before
    assert alice.group.tree.tree_hash() == tree_hash
    assert staged.group.epoch == alice.group.epoch + 1
    agree([alice, bob])
    with pytest.raises(mls.UsageError):
        alice.stages()
    assert alice.group.staged is not None
    assert alice.group.staged.message == staged.message
    alice.group.discard_staged()
    assert alice.group.staged is None
    bob.follows(alice.commits().message)
    agree([alice, bob])


def test_many_staged_and_discarded() -> None:
    """What was never accepted leaves no trace, in private framing neither."""
    for config in (PLAIN, PRIVATE):
        alice, bob = gathering("Alice", "Bob", config=config)
        for _ in range(5):
            alice.stages()
            alice.group.discard_staged()
        bob.follows(alice.commits().message)
        agree([alice, bob])


# -- own messages coming back ----------------------------------------------------------------------


@both_framings
def test_own_commit_comes_back(config: mls.Config) -> None:
    alice, bob = gathering("Alice", "Bob", config=config)
    carol = Person("Carol", config=config)
    staged = alice.stages(mls.Add(carol.key_package()), authenticated_data=b"words")
    outcome = alice.follows(staged.message)
    assert outcome.own
    assert (outcome.committer, outcome.added, outcome.authenticated_data) == (0, (2,), b"words")
    assert [type(sent.proposal) for sent in outcome.proposals] == [mls.Add]
    theirs = bob.follows(staged.message)
    assert not theirs.own
    assert (theirs.committer, theirs.added, theirs.removed, theirs.authenticated_data) == (
        outcome.committer,
        outcome.added,
        outcome.removed,
        outcome.authenticated_data,
    )
    carol.joins(staged.welcome)
    agree([alice, bob, carol])
    # A second time it is old news.
    with pytest.raises(mls.UnknownEpoch):
        alice.receives(staged.message)


@both_framings
def test_own_commit_comes_back_after_a_restart(config: mls.Config) -> None:
    alice, bob = gathering("Alice", "Bob", config=config)
    carol = Person("Carol", config=config)
    bob.notes(alice.proposes(mls.Add(carol.key_package())))
    staged = alice.stages()
    alice.restarts()
    restored = alice.group.staged
    assert restored is not None
    assert (restored.message, restored.welcome) == (staged.message, staged.welcome)
    assert restored.group.epoch_authenticator == staged.group.epoch_authenticator
    # Messages of the epoch that is still going on arrive meanwhile.
    late = bob.group
    outcome = alice.follows(staged.message)
    assert outcome.own and outcome.added == (2,)
    bob.follows(staged.message)
    carol.joins(staged.welcome)
    agree([alice, bob, carol])
    everyone_commits([alice, bob, carol])
    assert late.epoch == 1


def test_messages_between_commit_and_merge() -> None:
    """The old epoch goes on until the commit counts, and its keys are used up only once."""
    alice, bob = gathering("Alice", "Bob")
    staged = alice.stages()
    early = bob.says("before the commit")
    late = bob.says("and one more")
    assert alice.hears(early) == b"before the commit"
    own = alice.says("I said this before")
    alice.kept = staged.merge()
    assert alice.hears(late) == b"and one more"
    with pytest.raises(mls.DecryptionFailed):
        alice.receives(early)
    bob.hears(own)
    bob.follows(staged.message)
    agree([alice, bob])


@both_framings
def test_commit_that_was_discarded_but_accepted(config: mls.Config) -> None:
    """The one mistake that loses the group: it cannot be followed, and that is said."""
    alice, bob = gathering("Alice", "Bob", config=config)
    staged = alice.stages()
    alice.group.discard_staged()
    bob.follows(staged.message)
    before = bytes(alice.group.to_bytes())
    with pytest.raises(mls.InvalidMessage) as caught:
        alice.receives(staged.message)
    assert caught.value.rule == 83
    assert bytes(alice.group.to_bytes()) == before


@both_framings
def test_own_proposals_come_back(config: mls.Config) -> None:
    everybody = gathering("Alice", "Bob", "Carol", config=config)
    alice, bob, carol = everybody
    messages = [alice.proposes(mls.Remove(carol.leaf)), alice.proposes_update()]
    for restart in (False, True):
        if restart:
            alice.restarts()
        for message in messages:
            outcome = alice.gets(mls.OwnMessage, message)
            assert (outcome.content_type, outcome.epoch) == (mls.ContentType.PROPOSAL, 1)
    assert len(alice.group.pending_proposals) == 2
    for message in messages:
        all_note(message, [bob, carol])
    staged = bob.commits()
    alice.follows(staged.message)
    agree([alice, bob])


def test_own_messages_come_back() -> None:
    alice, bob = gathering("Alice", "Bob")
    message = alice.says("echo")
    assert alice.gets(mls.OwnMessage, message).content_type == mls.ContentType.APPLICATION
    alice.restarts()
    alice.gets(mls.OwnMessage, message)
    # Also when a commit came in between, as it does when the relay ordered both.
    bob_commit = bob.commits()
    alice.follows(bob_commit.message)
    assert alice.gets(mls.OwnMessage, message).epoch == 1
    bob.hears(message)
    agree([alice, bob])


# -- what a commit takes along ---------------------------------------------------------------------


@both_framings
def test_commit_by_reference(config: mls.Config) -> None:
    everybody = gathering("Alice", "Bob", "Carol", "Dave", config=config)
    alice, bob, carol, dave = everybody
    erin = Person("Erin", config=config)
    all_note(alice.proposes(mls.Add(erin.key_package())), everybody, alice)
    all_note(bob.proposes(mls.Remove(dave.leaf)), everybody, bob)
    all_note(bob.proposes_update(), everybody, bob)
    staged = carol.commits()
    step = alice.follows(staged.message)
    assert all(sent.reference for sent in step.proposals)
    assert (step.added, step.removed) == ((3,), (3,))
    bob.follows(staged.message)
    dave.gets(mls.Removed, staged.message)
    erin.joins(staged.welcome)
    remaining = [alice, bob, carol, erin]
    agree(remaining)
    everyone_commits(remaining)


def test_waiting_proposals_forbid_talking() -> None:
    """Nothing is said into an epoch that somebody wants to end (section 12.4)."""
    alice, bob = gathering("Alice", "Bob")
    bob.notes(alice.proposes_update())
    for one in (alice, bob):
        with pytest.raises(mls.UsageError):
            one.says("wait")
    alice.follows(bob.commits().message)
    agree([alice, bob])


def test_waiting_proposals_can_be_left_waiting() -> None:
    """They end with their epoch."""
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    message = alice.proposes(mls.Remove(carol.leaf))
    all_note(message, [bob, carol])
    staged = bob.commits(include_pending=False)
    all_follow(staged.message, [alice, carol])
    assert not alice.group.pending_proposals
    agree([alice, bob, carol])
    with pytest.raises(mls.UnknownEpoch):
        bob.receives(message)


def test_reference_to_a_proposal_that_did_not_arrive() -> None:
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    message = alice.proposes_update()
    bob.notes(message)
    staged = bob.commits()
    with pytest.raises(mls.InvalidMessage) as caught:
        carol.receives(staged.message)
    assert caught.value.rule == 54
    # It is not lost: when the proposal arrives, the commit can be followed.
    carol.notes(message)
    all_follow(staged.message, [alice, carol])
    agree([alice, bob, carol])


def test_removal_goes_before_update() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    all_note(carol.proposes_update(), everybody, carol)
    all_note(alice.proposes(mls.Remove(carol.leaf)), everybody, alice)
    staged = bob.commits()
    assert [sent.proposal for sent in alice.follows(staged.message).proposals] == [mls.Remove(2)]
    agree([alice, bob])


def test_the_latest_update_counts() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    keys = []
    for _ in range(3):
        message = carol.proposes_update()
        all_note(message, everybody, carol)
        keys.append(carol.group.pending_proposals[-1])
    for one in everybody:
        one.restarts()  # the order survives it
    staged = bob.commits()
    step = alice.follows(staged.message)
    assert step.proposals == (keys[-1],)
    carol.follows(staged.message)
    agree(everybody)
    everyone_commits(everybody)


def test_own_update_is_left_out_of_own_commit() -> None:
    alice, bob = gathering("Alice", "Bob")
    bob.notes(alice.proposes_update())
    old = alice.group.own_leaf
    staged = alice.commits()
    assert bob.follows(staged.message).proposals == ()
    assert alice.group.own_leaf.encryption_key != old.encryption_key
    agree([alice, bob])


def test_update_of_somebody_who_is_removed_from_outside() -> None:
    """A resync takes the leaf that an update waits for; the next epoch starts without it."""
    everybody = gathering("Alice", "Bob", "Carol", config=OPEN)
    alice, bob, carol = everybody
    all_note(carol.proposes_update(), everybody, carol)
    again = Person("Carol", device=2, config=OPEN)
    staged = again.joins_from_outside(alice.group.group_info(external_pub=True), resync=carol.leaf)
    all_follow(staged.message, [alice, bob])
    carol.gets(mls.Removed, staged.message)
    agree([alice, bob, again])


# Each of these proposals is right on its own. Together with the others, or in the eyes of the
# committer, it is not; then it must not keep everybody from committing.


def spoils_nothing(
    everybody: list[Person], messages: list[bytes], expected: list[mls.Proposal]
) -> None:
    """All note the messages; Bob commits, and of the waiting proposals `expected` are in it."""
    for message in messages:
        for one in everybody:
            one.receives(message)
    bob = everybody[1]
    staged = bob.commits()
    assert [sent.proposal for sent in staged.group.pending_proposals] == []
    for one in everybody:
        if one is not bob:
            step = one.follows(staged.message)
            assert [sent.proposal for sent in step.proposals] == expected
    agree(everybody)


class Last(Open):
    """A component's newest data is what counts."""

    def update_component(
        self, component_id: int, current: bytes | None, updates: object
    ) -> bytes | None:
        return list(updates)[-1]  # type: ignore[call-overload, no-any-return]


def test_contradicting_component_updates() -> None:
    everybody = gathering("Alice", "Bob", "Carol", config=replace(PLAIN, policy=Last()))
    alice, _, carol = everybody
    update, remove = mls.AppDataUpdate(0x8000, b"new"), mls.AppDataUpdate(0x8000, None)
    messages = [alice.proposes(update), carol.proposes(remove)]
    spoils_nothing(everybody, messages, [update])
    messages = [alice.proposes(remove), carol.proposes(remove, authenticated_data=b"again")]
    spoils_nothing(everybody, messages, [remove])


def test_waiting_add_without_a_required_capability() -> None:
    required = mls.RequiredCapabilities(extensions=(0xF00D,))
    able = mls.Capabilities((1,), (1,), (0xF00D,), (), (1,))
    alice, bob, carol = people("Alice", "Bob", "Carol")
    alice.creates(extensions=(required.extension(),), capabilities=able)
    staged = alice.commits(mls.Add(bob.key_package(capabilities=able)))
    bob.joins(staged.welcome)
    message = alice.proposes(mls.Add(carol.key_package()))
    spoils_nothing([alice, bob], [message], [])
    # Who has it is added.
    good = mls.Add(carol.key_package(capabilities=able))
    bob.notes(alice.proposes(good))
    staged = bob.commits()
    alice.follows(staged.message)
    carol.joins(staged.welcome)
    agree([alice, bob, carol])


def test_waiting_add_of_somebody_who_is_there() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice, _, carol = everybody
    messages = [alice.proposes(mls.Add(carol.key_package()))]
    spoils_nothing(everybody, messages, [])


def test_waiting_pre_shared_key_that_the_committer_lacks() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice = everybody[0]
    alice.kept = mls.Group.from_bytes(
        bytes(alice.group.to_bytes()), config=replace(PLAIN, psk=lambda _: mls.Secret(b"known"))
    )
    psk = mls.PreSharedKey(mls.ExternalPSKID(b"ours", bytes(32)))
    spoils_nothing(everybody, [alice.proposes(psk)], [])


def test_one_bad_proposal_among_many() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice, _, carol = everybody
    newcomers = people(*(f"newcomer {number}" for number in range(9)))
    adds: list[mls.Proposal] = [mls.Add(one.key_package()) for one in newcomers]
    wrong = mls.Add(carol.key_package())
    messages = [alice.proposes(add) for add in (*adds[:4], wrong, *adds[4:])]
    for message in messages:
        all_note(message, everybody, alice)
    staged = everybody[1].commits()
    for one in (alice, carol):
        assert [sent.proposal for sent in one.follows(staged.message).proposals] == adds
    for one in newcomers:
        one.joins(staged.welcome)
    agree([*everybody, *newcomers])


def test_what_the_committer_gives_itself_must_be_right() -> None:
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    all_note(alice.proposes_update(), [bob, carol])
    for wrong in (mls.Remove(7), mls.Add(carol.key_package())):
        with pytest.raises(mls.UsageError):
            bob.stages(wrong)
    assert bob.group.staged is None


def test_more_proposals_than_are_kept() -> None:
    """The store of waiting proposals is bounded (section 14)."""
    everybody = gathering("Alice", "Bob", config=replace(PLAIN, max_proposals=3))
    alice, bob = everybody
    for _ in range(3):
        bob.notes(alice.proposes_update())
    with pytest.raises(mls.UsageError):
        alice.proposes_update()
    with pytest.raises(mls.UsageError):
        bob.proposes_update()
    assert len(alice.group.pending_proposals) == 3
    alice.follows(bob.commits().message)
    agree(everybody)


def test_commits_by_everybody_for_a_while() -> None:
    """A warm tree: ten rounds, each member's keys replaced again and again."""
    everybody = gathering(*(f"member {number}" for number in range(5)))
    for _ in range(4):
        everyone_commits(everybody)
    agree(everybody)
    assert everybody[0].group.epoch == 21


def test_handshakes_of_a_group_may_be_mixed() -> None:
    """Each sender chooses the framing; all read both."""
    alice = Person("Alice", config=PRIVATE)
    bob, carol = people("Bob", "Carol")
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    staged = bob.adds(carol)
    alice.follows(staged.message)
    carol.joins(staged.welcome)
    everyone_commits([alice, bob, carol])
    agree([alice, bob, carol])


def test_private_handshakes_show_nothing() -> None:
    """Who commits and what is inside; only group, epoch and kind are to be seen (section 6.3)."""
    everybody = gathering("Alice", "Bob", "Carol", config=PRIVATE)
    alice, bob, carol = everybody
    messages = [alice.proposes_update(), bob.proposes(mls.Remove(carol.leaf))]
    all_note(messages[0], [bob, carol])
    all_note(messages[1], [alice, carol])
    messages.append(bob.commits().message)
    all_follow(messages[-1], [alice])
    names = [one.name.encode() for one in everybody]
    for message in messages:
        assert message[2:4] == bytes([0, mls.WireFormat.PRIVATE_MESSAGE])
        assert not any(name in message for name in names)


def test_commit_at_another_time() -> None:
    """Members process a commit years apart, and agree."""
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    dave = Person("Dave")
    staged = alice.commits(mls.Add(dave.key_package()))
    results = [
        one.group.process(staged.message, now=NOW + years * 365 * 24 * 3600)
        for one, years in ((bob, 0), (carol, 10))
    ]
    for one, result in zip((bob, carol), results, strict=True):
        assert isinstance(result, mls.EpochAdvanced)
        one.kept = result.group
    dave.joins(staged.welcome)
    agree([alice, bob, carol, dave])
