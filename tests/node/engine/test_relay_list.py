"""Relays for what we begin: how they are named, and which of them a conversation gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import InvalidEndpoint, NoRelays
from heliogram.wire.objects import RelayDescription
from tests.node.engine.kit import Person, World
from tests.sim.relays import name

KEY, OPERATOR = name("a relay").hex(), name("an operator").hex()


@pytest.fixture
def alice(tmp_path: Path) -> Person:
    """Somebody without relays."""
    world = World(tmp_path, n=6)
    made = Person(world, "Alice")
    world.everybody.append(made)
    return made


def relays_of(person: Person, chat: str) -> list[str]:
    """Names of a conversation's relays."""
    return [one.relay.name for one in person.call(api.GetChat(chat)).relays]


@pytest.mark.parametrize(
    ("address", "operator"),
    [
        (f"wss://relay.example/ws#{KEY}", KEY),
        (f" wss://relay.example/ws#{KEY.upper()}&operator={OPERATOR} ", OPERATOR),
        (
            RelayDescription(
                bytes.fromhex(KEY), bytes.fromhex(OPERATOR), (b"wss://relay.example/ws",)
            )
            .encode()
            .hex(),
            OPERATOR,
        ),
    ],
)
def test_an_address(alice: Person, address: str, operator: str) -> None:
    added: api.RelayInfo = alice.call(api.AddRelay(address))
    assert (added.key, added.name, added.operator) == (KEY, "relay.example", operator)
    (listed,) = alice.call(api.GetRelays())
    assert listed.relay == added


def test_who_runs_it_can_be_said_later(alice: Person) -> None:
    alice.call(api.AddRelay(f"wss://relay.example/ws#{KEY}"))
    alice.call(api.AddRelay(f"wss://relay.example/ws#{KEY}&operator={OPERATOR}"))
    assert [one.relay.operator for one in alice.call(api.GetRelays())] == [OPERATOR]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "relay.example",
        "wss://relay.example/ws",
        f"wss://relay.example/ws#{KEY[:-2]}",
        f"wss://relay.example/ws#{KEY}&operator=",
        f"wss://relay.example/ws#{KEY}&operator={OPERATOR}&more",
        f"ws://relay.example/ws#{KEY}",
        f"wss://rel ay.example/ws#{KEY}",
        f"wss://{'a' * 4000}.example/ws#{KEY}",
        KEY,
        RelayDescription(bytes.fromhex(KEY), bytes.fromhex(KEY), ()).encode().hex(),
        RelayDescription(bytes.fromhex(KEY), bytes.fromhex(KEY), (b"http://a",)).encode().hex(),
    ],
)
def test_no_address(alice: Person, address: str) -> None:
    with pytest.raises(InvalidEndpoint):
        alice.call(api.AddRelay(address))
    assert alice.call(api.GetRelays()) == []


def test_one_relay_of_each_operator(alice: Person) -> None:
    with pytest.raises(NoRelays):
        alice.call(api.CreateGroup("Early"))
    one, other = name("one").hex(), name("other").hex()
    for at, operator in enumerate((one, one, one, one)):
        key = alice.world.order[at].key.hex()
        alice.call(api.AddRelay(f"wss://{at}.example/ws#{key}&operator={operator}"))
    # All of one: several machines are better than one.
    chat = alice.call(api.CreateGroup("Alone")).id
    assert relays_of(alice, chat) == ["0.example", "1.example", "2.example", "3.example"]
    for at, operator in ((4, other), (5, OPERATOR)):
        key = alice.world.order[at].key.hex()
        alice.call(api.AddRelay(f"wss://{at}.example/ws#{key}&operator={operator}"))
    chat = alice.call(api.CreateGroup("Three")).id
    assert sorted(relays_of(alice, chat)) == ["0.example", "4.example", "5.example"]
    # By a person's word, whatever there is.
    chat = alice.call(api.CreateGroup("Two", relays=("0.example", "1.example"))).id
    assert len(relays_of(alice, chat)) == 2
