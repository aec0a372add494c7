"""Rows 1 to 6: bytes that are no value, or a value written in another way. RFC 9420, section 2.1.

Everything here is signed over the bytes that are sent, so a reader that lets them pass accepts the
message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from unittest.mock import patch

from heliogram import mls
from heliogram.codec import Reader, opaque, u8, u16, u32, varint, vector
from heliogram.mls import proposal_list, ratchet_tree
from heliogram.mls.app_data import encode_dictionary
from heliogram.mls.commits import Commit
from heliogram.mls.extensions import (
    COMPONENT_CEILING,
    Extension,
    RequiredCapabilities,
    external_senders_extension,
)
from heliogram.mls.framing import AAD_CEILING, FramedContent, Sender, SenderType
from heliogram.mls.key_packages import KeyPackage, OwnKeyPackage
from heliogram.mls.proposals import (
    ID_CEILING,
    Add,
    AppDataUpdate,
    AppEphemeral,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    Update,
)
from heliogram.mls.ratchet_tree import MAX_LEAVES, LeafNodeSource, RatchetTree
from heliogram.mls.registries import ComponentID, ExtensionType, ProposalType, WireFormat
from heliogram.mls.secret_tree import RatchetKind
from heliogram.mls.treekem import UpdatePath
from tests.mls import forge
from tests.mls.forge import NOW, World, changed, replaced
from tests.mls.rules import (
    BOTH,
    Attempt,
    broken,
    does,
    joins,
    joins_externally,
    receives,
    right,
)

Bytes = Callable[[bytes], bytes]


def body(change: Bytes) -> Callable[[FramedContent], FramedContent]:
    """A hook that changes the encoded body of a message before it is signed."""
    return lambda framed: changed(framed, body=change(framed.body))


def octet_at(position: int, value: int) -> Callable[[FramedContent], FramedContent]:
    """The same for one octet of it."""

    def change(encoded: bytes) -> bytes:
        changed_octets = bytearray(encoded)
        changed_octets[position] = value
        return bytes(changed_octets)

    return body(change)


def data(change: Bytes) -> Callable[[Extension], Extension]:
    """A hook that changes the data of an extension."""
    return lambda extension: changed(extension, extension_data=change(extension.extension_data))


def adding_dave(world: World) -> tuple[forge.Made, OwnKeyPackage]:
    """Alice commits, and dave can join."""
    alice, *_ = world.group()
    dave = world.package("dave")
    return forge.commit(alice, [Add(dave.key_package)]), dave


# -- 1: optional values ----------------------------------------------------------------------------


@right(1)
def a_path_is_there_or_not(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield receives(bob, forge.commit(alice).message)
    add = Add(world.package("dave").key_package)
    yield receives(bob, forge.commit(alice, [add]).message)


@broken(1)
def the_octet_before_a_path_is_something_else(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for octet in (2, 0x80, 0xFF):
        there = forge.commit(alice, framed=octet_at(1, octet))
        yield receives(bob, there.message)
        add = Add(world.package("dave").key_package)
        absent = forge.commit(alice, [add], framed=octet_at(-1, octet))
        yield receives(bob, absent.message)


@broken(1)
def the_octet_before_a_tree_node_is_something_else(world: World) -> Attempt:
    made, dave = adding_dave(world)
    head = len(varint(len(made.keys.tree.encode())))

    def worse(tree: bytes) -> bytes:
        return tree[:head] + b"\x02" + tree[head + 1 :]

    return joins(forge.welcome(made, tree_extension=data(worse)), dave)


# -- 2: lengths ------------------------------------------------------------------------------------


@right(2)
def lengths_at_the_edges_of_each_width(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for size in (0, 63, 64, 16383, 16384):
        yield receives(bob, forge.proposal(alice, Remove(2), authenticated_data=bytes(size)))


@broken(2)
def a_length_is_wider_than_needed(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    short = forge.proposal(alice, Remove(2))
    for wide in (b"\x40\x10", b"\x80\x00\x00\x10"):
        yield receives(bob, replaced(short, opaque(alice.group_id), wide + alice.group_id))
    for size in (64, 16383):
        filler = b"x" * size
        longer = forge.proposal(alice, Remove(2), authenticated_data=filler)
        wide = (0x80000000 | size).to_bytes(4, "big")
        yield receives(bob, replaced(longer, opaque(filler), wide + filler))


@broken(2)
def a_length_starts_with_the_reserved_bits(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    message = forge.proposal(alice, Remove(2))
    for length in (b"\xc0" + bytes(6) + b"\x10", b"\xd0"):
        yield receives(bob, replaced(message, opaque(alice.group_id), length + alice.group_id))


# -- 3: everything is used -------------------------------------------------------------------------


def _context_extensions(world: World) -> list[Extension]:
    sender = mls.ExternalSender(
        world.client("server").signature_key.public, mls.BasicCredential(b"server")
    )
    return [
        RequiredCapabilities().extension(),
        external_senders_extension([sender]),
        encode_dictionary({ComponentID.APP_COMPONENTS: b"data"}),
    ]


def _leaf_extensions() -> list[Extension]:
    return [
        Extension(ExtensionType.APPLICATION_ID, opaque(b"an id")),
        encode_dictionary({ComponentID.APP_COMPONENTS: b"data"}),
    ]


def _with_leaf_extension(world: World, extension: Extension) -> Add:
    client = world.client("dave")
    own = client.key_package(leaf=lambda leaf: changed(leaf, extensions=(extension,)))
    return Add(own.key_package)


@right(3)
def extension_data_is_what_its_type_says(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for extension in _context_extensions(world):
        yield receives(bob, forge.proposal(alice, GroupContextExtensions((extension,))))
    for extension in _leaf_extensions():
        yield receives(bob, forge.proposal(alice, _with_leaf_extension(world, extension)))
    made, dave = adding_dave(world)
    yield joins(forge.welcome(made), dave)
    yield joins_externally(forge.group_info_message(alice), world)


@broken(3, suites=BOTH)
def bytes_are_left_over_or_missing(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for message in (
        forge.proposal(alice, Remove(2)),
        forge.private_message(alice, b"hello"),
        forge.commit(alice).message,
    ):
        yield receives(bob, message + b"\x00")
        yield receives(bob, message[:-1])


@broken(3)
def bytes_are_left_over_in_an_extension(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    longer = data(lambda content: content + b"\x00")
    for extension in _context_extensions(world):
        worse = GroupContextExtensions((longer(extension),))
        yield receives(bob, forge.proposal(alice, worse))
        yield receives(bob, forge.commit(alice, [worse]).message)
    for extension in _leaf_extensions():
        add = _with_leaf_extension(world, longer(extension))
        yield receives(bob, forge.proposal(alice, add))


@broken(3)
def a_dictionary_that_is_not_in_order(world: World) -> Iterator[Attempt]:
    # Two spellings of one value: to its reader the second is as bad as bytes left over.
    alice, bob, _ = world.group()
    one, two = (u16(number) + opaque(b"data") for number in (1, 2))
    for entries in ((two, one), (one, one)):
        extension = Extension(ExtensionType.APP_DATA_DICTIONARY, vector(entries))
        worse = GroupContextExtensions((extension,))
        yield receives(bob, forge.proposal(alice, worse))
        add = _with_leaf_extension(world, extension)
        yield receives(bob, forge.proposal(alice, add))


@broken(3)
def bytes_are_left_over_in_what_a_joiner_reads(world: World) -> Iterator[Attempt]:
    made, dave = adding_dave(world)

    def longer(value: bytes) -> bytes:
        return value + b"\x00"

    yield joins(forge.welcome(made, tree_extension=data(longer)), dave)
    yield joins(forge.welcome(made, encoded_secrets=longer), dave)
    yield joins(forge.welcome(made, encoded_info=longer), dave)
    pub = Extension(ExtensionType.EXTERNAL_PUB, opaque(b"key") + b"\x00")
    yield joins(forge.welcome(made, extensions=lambda listed: (*listed, pub)), dave)

    def longer_pub(listed: tuple[Extension, ...]) -> tuple[Extension, ...]:
        return tuple(
            data(longer)(one) if one.extension_type == ExtensionType.EXTERNAL_PUB else one
            for one in listed
        )

    yield joins_externally(forge.group_info_message(made.group, extensions=longer_pub), world)


@broken(3)
def bytes_are_left_over_in_sender_data(world: World) -> Attempt:
    alice, bob, _ = world.group()
    message = forge.private_message(alice, b"hello", sender_data=lambda plain: plain + b"\x00")
    return receives(bob, message)


@broken(3)
def a_list_of_numbers_has_half_a_number(world: World) -> Attempt:
    alice, bob, _ = world.group()
    client = world.client("dave")
    good = client.capabilities()
    odd = replaced(good.encode(), opaque(b"\x00\x01"), opaque(b"\x00\x01\x00"))
    twisted = changed(good)
    object.__setattr__(twisted, "_encoded", odd)
    own = client.key_package(leaf=lambda leaf: changed(leaf, capabilities=twisted))
    return receives(bob, forge.proposal(alice, Add(own.key_package)))


# -- 4: closed lists -------------------------------------------------------------------------------


@right(4)
def each_kind_of_pre_shared_key(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    nonce = bytes(world.suite.hash_length)
    usage = mls.ResumptionPSKUsage.APPLICATION
    for psk in (
        mls.ExternalPSKID(b"an id", nonce),
        mls.ResumptionPSKID(usage, alice.group_id, 0, nonce),
    ):
        yield receives(bob, forge.proposal(alice, PreSharedKey(psk)))


@broken(4)
def an_unknown_type_of_content(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()

    for number in (0, 4, 255):

        def unknown(framed: FramedContent, number: int = number) -> FramedContent:
            return changed(framed, content_type=number)

        for what in (Remove(2), b"hello"):
            signed = forge.content(alice, what, framed=unknown)
            yield receives(bob, forge.public(alice, signed))
        signed = forge.content(
            alice, b"hello", framed=unknown, wire_format=WireFormat.PRIVATE_MESSAGE
        )
        yield receives(bob, forge.private(alice, signed, kind=RatchetKind.APPLICATION))


@broken(4)
def an_unknown_type_of_sender(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for number in (0, 5, 255):
        sender = changed(Sender(SenderType.EXTERNAL), sender_type=number)
        yield receives(bob, forge.proposal(alice, Remove(2), sender=sender))


@broken(4)
def an_unknown_source_of_a_leaf(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    client = world.client("dave")
    for number in (0, 4):

        def unknown(leaf: mls.LeafNode, number: int = number) -> mls.LeafNode:
            return changed(leaf, source=number)

        own = client.key_package(leaf=unknown)
        yield receives(bob, forge.proposal(alice, Add(own.key_package)))
        update = unknown(client.leaf(LeafNodeSource.UPDATE))
        update = client.signed_leaf(update, alice.group_id, alice.own_leaf_index)
        yield receives(bob, forge.proposal(alice, Update(update)))
        yield receives(bob, forge.commit(alice, leaf=unknown).message)


@broken(4)
def an_unknown_type_of_node(world: World) -> Iterator[Attempt]:
    made, dave = adding_dave(world)
    head = len(varint(len(made.keys.tree.encode()))) + 1
    for number in (0, 3):

        def unknown(tree: bytes, number: int = number) -> bytes:
            return tree[:head] + u8(number) + tree[head + 1 :]

        yield joins(forge.welcome(made, tree_extension=data(unknown)), dave)


@broken(4)
def an_unknown_type_or_usage_of_a_pre_shared_key(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    nonce = opaque(bytes(world.suite.hash_length))
    rest = opaque(alice.group_id) + bytes(8) + nonce
    for psk in (
        b"\x00" + opaque(b"an id") + nonce,
        b"\x03" + opaque(b"an id") + nonce,
        b"\x03\x01" + rest,
        b"\x02\x00" + rest,
        b"\x02\x04" + rest,
    ):
        encoded = u16(ProposalType.PSK) + psk

        def unknown(_: bytes, encoded: bytes = encoded) -> bytes:
            return encoded

        yield receives(bob, forge.proposal(alice, Remove(2), framed=body(unknown)))


@broken(4)
def neither_a_proposal_nor_a_reference(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    remove = u16(ProposalType.REMOVE) + u32(2)
    for number in (0, 3):
        listed = vector([u8(number) + remove])

        def unknown(encoded: bytes, listed: bytes = listed) -> bytes:
            return replaced(encoded, vector([b"\x01" + remove]), listed)

        made = forge.commit(alice, [Remove(2)], framed=body(unknown))
        yield receives(bob, made.message)


@broken(4)
def an_unknown_proposal_or_credential_that_cannot_be_read(world: World) -> Iterator[Attempt]:
    # These lists grow, but nothing says how long an unknown value is: the rest cannot be read.
    alice, bob, _ = world.group()
    for encoded in (
        u16(0xF00D) + opaque(b"data"),
        u16(0) + opaque(b"data"),
        u16(ProposalType.APP_DATA_UPDATE) + u16(7) + u8(0),
        u16(ProposalType.APP_DATA_UPDATE) + u16(7) + u8(3),
    ):

        def unknown(_: bytes, encoded: bytes = encoded) -> bytes:
            return encoded

        yield receives(bob, forge.proposal(alice, Remove(2), framed=body(unknown)))

    class Unknown(mls.BasicCredential):
        def encode(self) -> bytes:
            return u16(0xF00D) + opaque(self.identity)

    dave = world.client("dave", credential=Unknown(b"dave"))
    yield receives(bob, forge.proposal(alice, Add(dave.key_package().key_package)))


# -- 5: version and wire format --------------------------------------------------------------------


@right(5)
def each_wire_format(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield receives(bob, forge.proposal(alice, Remove(2)))
    yield receives(bob, forge.private_message(alice, b"hello"))
    made, dave = adding_dave(world)
    yield joins(forge.welcome(made), dave)
    yield joins_externally(forge.group_info_message(alice), world)
    yield Attempt(lambda: KeyPackage.from_message(dave.message))


@broken(5)
def an_unknown_version_or_wire_format(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    message = forge.proposal(alice, Remove(2))
    for version in (0, 2, 0xFFFF):
        yield receives(bob, u16(version) + message[2:])
    for wire_format in (0, 6, 0xF000):
        yield receives(bob, message[:2] + u16(wire_format) + message[4:])


@broken(5)
def a_key_package_in_another_wrapping(world: World) -> Iterator[Attempt]:
    message = world.package("dave").message
    for head in (u16(2) + u16(5), u16(1) + u16(3), u16(1) + u16(6)):
        yield Attempt(partial(KeyPackage.from_message, head + message[4:]))


# -- 6: ceilings -----------------------------------------------------------------------------------


def _leaf_with_values(world: World, count: int) -> Add:
    client = world.client("dave")
    values = tuple(range(0x8000, 0x8000 + count))
    capabilities = client.capabilities(proposals=values)
    own = client.key_package(leaf=lambda leaf: changed(leaf, capabilities=capabilities))
    return Add(own.key_package)


@right(6)
def as_much_as_we_allow(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield receives(bob, forge.proposal(alice, Remove(2), authenticated_data=bytes(AAD_CEILING)))
    yield receives(bob, forge.proposal(alice, _leaf_with_values(world, 2048)))


@right(6)
def a_tree_as_large_as_we_allow(world: World) -> None:
    (alice,) = world.group("alice")
    leaf = b"\x01\x01" + alice.own_leaf.encode()
    nodes = vector([leaf, bytes(2 * MAX_LEAVES - 3), leaf])
    assert RatchetTree.decode(world.suite, Reader(nodes)).leaf_count == MAX_LEAVES


@broken(6)
def a_vector_is_longer_than_we_allow(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield receives(bob, forge.proposal(alice, Remove(2), authenticated_data=bytes(AAD_CEILING + 1)))
    yield receives(bob, forge.proposal(alice, _leaf_with_values(world, 2049)))


@broken(6)
def a_tree_has_more_leaves_than_we_allow(world: World) -> Attempt:
    made, dave = adding_dave(world)
    leaf = b"\x01\x01" + made.group.own_leaf.encode()
    tree = vector([leaf, bytes(2 * MAX_LEAVES - 1), leaf])
    return joins(forge.welcome(made, tree_extension=data(lambda _: tree)), dave)


@broken(6)
def a_group_has_more_members_than_we_allow(world: World) -> Iterator[Attempt]:
    alice, bob, *_ = world.group("alice", "bob", "carol", "dave")
    made = forge.commit(alice, [Add(world.package("erin").key_package)])
    with patch.object(ratchet_tree, "MAX_LEAVES", 4):
        yield receives(bob, made.message)


@broken(6)
def a_path_secret_has_more_readers_than_we_allow_members(world: World) -> Attempt:
    alice, bob, _ = world.group()
    made = forge.commit(alice)
    assert isinstance(made.content.content.content, Commit)
    path = made.content.content.content.path
    assert path is not None
    few = path.nodes[0].encrypted_path_secret.encode()
    many = opaque(bytes(2 * MAX_LEAVES + 2))

    def more(encoded: bytes) -> bytes:
        return encoded.replace(few, many)

    # The list of nodes has a length of its own.
    nodes = vector(node.encode() for node in path.nodes)
    longer = vector(more(node.encode()) for node in path.nodes)
    message = forge.commit(
        alice, framed=body(lambda _: replaced(made.content.content.body, nodes, longer))
    )
    return receives(bob, message.message)


@broken(6)
def we_would_make_what_nobody_reads(world: World) -> Iterator[Attempt]:
    alice, *_ = world.group(config=world.config(policy=Components()))
    entropy = world.entropy
    long_id = bytes(ID_CEILING + 1)
    nonce = bytes(world.suite.hash_length)
    yield does(partial(world.founder, group_id=long_id))
    too_long = bytes(AAD_CEILING + 1)
    yield does(partial(alice.protect, b"", authenticated_data=too_long, entropy=entropy), alice)
    for proposal in (
        ReInit(long_id, 1, world.suite.id, ()),
        PreSharedKey(mls.ExternalPSKID(long_id, nonce)),
        AppDataUpdate(7, bytes(COMPONENT_CEILING + 1)),
        AppEphemeral(7, bytes(COMPONENT_CEILING + 1)),
    ):
        yield does(partial(alice.propose, proposal, now=NOW, entropy=entropy), alice)
        yield does(partial(alice.commit, [proposal], now=NOW, entropy=entropy), alice)


class Components(mls.Policy):
    """Takes each component as its last update says."""

    def update_component(
        self, component_id: int, current: bytes | None, updates: Sequence[bytes]
    ) -> bytes | None:
        return updates[-1]


@broken(6)
def a_commit_leads_where_nobody_follows(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(policy=Components()))
    three = [AppEphemeral(7, b"%d" % n) for n in range(3)]
    message = forge.commit(alice, three).message
    with patch.object(proposal_list, "DEFAULT_ITEMS", 2):
        yield receives(bob, message)
        yield does(partial(alice.commit, three, now=NOW, entropy=world.entropy), alice)
    with patch.object(proposal_list, "LAST_EPOCH", alice.epoch):
        yield receives(bob, message)
        yield does(partial(alice.commit, three, now=NOW, entropy=world.entropy), alice)
    update = AppDataUpdate(7, bytes(COMPONENT_CEILING))
    yield does(partial(alice.commit, [update], now=NOW, entropy=world.entropy), alice)
    yield receives(bob, forge.commit(alice, [update]).message)


@broken(6)
def a_path_is_longer_than_any_tree_is_high(world: World) -> Attempt:
    alice, bob, _ = world.group()

    def longer(path: UpdatePath) -> UpdatePath:
        return changed(path, nodes=path.nodes * 10)

    return receives(bob, forge.commit(alice, update_path=longer).message)
