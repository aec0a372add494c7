"""Reports about delivery."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.content.errors import ContentError
from heliogram.content.limits import MAX_MESSAGE, MAX_STATUSES
from heliogram.content.status import Report, Status, later, report
from tests.content import strategies as s

ID = b"\x01" + bytes(31)


@given(s.reports)
def test_reports(value: Report) -> None:
    assert Report.from_bytes(value.encode()) == value
    assert "x01" not in repr(value)


def test_a_report_of_many() -> None:
    every = [bytes((1, *bytes(29), *divmod(one, 256))) for one in range(MAX_STATUSES)]
    one = report(every, Status.READ)
    assert Report.from_bytes(one.encode()) == one
    assert {status for _, status in one.statuses} == {Status.READ}
    with pytest.raises(ContentError):
        report([*every, ID], Status.READ)


REFUSED = {
    "no array": "a0",
    "three in an entry": "8183582001" + "00" * 31 + "0100",
    "an id of 31": "8182581f" + "01" * 31 + "01",
    "a status above 255": "81825820" + "01" * 32 + "190100",
    "something after it": "8000",
    "a million": "9a000f4240",
    "too long": "5a" + "00" * MAX_MESSAGE,
}


@pytest.mark.parametrize("wire", REFUSED.values(), ids=REFUSED)
def test_refused(wire: str) -> None:
    with pytest.raises(ContentError):
        Report.from_bytes(bytes.fromhex(wire))


def test_later_reports_override_but_nothing_returns() -> None:
    assert later(Status.DELIVERED, Status.READ) is Status.READ
    assert later(Status.DELETED, Status.DELIVERED) is Status.DELETED
    assert later(Status.READ, Status.UNREAD) is Status.READ
    assert later(200, Status.UNREAD) is Status.UNREAD
    assert later(200, 201) == 201


@given(st.lists(s.uint(8), min_size=1, max_size=4))
def test_order_does_not_matter(statuses: list[int]) -> None:
    ends = set()
    for order in permutations(statuses):
        end = order[0]
        for status in order[1:]:
            end = later(end, status)
        ends.add(end)
    assert len(ends) == 1
