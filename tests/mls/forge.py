"""Makes what the public API refuses to make, signed and MACed with the right keys.

Three layers. `World` has people, groups and deterministic randomness. `content`, `public` and
`private` frame anything as anybody. `commit`, `welcome` and `group_info` do what the engine does
without its checks: each takes hooks that change one thing on the way, and everything after the hook
(parent hashes, tree hash, signatures, key schedule, confirmation and membership tag) is computed
over the changed value. So what comes out is wrong in one respect only.

A hook is a function from a value to the value that takes its place; `same` changes nothing.
Nothing here changes the state of a `Group`.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from heliogram import mls
from heliogram.codec import opaque
from heliogram.mls import tree_math
from heliogram.mls.commits import Commit, EncryptedGroupSecrets, GroupInfo, GroupSecrets, Welcome
from heliogram.mls.crypto import HPKEKey, Secret, SignatureKey, Suite, suite_of
from heliogram.mls.extensions import Capabilities, Extension, Extensions
from heliogram.mls.founding import EXTERNAL_INIT
from heliogram.mls.framing import (
    AuthenticatedContent,
    Content,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderData,
    SenderType,
    SentProposal,
    _guarded,
    _sender_data_key,
    decode_message,
    encode_message,
    membership_tag,
)
from heliogram.mls.group import EpochAdvanced
from heliogram.mls.key_packages import KeyPackage, OwnKeyPackage, default_capabilities
from heliogram.mls.key_schedule import (
    GroupContext,
    epoch_secret,
    interim_transcript_hash,
    psk_secret,
    welcome_key_and_nonce,
)
from heliogram.mls.member import Member
from heliogram.mls.proposal_list import path_required
from heliogram.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    ResumptionPSKID,
    SelfRemove,
    Update,
)
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, Lifetime, ParentNode, RatchetTree
from heliogram.mls.registries import MLS10, ExtensionType, WireFormat
from heliogram.mls.secret_tree import RatchetKind
from heliogram.mls.transition import (
    EpochKeys,
    derive_member_secret,
    final_context,
    provisional_context,
    start_epoch,
)
from heliogram.mls.treekem import (
    HPKECiphertext,
    NewPath,
    UpdatePath,
    UpdatePathNode,
    derive_path,
    encrypt_path,
    put_path,
)

T = TypeVar("T")

#: The time in all tests, in Unix seconds.
NOW = 1_900_000_000

#: Small, fast and everywhere; and what new groups use.
CLASSIC = int(mls.CipherSuite.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519)
DEFAULT = int(mls.DEFAULT_SUITE)


def same(value: T) -> T:
    """The hook that changes nothing."""
    return value


def changed(value: T, **changes: Any) -> T:
    """A structure with some fields replaced. Forgets the encoding that it may have kept."""
    if any(f.name == "_encoded" for f in dataclasses.fields(value)):  # type: ignore[arg-type]
        changes.setdefault("_encoded", b"")
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]


def fields(**changes: Any) -> Callable[[Any], Any]:
    """The hook that replaces some fields of a structure."""
    return lambda value: changed(value, **changes)


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """The bytes with the only occurrence of `old` replaced."""
    assert data.count(old) == 1
    return data.replace(old, new)


def flipped(data: bytes, at: int = -1) -> bytes:
    """The bytes with one bit of one byte changed."""
    turned = bytearray(data)
    turned[at] ^= 1
    return bytes(turned)


# -- people and groups -----------------------------------------------------------------------------


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


# -- framing ---------------------------------------------------------------------------------------


def member_sender(group: mls.Group) -> Sender:
    """The group's own member as a sender."""
    return Sender(SenderType.MEMBER, group.own_leaf_index)


def content(
    group: mls.Group,
    body: Content,
    *,
    wire_format: WireFormat = WireFormat.PUBLIC_MESSAGE,
    sender: Sender | None = None,
    epoch: int | None = None,
    group_id: bytes | None = None,
    authenticated_data: bytes = b"",
    key: SignatureKey | None = None,
    context: GroupContext | None = None,
    framed: Callable[[FramedContent], FramedContent] = same,
) -> AuthenticatedContent:
    """Anything, signed as anybody. By default by the group's own member in its own epoch."""
    made = framed(
        FramedContent.of(
            group.group_id if group_id is None else group_id,
            group.epoch if epoch is None else epoch,
            sender or member_sender(group),
            authenticated_data,
            body,
        )
    )
    return AuthenticatedContent(wire_format, made, b"").signed(
        group.suite,
        key or group._member.signature_key,
        (context or group.context).encode(),
    )


def public(
    group: mls.Group,
    signed: AuthenticatedContent,
    *,
    tag: Callable[[bytes], bytes] = same,
    membership_key: Secret | None = None,
) -> bytes:
    """A public message with the right membership tag, if its sender is a member."""
    key = membership_key or group._member.current.secrets.membership_key
    made = None
    if signed.content.sender.is_member:
        made = tag(membership_tag(group.suite, key, signed, group.context.encode()))
    return encode_message(PublicMessage(signed, made))


def private(
    group: mls.Group,
    signed: AuthenticatedContent,
    *,
    leaf_index: int | None = None,
    generation: int | None = None,
    kind: RatchetKind | None = None,
    guard: bytes = b"\x01\x02\x03\x04",
    plain: Callable[[bytes], bytes] = same,
    sender_data: Callable[[bytes], bytes] = same,
    message: Callable[[PrivateMessage], PrivateMessage] = same,
) -> bytes:
    """A private message sealed with the keys of any leaf and generation of the group's epoch.

    By default the next ones of the content's sender. `plain` changes what is sealed (content,
    signature and padding), `sender_data` the encoded sender data.
    """
    suite, epoch, framed = group.suite, group._member.current.epoch, signed.content
    leaf = framed.sender.index if leaf_index is None else leaf_index
    if kind is None:
        said = framed.content_type is mls.ContentType.APPLICATION
        kind = RatchetKind.APPLICATION if said else RatchetKind.HANDSHAKE
    if generation is None:
        generation = epoch.secret_tree.generation(leaf, kind)
    in_tree = leaf if 2 * leaf < len(group.tree.nodes) else 0
    secrets = copy.copy(epoch.secret_tree)
    secrets.max_forward = 1 << 32
    found = secrets.find(in_tree, kind, generation)
    head = PrivateMessage(
        framed.group_id, framed.epoch, framed.content_type, framed.authenticated_data, b"", b""
    )
    aad = head._sender_data_aad() + opaque(framed.authenticated_data)
    sealed = suite.seal(
        found.key, _guarded(found.nonce, guard), aad, plain(framed.body + signed.auth())
    )
    hidden_key, hidden_nonce = _sender_data_key(suite, epoch.sender_data_secret, sealed)
    hidden = sender_data(SenderData(leaf, generation, guard).encode())
    encrypted = suite.seal(hidden_key, hidden_nonce, head._sender_data_aad(), hidden)
    made = changed(head, encrypted_sender_data=encrypted, ciphertext=sealed)
    return encode_message(message(made))


def unsealed(group: mls.Group, message: bytes) -> tuple[SenderData, bytes]:
    """Who sent a private message of the group's epoch, and what was sealed, padding included.

    Works as long as `group` has not opened the message.
    """
    found = decode_message(message)
    assert isinstance(found, PrivateMessage)
    suite, epoch = group.suite, group._member.current.epoch
    data = found.sender_data(suite, epoch.sender_data_secret)
    said = found.content_type is mls.ContentType.APPLICATION
    kind = RatchetKind.APPLICATION if said else RatchetKind.HANDSHAKE
    key = epoch.secret_tree.find(data.leaf_index, kind, data.generation)
    aad = found._sender_data_aad() + opaque(found.authenticated_data)
    nonce = _guarded(key.nonce, data.reuse_guard)
    return data, suite.open(key.key, nonce, aad, found.ciphertext)


def private_message(group: mls.Group, body: Content, **hooks: Any) -> bytes:
    """`private` of a body that the group's own member signs."""
    signed = content(group, body, wire_format=WireFormat.PRIVATE_MESSAGE)
    return private(group, signed, **hooks)


def proposal(group: mls.Group, body: Proposal, **how: Any) -> bytes:
    """A public proposal of the group's own member, unchecked; `how` as in `content`."""
    return public(group, content(group, body, **how))


def sent(group: mls.Group, body: Proposal, **how: Any) -> tuple[bytes, SentProposal]:
    """The same, with what a commit needs to refer to it."""
    signed = content(group, body, **how)
    reference = signed.proposal_ref(group.suite)
    return public(group, signed), SentProposal(body, signed.content.sender, reference)


# -- commits ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """A forged commit, and all that is needed to forge what follows from it."""

    message: bytes = field(repr=False)
    content: AuthenticatedContent = field(repr=False)
    #: The committer's view of the new epoch.
    group: mls.Group
    keys: EpochKeys = field(repr=False)
    joiner: Secret
    member_secret: Secret
    path: NewPath | None = field(repr=False)
    added: list[tuple[int, KeyPackage]] = field(repr=False)
    psks: tuple[PreSharedKeyID, ...]


def apply(
    group: mls.Group, proposals: Iterable[SentProposal]
) -> tuple[RatchetTree, Extensions, list[tuple[int, KeyPackage]]]:
    """What a list does to tree and extensions, by the order of section 12.3 and without a check."""
    tree, extensions = group.tree.copy(), group.context.extensions
    listed = list(proposals)
    for one in listed:
        if isinstance(one.proposal, GroupContextExtensions):
            extensions = one.proposal.extensions
        elif isinstance(one.proposal, Update) and tree.leaf(one.sender.index) is not None:
            tree.update_leaf(one.sender.index, one.proposal.leaf_node)
    for one in listed:
        if isinstance(one.proposal, Remove | SelfRemove):
            removed = one.proposal.removed if isinstance(one.proposal, Remove) else one.sender.index
            if tree.leaf(removed) is not None:
                tree.remove_leaf(removed)
    added = [
        (tree.add_leaf(one.proposal.key_package.leaf_node), one.proposal.key_package)
        for one in listed
        if isinstance(one.proposal, Add)
    ]
    return tree, extensions, added


def commit(
    group: mls.Group,
    proposals: Sequence[Proposal | SentProposal | bytes] = (),
    *,
    joiner: Client | None = None,
    wire_format: WireFormat = WireFormat.PUBLIC_MESSAGE,
    path: bool | None = None,
    leaf: Callable[[LeafNode], LeafNode] = same,
    signed_leaf: Callable[[LeafNode], LeafNode] = same,
    leaf_key: HPKEKey | None = None,
    leaf_signature_key: SignatureKey | None = None,
    path_secret: Secret | None = None,
    path_keys: Callable[[list[bytes]], list[bytes]] = same,
    update_path: Callable[[UpdatePath], UpdatePath] = same,
    tree: Callable[[RatchetTree], RatchetTree] = same,
    context: Callable[[GroupContext], GroupContext] = same,
    init_secret: Callable[[Secret], Secret] = same,
    psks: Callable[[list[PreSharedKeyID]], list[PreSharedKeyID]] = same,
    own_index: int | None = None,
    sender: Sender | None = None,
    key: SignatureKey | None = None,
    framed: Callable[[FramedContent], FramedContent] = same,
    signed: Callable[[AuthenticatedContent], AuthenticatedContent] = same,
    confirmation_tag: Callable[[bytes], bytes] = same,
    authenticated_data: bytes = b"",
    frame: Callable[[mls.Group, AuthenticatedContent], bytes] | None = None,
) -> Made:
    """A commit with any list and any path; whatever is not changed by a hook is right.

    `proposals` are given by value, as a `SentProposal` with a reference, or as a bare reference.
    `path` None: as section 12.4 asks. With `joiner` it is an external commit of that client into
    the epoch of `group`, and an ExternalInit is put in front unless the list has one.

    In order: `tree` runs on the tree with all proposals applied; `leaf` on the committer's leaf
    before it is signed (its parent hash is right), `signed_leaf` after; `path_keys` on the public
    keys of the path, before parent hashes; `update_path` on the whole, before the commit is signed
    (the tree that the commit commits to is not changed by it); `context` on the new epoch's
    context, provisional and final; `framed` on the content to be signed, `signed` on the signed
    commit, `confirmation_tag` last.
    """
    member, suite, entropy = group._member, group.suite, Stream(group.group_id + b"commit")
    current = member.current
    init = current.secrets.init
    listed: list[Proposal | SentProposal | bytes] = list(proposals)
    if joiner is not None:
        entropy = joiner.entropy
        external = current.secrets.external_key(suite).public
        output, init = suite.export_to(external, EXTERNAL_INIT, suite.hash_length, entropy=entropy)
        if not any(isinstance(one, ExternalInit) for one in listed):
            listed.insert(0, ExternalInit(output))
        sender = sender or Sender(SenderType.NEW_MEMBER_COMMIT)
    sender = sender or member_sender(group)
    key = key or (joiner.signature_key if joiner else member.signature_key)
    sents = [
        one if isinstance(one, SentProposal) else SentProposal(one, sender)
        for one in listed
        if not isinstance(one, bytes)
    ]
    new_tree, extensions, added = apply(group, sents)
    new_tree = tree(new_tree)
    if own_index is None:
        own_index = new_tree.free_leaf() if joiner else group.own_leaf_index
    if path is None:
        path = path_required([one.proposal for one in sents])

    made: NewPath | None = None
    if path:
        leaf_key = leaf_key or suite.new_hpke_key(entropy)
        nodes = [node for node, _ in new_tree.filtered_direct_path(own_index)]
        first = path_secret or Secret(entropy(suite.hash_length))
        keys_by_node, secrets, commit_secret = derive_path(suite, first, nodes)
        publics = path_keys([keys_by_node[node].public for node in nodes])
        parent_hash = put_path(new_tree, own_index, publics)
        if joiner is None:
            old = group.own_leaf
        else:
            old = joiner.leaf()
        leaf_signer = leaf_signature_key or key
        node = leaf(
            LeafNode(
                leaf_key.public,
                leaf_signer.public,
                old.credential,
                old.capabilities,
                LeafNodeSource.COMMIT,
                None,
                parent_hash,
                old.extensions,
                b"",
            )
        )
        node = signed_leaf(node.signed(suite, leaf_signer, group.group_id, own_index))
        new_tree.set_leaf(own_index, node)
        keys_by_node[tree_math.leaf_node(own_index)] = leaf_key
        made = NewPath(node, keys_by_node, secrets, commit_secret)
    commit_secret = Secret(bytes(suite.hash_length)) if made is None else made.commit_secret
    provisional = context(provisional_context(current.context, new_tree, extensions))
    sealed: UpdatePath | None = None
    if made is not None:
        new_leaves = frozenset(index for index, _ in added)
        sealed = encrypt_path(new_tree, own_index, made, provisional.encode(), new_leaves)
        renamed = (
            UpdatePathNode(public, one.encrypted_path_secret)
            for public, one in zip(publics, sealed.nodes, strict=True)
        )
        sealed = update_path(UpdatePath(made.leaf_node, tuple(renamed)))
    items = tuple(
        (one.reference or one.proposal) if isinstance(one, SentProposal) else one for one in listed
    )
    told = signed(
        content(
            group,
            Commit(items, sealed),
            wire_format=wire_format,
            sender=sender,
            authenticated_data=authenticated_data,
            key=key,
            framed=framed,
        )
    )
    interim = interim_transcript_hash(
        suite, current.context.confirmed_transcript_hash, current.confirmation_tag
    )
    new_context = final_context(suite, provisional, interim, told)
    ids = psks([one.proposal.psk for one in sents if isinstance(one.proposal, PreSharedKey)])
    found = [(psk_id, find_psk(member, psk_id)) for psk_id in ids]
    joined, below = derive_member_secret(
        suite, init_secret(init), commit_secret, new_context, found
    )
    secret = epoch_secret(suite, below, new_context)
    keys = start_epoch(suite, member.config, new_context, new_tree, secret, None)
    told = told.with_tag(confirmation_tag(keys.confirmation_tag))
    if frame is None:
        frame = private if wire_format is WireFormat.PRIVATE_MESSAGE else public
    message = frame(group, told)
    private_keys = {} if joiner else member.keys_in(new_tree)
    private_keys.update({} if made is None else made.keys)
    after = Member(
        member.config,
        keys,
        own_index,
        leaf_signature_key or key,
        private_keys,
        next((one.proposal for one in sents if isinstance(one.proposal, ReInit)), None),
    )
    after.past = [] if joiner else [current.epoch]
    after.resumption = {} if joiner else dict(member.resumption)
    after.remember_resumption()
    return Made(message, told, mls.Group(after), keys, joined, below, made, added, tuple(ids))


def find_psk(member: Member, psk_id: PreSharedKeyID) -> Secret:
    """The secret behind an id as the member has it; zeros where it has none."""
    if isinstance(psk_id, ResumptionPSKID):
        known = member.resumption.get((psk_id.psk_group_id, psk_id.psk_epoch))
        if known is not None:
            return known
    return member.config.psk(psk_id) or Secret(bytes(member.current.suite.hash_length))


def corrupt_ciphertext(node: UpdatePathNode, position: int = 0) -> UpdatePathNode:
    """A path node one of whose path secrets does not open."""
    pairs = [(one.kem_output, one.ciphertext) for one in node.encrypted_path_secret]
    kem, sealed = pairs[position]
    pairs[position] = (kem, flipped(sealed))
    return changed(node, encrypted_path_secret=type(node.encrypted_path_secret).of(pairs))


# -- joining ---------------------------------------------------------------------------------------


def ratchet_tree_extension(tree: RatchetTree) -> Extension:
    """A tree as a group info carries it."""
    return Extension(ExtensionType.RATCHET_TREE, tree.encode())


def external_pub_extension(public: bytes) -> Extension:
    """The key for external joiners as a group info carries it."""
    return Extension(ExtensionType.EXTERNAL_PUB, opaque(public))


def replant(
    tree: RatchetTree,
    group: mls.Group,
    *,
    leaf: Callable[[LeafNode], LeafNode] = same,
    path_keys: Callable[[list[bytes]], list[bytes]] = same,
) -> RatchetTree:
    """The tree with the path of the group's own member put in again by the keys that stand there.

    For trees that were changed below or beside that path: all parent hashes on it, and its leaf's
    signature, are right afterwards. Unmerged leaves on it are gone.
    """
    index = group.own_leaf_index
    twin = tree.copy()
    old = twin.leaf(index)
    assert old is not None
    keys = []
    for node, _ in twin.filtered_direct_path(index):
        parent = twin.parent(node)
        assert parent is not None, "a node of the filtered path is blank"
        keys.append(parent.encryption_key)
    parent_hash = put_path(twin, index, path_keys(keys))
    renewed = changed(
        old, source=LeafNodeSource.COMMIT, lifetime=None, parent_hash=parent_hash, signature=b""
    )
    key = group._member.signature_key
    twin.set_leaf(index, leaf(renewed).signed(group.suite, key, group.group_id, index))
    return twin


def with_node(tree: RatchetTree, position: int, node: LeafNode | ParentNode | None) -> RatchetTree:
    """A copy of the tree with one node replaced."""
    nodes = list(tree.nodes)
    nodes[position] = node
    return RatchetTree(tree.suite, nodes)


def group_info(
    group: mls.Group,
    *,
    keys: EpochKeys | None = None,
    tree: Callable[[RatchetTree], RatchetTree] = same,
    context: Callable[[GroupContext], GroupContext] = same,
    tree_extension: Callable[[Extension], Extension | None] = same,
    external_pub: Callable[[bytes], bytes] | None = None,
    extensions: Callable[[Extensions], Extensions] = same,
    info: Callable[[GroupInfo], GroupInfo] = same,
    signed_info: Callable[[GroupInfo], GroupInfo] = same,
    signer: int | None = None,
    key: SignatureKey | None = None,
) -> GroupInfo:
    """A group info of the group's epoch, signed by its own member.

    Hooks in order: `tree`; `context`, which holds the hash of that tree already; `tree_extension`,
    None leaves it out; `external_pub`, not in by default; `extensions`; `info` before it is signed,
    `signed_info` after. The confirmation tag is the one of the group's epoch.
    """
    keys = keys or group._member.current
    suite = keys.suite
    new_tree = tree(keys.tree.copy())
    new_context = context(changed(keys.context, tree_hash=new_tree.tree_hash()))
    listed = []
    carried = tree_extension(ratchet_tree_extension(new_tree))
    if carried is not None:
        listed.append(carried)
    if external_pub is not None:
        listed.append(external_pub_extension(external_pub(keys.secrets.external_key(suite).public)))
    made = info(
        GroupInfo(
            new_context,
            extensions(tuple(listed)),
            keys.confirmation_tag,
            group.own_leaf_index if signer is None else signer,
        )
    )
    return signed_info(made.signed(suite, key or group._member.signature_key))


def group_info_message(group: mls.Group, **hooks: Any) -> bytes:
    """The same as an `MLSMessage`, with the key for external joiners unless it is changed."""
    hooks.setdefault("external_pub", same)
    return encode_message(group_info(group, **hooks))


def welcome(
    made: Made,
    *,
    tree: Callable[[RatchetTree], RatchetTree] = same,
    context: Callable[[GroupContext], GroupContext] = same,
    tree_extension: Callable[[Extension], Extension | None] = same,
    extensions: Callable[[Extensions], Extensions] = same,
    confirmation_tag: Callable[[bytes], bytes] = same,
    info: Callable[[GroupInfo], GroupInfo] = same,
    signed_info: Callable[[GroupInfo], GroupInfo] = same,
    encoded_info: Callable[[bytes], bytes] = same,
    sealed_info: Callable[[bytes], bytes] = same,
    signer: int | None = None,
    key: SignatureKey | None = None,
    secrets: Callable[[GroupSecrets], GroupSecrets] = same,
    encoded_secrets: Callable[[bytes], bytes] = same,
    psks: Callable[[list[PreSharedKeyID]], list[PreSharedKeyID]] | None = None,
    entry: Callable[[EncryptedGroupSecrets], EncryptedGroupSecrets] = same,
    message: Callable[[Welcome], Welcome] = same,
) -> bytes:
    """The Welcome of a forged commit, for everybody whom it adds.

    After the hooks `tree` and `context` the epoch starts anew from the joiner secret, so that the
    confirmation tag is right for what they made. `psks` replaces the list of pre-shared keys; the
    secrets are computed with it. The other hooks as in `group_info`; `secrets` runs on each
    joiner's group secrets, `entry` on each encrypted entry.
    """
    group, suite = made.group, made.keys.suite
    member = group._member
    below, ids = made.member_secret, list(made.psks)
    if psks is not None:
        ids = psks(ids)
        found = [(psk_id, find_psk(member, psk_id)) for psk_id in ids]
        below = suite.extract(made.joiner, psk_secret(suite, found))
    new_tree = tree(made.keys.tree.copy())
    new_context = context(changed(made.keys.context, tree_hash=new_tree.tree_hash()))
    secret = epoch_secret(suite, below, new_context)
    keys = start_epoch(suite, member.config, new_context, new_tree, secret, None)
    keys = changed(keys, confirmation_tag=confirmation_tag(keys.confirmation_tag))
    told = group_info(
        group,
        keys=keys,
        context=lambda _: new_context,
        tree_extension=tree_extension,
        extensions=extensions,
        info=info,
        signed_info=signed_info,
        signer=signer,
        key=key,
    )
    info_key, nonce = welcome_key_and_nonce(suite, below)
    sealed = sealed_info(suite.seal(info_key, nonce, b"", encoded_info(told.encode())))
    entries = []
    for leaf_index, package in made.added:
        path_secret = None
        if made.path is not None:
            count = made.keys.tree.leaf_count
            path_secret = made.path.secret_for(group.own_leaf_index, leaf_index, count)
        plain = secrets(GroupSecrets(made.joiner, path_secret, tuple(ids)))
        pair = suite.encrypt_with_label(
            package.init_key, b"Welcome", sealed, encoded_secrets(plain.encode())
        )
        reference = suite.ref_hash(b"MLS 1.0 KeyPackage Reference", package.encode())
        entries.append(entry(EncryptedGroupSecrets(reference, HPKECiphertext(*pair))))
    return encode_message(message(Welcome(suite.id, tuple(entries), sealed)))
