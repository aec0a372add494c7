"""How relays are reached is chosen while the node runs, and nothing goes any other way."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.errors import InvalidAuthority, InvalidProxy
from heliogram.node.local import LocalNode, create_profile_account, open_node, set_network
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs
from heliogram.node.way_out import AUTHORITY
from tests.node.network.socks import Socks, proxying
from tests.relay.process import RelayProcess

#: Seconds after which something has gone wrong.
PATIENCE = 60

PHRASE = Secret(b"a passphrase")


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that the loop connects to, and every name that it resolves."""
    seen: list[Any] = []
    loop_class = asyncio.SelectorEventLoop
    connect, resolve = loop_class.sock_connect, loop_class.getaddrinfo

    async def connecting(self: Any, sock: socket.socket, address: Any) -> None:
        seen.append(address[:2])
        await connect(self, sock, address)

    async def resolving(self: Any, host: Any, port: Any, **options: Any) -> Any:
        seen.append(host)
        return await resolve(self, host, port, **options)

    monkeypatch.setattr(loop_class, "sock_connect", connecting)
    monkeypatch.setattr(loop_class, "getaddrinfo", resolving)
    return seen


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    made = RelayProcess(tmp_path_factory.mktemp("relays") / "relay")
    made.start()
    try:
        yield made
    finally:
        made.kill()


@asynccontextmanager
async def a_node(path: Path) -> AsyncIterator[LocalNode]:
    directory = Directory(path / "profile")
    if directory.root.exists():
        profile = Profile.open(directory, lambda _: PHRASE)
    else:
        profile = Profile.create(directory, PHRASE, os.urandom, costs=Costs(memory=64, passes=1))
        create_profile_account(profile, "Anna", now=int(time.time()))
    node = await open_node(profile)
    try:
        yield node
    finally:
        await node.close()
        profile.close()


async def online(node: LocalNode, wanted: bool) -> api.Status:
    async with asyncio.timeout(PATIENCE):
        while (status := await node.call(api.GetStatus())).online != wanted:
            await asyncio.sleep(0.02)
    found: api.Status = status
    return found


async def test_a_proxy_is_chosen_and_nothing_goes_around_it(
    tmp_path: Path, relay: RelayProcess, connections: list[Any]
) -> None:
    host, _, port = relay.where.rpartition(":")
    socks = Socks({host: (host, int(port)), "hidden.onion": (host, int(port))})
    async with proxying(socks):
        proxy = ("127.0.0.1", socks.proxy.port)
        async with a_node(tmp_path) as node:
            # Through the proxy before there is a relay: no connection was ever another one.
            shown = await node.call(api.SetNetwork(proxy=f"socks5://localhost:{proxy[1]}"))
            assert shown == api.Network(str(socks.proxy), "")
            await node.call(api.AddRelay(f"ws://hidden.onion:80/ws#{relay.key.hex()}"))
            assert (await online(node, True)).proxy == str(socks.proxy)
            assert {one[2] for one in socks.asked} == {"hidden.onion"}
        first = len(socks.asked)
        async with a_node(tmp_path) as node:
            # It is remembered.
            await online(node, True)
            assert len(socks.asked) > first
            # A proxy that does not work is no reason to go around it.
            socks.mood = "down"
            (dead,) = await node.call(api.GetRelays(check=True))
            assert dead.state == "unreachable"
        # The proxy itself connects to the relay in this loop, and to nothing else.
        assert {one for one in connections if one != proxy} <= {(host, int(port)), host}
        assert connections.count(proxy) >= len(socks.asked)


async def test_switching_closes_what_was_open(tmp_path: Path, relay: RelayProcess) -> None:
    host, _, port = relay.where.rpartition(":")
    socks = Socks({host: (host, int(port))}, mood="down")
    async with proxying(socks), a_node(tmp_path) as node:
        await node.call(api.AddRelay(f"ws://{relay.where}/ws#{relay.key.hex()}"))
        await online(node, True)
        await node.call(api.SetNetwork(proxy=str(socks.proxy)))
        assert not (await node.call(api.GetStatus())).online
        async with asyncio.timeout(PATIENCE):
            while not socks.asked:
                await asyncio.sleep(0.02)
        assert not (await node.call(api.GetStatus())).online
        shown = await node.call(api.SetNetwork(proxy=""))
        assert shown.proxy == ""
        await online(node, True)


async def test_what_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    async with a_node(tmp_path) as node:
        before = await node.call(api.SetNetwork(proxy="socks5://127.0.0.1:9050"))
        for proxy in ("http://127.0.0.1:9050", "socks5://proxy.example:9050", "socks5://::1"):
            with pytest.raises(InvalidProxy):
                await node.call(api.SetNetwork(proxy=proxy))
        for file in (str(empty), str(tmp_path / "none.pem"), "empty.pem", str(tmp_path), "a\0b"):
            with pytest.raises(InvalidAuthority):
                await node.call(api.SetNetwork(proxy="", authority=file))
        assert await node.call(api.SetNetwork()) == before
        assert (await node.call(api.GetStatus())).proxy == "socks5://127.0.0.1:9050"


async def test_certificates_that_are_gone_are_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    found = ssl.get_default_verify_paths().cafile
    if found is None or not Path(found).is_file():
        pytest.skip("this system has no file of certificates")
    first = Path(found).read_text().split("-----END CERTIFICATE-----")[0]
    file.write_text(first + "-----END CERTIFICATE-----\n")
    async with a_node(tmp_path) as node:
        shown = await node.call(api.SetNetwork(authority=str(file)))
        assert shown == api.Network("", str(file))
    file.unlink()
    async with a_node(tmp_path) as node:
        assert await node.call(api.SetNetwork()) == api.Network("", str(file), readable=False)
        assert await node.call(api.SetNetwork(authority="")) == api.Network("", "")
        assert node._profile.store.setting(AUTHORITY) is None


async def test_chosen_before_a_node_runs(tmp_path: Path) -> None:
    async with a_node(tmp_path):
        pass
    with Profile.open(Directory(tmp_path / "profile"), lambda _: PHRASE) as profile:
        with pytest.raises(InvalidProxy):
            set_network(profile, api.SetNetwork(proxy="tor"))
        set_network(profile, api.SetNetwork(proxy="socks5://[::1]:9050"))
    async with a_node(tmp_path) as node:
        assert (await node.call(api.GetStatus())).proxy == "socks5://[::1]:9050"
