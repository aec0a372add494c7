"""What a message may cost: never more than its size explains, whatever is in it.

A message is read before anybody knows who sent it, and whoever invites us has made every byte of
the group. So each list has a ceiling on its items, each check is linear, and nothing that is kept
between messages grows with what a peer sends. Here are the dearest messages that we could think of,
16 MiB where the format lets them be so long.

Measured is processor time, and memory as `tracemalloc` sees it. The limits are wide: what they are
to catch is a quadratic loop, which misses them by far.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from heliogram import mls
from heliogram.codec import DecodeError, Reader, opaque, u16, u32, u64, varint
from heliogram.mls import extensions, tree_math
from heliogram.mls.commits import GroupInfo
from heliogram.mls.crypto import SUITES, SignatureKey
from heliogram.mls.framing import decode_message, encode_message
from heliogram.mls.key_schedule import GroupContext
from heliogram.mls.ratchet_tree import MAX_LEAVES, LeafNodeSource, Node, ParentNode, RatchetTree
from heliogram.mls.secret_tree import RatchetKind, SecretTree
from tests.fuzz.world import CONFIG, NOW, Stream

MIB = 1 << 20
SECONDS, SECONDS_PER_MIB = 3.0, 0.3
MEMORY, MEMORY_PER_BYTE = 64 * MIB, 8

SUITE = SUITES[1]
ENTROPY = Stream(b"cost")


def answer(attempt: Callable[[], object]) -> str:
    """What an attempt said: the text of a refusal, or nothing."""
    try:
        attempt()
    except (DecodeError, mls.InvalidMessage, mls.UsageError) as error:
        return str(error)
    return ""


def check_time(attempt: Callable[[], object], size: int) -> str:
    """Make an attempt on a message of `size` bytes in the time that it may take; what it said."""
    start = time.process_time()
    said = answer(attempt)
    seconds = time.process_time() - start
    assert seconds < SECONDS + SECONDS_PER_MIB * size / MIB, f"{seconds:.1f} s"
    return said


def check_memory(attempt: Callable[[], object], size: int) -> None:
    """The same for the memory that it may need. Slow: use small messages."""
    tracemalloc.start()
    try:
        answer(attempt)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY + MEMORY_PER_BYTE * size, f"{peak // MIB} MiB"


# --- Long lists of little items -------------------------------------------------------------------

LEAF = opaque(bytes(32)) + opaque(bytes(32)) + b"\x00\x01\x01a" + bytes(5) + b"\x02\x00\x00"
PACKAGE = b"\x00\x01\x00\x01\x00" + LEAF + b"\x00\x00"
CONTEXT = b"\x00\x01\x00\x01\x00" + bytes(8) + b"\x00\x00"


def many(item: bytes, size: int) -> bytes:
    """A vector of as many such items as fit."""
    count = size // len(item)
    return varint(count * len(item)) + item * count


def public(content: bytes) -> bytes:
    """A PublicMessage with a commit that nobody signed."""
    head = b"\x00\x01\x00\x01" + opaque(b"a group") + u64(1) + b"\x01" + u32(0) + b"\x00\x03"
    return head + content + b"\x00\x00\x00"


EXTENSION = b"\x0a\x0a\x00"
LONG_LISTS: dict[str, Callable[[int], bytes]] = {
    "self-removes": lambda size: public(many(b"\x01\x00\x0a", size) + b"\x00"),
    "references": lambda size: public(many(b"\x02\x00", size) + b"\x00"),
    "adds": lambda size: public(many(b"\x01\x00\x01" + PACKAGE, size) + b"\x00"),
    "pre-shared keys": lambda size: public(many(b"\x01\x00\x04\x01\x00\x00", size) + b"\x00"),
    "path nodes": lambda size: public(b"\x00\x01" + LEAF + many(b"\x00\x00", size)),
    "ciphertexts": lambda size: public(
        b"\x00\x01" + LEAF + opaque(b"\x00" + many(b"\x00\x00\x00\x01a", size))
    ),
    "equal ciphertexts": lambda size: public(
        b"\x00\x01" + LEAF + opaque(b"\x00" + many(b"\x00\x00", size))
    ),
    "joiners": lambda size: b"\x00\x01\x00\x03\x00\x01" + many(bytes(3), size) + b"\x00",
    "extensions of a group info": lambda size: (
        b"\x00\x01\x00\x04" + CONTEXT + b"\x00" + many(EXTENSION, size) + bytes(6)
    ),
    "extensions of a context": lambda size: (
        b"\x00\x01\x00\x04" + CONTEXT + many(EXTENSION, min(size, MIB)) + bytes(7)
    ),
    "extensions of a key package": lambda size: (
        b"\x00\x01\x00\x05" + PACKAGE[:-2] + many(EXTENSION, min(size, MIB)) + b"\x00"
    ),
    "certificates": lambda size: (
        b"\x00\x01\x00\x05\x00\x01\x00\x01\x00\x00\x00\x00\x02"
        + many(b"\x00", min(size, 1 << 17))
        + bytes(9)
    ),
}


@pytest.mark.parametrize("message_of", LONG_LISTS.values(), ids=LONG_LISTS)
def test_lists_of_little_items_are_cut_short(message_of: Callable[[int], bytes]) -> None:
    message = message_of(16 * MIB)
    said = check_time(lambda: decode_message(message), len(message))
    assert said.startswith("RFC 9420, 16.1: "), said
    message = message_of(MIB)
    check_memory(lambda: decode_message(message), len(message))


def test_a_long_message_of_few_items_is_cheap() -> None:
    head = b"\x00\x01\x00\x02" + opaque(b"a group") + u64(1) + b"\x01\x00\x00"
    message = head + many(b"x", 16 * MIB)
    assert check_time(lambda: decode_message(message), len(message)) == ""
    check_memory(lambda: decode_message(message), len(message))


# --- What stays in memory -------------------------------------------------------------------------


def test_what_is_kept_for_later_is_small() -> None:
    """Parsed capabilities are shared by those who say the same. Nobody may fill that store."""

    def read() -> None:
        for number in range(300):
            values = many(u16(number), 4096)
            mls.Capabilities.decode(Reader(values * 5))
            data = many(u16(number), 4096) * 3
            extensions.required_capabilities((mls.Extension(3, data),))
            sender = opaque(u32(number)) + b"\x00\x01" + opaque(bytes(10_000))
            extensions.external_senders((mls.Extension(5, opaque(sender)),))

    tracemalloc.start()
    try:
        read()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert left < 8 * MIB


# --- Groups that somebody else made ---------------------------------------------------------------

FOUNDER = SUITE.new_signature_key(ENTROPY)


def key(number: int) -> bytes:
    """What passes for a public key, another one for each number."""
    return b"key" + number.to_bytes(29, "big")


def leaf(
    index: int,
    *,
    signer: SignatureKey | None = None,
    parent_hash: bytes | None = None,
    capabilities: mls.Capabilities | None = None,
    extensions: tuple[mls.Extension, ...] = (),
) -> mls.LeafNode:
    """A member, with a good signature."""
    signer = signer or SUITE.new_signature_key(ENTROPY)
    made = parent_hash is None
    return mls.LeafNode(
        key(index),
        signer.public,
        mls.BasicCredential(b"%d" % index),
        capabilities or mls.Capabilities((1,), (1,), (), (), (1,)),
        LeafNodeSource.KEY_PACKAGE if made else LeafNodeSource.COMMIT,
        mls.Lifetime(0, 2 * NOW) if made else None,
        parent_hash,
        extensions,
        b"",
    ).signed(SUITE, signer, b"a group", index)


def founder(**more: bytes) -> mls.LeafNode:
    """The member who signs for the group, and of whom we have the key."""
    return leaf(0, signer=FOUNDER, parent_hash=more.get("parent_hash"))


def check_joining(tree: RatchetTree, *group_extensions: mls.Extension) -> None:
    """Join a group with this tree from outside, up to the last check, within the limits."""
    context = GroupContext(1, 1, b"a group", 3, tree.tree_hash(), b"", group_extensions)
    carried = (mls.Extension(2, tree.encode()), mls.Extension(4, opaque(key(9))))
    info = encode_message(GroupInfo(context, carried, bytes(32), 0).signed(SUITE, FOUNDER))

    def join() -> None:
        mls.Group.join_external(
            info, mls.BasicCredential(b"us"), FOUNDER, config=CONFIG, now=NOW, entropy=ENTROPY
        )

    # Everything about the group is right. What is refused in the end is that we have the founder's key.
    assert check_time(join, len(info)).endswith("two nodes of the tree have the same key")
    if tree.leaf_count <= 4096:
        check_memory(join, len(info))


def test_a_tree_of_blanks() -> None:
    nodes: list[Node] = [None] * (2 * MAX_LEAVES - 1)
    nodes[0], nodes[-1] = founder(), leaf(MAX_LEAVES - 1)
    check_joining(RatchetTree(SUITE, nodes))


def test_many_unmerged_leaves_in_many_parents() -> None:
    """One member made a path while it was alone; all others came later, and are in each list."""
    count = 4096
    nodes: list[Node] = [None] * (2 * count - 1)
    nodes[::2] = [founder(), *(leaf(index) for index in range(1, count))]
    tree = RatchetTree(SUITE, nodes)
    parent_hash = b""
    for node, beside in reversed(list(_path(count))):
        unmerged = tuple(index for index in tree_math.leaves_below(node) if index)
        parent = ParentNode(key(count + node), parent_hash, unmerged)
        tree.set_parent(node, parent)
        parent_hash = tree.parent_hash(parent, beside)
    tree.set_leaf(0, founder(parent_hash=parent_hash))
    check_joining(tree)


def _path(count: int) -> Iterator[tuple[tree_math.NodeIndex, tree_math.NodeIndex]]:
    return zip(tree_math.direct_path(0, count), tree_math.copath(0, count), strict=True)


def test_long_capabilities_of_all_kinds() -> None:
    """Each member lists thousands of values, no two the same ones, and all are required."""
    wanted = tuple(range(0x1000, 0x1000 + 2040))
    count = 256
    nodes: list[Node] = [None] * (2 * count - 1)
    for index in range(1, count):
        said = mls.Capabilities((1,), (1,), (*wanted, index), (*wanted, index), (1,))
        nodes[2 * index] = leaf(index, capabilities=said)
    nodes[0] = leaf(
        0, signer=FOUNDER, capabilities=mls.Capabilities((1,), (1,), wanted, wanted, (1,))
    )
    required = mls.RequiredCapabilities(wanted, wanted, (1,)).extension()
    context = GroupContext(1, 1, b"a group", 3, bytes(32), b"", (required,))
    tree = RatchetTree(SUITE, nodes)
    size = len(tree.encode())
    assert check_time(lambda: tree.check_members(context.extensions), size) == ""


def test_many_extensions_in_each_leaf() -> None:
    kinds = range(0x1000, 0x1000 + 1000)
    carried = tuple(mls.Extension(kind, b"") for kind in kinds)
    capabilities = mls.Capabilities((1,), (1,), tuple(reversed(kinds)), (), (1,))
    count = 128
    nodes: list[Node] = [None] * (2 * count - 1)
    nodes[0] = founder()
    for index in range(1, count):
        nodes[2 * index] = leaf(index, capabilities=capabilities, extensions=carried)
    check_joining(RatchetTree(SUITE, nodes))


# --- Inside a group -------------------------------------------------------------------------------


def test_a_message_that_skips_generations() -> None:
    """A sender may be ahead by `max_forward`, and no further; trying costs us only that."""
    tree = SecretTree(SUITE, MAX_LEAVES, mls.Secret(bytes(32)), max_forward=1000, max_skipped=2000)
    for generation in (1000, 1001, 1 << 20, (1 << 32) - 1):
        find = partial(tree.find, 5, RatchetKind.HANDSHAKE, generation)
        assert bool(check_time(find, 0)) == (generation > 1000)
    assert tree.generation(5, RatchetKind.HANDSHAKE) == 0


def test_a_message_of_nothing_but_padding() -> None:
    config = mls.Config(
        authentication=mls.AcceptAnyCredential(), padding=lambda size: size + 16 * MIB
    )
    names = [mls.BasicCredential(name) for name in (b"alice", b"bob")]
    keys = [mls.new_signature_key(1, entropy=ENTROPY) for _ in names]
    alice = mls.Group.create(
        b"a group", 1, names[0], keys[0], config=config, now=NOW, entropy=ENTROPY
    )
    package = mls.new_key_package(1, names[1], keys[1], now=NOW, entropy=ENTROPY)
    staged = alice.commit([mls.Add(package.key_package)], now=NOW, entropy=ENTROPY)
    bob = mls.Group.join(staged.welcome or b"", [package], config=config, now=NOW)
    message = staged.merge().protect(b"", entropy=ENTROPY)
    assert check_time(lambda: bob.process(message, now=NOW), len(message)) == ""
