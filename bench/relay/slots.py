"""Slots decided in a second: four relays, quorum three, every log changed again and again by its member.

For each slot everything that a client must send and a relay must do, but for the peek before: LOCK to all,
COMMIT with three first votes, DECIDE to all, then AUTHORISE for the next epoch. A slot counts when all four
relays have answered DECIDE. Certificates are put together here and verified by the relays; the first is
verified here too.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.relay.loop import LoadError, Loop, connect
from bench.relay.ours import EPOCH, MEMBER, Client, opening, serve
from bench.relay.server import Server
from heliogram.wire import frames
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    Header,
    RelayDescription,
    RelaySignature,
    Seat,
    Value,
)
from heliogram.wire.signing import Label

RELAYS, QUORUM = 4, 3
#: Logs whose members work at the same time, and how many share a connection to each relay.
LOGS, TOGETHER = 32, 8
#: Bytes of a commit and its Welcome: a small group's change under post-quantum keys.
BODY = 4096


@dataclass(frozen=True, slots=True)
class Slots:
    """What four relays decided."""

    count: int
    seconds: float
    server_cpu: float  # of all relays together
    load_share: float  # of one core that the members had

    @property
    def rate(self) -> float:
        return self.count / self.seconds


class _Voter(Client):
    """A connection to one relay, which hands every answer to the log that waits for it."""

    def __init__(self, loop: Loop, port: int, position: int) -> None:
        self._position = position
        self._waiting: dict[int, _Log] = {}
        super().__init__(loop, port)

    def request(self, log: _Log, frame: Any) -> None:
        self._waiting[frame.id] = log
        self.send(frame)

    def message(self, data: bytes, start: int, end: int) -> None:
        answer = frames.decode_answer(data[start:end])
        waiting = self._waiting.pop(getattr(answer, "id", 0), None)
        if waiting is not None:
            waiting.answered(self._position, answer)
        elif not isinstance(answer, frames.Advanced):
            raise LoadError(f"a relay says {answer}")


class _Log:
    """One log and its member, who makes one change after the other."""

    def __init__(self, seat: Seat, channel: int, voters: list[_Voter]) -> None:
        self.decided = 0
        self.stopping = self.stopped = False
        self._seat = seat
        self._instance = seat.id
        self._channel = channel
        self._voters = voters
        self._answers: dict[int, frames.Answer | frames.Push] = {}
        self._script = self._changes()

    def start(self) -> None:
        next(self._script)

    def answered(self, position: int, answer: frames.Answer | frames.Push) -> None:
        if isinstance(answer, frames.Failure):
            raise LoadError(f"relay {position} answers {answer} {answer.code}")
        self._answers[position] = answer
        if len(self._answers) == RELAYS:
            try:
                next(self._script)
            except StopIteration:
                self.stopped = True

    def _changes(self) -> Iterator[None]:
        channel, instance = self._channel, self._instance
        yield from self._authorise()
        while not self.stopping:
            seat = self._seat
            header = Header(seat.configuration, seat.keys)
            value = Value(header.encode(), os.urandom(BODY))
            yield from self._all(frames.Lock, channel, 0, value.encode())
            lock = self._certificate(value, frames.Vote1)
            yield from self._all(frames.Commit, channel, lock.encode())
            decision = self._certificate(value, frames.Vote2)
            if not self.decided and not decision.counts(seat, Label.VOTE2):
                raise LoadError("a decision that does not count")
            yield from self._all(frames.Decide, instance, decision.encode())
            if not all(isinstance(one, frames.Done) for one in self._answers.values()):
                raise LoadError("a relay does not take a decision")
            self.decided += 1
            self._seat = header.seat(seat.epoch + 1)
            yield from self._authorise()

    def _all(self, kind: Callable[..., frames.Request], *fields: Any) -> Iterator[None]:
        """The same request to all relays, until all have answered."""
        self._answers = {}
        for voter in self._voters:
            voter.request(self, kind(voter.new_id(), *fields))
        yield

    def _authorise(self) -> Iterator[None]:
        self._answers = {}
        channel, instance, epoch = self._channel, self._instance, self._seat.epoch
        for voter in self._voters:
            voter.request(self, voter.authorisation(channel, instance, epoch, MEMBER))
        yield

    def _certificate(
        self, value: Value, kind: type[frames.Vote1] | type[frames.Vote2]
    ) -> Certificate:
        votes = []
        for position, answer in sorted(self._answers.items()):
            if not isinstance(answer, kind):
                raise LoadError(f"relay {position} does not vote but answers {answer}")
            votes.append(RelaySignature(position, answer.signature))
        return Certificate(self._seat.epoch, 0, value.hash, tuple(votes[:QUORUM]))


def decide(folder: Path, seconds: float, logs: int = LOGS) -> Slots:
    """Four relays on all cores, and how many slots they decide."""
    cpus = range(os.cpu_count() or 1)
    loop = Loop()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        servers = []
        try:
            for k in range(RELAYS):
                (Path(name) / str(k)).mkdir()
                servers.append(serve(Path(name) / str(k), cpus))
            return _decide(loop, servers, seconds, logs)
        finally:
            loop.close()
            for server in servers:
                server.stop()


def _decide(loop: Loop, servers: list[Server], seconds: float, count: int) -> Slots:
    groups = -(-count // TOGETHER)
    makers = [
        partial(_Voter, loop, server.port, position)
        for _ in range(groups)
        for position, server in enumerate(servers)
    ]
    made = [voter for voter in connect(loop, makers, 30) if isinstance(voter, _Voter)]
    teams = [made[k : k + RELAYS] for k in range(0, len(made), RELAYS)]
    relays = tuple(
        RelayDescription(voter.greeting.relay, voter.greeting.relay, (b"ws://r/ws",))
        for voter in teams[0]
    )
    logs = []
    for k in range(count):
        team = teams[k // TOGETHER]
        configuration = Configuration(os.urandom(32), QUORUM, relays)
        seat = Seat(configuration, EPOCH, (MEMBER.public,) * RELAYS)
        record = opening(seat).encode()
        for voter in team:
            voter.ask(frames.Open(voter.new_id(), record))
        logs.append(_Log(seat, k % TOGETHER, team))
    for log in logs:
        log.start()
    loop.run(lambda: all(log.decided for log in logs), 30, "first decisions")

    def spent() -> tuple[float, float, float, int]:
        cpu = sum(server.cpu_seconds() for server in servers)
        return time.perf_counter(), time.process_time(), cpu, sum(log.decided for log in logs)

    start = spent()
    loop.run(lambda: time.perf_counter() - start[0] > seconds, seconds + 5, "slots")
    took, own, cpu, done = (b - a for a, b in zip(start, spent(), strict=True))
    for log in logs:
        log.stopping = True
    loop.run(lambda: all(log.stopped for log in logs), 30, "the last slots")
    return Slots(int(done), took, cpu, own / took)
