"""A node in memory behind a real socket, and the command line as a process beside it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from heliogram.node.control.place import Place
from heliogram.node.control.server import Server
from tests.node.control.memory import MemoryNode

T = TypeVar("T")


class World:
    """A served node, and a terminal without a screen."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "note.txt").write_text("hello")
        self.place = Place(home / "node.sock")
        self.node = MemoryNode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server = Server(self.node, self.place)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(30)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def do(self, act: Callable[[MemoryNode], T]) -> T:
        """Have something happen, in the node's own thread."""

        async def happen() -> T:
            return act(self.node)

        return asyncio.run_coroutine_threadsafe(happen(), self._loop).result(30)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
            "HELIOGRAM_HOME": str(self.home),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
            "PYTHONWARNINGS": "error",
        }

    def run(
        self, *arguments: str, input: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """What `heliogram` does."""
        return subprocess.run(
            [sys.executable, "-m", "heliogram.cli", *arguments],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**self.environment, **environment},
            cwd=self.home,
            timeout=120,
        )


@contextmanager
def a_world(home: Path) -> Iterator[World]:
    """A world for the time of a block."""
    made = World(home)
    made.start()
    try:
        yield made
    finally:
        made.stop()
