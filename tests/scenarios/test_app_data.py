"""The safe application interface: components' data, and secrets that are given out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from heliogram import mls
from tests.scenarios.cast import (
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

COUNTER, TITLE = 0x8001, 0x8002


class Components(Open):
    """Two components: a counter, which adds up, and a title of at most ten bytes."""

    def update_component(
        self, component_id: int, current: bytes | None, updates: Sequence[bytes]
    ) -> bytes | None:
        if component_id == COUNTER:
            total = int(current or b"0") + sum(map(int, updates))
            return str(total).encode() if total >= 0 else None
        if component_id == TITLE and len(updates) == 1 and len(updates[0]) <= 10:
            return updates[0]
        return None


COMPONENTS = replace(PLAIN, policy=Components())
#: With this in the group context, only AppDataUpdate changes the dictionary.
OWNED = mls.RequiredCapabilities(
    extensions=(mls.ExtensionType.APP_DATA_DICTIONARY,),
    proposals=(mls.ProposalType.APP_DATA_UPDATE,),
).extension()


def counts(by: int) -> mls.AppDataUpdate:
    return mls.AppDataUpdate(COUNTER, str(by).encode())


def titled(title: bytes) -> mls.AppDataUpdate:
    return mls.AppDataUpdate(TITLE, title)


def data_of(one: Person) -> dict[int, bytes]:
    return mls.decode_dictionary(one.group.context.extensions)


def with_components(*names: str, owned: bool = True) -> list[Person]:
    extensions = (mls.encode_dictionary({COUNTER: b"1"}), *((OWNED,) if owned else ()))
    return gathering(*names, config=COMPONENTS, creating={"extensions": extensions})


# -- the dictionary --------------------------------------------------------------------------------


def test_updates_are_folded_in_the_commit_s_order() -> None:
    everybody = with_components("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    all_note(alice.proposes(counts(5)), everybody, alice)
    all_note(bob.proposes(counts(7)), everybody, bob)
    all_note(carol.proposes(titled(b"hello")), everybody, carol)
    staged = carol.commits(counts(-3))
    all_follow(staged.message, everybody, carol)
    for one in everybody:
        assert data_of(one) == {COUNTER: b"10", TITLE: b"hello"}
    agree(everybody)


def test_update_needs_no_path() -> None:
    alice, bob = with_components("Alice", "Bob")
    before = alice.group.own_leaf
    bob.follows(alice.commits(counts(1)).message)
    assert alice.group.own_leaf == before
    assert data_of(bob) == {COUNTER: b"2"}
    agree([alice, bob])


def test_the_first_update_makes_the_dictionary() -> None:
    alice, bob = gathering("Alice", "Bob", config=COMPONENTS)
    assert data_of(alice) == {}
    bob.follows(alice.commits(titled(b"new")).message)
    assert data_of(bob) == {TITLE: b"new"}
    agree([alice, bob])


def test_a_component_is_removed() -> None:
    alice, bob = with_components("Alice", "Bob")
    bob.follows(alice.commits(titled(b"t"), counts(1)).message)
    bob.follows(alice.commits(mls.AppDataUpdate(TITLE, None)).message)
    assert data_of(bob) == {COUNTER: b"2"}
    bob.follows(alice.commits(mls.AppDataUpdate(COUNTER, None)).message)
    assert data_of(bob) == {}
    # It can come again.
    bob.follows(alice.commits(counts(4)).message)
    assert data_of(bob) == {COUNTER: b"4"}
    agree([alice, bob])


@pytest.mark.parametrize(
    "wrong",
    [
        [counts(-9)],
        [titled(b"far too long a title")],
        [titled(b"one"), titled(b"two")],
        [mls.AppDataUpdate(0x8003, b"nobody's")],
        [mls.AppDataUpdate(TITLE, None)],
        [mls.AppDataUpdate(COUNTER, None), mls.AppDataUpdate(COUNTER, None)],
        [mls.AppDataUpdate(COUNTER, None), counts(1)],
    ],
)
def test_what_the_application_refuses(wrong: list[mls.Proposal]) -> None:
    """The same way on both sides, and nothing changes."""
    alice, bob = with_components("Alice", "Bob")
    with pytest.raises(mls.UsageError):
        alice.stages(*wrong)

    class Anything(Components):
        def update_component(
            self, component_id: int, current: bytes | None, updates: Sequence[bytes]
        ) -> bytes | None:
            return b"anything"

    careless = mls.Group.from_bytes(
        bytes(alice.group.to_bytes()), config=replace(PLAIN, policy=Anything())
    )
    try:
        staged = careless.commit(wrong, now=0, entropy=alice.entropy)
    except mls.UsageError:
        return  # no application's decision, but a rule
    before = bytes(bob.group.to_bytes())
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.receives(staged.message)
    assert caught.value.rule == 64
    assert bytes(bob.group.to_bytes()) == before


def test_dictionary_stays_when_extensions_are_replaced_without_it() -> None:
    everybody = with_components("Alice", "Bob")
    alice, bob = everybody
    sender = mls.external_senders_extension(())
    bob.follows(alice.commits(mls.GroupContextExtensions((OWNED, sender))).message)
    assert data_of(bob) == {COUNTER: b"1"}
    # Named as it is, it may stay; changed or added by the way, it may not.
    same = mls.encode_dictionary({COUNTER: b"1"})
    bob.follows(alice.commits(mls.GroupContextExtensions((OWNED, same))).message)
    for other in ({COUNTER: b"2"}, {}, {COUNTER: b"1", TITLE: b"t"}):
        with pytest.raises(mls.UsageError):
            alice.stages(mls.GroupContextExtensions((OWNED, mls.encode_dictionary(other))))
    assert data_of(alice) == data_of(bob) == {COUNTER: b"1"}
    agree(everybody)


def test_dictionary_that_nobody_guards_is_replaced() -> None:
    everybody = with_components("Alice", "Bob", owned=False)
    alice, bob = everybody
    new = mls.encode_dictionary({TITLE: b"by hand"})
    bob.follows(alice.commits(mls.GroupContextExtensions((new,))).message)
    assert data_of(bob) == {TITLE: b"by hand"}
    bob.follows(alice.commits(mls.GroupContextExtensions(())).message)
    assert data_of(bob) == {}
    agree(everybody)


def test_update_together_with_other_extensions() -> None:
    """Extensions are replaced first, components updated last."""
    alice, bob = with_components("Alice", "Bob")
    sender = mls.external_senders_extension(())
    bob.follows(alice.commits(counts(1), mls.GroupContextExtensions((OWNED, sender))).message)
    assert data_of(bob) == {COUNTER: b"2"}
    assert sender in bob.group.context.extensions
    agree([alice, bob])


def test_joiners_see_the_data() -> None:
    everybody = with_components("Alice", "Bob")
    alice, bob = everybody
    carol, dave = people("Carol", "Dave", config=COMPONENTS)
    staged = alice.commits(mls.Add(carol.key_package()), counts(41))
    bob.follows(staged.message)
    carol.joins(staged.welcome)
    assert data_of(carol) == {COUNTER: b"42"}
    staged = dave.joins_from_outside(carol.group.group_info(external_pub=True))
    all_follow(staged.message, [alice, bob, carol])
    assert data_of(dave) == {COUNTER: b"42"}
    everyone_commits([alice, bob, carol, dave])


def test_who_cannot_update_is_not_added() -> None:
    alice, _ = with_components("Alice", "Bob")
    plain = mls.Capabilities((1,), (1,), (), (), (1,))
    carol = Person("Carol", config=COMPONENTS)
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Add(carol.key_package(capabilities=plain)))


def test_ephemeral_data_is_heard_and_kept_nowhere() -> None:
    alice, bob = with_components("Alice", "Bob")
    note = mls.AppEphemeral(COUNTER, b"in passing")
    step = bob.follows(alice.commits(note).message)
    assert [sent.proposal for sent in step.proposals] == [note]
    assert data_of(bob) == {COUNTER: b"1"}
    agree([alice, bob])


def test_data_of_a_leaf() -> None:
    """A member's own components stand in its leaf, and are its own to change."""
    mine = mls.encode_dictionary({TITLE: b"dr"})
    alice, bob = people("Alice", "Bob", config=COMPONENTS)
    alice.creates(leaf_extensions=(mine,))
    bob.joins(alice.adds(bob).welcome)
    leaf = bob.group.tree.leaf(0)
    assert leaf is not None and mls.decode_dictionary(leaf.extensions) == {TITLE: b"dr"}
    changed = mls.NewLeaf(extensions=(mls.encode_dictionary({TITLE: b"prof"}),))
    bob.follows(alice.commits(new_leaf=changed).message)
    leaf = bob.group.tree.leaf(0)
    assert leaf is not None and mls.decode_dictionary(leaf.extensions) == {TITLE: b"prof"}
    agree([alice, bob])


# -- the safe exporter -----------------------------------------------------------------------------


def test_safe_export() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    numbers = (0, 1, TITLE, COUNTER, 0xFFFF)
    secrets = {
        one.name: {number: bytes(one.group.safe_export(number)) for number in numbers}
        for one in everybody
    }
    assert secrets["Alice"] == secrets["Bob"] == secrets["Carol"]
    assert len(set(secrets["Alice"].values())) == len(numbers)
    alice, *others = everybody
    all_follow(alice.commits().message, others)
    later = {bytes(one.group.safe_export(TITLE)) for one in everybody}
    assert len(later) == 1
    assert later.isdisjoint(secrets["Alice"].values())


def test_safe_export_is_given_out_once() -> None:
    alice, bob = gathering("Alice", "Bob")
    alice.group.safe_export(TITLE)
    for restart in (False, True):
        if restart:
            alice.restarts()
        with pytest.raises(mls.UsageError):
            alice.group.safe_export(TITLE)
    # Other components, and other members, are not concerned.
    assert alice.group.safe_export(COUNTER) == bob.group.safe_export(COUNTER)
    bob.group.safe_export(TITLE)
    for wrong in (-1, 1 << 16):
        with pytest.raises(mls.UsageError):
            alice.group.safe_export(wrong)


def test_order_of_exports_does_not_matter() -> None:
    alice, bob = gathering("Alice", "Bob")
    numbers = [3, 2, 0x8000, 1, 0, 0x7FFF, 0xFFFF]
    by_alice = {number: alice.group.safe_export(number) for number in numbers}
    for number in sorted(numbers):
        bob.restarts()
        assert bob.group.safe_export(number) == by_alice[number]
