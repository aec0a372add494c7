"""Who we are: the account, this device, the list of devices, the key of our inbox. Made once, then loaded.

The settings `account`, `device`, `devices`, `inbox`, `name`, `named` and `said` hold it, as msgpack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from heliogram import mls
from heliogram.mls.crypto import suite_of
from heliogram.node.errors import DamagedState, NodeError, NotNow
from heliogram.node.identity.accounts import Account
from heliogram.node.identity.authentication import credential_of
from heliogram.node.identity.devices import DEVICE_ID_SIZE, DeviceCertificate, DeviceList
from heliogram.node.identity.names import clean
from heliogram.node.inbox.card import AHEAD, is_newer, next_time
from heliogram.node.membership import Device
from heliogram.node.store.database import Store
from heliogram.wire.limits import KEY_SIZE
from heliogram.wire.signing import SigningKey

Entropy = Callable[[int], bytes]

ACCOUNT, DEVICE, DEVICES, INBOX, NAME = "account", "device", "devices", "inbox", "name"

#: Since when we had our last names, and when we made our last card (Unix seconds).
NAMED, SAID = "named", "said"

#: How many of our last names have their times remembered.
NAMES_REMEMBERED = 16


class _Device(Struct, array_like=True, frozen=True):
    """The setting `device`."""

    suite: int
    key: bytes
    certificate: bytes


@dataclass(slots=True)
class Me:
    """Our own account and device. Mutable: the name, and the times."""

    account: Account = field(repr=False)
    device: Device
    certificate: DeviceCertificate
    devices: DeviceList
    #: The key that our inbox is opened by.
    inbox: SigningKey = field(repr=False)
    #: What we call ourselves.
    name: str = field(repr=False)
    #: When the device was made: what schedules count from.
    created: int
    #: Since when we had our last names, in their order; the last is today's (Unix seconds).
    names: tuple[int, ...] = field(repr=False)
    #: When we made our last card (Unix seconds).
    said: int = field(repr=False)

    @property
    def id(self) -> bytes:
        """The account's id."""
        return self.account.id

    @property
    def named(self) -> int:
        """Since when we call ourselves so (Unix seconds)."""
        return self.names[-1]

    def rename(self, name: str, named: int) -> None:
        """Be called otherwise from now on, once `set_name` is written."""
        self.name, self.names = clean(name), _and(self.names, named)

    def next_named(self, now: int) -> int:
        """Since when another name is ours: later than all before, but for clocks that were wrong."""
        return _next(self.names, now)

    def is_misdated(self, now: int) -> bool:
        """Whether a clock was wrong when we came to be called so: others may hold to an earlier name."""
        earlier = any(is_newer((one, b""), (self.named, b""), now) for one in self.names)
        return earlier or self.named > now + AHEAD


def create_account(
    store: Store,
    *,
    words: str | None = None,
    name: str = "",
    suite: int = mls.DEFAULT_SUITE,
    now: int,
    entropy: Entropy,
) -> Me:
    """A new account with this as its first device; with `words`, this as a new device of that account.

    `now` is Unix seconds. Raises `InvalidWords`, and `NotNow` if there is an account already.
    """
    if store.setting(ACCOUNT) is not None:
        raise NotNow
    account = Account.new(entropy=entropy) if words is None else Account.from_words(words)
    key = mls.new_signature_key(suite, entropy=entropy)
    id = entropy(DEVICE_ID_SIZE)
    certificate = DeviceCertificate.issue(account, key.public, id, now=now)
    # An account that was there before had lists, and nobody here knows their numbers. Seconds are above all.
    devices = DeviceList.sign(account, 1 if words is None else now, (id,), ())
    with store.transaction():
        _put(store, ACCOUNT, account.seed)
        _put(store, DEVICE, _Device(suite, bytes(key.secret), certificate.encode()))
        _put(store, DEVICES, devices.encode())
        _put(store, INBOX, entropy(KEY_SIZE))
        set_name(store, name, now)
    found = load_account(store)
    if found is None:
        raise DamagedState
    return found


def load_account(store: Store) -> Me | None:
    """Who we are; None before there is an account. Raises `DamagedState`."""
    seed = store.setting(ACCOUNT)
    if seed is None:
        return None
    try:
        account = Account(msgspec.msgpack.decode(seed, type=bytes))
        device = msgspec.msgpack.decode(store.setting(DEVICE) or b"", type=_Device)
        devices = msgspec.msgpack.decode(store.setting(DEVICES) or b"", type=bytes)
        inbox = msgspec.msgpack.decode(store.setting(INBOX) or b"", type=bytes)
        name = msgspec.msgpack.decode(store.setting(NAME) or b"", type=str)
        certificate = DeviceCertificate.from_bytes(device.certificate)
        key = suite_of(device.suite).signature_key(device.key)
        return Me(
            account,
            Device(device.suite, credential_of(certificate), key),
            certificate,
            DeviceList.from_bytes(devices),
            SigningKey(inbox),
            name,
            certificate.created,
            _names(store) or (certificate.created,),
            msgspec.msgpack.decode(store.setting(SAID) or b"\0", type=int),
        )
    except (msgspec.MsgspecError, NodeError, mls.MLSError, ValueError):
        raise DamagedState from None


def device_in(setting: bytes) -> tuple[bytes, int]:
    """The id and the suite of the device in a setting `device`. Raises `DamagedState`."""
    try:
        device = msgspec.msgpack.decode(setting, type=_Device)
        return DeviceCertificate.from_bytes(device.certificate).device_id, device.suite
    except (msgspec.MsgspecError, NodeError):
        raise DamagedState from None


def replace_device(
    store: Store, lost: bytes, suite: int, *, now: int, entropy: Entropy
) -> DeviceCertificate:
    """Make this a new device of the account in `store`, in the place of `lost`, which is revoked.

    There need be no setting `device`. Raises `DamagedState` if there is no account.
    """
    try:
        seed = msgspec.msgpack.decode(store.setting(ACCOUNT) or b"", type=bytes)
        listed = msgspec.msgpack.decode(store.setting(DEVICES) or b"", type=bytes)
        account, before = Account(seed), DeviceList.from_bytes(listed)
        key, id = mls.new_signature_key(suite, entropy=entropy), entropy(DEVICE_ID_SIZE)
        certificate = DeviceCertificate.issue(account, key.public, id, now=now)
        devices = {*before.devices, id} - {lost}
        # Seconds are above the numbers of all lists that were made since, wherever.
        number = max(before.number + 1, now)
        after = DeviceList.sign(account, number, devices, {*before.revoked, lost})
    except (msgspec.MsgspecError, NodeError, mls.MLSError, ValueError):
        raise DamagedState from None
    with store.transaction():
        _put(store, DEVICE, _Device(suite, bytes(key.secret), certificate.encode()))
        _put(store, DEVICES, after.encode())
        # The name that is here is the one that people see here: it counts again, whatever was said since.
        names = _names(store)
        _put(store, NAMED, _and(names, _next(names, now)))
    return certificate


def set_name(store: Store, name: str, named: int) -> None:
    """What we call ourselves from now on, and since when (Unix seconds)."""
    _put(store, NAME, clean(name))
    _put(store, NAMED, _and(_names(store), named))


def set_said(store: Store, said: int) -> None:
    """When we made our last card (Unix seconds)."""
    _put(store, SAID, said)


def _names(store: Store) -> tuple[int, ...]:
    return msgspec.msgpack.decode(store.setting(NAMED) or b"\x90", type=tuple[int, ...])


def _and(names: tuple[int, ...], named: int) -> tuple[int, ...]:
    return (*names, named)[-NAMES_REMEMBERED:]


def _next(names: tuple[int, ...], now: int) -> int:
    return max((next_time(one, now) for one in names), default=now)


def recovery_words(store: Store) -> str:
    """The 24 words of our account. Whoever has them is us. Raises `NotNow` before there is an account."""
    me = load_account(store)
    if me is None:
        raise NotNow
    return me.account.words()


def _put(store: Store, name: str, value: object) -> None:
    store.set_setting(name, msgspec.msgpack.encode(value))
