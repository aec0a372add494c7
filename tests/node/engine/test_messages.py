"""What people say to each other, from engine to engine over relay rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import Ambiguous, ChatEnded, NotAllowed, NotFound, TooLong
from tests.node.engine.kit import Person, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def two(world: World) -> tuple[Person, Person, str]:
    alice, bob = world.people("alice", "bob")
    return alice, bob, world.befriend(alice, bob)


Two = tuple[Person, Person, str]


def said(by: Person, chat: str, text: str, **how: object) -> api.Message:
    sent: api.Message = by.call(api.SendMessage(chat, text, **how))  # type: ignore[arg-type]
    return sent


def came(world: World, to: Person, id: str) -> api.Message:
    """Wait until a message is there."""

    def there() -> bool:
        try:
            return bool(to.message(id))
        except NotFound:
            return False

    world.run(until=there)
    return to.message(id)


def test_notes_to_self(world: World) -> None:
    (alice,) = world.people("alice")
    world.run(until=lambda: alice.call(api.GetChats())[0].phase == "open")
    [chat] = alice.call(api.GetChats())
    assert (chat.kind, chat.members, chat.unread) == ("self", 1, 0)
    sent = said(alice, "notes", "Buy **tea**")
    assert (sent.state, sent.mine, sent.markdown) == ("queued", True, True)
    world.run(until=lambda: len(alice.message(sent.id).stored_by) == 4)
    assert alice.message(sent.id).state == "stored"
    assert alice.message(sent.id).relays == 4
    with pytest.raises(NotAllowed):
        alice.call(api.LeaveChat("self"))


def test_a_message_is_queued_stored_delivered_read(world: World, two: Two) -> None:
    alice, bob, chat = two
    alice.notices.clear()
    sent = said(alice, chat, "Hello")
    assert sent.state == "queued"
    world.run(until=lambda: bob.texts(chat) == ["Hello"])
    world.run(until=lambda: alice.message(sent.id).state == "delivered")
    assert bob.chat(chat).unread == bob.heard(api.ChatChanged)[-1].chat.unread == 1
    bob.call(api.MarkRead(chat))
    assert bob.chat(chat).unread == bob.heard(api.ChatChanged)[-1].chat.unread == 0
    world.run(until=lambda: alice.message(sent.id).state == "read")
    assert [one.status for one in alice.message(sent.id).reports] == ["read"]
    states = [one.message.state for one in alice.heard(api.MessageChanged)]
    assert list(dict.fromkeys(states)) == ["queued", "stored", "delivered", "read"]
    assert [one.message.id for one in alice.heard(api.MessageAdded)] == [sent.id]
    [added] = [one.message for one in bob.heard(api.MessageAdded) if one.message.id]
    assert (added.id, added.state, added.mine) == (sent.id, "received", False)
    assert added.sender is not None and added.sender.account == alice.id.hex()


def test_an_edit(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = said(alice, chat, "Helo")
    came(world, bob, sent.id)
    edited = alice.call(api.EditMessage(sent.id, "Hello"))
    assert (edited.text, edited.edited, edited.id) == ("Hello", True, sent.id)
    world.run(until=lambda: bob.texts(chat) == ["Hello"])
    assert bob.message(sent.id).edited
    assert [one.message.id for one in bob.call(api.Search("hell"))] == [sent.id]
    assert bob.call(api.Search("helo")) == []
    alice.call(api.EditMessage(sent.id, "Hallo"))
    world.run(until=lambda: bob.texts(chat) == ["Hallo"])
    with pytest.raises(NotAllowed):
        bob.call(api.EditMessage(sent.id, "mine"))


def test_a_deletion(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = said(alice, chat, "a secret")
    came(world, bob, sent.id)
    bob.call(api.React(sent.id, "👍"))
    world.run(until=lambda: len(alice.message(sent.id).reactions) == 1)
    with pytest.raises(NotAllowed):
        bob.call(api.DeleteMessage(sent.id))
    alice.call(api.DeleteMessage(sent.id))
    world.run(until=lambda: bob.message(sent.id).kind == "deleted")
    for one in (alice, bob):
        gone = one.message(sent.id)
        assert (gone.kind, gone.text, gone.reactions) == ("deleted", "", ())
        assert one.call(api.Search("secret")) == []
        with pytest.raises(NotAllowed):
            one.call(api.EditMessage(sent.id, "again"))
        with pytest.raises(NotAllowed):
            one.call(api.React(sent.id, "👍"))
    assert bob.chat(chat).unread == 0


def test_deleting_only_here(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = said(alice, chat, "Hello")
    came(world, bob, sent.id)
    bob.call(api.DeleteMessage(sent.id, only_here=True))
    assert bob.messages(chat) == []
    assert [one.chat for one in bob.heard(api.MessageGone)] == [chat]
    world.run(20)
    assert alice.texts(chat) == ["Hello"] and bob.messages(chat) == []


def test_reactions(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = said(alice, chat, "Tea?")
    came(world, bob, sent.id)
    bob.call(api.React(sent.id, "👍"))
    bob.call(api.React(sent.id, "🍵"))
    bob.call(api.React(sent.id, "🍵"))
    alice.call(api.React(sent.id, "❤️"))
    world.run(until=lambda: len(alice.message(sent.id).reactions) == 3)
    world.run(until=lambda: len(bob.message(sent.id).reactions) == 3)
    assert [one.emoji for one in bob.message(sent.id).reactions] == [
        one.emoji for one in alice.message(sent.id).reactions
    ]
    bob.call(api.React(sent.id))
    world.run(until=lambda: [one.emoji for one in alice.message(sent.id).reactions] == ["❤️"])
    assert [one.emoji for one in bob.message(sent.id).reactions] == ["❤️"]
    with pytest.raises(NotAllowed):
        bob.call(api.React(sent.id, "\u202e"))
    assert alice.chat(chat).unread == bob.chat(chat).unread - 1 == 0


def test_replies(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = said(alice, chat, "Tea?")
    came(world, bob, sent.id)
    alice.call(api.EditMessage(sent.id, "Tea or coffee?"))
    world.run(until=lambda: bob.texts(chat) == ["Tea or coffee?"])
    answer = said(bob, chat, "Tea", reply_to=sent.id[:10])
    assert answer.reply_to == sent.id
    assert came(world, alice, answer.id).reply_to == sent.id
    with pytest.raises(NotFound):
        said(alice, "self", "elsewhere", reply_to=sent.id)


def test_names_and_beginnings(world: World, two: Two) -> None:
    alice, _, chat = two
    sent = said(alice, chat[:12], "one")
    assert alice.message(sent.id[:6].upper()).id == sent.id
    for wrong in ("", "zz", "ff" * 40, "00"):
        with pytest.raises(NotFound):
            alice.message(wrong)
    said(alice, chat, "two")
    with pytest.raises(Ambiguous):
        alice.message("01")
    with pytest.raises(NotFound):
        said(alice, "nobody", "x")
    with pytest.raises(NotFound):
        said(alice, "", "x")
    assert said(alice, "Notes", "x").chat != chat


def test_what_cannot_be_said(two: Two) -> None:
    alice, _, chat = two
    for text in ("",):
        with pytest.raises(NotAllowed):
            said(alice, chat, text)
    with pytest.raises(NotAllowed):
        said(alice, chat, "\ud800")
    with pytest.raises(TooLong):
        said(alice, chat, "x" * 60_000)
    with pytest.raises(NotAllowed):
        said(alice, chat, "x", files=("/tmp/x",))
    with pytest.raises(NotAllowed):
        said(alice, chat, "x", expires=-1)
    assert alice.messages(chat) == []


def test_mentions_and_markdown(world: World, two: Two) -> None:
    alice, bob, chat = two
    uri = f"heliogram:account/{bob.id.hex()}"
    sent = said(alice, chat, f"Dear [@Bob]({uri}), a <b>bold</b> *word*")
    got = came(world, bob, sent.id)
    assert got.markdown and [one.account for one in got.mentions] == [bob.id.hex()]
    assert "<b>" not in got.text
    plain = said(alice, chat, "Just words, really.")
    assert not came(world, bob, plain.id).markdown


def test_drafts_and_settings(two: Two) -> None:
    alice, _, chat = two
    alice.call(api.SetDraft(chat, "Dear Bo"))
    assert alice.chat(chat).draft == "Dear Bo"
    said(alice, chat, "Dear Bob")
    assert alice.chat(chat).draft == ""
    changed = alice.call(api.SetChat(chat, pinned=True, muted=True, reports=False))
    assert (changed.pinned, changed.muted, changed.reports) == (True, True, False)
    assert alice.call(api.GetChats())[0].id == chat
    alice.call(api.SetChat(chat, archived=True))
    assert chat not in [one.id for one in alice.call(api.GetChats())]
    assert [one.id for one in alice.call(api.GetChats(archived=True))] == [chat]


def test_history_by_pages(world: World, two: Two) -> None:
    alice, bob, chat = two
    texts = [f"message {at}" for at in range(25)]
    for text in texts:
        said(alice, chat, text)
    world.run(until=lambda: bob.texts(chat) == texts)
    last = bob.call(api.GetHistory(chat, limit=10))
    assert [one.text for one in last] == texts[-10:]
    before = bob.call(api.GetHistory(chat, before=last[0].number, limit=10))
    assert [one.text for one in before] == texts[5:15]
    after = bob.call(api.GetHistory(chat, after=before[-1].number, limit=3))
    assert [one.text for one in after] == texts[15:18]


def test_search(world: World, two: Two) -> None:
    alice, bob, chat = two
    said(alice, chat, "the quick brown fox")
    said(alice, "self", "a lazy fox")
    world.run(until=lambda: len(bob.messages(chat)) == 1)
    assert len(alice.call(api.Search("fox"))) == 2
    assert [one.message.text for one in alice.call(api.Search("fox", chat=chat))] == [
        "the quick brown fox"
    ]
    assert len(alice.call(api.Search("fox from:me"))) == 2
    assert alice.call(api.Search("fox from:nobody")) == []
    assert len(alice.call(api.Search("fox in:notes"))) == 1
    [found] = bob.call(api.Search("quick"))
    assert "\x02quick\x03" in found.excerpt
    for odd in ('"', "NEAR(", "*", "-x", "col:", "\x00", "from:"):
        bob.call(api.Search(odd))


def test_to_leave(world: World, two: Two) -> None:
    alice, bob, chat = two
    said(alice, chat, "bye")
    world.run(until=lambda: bob.texts(chat) == ["bye"])
    alice.call(api.LeaveChat(chat))
    world.run(120, until=lambda: alice.chat(chat).phase == "out")
    assert alice.texts(chat) == ["bye"]
    assert alice.lines(chat)[-1] == "You left."
    with pytest.raises(ChatEnded):
        said(alice, chat, "again")
    world.run(60, until=lambda: "member left" in bob.events(chat))
    assert said(bob, chat, "alone now").state == "queued"


def test_everything_survives_a_restart(world: World, two: Two) -> None:
    alice, bob, chat = two
    sent = said(alice, chat, "one")
    alice.crash()
    bob.crash()
    world.run(until=lambda: bob.texts(chat) == ["one"])
    bob.call(api.React(sent.id, "👍"))
    bob.crash()
    world.run(until=lambda: len(alice.message(sent.id).reactions) == 1)
    bob.call(api.MarkRead(chat))
    bob.crash()
    alice.crash()
    world.run(until=lambda: alice.message(sent.id).state == "read")
    alice.call(api.EditMessage(sent.id, "uno"))
    alice.crash()
    world.run(until=lambda: bob.texts(chat) == ["uno"])
    before = [one.history(chat) for one in (alice, bob)]
    alice.crash()
    bob.crash()
    world.run(200)
    assert [one.history(chat) for one in (alice, bob)] == before
