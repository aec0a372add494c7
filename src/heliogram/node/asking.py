"""What a core wants to ask of relays, and how it gets its answers: the seam between cores and sockets.

A core hands out `Ask`s. Whoever has the sockets brings each to its relay, on a connection of the core's
circuit, and calls `answered` or `lost` of the ask's source. Frames leave the core with the id 0 and the
channel 0: the connection fills them in, and opens the channel for the ask's scope first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from heliogram.wire import frames
from heliogram.wire.objects import RelayDescription
from heliogram.wire.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Address:
    """A relay: its key, and where it is reached (WebSocket URLs)."""

    key: bytes = field(repr=False)
    endpoints: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, relay: RelayDescription) -> Address:
        """That of a relay of a configuration."""
        return cls(relay.key, relay.endpoints)


# --- Channels -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogScope:
    """An epoch of a log: what it is called at this relay, and the epoch's key for it.

    `evidence` is the last place that this relay has signed for (an encoded `Evidence`), or nothing. It is
    shown when the channel is opened, and tells no two scopes apart.
    """

    instance: bytes = field(repr=False)
    epoch: int
    key: SigningKey = field(repr=False, compare=False)
    evidence: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class InboxScope:
    """Our own inbox at this relay."""

    inbox: bytes = field(repr=False)
    key: SigningKey = field(repr=False, compare=False)


Scope: TypeAlias = LogScope | InboxScope


# --- Asks -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """A request that costs proof of work. `finish` makes it from the encoded `Proof`.

    `opens` is whether it counts as opening a log; otherwise it is for an inbox. How hard it is, the relay's
    greeting says.
    """

    target: bytes = field(repr=False)
    opens: bool
    finish: Callable[[bytes], frames.Request] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """One request to one relay."""

    source: Source = field(repr=False)
    relay: Address
    request: frames.Request | Work = field(repr=False)
    #: The channel that it goes on; None for a request that needs none.
    scope: Scope | None = None
    #: Whatever the source wants to have back.
    token: object = field(default=None, repr=False)


class Source(Protocol):
    """A core that asks. Times are monotonic seconds."""

    def asks(self, now: float) -> list[Ask]:
        """What is to be sent now. Each ask is answered or lost exactly once."""

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        """The relay's answer to `request`, which is the ask's, finished and with its id.

        If the channel could not be opened, `answer` is the failure that says why.
        """

    def lost(self, ask: Ask, now: float) -> None:
        """There is no answer: no connection, or it ended. Whether it was done is unknown."""

    def deadline(self, now: float) -> float | None:
        """When `asks` will have something new at the latest, if nothing happens until then."""


class LogSource(Source, Protocol):
    """A core that listens on its connections, too."""

    def opened(self, relay: bytes, scope: Scope, answer: frames.Authorised, now: float) -> None:
        """The channel of `scope` is open at the relay with this key."""

    def pushed(self, relay: bytes, push: frames.Push, now: float) -> None:
        """The relay says something by itself."""

    def parted(self, relay: bytes, now: float) -> None:
        """The connection to this relay is over, and with it subscriptions. Called after `lost`."""
