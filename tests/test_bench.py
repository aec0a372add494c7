"""The benchmark runs, and its table is whole. Times are not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.floor import CLASSICAL, POST_QUANTUM, Floor, Kind, counted
from bench.measure import FLOOR, OURS, Notebook, Row
from bench.run import OPERATIONS
from bench.shape import Place, Shape
from bench.table import HEADER, as_markdown, as_text, goals, lines

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--sizes", "2,10", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json"))
    return found


def test_every_operation_is_measured_under_both_suites(measured: dict[str, Any]) -> None:
    rows = {(row["operation"], row["members"], row["suite"]) for row in measured["rows"]}
    for suite in (CLASSICAL.name, POST_QUANTUM.name):
        assert ("key package", 0, suite) in rows
        for operation in OPERATIONS[1:]:
            assert (operation, 10, suite) in rows


def test_times_are_positive_and_what_is_sent_has_a_size(measured: dict[str, Any]) -> None:
    for row in measured["rows"]:
        assert row["seconds"][OURS] > 0
        if row["operation"] not in ("state saved", "saved after one message", "state loaded"):
            assert row["seconds"][FLOOR] > 0
        if not row["operation"].partition(",")[0].endswith(("processed", "loaded")):
            assert row["operation"] == "message unprotected" or row["bytes"][OURS] > 0


def test_the_run_says_what_it_ran_on(measured: dict[str, Any]) -> None:
    assert {"date", "cpu", "system", "python", "cryptography", "pynacl"} <= set(measured["about"])


def test_only_some_operations() -> None:
    rows = json.loads(run("--json", "--only", "message"))["rows"]
    assert {row["operation"] for row in rows} == {
        "message protected",
        "message unprotected",
        "saved after one message",
    }


def test_counts_are_printed_with_reasons() -> None:
    assert "path secrets to the copath (7.5)" in run("--counts")


def test_text_and_markdown_have_the_same_cells() -> None:
    notebook = Notebook()
    for turn in range(3):
        notebook.take_turns(turn, Row(OPERATIONS[1], 1000, "suite 1"), {OURS: int, FLOOR: int})
    body = lines(notebook, "post-quantum")
    text, markdown = as_text(body).splitlines(), as_markdown(body).splitlines()
    assert len(text) == len(markdown) == 2 + len(body)
    assert len({line.count("|") for line in markdown}) == 1
    shown = [cell.strip() for cell in markdown[0].strip("|").split("|")]
    absent = ("rine", "2 threads", "bytes")
    assert shown == [name for name in HEADER if not any(word in name for word in absent)]
    assert text[2].split()[:2] == ["group", "created"]


def test_the_document_has_the_table() -> None:
    """With all operations under both suites, as this code names and orders them."""
    text = (ROOT / "docs/performance.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] in OPERATIONS]
    assert list(dict.fromkeys(row[0] for row in rows)) == list(OPERATIONS)
    assert {row[2] for row in rows} == {CLASSICAL.name, POST_QUANTUM.name}
    assert any(row[1] == "1,000" for row in rows)


def test_a_goal_is_missed_by_the_share_it_is_over() -> None:
    notebook = Notebook()
    row = Row("group created in one commit", 1000, "post-quantum")
    for column, seconds in ((OURS, 3.0), (FLOOR, 2.5)):
        notebook.cell(row, column).times.append(seconds)
    said = [str(goal) for goal in goals(notebook, row, "post-quantum")]
    assert said == ["seconds ≤ 2 MISSED by 50%", "floor ≤ 1.5 met"]


@pytest.mark.parametrize("kind", [CLASSICAL, POST_QUANTUM], ids=lambda kind: kind.name)
def test_every_primitive_that_is_counted_can_be_run(kind: Kind) -> None:
    primitives = Floor(kind)
    for steps in counted(kind, 5).values():
        primitives.prepare(steps)()


class TestShape:
    def test_a_cold_tree_is_sealed_to_leaf_by_leaf(self) -> None:
        shape = Shape(1000)
        assert (shape.height, shape.path_nodes(0), shape.seals(0)) == (10, 10, 999)
        assert shape.derived_by(0, 999) == 1
        assert shape.derived_by(0, 1) == 10

    def test_a_tree_of_one_has_no_path(self) -> None:
        assert (Shape(1).height, Shape(1).path_nodes(0), Shape(1).seals(0)) == (0, 0, 0)

    def test_paths_make_the_tree_warm(self) -> None:
        shape = Shape(8)
        for leaf in range(8):
            shape.fill_path(leaf)
        assert shape.seals(0) == 3
        assert shape.filled_parents == 7

    def test_a_removal_blanks_the_path(self) -> None:
        shape = Shape(8)
        for leaf in range(8):
            shape.fill_path(leaf)
        shape.remove(5)
        # Of the other half remain leaf 4 and the parent of 6 and 7.
        assert shape.resolution(Place(2, 1)) == {Place(0, 4), Place(1, 3)}
        assert shape.seals(0) == 4

    def test_a_new_member_is_unmerged_where_it_was_not_told_the_secret(self) -> None:
        shape = Shape(8)
        for leaf in range(8):
            shape.fill_path(leaf)
        shape.remove(5)
        shape.fill_path(0)
        assert shape.add() == 5
        assert shape.resolution(Place(3, 0)) == {Place(3, 0), Place(0, 5)}
        assert shape.seals(0) == 5
        assert shape.seals(0, frozenset({5})) == 4

    def test_a_full_tree_grows_by_a_level(self) -> None:
        shape = Shape(8)
        assert (shape.add(), shape.height) == (8, 4)

    def test_nodes_whose_copath_is_empty_are_filtered(self) -> None:
        shape = Shape(5)
        assert shape.path_nodes(4) == 1

    def test_a_copy_goes_its_own_way(self) -> None:
        shape = Shape(4)
        shape.copy().remove(1)
        assert shape.members == 4
