"""Kill a relay under load, again and again, with and without the power, and hold it to all that it answered.

    python -m pytest -s tests/relay/test_crash.py                # HELIOGRAM_KILLS=20 by default
    HELIOGRAM_SEED=7 HELIOGRAM_KILLS=1000 ...                    # the same choices again

One real relay, real sockets. It is killed with SIGKILL after a number of answers or of requests that is
drawn; every second time the power is lost as well, and of what was not durable a random part is gone. Before
it starts again a copy of its database is examined, afterwards everything is asked over sockets. The data
begins anew every 50 kills; before that everything that was ever answered is read once more.

A seed gives the same choices. What the kernel does meanwhile is not ours to choose.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import apsw

from tests.relay import powerloss
from tests.relay.load import DEAD, Load, Relay
from tests.relay.load_cells import BlobLoad, CellLoad
from tests.relay.load_inboxes import InboxLoad
from tests.relay.load_logs import LogLoad
from tests.relay.process import RelayProcess

#: Kills on the same data.
LIFE = 50


@dataclass
class Figures:
    """What a campaign has done."""

    kills: int = 0
    cuts: int = 0
    #: Those of them that took something away.
    lossy: int = 0
    #: Writes that were not durable when the power went, and how many of them were lost.
    pending: int = 0
    lost: int = 0
    torn: int = 0
    #: What was signed: votes and promises, each good for ever.
    votes: int = 0
    decisions: int = 0
    acked: Counter[str] = field(default_factory=Counter)
    seconds: float = 0

    def __str__(self) -> str:
        answers = ", ".join(f"{count} {kind}" for kind, count in self.acked.most_common())
        return (
            f"{self.kills} kills in {self.seconds:.0f} s, {self.cuts} with the power lost:"
            f" {self.lossy} of them took {self.lost} of {self.pending} writes that were not durable,"
            f" {self.torn} torn\n"
            f"{self.votes} votes and promises, {self.decisions} decisions\n{answers}\n"
            "0 answers broken"
        )


class Life:
    """One relay from its making to its last check."""

    def __init__(self, directory: Path, library: Path, figures: Figures) -> None:
        self.directory = directory
        self.journal = directory / "journal"
        self.figures = figures
        data = directory / "data"
        data.mkdir(mode=0o700, parents=True)
        environment = powerloss.environment(library, data, self.journal)
        self.relay = Relay(RelayProcess(directory, environment=environment))
        self.logs = [LogLoad(self.relay, f"log {i}") for i in range(2)]
        self.loads: list[Load] = [
            *self.logs,
            InboxLoad(self.relay, "owner"),
            CellLoad(self.relay),
            BlobLoad(self.relay),
        ]

    def begin(self) -> None:
        """Make it and start it."""
        self.relay.process.start()

    async def play(self, rng: Random, *, cut: bool) -> None:
        """Check what there is, work until the relay dies, and start it again."""
        await self.check(rng)
        answers, requests = (int(2 ** rng.uniform(0, 11)) for _ in range(2))
        self.relay.arm(answers=answers, requests=requests, moment=rng.uniform(0, 0.02))
        # On a slow disk a kill nearly always finds something that is not durable.
        disk: AbstractContextManager[None] = nullcontext()
        if rng.random() < 0.7:
            disk = powerloss.failing(self.journal, powerloss.Failure.SLOW)
        with disk:
            await self._work(rng)
        self.figures.kills += 1
        if cut:
            self._cut(rng)
        else:
            powerloss.mend(self.journal)
        self.check_copy()
        self.relay.process.start()

    async def check(self, rng: Random) -> None:
        """Connect, and check what there is."""
        self.relay.disarm()
        for load in self.loads:
            await load.connect()
        for load in self.loads:
            await load.check(rng)

    async def _work(self, rng: Random) -> None:
        works = (load.run(Random(rng.random())) for load in self.loads)
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        for outcome in outcomes:
            if not isinstance(outcome, DEAD):
                assert isinstance(outcome, BaseException)
                raise outcome
        assert self.relay.dead, f"the relay ended by itself:\n{self.relay.process.text()}"
        await self.close()

    def _cut(self, rng: Random) -> None:
        loss = powerloss.lose(self.relay.process.data, self.journal, rng)
        self.figures.cuts += 1
        self.figures.lossy += loss.lost > 0
        self.figures.pending += loss.pending
        self.figures.lost += loss.lost
        self.figures.torn += loss.torn

    async def end(self, *, quiet: bool = True) -> None:
        """Check everything once more, stop, and count. A relay that was only killed has logged nothing."""
        await self.check(Random(0))
        for load in self.loads:
            await load.check_all()
        await self.close()
        assert self.relay.process.stop() == 0
        text = self.relay.process.text()
        assert text == "" or not quiet, text
        self.figures.acked += self.relay.acked
        self.figures.votes += sum(log.slots.votes for log in self.logs if log.slots is not None)
        self.figures.decisions += sum(len(log.decisions) for log in self.logs)

    def abandon(self) -> None:
        """Make sure that no process is left."""
        if self.relay.process.running:
            self.relay.process.kill()

    async def close(self) -> None:
        """Close all connections."""
        for load in self.loads:
            await load.close()

    def check_copy(self) -> None:
        """Before it starts: a copy of the database is whole and has what was answered."""
        copy = self.directory / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("relay.db", "relay.db-wal"):
            source = self.relay.process.data / name
            if source.exists():
                shutil.copyfile(source, copy / name)
        database = apsw.Connection(str(copy / "relay.db"))
        try:
            assert database.pragma("integrity_check") == "ok"
            for load in self.loads:
                load.check_copy(database)
        finally:
            database.close()


def run(directory: Path, library: Path, *, kills: int, seed: int) -> Figures:
    """A campaign; its figures. Raises `AssertionError` that says which answer was broken, and when."""
    figures = Figures()
    began = time.monotonic()
    while figures.kills < kills:
        life = Life(directory / f"life-{figures.kills}", library, figures)
        try:
            life.begin()
            for _ in range(min(LIFE, kills - figures.kills)):
                number = figures.kills
                asyncio.run(life.play(Random(f"{seed} {number}"), cut=number % 2 == 1))
            asyncio.run(life.end())
        except BaseException as error:
            error.add_note(f"HELIOGRAM_SEED={seed}, kill {figures.kills}, data in {life.directory}")
            raise
        finally:
            life.abandon()
        shutil.rmtree(life.directory)
        figures.seconds = time.monotonic() - began
        if figures.kills < kills:
            print(figures, flush=True)
    return figures
