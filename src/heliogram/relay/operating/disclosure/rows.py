"""Whether every value in the database is one that the schema explains: alone, and beside the others.

What can be worked out again is: tags and chains from the entries, ids from keys and seats, sums from what is
summed. What was signed is verified. So nothing can be hidden where a hash is expected, but in a hash of what
has expired.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from heliogram.relay.operating.disclosure import schema
from heliogram.relay.operating.disclosure.rules import RULES
from heliogram.relay.operating.disclosure.source import DATABASE, Finding, Source
from heliogram.relay.slots import Log, Slot
from heliogram.wire.limits import LIFE
from heliogram.wire.objects import Seat, cell_content, cell_id, inbox_id
from heliogram.wire.receipts import entry_hash, next_chain
from heliogram.wire.signing import Label, verify

#: Which columns name rows of which tables.
REFERENCES = (
    ("heads", "log", "logs"),
    ("epochs", "log", "logs"),
    ("entries", "log", "logs"),
    ("links", "inbox", "inboxes"),
    ("items", "inbox", "inboxes"),
    ("packages", "inbox", "inboxes"),
    ("given", "inbox", "inboxes"),
)


def check(source: Source) -> Iterator[Finding]:
    """What no rule explains. Needs a database of exactly this schema."""
    wrong = False
    for finding in _values(source):
        wrong = True
        yield finding
    for table, column, parent in REFERENCES:
        for (_,) in source.rows(
            f"SELECT 1 FROM {table} WHERE {column} NOT IN (SELECT id FROM {parent})"  # noqa: S608
        ):
            wrong = True
            yield _in(table, "a row that belongs to nothing")
    # What follows takes the values for granted.
    if not wrong:
        relay = source.one("SELECT key FROM relay")
        yield from _logs(source, None if relay is None else relay[0])
        yield from _slots(source)
        yield from _inboxes(source)
        yield from _others(source)


def _values(source: Source) -> Iterator[Finding]:
    known = schema.columns()
    for table in schema.tables():
        names = [one.name for one in known if one.table == table]
        rules = [RULES.get((table, name)) for name in names]
        for name, rule in zip(names, rules, strict=True):
            if rule is None:
                yield _in(table, "nothing says what it may hold", column=name)
        query = f"SELECT {', '.join(names)} FROM {table}"  # noqa: S608
        for position, row in enumerate(source.rows(query), 1):
            for name, rule, value in zip(names, rules, row, strict=True):
                if rule is not None and not rule(value):
                    yield _in(table, "a value that it may not hold", position, name)


def _logs(source: Source, relay: bytes | None) -> Iterator[Finding]:
    for number, instance, log, first, fell, state in source.rows(
        "SELECT id, instance, log, first, fell, state FROM logs"
    ):
        stands = Log.from_bytes(state)
        if relay is not None and stands.relay != relay:
            yield _in("logs", "the state of another relay", number, "state")
        if stands.configuration.log != log:
            yield _in("logs", "not the log id of its configuration", number, "log")
        if fell != stands.fell_back:
            yield _in("logs", "not what its state says", number, "fell")
        if stands.epoch < first:
            yield _in("logs", "an epoch before the first", number, "first")
        yield from _epochs(source, number, instance, first, stands)
        yield from _entries(source, number, instance)


def _epochs(
    source: Source, number: int, instance: bytes, first: int, stands: Log
) -> Iterator[Finding]:
    stood = False
    for epoch, seat, key, closed in source.rows(
        "SELECT epoch, seat, key, closed FROM epochs WHERE log=? ORDER BY epoch", number
    ):
        if not first <= epoch <= stands.epoch:
            yield _in("epochs", "an epoch that the log does not have", number, "epoch")
        stood = stood or epoch == stands.epoch
        if (closed == 0) != (epoch == stands.epoch):
            yield _in("epochs", "open and closed at once", number, "closed")
        if epoch == first and seat != instance:
            yield _in("epochs", "not the seat that the log was opened at", number, "seat")
        if epoch == stands.epoch and (seat, key) != (stands.seat.id, stands.key or b""):
            yield _in("epochs", "not what the log's state says", number, "seat")
        saved = source.one("SELECT content FROM slots WHERE seat=?", seat)
        if saved is not None and saved[0]:
            held = Seat.from_bytes(saved[0])
            if (held.epoch, held.key_of(stands.relay) or b"") != (epoch, key):
                yield _in("epochs", "not what its seat says", number, "key")
    if not stood:
        yield _in("epochs", "a log without its open epoch", number)


def _entries(source: Source, number: int, instance: bytes) -> Iterator[Finding]:
    head = source.one("SELECT first_index, next_index, chain, bytes FROM heads WHERE log=?", number)
    if head is None:
        yield _in("heads", "a log that stands nowhere", number)
        return
    first, following, last, total = head
    place, chain, size = first, instance if first == 0 else None, 0
    order = [
        row[0] for row in source.rows("SELECT id FROM entries WHERE log=? ORDER BY place", number)
    ]
    for id in order:
        row = source.one("SELECT place, tag, chain, data FROM entries WHERE id=?", id)
        if row is None:
            continue
        name = entry_hash(row[3])
        if not _follows(row[0], place):
            yield _in("entries", "a place that is not the next one", id, "place")
        if row[1] != int.from_bytes(name[:8], "big", signed=True):
            yield _in("entries", "not the tag of its entry", id, "tag")
        if chain is not None and row[2] != next_chain(chain, name):
            yield _in("entries", "not the chain of the entries", id, "chain")
        place, chain, size = row[0] + 1, row[2], size + len(row[3])
    if not _follows(following, place):
        yield _in("heads", "not the place after the last entry", number, "next_index")
    if chain is not None and chain != last:
        yield _in("heads", "not the chain of the entries", number, "chain")
    if size != total:
        yield _in("heads", "not the sum of the entries", number, "bytes")


def _follows(place: int, expected: int) -> bool:
    """Whether a place is the next one. With a fence a later life begins."""
    return place == expected or (place > expected and place % LIFE == 0)


def _slots(source: Source) -> Iterator[Finding]:
    for number, seat, content, state in source.rows("SELECT id, seat, content, state FROM slots"):
        if not content or not state:
            if content or state:
                yield _in("slots", "half a tombstone", number)
            continue
        held, slot = Seat.from_bytes(content), Slot.from_bytes(state)
        if held.id != seat:
            yield _in("slots", "not the id of its seat", number, "seat")
        if slot.lock is not None and not slot.lock.counts(held, Label.VOTE1):
            yield _in("slots", "a lock that does not count", number, "state")
        if slot.decided is not None and not slot.decided.counts(held, Label.VOTE2):
            yield _in("slots", "a decision that does not count", number, "state")


def _inboxes(source: Source) -> Iterator[Finding]:
    for number, inbox, owner, following in source.rows(
        "SELECT id, inbox, owner, next_index FROM inboxes"
    ):
        if inbox_id(owner) != inbox:
            yield _in("inboxes", "not the id of its owner", number, "inbox")
        if source.one("SELECT 1 FROM items WHERE inbox=? AND place>=?", number, following):
            yield _in("inboxes", "an item behind the next one", number, "next_index")
    for table in ("items", "packages"):
        for number, tag, data in source.rows(f"SELECT id, tag, data FROM {table}"):  # noqa: S608
            if tag != int.from_bytes(sha256(data).digest()[:8], "big", signed=True):
                yield _in(table, "not the tag of its content", number, "tag")


def _others(source: Source) -> Iterator[Finding]:
    query = "SELECT cell, owner, version, value, signature FROM cells"
    for position, (cell, owner, version, value, signature) in enumerate(source.rows(query), 1):
        if cell_id(owner) != cell:
            yield _in("cells", "not the id of its owner", position, "cell")
        if not verify(owner, Label.CELL, cell_content(cell, version, value), signature):
            yield _in("cells", "not the signature of its owner", position, "signature")
    query = "SELECT size, stored, touched FROM blobs"
    for position, (size, stored, touched) in enumerate(source.rows(query), 1):
        if stored > size or (touched == 0) != (stored == size):
            yield _in("blobs", "neither complete nor on its way", position, "stored")


def _in(table: str, what: str, row: int | None = None, column: str | None = None) -> Finding:
    where = f"{DATABASE}, table {table}"
    if row is not None:
        where += f", row {row}"
    if column is not None:
        where += f", column {column}"
    return Finding(where, what)
