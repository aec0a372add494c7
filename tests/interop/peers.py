"""One face for three MLS implementations: ours, rine-mls (Rust) and ts-mls (TypeScript).

A `Peer` is one client in one group. What passes between peers is the encoding of an MLSMessage and
nothing else. A commit is staged first; `merge()` enters its epoch, `discard()` forgets it, as when a
relay took somebody else's. `docs/interop.md` says what each implementation cannot do. Here are the
interface and what all share; `ours`, `rine` and `ts` have one implementation each.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar


def clock() -> int:
    """The real time, unlike elsewhere in the tests: both foreign implementations read that clock."""
    return int(time.time())


class PeerError(Exception):
    """The peer refused, in its own words."""


class Unsupported(PeerError):
    """The peer has no such operation."""


# What a commit or a proposal message asks for.


@dataclass(frozen=True, slots=True)
class Add:
    key_package: bytes


@dataclass(frozen=True, slots=True)
class Remove:
    index: int


@dataclass(frozen=True, slots=True)
class Update:
    pass


@dataclass(frozen=True, slots=True)
class ExternalPsk:
    id: bytes


@dataclass(frozen=True, slots=True)
class Extensions:
    """GroupContextExtensions: extension type and data."""

    extensions: tuple[tuple[int, bytes], ...]


Proposal = Add | Remove | Update | ExternalPsk | Extensions


@dataclass(frozen=True, slots=True)
class Staged:
    """A commit that its maker has not merged yet."""

    message: bytes
    welcomes: tuple[bytes, ...] = ()  # one for all who join, or one each in the order of the adds
    tree: bytes | None = None  # for a Welcome that does not carry it

    def welcome(self, nth: int) -> bytes:
        return self.welcomes[nth if len(self.welcomes) > 1 else 0]


@dataclass(frozen=True, slots=True)
class View:
    """What one member believes about the group; equal views are the agreement under test."""

    epoch: int
    members: dict[int, bytes]
    group_context: bytes
    external_pub: (
        bytes  # derived from external_secret, so it shows that the epoch's secrets are equal
    )
    epoch_authenticator: bytes | None  # rine-mls shows none

    def agrees(self, other: View) -> bool:
        authenticators = {self.epoch_authenticator, other.epoch_authenticator} - {None}
        return len(authenticators) <= 1 and (
            (self.epoch, self.members, self.group_context, self.external_pub)
            == (other.epoch, other.members, other.group_context, other.external_pub)
        )


class Peer(ABC):
    """One client of one implementation, in at most one group."""

    implementation: ClassVar[str]
    tree_aside: ClassVar[bool] = True  # it takes the ratchet tree beside the Welcome
    welcomes_by_reference: ClassVar[bool] = True  # it hands out the Welcome of an Add by reference
    proposes: ClassVar[bool] = True  # it sends proposals as messages of their own

    name: str

    @property
    @abstractmethod
    def identity(self) -> bytes:
        """Of its basic credential."""

    def __repr__(self) -> str:
        return f"{self.name} ({self.implementation})"

    @abstractmethod
    def key_package(self) -> bytes: ...

    @abstractmethod
    def create(self, group_id: bytes) -> None: ...

    @abstractmethod
    def join(self, welcome: bytes, tree: bytes | None = None) -> None: ...

    @abstractmethod
    def commit(self, proposals: Sequence[Proposal] = (), *, tree_in_welcome: bool = True) -> Staged:
        """Commit these and, where the implementation does so, the proposals received in the epoch."""

    @abstractmethod
    def external_join(self, group_info: bytes, *, resync: int | None = None) -> Staged: ...

    @abstractmethod
    def merge(self) -> None: ...

    @abstractmethod
    def discard(self) -> None: ...

    @abstractmethod
    def propose(self, proposal: Proposal) -> bytes: ...

    @abstractmethod
    def process(self, message: bytes) -> bytes | None:
        """Take a message in. An application message gives its text."""

    @abstractmethod
    def protect(self, text: bytes) -> bytes: ...

    @abstractmethod
    def group_info(self) -> bytes:
        """With external_pub and ratchet_tree."""

    @abstractmethod
    def view(self) -> View: ...

    def begin_process(self, message: bytes) -> Callable[[], bytes | None]:
        """Let `process` start; the result is the function that waits for it."""
        return partial(self.process, message)

    def begin_view(self) -> Callable[[], View]:
        return self.view

    @property
    @abstractmethod
    def index(self) -> int: ...

    @property
    @abstractmethod
    def active(self) -> bool:
        """False once a commit has removed this client."""

    def add_psk(self, psk_id: bytes, secret: bytes) -> None:
        raise Unsupported(f"{self.implementation}: no external PSKs")

    def export(self, label: str, context: bytes, length: int) -> bytes:
        raise Unsupported(f"{self.implementation}: no exporter")

    def close(self) -> None:  # noqa: B027 (most have nothing to do)
        """Give back what the client holds outside the process's memory."""


# ------------------------------------------------------------------------------------------------
# A reader of GroupInfo of its own: the tests do not borrow the codec that they test.


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, length: int) -> bytes:
        self.at += length
        if self.at > len(self.data):
            raise ValueError("the GroupInfo ends early")
        return self.data[self.at - length : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def opaque(self) -> bytes:
        first = self.number(1)
        more = {0: 0, 1: 1, 2: 3}[first >> 6]
        return self.take(((first & 0x3F) << 8 * more) | self.number(more))


APPLICATION, PROPOSAL, COMMIT = 1, 2, 3


def content_type(message: bytes) -> int:
    """Of a PublicMessage or a PrivateMessage (RFC 9420, 6)."""
    r = _Reader(message)
    r.number(2)  # version
    public = r.number(2) == 1
    r.opaque()  # group_id
    r.number(8)  # epoch
    if public:
        if r.number(1) in (1, 2):  # member and external senders have an index
            r.number(4)
        r.opaque()  # authenticated_data
    return r.number(1)


@dataclass(frozen=True, slots=True)
class GroupInfo:
    group_context: bytes
    epoch: int
    extensions: dict[int, bytes]
    confirmation_tag: bytes
    signer: int

    @classmethod
    def decode(cls, message: bytes) -> GroupInfo:
        """RFC 9420, 12.4.3, from an MLSMessage."""
        r = _Reader(message)
        if (r.number(2), r.number(2)) != (1, 4):
            raise ValueError("not a GroupInfo")
        start = r.at
        r.take(4)  # version and cipher suite
        r.opaque()  # group_id
        epoch = r.number(8)
        for _ in range(3):  # tree_hash, confirmed_transcript_hash, extensions
            r.opaque()
        context = message[start : r.at]
        inner = _Reader(r.opaque())
        extensions = {}
        while inner.at < len(inner.data):
            extension_type = inner.number(2)
            extensions[extension_type] = inner.opaque()
        return cls(context, epoch, extensions, r.opaque(), r.number(4))

    @property
    def external_pub(self) -> bytes:
        return _Reader(self.extensions[4]).opaque()
