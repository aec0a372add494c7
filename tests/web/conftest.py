"""A web server without a profile, and a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from heliogram.web.server import WebServer
from tests.cli.town import Town
from tests.web.kit import Browser, browsing, serving


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[WebServer]:
    async with serving(tmp_path / "home") as made:
        yield made


@pytest.fixture
async def browser(web: WebServer) -> AsyncIterator[Browser]:
    async with browsing(web) as made:
        yield made


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Four relays."""
    made = Town(tmp_path_factory.mktemp("town"))
    made.start()
    try:
        yield made
    finally:
        made.stop()
