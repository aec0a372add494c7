"""The app's benchmark measures all it should, in small, and its table is whole. Figures are not judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench.table import as_markdown
from bench.web import measures as m
from bench.web.page import find_browser
from bench.web.run import run

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.mark.skipif(find_browser() is None, reason="needs Chromium")
def test_everything_is_measured(tmp_path: Path) -> None:
    results = m.Results(m.TINY, patience=3.0)
    run(results, tmp_path)
    assert not [note for note in results.notes if "in part" in note]
    assert set(results.values) == set(m.ROWS)
    assert all(value > 0 for value in results.values.values())
    lines = results.lines()
    assert len(as_markdown(lines, m.HEADER, m.LEFT).splitlines()) == 2 + len(m.ROWS)
    rows = {row["measured"]: row for row in json.loads(json.dumps(results.as_data()))}
    for row, value in results.values.items():
        assert rows[row.name]["met"] is row.met(value)


def test_goals_are_judged() -> None:
    assert m.FRAME_P95.judged(20e-3) == "≤ 20.0 ms met"
    assert m.HEAP.judged(200 << 20) == "≤ 100 MiB MISSED by 100%"
    assert m.UPLOAD.shown(150e6) == "150 MB/s"


def test_what_cannot_be_done_is_noted(tmp_path: Path) -> None:
    results = m.Results(m.TINY, patience=0.0, only=m.UNLOCK.name)
    run(results, tmp_path)
    assert results.notes[-1] == "measured in part: more than 0 s."


def test_the_document_has_the_table() -> None:
    """With all rows, as this code names and orders them."""
    text = (ROOT / "docs/performance.md").read_text()
    section = text.partition("### The table of the app")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ")[0] for line in section.splitlines() if line[:2] == "| "]
    assert [row for row in rows if row not in ("measured", "---")] == [row.name for row in m.ROWS]
