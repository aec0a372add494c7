"""A file of more than 2 GiB, both ways, with bounded memory. Takes minutes: HELIOGRAM_LARGE=1."""

from __future__ import annotations

import hashlib
import os
import resource
import time
from pathlib import Path

import pytest

from tests.node.transfer.kit import Node, fleet

SIZE = 2_200_000_000

#: Bytes of memory that a transfer may add.
MEMORY = 128 << 20


def digest(path: Path) -> bytes:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.digest()


@pytest.mark.campaign  # minutes, and 10 GB of disk
@pytest.mark.timeout(3000)
async def test_more_than_two_gibibytes(tmp_path: Path) -> None:
    source = tmp_path / "film.mkv"
    with source.open("wb") as file:
        file.truncate(SIZE)
        for place in range(0, SIZE, 100 << 20):
            file.seek(place)
            file.write(os.urandom(1 << 20))
    async with fleet(tmp_path, 1) as relays:
        async with Node(tmp_path / "alice", relays) as alice:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            started = time.monotonic()
            message = await alice.send(source)
            sealed = time.monotonic()
            alice.patience = 3000
            await alice.until(lambda one: one.state == "done")
            stored = time.monotonic()
        async with Node(tmp_path / "bob", relays) as bob:
            bob.patience = 3000
            asked = time.monotonic()
            info = await bob.fetched(await bob.receive(message))
            done = time.monotonic()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        assert info.path is not None and digest(Path(info.path)) == digest(source)
    for what, seconds in (
        ("sealed", sealed - started),
        ("uploaded", stored - sealed),
        ("downloaded and opened", done - asked),
    ):
        print(f"{what}: {SIZE / seconds / 1e6:.0f} MB/s")
    print(f"memory: {(after - before) >> 20} MiB more")
    assert after - before < MEMORY
