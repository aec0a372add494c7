"""The list of attacks is true: each number has its sentence, and each test with a number stands there.

`python -m tests.test_acceptance` enters tests that are missing and strikes out those that are gone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/acceptance.md"

NUMBERS = range(1, 75)

_ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"^ *(?:async )?def (test_((?:\d+_)+)\w+)\(", re.MULTILINE)


def numbered() -> dict[int, set[str]]:
    """All tests with a number, by it."""
    found = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for test, numbers in _TEST.findall(path.read_text()):
            for number in numbers.strip("_").split("_"):
                found[int(number)].add(f"{path.relative_to(ROOT).as_posix()}::{test}")
    return found


def listed(page: str) -> dict[int, list[str]]:
    """What the page names, by number."""
    return {int(number): re.findall(r"`(\S+)`", tests) for number, _, tests in _ROW.findall(page)}


def entered(page: str) -> str:
    """The page with each test that has a number in its row, and none that is gone."""
    there = numbered()

    def row(found: re.Match[str]) -> str:
        number, sentence, cell = int(found[1]), found[2], found[3]
        others = [one for one in re.findall(r"`(\S+)`", cell) if not _carries(one, number)]
        tests = [*sorted(there.get(number, ())), *others]
        return f"| {number} | {sentence} | {' '.join(f'`{one}`' for one in tests) or cell} |"

    return _ROW.sub(row, page)


def _carries(test: str, number: int) -> bool:
    found = re.search(r"::test_((?:\d+_)+)", test)
    return found is not None and number in map(int, found[1].strip("_").split("_"))


def test_the_list_is_whole() -> None:
    rows = [int(number) for number, _, _ in _ROW.findall(PAGE.read_text())]
    assert rows == list(NUMBERS)
    assert set(numbered()) <= set(NUMBERS)


def test_each_test_with_a_number_is_in_the_list() -> None:
    page = PAGE.read_text()
    assert entered(page) == page, "python -m tests.test_acceptance enters what is missing"


def test_each_named_test_exists() -> None:
    for number, tests in listed(PAGE.read_text()).items():
        for one in tests:
            path, _, test = one.partition("::")
            assert (ROOT / path).is_file(), f"{number}: no {path}"
            if test:
                assert re.search(rf"def {test}\(", (ROOT / path).read_text()), f"{number}: no {one}"


def test_what_has_no_test_says_why() -> None:
    for number, _, cell in _ROW.findall(PAGE.read_text()):
        assert "`" in cell or re.fullmatch(r"\*no .+ yet.*\*", cell), f"{number} has no test"


if __name__ == "__main__":
    PAGE.write_text(entered(PAGE.read_text()))
