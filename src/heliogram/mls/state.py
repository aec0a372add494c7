"""A group in a store: named records, so that saving after one message does not touch the tree.

Each record has a short name whose first byte tells what it is:

    G               everything small of the epoch: context, secrets, ids
    K               our private keys, by the node they belong to
    N + node        one node of the tree
    W               how many nodes the tree has
    S + epoch + …   a part of that epoch's secret tree: secrets above some unused leaves, or one
                    sender's ratchet
    E + epoch       a past epoch: its context, and the leaves in which it differs from the one after
    P + reference   a proposal that waits
    U + reference   the private keys of our own update
    C               our staged commit with the epoch that it starts; of its tree only what is new

`changes` compares with what it gave out before (the `Journal`) and gives only what differs. Keys
that were used up are in no record that is written afterwards; a record that is no longer needed is
deleted.

The layout has a version. A reader refuses versions that it does not know; saved states of all
versions that were ever released stay loadable (`tests/vectors/heliogram/states`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from itertools import zip_longest

from heliogram.codec import (
    DecodeError,
    Reader,
    decode_all,
    opaque,
    optional,
    u16,
    u32,
    u64,
    vector,
)
from heliogram.mls.app_data import SafeExporter
from heliogram.mls.config import Config
from heliogram.mls.crypto import SUITES, Secret, Suite
from heliogram.mls.epoch import Epoch
from heliogram.mls.errors import InvalidMessage, UsageError
from heliogram.mls.extensions import TREE_CEILING
from heliogram.mls.framing import Sender, SentProposal
from heliogram.mls.key_schedule import EpochSecrets, GroupContext
from heliogram.mls.member import Advanced, Member, OwnUpdate, Staged
from heliogram.mls.proposals import ReInit, decode_proposal, encode_proposal
from heliogram.mls.ratchet_tree import (
    MAX_LEAVES,
    LeafNode,
    Node,
    ParentNode,
    RatchetTree,
)
from heliogram.mls.secret_tree import SecretTree
from heliogram.mls.transition import EpochKeys
from heliogram.mls.tree_math import NodeIndex

VERSION = 1

#: Bytes that one saved value may have.
_CEILING = 1 << 29

_MAGIC = b"hgmls"


# -- writing ---------------------------------------------------------------------------------------


def to_bytes(member: Member) -> Secret:
    """All records of a group as one value."""
    return Secret(_pack(dict(_records(member))))


def changes(member: Member) -> dict[bytes, bytes | None]:
    """The records that the caller's store lacks; None for those that it must delete."""
    journal = member.journal
    changed: dict[bytes, bytes | None] = {}
    names: set[bytes] = set()
    for name, value in _small_records(member):
        names.add(name)
        digest = sha256(value).digest()
        if journal.digests.get(name) != digest:
            journal.digests[name] = digest
            changed[name] = value
    for name in journal.digests.keys() - names:
        del journal.digests[name]
        changed[name] = None
    changed.update(_changed_secrets(member))
    changed.update(_changed_nodes(member))
    return changed


def _changed_secrets(member: Member) -> Iterator[tuple[bytes, bytes | None]]:
    """Parts of secret trees: an epoch's are asked for only what changed, however many there are."""
    saved, journal = member.journal.trees, member.journal
    journal.trees = {e.context.epoch: e.secret_tree for e in (member.current.epoch, *member.past)}
    for number, tree in saved.items():
        if journal.trees.get(number) is not tree:
            yield from ((b"S" + u64(number) + part, None) for part in tree.saved_names())
    for number, tree in journal.trees.items():
        if saved.get(number) is not tree:
            tree.mark_unsaved()
        yield from ((b"S" + u64(number) + part, value) for part, value in tree.changed_records())


def _changed_nodes(member: Member) -> Iterator[tuple[bytes, bytes | None]]:
    saved, nodes = member.journal.nodes, member.tree.nodes
    if saved is nodes:
        return
    yield from _differing(saved, nodes)
    member.journal.nodes = nodes


def _differing(
    before: Sequence[Node], after: Sequence[Node]
) -> Iterator[tuple[bytes, bytes | None]]:
    """Records of the nodes that are not the same in two trees."""
    for position, (old, new) in enumerate(zip_longest(before, after)):
        if old is not new:
            yield b"N" + u32(position), None if new is None else new.encode()


def _records(member: Member) -> Iterator[tuple[bytes, bytes]]:
    yield from _small_records(member)
    for position, node in enumerate(member.tree.nodes):
        if node is not None:
            yield b"N" + u32(position), node.encode()
    yield from _secret_records(member)


def _secret_records(member: Member) -> Iterator[tuple[bytes, bytes]]:
    for epoch in (member.current.epoch, *member.past):
        for part, value in epoch.secret_tree.records():
            yield b"S" + u64(epoch.context.epoch) + part, value


def _small_records(member: Member) -> Iterator[tuple[bytes, bytes]]:
    """Everything but tree nodes and secret trees; none of it grows with the group."""
    yield b"G", _encode_group(member)
    yield (
        b"K",
        vector(u32(node) + opaque(key.secret) for node, key in sorted(member.private_keys.items())),
    )
    yield b"W", u32(len(member.tree.nodes))
    after = member.current.epoch
    for epoch in member.past:
        yield b"E" + u64(epoch.context.epoch), _encode_past(epoch, after)
        after = epoch
    for position, (reference, sent) in enumerate(member.proposals.items()):
        yield b"P" + reference, u32(position) + _encode_sent(sent)
    for reference, update in member.own_updates.items():
        yield (
            b"U" + reference,
            opaque(update.leaf_key.secret) + opaque(update.signature_key.secret),
        )
    if member.staged is not None:
        yield b"C", _encode_staged(member.staged, member.tree)


def _encode_group(member: Member) -> bytes:
    current = member.current
    secrets = current.secrets
    return b"".join(
        (
            u16(VERSION),
            current.context.encode(),
            u32(member.own_leaf_index),
            opaque(member.signature_key.secret),
            opaque(current.confirmation_tag),
            opaque(current.interim_transcript_hash),
            opaque(secrets.sender_data),
            opaque(secrets.exporter),
            opaque(secrets.external),
            opaque(secrets.confirmation_key),
            opaque(secrets.membership_key),
            opaque(secrets.resumption_psk),
            opaque(secrets.epoch_authenticator),
            opaque(secrets.init),
            current.exporter.encode(),
            optional(None if member.reinit is None else member.reinit.body()),
            vector(
                opaque(group_id) + u64(epoch) + opaque(secret)
                for (group_id, epoch), secret in member.resumption.items()
            ),
        )
    )


def _encode_past(epoch: Epoch, after: Epoch) -> bytes:
    """A past epoch, and the leaves in which it differs from the one after it; written once."""
    if epoch.saved is not None and epoch.saved[0] is after:
        return epoch.saved[1]
    ours, theirs = epoch.leaves, after.leaves
    differing = []
    for index, leaf in enumerate(ours):
        other = theirs[index] if index < len(theirs) else None
        if leaf is not other:
            differing.append(u32(index) + optional(None if leaf is None else leaf.encode()))
    encoded = (
        epoch.context.encode()
        + opaque(epoch.sender_data_secret)
        + u32(len(ours))
        + vector(differing)
    )
    epoch.saved = after, encoded
    return encoded


def _encode_sent(sent: SentProposal) -> bytes:
    return sent.sender.encode() + opaque(sent.reference or b"") + encode_proposal(sent.proposal)


def _encode_staged(staged: Staged, tree: RatchetTree) -> bytes:
    """A staged commit; of its tree only the nodes in which it differs from the group's `tree`."""
    step = staged.step
    alone = Member(
        step.member.config,
        step.member.current,
        step.member.own_leaf_index,
        step.member.signature_key,
        step.member.private_keys,
        step.member.reinit,
        resumption=step.member.resumption,
    )
    records = dict(_small_records(alone))
    records.update(_secret_records(alone))
    records.update((name, value or b"") for name, value in _differing(tree.nodes, alone.tree.nodes))
    return b"".join(
        (
            opaque(staged.message),
            optional(None if staged.welcome is None else opaque(staged.welcome)),
            opaque(_pack(records)),
            u32(step.committer),
            vector(map(_encode_sent, step.proposals)),
            vector(map(u32, step.added)),
            vector(map(u32, step.removed)),
            opaque(step.authenticated_data),
        )
    )


def _pack(records: Mapping[bytes, bytes]) -> bytes:
    body = vector(opaque(name) + opaque(value) for name, value in sorted(records.items()))
    packed = _MAGIC + u16(VERSION) + body
    return packed + sha256(packed).digest()


# -- reading ---------------------------------------------------------------------------------------


def from_bytes(data: bytes, config: Config) -> Member:
    """What `to_bytes` wrote. Raises `UsageError`."""
    try:
        member = _unpack(data, config)
    except (DecodeError, InvalidMessage, KeyError) as error:
        raise UsageError("these bytes are no saved group, or of a newer version") from error
    member.journal.nodes = []
    return member


def from_records(records: Mapping[bytes, bytes], config: Config) -> Member:
    """What `changes` gave out. Raises `UsageError`."""
    try:
        member = _load(records, config)
    except (DecodeError, InvalidMessage, KeyError) as error:
        raise UsageError("these records are no saved group, or of a newer version") from error
    journal = member.journal
    journal.nodes = list(member.tree.nodes)
    journal.trees = {e.context.epoch: e.secret_tree for e in (member.current.epoch, *member.past)}
    for name, value in records.items():
        known = name[:1] == b"S" and int.from_bytes(name[1:9], "big") in journal.trees
        if not known and name[:1] != b"N":
            journal.digests[name] = sha256(value).digest()
    return member


def _unpack(data: bytes, config: Config, before: Sequence[Node] = ()) -> Member:
    """`before`: the nodes that a staged commit's tree has but does not hold."""
    reader = Reader(data)
    if reader.fixed(len(_MAGIC)) != _MAGIC or reader.u16() != VERSION:
        raise _damaged()
    inner = reader.rest(_CEILING)
    if not compare_digest(sha256(data[: inner.end]).digest(), data[inner.end :]):
        raise _damaged()
    records: dict[bytes, bytes] = {}
    while not inner.done():
        name = inner.opaque()
        records[name] = inner.opaque(_CEILING)
    return _load(records, config, before)


def _damaged() -> DecodeError:
    return DecodeError("2.1", "a saved group is damaged, or of another version")


def _load(records: Mapping[bytes, bytes], config: Config, before: Sequence[Node] = ()) -> Member:
    reader = Reader(records[b"G"])
    if reader.u16() != VERSION:
        raise _damaged()
    context = GroupContext.decode(reader)
    suite = SUITES[context.cipher_suite]
    own_leaf_index = reader.u32()
    signature_key = suite.signature_key(reader.opaque())
    confirmation_tag, interim = reader.opaque(), reader.opaque()
    sender_data, exporter, external, confirmation, membership, resumption, authenticator, init = (
        Secret(reader.opaque()) for _ in range(8)
    )
    secrets = EpochSecrets(
        sender_data,
        Secret(b""),
        exporter,
        external,
        confirmation,
        membership,
        resumption,
        authenticator,
        init,
    )
    safe_exporter = SafeExporter.decode(suite, reader)
    reinit = ReInit.decode(reader) if reader.optional() else None
    stored = reader.vector(_decode_resumption)
    reader.finish()

    tree = RatchetTree(suite, _nodes(records, before))
    own_leaf = tree.leaf(own_leaf_index)
    if own_leaf is None or own_leaf.signature_key != signature_key.public:
        raise _damaged()
    keys = Reader(records[b"K"]).vector(lambda r: (NodeIndex(r.u32()), suite.hpke_key(r.opaque())))
    epoch = Epoch(
        suite,
        context,
        tree.nodes[::2],
        sender_data,
        _secret_tree(records, suite, config, context.epoch, tree.leaf_count),
    )
    current = EpochKeys(
        suite, context, tree, secrets, safe_exporter, epoch, confirmation_tag, interim
    )
    member = Member(config, current, own_leaf_index, signature_key, dict(keys), reinit)
    member.resumption = dict(stored)
    member.past = _past(records, suite, config, epoch)
    waiting = (value for name, value in records.items() if name[:1] == b"P")
    for _, sent in sorted((decode_all(_decode_waiting, value) for value in waiting), key=_position):
        member.proposals[sent.reference or b""] = sent
    for name, value in records.items():
        if name[:1] == b"U":
            own = Reader(value)
            member.own_updates[name[1:]] = OwnUpdate(
                suite.hpke_key(own.opaque()), suite.signature_key(own.opaque())
            )
            own.finish()
    if b"C" in records:
        member.staged = _staged(records[b"C"], member)
    return member


def _nodes(records: Mapping[bytes, bytes], before: Sequence[Node]) -> list[Node]:
    size = decode_all(Reader.u32, records[b"W"])
    _check_leaf_count(size // 2 + 1 if size & 1 else 0)
    nodes: list[Node] = [*before[:size], *[None] * (size - len(before))]
    for name, value in records.items():
        if name[:1] == b"N":
            position = int.from_bytes(name[1:], "big")
            if position >= size:
                if value:
                    raise _damaged()
            elif not value:
                nodes[position] = None
            elif position & 1:
                nodes[position] = decode_all(ParentNode.decode, value)
            else:
                nodes[position] = decode_all(LeafNode.decode, value)
    return nodes


def _check_leaf_count(count: int) -> None:
    """Refuse what is no size of a tree, before there is a list of that size."""
    if not 0 < count <= MAX_LEAVES or count & (count - 1):
        raise _damaged()


def _secret_tree(
    records: Mapping[bytes, bytes], suite: Suite, config: Config, epoch: int, leaf_count: int
) -> SecretTree:
    tree = SecretTree(
        suite,
        leaf_count,
        None,
        max_forward=config.max_forward,
        max_skipped=config.max_skipped,
    )
    prefix = b"S" + u64(epoch)
    tree.load({name[9:]: value for name, value in records.items() if name.startswith(prefix)})
    return tree


def _past(
    records: Mapping[bytes, bytes], suite: Suite, config: Config, current: Epoch
) -> list[Epoch]:
    past: list[Epoch] = []
    after = current
    for name in sorted((name for name in records if name[:1] == b"E"), reverse=True):
        reader = Reader(records[name])
        context = GroupContext.decode(reader)
        # What a past epoch differs in is written against the one after it: their order is part of it.
        if name != b"E" + u64(context.epoch) or context.epoch >= after.context.epoch:
            raise _damaged()
        sender_data = Secret(reader.opaque())
        size = reader.u32()
        _check_leaf_count(size)
        leaves = list(after.leaves[:size]) + [None] * (size - len(after.leaves))
        inner = reader.rest(TREE_CEILING)
        reader.finish()
        while not inner.done():
            index = inner.u32()
            if index >= size:
                raise _damaged()
            leaves[index] = LeafNode.decode(inner) if inner.optional() else None
        tree = _secret_tree(records, suite, config, context.epoch, size)
        after = Epoch(suite, context, leaves, sender_data, tree)
        past.append(after)
    return past


def _staged(value: bytes, member: Member) -> Staged:
    reader = Reader(value)
    message = reader.opaque(_CEILING)
    welcome = reader.opaque(_CEILING) if reader.optional() else None
    after = _unpack(reader.opaque(_CEILING), member.config, member.tree.nodes)
    resumption = after.resumption
    after.follow(member)
    after.resumption = resumption
    step = Advanced(
        after,
        reader.u32(),
        reader.vector(_decode_sent, _CEILING),
        reader.vector(Reader.u32, _CEILING, MAX_LEAVES),
        reader.vector(Reader.u32, _CEILING, MAX_LEAVES),
        reader.opaque(_CEILING),
    )
    reader.finish()
    return Staged(message, welcome, step)


def _decode_sent(reader: Reader) -> SentProposal:
    sender = Sender.decode(reader)
    reference = reader.opaque()
    return SentProposal(decode_proposal(reader), sender, reference or None)


def _decode_waiting(reader: Reader) -> tuple[int, SentProposal]:
    return reader.u32(), _decode_sent(reader)


def _position(waiting: tuple[int, SentProposal]) -> int:
    return waiting[0]


def _decode_resumption(reader: Reader) -> tuple[tuple[bytes, int], Secret]:
    return (reader.opaque(), reader.u64()), Secret(reader.opaque())
