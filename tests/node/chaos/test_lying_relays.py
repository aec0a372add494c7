"""One of four relays lies to nodes that are processes: nobody notices anything in what is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import TypeVar

from msgspec import structs

from heliogram.wire import frames
from heliogram.wire.receipts import entry_hash
from tests.node.chaos.between import Ask, Between
from tests.node.chaos.talking import Talking, tea

T = TypeVar("T")


class Dropping:
    """Every fifth post is acknowledged, with a receipt that is signed, and never seen again."""

    def __init__(self, between: Between) -> None:
        self.gone: set[bytes] = set()
        self._count = 0
        between.lie, between.push = self.lie, self.push

    async def lie(self, request: frames.Request, ask: Ask) -> frames.Answer | None:
        if isinstance(request, frames.Post):
            self._count += 1
            if self._count % 5 == 0:
                self.gone.add(entry_hash(request.data))
        answer = await ask()
        if isinstance(answer, frames.Entries):
            return structs.replace(answer, entries=self._left(answer.entries))
        if isinstance(answer, frames.Digests):
            left = tuple(one for one in answer.digests if one.hash not in self.gone)
            return structs.replace(answer, digests=left)
        return answer

    def push(self, push: frames.Push) -> frames.Push | None:
        if isinstance(push, frames.Pushed):
            return structs.replace(push, entries=self._left(push.entries))
        if isinstance(push, frames.PushedDigests):
            left = tuple(one for one in push.digests if one.hash not in self.gone)
            return structs.replace(push, digests=left)
        return push

    def _left(self, entries: Iterable[frames.Entry]) -> tuple[frames.Entry, ...]:
        return tuple(one for one in entries if entry_hash(one.data) not in self.gone)


class Shuffling:
    """Entries in any order, and half of them later."""

    def __init__(self, between: Between, rng: Random) -> None:
        self._rng = rng
        self.shuffled = 0
        between.lie, between.push = self.lie, self.push

    async def lie(self, request: frames.Request, ask: Ask) -> frames.Answer | None:
        answer = await ask()
        if isinstance(answer, frames.Entries):
            return structs.replace(answer, entries=self._some(answer.entries))
        if isinstance(answer, frames.Digests):
            return structs.replace(answer, digests=self._some(answer.digests))
        return answer

    def push(self, push: frames.Push) -> frames.Push | None:
        if isinstance(push, frames.Pushed):
            return structs.replace(push, entries=self._some(push.entries))
        if isinstance(push, frames.PushedDigests):
            return structs.replace(push, digests=self._some(push.digests))
        return push

    def _some(self, entries: tuple[T, ...]) -> tuple[T, ...]:
        self.shuffled += 1
        return tuple(self._rng.sample(entries, (len(entries) + 1) // 2))


class Replaying:
    """Old answers to new requests, and pushes again and again."""

    def __init__(self, between: Between) -> None:
        self._first: dict[type[frames.Request], frames.Answer] = {}
        self._pushed: frames.Push | None = None
        self.replayed = 0
        between.lie, between.push = self.lie, self.push

    async def lie(self, request: frames.Request, ask: Ask) -> frames.Answer | None:
        answer = await ask()
        if isinstance(request, frames.Authorise | frames.InboxAuthorise | frames.Subscribe):
            return answer
        first = self._first.setdefault(type(request), answer)
        self.replayed += first is not answer
        return structs.replace(first, id=request.id)

    def push(self, push: frames.Push) -> frames.Push | None:
        if isinstance(push, frames.Pushed):
            self._pushed = self._pushed or push
            return self._pushed
        return push


class Flipping:
    """One bit of each entry is another one."""

    def __init__(self, between: Between, rng: Random) -> None:
        self._rng = rng
        self.flipped = 0
        between.lie, between.push = self.lie, self.push

    async def lie(self, request: frames.Request, ask: Ask) -> frames.Answer | None:
        answer = await ask()
        if isinstance(answer, frames.Entries):
            return structs.replace(answer, entries=self._changed(answer.entries))
        return answer

    def push(self, push: frames.Push) -> frames.Push | None:
        if isinstance(push, frames.Pushed):
            return structs.replace(push, entries=self._changed(push.entries))
        return push

    def _changed(self, entries: Iterable[frames.Entry]) -> tuple[frames.Entry, ...]:
        changed = []
        for one in entries:
            data = bytearray(one.data)
            data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)
            changed.append(structs.replace(one, data=bytes(data)))
            self.flipped += 1
        return tuple(changed)


async def honest(between: Between) -> None:
    """No more lies; whoever is connected comes again."""
    between.lie, between.push = None, lambda push: push
    await between.cut()


async def until_it_lied(talk: Talking, word: str, lies: Callable[[], object]) -> None:
    """Talk until the relay had occasion to lie: nodes that it has just disappointed keep away for a while."""
    for turn in range(60):
        await talk.chatter(f"{word} {turn}", 5)
        if lies():
            return
        await asyncio.sleep(0.5)


async def test_1_2_3_one_relay_lies(tmp_path: Path) -> None:
    """It drops what it has signed for, reorders and holds back, replays: one after the other.

    Through all of it each message is shown once at everybody, in one order, and the name can be changed.
    """
    rng = Random(4)
    async with tea(tmp_path, ("Alice", "Bob")) as (betweens, (alice, _), talk):
        await talk.chatter("honest", 3)
        await talk.agreed(stored=3)
        # The worst one: it is the one that nodes read from.
        liar = max(betweens, key=lambda one: one.served)
        dropping = Dropping(liar)
        await until_it_lied(talk, "dropped", lambda: dropping.gone)
        await talk.renamed(alice, "Dropped")
        await talk.agreed(stored=3)
        assert dropping.gone
        await honest(liar)
        shuffling = Shuffling(liar, rng)
        await until_it_lied(talk, "shuffled", lambda: shuffling.shuffled)
        await talk.renamed(alice, "Shuffled")
        await talk.agreed(stored=3)
        assert shuffling.shuffled
        await honest(liar)
        replaying = Replaying(liar)
        await liar.cut()
        await until_it_lied(talk, "replayed", lambda: replaying.replayed)
        await talk.renamed(alice, "Replayed")
        await talk.agreed(stored=3)
        assert replaying.replayed
        await honest(liar)
        await talk.chatter("honest again", 5)
        await talk.renamed(alice, "Honest")
        await talk.agreed(stored=3)


async def test_4_one_relay_flips_bits(tmp_path: Path) -> None:
    """Of whatever it hands out. The entries are fetched elsewhere, and nobody sees anything of it."""
    async with tea(tmp_path, ("Alice", "Bob")) as (betweens, (alice, bob), talk):
        await talk.chatter("honest", 3)
        await talk.agreed(stored=3)
        liar = max(betweens, key=lambda one: one.served)
        flipping = Flipping(liar, Random(4))
        # Who was away reads from all relays.
        await bob.kill()
        for number in range(5):
            await talk.say(alice, f"away {number}")
        await bob.start()
        await talk.chatter("flipped", 5)
        await talk.renamed(alice, "Flipped")
        await talk.agreed(stored=3)
        assert flipping.flipped
        await honest(liar)
        await talk.chatter("honest again", 5)
        await talk.agreed(stored=3)
