"""Who may do what in a conversation. All members judge each commit by this, and judge alike.

Answers follow from the epoch before the commit and from the commit alone: not from the clock, not from what
one member happens to know.

- Everybody may give themselves fresh keys, add and remove devices of their own account, leave, commit that
  others leave, and put a wounded device back: remove its leaf and add a key package of the same device.
- Admins may add accounts, remove members, rename the conversation and change its relays.
- Owners may also remove admins and owners, and change roles.
- An account has at most 16 devices here.
- There is always an owner. When the last one leaves or steps back, the longest appointed admin follows, else
  the account with the first leaf. Whoever commits that must say so in the same commit.
- Nobody from outside may do anything; nothing but leaving may be proposed by itself; nothing else may be in
  a commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from heliogram import mls
from heliogram.codec import DecodeError
from heliogram.node.components import Charter, Component, Metadata, Role, Roles, device_of, fits
from heliogram.node.identity.devices import DeviceCertificate
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import MAX_DEVICES
from heliogram.wire.objects import Configuration


class Refusal(Enum):
    """Why a commit is not allowed."""

    OUTSIDER = "somebody from outside wants to change the conversation"
    KIND = "a commit holds what no commit of a conversation holds"
    NO_CERTIFICATE = "a member has no device certificate"
    ADD = "only admins add other people"
    REMOVE = "only admins remove members, and only owners remove admins and owners"
    DEVICES = "an account would have more devices than there may be"
    ROLES = "only owners change roles"
    SUCCESSION = "the roles do not fit to who is there after the commit"
    RELAYS = "only admins change the relays, and never the log"
    METADATA = "only admins rename the conversation"


#: What a commit may list by value.
_KINDS = (mls.Add, mls.Remove, mls.AppDataUpdate)


def accounts_after(
    view: mls.EpochView, gone: frozenset[int], added: Sequence[DeviceCertificate]
) -> list[bytes]:
    """The accounts that are there after a commit, by their first leaves; those added come last."""
    staying = [device_of(leaf).account for index, leaf in view.members() if index not in gone]
    return [*staying, *(one.account for one in added)]


def may_remove(actor: bytes, account: bytes, roles: Roles) -> bool:
    """Whether one account may remove devices of another one, or of its own."""
    if account == actor or roles.of(actor) is Role.OWNER:
        return True
    return roles.of(actor) is Role.ADMIN and roles.of(account) is Role.MEMBER


def judge(
    view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
) -> Refusal | None:
    """Why this commit is not allowed, or None."""
    if committer is None:
        return Refusal.OUTSIDER
    actor = view.leaf(committer)
    if actor is None:
        return Refusal.OUTSIDER
    try:
        return _Judgement.of(view, actor, proposals)
    except DecodeError:
        return Refusal.NO_CERTIFICATE


class Rights(mls.Policy):
    """These rules as the engine asks for them."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        """Leaving by itself; adding, removing and updating by value."""
        if not sent.sender.is_member:
            return False
        if isinstance(sent.proposal, mls.SelfRemove):
            return True
        return sent.reference is None and isinstance(sent.proposal, _KINDS)

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
    ) -> bool:
        """Whether `judge` finds nothing against it."""
        return judge(view, committer, proposals) is None

    def update_component(
        self, component_id: int, current: bytes | None, updates: Sequence[bytes]
    ) -> bytes | None:
        """The one update, which is the whole new component, if it is well-formed."""
        if len(updates) != 1 or not _well_formed(component_id, updates[0]):
            return None
        return updates[0]


def _well_formed(component_id: int, data: bytes) -> bool:
    try:
        match component_id:
            case Component.CONFIGURATION:
                Configuration.from_bytes(data)
            case Component.ROLES:
                Roles.from_bytes(data)
            case Component.METADATA:
                Metadata.from_bytes(data)
            case _:
                return False
    except (DecodeError, RemoteError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Judgement:
    """A commit, taken apart."""

    view: mls.EpochView
    charter: Charter
    actor: bytes
    removed: dict[int, DeviceCertificate]
    left: frozenset[int]
    added: list[DeviceCertificate]
    updates: dict[int, bytes]

    @classmethod
    def of(
        cls, view: mls.EpochView, actor: mls.LeafNode, proposals: Sequence[mls.SentProposal]
    ) -> Refusal | None:
        removed: dict[int, DeviceCertificate] = {}
        left: set[int] = set()
        added: list[DeviceCertificate] = []
        updates: dict[int, bytes] = {}
        for sent in proposals:
            proposal = sent.proposal
            if isinstance(proposal, mls.SelfRemove):
                left.add(sent.sender.index)
                continue
            if sent.reference is not None:
                return Refusal.KIND
            if isinstance(proposal, mls.Add):
                if not fits(proposal.key_package.leaf_node):
                    return Refusal.KIND
                added.append(device_of(proposal.key_package.leaf_node))
            elif isinstance(proposal, mls.Remove):
                leaf = view.leaf(proposal.removed)
                if leaf is None:
                    return Refusal.KIND
                removed[proposal.removed] = device_of(leaf)
            elif isinstance(proposal, mls.AppDataUpdate):
                number, data = proposal.component_id, proposal.update
                if data is None or number in updates or not _well_formed(number, data):
                    return Refusal.KIND
                updates[number] = data
            else:
                return Refusal.KIND
        charter = Charter.of(view.context)
        account = device_of(actor).account
        found = cls(view, charter, account, removed, frozenset(left), added, updates)
        return found.people() or found.roles() or found.components()

    @property
    def role(self) -> Role:
        """What the committer may do."""
        return self.charter.roles.of(self.actor)

    def people(self) -> Refusal | None:
        """Who comes and goes."""
        before = {_client(one) for one in self.removed.values()}
        after = {_client(one) for one in self.added}
        for one in self.added:
            if one.account != self.actor and _client(one) not in before and self.role < Role.ADMIN:
                return Refusal.ADD
        for one in self.removed.values():
            put_back = _client(one) in after
            if not put_back and not may_remove(self.actor, one.account, self.charter.roles):
                return Refusal.REMOVE
        return None

    def roles(self) -> Refusal | None:
        """Whether the roles after the commit fit to who is there then, and who changes them."""
        gone = frozenset(self.removed) | self.left
        there = accounts_after(self.view, gone, self.added)
        if self.added and max(Counter(there).values()) > MAX_DEVICES:
            return Refusal.DEVICES
        due = self.charter.roles.settled(there)
        data = self.updates.get(Component.ROLES)
        wanted = self.charter.roles if data is None else Roles.from_bytes(data)
        if wanted != due and self.role is not Role.OWNER:
            return Refusal.SUCCESSION if data is None else Refusal.ROLES
        return None if wanted == wanted.settled(there) else Refusal.SUCCESSION

    def components(self) -> Refusal | None:
        """What else is updated."""
        data = self.updates.get(Component.CONFIGURATION)
        if data is not None:
            log = Configuration.from_bytes(data).log
            if self.role < Role.ADMIN or log != self.charter.configuration.log:
                return Refusal.RELAYS
        if Component.METADATA in self.updates and self.role < Role.ADMIN:
            return Refusal.METADATA
        return None


def _client(certificate: DeviceCertificate) -> tuple[bytes, bytes, bytes]:
    return certificate.account_key, certificate.device_id, certificate.device_key
