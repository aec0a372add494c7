"""Our own ceilings hold us too: nothing is made, and nothing accepted, that could not be read back.

Otherwise a group would go on that nobody can join, and that we cannot load when we start again.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from heliogram import mls
from heliogram.codec import DEFAULT_ITEMS
from heliogram.mls.committing import WAITING_CEILING
from heliogram.mls.extensions import (
    COMPONENT_CEILING,
    EXTENSIONS_CEILING,
    MAX_EXTENSIONS,
    MAX_EXTERNAL_SENDERS,
)
from heliogram.mls.framing import AAD_CEILING
from heliogram.mls.proposals import ID_CEILING
from tests.fuzz.world import COMPONENT, CONFIG, NOW, Stream

ENTROPY = Stream(b"limits")
KEYS = [mls.new_signature_key(1, entropy=ENTROPY) for _ in range(2)]
NAMES = [mls.BasicCredential(name) for name in (b"alice", b"bob")]
NONCE = bytes(32)

#: The member's own extensions, so that the group may have them.
KINDS = tuple(range(0x1000, 0x1000 + MAX_EXTENSIONS + 2))


def alice(*extensions: mls.Extension, group_id: bytes = b"a group") -> mls.Group:
    """A group of one."""
    capabilities = mls.Capabilities((1,), (1,), (6, *KINDS), (8, 9, 10), (1,))
    return mls.Group.create(
        group_id,
        1,
        NAMES[0],
        KEYS[0],
        config=CONFIG,
        extensions=extensions,
        capabilities=capabilities,
        now=NOW,
        entropy=ENTROPY,
    )


def pair() -> tuple[mls.Group, mls.Group]:
    """A group of two."""
    capabilities = mls.Capabilities((1,), (1,), (6, *KINDS), (8, 9, 10), (1,))
    package = mls.new_key_package(
        1, NAMES[1], KEYS[1], capabilities=capabilities, now=NOW, entropy=ENTROPY
    )
    staged = alice().commit([mls.Add(package.key_package)], now=NOW, entropy=ENTROPY)
    return staged.merge(), mls.Group.join(staged.welcome or b"", [package], config=CONFIG, now=NOW)


def loads(group: mls.Group) -> bool:
    """Whether a group that is saved can be loaded, and somebody can join it."""
    again = mls.Group.from_bytes(group.to_bytes(), config=CONFIG)
    info = again.group_info(external_pub=True)
    mls.Group.join_external(
        info,
        mls.BasicCredential(b"carol"),
        mls.new_signature_key(1, entropy=ENTROPY),
        config=CONFIG,
        capabilities=again.own_leaf.capabilities,
        now=NOW,
        entropy=ENTROPY,
    )
    return True


# --- A group's extensions -------------------------------------------------------------------------


def blank(count: int) -> tuple[mls.Extension, ...]:
    return tuple(mls.Extension(kind, b"") for kind in KINDS[:count])


def filled(size: int) -> mls.Extension:
    """One extension that is so long when it is encoded."""
    return mls.Extension(KINDS[0], bytes(size - 2 - 4))


def test_as_much_as_fits_is_read_back() -> None:
    assert loads(alice(*blank(MAX_EXTENSIONS)))
    assert loads(alice(filled(EXTENSIONS_CEILING)))


@pytest.mark.parametrize(
    "extensions", [blank(MAX_EXTENSIONS + 1), [filled(EXTENSIONS_CEILING + 1)]]
)
def test_a_group_does_not_begin_with_more(extensions: Sequence[mls.Extension]) -> None:
    with pytest.raises(mls.UsageError, match=r"16\.1"):
        alice(*extensions)
    group = alice()
    proposals: list[mls.Proposal] = [
        mls.GroupContextExtensions(tuple(extensions)),
        mls.ReInit(b"another", 1, 1, tuple(extensions)),
    ]
    for proposal in proposals:
        with pytest.raises(mls.UsageError, match=r"16\.1"):
            group.commit([proposal], now=NOW, entropy=ENTROPY)


def test_components_do_not_outgrow_it_together() -> None:
    """Each update is small enough, and the dictionary that they make is not: on both sides."""
    first, second = pair()
    half = mls.AppDataUpdate(COMPONENT, bytes(EXTENSIONS_CEILING // 2))
    staged = first.commit([half], now=NOW, entropy=ENTROPY)
    advanced = second.process(staged.message, now=NOW)
    assert isinstance(advanced, mls.EpochAdvanced)
    first, second = staged.merge(), advanced.group
    assert loads(first)
    more = replace(half, component_id=COMPONENT + 1)
    with pytest.raises(mls.UsageError, match=r"16\.1"):
        first.commit([more], now=NOW, entropy=ENTROPY)
    assert second.to_bytes() == advanced.group.to_bytes()


def test_external_senders_are_few() -> None:
    sender = mls.ExternalSender(KEYS[1].public, NAMES[1])
    assert loads(alice(mls.external_senders_extension([sender] * MAX_EXTERNAL_SENDERS)))
    with pytest.raises(mls.UsageError, match=r"16\.1"):
        alice(mls.external_senders_extension([sender] * (MAX_EXTERNAL_SENDERS + 1)))


# --- Names and messages ---------------------------------------------------------------------------


def test_a_group_id_has_its_length() -> None:
    assert loads(alice(group_id=bytes(ID_CEILING)))
    with pytest.raises(mls.UsageError, match="row 6"):
        alice(group_id=bytes(ID_CEILING + 1))


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda size: mls.AppDataUpdate(COMPONENT, bytes(size)), COMPONENT_CEILING - 100),
        (lambda size: mls.AppEphemeral(COMPONENT, bytes(size)), COMPONENT_CEILING),
        (lambda size: mls.ReInit(bytes(size), 1, 1, ()), ID_CEILING),
    ],
)
def test_proposals_that_are_too_long_are_not_sent(
    make: Callable[[int], mls.Proposal], most: int
) -> None:
    group = alice()
    group.commit([make(most)], now=NOW, entropy=ENTROPY)
    group.discard_staged()
    too_long = make(COMPONENT_CEILING + 1)
    with pytest.raises(mls.UsageError, match=r"16\.1"):
        group.commit([too_long], now=NOW, entropy=ENTROPY)
    with pytest.raises(mls.UsageError, match=r"16\.1"):
        group.propose(too_long, now=NOW, entropy=ENTROPY)


def test_names_of_pre_shared_keys_have_their_length() -> None:
    group = alice()
    names: list[mls.PreSharedKeyID] = [
        mls.ExternalPSKID(bytes(ID_CEILING + 1), NONCE),
        mls.ResumptionPSKID(mls.ResumptionPSKUsage.APPLICATION, bytes(ID_CEILING + 1), 0, NONCE),
    ]
    for name in names:
        with pytest.raises(mls.UsageError, match=r"16\.1"):
            group.propose(mls.PreSharedKey(name), now=NOW, entropy=ENTROPY)


def test_a_commit_lists_no_more_than_others_read() -> None:
    one = mls.AppEphemeral(COMPONENT, b"")
    with pytest.raises(mls.UsageError, match=r"16\.1"):
        alice().commit([one] * (DEFAULT_ITEMS + 1), now=NOW, entropy=ENTROPY)


def test_authenticated_data_has_its_length() -> None:
    first, second = pair()
    fits, too_long = bytes(AAD_CEILING), bytes(AAD_CEILING + 1)
    message = first.protect(b"word", authenticated_data=fits, entropy=ENTROPY)
    assert isinstance(second.process(message, now=NOW), mls.ApplicationMessage)
    with pytest.raises(mls.UsageError, match="row 6"):
        first.protect(b"word", authenticated_data=too_long, entropy=ENTROPY)
    with pytest.raises(mls.UsageError, match="row 6"):
        first.commit(authenticated_data=too_long, now=NOW, entropy=ENTROPY)
    staged = first.commit(authenticated_data=fits, now=NOW, entropy=ENTROPY)
    assert isinstance(second.process(staged.message, now=NOW), mls.EpochAdvanced)


# --- What waits, and how far epochs count ---------------------------------------------------------


def test_waiting_proposals_are_bounded_in_bytes() -> None:
    first, second = pair()
    before = first.to_bytes()

    def propose(group: mls.Group, size: int) -> bytes:
        proposal = mls.AppEphemeral(COMPONENT, ENTROPY(size))
        return group.propose(proposal, now=NOW, entropy=ENTROPY)

    for _ in range(WAITING_CEILING // COMPONENT_CEILING - 1):
        second.process(propose(first, COMPONENT_CEILING), now=NOW)
    propose(first, COMPONENT_CEILING // 2)
    with pytest.raises(mls.UsageError, match="larger proposals are waiting"):
        propose(first, COMPONENT_CEILING)
    # She has forgotten what she sent, and so does not stop herself.
    first = mls.Group.from_bytes(before, config=CONFIG)
    second.process(propose(first, COMPONENT_CEILING // 2), now=NOW)
    saved = second.to_bytes()
    with pytest.raises(mls.InvalidMessage) as refused:
        second.process(propose(first, COMPONENT_CEILING), now=NOW)
    assert refused.value.rule == 104
    assert second.to_bytes() == saved
    assert isinstance(second.process(propose(first, 100), now=NOW), mls.ProposalReceived)


def test_there_is_no_epoch_after_the_last() -> None:
    """2**64 - 1 is the last number. Who leads us there has made a group that cannot go on."""
    group = alice()
    member = group._member
    context = replace(member.current.context, epoch=(1 << 64) - 1)
    member.current = replace(member.current, context=context)
    with pytest.raises(mls.UsageError, match="no number left"):
        group.commit(now=NOW, entropy=ENTROPY)


# --- The document ---------------------------------------------------------------------------------


def test_the_table_of_ceilings_is_true() -> None:
    text = (Path(__file__).parents[2] / "docs" / "mls.md").read_text()
    rows = re.findall(r"^\|.*\| ([\d,]+) \| `([\w.]+)` \|$", text, re.MULTILINE)
    assert len(rows) > 15
    for value, name in rows:
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(module), constant) == int(value.replace(",", ""))
