"""Our engine, `heliogram.mls`, as a `Peer`."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from heliogram import mls
from tests.interop.peers import (
    Add,
    Extensions,
    ExternalPsk,
    GroupInfo,
    Peer,
    PeerError,
    Proposal,
    Remove,
    Staged,
    Unsupported,
    Update,
    View,
    clock,
)

P = ParamSpec("P")
T = TypeVar("T")


class OpenDoors(mls.Policy):
    """Everybody may do everything, from outside too: what the peers allow."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return True

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
    ) -> bool:
        return True


class Ours(Peer):
    """A member on our own engine."""

    implementation = "heliogram"

    def __init__(
        self,
        name: str,
        suite: int = 1,
        *,
        seed: int | None = None,
        private_handshakes: bool = False,
    ) -> None:
        self.name = name
        self.entropy = os.urandom if seed is None else random.Random(seed).randbytes
        self._suite = suite
        self._signer = mls.new_signature_key(suite, entropy=self.entropy)
        self._credential = mls.BasicCredential(name.encode())
        self._psks: dict[bytes, mls.Secret] = {}
        self._packages: list[mls.OwnKeyPackage] = []
        self._group: mls.Group | None = None
        self._staged: mls.StagedCommit | None = None
        self._removed = False
        self.config = mls.Config(
            authentication=mls.AcceptAnyCredential(),
            policy=OpenDoors(),
            psk=self._find_psk,
            padding=lambda size: -(-size // 64) * 64,
            private_handshakes=private_handshakes,
            max_lifetime=400 * 86400,  # the key packages of rine-mls live for a year
        )

    def _find_psk(self, psk_id: mls.PreSharedKeyID) -> mls.Secret | None:
        return self._psks.get(psk_id.psk_id) if isinstance(psk_id, mls.ExternalPSKID) else None

    @property
    def identity(self) -> bytes:
        return self.name.encode()

    @property
    def group(self) -> mls.Group:
        if self._group is None:
            raise Unsupported(f"{self.name} is in no group")
        return self._group

    def key_package(self) -> bytes:
        own = mls.new_key_package(
            self._suite, self._credential, self._signer, now=clock(), entropy=self.entropy
        )
        self._packages.append(own)
        return own.message

    def _enter(self, group: mls.Group) -> None:
        self._group, self._staged, self._removed = group, None, False

    def create(self, group_id: bytes, extensions: tuple[mls.Extension, ...] = ()) -> None:
        self._enter(
            mls.Group.create(
                group_id,
                self._suite,
                self._credential,
                self._signer,
                config=self.config,
                extensions=extensions,
                now=clock(),
                entropy=self.entropy,
            )
        )

    def join(
        self, welcome: bytes, tree: bytes | None = None, *, previous: mls.Group | None = None
    ) -> None:
        group = _call(
            mls.Group.join,
            welcome,
            self._packages,
            config=self.config,
            ratchet_tree=tree,
            previous=previous,
            now=clock(),
        )
        # The package that was used is the one whose leaf is now in the tree.
        used = group.own_leaf
        self._packages = [p for p in self._packages if p.key_package.leaf_node != used]
        self._enter(group)

    def _proposal(self, proposal: Proposal) -> mls.Proposal:
        match proposal:
            case Add(key_package):
                return mls.Add(mls.KeyPackage.from_message(key_package))
            case Remove(index):
                return mls.Remove(index)
            case ExternalPsk(psk_id):
                nonce = self.entropy(self.group.suite.hash_length)
                return mls.PreSharedKey(mls.ExternalPSKID(psk_id, nonce))
            case Extensions(extensions):
                return mls.GroupContextExtensions(
                    tuple(mls.Extension(kind, data) for kind, data in extensions)
                )
            case Update():
                raise Unsupported("an update of one's own is the commit itself")

    def commit(self, proposals: Sequence[Proposal] = (), *, tree_in_welcome: bool = True) -> Staged:
        staged = _call(
            self.group.commit,
            [self._proposal(p) for p in proposals],
            welcome_tree=tree_in_welcome,
            now=clock(),
            entropy=self.entropy,
        )
        return self._stage(staged)

    def rotate(self) -> Staged:
        """A commit that gives us another signature key."""
        self._signer = mls.new_signature_key(self._suite, entropy=self.entropy)
        leaf = mls.NewLeaf(signature_key=self._signer)
        return self._stage(
            _call(self.group.commit, new_leaf=leaf, now=clock(), entropy=self.entropy)
        )

    def _stage(self, staged: mls.StagedCommit) -> Staged:
        self._staged = staged
        welcomes = () if staged.welcome is None else (staged.welcome,)
        return Staged(staged.message, welcomes, staged.group.ratchet_tree())

    def external_join(self, group_info: bytes, *, resync: int | None = None) -> Staged:
        staged = _call(
            mls.Group.join_external,
            group_info,
            self._credential,
            self._signer,
            config=self.config,
            resync=resync,
            now=clock(),
            entropy=self.entropy,
        )
        return self._stage(staged)

    def merge(self) -> None:
        if self._staged is None:
            raise Unsupported("nothing is staged")
        self._enter(self._staged.merge())

    def discard(self) -> None:
        self.group.discard_staged()
        self._staged = None

    def propose(self, proposal: Proposal) -> bytes:
        if isinstance(proposal, Update):
            return _call(self.group.propose_update, now=clock(), entropy=self.entropy)
        return _call(
            self.group.propose, self._proposal(proposal), now=clock(), entropy=self.entropy
        )

    def process(self, message: bytes) -> bytes | None:
        outcome = _call(self.group.process, message, now=clock())
        match outcome:
            case mls.ApplicationMessage():
                return outcome.data
            case mls.EpochAdvanced():
                self._enter(outcome.group)
            case mls.Removed():
                self._removed = True
        return None

    def protect(self, text: bytes, authenticated_data: bytes = b"") -> bytes:
        return _call(
            self.group.protect,
            text,
            authenticated_data=authenticated_data,
            entropy=self.entropy,
        )

    def group_info(self) -> bytes:
        return self.group.group_info(external_pub=True)

    def view(self) -> View:
        group = self.group
        info = GroupInfo.decode(self.group_info())
        members = {
            index: leaf.credential.identity
            for index, leaf in group.members()
            if isinstance(leaf.credential, mls.BasicCredential)
        }
        authenticator = bytes(group.epoch_authenticator)
        return View(group.epoch, members, group.context.encode(), info.external_pub, authenticator)

    @property
    def index(self) -> int:
        return self.group.own_leaf_index

    @property
    def active(self) -> bool:
        return not self._removed

    def add_psk(self, psk_id: bytes, secret: bytes) -> None:
        self._psks[psk_id] = mls.Secret(secret)

    def export(self, label: str, context: bytes, length: int) -> bytes:
        return bytes(self.group.export(label.encode(), context, length))

    def propose_own_add(self, group_info: bytes) -> bytes:
        """An Add of oneself, from outside (RFC 9420, 12.1.8)."""
        self.key_package()
        return _call(mls.propose_own_add, group_info, self._packages[-1])

    def fork(self) -> Ours:
        """The same client once more, for a second group."""
        copy = Ours(self.name, self._suite, private_handshakes=self.config.private_handshakes)
        copy._signer, copy._group = self._signer, self._group
        return copy

    def follow(self, welcome: bytes, tree: bytes | None) -> None:
        """Join a group that follows from the one it is in."""
        self.join(welcome, tree, previous=self.group)

    def branch(self, group_id: bytes, key_packages: Sequence[bytes]) -> Staged:
        """A subgroup (RFC 9420, 11.3). After `merge()` this peer is in the subgroup."""
        packages = [mls.KeyPackage.from_message(package) for package in key_packages]
        return self._stage(
            _call(self.group.branch, group_id, packages, now=clock(), entropy=self.entropy)
        )

    def reinit(self, group_id: bytes) -> Staged:
        """The commit that closes this group for another of the same suite (RFC 9420, 11.2)."""
        proposal = mls.ReInit(group_id, 1, self._suite, ())
        return self._stage(_call(self.group.commit, [proposal], now=clock(), entropy=self.entropy))

    def reinitialized(self, group_id: bytes, key_packages: Sequence[bytes]) -> Staged:
        """The first commit of the group that follows; after `merge()` this peer is in it."""
        packages = [mls.KeyPackage.from_message(package) for package in key_packages]
        return self._stage(
            _call(self.group.reinitialize, packages, now=clock(), entropy=self.entropy)
        )

    def restart(self) -> None:
        """Die and come back from what was saved."""
        self._enter(mls.Group.from_bytes(self.group.to_bytes(), config=self.config))


def _call(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    try:
        return function(*arguments, **options)
    except mls.MLSError as error:
        raise PeerError(f"{type(error).__name__}: {error}") from error
