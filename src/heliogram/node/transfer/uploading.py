"""One blob on its way to the relays of a conversation: announced at each, then sent over HTTP.

A core without I/O. It asks each relay for a ticket, hands out uploads, and hears how they went. What a relay
has already, nobody sends again: the answer to an announcement says how far it is.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from heliogram.node.asking import Address, Ask, LogScope
from heliogram.node.pace import Pace
from heliogram.node.transfer.moves import Outcome, Upload
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.objects import RelayDescription, blob_delete_hash

#: Days that relays are asked for, the most first: some keep blobs for less.
DAYS = (30, 14, 7, 3, 1)

#: Bytes of what secrets are made from.
SEED_SIZE = 32

#: Gives the channel for announcements at the relay with this key; None if there is none now.
ScopeOf = Callable[[bytes], LogScope | None]


class State(Enum):
    """Where a blob stands at one relay."""

    WAITING = auto()
    ASKED = auto()
    READY = auto()
    MOVING = auto()
    STORED = auto()
    #: It will not take it: too large, or no blobs at all.
    REFUSED = auto()


@dataclass(slots=True)
class _At:
    address: Address
    state: State = State.WAITING
    pace: Pace = field(default_factory=Pace)
    #: Which of `DAYS` it is asked for.
    term: int = 0
    ticket: bytes = field(default=b"", repr=False)
    offset: int = 0


def delete_secret(seed: bytes, relay: bytes) -> bytes:
    """The secret that deletes a blob at one relay: none can tell another's client's."""
    return hmac.digest(seed, b"delete" + relay, "sha256")


class Uploading:
    """Brings one blob to relays. A `Source` of asks; times are monotonic seconds."""

    def __init__(
        self,
        key: Hashable,
        blob: bytes,
        size: int,
        source: str | bytes,
        *,
        relays: Iterable[RelayDescription],
        stored: Iterable[bytes] = (),
        seed: bytes,
        scope_of: ScopeOf,
        circuit: bytes,
    ) -> None:
        """`stored` are keys of relays that have all of it."""
        self.key = key
        self.circuit = circuit
        self._blob, self._size, self._source = blob, size, source
        self._seed = seed
        self._scope_of = scope_of
        self._at = {one.key: _At(Address.of(one)) for one in relays}
        #: Keys of relays that have all of it, also of those that are none of the conversation's now.
        self.stored = dict.fromkeys(stored)
        #: Whether a relay has it, or refuses it, since `changed` was last set to False.
        self.changed = True
        for relay in self.stored.keys() & self._at.keys():
            self._at[relay].state = State.STORED

    def __repr__(self) -> str:
        return f"<Uploading, {len(self.stored)} of {len(self._at)}>"

    # --- How it stands ---

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do: every relay has it, or refuses it."""
        return all(one.state in (State.STORED, State.REFUSED) for one in self._at.values())

    @property
    def relays(self) -> frozenset[bytes]:
        """Keys of the relays that it goes to."""
        return frozenset(self._at)

    @property
    def refused(self) -> int:
        """How many relays will not take it."""
        return sum(one.state is State.REFUSED for one in self._at.values())

    def count(self) -> int:
        """How many of the relays have all of it."""
        return len(self.stored.keys() & self._at.keys())

    def use(self, relays: Iterable[RelayDescription]) -> None:
        """The conversation is on these relays now."""
        self.changed = True
        wanted = {one.key: one for one in relays}
        self._at = {key: self._at.get(key) or _At(Address.of(one)) for key, one in wanted.items()}
        for relay in self.stored.keys() & self._at.keys():
            self._at[relay].state = State.STORED

    # --- Asks ---

    def asks(self, now: float) -> list[Ask]:
        """Announcements that are due."""
        asks = []
        for relay, at in self._at.items():
            if at.state is not State.WAITING or not at.pace.due(now):
                continue
            scope = self._scope_of(relay)
            if scope is None:
                at.pace.failed(now)
                continue
            at.pace.asked(now)
            at.state = State.ASKED
            secret = delete_secret(self._seed, relay)
            request = frames.BlobOpen(
                *(0, 0, self._blob, self._size, DAYS[at.term], blob_delete_hash(secret))
            )
            asks.append(Ask(self, at.address, request, scope, relay))
        return asks

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        """The relay's answer to an announcement."""
        at = self._at.get(ask.relay.key)
        if at is None or at.state is not State.ASKED:
            return
        at.state = State.WAITING
        if isinstance(answer, frames.BlobReady) and answer.offset <= self._size:
            if answer.offset == self._size:
                self._store(ask.relay.key, at)
            else:
                at.state, at.ticket, at.offset = State.READY, answer.ticket, answer.offset
        elif isinstance(answer, frames.Failure) and answer.code == ErrorCode.TOO_LARGE:
            at.term += 1
            at.pace.anew()
            if at.term == len(DAYS):
                self._refuse(at)
        elif isinstance(answer, frames.Failure) and answer.code == ErrorCode.MALFORMED:
            self._refuse(at)
        else:
            at.pace.failed(now)

    def lost(self, ask: Ask, now: float) -> None:
        """There is no answer."""
        at = self._at.get(ask.relay.key)
        if at is not None and at.state is State.ASKED:
            at.state = State.WAITING
            at.pace.failed(now)

    def deadline(self, now: float) -> float | None:
        """When a relay is asked again."""
        waiting = (one.pace.again for one in self._at.values() if one.state is State.WAITING)
        return min(waiting, default=None)

    # --- Moves ---

    def moves(self) -> list[Upload]:
        """Uploads that can begin."""
        moves = []
        for at in self._at.values():
            if at.state is State.READY:
                at.state = State.MOVING
                moves.append(
                    Upload(
                        self.key,
                        at.address,
                        self.circuit,
                        self._blob,
                        self._size,
                        at.ticket,
                        at.offset,
                        self._source,
                    )
                )
        return moves

    def ended(self, relay: bytes, outcome: Outcome, now: float) -> None:
        """How an upload went."""
        at = self._at.get(relay)
        if outcome is Outcome.DONE:
            self._store(relay, at)
        elif at is not None and at.state is State.MOVING:
            at.state = State.WAITING
            at.pace.failed(now)

    def _refuse(self, at: _At) -> None:
        at.state = State.REFUSED
        self.changed = True

    def _store(self, relay: bytes, at: _At | None) -> None:
        self.stored[relay] = None
        self.changed = True
        if at is not None:
            at.state = State.STORED
