"""What the operator sees are sums: right ones, and nothing of a client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from heliogram.relay.serving.metrics import CONTENT_TYPE, Metrics, application
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode

Labels = dict[str, str]


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a page shows, read by Prometheus' own parser."""
    return {
        (one.name.removeprefix("heliogram_relay_"), tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for one in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, tuple(sorted(labels.items()))]


def test_requests_by_frame_and_outcome() -> None:
    metrics = Metrics()
    post, close = frames.Post(1, 2, b"canary"), frames.Close(1, 2)
    for _ in range(3):
        metrics.answered(post)
    metrics.refused(post, ErrorCode.OVER_BUDGET)
    metrics.answered(close)
    assert value(metrics, "requests_total", frame="POST", outcome="DONE") == 3
    assert value(metrics, "requests_total", frame="POST", outcome="OVER_BUDGET") == 1
    assert value(metrics, "requests_total", frame="CLOSE", outcome="DONE") == 1
    assert b"canary" not in metrics.text()


def test_bytes_and_people_at_the_door() -> None:
    metrics = Metrics()
    metrics.received(10)
    metrics.received(5)
    metrics.sent(7)
    metrics.turned_away("address")
    metrics.turned_away("slow")
    metrics.turned_away("slow")
    metrics.dropped()
    assert value(metrics, "received_messages_total") == 2
    assert value(metrics, "received_bytes_total") == 15
    assert value(metrics, "sent_bytes_total") == 7
    assert value(metrics, "turned_away_total", reason="slow") == 2
    assert value(metrics, "dropped_total") == 1


def test_batches_are_histograms() -> None:
    metrics = Metrics()
    metrics.batch(1, 0.0005)
    metrics.batch(3, 0.003)
    metrics.batch(5000, 99.0)
    assert value(metrics, "batch_size_bucket", le="1.0") == 1
    assert value(metrics, "batch_size_bucket", le="4.0") == 2
    assert value(metrics, "batch_size_bucket", le="+Inf") == 3
    assert value(metrics, "batch_size_sum") == 5004
    assert value(metrics, "commit_seconds_bucket", le="0.0005") == 1
    assert value(metrics, "commit_seconds_bucket", le="5.0") == 2
    assert value(metrics, "commit_seconds_count") == 3


def test_gauges_are_read_when_somebody_looks(tmp_path: Path) -> None:
    metrics = Metrics()
    waiting = [1]
    metrics.gauge("backlog", "Requests that wait.", lambda: waiting[0])
    metrics.watch_file("wal_bytes", "Bytes.", tmp_path / "wal")
    assert value(metrics, "backlog") == 1 and value(metrics, "wal_bytes") == 0
    waiting[0] = 2
    (tmp_path / "wal").write_bytes(b"x" * 9)
    assert value(metrics, "backlog") == 2 and value(metrics, "wal_bytes") == 9


def test_a_gauge_that_cannot_be_read_hides_no_others() -> None:
    def broken() -> float:
        raise OSError

    metrics = Metrics()
    metrics.gauge("broken", "x", broken)
    metrics.gauge("fine", "x", lambda: 1)
    shown = samples(metrics)
    assert ("broken", ()) not in shown and ("fine", ()) in shown


def test_relays_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.received(1)
    assert value(other, "received_messages_total") == 0


def test_there_are_no_other_labels() -> None:
    metrics = Metrics()
    metrics.refused(frames.Hello(1, (1,), b"n" * 32), ErrorCode.MALFORMED)
    metrics.turned_away("slow")
    labels = {key for _, pairs in samples(metrics) for key, _ in pairs}
    assert labels <= {"frame", "outcome", "reason", "what", "le"}


@pytest.mark.parametrize(("healthy", "status"), [(lambda: True, 200), (lambda: False, 503)])
async def test_the_two_pages(healthy: Callable[[], bool], status: int) -> None:
    metrics = Metrics()
    metrics.received(3)
    async with TestServer(application(metrics, healthy)) as server, ClientSession() as client:
        async with client.get(server.make_url("/metrics")) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            assert "heliogram_relay_received_bytes_total 3.0" in await answer.text()
        async with client.get(server.make_url("/health")) as answer:
            assert answer.status == status
        async with client.get(server.make_url("/")) as answer:
            assert answer.status == 404
