"""Nodes are killed while they talk, and keep all that they have said."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.node.chaos import campaign
from tests.relay import powerloss

KILLS = int(os.environ.get("HELIOGRAM_NODE_KILLS", "20"))
SEED = int(os.environ.get("HELIOGRAM_SEED", "0")) or time.time_ns() % 1_000_000


@pytest.mark.timeout(0 if KILLS > 100 else 600)
async def test_67_nothing_that_was_said_is_lost_or_doubled(tmp_path: Path) -> None:
    """Talk, first contact, groups, names, files. `campaign` says how."""
    print(f"\nHELIOGRAM_SEED={SEED}")
    library = powerloss.build(tmp_path) if powerloss.compiler() is not None else None
    figures = await campaign.run(tmp_path, library, kills=KILLS, seed=SEED)
    print(figures)
    assert figures.kills == KILLS and figures.said
