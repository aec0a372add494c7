"""Whole logs under everything that can go wrong: real conversations, real logs, real relay rules.

`HELIOGRAM_SIM_SEED=...` replays one run; `HELIOGRAM_SIM_RUNS=10000` makes that many instead of a few.
"""

from __future__ import annotations

import os

import pytest

from heliogram.node.records import Held
from tests.sim.logs import Run, Violation, random_run

RUNS = int(os.environ.get("HELIOGRAM_SIM_RUNS", "12"))
SEED = os.environ.get("HELIOGRAM_SIM_SEED")

#: Runs are cut into so many tests, so that workers can share them.
SLICES = 4


@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(SLICES))
def test_everything_at_random(part: int) -> None:
    if SEED is not None:
        if part == 0:
            random_run(SEED)
        return
    for seed in range(part, RUNS, SLICES):
        random_run(seed, seconds=40.0 if RUNS > 100 else 20.0)


def test_what_is_shown_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a log that does not know words again."""
    monkeypatch.setattr(Held, "has_heard", lambda held, said: False)
    with pytest.raises(Violation, match="I5: something was shown twice"):
        for seed in range(40):
            random_run(seed)


def test_a_seed_is_a_run() -> None:
    first, again = (random_run("twice", seconds=10.0).world for _ in range(2))
    assert first.asked == again.asked and first.now == again.now


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(run: Run) -> None:
        raise Violation("never")

    monkeypatch.setattr(Run, "finish", stuck)
    with pytest.raises(Violation) as caught:
        random_run(3, seconds=2)
    assert caught.value.__notes__ == ["HELIOGRAM_SIM_SEED=3"]
