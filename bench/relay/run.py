"""All measurements of all servers, into one table of numbers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.relay import slots
from bench.relay.loop import LoadError
from bench.relay.mqtt import Mosquitto
from bench.relay.nats import JetStream, JetStreamDefault
from bench.relay.ours import Ours
from bench.relay.peer import NotHere, Peer
from bench.relay.scenarios import Bench, Size, percentile
from bench.relay.server import disk_bytes
from bench.relay.xmpp import Ejabberd, Prosody

PEERS: dict[str, type[Peer]] = {
    kind.name: kind for kind in (Ours, JetStream, JetStreamDefault, Mosquitto, Prosody, Ejabberd)
}
#: A generator above this share of its core may be what was measured.
BUSY = 0.8

P50, P99 = "post to receive, p50", "post to receive, p99"
CPU = "server CPU for 10,000 posts"
DISK = "disk for a post of 1 KiB"
IDLE = "memory of an idle connection"
SLOTS = "slots decided by four relays"
SYNC = "the disk: fdatasync of 4 KiB"


def posts_name(logs: int) -> str:
    return f"durable posts, {logs:,} {'log' if logs == 1 else 'logs'}"


def fan_out_names(subscribers: int) -> tuple[str, str]:
    return f"fan-out to {subscribers:,}", f"the last of {subscribers:,} after"


@dataclass(slots=True)
class Results:
    """What was measured: rows by name, in it columns by the server's name. Units: see `table`."""

    size: Size
    only: str = ""
    cells: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: Said while it runs.
    tell: Callable[[str], None] = lambda text: None

    def asks_for(self, *rows: str) -> bool:
        return any(self.only in row for row in rows)

    def rows(self) -> list[str]:
        """All there can be, in the order of the table."""
        posts = [posts_name(logs) for logs in self.size.logs]
        return [
            *posts,
            P50,
            P99,
            *fan_out_names(self.size.subscribers),
            CPU,
            DISK,
            IDLE,
            SLOTS,
            SYNC,
        ]

    def note(self, row: str, column: str, value: float) -> None:
        if self.asks_for(row):
            self.cells.setdefault(row, {})[column] = value

    def busy(self, row: str, column: str, share: float) -> None:
        if share > BUSY:
            self.notes.append(f"{column}, {row}: the load generator had {share:.0%} of its core.")


def measure(kind: type[Peer], results: Results, folder: Path) -> None:
    """Everything about one server, as far as it is there and does what it should."""
    steps = [_active, _idle]
    with TemporaryDirectory(dir=folder) as name:
        for number, step in enumerate(steps):
            peer = kind(Path(name) / str(number))
            try:
                step(peer, results)
            except NotHere as missing:
                results.notes.append(f"{kind.name} is not measured: {missing}.")
                return
            except LoadError as error:
                results.notes.append(f"{kind.name} is measured in part: {error}.")
    results.notes.append(f"{kind.name}: {peer.durability}.")


def measure_slots(results: Results, folder: Path) -> None:
    """What four of our relays decide together."""
    if not results.asks_for(SLOTS):
        return
    results.tell(SLOTS)
    try:
        found = slots.decide(folder, results.size.seconds * 2)
    except LoadError as error:
        results.notes.append(f"slots are not measured: {error}.")
        return
    results.note(SLOTS, Ours.name, found.rate)
    results.notes.append(
        f"slots: {slots.LOGS} logs change at the same time; a slot takes "
        f"{found.server_cpu / found.count * 1e3:.1f} ms of CPU of the {slots.RELAYS} relays together, and "
        f"their members had {found.load_share:.0%} of a core."
    )


def _active(peer: Peer, results: Results) -> None:
    size, column = results.size, peer.name
    everything = [row for row in results.rows() if row not in (IDLE, SLOTS, SYNC)]
    if not results.asks_for(*everything):
        return
    results.cells.setdefault(SYNC, {})[column] = disk_speed(peer.folder)
    peer.start()
    try:
        before = disk_bytes(peer.data)
        bench = Bench(peer, size)
        peer.check(bench.loop)
        # Posts over most logs come last: some servers need long to recover from them.
        steps = [
            *(partial(_posts, bench, results, logs) for logs in size.logs[:-1]),
            partial(_latency, bench, results),
            partial(_fan_out, bench, results),
            partial(_posts, bench, results, size.logs[-1]),
        ]
        for step in steps:
            try:
                step()
            except LoadError as error:
                results.notes.append(f"{column} is measured in part: {error}.")
                bench.begin_again()
        bench.close()
    finally:
        peer.stop()
    if bench.posted:
        results.note(DISK, column, (disk_bytes(peer.data) - before) / bench.posted)


def _posts(bench: Bench, results: Results, logs: int) -> None:
    row, column = posts_name(logs), bench.peer.name
    # Not the first, which pays for what is done once.
    main = logs == results.size.logs[1]
    if not results.asks_for(row, DISK, *([CPU] if main else [])):
        return
    results.tell(f"{column}: {row}")
    found = bench.posts(logs)
    results.note(row, column, found.rate)
    results.busy(row, column, found.load_share)
    if main:
        results.note(CPU, column, found.cpu_per_10_000)


def _latency(bench: Bench, results: Results) -> None:
    if not results.asks_for(P50, P99):
        return
    column = bench.peer.name
    results.tell(f"{column}: {P50}")
    times = bench.latency()
    results.note(P50, column, percentile(times, 0.5))
    results.note(P99, column, percentile(times, 0.99))


def _fan_out(bench: Bench, results: Results) -> None:
    row, last = fan_out_names(results.size.subscribers)
    if not results.asks_for(row, last):
        return
    column = bench.peer.name
    results.tell(f"{column}: {row}")
    found = bench.fan_out()
    results.note(row, column, found.rate)
    results.busy(row, column, found.load_share)
    if found.receivers == results.size.subscribers:
        results.note(last, column, found.last)
    else:
        results.notes.append(
            f"{column}: fan-out to {found.receivers:,} only: joining took too long for more."
        )


def _idle(peer: Peer, results: Results) -> None:
    if not results.asks_for(IDLE):
        return
    results.tell(f"{peer.name}: {IDLE}")
    peer.start()
    try:
        bench = Bench(peer, results.size)
        count, size = bench.idle()
        bench.close()
    finally:
        peer.stop()
    results.note(IDLE, peer.name, size)
    if count < results.size.connections:
        results.notes.append(
            f"{peer.name}: only {count:,} idle connections: logging in took too long for more."
        )


def disk_speed(folder: Path) -> float:
    """Median seconds of fdatasync after 4 KiB: below this no durable post is possible alone."""
    times = []
    path = folder / "probe"
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(200):
            os.write(file, os.urandom(4096))
            start = time.perf_counter()
            os.fdatasync(file)
            times.append(time.perf_counter() - start)
    finally:
        os.close(file)
        with suppress(OSError):
            path.unlink()
    return sorted(times)[len(times) // 2]


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on."""
    path, best = str(folder.resolve()), ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        place, kind = line.split()[1:3]
        if path.startswith(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1]
