"""Announcing, tickets, taking back, expiry, and what a restart makes of blobs."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.relay.blobs import files as blob_files
from heliogram.relay.blobs import service as blob_service
from heliogram.relay.blobs.rules import Tickets, expire_blobs
from heliogram.relay.blobs.service import BadHash, CutOff, Misplaced, Pace, Part, Range
from heliogram.relay.errors import (
    DiskFull,
    Full,
    Malformed,
    NotAuthorised,
    OverBudget,
    TooLarge,
    Unavailable,
)
from heliogram.relay.store import BlobRecord
from heliogram.relay.store.blobs import SLICE, SMALLEST
from heliogram.relay.terms import Terms
from heliogram.wire.connection import Scope, ScopeKind
from heliogram.wire.frames import BlobReady
from tests.relay.blob_kit import LIMITS, SCOPE, Relay, blob_of
from tests.wire import samples

DATA = blob_of("a photograph", 300_000)
BLOB = sha256(DATA).digest()
OTHER = samples.name("another secret")
DAY, HOUR = 86_400, 3_600


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    relay = Relay(tmp_path / "data")
    yield relay
    relay.stop()


def body(data: bytes, piece: int = 40_000) -> Callable[[], Awaitable[bytes]]:
    """A body of `data`, piece by piece; it ends when `data` does."""
    pieces = iter([data[at : at + piece] for at in range(0, len(data), piece)])

    async def receive() -> bytes:
        return next(pieces, b"")

    return receive


async def put(
    relay: Relay, ready: BlobReady, data: bytes = DATA, first: int = 0, end: int | None = None,
    blob: bytes | None = None, arrives: int | None = None,
) -> tuple[Part, int]:  # fmt: skip
    """Upload the bytes from `first` up to `end`, of which only `arrives` come."""
    end = len(data) if end is None else end
    part = Range(first, end - 1, len(data))
    name = sha256(data).digest() if blob is None else blob
    sent = data[first:end][:arrives]
    return await relay.service.put(name, ready.ticket, part, body(sent))


async def content(relay: Relay, blob: bytes = BLOB) -> bytes:
    out = bytearray()
    async with relay.service.download(blob) as download:
        while len(out) < download.size:
            out += await download.read(len(out), download.size)
    return bytes(out)


# --- Announcing -----------------------------------------------------------------------------------


def test_announced(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA), days=10)
    assert ready.id == samples.ID and len(ready.ticket) == 32
    assert ready.offset == 0
    assert ready.expires == (relay.now // DAY + 11) * 1440
    assert relay.open(BLOB, len(DATA)) == ready


def test_no_row_is_written_for_what_is_refused(relay: Relay) -> None:
    refusals = {
        NotAuthorised: {"scope": Scope(ScopeKind.LOG, samples.name("no log"), 1)},
        TooLarge: {"days": LIMITS.blob_days + 1},
    }
    for error, arguments in refusals.items():
        with pytest.raises(error):
            relay.open(BLOB, len(DATA), **arguments)  # type: ignore[arg-type]
    with pytest.raises(TooLarge):
        relay.open(BLOB, LIMITS.max_blob + 1)
    with pytest.raises(NotAuthorised):  # of an epoch that is not open
        relay.open(BLOB, len(DATA), scope=replace(SCOPE, epoch=samples.EPOCH + 1))
    assert relay.write(lambda batch: batch.store.blobs.bytes()) == 0


def test_size_is_fixed_by_its_announcement(relay: Relay) -> None:
    relay.open(BLOB, len(DATA))
    with pytest.raises(Malformed):
        relay.open(BLOB, len(DATA) + 1)


def test_budget_of_a_log_in_a_day(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data", Terms(LIMITS, blob_bytes_per_day=3 * SMALLEST))
    relay.open(samples.name("1"), 2 * SMALLEST)
    relay.open(samples.name("2"), 1)  # counts for more than it has
    relay.open(samples.name("2"), 1)  # asking again costs nothing
    with pytest.raises(OverBudget):
        relay.open(samples.name("3"), 1)
    relay.now += DAY
    relay.open(samples.name("3"), 1)
    relay.stop()


def test_room_of_the_relay(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data", Terms(LIMITS, max_blob_bytes=3 * SMALLEST))
    relay.open(samples.name("1"), 2 * SMALLEST)
    relay.stop()
    relay = relay.again()
    relay.open(samples.name("2"), SMALLEST)
    with pytest.raises(Full):
        relay.open(samples.name("3"), 1)
    relay.now += 11 * DAY
    assert len(relay.write(expire_blobs)) == 2
    relay.open(samples.name("3"), 3 * SMALLEST)
    relay.stop()


def test_a_bug_elsewhere_in_the_batch_does_not_spoil_the_sum(relay: Relay) -> None:
    relay.open(samples.name("1"), SMALLEST)
    with pytest.raises(RuntimeError), relay.store.transaction():
        record = BlobRecord(samples.name("2"), OTHER, SMALLEST, 0, relay.now, relay.now)
        relay.store.blobs.announce(record)
        raise RuntimeError
    assert relay.store.blobs.bytes() == SMALLEST


async def test_days_are_never_shortened(relay: Relay) -> None:
    first = relay.open(BLOB, len(DATA), days=10)
    await put(relay, first)
    assert relay.open(BLOB, len(DATA), days=2).expires == first.expires
    longer = relay.open(BLOB, len(DATA), days=12)
    assert longer.expires == first.expires + 2 * 1440
    assert longer.offset == len(DATA)


async def test_more_days_are_paid_for(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data", Terms(LIMITS, blob_bytes_per_day=2 * len(DATA)))
    await put(relay, relay.open(BLOB, len(DATA), days=1))
    relay.open(BLOB, len(DATA), days=2)
    relay.open(BLOB, len(DATA), days=2)
    with pytest.raises(OverBudget):
        relay.open(BLOB, len(DATA), days=3)
    relay.stop()


async def test_an_upload_over_midnight_is_paid_once(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data", Terms(LIMITS, blob_bytes_per_day=len(DATA)))
    ready = relay.open(BLOB, len(DATA))
    await put(relay, ready, end=100_000)
    relay.now += DAY - 60
    again = relay.open(BLOB, len(DATA))
    assert (again.offset, again.expires) == (100_000, ready.expires)
    relay.open(samples.name("another"), len(DATA))  # the new day's budget is whole
    relay.stop()


# --- Tickets --------------------------------------------------------------------------------------

HASH = st.binary(min_size=32, max_size=32)


def announced(blob: bytes = BLOB, delete_hash: bytes = OTHER, size: int = 5) -> BlobRecord:
    return BlobRecord(blob, delete_hash, size, 0, 1, 1)


@given(HASH, HASH, st.integers(1, 1 << 32), st.integers(0, 1 << 33), st.integers(-3, 3))
def test_ticket_is_good_for_its_upload_and_an_hour(
    blob: bytes, delete_hash: bytes, size: int, now: int, later: int
) -> None:
    tickets = Tickets(bytes(32))
    record = announced(blob, delete_hash, size)
    ticket = tickets.make(record, now=now)
    assert len(ticket) == 32
    assert tickets.good(ticket, record, now=now + HOUR)
    good = later in (0, 1) or (later < 0 and now // HOUR + later < 0 and now // HOUR == 0)
    if now + later * HOUR >= 0:
        assert tickets.good(ticket, record, now=now + later * HOUR) == good
    assert not tickets.good(ticket, replace(record, size=size + 1), now=now)
    assert not tickets.good(ticket, replace(record, blob=sha256(blob).digest()), now=now)
    assert not tickets.good(ticket, replace(record, delete_hash=bytes(32)), now=now) or not any(
        delete_hash
    )
    assert not Tickets(b"\1" * 32).good(ticket, record, now=now)
    assert ticket.hex() not in repr((tickets, record))


async def test_only_the_ticket_opens_the_upload(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    for wrong in (bytes(32), ready.ticket[:-1] + bytes(1), ready.ticket[:8] + bytes(24)):
        with pytest.raises(NotAuthorised):
            await put(relay, replace_ticket(ready, wrong))
    with pytest.raises(NotAuthorised):
        await put(relay, ready, blob=samples.name("another blob"))
    relay.now += 2 * HOUR
    with pytest.raises(NotAuthorised):
        await put(relay, ready)
    assert (await put(relay, relay.open(BLOB, len(DATA))))[0] is Part.LAST


def replace_ticket(ready: BlobReady, ticket: bytes) -> BlobReady:
    return BlobReady(ready.id, ticket, ready.offset, ready.expires)


async def test_a_new_process_has_new_tickets(relay: Relay, tmp_path: Path) -> None:
    other = Relay(tmp_path / "other", runs=1)
    other.open(BLOB, len(DATA))
    with pytest.raises(NotAuthorised):
        await put(other, relay.open(BLOB, len(DATA)))
    other.stop()


# --- Uploading ------------------------------------------------------------------------------------


async def test_in_parts(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    assert await put(relay, ready, end=100_000) == (Part.STORED, 100_000)
    with pytest.raises(NotAuthorised):
        await content(relay)
    assert relay.open(BLOB, len(DATA)).offset == 100_000
    assert await relay.service.uploaded(BLOB, ready.ticket) == 100_000
    with pytest.raises(Misplaced) as hole:
        await put(relay, ready, first=100_001)
    assert hole.value.detail == 100_000
    with pytest.raises(Misplaced):
        await put(relay, ready, first=50_000, end=100_000)  # nothing beyond
    assert await put(relay, ready, first=50_000, end=100_001) == (Part.STORED, 100_001)
    assert await put(relay, ready, first=99_999) == (Part.LAST, len(DATA))
    assert await content(relay) == DATA
    assert await put(relay, ready) == (Part.NEEDLESS, len(DATA))
    assert relay.paths() == [f"blobs/{BLOB.hex()[:2]}/{BLOB.hex()}"]


async def test_overlap_is_not_written_again(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    await put(relay, ready, end=100_000)
    part = Range(0, len(DATA) - 1, len(DATA))
    changed = bytes(100_000) + DATA[100_000:]
    assert await relay.service.put(BLOB, ready.ticket, part, body(changed)) == (
        Part.LAST,
        len(DATA),
    )
    assert await content(relay) == DATA


@given(st.data(), st.integers(1, 700))
def test_any_pieces_make_the_same_body(drawn: st.DataObject, piece: int) -> None:
    """What is written is what lies between the place and the end, however the bytes come."""
    last = drawn.draw(st.integers(0, 1999))
    stored = drawn.draw(st.integers(0, last))
    first = drawn.draw(st.integers(0, stored))
    data = blob_of("pieces", 2000)
    service = object.__new__(blob_service.BlobService)
    service.pace = Pace()

    async def collected() -> bytes:
        part, out = Range(first, last, 2000), b""
        async for some in service._body(part, stored, body(data[first : last + 1], piece)):
            out += some
        return out

    assert asyncio.run(collected()) == data[stored : last + 1]


async def test_wrong_size(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    with pytest.raises(TooLarge):
        await put(relay, ready, DATA + b"x", blob=BLOB)
    with pytest.raises(Malformed):
        await put(relay, ready, DATA[:-1], blob=BLOB)


async def test_wrong_hash_begins_again(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    wrong = DATA[:-1] + bytes(1)
    await put(relay, ready, wrong, end=200_000, blob=BLOB)
    with pytest.raises(BadHash):
        await put(relay, ready, wrong, first=200_000, blob=BLOB)
    assert relay.paths() == []
    assert relay.open(BLOB, len(DATA)).offset == 0
    with pytest.raises(NotAuthorised):
        await content(relay)
    assert await put(relay, ready) == (Part.LAST, len(DATA))
    assert await content(relay) == DATA


async def test_what_was_cut_off_counts(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    with pytest.raises(CutOff):
        await put(relay, ready, arrives=123_456)
    assert relay.open(BLOB, len(DATA)).offset == 123_456
    with pytest.raises(CutOff):
        await put(relay, ready, first=123_456, arrives=0)
    assert await put(relay, ready, first=123_456) == (Part.LAST, len(DATA))


async def test_what_was_cancelled_counts(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    there = asyncio.Event()
    pieces = iter([DATA[:1000]])

    async def receive() -> bytes:
        for piece in pieces:
            return piece
        there.set()
        await asyncio.Event().wait()
        raise AssertionError

    part = Range(0, len(DATA) - 1, len(DATA))
    upload = asyncio.create_task(relay.service.put(BLOB, ready.ticket, part, receive))
    await there.wait()
    with pytest.raises(Misplaced):  # another part is arriving
        await put(relay, ready)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert relay.open(BLOB, len(DATA)).offset == 1000
    assert await put(relay, ready, first=1000) == (Part.LAST, len(DATA))


async def test_a_long_part_is_secured_on_the_way(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_service, "WRITE_BYTES", 10_000)
    monkeypatch.setattr(blob_service, "SECURE_BYTES", 20_000)
    ready = relay.open(BLOB, len(DATA))
    places = []
    pieces = iter([DATA[at : at + 10_000] for at in range(0, len(DATA), 10_000)])

    async def receive() -> bytes:
        places.append(await relay.service.uploaded(BLOB, ready.ticket))
        return next(pieces)

    part = Range(0, len(DATA) - 1, len(DATA))
    assert await relay.service.put(BLOB, ready.ticket, part, receive) == (Part.LAST, len(DATA))
    assert places == [at // 20_000 * 20_000 for at in range(0, len(DATA), 10_000)]


@pytest.mark.parametrize(
    "pace",
    [Pace(wait=0.02), Pace(rate=1 << 60, after=0)],
    ids=["nothing comes", "too little comes"],
)
async def test_slow_bodies(tmp_path: Path, pace: Pace) -> None:
    relay = Relay(tmp_path / "data", pace=pace)
    ready = relay.open(BLOB, len(DATA))
    pieces = iter([DATA[:10]])

    async def receive() -> bytes:
        for piece in pieces:
            return piece
        await asyncio.Event().wait()
        raise AssertionError

    part = Range(0, len(DATA) - 1, len(DATA))
    with pytest.raises(CutOff):
        await relay.service.put(BLOB, ready.ticket, part, receive)
    assert relay.open(BLOB, len(DATA)).offset == 10
    relay.stop()


async def test_only_so_many_at_once(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = relay.open(BLOB, len(DATA))
    monkeypatch.setattr(blob_service, "MAX_UPLOADS", 0)
    with pytest.raises(Unavailable):
        await put(relay, ready)
    monkeypatch.undo()
    await put(relay, ready)
    monkeypatch.setattr(blob_service, "MAX_DOWNLOADS", 0)
    with pytest.raises(Unavailable):
        await content(relay)


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
async def test_files_are_the_relay_s_alone(relay: Relay) -> None:
    await put(relay, relay.open(BLOB, len(DATA)))
    await put(relay, relay.open(samples.name("x"), 5), b"ab345", end=2, blob=samples.name("x"))
    for folder in ("blobs", "uploads"):
        for path in ((top := relay.root / folder), *top.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


# --- Several who announce the same ----------------------------------------------------------------


async def test_uploads_of_the_same_blob_do_not_touch_each_other(relay: Relay) -> None:
    honest = relay.open(BLOB, len(DATA))
    await put(relay, honest, end=100_000)
    foreign = relay.open(BLOB, len(DATA), secret=OTHER)
    assert foreign.offset == 0 and foreign.ticket != honest.ticket
    with pytest.raises(BadHash):
        await put(relay, foreign, bytes(len(DATA)), blob=BLOB)
    larger = relay.open(BLOB, len(DATA) + 7, secret=samples.name("a third"))
    await put(relay, larger, bytes(len(DATA) + 7), end=7, blob=BLOB)
    assert await put(relay, honest, first=100_000) == (Part.LAST, len(DATA))
    with pytest.raises(BadHash):
        await put(relay, larger, bytes(len(DATA) + 7), first=7, blob=BLOB)
    assert await content(relay) == DATA


async def test_a_complete_blob_need_not_be_sent_again(relay: Relay) -> None:
    await put(relay, relay.open(BLOB, len(DATA)))
    second = relay.open(BLOB, len(DATA), secret=OTHER)
    assert second.offset == len(DATA)
    relay.delete(BLOB)
    await relay.service.collect()
    assert await content(relay) == DATA  # the second one still holds it
    relay.delete(BLOB, OTHER)
    with pytest.raises(NotAuthorised):
        await content(relay)
    await relay.service.collect()
    assert relay.paths() == []


async def test_both_finish(relay: Relay) -> None:
    first, second = relay.open(BLOB, len(DATA)), relay.open(BLOB, len(DATA), secret=OTHER)
    await put(relay, second, end=5)
    assert await put(relay, first) == (Part.LAST, len(DATA))
    assert await put(relay, second, first=5) == (Part.LAST, len(DATA))
    relay.delete(BLOB)
    await relay.service.collect()
    assert await content(relay) == DATA
    assert len(relay.paths()) == 1


# --- Taking back and expiry -----------------------------------------------------------------------


async def test_delete(relay: Relay) -> None:
    await put(relay, relay.open(BLOB, len(DATA)))
    for blob, secret in ((BLOB, OTHER), (samples.name("no blob"), samples.name("no secret"))):
        with pytest.raises(NotAuthorised):
            relay.delete(blob, secret)
    assert relay.delete(BLOB).id == samples.ID
    with pytest.raises(NotAuthorised):
        relay.delete(BLOB)
    with pytest.raises(NotAuthorised):
        await content(relay)
    await relay.service.collect()
    assert relay.paths() == []
    assert relay.write(lambda batch: batch.store.blobs.bytes()) == 0


async def test_announced_anew_before_its_file_is_gone(relay: Relay) -> None:
    await put(relay, relay.open(BLOB, len(DATA)))
    relay.delete(BLOB)
    assert relay.open(BLOB, len(DATA)).offset == len(DATA)
    await relay.service.collect()
    assert await content(relay) == DATA


async def test_announced_anew_between_row_and_file(relay: Relay) -> None:
    """The row is gone, its file not yet: the new upload must survive the old one's end."""
    await put(relay, relay.open(BLOB, len(DATA)))
    relay.delete(BLOB)
    (old,) = relay.write(expire_blobs)
    ready = relay.open(BLOB, len(DATA))
    assert ready.offset == 0
    await put(relay, ready, end=10)
    await relay.service._bury(old)
    assert relay.paths() == [f"uploads/{old.upload.hex()}"]
    assert await put(relay, ready, first=10) == (Part.LAST, len(DATA))
    await relay.service._bury(old)
    assert await content(relay) == DATA


async def test_deleted_while_it_is_uploaded(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    pieces = iter([DATA[:200_000], DATA[200_000:]])

    async def receive() -> bytes:
        piece = next(pieces)
        if len(piece) < 200_000:
            relay.delete(BLOB)
            await relay.service.collect()
            assert len(relay.paths()) == 1  # not under a part that is being written
        return piece

    part = Range(0, len(DATA) - 1, len(DATA))
    with pytest.raises(NotAuthorised):
        await relay.service.put(BLOB, ready.ticket, part, receive)
    assert relay.service._due.is_set()
    await relay.service.collect()
    assert relay.paths() == []


async def test_expiry(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA), days=3)
    await put(relay, ready)
    relay.now = ready.expires * 60 - 1
    await relay.service.collect()
    assert await content(relay) == DATA
    relay.now += 1
    with pytest.raises(NotAuthorised):
        await content(relay)
    await relay.service.collect()
    assert relay.paths() == []


async def test_uploads_that_stand_still(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    await put(relay, ready, end=1)
    relay.open(samples.name("not begun"), 100)
    relay.now += 2 * HOUR
    assert relay.write(expire_blobs) == []
    relay.now += 60
    assert [one.blob for one in relay.write(expire_blobs)] == [samples.name("not begun")]
    relay.now += 22 * HOUR - 60
    assert relay.write(expire_blobs) == []
    relay.now += 60
    await relay.service.collect()
    assert relay.paths() == []


async def test_many_expire_in_slices(relay: Relay) -> None:
    def announce(batch: object) -> None:
        for number in range(SLICE + 5):
            one = BlobRecord(samples.name(str(number)), OTHER, 5, 0, 1, 1)
            relay.store.blobs.announce(one)

    relay.write(announce)
    assert len(relay.write(expire_blobs)) == SLICE
    await relay.service.collect()
    assert relay.write(lambda batch: batch.store.blobs.bytes()) == 0


async def test_a_clock_that_was_wrong_keeps_nothing_for_years(relay: Relay) -> None:
    right = relay.now
    relay.now += 3650 * DAY
    relay.open(BLOB, len(DATA))
    relay.now = right
    assert relay.write(expire_blobs) == []
    relay.now += 3 * HOUR
    assert len(relay.write(expire_blobs)) == 1


async def test_the_round_that_deletes(relay: Relay) -> None:
    await put(relay, relay.open(BLOB, len(DATA)))
    relay.delete(BLOB)
    rounds = asyncio.create_task(relay.service.run())
    relay.service.delete_soon()
    async with asyncio.timeout(60):
        while relay.paths():
            await asyncio.sleep(0)
    rounds.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rounds


# --- Restarts and crashes -------------------------------------------------------------------------


async def test_restart_in_the_middle_of_an_upload(relay: Relay, tmp_path: Path) -> None:
    first = Relay(tmp_path / "again")
    await put(first, first.open(BLOB, len(DATA)), end=123_456)
    first.stop()
    second = first.again()
    ready = second.open(BLOB, len(DATA))
    assert ready.offset == 123_456
    assert await put(second, ready, first=123_456) == (Part.LAST, len(DATA))
    assert await content(second) == DATA
    second.stop()
    third = second.again()
    assert await content(third) == DATA
    third.stop()


async def crash(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """Stop where something just failed, and come back."""
    monkeypatch.undo()
    relay.stop()
    return relay.again()


async def test_crash_between_name_and_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay(tmp_path / "data")
    ready = relay.open(BLOB, len(DATA))
    monkeypatch.setattr(relay.service, "_save", _dies)
    with pytest.raises(PowerCut):
        await put(relay, ready)
    assert relay.paths() == [f"blobs/{BLOB.hex()[:2]}/{BLOB.hex()}"]
    with pytest.raises(NotAuthorised):
        await content(relay)
    relay = await crash(relay, monkeypatch)
    assert await content(relay) == DATA
    assert relay.open(BLOB, len(DATA)).offset == len(DATA)
    relay.stop()


async def test_crash_between_row_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay(tmp_path / "data")
    await put(relay, relay.open(BLOB, len(DATA)))
    await put(relay, relay.open(samples.name("x"), 5), b"ab345", end=2, blob=samples.name("x"))
    relay.delete(BLOB)
    relay.delete(samples.name("x"))
    monkeypatch.setattr(relay.service, "_bury", _dies)
    with pytest.raises(PowerCut):
        await relay.service.collect()
    assert len(relay.paths()) == 2
    relay = await crash(relay, monkeypatch)
    assert relay.paths() == []
    relay.stop()


async def test_crash_before_a_part_was_in_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(tmp_path / "data")
    ready = relay.open(BLOB, len(DATA))
    await put(relay, ready, end=10)
    monkeypatch.setattr(relay.service, "_save", _dies)
    with pytest.raises(PowerCut):
        await put(relay, ready, DATA[:10] + bytes(len(DATA) - 10), first=10, end=20, blob=BLOB)
    relay = await crash(relay, monkeypatch)
    ready = relay.open(BLOB, len(DATA))
    assert ready.offset == 10
    assert await put(relay, ready, first=10) == (Part.LAST, len(DATA))
    relay.stop()


class PowerCut(Exception):
    pass


async def _dies(*_: object) -> None:
    raise PowerCut


async def test_rows_without_files(tmp_path: Path) -> None:
    """A backup was played back: only the database, or an older folder."""
    relay = Relay(tmp_path / "data")
    await put(relay, relay.open(BLOB, len(DATA)))
    half = samples.name("half")
    await put(relay, relay.open(half, 50), bytes(50), end=40, blob=half)
    relay.stop()
    for path in relay.paths():
        (relay.root / path).unlink()
    relay = relay.again()
    with pytest.raises(NotAuthorised):
        await content(relay)
    assert relay.open(half, 50).offset == 0
    ready = relay.open(BLOB, len(DATA))
    assert ready.offset == 0
    assert await put(relay, ready) == (Part.LAST, len(DATA))
    relay.stop()


async def test_files_that_vanish_while_it_runs(relay: Relay) -> None:
    ready = relay.open(BLOB, len(DATA))
    await put(relay, ready, end=40)
    (path,) = relay.paths()
    os.truncate(relay.root / path, 30)
    with pytest.raises(Misplaced) as place:
        await put(relay, ready, first=40)
    assert place.value.detail == 30
    await put(relay, ready, first=30)
    (path,) = relay.paths()
    os.truncate(relay.root / path, len(DATA) - 1)
    with pytest.raises(NotAuthorised):  # never half a file
        await content(relay)
    (relay.root / path).unlink()
    with pytest.raises(NotAuthorised):
        await content(relay)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data")
    kept = [relay.root / one for one in ("blobs/README", "uploads/notes", f"blobs/{BLOB.hex()}")]
    gone = [
        relay.root / f"uploads/{BLOB.hex()}",
        relay.root / f"blobs/{BLOB.hex()[:2]}/{BLOB.hex()}",
    ]
    for path in (*kept, *gone):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    relay.stop()
    relay.again().stop()
    assert all(one.exists() for one in kept) and not any(one.exists() for one in gone)


# --- The disk -------------------------------------------------------------------------------------


async def test_the_reserve_stays_free(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data", reserve=1 << 60)
    with pytest.raises(DiskFull):
        await put(relay, relay.open(BLOB, len(DATA)))
    relay.stop()


FULL = """
import asyncio, resource, sys
from pathlib import Path
from tests.relay.test_blobs import *

async def main():
    relay = Relay(Path(sys.argv[1]))
    data = blob_of("large", 3_000_000)
    ready = relay.open(sha256(data).digest(), len(data))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    try:
        await put(relay, ready, data)
    except DiskFull:
        print("full at", relay.open(sha256(data).digest(), len(data)).offset)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    at = relay.open(sha256(data).digest(), len(data)).offset
    print(await put(relay, ready, data, first=at))
    assert await content(relay, sha256(data).digest()) == data
    relay.stop()

asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="limits of files are POSIX's")
def test_a_full_disk(tmp_path: Path) -> None:
    """The system itself refuses to write beyond a megabyte; then there is room again."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "data")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    # What was written before the disk was full counts: whole writes of it.
    at = int(lines[0].removeprefix("full at "))
    assert 0 < at <= 1_000_000
    assert lines[1] == "(<Part.LAST: 'the blob is complete'>, 3000000)"


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync folders")
async def test_the_disk_has_it_before_the_database_says_so(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = relay.open(BLOB, len(DATA))
    done: list[str] = []
    fsync, replace, save = os.fsync, os.replace, relay.store.blobs.save

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        done.append("name")
        replace(source, target)

    def saved(record: BlobRecord, stored: int, *, minute: int) -> bool:
        done.append(f"row {stored}")
        return save(record, stored, minute=minute)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(relay.store.blobs, "save", saved)
    await put(relay, ready, end=10)
    assert done == ["folder", "file", "row 10"]
    done.clear()
    await put(relay, ready, first=10)
    # A folder for blobs that begin alike, then the name in it and no more among the uploads.
    assert done == ["file", "folder", "name", "folder", "folder", f"row {len(DATA)}"]


@pytest.mark.parametrize("broken", ["fsync", "write", "replace"])
async def test_a_disk_that_fails(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    ready = relay.open(BLOB, len(DATA))
    await put(relay, ready, end=10)

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error", str(relay.root))

    monkeypatch.setattr(os, broken, fails)
    with pytest.raises(Unavailable) as error:
        await put(relay, ready, first=10)
    assert error.value.__cause__ is None and error.value.__suppress_context__
    monkeypatch.undo()
    with pytest.raises(NotAuthorised):
        await content(relay)
    offset = relay.open(BLOB, len(DATA)).offset
    assert await put(relay, ready, first=offset) == (Part.LAST, len(DATA))
    assert await content(relay) == DATA


async def test_a_database_that_fails_at_the_end(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has its name, the row cannot say so: both go back to where they were."""
    ready = relay.open(BLOB, len(DATA))
    await put(relay, ready, end=10)

    def fails(*_: object, **__: object) -> bool:
        raise DiskFull

    monkeypatch.setattr(relay.store.blobs, "save", fails)
    with pytest.raises(DiskFull):
        await put(relay, ready, first=10)
    monkeypatch.undo()
    with pytest.raises(NotAuthorised):
        await content(relay)
    assert relay.open(BLOB, len(DATA)).offset == 10
    assert await put(relay, ready, first=10) == (Part.LAST, len(DATA))


async def test_hashes_in_memory_are_bounded(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_files, "MAX_HASHES", 1)
    monkeypatch.setattr(blob_files, "HASH_SLICE", 1000)
    ready = relay.open(BLOB, len(DATA))
    await put(relay, ready, end=10_000)
    other = samples.name("x")
    await put(relay, relay.open(other, 5), b"ab345", end=2, blob=other)
    assert len(relay.files._hashes) == 1
    assert await put(relay, ready, first=10_000) == (Part.LAST, len(DATA))
