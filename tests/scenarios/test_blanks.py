"""A tree with every shape of blanks: in groups of up to eight, everybody who can be missing is.

For each size and each set of members to go: one who stays removes them all, and then each of those who
stay commits, so that every resolution is encrypted to and every private key is used. Then the blanks are
filled again. Trees come in two kinds: *fresh* ones, where most parents are blank and most leaves unmerged,
and *warm* ones, where everybody has committed and no parent is blank.
"""

from __future__ import annotations

from itertools import combinations

import pytest

from heliogram import mls
from tests.scenarios.cast import Person, agree, all_follow, commit_of, everyone_commits, gathering


class Snapshot:
    """A group to start from again and again."""

    def __init__(self, size: int, *, warm: bool) -> None:
        self.people = gathering(*(f"member {number}" for number in range(size)))
        if warm:
            everyone_commits(self.people)
        self._groups = [one.group for one in self.people]
        self._saved = [bytes(group.to_bytes()) for group in self._groups]

    def again(self) -> list[Person]:
        """The very same groups: a view of an epoch stays as it is when a commit leads on."""
        for one, group in zip(self.people, self._groups, strict=True):
            group.discard_staged()
            one.kept = group
        return self.people

    def restored(self) -> list[Person]:
        """Groups loaded from their saved state."""
        for one, saved in zip(self.people, self._saved, strict=True):
            one.kept = mls.Group.from_bytes(saved, config=one.config)
        return self.people


def shapes(size: int) -> list[tuple[int, ...]]:
    """Every set of members that can go while somebody stays."""
    return [gone for count in range(size) for gone in combinations(range(size), count)]


def remove(everybody: list[Person], gone: tuple[int, ...], by: Person) -> list[Person]:
    """The others of these go at once; the ones who stay agree."""
    leaves = {one.leaf for number, one in enumerate(everybody) if number in gone}
    staying = [one for number, one in enumerate(everybody) if number not in gone]
    staged = by.commits(*map(mls.Remove, sorted(leaves)))
    all_follow(staged.message, staying, by)
    agree(staying, talking=False)
    return staying


def check_shape(group: mls.Group) -> None:
    """The tree is no wider than its last member asks for (section 7.7)."""
    last = max(leaf for leaf, _ in group.members())
    assert group.tree.leaf_count == 1 << last.bit_length()


@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "warm"])
@pytest.mark.parametrize("size", range(1, 9))
def test_every_shape(size: int, warm: bool) -> None:
    start = Snapshot(size, warm=warm)
    newcomers = [Person("newcomer 0"), Person("newcomer 1")]
    for number, gone in enumerate(shapes(size)):
        everybody = start.again()
        staying = [one for position, one in enumerate(everybody) if position not in gone]
        staying = remove(everybody, gone, staying[number % len(staying)])
        check_shape(staying[0].group)
        everyone_commits(staying)
        if size > 6 and number % 3:
            continue
        # Two come: into the leftmost blanks, or at the end, where the tree may have to grow.
        adder = staying[(number + 1) % len(staying)]
        seats = {leaf for leaf, _ in adder.group.members()}
        free = [leaf for leaf in range(size + 2) if leaf not in seats][:2]
        staged = adder.adds(*newcomers, path=bool(number % 2))
        all_follow(staged.message, staying, adder)
        for one in newcomers:
            one.joins(staged.welcome)
        assert [one.leaf for one in newcomers] == free
        agree([*staying, *newcomers], talking=False)
        check_shape(adder.group)
        for one in (*newcomers, staying[-1]):
            all_follow(one.commits().message, [*staying, *newcomers], one)
        agree([*staying, *newcomers], talking=number % 16 == 0)


@pytest.mark.parametrize("size", [4, 7, 8])
def test_every_order_of_leaving_one_by_one(size: int) -> None:
    """The same shapes reached step by step, each by another committer, with unmerged leaves between."""
    start = Snapshot(size, warm=True)
    for number, gone in enumerate(shapes(size)):
        if size > 4 and number % 7:
            continue
        everybody = start.again()
        for leaver in gone if number % 2 else reversed(gone):
            one = everybody[leaver]
            staying = [other for other in everybody if other.kept is not None and other is not one]
            committer = staying[leaver % len(staying)]
            staged = committer.commits(mls.Remove(one.leaf))
            all_follow(staged.message, staying, committer)
            one.kept = None
        staying = [one for one in everybody if one.kept is not None]
        agree(staying, talking=False)
        check_shape(staying[0].group)
        everyone_commits(staying)


@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_updates_by_proposal_in_every_pattern(size: int) -> None:
    """Updates blank paths: each set of updating members, committed by each kind of other one."""
    start = Snapshot(size, warm=True)
    for number, silent in enumerate(shapes(size)):
        if size > 6 and number % 3:
            continue
        everybody = start.restored()
        rest = [one for position, one in enumerate(everybody) if position not in silent]
        committer, *updating = rest[number % len(rest) :] + rest[: number % len(rest)]
        for one in updating:
            message = one.proposes_update()
            for other in everybody:
                if other is not one:
                    other.notes(message)
        staged = committer.commits()
        assert len(commit_of(staged.message).proposals) == len(updating)
        all_follow(staged.message, everybody, committer)
        agree(everybody, talking=False)
        for one in (everybody[0], everybody[-1]):
            all_follow(one.commits().message, everybody, one)
        agree(everybody, talking=False)
