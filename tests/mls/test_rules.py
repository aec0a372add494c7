"""Each row of the validation table: one message that keeps the rule, one that breaks only it.

The cases stand in `tests/mls/rules`, chapter by chapter; `docs/validation.md` is the table itself.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

from heliogram import mls
from tests.mls import rules
from tests.mls.forge import World
from tests.mls.rules import CASES, ROWS, Attempt, Case

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
    attempts = case.run(World(suite, case.name.encode()))
    if attempts is None:
        return
    count = 0
    for attempt in [attempts] if isinstance(attempts, Attempt) else attempts:
        count += 1
        if case.kind == "right":
            attempt.do()
        else:
            _refused(attempt, case.row)
    assert count, "a case without an attempt"


def _refused(attempt: Attempt, row: int) -> None:
    """The attempt fails, under the number of the row, and has changed nothing."""
    before = _states(attempt.watched)
    row = attempt.row or row
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


# -- the table -------------------------------------------------------------------------------------

_TABLE = re.findall(
    r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \| `(\w+)` \|$",
    (Path(__file__).parents[2] / "docs/validation.md").read_text(),
    re.MULTILINE,
)


def _source(place: str) -> str:
    """The source of `module.function` or `module.Class.method` in `heliogram.mls`."""
    module, *names = place.split(".")
    found: Any = importlib.import_module(f"heliogram.mls.{module}")
    for name in names:
        found = inspect.getattr_static(found, name)
    found = getattr(found, "fget", None) or getattr(found, "__func__", found)
    return inspect.getsource(found)


def test_the_table_has_every_row() -> None:
    assert [int(row) for row, *_ in _TABLE] == list(ROWS)


@pytest.mark.parametrize(("row", "places"), [(row, places) for row, _, _, places, _ in _TABLE])
def test_the_place_in_the_table_is_where_the_row_is(row: str, places: str) -> None:
    named = re.findall(r"`([\w.]+)`", places)
    assert named, "no place in the code"
    for place in named:
        in_code = rf"(?:InvalidMessage|DecryptionFailed)\({row},|\brow {row}\b"
        assert re.search(in_code, _source(place)), f"{place} does not name row {row}"


@pytest.mark.parametrize(("row", "module"), [(row, module) for row, _, _, _, module in _TABLE])
def test_the_test_in_the_table_is_where_the_cases_are(row: str, module: str) -> None:
    cases = [case for case in CASES if case.row == int(row)]
    assert {case.run.__module__ for case in cases} == {f"{rules.__name__}.{module}"}
