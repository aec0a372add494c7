"""Messages: in any order, once each, late, and how long they look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram import mls
from tests.scenarios.cast import (
    PLAIN,
    Person,
    agree,
    all_follow,
    everyone_commits,
    gathering,
)


def refused(one: Person, message: bytes) -> None:
    """It does not open, and trying it changes nothing."""
    before = bytes(one.group.to_bytes())
    with pytest.raises(mls.DecryptionFailed) as caught:
        one.receives(message)
    assert caught.value.rule == 18
    assert bytes(one.group.to_bytes()) == before


# -- order -----------------------------------------------------------------------------------------


def test_out_of_order() -> None:
    alice, bob = gathering("Alice", "Bob")
    messages = [alice.says(str(number)) for number in range(20)]
    order = [3, 0, 19, 7, 1, 18, 2, 4, 17, 5, 6, 16, 8, 15, 9, 10, 14, 11, 13, 12]
    for number in order:
        said = bob.gets(mls.ApplicationMessage, messages[number])
        assert (said.data, said.generation) == (str(number).encode(), number)
    for message in messages:
        refused(bob, message)


def test_each_message_is_shown_once() -> None:
    alice, bob = gathering("Alice", "Bob")
    message = alice.says("once")
    bob.hears(message)
    refused(bob, message)
    bob.restarts()
    refused(bob, message)
    alice.follows(bob.commits().message)
    refused(bob, message)


def test_messages_that_never_arrive() -> None:
    alice, bob = gathering("Alice", "Bob")
    for _ in range(50):
        alice.says("lost")
    assert bob.hears(alice.says("found")) == b"found"
    agree([alice, bob])


def test_everybody_speaks_at_once() -> None:
    everybody = gathering(*(f"member {number}" for number in range(6)))
    said = [(one, one.says(f"{one} {n}")) for n in range(4) for one in everybody]
    for listener in everybody:
        for speaker, message in reversed(said):
            if speaker is not listener:
                heard = listener.gets(mls.ApplicationMessage, message)
                assert heard.leaf.credential == speaker.credential
    agree(everybody)


# -- windows (section 15.3) ------------------------------------------------------------------------


def test_skipping_more_than_allowed() -> None:
    alice, bob = gathering("Alice", "Bob", config=replace(PLAIN, max_forward=10))
    messages = [alice.says(str(number)) for number in range(25)]
    with pytest.raises(mls.DecryptionFailed) as caught:
        bob.receives(messages[11])
    assert (caught.value.rule, caught.value.section) == (18, "15.3")
    assert bob.hears(messages[10]) == b"10"
    # The window moves with what was opened.
    assert bob.hears(messages[21]) == b"21"
    refused(bob, messages[21])
    assert bob.hears(messages[0]) == b"0"


def test_more_skipped_keys_than_kept() -> None:
    alice, bob = gathering("Alice", "Bob", config=replace(PLAIN, max_skipped=5))
    messages = [alice.says(str(number)) for number in range(10)]
    bob.hears(messages[9])
    for number in range(4):
        refused(bob, messages[number])
    for number in range(4, 9):
        assert bob.hears(messages[number]) == str(number).encode()


def test_skipped_keys_of_all_senders_count_together() -> None:
    alice, bob, carol = gathering("Alice", "Bob", "Carol", config=replace(PLAIN, max_skipped=4))
    by_alice = [alice.says(str(number)) for number in range(4)]
    by_bob = [bob.says(str(number)) for number in range(4)]
    carol.hears(by_alice[3])
    carol.hears(by_bob[3])  # the oldest go first: two of Alice's
    for message in by_alice[:2]:
        refused(carol, message)
    for message in (by_alice[2], *by_bob[:3]):
        carol.hears(message)


def test_a_forged_message_moves_nothing() -> None:
    """A key is looked up, and used up only when the message proved to be genuine (section 9.2)."""
    alice, bob = gathering("Alice", "Bob")
    messages = [alice.says(str(number)) for number in range(3)]
    before = bytes(bob.group.to_bytes())
    for position in range(20, len(messages[2])):
        broken = bytearray(messages[2])
        broken[position] ^= 0x10
        with pytest.raises((mls.InvalidMessage, mls.UnknownEpoch)):
            bob.receives(bytes(broken))
    assert bytes(bob.group.to_bytes()) == before
    for message in messages:
        bob.hears(message)


# -- past epochs -----------------------------------------------------------------------------------


def test_late_from_past_epochs() -> None:
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    late: list[tuple[int, bytes]] = []
    for _ in range(5):
        late.append((alice.group.epoch, alice.says(f"in {alice.group.epoch}")))
        all_follow(carol.commits().message, [alice, bob])
    bob.restarts()
    for epoch, message in reversed(late):
        heard = bob.gets(mls.ApplicationMessage, message)
        assert (heard.data, heard.epoch, heard.sender) == (f"in {epoch}".encode(), epoch, 0)
    for _, message in late:
        refused(bob, message)


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_too_late(kept: int) -> None:
    alice, bob = gathering("Alice", "Bob", config=replace(PLAIN, past_epochs=kept))
    late = []
    for _ in range(5):
        late.append((alice.group.epoch, alice.says("late")))
        bob.follows(alice.commits().message)
    for epoch, message in late:
        if epoch >= bob.group.epoch - kept:
            assert bob.hears(message) == b"late"
        else:
            with pytest.raises(mls.UnknownEpoch) as caught:
                bob.receives(message)
            assert caught.value.epoch == epoch


def test_too_early() -> None:
    """A message of an epoch that is not reached yet is kept by the caller, and opens later."""
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    commits = [alice.commits().message, alice.commits().message]
    message = alice.says("from the future")
    with pytest.raises(mls.UnknownEpoch) as caught:
        bob.receives(message)
    assert caught.value.epoch == 3
    with pytest.raises(mls.UnknownEpoch):
        bob.receives(commits[1])
    for one in (bob, carol):
        for commit in commits:
            one.follows(commit)
        assert one.hears(message) == b"from the future"


def test_handshakes_of_past_epochs_are_not_read() -> None:
    """Late words are fine; late changes are not (section 12.4.2)."""
    for private in (False, True):
        alice, bob = gathering("Alice", "Bob", config=replace(PLAIN, private_handshakes=private))
        proposal = alice.proposes_update()
        late = alice.group.commit(now=0, entropy=alice.entropy).message
        alice.group.discard_staged()
        alice.follows(bob.commits().message)
        for message in (proposal, late):
            with pytest.raises(mls.UnknownEpoch):
                bob.receives(message)


def test_who_said_it_in_a_past_epoch() -> None:
    """The sender is the member of *that* epoch, though somebody else has the leaf now."""
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    words = carol.says("my last words")
    staged = bob.commits(mls.Remove(carol.leaf))
    alice.follows(staged.message)
    dave = Person("Dave")
    staged = bob.adds(dave)
    alice.follows(staged.message)
    dave.joins(staged.welcome)
    assert dave.leaf == 2
    first = dave.says("my first words")
    for one in (alice, bob):
        one.restarts()
        before = one.gets(mls.ApplicationMessage, words)
        after = one.gets(mls.ApplicationMessage, first)
        assert before.sender == after.sender == 2
        assert before.leaf.credential == carol.credential
        assert after.leaf.credential == dave.credential
    # What Dave's leaf said before he sat there is not his to read.
    with pytest.raises(mls.UnknownEpoch):
        dave.receives(words)


def test_who_said_it_before_changing_keys() -> None:
    """A message is verified with the key that its sender had in its epoch."""
    alice, bob = gathering("Alice", "Bob")
    words = alice.says("under my old key")
    old = alice.group.own_leaf
    key = mls.new_signature_key(alice.suite, entropy=alice.entropy)
    bob.follows(alice.commits(new_leaf=mls.NewLeaf(signature_key=key)).message)
    heard = bob.gets(mls.ApplicationMessage, words)
    assert heard.leaf == old
    assert heard.leaf.signature_key != alice.group.own_leaf.signature_key
    agree([alice, bob])


def test_past_epochs_of_a_larger_tree() -> None:
    """The tree was eight leaves wide and is one leaf wide now: late messages still open."""
    everybody = gathering(*(f"member {number}" for number in range(8)))
    everyone_commits(everybody)
    alice = everybody[0]
    late = [one.says(one.name) for one in everybody[1:]]
    for one in everybody[4:]:
        staged = alice.commits(mls.Remove(one.leaf))
        for other in everybody[1:4]:
            if other is not one:
                other.follows(staged.message)
    assert alice.group.tree.leaf_count == 4
    staged = alice.commits(*(mls.Remove(one.leaf) for one in everybody[1:4]))
    assert alice.group.tree.leaf_count == 1
    for restart in (False, True):
        if restart:
            alice.restarts()
        for one, message in zip(everybody[1:], late, strict=True):
            if (one.leaf % 2 == 0) == restart:
                heard = alice.gets(mls.ApplicationMessage, message)
                assert (heard.data, heard.leaf) == (one.name.encode(), one.group.own_leaf)


def test_past_epochs_of_a_smaller_tree() -> None:
    alice, bob = gathering("Alice", "Bob")
    late = bob.says("when we were two")
    newcomers = [Person(f"member {number}") for number in range(9)]
    staged = alice.adds(*newcomers)
    bob.follows(staged.message)
    for one in newcomers:
        one.joins(staged.welcome)
    alice.restarts()
    assert alice.hears(late) == b"when we were two"
    everyone_commits([alice, bob, *newcomers])


# -- what a message shows --------------------------------------------------------------------------


def test_authenticated_data() -> None:
    alice, bob = gathering("Alice", "Bob")
    message = alice.says("hidden", authenticated_data=b"to be seen")
    assert b"to be seen" in message
    assert b"hidden" not in message
    heard = bob.gets(mls.ApplicationMessage, message)
    assert (heard.data, heard.authenticated_data) == (b"hidden", b"to be seen")
    other = alice.says("hidden", authenticated_data=b"to be seen")
    with pytest.raises(mls.DecryptionFailed):
        bob.receives(other.replace(b"to be seen", b"to be sawn"))


def test_padding_to_chosen_sizes() -> None:
    """All messages of one size class look alike."""

    def next_size(size: int) -> int:
        return max(256, 1 << (size - 1).bit_length())

    alice, bob = gathering("Alice", "Bob", config=replace(PLAIN, padding=next_size))
    sizes = set()
    for length in (0, 1, 50, 100, 180):
        message = alice.says(bytes(length))
        assert bob.hears(message) == bytes(length)
        sizes.add(len(message))
    assert len(sizes) == 1
    longer = {len(alice.says(bytes(length))) for length in (200, 300, 400)}
    assert len(longer) == 1 and longer != sizes


def test_padding_hides_kinds_of_handshakes() -> None:
    config = replace(PLAIN, padding=lambda size: 4096, private_handshakes=True)
    alice, bob = gathering("Alice", "Bob", config=config)
    messages = [
        alice.proposes_update(),
        alice.proposes(mls.Add(Person("Carol").key_package())),
        alice.stages().message,
    ]
    assert len({len(message) for message in messages}) == 1
    for message in messages[:2]:
        bob.notes(message)


def test_padding_cannot_shorten() -> None:
    alice, bob = gathering("Alice", "Bob")
    data = bytes(alice.group.to_bytes())
    alice.kept = mls.Group.from_bytes(data, config=replace(PLAIN, padding=lambda size: size - 1))
    with pytest.raises(mls.UsageError):
        alice.says("too long")
    alice.kept = mls.Group.from_bytes(data, config=PLAIN)
    assert bob.hears(alice.says("fits")) == b"fits"


def test_empty_and_large_messages() -> None:
    alice, bob = gathering("Alice", "Bob")
    for size in (0, 1, 63, 64, 16383, 16384, 1 << 20):
        assert bob.hears(alice.says(bytes(size))) == bytes(size)


def test_messages_of_another_group() -> None:
    alice, bob = gathering("Alice", "Bob", group_id=b"one")
    carol, dave = gathering("Carol", "Dave", group_id=b"two")
    for message in (alice.says("hello"), alice.proposes_update(), alice.commits().message):
        with pytest.raises(mls.InvalidMessage) as caught:
            dave.receives(message)
        assert caught.value.rule == 7
    agree([carol, dave])
    assert bob.group.epoch == 1


def test_exporter() -> None:
    alice, bob = gathering("Alice", "Bob")
    assert alice.group.export(b"label", b"context", 100) == bob.group.export(
        b"label", b"context", 100
    )
    seen = {
        bytes(alice.group.export(label, context, 32))
        for label, context in ((b"a", b""), (b"b", b""), (b"a", b"c"))
    }
    assert len(seen) == 3
    bob.follows(alice.commits().message)
    assert bytes(alice.group.export(b"a", b"", 32)) not in seen
