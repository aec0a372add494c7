"""A node in this process: a profile's store, the engine over it, sockets, and all that is done outside.

profile = Profile.open(directory, phrase)
node = await open_node(profile)
chats = await node.call(api.GetChats())
await node.close(); profile.close()
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from heliogram.node import api
from heliogram.node.archive.service import Archives
from heliogram.node.asking import Address
from heliogram.node.engine.account import create_account, recovery_words
from heliogram.node.engine.context import Context
from heliogram.node.engine.engine import Engine
from heliogram.node.engine.files import FilesPart
from heliogram.node.engine.overview import Overview
from heliogram.node.engine.people import People
from heliogram.node.engine.talks import Talks
from heliogram.node.errors import NodeError
from heliogram.node.guard import Guard
from heliogram.node.profile.profile import Profile
from heliogram.node.shell import Shell
from heliogram.node.store.files import Files
from heliogram.node.store.upkeep import Upkeep
from heliogram.node.transfer.mover import fetch_blob
from heliogram.node.transfer.moves import Fetch
from heliogram.node.transfer.service import Transfers
from heliogram.node.transfer.spool import Spool
from heliogram.node.way_out import WayOut

__all__ = ["LocalNode", "create_profile_account", "open_node", "set_network"]

#: Seconds for which nothing must happen before a node counts as idle, and between looks.
QUIET, LOOK = 0.15, 0.02

#: Seconds between looks at whether the store needs something.
UPKEEP = 10.0


def create_profile_account(
    profile: Profile,
    name: str,
    *,
    words: str | None = None,
    now: int,
    entropy: Callable[[int], bytes] = os.urandom,
) -> str:
    """Make the account of a new profile, or this a new device of the account of `words`; gives the words.

    Raises `InvalidWords`, and `NotNow` if there is an account already.
    """
    create_account(profile.store, words=words, name=name, now=now, entropy=entropy)
    return recovery_words(profile.store)


def set_network(profile: Profile, command: api.SetNetwork) -> api.Network:
    """Choose how relays are reached while no node runs: nothing is sent. Raises as `WayOut.choose` does."""
    way = WayOut(profile.store, os.urandom)
    way.choose(command)
    return way.shown


class LocalNode:
    """A node that runs here. Made by `open_node`; an `api.Node`."""

    def __init__(self, profile: Profile, entropy: Callable[[int], bytes]) -> None:
        """Use `open_node`."""
        self._profile = profile
        self._entropy = entropy
        store = profile.store
        self._way = WayOut(store, entropy)
        self._spool = Spool(profile.directory.spool, entropy)
        # What a process before this one began to write, and did not come to know.
        self._spool.sweep(Files(store).spooled())
        self._overview: Overview
        self._people: People
        self._transfers: Transfers | None = None
        self.shell = Shell(self._engine, self._way.dialler, entropy=entropy)
        self._transfers = Transfers(self.shell, self._way.dialler, self._spool)
        self._archives = Archives(profile, self.shell, entropy)
        self.shell.outside |= {
            api.GetStatus: self._status,
            api.GetRelays: self._relays,
            api.AcceptRequest: self._accept,
            api.SetNetwork: self._network,
            api.Lock: self._lock,
        }
        self.shell.outside |= self._archives.outside
        self.shell.outside |= Guard(profile, entropy).outside
        self._tasks: list[asyncio.Task[None]] = []
        self._locked = asyncio.Event()

    def _engine(self) -> Engine:
        context = Context(self._profile.store, self._entropy)
        self._people = people = People(context)
        files = FilesPart(
            context,
            wake=self._files_wait,
            downloads=str(self._profile.config.downloads),
            forget=self._spool.forget,
            spool_name=self._spool.name,
        )
        talks = Talks(context, people, files)
        files.talks = talks
        people.connect(talks)
        self._overview = Overview(context, people, talks, self._profile.directory.root.name)
        return Engine(context, (people, talks, files, self._overview))

    def _files_wait(self) -> None:
        if self._transfers is not None:
            self._transfers.wake()

    # --- An api.Node ------------------------------------------------------------------------------

    async def call(self, command: api.Command) -> Any:
        """Do it; what comes back is of the command's `Result`. Raises `NodeError`."""
        return await self.shell.call(command)

    def notices(self) -> AsyncIterator[api.AnyNotice]:
        """What happens from now on, until the node stops."""
        return self.shell.notices()

    # --- As long as it runs -----------------------------------------------------------------------

    def start(self) -> None:
        """Begin to run."""
        self._tasks.append(asyncio.create_task(self.shell.run()))
        if self._transfers is not None:
            self._tasks.append(asyncio.create_task(self._transfers.run()))
        self._tasks.append(asyncio.create_task(self._archives.reach_again()))
        self._tasks.append(asyncio.create_task(self._keep_up()))

    async def drained(self) -> None:
        """Wait until nothing is on its way: all said is stored, all wanted is done, all there is was read."""
        quiet = 0.0
        while quiet < QUIET:
            await asyncio.sleep(LOOK)
            busy = self.shell.busy or self._overview.waiting > 0
            quiet = 0.0 if busy else quiet + LOOK

    async def locked(self) -> None:
        """Wait until somebody wants it to stop."""
        await self._locked.wait()

    async def _keep_up(self) -> None:
        upkeep = Upkeep(self._profile.store)
        while True:
            await asyncio.sleep(UPKEEP)
            if not self.shell.busy:
                upkeep.look(int(time.time()))

    async def close(self) -> None:
        """Stop: finish the turn that runs, close all connections. The profile stays open."""
        await self.shell.stop()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, NodeError):
                await task
        self._locked.set()

    # --- Outside of the engine --------------------------------------------------------------------

    async def _status(self, command: api.GetStatus) -> api.Status:
        status: api.Status = await self.shell.turn(command)
        relays = tuple(self._healthy(one) for one in status.relays)
        online = any(one.state == "up" for one in relays)
        return msgspec.structs.replace(status, relays=relays, proxy=self._way.proxy, online=online)

    async def _relays(self, command: api.GetRelays) -> Sequence[api.RelayHealth]:
        found: list[api.RelayHealth] = await self.shell.turn(command)
        if not command.check:
            return [self._healthy(one) for one in found]
        return await asyncio.gather(*(self._checked(one) for one in found))

    def _healthy(self, one: api.RelayHealth) -> api.RelayHealth:
        health = self.shell.circuits.health(bytes.fromhex(one.relay.key))
        if one.state in ("unknown", "up") and health.state != "unknown":
            return msgspec.structs.replace(
                one, state=health.state, round_trip_ms=health.round_trip_ms
            )
        return msgspec.structs.replace(one, round_trip_ms=health.round_trip_ms)

    async def _checked(self, one: api.RelayHealth) -> api.RelayHealth:
        address = Address(
            bytes.fromhex(one.relay.key), tuple(end.encode() for end in one.relay.endpoints)
        )
        health = await self.shell.circuits.check(address)
        return msgspec.structs.replace(one, state=health.state, round_trip_ms=health.round_trip_ms)

    async def _accept(self, command: api.AcceptRequest) -> api.Chat:
        """A large Welcome lies in a blob: it is fetched first, and only now anybody can notice it."""
        welcome = None
        if (lies := self._people.welcome_of(command.request)) is not None:
            blob, relays = lies
            addresses = tuple(map(Address.of, relays))
            fetch = Fetch("welcome", addresses, self._entropy(16), blob.id, blob.size)
            welcome = blob.unseal((await fetch_blob(self._way.dialler, fetch)).data)
        chat: api.Chat = await self.shell.turn(command, welcome)
        return chat

    async def _network(self, command: api.SetNetwork) -> api.Network:
        before, dialler = self._way.dialler, self._way.choose(command)
        if dialler is not before:
            if self._transfers is not None:
                self._transfers.use(dialler)
            await self.shell.circuits.use(dialler)
        return self._way.shown

    async def _lock(self, command: api.Lock) -> api.Done:
        self._locked.set()
        return api.Done()


async def open_node(profile: Profile, *, entropy: Callable[[int], bytes] = os.urandom) -> LocalNode:
    """The node of an open profile, running. Raises `NotNow` before there is an account, `StoreError`."""
    node = LocalNode(profile, entropy)
    node.start()
    return node


#: Held against the interface by type checkers.
_node: type[api.Node] = LocalNode
