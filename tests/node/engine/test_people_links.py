"""Links for contacts: one each, shared when there are more contacts. And Welcomes that lie elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from heliogram import mls
from heliogram.node import api, staging
from heliogram.node.components import Role
from heliogram.node.engine.contact_links import MAX_PERSONAL, ContactLinks
from heliogram.node.engine.engine import Called
from heliogram.node.errors import InvalidInvitation, InvitationFault
from heliogram.node.store.people import ContactRow, PeopleTables
from heliogram.node.value import MAX_WELCOME, WelcomeBlob
from heliogram.wire.limits import MAX_LINKS
from tests.node.engine.people_kit import World
from tests.node.identity.samples import name


async def test_more_contacts_than_links(world: World) -> None:
    alice = await world.person("Alice")
    tables = PeopleTables(alice.store)
    links = ContactLinks(alice.context, tables, alice.people.me)
    given = []
    for number in range(2 * MAX_PERSONAL + 5):
        contact = ContactRow(name(f"contact {number}"), "", 0, "known")
        given.append(links.for_contact(contact))
        tables.save_contact(contact)
        assert links.for_contact(contact) == given[-1], "it stays"
    assert len(set(given)) == MAX_PERSONAL < MAX_LINKS
    assert len(set(given[:MAX_PERSONAL])) == MAX_PERSONAL, (
        "each has their own as long as there are any"
    )
    assert max(given.count(one) for one in given) == 3
    # One of three is blocked: the link goes, the two others get another one.
    await alice.call(api.BlockContact(name("contact 0").hex()))
    for number in (0, MAX_PERSONAL, 2 * MAX_PERSONAL):
        row = tables.contact(name(f"contact {number}"))
        assert row is not None and row.given is None
    left = tables.contact(name(f"contact {MAX_PERSONAL}"))
    assert left is not None
    again = links.for_contact(left)
    assert again is not None and again not in given
    await alice.settled()


async def test_a_link_of_a_contact_is_good_for_nobody_else(world: World) -> None:
    alice, bob, mallory = [await world.person(one) for one in ("Alice", "Bob", "Mallory")]
    await world.acquaint(bob, alice)
    (link,) = [one.uri for one in await alice.call(api.GetLinks()) if one.person is not None]
    await world.invite(mallory, link)
    alice.wait(400)
    await alice.settled()
    assert not await alice.call(api.GetRequests())


async def test_a_welcome_in_a_blob(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched when the request was accepted, not before."""
    alice, bob = await world.person("Alice"), await world.person("Bob")
    monkeypatch.setattr(staging, "MAX_WELCOME", 100)
    await world.invite(bob, await world.link(alice))
    alice.wait(400)
    await alice.settled()
    (request,) = await alice.call(api.GetRequests())
    assert request.who.name == "Bob"
    with pytest.raises(InvalidInvitation):
        await alice.call(api.AcceptRequest(request.id))
    found = alice.people.welcome_of(request.id)
    assert found is not None
    (blob,) = world.net.blobs
    assert isinstance(found[0], WelcomeBlob) and len(found[1]) == 4
    turned = await alice.turn(Called(api.AcceptRequest(request.id), found[0].unseal(blob)))
    ((_, chat),) = turned.results
    assert isinstance(chat, api.Chat)
    assert not await alice.call(api.GetRequests())


@pytest.mark.parametrize("most", [1 << 20, 100])
async def test_nobody_hides_in_a_conversation_of_two(
    world: World, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Neither by a Welcome in the invitation nor by one that is fetched."""
    alice, bob, carol = [await world.person(one) for one in ("Alice", "Bob", "Carol")]
    monkeypatch.setattr(staging, "MAX_WELCOME", min(most, MAX_WELCOME))
    third, add = carol.people.fresh_package().key_package, bob.talking.add

    def add_both(
        conversation: int,
        packages: Sequence[mls.KeyPackage],
        accounts: frozenset[bytes],
        role: Role,
    ) -> None:
        add(conversation, [*packages, third], accounts | {carol.id}, role)

    monkeypatch.setattr(bob.talking, "add", add_both)
    await world.invite(bob, await world.link(alice))
    alice.wait(400)
    await alice.settled()
    if most > 100:
        assert not await alice.call(api.GetRequests())
        return
    (request,) = await alice.call(api.GetRequests())
    assert request.kind == "direct"
    found = alice.people.welcome_of(request.id)
    assert found is not None
    (blob,) = world.net.blobs
    turned = await alice.turn(Called(api.AcceptRequest(request.id), found[0].unseal(blob)))
    ((_, error),) = turned.results
    assert isinstance(error, InvalidInvitation) and error.fault is InvitationFault.BAD_GROUP
    assert not alice.talking.talks
