"""The profile behind the app: made, opened, closed; here or in another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.control.client import Client
from heliogram.node.control.place import Place
from heliogram.node.control.server import Server
from heliogram.node.errors import (
    InvalidEndpoint,
    InvalidWords,
    NodeError,
    NoProfile,
    ProfileBusy,
    ProfileExists,
    WrongPassphrase,
)
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.lock import Lock, is_locked
from heliogram.web.errors import Busy, NotOpen
from heliogram.web.host import MAX_ATTEMPTS, Beginning, Host
from tests.cli.town import CHEAP, PHRASE, make_profile
from tests.node.control.memory import MemoryNode
from tests.web.kit import PATIENCE


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    made = Host(Directory(tmp_path / "home"), costs=CHEAP, pause=0.01)
    yield made
    await made.close()


class Told:
    """The states that a host tells."""

    def __init__(self, host: Host) -> None:
        self.states: list[str] = []
        self._more = asyncio.Event()
        host.changed.append(self._told)

    def _told(self, state: str) -> None:
        self.states.append(state)
        self._more.set()

    async def until(self, state: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not self.states or self.states[-1] != state:
                self._more.clear()
                await self._more.wait()


async def test_nothing_is_left_of_what_could_not_begin(host: Host, tmp_path: Path) -> None:
    for wanted, error in (
        (Beginning("", PHRASE), NodeError),
        (Beginning("\u200b", PHRASE), NodeError),
        (Beginning("Ben", ""), WrongPassphrase),
        (Beginning("Ben", "\ud800"), WrongPassphrase),
        (Beginning("Ben", PHRASE, ("http://x",)), InvalidEndpoint),
        (Beginning("Ben", PHRASE, words="zoo " * 24), InvalidWords),
    ):
        with pytest.raises(error):
            await host.begin(wanted)
        assert host.state == "new" and not (tmp_path / "home").exists()
    with pytest.raises(NoProfile):
        await host.unlock(PHRASE)
    with pytest.raises(NotOpen):
        _ = host.node
    words = await host.begin(Beginning("Ben", PHRASE))
    assert len(words.split()) == 24 and host.state == "open"
    with pytest.raises(ProfileExists):
        await host.begin(Beginning("Ben", PHRASE))


async def test_only_one_begins(host: Host) -> None:
    both = [host.begin(Beginning("Ben", PHRASE)) for _ in range(2)]
    done = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["ProfileExists", "str"]


def test_nothing_is_shown_of_what_a_profile_begins_with() -> None:
    shown = repr(Beginning("Ben", PHRASE, words="zoo"))
    assert "Ben" not in shown and PHRASE not in shown and "zoo" not in shown


async def test_a_wrong_passphrase_costs_time(tmp_path: Path) -> None:
    make_profile(tmp_path / "home", "Ben").close()
    host = Host(Directory(tmp_path / "home"), pause=0.1)
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(WrongPassphrase):
            await host.unlock("another")
    # Nothing before the first, then 0.1, 0.2; and 0.4 before the right one.
    await host.unlock(PHRASE)
    assert time.monotonic() - begun >= 0.7
    await host.lock()
    begun = time.monotonic()
    await host.unlock(PHRASE)
    assert host._wrong == 0
    await host.close()


async def test_attempts_that_wait_are_few(tmp_path: Path) -> None:
    make_profile(tmp_path / "home", "Ben").close()
    host = Host(Directory(tmp_path / "home"), pause=0.01)
    tries = [host.unlock("another") for _ in range(MAX_ATTEMPTS + 3)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one) for one in done].count(Busy) == 3
    assert [type(one) for one in done].count(WrongPassphrase) == MAX_ATTEMPTS
    await host.close()


async def test_a_profile_that_another_program_has_open(tmp_path: Path) -> None:
    make_profile(tmp_path / "home", "Ben").close()
    host = Host(Directory(tmp_path / "home"), pause=0.0)
    lock = Lock(tmp_path / "home/node.lock")
    with pytest.raises(ProfileBusy):
        await host.unlock(PHRASE)
    assert await host.look() == "locked"
    lock.release()
    await host.unlock(PHRASE)
    assert is_locked(tmp_path / "home/node.lock")
    await host.close()
    assert not is_locked(tmp_path / "home/node.lock")


async def test_a_node_of_another_process_is_used(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_profile(home, "Ben").close()
    host = Host(Directory(home))
    told = Told(host)
    heard: list[api.AnyNotice] = []
    host.heard.append(heard.append)
    assert await host.look() == "locked"
    node = MemoryNode("Zoe")
    server = Server(node, Place(home / "node.sock"))
    await server.start()
    assert await host.look() == "open"
    status: api.Status = await host.node.call(api.GetStatus())
    assert status.me.name == "Zoe"
    await host.unlock("whatever it is")  # it is open
    node.meet("Anna")
    said = node.somebody_says("Anna", "hello")
    async with asyncio.timeout(PATIENCE):
        while api.MessageAdded(said) not in heard:
            await asyncio.sleep(0.01)
    await server.close()
    await told.until("locked")
    with pytest.raises(NotOpen):
        _ = host.node
    await host.unlock(PHRASE)
    status = await host.node.call(api.GetStatus())
    assert status.me.name == "Ben"
    await host.close()


async def test_going_leaves_the_node_of_another_process(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_profile(home, "Ben").close()
    node = MemoryNode("Zoe")
    async with Server(node, Place(home / "node.sock")):
        host = Host(Directory(home))
        assert await host.look() == "open"
        await host.close()
        assert not node.stopped
        host = Host(Directory(home))
        assert await host.look() == "open"
        await host.lock()
        async with asyncio.timeout(PATIENCE):
            while not node.stopped:
                await asyncio.sleep(0.01)


async def test_others_lock_it(host: Host, tmp_path: Path) -> None:
    await host.begin(Beginning("Ben", PHRASE))
    told = Told(host)
    async with Client.of_home(tmp_path / "home") as client:
        await client.call(api.Lock())
    await told.until("locked")
    await host.unlock(PHRASE)
    assert told.states == ["locked", "open"]


async def test_locking_twice_and_at_once(host: Host) -> None:
    await host.begin(Beginning("Ben", PHRASE))
    told = Told(host)
    await asyncio.gather(host.lock(), host.lock(), host.lock())
    await host.lock()
    assert told.states == ["locked"]
    await asyncio.gather(host.unlock(PHRASE), host.unlock(PHRASE))
    assert host.state == "open"


async def test_a_call_that_is_under_way_when_it_is_locked(host: Host) -> None:
    await host.begin(Beginning("Ben", PHRASE))
    calls = [asyncio.ensure_future(host.node.call(api.GetChats())) for _ in range(50)]
    await host.lock()
    async with asyncio.timeout(PATIENCE):
        done = await asyncio.gather(*calls, return_exceptions=True)
    for one in done:
        assert isinstance(one, list | NodeError)
