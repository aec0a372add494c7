"""Cards that come late, or once more: what is older than what is known puts nothing back."""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path

import pytest

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.engine.account import NAMED, create_account, load_account, replace_device
from heliogram.node.errors import InvalidIdentity
from heliogram.node.identity.devices import DeviceList
from heliogram.node.identity.links import ContactLink, InboxRelay
from heliogram.node.inbox.card import AHEAD, MAX_TIME, Card, Stamp, is_newer, next_time
from heliogram.node.store.database import Store
from heliogram.node.store.people import ContactRow, PeopleTables
from tests.node.engine.kit import Person, World
from tests.node.identity.samples import NOW, name

YEARS = 20 * 365 * 86_400


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def called(person: Person, by: Person) -> str:
    return by.hands.person(person.id).name


def hears(person: Person, of: Person, card: Card) -> None:
    person.do(lambda: person.hands.card_received(of.id, card.encode()))


def card(person: Person) -> Card:
    """A card for a group, as this person would say it now."""
    made: bytes = person.do(lambda: person.hands._cards.group())
    return Card.from_bytes(made)


def renamed(world: World, person: Person, name: str, chat: str, *others: Person) -> None:
    """Somebody calls themselves otherwise, and says something."""
    person.call(api.SetMe(name))
    person.call(api.SendMessage(chat, f"I am {name}"))
    for other in others:
        world.run(until=lambda: called(person, other) == name)  # noqa: B023


def test_a_card_that_is_said_again_long_after_puts_no_old_name_back(world: World) -> None:
    alice, bob, carol = world.people("alice", "bob", "carol")
    chat = world.group("Tea", alice, bob, carol)
    renamed(world, alice, "Alice I", chat, bob, carol)
    old = card(alice)
    world.run(600.0)
    renamed(world, alice, "Alice II", chat, bob, carol)
    # Another epoch, a restart: what was said then is said once more.
    alice.call(api.SetProfile(chat, name="Coffee"))
    world.run(until=lambda: bob.chat(chat).name == "Coffee")
    bob.crash()
    alice.do(lambda: alice.talks.say_profile(alice.number(chat), old.encode()))
    alice.call(api.SendMessage(chat, "after it"))
    for other in (bob, carol):
        world.run(until=lambda: other.texts(chat)[-1:] == ["after it"])  # noqa: B023
        assert called(alice, other) == "Alice II"
    # A newer one counts.
    renamed(world, alice, "Alice", chat, bob, carol)


def test_what_is_of_one_time_is_settled_alike_by_all(world: World) -> None:
    bob, *others = world.people("bob", "alice", "carol", "dave", "erin", "frank", "grace")
    now = int(bob.time) + 10
    cards = [Card(one, named=now) for one in ("Bob", "Bobby", "Robert")]
    for one, order in zip(others, permutations(cards), strict=True):
        for each in order:
            hears(one, bob, each)
    assert {called(bob, one) for one in others} == {"Robert"}


@pytest.mark.parametrize("wrong", [YEARS, -YEARS])
def test_a_clock_that_was_wrong_locks_nobody_out(world: World, wrong: int) -> None:
    alice, bob, carol = world.people("alice", "bob", "carol")
    chat = world.group("Tea", alice, bob)
    renamed(world, alice, "Alice I", chat, bob)
    alice.offset = float(wrong)
    alice.call(api.SetMe("Alice II"))
    alice.call(api.SendMessage(chat, "what day is it"))
    world.run(until=lambda: "what day is it" in bob.texts(chat))
    assert called(alice, bob) == "Alice I", "nobody knows which of the two is newer"
    # Who knows no other name takes it; and what has no name takes none away.
    hears(carol, alice, card(alice))
    assert called(alice, carol) == "Alice II"
    # The clock is put right: it is said anew with the next thing that is said.
    alice.offset = 0.0
    alice.crash()
    alice.call(api.SendMessage(chat, "now I know"))
    world.run(until=lambda: called(alice, bob) == "Alice II")
    hears(carol, alice, card(alice))
    for time in (int(alice.time) - 86_400, int(alice.time) + YEARS):
        for one in (bob, carol):
            hears(one, alice, Card("Old", named=time))
            assert called(alice, one) == "Alice II"
    renamed(world, alice, "Alice III", chat, bob)
    assert len({alice.call(api.SetMe(f"Alice {n}")) for n in range(4)}) == 4
    renamed(world, alice, "Alice", chat, bob)


def test_several_devices_of_one_account_go_on_from_each_other(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    ahead = int(alice.time) + 3600
    hears(alice, alice, Card("Alice of the phone", named=ahead, said=ahead + 5))
    assert alice.hands.person(alice.id).name == "Alice of the phone"
    alice.crash()
    mine = card(alice)
    assert (mine.name, mine.named) == ("Alice of the phone", ahead)
    assert mine.said > ahead + 5
    # What that device said before is no news here either.
    hears(alice, alice, Card("Alice of old", named=ahead - 1))
    hears(alice, alice, Card("", named=ahead + 50))
    assert card(alice).name == "Alice of the phone"
    renamed(world, alice, "Alice", chat, bob)
    assert card(alice).named > ahead


def test_a_restored_account_goes_on_with_a_later_name(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "profile.db", Secret(bytes(32)))
    first = create_account(store, name="Ben", now=NOW, entropy=os.urandom)
    assert (first.named, first.said) == (NOW, 0)
    for later, named in ((NOW + 50, NOW + 50), (NOW + 20, NOW + 51), (NOW - YEARS, NOW - YEARS)):
        me = load_account(store)
        assert me is not None
        replace_device(
            store, me.certificate.device_id, me.device.suite, now=later, entropy=os.urandom
        )
        me = load_account(store)
        assert me is not None and (me.name, me.named) == ("Ben", named)
    assert me is not None and me.is_misdated(NOW), "its last one knew a later time, which was right"
    # A profile of before there were times.
    store.set_setting(NAMED, None)
    me = load_account(store)
    assert me is not None and me.named == me.certificate.created
    store.close()


def _link(person: Person, secret: str) -> ContactLink:
    relay = InboxRelay(name("relay"), (b"wss://relay.example/ws",))
    return ContactLink(person.id, name("inbox"), name(secret), (relay,))


def test_an_old_card_puts_no_old_link_back(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    tables = PeopleTables(alice.store)
    alice.do(lambda: tables.save_contact(ContactRow(bob.id, "", 0, "known")))
    now = int(bob.time)
    links = [_link(bob, one) for one in ("first", "second")]
    cards = [
        Card("Bob", "direct", link=one, named=now, said=now + at) for at, one in enumerate(links)
    ]
    for each in (*cards, cards[0], Card("Bob", "direct", link=links[0], said=now + YEARS)):
        hears(alice, bob, each)
    alice.crash()
    found = PeopleTables(alice.store).contact(bob.id)
    assert found is not None and found.link == links[1].encode()


def test_an_old_list_of_devices_in_an_old_card_alarms_nobody(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    me, now = bob.hands.me, int(bob.time)
    lost, this = bytes(16), me.certificate.device_id
    old = DeviceList.sign(me.account, 2, (lost, this), ())
    new = DeviceList.sign(me.account, 3, (this,), (lost,))
    for devices, said in ((old, now), (new, now + 1), (old, now), (new, now + 9), (old, now + 8)):
        hears(alice, bob, Card("Bob", devices=devices, said=said))
    assert not alice.heard(api.Warned)
    assert alice.hands.revoked(bob.id) == {lost}
    hears(alice, bob, Card("Bob", devices=old, said=now + 10))
    assert [one.code for one in alice.heard(api.Warned)] == ["identity rolled back"]
    other = DeviceList.sign(me.account, 3, (lost, this), ())
    hears(alice, bob, Card("Bob", devices=other, said=now))
    assert len(alice.heard(api.Warned)) == 2, "that contradicts, however old it is"
    assert alice.hands.revoked(bob.id) == {lost}


def test_the_order_is_one_for_all() -> None:
    stamps: list[Stamp] = [
        (0, b""),
        (0, b"Link"),
        (NOW + AHEAD + 1, b"A"),
        (NOW + AHEAD + 2, b"A"),
        (1, b""),
        (NOW, b"A"),
        (NOW, b"B"),
        (NOW + AHEAD, b"A"),
    ]
    for at, one in enumerate(stamps):
        for to, other in enumerate(stamps):
            assert is_newer(one, other, NOW) is (at > to)
    assert next_time(NOW + 5, NOW) == NOW + 6
    assert next_time(NOW - 5, NOW) == NOW
    assert next_time(NOW + AHEAD + 1, NOW) == NOW


def test_no_time_is_too_large_to_be_kept() -> None:
    most = Card("Al", named=MAX_TIME, said=MAX_TIME)
    assert Card.from_bytes(most.encode()) == most
    for over in (Card("Al", named=MAX_TIME + 1), Card("Al", said=MAX_TIME + 1)):
        with pytest.raises(InvalidIdentity):
            Card.from_bytes(over.encode())
