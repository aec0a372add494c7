"""A short slice of the fuzzer, with a fixed seed; `make fuzz` goes on for longer.

And the fuzzer itself: what is planted, it finds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heliogram import mls
from heliogram.codec import Reader
from heliogram.mls import framing, processing
from heliogram.mls.member import Member
from tests.fuzz.engine import (
    CLASSIC,
    POST_QUANTUM,
    Coverage,
    Finding,
    Fuzzer,
    attempt,
    bounded,
    chosen,
    replay,
    save,
    smaller,
)
from tests.fuzz.forging import Worlds
from tests.fuzz.targets import TARGETS, Broken, Input, Messages, Target
from tests.fuzz.world import World
from tests.mls import grammar as g

SEED = 20261123
STEPS = 350


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    return Worlds()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_is_found(target: type[Target], worlds: Worlds) -> None:
    fuzzer = Fuzzer(target(worlds), worlds, SEED, traced=False)
    with bounded():
        for suite in (CLASSIC, POST_QUANTUM):
            fuzzer.add_seeds(suite)
        for _ in range(STEPS):
            fuzzer.step()
    assert not fuzzer.findings, "\n".join(found.trace for found in fuzzer.findings.values())
    assert len(fuzzer.answers) > 5


#: Targets of which every seed is accepted.
_WHOLE = ["join", "join-external", "state", "key-package"]


def test_seeds_are_accepted(worlds: Worlds) -> None:
    """What is whole, or broken in no way, comes through: also when it was signed and sealed again."""
    accepted = {
        *("ApplicationMessage", "ProposalReceived", "EpochAdvanced", "Removed", "OwnMessage"),
        *("joined", "loaded"),
    }
    for target in chosen([*_WHOLE, "process", "forged", "forged-join"]):
        tried = target(worlds)
        answers = [tried.run(given) for given in tried.seeds(CLASSIC)]
        assert accepted & set(answers), target.name
        if target.name in _WHOLE:
            assert set(answers) <= accepted, target.name


# --- The fuzzer itself ----------------------------------------------------------------------------


class Planted(Target):
    """Does with its input whatever it was told to."""

    name = "planted"

    def __init__(self, do: Callable[[bytes], object]) -> None:
        super().__init__(Worlds())
        self.do = do

    def seeds(self, suite: int) -> Iterator[Input]:
        yield Input(suite, "", bytes(8))

    def kind(self, given: Input) -> g.Kind | None:
        return None

    def run(self, given: Input) -> str:
        self.do(given.data)
        return "done"


def burn(data: bytes) -> None:
    start = time.process_time()
    while time.process_time() < start + 0.2:
        pass


def hoard(data: bytes) -> object:
    return [bytes(1 << 20) for _ in range(200)]


def endless(data: bytes) -> None:
    while True:
        pass


def recurse(data: bytes) -> None:
    recurse(data)


def broken(data: bytes) -> None:
    raise Broken("it does not hold")


@pytest.mark.parametrize(
    ("do", "data", "what"),
    [
        (lambda data: {}[data], b"", "KeyError in ?"),
        (broken, b"", "Broken in ? it does not hold"),
        (recurse, b"", "RecursionError in ?"),
        (burn, b"", "too slow"),
        (hoard, bytes(1 << 17), "too large"),
        (lambda data: bytearray(1 << 34), b"", "MemoryError in ?"),
        (lambda data: Reader(b"").u8(), b"", "DecodeError in codec.Reader.u8"),
    ],
)
def test_it_finds(
    do: Callable[[bytes], object], data: bytes, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzz.engine.SECONDS", 0.1)
    with bounded():
        found = attempt(Planted(do), Input(CLASSIC, "", data))
    assert isinstance(found, Finding)
    assert found.what.startswith(what)


def test_it_finds_what_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.engine._ENDLESS", 0.2)
    with bounded():
        found = attempt(Planted(endless), Input(CLASSIC, "", b""))
    assert isinstance(found, Finding)
    assert found.what.startswith("Endless")


def test_it_finds_a_group_that_changed(monkeypatch: pytest.MonkeyPatch, worlds: Worlds) -> None:
    """A message is refused, but something of it stays."""

    def forgetful(member: Member, message: framing.Message, *, now: int) -> None:
        member.resumption.clear()
        raise mls.InvalidMessage(7, "6", "refused")

    target = Messages(worlds)
    given = next(target.seeds(CLASSIC))
    monkeypatch.setattr(processing, "process", forgetful)
    found = attempt(target, given)
    assert isinstance(found, Finding)
    assert "a refused message changed the group" in found.what


def test_a_finding_is_made_smaller_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, worlds: Worlds
) -> None:
    def careless(cls: type[framing.Sender], reader: Reader) -> framing.Sender:
        raise KeyError(reader.u8())

    target = Messages(worlds)
    given = next(given for given in target.seeds(CLASSIC) if given.data[3] == 1)
    with monkeypatch.context() as patch:
        patch.setattr(framing.Sender, "decode", classmethod(careless))
        found = attempt(target, given)
        assert isinstance(found, Finding)
        small = smaller(target, found)
        assert len(small.given.data) < 40 < len(given.data)
        path = save(small, worlds.world(CLASSIC), tmp_path)
        again = replay(path)
        assert isinstance(again, Finding)
        assert again.what == found.what
    assert isinstance(replay(path), str)


def test_worlds_are_the_same_each_time(worlds: Worlds) -> None:
    world = worlds.world(CLASSIC)
    assert Worlds().world(CLASSIC) == world
    assert World.from_json(world.to_json()) == world


def test_lines_are_counted() -> None:
    coverage = Coverage()
    with coverage.watching():
        mls.Lifetime(0, 1).encode()
    first = len(coverage)
    assert first > 0
    with coverage.watching():
        mls.Lifetime(0, 1).encode()
    assert len(coverage) == first
    with coverage.watching():
        mls.BasicCredential(b"name").encode()
    assert len(coverage) > first
