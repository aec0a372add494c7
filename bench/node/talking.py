"""Messages: one by one, many at once, over many conversations, and what was missed."""

from __future__ import annotations

import asyncio
import time

from bench.node import measures as m
from bench.node.orders import Hear, Ready, Said, Say
from bench.node.world import Hand, World, befriend, chat_with

#: Messages that are said and not stored yet, while many are said.
WINDOW = 128
#: The goal of catching up is for so many.
WHOLE = 100_000


async def two(world: World, results: m.Results) -> None:
    """Two people in one conversation."""
    size = results.size
    alice, bob = await asyncio.gather(world.person("Alice"), world.person("Bob"))
    await befriend(alice, bob, ["Bob"])
    await asyncio.gather(alice.do(Ready()), bob.do(Ready()))
    chat = await chat_with(alice, "Bob")
    if results.asks_for(m.STORED_P50, m.STORED_P99, m.SHOWN_P50, m.SHOWN_P99):
        results.tell("messages one by one")
        await _exchange(alice, bob, Say(chats=(chat,), tag="warm", count=min(size.alone, 20)))
        said, heard = await _exchange(
            alice, bob, Say(chats=(chat,), tag="alone", count=size.alone, apart=size.apart)
        )
        stored = [said.stored[text] - at for text, at in said.said.items()]
        shown = [heard[text] - at for text, at in said.said.items()]
        for row, times, share in (
            (m.STORED_P50, stored, 0.5),
            (m.STORED_P99, stored, 0.99),
            (m.SHOWN_P50, shown, 0.5),
            (m.SHOWN_P99, shown, 0.99),
        ):
            results.note(row, m.percentile(times, share))
    if results.asks_for(m.ONE, m.SENDER, m.RECEIVER):
        results.tell(m.ONE.name)
        order = Say(chats=(chat,), tag="burst", count=size.burst, window=WINDOW)
        before = await alice.used(), await bob.used()
        results.note(m.ONE, await _rate(alice, bob, order))
        after = await alice.used(), await bob.used()
        for row, then, now in zip((m.SENDER, m.RECEIVER), before, after, strict=True):
            results.note(row, (now.cpu - then.cpu) / size.burst)
        turns = [
            (now.turns - then.turns) / size.burst for then, now in zip(before, after, strict=True)
        ]
        results.notes.append(
            f"messages, 1 conversation: {turns[0]:.2f} turns a message at the sender, "
            f"{turns[1]:.2f} at the receiver; up to {WINDOW} not stored yet."
        )
    if results.asks_for(m.CATCH_UP, m.CATCH_UP_RATE):
        await _catch_up(world, results, alice, bob, chat)
    await asyncio.gather(alice.end(), bob.end())


async def _catch_up(world: World, results: m.Results, alice: Hand, bob: Hand, chat: str) -> None:
    """Bob is away; when he is back he reads all that was said."""
    results.tell("saying what is missed")
    count = results.size.missed
    await bob.end()
    await alice.do(Say(chats=(chat,), tag="missed", count=count, window=512), Said)
    results.tell(m.CATCH_UP.name)
    bob = await world.hand()
    began = time.monotonic()
    await world.begin(bob, "Bob")
    heard = await bob.do(Hear(tag="missed", count=count), dict[str, float])
    used = await bob.used()
    took = max(heard.values()) - began
    results.note(m.CATCH_UP, took * WHOLE / count)
    results.note(m.CATCH_UP_RATE, count / took)
    results.notes.append(
        f"catch-up: {count:,} messages in {took:.1f} s, {used.cpu:.1f} s of processor time from the start of "
        f"the process; the row is that times {WHOLE / count:g}."
    )
    await bob.end()


async def many(alice: Hand, crowd: Hand, chats: tuple[str, ...], results: m.Results) -> None:
    """One who talks with very many."""
    results.tell(m.MANY.name)
    count = max(results.size.burst // 2, len(chats))
    order = Say(chats=chats, tag="many", count=count, window=WINDOW)
    results.note(m.MANY, await _rate(alice, crowd, order, all_of_them=True))
    if len(chats) != 100:
        results.notes.append(f"messages, 100 conversations: over {len(chats)}.")


async def _exchange(
    alice: Hand, bob: Hand, order: Say, *, all_of_them: bool = False
) -> tuple[Said, dict[str, float]]:
    hear = Hear(tag=order.tag, count=order.count, all_of_them=all_of_them)
    said, heard = await asyncio.gather(alice.do(order, Said), bob.do(hear, dict[str, float]))
    return said, heard


async def _rate(alice: Hand, bob: Hand, order: Say, *, all_of_them: bool = False) -> float:
    """Messages a second, until all are stored and shown."""
    said, heard = await _exchange(alice, bob, order, all_of_them=all_of_them)
    took = max(*said.stored.values(), *heard.values()) - min(said.said.values())
    return order.count / took
