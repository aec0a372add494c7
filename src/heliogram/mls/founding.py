"""How a member comes into a group: founding it, by a Welcome, or by an external commit.

RFC 9420, sections 11 and 12.4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from heliogram.codec import DecodeError, decode_all
from heliogram.mls import committing, joining, tree_math
from heliogram.mls.commits import Commit, GroupInfo, GroupSecrets, Welcome
from heliogram.mls.config import Config, EpochView
from heliogram.mls.credentials import Credential
from heliogram.mls.crypto import HPKEKey, Secret, SignatureKey, suite_of
from heliogram.mls.errors import InvalidMessage, UsageError, refused
from heliogram.mls.extensions import (
    Capabilities,
    Extensions,
    check_readable,
    find_extension,
)
from heliogram.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    PublicMessage,
    Sender,
    SenderType,
    SentProposal,
    decode_message,
    encode_message,
)
from heliogram.mls.key_packages import (
    CLOCK_SKEW,
    DEFAULT_LIFETIME,
    KeyPackage,
    OwnKeyPackage,
    check_own_capabilities,
    default_capabilities,
)
from heliogram.mls.key_schedule import (
    GroupContext,
    epoch_secret,
    interim_transcript_hash,
    member_secret,
    psk_secret,
)
from heliogram.mls.member import Advanced, Member, Staged
from heliogram.mls.proposal_list import (
    apply_proposals,
    check_credential,
    check_group_extensions,
    check_resync,
)
from heliogram.mls.proposals import (
    ID_CEILING,
    Add,
    ExternalInit,
    PreSharedKey,
    Proposal,
    Remove,
    ResumptionPSKID,
    ResumptionPSKUsage,
    SelfRemove,
)
from heliogram.mls.ratchet_tree import (
    LeafNode,
    LeafNodeSource,
    Lifetime,
    RatchetTree,
    check_leaf,
)
from heliogram.mls.registries import MLS10, ExtensionType, WireFormat
from heliogram.mls.transition import (
    EpochKeys,
    derive_member_secret,
    final_context,
    find_psks,
    provisional_context,
    start_epoch,
)
from heliogram.mls.treekem import check_derived, derive_path, encrypt_path, new_path

Entropy = Callable[[int], bytes]

#: Label of the secret that an external joiner shares with the group (RFC 9420, 8.3).
EXTERNAL_INIT = b"MLS 1.0 external init secret"


def create(
    group_id: bytes,
    cipher_suite: int,
    credential: Credential,
    signature_key: SignatureKey,
    *,
    config: Config,
    extensions: Extensions,
    capabilities: Capabilities | None,
    leaf_extensions: Extensions,
    now: int,
    entropy: Entropy,
) -> Member:
    """A group of one, at epoch 0 (section 11)."""
    suite = suite_of(cipher_suite)
    if len(group_id) > ID_CEILING:
        raise UsageError("row 6: a group's id is longer than others accept")
    if capabilities is None:
        capabilities = default_capabilities(suite.id, credential.credential_type, entropy)
    check_own_capabilities(capabilities, suite)
    leaf_key = suite.new_hpke_key(entropy)
    leaf = LeafNode(
        leaf_key.public,
        signature_key.public,
        credential,
        capabilities,
        LeafNodeSource.KEY_PACKAGE,
        Lifetime(max(0, now - CLOCK_SKEW), now + DEFAULT_LIFETIME),
        None,
        leaf_extensions,
        b"",
    ).signed(suite, signature_key, group_id, 0)
    tree = RatchetTree(suite)
    tree.set_leaf(0, leaf)
    try:
        check_leaf(leaf, suite, LeafNodeSource.KEY_PACKAGE)
        check_credential(config, leaf, now=now)
        check_group_extensions(config, extensions, now=now)
        check_readable(extensions)
        tree.check_members(extensions)
    except (InvalidMessage, DecodeError) as error:
        raise UsageError(f"others would refuse this group: {error}") from error
    context = GroupContext(MLS10, suite.id, group_id, 0, tree.tree_hash(), b"", extensions)
    secret = Secret(entropy(suite.hash_length))
    state = start_epoch(suite, config, context, tree, secret, None)
    return _first(config, state, 0, signature_key, {tree_math.leaf_node(0): leaf_key})


def _first(
    config: Config,
    keys: EpochKeys,
    own_leaf_index: int,
    signature_key: SignatureKey,
    private_keys: dict[tree_math.NodeIndex, HPKEKey],
) -> Member:
    """A member in the first epoch that it sees."""
    member = Member(config, keys, own_leaf_index, signature_key, private_keys)
    member.remember_resumption()
    return member


def join(
    welcome: bytes,
    own: Sequence[OwnKeyPackage],
    *,
    config: Config,
    ratchet_tree: bytes | None,
    in_use: Container[bytes],
    previous: Member | None,
    now: int,
) -> Member:
    """The group that a Welcome brings us into (section 12.4.3.1)."""
    message = decode_message(welcome)
    if not isinstance(message, Welcome):
        raise InvalidMessage(85, "12.4.3.1", "a message is no welcome")
    try:
        return _join(message, own, config, ratchet_tree, in_use, previous, now)
    except DecodeError as error:
        raise refused(error) from error


def _join(
    welcome: Welcome,
    own: Sequence[OwnKeyPackage],
    config: Config,
    ratchet_tree: bytes | None,
    in_use: Container[bytes],
    previous: Member | None,
    now: int,
) -> Member:
    package, suite, secrets = joining.open_group_secrets(welcome, own)
    origin = _origin(secrets, suite.hash_length)
    resumption = {} if previous is None else previous.resumption
    psks = find_psks(config, resumption, secrets.psks, 86, "12.4.3.1")
    member = member_secret(suite, secrets.joiner_secret, psk_secret(suite, psks))
    info = joining.open_group_info(welcome, suite, member)
    context = info.group_context
    if context.group_id in in_use:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(87, "12.4.3.1", "a welcome leads into a group that we are in already")
    own_leaf = package.key_package.leaf_node
    joining.check_understood(info, own_leaf)
    tree = joining.check_group_info(info, suite, config, ratchet_tree, now=now)
    own_index = next((i for i, leaf in tree.leaves() if leaf == own_leaf), None)
    if own_index is None:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(94, "12.4.3.1", "the group's tree does not hold our leaf")
    if origin is not None or previous is not None:
        _check_origin(origin, info, tree, config, previous)
    elif context.epoch == 1:
        joining.check_best_suite(tree, suite, config.suites)

    # RFC 9420, 9.2: the init key has been used, and is not kept (row 102).
    keys: dict[tree_math.NodeIndex, HPKEKey] = {tree_math.leaf_node(own_index): package.leaf_key}
    if secrets.path_secret is not None:
        keys.update(_path_keys(tree, secrets.path_secret, own_index, info.signer))
    _check_reached(tree, own_index, keys)
    secret = epoch_secret(suite, member, context)
    try:
        state = start_epoch(suite, config, context, tree, secret, info.confirmation_tag)
    except InvalidMessage as error:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(96, "12.4.3.1", error.what) from error
    return _first(config, state, own_index, package.signature_key, keys)


def _origin(secrets: GroupSecrets, size: int) -> ResumptionPSKID | None:
    """The secret of the group that a new one claims to follow from, or None.

    Refuses pre-shared keys that no Welcome may name (section 12.4.3.1; row 86).
    """
    origins = []
    for psk_id in secrets.psks:
        if len(psk_id.psk_nonce) != size:  # RFC 9420, 8.4
            raise InvalidMessage(86, "8.4", "a pre-shared key's nonce has the wrong length")
        if isinstance(psk_id, ResumptionPSKID):
            if psk_id.usage is not ResumptionPSKUsage.APPLICATION:
                origins.append(psk_id)
    if len(origins) > 1:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(86, "12.4.3.1", "a group claims to follow from two others")
    return origins[0] if origins else None


def _path_keys(
    tree: RatchetTree, path_secret: Secret, own: int, signer: int
) -> dict[tree_math.NodeIndex, HPKEKey]:
    """Our private keys above the place where our path meets the committer's (row 95)."""
    suite = tree.suite
    if len(path_secret) != suite.hash_length or own == signer:
        raise InvalidMessage(95, "12.4.3.1", "a path secret in a welcome has the wrong length")
    meeting = tree_math.common_ancestor(own, signer)
    path = tree_math.direct_path(signer, tree.leaf_count)
    # The committer left out the nodes whose other side was empty; those are blank now.
    nodes = [node for node in path[path.index(meeting) :] if tree.nodes[node] is not None]
    if meeting not in nodes:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(95, "12.4.3.1", "a path secret in a welcome is for a blank node")
    derived, _, _ = derive_path(suite, path_secret, nodes)
    try:
        check_derived(tree, derived)
    except InvalidMessage as error:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(95, "12.4.3.1", error.what) from error
    return derived


def _check_reached(tree: RatchetTree, own: int, keys: dict[tree_math.NodeIndex, HPKEKey]) -> None:
    """Each key above us is known to us, or its node says that it is not (sections 7.1, 12.4.3.1;
    row 95).

    Otherwise the next path secrets could be encrypted to keys that we are thought to have.
    """
    for node in tree_math.direct_path(own, tree.leaf_count):
        parent = tree.parent(node)
        if parent is not None and node not in keys and own not in parent.unmerged_leaves:
            raise InvalidMessage(95, "12.4.3.1", "a welcome lacks the path secret of a node")


def _check_origin(
    origin: ResumptionPSKID | None,
    info: GroupInfo,
    tree: RatchetTree,
    config: Config,
    previous: Member | None,
) -> None:
    """A group that claims to follow from another one really does, and one that should, claims it.

    Sections 11.2 and 11.3; rows 98 to 100.
    """
    context = info.group_context
    if previous is None or (
        origin is not None and previous.current.context.group_id != origin.psk_group_id
    ):
        raise InvalidMessage(86, "12.4.3.1", "the group that this one follows from is not given")
    before_context, reinit = previous.current.context, previous.reinit
    if origin is None:  # RFC 9420, 11.2 and 11.3
        row, section = (100, "11.3") if reinit is None else (99, "11.2")
        raise InvalidMessage(row, section, "a new group is not tied to the one before it")
    if context.epoch != 1:  # RFC 9420, 11.2 and 11.3
        raise InvalidMessage(98, "11.2", "a group that follows from another starts too late")
    client = config.authentication.client
    before = {client(leaf.credential) for _, leaf in previous.tree.leaves()}
    after = {client(leaf.credential) for _, leaf in tree.leaves()}
    if origin.usage is ResumptionPSKUsage.BRANCH:
        same = (context.version, context.cipher_suite) == (
            before_context.version,
            before_context.cipher_suite,
        )
        if not same or not after <= before:  # RFC 9420, 11.3
            raise InvalidMessage(100, "11.3", "a branch is no part of the group it names")
        return
    if reinit is None or origin.psk_epoch != before_context.epoch:  # RFC 9420, 11.2
        raise InvalidMessage(99, "11.2", "the old group was not closed for a new one")
    wanted = (reinit.group_id, reinit.version, reinit.cipher_suite, reinit.extensions)
    got = (context.group_id, context.version, context.cipher_suite, context.extensions)
    if wanted != got or before != after:  # RFC 9420, 11.2
        raise InvalidMessage(99, "11.2", "the new group is not what the reinit said")


def join_external(
    group_info: bytes,
    credential: Credential,
    signature_key: SignatureKey,
    *,
    config: Config,
    resync: int | None,
    psks: Iterable[PreSharedKey],
    self_removes: Iterable[bytes],
    capabilities: Capabilities | None,
    leaf_extensions: Extensions,
    ratchet_tree: bytes | None,
    authenticated_data: bytes,
    now: int,
    entropy: Entropy,
) -> Staged:
    """A commit that brings ourselves in (section 12.4.3.2)."""
    message = decode_message(group_info)
    if not isinstance(message, GroupInfo):
        raise InvalidMessage(71, "12.4.3", "a message is no group info")
    info, context = message, message.group_context
    suite = joining.suite_of_peer(context.cipher_suite, 71, "12.4.3")
    if context.version != MLS10:
        raise InvalidMessage(71, "12.4.3", "a group is of another version")
    try:
        external_pub = _external_pub(info)
        tree = joining.check_group_info(info, suite, config, ratchet_tree, now=now)
    except DecodeError as error:
        raise refused(error) from error
    view = EpochView(context, tree)
    leaving = [_self_remove(view, data) for data in self_removes]
    if capabilities is None:
        capabilities = default_capabilities(suite.id, credential.credential_type, entropy)
    check_own_capabilities(capabilities, suite)

    kem_output, init = suite.export_to(
        external_pub, EXTERNAL_INIT, suite.hash_length, entropy=entropy
    )
    proposals: list[Proposal] = [ExternalInit(kem_output), *psks]
    if resync is not None:
        proposals.append(Remove(resync))
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    sent = [*(SentProposal(proposal, sender) for proposal in proposals), *leaving]
    try:
        applied = apply_proposals(view, config, sent, None, now=now)
        found = find_psks(config, {}, applied.psks, 79, "12.4.2")
        own_index = applied.tree.free_leaf()
        leaf_key = suite.new_hpke_key(entropy)

        def make_leaf(parent_hash: bytes) -> LeafNode:
            return LeafNode(
                leaf_key.public,
                signature_key.public,
                credential,
                capabilities,
                LeafNodeSource.COMMIT,
                None,
                parent_hash,
                leaf_extensions,
                b"",
            ).signed(suite, signature_key, context.group_id, own_index)

        path = new_path(applied.tree, own_index, make_leaf, leaf_key, entropy)
        check_leaf(path.leaf_node, suite, LeafNodeSource.COMMIT)
        check_credential(config, path.leaf_node, now=now)
        if resync is not None:
            check_resync(view, config, resync, path.leaf_node)
        applied.tree.check_members(applied.extensions)
        joining.check_understood(info, path.leaf_node)
    except (InvalidMessage, DecodeError) as error:
        raise UsageError(f"others would refuse this: {error}") from error
    provisional = provisional_context(context, applied.tree, applied.extensions)
    update_path = encrypt_path(applied.tree, own_index, path, provisional.encode(), frozenset())
    framed = FramedContent.of(
        context.group_id,
        context.epoch,
        sender,
        authenticated_data,
        Commit(tuple(one.reference or one.proposal for one in sent), update_path),
    )
    content = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, framed, b"").signed(
        suite, signature_key, context.encode()
    )
    interim = interim_transcript_hash(
        suite, context.confirmed_transcript_hash, info.confirmation_tag
    )
    new_context = final_context(suite, provisional, interim, content)
    _, below = derive_member_secret(suite, init, path.commit_secret, new_context, found)
    secret = epoch_secret(suite, below, new_context)
    state = start_epoch(suite, config, new_context, applied.tree, secret, None)
    member = _first(config, state, own_index, signature_key, path.keys)
    public = PublicMessage(content.with_tag(state.confirmation_tag), None)
    step = Advanced.by(member, own_index, sent, applied, authenticated_data)
    return Staged(encode_message(public), None, step)


def _external_pub(info: GroupInfo) -> bytes:
    data = find_extension(info.extensions, ExtensionType.EXTERNAL_PUB)
    if data is None:  # RFC 9420, 12.4.3.2
        raise InvalidMessage(71, "12.4.3.2", "a group info has no key for external joiners")
    # extension_data holds an HPKEPublicKey, which has a length of its own (section 12.4.3.2).
    return decode_all(lambda reader: reader.opaque(), data)


def _self_remove(view: EpochView, data: bytes) -> SentProposal:
    """A self-remove that waits in this epoch, for an external joiner to take along.

    draft-ietf-mls-extensions-10, section 6.3. Its membership tag is for members to check, and they
    do: they follow only those that they hold.
    """
    message = decode_message(data)
    if not isinstance(message, PublicMessage):
        raise InvalidMessage(69, "12.4.3.2", "an external joiner takes along anything else")
    signed, content = message.content, message.content.content
    if not isinstance(content.content, SelfRemove):
        raise InvalidMessage(69, "12.4.3.2", "an external joiner takes along anything else")
    if (content.group_id, content.epoch) != (view.context.group_id, view.context.epoch):
        raise InvalidMessage(7, "12.1", "a proposal is of another group or epoch")
    leaf = view.leaf(content.sender.index) if content.sender.is_member else None
    if leaf is None:
        raise InvalidMessage(16, "6.3.2", "a message comes from a leaf where nobody is")
    suite = view.tree.suite
    if not signed.signature_valid(suite, leaf.signature_key, view.context.encode()):
        raise InvalidMessage(11, "6.1", "a message's signature is wrong")  # RFC 9420, 6.1
    return SentProposal(content.content, content.sender, signed.proposal_ref(suite))


def branch(
    member: Member,
    group_id: bytes,
    key_packages: Iterable[KeyPackage],
    signature_key: SignatureKey | None,
    *,
    extensions: Extensions,
    now: int,
    entropy: Entropy,
) -> Staged:
    """A new group of some of our members, bound to this epoch (section 11.3)."""
    context = member.current.context
    packages = list(key_packages)
    client = member.config.authentication.client
    present = {client(leaf.credential) for _, leaf in member.tree.leaves()}
    for package in packages:
        if client(package.leaf_node.credential) not in present:  # RFC 9420, 11.3
            raise UsageError("row 100: a branch can only hold members of the group it comes from")
    return _follow_up(
        member,
        ResumptionPSKUsage.BRANCH,
        group_id,
        context.cipher_suite,
        extensions,
        packages,
        signature_key,
        now=now,
        entropy=entropy,
    )


def reinitialize(
    member: Member,
    key_packages: Iterable[KeyPackage],
    signature_key: SignatureKey | None,
    *,
    now: int,
    entropy: Entropy,
) -> Staged:
    """The group that a committed ReInit announced (section 11.2)."""
    reinit = member.reinit
    if reinit is None:
        raise UsageError("this group was not closed by a reinit")
    packages = list(key_packages)
    client = member.config.authentication.client
    before = {client(leaf.credential) for _, leaf in member.tree.leaves()}
    after = {client(package.leaf_node.credential) for package in packages}
    after.add(client(member.own_leaf.credential))
    if before != after:  # RFC 9420, 11.2
        raise UsageError("row 99: the new group must have the members of the old one")
    return _follow_up(
        member,
        ResumptionPSKUsage.REINIT,
        reinit.group_id,
        reinit.cipher_suite,
        reinit.extensions,
        packages,
        signature_key,
        now=now,
        entropy=entropy,
    )


def _follow_up(
    member: Member,
    usage: ResumptionPSKUsage,
    group_id: bytes,
    cipher_suite: int,
    extensions: Extensions,
    key_packages: Sequence[KeyPackage],
    signature_key: SignatureKey | None,
    *,
    now: int,
    entropy: Entropy,
) -> Staged:
    """A group whose first commit mixes in this epoch's resumption secret.

    Sections 11.2 and 11.3.
    """
    context, own_leaf = member.current.context, member.own_leaf
    capabilities = own_leaf.capabilities
    if cipher_suite not in capabilities.cipher_suites:
        raise UsageError("our own capabilities do not list the new group's cipher suite")
    founder = create(
        group_id,
        cipher_suite,
        own_leaf.credential,
        signature_key or member.signature_key,
        config=member.config,
        extensions=extensions,
        capabilities=capabilities,
        leaf_extensions=own_leaf.extensions,
        now=now,
        entropy=entropy,
    )
    name = (context.group_id, context.epoch)
    founder.resumption[name] = member.current.secrets.resumption_psk
    nonce = entropy(founder.current.suite.hash_length)
    psk = PreSharedKey(ResumptionPSKID(usage, context.group_id, context.epoch, nonce))
    return committing.commit(
        founder,
        (*map(Add, key_packages), psk),
        include_pending=False,
        path=False,
        new=committing.SAME_LEAF,
        welcome_tree=True,
        group_info_extensions=(),
        authenticated_data=b"",
        now=now,
        entropy=entropy,
    )


def external_proposal(
    group_info: bytes,
    proposal: Proposal,
    index: int,
    signature_key: SignatureKey,
    *,
    authenticated_data: bytes = b"",
) -> bytes:
    """A proposal by the external sender with this index, as an `MLSMessage` (section 12.1.8).

    `group_info` is a fresh one of the group: it names the epoch that the proposal is for. Raises
    `InvalidMessage` when it is none.
    """
    sender = Sender(SenderType.EXTERNAL, index)
    return _from_outside(group_info, sender, proposal, signature_key, authenticated_data)


def propose_own_add(
    group_info: bytes, own: OwnKeyPackage, *, authenticated_data: bytes = b""
) -> bytes:
    """Our request to be added, as an `MLSMessage` (section 12.1.8).

    `group_info` as for `external_proposal`.
    """
    sender = Sender(SenderType.NEW_MEMBER_PROPOSAL)
    add = Add(own.key_package)
    return _from_outside(group_info, sender, add, own.signature_key, authenticated_data)


def _from_outside(
    group_info: bytes,
    sender: Sender,
    proposal: Proposal,
    signature_key: SignatureKey,
    authenticated_data: bytes,
) -> bytes:
    message = decode_message(group_info)
    if not isinstance(message, GroupInfo):
        raise InvalidMessage(71, "12.4.3", "a message is no group info")
    context = message.group_context
    suite = joining.suite_of_peer(context.cipher_suite, 71, "12.4.3")
    framed = FramedContent.of(context.group_id, context.epoch, sender, authenticated_data, proposal)
    content = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, framed, b"")
    return encode_message(PublicMessage(content.signed(suite, signature_key, b""), None))
