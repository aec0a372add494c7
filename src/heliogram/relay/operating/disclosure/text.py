"""A report for people, and as JSON. Both are written while it is read: no report is too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from heliogram.relay.operating.disclosure import report as r
from heliogram.relay.operating.disclosure.strict import Verdict
from heliogram.relay.operating.disclosure.tables import Report

#: What nobody can hand over, since it is not kept.
ABSENT = (
    "No text, no name, no picture: all contents are ciphertext, and the relay has no key to any of it.",
    "No account: members of a log share one key, so they cannot be told apart or counted.",
    "No address, no port, no user agent, no cookie of a client: of connections nothing is kept.",
    "No link between logs, inboxes, blobs and cells: nothing says which of them one person uses.",
    "No reader: nothing says who read what, or whether anybody did.",
    "No second: the finest time is the minute in which something arrived.",
    "Nothing that has expired or was deleted, but marks that a slot was decided.",
)

Line = Callable[[str], object]


def write_text(report: Report, line: Line) -> None:
    """Write a report, a line at a time."""
    for text in _summary(report.summary()):
        line(text)
    for name, rows in report.sections().items():
        empty = True
        for row in rows:
            if empty:
                line("")
                line(f"{name.capitalize()}:")
            empty = False
            for text in _row(row, full=report.full):
                line(f"  {text}")
        if empty and not report.selection.everything:
            line("")
            line(f"{name.capitalize()}: nothing was found.")
    if report.selection.address is not None:
        line("")
        line(
            "Addresses are not kept: no column has a place for one, no file is a log of connections."
        )
        line(
            "All files were searched for the text; an endpoint of a relay in a configuration may hold it."
        )
    line("")
    line("What is not here, because it is not kept:")
    for sentence in ABSENT:
        line(f"  {sentence}")


def write_json(report: Report, write: Line) -> None:
    """Write a report as one JSON object, in pieces."""
    write(f'{{"format":{r.FORMAT},"summary":{_json(report.summary())}')
    for name, rows in report.sections().items():
        write(f',"{name}":[')
        for position, row in enumerate(rows):
            write(f"{',' if position else ''}{_json(row)}")
        write("]")
    write(f',"absent":{_json(ABSENT)}}}\n')


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what `write_json` writes."""
    document = msgspec.defstruct(
        "Disclosure",
        [
            ("format", int),
            ("summary", r.Summary),
            *(
                (name, tuple[kind, ...], ())  # type: ignore[valid-type]
                for name, kind in SECTIONS.items()
            ),
            ("absent", tuple[str, ...], ()),
        ],
    )
    return msgspec.json.schema(document)


#: What each section holds.
SECTIONS: dict[str, type] = {
    "logs": r.Log,
    "inboxes": r.Inbox,
    "blobs": r.Blob,
    "cells": r.Cell,
    "statements": r.Statement,
    "tombstones": str,
    "places": r.Place,
    "hits": r.Hit,
}


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """What `examine` found, for people."""
    for finding in verdict.findings:
        yield str(finding)
    if verdict.findings:
        yield f"{len(verdict.findings)} things are not explained by the schema."
        return
    yield "Every byte is explained by the schema."
    if verdict.remains.gaps:
        total = sum(verdict.remains.gaps.values())
        names = ", ".join(sorted(verdict.remains.gaps))
        yield (
            f"{total} bytes of old lists and moved rows lie in unused parts of pages,"
            f" {verdict.remains.content} of them in pages of ciphertext: {names}."
        )
    if verdict.running:
        wal = verdict.wal
        older = wal.older + wal.open
        yield (
            f"The relay runs: {wal.committed} pages wait in the write-ahead log, and {older} are left over"
            " in it. It is cut when the relay stops."
        )


def verdict_json(verdict: Verdict) -> str:
    """The same as JSON."""
    return _json(
        {
            "format": r.FORMAT,
            "explained": not verdict.findings,
            "findings": [{"where": one.where, "what": one.what} for one in verdict.findings],
            "running": verdict.running,
            "gaps": verdict.remains.gaps,
            "gaps_in_ciphertext": verdict.remains.content,
            "free_pages": verdict.remains.free_pages,
            "wal_committed": verdict.wal.committed,
            "wal_left_over": verdict.wal.older + verdict.wal.open,
        }
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def minute(value: int | None) -> str:
    """A minute as a date."""
    if value is None:
        return "never"
    return datetime.fromtimestamp(value * 60, UTC).strftime("%Y-%m-%d %H:%M UTC")


def day(value: int) -> str:
    """A day as a date."""
    return datetime.fromtimestamp(value * 86_400, UTC).strftime("%Y-%m-%d")


# --- Rows -----------------------------------------------------------------------------------------


def _summary(one: r.Summary) -> Iterator[str]:
    yield f"Relay {one.relay}, {'running' if one.running else 'stopped'}. It keeps:"
    yield f"  {one.logs} logs, {one.fenced_logs} of them fenced"
    yield f"  {one.entries} entries, {one.entry_bytes} bytes of ciphertext"
    yield f"  {one.slots} slots with votes or a decision, {one.tombstones} marks of expired decisions"
    yield f"  {one.inboxes} inboxes with {one.links} links, {one.items} items, {one.packages} key packages"
    yield f"  {one.statements} requests of strangers within the last window of work"
    yield f"  {one.blobs} announced blobs, {one.blob_bytes} bytes of ciphertext"
    yield f"  {one.cells} cells"


def _row(row: Any, *, full: bool) -> Iterator[str]:
    if isinstance(row, str):
        yield row
    elif isinstance(row, r.Log):
        yield from _log(row, full=full)
    elif isinstance(row, r.Inbox):
        yield from _inbox(row, full=full)
    elif isinstance(row, r.Blob):
        yield (
            f"blob {row.blob}, {row.stored} of {row.size} bytes, goes {minute(row.expires_minute)},"
            f" last part {minute(row.last_part_minute)}, delete hash {row.delete_hash}"
        )
    elif isinstance(row, r.Cell):
        yield (
            f"cell {row.cell}, owner {row.owner}, version {row.version}, {row.size} bytes,"
            f" last asked for {day(row.last_day)}"
        )
    elif isinstance(row, r.Statement):
        yield f"{row.kind} {row.statement} at {minute(row.minute)}, {row.packages} packages"
    elif isinstance(row, r.Place):
        yield f"{row.where} {row.number}: {row.role}"
    elif isinstance(row, r.Hit):
        yield f"{row.file}: {row.times} times"


def _log(one: r.Log, *, full: bool) -> Iterator[str]:
    entries = one.entries
    yield f"log {one.number}: instance {one.instance}, log id {one.log_id}"
    yield (
        f"  {entries.count} entries, {entries.bytes} bytes,"
        f" {minute(entries.first_minute)} to {minute(entries.last_minute)};"
        f" places {entries.first_index} to {entries.next_index}; last used {day(one.last_day)}"
    )
    yield (
        f"  epoch {one.open_epoch} is open, opened with {one.first_epoch};"
        f" {one.quorum} of {len(one.relays)} relays decide"
        f"{'; closed here' if one.closed_here else ''}{'; fenced' if one.fence else ''}"
        f"{f'; no votes before {one.abstains_before_epoch}' if one.abstains_before_epoch else ''}"
    )
    if not full:
        return
    yield f"  chain {entries.chain}"
    for relay in one.relays:
        yield from _relay(relay, "  ")
    for epoch in one.epochs:
        closed = "open" if epoch.closed_minute is None else f"until {minute(epoch.closed_minute)}"
        yield f"  epoch {epoch.epoch}, {closed}, members' key {epoch.members_key or 'none'}"
        yield from _slot(epoch.slot, epoch.grace_entries)
    for entry in entries.rows or ():
        yield (
            f"  entry {entry.index} of epoch {entry.epoch}, {minute(entry.minute)}, {entry.size} bytes,"
            f" SHA-256 {entry.sha256}"
        )


def _slot(slot: r.Slot, grace: int) -> Iterator[str]:
    yield f"    slot {slot.state}, promised round {slot.promised}, seat {slot.seat}; {grace} late entries"
    if slot.first_vote is not None:
        yield f"    first vote for {slot.first_vote}"
    for name, vote in (("lock", slot.lock), ("decision", slot.decision)):
        if vote is not None:
            places = ", ".join(map(str, vote.signed))
            yield f"    {name} in round {vote.round} for {vote.h}, signed by the relays {places}"
    for value in slot.values:
        yield f"    value {value.h}: header {value.header_bytes} bytes, body {value.body_bytes} bytes"
        for relay in value.next_relays:
            yield from _relay(relay, "      next ")


def _relay(relay: r.Relay, before: str) -> Iterator[str]:
    endpoints = " ".join(relay.endpoints) or "no endpoint"
    yield f"{before}relay {relay.key}, operator {relay.operator_key}, {endpoints}"


def _inbox(one: r.Inbox, *, full: bool) -> Iterator[str]:
    packages = sum(device.once + device.last_resort for device in one.devices)
    yield f"inbox {one.number}: {one.inbox}, owner {one.owner}"
    yield (
        f"  {len(one.links)} links, {len(one.items)} items,"
        f" {packages} key packages of {len(one.devices)} devices, {one.given} given lately;"
        f" next place {one.next_index}; its owner was here {day(one.last_day)}"
    )
    if not full:
        return
    for link in one.links:
        yield f"  link {link.key}, posts left {_uses(link.posts)}, takings left {_uses(link.takes)}"
    for item in one.items:
        yield f"  item {item.index}, {minute(item.minute)}, {item.size} bytes, by link {item.link}"
    for device in one.devices:
        yield (
            f"  device {device.device}: {device.once} packages to give once,"
            f" {device.last_resort} of last resort, {device.bytes} bytes"
        )


def _uses(number: int) -> str:
    return "any number" if number < 0 else str(number)
