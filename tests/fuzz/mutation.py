"""Changes to encodings: some know the grammar, some know only bytes.

`mutated` parses an encoding by its rule in `tests.mls.grammar` and changes fields: others of the
same kind from real messages, items doubled and dropped, lengths rewritten, numbers at their limits.
What no longer parses, and one encoding in four anyway, is changed as plain bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random

from tests.mls import grammar as g

#: Numbers that have broken parsers before.
LIMITS = (0, 1, 0x3F, 0x40, 0x7F, 0x80, 0xFF, 0x3FFF, 0x4000, 0xFFFF, 1 << 24, 0x3FFFFFFF)
HUGE = tuple(map(bytes.fromhex, ("bfffffff", "7fff", "80004000", "a0000000", "ffffffffffffffff")))

#: Trees of one kind that are kept for splicing.
_KEPT = 60
#: Bytes that doubling an item may add.
_ROOM = 1 << 17
#: How often a list gets as many items as fit into so many bytes.
_FLOODS = 0.002
_FLOOD_SIZES = (1 << 14,) * 12 + (1 << 17,) * 4 + (1 << 20, 1 << 24)


class Mutator:
    """Makes new encodings from old ones. `pool` is what can be spliced in, by kind."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.pool: dict[g.Kind, list[g.Tree]] = {}
        self._texts: list[bytes] = []

    def learn(self, kind: g.Kind, data: bytes) -> None:
        """Take the parts of a real encoding apart, to be put elsewhere."""
        self._texts.append(data)
        try:
            tree = g.parse(kind, data)
        except g.Mismatch:
            return
        for node in g.nodes(tree):
            kept = self.pool.setdefault(node.kind, [])
            if len(kept) < _KEPT:
                kept.append(node)
            else:
                kept[self.random.randrange(_KEPT)] = node

    def mutated(
        self,
        kind: g.Kind | None,
        data: bytes,
        finish: Callable[[g.Tree], None] | None = None,
    ) -> bytes:
        """A changed encoding. `finish` may repair the changed tree: sign it again, for example."""
        random = self.random
        if kind is not None and random.random() < 0.8:
            try:
                tree = g.parse(kind, data)
            except g.Mismatch:
                tree = None
            if tree is not None:
                # Seldom nothing but the repair: what is signed again must pass.
                for _ in range(random.choice((0, 1, 1, 1, 1, 2, 2, 3, 5))):
                    self._change_tree(tree)
                if random.random() < _FLOODS:
                    self._flood(tree)
                if finish is not None:
                    with suppress(IndexError, ValueError):  # so broken that it has no such fields
                        finish(tree)
                data = g.write(tree)
                if random.random() < 0.9:
                    return data
        for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
            data = self._change_bytes(data)
        return data

    def fresh(self, kind: g.Kind) -> bytes:
        """An encoding that comes from the grammar alone."""
        return g.write(kind.make(g.Seeded(self.random)))

    # -- trees ---------------------------------------------------------------------------------

    def _change_tree(self, tree: g.Tree) -> None:
        random = self.random
        by_kind: dict[g.Kind, list[g.Tree]] = {}
        for node in g.nodes(tree):
            by_kind.setdefault(node.kind, []).append(node)
        node = random.choice(by_kind[random.choice(list(by_kind))])
        if node.kind.counted and random.random() < 0.15:
            self._change_length(node)
        elif random.random() < 0.3 and node.kind in self.pool:
            _become(node, random.choice(self.pool[node.kind]))
        elif random.random() < 0.15:
            _become(node, node.kind.make(g.Seeded(random)))
        elif random.random() < 0.15:  # the same twice, where it may stand once
            _become(node, random.choice(by_kind[node.kind]))
        elif isinstance(node.kind, g.Vector):
            self._change_items(node)
        elif isinstance(node.kind, g.Select) and node.parts and random.random() < 0.4:
            number = random.choice(list(node.kind.cases))
            node.parts[0].data = number.to_bytes(node.kind.tag.size, "big")
        elif node.parts:
            self._swap(node)
        elif isinstance(node.kind, g.Number):
            number = random.choice((random.choice(LIMITS), random.randrange(9)))
            number -= random.randrange(2)
            bits = 8 * len(node.data)
            node.data = (number % (1 << bits)).to_bytes(len(node.data), "big")
        else:
            node.data = self._change_bytes(node.data)

    def _change_length(self, node: g.Tree) -> None:
        if self.random.random() < 0.5:
            node.width = self.random.choice((1, 2, 4, 4, 8))
        else:
            node.lie = self.random.choice((-1, 1, 1, 64, 0x4000, 0x3FFFFFFF, -1000))

    def _change_items(self, node: g.Tree) -> None:
        random, items = self.random, node.parts
        choice = random.randrange(6)
        if not items or choice == 0:
            kind = node.kind.item if isinstance(node.kind, g.Vector) else g.U8
            spare = self.pool.get(kind)
            new = random.choice(spare).copy() if spare else kind.make(g.Seeded(random))
            items.insert(random.randrange(len(items) + 1), new)
        elif choice == 1:
            del items[random.randrange(len(items))]
        elif choice == 2:
            at = random.randrange(len(items))
            room = _ROOM // (1 + len(g.write(items[at])))
            count = min(random.choice((1, 1, 2, 20, 300)), room)
            items[at:at] = [items[at].copy() for _ in range(count)]
        elif choice == 3:
            random.shuffle(items)
        elif choice == 4:
            items.clear()
        else:
            items.reverse()

    def _flood(self, tree: g.Tree) -> None:
        """Fill a list with one item over and over, a real one or one as small as can be."""
        lists = [node for node in g.nodes(tree) if isinstance(node.kind, g.Vector)]
        if not lists:
            return
        node = self.random.choice(lists)
        kind = node.kind.item if isinstance(node.kind, g.Vector) else g.U8
        if node.parts and self.random.random() < 0.3:
            item = g.write(self.random.choice(node.parts))
        else:
            item = g.write(kind.make(g.Smallest(self.random.randrange(256))))
        count = self.random.choice(_FLOOD_SIZES) // max(1, len(item))
        node.parts, node.data = [], item * count

    def _swap(self, node: g.Tree) -> None:
        """Exchange the content of two fields."""
        one, other = self.random.choice(node.parts), self.random.choice(node.parts)
        one.data, other.data = other.data, one.data
        one.parts, other.parts = other.parts, one.parts

    # -- bytes ---------------------------------------------------------------------------------

    def _change_bytes(self, data: bytes) -> bytes:
        random = self.random
        size = len(data)
        at = random.randrange(size + 1)
        choice = random.randrange(9)
        if choice == 0 or not size:
            return data[:at] + random.randbytes(random.choice((1, 1, 2, 4, 60))) + data[at:]
        if choice == 1:
            at = min(at, size - 1)
            return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]
        if choice == 2:
            return data[:at]
        if choice == 3:
            return data[:at] + data[at + random.choice((1, 1, 2, 4, 32, 100)) :]
        if choice == 4:
            new = random.choice(LIMITS).to_bytes(4, "big")[-random.choice((1, 2, 4)) :]
            return data[:at] + new + data[at + len(new) :]
        if choice == 5:
            return data[:at] + random.choice(HUGE) + data[at + random.choice((0, 1, 2, 4)) :]
        if choice == 6 and self._texts:
            other = random.choice(self._texts)
            return data[:at] + other[random.randrange(len(other) + 1) :]
        if choice == 7:
            return data[:at] + bytes(random.choice((1, 16, 300))) + data[at:]
        end = min(size, at + random.choice((1, 4, 32)))
        return data[:end] + data[at:end] * random.choice((1, 2, 50)) + data[end:]


def _become(node: g.Tree, other: g.Tree) -> None:
    copy = other.copy()
    node.data, node.parts = copy.data, copy.parts
