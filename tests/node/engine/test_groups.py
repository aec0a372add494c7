"""Groups: who comes and goes, who may do what, and what history says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram import mls
from heliogram.node import api, english
from heliogram.node.asking import Ask
from heliogram.node.components import Role
from heliogram.node.errors import Ambiguous, NotAllowed, NotFound, OnlyOwner
from heliogram.node.events import InvitationDue
from heliogram.wire import frames
from tests.node.conversation.world import Member
from tests.node.engine.kit import INBOX, SECRET, Person, World

Three = tuple[Person, Person, Person, str]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def three(world: World) -> Three:
    alice, bob, carol = world.people("alice", "bob", "carol")
    return alice, bob, carol, world.group("Tea", alice, bob, carol)


def test_a_group_begins(world: World, three: Three) -> None:
    alice, bob, carol, chat = three
    assert alice.chat(chat).name == "Tea" and alice.chat(chat).members == 3
    assert alice.events(chat) == ["founded", "member added", "member added"]
    assert bob.events(chat) == ["invited"]
    sent = alice.call(api.SendMessage("tea", "Welcome"))
    world.run(until=lambda: bob.texts(chat) == carol.texts(chat) == ["Welcome"])
    world.run(200, until=lambda: alice.message(sent.id).state == "delivered")
    bob.call(api.MarkRead(chat))
    world.run(200)
    assert alice.message(sent.id).state == "delivered"
    carol.call(api.MarkRead(chat))
    world.run(200, until=lambda: alice.message(sent.id).state == "read")
    assert len(alice.message(sent.id).reports) == 2


def test_23_removed_is_shown_once_a_quorum_holds_it(
    world: World, three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: a relay that does not know yet would still give what is sent then to who is out."""
    alice, bob, carol, chat = three
    send, held = world.send, []

    def hold(person: Person, ask: Ask) -> None:
        if isinstance(ask.request, frames.Decide):
            held.append((person, ask))
        else:
            send(person, ask)

    monkeypatch.setattr(world, "send", hold)
    epoch = alice.call(api.GetChat(chat)).epoch
    alice.call(api.RemoveMembers(chat, (carol.id.hex(),)))
    world.run(until=lambda: alice.call(api.GetChat(chat)).epoch == epoch + 1)
    world.run(1.0)
    assert held, "its decision is on its way to the relays"
    assert "member removed" not in alice.events(chat)
    monkeypatch.undo()
    for person, ask in held:
        send(person, ask)
    world.run(until=lambda: "member removed" in alice.events(chat))
    world.run(until=lambda: "member removed" in bob.events(chat))
    assert alice.chat(chat).members == bob.chat(chat).members == 2


def test_all_about_a_group(three: Three) -> None:
    alice, bob, _, chat = three
    seen, other = alice.call(api.GetChat(chat)), bob.call(api.GetChat(chat))
    assert seen.authenticator == other.authenticator != ""
    assert (seen.epoch, seen.quorum, seen.lying, seen.silent) == (1, 3, 1, 1)
    assert english.guarantee(seen) == "4 relays, 3 decide: 1 may lie, 1 may be missing."
    assert [one.role for one in seen.members] == ["owner", "member", "member"]
    assert len(seen.relays) == 4 and "Ed25519" in seen.suite


def test_lines_of_history(world: World, three: Three) -> None:
    alice, bob, carol, chat = three
    alice.call(api.SetProfile(chat, name="Tea at five", expiry=0, description="daily"))
    world.run(until=lambda: "renamed" in bob.events(chat))
    assert bob.chat(chat).name == "Tea at five"
    renamed, described = bob.history(chat)[-2:]
    assert renamed.line == api.Line(code="renamed", name="Tea at five", before="Tea")
    assert described.line == api.Line(code="description changed")
    assert renamed.sender is not None and renamed.sender.account == alice.id.hex()
    assert (renamed.kind, renamed.text, renamed.id) == ("line", "", "")
    assert alice.lines(chat)[-2:] == [
        "You renamed the conversation from “Tea” to “Tea at five”.",
        "You changed the description.",
    ]
    alice.call(api.SetRole(chat, bob.id.hex(), "admin"))
    world.run(until=lambda: "role changed" in carol.events(chat))
    role = carol.history(chat)[-1].line
    assert role is not None and role.who is not None
    assert (role.who.account, role.role) == (bob.id.hex(), "admin")
    world.run(until=lambda: "role changed" in bob.events(chat))
    assert bob.lines(chat)[-1].endswith(" made you an admin.")
    bob.call(api.RemoveMembers(chat, (carol.id.hex(),)))
    world.run(until=lambda: carol.chat(chat).phase == "out")
    world.run(until=lambda: "member removed" in alice.events(chat))
    assert carol.events(chat)[-1] == "member removed" and carol.lines(chat)[-1].endswith(
        "removed you."
    )
    assert alice.chat(chat).members == 2
    for one in (alice, bob):
        assert [line.sender is not None for line in one.history(chat)]
    added = [one.message for one in alice.heard(api.MessageAdded)]
    assert [one.line.code for one in added if one.chat == chat and one.line] == [
        *("founded", "member added", "member added", "renamed", "description changed"),
        *("role changed", "member removed"),
    ]


def test_who_was_removed_can_come_back(world: World, three: Three) -> None:
    """Into the same conversation: what she read before is still there, what was said meanwhile is not."""
    alice, bob, carol, chat = three
    alice.call(api.SendMessage(chat, "one"))
    world.run(until=lambda: carol.texts(chat) == ["one"])
    for again in range(2):
        alice.call(api.RemoveMembers(chat, (carol.id.hex(),)))
        world.run(until=lambda: carol.chat(chat).phase == "out")
        world.run(until=lambda: alice.chat(chat).members == bob.chat(chat).members == 2)
        alice.call(api.SendMessage(chat, f"without her {again}"))
        if again:
            carol.crash()
            carol.boot()
        world.add(chat, alice, carol)
        assert carol.chat(chat).phase == "open" and carol.chat(chat).members == 3
        carol.call(api.SendMessage(chat, f"back {again}"))
        world.run(until=lambda again=again: f"back {again}" in bob.texts(chat))  # type: ignore[misc]
    carol.crash()
    carol.boot()
    bob.call(api.SendMessage(chat, "two"))
    world.run(until=lambda: "two" in carol.texts(chat))
    assert carol.texts(chat) == ["one", "back 0", "back 1", "two"]
    assert not any(line.kind == "unreadable" for line in carol.history(chat))
    assert carol.call(api.GetChat(chat)).authenticator == bob.call(api.GetChat(chat)).authenticator


def test_relays_change(world: World, three: Three) -> None:
    alice, bob, _, chat = three
    gone = world.described[3]
    alice.call(api.ChangeRelays(chat, remove=("3.example",)))
    world.run(until=lambda: "relays changed" in bob.events(chat))
    assert bob.history(chat)[-1].line == api.Line(code="relays changed", relays=3, quorum=2)
    assert bob.lines(chat)[-1].endswith("changed the relays: 3 now, 2 decide.")
    info = bob.call(api.GetChat(chat))
    assert gone.key.hex() not in [one.relay.key for one in info.relays]
    with pytest.raises(NotFound):
        alice.call(api.ChangeRelays(chat, remove=("3.example",)))
    with pytest.raises(NotAllowed):
        alice.call(api.ChangeRelays(chat, quorum=1))
    alice.call(api.SendMessage(chat, "still here"))
    world.run(until=lambda: bob.texts(chat) == ["still here"])


def test_what_is_not_allowed_is_told(world: World, three: Three) -> None:
    alice, bob, carol, chat = three
    bob.call(api.RemoveMembers(chat, (carol.id.hex(),)))
    world.run(until=lambda: bool(bob.heard(api.CommandFailed)))
    [failed] = bob.heard(api.CommandFailed)
    assert (failed.chat, failed.command, failed.code) == (chat, "remove members", "not allowed")
    bob.call(api.SetRole(chat, carol.id.hex(), "admin"))
    bob.call(api.SetProfile(chat, name="Mine"))
    world.run(until=lambda: len(bob.heard(api.CommandFailed)) == 3)
    told = {one.command: [who.account for who in one.who] for one in bob.heard(api.CommandFailed)}
    assert told == {
        "remove members": [carol.id.hex()],
        "set role": [carol.id.hex()],
        "set profile": [],
    }
    number = bob.number(chat)
    bob.do(
        lambda: bob.talks.add(
            number, [alice.package()], frozenset((alice.id, b"x" * 32)), Role.MEMBER
        )
    )
    world.run(until=lambda: bob.failed == ["not allowed"])
    assert alice.chat(chat).members == 3
    for wrong in (
        api.RemoveMembers(chat, (alice.id.hex()[:1] * 64,)),
        api.SetRole(chat, "x", "admin"),
    ):
        with pytest.raises(NotFound):
            alice.call(wrong)
    with pytest.raises(NotAllowed):
        alice.call(api.RemoveMembers(chat, (alice.id.hex(),)))
    with pytest.raises(NotAllowed):
        alice.call(api.CreateGroup(""))
    with pytest.raises(NotAllowed):
        alice.call(api.CreateGroup("x" * 257))


def test_38_a_non_admin_who_changes_the_group_is_named(
    world: World, three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob's program lets him do what no member may: all others refuse it alike and say who it was."""
    alice, bob, carol, chat = three
    monkeypatch.setattr("heliogram.node.changes.judge", lambda *_: None)
    policy = bob.talks.log(bob.number(chat)).conversation._held.config.policy
    monkeypatch.setattr(policy, "allows_commit", lambda *_: True)
    bob.call(api.RemoveMembers(chat, (carol.id.hex(),)))
    world.run(until=lambda: alice.chat(chat).phase == carol.chat(chat).phase == "dead")
    for one in (alice, carol):
        [warned] = [w for w in one.heard(api.Warned) if w.code == "conversation dead"]
        assert warned.who is not None and warned.who.account == bob.id.hex()
        assert one.events(chat)[-1] == "conversation dead"
        assert one.lines(chat)[-1].startswith(warned.who.name)


def test_who_was_removed_meanwhile(world: World, three: Three) -> None:
    """Bob writes while he does not know yet that he is out: his message has failed, and he sees why."""
    alice, bob, carol, chat = three
    bob.down()
    alice.call(api.RemoveMembers(chat, (bob.id.hex(),)))
    world.run(until=lambda: carol.chat(chat).members == 2)
    bob.boot()
    sent = bob.call(api.SendMessage(chat, "still here?"))
    world.run(until=lambda: bob.chat(chat).phase == "out")
    world.run(60)
    assert bob.message(sent.id).state == "failed"
    assert bob.lines(chat)[-1].endswith("removed you.")
    assert alice.messages(chat) == []
    assert bob.chat(chat).members == 2
    bob.crash()
    world.run(60)
    assert bob.message(sent.id).state == "failed"


def test_a_large_group(world: World) -> None:
    """Its Welcome is too large for a value, and lies in a blob."""
    people = world.people(*(f"person {at}" for at in range(10)), suite=mls.DEFAULT_SUITE)
    founder, *others = people
    chat = world.group("Many", founder, *others)
    assert world.blobs
    founder.call(api.SendMessage(chat, "hello all"))
    world.run(until=lambda: all(one.texts(chat) == ["hello all"] for one in others))
    assert founder.call(api.GetChat(chat)).suite == mls.CipherSuite(mls.DEFAULT_SUITE).name


def test_more_people_than_one_commit_can_add(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    [founder] = world.people("founder", suite=mls.DEFAULT_SUITE)
    crowd = [Member(f"member {at}", suite=mls.DEFAULT_SUITE) for at in range(99)]
    packages = [one.package() for one in crowd]
    accounts = frozenset(one.id for one in crowd)
    invited: list[bytes] = []

    def invite(by: Person, conversation: int, due: InvitationDue) -> None:
        assert by.talks.invitation(conversation, due.draft, b"", SECRET, INBOX)
        invited.extend(due.accounts)

    monkeypatch.setattr(world, "invite", invite)
    number = founder.do(lambda: founder.talks.found("group", name="All"))
    founder.do(lambda: founder.talks.add(number, packages, accounts, Role.MEMBER))
    world.run(until=lambda: len(invited) == 99)
    assert set(invited) == accounts and not founder.failed
    assert founder.do(lambda: founder.talks.chat(number)).members == 100


def test_a_conversation_that_nobody_came_into(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    number = alice.do(lambda: alice.talks.found("direct", peer=bob.id))
    chat = alice.do(lambda: alice.talks.chat(number)).id
    alice.call(api.SendMessage(chat, "are you there?"))
    alice.do(lambda: alice.talks.abandon(number))
    world.run(30.0)
    alice.crash()
    world.run(30.0)
    assert chat not in [one.id for one in alice.call(api.GetChats())]
    (archived,) = [one for one in alice.call(api.GetChats(archived=True)) if one.id == chat]
    assert archived.phase == "out"
    # What waited there is not lost without a word.
    assert [one.state for one in alice.messages(chat)] == ["failed"]


def test_the_only_owner_stays_until_there_is_another(world: World, three: Three) -> None:
    alice, bob, _, chat = three
    for command in (api.LeaveChat(chat), api.SetRole(chat, alice.id.hex(), "admin")):
        with pytest.raises(OnlyOwner):
            alice.call(command)
    # To say that she is an owner is no change, and members go as they like.
    alice.call(api.SetRole(chat, alice.id.hex(), "owner"))
    alice.call(api.SetRole(chat, bob.id.hex(), "owner"))
    world.run(until=lambda: "role changed" in bob.events(chat))
    alice.call(api.LeaveChat(chat))
    world.run(until=lambda: alice.chat(chat).phase == "out")
    alone = world.group("Alone", alice)
    alice.call(api.LeaveChat(alone))
    world.run(until=lambda: alice.chat(alone).phase == "out")


def test_a_name_means_the_conversation_that_is_not_over(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    chats = [world.befriend(alice, bob) for _ in range(2)]
    bob_here = alice.do(lambda: alice.hands.person(bob.id).name)
    with pytest.raises(Ambiguous):
        alice.call(api.GetChat(bob_here))
    alice.call(api.LeaveChat(chats[1]))
    world.run(until=lambda: alice.chat(chats[1]).phase == "out")
    assert alice.call(api.GetChat(bob_here)).chat.id == chats[0]
    alice.call(api.LeaveChat(chats[0]))
    world.run(until=lambda: alice.chat(chats[0]).phase == "out")
    with pytest.raises(Ambiguous):
        alice.call(api.GetChat(bob_here))


def test_what_is_not_decided_yet_is_shown(world: World, three: Three) -> None:
    """Two of four relays are away: what is wanted waits, and says so, after a start too."""
    alice, bob, carol, chat = three
    assert alice.call(api.GetChat(chat)).waiting == ()
    for relay in world.order[:2]:
        relay.up = False
    told = len(alice.heard(api.ChatChanged))
    alice.call(api.SetProfile(chat, name="Coffee"))
    assert len(alice.heard(api.ChatChanged)) > told
    alice.call(api.RemoveMembers(chat, (carol.id.hex(),)))
    world.run(30)
    alice.crash()
    alice.rise()
    name, removal = alice.call(api.GetChat(chat)).waiting
    assert (name.command, name.who) == ("set profile", ())
    assert (removal.command, [one.account for one in removal.who]) == (
        "remove members",
        [carol.id.hex()],
    )
    assert english.wanted(name) == "another name, description or picture"
    assert english.wanted(removal) == f"to remove {removal.who[0].name}"
    assert bob.call(api.GetChat(chat)).waiting == ()
    for relay in world.order[:2]:
        relay.up = True
    world.run(600, until=lambda: alice.call(api.GetChat(chat)).waiting == ())
    assert alice.chat(chat).name == "Coffee" and alice.chat(chat).members == 2
