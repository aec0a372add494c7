"""Numbers 66, 71 and 73: whatever somebody does to a relay, its memory is bounded and others are served.

Each way of `abuse` is played against a process of its own, whose memory is measured, while somebody honest
posts, reads and is pushed to, and gets every answer. `HELIOGRAM_ABUSE=10` is ten times as much of everything.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.relay import abuse
from tests.relay.abuse import MIB, Abuse, Honest
from tests.relay.process import RelayProcess
from tests.relay.raw import Raw

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in /proc")

#: Settings that hold for strangers, but for the bounds on one address: all come from this machine.
SETTINGS: dict[str, int | str | bool] = {
    "difficulty_inbox": 18,
    "requests_per_second": 500,
    "signatures_per_second": 200,
    "hello_seconds": 2,
    "write_seconds": 2,
}

#: What is done, and MiB that the relay may take for it at most, above what it had.
CASES: list[tuple[Abuse, int]] = [
    (abuse.silent_connections, 16),
    (abuse.slow_heads, 16),
    (abuse.slow_second_heads, 16),
    (abuse.headers, 48),
    (abuse.endless_line, 16),
    (abuse.bodies, 32),
    (abuse.chunked_bodies, 48),
    (abuse.pipelined, 48),
    (abuse.pipelined_after_upgrade, 48),
    (abuse.garbage, 32),
    (abuse.storm, 32),
    (abuse.slow_frames, 16),
    (abuse.huge_frames, 16),
    (abuse.waiting_frames, 64),
    (abuse.fragments, 32),
    (abuse.pings, 48),
    (abuse.empty_messages, 64),
    (abuse.lengths, 48),
    (abuse.bad_requests, 48),
    (abuse.bad_signatures, 32),
    (abuse.bad_work, 64),
    (abuse.unread_pages, 96),
    (abuse.unread_posts, 96),
    (abuse.channels, 32),
    (abuse.large_locks, 96),
]


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path, settings=SETTINGS) as process:
        yield process


@pytest.mark.parametrize(("attack", "ceiling"), CASES, ids=[one.__name__ for one, _ in CASES])
async def test_66_memory_is_bounded_and_others_are_served(
    attack: Abuse, ceiling: int, relay: RelayProcess, record_property: Callable[[str, object], None]
) -> None:
    async with Honest(relay) as honest:
        await asyncio.sleep(0)
        before = abuse.resident(relay.pid)
        abuse.forget_peak(relay.pid)
        floor = abuse.peak(relay.pid)
        await attack(relay)
        grown, stays = abuse.peak(relay.pid) - floor, abuse.resident(relay.pid) - before
    told = f"{attack.__name__}: peak +{grown / MIB:.1f} MiB, after +{stays / MIB:.1f} MiB"
    print(f"\n{told}; honest {honest.report()}")
    record_property("figures", told)
    assert grown < ceiling * MIB
    assert relay.stop() == 0
    assert " ERROR " not in relay.text() and "Traceback" not in relay.text()


async def test_handshakes_that_do_not_end(tmp_path: Path) -> None:
    """They are counted, and have a deadline: nobody takes all files by them."""
    pem = trustme.CA().issue_cert("127.0.0.1")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    pem.cert_chain_pems[0].write_to_path(certificate)
    pem.private_key_pem.write_to_path(key)
    secure: dict[str, int | str | bool] = {"tls_cert": str(certificate), "tls_key": str(key)}
    with RelayProcess(tmp_path / "relay", settings={**SETTINGS, **secure}) as process:
        abuse.forget_peak(process.pid)
        floor = abuse.peak(process.pid)
        await abuse.handshakes(process)
        grown = abuse.peak(process.pid) - floor
        print(f"\nhandshakes: peak +{grown / MIB:.1f} MiB")
        assert grown < 64 * MIB
        assert process.stop() == 0
        assert " ERROR " not in process.text()


#: Idle connections that are measured, and the goal for each in the server's process.
IDLE, GOAL = 1000, 16 << 10


async def test_an_idle_connection_is_small(tmp_path: Path) -> None:
    # Nobody is hurried here: how long a busy machine takes for a greeting is no matter.
    room = {"max_connections": 2 * IDLE, "max_connections_per_address": 2 * IDLE}
    settings = {**SETTINGS, **room, "hello_seconds": 60, "idle_seconds": 3600}
    connections: list[Raw] = []
    with RelayProcess(tmp_path, settings=settings) as process:
        try:
            for _ in range(100):
                connections.append(await Raw.greeted(process.where))
            before = abuse.resident(process.pid)
            for _ in range(IDLE):
                connections.append(await Raw.greeted(process.where))
            each = (abuse.resident(process.pid) - before) / IDLE
        finally:
            for raw in connections:
                await raw.close()
    print(f"\nidle connection: {each / 1024:.1f} KiB")
    assert each <= GOAL


async def test_no_more_than_allowed_come_in(tmp_path: Path) -> None:
    settings = {**SETTINGS, "max_connections": 50, "connections_per_minute": 200}
    with RelayProcess(tmp_path, settings=settings) as process:
        async with Honest(process):
            inside = [await Raw.greeted(process.where) for _ in range(49)]
            for _ in range(300):
                late = await Raw.connect(process.where)
                assert await late.rest() == b""
                await late.close()
            for raw in inside:
                await raw.close()
