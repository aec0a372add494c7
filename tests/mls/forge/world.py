"""`World`: people, groups and deterministic randomness."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from heliogram import mls
from heliogram.mls.crypto import HPKEKey, SignatureKey, Suite, suite_of
from heliogram.mls.extensions import Capabilities, Extensions
from heliogram.mls.framing import SentProposal
from heliogram.mls.group import EpochAdvanced
from heliogram.mls.key_packages import KeyPackage, OwnKeyPackage, default_capabilities
from heliogram.mls.proposals import Add, Proposal
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, Lifetime
from heliogram.mls.registries import MLS10
from tests.mls.forge.hooks import changed, same

#: The time in all tests, in Unix seconds.
NOW = 1_900_000_000

#: Small, fast and everywhere; and what new groups use.
CLASSIC = int(mls.CipherSuite.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519)
DEFAULT = int(mls.DEFAULT_SUITE)


class Stream:
    """Randomness that is the same in each run. An instance is an `entropy`."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_128(self._seed + self._count.to_bytes(8, "big")).digest(size)


@dataclass(frozen=True)
class Client:
    """Somebody with a signature key, who can be in groups of one cipher suite."""

    suite: Suite
    credential: mls.Credential
    signature_key: SignatureKey
    entropy: Stream = field(repr=False)

    def capabilities(self, **changes: Any) -> Capabilities:
        """What the engine would list, with some of the lists replaced."""
        made = default_capabilities(self.suite.id, self.credential.credential_type, self.entropy)
        return changed(made, **changes)

    def leaf(
        self,
        source: LeafNodeSource = LeafNodeSource.KEY_PACKAGE,
        *,
        group: mls.Group | None = None,
        index: int | None = None,
        key: HPKEKey | None = None,
        **changes: Any,
    ) -> LeafNode:
        """A signed leaf node; `changes` are made before it is signed.

        For sources update and commit it is signed for leaf `index` (our own one) of `group`.
        """
        leaf = LeafNode(
            (key or self.suite.new_hpke_key(self.entropy)).public,
            self.signature_key.public,
            self.credential,
            self.capabilities(),
            source,
            Lifetime(NOW - 3600, NOW + 3600) if source is LeafNodeSource.KEY_PACKAGE else None,
            b"" if source is LeafNodeSource.COMMIT else None,
            (),
            b"",
        )
        if group is None:
            return self.signed_leaf(changed(leaf, **changes), b"", 0)
        place = group.own_leaf_index if index is None else index
        return self.signed_leaf(changed(leaf, **changes), group.group_id, place)

    def signed_leaf(self, leaf: LeafNode, group_id: bytes, index: int) -> LeafNode:
        """This leaf node with our signature for this place."""
        return changed(leaf, signature=b"").signed(self.suite, self.signature_key, group_id, index)

    def key_package(
        self,
        *,
        leaf: Callable[[LeafNode], LeafNode] = same,
        signed_leaf: Callable[[LeafNode], LeafNode] = same,
        package: Callable[[KeyPackage], KeyPackage] = same,
        signed_package: Callable[[KeyPackage], KeyPackage] = same,
        leaf_key: HPKEKey | None = None,
        init_key: HPKEKey | None = None,
    ) -> OwnKeyPackage:
        """A key package; hooks run on leaf and package before and after each is signed."""
        suite, key = self.suite, self.signature_key
        leaf_key = leaf_key or suite.new_hpke_key(self.entropy)
        init_key = init_key or suite.new_hpke_key(self.entropy)
        node = leaf(changed(self.leaf(key=leaf_key), signature=b""))
        node = signed_leaf(self.signed_leaf(node, b"", 0))
        made = package(KeyPackage(MLS10, suite.id, init_key.public, node, (), b""))
        signature = suite.sign_with_label(key, b"KeyPackageTBS", made.to_be_signed())
        made = signed_package(changed(made, signature=signature))
        return OwnKeyPackage(made, init_key, leaf_key, key)


class AllowAll(mls.Policy):
    """Lets everybody do everything, from outside too."""

    def allows_proposal(self, view: mls.EpochView, sent: SentProposal) -> bool:
        return True

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[SentProposal]
    ) -> bool:
        return True


class World:
    """People and groups in one cipher suite, the same in each run."""

    def __init__(self, suite: int = CLASSIC, seed: bytes = b"") -> None:
        self.suite = suite_of(suite)
        self.entropy = Stream(seed + suite.to_bytes(2, "big"))

    def __repr__(self) -> str:
        return f"<World of {self.suite.name}>"

    def client(
        self,
        name: str,
        *,
        credential: mls.Credential | None = None,
        signature_key: SignatureKey | None = None,
    ) -> Client:
        """Somebody new with this name, and by default with a basic credential."""
        key = signature_key or self.suite.new_signature_key(self.entropy)
        basic = mls.BasicCredential(name.encode())
        return Client(self.suite, credential or basic, key, self.entropy)

    def config(self, **changes: Any) -> mls.Config:
        """A configuration that believes everybody."""
        changes.setdefault("authentication", mls.AcceptAnyCredential())
        return mls.Config(**changes)

    def founder(
        self,
        name: str = "alice",
        *,
        config: mls.Config | None = None,
        client: Client | None = None,
        extensions: Extensions = (),
        capabilities: Capabilities | None = None,
        group_id: bytes = b"",
    ) -> mls.Group:
        """A new group of one."""
        client = client or self.client(name)
        return mls.Group.create(
            group_id or self.entropy(16),
            self.suite.id,
            client.credential,
            client.signature_key,
            config=config or self.config(),
            extensions=extensions,
            capabilities=capabilities,
            now=NOW,
            entropy=self.entropy,
        )

    def group(
        self,
        *names: str,
        config: mls.Config | None = None,
        extensions: Extensions = (),
        capabilities: Capabilities | None = None,
        full: bool = False,
    ) -> list[mls.Group]:
        """A group of these people at their leaves 0, 1, …: the `Group` of each, in one epoch.

        All parents of the tree are blank, so leaves can be changed freely; `full` fills them.
        """
        config = config or self.config()
        first, *others = names or ("alice", "bob", "carol")
        founder = self.founder(
            first, config=config, extensions=extensions, capabilities=capabilities
        )
        if not others:
            return [founder]
        own = [self.package(name, capabilities=capabilities) for name in others]
        adds = [Add(package.key_package) for package in own]
        staged = founder.commit(adds, now=NOW, entropy=self.entropy)
        groups = [staged.merge()]
        for package in own:
            groups.append(self.join(staged.welcome, package, config=config))
        if full:
            for index in range(len(groups)):
                groups = self.advance(groups, index, path=True)
        return groups

    def owner(self, group: mls.Group) -> Client:
        """Whose view of the group this is, with its keys."""
        member = group._member
        return Client(self.suite, group.own_leaf.credential, member.signature_key, self.entropy)

    def package(self, name: str, *, capabilities: Capabilities | None = None) -> OwnKeyPackage:
        """A good key package of somebody new."""
        client = self.client(name)
        if capabilities is None:
            return client.key_package()
        return client.key_package(leaf=lambda leaf: changed(leaf, capabilities=capabilities))

    def join(
        self,
        welcome: bytes | None,
        own: OwnKeyPackage,
        *,
        config: mls.Config | None = None,
        **more: Any,
    ) -> mls.Group:
        """Whom a Welcome brings in."""
        assert welcome is not None
        return mls.Group.join(welcome, [own], config=config or self.config(), now=NOW, **more)

    def advance(
        self,
        groups: Sequence[mls.Group],
        committer: int,
        proposals: Sequence[Proposal] = (),
        **more: Any,
    ) -> list[mls.Group]:
        """All members after a commit of the member at this position of `groups`.

        Whoever it removes is left out; whoever it adds is not in.
        """
        staged = groups[committer].commit(proposals, now=NOW, entropy=self.entropy, **more)
        after = []
        for position, group in enumerate(groups):
            if position == committer:
                after.append(staged.merge())
                continue
            outcome = group.process(staged.message, now=NOW)
            if isinstance(outcome, EpochAdvanced):
                after.append(outcome.group)
        return after
