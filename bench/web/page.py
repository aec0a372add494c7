"""A browser before the program, and everything that is measured in its page."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Error, Page, async_playwright

from bench.machine import private_bytes
from bench.node.world import NotDone
from bench.web import measures as m
from bench.web import scripts
from bench.web.profile import PHRASE
from heliogram.cli.processes import NodeProcess
from tests.node.store import big

_PROGRAM = (sys.executable, "-m", "heliogram.cli", "web", "--no-browser", "--json")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Pixels in a frame: some ten messages, forty times as fast as anybody reads.
SPEED = 120


def find_browser() -> str | None:
    """Chromium: what `HELIOGRAM_BROWSER` names, or the system's own."""
    named = os.environ.get("HELIOGRAM_BROWSER")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


@asynccontextmanager
async def page_of(program: NodeProcess) -> AsyncIterator[Page]:
    """A window on a program that said where it is. Raises `NotDone` if there is no browser."""
    browser = find_browser()
    if browser is None:
        raise NotDone("no browser: install Chromium, or name it by HELIOGRAM_BROWSER")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=browser, args=_ARGUMENTS)
        try:
            page = await chromium.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(60_000)
            await page.goto(json.loads(program.said)["link"])
            await page.evaluate(scripts.HELP)
            yield page
        except Error as error:
            raise NotDone(str(error).splitlines()[0]) from None
        finally:
            await chromium.close()


def program_of(home: Path) -> NodeProcess:
    """`heliogram web` for a profile that it does not know the passphrase of."""
    made = NodeProcess(home, None, _PROGRAM)
    made.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    return made


async def unlocked(page: Page, results: m.Results) -> None:
    """From the passphrase to the conversations."""
    await page.locator(".start-card input").fill(PHRASE)
    results.note(m.UNLOCK, await page.evaluate(scripts.UNLOCK) / 1e3)


async def opened(page: Page, results: m.Results, long: str) -> None:
    """Conversations, one after the other, each for the first time, but the long one."""
    if results.asks_for(m.OPEN_P50, m.OPEN_MAX):
        results.tell(m.OPEN_P50.name)
        rows = page.locator(".list [data-chat]")
        ids = [
            await rows.nth(at).get_attribute("data-chat") for at in range(results.size.opened + 1)
        ]
        others = [one for one in ids if one != long][: results.size.opened]
        times = [await page.evaluate(scripts.OPEN, one) / 1e3 for one in others]
        results.note(m.OPEN_P50, m.percentile(times, 0.5))
        results.note(m.OPEN_MAX, max(times))


async def scrolled(page: Page, results: m.Results, long: str) -> None:
    """Up through the long conversation, and here and there in it."""
    frames = (m.FRAME_P50, m.FRAME_P95, m.FRAME_MAX)
    if not results.asks_for(*frames, m.JUMP_P50, m.JUMP_P95, m.HEAP):
        return
    await page.evaluate(scripts.OPEN, long)
    if results.asks_for(*frames):
        results.tell(m.FRAME_P95.name)
        found = await page.evaluate(scripts.SCROLL, [results.size.scrolled, SPEED])
        times = [one / 1e3 for one in found]
        for row, value in zip(
            frames, (m.percentile(times, 0.5), m.percentile(times, 0.95), max(times)), strict=True
        ):
            results.note(row, value)
        late = sum(one > 20e-3 for one in times)
        results.notes.append(
            f"scrolling: {len(times)} frames of {SPEED} pixels, {late} of them longer than 20 ms."
        )
    if results.asks_for(m.JUMP_P50, m.JUMP_P95):
        results.tell(m.JUMP_P50.name)
        places = [random.Random(at).random() for at in range(results.size.jumps)]
        times = [await page.evaluate(scripts.JUMP, one) / 1e3 for one in places]
        results.note(m.JUMP_P50, m.percentile(times, 0.5))
        results.note(m.JUMP_P95, m.percentile(times, 0.95))


async def searched(page: Page, results: m.Results) -> None:
    """Words, common ones and rare ones."""
    if not results.asks_for(m.SEARCH_P50, m.SEARCH_MAX):
        return
    results.tell(m.SEARCH_P50.name)
    words = big.vocabulary(2000) if results.size.history > 10_000 else big.vocabulary(4)
    chosen = [words[number * 97 % len(words)] for number in range(results.size.searches)]
    times = [await page.evaluate(scripts.SEARCH, one) / 1e3 for one in chosen]
    results.note(m.SEARCH_P50, m.percentile(times, 0.5))
    results.note(m.SEARCH_MAX, max(times))
    await page.keyboard.press("Escape")


async def uploaded(page: Page, results: m.Results) -> None:
    """A file on its way to the program."""
    if results.asks_for(m.UPLOAD):
        results.tell(m.UPLOAD.name)
        took = await page.evaluate(scripts.UPLOAD, results.size.upload) / 1e3
        results.note(m.UPLOAD, results.size.upload / took)


async def hears(page: Page, chat: str, tag: str) -> None:
    """Open a conversation at its end, and note from now on when texts that begin so are seen in it."""
    await page.keyboard.press("Escape")
    await page.reload()
    await page.evaluate(scripts.HELP)
    await page.evaluate("() => seen(() => document.querySelector('.list .row'))")
    await page.evaluate(scripts.OPEN, chat)
    await page.evaluate(scripts.HEAR, tag)


async def heard(page: Page, many: int) -> dict[str, float]:
    """When each text was seen, in Unix time, once all were."""
    await page.wait_for_function("many => Object.keys(window.heard).length >= many", arg=many)
    found: dict[str, float] = await page.evaluate("() => window.heard")
    return found


async def kept(page: Page, program: NodeProcess, results: m.Results) -> None:
    """Memory of both, after all that."""
    devtools: Any = await page.context.new_cdp_session(page)
    await devtools.send("HeapProfiler.collectGarbage")
    usage = await devtools.send("Runtime.getHeapUsage")
    results.note(m.HEAP, usage["usedSize"])
    if program.pid is not None:
        results.note(m.MEMORY, private_bytes(program.pid))


def monotonic_to_unix() -> float:
    """What is added to a time of the monotonic clock, which all processes share, to make it Unix time."""
    return time.time() - time.monotonic()
