"""Load on one log: posts, posts again, refills, the grace lane, many at once. Its slots are `load_slots`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

import apsw

from heliogram.wire import ErrorCode, Label, SigningKey, frames, work
from heliogram.wire.limits import MAX_CHANNELS, MAX_GRACE_ENTRIES
from heliogram.wire.objects import Certificate, Configuration, Header, Open, Seat
from heliogram.wire.receipts import Evidence, Receipt, entry_hash, next_chain
from tests.relay.client import Client
from tests.relay.load import Relay, said
from tests.relay.load_slots import Slots
from tests.relay.members import Decision, configured, member_key, name, seat_of


@dataclass(frozen=True)
class Stored:
    """An entry with a receipt, or one that was read."""

    index: int
    chain: bytes


class LogLoad:
    """One log on the relay, whose three other relays are keys that we hold."""

    def __init__(self, relay: Relay, log: str, *, slots: bool = True) -> None:
        self.relay = relay
        self.log = log
        self.others = [SigningKey(name(f"{log} relay {i}")) for i in range(3)]
        self.seats: dict[int, Seat] = {}
        self.decisions: dict[int, Decision] = {}
        self.epoch = self.first = 1
        self.client: Client
        self.slots = Slots(self) if slots else None
        #: Entries by epoch and name: with a receipt, and all that were ever sent.
        self.stored: dict[tuple[int, bytes], Stored] = {}
        self.tried: dict[tuple[int, bytes], bytes] = {}
        #: Entries by their places.
        self.places: dict[int, tuple[int, bytes, bytes]] = {}
        self.evidence: list[Evidence] = []
        self._grace: dict[int, int] = {}
        #: Epochs to which something was sent since the log was last read.
        self._touched: set[int] = set()
        #: Where the log stood when it was last read.
        self._end, self._chain = 0, b""
        self._number = 0

    # --- Where it stands ---

    @property
    def seat(self) -> Seat:
        """The open seat, as far as we know."""
        return self.seats[self.epoch]

    @property
    def instance(self) -> bytes:
        """The log's id on the relay."""
        return self.seats[self.first].id

    @property
    def configuration(self) -> Configuration:
        """The relay's place is among three others."""
        keys = [one.public for one in self.others]
        return configured(self.log, [keys[0], self.relay.process.key, *keys[1:]])

    def channel(self, epoch: int) -> int:
        """The channel of an epoch."""
        return epoch % MAX_CHANNELS

    async def connect(self) -> None:
        """Connect, and open the log if it is new."""
        self.client = await self.relay.connect(f"{self.log} {self._number}")
        if self.seats:
            return
        self.seats[1] = seat_of(self.log, self.configuration, 1)
        self._chain = self.instance
        proof = work.solve(self.client.relay, self.instance, 0, now=self.client.greeting.time)
        await self.relay.must(
            self.client, frames.Open(0, Open(self.seat, proof).encode()), frames.Done
        )
        await self.authorise(1)

    async def authorise(self, epoch: int, evidence: Evidence | None = None) -> frames.Authorised:
        """Open an epoch's channel. A fence would say that the relay has forgotten something."""
        key = member_key(self.log, epoch, self.client.relay)
        text = b"" if evidence is None else evidence.encode()
        frame = self.client.core.authorise(self.channel(epoch), self.instance, epoch, key, text)
        answer = await self.relay.must(self.client, frame, frames.Authorised)
        assert answer.fence == b"", "the relay has fenced itself"
        return answer

    async def advance(self, decision: Decision) -> None:
        """The relay has taken a decision: go on in the next epoch."""
        assert decision.seat.epoch == self.epoch
        self.decisions[self.epoch] = decision
        following = Header.from_bytes(decision.value.header).seat(self.epoch + 1)
        self.seats[self.epoch + 1] = following
        await self.authorise(self.epoch + 1)
        self.epoch += 1

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()

    # --- Load ---

    async def run(self, rng: Random) -> None:
        """Post until the relay dies, and decide slots meanwhile."""
        tasks = [self._post(Random(rng.random()))]
        if self.slots is not None:
            tasks.append(self.slots.run(Random(rng.random())))
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for one in outcomes:
            if isinstance(one, AssertionError):
                raise one
        for one in outcomes:
            if isinstance(one, BaseException):
                raise one

    async def _post(self, rng: Random) -> None:
        while True:
            width = rng.choice((1, 1, 4, 12, 24))
            many = [asyncio.ensure_future(self._one(rng)) for _ in range(width)]
            for outcome in await asyncio.gather(*many, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _one(self, rng: Random) -> None:
        what = rng.random()
        if what < 0.12 and self.tried:
            epoch, named = rng.choice(list(self.tried)[-60:])
            await self._put(epoch, self.tried[epoch, named], refill=epoch < self.epoch)
        elif what < 0.24 and self.epoch > self.first:
            epoch = max(self.first, self.epoch - rng.randint(1, 3))
            await self._put(epoch, self._entry(rng), refill=True)
        elif what < 0.34:
            await self._in_grace(max(self.first, self.epoch - rng.randint(0, 2)), rng)
        else:
            await self._put(self.epoch, self._entry(rng))

    def _entry(self, rng: Random) -> bytes:
        self._number += 1
        size = rng.choice((20, 100, 700, 3000, 20000 if rng.random() < 0.2 else 300))
        return b"%s %d " % (self.log.encode(), self._number) + rng.randbytes(size)

    async def _put(self, epoch: int, data: bytes, *, refill: bool = False) -> None:
        frame: frames.Request = frames.Post(0, self.channel(epoch), data)
        if refill:
            frame = frames.Refill(0, self.channel(self.epoch), epoch, data)
        await self._send(frame, epoch, data, refill)

    async def _in_grace(self, epoch: int, rng: Random) -> None:
        used = self._grace[epoch] = self._grace.get(epoch, 0) + 1
        if used <= MAX_GRACE_ENTRIES and epoch > self.epoch - 4:
            data = self._entry(rng)[:16000]
            frame = frames.Post(0, self.channel(epoch), data, frames.Lane.GRACE)
            await self._send(frame, epoch, data, False)

    async def _send(
        self, frame: frames.Request, epoch: int, data: bytes, refill: bool
    ) -> Stored | None:
        hashed = entry_hash(data)
        now = self.epoch
        self.tried[epoch, hashed] = data
        self._touched.add(epoch)
        answer = await self.relay.ask(self.client, frame)
        if isinstance(answer, frames.Decided):
            # The epoch was closed meanwhile.
            certificate = Certificate.from_bytes(answer.certificate)
            assert certificate.counts(self.seats[epoch], Label.VOTE2)
            return None
        if isinstance(answer, frames.Failure) and refill and self.epoch > now:
            assert answer.code == ErrorCode.NOT_AUTHORISED, said(answer)
            return None
        if isinstance(answer, frames.Failure) and refill and self.slots is not None:
            # A decision that has no answer yet may have closed the epoch already.
            assert answer.code == ErrorCode.NOT_AUTHORISED and self.slots.deciding, said(answer)
            return None
        assert isinstance(answer, frames.Stored), said(answer)
        receipt = Receipt.from_bytes(answer.receipt)
        assert receipt.proves(self.client.relay, self.instance, epoch, hashed)
        self._know(epoch, hashed, Stored(receipt.index, receipt.chain))
        self.evidence.append(Evidence(epoch, hashed, receipt))
        return self.stored[epoch, hashed]

    def _know(self, epoch: int, hashed: bytes, where: Stored) -> None:
        """An entry has one place, and a place one entry, for ever."""
        assert self.stored.setdefault((epoch, hashed), where) == where, "stored twice"
        known = self.places.setdefault(where.index, (epoch, hashed, where.chain))
        assert known == (epoch, hashed, where.chain), "a place was given twice"

    # --- Checks ---

    async def check(self, rng: Random) -> None:
        """Read what is new, some of what is old; show receipts; repeat posts and all of the slot."""
        recent = [epoch for epoch in self.seats if epoch > self.epoch - 6]
        if self.slots is not None:
            await self.slots.resolve()
            recent.append(self.epoch)
        for epoch in sorted({*recent, rng.choice(list(self.seats))}):
            shown = rng.choice(self.evidence[-50:]) if self.evidence else None
            await self.authorise(epoch, shown)
        if self.evidence:
            await self.authorise(self.epoch, max(self.evidence, key=lambda one: one.receipt.index))
        await self._chain_on(await self._read(sorted(self._touched), self._end))
        await self._read([rng.choice(list(self.seats))], 0)
        for epoch, hashed in rng.sample(list(self.stored), min(4, len(self.stored))):
            if epoch in (self.epoch, self.first):
                data = self.tried[epoch, hashed]
                await self._put(epoch, data, refill=epoch < self.epoch)
        if self.slots is not None:
            await self.slots.check(rng)

    async def check_all(self) -> None:
        """Read everything, and show every hundredth receipt."""
        for epoch in sorted(self.seats):
            await self.authorise(epoch)
            await self._read([epoch], 0)
        await self.authorise(self.epoch)
        for shown in self.evidence[::100]:
            await self.authorise(self.epoch, shown)

    async def _read(self, epochs: list[int], start: int) -> dict[int, tuple[int, bytes]]:
        """Read these epochs: epochs and data by index. Nothing that was stored may be missing."""
        found: dict[int, tuple[int, bytes]] = {}
        for epoch in epochs:
            await self.authorise(epoch)
            at = start
            while True:
                frame = frames.Read(0, self.channel(epoch), at, 1000)
                page = await self.relay.must(self.client, frame, frames.Entries)
                for one in page.entries:
                    assert one.epoch == epoch and one.index not in found
                    found[one.index] = (epoch, one.data)
                at = page.next
                if at >= page.end:
                    break
        for index, (epoch, data) in found.items():
            hashed = entry_hash(data)
            assert self.tried.get((epoch, hashed)) == data, "an entry that nobody has sent"
            if index in self.places:
                assert self.places[index][:2] == (epoch, hashed), "another entry lies at this place"
        for index, (epoch, _, _) in self.places.items():
            assert epoch not in epochs or index < start or index in found, "an entry was lost"
        return found

    async def _chain_on(self, found: dict[int, tuple[int, bytes]]) -> None:
        """Follow the chain from where we were to where the log stands."""
        frame = frames.Peek(0, self.channel(self.epoch))
        peeked = await self.relay.must(self.client, frame, frames.Peeked)
        assert peeked.fence == b"" and peeked.epoch == self.epoch and peeked.first_index == 0
        assert peeked.next_index >= self._end
        chain = self._chain
        for index in range(self._end, peeked.next_index):
            assert index in found, "a place is empty"
            epoch, data = found[index]
            hashed = entry_hash(data)
            chain = next_chain(chain, hashed)
            self._know(epoch, hashed, Stored(index, chain))
        assert chain == peeked.chain, "the chain does not go on"
        self._end, self._chain = peeked.next_index, chain
        self._touched.clear()

    def check_copy(self, database: apsw.Connection) -> None:
        """Every entry with a receipt is in the database, and its chain with it."""
        rows = database.execute(
            "SELECT place, epoch, data, entries.chain FROM entries"
            " JOIN logs ON logs.id=entries.log WHERE instance=?",
            (self.instance,),
        )
        there = {place: (epoch, entry_hash(data), chain) for place, epoch, data, chain in rows}
        for place, stored in self.places.items():
            assert there.get(place) == stored, "an entry is not in the database"
