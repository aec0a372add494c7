"""The node's benchmark measures all it should, in small, and its table is whole. Figures are not judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench.node import measures as m
from bench.node.run import run
from bench.table import as_markdown, as_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

#: Groups that a tiny run does not make.
LEFT_OUT = {m.GROUPS[10], m.GROUPS[100]}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> m.Results:
    results = m.Results(m.TINY)
    run(results, tmp_path_factory.mktemp("node"))
    return results


def test_everything_is_measured(measured: m.Results) -> None:
    assert set(m.ROWS) - set(measured.values) == LEFT_OUT
    assert all(value > 0 for value in measured.values.values())
    assert not any("in part" in note for note in measured.notes)


def test_the_table_has_all_rows_with_their_goals(measured: m.Results) -> None:
    lines = measured.lines()
    text = as_text(lines, m.HEADER, m.LEFT).splitlines()
    markdown = as_markdown(lines, m.HEADER, m.LEFT).splitlines()
    assert len(text) == len(markdown) == 2 + len(measured.values)
    assert all(bool(goal) == (row.goal is not None) for row, (_, _, goal) in _rows(measured, lines))


def test_data_says_which_goals_are_met(measured: m.Results) -> None:
    rows = {row["measured"]: row for row in json.loads(json.dumps(measured.as_data()))}
    for row, value in measured.values.items():
        assert rows[row.name]["met"] is row.met(value)
    assert rows[m.SYNC.name]["met"] is None


def test_goals_are_judged() -> None:
    assert m.ONE.judged(150) == "≥ 150 /s met"
    assert m.ONE.judged(75) == "≥ 150 /s MISSED by 50%"
    assert m.STORED_P50.judged(0.030) == "≤ 15.0 ms MISSED by 100%"
    assert m.MEMORY.judged(100 << 20) == "≤ 150 MiB met"
    assert m.SYNC.judged(1.0) == ""


def test_what_cannot_be_done_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.node.world.WORKER", (sys.executable, "-c", "pass"))
    results = m.Results(m.TINY, only=m.REQUEST.name)
    run(results, tmp_path)
    assert not results.values
    assert [note for note in results.notes if note.startswith("contacts: measured in part: ")]


def test_what_takes_too_long_is_noted(tmp_path: Path) -> None:
    results = m.Results(m.TINY, only=m.REQUEST.name, patience=0.0)
    run(results, tmp_path)
    assert results.notes == ["contacts: measured in part: more than 0 s."]


def _rows(
    measured: m.Results, lines: list[tuple[str, str, str]]
) -> list[tuple[m.Row, tuple[str, str, str]]]:
    there = [row for row in m.ROWS if row in measured.values]
    return list(zip(there, lines, strict=True))
