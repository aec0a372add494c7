"""One town for all tests of a run, and a person of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.town import Town, World


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Four relays."""
    made = Town(tmp_path_factory.mktemp("town"))
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def newcomer(town: Town, tmp_path: Path) -> Iterator[World]:
    """Somebody without a profile."""
    made = World(town, tmp_path)
    try:
        yield made
    finally:
        made.stop()
