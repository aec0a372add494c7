"""Relays are lost, come back from the past, are replaced; nodes and relays are processes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from heliogram.node import api
from heliogram.relay.slots import Log
from tests.node.chaos.between import relays
from tests.node.chaos.nodes import (
    PATIENCE,
    Node,
    accept,
    acquaint,
    group,
    introduce,
    long,
    people,
)
from tests.node.chaos.talking import Talking, tea
from tests.relay.process import RelayProcess


@dataclass(frozen=True)
class Held:
    """What a relay has of one conversation, as it lies on its disk."""

    log: bytes
    epoch: int
    votes_from: int
    fenced: bool
    entries: frozenset[bytes]

    @classmethod
    def by(cls, relay: RelayProcess, log: bytes | None = None, since: int = 0) -> Held:
        """Of the conversation with this log, or of the one in which most was said.

        Entries are those of the epoch `since` and later ones.
        """
        database = apsw.Connection(str(relay.data / "relay.db"), apsw.SQLITE_OPEN_READONLY)
        with closing(database):
            found: list[Any] = database.execute("SELECT id, log, state FROM logs").fetchall()
            everything = [
                (frozenset(it for (it,) in database.execute(_ENTRIES, (number, since))), id, state)
                for number, id, state in found
                if log in (None, id)
            ]
        if not everything:
            return cls(log or b"", -1, 0, False, frozenset())
        entries, id, state = max(everything, key=lambda one: len(one[0]))
        kept = Log.from_bytes(state)
        return cls(id, kept.epoch, kept.votes_from, kept.fence is not None, entries)


_ENTRIES = "SELECT data FROM entries WHERE log = ? AND epoch >= ?"


async def until(good: Callable[[], bool]) -> None:
    """Look until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not good():
            await asyncio.sleep(0.1)


async def test_9_one_of_four_vanishes(tmp_path: Path) -> None:
    """While they talk. All goes on: messages, names, new members, who leaves."""
    async with tea(tmp_path) as (betweens, (alice, bob), talk):
        await talk.chatter("before", 3)
        going = asyncio.create_task(talk.chatter("during", 6))
        await asyncio.sleep(0)
        betweens[2].process.kill()
        await going
        await talk.agreed(stored=3)
        await talk.renamed(alice, "Three relays")
        carol = Node(tmp_path, "Carol")
        carol.make()
        try:
            await carol.start()
            await introduce(carol, [one.address for one in betweens if one is not betweens[2]])
            await acquaint(alice, carol)
            await alice.call(api.AddMembers(talk.chat, ("Carol",)))
            await accept(carol, "Alice", "Three relays")
            await carol.until(api.GetChat(talk.chat), lambda info: len(info.members) == 3)
            said = await talk.say(bob, "Welcome")
            await carol.until(
                api.GetHistory(talk.chat), lambda found: any(it.id == said.id for it in found)
            )
            await alice.call(api.RemoveMembers(talk.chat, ("Carol",)))
            await carol.until(api.GetChat(talk.chat), lambda info: info.chat.phase == "out")
        finally:
            await carol.end()
        await talk.chatter("after", 3)
        await talk.agreed(stored=3)


@long
async def test_10_two_of_four_vanish(tmp_path: Path) -> None:
    """What was said can be read, what is said waits and says so; with one of them back all goes out."""
    async with tea(tmp_path) as (betweens, (alice, _), talk):
        await talk.chatter("before", 3)
        await talk.agreed(stored=4)
        for lost in betweens[:2]:
            lost.process.kill()
        before = await talk.texts(alice)
        waiting = await talk.say(alice, "does anybody hear me?")
        await asyncio.sleep(0.5)
        message: api.Message = await alice.call(api.GetMessage(waiting.id))
        assert message.state == "queued" and len(message.stored_by) < 3
        status: api.Status = await alice.call(api.GetStatus())
        assert status.queued == 1
        # Started anew without them: all is there, and still waits.
        await alice.kill()
        await alice.start()
        assert await talk.texts(alice) == [*before, "does anybody hear me?"]
        message = await alice.call(api.GetMessage(waiting.id))
        assert message.state == "queued"
        await alice.until(
            api.GetChat(talk.chat),
            lambda info: [one.state for one in info.relays].count("up") == 2,
        )
        betweens[0].process.start()
        await talk.agreed(stored=3)
        await talk.renamed(alice, "Heard")
        betweens[1].process.start()
        await talk.chatter("after", 2)
        await talk.agreed(stored=3)


@long
async def test_11_a_relay_comes_back_from_the_past(tmp_path: Path) -> None:
    """It fences itself, is refilled, and takes part again; nothing is decided twice."""
    async with tea(tmp_path) as (betweens, (alice, bob), talk):
        lost = betweens[1].process
        await talk.chatter("old", 3)
        await talk.agreed(stored=4)
        await asyncio.to_thread(lost.back_up, "yesterday")
        for number in range(3):
            await talk.chatter(f"new {number}", 2)
            await talk.renamed(alice, f"Tea {number}")
        await talk.agreed(stored=3)
        going = asyncio.create_task(talk.chatter("while it goes back", 6))
        lost.restore("yesterday")
        await going
        await talk.renamed(alice, "After the flood")
        await talk.agreed(stored=3)
        for one in (alice, bob):
            await one.until(
                api.GetChat(talk.chat), lambda info: all(it.state == "up" for it in info.relays)
            )
        # It counts again from the next epoch on: then another one may be missing.
        await talk.renamed(alice, "The next epoch")
        await talk.agreed(stored=3)
        betweens[3].process.kill()
        await talk.chatter("without another one", 2)
        await talk.renamed(alice, "Three again")
        await talk.agreed(stored=3)


@pytest.mark.parametrize("away", [False, pytest.param(True, marks=long)])
async def test_11_a_relay_has_lost_everything(tmp_path: Path, away: bool) -> None:
    """It comes back under its old key with nothing at all, while they talk or before they come back.

    It is given what it needs, takes part again, and another one may be missing.
    """
    async with relays(tmp_path) as betweens:
        lost = betweens[1].process
        await asyncio.to_thread(lost.back_up, "nothing")
        addresses = [one.address for one in betweens]
        async with people(tmp_path, ("Alice", "Bob"), addresses) as (alice, bob):
            await acquaint(alice, bob)
            talk = Talking(await group("Tea", alice, bob), (alice, bob))
            for number in range(3):
                await talk.chatter(f"before {number}", 2)
                await talk.renamed(alice, f"Tea {number}")
            await talk.agreed(stored=4)
            if away:
                await bob.kill()
                await alice.kill()
                lost.restore("nothing")
                await alice.start()
                await bob.start()
            else:
                going = asyncio.create_task(talk.chatter("while it is wiped", 6))
                await asyncio.sleep(0)
                lost.restore("nothing")
                await going
            await talk.renamed(alice, "After the fire")
            await talk.agreed(stored=3)
            # Its fence is lifted, and it gets what was said in this epoch and the one before. What is older
            # lies on three others.
            log = Held.by(betweens[0].process).log
            await until(lambda: not Held.by(lost, log).fenced and Held.by(lost, log).votes_from > 0)
            last = (await talk.info(alice)).epoch - 1
            whole = Held.by(betweens[0].process, log, last).entries
            await until(lambda: whole <= Held.by(lost, log).entries)
            # It counts again from the epoch on that follows the one in which its fence was lifted.
            while Held.by(lost, log).votes_from > (await talk.info(alice)).epoch:
                await talk.renamed(alice, f"Epoch {(await talk.info(alice)).epoch + 1}")
            await talk.agreed(stored=3)
            betweens[3].process.kill()
            await talk.chatter("without another one", 2)
            await talk.renamed(alice, "Three again")
            await talk.agreed(stored=3)
            # Whoever has been away meets it as well as the others.
            await bob.kill()
            await talk.say(alice, "where are you?")
            await bob.start()
            await talk.agreed(stored=3)
            # Bob's inbox is there again: who knows no other relay finds him, when no other one runs.
            for other in (betweens[0], betweens[2]):
                other.process.kill()
            carol = Node(tmp_path, "Carol")
            carol.make()
            try:
                await carol.start()
                await introduce(carol, [betweens[1].address])
                await acquaint(carol, bob)
            finally:
                await carol.end()


@long
async def test_11_who_was_away_meets_a_relay_that_was_mended(tmp_path: Path) -> None:
    """Bob's receipts are of before the loss, which Alice has dealt with: they silence nobody.

    Another relay is missing by then, so that without the mended one nothing would be decided.
    """
    async with relays(tmp_path) as betweens:
        lost = betweens[1].process
        await asyncio.to_thread(lost.back_up, "nothing")
        async with people(tmp_path, ("Alice", "Bob"), [one.address for one in betweens]) as both:
            alice, bob = both
            await acquaint(alice, bob)
            talk = Talking(await group("Tea", alice, bob), (alice, bob))
            await talk.chatter("before", 5)
            await talk.agreed(stored=4)
            log = Held.by(betweens[0].process).log
            await bob.kill()
            lost.restore("nothing")
            here = Talking(talk.chat, (alice,))
            await here.renamed(alice, "After the fire")
            await until(lambda: not Held.by(lost, log).fenced and Held.by(lost, log).votes_from > 0)
            while Held.by(lost, log).votes_from > Held.by(lost, log).epoch:
                await here.renamed(alice, f"Epoch {(await talk.info(alice)).epoch + 1}")
            betweens[3].process.kill()
            await bob.start()
            await talk.chatter("without another one", 2)
            await talk.agreed(stored=3)
            await talk.renamed(alice, "Three again")
            assert not Held.by(lost, log).fenced
            await talk.chatter("after", 2)
            await talk.agreed(stored=3)


async def moved(node: Node, chat: str, key: str) -> None:
    """Wait until a relay holds a conversation."""
    await node.until(
        api.GetChat(chat), lambda info: any(one.relay.key == key for one in info.relays)
    )


@long
async def test_18_relays_are_replaced_one_by_one(tmp_path: Path) -> None:
    """Four times, one wiped each time, while Bob is away: he knows one that is left, and catches up."""
    async with tea(tmp_path, spare=3) as (betweens, (alice, bob), talk):
        await talk.chatter("before", 2)
        await talk.agreed(stored=4)
        await bob.kill()
        for number in range(3):
            old, new = betweens[number], betweens[4 + number]
            old.process.kill()
            shutil.rmtree(old.process.data)
            await alice.call(api.AddRelay(new.address))
            await alice.call(api.ChangeRelays(talk.chat, (new.where,), (old.process.key.hex(),)))
            await moved(alice, talk.chat, new.process.key.hex())
            await talk.say(alice, f"on another relay {number}")
        await alice.call(api.SetProfile(talk.chat, name="Moved"))
        await bob.start()
        await talk.agreed(stored=3)
        await talk.chatter("after", 3)
        await talk.agreed(stored=3)
        info = await talk.info(bob)
        assert {one.relay.key for one in info.relays} == {
            one.process.key.hex() for one in betweens[3:]
        }
        assert info.chat.name == "Moved"


@long
async def test_10_who_goes_on_at_once_goes_on_elsewhere_however_often_killed(
    tmp_path: Path,
) -> None:
    """Two of four relays are killed, and nobody has noticed: it does not open, and is begun anew, once."""
    async with relays(tmp_path, 7) as betweens:
        async with people(tmp_path, ("Alice", "Bob"), [one.address for one in betweens]) as both:
            alice, bob = both
            await acquaint(alice, bob)
            talk = Talking(await group("Tea", alice, bob), both)
            await talk.chatter("before", 2)
            await talk.agreed(stored=3)
            lost = {one.relay.key for one in (await talk.info(alice)).relays[:2]}
            for between in betweens:
                if between.process.key.hex() in lost:
                    between.process.kill()
            first = await alice.call(api.StartSuccessor(talk.chat))
            await alice.call(api.SendMessage(first.id, "here again"))
            for seconds in (0.0, 1.0, 5.0):
                await asyncio.sleep(seconds)  # wherever it is then
                await alice.kill()
                await alice.start()
            info = await alice.until(api.GetChat("Tea"), lambda it: _goes_on(it, talk.chat))
            there = info.chat.id
            assert there != first.id
            await bob.until(api.GetChat("Tea"), lambda it: it.chat.id == there)
            await bob.until(
                api.GetHistory(there), lambda found: any(it.text == "here again" for it in found)
            )
            on = Talking(there, both)
            await on.chatter("after", 2)
            for one in both:
                await one.until(
                    api.GetHistory(there, limit=1000),
                    lambda found: {*on.said.values()} <= {it.text for it in found},
                )
                seen = await one.call(api.GetChats())
                assert [it.id for it in seen if it.predecessor is not None] == [there]


def _goes_on(info: api.ChatInfo, old: str) -> bool:
    return info.chat.phase == "open" and info.chat.id != old and info.chat.predecessor == old
