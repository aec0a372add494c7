"""One town and one browser for all tests of a run, and people of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.kit import Friend, People, Person, Window, find_browser
from tests.cli.town import Town


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Four relays."""
    made = Town(tmp_path_factory.mktemp("town"))
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def window(request: pytest.FixtureRequest) -> Iterator[Window]:
    """A browser."""
    program = find_browser()
    if program is None:
        pytest.skip("no browser: install Chromium, or name it by HELIOGRAM_BROWSER")
    made = Window(request.getfixturevalue("town"), program).start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def people(window: Window, tmp_path: Path) -> Iterator[People]:
    """Whoever is needed."""
    made = People(window, tmp_path)
    try:
        yield made
    finally:
        made.leave()


@pytest.fixture
def anna(people: People) -> Person:
    """Somebody with the app open."""
    return people.at_home("Anna")


@pytest.fixture
def ben(people: People, anna: Person) -> Friend:
    """A contact of Anna's, with a node only."""
    made = people.friend("Ben")
    people.acquaint(anna, made)
    anna.sees(anna.row("Ben"))
    return made
