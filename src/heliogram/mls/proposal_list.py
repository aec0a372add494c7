"""A commit's list of proposals: whether it is valid, and what it does. RFC 9420, sections 12.2 and
12.3.

The same code runs in who makes a commit and in who receives one, so both refuse the same lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from heliogram.codec import DEFAULT_ITEMS
from heliogram.mls import app_data
from heliogram.mls.config import Config, EpochView
from heliogram.mls.errors import InvalidMessage
from heliogram.mls.extensions import (
    COMPONENT_CEILING,
    Extensions,
    Place,
    check_extensions,
    check_readable,
    external_senders,
    find_extension,
    required_capabilities,
)
from heliogram.mls.framing import Sender, SenderType, SentProposal
from heliogram.mls.key_packages import KeyPackage, check_key_package
from heliogram.mls.proposals import (
    ID_CEILING,
    Add,
    AppDataUpdate,
    AppEphemeral,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    ResumptionPSKID,
    ResumptionPSKUsage,
    SelfRemove,
    Update,
)
from heliogram.mls.ratchet_tree import (
    LeafNode,
    LeafNodeSource,
    RatchetTree,
    check_leaf,
    check_lifetime,
)
from heliogram.mls.registries import DEFAULT_PROPOSALS, ExtensionType, ProposalType

P = TypeVar("P")

#: A commit that lists one of these, or nothing at all, carries a path (RFC 9420, 12.4).
PATH_REQUIRED = (Update, Remove, ExternalInit, GroupContextExtensions, SelfRemove)

#: What somebody outside may propose (RFC 9420, 12.1.8; draft-ietf-mls-extensions-10, section 8.2).
EXTERNAL_PROPOSALS = (
    Add,
    Remove,
    PreSharedKey,
    ReInit,
    GroupContextExtensions,
    AppDataUpdate,
    AppEphemeral,
)

#: What an external joiner's commit may list (RFC 9420, 12.2; draft-ietf-mls-extensions-10, section
#: 8.2).
EXTERNAL_COMMIT = (ExternalInit, Remove, PreSharedKey, SelfRemove, AppDataUpdate, AppEphemeral)

#: The last number that an epoch can have.
LAST_EPOCH = (1 << 64) - 1

#: Key packages that one task of a parallel check verifies.
_CHUNK = 32


@dataclass(slots=True)
class Applied:
    """What a valid list does: the next epoch before the commit's path is put in."""

    tree: RatchetTree
    extensions: Extensions
    #: (leaf index, key package) of new members, in the order of the list.
    added: list[tuple[int, KeyPackage]] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)
    #: Leaf indices of updated members with their new leaf.
    updated: dict[int, LeafNode] = field(default_factory=dict)
    psks: list[PreSharedKeyID] = field(default_factory=list)
    external_init: ExternalInit | None = None
    reinit: ReInit | None = None
    path_required: bool = False

    @property
    def added_leaves(self) -> frozenset[int]:
        """The leaf indices of new members."""
        return frozenset(leaf_index for leaf_index, _ in self.added)


def path_required(proposals: Sequence[Proposal]) -> bool:
    """Whether a commit of this list must carry a path (the pseudocode of RFC 9420, 12.4)."""
    return not proposals or any(isinstance(proposal, PATH_REQUIRED) for proposal in proposals)


def check_sender(sender: Sender, proposal: Proposal) -> None:
    """Refuse a proposal that this kind of sender cannot make (rows 12 and 48).

    That an external sender is in the group's list, and a new member proposes its own add, was
    checked with the signature: both say whose key to verify with.
    """
    if isinstance(proposal, Update) and not sender.is_member:  # RFC 9420, 12.1.2
        raise InvalidMessage(48, "12.1.2", "an update comes from somebody who is no member")
    outside = sender.sender_type is SenderType.EXTERNAL
    if outside and not isinstance(proposal, EXTERNAL_PROPOSALS):  # RFC 9420, 12.1.8
        raise InvalidMessage(12, "12.1.8", "an external sender proposes what it cannot")


def check_proposal(view: EpochView, config: Config, sent: SentProposal, *, now: int) -> None:
    """Refuse a single proposal that no commit of this epoch may hold (sections 12.1 and 12.2).

    Rows 12, 15, 22 to 52 where they concern one proposal. Raises `InvalidMessage`.
    """
    proposal, sender = sent.proposal, sent.sender
    check_sender(sender, proposal)
    if not config.policy.allows_proposal(view, sent):
        what = "the application does not allow this proposal"
        if sender.is_member:  # RFC 9420, 12.2
            raise InvalidMessage(65, "12.2", what)
        if sender.sender_type is SenderType.NEW_MEMBER_COMMIT:  # RFC 9420, 12.4.3.2
            raise InvalidMessage(72, "12.4.3.2", what)
        raise InvalidMessage(15, "12.1.8", what)  # RFC 9420, 12.1.8
    if isinstance(proposal, Add):
        check_add(view.tree, config, proposal.key_package, now=now)
    elif isinstance(proposal, Update):
        check_update(view, config, sender.index, proposal.leaf_node, now=now)
    elif isinstance(proposal, Remove):
        if view.leaf(proposal.removed) is None:  # RFC 9420, 12.1.3
            raise InvalidMessage(49, "12.1.3", "a remove names a leaf where nobody is")
    elif isinstance(proposal, PreSharedKey):
        _check_psk(view, proposal.psk)
    elif isinstance(proposal, AppDataUpdate):
        _check_size(proposal.update or b"", COMPONENT_CEILING)
    elif isinstance(proposal, AppEphemeral):
        _check_size(proposal.data, COMPONENT_CEILING)
    elif isinstance(proposal, ReInit):
        _check_size(proposal.group_id, ID_CEILING)
        if proposal.version < view.context.version:  # RFC 9420, 12.1.5
            raise InvalidMessage(51, "12.1.5", "a reinit goes back to an older version")
        check_extensions(proposal.extensions, Place.GROUP_CONTEXT)
        check_readable(proposal.extensions)
    elif isinstance(proposal, ExternalInit):
        if sender.sender_type is not SenderType.NEW_MEMBER_COMMIT:  # RFC 9420, 12.1.6 and 12.2
            raise InvalidMessage(63, "12.2", "a member proposes an external init")
    elif isinstance(proposal, GroupContextExtensions):
        check_group_extensions(config, proposal.extensions, now=now)
    elif isinstance(proposal, SelfRemove):
        if sent.reference is None:
            raise InvalidMessage(54, "12.2", "a self-remove is committed by reference only")


def check_group_extensions(config: Config, extensions: Extensions, *, now: int) -> None:
    """Refuse extensions that no group context may have (rows 32, 34 and 52)."""
    check_extensions(extensions, Place.GROUP_CONTEXT)
    app_data.decode_dictionary(extensions)
    for external in external_senders(extensions):  # RFC 9420, 5.3.1
        if not config.authentication.accepts(external.credential, external.signature_key, now=now):
            raise InvalidMessage(52, "5.3.1", "an external sender's credential is not accepted")


def check_add(tree: RatchetTree, config: Config, key_package: KeyPackage, *, now: int) -> None:
    """Refuse a key package that cannot be added (section 12.1.1; row 47, by the rows of what is wrong).

    The span of its lifetime is checked, not whether it is still running: members process a commit
    at different times, and must not disagree about it. Whoever adds checks that too.
    """
    check_key_package(key_package, tree.suite)
    _check_new_leaf(config, key_package.leaf_node, now=now)


def _check_new_leaf(config: Config, leaf: LeafNode, *, now: int) -> None:
    lifetime = leaf.lifetime
    if lifetime is not None:
        check_lifetime(leaf, lifetime.not_before, config.max_lifetime)
    check_credential(config, leaf, now=now)


def check_credential(config: Config, leaf: LeafNode, *, now: int) -> None:
    """Ask the authentication service whether this leaf's credential belongs to its key (row 23)."""
    if not config.authentication.accepts(leaf.credential, leaf.signature_key, now=now):
        raise InvalidMessage(23, "5.3.1", "a member's credential is not accepted")


def check_successor(config: Config, old: LeafNode, new: LeafNode, *, now: int) -> None:
    """Refuse a new leaf of a member whose credential does not follow from the old one (rows 23,
    24).
    """
    if (new.credential, new.signature_key) == (old.credential, old.signature_key):
        return
    check_credential(config, new, now=now)
    if not config.authentication.is_successor(old.credential, new.credential):
        raise InvalidMessage(24, "5.3.1", "a member's new credential does not follow the old one")


def check_update(
    view: EpochView, config: Config, leaf_index: int, leaf: LeafNode, *, now: int
) -> None:
    """Refuse an update of the member at this leaf (section 12.1.2; rows 22, 24, 36 and 48)."""
    old = view.leaf(leaf_index)
    if old is None:
        raise InvalidMessage(48, "12.1.2", "an update comes from somebody who is no member")
    suite = view.tree.suite
    check_leaf(leaf, suite, LeafNodeSource.UPDATE)
    if leaf.encryption_key == old.encryption_key:  # RFC 9420, 7.3
        raise InvalidMessage(36, "7.3", "an update keeps the encryption key it should replace")
    check_successor(config, old, leaf, now=now)
    if not leaf.signature_valid(suite, view.context.group_id, leaf_index):  # RFC 9420, 7.3
        raise InvalidMessage(22, "7.3", "a leaf node's signature is wrong")


def check_resync(view: EpochView, config: Config, removed: int, new: LeafNode) -> None:
    """An external joiner may only remove itself: its leaf would do as an update of the removed one.

    Section 12.2; row 68.
    """
    old = view.leaf(removed)
    if old is None:  # RFC 9420, 12.1.3
        raise InvalidMessage(49, "12.1.3", "a remove names a leaf where nobody is")
    same = (new.credential, new.signature_key) == (old.credential, old.signature_key)
    if not same and not config.authentication.is_successor(old.credential, new.credential):
        raise InvalidMessage(68, "12.2", "an external joiner removes somebody else")
    if old.encryption_key == new.encryption_key:  # RFC 9420, 7.3 and 12.2
        raise InvalidMessage(68, "12.2", "an external joiner keeps its old encryption key")


def _check_size(value: bytes, ceiling: int) -> None:
    """Refuse to send what others could not read. What we receive has passed this already."""
    if len(value) > ceiling:
        raise InvalidMessage(6, "16.1", "a proposal holds more bytes than others accept")


def _check_psk(view: EpochView, psk_id: PreSharedKeyID) -> None:
    name = psk_id.psk_group_id if isinstance(psk_id, ResumptionPSKID) else psk_id.psk_id
    _check_size(name, ID_CEILING)
    if len(psk_id.psk_nonce) != view.tree.suite.hash_length:  # RFC 9420, 12.1.4
        raise InvalidMessage(50, "12.1.4", "a pre-shared key's nonce has the wrong length")
    # Reinit and branch secrets start a group, so only its first commit has them.
    if (
        isinstance(psk_id, ResumptionPSKID)
        and psk_id.usage is not ResumptionPSKUsage.APPLICATION
        and view.context.epoch != 0
    ):  # RFC 9420, 12.1.4
        raise InvalidMessage(50, "12.1.4", "a resumption secret is used for what it is not")


def apply_proposals(
    view: EpochView,
    config: Config,
    proposals: Sequence[SentProposal],
    committer: int | None,
    *,
    checked: frozenset[bytes] = frozenset(),
    now: int,
) -> Applied:
    """The next epoch's tree and extensions, when the list is valid (sections 12.2 and 12.3).

    `committer` is a leaf index, or None for an external joiner. `checked` names proposals by
    reference that passed `check_proposal` in this epoch already. Raises `InvalidMessage`; nothing
    is changed.
    """
    if committer is None:
        _check_external_list(proposals)
    else:
        _check_member_list(view, proposals, committer)
    _check_any_list(view, proposals)
    if len(proposals) > DEFAULT_ITEMS:  # RFC 9420, 16.1
        raise InvalidMessage(6, "16.1", "a commit lists more proposals than others accept")
    if view.context.epoch == LAST_EPOCH:  # RFC 9420, 8.1
        raise InvalidMessage(6, "8.1", "a group has no number left for another epoch")
    fresh = [sent for sent in proposals if sent.reference not in checked]
    _check_each(view, config, fresh, now=now)
    if not config.policy.allows_commit(view, committer, proposals):
        if committer is None:  # RFC 9420, 12.4.3.2
            raise InvalidMessage(72, "12.4.3.2", "the application does not let this client join")
        raise InvalidMessage(65, "12.4", "the application does not allow this commit")

    if any(isinstance(sent.proposal, Add) for sent in proposals):
        view.tree.clients(config.authentication.client)  # counted here, for all copies to come
    applied = Applied(view.tree.copy(), view.context.extensions)
    applied.path_required = path_required([sent.proposal for sent in proposals])
    tree = applied.tree
    for extensions in _each(proposals, GroupContextExtensions):
        applied.extensions = _new_extensions(view.context.extensions, extensions.extensions)
    for sent in proposals:
        if isinstance(sent.proposal, Update):
            tree.update_leaf(sent.sender.index, sent.proposal.leaf_node)
            applied.updated[sent.sender.index] = sent.proposal.leaf_node
    leaving = [sent.sender.index for sent in proposals if isinstance(sent.proposal, SelfRemove)]
    leaving += [remove.removed for remove in _each(proposals, Remove)]
    for leaf_index in leaving:
        tree.remove_leaf(leaf_index)
        applied.removed.add(leaf_index)
    _check_supported(tree, proposals)
    for add in _each(proposals, Add):
        applied.added.append((tree.add_leaf(add.key_package.leaf_node), add.key_package))
    applied.psks = [psk.psk for psk in _each(proposals, PreSharedKey)]
    applied.external_init = next(_each(proposals, ExternalInit), None)
    applied.reinit = next(_each(proposals, ReInit), None)
    if updates := list(_each(proposals, AppDataUpdate)):
        applied.extensions = _update_components(config, applied.extensions, updates)
    if applied.extensions is not view.context.extensions:
        check_readable(applied.extensions)
    if applied.added:
        _check_clients(config, applied)
    tree.check_members(applied.extensions)  # RFC 9420, 12.2 (row 64)
    return applied


def _each(proposals: Iterable[SentProposal], kind: type[P]) -> Iterator[P]:
    return (sent.proposal for sent in proposals if isinstance(sent.proposal, kind))


def _check_each(
    view: EpochView, config: Config, proposals: list[SentProposal], *, now: int
) -> None:
    """`check_proposal` for each; many key packages are shared out over `config.parallel`."""
    if len(proposals) <= _CHUNK:
        for sent in proposals:
            check_proposal(view, config, sent, now=now)
        return

    def check_chunk(chunk: list[SentProposal]) -> None:
        for sent in chunk:
            check_proposal(view, config, sent, now=now)

    chunks = [proposals[i : i + _CHUNK] for i in range(0, len(proposals), _CHUNK)]
    for _ in config.parallel(check_chunk, chunks):
        pass


def _check_member_list(view: EpochView, proposals: Sequence[SentProposal], committer: int) -> None:
    """Section 12.2, "regular commit": rows 55 to 57 and 62."""
    touched: set[int] = set()
    for sent in proposals:
        proposal = sent.proposal
        if isinstance(proposal, Update):
            leaf_index = sent.sender.index
            if leaf_index == committer:  # RFC 9420, 12.2
                raise InvalidMessage(55, "12.2", "a committer updates itself by a proposal")
        elif isinstance(proposal, Remove):
            leaf_index = proposal.removed
            if leaf_index == committer:  # RFC 9420, 12.2
                raise InvalidMessage(56, "12.2", "a committer removes itself")
        elif isinstance(proposal, SelfRemove):
            leaf_index = sent.sender.index
            if leaf_index == committer:  # draft-ietf-mls-extensions-10, 6.3
                raise InvalidMessage(56, "12.2", "a committer removes itself")
        else:
            if isinstance(proposal, ReInit) and len(proposals) > 1:  # RFC 9420, 12.2
                raise InvalidMessage(62, "12.2", "a reinit is committed with other proposals")
            continue
        if leaf_index in touched:  # RFC 9420, 12.2
            raise InvalidMessage(57, "12.2", "two proposals touch one leaf")
        touched.add(leaf_index)


def _check_external_list(proposals: Sequence[SentProposal]) -> None:
    """Section 12.2, "external commit": rows 57, 67 and 69."""
    kinds = Counter(type(sent.proposal) for sent in proposals)
    leaving: set[int] = set()
    for sent in proposals:
        # draft-ietf-mls-extensions-10, 6.3: a self-remove may come along, and only by reference.
        if sent.reference is not None and not isinstance(sent.proposal, SelfRemove):
            raise InvalidMessage(69, "12.4.3.2", "an external commit refers to a proposal")
        if not isinstance(sent.proposal, EXTERNAL_COMMIT):  # RFC 9420, 12.2
            raise InvalidMessage(67, "12.2", "an external commit lists what it cannot")
        if isinstance(sent.proposal, Remove | SelfRemove):
            leaf = sent.proposal.removed if isinstance(sent.proposal, Remove) else sent.sender.index
            if leaf in leaving:  # draft-ietf-mls-extensions-10, 6.3
                raise InvalidMessage(57, "12.2", "two proposals touch one leaf")
            leaving.add(leaf)
    if kinds[ExternalInit] != 1 or kinds[Remove] > 1:  # RFC 9420, 12.2
        raise InvalidMessage(67, "12.2", "an external commit lists what it cannot")


def _check_any_list(view: EpochView, proposals: Sequence[SentProposal]) -> None:
    """What holds for every list: rows 60 and 61."""
    seen: set[bytes] = set()
    contexts = 0
    for sent in proposals:
        proposal = sent.proposal
        if isinstance(proposal, PreSharedKey):
            # RFC 9420, 12.2 compares whole ids; the same secret under two nonces adds nothing, so
            # it is refused as well.
            name = replace(proposal.psk, psk_nonce=b"").encode()
            if name in seen:
                raise InvalidMessage(60, "12.2", "one pre-shared key is listed twice")
            seen.add(name)
        elif isinstance(proposal, GroupContextExtensions):
            contexts += 1
            if contexts > 1:  # RFC 9420, 12.2
                raise InvalidMessage(61, "12.2", "the group's extensions are replaced twice")
            _check_dictionary_kept(view.context.extensions, proposal.extensions)


def _check_supported(tree: RatchetTree, proposals: Sequence[SentProposal]) -> None:
    """Who processes the commit understands each type in it; `tree` is without those leaving (row
    53).
    """
    for kind in {int(sent.proposal.proposal_type) for sent in proposals} - DEFAULT_PROPOSALS:
        if not tree.supports_proposal(kind):  # RFC 9420, 12.2
            raise InvalidMessage(53, "12.2", "a member does not know the type of a proposal")


def _check_clients(config: Config, applied: Applied) -> None:
    """No client twice in the new tree; those removed in the list have left it (rows 58 and 59)."""
    client = config.authentication.client
    present = applied.tree.clients(client)
    new = Counter(client(package.leaf_node.credential) for _, package in applied.added)
    for name, count in new.items():
        if count > 1:  # RFC 9420, 12.2
            raise InvalidMessage(58, "12.2", "one client is added twice")
        if present[name] > 1:  # RFC 9420, 12.2
            raise InvalidMessage(59, "12.2", "a client is added that is a member already")


# -- the app data dictionary: draft-ietf-mls-extensions-10, section 4.7 ----------------------------


def _owns_dictionary(extensions: Extensions) -> bool:
    """Whether only AppDataUpdate may change the dictionary: all members must know that proposal."""
    required = required_capabilities(extensions)
    return required is not None and ProposalType.APP_DATA_UPDATE in required.proposals


def _check_dictionary_kept(old: Extensions, new: Extensions) -> None:
    data = find_extension(new, ExtensionType.APP_DATA_DICTIONARY)
    if data is not None and _owns_dictionary(old):
        if data != find_extension(old, ExtensionType.APP_DATA_DICTIONARY):
            raise InvalidMessage(52, "12.1.7", "the app data dictionary is replaced as a whole")


def _new_extensions(old: Extensions, new: Extensions) -> Extensions:
    """Replaced wholesale (section 12.1.7), but for a dictionary only AppDataUpdate changes."""
    if (
        not _owns_dictionary(old)
        or find_extension(new, ExtensionType.APP_DATA_DICTIONARY) is not None
    ):
        return new
    kept = (e for e in old if e.extension_type == ExtensionType.APP_DATA_DICTIONARY)
    return (*new, *kept)


def _update_components(
    config: Config, extensions: Extensions, updates: list[AppDataUpdate]
) -> Extensions:
    components = app_data.decode_dictionary(extensions)
    changes: dict[int, list[AppDataUpdate]] = {}
    for update in updates:
        changes.setdefault(update.component_id, []).append(update)
    for number, changed in changes.items():
        current = components.get(number)
        if any(update.update is None for update in changed):
            if len(changed) > 1 or current is None:
                raise InvalidMessage(
                    64, "12.2", "a component is removed that is not alone or absent"
                )
            del components[number]
            continue
        values = [update.update for update in changed if update.update is not None]
        value = config.policy.update_component(number, current, values)
        if value is None:
            raise InvalidMessage(64, "12.2", "the application refuses a component's update")
        components[number] = value
    others = tuple(e for e in extensions if e.extension_type != ExtensionType.APP_DATA_DICTIONARY)
    return (*others, app_data.encode_dictionary(components))
