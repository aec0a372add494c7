"""A relay in the test's own process, on a free port of the loopback interface, with a real disk.

async with Serving(tmp_path) as relay:
    async with await relay.client() as client: ...
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from heliogram.relay.operating.config import Config
from heliogram.relay.serving.server import Server
from heliogram.relay.store import Database
from heliogram.wire import SigningKey
from tests.relay.client import Client
from tests.relay.members import Member, configured, name
from tests.relay.process import EASY


class Serving:
    """A relay that runs while the block does."""

    def __init__(self, data: Path, *, identity: str = "relay", **settings: Any) -> None:
        """`settings` go before `EASY`."""
        self.identity = SigningKey(name(identity))
        self.config = Config(data=data, **{"listen": "127.0.0.1:0", **EASY, **settings})
        self.where = ""
        self.server: Server

    @property
    def key(self) -> bytes:
        """The relay's public key."""
        return self.identity.public

    async def client(self, **options: Any) -> Client:
        """A new connection."""
        return await Client.connect(self.where, self.key, **options)

    async def member(self, log: str, others: tuple[SigningKey, ...] = ()) -> Member:
        """A member of a new log on this relay, and on others that do not run, authorised on channel 1."""
        keys = [self.key, *(one.public for one in others)]
        member = Member(log, configured(log, keys, 1 if not others else None))
        await member.connect({self.key: self.where})
        await member.open_at(member.clients[self.key])
        await member.authorise()
        return member

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A plain TCP connection."""
        host, _, port = self.where.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def __aenter__(self) -> Self:
        if not self.config.data.exists():
            self.config.data.mkdir()
            database = Database(self.config.database, writes=True)
            database.claim(self.key)
            database.close()
        self.server = Server(self.config, self.identity)
        host, port = await self.server.start()
        self.where = f"{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.server.stop()
