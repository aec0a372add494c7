"""Freeze saved states as fixtures: `python -m tests.mls.make_states`.

Each `v<version>-<story>.bin` is what `to_bytes` gave, the `.json` beside it what the state must know and
what a peer sent it. They stand for what users have on their disks: a file that is there is never written
again. Run this when the layout of saved state gets a new version, and commit what is new.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from heliogram import mls
from heliogram.mls.state import VERSION
from tests.mls.devices import Device
from tests.scenarios.cast import OPEN, SUITE, Open

STATES = Path(__file__).parent.parent / "vectors" / "heliogram" / "states"


class Titles(Open):
    def update_component(self, component_id: int, current: bytes | None, updates: Any) -> bytes:
        return bytes(updates[-1])


CONFIG = replace(OPEN, past_epochs=3, policy=Titles(), psk=lambda _: mls.Secret(b"frozen"))


@dataclass
class Frozen:
    """A device at the moment of freezing, and what happens after it."""

    story: str
    device: Device
    messages: list[dict[str, Any]] = field(default_factory=list)
    commits: list[dict[str, Any]] = field(default_factory=list)
    exports: dict[str, str | None] = field(default_factory=dict)
    state: bytes = b""
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        device = self.device
        device.saves()
        self.state = bytes(device.group.to_bytes())
        self.known = {
            "name": device.name,
            "epoch": device.group.epoch,
            "epoch_authenticator": bytes(device.group.epoch_authenticator).hex(),
            "members": [leaf_index for leaf_index, _ in device.group.members()],
            "pending": len(device.group.pending_proposals),
            "staged": device.group.staged is not None,
            "closed": device.group.reinit is not None,
            "records": {name.hex(): value.hex() for name, value in sorted(device.store.items())},
        }

    def hears(self, message: bytes) -> None:
        """A message that the frozen device has not read yet."""
        heard = self.device.gets(mls.ApplicationMessage, message)
        self.messages.append(
            {
                "message": message.hex(),
                "text": heard.data.decode(),
                "sender": heard.sender,
                "epoch": heard.epoch,
            }
        )

    def follows(self, message: bytes) -> None:
        """A commit that the frozen device has not seen yet."""
        step = self.device.follows(message)
        self.commits.append(
            {
                "message": message.hex(),
                "own": step.own,
                "epoch_authenticator": bytes(step.group.epoch_authenticator).hex(),
            }
        )

    def writes(self) -> None:
        path = STATES / f"v{VERSION}-{self.story}.bin"
        if path.exists():
            print(f"{path.name} is there already")
            return
        path.write_bytes(self.state)
        known = {
            **self.known,
            "messages": self.messages,
            "commits": self.commits,
            "exports": self.exports,
        }
        path.with_suffix(".json").write_text(json.dumps(known, indent=1) + "\n")


def group(*names: str, suite: int = SUITE, **creating: Any) -> list[Device]:
    everybody = [Device(name, suite=suite, config=CONFIG) for name in names]
    first, *others = everybody
    first.creates(b"a frozen group", **creating)
    if others:
        welcome = first.adds(*others).welcome
        for one in others:
            one.joins(welcome)
    return everybody


def alone() -> Frozen:
    """A group of one, at its first epoch."""
    return Frozen("alone", group("Alice")[0])


def talking(story: str = "talking", suite: int = SUITE) -> Frozen:
    """Past epochs, also of a larger tree; ratchets that moved; keys that were skipped."""
    everybody = group("Alice", "Bob", "Carol", "Dave", "Erin", suite=suite)
    alice, bob, carol, dave, erin = everybody
    for committer in (bob, erin):
        message = committer.commits().message
        for one in everybody:
            if one is not committer:
                one.follows(message)
    early = [dave.says(f"{number} from Dave") for number in range(4)]
    bob.hears(early[2])
    staged = alice.commits(mls.Remove(dave.leaf), mls.Remove(erin.leaf))
    for one in (bob, carol):
        one.follows(staged.message)
    late = [alice.says(f"{number} from Alice") for number in range(3)]
    bob.hears(late[1])
    carol.hears(bob.says("I am here"))
    frozen = Frozen(story, bob)
    for message in (early[3], early[0], late[2], late[0], carol.says("me too")):
        frozen.hears(message)
    staged = carol.commits()
    alice.follows(staged.message)
    frozen.follows(staged.message)
    return frozen


def waiting() -> Frozen:
    """Proposals that wait, an update of our own with a new signature key among them."""
    alice, bob, carol = group("Alice", "Bob", "Carol")
    dave = Device("Dave", config=CONFIG)
    key = mls.new_signature_key(SUITE, entropy=bob.entropy)
    messages = [
        (bob, bob.proposes_update(mls.NewLeaf(signature_key=key))),
        (alice, alice.proposes(mls.Add(dave.key_package()))),
        (carol, carol.proposes(mls.PreSharedKey(mls.ExternalPSKID(b"psk", bytes(32))))),
    ]
    for sender, message in messages:
        for one in (alice, bob, carol):
            if one is not sender:
                one.notes(message)
    frozen = Frozen("waiting", bob)
    staged = alice.commits()
    frozen.follows(staged.message)
    return frozen


def staged() -> Frozen:
    """A commit of our own that has not come back, with a Welcome."""
    alice, bob = group("Alice", "Bob")
    carol = Device("Carol", config=CONFIG)
    early = alice.says("before your commit")
    commit = bob.stages(mls.Add(carol.key_package()), authenticated_data=b"data")
    frozen = Frozen("staged", bob)
    frozen.hears(early)
    alice.follows(commit.message)
    frozen.follows(commit.message)
    more = alice.commits().message
    frozen.follows(more)
    return frozen


def closed() -> Frozen:
    """A group that a reinit closed; a message from before arrives late."""
    alice, bob = group("Alice", "Bob")
    late = alice.says("before it was closed")
    bob.follows(alice.commits(mls.ReInit(b"the next", 1, SUITE, ())).message)
    frozen = Frozen("closed", bob)
    frozen.hears(late)
    return frozen


def components() -> Frozen:
    """App data, external senders, and a safe exporter of which some secrets were taken."""
    sender = mls.ExternalSender(bytes(range(32)), mls.BasicCredential(b"server"))
    extensions = (
        mls.RequiredCapabilities(
            (mls.ExtensionType.APP_DATA_DICTIONARY,), (mls.ProposalType.APP_DATA_UPDATE,)
        ).extension(),
        mls.encode_dictionary({0x8000: b"a title"}),
        mls.external_senders_extension([sender]),
    )
    alice, bob = group("Alice", "Bob", extensions=extensions)
    for component in (1, 0x8000):
        bob.group.safe_export(component)
    frozen = Frozen("components", bob)
    frozen.exports = {"1": None, "32768": None}
    for component in (2, 0x8001, 0xFFFF):
        frozen.exports[str(component)] = bytes(bob.group.safe_export(component)).hex()
    frozen.hears(alice.says("hello"))
    frozen.follows(alice.commits(mls.AppDataUpdate(0x8000, None)).message)
    return frozen


def all_of_them() -> Iterator[Frozen]:
    yield alone()
    yield talking()
    yield talking("post-quantum", mls.DEFAULT_SUITE)
    yield waiting()
    yield staged()
    yield closed()
    yield components()


if __name__ == "__main__":
    STATES.mkdir(parents=True, exist_ok=True)
    for frozen in all_of_them():
        frozen.writes()
