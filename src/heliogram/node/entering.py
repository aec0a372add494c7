"""The two ways into a conversation: founding it, and joining by an invitation."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from heliogram import mls
from heliogram.node import lines, successor
from heliogram.node.chain import Chain
from heliogram.node.components import (
    LEAF_EXTENSIONS,
    Charter,
    Metadata,
    Role,
    Roles,
    conversation_id,
)
from heliogram.node.epoch_keys import EpochKeys
from heliogram.node.errors import InvalidInvitation, InvitationFault, NotInChain
from heliogram.node.events import EpochStarted, Event, Joined
from heliogram.node.invitation import Invitation
from heliogram.node.membership import (
    Device,
    Entropy,
    certificate_account,
    check_joined,
    conversation_config,
)
from heliogram.node.records import Held, Standing
from heliogram.node.successor import Ground
from heliogram.wire.objects import Configuration, Seat

#: The ground of a conversation of ours by its log, if we have it: see `successor`.
Grounds = Callable[[bytes], Ground | None]


def nowhere(log: bytes) -> Ground | None:
    """The grounds of who has no conversations, or is not asked."""
    return None


def found(
    configuration: Configuration,
    device: Device,
    metadata: Metadata,
    after: Ground | None,
    authentication: mls.AuthenticationService,
    *,
    now: int,
    entropy: Entropy,
) -> tuple[Held, tuple[Event, ...]]:
    """A conversation of one. Raises `NotAllowed` if we may not go on from `after`."""
    config = conversation_config(authentication)
    owner = certificate_account(device.credential)
    charter = Charter(
        configuration,
        Roles(((owner, Role.OWNER),)),
        metadata if after is None else after.charter.metadata,
        None if after is None else after.predecessor(configuration),
    )
    group = mls.Group.create(
        conversation_id(configuration),
        device.suite,
        device.credential,
        device.key,
        config=config,
        extensions=charter.extensions(),
        leaf_extensions=LEAF_EXTENSIONS,
        now=now,
        entropy=entropy,
    )
    keys = EpochKeys.of(group)
    seat = Seat(configuration, 0, keys.public_keys(configuration))
    standing = Standing(seat, (seat.id,) * configuration.n, device.key.secret)
    held = Held(standing, config, group)
    held.open(keys)
    return held, (EpochStarted(0, True, charter.roles.admins),)


def join(
    invitation: Invitation,
    packages: Sequence[mls.OwnKeyPackage],
    welcome: bytes | None,
    in_use: Container[bytes],
    grounds: Grounds,
    authentication: mls.AuthenticationService,
    *,
    now: int,
) -> tuple[Held, tuple[Event, ...]]:
    """The conversation that an invitation leads to. Raises `InvalidInvitation`."""
    try:
        chain = Chain(invitation.seat, invitation.links)
    except NotInChain:
        raise InvalidInvitation(InvitationFault.NOT_DECIDED) from None
    inline = invitation.welcome if isinstance(invitation.welcome, bytes) else welcome
    if inline is None or len(invitation.instances) != chain.seat.configuration.n:
        raise InvalidInvitation(InvitationFault.MALFORMED)
    config = conversation_config(authentication)
    try:
        group = mls.Group.join(inline, packages, config=config, in_use=in_use, now=now)
    except mls.InvalidMessage as error:
        fault = InvitationFault.NOT_FOR_US if error.rule == 85 else InvitationFault.BAD_GROUP
        raise InvalidInvitation(fault) from None
    keys = EpochKeys.of(group)
    check_joined(group, keys, chain, invitation)
    events: list[Event] = []
    charter = Charter.of(group.context)
    predecessor = charter.predecessor
    ground = None if predecessor is None else grounds(predecessor.log)
    if ground is not None:
        events.append(successor.check(ground, group, invitation.inviter))
    package = next(one for one in packages if one.key_package.leaf_node == group.own_leaf)
    standing = Standing(
        chain.seat,
        invitation.instances,
        package.signature_key.secret,
        must_renew=package.key_package.last_resort,
        before=(chain.seats[-2], chain.links[-1]),
    )
    held = Held(standing, config, group)
    held.open(keys)
    inviter = lines.person(group.tree.leaf(invitation.inviter), invitation.inviter)
    joined = Joined(inviter, group.epoch, package.reference)
    started = EpochStarted(group.epoch, False, charter.roles.admins)
    return held, (joined, *events, started)
