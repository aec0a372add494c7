"""No key of a message serves twice, however often a node is killed: looked at from within."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from heliogram.mls.epoch import Epoch
from heliogram.mls.framing import SenderData
from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.epoch_keys import TAG_SIZE
from heliogram.wire import frames
from tests.node.chaos.nodes import ALL
from tests.node.engine.kit import Person, World

#: Crashes.
CRASHES = int(os.environ.get("HELIOGRAM_CRASHES", "1000" if ALL else "60"))


class Generations:
    """Which key each entry was sealed with, and which entries have left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
        self._now: list[SenderData] = []
        self._made: dict[bytes, tuple[bytes, int, int, int]] = {}
        self.left: dict[tuple[bytes, int, int, int], set[bytes]] = {}
        protect, encode, send = Epoch.protect, SenderData.encode, world.send

        def encoding(data: SenderData) -> bytes:
            self._now.append(data)
            return encode(data)

        def protecting(epoch: Epoch, *args: Any, **how: Any) -> Any:
            self._now.clear()
            sealed = protect(epoch, *args, **how)
            data = self._now[-1]
            context = epoch.context
            place = (context.group_id, context.epoch, data.leaf_index, data.generation)
            self._made[sealed.ciphertext] = place
            return sealed

        def sending(person: Person, ask: Ask) -> None:
            request = ask.request
            if isinstance(request, frames.Post):
                self._leaves(request.data)
            send(person, ask)

        monkeypatch.setattr(SenderData, "encode", encoding)
        monkeypatch.setattr(Epoch, "protect", protecting)
        monkeypatch.setattr(world, "send", sending)

    def _leaves(self, entry: bytes) -> None:
        for ciphertext, place in self._made.items():
            if ciphertext in entry[TAG_SIZE:]:
                self.left.setdefault(place, set()).add(entry)
                return
        raise AssertionError("an entry that nobody made")


def test_67_no_generation_is_used_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two talk and rename; both crash at any moment. Each key that has left sealed one entry."""
    rng = Random(67)
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.group("Tea", alice, bob)
    generations = Generations(monkeypatch, world)
    said: list[str] = []
    for number in range(CRASHES):
        for _ in range(rng.randrange(1, 5)):
            who = rng.choice((alice, bob))
            text = f"{number}.{len(said)}"
            who.call(api.SendMessage(chat, text))
            said.append(text)
            if rng.random() < 0.2:
                alice.call(api.SetProfile(chat, name=text))
            world.run(rng.choice((0.0, 0.01, 0.05, 0.2)))
        victim = rng.choice((alice, bob))
        victim.crash()
        world.run(rng.choice((0.0, 0.05, 1.0)))
        victim.boot()
    world.run(600, until=lambda: {*alice.texts(chat)} == {*bob.texts(chat)} == {*said})
    assert alice.texts(chat) == bob.texts(chat) and len(alice.texts(chat)) == len(said)
    assert len(generations.left) >= len(said)
    assert all(len(entries) == 1 for entries in generations.left.values())
    print(f"{CRASHES} crashes, {len(generations.left)} keys, each of one entry")
