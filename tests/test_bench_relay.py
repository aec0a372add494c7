"""The relay's benchmark measures our relay in small, and its table is whole. Figures are not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.relay import slots, table
from bench.relay.ours import Ours
from bench.relay.run import (
    CPU,
    DISK,
    IDLE,
    P50,
    SLOTS,
    Results,
    fan_out_names,
    file_system,
    measure,
    posts_name,
)
from bench.relay.scenarios import Size, percentile
from bench.relay.websocket import masked
from bench.table import as_markdown, as_text

ROOT = Path(__file__).parent.parent
TINY = Size(seconds=0.1, logs=(1, 3), subscribers=5, connections=20)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs epoll and /proc")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Results:
    results = Results(TINY)
    measure(Ours, results, tmp_path_factory.mktemp("relay"))
    return results


def test_everything_about_one_relay_is_measured(measured: Results) -> None:
    assert set(measured.rows()) - set(measured.cells) == {SLOTS}
    assert all(cells[Ours.name] > 0 for cells in measured.cells.values())
    assert f"ours: {Ours.durability}." in measured.notes
    assert not any(" measured" in note for note in measured.notes)


def test_text_and_markdown_have_the_same_rows(measured: Results) -> None:
    body, header = table.lines(measured), table.header(measured)
    assert header == ("measured", Ours.name, "goal")
    text = as_text(body, header, table.LEFT).splitlines()
    markdown = as_markdown(body, header, table.LEFT).splitlines()
    assert len(text) == len(markdown) == 2 + len(body)
    assert len(body) == len(measured.cells)


def test_data_has_every_row_with_its_goals(measured: Results) -> None:
    rows = {row["measured"]: row for row in json.loads(json.dumps(table.as_data(measured)))}
    assert set(rows) == set(measured.cells)
    for name in (P50, CPU, DISK, IDLE):
        assert len(rows[name]["goals"]) == 1


def test_four_relays_decide_slots(tmp_path: Path) -> None:
    found = slots.decide(tmp_path, 0.3, logs=2)
    assert found.count > 0
    assert found.server_cpu > 0


def test_goals_compare_with_the_peers() -> None:
    results = Results(Size(subscribers=10))
    results.cells = {
        posts_name(50): {"ours": 9_000.0, "JetStream": 2_000.0, "Prosody": 1_500.0},
        fan_out_names(10)[0]: {"ours": 700.0, "JetStream": 1_000.0},
        P50: {"ours": 0.001},
    }
    said = {row: [str(goal) for goal in table.goals(results, row)] for row in results.cells}
    assert said == {
        posts_name(50): [
            "≥ 10,000 /s MISSED by 10%",
            "≥ 0.5 times JetStream met",
            "≥ 8 times Prosody MISSED by 25%",
        ],
        fan_out_names(10)[0]: ["≥ 0.8 times JetStream MISSED by 13%"],
        P50: ["≤ 2.00 ms met"],
    }


def test_only_some_rows() -> None:
    results = Results(TINY, only="fan-out")
    results.note(P50, Ours.name, 1.0)
    results.note(fan_out_names(5)[0], Ours.name, 2.0)
    assert list(results.cells) == [fan_out_names(5)[0]]


def test_a_masked_frame_is_the_message_under_its_mask() -> None:
    for size in (0, 1, 125, 126, 1024, 70_000):
        message = bytes(k % 251 for k in range(size))
        frame = masked(message)
        head = 2 if size < 126 else 4 if size < 1 << 16 else 10
        mask, hidden = frame[head : head + 4], frame[head + 4 :]
        assert frame[:2] == bytes(
            (0x82, 0x80 | (size if size < 126 else 126 if head == 4 else 127))
        )
        assert bytes(byte ^ mask[k % 4] for k, byte in enumerate(hidden)) == message


def test_percentiles_and_file_systems(tmp_path: Path) -> None:
    assert [percentile([1.0, 2.0, 3.0, 4.0], share) for share in (0.0, 0.5, 0.99)] == [1, 3, 4]
    assert file_system(tmp_path) != "unknown"


def test_the_document_has_the_table() -> None:
    """With all rows, as this code names and orders them."""
    text = (ROOT / "docs/performance.md").read_text()
    section = text.partition("### The table of the relay")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ")[0] for line in section.splitlines() if line[:2] == "| "]
    assert [row for row in rows if row not in ("measured", "---")] == Results(Size()).rows()


def test_an_unknown_server_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.relay", "--servers", "nobody"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
