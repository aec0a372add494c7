"""The Promela model of the slot: safe where the rule says so, broken where it says so, and not vacuous."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[2] / "models" / "slot.pml"
TOOLS = ("spin", "gcc")

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason="needs spin and gcc (Debian)"
)


def search(folder: Path, **options: int) -> tuple[int, int]:
    """How many errors and states the search finds. Stops at the first error."""
    defines = [f"-D{name.upper()}={value}" for name, value in options.items()]
    compiler = ["gcc", "-O1", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"]
    text = ""
    for command in (["spin", "-a", *defines, str(MODEL)], compiler, ["./pan", "-m100000"]):
        text = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True
        ).stdout
    assert "max search depth too small" not in text
    found = re.search(r"errors: (\d+)\s+(\d+) states, stored", text)
    assert found, text
    return int(found[1]), int(found[2])


@pytest.mark.parametrize(
    ("n", "q", "liars", "states"), [(4, 3, 1, 35_588), (3, 2, 0, 35_588), (5, 4, 1, 306_306)]
)
def test_agreement(tmp_path: Path, n: int, q: int, liars: int, states: int) -> None:
    assert search(tmp_path, n=n, q=q, liars=liars) == (0, states)


@pytest.mark.parametrize(("n", "q", "liars"), [(3, 2, 1), (4, 2, 0), (5, 3, 1)])
def test_too_many_liars_break_it(tmp_path: Path, n: int, q: int, liars: int) -> None:
    assert 2 * q - n - 1 < liars
    assert search(tmp_path, n=n, q=q, liars=liars)[0] == 1


@pytest.mark.parametrize("mutant", [1, 2, 3, 4, 5])
def test_each_check_is_needed(tmp_path: Path, mutant: int) -> None:
    assert search(tmp_path, mutant=mutant)[0] == 1
