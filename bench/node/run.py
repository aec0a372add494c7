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

#: What is measured in which step, and for how many seconds at most.
STEPS: tuple[tuple[Step, float, tuple[m.Row, ...]], ...] = (
    (
        talking.two,
        150.0,
        (
            *(m.STORED_P50, m.STORED_P99, m.SHOWN_P50, m.SHOWN_P99),
            *(m.ONE, m.SENDER, m.RECEIVER, m.CATCH_UP, m.CATCH_UP_RATE),
        ),
    ),
    (meeting.contacts, 40.0, (m.REQUEST, m.KNOWN)),
    (meeting.crowd, 180.0, (*m.GROUPS.values(), m.GROUP_IN, m.MANY, m.MEMORY)),
)

#: The same for what needs no relays.
COMMANDS, HISTORY = 40.0, 150.0


async def measure(results: m.Results, folder: Path) -> None:
    """Everything that is asked for."""
    results.note(m.SYNC, disk_speed(folder))
    for step, seconds, rows in STEPS:
        if results.asks_for(*rows):
            await _soft(_in_world(step, results, folder), seconds, results, step.__name__)
    await _soft(keeping.commands(folder, results), COMMANDS, results, "commands")
    await _soft(keeping.history(folder, results), HISTORY, results, "history")


async def _in_world(step: Step, results: m.Results, folder: Path) -> None:
    with TemporaryDirectory(dir=folder) as name:
        async with World(Path(name)) as world:
            await step(world, results)


async def _soft(step: Awaitable[None], seconds: float, results: m.Results, name: str) -> None:
    """One step, until it is done, cannot be done, or has taken so long."""
    most = seconds * results.patience
    try:
        async with asyncio.timeout(most):
            await step
    except TimeoutError:
        results.notes.append(f"{name}: measured in part: more than {most:.0f} s.")
    except (NotDone, DidNotStart, OSError) as error:
        results.notes.append(f"{name}: measured in part: {error}.")


def run(results: m.Results, folder: Path) -> None:
    """The same, from outside of an event loop."""
    asyncio.run(measure(results, folder))
