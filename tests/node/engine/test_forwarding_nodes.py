"""Files are forwarded over real relays: fetched first if they must be, and never under the same key."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import NodeError
from tests.node.engine.test_recovery_nodes import Someone, relays, town

DATA = b"".join(sha256(bytes([at])).digest() * 40 for at in range(100))


async def _chat(one: Someone, kind: str) -> str:
    [found] = [chat.id for chat in await one.call(api.GetChats()) if chat.kind == kind]
    return found


async def _blobs(one: Someone) -> list[tuple[bytes, bytes, bytes]]:
    assert one._node is not None
    store = one._profile.store
    return store.query("SELECT blob, key, plain FROM files ORDER BY message, place")


async def test_files_are_fetched_and_sent_anew(tmp_path: Path) -> None:
    source = tmp_path / "list.bin"
    source.write_bytes(DATA)
    with relays(tmp_path, 1) as own:
        async with town(tmp_path, own, "alice", "bob") as (alice, bob):
            chat = await _chat(alice, "direct")
            await alice.until(api.GetChat(chat), lambda one: one.chat.phase == "open")
            sent = await alice.call(api.SendMessage(chat, "look", files=(str(source),)))
            await bob.reads(chat, "look")
            assert (await bob.call(api.GetMessage(sent.id))).files[0].state == "remote"
            await bob.until(api.GetChats(), lambda found: any(one.kind == "self" for one in found))
            [again] = await bob.call(api.ForwardMessages((sent.id,), "notes"))
            assert again.files[0].name == "list.bin" and again.files[0].size == len(DATA)
            stored = lambda one: one.state == "stored" and one.files[0].state == "remote"  # noqa: E731
            await bob.until(api.GetMessage(again.id), stored)
            first, second = await _blobs(bob)
            assert first[2] == second[2] == sha256(DATA).digest()
            assert first[0] != second[0] and first[1] != second[1]
            # The first blob may go now: what was said again has its own.
            await bob.call(api.GetFile(again.id, directory=str(tmp_path / "saved")))
            saved = await bob.until(api.GetMessage(again.id), lambda one: one.files[0].path)
            assert Path(saved.files[0].path or "").read_bytes() == DATA

            # Alice's own file lies here: nothing is fetched. Another file in its place is not taken.
            [mine] = await alice.call(api.ForwardMessages((sent.id,), chat))
            assert mine.forwarded is not None and mine.forwarded.who is not None
            await alice.until(api.GetMessage(sent.id), lambda one: one.files[0].state == "here")
            source.write_bytes(b"something else")
            await alice.call(api.ForwardMessages((sent.id,), chat))
            for row in await _blobs(alice):
                assert row[2] == sha256(DATA).digest()
            assert len({row[0] for row in await _blobs(alice)}) == 3

            # Where it cannot be had, nothing is sent.
            many = len(await bob.call(api.GetHistory(chat)))
            own[0].kill()
            with pytest.raises(NodeError):
                await bob.call(api.ForwardMessages((sent.id,), chat))
            assert len(await bob.call(api.GetHistory(chat))) == many
            assert not list((tmp_path / "bob").rglob("*.up"))
