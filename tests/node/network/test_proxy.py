"""With a proxy set nothing goes any other way: no connection, no name asked of anybody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heliogram.node.errors import TransferFailed
from heliogram.node.network.blobs import size
from heliogram.node.network.circuits import Circuits
from heliogram.node.network.dialling import Dialler
from heliogram.wire import frames
from tests.node.network.kit import Notes, Talk
from tests.node.network.socks import Socks, proxying
from tests.relay.serving import Serving


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every address that the loop connects to, and every name that it resolves, while the test runs."""
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
    yield seen


def hidden(relay: Serving, log: str = "log") -> tuple[Talk, Socks]:
    """A relay that only the proxy knows a way to."""
    host, _, port = relay.where.rpartition(":")
    talk = Talk(relay.key, "relayaddress.onion:80", log)
    return talk, Socks({"relayaddress.onion": (host, int(port))})


async def test_everything_goes_through_the_proxy(tmp_path: Path, connections: list[Any]) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay:
        talk, socks = hidden(relay)
        async with proxying(socks):
            circuits = Circuits(Dialler(proxy=socks.proxy), notes)
            asks = [talk.open(), *(talk.ask(frames.CellGet(0, bytes(32))) for _ in range(3))]
            for n, ask in enumerate(asks):
                circuits.send(b"%d" % (n // 2), ask)
            await notes.end_of(*asks)
            assert not notes.losses
            with pytest.raises(TransferFailed) as caught:
                await size(circuits.dialler, b"0", talk.relay, bytes(32))
            assert caught.value.code == "transfer gone"
            assert (await circuits.check(talk.relay)).state == "up"
            await circuits.stop()
            # Two circuits, one of which fetched a blob too, and one look. Names stay names.
            assert [one[2:] for one in socks.asked] == [("relayaddress.onion", 80)] * 4
            users = [one[:2] for one in socks.asked]
            assert len(set(users)) == 3 and users[2] == users[0]
            assert all(len(user) == len(password) == 32 for user, password in users)
            place = (socks.proxy.host, socks.proxy.port)
            mine = [
                one
                for one in connections
                if one != (relay.where.split(":")[0], int(relay.where.split(":")[1]))
            ]
            assert set(mine) == {place}


async def test_another_run_has_other_credentials(tmp_path: Path) -> None:
    async with Serving(tmp_path / "data") as relay:
        talk, socks = hidden(relay)
        async with proxying(socks):
            for _ in range(2):
                notes = Notes()
                circuits = Circuits(Dialler(proxy=socks.proxy), notes)
                ask = talk.ask(frames.CellGet(0, bytes(32)))
                circuits.send(b"a circuit", ask)
                await notes.end_of(ask)
                await circuits.stop()
            first, second = socks.asked
            assert first[0] != second[0] and first[1] != second[1]


@pytest.mark.parametrize("mood", ["open", "refuses", "down", "hangs up", "garbage", "gone"])
async def test_without_the_proxy_there_is_no_way(
    mood: str, tmp_path: Path, connections: list[Any]
) -> None:
    """The relay is right there, on this machine, and stays unreached."""
    notes = Notes()
    async with Serving(tmp_path / "data") as relay:
        socks = Socks(mood=mood)
        async with proxying(socks):
            proxy = socks.proxy
        if mood != "gone":
            async with proxying(socks):
                await unreached(relay, Dialler(proxy=socks.proxy), notes)
                proxy = socks.proxy
        else:
            await unreached(relay, Dialler(proxy=proxy), notes)
        assert set(connections) == {(proxy.host, proxy.port)}


async def unreached(relay: Serving, dialler: Dialler, notes: Notes) -> None:
    """Nothing gets to the relay by any means."""
    circuits = Circuits(dialler, notes)
    talk = Talk(relay.key, relay.where)
    ask = talk.open()
    circuits.send(b"a circuit", ask)
    await notes.end_of(ask)
    assert ask in notes.losses
    with pytest.raises(TransferFailed):
        await size(dialler, b"a circuit", talk.relay, bytes(32))
    assert (await circuits.check(talk.relay)).state == "unreachable"
    await circuits.stop()
    assert relay.server.gate.inside == 0


async def test_onion_services_are_asked_of_no_name_server(connections: list[Any]) -> None:
    notes = Notes()
    circuits = Circuits(Dialler(), notes)
    talk = Talk(b"k" * 32, "relayaddress.onion:80")
    ask = talk.open()
    circuits.send(b"a circuit", ask)
    await notes.end_of(ask)
    assert ask in notes.losses and connections == []
    await circuits.stop()


async def test_the_proxy_may_change(tmp_path: Path, connections: list[Any]) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay:
        host, _, port = relay.where.rpartition(":")
        async with proxying(Socks({host: (host, int(port))})) as socks:
            circuits = Circuits(Dialler(), notes)
            talk = Talk(relay.key, relay.where)
            opening, subscription = talk.open(), talk.subscribe()
            circuits.send(b"a circuit", opening)
            await notes.end_of(opening)
            circuits.send(b"a circuit", subscription)
            await notes.end_of(subscription)
            await circuits.use(Dialler(proxy=socks.proxy))
            assert notes.heard("parted") == [talk.core]
            again = talk.peek()
            circuits.send(b"a circuit", again)
            await notes.end_of(again)
            assert isinstance(notes.answer(again), frames.Peeked) and len(socks.asked) == 1
            await circuits.stop()
