"""Transfers of a node that is killed: they go on where they stood. And relays that are."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.transfer import mover
from tests.node.transfer.kit import Fleet, Node, fleet, pattern

SIZE = 64 << 20


def program(node: Path, relays: Fleet) -> list[str]:
    """The command that runs a node alone."""
    instances = [f"{key.hex()}={one.hex()}" for key, one in relays.instances.items()]
    command = [sys.executable, "-m", "tests.node.transfer.program", str(node)]
    return [*command, relays.configuration.encode().hex(), *instances]


async def killed_at(node: Path, relays: Fleet, least: int) -> None:
    """Run the node until a transfer is so far, and kill it."""
    child = await asyncio.create_subprocess_exec(
        *program(node, relays), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(120):
            while line := await child.stdout.readline():
                if line.strip().isdigit() and int(line) >= least:
                    break
    finally:
        child.kill()
        await child.wait()


async def test_both_sides_go_on_after_they_were_killed(tmp_path: Path) -> None:
    data = pattern(SIZE)
    source = tmp_path / "film.mkv"
    source.write_bytes(data)
    async with fleet(tmp_path, 1) as relays:
        # Nothing goes up while the relay is away; then it goes up in a process that is killed.
        relays.processes[0].kill()
        async with Node(tmp_path / "alice", relays) as alice:
            message = await alice.send(source)
        relays.processes[0].start()
        await killed_at(tmp_path / "alice", relays, SIZE // 10)
        uploads = [
            one for one in (relays.processes[0].data / "uploads").rglob("*") if one.is_file()
        ]
        there = sum(one.stat().st_size for one in uploads)
        assert 0 < there < SIZE
        async with Node(tmp_path / "alice", relays) as alice:
            first = await alice.until(lambda one: one.done > 0)
            assert first.done >= SIZE // 10  # nothing of it again
            if first.state != "done":
                await alice.until(lambda one: one.state == "done")
            assert set(alice.words.released) == {1}

        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            relays.processes[0].kill()
            await bob.shell.call(api.GetFile(id))
        relays.processes[0].start()
        await killed_at(tmp_path / "bob", relays, SIZE // 10)
        (copy,) = (tmp_path / "bob" / "spool").iterdir()
        there = copy.stat().st_size
        assert 0 < there <= SIZE * 2
        assert data[:1000] not in copy.read_bytes()
        async with Node(tmp_path / "bob", relays) as bob:
            await bob.until(lambda one: one.state == "done")
            (info,) = await bob.infos(id)
            assert info.path is not None and Path(info.path).read_bytes() == data
            assert [one.name for one in bob.downloads.iterdir()] == ["film.mkv"]
            assert bob.spooled() == []


async def test_a_torn_copy_is_verified_before_it_goes_on(tmp_path: Path) -> None:
    data = pattern(1 << 20)
    source = tmp_path / "a.dat"
    source.write_bytes(data)
    async with fleet(tmp_path, 1) as relays:
        async with Node(tmp_path / "alice", relays) as alice:
            message = await alice.send(source)
            await alice.until(lambda one: one.state == "done")
        relays.processes[0].kill()
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            await bob.shell.call(api.GetFile(id))
            row = bob.store.one("SELECT spool FROM files")
            assert row is not None
        # What a power cut leaves: the right length and other bytes.
        (tmp_path / "bob" / "spool" / str(row[0])).write_bytes(bytes(400_000))
        relays.processes[0].start()
        async with Node(tmp_path / "bob", relays) as bob:
            await bob.until(lambda one: one.state == "done")
            (info,) = await bob.infos(id)
            assert info.path is not None and Path(info.path).read_bytes() == data


async def test_a_relay_that_is_killed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each part is told of, so that it is killed while the others are still to come.
    monkeypatch.setattr(mover, "EVERY", 0.0)
    data = pattern(SIZE)
    source = tmp_path / "a.dat"
    source.write_bytes(data)
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        message = await alice.send(source)
        assert (await alice.until(lambda one: one.done > 0)).state == "running"
        relays.processes[0].kill()
        relays.processes[0].start()
        await alice.until(lambda one: one.state == "done")
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            await bob.shell.call(api.GetFile(id))
            assert (await bob.until(lambda one: one.done > 0)).state == "running"
            relays.processes[0].kill()
            relays.processes[0].start()
            await bob.until(lambda one: one.state == "done")
            (info,) = await bob.infos(id)
            assert info.path is not None and Path(info.path).read_bytes() == data
