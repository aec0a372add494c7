"""The scenarios: what is done in which order, so that every column has the same tree before it.

All columns take turns at each operation, and who begins changes from round to round. Garbage is
collected as Python does by itself. Groups live on: a commit is merged by its sender and processed
by the receiver before the next is made, so what an engine keeps between epochs counts for it.

The sender is leaf 0. The receiver is the last leaf: its path meets the sender's at the root. The
one who is removed sits in the middle, and is replaced afterwards, so that the group keeps its
size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import floor
from bench.engines import Commit, Engine
from bench.floor import Floor, Kind, Steps
from bench.measure import FLOOR, Notebook, Row
from bench.shape import Shape

MESSAGE = bytes(200)
#: Messages and key packages in one measurement: a single one is too short for the clock.
BATCH = 20
#: Savings after one message in one round.
SAVINGS = 10
#: Up to this size commits are quick, so that more of them are measured.
SMALL, MORE = 100, 3
#: How many members, spread over the tree, have committed before it is called warm.
COMMITTERS = 64
#: Smaller groups see no commit but their first: nobody could be removed and replaced.
SMALLEST_FOR_COMMITS = 4

_COLD = (
    "update made",
    "update processed",
    "add made",
    "add processed",
    "add with path made",
    "add with path processed",
    "remove made, cold tree",
    "remove processed, cold tree",
)
_WARM = ("remove made, warm tree", "remove processed, warm tree")
_TALK = ("message protected", "message unprotected")
_STATE = ("state saved", "saved after one message", "state loaded")
#: Every operation, in the order of the table.
OPERATIONS = (
    "key package",
    "group created in one commit",
    "Welcome processed",
    "external join",
    *_COLD,
    *_WARM,
    *_TALK,
    *_STATE,
)

Call = Callable[[], Any]


@dataclass(slots=True)
class Side:
    """One engine with its group: all members by leaf, the sender's view and the receiver's."""

    column: str
    engine: Engine[Any, Any]
    members: list[Any] = field(default_factory=list)
    sender: Any = None
    receiver: Any = None


class Scenario:
    """One kind of suite at one size of group."""

    def __init__(self, notebook: Notebook, kind: Kind, members: int, sides: list[Side]) -> None:
        self._notebook = notebook
        self._kind = kind
        self._size = members
        self._sides = sides
        self._floor = Floor(kind)
        self._shape = Shape(members)
        self._last = members - 1
        self._middle = members // 2

    def key_packages(self) -> None:
        """In no group, so once a suite."""
        row = Row("key package", 0, self._kind.name)
        calls: dict[str, Call] = {}
        for side in self._sides:
            member = side.engine.member()
            calls[side.column] = _batch(partial(side.engine.key_package, member))
            self._notebook.note_size(row, side.column, len(side.engine.published(member)))
        calls[FLOOR] = _batch(self._floor.prepare(floor.key_package(self._kind)))
        self._rounds(row, calls, repeats=BATCH)

    def run(self) -> None:
        for side in self._sides:
            side.members = [side.engine.member() for _ in range(self._size)]
        self._create()
        self._join()
        if self._size >= SMALLEST_FOR_COMMITS:
            for turn in range(self._many(*_COLD)):
                self._update(turn)
                self._add_without_path(turn)
                self._remove_and_add(turn, warm=False)
            self._join_externally()
            if self._notebook.asks_for(*_WARM):
                self._warm_up()
                for turn in range(self._many(*_WARM)):
                    self._remove_and_add(turn, warm=True)
        self._talk()
        self._save_and_load()
        for side in self._sides:
            if side.engine.authenticator(side.sender) != side.engine.authenticator(side.receiver):
                raise RuntimeError(f"{side.column}: the members of the group do not agree")

    # --- joining ---

    def _create(self) -> None:
        row = self._row("group created in one commit")
        calls: dict[str, Call] = {}
        for side in self._sides:
            packages = [side.engine.published(member) for member in side.members[1:]]
            calls[side.column] = partial(side.engine.create, side.members[0], packages)
        calls[FLOOR] = self._floor.prepare(floor.group_created(self._kind, self._size))
        groups = self._rounds(row, calls)
        for side in self._sides:
            side.sender = groups[side.column]

    def _join(self) -> None:
        row = self._row("Welcome processed")
        calls: dict[str, Call] = {}
        for side in self._sides:
            commit, welcome = side.engine.creation(side.sender)
            self._notebook.note_size(
                self._row("group created in one commit"), side.column, len(commit)
            )
            self._notebook.note_size(row, side.column, len(welcome))
            calls[side.column] = partial(side.engine.join, side.members[-1], welcome)
        calls[FLOOR] = self._floor.prepare(floor.welcome_processed(self._kind, self._shape))
        groups = self._rounds(row, calls)
        for side in self._sides:
            side.receiver = groups[side.column]

    def _join_externally(self) -> None:
        """By somebody new, whose commit is then dropped."""
        row = self._row("external join")
        after = self._shape.copy()
        leaf = after.add()
        calls: dict[str, Call] = {}
        for side in self._sides:
            info, joiner = side.engine.group_info(side.sender), side.engine.member()
            calls[side.column] = partial(side.engine.join_external, joiner, info)
        calls[FLOOR] = self._floor.prepare(
            floor.joined_externally(self._kind, self._shape, after, leaf)
        )
        commits = self._rounds(row, calls)
        for side in self._sides:
            self._notebook.note_size(row, side.column, len(commits[side.column].message))

    def _warm_up(self) -> None:
        """Let many members commit: each comes in again by an external commit, which fills its path.

        Halves before quarters before eighths, so that the first commits make the later ones small.
        """
        count = min(COMMITTERS, self._size)
        bits = (count - 1).bit_length()
        order = sorted(range(count), key=lambda i: f"{i:0{bits}b}"[::-1])
        leaves = {1 + i * self._size // count: None for i in order}
        for leaf in leaves:
            if leaf in (self._middle, self._last) or leaf > self._last:
                continue
            self._shape.remove(leaf)
            if self._shape.add() != leaf:
                raise RuntimeError("there is an older blank leaf")
            self._shape.fill_path(leaf)
            for side in self._sides:
                info = side.engine.group_info(side.sender)
                commit = side.engine.join_external(side.members[leaf], info, resync=leaf)
                side.sender = side.engine.process(side.sender, commit.message)
                side.receiver = side.engine.process(side.receiver, commit.message)

    # --- commits ---

    def _update(self, turn: int) -> None:
        kind, shape = self._kind, self._shape
        self._commit(
            turn,
            "update {}",
            {
                side.column: partial(side.engine.update, side.sender)
                for side in self._sides
                if "update" in side.engine.offers
            },
            floor.update_made(kind, shape, 0),
            floor.update_processed(kind, shape, 0, self._last),
        )
        shape.fill_path(0)

    def _add_without_path(self, turn: int) -> None:
        """In place of somebody removed just before, without taking the time."""
        able = [side for side in self._sides if "add" in side.engine.offers]
        calls: dict[str, Call] = {}
        for side in able:
            commit = side.engine.remove(side.sender, self._middle)
            side.sender = commit.group
            side.receiver = side.engine.process(side.receiver, commit.message)
            joiner = side.engine.published(side.engine.member())
            calls[side.column] = partial(side.engine.add, side.sender, joiner)
        after = self._shape.copy()
        self._commit(
            turn,
            "add {}",
            calls,
            floor.add_made(self._kind, after),
            floor.add_processed(self._kind, after),
        )

    def _remove_and_add(self, turn: int, warm: bool) -> None:
        kind, shape = self._kind, self._shape
        tree = "warm tree" if warm else "cold tree"
        shape.remove(self._middle)
        self._commit(
            turn,
            f"remove {{}}, {tree}",
            {s.column: partial(s.engine.remove, s.sender, self._middle) for s in self._sides},
            floor.remove_made(kind, shape, 0),
            floor.remove_processed(kind, shape, 0, self._last),
        )
        shape.fill_path(0)
        calls: dict[str, Call] = {}
        for side in self._sides:
            side.members[self._middle] = side.engine.member()
            joiner = side.engine.published(side.members[self._middle])
            calls[side.column] = partial(side.engine.add_with_path, side.sender, joiner)
        leaf = shape.add()
        self._commit(
            turn,
            "" if warm else "add with path {}",
            calls,
            floor.add_with_path_made(kind, shape, 0, leaf),
            floor.add_with_path_processed(kind, shape, 0, self._last),
        )
        shape.fill_path(0)

    def _commit(
        self, turn: int, name: str, make: dict[str, Call], made: Steps, processed: Steps
    ) -> None:
        """One commit, made by each sender and processed by its receiver. No name: not noted."""
        sides = {side.column: side for side in self._sides if side.column in make}
        row = self._row(name.format("made")) if name else None
        commits: dict[str, Commit[Any]] = self._notebook.take_turns(
            turn, row, make | {FLOOR: self._floor.prepare(made)}
        )
        calls: dict[str, Call] = {}
        for column, side in sides.items():
            message = commits[column].message
            side.sender = commits[column].group
            calls[column] = partial(side.engine.process, side.receiver, message)
            self._notebook.note_size(row, column, len(message))
        row = self._row(name.format("processed")) if name else None
        groups = self._notebook.take_turns(
            turn, row, calls | {FLOOR: self._floor.prepare(processed)}
        )
        for column, side in sides.items():
            side.receiver = groups[column]

    # --- living in a group ---

    def _talk(self) -> None:
        row, row_back = self._row("message protected"), self._row("message unprotected")
        protect: dict[str, Call] = {
            side.column: _batch(partial(side.engine.protect, side.sender, MESSAGE))
            for side in self._sides
        }
        protect[FLOOR] = _batch(self._floor.prepare(floor.protected(self._kind, len(MESSAGE))))
        back = _batch(self._floor.prepare(floor.unprotected(self._kind, len(MESSAGE))))
        for turn in range(self._notebook.rounds(*_TALK)):
            messages = self._notebook.take_turns(turn, row, protect, repeats=BATCH)
            unprotect: dict[str, Call] = {
                side.column: partial(_unprotect_all, side, messages[side.column])
                for side in self._sides
            }
            self._notebook.take_turns(turn, row_back, unprotect | {FLOOR: back}, repeats=BATCH)
        for side in self._sides:
            self._notebook.note_size(row, side.column, len(messages[side.column][0]))

    def _save_and_load(self) -> None:
        whole, part = self._row("state saved"), self._row("saved after one message")
        back = self._row("state loaded")
        for turn in range(self._notebook.rounds(*_STATE)):
            saved = self._notebook.take_turns(
                turn, whole, {s.column: partial(s.engine.save, s.sender) for s in self._sides}
            )
            load: dict[str, Call] = {
                s.column: partial(s.engine.load, s.members[0], saved[s.column]) for s in self._sides
            }
            self._notebook.take_turns(turn, back, load)
            for side in self._sides:
                size = side.engine.saved_bytes(side.members[0], saved[side.column])
                self._notebook.note_size(whole, side.column, size)
                side.engine.save_changes(side.sender)
                save: dict[str, Call] = {
                    side.column: partial(side.engine.save_changes, side.sender)
                }
                for _ in range(SAVINGS):
                    side.engine.protect(side.sender, MESSAGE)
                    changes = self._notebook.take_turns(turn, part, save)
                size = side.engine.saved_bytes(side.members[0], changes[side.column])
                self._notebook.note_size(part, side.column, size)

    # --- the rest ---

    def _row(self, operation: str) -> Row:
        return Row(operation, self._size, self._kind.name)

    def _many(self, *operations: str) -> int:
        rounds = self._notebook.rounds(*operations)
        return MORE * rounds if rounds > 1 and self._size <= SMALL else rounds

    def _rounds(self, row: Row, calls: dict[str, Call], repeats: int = 1) -> dict[str, Any]:
        """All rounds of what leaves no trace, less the tired. Each column's last result."""
        results: dict[str, Any] = {}
        for turn in range(self._notebook.rounds(row.operation)):
            awake = {c: call for c, call in calls.items() if not self._notebook.tired(row, c)}
            results |= self._notebook.take_turns(turn, row, awake, repeats)
        return results


def _batch(call: Call) -> Callable[[], list[Any]]:
    return lambda: [call() for _ in range(BATCH)]


def _unprotect_all(side: Side, messages: list[bytes]) -> None:
    for message in messages:
        if side.engine.unprotect(side.receiver, message) != MESSAGE:
            raise RuntimeError(f"{side.column}: another message came out")
