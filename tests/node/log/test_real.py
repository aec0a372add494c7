"""Logs over real connections to real relay processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from heliogram.node.changes import AddPeople, ChangeRelays, RemovePeople, RenewKeys
from heliogram.node.records import Phase
from heliogram.wire.objects import Configuration
from tests.node.log.real import Net
from tests.node.log.world import Device
from tests.relay.process import RelayProcess


@asynccontextmanager
async def running(folder: Path, count: int = 4) -> AsyncIterator[Net]:
    """A net over so many relays."""
    processes = [RelayProcess(folder / f"relay-{at}") for at in range(count)]
    net: Net | None = None
    try:
        for one in processes:
            one.start()
        net = Net(processes)
        yield net
    finally:
        if net is not None:
            await net.stop()
        for one in processes:
            if one.running:
                one.kill()


async def group_of(net: Net, *names: str) -> list[Device]:
    """A conversation that the first has founded."""
    founder, *others = (net.device(called) for called in names)
    founder.found(net.configuration)
    await net.until(lambda: founder.log.ready)
    net.newcomers = {one.id: one for one in others}
    packages = tuple(one.package() for one in others)
    founder.wish(AddPeople(packages, frozenset(net.newcomers)))
    await net.until(lambda: all(one.live is not None for one in others))
    return [founder, *others]


def together(*group: Device) -> bool:
    return len({bytes(one.conversation.epoch_authenticator) for one in group}) == 1


def test_a_life_with_real_relays(tmp_path: Path) -> None:
    async def life() -> None:
        async with running(tmp_path, 5) as net:
            alice, bob, carol = await group_of(net, "Alice", "Bob", "Carol")
            # They talk.
            alice.say(b"Alice 1")
            bob.say(b"Bob 1")
            await net.until(lambda: set(carol.disk.shown) == {b"Alice 1", b"Bob 1"})
            await net.until(lambda: not alice.disk.outbox and not bob.disk.outbox)
            # All change something at once.
            for one in (alice, bob, carol):
                one.wish(RenewKeys())
            await net.until(lambda: not any(one.disk.wishes for one in (alice, bob, carol)))
            await net.until(lambda: together(alice, bob, carol))
            # A relay dies, they go on, it comes back and is brought level.
            dead = net.processes[2]
            dead.kill()
            alice.say(b"Alice 2")
            await net.until(lambda: b"Alice 2" in bob.disk.shown)
            number = alice.wish(RemovePeople(frozenset({carol.id})))
            await net.until(lambda: number not in alice.disk.wishes)
            await net.until(lambda: carol.conversation.phase is Phase.OUT)
            alice.say(b"Alice 3")
            await net.until(lambda: b"Alice 3" in bob.disk.shown)
            assert b"Alice 3" not in carol.disk.shown
            dead.start()
            await net.until(lambda: alice.log.states()[dead.key] == "up", 120)
            # A device dies and comes back; meanwhile relays change.
            bob.crash()
            chosen = tuple(net.described[at] for at in (0, 1, 2, 4))
            alice.wish(ChangeRelays(Configuration(net.configuration.log, 3, chosen)))
            alice.wish(RenewKeys())
            alice.say(b"Alice 4")
            await net.until(lambda: not alice.disk.wishes and not alice.disk.outbox, 120)
            net.processes[3].kill()
            bob.boot()
            await net.until(lambda: b"Alice 4" in bob.disk.shown and together(alice, bob), 120)
            bob.say(b"Bob 2")
            await net.until(lambda: b"Bob 2" in alice.disk.shown)

    asyncio.run(life())


def test_11_a_real_relay_from_an_old_backup(tmp_path: Path) -> None:
    async def life() -> None:
        async with running(tmp_path) as net:
            alice, bob = await group_of(net, "Alice", "Bob")
            fallen = net.processes[1]
            await asyncio.to_thread(fallen.back_up, "old")
            await net.until(lambda: together(alice, bob))
            alice.say(b"Alice 1")
            await net.until(lambda: not alice.disk.outbox, 120)
            alice.wish(RenewKeys())
            await net.until(lambda: not alice.disk.wishes and together(alice, bob))
            alice.say(b"Alice 2")
            await net.until(lambda: not alice.disk.outbox, 120)
            fallen.restore("old")
            alice.say(b"Alice 3")
            await net.until(lambda: {b"Alice 1", b"Alice 2", b"Alice 3"} == set(bob.disk.shown))
            await net.until(lambda: alice.log.states()[fallen.key] == "up", 120)
            bob.wish(RenewKeys())
            await net.until(lambda: not bob.disk.wishes and together(alice, bob))

    asyncio.run(life())
