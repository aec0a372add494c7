"""Cells: small values with a version. Whoever writes says which version he has seen.

Writing runs in the writer's transaction (`Batch`), reading on a reader's store.
"""

from __future__ import annotations

from heliogram.relay.batch import Batch
from heliogram.relay.budgets import Lane
from heliogram.relay.errors import BadWork, Full, NotAuthorised
from heliogram.relay.store import CellRecord, Store
from heliogram.wire import frames, objects, work
from heliogram.wire.errors import RemoteError
from heliogram.wire.signing import Label, verify


def put_cell(batch: Batch, frame: frames.CellPut) -> frames.Done | frames.CellValue:
    """CELL_PUT. Raises `BadWork`, `NotAuthorised`, `Full`, `OverBudget`."""
    cell = objects.cell_id(frame.owner)
    difficulty = batch.terms.limits.difficulty_open
    # A later version needs no work: its cell is there, and its owner has worked for it.
    if frame.version == 1 and not _worked(batch, frame.proof, cell, difficulty):
        raise BadWork(difficulty)
    content = objects.cell_content(cell, frame.version, frame.value)
    if not verify(frame.owner, Label.CELL, content, frame.signature):
        raise NotAuthorised
    table = batch.store.cells
    day = batch.now // 86_400
    before = table.read(cell)
    after = CellRecord(cell, frame.owner, frame.version, day, frame.signature, frame.value)
    if before is None:
        if frame.version != 1:
            raise NotAuthorised
        if table.count() >= batch.terms.max_cells:
            raise Full
        _charge(batch, cell)
        table.create(after)
    elif (frame.version, frame.value) == (before.version, before.value):
        table.touch(cell, day=day)  # a request whose answer was lost
    elif frame.version == before.version + 1:
        _charge(batch, cell)
        table.save(after)
    else:
        table.touch(cell, day=day)
        return _answer(frame.id, before)
    return frames.Done(frame.id)


def get_cell(store: Store, frame: frames.CellGet, *, now: int) -> tuple[frames.CellValue, bool]:
    """CELL_GET, and whether `touch` must be done too. Raises `NotAuthorised`."""
    record = store.cells.read(frame.cell)
    if record is None:
        raise NotAuthorised
    return _answer(frame.id, record), record.day != now // 86_400


def touch(batch: Batch, cell: bytes) -> None:
    """Write that somebody asked for this cell today: it goes when nobody does for `certificate_days`."""
    batch.store.cells.touch(cell, day=batch.now // 86_400)


def _answer(id: int, record: CellRecord) -> frames.CellValue:
    return frames.CellValue(id, record.owner, record.version, record.value, record.signature)


def _worked(batch: Batch, proof: bytes, cell: bytes, difficulty: int) -> bool:
    try:
        return work.good(work.Proof.from_bytes(proof), batch.relay, cell, difficulty, now=batch.now)
    except RemoteError:
        return False  # it is missing


def _charge(batch: Batch, cell: bytes) -> None:
    ceiling = batch.terms.cell_writes_per_day
    number = int.from_bytes(cell, "big")
    batch.budgets.charge(Lane.CELL_WRITES, number, 1, ceiling, now=batch.now)
