"""A conversation that goes on in another log: what it must prove, who may begin it, which of two counts.

    ground = old.ground()                                   # where the old one stands
    new, effects = Conversation.found(configuration, device, after=ground, …)
    wish = heirs(ground, people, reports)                   # for `new.stage`, once reports are there
    effects = old.offer(new, draft, reports, …)             # into the old log; or an invitation by inbox

Needed when something was decided that nobody can follow, when all are wounded, when too many relays are lost
for any decision, and after a fork.

The new group is another one: nothing of the old keys is in it. What ties it to the old one is a component of
its context, which all members of it agree on and which never changes. The founder signs it with the key of
the leaf where they sat, and proves under the successor secret that they were in that very epoch. A stolen
signature key alone makes no successor, nor does the secret in the hands of somebody else who was there.

**Who may found.** Admins and owners; in a conversation of two accounts both. Who surely ended the old one
does not count: if no admin is left the longest appointed one follows, or the account with the first leaf, as
`Roles.settled` says. A member can end any log by garbage, so what they were must not get better by it: who
comes along keeps the role of before, and if several successors are begun, that of an owner comes before that
of an admin.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from heliogram import mls
from heliogram.codec import DecodeError, u32
from heliogram.mls.crypto import Suite
from heliogram.node import lines
from heliogram.node.changes import CarryOver
from heliogram.node.components import (
    Charter,
    Predecessor,
    Role,
    Roles,
    conversation_id,
    device_of,
)
from heliogram.node.errors import InvalidInvitation, InvitationFault, NotAllowed
from heliogram.node.events import CouldNotRead, MemberWounded, Person, Unread, WentOn
from heliogram.node.identity.links import SECRET_SIZE
from heliogram.node.sealing import derive
from heliogram.wire.objects import Configuration

#: Under what a founder signs; MLS puts its own prefix before it.
SIGNED = b"Heliogram successor"

#: Why a conversation is stopped that a successor takes over from: for `Conversation.stop`.
ELSEWHERE = "it goes on in another log"

_PROOF = b"successor proof"
_ORDER = b"successor order"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a conversation stands, for what goes on from there. Made by `Conversation.ground`; secret."""

    log: bytes = field(repr=False)
    epoch: int
    previous: bytes | None = field(repr=False)
    charter: Charter = field(repr=False)
    suite: Suite = field(repr=False)
    leaves: Mapping[int, mls.LeafNode] = field(repr=False)
    #: Leaves that have announced to leave.
    leaving: frozenset[int]
    own_leaf: int
    #: Our leaf's signature key, and the successor secret of the epoch.
    key: mls.Secret = field(repr=False)
    secret: mls.Secret = field(repr=False)
    #: The leaf of who signed what ended it, and whether it was surely theirs.
    culprit: int | None = None
    sure: bool = False

    @property
    def accounts(self) -> list[bytes]:
        """Who is in it, by their first leaves."""
        return list(dict.fromkeys(device_of(leaf).account for leaf in self.leaves.values()))

    @property
    def offender(self) -> bytes | None:
        """The account that signed what ended it, if anybody did: left out of what goes on."""
        return None if self.culprit is None else device_of(self.leaves[self.culprit]).account

    def role(self, account: bytes) -> Role:
        """What counts for founding: the role there, once who surely ended it is gone."""
        accounts = self.accounts
        if self.sure:
            accounts = [one for one in accounts if one != self.offender]
        return self.charter.roles.settled(accounts).of(account)

    def entitles(self, account: bytes) -> bool:
        """Whether this account may found the successor."""
        accounts = self.accounts
        if account not in accounts or (self.sure and account == self.offender):
            return False
        return len(accounts) <= 2 or self.role(account) >= Role.ADMIN

    def predecessor(self, configuration: Configuration) -> Predecessor:
        """The component of a successor that we found under `configuration`. Raises `NotAllowed`."""
        if not self.entitles(device_of(self.leaves[self.own_leaf]).account):
            raise NotAllowed("only admins go on in another log")
        if configuration.log == self.log:
            raise NotAllowed("a successor has a log of its own")
        made = Predecessor(self.log, self.epoch, self.previous, self.own_leaf)
        identity = conversation_id(configuration)
        key = self.suite.signature_key(self.key)
        signature = self.suite.sign_with_label(key, SIGNED, made.content() + identity)
        signed = replace(made, signature=signature)
        return replace(signed, proof=self._proof(signed, identity))

    def order(self, predecessor: Predecessor, group_id: bytes) -> tuple[int, bytes, bytes]:
        """Successors of this ground in the order in which they count: the least one, for all alike.

        An owner's comes before an admin's. Among equals nobody can choose their place.
        """
        founder = device_of(self.leaves[predecessor.founder]).account
        place = derive(self.secret, _ORDER, u32(predecessor.founder))
        return -self.role(founder), bytes(place), group_id

    def _proof(self, predecessor: Predecessor, identity: bytes) -> bytes:
        said = predecessor.content() + identity + predecessor.signature
        return bytes(derive(self.secret, _PROOF, said))

    def verify(self, predecessor: Predecessor, identity: bytes) -> Person:
        """Who founded the successor with the group id `identity`. Raises `InvalidInvitation`.

        `AHEAD`: follow the decisions first. `BEHIND`: whoever founded it must. `ANOTHER_BRANCH`: we cannot
        check it. `NO_SUCCESSOR`: it is none.
        """
        if predecessor.log != self.log:
            raise InvalidInvitation(InvitationFault.NO_SUCCESSOR)
        if predecessor.epoch != self.epoch:
            behind = predecessor.epoch < self.epoch
            raise InvalidInvitation(InvitationFault.BEHIND if behind else InvitationFault.AHEAD)
        if predecessor.previous != self.previous:
            raise InvalidInvitation(InvitationFault.ANOTHER_BRANCH)
        leaf = self.leaves.get(predecessor.founder)
        good = (
            leaf is not None
            and hmac.compare_digest(predecessor.proof, self._proof(predecessor, identity))
            and self.suite.verify_with_label(
                leaf.signature_key,
                SIGNED,
                predecessor.content() + identity,
                predecessor.signature,
            )
            and self.entitles(device_of(leaf).account)
        )
        if not good:
            raise InvalidInvitation(InvitationFault.NO_SUCCESSOR)
        return lines.person(leaf, predecessor.founder)


# --- Founding -------------------------------------------------------------------------------------


def heirs(
    ground: Ground,
    there: Sequence[Person],
    reports: Iterable[MemberWounded],
    packages: Iterable[mls.KeyPackage] = (),
    *,
    leave_out: Collection[bytes] = (),
    revoked: Collection[bytes] = (),
) -> CarryOver | None:
    """The wish that adds to the successor who comes along and is not there yet; None if nobody.

    `there` are the people of the successor, `reports` what members of the old one said, the newest last,
    `packages` key packages of accounts of it from elsewhere. Not added: who has the account `leave_out`, who
    signed what ended the old one, who was leaving, devices that are `revoked`.
    """
    accounts = set(ground.accounts) - set(leave_out) - {ground.offender}
    gone = {
        (one.account, one.device_id)
        for one in (device_of(ground.leaves[index]) for index in ground.leaving)
    }
    known = {(one.account, one.device) for one in there} | gone
    found: dict[tuple[bytes, bytes], mls.KeyPackage] = {}
    for package in (*packages, *(one.package for one in reports)):
        try:
            device = device_of(package.leaf_node)
        except DecodeError:
            continue
        name = device.account, device.device_id
        if device.account in accounts and name not in known and device.device_id not in revoked:
            found[name] = package
    return CarryOver(tuple(found.values()), ground.charter.roles) if found else None


# --- Coming along ---------------------------------------------------------------------------------


def check(ground: Ground, group: mls.Group, inviter: int) -> WentOn:
    """Whether `group` goes on from where we stand, as it should. Raises `InvalidInvitation`.

    Who comes in with the first commit sees that nobody became more than they were, that nobody is there who
    was not before, and that the name is the same. Who comes later is told what is different.
    """
    charter = Charter.of(group.context)
    if charter.predecessor is None:
        raise InvalidInvitation(InvitationFault.NO_SUCCESSOR)
    by = ground.verify(charter.predecessor, group.group_id)
    accounts = list(dict.fromkeys(device_of(leaf).account for _, leaf in group.members()))
    if group.epoch == 1:
        first = group.tree.leaf(0)
        same = (
            inviter == 0
            and first is not None
            and device_of(first).account == by.account
            and set(accounts) <= set(ground.accounts)
            and charter.roles == carried_over(ground, accounts)
            and charter.metadata == ground.charter.metadata
        )
        if not same:
            raise InvalidInvitation(InvitationFault.NO_SUCCESSOR)
    missing = tuple(one for one in ground.accounts if one not in accounts)
    risen = tuple(one for one in accounts if charter.roles.of(one) > ground.charter.roles.of(one))
    return WentOn(ground.epoch, by, missing, risen)


def carried_over(ground: Ground, accounts: Iterable[bytes]) -> Roles:
    """The roles of a successor in which `accounts` are, in the order of their first leaves."""
    return ground.charter.roles.settled(accounts)


# --- Reports --------------------------------------------------------------------------------------


def heard_report(sender: Person, epoch: int, content: bytes) -> MemberWounded | CouldNotRead:
    """What a member says who cannot follow: a secret, and a key package of the very device."""
    try:
        package = mls.KeyPackage.from_message(content[SECRET_SIZE:])
        device = device_of(package.leaf_node)
    except (mls.InvalidMessage, DecodeError):
        return CouldNotRead(epoch, Unread.BROKEN)
    if (device.account, device.device_id) != (sender.account, sender.device):
        return CouldNotRead(epoch, Unread.BROKEN)
    return MemberWounded(sender, epoch, package, content[:SECRET_SIZE])
