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
    chats: list[api.Chat] = await one.call(api.GetChats())
    [found] = [chat.id for chat in chats if chat.kind == kind]
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
            stored = lambda one: one.state == "stored" and one.files[0].state == "kept"  # noqa: E731
            await bob.until(api.GetMessage(again.id), stored)
            first, second = await _blobs(bob)
            assert first[2] == second[2] == sha256(DATA).digest()
            assert first[0] != second[0] and first[1] != second[1]
            # The first blob may go now: what was said again has its own.
            await bob.call(api.GetFile(again.id, directory=str(tmp_path / "saved")))
            saved = await bob.until(api.GetMessage(again.id), lambda one: one.files[0].path)
            assert Path(saved.files[0].path or "").read_bytes() == DATA

            # What lies here is not fetched. Another file in its place is not taken for it.
            Path(saved.files[0].path or "").write_bytes(b"something else")
            own[0].kill()
            await bob.call(api.ForwardMessages((again.id,), "notes"))
            [mine] = await alice.call(api.ForwardMessages((sent.id,), chat))
            assert mine.forwarded is not None and mine.forwarded.who is not None
            for one, many in ((alice, 2), (bob, 3)):
                rows = await _blobs(one)
                assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == many
                assert {row[2] for row in rows} == {sha256(DATA).digest()}

            # Where it cannot be had, nothing is sent.
            before = await bob.call(api.GetHistory(chat))
            with pytest.raises(NodeError):
                await bob.call(api.ForwardMessages((sent.id,), chat))
            assert await bob.call(api.GetHistory(chat)) == before
            assert not list((tmp_path / "bob").rglob("*.down"))
