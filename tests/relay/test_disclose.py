"""`heliogram-relay disclose`: it shows all that is kept, and `--strict` finds what nothing explains."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import apsw
import msgspec
import pytest
import typer
from typer.testing import CliRunner

from heliogram.relay.batch import Batch
from heliogram.relay.errors import StoreError
from heliogram.relay.operating.disclosure import (
    Source,
    Verdict,
    examine,
    report,
    schema,
    text,
    wipe,
)
from heliogram.relay.operating.disclosure.command import disclose
from heliogram.relay.operating.disclosure.pages import BadPage, Pages, read_wal, tree
from heliogram.relay.operating.disclosure.rules import RULES
from heliogram.relay.operating.disclosure.tables import Report, Selection
from heliogram.relay.operating.identity import lock
from heliogram.relay.store.database import Database
from heliogram.wire import frames, objects
from tests.relay.disclosed import BLOB, CELL, ID, LINK, MINUTE, OWNER, Directory, expire, populated
from tests.relay.members import member_key, name
from tests.test_docs import ROOT

IDS: dict[str, bytes] = {}
EXAMPLE = (ROOT / "docs/disclosure.md").read_text()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A relay that has stopped. Not to be changed."""
    data = tmp_path_factory.mktemp("relay") / "data"
    IDS.update(populated(data))
    return data


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(template, tmp_path / "data"))


def examined(data: Path) -> Verdict:
    with Source(data) as source:
        return examine(source)


def found(data: Path) -> list[str]:
    """What is unexplained."""
    return [str(one) for one in examined(data).findings]


def command(data: Path, *arguments: str) -> tuple[int, str]:
    """What the command ends with, and what it says."""
    app = typer.Typer()
    app.command()(disclose)
    result = CliRunner().invoke(app, ["--data", str(data), *arguments])
    return result.exit_code, result.output


def tables(data: Path) -> Iterator[str]:
    with Source(data) as source:
        yield from (row[0] for row in source.rows("SELECT name FROM sqlite_schema"))


# --- The schema as a document ---------------------------------------------------------------------


def test_every_column_has_a_sentence_and_a_rule() -> None:
    columns = schema.columns()
    assert not [one for one in columns if not one.what]
    assert [(one.table, one.name) for one in columns if (one.table, one.name) not in RULES] == []
    assert set(RULES) == {(one.table, one.name) for one in columns}


def test_the_schema_is_read_as_sqlite_reads_it() -> None:
    fresh = apsw.Connection(":memory:")
    fresh.execute(schema.text())
    asked = "SELECT name FROM sqlite_schema WHERE type='table'"
    found = {table: [] for (table,) in fresh.execute(asked)}  # type: dict[str, list[tuple[str, str]]]
    for table in found:
        for _, column, kind, *_ in fresh.execute(f"PRAGMA table_info({table})"):
            found[table].append((column, kind))
    stated: dict[str, list[tuple[str, str]]] = {table: [] for table in schema.tables()}
    for one in schema.columns():
        stated[one.table].append((one.name, one.kind))
    assert found == stated


def test_the_document_has_every_column() -> None:
    """docs/disclosure.md: one table for each table, with the words of the schema."""
    documented = []
    for table, body in re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", EXAMPLE, re.M | re.S):
        for column, what in re.findall(r"^\| `(\w+)` \| (.*?) \|", body, re.M):
            documented.append((table, column, what))
    assert documented == [(one.table, one.name, one.what) for one in schema.columns()]


# --- What is shown --------------------------------------------------------------------------------


def shown(data: Path, selection: Selection | None = None, *, full: bool = False) -> str:
    lines: list[str] = []
    with Source(data) as source:
        text.write_text(Report(source, selection or Selection(), full=full), lines.append)
    return "\n".join(lines) + "\n"


def test_the_text_is_the_one_in_the_document(template: Path) -> None:
    example = re.search(r"^```text\n(Relay .*?)^```$", EXAMPLE, re.M | re.S)
    assert example and shown(template) == example[1]


def test_json_has_its_schema(template: Path) -> None:
    stated = json.loads((Path(__file__).parent / "disclosure.schema.json").read_text())
    assert json.loads(json.dumps(text.json_schema())) == stated
    code, output = command(template, "--json", "--full")
    assert code == 0
    document = json.loads(output)
    assert set(document) <= set(stated["$defs"]["Disclosure"]["properties"])
    for section, kind in text.SECTIONS.items():
        msgspec.convert(document.get(section, []), list[kind], strict=True)  # type: ignore[valid-type]
    assert document["summary"]["entries"] == sum(
        len(log["entries"]["rows"]) for log in document["logs"]
    )


def test_it_shows_every_row(template: Path) -> None:
    """Of each id and key of the story, and of each hash that a column has."""
    everything = shown(template, full=True)
    for key in (OWNER, LINK, CELL, member_key("picnic", 2, relay_key(template))):
        assert key.public.hex() in everything
    for one in IDS.values():
        assert one.hex() in everything
    assert "entry 40 of epoch 2" in everything and "entry 9 of" not in everything


def relay_key(data: Path) -> bytes:
    with Source(data) as source:
        row = source.one("SELECT key FROM relay")
    assert row is not None
    return bytes(row[0])


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--log", lambda: IDS["picnic"].hex(), "log 1: instance"),
        ("--log", lambda: name("band").hex(), "log 2: instance"),
        ("--inbox", lambda: IDS["inbox"].hex(), "inbox 1:"),
        ("--blob", lambda: IDS["blob"].hex(), "2300 of 2300 bytes"),
        ("--cell", lambda: IDS["cell"].hex(), "version 2"),
        ("--key", lambda: OWNER.public.hex(), "inbox 1: owner"),
        ("--key", lambda: LINK.public.hex(), "link that an item came by"),
        ("--key", lambda: CELL.public.hex(), "cell 1: owner"),
        ("--key", lambda: name("operator").hex(), "log 1: an operator"),
        ("--key", lambda: name("relay 2").hex(), "log 2: a relay"),
        ("--log", lambda: bytes(32).hex(), "Logs: nothing was found."),
        ("--inbox", lambda: bytes(32).hex(), "Inboxes: nothing was found."),
        ("--blob", lambda: bytes(32).hex(), "Blobs: nothing was found."),
        ("--cell", lambda: bytes(32).hex(), "Cells: nothing was found."),
        ("--key", lambda: bytes(32).hex(), "Places: nothing was found."),
        ("--address", lambda: "192.0.2.7", "Hits: nothing was found."),
        ("--address", lambda: "192.0.2.7", "Addresses are not kept"),
        ("--address", lambda: "ciphertext that is longer", "relay.db: "),
    ],
)
def test_it_is_asked_for(
    template: Path, option: str, value: Callable[[], str], expected: str
) -> None:
    code, output = command(template, option, value())
    assert code == 0 and expected in output
    assert "What is not here" in output


def test_a_members_key_is_found(template: Path) -> None:
    key = member_key("picnic", 1, relay_key(template)).public
    code, output = command(template, "--key", key.hex())
    assert code == 0 and "log 1: members of an epoch" in output


def test_a_time_is_asked_for(template: Path) -> None:
    with Source(template) as source:
        selection = Selection(since=MINUTE + 1, until=MINUTE + 2)
        logs = list(Report(source, selection, full=True).logs())
        assert [len(one.entries.rows or ()) for one in logs] == [1, 1, 0]
        assert not list(Report(source, Selection(until=5)).inboxes())
    code, output = command(template, "--since", "2030-01-01")
    assert code == 0 and "log 1" not in output and "inbox 1" not in output
    code, output = command(template, "--since", "2026-11-18T00:00", "--until", "2026-11-18 23:59")
    assert code == 0 and "log 1" in output


@pytest.mark.parametrize(
    "arguments", [("--log", "xyz"), ("--log", "00"), ("--since", "yesterday"), ("--until", "7")]
)
def test_what_makes_no_sense(template: Path, arguments: tuple[str, str]) -> None:
    assert command(template, *arguments)[0] == 2


def test_contents_are_written(template: Path, tmp_path: Path) -> None:
    code, _ = command(template, "--contents", str(tmp_path / "evidence"))
    assert code == 0
    there = {
        path.relative_to(tmp_path / "evidence").as_posix(): path.read_bytes()
        for path in (tmp_path / "evidence").rglob("*")
        if path.is_file()
    }
    assert there["log-1/entry-40"] == b"ciphertext of the second epoch"
    assert there["inbox-1/item-0"] == b"a wrapped welcome"
    assert there[f"cells/{IDS['cell'].hex()}"] == b"newer ciphertext of settings"
    assert there[f"blobs/{IDS['blob'].hex()}"] == BLOB
    assert b"a commit" in there.values() and b"a commit that nobody finished" in there.values()
    assert sum(file.startswith("log-") and "entry" in file for file in there) == 32
    # A folder that is there is not written into.
    assert command(template, "--contents", str(tmp_path / "evidence"))[0] == 1


def test_nothing_is_made_or_changed(data: Path) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        return {
            path.relative_to(data).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
            for path in data.rglob("*")
            if path.is_file()
        }

    before = state()
    assert command(data)[0] == command(data, "--strict")[0] == 0
    assert command(data, "--address", "nobody")[0] == 0
    assert state() == before


def test_a_running_relay(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "data")
    instance = directory.open("picnic")
    directory.post(instance, b"ciphertext in the write-ahead log")
    with lock(directory.data):
        code, output = command(directory.data)
        assert code == 0 and "running" in output and "1 entries" in output
        code, output = command(directory.data, "--strict")
        assert code == 0, output
        assert "The relay runs" in output
        directory.post(instance, b"it goes on")
        assert command(directory.data, "--strict", "--json")[0] == 0
    directory.close()
    assert found(directory.data) == []


def test_a_crashed_relay(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "data")
    directory.post(directory.open("picnic"), b"ciphertext in the write-ahead log")
    crashed = Path(shutil.copytree(directory.data, tmp_path / "crashed"))
    directory.close()
    code, output = command(crashed)
    assert code == 0 and "1 entries" in output
    assert any("relay.db-wal" in one for one in found(crashed))


def test_no_relay(tmp_path: Path) -> None:
    code, output = command(tmp_path)
    assert code == 1 and "no relay's directory" in output
    (tmp_path / "relay.db").write_bytes(b"something else" * 1000)
    assert command(tmp_path)[0] == 1


# --- Strict ---------------------------------------------------------------------------------------


def test_everything_is_explained(template: Path) -> None:
    assert found(template) == []
    code, output = command(template, "--strict")
    assert code == 0 and "Every byte is explained" in output


def changed(data: Path, *statements: str) -> None:
    """Change the database as somebody who knows SQLite and not the relay."""
    database = sqlite3.connect(data / "relay.db", isolation_level=None)
    database.execute("PRAGMA secure_delete=ON")
    database.create_function("longer", 1, lambda blob: blob + b"\0")
    for statement in statements:
        database.execute(statement)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


SECONDS = "1795000000"

CHANGES = {
    # statement: where it is found
    "ALTER TABLE logs ADD COLUMN address TEXT": "'logs' is not as in schema.sql",
    "CREATE TABLE visitors (address TEXT) STRICT": "'visitors' is not as in schema.sql",
    "CREATE INDEX by_minute ON entries (minute)": "'by_minute' is not as in schema.sql",
    "DROP INDEX heads_by_day": "'heads_by_day' is not as in schema.sql",
    f"UPDATE entries SET minute={SECONDS} WHERE id=20": "table entries, row 10, column minute",
    f"UPDATE epochs SET closed={SECONDS} WHERE closed>0": "table epochs, row 1, column closed",
    f"UPDATE heads SET day={SECONDS}/60": "table heads, row 1, column day",
    f"UPDATE inboxes SET day={SECONDS}": "table inboxes, row 1, column day",
    f"UPDATE items SET minute={SECONDS}": "table items, row 1, column minute",
    f"UPDATE posted SET minute={SECONDS}": "table posted, row 1, column minute",
    f"UPDATE taken SET minute={SECONDS}": "table taken, row 1, column minute",
    f"UPDATE given SET minute={SECONDS}": "table given, row 1, column minute",
    f"UPDATE cells SET day={SECONDS}": "table cells, row 1, column day",
    f"UPDATE blobs SET expires={SECONDS}/60": "table blobs, row 1, column expires",
    f"UPDATE blobs SET touched={SECONDS}": "table blobs, row 1, column touched",
    "UPDATE logs SET state=longer(state)": "table logs, row 1, column state",
    "UPDATE slots SET state=longer(state) WHERE id=1": "table slots, row 1, column state",
    "UPDATE slots SET content=longer(content) WHERE id=1": "table slots, row 1, column content",
    "UPDATE slots SET content=x'' WHERE id=1": "half a tombstone",
    "UPDATE logs SET instance=zeroblob(33) WHERE id=2": "table logs, row 2, column instance",
    "UPDATE logs SET instance=zeroblob(32) WHERE id=2": "not the seat that the log was opened at",
    "UPDATE logs SET log=zeroblob(32) WHERE id=2": "not the log id of its configuration",
    "UPDATE logs SET first=9 WHERE id=2": "an epoch before the first",
    "UPDATE logs SET fell=1 WHERE id=2": "not what its state says",
    "UPDATE logs SET fell=2 WHERE id=2": "table logs, row 2, column fell",
    "UPDATE relay SET key=zeroblob(32)": "the state of another relay",
    "UPDATE epochs SET key=zeroblob(32)": "not what its seat says",
    "UPDATE epochs SET seat=zeroblob(32)": "not what the log's state says",
    "UPDATE epochs SET grace=65": "table epochs, row 1, column grace",
    "DELETE FROM epochs WHERE log=2": "a log without its open epoch",
    "DELETE FROM heads WHERE log=2": "a log that stands nowhere",
    "UPDATE heads SET chain=zeroblob(32)": "not the chain of the entries",
    "UPDATE heads SET bytes=bytes+1": "not the sum of the entries",
    "UPDATE heads SET next_index=next_index+1": "not the place after the last entry",
    "UPDATE entries SET chain=zeroblob(32) WHERE id=20": "not the chain of the entries",
    "UPDATE entries SET tag=7 WHERE id=20": "not the tag of its entry",
    "UPDATE entries SET data=longer(data) WHERE id=20": "not the tag of its entry",
    "UPDATE entries SET log=77 WHERE id=20": "a row that belongs to nothing",
    "DELETE FROM entries WHERE id=20": "a place that is not the next one",
    "UPDATE inboxes SET owner=zeroblob(32)": "not the id of its owner",
    "UPDATE inboxes SET next_index=0": "an item behind the next one",
    "UPDATE links SET posts=-2": "table links, row 1, column posts",
    "UPDATE items SET data=x'00'": "not the tag of its content",
    "UPDATE packages SET data=x'00' WHERE id=2": "not the tag of its content",
    "UPDATE packages SET device=zeroblob(33)": "table packages, row 1, column device",
    "UPDATE packages SET last_resort=2": "table packages, row 1, column last_resort",
    "UPDATE taken SET packages=longer(packages)": "table taken, row 1, column packages",
    "UPDATE taken SET statement=zeroblob(31)": "table taken, row 1, column statement",
    "UPDATE cells SET value=x'00'": "not the signature of its owner",
    "UPDATE cells SET cell=zeroblob(32)": "not the id of its owner",
    "UPDATE blobs SET stored=size-1 WHERE stored=size": "neither complete nor on its way",
    "UPDATE blobs SET size=size+1, stored=stored+1": "not the size of the blob",
}


@pytest.mark.parametrize(("statement", "expected"), CHANGES.items(), ids=CHANGES)
def test_a_change_is_found(data: Path, statement: str, expected: str) -> None:
    changed(data, statement)
    assert any(expected in one for one in found(data)), found(data)


def test_a_vote_that_does_not_count_is_found(data: Path) -> None:
    with Source(data) as source:
        row = source.one("SELECT state FROM slots WHERE id=1")
    assert row is not None
    state = bytearray(row[0])
    state[-1] ^= 1  # the end of the decision's only signature
    changed(data, f"UPDATE slots SET state=x'{state.hex()}' WHERE id=1")
    assert any("a decision that does not count" in one for one in found(data))


# --- Raw bytes ------------------------------------------------------------------------------------


def put(data: Path, page: int, offset: int, content: bytes, file: str = "relay.db") -> None:
    with (data / file).open("r+b") as raw:
        raw.seek((page - 1) * 8192 + offset)
        raw.write(content)


def leaf(data: Path, table: str) -> tuple[int, bytes]:
    """A leaf of a table."""
    with Source(data) as source:
        number = source.number("SELECT rootpage FROM sqlite_schema WHERE name=?", table)
    pages = Pages(data / "relay.db", data / "relay.db-wal")
    while (found := tree(pages.read(number), number, pages.usable)).last:
        number = found.last
    content = pages.read(number)
    pages.close()
    return number, content


def test_garbage_in_a_gap_is_found(data: Path) -> None:
    number, page = leaf(data, "entries")
    start, stop = tree(page, number, 8192).gap
    put(data, number, (start + stop) // 2, b"192.0.2.7")
    assert any(f"page {number} of entries: the gap" in one for one in found(data))


def test_garbage_in_a_freed_block_is_found(data: Path) -> None:
    changed(data, "DELETE FROM entries WHERE id=20")
    pages = Pages(data / "relay.db", data / "relay.db-wal")
    with Source(data) as source:
        root = source.number("SELECT rootpage FROM sqlite_schema WHERE name='entries'")
    children = [cell.child for cell in tree(pages.read(root), root, 8192).cells]
    blocks = [
        (stop - start, child, start, stop)
        for child in children
        for start, stop in tree(pages.read(child), child, 8192).blocks
    ]
    size, number, start, stop = max(blocks)
    assert size > 500 and not any(pages.read(number)[start + 4 : stop])
    pages.close()
    put(data, number, start + 8, b"192.0.2.7")
    assert any("a freed block is not zero" in one for one in found(data))


def test_garbage_behind_an_overflowing_row_is_found(data: Path) -> None:
    with Source(data) as source:
        number = source.number("SELECT rootpage FROM sqlite_schema WHERE name='entries'")
    pages = Pages(data / "relay.db", data / "relay.db-wal")
    overflow = _overflow(pages, number)
    while following := int.from_bytes(pages.read(overflow)[:4], "big"):
        overflow = following
    pages.close()
    put(data, overflow, 8000, b"192.0.2.7")
    assert any("the end of an overflow page" in one for one in found(data))


def _overflow(pages: Pages, number: int) -> int:
    found = tree(pages.read(number), number, pages.usable)
    for cell in found.cells:
        if cell.overflow:
            return cell.overflow
        if cell.child and (below := _overflow(pages, cell.child)):
            return below
    return _overflow(pages, found.last) if found.last else 0


def test_garbage_in_free_pages_is_found(data: Path) -> None:
    changed(data, "DELETE FROM entries", "UPDATE heads SET first_index=next_index, bytes=0")
    assert found(data) == []
    pages = Pages(data / "relay.db", data / "relay.db-wal")
    trunk, count = pages.free
    content = pages.read(trunk)
    pages.close()
    assert count > 2
    first = int.from_bytes(content[8:12], "big")
    put(data, first, 4000, b"192.0.2.7")
    assert any(f"page {first}: a free page is not zero" in one for one in found(data))
    put(data, first, 4000, bytes(9))
    put(data, trunk, 6000, b"192.0.2.7")
    assert any(f"page {trunk}: a free page is not zero" in one for one in found(data))


def test_garbage_in_a_map_is_found(data: Path) -> None:
    put(data, 2, 8191, b"7")
    assert any("the end of a map" in one for one in found(data))
    put(data, 2, 8191, b"\0")
    put(data, 2, 8000, b"192.0.2.7")
    assert any("an entry of a map" in one for one in found(data))


def test_garbage_in_the_header_is_found(data: Path) -> None:
    put(data, 1, 80, b"192.0.2.7")
    assert any("header" in one for one in found(data))


def test_a_lost_page_is_found(data: Path) -> None:
    pages = Pages(data / "relay.db", data / "relay.db-wal")
    count = pages.count
    pages.close()
    with (data / "relay.db").open("ab") as raw:
        raw.write(b"192.0.2.7".ljust(8192, b"\0"))
    assert any("does not end with its last page" in one for one in found(data))
    put(data, 1, 28, (count + 1).to_bytes(4, "big"))
    assert any("a page that belongs to nothing" in one for one in found(data))


def test_every_flipped_byte_of_a_row_is_found(data: Path) -> None:
    """Tag, chain and ciphertext. A minute may be another minute: nobody can tell."""
    raw = (data / "relay.db").read_bytes()
    at = raw.index(b"ciphertext 20 ")
    for offset in range(-40, 14, 3):
        put(data, 1, at + offset, bytes([raw[at + offset] ^ 0x55]))
        assert found(data) != [], offset
        put(data, 1, at + offset, raw[at + offset : at + offset + 1])
    assert found(data) == []


def test_what_secure_delete_does_not_reach_is_shown_and_wiped(tmp_path: Path) -> None:
    """Rows that are moved between pages leave copies in gaps: counted while it runs, then wiped."""
    directory = Directory(tmp_path / "data")
    instances = [directory.open(f"log {number}") for number in range(20)]
    for number in range(1500):
        directory.post(instances[number * 7 % 20], b"%d" % number + bytes(60))
    directory.do(_half)
    with lock(directory.data):
        verdict = examined(directory.data)
    data = directory.close()
    assert verdict.running and verdict.findings == []
    assert verdict.remains.content > 0
    assert any("the gap holds more" in one for one in found(data))
    before = shown(data, full=True)
    left = examined(data).remains
    assert wipe(data) == sum(left.gaps.values()) > left.content > 0
    assert examined(data).remains.gaps == {} and found(data) == []
    assert shown(data, full=True) == before
    assert wipe(data) == 0


def _half(batch: Batch) -> frames.Done:
    expire(batch, 800)
    return frames.Done(ID)


def test_wiping_needs_a_stopped_relay(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "data")
    directory.open("picnic")
    with pytest.raises(BadPage):
        wipe(directory.data)
    directory.close()


# --- The write-ahead log --------------------------------------------------------------------------


def test_the_write_ahead_log_is_read(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "data")
    wal = directory.data / "relay.db-wal"
    for number in range(30):
        directory.open(f"log {number}")
    first = read_wal(wal)
    assert first.committed > 30 and (first.older, first.open, first.strange) == (0, 0, 0)
    directory.store.database.run("PRAGMA wal_checkpoint(RESTART)")
    directory.open("another")
    second = read_wal(wal)
    assert 0 < second.committed < 20 and second.older > 0 and second.strange == 0
    assert second.size == first.size
    # What the two say of the database is what SQLite says.
    pages = Pages(directory.data / "relay.db", wal)
    assert pages.count == directory.store.database.all("PRAGMA page_count")[0][0]
    pages.close()
    directory.close()
    assert not wal.exists()


@pytest.mark.parametrize("content", [b"192.0.2.7", b"192.0.2.7" * 5000])
def test_a_write_ahead_log_that_is_none(data: Path, content: bytes) -> None:
    (data / "relay.db-wal").write_bytes(content)
    assert any("relay.db-wal" in one for one in found(data))


def test_garbage_at_the_end_of_the_write_ahead_log(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "data")
    directory.open("picnic")
    crashed = Path(shutil.copytree(directory.data, tmp_path / "crashed"))
    directory.close()
    with (crashed / "relay.db-wal").open("ab") as raw:
        raw.write(b"192.0.2.7")
    assert any("no frame" in one for one in found(crashed))


# --- Files ----------------------------------------------------------------------------------------


def moved(data: Path) -> None:
    blob = data / "blobs" / IDS["blob"].hex()[:2] / IDS["blob"].hex()
    blob.rename(data / "blobs" / "visitors")


def flipped(data: Path) -> None:
    blob = data / "blobs" / IDS["blob"].hex()[:2] / IDS["blob"].hex()
    blob.write_bytes(BLOB[:-1] + b"!")


def misplaced(data: Path) -> None:
    other = b"a blob that nobody announced"
    name = sha256(other).hexdigest()
    (data / "blobs" / name[:2]).mkdir(exist_ok=True)
    (data / "blobs" / name[:2] / name).write_bytes(other)


def _linked(data: Path) -> None:
    (data / "relay.toml").unlink()
    (data / "relay.toml").symlink_to("identity")


def upload(data: Path) -> Path:
    return next((data / "uploads").iterdir())


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "extra": (lambda data: (data / "access.log").write_text("192.0.2.7"), "access.log: no file"),
    "hidden": (lambda data: (data / ".visitors").write_text("192.0.2.7"), ".visitors: no file"),
    "folder": (lambda data: (data / "logs").mkdir(), "logs: no file"),
    "journal": (lambda data: (data / "relay.db-journal").touch(), "relay.db-journal: no file"),
    "link": (lambda data: _linked(data), "not the kind of file"),
    "lock": (lambda data: (data / "lock").write_text("192.0.2.7"), "lock: it is not empty"),
    "identity": (
        lambda data: (data / "identity").write_bytes((data / "identity").read_bytes() + b"7"),
        "identity: more or less",
    ),
    "other": (lambda data: (data / "identity").write_text("07" * 32 + "\n"), "identity: not the"),
    "none": (lambda data: (data / "identity").unlink(), "identity: it is missing"),
    "settings": (lambda data: (data / "relay.toml").write_text("spy = 1"), "relay.toml: these"),
    "index": (lambda data: (data / "relay.db-shm").write_text("7"), "not the size of an index"),
    "left": (lambda data: (data / "relay.db-shm").touch(), "relay.db-shm: it is left"),
    "moved": (moved, "blobs/visitors: no folder"),
    "gone": (lambda data: shutil.rmtree(data / "blobs"), "a blob that is not on disk"),
    "flipped": (flipped, "it does not hash to its name"),
    "misplaced": (misplaced, "a blob that nobody announced"),
    "note": (lambda data: (data / "blobs/aa").write_text("192.0.2.7"), "blobs/aa: no folder"),
    "upload": (lambda data: (data / "uploads/list").touch(), "uploads/list: no name"),
    "stray": (
        lambda data: upload(data).rename(data / "uploads" / ("0" * 64)),
        "an upload that nobody announced",
    ),
    "longer": (lambda data: upload(data).write_bytes(bytes(1001)), "larger than what"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_is_found(data: Path, case: str) -> None:
    change, expected = FILES[case]
    change(data)
    assert any(expected in one for one in found(data)), found(data)
    code, output = command(data, "--strict")
    assert code == 1 and "192.0.2.7" not in output


def test_names_of_files_cannot_write_on_the_terminal(data: Path) -> None:
    (data / "\x1b[2J").touch()
    code, output = command(data, "--strict")
    assert code == 1 and "\x1b" not in output


def test_an_operators_certificate_may_lie_there(data: Path) -> None:
    for file in ("cert.pem", "key.pem"):
        (data / file).write_text("the operator's")
    (data / "relay.toml").write_text('tls_cert = "cert.pem"\ntls_key = "key.pem"\n')
    assert found(data) == []


def test_strict_as_json(data: Path) -> None:
    code, output = command(data, "--strict", "--json")
    assert code == 0 and json.loads(output)["explained"] is True
    (data / "access.log").touch()
    code, output = command(data, "--strict", "--json")
    assert code == 1
    assert json.loads(output)["findings"] == [{"where": "access.log", "what": "no file of a relay"}]


def test_a_relay_that_starts_meanwhile_is_noticed(data: Path) -> None:
    with Source(data) as source:
        list(Report(source, Selection()).logs())
        with Database(data / "relay.db", writes=True).transaction():
            pass
        with lock(data), pytest.raises(StoreError, match="started meanwhile"):
            source.check_unchanged()


def test_ids_are_told_of_and_nothing_else() -> None:
    """Structures of the report have no field for bytes of a client but ids, keys, hashes and endpoints."""
    fields = {
        field for kind in vars(report).values() for field in getattr(kind, "__struct_fields__", ())
    }
    assert not fields & {"data", "content", "text", "body", "address"}
    assert objects.inbox_id(OWNER.public) == IDS.get("inbox", objects.inbox_id(OWNER.public))
