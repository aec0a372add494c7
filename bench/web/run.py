"""All measurements, in one page of one program. What cannot be done is noted."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path

from playwright.async_api import Page

from bench.node.orders import Meet, Met, Ready, Said, Say
from bench.node.world import Hand, NotDone, World, chat_with
from bench.web import measures as m
from bench.web import page as pages
from bench.web import profile
from heliogram.cli.processes import DidNotStart
from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.errors import NodeError
from heliogram.node.store import keys

#: Seconds for all of it, at most.
PATIENCE = 240.0


async def measure(results: m.Results, folder: Path) -> None:
    """Everything that is asked for."""
    if results.asks_for(m.KEY):
        results.note(m.KEY, _key())
    try:
        async with asyncio.timeout(PATIENCE * results.patience):
            await _all(results, folder)
    except TimeoutError:
        results.notes.append(f"measured in part: more than {PATIENCE * results.patience:.0f} s.")
    except (NotDone, DidNotStart, OSError) as error:
        results.notes.append(f"measured in part: {error}.")


async def _all(results: m.Results, folder: Path) -> None:
    home = folder / "max"
    results.tell(f"{results.size.history:,} messages are written")
    results.notes.append(
        f"large profile: {results.size.history:,} messages, {results.size.long:,} of them in one"
        f" conversation; the goals are for {m.WHOLE:,} and {m.LONG:,}."
    )
    async with World(folder) as world:
        ben = await world.person("Ben")
        long = await profile.make(home, results.size, lambda node: _meet(node, world, ben))
        program = pages.program_of(home)
        await program.start()
        try:
            async with pages.page_of(program) as page:
                await pages.unlocked(page, results)
                await pages.opened(page, results, long)
                await pages.scrolled(page, results, long)
                await pages.searched(page, results)
                await pages.uploaded(page, results)
                await pages.kept(page, program, results)
                if results.asks_for(m.SHOWN_P50, m.SHOWN_P95):
                    await _heard(page, ben, long, results)
        finally:
            await program.stop()


async def _meet(node: api.Node, world: World, ben: Hand) -> str:
    """Let Ben and the node's owner be contacts; gives their conversation."""
    for relay in world.relays:
        await node.call(api.AddRelay(relay.address))
    link: api.ContactLink = await node.call(api.NewLink())

    async def accept() -> str:
        while True:
            found: list[api.Request] = await node.call(api.GetRequests())
            if found:
                chat: api.Chat = await node.call(api.AcceptRequest(found[0].id))
                return chat.id
            await asyncio.sleep(0.05)

    _, chat = await asyncio.gather(ben.do(Meet(links={"Max": link.uri}), Met), accept())
    while True:
        with suppress(NodeError):
            info: api.ChatInfo = await node.call(api.GetChat(chat))
            if info.chat.phase == "open" and len(info.members) == 2:
                return chat
        await asyncio.sleep(0.05)


async def _heard(page: Page, ben: Hand, chat: str, results: m.Results) -> None:
    """Ben writes; when is it seen in the page?"""
    results.tell(m.SHOWN_P50.name)
    size = results.size
    await ben.do(Ready())
    await pages.hears(page, chat, "alone")
    theirs = await chat_with(ben, "Max")
    order = Say(chats=(theirs,), tag="alone", count=size.heard, apart=size.apart)
    said = await ben.do(order, Said)
    seen = await pages.heard(page, size.heard)
    shift = pages.monotonic_to_unix()
    times = [seen[text.partition(":")[0] + ":"] - at - shift for text, at in said.said.items()]
    stored = [said.stored[text] - at for text, at in said.said.items()]
    results.note(m.SHOWN_P50, m.percentile(times, 0.5))
    results.note(m.SHOWN_P95, m.percentile(times, 0.95))
    results.notes.append(
        "message to other's screen: from the command; a quorum had it after "
        f"{m.percentile(stored, 0.5) * 1e3:.0f} ms (p50), {m.percentile(stored, 0.95) * 1e3:.0f} ms (p95)."
    )


def _key() -> float:
    """Seconds of one try of a passphrase, as a new profile has it."""
    phrase = Secret(b"a passphrase")
    sealed = keys.seal(Secret(bytes(32)), phrase, os.urandom, keys.Costs())
    times = []
    for _ in range(3):
        began = time.perf_counter()
        keys.unseal(sealed, phrase)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def run(results: m.Results, folder: Path) -> None:
    """The same, from outside of an event loop."""
    asyncio.run(measure(results, folder))
