"""Devices of an account: the certificate that each shows, and the signed list of all.

    struct {
        uint8 version = 1;
        opaque account_key[32];
        opaque device_key<V>;           // the MLS signature key
        opaque device_id[16];
        uint64 created;                 // Unix seconds
        opaque signature[64];           // by the account key, under "device certificate"
    } DeviceCertificate;

    struct {
        uint8 version = 1;
        opaque account_key[32];
        uint64 number;
        opaque devices<V>;              // of opaque device_id[16], ascending
        opaque revoked<V>;              // of opaque device_id[16], ascending
        opaque signature[64];           // by the account key, under "device list"
    } DeviceList;

A certificate is the identity of the device's MLS credential and does not end by itself. A list says which
devices an account has now, and which it had and must never have again. Its number only rises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Self, TypeVar

from heliogram.codec import DecodeError, Reader, decode_all, opaque, u8, u64, vector
from heliogram.node.errors import IdentityFault, InvalidIdentity
from heliogram.node.identity.accounts import Account, account_id
from heliogram.node.signing import Label, verify
from heliogram.wire.limits import KEY_SIZE, MAX_DEVICES, SIGNATURE_SIZE

T = TypeVar("T")

VERSION = 1

DEVICE_ID_SIZE = 16

#: Bytes of a device's signature key: the largest is ML-DSA-87's.
MAX_DEVICE_KEY = 2592

#: Revoked devices that a list remembers.
MAX_REVOKED = 256


def _invalid(fault: IdentityFault, what: str) -> InvalidIdentity:
    return InvalidIdentity(fault, what)


def _version(reader: Reader) -> None:
    if reader.u8() != VERSION:
        raise _invalid(IdentityFault.MALFORMED, "an identity of another version")


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """The account's word that a device is its own. What `from_bytes` gives, has a good signature."""

    account_key: bytes = field(repr=False)
    device_key: bytes = field(repr=False)
    device_id: bytes = field(repr=False)
    created: int = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def issue(cls, account: Account, device_key: bytes, device_id: bytes, *, now: int) -> Self:
        """A certificate for the device with this MLS signature key and this id of 16 random bytes."""
        signed = _certified(account.public, device_key, device_id, now)
        signature = account.sign(Label.DEVICE_CERTIFICATE, signed)
        return cls(account.public, device_key, device_id, now, signature)

    def encode(self) -> bytes:
        """The bytes of this certificate."""
        fields = self.account_key, self.device_key, self.device_id, self.created
        return _certified(*fields) + self.signature

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The certificate that is the whole of `data`. Raises `InvalidIdentity`, also for its signature."""
        certificate = cls.unverified(data)
        if not verify(
            certificate.account_key,
            Label.DEVICE_CERTIFICATE,
            data[:-SIGNATURE_SIZE],
            certificate.signature,
        ):
            raise _invalid(IdentityFault.BAD_SIGNATURE, "a device is not signed by its account")
        return certificate

    @classmethod
    def unverified(cls, data: bytes) -> Self:
        """As `from_bytes`, but for what was verified before: the signature may be anything."""
        return _whole(cls._decode, data)

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        _version(reader)
        return cls(
            reader.fixed(KEY_SIZE),
            reader.opaque(MAX_DEVICE_KEY),
            reader.fixed(DEVICE_ID_SIZE),
            reader.u64(),
            reader.fixed(SIGNATURE_SIZE),
        )

    @property
    def account(self) -> bytes:
        """The id of the account."""
        return account_id(self.account_key)


def _certified(account_key: bytes, device_key: bytes, device_id: bytes, created: int) -> bytes:
    return u8(VERSION) + account_key + opaque(device_key) + device_id + u64(created)


@dataclass(frozen=True, slots=True)
class DeviceList:
    """All devices of an account. Its signature is good: no other can be decoded."""

    account_key: bytes = field(repr=False)
    number: int
    devices: tuple[bytes, ...] = field(repr=False)
    revoked: tuple[bytes, ...] = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def sign(
        cls, account: Account, number: int, devices: Iterable[bytes], revoked: Iterable[bytes]
    ) -> Self:
        """A list of these device ids. Raises `InvalidIdentity` for one that nobody would accept."""
        fields = account.public, number, tuple(sorted(devices)), tuple(sorted(revoked))
        content = _listed(*fields)
        return cls.from_bytes(content + account.sign(Label.DEVICE_LIST, content))

    def encode(self) -> bytes:
        """The bytes of this list."""
        return _listed(self.account_key, self.number, self.devices, self.revoked) + self.signature

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The list that is the whole of `data`. Raises `InvalidIdentity`, also for its signature."""
        found = _whole(cls._decode, data)
        content = data[:-SIGNATURE_SIZE]
        if not verify(found.account_key, Label.DEVICE_LIST, content, found.signature):
            raise _invalid(IdentityFault.BAD_SIGNATURE, "a list is not signed by its account")
        return found

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        _version(reader)
        account_key, number = reader.fixed(KEY_SIZE), reader.u64()
        devices, revoked = _ids(reader, MAX_DEVICES), _ids(reader, MAX_REVOKED)
        if set(devices) & set(revoked):
            raise _invalid(IdentityFault.MALFORMED, "a device is there and revoked")
        return cls(account_key, number, devices, revoked, reader.fixed(SIGNATURE_SIZE))

    @property
    def account(self) -> bytes:
        """The id of the account."""
        return account_id(self.account_key)

    def has(self, certificate: DeviceCertificate) -> bool:
        """Whether this is a device of the account now."""
        return certificate.account_key == self.account_key and certificate.device_id in self.devices


def newer_list(account: bytes, known: DeviceList | None, offered: DeviceList) -> DeviceList:
    """The list to keep for `account`, an id: `offered`, or `known` if they are the same.

    Raises `InvalidIdentity`: `ROLLED_BACK` for an older list, `CONTRADICTION` for another one with the same
    number or one that brings a revoked device back. Both must be loud.
    """
    if offered.account != account:
        raise _invalid(IdentityFault.WRONG_ACCOUNT, "a list is of another account")
    if known is None:
        return offered
    if offered.number < known.number:
        raise _invalid(IdentityFault.ROLLED_BACK, "a list of devices is older than the known one")
    # Ed25519 signatures are not unique to a signer: what counts is what is said.
    same = (offered.devices, offered.revoked) == (known.devices, known.revoked)
    if offered.number == known.number:
        if not same:
            raise _invalid(IdentityFault.CONTRADICTION, "two lists of devices have one number")
        return known
    if not set(known.revoked) <= set(offered.revoked):
        raise _invalid(IdentityFault.CONTRADICTION, "a list forgets that a device is revoked")
    return offered


def _listed(
    account_key: bytes, number: int, devices: tuple[bytes, ...], revoked: tuple[bytes, ...]
) -> bytes:
    return u8(VERSION) + account_key + u64(number) + vector(devices) + vector(revoked)


def _ids(reader: Reader, most: int) -> tuple[bytes, ...]:
    item = partial(Reader.fixed, size=DEVICE_ID_SIZE)
    ids = reader.vector(item, most * DEVICE_ID_SIZE)
    if any(one >= other for one, other in pairwise(ids)):
        raise _invalid(IdentityFault.MALFORMED, "the devices of a list do not ascend")
    return ids


def _whole(decode: Callable[[Reader], T], data: bytes) -> T:
    try:
        return decode_all(decode, data)
    except DecodeError:
        raise _invalid(IdentityFault.MALFORMED, "an identity cannot be read") from None
