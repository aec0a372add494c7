"""Budgets: lanes and logs apart, whole windows, and nothing charged for what was not done."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.relay.budgets import DAY, HOUR, Budgets, Lane
from heliogram.relay.errors import OverBudget

NOON = 20_000 * DAY + DAY // 2


def test_up_to_the_ceiling_and_not_beyond() -> None:
    budgets = Budgets()
    budgets.charge(Lane.POSTS, 1, 3, 5, now=NOON)
    with pytest.raises(OverBudget):
        budgets.charge(Lane.POSTS, 1, 3, 5, now=NOON)
    budgets.charge(Lane.POSTS, 1, 2, 5, now=NOON)  # what was refused was not counted
    with pytest.raises(OverBudget):
        budgets.charge(Lane.POSTS, 1, 1, 5, now=NOON)


def test_lanes_and_logs_are_apart() -> None:
    budgets = Budgets()
    for lane in Lane:
        for log in (1, 2):
            budgets.charge(lane, log, 1, 1, now=NOON)
            with pytest.raises(OverBudget):
                budgets.charge(lane, log, 1, 1, now=NOON)


@pytest.mark.parametrize(("lane", "window"), [(Lane.POSTS, DAY), (Lane.VOTES, HOUR)])
def test_a_window_ends_for_all(lane: Lane, window: int) -> None:
    budgets = Budgets()
    start = NOON // window * window
    for log in (1, 2):
        budgets.charge(lane, log, 1, 1, now=start)
        with pytest.raises(OverBudget):
            budgets.charge(lane, log, 1, 1, now=start + window - 1)
    for log in (1, 2):
        budgets.charge(lane, log, 1, 1, now=start + window)


def test_a_clock_that_goes_back_begins_anew_too() -> None:
    budgets = Budgets()
    budgets.charge(Lane.POSTS, 1, 1, 1, now=NOON)
    budgets.charge(Lane.POSTS, 1, 1, 1, now=NOON - 10 * 365 * DAY)


@given(
    st.lists(
        st.tuples(st.sampled_from("charge keep undo".split()), st.integers(0, 2), st.integers(0, 4))
    )
)
def test_undo_gives_back_what_was_charged_since_the_last_keep(
    steps: list[tuple[str, int, int]],
) -> None:
    budgets = Budgets()
    kept: Counter[int] = Counter()
    used: Counter[int] = Counter()
    for step, log, amount in steps:
        if step == "charge":
            fits = used[log] + amount <= 10
            try:
                budgets.charge(Lane.POSTS, log, amount, 10, now=NOON)
            except OverBudget:
                assert not fits
            else:
                assert fits
                used[log] += amount
        elif step == "keep":
            budgets.keep()
            kept = used.copy()
        else:
            budgets.undo()
            used = kept.copy()
