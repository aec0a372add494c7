"""A relay that is killed, with and without the power, keeps all that it has ever answered."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.relay import campaign, powerloss

KILLS = int(os.environ.get("HELIOGRAM_KILLS", "20"))
SEED = int(os.environ.get("HELIOGRAM_SEED", "0")) or time.time_ns() % 1_000_000


def test_68_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    """Posts, votes, promises, items, packages, links, cells, blobs. `campaign` says how."""
    if powerloss.compiler() is None:
        pytest.skip("no C compiler: install gcc")
    print(f"\nHELIOGRAM_SEED={SEED}")
    figures = campaign.run(tmp_path, powerloss.build(tmp_path), kills=KILLS, seed=SEED)
    print(figures)
    assert figures.kills == KILLS
    assert figures.acked["Stored"] and figures.votes and figures.decisions
