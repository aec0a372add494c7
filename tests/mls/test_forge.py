"""What the forge makes is right as long as no hook changes it."""

from __future__ import annotations

import pytest

from heliogram import mls
from heliogram.mls.framing import decode_message
from heliogram.mls.proposals import Add, PreSharedKey, Proposal, Remove
from heliogram.mls.registries import WireFormat
from tests.mls import forge
from tests.mls.forge import CLASSIC, DEFAULT, NOW, World


@pytest.fixture(params=[CLASSIC, DEFAULT], ids=hex)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def agree(*groups: mls.Group) -> None:
    assert len({bytes(group.epoch_authenticator) for group in groups}) == 1


def next_of(group: mls.Group, message: bytes) -> mls.Group:
    outcome = group.process(message, now=NOW)
    assert isinstance(outcome, mls.EpochAdvanced)
    return outcome.group


def test_messages(world: World) -> None:
    alice, bob, _ = world.group()
    for generation in (None, 3):
        outcome = bob.process(
            forge.private_message(alice, b"hello", generation=generation), now=NOW
        )
        assert isinstance(outcome, mls.ApplicationMessage) and outcome.data == b"hello"
    assert isinstance(bob.process(forge.proposal(alice, Remove(2)), now=NOW), mls.ProposalReceived)
    message = forge.private_message(alice, Remove(2))
    assert isinstance(bob.process(message, now=NOW), mls.ProposalReceived)


@pytest.mark.parametrize("wire_format", [WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE])
@pytest.mark.parametrize("full", [False, True], ids=["blank", "full"])
@pytest.mark.parametrize("path", [None, True])
@pytest.mark.parametrize("what", ["nothing", "add", "add and remove", "psk"])
def test_commits_and_welcomes(
    world: World, wire_format: WireFormat, full: bool, path: bool | None, what: str
) -> None:
    alice, bob, carol = world.group(full=full)
    dave = world.package("dave")
    psk = mls.ResumptionPSKID(
        mls.ResumptionPSKUsage.APPLICATION,
        alice.group_id,
        alice.epoch,
        bytes(world.suite.hash_length),
    )
    proposals: dict[str, list[Proposal]] = {
        "nothing": [],
        "add": [Add(dave.key_package)],
        "add and remove": [Add(dave.key_package), Remove(1)],
        "psk": [PreSharedKey(psk)],
    }
    made = forge.commit(alice, proposals[what], wire_format=wire_format, path=path)
    views = [made.group, next_of(carol, made.message)]
    if what != "add and remove":
        views.append(next_of(bob, made.message))
    if made.added:
        views.append(world.join(forge.welcome(made), dave))
    agree(*views)


def test_commits_by_reference(world: World) -> None:
    alice, bob, carol = world.group()
    message, sent = forge.sent(carol, Add(world.package("dave").key_package))
    bob.process(message, now=NOW)
    made = forge.commit(alice, [sent])
    agree(made.group, next_of(bob, made.message))


def test_external_commits(world: World) -> None:
    class Open(mls.Policy):
        def allows_commit(self, *_: object) -> bool:
            return True

        def allows_proposal(self, *_: object) -> bool:
            return True

    alice, bob, _ = world.group(config=world.config(policy=Open()))
    info = forge.group_info_message(alice)
    dave = world.client("dave")
    staged = mls.Group.join_external(
        info,
        dave.credential,
        dave.signature_key,
        config=alice.config,
        now=NOW,
        entropy=world.entropy,
    )
    agree(staged.group, next_of(bob, staged.message))
    made = forge.commit(alice, joiner=world.client("erin"))
    agree(made.group, next_of(bob, made.message))
    again = forge.commit(alice, [Remove(2)], joiner=world.client("carol"))
    agree(again.group, next_of(bob, again.message))


def test_a_path_planted_again(world: World) -> None:
    alice, bob, carol, _ = world.group("alice", "bob", "carol", "dave", full=True)
    made = forge.commit(bob, [Add((erin := world.package("erin")).key_package)], path=True)
    welcome = forge.welcome(made, tree=lambda tree: forge.replant(tree, made.group))
    world.join(welcome, erin)
    del alice, carol


def test_group_info_decodes(world: World) -> None:
    (alice,) = world.group("alice")
    info = decode_message(forge.group_info_message(alice))
    assert isinstance(info, mls.GroupInfo)
    assert info.group_context == alice.context
