"""What a server must offer to be measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from bench.relay.loop import Connection, Loop
from bench.relay.server import Server


class NotHere(Exception):
    """The peer is not installed. Says what is missing."""


class Peer(ABC):
    """One kind of server. Logs are numbers; each peer makes of them what it calls a log.

    `durability` says what holds when a post is acknowledged.
    """

    name: str
    durability: str
    #: Logs that one receiver follows.
    per_receiver = 1000
    server: Server

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir(parents=True)

    @abstractmethod
    def start(self) -> None:
        """Start the server on an empty folder and wait until it listens. Raises `NotHere`."""

    def open(self, loop: Loop, logs: Sequence[int]) -> None:  # noqa: B027
        """Create these logs, where a log must be created."""

    @abstractmethod
    def connect(self, loop: Loop, *, posts: Sequence[int], follows: Sequence[int]) -> Connection:
        """A client that will post to some logs and follows some, with its login under way."""

    def check(self, loop: Loop) -> None:  # noqa: B027
        """Look once whether acknowledgements mean what they should. Raises `LoadError`."""

    def stop(self) -> None:
        """End the server. All that it will ever write is on disk then."""
        self.server.stop()
