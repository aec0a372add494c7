"""Rows 22 to 26 and 34 to 40: leaf nodes, wherever they come from. RFC 9420, sections 5.3 and 7.

A leaf reaches a member by four ways, and one who joins by a fifth: `everywhere` changes it on each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from heliogram import mls
from heliogram.codec import opaque
from heliogram.mls.credentials import AcceptAnyCredential, Credential, X509Authentication
from heliogram.mls.extensions import (
    Extension,
    Extensions,
    RequiredCapabilities,
    external_senders_extension,
)
from heliogram.mls.proposals import Add, GroupContextExtensions, ReInit, Remove, Update
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, Lifetime, RatchetTree
from heliogram.mls.registries import ExtensionType
from tests.mls import forge
from tests.mls.forge import NOW, AllowAll, Client, World, changed, fields, flipped, same
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
from tests.mls.test_credentials import Holder, member, middle, root

Change = Callable[[LeafNode], LeafNode]

#: An extension type that nobody knows, from the private range.
OURS = 0xF123


def update_of(group: mls.Group, world: World, change: Change = same) -> Update:
    """An update of the group's own member, with a new encryption key."""
    fresh = changed(
        group.own_leaf,
        encryption_key=world.suite.new_hpke_key(world.entropy).public,
        source=LeafNodeSource.UPDATE,
        lifetime=None,
        parent_hash=None,
        signature=b"",
    )
    return Update(
        world.owner(group).signed_leaf(change(fresh), group.group_id, group.own_leaf_index)
    )


def signature_hook(change: Callable[[bytes], bytes]) -> Change:
    """A hook for signed leaves that changes the signature."""
    return lambda leaf: changed(leaf, signature=change(leaf.signature))


def added_with(world: World, change: Change = same, name: str = "dave") -> Add:
    """An add of somebody with this leaf."""
    return Add(world.client(name).key_package(leaf=change).key_package)


def everywhere(
    world: World,
    change: Change = same,
    *,
    after: Change = same,
    config: mls.Config | None = None,
    row: int | None = None,
    external_row: int | None = None,
) -> Iterator[Attempt]:
    """A leaf changed before (`change`) or `after` it is signed, by all five ways.

    `external_row`: what an external joiner's commit is refused by, when that is another row.
    """
    config = config or world.config(policy=AllowAll())
    alice, bob, _ = world.group(config=config)
    client = world.client("dave")
    package = client.key_package(leaf=change, signed_leaf=after)
    yield receives(bob, forge.proposal(alice, Add(package.key_package)), row=row)
    update = Update(after(update_of(alice, world, change).leaf_node))
    yield receives(bob, forge.proposal(alice, update), row=row)
    yield receives(bob, forge.commit(alice, leaf=change, signed_leaf=after).message, row=row)
    made = forge.commit(alice, joiner=world.client("erin"), leaf=change, signed_leaf=after)
    yield receives(bob, made.message, row=external_row or row)

    def hook(tree: RatchetTree) -> RatchetTree:
        leaf = changed(bob.own_leaf, signature=b"")
        leaf = world.owner(bob).signed_leaf(change(leaf), alice.group_id, 1)
        return forge.with_node(tree, 2, after(leaf))

    frank = world.package("frank")
    made = forge.commit(alice, [Add(frank.key_package)])
    yield joins(forge.welcome(made, tree=hook), frank, config=config, row=row)


def capable(world: World, **more: Sequence[int]) -> Change:
    """A hook that lists these values in capabilities, instead of those that stood there."""
    values = {name: tuple(listed) for name, listed in more.items()}
    return lambda leaf: changed(leaf, capabilities=changed(leaf.capabilities, **values))


def by_all_commits(
    world: World, groups: Sequence[mls.Group], change: Change, *, row: int | None = None
) -> Iterator[Attempt]:
    """A leaf that is good alone but not in this group: found when it comes into the tree."""
    alice, bob, carol = groups
    capabilities = alice.own_leaf.capabilities

    def new(leaf: LeafNode) -> LeafNode:
        return change(changed(leaf, capabilities=capabilities))

    add = added_with(world, new)
    yield receives(bob, forge.commit(alice, [add]).message, row=row)
    yield receives(bob, forge.commit(alice, leaf=change).message, row=row)
    made = forge.commit(alice, joiner=world.client("erin"), leaf=new)
    yield receives(bob, made.message, row=row)

    def hook(tree: RatchetTree) -> RatchetTree:
        leaf = change(changed(bob.own_leaf, signature=b""))
        leaf = world.owner(bob).signed_leaf(leaf, alice.group_id, 1)
        return forge.with_node(tree, 2, leaf)

    frank = world.client("frank").key_package(leaf=fields(capabilities=capabilities))
    made = forge.commit(alice, [Add(frank.key_package)])
    config = world.config(policy=AllowAll())
    yield joins(forge.welcome(made, tree=hook), frank, config=config, row=row)

    message, sent = forge.sent(carol, update_of(carol, world, change))
    bob.process(message, now=NOW)
    yield receives(bob, forge.commit(alice, [sent]).message, row=row)


# -- 22: signatures --------------------------------------------------------------------------------


@right(22, suites=BOTH)
def a_leaf_is_signed_for_its_place(world: World) -> Iterator[Attempt]:
    yield from everywhere(world)


@broken(22, suites=BOTH)
def a_leaf_signature_is_wrong(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, after=signature_hook(flipped), external_row=70)
    yield from everywhere(world, after=signature_hook(lambda signature: b""), external_row=70)


@broken(22)
def a_leaf_is_signed_for_another_place(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(policy=AllowAll()))
    signer, dave = world.owner(alice), world.client("dave")
    for group_id, index in ((alice.group_id, 1), (b"another group", 0), (b"", 0)):

        def moved(by: Client, group_id: bytes = group_id, at: int = index) -> Change:
            return lambda leaf: by.signed_leaf(leaf, group_id, at)

        update = Update(moved(signer)(update_of(alice, world).leaf_node))
        yield receives(bob, forge.proposal(alice, update))
        made = forge.commit(alice, signed_leaf=moved(signer))
        yield receives(bob, made.message)
        made = forge.commit(
            alice,
            joiner=dave,
            signed_leaf=moved(dave),
        )
        yield receives(bob, made.message, row=70)


# -- 23 to 25: credentials -------------------------------------------------------------------------


@dataclass(frozen=True)
class Doubtful(AcceptAnyCredential):
    """Does not believe mallory. Lets everybody take any other name if `lenient`."""

    lenient: bool = False

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        return credential != mls.BasicCredential(b"mallory")

    def is_successor(self, old: Credential, new: Credential) -> bool:
        return self.lenient or old == new


def renamed(name: bytes) -> Change:
    """A hook that gives a leaf another name."""
    return fields(credential=mls.BasicCredential(name))


@right(23)
def the_authentication_service_accepts(world: World) -> Iterator[Attempt]:
    config = world.config(authentication=Doubtful(lenient=True), policy=AllowAll())
    yield from everywhere(world, renamed(b"somebody"), config=config)


@broken(23)
def the_authentication_service_does_not_accept(world: World) -> Iterator[Attempt]:
    config = world.config(authentication=Doubtful(lenient=True), policy=AllowAll())
    yield from everywhere(world, renamed(b"mallory"), config=config)


@broken(23)
def the_authentication_service_knows_the_name_by_another_key(world: World) -> Iterator[Attempt]:
    known: dict[bytes, bytes] = {}

    class Remembers(AcceptAnyCredential):
        def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
            return known.setdefault(credential.encode(), signature_key) == signature_key

    alice, bob, _ = world.group(config=world.config(authentication=Remembers()))
    other = world.suite.new_signature_key(world.entropy)
    yield receives(bob, forge.commit(alice, leaf_signature_key=other).message)
    signer = world.client("alice", signature_key=other)
    leaf = signer.leaf(LeafNodeSource.UPDATE, group=alice)
    yield receives(bob, forge.proposal(alice, Update(leaf)))


@right(24)
def a_credential_that_follows(world: World) -> Iterator[Attempt]:
    config = world.config(authentication=Doubtful(lenient=True))
    alice, bob, _ = world.group(config=config)
    update = update_of(alice, world, renamed(b"alice, married"))
    yield receives(bob, forge.proposal(alice, update))
    yield receives(bob, forge.commit(alice, leaf=renamed(b"alice, married")).message)


@broken(24)
def a_credential_that_does_not_follow(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(authentication=Doubtful()))
    update = update_of(alice, world, renamed(b"somebody"))
    yield receives(bob, forge.proposal(alice, update))
    yield receives(bob, forge.commit(alice, leaf=renamed(b"somebody")).message)


TIME: dict[str, Any] = {"start": NOW - 86400, "end": NOW + 86400}


def certified(world: World, chain: Callable[[object], Sequence[Holder]]) -> Client:
    """Somebody with the certificates that `chain` makes for a key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = world.suite.new_signature_key(world.entropy)
    holders = chain(Ed25519PrivateKey.from_private_bytes(bytes(key.secret)))
    credential = mls.X509Credential(tuple(holder.der for holder in holders))
    return world.client("", credential=credential, signature_key=key)


def _certified_group(world: World, top: Holder) -> list[mls.Group]:
    config = world.config(authentication=X509Authentication([top.der]))
    clients = [
        certified(world, lambda key: [member(top, "alice", key, **TIME)]),
        certified(world, lambda key: [member(top, "bob", key, **TIME)]),
    ]
    founder = world.founder(client=clients[0], config=config)
    own = clients[1].key_package()
    staged = founder.commit([Add(own.key_package)], now=NOW, entropy=world.entropy)
    return [staged.merge(), world.join(staged.welcome, own, config=config)]


@right(25)
def a_chain_that_leads_to_a_trusted_root(world: World) -> Iterator[Attempt]:
    top = root(**TIME)
    ca = middle(top, **TIME)
    alice, bob = _certified_group(world, top)
    for chain in (
        lambda key: [member(top, "carol", key, **TIME)],
        lambda key: [member(ca, "dave", key, **TIME), ca],
        lambda key: [member(ca, "erin", key, **TIME), ca, top],
    ):
        own = certified(world, chain).key_package()
        yield receives(bob, forge.proposal(alice, Add(own.key_package)))


@broken(25)
def a_chain_that_is_not_in_order(world: World) -> Iterator[Attempt]:
    # The Authentication Service refuses it; what the engine then says is row 23.
    top = root(**TIME)
    ca = middle(top, **TIME)
    end = middle(top, "end", path_length=0, **TIME)
    below = middle(end, "below", **TIME)
    no_ca = middle(top, "no ca", ca=False, **TIME)
    alice, bob = _certified_group(world, top)
    for chain in (
        lambda key: [member(top, "somebody else's key", **TIME)],
        lambda key: [ca, member(ca, "carol", key, **TIME)],
        lambda key: [member(ca, "carol", key, **TIME), top, ca],
        lambda key: [member(ca, "carol", key, **TIME), middle(top, "other", **TIME)],
        lambda key: [member(no_ca, "carol", key, **TIME), no_ca],
        lambda key: [member(below, "carol", key, **TIME), below, end],
        lambda key: [member(top, "carol", key, start=NOW - 9, end=NOW - 1)],
        lambda key: [member(root(**TIME), "carol", key, **TIME)],
        lambda key: [],
    ):
        own = certified(world, chain).key_package()
        yield receives(bob, forge.proposal(alice, Add(own.key_package)), row=23)


# -- 26: keys --------------------------------------------------------------------------------------

#: Keys of no use, by cipher suite: of another length, not on the curve, of small order.
BAD_ENCRYPTION_KEYS = {
    forge.CLASSIC: (
        b"",
        bytes(31) + b"",
        bytes(32),
        b"\x01" + bytes(31),
        b"\xed" + b"\xff" * 30 + b"\x7f",
        b"\x09" + bytes(32),
    ),
    2: (
        b"\x04" + bytes(63) + b"\x01",
        b"\x04" + bytes(64),
        b"\x02" + bytes(31) + b"\x01",
        bytes(65),
    ),
    forge.DEFAULT: (b"", bytes(1216), b"\xff" * 1216, bytes(1215), bytes(1217)),
}
BAD_SIGNATURE_KEYS = {
    forge.CLASSIC: (b"", bytes(31), bytes(32), b"\x01" + bytes(31), b"\xff" * 32, bytes(33)),
    2: (b"\x04" + bytes(63) + b"\x01", b"\x04" + bytes(64), b"\x03" + bytes(31) + b"\x01"),
    forge.DEFAULT: (bytes(32),),
}


@right(26, suites=(*BOTH, 2))
def keys_of_the_suite(world: World) -> Iterator[Attempt]:
    yield from everywhere(world)


@broken(26, suites=(*BOTH, 2))
def an_encryption_key_that_is_none(world: World) -> Iterator[Attempt]:
    for key in BAD_ENCRYPTION_KEYS[world.suite.id]:
        yield from everywhere(world, fields(encryption_key=key))


@broken(26, suites=(*BOTH, 2))
def a_signature_key_that_is_none(world: World) -> Iterator[Attempt]:
    for key in BAD_SIGNATURE_KEYS[world.suite.id]:
        # The same key signs an external joiner's commit, and that is verified first.
        yield from everywhere(world, fields(signature_key=key), external_row=11)


@broken(26, suites=(*BOTH, 2))
def an_init_key_or_a_parent_key_that_is_none(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(full=True)
    erin = world.package("erin")
    for key in BAD_ENCRYPTION_KEYS[world.suite.id]:

        def bad(keys: list[bytes], key: bytes = key) -> list[bytes]:
            return [key, *keys[1:]]

        client = world.client("dave")
        own = client.key_package(package=fields(init_key=key))
        yield receives(bob, forge.proposal(alice, Add(own.key_package)))
        yield receives(bob, forge.commit(alice, path_keys=bad).message)
        made = forge.commit(alice, [Add(erin.key_package)])
        welcome = forge.welcome(
            made,
            tree=partial(forge.replant, group=made.group, path_keys=bad),
        )
        yield joins(welcome, erin)


# -- 34 and 35: extensions and sources ------------------------------------------------------------


def _known_extensions(world: World) -> dict[int, Extension]:
    """One good extension of each default type."""
    sender = mls.ExternalSender(
        world.client("server").signature_key.public, mls.BasicCredential(b"server")
    )
    return {
        one.extension_type: one
        for one in (
            Extension(ExtensionType.APPLICATION_ID, opaque(b"an id")),
            forge.ratchet_tree_extension(world.founder().tree),
            RequiredCapabilities().extension(),
            forge.external_pub_extension(world.suite.new_hpke_key(world.entropy).public),
            external_senders_extension([sender]),
        )
    }


@right(34)
def extensions_where_they_belong(world: World) -> Iterator[Attempt]:
    known = _known_extensions(world)
    yield from everywhere(world, fields(extensions=(known[1],)))
    alice, bob, _ = world.group()
    yield receives(bob, forge.proposal(alice, GroupContextExtensions((known[3], known[5]))))
    yield joins_externally(forge.group_info_message(alice), world)


@broken(34)
def extensions_where_they_do_not_belong(world: World) -> Iterator[Attempt]:
    known = _known_extensions(world)
    for number in (2, 3, 4, 5):
        wrong = (known[number],)
        yield from everywhere(world, fields(extensions=wrong))
    alice, bob, _ = world.group()
    dave = world.package("dave")
    made = forge.commit(alice, [Add(dave.key_package)])

    for number, extension in known.items():

        def more(listed: Extensions, extension: Extension = extension) -> Extensions:
            return (*listed, extension)

        own = world.client("erin").key_package(package=fields(extensions=(extension,)))
        yield receives(bob, forge.proposal(alice, Add(own.key_package)))
        if number in (1, 2, 4):
            wrong = (extension,)
            yield receives(bob, forge.proposal(alice, GroupContextExtensions(wrong)))
            reinit = ReInit(b"new", 1, world.suite.id, wrong)
            yield receives(bob, forge.proposal(alice, reinit))
            welcome = forge.welcome(made, context=fields(extensions=wrong))
            yield joins(welcome, dave)
            yield does(partial(world.founder, extensions=wrong))
        if number in (1, 3, 5):
            yield joins(forge.welcome(made, extensions=more), dave)
            yield joins_externally(forge.group_info_message(alice, extensions=more), world)
            yield does(partial(alice.group_info, extensions=(extension,)), alice)


@right(35)
def each_source_where_it_belongs(world: World) -> Iterator[Attempt]:
    yield from everywhere(world)


@broken(35)
def an_update_with_a_leaf_made_for_something_else(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for change in _other_sources(LeafNodeSource.UPDATE):
        update = update_of(alice, world, change)
        yield receives(bob, forge.proposal(alice, update))


def _other_sources(but: LeafNodeSource) -> Iterator[Change]:
    rest: dict[LeafNodeSource, dict[str, Any]] = {
        LeafNodeSource.KEY_PACKAGE: {"lifetime": Lifetime(NOW - 1, NOW + 1), "parent_hash": None},
        LeafNodeSource.UPDATE: {"lifetime": None, "parent_hash": None},
        LeafNodeSource.COMMIT: {"lifetime": None, "parent_hash": b""},
    }
    for source, values in rest.items():
        if source is not but:
            yield fields(source=source, **values)


@broken(35)
def other_leaves_made_for_something_else(world: World) -> Iterator[Attempt]:
    # The engine names the rows of the message that the leaf stands in.
    alice, bob, _ = world.group(config=world.config(policy=AllowAll()))
    for change in _other_sources(LeafNodeSource.KEY_PACKAGE):
        add = added_with(world, change)
        yield receives(bob, forge.proposal(alice, add), row=42)
        # Whoever adds looks at the lifetime first, and there is none.
        yield does(partial(alice.commit, [add], now=NOW, entropy=world.entropy), alice)
    for change in _other_sources(LeafNodeSource.COMMIT):
        yield receives(bob, forge.commit(alice, leaf=change).message, row=74)
        made = forge.commit(alice, joiner=world.client("dave"), leaf=change)
        yield receives(bob, made.message, row=74)


# -- 36 and 37: keys that are new and unique -------------------------------------------------------


@right(36)
def an_update_with_a_new_key(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.proposal(alice, update_of(alice, world)))


@broken(36)
def an_update_that_keeps_its_key(world: World) -> Attempt:
    alice, bob, _ = world.group()
    key = alice.own_leaf.encryption_key
    update = update_of(alice, world, fields(encryption_key=key))
    return receives(bob, forge.proposal(alice, update))


@right(37)
def keys_of_removed_members_may_come_back(world: World) -> Attempt:
    alice, bob, carol = world.group()
    own = world.owner(carol).key_package()
    return receives(bob, forge.commit(alice, [Remove(2), Add(own.key_package)]).message)


@broken(37)
def an_encryption_key_stands_twice(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group(full=True)
    parent = alice.tree.nodes[1]
    assert parent is not None
    new = world.suite.new_hpke_key(world.entropy).public
    for key in (bob.own_leaf.encryption_key, parent.encryption_key):

        def same_key(leaf: LeafNode, key: bytes = key) -> LeafNode:
            return changed(leaf, encryption_key=key)

        yield receives(bob, forge.commit(alice, [added_with(world, same_key)]).message)
        message, sent = forge.sent(carol, update_of(carol, world, same_key))
        bob.process(message, now=NOW)
        yield receives(bob, forge.commit(alice, [sent]).message)
    both = [added_with(world, fields(encryption_key=new), name) for name in ("dave", "erin")]
    yield receives(bob, forge.commit(alice, both).message)


@broken(37)
def a_signature_key_stands_twice(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group(config=world.config(policy=AllowAll()))
    key = world.owner(bob).signature_key
    impostor = world.client("dave", signature_key=key)
    yield receives(bob, forge.commit(alice, [Add(impostor.key_package().key_package)]).message)
    yield receives(bob, forge.commit(alice, leaf_signature_key=key).message)
    yield receives(bob, forge.commit(alice, joiner=impostor).message)
    leaf = world.client("carol", signature_key=key).leaf(LeafNodeSource.UPDATE, group=carol)
    message, sent = forge.sent(carol, Update(leaf))
    bob.process(message, now=NOW)
    yield receives(bob, forge.commit(alice, [sent]).message)
    twin = world.suite.new_signature_key(world.entropy)
    both = [
        Add(world.client(name, signature_key=twin).key_package().key_package)
        for name in ("erin", "frank")
    ]
    yield receives(bob, forge.commit(alice, both).message)


@broken(37)
def a_tree_with_a_key_twice(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    dave = world.package("dave")
    made = forge.commit(alice, [Add(dave.key_package)])

    def one_signature_key(tree: RatchetTree) -> RatchetTree:
        twin = world.client("bob", signature_key=world.owner(alice).signature_key).leaf()
        return forge.with_node(tree, 2, twin)

    def one_encryption_key(tree: RatchetTree) -> RatchetTree:
        key = alice.own_leaf.encryption_key
        twin = world.owner(bob).leaf(encryption_key=key)
        return forge.with_node(tree, 2, twin)

    yield joins(forge.welcome(made, tree=one_signature_key), dave)
    yield joins(forge.welcome(made, tree=one_encryption_key), dave)


# -- 38 to 40 --------------------------------------------------------------------------------------

MAX = 90 * 24 * 3600


def living(first: int, last: int) -> Change:
    """A hook that sets a lifetime."""
    return fields(lifetime=Lifetime(first, last))


@right(38)
def clocks_decide_nothing_on_receipt(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for first, last in (
        (NOW - MAX, NOW),
        (NOW - 1000, NOW - 1),
        (NOW + 1, NOW + 1000),
        (NOW, NOW),
        (0, MAX),
    ):
        yield receives(bob, forge.proposal(alice, added_with(world, living(first, last))))
    add = added_with(world, living(NOW, NOW + MAX))
    yield does(lambda: alice.commit([add], now=NOW + MAX, entropy=world.entropy))


@right(38)
def lifetimes_in_a_tree_are_taken_as_they_are(world: World) -> Attempt:
    alice, bob, _ = world.group()
    dave = world.package("dave")
    made = forge.commit(alice, [Add(dave.key_package)])

    def long_ago(tree: RatchetTree) -> RatchetTree:
        return forge.with_node(tree, 2, world.owner(bob).leaf(lifetime=Lifetime(0, 2**64 - 1)))

    return joins(forge.welcome(made, tree=long_ago), dave)


@broken(38)
def a_lifetime_is_too_long_or_empty(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for first, last in ((NOW, NOW + MAX + 1), (0, 2**64 - 1), (NOW, NOW - 1)):
        add = added_with(world, living(first, last))
        yield receives(bob, forge.proposal(alice, add))
        yield receives(bob, forge.commit(alice, [add]).message)


@broken(38)
def we_add_nobody_out_of_time(world: World) -> Iterator[Attempt]:
    alice, *_ = world.group()
    for first, last in ((NOW - 1000, NOW - 1), (NOW + 1, NOW + 1000), (NOW, NOW + MAX + 1)):
        add = added_with(world, living(first, last))
        yield does(partial(alice.commit, [add], now=NOW, entropy=world.entropy), alice)
        yield does(partial(alice.propose, add, now=NOW, entropy=world.entropy), alice)


def _group_with_extension(world: World) -> list[mls.Group]:
    return world.group(
        config=world.config(policy=AllowAll()),
        extensions=(Extension(OURS, b"data"),),
        capabilities=world.client("").capabilities(extensions=(OURS,)),
    )


@right(39)
def the_groups_extensions_are_known(world: World) -> Iterator[Attempt]:
    yield from by_all_commits(world, _group_with_extension(world), same)


@broken(39)
def the_groups_extensions_are_not_known(world: World) -> Iterator[Attempt]:
    change = capable(world, extensions=(OURS + 1,))
    yield from by_all_commits(world, _group_with_extension(world), change)


@broken(39)
def a_new_extension_that_a_member_does_not_know(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    new = GroupContextExtensions((Extension(OURS, b"data"),))
    yield receives(bob, forge.commit(alice, [new]).message)
    yield does(lambda: alice.commit([new], now=NOW, entropy=world.entropy), alice)


def application_id(value: bytes) -> Change:
    """A hook that sets an application_id."""
    extension = Extension(ExtensionType.APPLICATION_ID, opaque(value))
    return fields(extensions=(extension,))


@right(40)
def an_application_id_may_be_anything(world: World) -> Iterator[Attempt]:
    # The same for two members, the name of another one, and another one with each update.
    alice, bob, carol = world.group()
    add = added_with(world, application_id(b"bob"))
    yield receives(bob, forge.proposal(alice, add))
    for value in (b"bob", b"carol"):
        yield receives(bob, forge.proposal(alice, update_of(alice, world, application_id(value))))
    groups = [alice, bob, carol]
    twins = [added_with(world, application_id(b"one id"), name) for name in ("dave", "erin")]
    message = forge.commit(groups[0], twins).message
    yield receives(groups[1], message)


@broken(40)
def an_application_id_proves_nothing(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group(config=world.config(policy=AllowAll()))

    def as_alice(leaf: LeafNode) -> LeafNode:
        return renamed(b"somebody")(application_id(b"alice")(leaf))

    yield receives(bob, forge.proposal(alice, update_of(alice, world, as_alice)), row=24)
    yield receives(bob, forge.commit(alice, leaf=as_alice).message, row=24)
    # Nor does it make somebody the one who may take a member's place.
    dave = world.client("dave")
    made = forge.commit(
        alice, [Remove(carol.own_leaf_index)], joiner=dave, leaf=application_id(b"carol")
    )
    yield receives(bob, made.message, row=68)
