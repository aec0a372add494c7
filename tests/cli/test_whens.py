"""Times and spans as people write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest

from heliogram.cli.face import Stop
from heliogram.cli.talking import MAX_NUMBER
from heliogram.cli.whens import span, when
from heliogram.node.api.things import Whole

#: A Thursday.
NOW = "2026-01-01 10:00"


@pytest.fixture(params=["UTC", "Europe/Berlin"])
def now(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield datetime.fromisoformat(NOW).astimezone()
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "text, meant",
    [
        ("10:01", "2026-01-01 10:01"),
        ("today 18:30", "2026-01-01 18:30"),
        ("9:00", "2026-01-02 09:00"),
        ("10:00", "2026-01-02 10:00"),
        ("Tomorrow  8:00", "2026-01-02 08:00"),
        ("thursday 9:00", "2026-01-08 09:00"),
        ("thu 11:00", "2026-01-01 11:00"),
        ("Fri 8:00", "2026-01-02 08:00"),
        ("2026-07-01 08:00", "2026-07-01 08:00"),
        ("2026-07-01t08:00", "2026-07-01 08:00"),
        ("+90m", "2026-01-01 11:30"),
        ("+1h30m", "2026-01-01 11:30"),
        ("+1w", "2026-01-08 10:00"),
    ],
)
def test_times(now: datetime, text: str, meant: str) -> None:
    found = datetime.fromtimestamp(when(text, now))
    assert found == datetime.fromisoformat(meant)


def test_a_time_of_another_zone(now: datetime) -> None:
    assert when("2026-07-01T08:00+02:00", now) == 1782885600


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "24:00", "12:60", "+", "+5", "+5x", "+999999999w", "-5m", "someday 8:00"),
        *(
            "2026-07-01",
            "2026-13-01 08:00",
            "9999-99-99 08:00",
            "mo 8:00",
            "\u0661\u0662:\u0660\u0660",
        ),
        # Over already.
        *("today 9:59", "2025-12-31 23:59", "0001-01-01 00:00"),
    ],
)
def test_no_times(now: datetime, text: str) -> None:
    with pytest.raises(Stop):
        when(text, now)


def test_a_clock_counts_where_summer_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        before = datetime.fromisoformat("2026-03-28 20:00").astimezone()
        # Eleven hours on the clock, ten in the world.
        assert when("7:00", before) - before.timestamp() == 10 * 3600
    finally:
        monkeypatch.undo()
        time.tzset()


def test_spans() -> None:
    assert [span(one) for one in ("off", "0", "90", "30m", "1d", "1h30m", "2W")] == [
        *(0, 0, 90, 1800, 86_400, 5400, 1_209_600)
    ]
    for text in ("", "soon", "-1", "1x", "9999999999", "99999w"):
        with pytest.raises(Stop):
            span(text)


def test_numbers_are_no_larger_than_a_node_takes() -> None:
    bounds = msgspec.inspect.type_info(Whole)
    assert isinstance(bounds, msgspec.inspect.IntType) and bounds.le == MAX_NUMBER
