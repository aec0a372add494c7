"""From an older version to this one: in one transaction, with a copy, whatever happens in between."""

from __future__ import annotations

import os
import resource
from contextlib import closing
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from heliogram.node.errors import StoreDamaged, StoreError, StoreNewer
from heliogram.node.store.database import Store
from heliogram.node.store.schema import Schema
from tests.node.store import upgrading
from tests.node.store.killing import in_a_process
from tests.node.store.upgrading import KEY, STEPS, WHOLE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "p" / "profile.db"
    upgrading.old(path)
    return path


def test_an_older_file_is_brought_to_this_version(path: Path) -> None:
    upgrading.check(path)


def test_the_copy_is_encrypted_and_private_and_opens_as_the_old_one(path: Path) -> None:
    Store.open(path, KEY, schema=Schema(WHOLE, STEPS)).close()
    copy = path.with_name("profile.db.before-3")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert b"name 0001" not in copy.read_bytes()
    kept = Store.open(copy, KEY, schema=Schema(WHOLE, {}))
    assert kept.setting("name 0001") == b"\1" * 40
    kept.close()


def test_a_file_of_a_later_version_is_left_alone(path: Path) -> None:
    Store.open(path, KEY, schema=Schema(WHOLE, STEPS)).close()
    before = path.read_bytes()
    with pytest.raises(StoreNewer):
        Store.open(path, KEY, schema=Schema(WHOLE, {}))
    assert path.read_bytes() == before


def test_a_step_that_fails_changes_nothing(path: Path) -> None:
    with pytest.raises(dbapi2.OperationalError):
        Store.open(path, KEY, schema=Schema(WHOLE, {**STEPS, 4: "DROP TABLE nowhere"}))
    upgrading.check(path)


def test_a_step_that_leaves_rows_pointing_nowhere_changes_nothing(path: Path) -> None:
    with pytest.raises(StoreDamaged):
        Store.open(path, KEY, schema=Schema(WHOLE, {**STEPS, 4: "DELETE FROM parents"}))
    upgrading.check(path)


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
def test_an_upgrade_killed_at_any_step_goes_on_at_the_next_start(tmp_path: Path) -> None:
    kills = int(in_a_process("tests.node.store.upgrading", str(tmp_path)))
    assert kills > 100


@pytest.mark.skipif(os.name != "posix", reason="files are kept from growing")
@pytest.mark.parametrize("room", [100_000, 250_000])
def test_69_an_upgrade_without_room_changes_nothing(path: Path, room: int) -> None:
    with closing(Store.open(path, KEY, schema=Schema(WHOLE, {}))) as store:
        store.set_setting("large", os.urandom(300_000))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(StoreError):
            Store.open(path, KEY, schema=Schema(WHOLE, STEPS))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir() if "before" in one.name] == []
    with closing(Store.open(path, KEY, schema=Schema(WHOLE, STEPS))) as store:
        assert store.one("SELECT count(*) FROM children") == (upgrading.ROWS + 1,)


def test_steps_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "upgrades").mkdir()
    (tmp_path / "schema.sql").write_text(WHOLE)
    for number, step in STEPS.items():
        (tmp_path / "upgrades" / f"{number:04}.sql").write_text(step)
    schema = Schema.load(tmp_path)
    assert (schema.whole, schema.steps, schema.version) == (WHOLE, STEPS, 3)
    (tmp_path / "upgrades" / "0002.sql").unlink()
    with pytest.raises(ValueError, match="gap"):
        Schema.load(tmp_path)


def test_steps_lead_to_what_a_new_file_has(tmp_path: Path) -> None:
    """The first schema, brought here, is the one that new files get."""
    first = Schema((Path(__file__).parent / "schema-1.sql").read_text(), {})
    Store.create(tmp_path / "old.db", KEY, schema=first).close()
    old, new = Store.open(tmp_path / "old.db", KEY), Store.create(tmp_path / "new.db", KEY)
    assert (
        old.pragma("user_version") == new.pragma("user_version") == Schema.of_this_program().version
    )
    assert laid_out(old) == laid_out(new)
    old.close()
    new.close()


def laid_out(store: Store) -> dict[str, object]:
    """What there is: of tables their columns, of all else its statement."""
    return {
        name: store.query(f"SELECT * FROM pragma_table_xinfo('{name}')") if kind == "table" else sql
        for kind, name, sql in store.query("SELECT type, name, sql FROM sqlite_schema")
    }
