"""People get in touch, over real relays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram.mls import DEFAULT_SUITE
from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.engine.account import create_account, load_account, recovery_words
from heliogram.node.engine.engine import Called
from heliogram.node.errors import (
    Ambiguous,
    CodesDiffer,
    InvalidLink,
    InvalidWords,
    NoRelays,
    NotAllowed,
    NotFound,
    NotNow,
)
from heliogram.node.identity.accounts import account_uri
from heliogram.node.identity.links import ContactLink
from heliogram.node.store.database import Store
from heliogram.wire import frames
from tests.node.engine.people_kit import World, until
from tests.node.identity.samples import name


@pytest.mark.parametrize("suite", [1, DEFAULT_SUITE])
async def test_two_people_get_in_touch(world: World, suite: int) -> None:
    alice, bob = await world.person("Alice", suite=suite), await world.person("Bob", suite=suite)
    link = await world.link(alice)
    contact = await bob.call(api.AddContact(link))
    assert (contact.who.name, contact.state) == ("Alice", "adding")
    await bob.settled()
    (contact,) = await bob.call(api.GetContacts())
    assert contact.state == "waiting"
    await until(lambda: bool(alice.people._requests.waiting()), alice)
    (request,) = await alice.call(api.GetRequests())
    assert (request.who.name, request.kind, request.members) == ("Bob", "direct", 2)
    code = await bob.call(api.GetSafetyCode("Alice"))
    assert code.digits == request.safety
    chat = await alice.call(api.AcceptRequest(request.id))
    assert chat.kind == "direct"
    await until(lambda: bob.people.contact(alice.id).state == "known", alice, bob)
    assert not await alice.call(api.GetRequests())
    shown = {type(one) for one in alice.notices}
    assert {api.RequestAdded, api.RequestGone, api.ContactChanged} <= shown
    # Each can be reached by a link of their own.
    ours = {one.uri for one in await alice.call(api.GetLinks()) if one.person is not None}
    assert len(ours) == 1
    stored = bob.people._tables.contact(alice.id)
    assert stored is not None and stored.link is not None
    assert alice.people._tables.links()[1].secret in stored.link


async def test_relay_tells_of_a_new_item(world: World) -> None:
    """Nobody waits for the next reading."""
    alice, bob = await world.person("Alice"), await world.person("Bob")
    await world.invite(bob, await world.link(alice))
    before = alice.now
    await until(lambda: bool(alice.people._requests.waiting()), alice)
    assert alice.now - before < 10


async def test_first_contact_survives_a_crash_after_every_turn(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    link = await world.link(alice)
    await bob.turn(Called(api.AddContact(link)))

    def invited() -> bool:
        return bob.people.contact(alice.id).state == "waiting"

    for turns in range(1, 40):
        if invited():
            break
        bob.crash()
        for _ in range(turns):
            await bob.turn()
            bob.wait(1)
    assert invited()
    assert len(bob.talking.talks) == 1
    await until(lambda: bool(alice.people._requests.waiting()), alice)
    alice.crash()
    (request,) = await alice.call(api.GetRequests())
    await alice.call(api.AcceptRequest(request.id))
    alice.crash()
    await until(lambda: bob.people.contact(alice.id).state == "known", alice, bob)
    assert len(alice.talking.talks) == 1


async def test_one_relay_is_enough(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    link = await world.link(alice)
    bob.carrier.down.add(world.relays[0].key)
    await bob.call(api.AddContact(link))
    await until(lambda: bob.people.contact(alice.id).state == "waiting", bob)
    await until(lambda: bool(alice.people._requests.waiting()), alice)
    # The other one gets it later, and it is the same request.
    bob.carrier.down.clear()
    bob.wait(60)
    await bob.settled()
    alice.wait(400)
    await alice.settled()
    assert len(await alice.call(api.GetRequests())) == 1


async def test_one_time_link(world: World) -> None:
    alice, bob, carol = [await world.person(one) for one in ("Alice", "Bob", "Carol")]
    link = await world.link(alice, one_time=True)
    await world.invite(bob, link)
    await alice.settled()
    await carol.call(api.AddContact(link))
    await until(lambda: carol.people.contact(alice.id).state in ("failed", "waiting"), carol)
    alice.wait(400)
    await alice.settled()
    # A relay that was not used up may take another item: it is not looked at.
    assert len(await alice.call(api.GetRequests())) == 1


async def test_a_link_to_another_inbox_of_a_contact_takes_nothing_away(world: World) -> None:
    """Who knows an account can write such a link. That nothing comes of it is said."""
    alice, bob = await world.person("Alice"), await world.person("Bob")
    await world.acquaint(bob, alice)
    before = bob.people.contact(alice.id)
    link = ContactLink.from_text(await world.link(alice))
    assert await bob.call(api.AddContact(link.to_text())) == before
    with pytest.raises(NotAllowed):
        await bob.call(api.AddContact(replace(link, inbox=name("another inbox")).to_text()))
    await bob.settled()
    assert bob.people.contact(alice.id) == before


async def test_revoked_link(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    link = await world.link(alice)
    (shown,) = await alice.call(api.GetLinks())
    await alice.call(api.RevokeLink(shown.id[:8]))
    await alice.settled()
    assert not await alice.call(api.GetLinks())
    await bob.call(api.AddContact(link))
    await until(lambda: bob.people.contact(alice.id).state == "failed", bob)
    assert bob.people.contact(alice.id).trouble == "link gone"
    with pytest.raises(NotFound):
        await alice.call(api.RevokeLink(shown.id))


async def test_blocking_takes_one_link_away(world: World) -> None:
    alice, bob, carol = [await world.person(one) for one in ("Alice", "Bob", "Carol")]
    await world.acquaint(bob, alice)
    await world.acquaint(carol, alice)
    before = {one.person.name: one.id for one in await alice.call(api.GetLinks()) if one.person}
    contact = await alice.call(api.BlockContact("Bob"))
    assert contact.blocked and alice.people.is_blocked(bob.id)
    await alice.settled()
    after = {one.person.name: one.id for one in await alice.call(api.GetLinks()) if one.person}
    assert after == {"Carol": before["Carol"]}
    # He tries again, by the link that others have too: nothing is shown.
    public = [one.uri for one in await alice.call(api.GetLinks()) if one.person is None]
    bob.store.execute("UPDATE contacts SET state = 'failed'")
    bob.store.forget_memos()
    await bob.call(api.AddContact(public[0]))
    await bob.settled()
    alice.wait(400)
    await alice.settled()
    assert not await alice.call(api.GetRequests())
    with pytest.raises(NotAllowed):
        await alice.call(api.AddContact(await world.link(bob)))
    # And back.
    assert not (await alice.call(api.BlockContact("Bob", blocked=False))).blocked
    await alice.settled()
    names = {one.person.name for one in await alice.call(api.GetLinks()) if one.person}
    assert names == {"Bob", "Carol"}


async def test_a_group_with_contacts(world: World) -> None:
    alice, bob, carol = [await world.person(one) for one in ("Alice", "Bob", "Carol")]
    await world.acquaint(alice, bob)
    await world.acquaint(alice, carol)
    with alice.store.transaction():
        number = alice.talking.found("group", name="Tea")
        alice.people.want_members(number, [bob.id, carol.id], Role.MEMBER, "add members")
    await alice.settled()
    live = alice.talking.talks[number].live
    assert len(live.people()) == 3
    assert live.epoch == 1, "one commit adds both"
    for one in (bob, carol):
        one.wait(400)
        await one.settled()
        (request,) = await one.call(api.GetRequests())
        assert (request.kind, request.name, request.members) == ("group", "Tea", 3)
        await one.call(api.AcceptRequest("Alice"))
        assert one.people.contact(alice.id).state == "known"
    with pytest.raises(NotFound):
        alice.people.want_members(number, [bytes(32)], Role.MEMBER, "add members")


async def test_a_member_who_cannot_be_reached_is_told(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    await world.acquaint(alice, bob)
    for link in await bob.call(api.GetLinks()):
        await bob.call(api.RevokeLink(link.id))
    await bob.settled()
    # Bob's card with another link is on its way; Alice has not read it.
    with alice.store.transaction():
        number = alice.talking.found("group", name="Tea")
        alice.people.want_members(number, [bob.id], Role.MEMBER, "add members")
    alice.net.entries.clear()

    def failed() -> bool:
        return any(isinstance(one, api.CommandFailed) for one in alice.notices)

    await until(failed, alice)
    (notice,) = [one for one in alice.notices if isinstance(one, api.CommandFailed)]
    assert (notice.command, notice.code) == ("add members", "link gone")
    assert [one.account for one in notice.who] == [bob.id.hex()]
    assert alice.people.contact(bob.id).state == "known"


async def test_failed_contact_begins_anew(world: World) -> None:
    """Adding somebody again leaves no dead conversation in the list."""
    alice, bob = await world.person("Alice"), await world.person("Bob")
    bob.talking.fails = "not allowed"
    await world.invite(bob, await world.link(alice))
    failed = bob.people.contact(alice.id)
    assert failed.state == "failed" and failed.chat is not None
    # Nobody was added: the same conversation is gone on with.
    bob.talking.fails = ""
    again = await bob.call(api.AddContact(await world.link(alice)))
    assert (again.state, again.chat) == ("adding", failed.chat)
    await bob.settled()
    waiting = bob.people.contact(alice.id)
    assert (waiting.state, waiting.chat) == ("waiting", failed.chat)
    # Now she is in it, and nobody will bring her the invitation: another one begins.
    bob.store.execute("UPDATE contacts SET state = 'failed'")
    bob.store.forget_memos()
    await bob.call(api.AddContact(await world.link(alice)))
    await bob.settled()
    anew = bob.people.contact(alice.id)
    assert anew.chat not in (None, failed.chat)
    listed = bob.store.query("SELECT id FROM conversations WHERE NOT archived")
    assert [row[0].hex() for row in listed] == [anew.chat]
    await until(lambda: len(alice.people._requests.waiting()) == 1, alice)


async def test_a_wish_that_fails(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    bob.talking.fails = "not allowed"
    await world.invite(bob, await world.link(alice))
    contact = bob.people.contact(alice.id)
    assert (contact.state, contact.trouble) == ("failed", "not allowed")


async def test_both_at_once(world: World) -> None:
    """Two people who add each other end with one conversation that both show."""
    alice, bob = await world.person("Alice"), await world.person("Bob")
    to_alice, to_bob = await world.link(alice), await world.link(bob)
    await world.invite(bob, to_alice)
    await world.invite(alice, to_bob)
    for one in (alice, bob):
        one.wait(400)
        await one.settled()
    await alice.call(api.AcceptRequest("Bob"))
    await until(lambda: bob.people.contact(alice.id).state == "known", alice, bob)
    assert not await bob.call(api.GetRequests())
    assert bob.people.contact(alice.id).chat == alice.people.contact(bob.id).chat


async def test_adding_whoever_waits_is_to_accept(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    await world.invite(bob, await world.link(alice))
    await alice.settled()
    contact = await alice.call(api.AddContact(await world.link(bob), "Bobby"))
    assert (contact.state, contact.who.name) == ("known", "Bobby")
    assert not await alice.call(api.GetRequests())
    await until(lambda: bob.people.contact(alice.id).state == "known", alice, bob)
    assert len(alice.talking.talks) == 1


async def test_a_conversation_that_ended_is_begun_anew(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    await world.acquaint(bob, alice)
    contact = await bob.call(api.AddContact(await world.link(alice)))
    assert contact.state == "known", "once is enough"
    first = contact.chat
    bob.store.execute("UPDATE conversations SET phase = 'out'")
    bob.store.forget_memos()
    contact = await bob.call(api.AddContact(await world.link(alice)))
    assert (contact.state, contact.chat) == ("adding", None)
    await bob.settled()
    contact = bob.people.contact(alice.id)
    assert contact.state == "waiting" and contact.chat not in (None, first)


async def test_declining(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    await world.invite(bob, await world.link(alice))
    await alice.settled()
    with pytest.raises(NotFound):
        await alice.call(api.DeclineRequest("Carol"))
    await alice.call(api.DeclineRequest("Bob", block=True))
    assert not await alice.call(api.GetRequests())
    assert alice.people.is_blocked(bob.id)
    alice.crash()
    alice.wait(400)
    await alice.settled()
    assert not await alice.call(api.GetRequests())


async def test_packages_are_replaced_by_a_schedule(world: World) -> None:
    alice = await world.person("Alice")

    def puts(since: int) -> int:
        return sum(isinstance(one, frames.PackagesPut) for _, one in alice.carrier.seen[since:])

    assert puts(0) == 4  # 21 packages go in two frames to each of two relays
    assert alice.people.ready_packages == 40
    given = [
        {package.data for package in one.packages}
        for _, one in alice.carrier.seen
        if isinstance(one, frames.PackagesPut)
    ]
    assert len(set().union(*given)) == 42, "no package lies on two relays"
    since = len(alice.carrier.seen)
    alice.wait(86_400)
    await alice.settled()
    assert puts(since) == 0
    alice.wait(86_400 + 60)
    await alice.settled()
    assert puts(since) == 4
    assert alice.people.ready_packages == 40
    assert alice.packages == 84, "who took one before may still come with it"
    alice.wait(40 * 86_400)
    await alice.settled()
    assert alice.packages == 84


async def test_names_of_people(world: World) -> None:
    alice, bob, carol = [await world.person(one) for one in ("Alice", "Bob", "Carol")]
    await world.acquaint(alice, bob)
    await world.acquaint(alice, carol)
    people = alice.people
    assert people.resolve("bob") == bob.id
    assert people.resolve(bob.id.hex()[:8]) == people.resolve(account_uri(bob.id)) == bob.id
    assert people.resolve("Alice") == alice.id
    for unknown in ("", "Dave", "zz", bob.id.hex()[:3], "0" * 65):
        with pytest.raises(NotFound):
            people.resolve(unknown)
    await alice.call(api.RenameContact("Carol", "Bob"))
    assert people.resolve("Bob") == carol.id, "what we call somebody comes first"
    await alice.call(api.RenameContact(bob.id.hex(), "Bob"))
    with pytest.raises(Ambiguous):
        people.resolve("Bob")
    first, second = people.person(bob.id), people.person(carol.id)
    assert first.warnings == second.warnings == ("looks like another contact",)
    assert first.mark != second.mark


async def test_comparing_codes(world: World) -> None:
    alice, bob, carol = [await world.person(one) for one in ("Alice", "Bob", "Carol")]
    await world.acquaint(alice, bob)
    await world.acquaint(alice, carol)
    code = await alice.call(api.GetSafetyCode("Bob"))
    theirs = await bob.call(api.GetSafetyCode("Alice"))
    assert (code.digits, code.words, code.scan) == (theirs.digits, theirs.words, theirs.scan)
    other = await alice.call(api.GetSafetyCode("Carol"))
    for wrong in (other.digits, other.words, other.scan, "12345", "abandon"):
        with pytest.raises(CodesDiffer):
            await alice.call(api.VerifyContact("Bob", wrong))
    with pytest.raises(InvalidLink):
        await alice.call(api.VerifyContact("Bob", "heliogram:safety/x"))
    for right in (code.digits, code.words.upper(), code.scan, ""):
        contact = await alice.call(api.VerifyContact("Bob", right))
        assert contact.who.verified
        contact = await alice.call(api.VerifyContact("Bob", verified=False))
        assert not contact.who.verified
    with pytest.raises(NotAllowed):
        await alice.call(api.VerifyContact("Alice"))


async def test_an_account_is_made_once(world: World) -> None:
    alice = await world.person("Alice")
    words = recovery_words(alice.store)
    with pytest.raises(NotNow):
        create_account(alice.store, now=1, entropy=alice.entropy)
    path = world.path / "again.db"
    store = Store.create(path, alice.key)
    assert load_account(store) is None
    with pytest.raises(InvalidWords):
        create_account(store, words="no", now=1, entropy=alice.entropy)
    again = create_account(store, words=words, now=1_700_000_000, entropy=alice.entropy)
    assert again.id == alice.id
    assert again.certificate.device_id != alice.people.me.certificate.device_id
    assert again.devices.number > alice.people.me.devices.number
    store.close()


async def test_links_need_relays_and_room(world: World) -> None:
    alice = await world.person("Alice")
    with pytest.raises(NotAllowed):
        await alice.call(api.AddContact(await world.link(alice)))
    for _ in range(15):
        await alice.call(api.NewLink(name="For the door"))
    with pytest.raises(NotAllowed):
        await alice.call(api.NewLink())
    with pytest.raises(Ambiguous):
        await alice.call(api.RevokeLink("For the door"))
    alice.store.execute("DELETE FROM relays")
    alice.store.forget_memos()
    assert await alice.call(api.GetLinks()) == []
    with pytest.raises(NoRelays):
        await alice.call(api.NewLink())
