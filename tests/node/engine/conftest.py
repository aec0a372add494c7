"""Relays of the tests of people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.node.engine.people_kit import World
from tests.relay.process import RelayProcess


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RelayProcess]]:
    """Two relays, for all tests of a module: each test has people of its own."""
    made = [RelayProcess(tmp_path_factory.mktemp("relays") / f"relay-{i}") for i in range(2)]
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            if one.running:
                one.kill()


@pytest.fixture
async def world(tmp_path: Path, relays: list[RelayProcess]) -> AsyncIterator[World]:
    """Two relays, and nobody."""
    made = World(tmp_path, relays)
    yield made
    for person in made.people:
        await person.close()
