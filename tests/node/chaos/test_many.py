"""Many people in one group, all changing and saying something at once; and somebody away for 500 epochs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from heliogram.node import api
from tests.node.chaos.inside import Inside, meet, together
from tests.node.chaos.nodes import ALL, PATIENCE, address
from tests.node.chaos.talking import Talking
from tests.relay.process import RelayProcess

#: Epochs that somebody is away for.
EPOCHS = int(os.environ.get("HELIOGRAM_EPOCHS", "500" if ALL else "25"))

#: People in a group.
MANY = int(os.environ.get("HELIOGRAM_PEOPLE", "10" if ALL else "5"))


@asynccontextmanager
async def gathered(
    path: Path, names: Sequence[str], ahead: Sequence[float] = ()
) -> AsyncIterator[tuple[list[Inside], Talking]]:
    """Nodes of these people in one group, on four relays; `ahead` of the right time by so many seconds."""
    made = [RelayProcess(path / f"relay-{i}") for i in range(4)]
    everybody: list[Inside] = []
    try:
        for relay in made:
            relay.start()
        for at, name in enumerate(names):
            one = Inside(path, name, ahead=ahead[at] if ahead else 0.0)
            await one.start()
            everybody.append(one)
            for relay in made:
                await one.call(api.AddRelay(address(relay)))
        for one in everybody:
            await one.until(api.GetStatus(), lambda status: status.packages == 80)
        first, *others = everybody
        await asyncio.gather(*(meet(first, one) for one in others))
        chat = await together("Tea", first, *others)
        yield everybody, Talking(chat, everybody)
    finally:
        for one in everybody:
            await one.stop()
        for relay in made:
            if relay.running:
                relay.kill()


async def test_7_all_change_something_at_once(tmp_path: Path) -> None:
    """And talk. One chain: each change is done, in some order, and all see the same."""
    names = [f"Member {number}" for number in range(MANY)]
    async with gathered(tmp_path, names) as (everybody, talk):
        first, *others = everybody
        for one in others:
            await first.call(api.SetRole(talk.chat, one.name, "admin"))
        await agreed_roles(talk, len(others))
        began = time.monotonic()
        changes = [one.call(api.SetProfile(talk.chat, name=one.name)) for one in everybody]
        await asyncio.gather(*changes, talk.chatter("all at once", 5))
        async with asyncio.timeout(PATIENCE):
            while not all([await named_by(one, talk) == {*names} for one in everybody]):
                await asyncio.sleep(0.1)
        await talk.agreed(stored=3)
        took = time.monotonic() - began
        print(f"{MANY} changes and {MANY * 5} messages at once: {took:.1f} s")
        # Each history has the same lines of names in the same order.
        lines = [await named_in_order(one, talk) for one in everybody]
        assert all(one == lines[0] for one in lines) and len(lines[0]) == MANY


async def agreed_roles(talk: Talking, admins: int) -> None:
    """Wait until all see so many admins."""
    async with asyncio.timeout(PATIENCE):
        for one in talk.members:
            while [it.role for it in (await talk.info(one)).members].count("admin") < admins:
                await asyncio.sleep(0.05)


async def named_in_order(who: Inside, talk: Talking) -> list[str]:
    """Who gave it a name, in the order of history."""
    found: list[api.Message] = await who.call(api.GetHistory(talk.chat, limit=1000))
    lines = [one for one in found if one.line is not None and one.line.name]
    return [one.sender.name for one in lines if one.sender is not None]


async def named_by(who: Inside, talk: Talking) -> set[str]:
    """Who has given it a name."""
    return {*await named_in_order(who, talk)}


async def entered(who: Inside, talk: Talking, epoch: int) -> None:
    """Wait until somebody is so far."""
    await who.until(api.GetChat(talk.chat), lambda info: info.epoch >= epoch)


async def test_17_away_for_many_epochs(tmp_path: Path) -> None:
    """What came meanwhile is read in order, without errors, in little time."""
    async with gathered(tmp_path, ("Alice", "Bob")) as ((alice, bob), talk):
        await talk.chatter("before", 2)
        await talk.agreed()
        await bob.stop()
        began = time.monotonic()
        start = (await talk.info(alice)).epoch
        for number in range(EPOCHS):
            await talk.say(alice, f"in epoch {number}")
            await alice.call(api.SetProfile(talk.chat, name=f"Tea {number}"))
            await entered(alice, talk, start + number + 1)
        made = time.monotonic() - began
        await alice.until(api.GetStatus(), lambda status: status.queued == 0)
        began, work = time.monotonic(), time.process_time()
        await bob.start()
        await talk.agreed()
        took, work = time.monotonic() - began, time.process_time() - work
        print(
            f"{EPOCHS} epochs made in {made:.1f} s; caught up in {took:.1f} s, {work:.1f} s of work"
        )
        assert work < 60
        assert (await talk.info(bob)).chat.name == f"Tea {EPOCHS - 1}"
        texts = await talk.texts(bob)
        assert [one for one in texts if one.startswith("in epoch")] == [
            f"in epoch {number}" for number in range(EPOCHS)
        ]


async def test_21_clocks_are_a_day_wrong(tmp_path: Path) -> None:
    """One ahead, one behind: all is decided, read, and in one order for all."""
    day = 86_400.0
    async with gathered(tmp_path, ("Alice", "Bob", "Carol"), (0.0, day, -day)) as (all_, talk):
        alice, bob, carol = all_
        await alice.call(api.SetRole(talk.chat, "Bob", "admin"))
        await talk.chatter("what time is it?", 5)
        await talk.renamed(alice, "Now")
        await bob.until(
            api.GetChat(talk.chat), lambda info: any(it.role == "admin" for it in info.members)
        )
        await talk.renamed(bob, "Tomorrow")
        await talk.agreed(stored=3)
        await carol.stop()
        await talk.say(bob, "it is late")
        await talk.say(alice, "it is not")
        await carol.start()
        await talk.agreed(stored=3)
