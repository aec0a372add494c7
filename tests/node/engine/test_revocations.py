"""A device that its account has revoked is removed by the device of some member."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.engine.revocations import LONGEST
from heliogram.node.identity.devices import DeviceList
from heliogram.node.inbox.card import Card
from tests.node.engine.kit import Person, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def revoked_by(person: Person) -> bytes:
    """The card of an account on another device, that has revoked this one."""
    me = person.hands.me
    lost = me.certificate.device_id
    after = DeviceList.sign(me.account, me.devices.number + 1, (bytes(16),), (lost,))
    return Card(person.called, devices=after).encode()


def hears(person: Person, of: Person) -> None:
    card = revoked_by(of)
    person.do(lambda: person.hands.card_received(of.id, card))


@pytest.mark.parametrize("restarted", [False, True])
def test_44_a_revoked_device_is_removed(world: World, restarted: bool) -> None:
    alice, bob, carol = world.people("alice", "bob", "carol")
    chat = world.group("Tea", alice, bob, carol)
    # All hear of it; who may do it, does it once. Bob may not.
    for one in (bob, alice):
        hears(one, carol)
    if restarted:
        alice.crash()
    world.run(LONGEST, until=lambda: carol.chat(chat).phase == "out")
    world.run(until=lambda: bob.chat(chat).members == 2)
    for one in (alice, bob):
        assert one.events(chat).count("member removed") == 1
    assert bob.lines(chat)[-1].endswith(" removed carol.")
    world.run(3 * LONGEST)
    assert not alice.heard(api.CommandFailed) + bob.heard(api.CommandFailed)
    alice.call(api.SendMessage(chat, "without it"))
    world.run(until=lambda: bob.texts(chat) == ["without it"])


def test_several_who_may(world: World) -> None:
    alice, bob, carol = world.people("alice", "bob", "carol")
    chat = world.group("Tea", alice, carol)
    world.add(chat, alice, bob, role=Role.ADMIN)
    for one in (bob, alice):
        hears(one, carol)
    world.run(LONGEST, until=lambda: carol.chat(chat).phase == "out")
    world.run(3 * LONGEST)
    for one in (alice, bob):
        assert one.events(chat).count("member removed") == 1
        assert not one.heard(api.CommandFailed)


def test_nobody_may(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    chat = world.group("Tea", alice, bob)
    hears(bob, alice)
    world.run(3 * LONGEST)
    assert alice.chat(chat).phase == "open"
    assert not bob.heard(api.CommandFailed)
    # Once he may, he does: she cannot be heard any more in any case.
    alice.call(api.SetRole(chat, bob.id.hex(), "owner"))
    world.run(2 * LONGEST, until=lambda: alice.chat(chat).phase == "out")
