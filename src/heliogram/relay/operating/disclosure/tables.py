"""Rows of the database as what they say. All of it, or what somebody asks for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from heliogram.relay import slots
from heliogram.relay.operating.disclosure import report as r
from heliogram.relay.operating.disclosure.files import each
from heliogram.relay.operating.disclosure.rules import MOST_MINUTES
from heliogram.relay.operating.disclosure.source import BLOBS, Source
from heliogram.wire import objects as o
from heliogram.wire.errors import RemoteError

_DAY = 1440


@dataclass(frozen=True, slots=True)
class Selection:
    """What somebody asks for. Without anything: all. Minutes are Unix time / 60, the last one included."""

    log: bytes | None = None
    inbox: bytes | None = None
    blob: bytes | None = None
    cell: bytes | None = None
    key: bytes | None = None
    address: str | None = None
    since: int = 0
    until: int = MOST_MINUTES

    @property
    def everything(self) -> bool:
        """Whether nothing in particular is asked for."""
        names = (self.log, self.inbox, self.blob, self.cell, self.key, self.address)
        return all(one is None for one in names)

    def spans(self, minute: int) -> bool:
        """Whether this minute is asked for."""
        return self.since <= minute <= self.until

    def spans_day(self, day: int) -> bool:
        """Whether some minute of this day is asked for."""
        return self.since < (day + 1) * _DAY and day * _DAY <= self.until


class Report:
    """What an operator could be forced to hand over. Each section is read when it is asked for."""

    def __init__(self, source: Source, selection: Selection, *, full: bool = False) -> None:
        """`full` gives each entry of a log by itself. Reading raises `StoreError`."""
        self.source = source
        self.selection = selection
        self.full = full

    def sections(self) -> dict[str, Iterator[Any]]:
        """The sections that were asked for, by their names in JSON."""
        chosen = self.selection
        found: dict[str, Iterator[Any]] = {}
        if chosen.everything or chosen.log is not None:
            found["logs"] = self.logs()
        if chosen.everything or chosen.inbox is not None:
            found["inboxes"] = self.inboxes()
        if chosen.everything or chosen.blob is not None:
            found["blobs"] = self.blobs()
        if chosen.everything or chosen.cell is not None:
            found["cells"] = self.cells()
        if chosen.everything:
            found["statements"] = self.statements()
            found["tombstones"] = self.tombstones()
        if chosen.key is not None:
            found["places"] = self.places(chosen.key)
        if chosen.address is not None:
            found["hits"] = self.hits(chosen.address)
        return found

    def summary(self) -> r.Summary:
        """How much there is in all."""
        count = self.source.number
        relay = self.source.one("SELECT key FROM relay")
        states = self.source.rows("SELECT state FROM logs")
        return r.Summary(
            relay="" if relay is None else relay[0].hex(),
            running=self.source.running,
            logs=count("SELECT COUNT(*) FROM logs"),
            fenced_logs=sum(_log(state).fence is not None for (state,) in states),
            entries=count("SELECT COUNT(*) FROM entries"),
            entry_bytes=count("SELECT SUM(bytes) FROM heads"),
            slots=count("SELECT COUNT(*) FROM slots WHERE state<>x''"),
            tombstones=count("SELECT COUNT(*) FROM slots WHERE state=x''"),
            inboxes=count("SELECT COUNT(*) FROM inboxes"),
            links=count("SELECT COUNT(*) FROM links"),
            items=count("SELECT COUNT(*) FROM items"),
            packages=count("SELECT COUNT(*) FROM packages"),
            statements=count("SELECT COUNT(*) FROM taken") + count("SELECT COUNT(*) FROM posted"),
            blobs=count("SELECT COUNT(*) FROM blobs"),
            blob_bytes=count("SELECT SUM(stored) FROM blobs"),
            cells=count("SELECT COUNT(*) FROM cells"),
        )

    # --- logs ---

    def logs(self) -> Iterator[r.Log]:
        """Logs: the one asked for, by its instance or its log id, or those in which something happened."""
        query = (
            "SELECT id, instance, logs.log, first, state,"
            " first_index, next_index, chain, bytes, day FROM logs JOIN heads ON heads.log = id"
        )
        rows = self.source.rows(f"{query} ORDER BY id")
        if (wanted := self.selection.log) is not None:
            rows = self.source.rows(f"{query} WHERE instance=? OR logs.log=?", wanted, wanted)
        for number, instance, log, first, state, first_index, next_index, chain, _, day in rows:
            stands = _log(state)
            entries = self._entries(number, first_index, next_index, chain)
            epochs = tuple(self._epochs(number))
            closed = any(one.closed_minute is not None for one in epochs)
            if not (entries.count or closed or self.selection.spans_day(day)):
                continue
            yield r.Log(
                *(number, instance.hex(), log.hex(), first, stands.epoch, stands.closed),
                fence=None if stands.fence is None else stands.fence.hex(),
                abstains_before_epoch=stands.votes_from,
                quorum=stands.configuration.quorum,
                relays=_relays(stands.configuration),
                last_day=day,
                entries=entries,
                epochs=epochs,
            )

    def _entries(self, number: int, first: int, following: int, chain: bytes) -> r.Entries:
        chosen = (number, self.selection.since, self.selection.until)
        where = "FROM entries WHERE log=? AND minute BETWEEN ? AND ?"
        row = self.source.one(
            f"SELECT COUNT(*), SUM(length(data)), MIN(minute), MAX(minute) {where}", *chosen
        )
        count, size, oldest, newest = row or (0, 0, None, None)
        rows = None
        if self.full:
            rows = tuple(
                r.Entry(place, epoch, minute, len(data), sha256(data).hexdigest())
                for place, epoch, minute, data in self.source.rows(
                    f"SELECT place, epoch, minute, data {where} ORDER BY id", *chosen
                )
            )
        return r.Entries(count, size or 0, first, following, oldest, newest, chain.hex(), rows)

    def _epochs(self, number: int) -> Iterator[r.Epoch]:
        for epoch, seat, key, grace, closed in self.source.rows(
            "SELECT epoch, seat, key, grace, closed FROM epochs WHERE log=? ORDER BY epoch", number
        ):
            if closed and not self.selection.spans(closed):
                continue
            slot = self._slot(seat)
            yield r.Epoch(epoch, key.hex() or None, grace, closed or None, slot)

    def _slot(self, seat: bytes) -> r.Slot:
        row = self.source.one("SELECT state FROM slots WHERE seat=?", seat)
        if row is None:
            return r.Slot(seat.hex(), "nothing")
        if not row[0]:
            return r.Slot(seat.hex(), "expired")
        slot = slots.Slot.from_bytes(row[0])
        return r.Slot(
            seat.hex(),
            "open" if slot.decided is None else "decided",
            promised=slot.promised,
            first_vote=None if slot.vote1 is None else slot.vote1.hex(),
            lock=_vote(slot.lock),
            decision=_vote(slot.decided),
            values=tuple(_value(one) for one in slot.values),
        )

    def tombstones(self) -> Iterator[str]:
        """The seats whose decisions have expired: that something was decided there, and no more."""
        for (seat,) in self.source.rows("SELECT seat FROM slots WHERE state=x'' ORDER BY id"):
            yield seat.hex()

    # --- inboxes, blobs, cells ---

    def inboxes(self) -> Iterator[r.Inbox]:
        """Inboxes: the one asked for, or those where something happened."""
        query = "SELECT id, inbox, owner, next_index, day FROM inboxes"
        rows = self.source.rows(f"{query} ORDER BY id")
        if (wanted := self.selection.inbox) is not None:
            rows = self.source.rows(f"{query} WHERE inbox=?", wanted)
        for number, inbox, owner, following, day in rows:
            items = tuple(
                r.Item(place, minute, link.hex(), size)
                for place, minute, link, size in self.source.rows(
                    "SELECT place, minute, link, length(data) FROM items WHERE inbox=? ORDER BY place",
                    number,
                )
                if self.selection.spans(minute)
            )
            if not (items or self.selection.spans_day(day)):
                continue
            links = self.source.rows("SELECT link, posts, takes FROM links WHERE inbox=?", number)
            devices = self.source.rows(
                "SELECT device, SUM(last_resort=0), SUM(last_resort), SUM(length(data))"
                " FROM packages WHERE inbox=? GROUP BY device ORDER BY device",
                number,
            )
            yield r.Inbox(
                *(number, inbox.hex(), owner.hex(), following, day),
                links=tuple(r.Link(link.hex(), posts, takes) for link, posts, takes in links),
                items=items,
                devices=tuple(r.Device(device.hex(), *rest) for device, *rest in devices),
                given=self.source.number("SELECT COUNT(*) FROM given WHERE inbox=?", number),
            )

    def statements(self) -> Iterator[r.Statement]:
        """Requests of strangers within the last window of work."""
        for statement, minute in self.source.rows("SELECT statement, minute FROM posted"):
            if self.selection.spans(minute):
                yield r.Statement(statement.hex(), "posted", minute, 0, 0)
        for statement, minute, packages in self.source.rows(
            "SELECT statement, minute, packages FROM taken"
        ):
            if self.selection.spans(minute):
                # A MessagePack array of at most 16 begins with its number.
                count = packages[0] & 0x0F if packages[0] < 0xA0 else packages[2]
                yield r.Statement(statement.hex(), "taken", minute, count, len(packages))

    def blobs(self) -> Iterator[r.Blob]:
        """Blobs: those of the id asked for, or those that are not gone before the time asked for."""
        wanted = self.selection.blob
        query = "SELECT blob, delete_hash, size, stored, expires, touched FROM blobs"
        rows = self.source.rows(query)
        if wanted is not None:
            rows = self.source.rows(f"{query} WHERE blob=?", wanted)
        for blob, secret, size, stored, expires, touched in rows:
            if expires >= self.selection.since and touched <= self.selection.until:
                yield r.Blob(
                    *(blob.hex(), secret.hex(), size, stored, expires or None, touched or None)
                )

    def cells(self) -> Iterator[r.Cell]:
        """Cells: the one asked for, or those that somebody asked for in this time."""
        query = "SELECT cell, owner, version, length(value), day, signature FROM cells"
        rows = self.source.rows(query)
        if (wanted := self.selection.cell) is not None:
            rows = self.source.rows(f"{query} WHERE cell=?", wanted)
        for cell, owner, version, size, day, signature in rows:
            if self.selection.spans_day(day):
                yield r.Cell(cell.hex(), owner.hex(), version, size, day, signature.hex())

    # --- searches ---

    def places(self, key: bytes) -> Iterator[r.Place]:
        """Where a public key stands, wherever that is."""
        if (row := self.source.one("SELECT key FROM relay")) is not None and row[0] == key:
            yield r.Place("relay", 1, "this relay")
        for number, state in self.source.rows("SELECT id, state FROM logs"):
            yield from _in_seat("log", number, _log(state).seat, key)
        for (number,) in self.source.rows("SELECT log FROM epochs WHERE key=?", key):
            yield r.Place("log", number, "members of an epoch")
        for number, content, state in self.source.rows(
            "SELECT id, content, state FROM slots WHERE state<>x''"
        ):
            yield from _in_seat("slot", number, o.Seat.from_bytes(content), key)
            for value in slots.Slot.from_bytes(state).values:
                header = o.Header.from_bytes(value.header)
                yield from _in_seat("value of slot", number, header.seat(0), key)
        for table, column, role in (
            ("inboxes", "owner", "owner"),
            ("links", "link", "link"),
            ("items", "link", "link that an item came by"),
            ("cells", "owner", "owner"),
        ):
            number = "inbox" if table in ("links", "items") else "rowid"
            query = f"SELECT {number} FROM {table} WHERE {column}=?"  # noqa: S608
            for (found,) in self.source.rows(query, key):
                yield r.Place("cell" if table == "cells" else "inbox", found, role)

    def hits(self, text: str) -> Iterator[r.Hit]:
        """In which files of the directory a text stands. The columns of the tables have no place for one."""
        wanted = text.encode()
        for path in each(self.source.data):
            if times := _count(path, wanted):
                yield r.Hit(path.relative_to(self.source.data).as_posix(), times)

    # --- the ciphertext ---

    def write_contents(self, folder: Path) -> int:
        """Write the ciphertext of what was asked for into a new folder, one file each; how many.

        Raises `OSError`, or `FileExistsError` if the folder is there.
        """
        folder.mkdir(mode=0o700)
        written = 0
        for name, data in self._contents():
            path = folder / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if isinstance(data, Path):
                shutil.copyfile(data, path)
            else:
                path.write_bytes(data)
            written += 1
        return written

    def _contents(self) -> Iterator[tuple[str, bytes | Path]]:
        span = (self.selection.since, self.selection.until)
        sections = self.sections()
        for log in sections.get("logs", ()):
            for place, data in self.source.rows(
                "SELECT place, data FROM entries WHERE log=? AND minute BETWEEN ? AND ?",
                *(log.number, *span),
            ):
                yield f"log-{log.number}/entry-{place}", data
            for epoch in log.epochs:
                for (state,) in self.source.rows(
                    "SELECT state FROM slots WHERE seat=? AND state<>x''",
                    bytes.fromhex(epoch.slot.seat),
                ):
                    for value in slots.Slot.from_bytes(state).values:
                        yield f"log-{log.number}/value-{epoch.epoch}-{value.hash.hex()}", value.body
        for inbox in sections.get("inboxes", ()):
            for place, data in self.source.rows(
                "SELECT place, data FROM items WHERE inbox=? AND minute BETWEEN ? AND ?",
                *(inbox.number, *span),
            ):
                yield f"inbox-{inbox.number}/item-{place}", data
            for number, data in self.source.rows(
                "SELECT id, data FROM packages WHERE inbox=?", inbox.number
            ):
                yield f"inbox-{inbox.number}/package-{number}", data
        for blob in sections.get("blobs", ()):
            path = self.source.data / BLOBS / blob.blob[:2] / blob.blob
            if blob.stored == blob.size and path.exists():
                yield f"blobs/{blob.blob}", path
        for cell in sections.get("cells", ()):
            for (value,) in self.source.rows(
                "SELECT value FROM cells WHERE cell=?", bytes.fromhex(cell.cell)
            ):
                yield f"cells/{cell.cell}", value


def _log(state: bytes) -> slots.Log:
    return slots.Log.from_bytes(state)


def _relays(configuration: o.Configuration) -> tuple[r.Relay, ...]:
    return tuple(
        r.Relay(one.key.hex(), one.operator_key.hex(), tuple(map(_printable, one.endpoints)))
        for one in configuration.relays
    )


def _printable(endpoint: bytes) -> str:
    """What a client wrote as an endpoint, so that a terminal may show it."""
    text = endpoint.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else ascii(text)[1:-1]


def _vote(certificate: o.Certificate | None) -> r.Vote | None:
    if certificate is None:
        return None
    signed = tuple(one.relay for one in certificate.signatures)
    return r.Vote(certificate.round, certificate.h.hex(), signed, certificate.encode().hex())


def _value(value: o.Value) -> r.Decided:
    try:
        configuration = o.Header.from_bytes(value.header).next_configuration
    except RemoteError:
        return r.Decided(value.hash.hex(), len(value.header), len(value.body), (), 0)
    return r.Decided(
        *(value.hash.hex(), len(value.header), len(value.body)),
        next_relays=_relays(configuration),
        next_quorum=configuration.quorum,
    )


def _in_seat(where: str, number: int, seat: o.Seat, key: bytes) -> Iterator[r.Place]:
    if key in seat.keys:
        yield r.Place(where, number, "members of an epoch")
    for relay in seat.configuration.relays:
        if relay.key == key:
            yield r.Place(where, number, "a relay")
        if relay.operator_key == key:
            yield r.Place(where, number, "an operator")


def _count(path: Path, wanted: bytes) -> int:
    """How often `wanted` stands in a file, also where two reads meet."""
    times, tail = 0, b""
    if not wanted:
        return 0
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            data = tail + data
            times += data.count(wanted)
            tail = data[len(data) - len(wanted) + 1 :] if len(wanted) > 1 else b""
    return times
