"""Two people talk."""

from __future__ import annotations

from tests.browser.kit import Friend, Person


def test_what_one_says_the_other_reads(anna: Person, ben: Friend) -> None:
    anna.says("Ben", "hello, Ben")
    ben.has("Anna", "hello, Ben")
    ben.tells("Anna", "hello, Anna")
    anna.reads("hello, Anna")
