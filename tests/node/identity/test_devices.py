"""Devices: their certificates, who judges them for MLS, and the list that never goes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram import mls
from heliogram.node.errors import IdentityFault, InvalidIdentity
from heliogram.node.identity.accounts import Account, account_uri, from_account_uri
from heliogram.node.identity.authentication import (
    DeviceAuthentication,
    certificate_of,
    credential_of,
)
from heliogram.node.identity.devices import (
    MAX_DEVICE_KEY,
    MAX_REVOKED,
    DeviceCertificate,
    DeviceList,
    newer_list,
)
from heliogram.wire.limits import MAX_DEVICES
from tests.node.identity.samples import (
    ALICE,
    BOB,
    CERTIFICATE,
    DEVICES,
    LAPTOP,
    LOST,
    NOW,
    PHONE,
    name,
)
from tests.scenarios.cast import SUITE, Person

ids = st.binary(min_size=16, max_size=16)
KEY = CERTIFICATE.device_key


def fault_of(call: Callable[[], object]) -> IdentityFault:
    with pytest.raises(InvalidIdentity) as caught:
        call()
    assert caught.value.code == f"identity {caught.value.fault.value}"
    assert str(caught.value) == caught.value.what
    return caught.value.fault


# --- Certificates ---------------------------------------------------------------------------------


@given(st.binary(max_size=MAX_DEVICE_KEY), ids, st.integers(0, 2**64 - 1))
def test_certificates(key: bytes, device_id: bytes, now: int) -> None:
    certificate = DeviceCertificate.issue(ALICE, key, device_id, now=now)
    assert DeviceCertificate.from_bytes(certificate.encode()) == certificate
    assert certificate.account == ALICE.id
    assert repr(certificate) == "DeviceCertificate()"


@pytest.mark.parametrize("value", [CERTIFICATE, DEVICES], ids=["certificate", "list"])
def test_no_bit_can_change(value: DeviceCertificate | DeviceList) -> None:
    data = value.encode()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidIdentity):
            type(value).from_bytes(bytes(changed))
    for broken in (data[:-1], data + b"\x00", b""):
        assert fault_of(lambda one=broken: type(value).from_bytes(one)) is IdentityFault.MALFORMED  # type: ignore[misc]


def test_a_certificate_of_another_account() -> None:
    """Eve puts Alice's key into her own certificate."""
    eve = Account(name("Eve's seed"))
    forged = replace(
        DeviceCertificate.issue(eve, KEY, LAPTOP, now=NOW), account_key=ALICE.public
    ).encode()
    assert fault_of(lambda: DeviceCertificate.from_bytes(forged)) is IdentityFault.BAD_SIGNATURE


def test_a_list_is_no_certificate() -> None:
    signature = DEVICES.signature
    forged = replace(CERTIFICATE, signature=signature).encode()
    assert fault_of(lambda: DeviceCertificate.from_bytes(forged)) is IdentityFault.BAD_SIGNATURE


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for kind in (DeviceCertificate, DeviceList):
        with pytest.raises(InvalidIdentity):
            kind.from_bytes(data)


# --- For MLS --------------------------------------------------------------------------------------


def accepted(certificate: DeviceCertificate, key: bytes = KEY, **how: frozenset[bytes]) -> bool:
    return DeviceAuthentication(**how).accepts(credential_of(certificate), key, now=NOW)


def test_the_authentication_service() -> None:
    assert accepted(CERTIFICATE)
    assert not accepted(CERTIFICATE, key=name("another key"))
    assert not accepted(replace(CERTIFICATE, signature=bytes(64)))
    assert not DeviceAuthentication().accepts(mls.BasicCredential(b"Alice"), KEY, now=NOW)
    assert not DeviceAuthentication().accepts(mls.X509Credential(()), KEY, now=NOW)
    assert certificate_of(credential_of(CERTIFICATE)) == CERTIFICATE


def test_the_clock_decides_nothing() -> None:
    for now in (0, CERTIFICATE.created - 1, 2**40):
        assert DeviceAuthentication().accepts(credential_of(CERTIFICATE), KEY, now=now)


def test_the_expected_account_only() -> None:
    assert accepted(CERTIFICATE, expected=frozenset((ALICE.id, BOB.id)))
    assert not accepted(CERTIFICATE, expected=frozenset((BOB.id,)))


def test_successors() -> None:
    def succeeds(**other: object) -> bool:
        how = {"account": ALICE, "device_id": LAPTOP, "now": NOW + 1, **other}
        account, device_id, now = how["account"], how["device_id"], how["now"]
        assert isinstance(account, Account)
        assert isinstance(device_id, bytes) and isinstance(now, int)
        new = DeviceCertificate.issue(account, name("a new key"), device_id, now=now)
        service = DeviceAuthentication()
        return service.is_successor(credential_of(CERTIFICATE), credential_of(new))

    assert succeeds() and succeeds(now=NOW)
    assert not succeeds(now=NOW - 1), "an older certificate comes back"
    assert not succeeds(device_id=PHONE)
    assert not succeeds(account=BOB)
    stranger = mls.BasicCredential(b"x")
    assert not DeviceAuthentication().is_successor(credential_of(CERTIFICATE), stranger)
    assert not DeviceAuthentication().is_successor(stranger, credential_of(CERTIFICATE))


def test_clients() -> None:
    client = DeviceAuthentication().client
    renewed = DeviceCertificate.issue(ALICE, name("a new key"), LAPTOP, now=NOW + 9)
    phone = DeviceCertificate.issue(ALICE, KEY, PHONE, now=NOW)
    assert client(credential_of(CERTIFICATE)) == client(credential_of(renewed))
    assert client(credential_of(CERTIFICATE)) != client(credential_of(phone))
    for other in (mls.BasicCredential(b"x"), mls.X509Credential(())):
        assert client(other) == other.encode()


def member(account: Account, device: str, **how: bytes) -> Person:
    """Somebody whose device is certified by `account`."""
    config = mls.Config(authentication=DeviceAuthentication())
    person = Person(device, config=config)
    key = how.get("key", person.key.public)
    certificate = DeviceCertificate.issue(account, key, name(device)[:16], now=NOW)
    person.credential = credential_of(certificate)
    return person


def test_a_group_of_devices() -> None:
    """The engine with this service: two devices and a contact get in, a stolen certificate does not."""
    alice, phone, bob = member(ALICE, "laptop"), member(ALICE, "phone"), member(BOB, "Bob")
    alice.creates()
    phone.joins(alice.adds(phone).welcome)
    staged = alice.adds(bob)
    phone.follows(staged.message)
    bob.joins(staged.welcome)
    accounts = [certificate_of(leaf.credential) for _, leaf in bob.group.members()]
    assert [one.account for one in accounts if one] == [ALICE.id, ALICE.id, BOB.id]
    thief = member(ALICE, "thief", key=alice.key.public)
    with pytest.raises(mls.MLSError):
        alice.adds(thief)
    twin = member(ALICE, "laptop")
    with pytest.raises(mls.MLSError):
        alice.adds(twin)
    assert SUITE == alice.suite


def test_swapped_key_packages_are_refused() -> None:
    """An inbox gives key packages of Eve in place of Bob's: whoever follows Bob's link does not add them."""
    alice = member(ALICE, "laptop")
    alice.config = mls.Config(
        authentication=DeviceAuthentication(expected=frozenset((ALICE.id, BOB.id)))
    )
    alice.creates()
    with pytest.raises(mls.MLSError):
        alice.adds(member(Account(name("Eve's seed")), "Eve"))
    bob = member(BOB, "Bob")
    bob.joins(alice.adds(bob).welcome)


# --- Lists ----------------------------------------------------------------------------------------


@given(st.sets(ids, max_size=MAX_DEVICES), st.sets(ids, max_size=20), st.integers(0, 2**64 - 1))
def test_lists(devices: set[bytes], revoked: set[bytes], number: int) -> None:
    signed = DeviceList.sign(ALICE, number, devices - revoked, revoked)
    assert DeviceList.from_bytes(signed.encode()) == signed
    assert set(signed.devices) == devices - revoked and set(signed.revoked) == revoked
    assert repr(signed) == f"DeviceList(number={number})"


def test_impossible_lists() -> None:
    many = [bytes((*divmod(one, 256), *bytes(14))) for one in range(MAX_REVOKED + 1)]
    for devices, revoked in (
        ([LAPTOP, LAPTOP], []),
        ([LAPTOP], [LAPTOP]),
        ([LAPTOP[1:]], []),
        (many[: MAX_DEVICES + 1], []),
        ([], many),
    ):
        made = fault_of(lambda a=devices, b=revoked: DeviceList.sign(ALICE, 1, a, b))  # type: ignore[misc]
        assert made is IdentityFault.MALFORMED
    assert DeviceList.sign(ALICE, 1, many[:MAX_DEVICES], many[MAX_DEVICES : MAX_DEVICES + 200])


def test_a_list_never_goes_back() -> None:
    """An older list with a device that was revoked since is refused, and said to be a rollback."""
    older = DeviceList.sign(ALICE, 2, (LAPTOP, PHONE, LOST), ())
    assert newer_list(ALICE.id, None, older) == older
    assert newer_list(ALICE.id, older, DEVICES) == DEVICES
    assert fault_of(lambda: newer_list(ALICE.id, DEVICES, older)) is IdentityFault.ROLLED_BACK
    assert newer_list(ALICE.id, DEVICES, DEVICES) is DEVICES
    assert newer_list(ALICE.id, DEVICES, replace(DEVICES)) is DEVICES


def test_a_list_contradicts_none() -> None:
    two = DeviceList.sign(ALICE, DEVICES.number, (LAPTOP,), (LOST,))
    forgetful = DeviceList.sign(ALICE, DEVICES.number + 1, (LAPTOP, LOST), ())
    for offered in (two, forgetful):
        assert fault_of(lambda one=offered: newer_list(ALICE.id, DEVICES, one)) is (  # type: ignore[misc]
            IdentityFault.CONTRADICTION
        )
    bobs = DeviceList.sign(BOB, 9, (LAPTOP,), ())
    assert fault_of(lambda: newer_list(ALICE.id, DEVICES, bobs)) is IdentityFault.WRONG_ACCOUNT


def test_devices_of_a_list() -> None:
    assert DEVICES.has(CERTIFICATE) and DEVICES.account == ALICE.id
    assert not DEVICES.has(DeviceCertificate.issue(ALICE, KEY, LOST, now=NOW))
    assert not DEVICES.has(DeviceCertificate.issue(BOB, KEY, LAPTOP, now=NOW))


# --- URIs -----------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_account_uris(account: bytes) -> None:
    assert from_account_uri(account_uri(account)) == account


@pytest.mark.parametrize("uri", ["", "heliogram:account/", "heliogram:account/" + "A" * 64])
def test_other_uris(uri: str) -> None:
    assert fault_of(lambda: from_account_uri(uri)) is IdentityFault.MALFORMED
