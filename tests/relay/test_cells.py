"""Cells on a real store: compare and swap, limits, and what is forgotten."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heliogram.relay import cells
from heliogram.relay.batch import Batch
from heliogram.relay.budgets import Budgets
from heliogram.relay.errors import BadWork, Full, NotAuthorised, OverBudget, RelayError
from heliogram.relay.store import Store
from heliogram.relay.terms import Terms
from heliogram.wire import frames, objects, work
from heliogram.wire.limits import MAX_CELL
from heliogram.wire.signing import Label, SigningKey
from tests.wire import samples

T = TypeVar("T")

NOW = samples.NOW
RELAY = samples.RELAYS[0].public
OWNERS = [SigningKey(sha256(b"cell %d" % i).digest()) for i in range(3)]
CELLS = [objects.cell_id(owner.public) for owner in OWNERS]
TERMS = Terms(replace(samples.LIMITS, difficulty_open=4))
ID = samples.ID
DONE = frames.Done(ID)


def signed(owner: SigningKey, version: int, value: bytes) -> bytes:
    content = objects.cell_content(objects.cell_id(owner.public), version, value)
    return owner.sign(Label.CELL, content)


class World:
    """A relay's store, and owners of cells."""

    def __init__(self, path: Path, terms: Terms = TERMS) -> None:
        self.path = path
        self.terms = terms
        self.store = Store(path, writes=True)
        self.budgets = Budgets()
        self.now = NOW

    def do(self, function: Callable[..., T], *request: Any) -> T:
        """What a core function answers, in a transaction. What is refused must not have changed anything."""
        batch = Batch(self.store, self.terms, self.budgets, RELAY, self.now, bytes)
        with self.store.transaction():
            before = self.contents()
            try:
                return function(batch, *request)
            except RelayError:
                assert self.contents() == before
                raise

    def contents(self) -> list[Any]:
        return self.store.database.all("SELECT * FROM cells ORDER BY cell")

    def proof(self, owner: SigningKey) -> bytes:
        difficulty = self.terms.limits.difficulty_open
        cell = objects.cell_id(owner.public)
        return work.solve(RELAY, cell, difficulty, now=self.now).encode()

    def put(self, owner: SigningKey, version: int, value: bytes) -> frames.Done | frames.CellValue:
        proof = self.proof(owner) if version == 1 else b""
        signature = signed(owner, version, value)
        frame = frames.CellPut(ID, owner.public, version, value, signature, proof)
        return self.do(cells.put_cell, frame)

    def get(self, owner: SigningKey) -> frames.CellValue:
        frame = frames.CellGet(ID, objects.cell_id(owner.public))
        return cells.get_cell(self.store, frame, now=self.now)[0]


def held(owner: SigningKey, version: int, value: bytes) -> frames.CellValue:
    """The answer that says what a cell holds."""
    return frames.CellValue(ID, owner.public, version, value, signed(owner, version, value))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "relay.db")


OWNER = OWNERS[0]


def test_compare_and_swap(world: World) -> None:
    assert world.put(OWNER, 1, b"one") == DONE
    assert world.put(OWNER, 2, b"two") == DONE
    assert world.put(OWNER, 2, b"two") == DONE  # its answer was lost
    for version in (1, 2, 4, 1 << 62):
        assert world.put(OWNER, version, b"late") == held(OWNER, 2, b"two")
    assert world.put(OWNER, 3, b"") == DONE
    assert world.get(OWNER) == held(OWNER, 3, b"")


def test_what_is_read_can_be_checked(world: World) -> None:
    value = bytes(MAX_CELL)
    world.put(OWNER, 1, value)
    answer = world.get(OWNER)
    assert objects.cell_id(answer.owner) == CELLS[0]
    assert answer.signature == signed(OWNER, 1, value)


def test_a_new_cell_takes_work(world: World) -> None:
    signature = signed(OWNER, 1, b"x")
    window = work.window_at(now=NOW)
    lazy = next(
        proof.encode()
        for proof in (work.Proof(window, nonce) for nonce in range(1000))
        if not work.good(proof, RELAY, CELLS[0], 4, now=NOW)
    )
    for proof in (b"", b"short", lazy, world.proof(OWNERS[1])):
        frame = frames.CellPut(ID, OWNER.public, 1, b"x", signature, proof)
        if proof == lazy or not work_is_good(proof):
            with pytest.raises(BadWork) as refused:
                world.do(cells.put_cell, frame)
            assert refused.value.detail == 4
    assert world.contents() == []


def work_is_good(proof: bytes) -> bool:
    """Work for another cell is good for this one now and then."""
    return len(proof) == 12 and work.good(work.Proof.from_bytes(proof), RELAY, CELLS[0], 4, now=NOW)


def test_a_cell_that_is_not_there(world: World) -> None:
    world.put(OWNERS[1], 1, b"another's")
    with pytest.raises(NotAuthorised):
        world.get(OWNER)
    with pytest.raises(NotAuthorised):
        world.put(OWNER, 2, b"not the first")


def test_only_the_owner_writes(world: World) -> None:
    world.put(OWNER, 1, b"one")
    for signature in (
        signed(OWNERS[1], 2, b"two"),
        signed(OWNER, 3, b"two"),
        signed(OWNER, 2, b"three"),
        OWNER.sign(Label.INBOX_POST, objects.cell_content(CELLS[0], 2, b"two")),
        bytes(64),
    ):
        with pytest.raises(NotAuthorised):
            world.do(cells.put_cell, frames.CellPut(ID, OWNER.public, 2, b"two", signature, b""))


def test_72_a_writer_without_the_key_does_not_reach_the_database(world: World) -> None:
    """On a closed store, whatever looks into it fails otherwise."""
    batch = Batch(world.store, TERMS, Budgets(), RELAY, NOW, bytes)
    frame = frames.CellPut(ID, OWNER.public, 2, b"two", bytes(64), b"")
    world.store.close()
    with pytest.raises(NotAuthorised):
        cells.put_cell(batch, frame)


def test_a_relay_has_room_for_so_many_cells(tmp_path: Path) -> None:
    world = World(tmp_path / "relay.db", replace(TERMS, max_cells=2))
    world.put(OWNERS[0], 1, b"x")
    world.put(OWNERS[1], 1, b"x")
    with pytest.raises(Full):
        world.put(OWNERS[2], 1, b"x")
    assert world.put(OWNERS[1], 2, b"y") == DONE
    with world.store.transaction():
        world.store.cells.expire(before=NOW)
    assert world.put(OWNERS[2], 1, b"x") == DONE


def test_a_cell_has_a_budget(tmp_path: Path) -> None:
    world = World(tmp_path / "relay.db", replace(TERMS, cell_writes_per_day=2))
    for version in (1, 2):
        world.put(OWNER, version, b"x")
    with pytest.raises(OverBudget):
        world.put(OWNER, 3, b"x")
    assert world.put(OWNER, 2, b"x") == DONE
    assert world.put(OWNER, 9, b"x") == held(OWNER, 2, b"x")
    assert world.put(OWNERS[1], 1, b"x") == DONE
    world.now += 86_400
    assert world.put(OWNER, 3, b"x") == DONE


TEN_YEARS = 3653 * 86_400


@pytest.mark.parametrize("error", [-TEN_YEARS, 0, TEN_YEARS])
def test_21_a_wrong_clock_decides_nothing(world: World, error: int) -> None:
    world.now += error
    world.put(OWNER, 1, b"one")
    world.now = NOW
    assert world.put(OWNER, 3, b"x") == held(OWNER, 1, b"one")
    assert world.put(OWNER, 2, b"two") == DONE
    assert world.get(OWNER) == held(OWNER, 2, b"two")


def test_a_read_is_written_once_a_day(world: World) -> None:
    frame = frames.CellGet(ID, CELLS[0])
    world.put(OWNER, 1, b"x")
    for _ in range(2):
        assert cells.get_cell(world.store, frame, now=world.now) == (held(OWNER, 1, b"x"), False)
        world.now += 86_400
        assert cells.get_cell(world.store, frame, now=world.now) == (held(OWNER, 1, b"x"), True)
        world.do(cells.touch, CELLS[0])
    before = world.contents()
    world.do(cells.touch, CELLS[0])
    world.do(cells.touch, CELLS[1])
    assert world.contents() == before


@pytest.mark.parametrize("version", [1, 5])
def test_who_writes_in_vain_has_asked_for_the_cell(world: World, version: int) -> None:
    world.put(OWNER, 1, b"x")
    world.now += 86_400
    world.put(OWNER, version, b"x")
    assert not cells.get_cell(world.store, frames.CellGet(ID, CELLS[0]), now=world.now)[1]


class Cells(RuleBasedStateMachine):
    """Several writers, each with the version that he saw last, and a model. Also across crashes."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name, "relay.db"))
        self.model: dict[int, tuple[int, bytes]] = {}
        self.history: list[tuple[int, int, bytes]] = []

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.world.store.close()
            self.folder.cleanup()

    @rule(cell=st.integers(0, 2), ahead=st.sampled_from([-1, 0, 1, 1, 1, 2]),
          value=st.sampled_from([b"", b"a", b"b"]))  # fmt: skip
    def put(self, cell: int, ahead: int, value: bytes) -> None:
        version = self.model.get(cell, (0, b""))[0] + ahead
        if version >= 1:
            self.ask(cell, version, value)

    @rule(number=st.integers(0, 30))
    def put_again(self, number: int) -> None:
        if number < len(self.history):
            self.ask(*self.history[number])

    def ask(self, cell: int, version: int, value: bytes) -> None:
        owner, there = OWNERS[cell], self.model.get(cell)
        if there is None and version != 1:
            with pytest.raises(NotAuthorised):
                self.world.put(owner, version, value)
            return
        if there is None or version == there[0] + 1:
            expected: frames.Done | frames.CellValue = DONE
            self.model[cell] = (version, value)
            self.history.append((cell, version, value))
        else:
            expected = DONE if (version, value) == there else held(owner, *there)
        assert self.world.put(owner, version, value) == expected

    @rule(cell=st.integers(0, 2))
    def crash(self, cell: int) -> None:
        """In the middle of a transaction that wrote something."""
        version = self.model.get(cell, (0, b""))[0] + 1
        proof = self.world.proof(OWNERS[cell]) if version == 1 else b""
        signature = signed(OWNERS[cell], version, b"lost")
        frame = frames.CellPut(ID, OWNERS[cell].public, version, b"lost", signature, proof)
        world = self.world
        batch = Batch(world.store, TERMS, world.budgets, RELAY, world.now, bytes)
        with pytest.raises(KeyboardInterrupt), world.store.transaction():
            assert cells.put_cell(batch, frame) == DONE
            raise KeyboardInterrupt
        world.store.close()
        world.store = Store(world.path, writes=True)

    @invariant()
    def all_read_what_was_written(self) -> None:
        if hasattr(self, "world"):
            for number, (version, value) in self.model.items():
                assert self.world.get(OWNERS[number]) == held(OWNERS[number], version, value)
            assert self.world.store.cells.count() == len(self.model)


TestCells = Cells.TestCase
TestCells.settings = settings(max_examples=30, stateful_step_count=30)
