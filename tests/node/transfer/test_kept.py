"""Files that stay sealed on the disk and are read piece by piece."""

from __future__ import annotations

import asyncio
import os
import time
from hashlib import sha256
from pathlib import Path

import pytest

from heliogram.content.mimi import Message
from heliogram.node import api
from heliogram.node.errors import NotFound, NotHere
from heliogram.node.store.files import FileRow
from tests.node.transfer.kit import Fleet, Node, fleet, pattern
from tests.node.transfer.test_killed import killed_at
from tests.node.transfer.test_transfers import written

PDF = b"%PDF-1.7\n"


def id_of(message: bytes) -> str:
    """The id that a message has here."""
    return sha256(Message.from_bytes(message).encode()).hexdigest()


def is_nowhere(directory: Path, data: bytes) -> bool:
    """Whether no file below holds any part of it."""
    files = [one for one in directory.rglob("*") if one.is_file()]
    return all(data[at : at + 64] not in one.read_bytes() for one in files for at in (0, 70_000))


async def sent(directory: Path, relays: Fleet, data: bytes, name: str = "a.dat") -> bytes:
    """A message with a file, of somebody who is gone by now."""
    source = written(directory / "source" / name, data)
    async with Node(directory / "sender", relays) as sender:
        message = await sender.send(source)
        await sender.until(lambda one: one.state == "done")
    return message


async def test_a_kept_file_is_read_from_any_place_and_lies_sealed(tmp_path: Path) -> None:
    data = PDF + pattern(1_000_000)
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, data, "a.pdf.dat")
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            with pytest.raises(NotHere):
                await bob.read(id)
            info = await bob.keep(id)
            assert (info.state, info.path, info.done) == ("kept", None, len(data))
            relays.processes[0].kill()
            assert await bob.all_of(id) == data
            for offset, length in ((0, 1), (65_519, 2), (65_520, 65_520), (999_000, 5_000)):
                piece = await bob.read(id, offset, length)
                assert piece.data == data[offset : offset + length]
                assert (piece.offset, piece.size) == (offset, len(data))
            assert (await bob.read(id, len(data))).data == b""
            assert (await bob.read(id, 0, 9)).content_type == "application/pdf"
            # Nothing is done twice, and a place of more than there is has no file.
            assert (await bob.shell.call(api.KeepFile(id))).state == "done"
            with pytest.raises(NotFound):
                await bob.shell.call(api.ReadFile(id, 1))
        assert is_nowhere(tmp_path / "bob", data)
        # Locked and opened again.
        async with Node(tmp_path / "bob", relays) as bob:
            assert await bob.all_of(id) == data


async def test_what_a_file_is_says_its_bytes(tmp_path: Path) -> None:
    page = b"<!doctype html><html><script>alert(1)</script></html>"
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, page, "a.txt")
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            info = await bob.keep(id)
            assert (info.doubt, info.content_type, info.inline) == ("mismatch", "text/html", False)
            assert (await bob.read(id)).content_type == "text/html"


async def test_our_own_files_are_readable_at_once_and_after(tmp_path: Path) -> None:
    data = pattern(300_000)
    async with fleet(tmp_path, 1) as relays:
        relays.processes[0].kill()
        source = written(tmp_path / "a.ogg", b"OggS" + data)
        async with Node(tmp_path / "alice", relays) as alice:
            id = id_of(await alice.send(source, voice=2.5))
            source.unlink()
            assert (await alice.infos(id))[0].state == "sending"
            piece = await alice.read(id)
            assert (piece.data[:4], piece.content_type) == (b"OggS", "audio/ogg")
            assert (await alice.shell.call(api.KeepFile(id))).direction == "up"
            relays.processes[0].start()
            up = await alice.until(lambda one: one.state == "done")
            assert (up.direction, up.done) == ("up", up.size)
            assert (await alice.infos(id))[0].state == "kept"
            assert await alice.all_of(id) == b"OggS" + data


async def test_saving_what_is_kept_needs_no_network(tmp_path: Path) -> None:
    data = pattern(200_000)
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, data)
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            await bob.keep(id)
            relays.processes[0].kill()
            blocked = written(tmp_path / "a file", b"")
            info = await bob.fetched(id, directory=str(blocked / "below"))
            assert info.state == "kept" and await bob.all_of(id) == data
            info = await bob.fetched(id)
            assert info.state == "here" and info.path is not None
            assert Path(info.path).read_bytes() == data
            # The sealed copy stays: what was saved may be changed or deleted.
            Path(info.path).write_bytes(b"changed")
            assert await bob.all_of(id) == data


async def test_saving_and_keeping_at_once(tmp_path: Path) -> None:
    data = pattern(100_000)
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, data)
        relays.processes[0].kill()
        for first in (api.KeepFile, api.GetFile):
            async with Node(tmp_path / first.__name__, relays) as bob:
                id = await bob.receive(message)
                await bob.shell.call(first(id))
                await bob.shell.call(api.KeepFile(id))
                await bob.shell.call(api.GetFile(id))
                relays.processes[0].start()
                await bob.until(lambda one: one.state == "done")
                (info,) = await bob.infos(id)
                assert info.state == "here" and info.path is not None
                assert Path(info.path).read_bytes() == data and len(bob.spooled()) == 1
            relays.processes[0].kill()


async def test_a_saved_file_is_read_while_it_is_the_same(tmp_path: Path) -> None:
    data = pattern(150_000)
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, data)
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            info = await bob.fetched(id)
            assert info.path is not None and bob.spooled() == []
            assert await bob.all_of(id) == data
            assert (await bob.keep(id)).state == "here" and bob.spooled() == []
            # As long as before, and written at the same time as far as one can tell.
            path = Path(info.path)
            status = path.stat()
            path.write_bytes(data[:-1] + b"!")

            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            with pytest.raises(NotHere):
                await bob.read(id)
            info = await bob.keep(id)
            assert (info.state, info.path) == ("kept", None) and await bob.all_of(id) == data


async def test_a_damaged_copy_is_never_read(tmp_path: Path) -> None:
    data = pattern(500_000)
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, data)
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            for harm in ("flip", "cut", "gone"):
                assert (await bob.keep(id)).state == "kept"
                assert (await bob.read(id, 0, 10)).data == data[:10]
                (copy,) = bob.spool.directory.iterdir()
                bad = bytearray(copy.read_bytes())
                bad[450_000] ^= 1
                if harm == "gone":
                    copy.unlink()
                else:
                    copy.write_bytes(bad if harm == "flip" else bad[:-1])
                # Also not the part that is as it was.
                with pytest.raises(NotHere):
                    await bob.read(id, 0, 10)
                assert (await bob.infos(id))[0].state == "remote" and bob.spooled() == []
            assert (await bob.keep(id)).state == "kept" and await bob.all_of(id) == data


async def test_what_no_relay_has_cannot_be_kept(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, b"data")
        (stored,) = [o for o in (relays.processes[0].data / "blobs").rglob("*") if o.is_file()]
        stored.unlink()
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            assert (await bob.keep(id)).state == "gone"
            with pytest.raises(NotHere):
                await bob.read(id)


async def test_copies_go_with_their_message(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, b"data")
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            await bob.keep(id)
            number = bob.words.find_message(id)
            await bob.do(lambda part: part.gone(number))
            assert bob.spooled() == []
            with pytest.raises(NotFound):
                await bob.read(id)


async def test_the_oldest_copies_go_that_relays_still_have(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as relays:
        messages = [
            await sent(tmp_path, relays, pattern(100_000, str(at)), f"{at}.dat") for at in range(4)
        ]
        async with Node(tmp_path / "bob", relays, most_kept=250_000) as bob:
            ids = [await bob.receive(one) for one in messages]
            await bob.keep(ids[0])
            # Nobody has it any more in a moment.
            until = int(time.time()) + 3600
            await bob.do(lambda part: bob.store.execute("UPDATE files SET expires = ?", (until,)))
            later = until + 30 * 86_400
            await bob.do(
                lambda part: bob.store.execute(
                    "UPDATE files SET expires = ? WHERE message > 1", (later,)
                )
            )
            for id in ids[1:]:
                await bob.keep(id)
            states = [(await bob.infos(id))[0].state for id in ids]
            assert states == ["kept", "remote", "kept", "kept"] and len(bob.spooled()) == 3
            storage = await bob.shell.call(api.GetStorage())
            assert 300_000 < storage.kept < 350_000 and storage.saved == 0
            left = await bob.shell.call(api.ClearKept())
            assert 100_000 < left.kept < 120_000
            states = [(await bob.infos(id))[0].state for id in ids]
            assert states == ["kept", "remote", "remote", "remote"]
            assert await bob.all_of(ids[0]) == pattern(100_000, "0")


async def test_the_newest_copy_stays_whatever_its_size(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, pattern(100_000))
        async with Node(tmp_path / "bob", relays, most_kept=1) as bob:
            assert (await bob.keep(await bob.receive(message))).state == "kept"


async def test_what_was_saved_need_not_be_kept_if_it_is_still_there(tmp_path: Path) -> None:
    data = pattern(100_000)
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, data)
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            await bob.keep(id)
            info = await bob.fetched(id)
            assert info.path is not None
            await bob.do(lambda part: bob.store.execute("UPDATE files SET expires = 1"))
            before = await bob.shell.call(api.GetStorage())
            assert before.saved == len(data) < before.kept and before.database > 4096
            assert before.messages == 1
            path = Path(info.path)
            path.rename(tmp_path / "elsewhere")
            left = await bob.shell.call(api.ClearKept())
            assert (left.kept, left.saved) == (before.kept, 0)
            (tmp_path / "elsewhere").rename(path)
            left = await bob.shell.call(api.ClearKept())
            assert (left.kept, left.saved) == (0, len(data)) and bob.spooled() == []
            assert await bob.all_of(id) == data


async def test_keeping_goes_on_after_a_kill(tmp_path: Path) -> None:
    size = 64 << 20
    data = pattern(size)
    async with fleet(tmp_path, 1) as relays:
        message = await sent(tmp_path, relays, data, "film.mkv")
        relays.processes[0].kill()
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            await bob.shell.call(api.KeepFile(id))
        relays.processes[0].start()
        await killed_at(tmp_path / "bob", relays, size // 10)
        async with Node(tmp_path / "bob", relays) as bob:
            with pytest.raises(NotHere):
                await bob.read(id)
            await bob.until(lambda one: one.state == "done")
            assert (await bob.infos(id))[0].state == "kept"
            relays.processes[0].kill()
            began = time.perf_counter()
            out = bytearray()
            while len(out) < size:
                out += (await bob.read(id, len(out))).data
            rate = size / (time.perf_counter() - began) / 1e6
            assert out == data
            print(f"{rate:.0f} MB/s, with the first look at all of it")
            began = time.perf_counter()
            pieces = await asyncio.gather(
                *(bob.read(id, at, 1 << 20) for at in range(0, size, 1 << 20))
            )
            rate = size / (time.perf_counter() - began) / 1e6
            assert b"".join(one.data for one in pieces) == data
            print(f"{rate:.0f} MB/s, in large pieces")


def test_rows_say_nothing(tmp_path: Path) -> None:
    row = FileRow(
        *(1, 0, b"blob", b"key", b"plain", "name", "text/plain", 5, False, None, None, "kept"),
        *("", "", b"relays", "spool", 7, "directory", "path", None, b"", 1, None),
    )
    assert not {"blob", "key", "name", "spool", "path"} & set(repr(row).split("'"))
