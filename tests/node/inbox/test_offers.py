"""Which key packages of an inbox are used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram import mls
from heliogram.node.components import LEAF_EXTENSIONS
from heliogram.node.identity.accounts import Account
from heliogram.node.identity.authentication import credential_of
from heliogram.node.identity.devices import DeviceCertificate
from heliogram.node.inbox.offers import OfferFault, Wanted
from tests.node.identity.samples import NOW, name
from tests.scenarios.cast import entropy_of

SUITE = 1
ENTROPY = entropy_of("offers")
ALICE, MALLORY = Account(name("Alice")), Account(name("Mallory"))
WANTED = Wanted(ALICE.id, SUITE)


def package(
    account: Account = ALICE,
    *,
    device: str = "laptop",
    suite: int = SUITE,
    now: int = NOW,
    lifetime: int = 86_400,
    extensions: tuple[mls.Extension, ...] = LEAF_EXTENSIONS,
    capabilities: mls.Capabilities | None = None,
    foreign_key: bool = False,
) -> bytes:
    """A key package, wrong in one way or right."""
    key = mls.new_signature_key(suite, entropy=ENTROPY)
    certified = mls.new_signature_key(suite, entropy=ENTROPY) if foreign_key else key
    certificate = DeviceCertificate.issue(account, certified.public, name(device)[:16], now=NOW)
    own = mls.new_key_package(
        suite,
        credential_of(certificate),
        key,
        leaf_extensions=extensions,
        capabilities=capabilities,
        lifetime=lifetime,
        now=now,
        entropy=ENTROPY,
    )
    return own.message


def without(proposal: int) -> mls.Capabilities:
    """What a client can do that lacks one kind of proposal."""
    leaf = mls.KeyPackage.from_message(package()).leaf_node
    proposals = tuple(one for one in leaf.capabilities.proposals if one != proposal)
    return replace(leaf.capabilities, proposals=proposals)


def test_one_of_each_device() -> None:
    messages = [package(), package(device="phone"), package()]
    offer = WANTED.judge(messages, now=NOW)
    assert [one.message for one in offer.packages] == messages[:2]
    assert not offer.faults


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (lambda: package(now=NOW - 2 * 86_400), OfferFault.OUT_OF_TIME),
        (lambda: package(now=NOW + 3 * 86_400), OfferFault.OUT_OF_TIME),
        (lambda: package(lifetime=100 * 86_400), OfferFault.OUT_OF_TIME),
        (lambda: package(suite=3), OfferFault.UNFIT),
        (lambda: package(extensions=()), OfferFault.UNFIT),
        (lambda: package(capabilities=without(mls.ProposalType.SELF_REMOVE)), OfferFault.UNFIT),
        (lambda: package(foreign_key=True), OfferFault.FOREIGN),
    ],
)
def test_36_packages_that_are_not_used(message: object, fault: OfferFault) -> None:
    assert callable(message)
    offer = WANTED.judge([message()], now=NOW)
    assert not offer.packages and offer.faults == {fault}


def test_42_one_foreign_package_spoils_the_answer() -> None:
    offer = WANTED.judge([package(), package(MALLORY, device="phone")], now=NOW)
    assert not offer.packages and offer.faults == {OfferFault.FOREIGN}


def test_42_a_package_with_any_byte_changed_is_foreign() -> None:
    message = package()
    for at in range(0, len(message), 7):
        changed = bytearray(message)
        changed[at] ^= 1
        offer = WANTED.judge([bytes(changed)], now=NOW)
        assert not offer.packages, at
    assert WANTED.judge([b"", message[:-1], message + b"\x00"], now=NOW).faults == {
        OfferFault.FOREIGN
    }


def test_44_a_revoked_device_is_passed_over() -> None:
    wanted = replace(WANTED, revoked=frozenset((name("laptop")[:16],)))
    offer = wanted.judge([package(), package(device="phone")], now=NOW)
    assert len(offer.packages) == 1 and offer.faults == {OfferFault.REVOKED}
