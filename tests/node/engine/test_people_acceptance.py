"""What must not work, and what must not be seen: numbers of the acceptance list."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from heliogram.mls import CipherSuite
from heliogram.node import api
from heliogram.node.engine.engine import Called
from heliogram.node.engine.pool import PERIOD
from heliogram.node.errors import InvalidInvitation, InvalidLink, InvitationFault
from heliogram.node.identity.devices import DeviceList
from heliogram.node.identity.links import ContactLink
from heliogram.node.inbox.card import Card
from heliogram.node.invitation import INVITATION_SIZES, Invitation
from heliogram.node.sealing import seal
from heliogram.wire import frames
from tests.node.engine.people_kit import Somebody, World, until


def given_again(first: Somebody, second: Somebody) -> None:
    """Let relays give the second one the key packages that they gave the first one."""
    kept: dict[bytes, frames.Packages] = {}

    def keep(relay: bytes, request: frames.Request, answer: frames.Answer) -> frames.Answer:
        if isinstance(answer, frames.Packages):
            kept[relay] = answer
        return answer

    def repeat(relay: bytes, request: frames.Request, answer: frames.Answer) -> frames.Answer:
        if isinstance(answer, frames.Packages):
            (again,) = kept.values()
            return again
        return answer

    first.carrier.lie, second.carrier.lie = keep, repeat


async def test_35_a_key_package_that_is_given_twice_is_good_once(world: World) -> None:
    alice, bob, carol = [await world.person(one) for one in ("Alice", "Bob", "Carol")]
    link = await world.link(alice)
    given_again(bob, carol)
    await world.invite(bob, link)
    await world.invite(carol, link)
    alice.wait(400)
    await alice.settled()
    assert len(await alice.call(api.GetRequests())) == 2
    held = alice.packages
    await alice.call(api.AcceptRequest("Bob"))
    assert alice.packages == held - 1, "the private part is gone"
    with pytest.raises(InvalidInvitation) as caught:
        await alice.call(api.AcceptRequest("Carol"))
    assert caught.value.fault is InvitationFault.NOT_FOR_US
    # What comes later does not even wait.
    dave = await world.person("Dave")
    dave.carrier.lie = carol.carrier.lie
    await world.invite(dave, link)
    alice.wait(400)
    await alice.settled()
    names = {one.who.name for one in await alice.call(api.GetRequests())}
    assert names == {"Carol"}


async def test_35_a_last_resort_is_good_twice_and_renewed_at_once(world: World) -> None:
    alice, bob, carol = [await world.person(one) for one in ("Alice", "Bob", "Carol")]
    link = await world.link(alice)

    def last(relay: bytes, request: frames.Request, answer: frames.Answer) -> frames.Answer:
        """A pool that somebody has emptied."""
        if isinstance(answer, frames.Packages):
            puts = (
                one
                for key, one in alice.carrier.seen
                if key == relay and isinstance(one, frames.PackagesPut)
            )
            left = tuple(one for put in puts for one in put.packages if one.last_resort)
            return msgspec.structs.replace(answer, packages=left)
        return answer

    for one in (bob, carol):
        one.carrier.lie = last
        await world.invite(one, link)
    alice.wait(400)
    await alice.settled()
    for one in (bob, carol):
        await alice.call(api.AcceptRequest(one.called))
    assert len(alice.talking.talks) == 2
    for talk in alice.talking.talks.values():
        assert not talk.live.must_renew
        assert talk.live.epoch == 2, "fresh keys before the first message"


async def test_36_packages_of_another_suite_are_refused(world: World) -> None:
    alice = await world.person("Alice")
    other = CipherSuite.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519
    bob = await world.person("Bob", suite=other)
    await bob.call(api.AddContact(await world.link(alice)))
    await until(lambda: bob.people.contact(alice.id).state == "failed", bob)
    assert bob.people.contact(alice.id).trouble == "packages unfit"


async def test_36_packages_out_of_their_time_are_refused(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    link = await world.link(alice)
    bob.wait(85 * 86_400)
    await bob.call(api.AddContact(link))
    await until(lambda: bob.people.contact(alice.id).state == "failed", bob)
    assert bob.people.contact(alice.id).trouble == "packages out of time"


async def test_41_a_link_with_one_other_character_is_refused(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    link = await world.link(alice)
    for at in range(len(link)):
        other = "b" if link[at] != "b" else "c"
        with pytest.raises(InvalidLink):
            bob.people.handlers[api.AddContact](
                api.AddContact(link[:at] + other + link[at + 1 :]), None
            )
    assert not await bob.call(api.GetContacts())


def swaps(relay: bytes, evil: Somebody) -> Callable[..., frames.Answer]:
    """A relay that gives key packages of its own."""

    def lie(at: bytes, request: frames.Request, answer: frames.Answer) -> frames.Answer:
        if at == relay and isinstance(answer, frames.Packages):
            own = evil.people.fresh_package()
            package = frames.Package(answer.packages[0].device, False, own.message)
            return msgspec.structs.replace(answer, packages=(package,))
        return answer

    return lie


async def test_42_an_inbox_that_gives_its_own_packages_is_named_and_passed_over(
    world: World,
) -> None:
    alice, bob, mallory = [await world.person(one) for one in ("Alice", "Bob", "Mallory")]
    link = await world.link(alice)
    first = ContactLink.from_text(link)
    order = [one.key for one in first.relays]
    bob.carrier.down.add(order[1])
    bob.carrier.lie = swaps(order[0], mallory)
    await bob.call(api.AddContact(link))

    def named() -> bool:
        rows = bob.store.query("SELECT relay, fault FROM faults")
        return rows == [(order[0], "foreign packages")]

    await until(named, bob)
    assert bob.people.contact(alice.id).state == "adding"
    assert any(isinstance(one, api.Warned) and one.who for one in bob.notices)
    bob.carrier.down.clear()
    await until(lambda: bob.people.contact(alice.id).state == "waiting", bob)
    (talk,) = bob.talking.talks.values()
    assert {one.account for one in talk.live.people()} == {alice.id, bob.id}


async def test_42_if_all_inboxes_lie_nobody_is_added(world: World) -> None:
    alice, bob, mallory = [await world.person(one) for one in ("Alice", "Bob", "Mallory")]
    lies = [swaps(one.key, mallory) for one in world.relays]

    def lie(at: bytes, request: frames.Request, answer: frames.Answer) -> frames.Answer:
        for one in lies:
            answer = one(at, request, answer)
        return answer

    bob.carrier.lie = lie
    await bob.call(api.AddContact(await world.link(alice)))
    await until(lambda: bob.people.contact(alice.id).state == "failed", bob)
    assert bob.people.contact(alice.id).trouble == "foreign packages"
    assert not bob.talking.talks


def lists(who: Somebody) -> tuple[DeviceList, DeviceList]:
    """A list of somebody with two devices, and a later one without the first."""
    me = who.people.me
    lost, other = bytes(16), me.certificate.device_id
    before = DeviceList.sign(me.account, 2, (lost, other), ())
    return before, DeviceList.sign(me.account, 3, (other,), (lost,))


async def test_43_an_older_list_of_devices_is_refused_and_told(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    await world.acquaint(alice, bob)
    before, after = lists(bob)
    for offered in (before, after, before):
        now = bob.people.me.said + 10
        bob.people.me.said = now
        bob.talking.say_profile(1, Card("Bob", "direct", devices=offered, said=now).encode())
    await alice.settled()
    assert alice.people.revoked(bob.id) == {bytes(16)}
    warned = [one for one in alice.notices if isinstance(one, api.Warned)]
    assert [(one.code, one.who and one.who.name) for one in warned] == [
        ("identity rolled back", "Bob")
    ]


async def test_44_a_revoked_device_invites_nobody(world: World) -> None:
    """Its key packages are not taken, its invitations are not shown."""
    alice, bob = await world.person("Alice"), await world.person("Bob")
    me = bob.people.me
    gone = DeviceList.sign(me.account, 9, (bytes(16),), (me.certificate.device_id,))
    with alice.store.transaction():
        alice.people.card_received(bob.id, Card("Bob", devices=gone).encode())
    await world.invite(bob, await world.link(alice))
    alice.wait(400)
    await alice.settled()
    assert not await alice.call(api.GetRequests())
    await alice.call(api.AddContact(await world.link(bob)))
    await until(lambda: alice.people.contact(bob.id).state == "failed", alice)
    assert alice.people.contact(bob.id).trouble == "packages revoked"


@pytest.mark.parametrize(
    ("name", "shown", "warned"),
    [
        ("Bob\u200b\u202e", "Bob", ("looks like another contact",)),
        ("B\u043eb", "B\u043eb", ("mixed scripts", "looks like another contact")),
        ("B0b", "B0b", ("looks like another contact",)),
        ("Bobby", "Bobby", ()),
    ],
)
async def test_46_names_that_mislead(
    world: World, name: str, shown: str, warned: tuple[str, ...]
) -> None:
    alice, bob, mallory = [await world.person(one) for one in ("Alice", "Bob", "Mallory")]
    await world.acquaint(bob, alice)
    object.__setattr__(mallory.people.me, "name", name)
    await world.invite(mallory, await world.link(alice))
    alice.wait(400)
    await alice.settled()
    (request,) = await alice.call(api.GetRequests())
    assert (request.who.name, request.who.warnings) == (shown, warned)
    assert request.who.mark != alice.people.person(bob.id).mark


async def test_47_nothing_of_a_request_can_be_noticed(world: World) -> None:
    """What relays see after an invitation is what they see after garbage."""
    saw = []
    for what in ("invitation", "garbage"):
        alice, bob = await world.person(f"Alice {what}"), await world.person(f"Bob {what}")
        link = await world.link(alice)
        bob.talking.spoils = what == "garbage"
        since = len(alice.carrier.seen)
        await world.invite(bob, link)
        for _ in range(10):
            alice.wait(400)
            await alice.settled()
        assert len(await alice.call(api.GetRequests())) == (what == "invitation")
        deleted = sorted(
            (relay, one.indices)
            for relay, one in alice.carrier.seen[since:]
            if isinstance(one, frames.InboxDelete)
        )
        saw.append(deleted)
        assert {type(one) for _, one in alice.carrier.seen[since:]} <= {
            frames.InboxRead,
            frames.InboxDelete,
            frames.Subscribe,
        }
        assert not alice.talking.talks
        if what == "invitation":
            await alice.turn(Called(api.DeclineRequest(f"Bob {what}")))
            since = len(alice.carrier.seen)
            await alice.settled()
            assert len(alice.carrier.seen) == since, "declining is not seen"
    assert saw[0] == saw[1]
    assert len(saw[0]) == len(world.relays)


async def test_47_a_one_time_link_ends_when_all_is_due(world: World) -> None:
    """Relays are not told that it was used when its invitation is read, but when they hear of us anyway."""
    alice, bob = await world.person("Alice"), await world.person("Bob")
    link = await world.link(alice, one_time=True)
    since = len(alice.carrier.seen)
    await world.invite(bob, link)
    for _ in range(10):
        alice.wait(400)
        await alice.settled()
    assert len(await alice.call(api.GetRequests())) == 1
    seen = [one for _, one in alice.carrier.seen[since:]]
    assert any(isinstance(one, frames.InboxDelete) for one in seen), "it was read"
    assert not any(isinstance(one, frames.LinkRevoke) for one in seen)
    alice.wait(PERIOD)
    await alice.settled()
    seen = [one for _, one in alice.carrier.seen[since:]]
    assert any(isinstance(one, frames.PackagesPut) for one in seen)
    assert any(isinstance(one, frames.LinkRevoke) for one in seen)


async def test_45_somebody_elses_certificate_makes_no_invitation_theirs(world: World) -> None:
    """The card's certificate counts only for whoever signed the invitation."""
    alice, bob, mallory = [await world.person(one) for one in ("Alice", "Bob", "Mallory")]
    object.__setattr__(mallory.people.me, "certificate", bob.people.me.certificate)
    await world.invite(mallory, await world.link(alice))
    alice.wait(400)
    await alice.settled()
    assert not await alice.call(api.GetRequests())


async def test_47_whatever_an_item_holds_nothing_comes_of_it(world: World) -> None:
    """Invitations with any byte changed, and garbage, sealed as they should be."""
    alice, bob = await world.person("Alice"), await world.person("Bob")
    link = ContactLink.from_text(await world.link(alice))
    await world.invite(bob, link.to_text())
    (posted,) = {one.data for _, one in bob.carrier.seen if isinstance(one, frames.InboxPost)}
    whole = Invitation.unseal(link.secret, link.inbox, posted).encode()
    requests, public = alice.people._requests, link.key().public
    broken = [
        whole[:at] + bytes((whole[at] ^ 0x40,)) + whole[at + 1 :] for at in range(0, len(whole), 37)
    ]
    broken += [whole[:at] for at in range(0, len(whole), 101)]
    with alice.store.transaction():
        for content in (*broken, b"", whole + bytes(1), bytes(500)):
            item = seal(
                link.secret,
                b"invitation",
                content,
                aad=link.inbox,
                sizes=INVITATION_SIZES,
                entropy=alice.entropy,
            )
            requests.came(link.inbox, public, item)
        assert not requests.waiting()
        requests.came(link.inbox, public, posted)
        assert len(requests.waiting()) == 1
        requests.came(link.inbox, bytes(32), posted)
        requests.came(link.inbox, public, posted)
        assert len(requests.waiting()) == 1


async def test_an_invitation_that_waited_puts_no_old_name_back(world: World) -> None:
    alice, bob = await world.person("Alice"), await world.person("Bob")
    await world.invite(bob, await world.link(alice))
    alice.wait(400)
    await alice.settled()
    (request,) = await alice.call(api.GetRequests())
    assert request.who.name == "Bob"
    with alice.store.transaction():
        newer = Card("Bob II", "group", named=bob.people.me.named + 1)
        alice.people.card_received(bob.id, newer.encode())
    await alice.call(api.AcceptRequest("Bob II"))
    assert alice.people.person(bob.id).name == "Bob II"
    assert alice.people.contact(bob.id).state == "known"
