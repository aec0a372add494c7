"""Values that an honest member does not make: each wrong in one respect, all else right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from heliogram import mls
from heliogram.mls.registries import WireFormat
from heliogram.node.components import Component
from heliogram.node.epoch_keys import EpochKeys
from heliogram.node.value import Body, CommitData, WelcomeForm
from heliogram.wire.objects import Configuration, Header, Value
from tests.mls import forge
from tests.node.conversation.world import Member
from tests.node.identity.samples import NOW


class Anything(mls.Policy):
    """No rules at all."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return True

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
    ) -> bool:
        return True

    def update_component(
        self, component_id: int, current: bytes | None, updates: Sequence[bytes]
    ) -> bytes | None:
        return updates[-1]


def free(member: Member) -> mls.Group:
    """A member's group as their own modified program holds it."""
    group = member.conversation._member()
    config = mls.Config(
        authentication=group.config.authentication, policy=Anything(), private_handshakes=True
    )
    return mls.Group.from_bytes(group.to_bytes(), config=config)


def data_of(member: Member) -> CommitData:
    """The authenticated data that a commit of this epoch must have."""
    conversation = member.conversation
    return CommitData.of(conversation.seat, conversation._previous())


def wrapped(
    member: Member,
    message: bytes,
    after: mls.Group | None,
    *,
    header: Header | None = None,
    departures: Sequence[bytes] = (),
    welcome: WelcomeForm = None,
) -> Value:
    """A value with this commit; the header is right unless given."""
    if header is None:
        assert after is not None
        components = mls.decode_dictionary(after.context.extensions)
        relays = Configuration.from_bytes(components[Component.CONFIGURATION])
        header = Header(relays, EpochKeys.of(after).public_keys(relays))
    conversation = member.conversation
    keys = conversation.keys(conversation.epoch)
    assert keys is not None
    encoded = header.encode()
    body = Body(message, tuple(departures), welcome)
    return Value(encoded, body.seal(keys.value, encoded, entropy=member.entropy))


def unruly(
    member: Member,
    *proposals: mls.Proposal,
    data: CommitData | None = None,
    header: Header | None = None,
) -> Value:
    """A well-formed commit of any proposals, by the member's own keys and without our rules."""
    group = free(member)
    staged = group.commit(
        proposals,
        path=True,
        authenticated_data=(data or data_of(member)).encode(),
        now=NOW,
        entropy=member.entropy,
    )
    return wrapped(member, staged.message, staged.group, header=header, welcome=staged.welcome)


def broken(member: Member, proposals: Sequence[mls.SentProposal] = (), **hooks: Any) -> Value:
    """A commit of fresh keys with something changed on the way: see `tests.mls.forge.commit`."""
    made = forge.commit(
        member.conversation._member(),
        proposals,
        path=True,
        wire_format=WireFormat.PRIVATE_MESSAGE,
        authenticated_data=data_of(member).encode(),
        **hooks,
    )
    return wrapped(member, made.message, made.group)


def garbage(member: Member) -> Value:
    """A value whose body is nothing."""
    conversation = member.conversation
    header = Header(conversation.seat.configuration, conversation.seat.keys)
    return Value(header.encode(), member.entropy(4096))


def reheaded(value: Value, member: Member, **changes: Any) -> Value:
    """Somebody's value under another header, sealed anew by a member."""
    conversation = member.conversation
    keys = conversation.keys(conversation.epoch)
    assert keys is not None
    body = Body.unseal(keys.value, value.header, value.body)
    header = replace(Header.from_bytes(value.header), **changes).encode()
    return Value(header, body.seal(keys.value, header, entropy=member.entropy))
