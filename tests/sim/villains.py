"""A member with valid keys who does what it likes: it tells different relays different things."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from heliogram.wire import frames
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import (
    Certificate,
    Justification,
    RelaySignature,
    Seat,
    SignedPromise,
    Value,
)
from tests.sim.members import Member, body, secret_key, value_for

if TYPE_CHECKING:
    from tests.sim.world import World


class Villain:
    """It reads the secrets of an honest member, and collects whatever relays sign for it."""

    def __init__(self, world: World, dice: Random) -> None:
        self.world, self.dice = world, dice
        self.label = "villain"
        self.life = 0
        self.up, self.gone = True, False
        self.number = 0
        self.values: dict[bytes, list[Value]] = {}
        #: Everything that it has ever proposed, by hash.
        self.known: dict[bytes, Value] = {}
        #: By seat and round: promises by relay, votes by label and hash and relay.
        self.promises: dict[tuple[bytes, int], dict[int, SignedPromise]] = {}
        self.votes: dict[tuple[bytes, str, int, bytes], dict[int, bytes]] = {}
        self.round = 0

    # What the world asks of everybody.

    def wake(self) -> None:
        """It does nothing by itself."""

    def deadline(self) -> float:
        return 1e9

    # Its moves.

    def act(self) -> None:
        """One move, at random."""
        member = self.dice.choice(self.world.members)
        move = self.dice.choice(
            [self.equivocate, self.equivocate, self.new_round, self.new_round, self.lock_other,
             self.lock_other, self.commit, self.commit, self.short, self.garbage]
        )  # fmt: skip
        self.world.count("moves of a villain")
        move(member, member.seat)

    def _values(self, member: Member, seat: Seat) -> list[Value]:
        found = self.values.get(seat.id)
        if found is None:
            self.number += 1
            found = [
                value_for(
                    seat.configuration,
                    member.secrets[-1],
                    body(f"bad {self.number} {i}", "villain"),
                )
                for i in (0, 1)
            ]
            self.values[seat.id] = found
            for value in found:
                self.world.oracle.proposed(value.hash)
                self.known[value.hash] = value
        return found

    def _send(self, member: Member, seat: Seat, index: int, frame: Any) -> None:
        relay = seat.configuration.relays[index].key
        key = secret_key(member.secret(seat.epoch), relay).public
        instance = member._names(seat)[index]

        def then(answer: Any) -> None:
            self.collect(seat, index, frame, answer)

        self.world.request(self, relay, frame, instance, seat.epoch, key, then, None)

    def collect(self, seat: Seat, index: int, frame: Any, answer: Any) -> None:
        """Keep what was signed."""
        try:
            match frame, answer:
                case frames.Lock(), frames.Vote1():
                    h = Value.from_bytes(frame.value).hash
                    votes = self.votes.setdefault((seat.id, "lock", frame.round, h), {})
                    votes[index] = answer.signature
                case frames.Commit(), frames.Vote2():
                    one = Certificate.from_bytes(frame.certificate)
                    votes = self.votes.setdefault((seat.id, "decide", one.round, one.h), {})
                    votes[index] = answer.signature
                case frames.NewRound(), frames.Promise():
                    lock = Certificate.from_bytes(answer.lock) if answer.lock else None
                    promises = self.promises.setdefault((seat.id, frame.round), {})
                    promises[index] = SignedPromise(index, lock, answer.signature)
                case _, frames.Nack():
                    if answer.round < 1 << 20:
                        self.round = max(self.round, answer.round)
        except RemoteError:
            return

    def equivocate(self, member: Member, seat: Seat) -> None:
        """One value for one half of the relays, another for the other, in one round, with what there is."""
        round = self.dice.choice([0, 0, self.round])
        values = self._values(member, seat)
        why = self._why(seat, round)
        for index in range(seat.configuration.n):
            value = values[index % 2]
            self._send(member, seat, index, frames.Lock(0, 0, round, value.encode(), why))

    def _why(self, seat: Seat, round: int) -> bytes:
        promises = self.promises.get((seat.id, round), {})
        return (
            Justification(tuple(promises[at] for at in sorted(promises))).encode()
            if promises
            else b""
        )

    def new_round(self, member: Member, seat: Seat) -> None:
        """Promises of a later round, from all or some."""
        self.round += 1
        for index in range(seat.configuration.n):
            if self.dice.random() < 0.9:
                self._send(member, seat, index, frames.NewRound(0, 0, self.round))

    def lock_other(self, member: Member, seat: Seat) -> None:
        """Another value in the last round, whatever is locked; with its promises, older ones, or none."""
        value = self.dice.choice(self._values(member, seat))
        rounds = [round for at, round in self.promises if at == seat.id] or [self.round]
        why = self._why(seat, self.dice.choice(rounds))
        round = self.dice.choice([max(rounds), self.round, self.round + 1])
        if self.dice.random() < 0.2:
            why = b""
        for index in range(seat.configuration.n):
            self._send(member, seat, index, frames.Lock(0, 0, round, value.encode(), why))

    def _certificates(self, seat: Seat, kind: str, least: int) -> list[Certificate]:
        return [
            Certificate(
                seat.epoch, round, h, tuple(RelaySignature(at, votes[at]) for at in sorted(votes))
            )
            for (at, what, round, h), votes in self.votes.items()
            if at == seat.id and what == kind and len(votes) >= least
        ]

    def commit(self, member: Member, seat: Seat) -> None:
        """Lock certificates of any round to anybody, and decisions too."""
        found = self._certificates(seat, "lock", seat.configuration.q)
        for lock in found[-3:]:
            value = self.known[lock.h].encode()
            for index in range(seat.configuration.n):
                if self.dice.random() < 0.7:
                    self._send(member, seat, index, frames.Commit(0, 0, lock.encode(), value))
        for decision in self._certificates(seat, "decide", seat.configuration.q)[-2:]:
            value = self.known[decision.h].encode()
            index = self.dice.randrange(seat.configuration.n)
            name = member._names(seat)[index]
            self._send(member, seat, index, frames.Decide(0, name, decision.encode(), value))

    def short(self, member: Member, seat: Seat) -> None:
        """Certificates of too few votes, and of votes of the other kind."""
        for kind in ("lock", "decide"):
            for one in self._certificates(seat, kind, 1)[-2:]:
                value = self.known[one.h].encode()
                for index in range(seat.configuration.n):
                    name = member._names(seat)[index]
                    self._send(member, seat, index, frames.Commit(0, 0, one.encode(), value))
                    self._send(member, seat, index, frames.Decide(0, name, one.encode(), value))

    def garbage(self, member: Member, seat: Seat) -> None:
        """A value whose header cannot be read, or of a body that says nothing."""
        values = self._values(member, seat)
        broken = Value(b"no header", b"garbage")
        nothing = value_for(seat.configuration, member.secrets[-1], b"\xff\x00 garbage")
        for value in (broken, nothing):
            self.world.oracle.proposed(value.hash)
            self.known[value.hash] = value
        if len(values) < 3:
            values.append(nothing)
        for index in range(seat.configuration.n):
            for value in (broken, nothing):
                self._send(member, seat, index, frames.Lock(0, 0, self.round, value.encode()))
