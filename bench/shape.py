"""Which nodes of a ratchet tree are filled: enough to count, not enough to encrypt.

The cost of a path is the number of nodes it is sealed to, and that depends on the history of the
tree (RFC 9420, 4.1.1 and 7.5). `Shape` follows this history without keys, independent of the
engine it judges.
"""

from typing import NamedTuple


class Place(NamedTuple):
    """A node: its height above the leaves and its number within that level, from the left."""

    level: int
    number: int

    @property
    def parent(self) -> "Place":
        return Place(self.level + 1, self.number >> 1)

    @property
    def sibling(self) -> "Place":
        return Place(self.level, self.number ^ 1)


class Shape:
    """`members` leaves from the left, all parents blank: what one commit of Adds leaves."""

    def __init__(self, members: int) -> None:
        self.height = max(0, (members - 1).bit_length())
        self._leaves = set(range(members))
        # The filled parents, each with its unmerged leaves.
        self._parents: dict[Place, set[int]] = {}

    def copy(self) -> "Shape":
        twin = Shape(0)
        twin.height, twin._leaves = self.height, set(self._leaves)
        twin._parents = {place: set(unmerged) for place, unmerged in self._parents.items()}
        return twin

    @property
    def members(self) -> int:
        return len(self._leaves)

    @property
    def filled_parents(self) -> int:
        return len(self._parents)

    def add(self) -> int:
        """The leaf of a new member: the leftmost blank one, unmerged at filled parents above."""
        leaf = next(i for i in range(len(self._leaves) + 1) if i not in self._leaves)
        while leaf >= 1 << self.height:
            self.height += 1
        self._leaves.add(leaf)
        for place in self._above(leaf):
            if place in self._parents:
                self._parents[place].add(leaf)
        return leaf

    def remove(self, leaf: int) -> None:
        """Blank a leaf and its direct path. Nothing is truncated: the right half stays in use."""
        self._leaves.remove(leaf)
        for place in self._above(leaf):
            self._parents.pop(place, None)

    def resolution(self, place: Place) -> set[Place]:
        if place.level == 0:
            return {place} if place.number in self._leaves else set()
        if place in self._parents:
            return {place} | {Place(0, leaf) for leaf in self._parents[place]}
        left = Place(place.level - 1, 2 * place.number)
        return self.resolution(left) | self.resolution(left.sibling)

    def path_nodes(self, leaf: int) -> int:
        """The length of the filtered direct path."""
        return len(self._filtered(leaf))

    def seals(self, leaf: int, added: frozenset[int] = frozenset()) -> int:
        """How many nodes the path secrets of `leaf` are sealed to, those just added left out."""
        without = {Place(0, i) for i in added}
        return sum(len(copath - without) for _, copath in self._filtered(leaf))

    def derived_by(self, sender: int, receiver: int) -> int:
        """How many path nodes `receiver` can derive from the one secret it opens, to the root."""
        return sum(place.number == receiver >> place.level for place, _ in self._filtered(sender))

    def fill_path(self, leaf: int) -> None:
        """What a path leaves: its nodes filled and nobody unmerged, those filtered out blank."""
        filtered = [place for place, _ in self._filtered(leaf)]
        for place in self._above(leaf):
            self._parents.pop(place, None)
        self._parents.update((place, set()) for place in filtered)

    def _above(self, leaf: int) -> list[Place]:
        return [Place(level, leaf >> level) for level in range(1, self.height + 1)]

    def _filtered(self, leaf: int) -> list[tuple[Place, set[Place]]]:
        """The filtered direct path (4.1.2), each node with the resolution of its copath child."""
        child, found = Place(0, leaf), []
        for _ in range(self.height):
            copath = self.resolution(child.sibling)
            child = child.parent
            if copath:
                found.append((child, copath))
        return found
