"""The profile behind the web app: absent, locked or open; and the node, here or in another process.

While it is open here, it is served to the command line, too. If another process has the profile open, that
node is used, until it stops.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from heliogram.node import api
from heliogram.node.control.client import Client
from heliogram.node.control.faults import Interrupted, InvalidCommand, NotRunning
from heliogram.node.control.place import Place
from heliogram.node.control.server import Server
from heliogram.node.engine.relay_list import described
from heliogram.node.errors import NodeError, NoProfile, ProfileExists, WrongPassphrase
from heliogram.node.identity.names import clean
from heliogram.node.identity.words import from_words
from heliogram.node.local import LocalNode, create_profile_account, open_node
from heliogram.node.profile import config as configs
from heliogram.node.profile.config import Config
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.shell import Notices
from heliogram.node.store.keys import Costs, passphrase
from heliogram.node.store.upkeep import rewrite_is_due
from heliogram.web.errors import Busy, NotOpen

if TYPE_CHECKING:
    from heliogram.mls import Secret

State: TypeAlias = Literal["new", "locked", "open"]

#: Seconds that a wrong passphrase costs: twice as long after each, and no more than the second.
PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0

#: Attempts that wait at once.
MAX_ATTEMPTS: Final = 4

#: Relays of a new profile.
MAX_RELAYS: Final = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new profile is to have. `words` are those of an account that there is."""

    name: str = field(repr=False)
    passphrase: str = field(repr=False)
    relays: Sequence[str] = ()
    words: str | None = field(default=None, repr=False)


class Host:
    """Has the node of one profile. All methods are for one event loop."""

    def __init__(
        self,
        directory: Directory,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        costs: Costs | None = None,
        pause: float = PAUSE,
        config: Config | None = None,
    ) -> None:
        """`costs` is what making a key of a new passphrase costs, `pause` what a wrong one does.

        `config` are the settings of a profile that is made here.
        """
        self.directory = directory
        self._entropy = entropy
        self._costs = costs
        self._pause = pause
        self._config = config
        self._turn = asyncio.Lock()
        self._local: _Local | None = None
        self._client: Client | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._wrong = 0
        self._attempts = 0
        self._trying = asyncio.Lock()
        #: Told of each new state, and of each notice.
        self.changed: list[Callable[[State], None]] = []
        self.heard: list[Callable[[api.AnyNotice], None]] = []

    # --- What there is ----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """ "new" if there is no profile, "locked" if nobody has opened it, "open"."""
        if self._local is not None or self._client is not None:
            return "open"
        return "locked" if self.directory.exists else "new"

    @property
    def node(self) -> api.Node:
        """The node. Raises `NotOpen`."""
        if self._local is not None:
            return self._local.node
        if self._client is not None:
            return self._client
        raise NotOpen

    @property
    def downloads(self) -> Path:
        """The folder for what is saved. Raises `ProfileError`."""
        return configs.load(self.directory.config).downloads

    # --- What can be done -------------------------------------------------------------------------

    async def look(self) -> State:
        """The state, after a look at whether another process has opened the profile."""
        if self.state == "locked" and not self._turn.locked():
            async with self._turn:
                if self.state == "locked":
                    await self._join()
        return self.state

    async def begin(self, wanted: Beginning) -> str:
        """Make a profile, open it, and give the words of its account.

        Raises `ProfileExists`, `InvalidCommand` if there is no name, `InvalidWords`, `InvalidEndpoint`,
        `WrongPassphrase` for what can be none, another `ProfileError`, `StoreError`. Then there is none.
        """
        name, phrase = clean(wanted.name), passphrase(wanted.passphrase)
        if not name:
            raise InvalidCommand("name")
        if len(wanted.relays) > MAX_RELAYS:
            raise InvalidCommand("relays")
        for one in wanted.relays:
            described(one)
        if wanted.words is not None:
            from_words(wanted.words)
        async with self._turn:
            if self.state != "new":
                raise ProfileExists
            profile = await asyncio.to_thread(self._make, phrase)
            try:
                words = create_profile_account(
                    profile, name, words=wanted.words, now=int(time.time()), entropy=self._entropy
                )
            except BaseException:
                profile.close()
                raise
            await self._open(profile)
            for one in wanted.relays:
                await self.node.call(api.AddRelay(one))
        self._say()
        return words

    def _make(self, phrase: Secret) -> Profile:
        return Profile.create(
            self.directory, phrase, self._entropy, config=self._config, costs=self._costs
        )

    async def unlock(self, text: str) -> None:
        """Open the profile. Each wrong passphrase makes the next attempt wait longer.

        Raises `WrongPassphrase`, `Busy` if too many wait, `NoProfile`, `ProfileBusy`, `StoreError`.
        """
        if self._attempts >= MAX_ATTEMPTS:
            raise Busy
        self._attempts += 1
        try:
            async with self._trying:
                if self._wrong:
                    pause = self._pause * 2.0 ** min(self._wrong - 1, 16)
                    await asyncio.sleep(min(pause, LONGEST_PAUSE))
                try:
                    await self.unlock_by(lambda _: passphrase(text))
                except WrongPassphrase:
                    self._wrong += 1
                    raise
                self._wrong = 0
        finally:
            self._attempts -= 1

    async def unlock_by(self, phrase: Callable[[Config], Secret]) -> None:
        """Open the profile by what `phrase` gives. Raises as `Profile.open`."""
        async with self._turn:
            if self.state == "open":
                return
            if self.state == "new":
                raise NoProfile
            if not await self._join():
                profile = await asyncio.to_thread(Profile.open, self.directory, phrase)
                await self._open(profile)
        self._say()

    async def lock(self) -> None:
        """Close the profile and forget its keys; a node in another process stops."""
        if self._client is not None:
            # Whoever stops may be gone before it has answered.
            with suppress(Interrupted, NotRunning):
                await self._client.call(api.Lock())
        await self._shut(rewrite=True)

    async def close(self) -> None:
        """Go. A node of ours stops; one in another process goes on."""
        await self._shut(rewrite=False)

    # --- Open -------------------------------------------------------------------------------------

    async def _join(self) -> bool:
        """Use the node of another process, if there is one. It is our turn."""
        client = Client(Place(self.directory.socket()))
        try:
            notices = await client.subscribe()
            await client.connect()
        except NodeError:
            await client.close()
            return False
        self._client = client
        self._hearing = self._start(self._hear_client(client, notices))
        return True

    async def _hear_client(self, client: Client, notices: AsyncIterator[api.AnyNotice]) -> None:
        try:
            async for notice in notices:
                self._tell(notice)
        except NodeError:
            pass
        if self._client is client:
            await self._shut(rewrite=False)

    async def _open(self, profile: Profile) -> None:
        """Run the node of a profile. It is our turn."""
        node: LocalNode | None = None
        try:
            node = await open_node(profile, entropy=self._entropy)
            server = Server(node, Place(self.directory.socket()))
            await server.start()
        except BaseException:
            if node is not None:
                await node.close()
            profile.close()
            raise
        self._local = _Local(profile, node, server)
        self._start(self._hear_local(node))
        self._start(self._until_locked(node))

    async def _hear_local(self, node: LocalNode) -> None:
        while True:
            notices = node.notices()
            async for notice in notices:
                self._tell(notice)
            # They end when the node stops, or when too many came at once. Then some were missed, and whoever
            # hears that it is open asks for everything anew.
            if not (isinstance(notices, Notices) and notices.too_slow):
                return
            self._say()

    async def _until_locked(self, node: LocalNode) -> None:
        await node.locked()
        if self._local is not None and self._local.node is node:
            await self._shut(rewrite=True)

    async def _shut(self, *, rewrite: bool) -> None:
        """Have it closed. That goes on to its end when whoever wants it goes: no key stays behind."""
        await asyncio.shield(self._start(self._close_all(rewrite)))

    async def _close_all(self, rewrite: bool) -> None:
        async with self._turn:
            local, self._local = self._local, None
            client, self._client = self._client, None
            if local is None and client is None:
                return
            # To close takes a while, and may fail: what is shown goes first.
            self._say()
            if client is not None:
                await client.close()
                hearing, self._hearing = self._hearing, None
                if hearing is not None:
                    hearing.cancel()
                    await asyncio.gather(hearing, return_exceptions=True)
            if local is not None:
                profile = local.profile
                try:
                    await local.server.close()
                    await local.node.close()
                    rewrite = rewrite or rewrite_is_due(profile.store, int(time.time()))
                finally:
                    # Whatever went wrong: the keys go.
                    await asyncio.to_thread(profile.close, rewrite=rewrite)

    # --- Telling ----------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the profile: %s", type(error).__name__)

    def _say(self) -> None:
        state = self.state
        for told in self.changed:
            told(state)

    def _tell(self, notice: api.AnyNotice) -> None:
        for told in self.heard:
            told(notice)


@dataclass(frozen=True, slots=True)
class _Local:
    """A node that runs here."""

    profile: Profile
    node: LocalNode
    server: Server
