"""What the engine and the law make of a decided value."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from heliogram import mls
from heliogram.mls.framing import PrivateMessage, PublicMessage
from heliogram.node.components import Charter, Component
from heliogram.node.membership import PRIVATE, Witness, departure_of
from heliogram.node.value import Body, CommitData
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import Configuration, Header, Seat


def process(
    group: mls.Group, witness: Witness, body: Body, seat: Seat, previous: bytes | None, *, now: int
) -> mls.EpochAdvanced | mls.Removed:
    """What the engine makes of a commit that is for the slot of `seat`. Raises `mls.InvalidMessage`.

    `witness` is the group's policy: it knows who made the commit, unless nobody is to blame.
    """
    message = mls.decode_message(body.commit)
    expected = CommitData.of(seat, previous).encode()
    if not isinstance(message, PrivateMessage) or message.authenticated_data != expected:
        raise mls.InvalidMessage(7, "12.4.2", "a commit is not for this slot")
    brought = set(_departures(group, body, now))
    try:
        outcome = group.process(body.commit, now=now)
    except mls.UnknownEpoch:
        raise mls.InvalidMessage(7, "12.4.2", "a commit is of another epoch") from None
    except mls.InvalidMessage as error:
        if error.rule in PRIVATE:
            _all_brought(brought, witness.proposals, witness)
        raise
    if not isinstance(outcome, mls.EpochAdvanced | mls.Removed):
        raise mls.InvalidMessage(7, "12.4.2", "a value holds no commit")
    _all_brought(brought, outcome.proposals, witness)
    return outcome


def _departures(group: mls.Group, body: Body, now: int) -> Iterator[bytes]:
    """Their references, once the group knows them."""
    for departure in body.departures:
        message = mls.decode_message(departure)
        if not isinstance(message, PublicMessage) or departure_of(departure) is None:
            raise mls.InvalidMessage(54, "12.4", "a value holds what is no departure")
        try:
            group.process(departure, now=now)
        except mls.UnknownEpoch:
            raise mls.InvalidMessage(54, "12.4", "a departure is of another epoch") from None
        yield message.content.proposal_ref(group.suite)


def _all_brought(
    brought: Container[bytes], proposals: Iterable[mls.SentProposal], witness: Witness
) -> None:
    """Whether the value has all departures that its commit refers to. Raises `mls.InvalidMessage`.

    We may know one from an entry that others have not read: they cannot follow, so nobody may. The commit is
    not to blame: any member could put it into another value.
    """
    references = (one.reference for one in proposals)
    if any(one is not None and one not in brought for one in references):
        witness.forget()
        raise mls.InvalidMessage(54, "12.4", "a value lacks a departure of its commit")


def same_relays(group: mls.Group, proposals: Iterable[mls.SentProposal], header: Header) -> bool:
    """Whether the header names the relays that a commit leads to, also if we cannot follow it."""
    after = Charter.of(group.context).configuration
    for one in proposals:
        update = one.proposal
        if isinstance(update, mls.AppDataUpdate) and update.component_id == Component.CONFIGURATION:
            try:
                after = Configuration.from_bytes(update.update or b"")
            except RemoteError:
                return False
    return header.next_configuration == after


def leaves(proposals: Iterable[mls.SentProposal], leaf: int) -> bool:
    """Whether who sits at `leaf` wanted to leave."""
    return any(
        isinstance(one.proposal, mls.SelfRemove) and one.sender.index == leaf for one in proposals
    )
