"""Saved state survives damage and time: what was changed is refused, former versions are read."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from heliogram import mls
from tests.mls.devices import Device, two_devices
from tests.scenarios.cast import NOW, OPEN, PLAIN, Person

STATES = Path(__file__).parent.parent / "vectors" / "heliogram" / "states"

# -- damage ----------------------------------------------------------------------------------------


def a_device_with_everything() -> Device:
    """Past epochs, skipped keys, waiting proposals, an own update and a staged commit with a Welcome."""
    alice, bob = two_devices(replace(PLAIN, past_epochs=2))
    messages = [alice.says(str(number)) for number in range(5)]
    bob.hears(messages[3])
    alice.follows(bob.commits().message)
    bob.hears(messages[1])
    bob.hears(alice.says("now"))
    bob.notes(alice.proposes(mls.Add(Person("Carol").key_package())))
    bob.proposes_update()
    bob.stages()
    bob.saves()
    return bob


def use(group: mls.Group, messages: list[bytes]) -> None:
    """What a group may be asked, damaged or not: it answers, or says what is wrong in our words."""
    bob = Person("Bob")
    bob.kept = group
    acts: list[Callable[[], object]] = [
        lambda: bob.group.to_bytes(),
        lambda: bob.group.changes(),
        lambda: bob.group.members(),
        lambda: bob.group.safe_export(3),
        lambda: bob.group.group_info(external_pub=True),
        lambda: bob.group.discard_staged(),
        lambda: bob.stages(),
        lambda: bob.stages(mls.Remove(0)),
        *(lambda message=message: bob.group.process(message, now=NOW) for message in messages),
    ]
    for act in acts:
        try:
            act()
        except mls.MLSError:
            pass


def test_damaged_bytes() -> None:
    """Every byte counts: a saved value that was changed, cut or lengthened anywhere is refused."""
    bob = a_device_with_everything()
    saved = bytes(bob.group.to_bytes())
    wrong = [saved[:size] for size in range(0, len(saved), 37)] + [saved + b"\x00", b"", b"hgmls"]
    for position in range(0, len(saved), 11):
        damaged = bytearray(saved)
        damaged[position] ^= 1 << position % 8
        wrong.append(bytes(damaged))
    for data in wrong:
        with pytest.raises(mls.UsageError):
            mls.Group.from_bytes(data, config=bob.config)
    assert bytes(mls.Group.from_bytes(saved, config=bob.config).to_bytes()) == saved


def test_a_newer_version() -> None:
    bob = a_device_with_everything()
    saved = bytearray(bob.group.to_bytes())
    saved[6] += 1
    with pytest.raises(mls.UsageError):
        mls.Group.from_bytes(bytes(saved), config=bob.config)
    bob.store[b"G"] = b"\x00\x02" + bob.store[b"G"][2:]
    with pytest.raises(mls.UsageError):
        bob.stored()


def test_damaged_records() -> None:
    """No checksum is over them: they load or they do not, and nothing but our own errors comes out."""
    bob = a_device_with_everything()
    alice = Person("Alice")
    alice.creates(b"another")
    messages = [alice.says("hello"), bob.group.staged.message if bob.group.staged else b""]
    chance = random.Random(1)
    store = dict(bob.store)
    refused = loaded = 0

    def attempt(records: dict[bytes, bytes]) -> None:
        nonlocal refused, loaded
        try:
            group = mls.Group.from_records(records, config=bob.config)
        except mls.UsageError:
            refused += 1
            return
        loaded += 1
        use(group, messages)

    for name, value in store.items():
        attempt({other: data for other, data in store.items() if other != name})
        attempt({**store, name: b""})
        attempt({**store, name: value[:-1]})
        attempt({**store, name: value + b"\x00"})
        attempt({**store, name: chance.choice(list(store.values()))})
        for _ in range(12):
            damaged = bytearray(value)
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 0x3F, 0x7F, 0xBF, 0xFF))
            attempt({**store, name: bytes(damaged)})
        for kind in (b"N", b"S", b"E", b"P", b"U"):
            attempt({**store, kind + chance.randbytes(chance.randrange(14)): value})
    for size in (0, 2, 5, 1 << 31, (1 << 32) - 1):
        attempt({**store, b"W": size.to_bytes(4, "big")})
    assert refused > 100 and loaded > 100
    attempt({})


def test_past_epochs_are_what_they_are_called() -> None:
    """Each is written as what differs from the one after it: out of its place it would be another one."""
    store = dict(a_device_with_everything().store)
    past = [name for name in store if name[:1] == b"E"]
    assert past
    for name in past:
        value = store[name]
        later = b"E" + b"\xff" * 8
        elsewhere = {other: data for other, data in store.items() if other != name} | {later: value}
        # That an epoch comes after the current one is not believed either: 8 bytes are its number.
        at = value.index(name[1:])
        ahead = value[:at] + later[1:] + value[at + 8 :]
        for records in (elsewhere, {**elsewhere, later: ahead}):
            with pytest.raises(mls.UsageError):
                mls.Group.from_records(records, config=replace(PLAIN, past_epochs=2))


# -- states of former versions ---------------------------------------------------------------------


FIXTURES = sorted(STATES.glob("*.json"))


def test_there_are_fixtures() -> None:
    assert {path.stem.split("-", 1)[1] for path in FIXTURES} >= {
        "alone",
        "talking",
        "waiting",
        "staged",
        "closed",
        "components",
        "post-quantum",
    }


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("how", ["bytes", "records"])
def test_a_frozen_state_still_talks(path: Path, how: str) -> None:
    """It loads, knows what it knew, reads what a peer sent it long ago, and goes on."""
    known = json.loads(path.read_text())
    config = replace(OPEN, past_epochs=3, psk=lambda _: mls.Secret(b"frozen"))
    group = mls.Group.from_bytes(path.with_suffix(".bin").read_bytes(), config=config)
    if how == "records":
        records = {
            bytes.fromhex(name): bytes.fromhex(value) for name, value in known["records"].items()
        }
        stored = mls.Group.from_records(records, config=config)
        assert bytes(stored.to_bytes()) == bytes(group.to_bytes())
        group = stored
    one = Person(known["name"], config=config)
    one.kept = group
    assert group.epoch == known["epoch"]
    assert bytes(group.epoch_authenticator) == bytes.fromhex(known["epoch_authenticator"])
    assert [leaf_index for leaf_index, _ in group.members()] == known["members"]
    assert len(group.pending_proposals) == known["pending"]
    assert (group.staged is not None) == known["staged"]
    assert (group.reinit is not None) == known["closed"]
    for component, secret in known["exports"].items():
        if secret is None:
            with pytest.raises(mls.UsageError):
                group.safe_export(int(component))
        else:
            assert bytes(group.safe_export(int(component))) == bytes.fromhex(secret)
    for message in known["messages"]:
        heard = one.gets(mls.ApplicationMessage, bytes.fromhex(message["message"]))
        assert (heard.data.decode(), heard.sender, heard.epoch) == (
            message["text"],
            message["sender"],
            message["epoch"],
        )
    for commit in known["commits"]:
        step = one.follows(bytes.fromhex(commit["message"]))
        assert step.own == commit["own"]
        authenticator = bytes.fromhex(commit["epoch_authenticator"])
        assert bytes(one.group.epoch_authenticator) == authenticator
    if one.group.reinit is None:
        other = Person("a newcomer", suite=one.group.context.cipher_suite, config=config)
        staged = one.commits(mls.Add(other.key_package()))
        other.joins(staged.welcome)
        assert other.hears(one.says("welcome")) == b"welcome"
        assert one.hears(other.says("thank you")) == b"thank you"
