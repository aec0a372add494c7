"""Random walks of groups whose members run different implementations."""

from __future__ import annotations

import pytest

from tests.interop.conftest import Make
from tests.interop.peers import Peer
from tests.interop.walk import Walk

STEPS = 200


@pytest.mark.parametrize(
    "kinds, suite, seed, largest",
    [
        pytest.param(("heliogram", "rine-mls", "ts-mls"), 1, 1, 9, id="all-three"),
        pytest.param(("heliogram", "rine-mls"), 1, 2, 16, id="rine"),
        pytest.param(("heliogram", "ts-mls"), 0xF002, 3, 7, id="ts-post-quantum"),
    ],
)
def test_walk(make: Make, kinds: tuple[str, ...], suite: int, seed: int, largest: int) -> None:
    made: list[Peer] = []

    def new(kind: str, name: str) -> Peer:
        made.append(make(kind, name, suite=suite, private=len(made) % 2 == 1))
        return made[-1]

    walk = Walk(kinds, new, seed=seed, largest=largest)
    walk.start(6)
    for _ in range(STEPS):
        walk.step()
    assert {peer.implementation for peer in walk.members} == set(kinds)
    print(f"{STEPS} steps, {len(made)} clients: {dict(walk.counts)}")
