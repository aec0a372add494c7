"""First contact, groups, and a node that knows very many."""

from __future__ import annotations

import asyncio
import time

from bench.node import measures as m
from bench.node import talking
from bench.node.orders import Gather, Inside, Invited, Ready
from bench.node.world import Hand, World, befriend, chat_with


async def contacts(world: World, results: m.Results) -> None:
    """Somebody meets a few people, one after the other; each has a node in the same process."""
    asked, known = [], []
    ann, others = await asyncio.gather(world.person("Ann"), world.hand())
    for number in range(results.size.contacts):
        name = f"Person{number}"
        await world.begin(others, name, number)
        await others.do(Ready(number))
        results.tell(m.REQUEST.name)
        link = await befriend(ann, others, [name], number)
        seen = await others.do(Invited(number, name="Ann"), float)
        asked.append(seen - link.began)
        known.append(link.known[name] - link.began)
    results.note(m.REQUEST, m.percentile(asked, 0.5))
    results.note(m.KNOWN, m.percentile(known, 0.5))
    await asyncio.gather(ann.end(), others.end())


async def crowd(world: World, results: m.Results) -> None:
    """Somebody who knows so many people that there are so many conversations; groups of them."""
    size = results.size
    names = [f"Guest{number}" for number in range(size.conversations - 1)]
    zoe, guests = await asyncio.gather(world.person("Zoe"), world.hand())
    results.tell(f"{len(names)} people come")
    began = time.monotonic()
    for number, name in enumerate(names):
        await world.begin(guests, name, number)
    for number in range(len(names)):
        await guests.do(Ready(number))
    came = time.monotonic() - began
    results.tell(f"{len(names)} people are met")
    before = await zoe.used(), await guests.used()
    met = await befriend(zoe, guests, names)
    after = await zoe.used(), await guests.used()
    results.notes.append(
        f"{len(names)} people came in {came:.1f} s; one who met them all at once knew them after "
        f"{max(met.known.values()) - met.began:.1f} s, {after[0].cpu - before[0].cpu:.1f} s of processor "
        f"time there and {after[1].cpu - before[1].cpu:.1f} s at all of them."
    )
    await zoe.do(Ready())
    chats = tuple([await chat_with(zoe, name) for name in names])
    # Before the groups: long after the last one is in, all who are in it have work to do.
    if results.asks_for(m.MANY):
        for number in range(len(names)):
            await guests.do(Ready(number))
        await talking.many(zoe, guests, chats, results)
        await zoe.do(Ready())
    for many in size.groups:
        if results.asks_for(m.GROUPS[many], m.GROUP_IN) and many <= size.conversations:
            await _group(zoe, guests, names[: many - 1], results)
    await guests.end()
    if results.asks_for(m.MEMORY):
        results.tell(m.MEMORY.name)
        await _memory(world, results, zoe)
    await zoe.end()


async def _group(zoe: Hand, guests: Hand, names: list[str], results: m.Results) -> None:
    """A group of contacts, until a quorum has it and all of them are in."""
    many, name = len(names) + 1, f"Group of {len(names) + 1}"
    results.tell(m.GROUPS[many].name)
    before = await zoe.used(), await guests.used()
    began, ended = await zoe.do(Gather(name=name, members=tuple(names)), tuple[float, float])
    results.note(m.GROUPS[many], ended - began)
    created = await zoe.used()
    inside = await guests.do(Inside(name=name, count=len(names)), float)
    if many == max(results.size.groups):
        results.note(m.GROUP_IN, inside - began)
    await zoe.do(Ready())
    after = await zoe.used(), await guests.used()
    results.notes.append(
        f"group of {many}: {created.cpu - before[0].cpu:.1f} s of processor time until it was created, "
        f"{after[0].cpu - before[0].cpu:.1f} s until all were in, "
        f"{(after[1].cpu - before[1].cpu) / len(names):.2f} s at each of them."
    )


async def _memory(world: World, results: m.Results, zoe: Hand) -> None:
    """A fresh start, all conversations loaded and caught up."""
    await zoe.end()
    zoe = await world.person("Zoe")
    used = await zoe.used()
    results.note(m.MEMORY, float(used.memory))
    await zoe.end()
