"""What is measured, the same way for every server."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.relay.loop import Connection, Loop, connect
from bench.relay.peer import Peer

PAYLOAD = 1024
#: Unacknowledged posts of one publisher: what our protocol allows.
WINDOW = 64
#: Publishers, however many logs there are: at least the first, at most the second.
PUBLISHERS = (4, 50)
#: No more posts than this in one measurement: they are encoded before it begins.
MOST_POSTS = 60_000
#: Posts in a second, at light load.
LIGHT = 200


@dataclass(frozen=True, slots=True)
class Size:
    """How long everything takes. `seconds`: about that much for each measurement."""

    seconds: float = 3.0
    logs: tuple[int, ...] = (1, 50, 1000)
    subscribers: int = 1000
    connections: int = 10_000
    #: For servers that are slow to log in.
    patience: float = 15.0


@dataclass(frozen=True, slots=True)
class Posts:
    """Durable posts with a receiver that is online."""

    count: int
    seconds: float
    server_cpu: float
    load_share: float  # of one core that the generator had

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @property
    def cpu_per_10_000(self) -> float:
        return self.server_cpu / self.count * 10_000


@dataclass(frozen=True, slots=True)
class FanOut:
    """One post to many receivers."""

    receivers: int
    last: float  # median seconds until the last has it
    load_share: float

    @property
    def rate(self) -> float:
        return self.receivers / self.last


class Bench:
    """Measurements on one server that runs. Every one takes logs of its own."""

    def __init__(self, peer: Peer, size: Size) -> None:
        self.peer = peer
        self.size = size
        self.loop = Loop()
        self.posted = 0
        self._logs = 0

    def posts(self, logs: int) -> Posts:
        """How fast posts are stored and received over so many logs."""
        mine = self._open(logs)
        publishers = min(max(logs, PUBLISHERS[0]), PUBLISHERS[1])
        shares = [mine[k::publishers] or mine for k in range(publishers)]
        step = self.peer.per_receiver
        groups = [mine[k : k + step] for k in range(0, logs, step)]
        receivers = self._connect([self._follower(group) for group in groups])
        senders = self._connect([self._poster(share) for share in shares])
        trial = self._burst(senders, shares, publishers * 10)
        for _ in range(2):  # the second trial is warm and long enough to be believed
            wanted = min(int(trial.rate * self.size.seconds / 4), MOST_POSTS)
            if wanted > trial.count:
                trial = self._burst(senders, shares, wanted)
        wanted = min(max(int(trial.rate * self.size.seconds), publishers), MOST_POSTS)
        found = self._burst(senders, shares, wanted)
        self._close([*receivers, *senders])
        return found

    def latency(self) -> list[float]:
        """Seconds from a post to its arrival at a receiver, at light load, in ascending order."""
        mine = self._open(1)
        (receiver,) = self._connect([self._follower(mine)])
        (sender,) = self._connect([self._poster(mine)])
        found: list[float] = []
        count = max(50, int(LIGHT * self.size.seconds))
        frames = [sender.encode(mine[0], os.urandom(PAYLOAD)) for _ in range(count)]
        self.loop.received = 0
        begin = time.perf_counter() + 0.05
        for number, frame in enumerate(frames):
            if number >= 50 and time.perf_counter() - begin > 2 * self.size.seconds:
                break
            while (left := begin + number / LIGHT - time.perf_counter()) > 0:
                self.loop.turn(left)
            start = time.perf_counter()
            sender.publish([frame], 1)
            # Not a millisecond of sleep too long: epoll's timeouts are that coarse.
            while self.loop.received <= number:
                self.loop.turn(1)
            found.append(time.perf_counter() - start)
            self.loop.run(lambda: sender.done, 10, "a post")
        self.posted += len(found)
        self._close([sender, receiver])
        return sorted(found)

    def fan_out(self) -> FanOut:
        """One post to many, again and again, each after the last receiver had the one before."""
        mine = self._open(1)
        makers = [self._follower(mine)] * self.size.subscribers
        followers = connect(self.loop, makers, self.size.patience / 2)
        (sender,) = self._connect([self._poster(mine)])
        times: list[float] = []
        own = time.process_time()
        end = time.perf_counter() + self.size.seconds
        while len(times) < 5 or (time.perf_counter() < end and len(times) < 200):
            frame = sender.encode(mine[0], os.urandom(PAYLOAD))
            start = time.perf_counter()
            self.loop.received = 0
            sender.publish([frame], 1)
            while self.loop.received < len(followers):
                self.loop.turn(1)
            times.append(time.perf_counter() - start)
            self.loop.run(lambda: sender.done, 10, "a post")
        own = time.process_time() - own
        self.posted += len(times)
        self._close([sender, *followers])
        return FanOut(len(followers), statistics.median(times), own / sum(times))

    def idle(self) -> tuple[int, float]:
        """How many connections were made, and the server's private bytes for each."""
        mine = self._open(max(1, self.size.connections // 100))
        first, size = 100, self.size.connections
        makers = [self._follower([mine[k % len(mine)]]) for k in range(first + size)]
        # What the first ones cost belongs to no connection: pools, caches, code.
        others = self._connect(makers[:first])
        before = self.peer.server.private_bytes()
        made = connect(self.loop, makers[first:], self.size.patience)
        self._rest(1.0)
        grown = self.peer.server.private_bytes() - before
        self._close([*others, *made])
        return len(made), grown / len(made)

    def begin_again(self) -> None:
        """Forget all connections, of which some may wait for what will never come."""
        self.loop.close()
        self.loop = Loop()

    def close(self) -> None:
        self.loop.close()

    def _burst(
        self,
        senders: list[Connection],
        shares: list[list[int]],
        count: int,
    ) -> Posts:
        each = max(1, count // len(senders))
        count = each * len(senders)
        batches = [
            [sender.encode(share[n % len(share)], os.urandom(PAYLOAD)) for n in range(each)]
            for sender, share in zip(senders, shares, strict=True)
        ]
        self.loop.received = 0
        server, own, start = (
            self.peer.server.cpu_seconds(),
            time.process_time(),
            time.perf_counter(),
        )
        for sender, batch in zip(senders, batches, strict=True):
            sender.publish(batch, WINDOW)
        self.loop.run(
            lambda: all(sender.done for sender in senders) and self.loop.received >= count,
            60,
            f"{count} posts",
        )
        seconds = time.perf_counter() - start
        own = time.process_time() - own
        self.posted += count
        return Posts(count, seconds, self.peer.server.cpu_seconds() - server, own / seconds)

    def _open(self, logs: int) -> list[int]:
        mine = list(range(self._logs, self._logs + logs))
        self._logs += logs
        self.peer.open(self.loop, mine)
        return mine

    def _poster(self, logs: list[int]) -> Callable[[], Connection]:
        return partial(self.peer.connect, self.loop, posts=logs, follows=())

    def _follower(self, logs: list[int]) -> Callable[[], Connection]:
        return partial(self.peer.connect, self.loop, posts=(), follows=logs)

    def _connect(self, makers: list[Callable[[], Connection]]) -> list[Connection]:
        return connect(self.loop, makers, 60)

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.loop.turn(0.1)

    def _close(self, connections: list[Connection]) -> None:
        for connection in connections:
            connection.close()
        self._rest(0.3)


def percentile(ordered: list[float], share: float) -> float:
    """The value below which so much of a sorted list lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
