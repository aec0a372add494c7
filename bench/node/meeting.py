"""First contact, groups, and a node that knows very many."""

from __future__ import annotations

import asyncio

from bench.node import measures as m
from bench.node import talking
from bench.node.orders import Gather, Invited, Ready
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
    for number, name in enumerate(names):
        await world.begin(guests, name, number)
    for number in range(len(names)):
        await guests.do(Ready(number))
    met = await befriend(zoe, guests, names)
    results.notes.append(
        f"one who meets {len(names)} people at once knows all after "
        f"{max(met.known.values()) - met.began:.1f} s."
    )
    await zoe.do(Ready())
    for many in size.groups:
        row = m.GROUPS[many]
        if results.asks_for(row) and many <= size.conversations:
            results.tell(row.name)
            began, ended = await zoe.do(
                Gather(name=f"Group of {many}", members=tuple(names[: many - 1])),
                tuple[float, float],
            )
            results.note(row, ended - began)
            await zoe.do(Ready())
    chats = tuple([await chat_with(zoe, name) for name in names])
    if results.asks_for(m.MANY):
        await talking.many(zoe, guests, chats, results)
    await guests.end()
    if results.asks_for(m.MEMORY):
        results.tell(m.MEMORY.name)
        await _memory(world, results, zoe)
    await zoe.end()


async def _memory(world: World, results: m.Results, zoe: Hand) -> None:
    """A fresh start, all conversations loaded and caught up."""
    await zoe.end()
    zoe = await world.person("Zoe")
    used = await zoe.used()
    results.note(m.MEMORY, float(used.memory))
    await zoe.end()
