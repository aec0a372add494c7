"""The structures of RFC 9420 as a grammar that shares nothing with the engine.

Each `Kind` is a rule of the presentation language, written down from the RFC: a number, an
`opaque x<V>`, a vector, a select, a struct. A rule can do two things with bytes. `make` draws a
value from a `Source`, which may be Hypothesis or a seeded generator, and `parse` finds the value in
an encoding. Both give a `Tree`, whose nodes are fields. `write` makes bytes of it; since lengths
are written only then, a tree can say of any of its vectors how wide its length shall be, or that it
shall be wrong.

    tree = make(KEY_PACKAGE, source)
    next(counted(tree)).width = 4
    data = write(tree)

`STRUCTURES` is the list of them all, and at the end stand the records of a saved group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

#: Sizes that content may get: on both sides of where a length grows by a byte.
SIZES = (0, 0, 1, 2, 4, 12, 32, 32, 62, 63, 64, 65, 130)
LARGE = (0x3FFE, 0x3FFF, 0x4000, 0x4001)


class Mismatch(Exception):
    """These bytes are no sentence of the grammar."""


# --- Where choices come from ----------------------------------------------------------------------


class Source(Protocol):
    """Draws what the grammar leaves open."""

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        ...

    def octets(self, size: int) -> bytes:
        """So many bytes."""
        ...


def pick(source: Source, values: Sequence[T]) -> T:
    """One of these values."""
    return values[source.below(len(values))]


class Drawn:
    """Choices of Hypothesis, which shrinks them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def below(self, bound: int) -> int:
        return self._draw(st.integers(0, bound - 1))

    def octets(self, size: int) -> bytes:
        if size > 64:  # the content of large values does not matter
            return (self._draw(st.binary(min_size=8, max_size=8)) * (size // 8 + 1))[:size]
        return self._draw(st.binary(min_size=size, max_size=size))


class Seeded:
    """Choices of a seeded generator, which is fast."""

    def __init__(self, random: Random) -> None:
        self.below = random.randrange
        self.octets = random.randbytes


class Smallest:
    """Content as small as can be, and the alternatives in turn."""

    def __init__(self, turn: int = 0) -> None:
        self._turn = turn

    def below(self, bound: int) -> int:
        self._turn += bound == 256  # a select asks for one of 256
        return self._turn % bound if bound == 256 else 0

    def octets(self, size: int) -> bytes:
        return bytes(size)


# --- Trees ----------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class Tree:
    """A value of a kind: bytes of its own, or parts. `write` makes its encoding."""

    kind: Kind
    data: bytes = b""
    parts: list[Tree] = field(default_factory=list)
    #: Bytes that a counted tree's length is written in; None: as few as can be.
    width: int | None = None
    #: How much more the written length says than there is.
    lie: int = 0

    def __repr__(self) -> str:
        return f"<{write(self).hex()}>"

    def copy(self) -> Tree:
        """A tree to be changed while this one stays as it is."""
        return Tree(self.kind, self.data, [part.copy() for part in self.parts])


def length(value: int, width: int | None = None) -> bytes:
    """A length in 1, 2 or 4 bytes, minimal or not; 8 stands for the reserved prefix 11."""
    if width is None:
        width = 1 if value < 0x40 else 2 if value < 0x4000 else 4
    prefix = {1: 0, 2: 1, 4: 2, 8: 3}[width]
    mask = (1 << (8 * width - 2)) - 1
    return (prefix << (8 * width - 2) | value & mask).to_bytes(width, "big")


def write(tree: Tree) -> bytes:
    """The encoding."""
    body = b"".join(map(write, tree.parts)) if tree.parts else tree.data
    if not tree.kind.counted:
        return body
    return length(max(0, len(body) + tree.lie), tree.width) + body


def nodes(tree: Tree, *, inside: bool = True) -> Iterator[Tree]:
    """The tree and everything in it; what its decoder takes as opaque, only if `inside`."""
    yield tree
    if inside or not isinstance(tree.kind, Carried):
        for part in tree.parts:
            yield from nodes(part, inside=inside)


def counted(tree: Tree, *, inside: bool = False) -> list[Tree]:
    """All values with a length in front that this structure's decoder reads."""
    return [node for node in nodes(tree, inside=inside) if node.kind.counted]


# --- Kinds ----------------------------------------------------------------------------------------


class Bytes:
    """A cursor over an encoding to be parsed."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0, end: int | None = None) -> None:
        self.data, self.pos, self.end = data, pos, len(data) if end is None else end

    def take(self, size: int) -> bytes:
        if self.pos + size > self.end:
            raise Mismatch
        self.pos += size
        return self.data[self.pos - size : self.pos]

    def content(self) -> Bytes:
        """The content of a counted value; this cursor moves past it."""
        first = self.take(1)[0]
        width = (1, 2, 4, 8)[first >> 6]
        if width == 8:
            raise Mismatch
        size = int.from_bytes(bytes((first & 0x3F,)) + self.take(width - 1), "big")
        if len(length(size)) != width:
            raise Mismatch
        start = self.pos
        self.take(size)
        return Bytes(self.data, start, self.pos)


class Kind:
    """A rule of the grammar."""

    counted = False

    def make(self, source: Source) -> Tree:
        raise NotImplementedError

    def parse(self, data: Bytes) -> Tree:
        raise NotImplementedError


class Number(Kind):
    """A big-endian number of so many bytes."""

    def __init__(self, size: int, *likely: int) -> None:
        self.size = size
        self.likely = (*likely, 0, 1, 2, (1 << 8 * size) - 1)

    def make(self, source: Source) -> Tree:
        choice = source.below(len(self.likely) + 3)
        if choice < len(self.likely):
            return Tree(self, self.likely[choice].to_bytes(self.size, "big"))
        return Tree(self, source.octets(self.size))

    def parse(self, data: Bytes) -> Tree:
        return Tree(self, data.take(self.size))


class Fixed(Kind):
    """So many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size

    def make(self, source: Source) -> Tree:
        return Tree(self, source.octets(self.size))

    def parse(self, data: Bytes) -> Tree:
        return Tree(self, data.take(self.size))


class Const(Kind):
    """Exactly these bytes."""

    def __init__(self, value: bytes) -> None:
        self.value = value

    def make(self, source: Source) -> Tree:
        return Tree(self, self.value)

    def parse(self, data: Bytes) -> Tree:
        if data.take(len(self.value)) != self.value:
            raise Mismatch
        return Tree(self, self.value)


class Opaque(Kind):
    """`opaque x<V>`. Once in a while it is `large`, where the decoder's ceiling lets it be."""

    counted = True

    def __init__(self, *, large: bool = False) -> None:
        self.sizes = SIZES + LARGE[: 4 * large]

    def make(self, source: Source) -> Tree:
        return Tree(self, source.octets(pick(source, self.sizes)))

    def parse(self, data: Bytes) -> Tree:
        inner = data.content()
        return Tree(self, inner.take(inner.end - inner.pos))


class Vector(Kind):
    """`T items<V>`."""

    counted = True

    def __init__(self, item: Kind, most: int = 3) -> None:
        self.item = item
        self.most = most

    def make(self, source: Source) -> Tree:
        count = source.below(self.most + 1)
        return Tree(self, parts=[self.item.make(source) for _ in range(count)])

    def parse(self, data: Bytes) -> Tree:
        inner = data.content()
        tree = Tree(self)
        while inner.pos < inner.end:
            tree.parts.append(self.item.parse(inner))
        return tree


class Dictionary(Vector):
    """A vector sorted by the numbers that its items begin with; each comes once."""

    def __init__(self, item: Kind, size: int) -> None:
        super().__init__(item)
        self.size = size

    def make(self, source: Source) -> Tree:
        tree = super().make(source)
        items = {write(part)[: self.size]: part for part in tree.parts}
        tree.parts = [items[name] for name in sorted(items)]
        return tree


class Nested(Kind):
    """An `opaque x<V>` that holds a structure."""

    counted = True

    def __init__(self, kind: Kind) -> None:
        self.content = kind

    def make(self, source: Source) -> Tree:
        return Tree(self, parts=[self.content.make(source)])

    def parse(self, data: Bytes) -> Tree:
        inner = data.content()
        tree = Tree(self, parts=[self.content.parse(inner)])
        if inner.pos != inner.end:
            raise Mismatch
        return tree


class Carried(Nested):
    """An `opaque x<V>` whose structure is read by somebody else, later."""


class Optional(Kind):
    """`optional<T>`."""

    def __init__(self, kind: Kind) -> None:
        self.flag = Number(1)
        self.value = kind

    def make(self, source: Source) -> Tree:
        return self.some(self.value.make(source)) if source.below(2) else self.none()

    def parse(self, data: Bytes) -> Tree:
        flag = data.take(1)
        if flag > b"\x01":
            raise Mismatch
        return self.some(self.value.parse(data)) if flag == b"\x01" else self.none()

    def some(self, value: Tree) -> Tree:
        """There is one."""
        return Tree(self, parts=[Tree(self.flag, b"\x01"), value])

    def none(self) -> Tree:
        """There is none."""
        return Tree(self, parts=[Tree(self.flag, b"\x00")])


class Struct(Kind):
    """Fields one after the other."""

    def __init__(self, *fields: Kind) -> None:
        self.fields = fields

    def make(self, source: Source) -> Tree:
        return Tree(self, parts=[field.make(source) for field in self.fields])

    def parse(self, data: Bytes) -> Tree:
        return Tree(self, parts=[field.parse(data) for field in self.fields])


class Select(Kind):
    """A number and what it selects. With `other` the registry is open and may grow."""

    def __init__(self, size: int, cases: Mapping[int, Kind], other: Kind | None = None) -> None:
        self.tag = Number(size)
        self.cases = cases
        self.other = other
        self._known = tuple(cases)

    def make(self, source: Source) -> Tree:
        choice = source.below(256)
        if self.other is not None and choice >= 224:
            number = 0x0A0A + 0x1010 * (choice % 15)
            return self._of(number, self.other.make(source))
        number = self._known[choice % len(self._known)]
        return self._of(number, self.cases[number].make(source))

    def parse(self, data: Bytes) -> Tree:
        number = int.from_bytes(data.take(self.tag.size), "big")
        kind = self.cases.get(number, self.other)
        if kind is None:
            raise Mismatch
        start = data.pos
        try:
            return self._of(number, kind.parse(data))
        except Mismatch:
            if self.other is None:
                raise
            data.pos = start  # a known type whose content is something else
            return self._of(number, self.other.parse(data))

    def _of(self, number: int, body: Tree) -> Tree:
        return Tree(self, parts=[Tree(self.tag, number.to_bytes(self.tag.size, "big")), body])


class OneOf(Kind):
    """The first of these that fits."""

    def __init__(self, *kinds: Kind) -> None:
        self.kinds = kinds

    def make(self, source: Source) -> Tree:
        return Tree(self, parts=[pick(source, self.kinds).make(source)])

    def parse(self, data: Bytes) -> Tree:
        start = data.pos
        for kind in self.kinds:
            try:
                return Tree(self, parts=[kind.parse(data)])
            except Mismatch:
                data.pos = start
        raise Mismatch


class Later(Kind):
    """A kind that is written down further below."""

    def __init__(self, kind: Callable[[], Kind]) -> None:
        self._kind = kind

    def make(self, source: Source) -> Tree:
        return self._kind().make(source)

    def parse(self, data: Bytes) -> Tree:
        return self._kind().parse(data)


def make(kind: Kind, source: Source) -> Tree:
    """Some value of this kind."""
    return kind.make(source)


def parse(kind: Kind, data: bytes) -> Tree:
    """The value that is the whole of `data`. Raises `Mismatch`."""
    cursor = Bytes(data)
    tree = kind.parse(cursor)
    if cursor.pos != cursor.end:
        raise Mismatch
    return tree


@st.composite
def trees(draw: st.DrawFn, kind: Kind) -> Tree:
    """Values of this kind, for Hypothesis."""
    return kind.make(Drawn(draw))


# --- RFC 9420, sections 5 and 7: members ----------------------------------------------------------

NOTHING = Const(b"")
U8, U16, U32, U64 = Number(1), Number(2), Number(4), Number(8)
SUITE = Number(2, 1, 2, 0xF002)
#: A public key, signature, hash or secret.
KEY = Opaque()
IDENTIFIER = Opaque()
DATA = Opaque(large=True)

CREDENTIAL = Select(2, {1: DATA, 2: Vector(DATA)})
VALUES = Vector(Number(2, 0x0A0A), 5)
CAPABILITIES = Struct(VALUES, VALUES, VALUES, VALUES, VALUES)
LIFETIME = Struct(U64, U64)

COMPONENT = Struct(U16, DATA)
DICTIONARY = Dictionary(COMPONENT, 2)
REQUIRED_CAPABILITIES = Struct(VALUES, VALUES, VALUES)
EXTERNAL_SENDER = Struct(KEY, CREDENTIAL)
EXTERNAL_SENDERS = Vector(EXTERNAL_SENDER)

#: The extensions of leaves and key packages; those of groups stand below.
EXTENSION = Select(2, {1: DATA, 6: Carried(DICTIONARY)}, DATA)

LEAF_NODE = Struct(
    KEY,
    KEY,
    CREDENTIAL,
    CAPABILITIES,
    Select(1, {1: LIFETIME, 2: NOTHING, 3: KEY}),
    Vector(EXTENSION),
    KEY,
)
UNMERGED = Vector(U32)
PARENT_NODE = Struct(KEY, KEY, UNMERGED)


class _RatchetTree(Vector):
    """`optional<Node> ratchet_tree<V>`: leaves and parents in turn, and not blank at the end."""

    LEAF, PARENT = Optional(Select(1, {1: LEAF_NODE})), Optional(Select(1, {2: PARENT_NODE}))

    def make(self, source: Source) -> Tree:
        tree = Tree(self)
        for position in range(1 + source.below(6)):
            tree.parts.append((self.LEAF, self.PARENT)[position % 2].make(source))
        while tree.parts and len(tree.parts[-1].parts) == 1:
            tree.parts.pop()
        if not tree.parts:
            tree.parts.append(self.LEAF.some(self.LEAF.value.make(source)))
        return tree

    def parse(self, data: Bytes) -> Tree:
        inner = data.content()
        tree = Tree(self)
        while inner.pos < inner.end:
            tree.parts.append((self.LEAF, self.PARENT)[len(tree.parts) % 2].parse(inner))
        return tree


RATCHET_TREE = _RatchetTree(Optional(NOTHING))

GROUP_EXTENSION = Select(
    2,
    {
        2: Carried(RATCHET_TREE),
        3: Carried(REQUIRED_CAPABILITIES),
        4: Carried(KEY),
        5: Carried(EXTERNAL_SENDERS),
        6: Carried(DICTIONARY),
    },
    DATA,
)
GROUP_EXTENSIONS = Vector(GROUP_EXTENSION)

# --- Sections 8, 10 and 12: groups, and what changes them -----------------------------------------

KEY_PACKAGE = Struct(U16, SUITE, KEY, LEAF_NODE, Vector(EXTENSION), KEY)
GROUP_CONTEXT = Struct(U16, SUITE, IDENTIFIER, U64, KEY, KEY, GROUP_EXTENSIONS)

EXTERNAL_PSK = Struct(IDENTIFIER, KEY)
USAGE = Select(1, {1: NOTHING, 2: NOTHING, 3: NOTHING})
RESUMPTION_PSK = Struct(USAGE, IDENTIFIER, U64, KEY)
PSK_ID = Select(1, {1: EXTERNAL_PSK, 2: RESUMPTION_PSK})

REINIT = Struct(IDENTIFIER, U16, SUITE, GROUP_EXTENSIONS)
APP_DATA_UPDATE = Struct(U16, Select(1, {1: DATA, 2: NOTHING}))
APP_EPHEMERAL = Struct(U16, DATA)
PROPOSAL = Select(
    2,
    {
        1: KEY_PACKAGE,
        2: LEAF_NODE,
        3: U32,
        4: PSK_ID,
        5: REINIT,
        6: KEY,
        7: GROUP_EXTENSIONS,
        8: APP_DATA_UPDATE,
        9: APP_EPHEMERAL,
        10: NOTHING,
    },
)
PROPOSAL_OR_REF = Select(1, {1: PROPOSAL, 2: KEY})

HPKE_CIPHERTEXT = Struct(KEY, KEY)
HPKE_CIPHERTEXTS = Vector(HPKE_CIPHERTEXT, 5)
UPDATE_PATH_NODE = Struct(KEY, HPKE_CIPHERTEXTS)
UPDATE_PATH = Struct(LEAF_NODE, Vector(UPDATE_PATH_NODE))
COMMIT = Struct(Vector(PROPOSAL_OR_REF), Optional(UPDATE_PATH))

GROUP_INFO = Struct(GROUP_CONTEXT, GROUP_EXTENSIONS, KEY, U32, KEY)
GROUP_SECRETS = Struct(KEY, Optional(KEY), Vector(PSK_ID))
ENCRYPTED_GROUP_SECRETS = Struct(KEY, HPKE_CIPHERTEXT)
WELCOME = Struct(SUITE, Vector(ENCRYPTED_GROUP_SECRETS), DATA)

# --- Section 6: messages --------------------------------------------------------------------------

SENDER = Select(1, {1: U32, 2: U32, 3: NOTHING, 4: NOTHING})
CONTENT = Select(1, {1: DATA, 2: PROPOSAL, 3: COMMIT})
FRAMED_CONTENT = Struct(IDENTIFIER, U64, SENDER, DATA, CONTENT)
CONTENT_TYPE = Select(1, {1: NOTHING, 2: NOTHING, 3: NOTHING})


def _public(sender: int, content: int) -> Kind:
    """A PublicMessage: a commit has a confirmation tag, a member's message a membership tag."""
    tail = [KEY] * (1 + (content == 3) + (sender == 1))
    who = Select(1, {sender: SENDER.cases[sender]})
    what = Select(1, {content: CONTENT.cases[content]})
    return Struct(IDENTIFIER, U64, who, DATA, what, *tail)


PUBLIC_MESSAGE = OneOf(
    *(_public(sender, content) for content in (3, 2, 1) for sender in (1, 4, 3, 2))
)
PRIVATE_MESSAGE = Struct(IDENTIFIER, U64, CONTENT_TYPE, DATA, KEY, DATA)
#: What a PrivateMessage's ciphertext holds, less its padding, by content type.
PRIVATE_CONTENT = {1: Struct(DATA, KEY), 2: Struct(PROPOSAL, KEY), 3: Struct(COMMIT, KEY, KEY)}
SENDER_DATA = Struct(U32, U32, Fixed(4))

MLS10 = Const(b"\x00\x01")
BODIES: dict[int, Kind] = {
    1: PUBLIC_MESSAGE,
    2: PRIVATE_MESSAGE,
    3: WELCOME,
    4: GROUP_INFO,
    5: Struct(MLS10, *KEY_PACKAGE.fields[1:]),
}
MESSAGE = Struct(MLS10, Select(2, BODIES))

# --- Saved states: `heliogram.mls.state` ----------------------------------------------------------

SECRET_NODES = Dictionary(Struct(U32, KEY), 4)
RATCHET = Struct(KEY, U32, Dictionary(Struct(U32, KEY, KEY), 4))
SENT_PROPOSAL = Struct(SENDER, KEY, PROPOSAL)
RESUMPTION = Struct(IDENTIFIER, U64, KEY)


class Record(Kind):
    """A named record; the first letter of the name tells what is in it."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {
            "G": Struct(
                Const(b"\x00\x01"),
                GROUP_CONTEXT,
                U32,
                *(KEY,) * 11,
                SECRET_NODES,
                Optional(REINIT),
                Vector(RESUMPTION),
            ),
            "K": Vector(Struct(U32, KEY)),
            "W": U32,
            "Nleaf": OneOf(LEAF_NODE, NOTHING),
            "Nparent": OneOf(PARENT_NODE, NOTHING),
            "Sn": SECRET_NODES,
            "Sr": RATCHET,
            "E": Struct(GROUP_CONTEXT, KEY, U32, Vector(Struct(U32, Optional(LEAF_NODE)))),
            "P": Struct(U32, SENT_PROPOSAL),
            "U": Struct(KEY, KEY),
            "C": Struct(
                DATA,
                Optional(DATA),
                Nested(Later(lambda: STATE)),
                U32,
                Vector(SENT_PROPOSAL),
                Vector(U32),
                Vector(U32),
                DATA,
            ),
        }
        self._nested = {name: Nested(kind) for name, kind in self.kinds.items()}

    def parse(self, data: Bytes) -> Tree:
        name = KEY.parse(data)
        letter = name.data[:1].decode("latin-1")
        if letter == "N":
            letter = "Nparent" if name.data[-1] & 1 else "Nleaf"
        elif letter == "S":
            letter += name.data[9:10].decode("latin-1")
        if letter not in self._nested:
            raise Mismatch
        return Tree(self, parts=[name, self._nested[letter].parse(data)])

    def make(self, source: Source) -> Tree:
        name = source.octets(9)
        kind = pick(source, list(self._nested.values()))
        return Tree(self, parts=[Tree(KEY, name), kind.make(source)])


STATE = Struct(Const(b"hgmls\x00\x01"), Vector(Record(), 12), Fixed(32))


def seal_state(tree: Tree) -> None:
    """Set the checksums in a saved group, the inner ones first."""
    for part in tree.parts:
        seal_state(part)
    if tree.kind is STATE and len(tree.parts) == 3:
        tree.parts[2].data = sha256(b"".join(map(write, tree.parts[:2]))).digest()


OWN_KEY_PACKAGE = Struct(Const(b"\x00\x01"), KEY_PACKAGE, KEY, KEY, KEY)
