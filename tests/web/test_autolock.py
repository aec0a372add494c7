"""Locking by itself: by the clock of the server, whatever pages do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from heliogram.node import api
from heliogram.node.control.place import Place
from heliogram.node.control.server import Server
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.lock import is_locked
from heliogram.web.autolock import AutoLock
from heliogram.web.host import Beginning, Host
from heliogram.web.server import WebServer
from tests.cli.town import CHEAP, PHRASE, make_profile
from tests.node.control.memory import MemoryNode
from tests.web.kit import PATIENCE, Browser, create, heard


class Clocks:
    """Two clocks, and somebody who moves them."""

    def __init__(self) -> None:
        self.now, self.clock = 100.0, 1_700_000_000.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.clock += seconds


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    made = Host(Directory(tmp_path / "home"), costs=CHEAP)
    await made.begin(Beginning("Ben", PHRASE))
    yield made
    await made.close()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
async def autolock(host: Host, clocks: Clocks) -> AsyncIterator[AutoLock]:
    made = AutoLock(host, now=lambda: clocks.now, clock=lambda: clocks.clock)
    made.start()
    yield made
    await made.close()


async def want(host: Host, seconds: int) -> None:
    """Choose when it locks, and wait until that was told."""
    told = asyncio.Event()

    def hear(notice: api.AnyNotice) -> None:
        if isinstance(notice, api.PreferencesChanged):
            told.set()

    host.heard.append(hear)
    await host.node.call(api.SetPreferences(lock_after=seconds))
    async with asyncio.timeout(PATIENCE):
        await told.wait()
    host.heard.remove(hear)


async def test_never_is_never(host: Host, autolock: AutoLock, clocks: Clocks) -> None:
    await autolock.look()
    clocks.pass_(1e9)
    await autolock.look()
    assert host.state == "open"


async def test_it_locks_when_no_sign_came_for_long(
    host: Host, autolock: AutoLock, clocks: Clocks, tmp_path: Path
) -> None:
    await want(host, 60)
    clocks.pass_(59)
    await autolock.sign()
    clocks.pass_(59)
    await autolock.look()
    assert is_locked(tmp_path / "home/node.lock")
    clocks.pass_(1)
    await autolock.look()
    assert not is_locked(tmp_path / "home/node.lock")
    # Opened again, it counts anew, and the old wish holds.
    await host.unlock(PHRASE)
    await autolock.look()
    assert is_locked(tmp_path / "home/node.lock")
    clocks.pass_(60)
    await autolock.look()
    assert host.state == "locked"


async def test_it_locks_without_being_asked(host: Host, autolock: AutoLock, clocks: Clocks) -> None:
    locked = asyncio.Event()
    host.changed.append(lambda state: locked.set() if state == "locked" else None)
    await want(host, 60)
    clocks.pass_(60)
    async with asyncio.timeout(PATIENCE):
        await locked.wait()


async def test_a_sign_that_comes_too_late_is_none(
    host: Host, autolock: AutoLock, clocks: Clocks
) -> None:
    await want(host, 60)
    # As when a computer wakes by a key.
    clocks.pass_(61)
    await autolock.sign()
    assert host.state == "locked"


@pytest.mark.parametrize("stands", ["now", "clock"])
async def test_one_clock_is_enough(
    host: Host, autolock: AutoLock, clocks: Clocks, stands: str
) -> None:
    """Monotonic time stands still while the computer sleeps; the other is set back."""
    await want(host, 60)
    before = getattr(clocks, stands)
    clocks.pass_(60)
    setattr(clocks, stands, before - 3600)
    await autolock.look()
    assert host.state == "locked"


async def test_what_was_told_wins_over_an_older_answer(tmp_path: Path) -> None:
    class Slow(MemoryNode):
        """It thinks about the answer for long."""

        asked, go = asyncio.Event(), asyncio.Event()

        async def call(self, command: api.Command) -> Any:
            found = await super().call(command)
            if isinstance(command, api.GetPreferences):
                self.asked.set()
                await self.go.wait()
            return found

    home, clocks = tmp_path / "home", Clocks()
    make_profile(home, "Ben").close()
    node = Slow()
    async with Server(node, Place(home / "node.sock")):
        host = Host(Directory(home))
        autolock = AutoLock(host, now=lambda: clocks.now, clock=lambda: clocks.clock)
        autolock.start()
        told = asyncio.Event()
        host.heard.append(lambda _: told.set())
        assert await host.look() == "open"
        look = asyncio.create_task(autolock.look())
        async with asyncio.timeout(PATIENCE):
            await node.asked.wait()
            node.tell(api.PreferencesChanged(replace(node.preferences, lock_after=60)))
            await told.wait()
        node.go.set()
        await look
        clocks.pass_(60)
        await autolock.look()
        assert host.state == "locked" and node.stopped
        await autolock.close()
        await host.close()


async def test_pages_tell_that_somebody_is_there(browser: Browser, web: WebServer) -> None:
    await create(browser)
    web.autolock._last = (web.autolock._last[0] - 5000, web.autolock._last[1] - 5000)
    await browser.good("api/awake")
    assert web.autolock.silence < 5000
    await browser.good("api/call/set-preferences", {"lock_after": 4000})
    assert (await browser.state())["state"] == "open"
    async with browser.events() as socket:
        web.autolock._last = (web.autolock._last[0] - 5000, web.autolock._last[1] - 5000)
        await heard(socket, "state", state="locked")
    # Who asks how things are is never told of an open profile that is to be locked.
    await browser.good("api/unlock", {"passphrase": PHRASE})
    web.autolock._last = (web.autolock._last[0] - 5000, web.autolock._last[1] - 5000)
    assert (await browser.state())["state"] == "locked"
