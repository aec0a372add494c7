"""What is meant by who chooses in a poll."""

from __future__ import annotations

import pytest

from heliogram.cli.face import Stop
from heliogram.cli.polling import checked, places
from heliogram.node import api


def poll(*options: str, most: int = 1) -> api.PollInfo:
    return api.PollInfo("?", tuple(map(api.PollOption, options)), most)


def test_options_by_their_text_or_number() -> None:
    asked = poll("Tuesday", "Thursday evening", most=2)
    assert places(asked, ["thursday Evening", "1"]) == (1, 0)
    assert places(asked, ["2", "2"]) == (1,)
    # What is written there wins.
    assert places(poll("3", "2", "1"), ["3"]) == (0,)


@pytest.mark.parametrize("chosen", [["0"], ["3"], ["Friday"], [""], ["1", "2"], ["²"], ["9" * 99]])
def test_what_nobody_can_choose(chosen: list[str]) -> None:
    with pytest.raises(Stop):
        places(poll("Tuesday", "Thursday"), chosen)


@pytest.mark.parametrize(
    "question, options, most",
    [
        ("?", ["a"], 1),
        ("?", ["a", "a "], 1),
        ("?", ["a", " "], 1),
        (" ", ["a", "b"], 1),
        ("?", ["a", "b"], 3),
        ("?", list("abcdefghijklmnopqrstuvwxyz0123456789"), 1),
    ],
)
def test_no_polls(question: str, options: list[str], most: int) -> None:
    with pytest.raises(Stop):
        checked(question, options, most)
