"""The node's disk fails while it talks: people are told, nothing is damaged, and it goes on afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from heliogram.node import api
from heliogram.node.errors import NodeError, StoreError
from tests.node.chaos.between import relays
from tests.node.chaos.nodes import ALL, Died, Node, acquaint, people
from tests.relay import powerloss
from tests.relay.powerloss import Failure

pytestmark = pytest.mark.skipif(powerloss.compiler() is None, reason="no C compiler: install gcc")


@asynccontextmanager
async def two(path: Path) -> AsyncIterator[tuple[Node, Node, str, str]]:
    """Alice and Bob, and how each calls their conversation."""
    library = powerloss.build(path)
    async with relays(path) as betweens:
        addresses = [one.address for one in betweens]
        async with people(path, ("Alice", "Bob"), addresses, library) as (alice, bob):
            await acquaint(alice, bob)
            (theirs,) = await alice.call(api.GetContacts())
            (ours,) = await bob.call(api.GetContacts())
            assert theirs.chat is not None and ours.chat is not None
            yield alice, bob, theirs.chat, ours.chat


async def texts(node: Node, chat: str) -> list[str]:
    """What is said there, in order."""
    found = await node.call(api.GetHistory(chat, limit=500))
    assert not any(one.kind == "unreadable" for one in found)
    return [one.text for one in found if one.kind == "text"]


async def say(node: Node, chat: str, text: str, codes: set[str]) -> bool:
    """Say something; whether it was promised. Refusals leave their code."""
    try:
        await node.call(api.SendMessage(chat, text))
    except StoreError as error:
        codes.add(error.code)
        assert "disk" in str(error) or "database" in str(error) or "written" in str(error)
        return False
    return True


@pytest.mark.parametrize(
    "how", [Failure.FULL, *([Failure.READONLY, Failure.UNSYNCABLE] if ALL else [])]
)
async def test_69_the_disk_fails(tmp_path: Path, how: Failure) -> None:
    """Full, read-only, not to be synced; then well again, and once the power goes right after."""
    rng = Random(how.value)
    async with two(tmp_path) as (alice, bob, hers, his):
        promised: list[str] = []
        refused: set[str] = set()
        codes: set[str] = set()
        for turn in range(3):
            with powerloss.failing(alice.journal, how):
                for number in range(6):
                    text = f"Alice {turn}.{number}"
                    (promised if await say(alice, hers, text, codes) else []).append(text)
                    if text not in promised:
                        refused.add(text)
                await bob.call(api.SendMessage(his, f"Bob {turn}"))
                promised.append(f"Bob {turn}")
                # What is there can be looked at.
                assert any(one.id == hers for one in await alice.call(api.GetChats()))
            if turn:
                await alice.kill()
                if turn == 2:
                    alice.lose(rng)
                else:
                    alice.mend()
                alice.check_copy()
                await alice.start()
            text = f"Alice {turn}, well again"
            assert await say(alice, hers, text, codes)
            promised.append(text)
            async with asyncio.timeout(120):
                while True:
                    seen = await texts(alice, hers), await texts(bob, his)
                    if seen[0] == seen[1] and {*promised} <= {*seen[0]}:
                        break
                    await asyncio.sleep(0.05)
            assert len(seen[0]) == len({*seen[0]})
        assert refused and codes <= {"store full", "store"}
        if how is Failure.FULL:
            assert "store full" in codes
        print(how.value, len(promised), "promised", len(refused), "refused", codes)


async def test_69_a_start_without_room(tmp_path: Path) -> None:
    """It says why it does not start, and starts when there is room."""
    async with two(tmp_path) as (alice, bob, hers, his):
        await alice.call(api.SendMessage(hers, "before"))
        await alice.kill()
        for how in (Failure.FULL, Failure.READONLY):
            with powerloss.failing(alice.journal, how):
                with pytest.raises(RuntimeError) as ended:
                    await alice.start()
                assert "Traceback" not in str(ended.value)
                words = ("disk", "written", "Read-only file system")
                assert any(word in str(ended.value) for word in words)
                alice.check_copy()
        await alice.start()
        await bob.until(api.GetHistory(his), lambda found: any(it.text == "before" for it in found))


async def test_69_a_file_without_room(tmp_path: Path) -> None:
    """Neither half a file nor a lost one: it comes when there is room."""
    data = Random(69).randbytes(300_000)
    (tmp_path / "a.bin").write_bytes(data)
    async with two(tmp_path) as (alice, bob, hers, his):
        with powerloss.failing(alice.journal, Failure.FULL):
            with pytest.raises(NodeError) as refused:
                await alice.call(api.SendMessage(hers, "x", files=(str(tmp_path / "a.bin"),)))
            assert refused.value.code in {"store full", "file not saved"}
        sent = await alice.call(api.SendMessage(hers, "y", files=(str(tmp_path / "a.bin"),)))

        def there(found: list[api.Message]) -> bool:
            return any(one.text == "y" for one in found)

        await bob.until(api.GetHistory(his), there)
        with powerloss.failing(bob.journal, Failure.FULL):
            try:
                await bob.call(api.GetFile(sent.id))
            except (NodeError, Died) as error:
                print(repr(error))
            await asyncio.sleep(0.2)
            message = await bob.call(api.GetMessage(sent.id))
            assert message.files[0].state != "here"
        await bob.call(api.GetFile(sent.id))
        message = await bob.until(
            api.GetMessage(sent.id), lambda found: found.files[0].state == "here"
        )
        assert Path(message.files[0].path or "").read_bytes() == data
        assert [one.name for one in bob.downloads.iterdir()] == ["a.bin"]
