"""A person's node as a process of its own: made, started, killed, cut off from its power, looked into.

node = Node(tmp_path, "Alice", library)     # `library`: of `powerloss`, for nodes whose disk may fail
node.make()
await node.start()
await node.call(api.GetChats())
await node.kill()
node.lose(rng)
node.check_copy()
await node.end()
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.control.client import Client
from heliogram.node.control.faults import Interrupted, NotRunning
from heliogram.node.local import create_profile_account
from heliogram.node.profile.config import Config
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.database import Store
from heliogram.node.store.keys import Costs, load
from tests.nest import Hatchling, nest
from tests.relay import powerloss
from tests.relay.process import RelayProcess

#: Seconds after which something will never happen.
PATIENCE = int(os.environ.get("HELIOGRAM_PATIENCE", "90"))

#: What takes long runs with `make chaos`, which says HELIOGRAM_CHAOS=all and takes campaigns in.
ALL = os.environ.get("HELIOGRAM_CHAOS") == "all"
long = pytest.mark.campaign

_PHRASE = Secret(b"a passphrase")


class Died(Exception):
    """The node is gone, or went while it was asked: whether it did it, nobody knows."""


class Node:
    """One person's node. `home` is its profile, `downloads` is within."""

    def __init__(self, root: Path, name: str, library: Path | None = None) -> None:
        """Nothing is made yet."""
        self.name = name
        self.home = root / name.lower()
        self.downloads = self.home / "downloads"
        self.journal = root / f"{name.lower()}-journal"
        self.log = root / f"{name.lower()}.log"
        self.starts = 0
        self._phrase = root / f"{name.lower()}.phrase"
        self._library = library
        self._nest: Process | None = None
        self._hatchling: Hatchling | None = None
        self._pid = -1
        self._process: int | None = None
        self._client: Client | None = None

    def make(self) -> None:
        """Make profile and account."""
        self._phrase.touch(mode=0o600)
        self._phrase.write_text(bytes(_PHRASE).decode())
        config = Config(downloads=self.downloads)
        costs = Costs(memory=64, passes=1)
        with Profile.create(
            Directory(self.home), _PHRASE, os.urandom, config=config, costs=costs
        ) as profile:
            create_profile_account(profile, self.name, now=int(time.time()))
        self.downloads.mkdir(exist_ok=True)

    @property
    def running(self) -> bool:
        """Whether it was started and not ended by us."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._pid

    async def start(self) -> None:
        """Start it, wait until it is ready, and connect. Raises `RuntimeError` with its words if it ends."""
        assert self._process is None
        before = self.log.stat().st_size if self.log.exists() else 0
        self._pid = await (self._hatch() if self._library is None else self._hatch_below())
        self.starts += 1
        try:
            self._process = os.pidfd_open(self._pid)
        except ProcessLookupError:  # it has ended already
            raise RuntimeError(self._said(before).decode(errors="replace")) from None
        async with asyncio.timeout(PATIENCE):
            while b"ready" not in (said := self._said(before)):
                if self._gone():
                    self._forget()
                    raise RuntimeError(said.decode(errors="replace"))
                await asyncio.sleep(0.01)
        self._client = Client.of_home(self.home)
        await self._client.connect()

    async def call(self, command: api.Command) -> Any:
        """Do it there. Raises `NodeError`; `Died` if it is not there, or goes meanwhile."""
        client = self._client
        if client is None:
            raise Died
        try:
            return await client.call(command)
        except (Interrupted, NotRunning):
            raise Died from None

    async def notices(self) -> AsyncIterator[api.AnyNotice]:
        """What it says from now on."""
        assert self._client is not None
        return await self._client.subscribe()

    async def until(self, command: api.Command, good: Callable[[Any], bool]) -> Any:
        """Ask until the answer is good."""
        answer = None
        try:
            async with asyncio.timeout(PATIENCE):
                while not good(answer := await self.call(command)):
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise AssertionError(f"{self.name}: {command} still gives {answer}") from None
        return answer

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        await self.wait()

    async def stop(self) -> None:
        """SIGTERM, and wait until it has ended."""
        self.signal(signal.SIGTERM)
        await self.wait()

    async def wait(self) -> None:
        """Wait until it is gone."""
        async with asyncio.timeout(PATIENCE):
            while self._process is not None and not self._gone():
                await asyncio.sleep(0.002)
        self._forget()
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    def lose(self, rng: Random | None = None) -> powerloss.Loss:
        """Cut its power: what was not durable is lost, with `rng` a part of it."""
        # The nest has the journal open, and its file must stay the same one.
        kept = self.journal / "open"
        os.link(self.journal / "journal", kept)
        loss = powerloss.lose(self.home, self.journal, rng)
        os.truncate(kept, 0)
        kept.rename(self.journal / "journal")
        return loss

    def mend(self) -> None:
        """After a kill with the power on."""
        if self._library is not None:
            powerloss.mend(self.journal)

    def check_copy(self) -> None:
        """Nobody runs it: a copy of its database is whole."""
        with closing(self.opened_copy()) as store:
            assert store.query("PRAGMA integrity_check") == [("ok",)]
            assert store.query("PRAGMA cipher_integrity_check") == []
            assert store.query("PRAGMA foreign_key_check") == []

    def opened_copy(self) -> Store:
        """The store of a copy, as the files lie there."""
        copy = self.home.with_suffix(".copy")
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("profile.db", "profile.db-wal"):
            source = self.home / name
            if source.exists():
                shutil.copyfile(source, copy / name)
        return Store.open(copy / "profile.db", load(self.home / "profile.key", _PHRASE))

    def text(self) -> str:
        """All that it has said."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def end(self) -> None:
        """Leave nothing that runs."""
        if self._process is not None:
            await self.kill()
        if self._nest is not None:
            nest, self._nest = self._nest, None
            nest.kill()
            await nest.communicate()

    async def _hatch(self) -> int:
        with self.log.open("ab") as log:
            self._hatchling = nest("heliogram.cli").hatch(
                ["serve"], out=log.fileno(), err=log.fileno(), environment=self._environment
            )
        return self._hatchling.pid

    async def _hatch_below(self) -> int:
        """Below a library that is there from its beginning on: out of a nest of its own."""
        nest = self._nest or await self._build()
        assert nest.stdin is not None and nest.stdout is not None
        nest.stdin.write(f"{self.log}\n".encode())
        return int(await nest.stdout.readline())

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HELIOGRAM_HOME": str(self.home),
            "HELIOGRAM_PASSPHRASE_FILE": str(self._phrase),
        }

    async def _build(self) -> Process:
        assert self._library is not None
        environment = self._environment | powerloss.environment(
            self._library, self.home, self.journal
        )
        self._nest = await create_subprocess_exec(
            *(sys.executable, "-m", "tests.node.chaos.nest"),
            env=environment,
            stdin=PIPE,
            stdout=PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert self._nest.stdout is not None
        assert await self._nest.stdout.readline() == b"hatched\n"
        return self._nest

    def _said(self, after: int) -> bytes:
        if not self.log.exists():
            return b""
        with self.log.open("rb") as file:
            file.seek(after)
            return file.read()

    def _gone(self) -> bool:
        assert self._process is not None
        # It can be read from once the process has ended.
        return bool(select.select((self._process,), (), (), 0)[0])

    def _forget(self) -> None:
        if self._process is not None:
            os.close(self._process)
            self._process = None
        if self._hatchling is not None:
            self._hatchling.wait()
            self._hatchling = None


def address(relay: RelayProcess, where: str = "") -> str:
    """What a node is told of a relay; `where` if it is reached at another place than its own."""
    return f"ws://{where or relay.where}/ws#{relay.key.hex()}"


async def introduce(one: Node, relays: Sequence[str]) -> None:
    """Tell a new node its relays, and wait until it can be reached."""
    for relay in relays:
        await one.call(api.AddRelay(relay))
    await one.until(api.GetStatus(), lambda status: status.packages >= 20 * len(relays))


async def acquaint(one: Node, other: Node) -> None:
    """`one` opens a link of `other`, who accepts."""
    link = await other.call(api.NewLink())
    await one.call(api.AddContact(link.uri))
    await accept(other, one.name)
    await one.until(api.GetContacts(), lambda found: known(found, other.name))
    await other.until(api.GetContacts(), lambda found: known(found, one.name))


def known(found: list[api.Contact], name: str) -> bool:
    """Whether they can talk."""
    return any(
        one.who.name == name and one.state == "known" and one.chat is not None for one in found
    )


async def group(name: str, founder: Node, *guests: Node) -> str:
    """A group with these contacts, who have gone in; its id."""
    chat: api.Chat = await founder.call(api.CreateGroup(name, tuple(one.name for one in guests)))
    for one in guests:
        await accept(one, founder.name, name)
    for one in (founder, *guests):
        await one.until(api.GetChat(chat.id), lambda info: len(info.members) == len(guests) + 1)
    return chat.id


async def accept(one: Node, who: str, name: str = "") -> None:
    """Wait for somebody's invitation, and go in."""

    def fits(waiting: list[api.Request]) -> list[api.Request]:
        return [it for it in waiting if it.who.name == who and it.name == name]

    waiting = await one.until(api.GetRequests(), lambda found: bool(fits(found)))
    await one.call(api.AcceptRequest(fits(waiting)[0].id))


@asynccontextmanager
async def people(
    root: Path, names: Sequence[str], relays: Sequence[str], library: Path | None = None
) -> AsyncIterator[list[Node]]:
    """Nodes of these people, running, who know their relays. All end with the block."""
    made = [Node(root, name, library) for name in names]
    try:
        for one in made:
            one.make()
        await asyncio.gather(*(one.start() for one in made))
        await asyncio.gather(*(introduce(one, relays) for one in made))
        yield made
    finally:
        for one in made:
            await one.end()
