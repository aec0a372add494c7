"""Every byte of a data directory held against what a relay says that it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from heliogram.relay.errors import StoreError
from heliogram.relay.operating.disclosure import files, remains, rows, schema
from heliogram.relay.operating.disclosure.pages import BadPage, Pages, Wal
from heliogram.relay.operating.disclosure.source import DATABASE, INDEX, WAL, Finding, Source

#: Findings after which nobody needs more.
MOST_FINDINGS = 1000


@dataclass(slots=True)
class Verdict:
    """What is unexplained, and what is explained though no row says so."""

    findings: list[Finding]
    running: bool
    remains: remains.Remains = field(default_factory=remains.Remains)
    wal: Wal = field(default_factory=lambda: Wal(0))


def examine(source: Source) -> Verdict:
    """Hold a data directory against the schema. Raises `StoreError` if it cannot be read at all."""
    verdict = Verdict([], source.running)
    for finding in _all(source, verdict):
        verdict.findings.append(finding)
        if len(verdict.findings) == MOST_FINDINGS:
            break
    source.check_unchanged()
    return verdict


def _all(source: Source, verdict: Verdict) -> Iterator[Finding]:
    yield from files.check(source)
    known = True
    for name in schema.differences(source):
        known = False
        yield Finding(f"{DATABASE}, schema", f"{name[:40]!a} is not as in schema.sql")
    for column in schema.columns():
        if not column.what:
            yield Finding(f"schema.sql, table {column.table}", f"{column.name} has no sentence")
    try:
        for (line,) in source.rows("PRAGMA integrity_check(10)"):
            # Its text may name values, so it is not repeated.
            if line != "ok":
                yield Finding(DATABASE, "SQLite's integrity check fails")
                break
        if known:
            yield from rows.check(source)
    except StoreError as error:
        yield Finding(DATABASE, str(error))
    yield from _raw(source, verdict)


def _raw(source: Source, verdict: Verdict) -> Iterator[Finding]:
    try:
        pages = Pages(source.data / DATABASE, source.data / WAL)
    except (BadPage, OSError):
        yield Finding(DATABASE, "its pages cannot be read")
        return
    try:
        verdict.wal = pages.wal
        yield from _log(source, pages)
        roots = [
            (name, table, root)
            for name, table, root in source.rows(
                "SELECT name, tbl_name, rootpage FROM sqlite_schema WHERE rootpage>0"
            )
        ]
        yield from remains.check(pages, roots, verdict.remains, running=source.running)
    except BadPage as error:
        yield Finding(DATABASE, str(error))
    finally:
        pages.close()


def _log(source: Source, pages: Pages) -> Iterator[Finding]:
    wal, size = pages.wal, (source.data / DATABASE).stat().st_size
    if source.running:
        # Somebody may be writing the last frame, or growing the file, at this very moment.
        return
    if wal.size:
        yield Finding(WAL, "it is left: the relay did not stop cleanly, and old pages are in it")
    elif (source.data / INDEX).exists():
        yield Finding(INDEX, "it is left: the relay did not stop cleanly")
    if wal.strange:
        yield Finding(WAL, "bytes at the end that are no frame")
    if not wal.size and size != pages.count * pages.size:
        yield Finding(DATABASE, "the file does not end with its last page")
