"""Files that wait for their time, over real relays: sealed at once, so they may go where they lay."""

from __future__ import annotations

import time
from pathlib import Path

from heliogram.node import api
from tests.node.engine.test_recovery_nodes import relays, town


async def test_files_are_sealed_when_they_are_scheduled(tmp_path: Path) -> None:
    source = tmp_path / "list.txt"
    source.write_bytes(b"eggs, tea")
    with relays(tmp_path, 1) as own:
        async with town(tmp_path, own, "alice", "bob") as (alice, bob):
            [chat] = [one.id for one in await alice.call(api.GetChats()) if one.kind == "direct"]
            later = int(time.time()) + 3600
            spool = tmp_path / "alice" / "spool"
            made = [
                await alice.call(api.Schedule(chat, later, text, files=(str(source),)))
                for text in ("yes", "no")
            ]
            assert [one.files for one in made] == [("list.txt",)] * 2
            source.unlink()
            # The copies outlive a start, and go with what they belong to.
            await alice.end()
            await alice.begin()
            assert len(list(spool.iterdir())) == 2
            await alice.call(api.Unschedule(made[1].number))
            assert len(list(spool.iterdir())) == 1
            moved = await alice.call(api.Reschedule(made[0].number, later + 60))
            assert await alice.call(api.GetScheduled()) == [moved]
            assert moved.files == ("list.txt",)
            await alice.call(api.Unschedule(made[0].number, now=True))
            await bob.reads(chat, "yes")
            found = await bob.call(api.GetHistory(chat))
            [id] = [one.id for one in found if one.text == "yes"]
            await bob.call(api.GetFile(id, directory=str(tmp_path / "saved")))
            saved = await bob.until(api.GetMessage(id), lambda one: one.files[0].path)
            assert Path(saved.files[0].path).read_bytes() == b"eggs, tea"
