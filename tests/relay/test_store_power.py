"""The power goes while a relay's database cuts its WAL: what was committed is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from heliogram.relay.store.database import Database
from tests.relay import powerloss

pytestmark = pytest.mark.skipif(powerloss.compiler() is None, reason="no C compiler: install gcc")

#: Writes much into the WAL, the same pages again and again, cuts it, and is killed.
CUTS = """
import os, sys
from pathlib import Path
from heliogram.relay.store.database import Database
database = Database(Path(sys.argv[1]), writes=True)
database.claim(bytes(32))
for number in range(1, 31):
    with database.transaction():
        for row in (number % 7, number % 11):
            terms = bytes((number,)) * 3000
            database.run("INSERT OR REPLACE INTO relay_turns VALUES (?, ?)", row, terms)
if not database.checkpoint():
    raise SystemExit("it was not cut")
os.kill(os.getpid(), 9)
"""


def test_what_is_left_of_a_wal_is_not_older_than_the_file(tmp_path: Path) -> None:
    library = powerloss.build(tmp_path)
    expected = {row: number for number in range(1, 31) for row in (number % 7, number % 11)}
    partly = 0
    for seed in range(15):
        data, journal = tmp_path / "data", tmp_path / "journal"
        for folder in (data, journal):
            shutil.rmtree(folder, ignore_errors=True)
        data.mkdir()
        path = data / "relay.db"
        with closing(Database(path, writes=True)) as database:
            database.run("CREATE TABLE relay_turns (number INTEGER PRIMARY KEY, content BLOB)")
        command = [sys.executable, "-c", CUTS, str(path)]
        environment = os.environ | powerloss.environment(library, data, journal)
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == -9, done.stderr
        partly += powerloss.lose(data, journal, Random(seed)).torn
        with closing(Database(path, writes=True)) as database:
            assert database.all("PRAGMA integrity_check") == [("ok",)]
            found = database.all("SELECT number, content FROM relay_turns")
            assert {row: content[0] for row, content in found} == expected
    assert partly
