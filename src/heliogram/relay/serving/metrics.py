"""How the relay is doing, for Prometheus: sums over everybody, and nothing about anybody.

    metrics.answered(frame)         # what happens often is one addition
    metrics.text()                  # the page of /metrics

No label comes from a client: labels are the protocol's own names and our own words. Not for two threads; the
loop counts, and the loop shows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from heliogram.wire.errors import ErrorCode
from heliogram.wire.frames import Frame, FrameType

#: What `GET /metrics` says it is.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: The outcome of a request that was done.
DONE: Final = "DONE"

#: Upper bounds of seconds of a commit, and of requests in it.
_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)

_PREFIX: Final = "heliogram_relay_"


class Metrics(Collector):
    """The counters of one relay."""

    def __init__(self) -> None:
        self._outcomes: Counter[tuple[type[Frame], str]] = Counter()
        self._received = [0, 0]
        self._sent = [0, 0]
        self._turned_away: Counter[str] = Counter()
        self._dropped = 0
        self._seconds = _Histogram(_SECONDS)
        self._sizes = _Histogram(_SIZES)
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    # --- what happens ---

    def answered(self, frame: Frame) -> None:
        """A request was done."""
        self._outcomes[type(frame), DONE] += 1

    def refused(self, frame: Frame, code: ErrorCode) -> None:
        """A request was refused."""
        self._outcomes[type(frame), code.name] += 1

    def received(self, size: int) -> None:
        """A message of `size` bytes came."""
        self._received[0] += 1
        self._received[1] += size

    def sent(self, size: int) -> None:
        """`size` bytes were written to a client at once."""
        self._sent[0] += 1
        self._sent[1] += size

    def batch(self, size: int, seconds: float) -> None:
        """`size` requests were on disk after `seconds`."""
        self._sizes.observe(size)
        self._seconds.observe(seconds)

    def turned_away(self, reason: str) -> None:
        """A connection was ended at the door. `reason` is a word of ours."""
        self._turned_away[reason] += 1

    def dropped(self) -> None:
        """A client was dropped because it did not read."""
        self._dropped += 1

    # --- what is ---

    def gauge(self, name: str, what: str, read: Callable[[], float]) -> None:
        """Show `read()` as `name` whenever somebody looks. If it raises `OSError`, the gauge is left out."""
        self._gauges[name] = (what, read)

    def watch_file(self, name: str, what: str, path: Path) -> None:
        """Show the bytes of a file, or 0 while there is none."""
        self.gauge(name, what, lambda: path.stat().st_size if path.exists() else 0)

    # --- what is shown ---

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is depends on what happened."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """For the registry: the present values."""
        requests = CounterMetricFamily(
            _PREFIX + "requests", "Requests by frame and outcome.", labels=("frame", "outcome")
        )
        for (kind, outcome), count in sorted(self._outcomes.items(), key=_by_name):
            requests.add_metric((_frame_name(kind), outcome), count)
        yield requests
        for name, (messages, size) in (("received", self._received), ("sent", self._sent)):
            yield _counter(name + "_messages", f"Messages or writes, {name}.", messages)
            yield _counter(name + "_bytes", f"Bytes, {name}, without TLS and framing.", size)
        yield _counter("dropped", "Clients dropped because they did not read.", self._dropped)
        family = CounterMetricFamily(
            _PREFIX + "turned_away", "Connections ended at the door.", labels=("reason",)
        )
        for word, count in sorted(self._turned_away.items()):
            family.add_metric((word,), count)
        yield family
        yield self._seconds.family("commit_seconds", "Seconds until a batch was on disk.")
        yield self._sizes.family("batch_size", "Requests in one batch.")
        for name, (what, read) in self._gauges.items():
            try:
                value = read()
            except OSError:
                continue
            yield GaugeMetricFamily(_PREFIX + name, what, value)


class _Histogram:
    """Counts by upper bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, what: str) -> HistogramMetricFamily:
        names = [*map(str, self._bounds), "+Inf"]
        totals = [float(total) for total in accumulate(self._counts)]
        buckets = list(zip(names, totals, strict=True))
        return HistogramMetricFamily(_PREFIX + name, what, buckets=buckets, sum_value=self._sum)


def _counter(name: str, what: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, what, value=value)


def _frame_name(kind: type[Frame]) -> str:
    tag = kind.__struct_config__.tag
    return FrameType(tag).name if isinstance(tag, int) else ""


def _by_name(item: tuple[tuple[type[Frame], str], int]) -> tuple[str, str]:
    (kind, outcome), _ = item
    return kind.__name__, outcome


# --- Shown to the operator ------------------------------------------------------------------------


def application(metrics: Metrics, healthy: Callable[[], bool]) -> web.Application:
    """`/metrics` and `/health`, for a port that only this machine can reach."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def health(_: web.Request) -> web.Response:
        if healthy():
            return web.Response(text="ok\n")
        return web.Response(text="not serving\n", status=503)

    made = web.Application()
    made.router.add_get("/metrics", show)
    made.router.add_get("/health", health)
    return made
