"""Files from one node to another over real relays, with all that can come between."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import NotNow
from tests.node.transfer.kit import Node, fleet, pattern


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


async def test_a_file_goes_from_one_to_another(tmp_path: Path) -> None:
    data = pattern(3_000_000)
    source = written(tmp_path / "holiday.dat", data)
    async with fleet(tmp_path, 3) as relays:
        async with Node(tmp_path / "alice", relays) as alice, Node(tmp_path / "bob", relays) as bob:
            message = await alice.send(source)
            up = await alice.until(lambda one: one.state == "done")
            assert (up.direction, up.done, up.size) == ("up", len(data), len(data))
            assert set(alice.words.released) == {1} and len(alice.spooled()) == 1
            id = await bob.receive(message)
            (info,) = await bob.infos(id)
            assert (info.name, info.state, info.size) == ("holiday.dat", "remote", len(data))
            info = await bob.fetched(id)
            assert (info.state, info.doubt, info.inline) == ("here", "", False)
            assert info.path is not None
            path = Path(info.path)
            assert path.read_bytes() == data and path.stat().st_mode & 0o777 == 0o600
            assert path == bob.downloads / "holiday.dat" and bob.spooled() == []
            assert [one.name for one in bob.downloads.iterdir()] == ["holiday.dat"]


async def test_nothing_is_fetched_before_somebody_asks(tmp_path: Path) -> None:
    source = written(tmp_path / "a.txt", b"hello")
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        message = await alice.send(source)
        await alice.until(lambda one: one.state == "done")
        relays.processes[0].kill()
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            assert (await bob.infos(id))[0].state == "remote"
            assert await bob.shell.call(api.GetTransfers()) == []


async def test_the_message_waits_for_a_quorum_and_the_rest_goes_on_after(tmp_path: Path) -> None:
    data = pattern(200_000)
    source = written(tmp_path / "a.dat", data)
    async with fleet(tmp_path, 3, 2) as relays:
        first, second, third = relays.processes
        second.kill()
        third.kill()
        async with Node(tmp_path / "alice", relays) as alice:
            message = await alice.send(source)
            await alice.until_stored(1)
            assert alice.words.released == []
            second.start()
            while not alice.words.released:
                await alice.do(lambda part: None)
            # The third relay gets it too, as soon as it is back.
            third.start()
            await alice.until(lambda one: one.state == "done")
        first.kill()
        second.kill()
        async with Node(tmp_path / "bob", relays) as bob:
            info = await bob.fetched(await bob.receive(message))
            assert info.path is not None and Path(info.path).read_bytes() == data


async def test_a_sender_that_starts_anew_goes_on(tmp_path: Path) -> None:
    source = written(tmp_path / "a.dat", pattern(100_000))
    async with fleet(tmp_path, 2, 2) as relays:
        relays.processes[1].kill()
        async with Node(tmp_path / "alice", relays) as alice:
            await alice.send(source)
            await alice.until_stored(1)
        relays.processes[1].start()
        async with Node(tmp_path / "alice", relays) as alice:
            await alice.until(lambda one: one.state == "done")
            assert set(alice.words.released) == {1}


@pytest.mark.parametrize("whole", (True, False), ids=("it is there", "it is on its way"))
async def test_files_go_along_where_a_conversation_goes_on(tmp_path: Path, whole: bool) -> None:
    data = pattern(200_000)
    source = written(tmp_path / "a.dat", data)
    async with fleet(tmp_path / "old", 2, 2) as old, fleet(tmp_path / "new", 3, 2) as new:
        if not whole:
            old.processes[1].kill()
        new.processes[1].kill()
        new.processes[2].kill()
        async with Node(tmp_path / "alice", old) as alice:
            message = await alice.send(source)
            if whole:
                await alice.until(lambda one: one.state == "done")
            else:
                await alice.until_stored(1)
            alice.words.released.clear()
            await alice.do(lambda part: alice.words.go_on(1, new))
            await alice.until_stored(1)
            # One is no quorum.
            assert alice.words.released == []
            new.processes[1].start()
            while not alice.words.released:
                await alice.do(lambda part: None)
        # It goes on after the next start.
        new.processes[2].start()
        async with Node(tmp_path / "alice", new) as alice:
            alice.words.conversation += 1
            await alice.until(lambda one: one.state == "done")
            assert alice.words.failed == []
        for one in (*old.processes, *new.processes[:2]):
            if one.running:
                one.kill()
        async with Node(tmp_path / "bob", new) as bob:
            info = await bob.fetched(await bob.receive(message))
            assert info.path is not None and Path(info.path).read_bytes() == data


async def test_a_file_of_which_there_is_no_copy_does_not_go_along(tmp_path: Path) -> None:
    source = written(tmp_path / "a.dat", b"data")
    async with fleet(tmp_path / "old", 1) as old, fleet(tmp_path / "new", 1) as new:
        async with Node(tmp_path / "alice", old) as alice:
            message = await alice.send(source)
            await alice.until(lambda one: one.state == "done")
            await alice.shell.call(api.ClearKept())
            await alice.do(lambda part: alice.words.go_on(1, new))
            assert alice.words.failed == [(1, "not here")]
            # The old relays have it still.
            id = sha256(message).hexdigest()
            assert (await alice.infos(id))[0].state == "remote"


async def test_a_message_that_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    source = written(tmp_path / "a.dat", b"data")
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        with pytest.raises(NotNow):
            await alice.send(source, text="refuse")
        assert alice.spooled() == []


async def test_a_file_that_no_relay_takes_fails(tmp_path: Path) -> None:
    source = written(tmp_path / "a.dat", pattern(300_000))
    async with fleet(tmp_path, 1, max_blob=100_000) as relays:
        async with Node(tmp_path / "alice", relays) as alice:
            await alice.send(source)
            gone = await alice.until(lambda one: one.state == "failed")
            assert gone.trouble == "file too large"
            assert alice.words.failed == [(1, "file too large")]
            # The copy goes with its message: until then it can be sent again.
            assert len(alice.spooled()) == 1
            await alice.do(lambda part: part.gone(1))
            assert alice.spooled() == []


async def test_relays_that_keep_blobs_for_less_are_asked_for_less(tmp_path: Path) -> None:
    source = written(tmp_path / "a.dat", b"data")
    async with fleet(tmp_path, 1, blob_days=2) as relays, Node(tmp_path / "alice", relays) as alice:
        await alice.send(source)
        await alice.until(lambda one: one.state == "done")


async def test_a_relay_that_gives_other_bytes_is_passed_over(tmp_path: Path) -> None:
    data = pattern(1_000_000)
    source = written(tmp_path / "a.dat", data)
    async with fleet(tmp_path, 2, 2) as relays:
        async with Node(tmp_path / "alice", relays) as alice:
            message = await alice.send(source)
            await alice.until(lambda one: one.state == "done")
        (stored,) = [
            one for one in (relays.processes[0].data / "blobs").rglob("*") if one.is_file()
        ]
        bad = bytearray(stored.read_bytes())
        bad[500_000] ^= 1
        stored.chmod(0o600)
        stored.write_bytes(bad)
        async with Node(tmp_path / "bob", relays) as bob:
            info = await bob.fetched(await bob.receive(message))
            assert info.state == "here" and info.path is not None
            assert Path(info.path).read_bytes() == data
        (stored,) = [
            one for one in (relays.processes[1].data / "blobs").rglob("*") if one.is_file()
        ]
        stored.unlink()
        async with Node(tmp_path / "carol", relays) as carol:
            info = await carol.fetched(await carol.receive(message))
            assert info.state == "refused" and carol.spooled() == []
            assert not carol.downloads.exists() or not list(carol.downloads.iterdir())


async def test_a_file_that_no_relay_has_any_more_is_gone(tmp_path: Path) -> None:
    source = written(tmp_path / "a.dat", b"data")
    async with fleet(tmp_path, 2, 2) as relays:
        async with Node(tmp_path / "alice", relays) as alice:
            message = await alice.send(source)
            await alice.until(lambda one: one.state == "done")
            # She takes it back from all.
            await alice.do(lambda part: part.take_back(1))
            await alice.do(lambda part: part.gone(1))
            while alice.store.query("SELECT 1 FROM takebacks"):
                await alice.do(lambda part: None)
            async with Node(tmp_path / "bob", relays) as bob:
                info = await bob.fetched(await bob.receive(message))
                assert info.state == "gone"


async def test_two_files_with_one_name_both_stay(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        sent = [
            await alice.send(written(tmp_path / str(i) / "a.txt", f"number {i}".encode()))
            for i in range(2)
        ]
        await alice.until(lambda one: one.state == "done")
        await alice.until(lambda one: one.state == "done")
        async with Node(tmp_path / "bob", relays) as bob:
            own = written(bob.downloads / "a.txt", b"his own")
            ids = [await bob.receive(one) for one in sent]
            for id in (*ids, ids[0]):
                await bob.fetched(id)
            assert own.read_bytes() == b"his own"
            found = sorted(one.name for one in bob.downloads.iterdir())
            # The first was fetched twice and is there once.
            assert found == ["a (1).txt", "a (2).txt", "a.txt"]
            assert (bob.downloads / "a (2).txt").read_bytes() == b"number 1"


async def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    source = written(tmp_path / "a.dat", b"data")
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        message = await alice.send(source)
        await alice.until(lambda one: one.state == "done")
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            blocked = written(tmp_path / "a file", b"")
            info = await bob.fetched(id, directory=str(blocked / "below"))
            assert info.state == "remote" and bob.spooled() == []
            info = await bob.fetched(id)
            assert info.state == "here"


async def test_a_large_welcome_is_carried_and_fetched(tmp_path: Path) -> None:
    from hashlib import sha256

    from heliogram.node.value import WelcomeBlob

    blob = os.urandom(70_000)
    id = sha256(blob).digest()
    async with fleet(tmp_path, 2, 2) as relays, Node(tmp_path / "alice", relays) as alice:
        keys = [one.key for one in relays.configuration.relays]
        await alice.do(lambda part: part.carry(1, id, blob, keys))
        while set(alice.words.carried) != set(keys):
            await alice.do(lambda part: part.carry(1, id, blob, keys))
        welcome = WelcomeBlob(id, len(blob), bytes(32))
        await alice.do(lambda part: part.fetch_welcome(1, welcome, relays.configuration.relays))
        while not alice.words.fetched:
            await alice.do(lambda part: None)
        assert alice.words.fetched == [blob]
