"""Whether key packages that an inbox gave can be used: of whose devices they are, for what, until when.

An inbox is somebody else's machine. It can give key packages of its own, old ones, or garbage. What it
cannot do is sign for the account that the contact link names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from heliogram import mls
from heliogram.mls.crypto import suite_of
from heliogram.mls.key_packages import check_key_package
from heliogram.mls.ratchet_tree import check_lifetime
from heliogram.node.components import REQUIRED, fits
from heliogram.node.identity.authentication import DeviceAuthentication, certificate_of
from heliogram.node.identity.devices import DeviceCertificate
from heliogram.node.membership import conversation_config

_MAX_LIFETIME = conversation_config(DeviceAuthentication()).max_lifetime


class OfferFault(Enum):
    """Why a key package is not used."""

    #: The relay's doing: not signed by a device of the account, or no key package at all.
    FOREIGN = "foreign packages"
    #: Not yet or no longer valid: its owner was away for long, or the relay has kept it.
    OUT_OF_TIME = "packages out of time"
    #: For another cipher suite, or of a client that lacks what a conversation needs.
    UNFIT = "packages unfit"
    #: Of a device that the account has revoked.
    REVOKED = "packages revoked"


@dataclass(frozen=True, slots=True)
class Offer:
    """What came of an answer: key packages, one a device, and why others are not among them."""

    packages: tuple[mls.KeyPackage, ...] = field(repr=False)
    faults: frozenset[OfferFault]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What key packages must be like: whose, in which suite, and not of which devices."""

    account: bytes = field(repr=False)
    suite: int
    revoked: frozenset[bytes] = field(default=frozenset(), repr=False)

    def judge(self, messages: Sequence[bytes], *, now: int) -> Offer:
        """What of an inbox's answer can be used. One foreign key package, and nothing of it can.

        `now` is Unix seconds.
        """
        devices: dict[bytes, mls.KeyPackage] = {}
        faults: set[OfferFault] = set()
        for message in messages:
            found = self._one(message, now)
            if isinstance(found, OfferFault):
                faults.add(found)
            else:
                devices.setdefault(found[0].device_id, found[1])
        if OfferFault.FOREIGN in faults:
            devices.clear()
        return Offer(tuple(devices.values()), frozenset(faults))

    def _one(
        self, message: bytes, now: int
    ) -> tuple[DeviceCertificate, mls.KeyPackage] | OfferFault:
        try:
            package = mls.KeyPackage.from_message(message)
            suite = suite_of(package.cipher_suite)
            check_key_package(package, suite)
        except mls.MLSError:
            return OfferFault.FOREIGN
        leaf = package.leaf_node
        certificate = certificate_of(leaf.credential)
        expected = DeviceAuthentication(frozenset((self.account,)))
        if certificate is None or not expected.accepts(
            leaf.credential, leaf.signature_key, now=now
        ):
            return OfferFault.FOREIGN
        if certificate.device_id in self.revoked:
            return OfferFault.REVOKED
        if package.cipher_suite != self.suite or not self._can(leaf):
            return OfferFault.UNFIT
        try:
            check_lifetime(leaf, now, _MAX_LIFETIME)
        except mls.InvalidMessage:
            return OfferFault.OUT_OF_TIME
        return certificate, package

    def _can(self, leaf: mls.LeafNode) -> bool:
        has = leaf.capabilities
        return (
            fits(leaf)
            and has.speaks(self.suite)
            and has.has_extensions(REQUIRED.extensions)
            and all(has.has_proposal(one) for one in REQUIRED.proposals)
        )
