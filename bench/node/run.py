"""All measurements, each with a world of its own. What cannot be done is noted, and the rest goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.node import keeping, meeting, talking
from bench.node import measures as m
from bench.node.world import NotDone, World
from bench.relay.run import disk_speed
from heliogram.cli.processes import DidNotStart

Step = Callable[[World, m.Results], Awaitable[None]]

STEPS: tuple[tuple[Step, tuple[m.Row, ...]], ...] = (
    (
        talking.two,
        (
            *(m.STORED_P50, m.STORED_P99, m.SHOWN_P50, m.SHOWN_P99),
            *(m.ONE, m.SENDER, m.RECEIVER, m.CATCH_UP, m.CATCH_UP_RATE),
        ),
    ),
    (meeting.contacts, (m.REQUEST, m.KNOWN)),
    (meeting.crowd, (*m.GROUPS.values(), m.MANY, m.MEMORY)),
)


async def measure(results: m.Results, folder: Path) -> None:
    """Everything that is asked for."""
    results.note(m.SYNC, disk_speed(folder))
    for step, rows in STEPS:
        if results.asks_for(*rows):
            await _soft(_in_world(step, results, folder), results, step.__name__)
    await _soft(keeping.commands(folder, results), results, "commands")
    await _soft(keeping.history(folder, results), results, "history")


async def _in_world(step: Step, results: m.Results, folder: Path) -> None:
    with TemporaryDirectory(dir=folder) as name:
        async with World(Path(name)) as world:
            await step(world, results)


async def _soft(step: Awaitable[None], results: m.Results, name: str) -> None:
    try:
        await step
    except (NotDone, DidNotStart, OSError) as error:
        results.notes.append(f"{name}: measured in part: {error}.")


def run(results: m.Results, folder: Path) -> None:
    """The same, from outside of an event loop."""
    asyncio.run(measure(results, folder))
