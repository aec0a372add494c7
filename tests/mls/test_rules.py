"""Each row of the validation table: one message that keeps the rule, one that breaks only it.

The cases stand in `tests/mls/rules`, chapter by chapter; `docs/validation.md` is the table itself.
"""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

from heliogram import mls
from tests.mls import rules
from tests.mls.forge import World
from tests.mls.rules import CASES, ROWS, Case

for _module in pkgutil.iter_modules(rules.__path__):
    importlib.import_module(f"{rules.__name__}.{_module.name}")


def _states(groups: tuple[mls.Group, ...]) -> list[bytes]:
    return [bytes(group.to_bytes()) for group in groups]


@pytest.mark.parametrize(
    ("case", "suite"),
    [
        pytest.param(case, suite, id=f"{case.name}-{suite:#x}")
        for case in sorted(CASES, key=lambda case: (case.row, case.kind != "right"))
        for suite in case.suites
    ],
)
def test_rule(case: Case, suite: int) -> None:
    attempt = case.run(World(suite, case.name.encode()))
    if attempt is None:
        return
    if case.kind == "right":
        attempt.do()
        return
    before = _states(attempt.watched)
    row = attempt.row or case.row
    with pytest.raises(attempt.refusal) as refused:
        attempt.do()
    error = refused.value
    if isinstance(error, mls.InvalidMessage):
        assert error.rule == row, f"refused by row {error.rule}: {error}"
    elif isinstance(error, mls.UsageError):
        cause = error.__cause__
        named = isinstance(cause, mls.InvalidMessage) and cause.rule == row
        assert named or re.match(rf"row {row}\b", str(error)), str(error)
    assert _states(attempt.watched) == before


@pytest.mark.parametrize("row", ROWS)
def test_each_row_has_both_kinds(row: int) -> None:
    kinds = {case.kind for case in CASES if case.row == row}
    assert kinds == {"right", "broken"}
