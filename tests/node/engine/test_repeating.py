"""What failed is said again: once, where people still are, and with all that belongs to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import ChatEnded, NotAllowed
from tests.node.engine.kit import Person, World
from tests.node.engine.test_recovery_nodes import address, gather, relays, town
from tests.relay.process import RelayProcess


def fails(who: Person, number: int) -> None:
    """As if no relay had taken it."""
    who.do(lambda: who.talks.not_sent(number, "file too large"))


def test_words_and_what_they_answer(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    asked = bob.call(api.SendMessage(chat, "When?"))
    world.run(until=lambda: len(alice.messages(chat)) == 1)
    sent = alice.call(api.SendMessage(chat, "**Now**", asked.id, expires=60))
    with pytest.raises(NotAllowed):
        alice.call(api.SendAgain(sent.id))
    with pytest.raises(NotAllowed):
        alice.call(api.SendAgain(asked.id))
    fails(alice, sent.number)
    assert alice.message(sent.id).state == "failed"
    again = alice.call(api.SendAgain(sent.id))
    assert (again.text, again.markdown, again.reply_to) == ("**Now**", True, asked.id)
    assert again.id != sent.id
    assert alice.texts(chat) == ["When?", "**Now**"]
    world.run(until=lambda: again.id in [one.id for one in bob.messages(chat)])
    bob.call(api.MarkRead(chat))
    assert bob.message(again.id).expires is not None


def test_where_nobody_can_say_anything_it_stays(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    sent = alice.call(api.SendMessage(chat, "x"))
    fails(alice, sent.number)
    alice.call(api.LeaveChat(chat))
    world.run(until=lambda: alice.chat(chat).phase == "out")
    with pytest.raises(ChatEnded):
        alice.call(api.SendAgain(sent.id))
    assert alice.message(sent.id).state == "failed"


async def test_files_that_no_relay_took_go_along(tmp_path: Path) -> None:
    source = tmp_path / "list.bin"
    source.write_bytes(bytes(300_000))
    small = RelayProcess(tmp_path / "small", settings={"max_blob": 100_000})
    with relays(tmp_path, 1) as own:
        own.append(small.start())
        async with town(tmp_path, own[:1], "alice", "bob") as (alice, bob):
            chat = await gather(alice, [bob], [small])
            sent = await alice.call(api.SendMessage(chat, "look", files=(str(source),)))
            source.unlink()
            await alice.until(api.GetMessage(sent.id), lambda one: one.state == "failed")
            # Its owner lets the relay take more.
            where = small.where
            small.kill()
            own[1] = RelayProcess(tmp_path / "small", listen=where).start()
            assert address(own[1]) == f"ws://{where}/ws#{small.key.hex()}"
            again = await alice.call(api.SendAgain(sent.id))
            assert [(one.name, one.size) for one in again.files] == [("list.bin", 300_000)]
            await bob.reads(chat, "look")
            shown = await alice.call(api.GetHistory(chat))
            assert [one.id for one in shown if one.text == "look"] == [again.id]
            await alice.until(api.GetMessage(again.id), lambda one: one.files[0].state == "kept")
            # The copy of what failed went with it.
            assert len(list((tmp_path / "alice" / "spool").iterdir())) == 1
            await bob.call(api.GetFile(again.id, directory=str(tmp_path / "saved")))
            saved = await bob.until(api.GetMessage(again.id), lambda one: one.files[0].path)
            assert Path(saved.files[0].path or "").read_bytes() == bytes(300_000)
