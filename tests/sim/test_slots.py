"""Elections, posts and repairs under everything that can go wrong, and that each check in them is needed.

`HELIOGRAM_SIM_SEED=...` replays one run; `HELIOGRAM_SIM_RUNS=10000` makes that many instead of a few.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from heliogram.node import chain, posting, repair, slots, sync
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    Justification,
    RelaySignature,
    SignedPromise,
)
from tests.sim.members import Cores, Member, body, secret_key, value_for
from tests.sim.relays import LIES, Relay, fails
from tests.sim.villains import Villain
from tests.sim.world import Faults, Stuck, Violation, World, random_run

RUNS = int(os.environ.get("HELIOGRAM_SIM_RUNS", "12"))
SEED = os.environ.get("HELIOGRAM_SIM_SEED")
LONG = RUNS > 100

#: Runs are cut into so many tests, so that workers can share them.
SLICES = 6


@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(SLICES))
def test_everything_at_random(part: int) -> None:
    if SEED is not None:
        if part == 0:
            random_run(SEED)
        return
    for seed in range(part, RUNS, SLICES):
        random_run(seed)


def test_the_same_on_a_real_database(tmp_path: Path) -> None:
    for seed in range(4 if LONG else 1):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        random_run(f"disk {seed}", folder=folder, seconds=15)


def test_a_seed_is_a_trace(tmp_path: Path) -> None:
    """The same under two hash seeds: nothing depends on the order of sets."""
    program = "from tests.sim.world import *; print(random_run(24, seconds=8).trace.hexdigest())"
    root = Path(__file__).parents[2]
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=root, env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}/src"},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(traces) == 1
    assert traces != {""}


# --- Stories --------------------------------------------------------------------------------------


def started(seed: int | str, cores: Cores | None = None, **more: Any) -> World:
    """A world where the log is open everywhere."""
    world = World(seed, cores=cores, **more)
    world.run(world.now + 8)
    return world


def relay_of(world: World, index: int) -> Relay:
    return list(world.relays.values())[index]


def bustle(world: World, *, changes: int = 2, messages: int = 5, pause: float = 1.0) -> World:
    """All members want changes at once, again and again, and talk meanwhile."""
    for _ in range(changes):
        world.bustles += 1
        number = world.bustles
        for one in world.alive():
            world.change(one, f"op {number} {one.label}")
        for at in range(messages):
            world.say(world.alive()[at % len(world.alive())], f"message {number} {at}")
        world.run(world.now + pause)
    return world


def run_with_liar(lie: str, cores: Cores | None = None, seed: int | str = 0) -> World:
    """One of four relays lies in one way."""
    world = started(f"{lie} {seed}", cores)
    relay_of(world, 1).lie = LIES[lie]
    bustle(world)
    world.run(world.now + 20)
    bustle(world, messages=2)
    world.finish()
    return world


def crash_at(step: int, cores: Cores | None = None) -> World:
    """A member dies at its n-th effect after it wants a change; the others go on without it."""
    world = started("crash", cores)
    world.doom = ("member 0", step)
    world.change(world.members[0], "op 0")
    world.run(world.now + 0.3)
    world.say(world.members[1], "message")
    world.run(world.now + 4)
    world.act(world.members[1], world.members[1].finish)
    world.change(world.members[1], "op 1")
    world.finish()
    assert world.oracle.applied["op 0"] == world.oracle.applied["op 1"] == 1
    return world


def one_relay_gone(cores: Cores | None = None) -> World:
    """One of four vanishes: nothing stops."""
    world = started("gone", cores)
    relay_of(world, 2).crash()
    bustle(world)
    assert world.run(world.now + 60, lambda: len(world.oracle.messages) == 10)
    assert world.run(world.now + 60, lambda: len(world.oracle.done) == 6)
    world.finish()
    return world


def dying_relay(cores: Cores | None = None) -> World:
    """A relay is down while others decide, and is brought level by whoever meets it."""
    world = started("level", cores)
    relay_of(world, 0).crash()
    bustle(world, messages=2)
    world.run(world.now + 25)
    relay_of(world, 0).restart()
    relay_of(world, 3).crash()
    bustle(world, changes=1, messages=2)
    world.run(world.now + 25, lambda: len(world.oracle.done) >= 9)
    world.finish()
    return world


def stranded(lie: str = "", cores: Cores | None = None) -> World:
    """A member locks its value everywhere and is never seen again; what it began must be finished.

    One relay is always the last to answer, so that whoever takes what comes first takes what the liar says.
    """
    world = started(f"stranded {lie}", cores)
    alice = world.members[0]
    votes = 0

    def watching(serve: Any) -> Any:
        def watched(frame: Any, *rest: Any, **more: Any) -> Any:
            nonlocal votes
            if isinstance(frame, frames.Commit):
                votes += 1
                if votes == 3:
                    away(world, alice)
                    world.members.remove(alice)
            return serve(frame, *rest, **more)

        return watched

    for relay in world.relays.values():
        relay.serve = watching(relay.serve)  # type: ignore[method-assign]
    world.change(alice, "op alice")
    world.run(world.now + 2)
    assert alice not in world.members
    world.slow_for_ever = True
    world.lag = {relay_of(world, 0).label: (0.3, 0.4)}
    if lie:
        relay_of(world, 3).lie = LIES[lie]
    bustle(world, messages=2)
    world.finish()
    assert world.oracle.applied["op alice"] == 1
    return world


def holes(lie: str = "", cores: Cores | None = None) -> World:
    """Somebody speaks while one relay is out of reach, and is never seen again."""
    world = started(f"holes {lie}", cores)
    carol = world.members[2]
    world.run(world.now + 3)
    world.blocked = {(one.label, relay_of(world, 0).label) for one in world.members}
    if lie:
        relay_of(world, 1).lie = LIES[lie]
    for number in range(12):
        world.say(carol, f"message {number}")
        world.run(world.now + 0.3)
    assert world.run(world.now + 20, lambda: len(world.oracle.messages) == 12)
    away(world, carol)
    world.members.remove(carol)
    world.finish()
    return world


def narrow(cores: Cores | None = None) -> World:
    """With one relay in reach nothing is ever shown as stored, and nothing as done."""
    world = started("narrow", cores)
    world.run(world.now + 3)
    far = list(world.relays.values())[1:]
    alice = world.members[0]
    # It learns that the epoch is open, and what it then sends reaches one relay.
    world.say(alice, "message")
    world.change(world.members[1], "op")
    world.blocked = {(one.label, relay.label) for one in world.members for relay in far}
    world.run(world.now + 3)
    world.safe_now()
    assert alice.postings
    assert "message" not in world.oracle.messages
    world.blocked = {(relay.label, one.label) for one in world.members for relay in far}
    world.blocked |= {(one.label, relay.label) for one in world.members for relay in far}
    for number in range(4):
        world.say(alice, f"message {number}")
        world.run(world.now + 4)
        world.safe_now()
    assert not world.oracle.done
    world.finish()
    return world


def lossy(cores: Cores | None = None) -> World:
    """Messages get lost and nobody is told."""
    world = started("lossy", cores)
    world.faults.loss, world.faults.told = 0.15, 0.0
    bustle(world)
    assert world.run(world.now + 90, lambda: len(world.oracle.done) == 6)
    assert world.run(world.now + 60, lambda: len(world.oracle.messages) == 10)
    world.finish()
    return world


def rolled_back(cores: Cores | None = None, seed: int | str = 0) -> World:
    """A relay falls back over several epochs, and is fenced, lifted and refilled."""
    world = started(f"fall {seed}", cores)
    relay = relay_of(world, 1)
    relay.snapshot()
    bustle(world)
    world.run(world.now + 25)
    relay.roll_back(0)
    bustle(world, changes=1)
    world.run(world.now + 30)
    bustle(world, changes=1)
    world.finish()
    return world


def removal(cores: Cores | None = None, seed: int | str = 0) -> World:
    """Somebody is removed; some relays and members hear of it late, and go on talking."""
    world = started(f"removal {seed}", cores, members=4)
    alice, bob, carol = world.members[:3]
    late = relay_of(world, 3)
    world.blocked = {(one.label, late.label) for one in world.members}
    world.blocked |= {(relay.label, bob.label) for relay in world.relays.values()}
    world.change(alice, "remove carol", "remove", carol.label)
    assert world.run(world.now + 60, lambda: bool(world.oracle.removed))
    world.blocked = {
        (relay.label, bob.label) for relay in world.relays.values() if relay is not late
    }
    world.blocked |= {(one.label, late.label) for one in world.members if one is not bob}
    for number in range(4):
        world.say(bob, f"after {number}")
        world.run(world.now + 3)
    assert bob.epoch == 1
    world.finish()
    return world


def busy_villain(cores: Cores | None = None, seed: int | str = 0) -> World:
    """A member with valid keys does what it likes, and a relay helps it."""
    world = started(f"villain {seed}", cores)
    relay_of(world, 0).lie = LIES["says_yes"]
    villain = Villain(world, world.random)
    for number in range(3):
        for one in world.alive():
            world.change(one, f"op {number} {one.label}")
        for _ in range(12):
            villain.act()
            world.run(world.now + world.random.uniform(0.02, 0.3))
    world.finish()
    return world


# --- The acceptance numbers -----------------------------------------------------------------------


def test_2_hours_of_delay_and_disorder_change_nothing() -> None:
    world = started("hours")
    world.look = 900
    world.lag = {relay_of(world, 1).label: (600, 7200)}
    bustle(world, pause=30)
    world.run(world.now + 9000)
    bustle(world, changes=1)
    world.run(world.now + 60)
    world.look = 5
    world.finish()
    members = world.alive()
    assert len({one.epoch for one in members}) == 1
    assert all(set(one.disk.shown) == set(world.oracle.messages) for one in members)


@pytest.mark.parametrize("lie", LIES)
def test_5_a_lying_relay_is_believed_nothing(lie: str) -> None:
    world = run_with_liar(lie)
    liar = relay_of(world, 1).label
    expected = {"forges": "FORGERY", "wrong_values": "WRONG_VALUE", "says_yes": "HIDDEN_LOCK"}
    if lie in ("forges", "wrong_values"):
        assert (liar, expected[lie]) in world.oracle.accused


def test_6_two_commit_at_the_same_instant() -> None:
    times = []
    for seed in range(60 if LONG else 12):
        world = started(f"two {seed}", members=2)
        began = world.now
        for one in world.members:
            world.change(one, f"op {one.label}")
        assert world.run(began + 60, lambda w=world: len(w.oracle.done) == 2)  # type: ignore[misc]
        times.append(world.now - began)
        assert world.members[0].epoch <= 3
    assert max(times) <= 10


def test_7_ten_commit_at_once_and_a_fifth_of_the_packets_is_lost() -> None:
    for seed in range(20 if LONG else 1):
        world = started(f"ten {seed}", members=10, faults=Faults(packets=0.2))
        began = world.now
        for one in world.members:
            world.change(one, f"op {one.label}")
        assert world.run(began + 60, lambda w=world: len(w.oracle.done) == 10)  # type: ignore[misc]
        world.finish()
        assert world.members[0].epoch == 11


def test_8_a_committer_is_killed_at_each_step() -> None:
    steps = 0
    for step in range(1, 200 if LONG else 60, 1 if LONG else 3):
        world = crash_at(step)
        if not world.counts.get("crashes of members"):
            break
        steps += 1
    assert steps > 10


def test_9_one_of_four_relays_vanishes_for_good() -> None:
    one_relay_gone()


@pytest.mark.parametrize("seed", range(500 if LONG else 4))
def test_12_a_relay_falls_back_between_its_two_votes(seed: int) -> None:
    world = started(f"between {seed}")
    relay = relay_of(world, seed % 4)
    relay.snapshot()
    serve = relay.serve

    def treacherous(frame: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(frame, frames.Commit) and not relay.fell:
            relay.roll_back(0)
        return serve(frame, *rest, **more)

    relay.serve = treacherous  # type: ignore[method-assign]
    bustle(world, changes=1)
    world.finish()
    assert relay.fell


def scripted(world: World, frame: Callable[[int], Any]) -> list[Any]:
    """A member sends each relay what it likes, one after the other."""
    member, seat, answers = world.members[0], world.members[0].seat, []
    for index, relay in enumerate(seat.configuration.relays):
        key = secret_key(member.secrets[-1], relay.key).public
        asked = frame(index)
        answer, _ = world.relays[relay.key].serve(
            asked, member._names(seat)[index], seat.epoch, key, now=world.now
        )
        world.oracle.said(world.relays[relay.key], asked, seat, answer)
        answers.append(answer)
    return answers


def two_values(world: World) -> tuple[Any, Any]:
    member = world.members[0]
    configuration, secret = member.seat.configuration, member.secrets[-1]
    values = [value_for(configuration, secret, body(f"bad {i}", "villain")) for i in (0, 1)]
    for one in values:
        world.oracle.proposed(one.hash)
    return values[0], values[1]


def certificate(seat: Any, round: int, h: bytes, answers: list[Any], kind: Any) -> Certificate:
    votes = tuple(
        RelaySignature(at, one.signature) for at, one in enumerate(answers) if isinstance(one, kind)
    )
    return Certificate(seat.epoch, round, h, votes)


@pytest.mark.parametrize("half", [1, 2, 3])
def test_13_two_values_to_two_halves(half: int) -> None:
    world = started("halves")
    v, w = two_values(world)
    answers = scripted(world, lambda i: frames.Lock(0, 0, 0, (v if i < half else w).encode()))
    assert all(isinstance(one, frames.Vote1) for one in answers)
    again = scripted(world, lambda i: frames.Lock(0, 0, 0, (w if i < half else v).encode()))
    assert all(isinstance(one, frames.Refuse) for one in again)
    bustle(world, changes=1)
    world.finish()


def test_14_another_value_after_a_decision_that_nobody_knows_yet() -> None:
    world = started("later")
    seat = world.members[0].seat
    v, w = two_values(world)
    first = scripted(world, lambda _: frames.Lock(0, 0, 0, v.encode()))
    lock = certificate(seat, 0, v.hash, first[:3], frames.Vote1)
    second = scripted(world, lambda _: frames.Commit(0, 0, lock.encode()))
    assert all(isinstance(one, frames.Vote2) for one in second)
    promises = scripted(world, lambda _: frames.NewRound(0, 0, 1))
    why = Justification(
        tuple(
            SignedPromise(at, Certificate.from_bytes(one.lock), one.signature)
            for at, one in enumerate(promises)
        )
    ).encode()
    refused = scripted(world, lambda _: frames.Lock(0, 0, 1, w.encode(), why))
    assert all(isinstance(one, frames.Refuse) for one in refused)
    world.change(world.members[1], "op")
    world.finish()
    assert world.members[2].disk.decisions[0].value == v


def test_16_a_removed_member_gets_nothing_more() -> None:
    world = started("removed", members=4)
    carol = world.members[2]
    world.say(world.members[0], "before")
    world.run(world.now + 3)
    late = relay_of(world, 3)
    world.blocked = {(late.label, one.label) for one in world.members}
    world.change(world.members[0], "remove carol", "remove", carol.label)
    assert world.run(world.now + 60, lambda: bool(world.oracle.removed))
    world.finish()
    world.say(world.members[0], "after")
    world.run(world.now + 10)
    assert "after" in world.oracle.messages
    seat = world.first
    for index, relay in enumerate(world.relays.values()):
        key = secret_key(carol.secret(1), relay.key).public
        name = world.members[0]._names(seat)[index]

        def ask(
            frame: Any, epoch: int = 1, relay: Relay = relay, key: bytes = key, name: bytes = name
        ) -> Any:
            return relay.serve(frame, name, epoch, key, now=world.now)[0]

        read = ask(frames.Read(0, 0, 0, 1000))
        assert all(b"after" not in one.data for one in read.entries)
        assert isinstance(ask(frames.Post(0, 0, b"hello")), frames.Decided)
        value = value_for(seat.configuration, carol.secret(1), b"x").encode()
        assert isinstance(ask(frames.Lock(0, 0, 0, value)), frames.Decided)
        for frame in (
            frames.Read(0, 0, 0, 1000),
            frames.Post(0, 0, b"hello"),
            frames.Peek(0, 0, True),
        ):
            refused = ask(frame, 2)
            assert isinstance(refused, frames.Failure)
            assert refused.code == ErrorCode.NOT_AUTHORISED


def away(world: World, member: Member) -> None:
    """A member is switched off for long."""
    member.up = False
    member.life += 1


def test_17_back_after_many_epochs() -> None:
    world = started("away")
    laggard = world.members[2]
    away(world, laggard)
    epochs = 500 if LONG else 25
    for number in range(epochs):
        world.change(world.members[number % 2], f"op {number}")
        assert world.run(world.now + 60, lambda n=number: len(world.oracle.done) > n)  # type: ignore[misc]
    world.finish(patience=epochs * 10)
    assert laggard.epoch == world.members[0].epoch >= epochs


def test_18_back_after_four_changes_of_relays() -> None:
    world = started("moved", spare=6)
    laggard, alice = world.members[2], world.members[0]
    away(world, laggard)
    before = {relay.key for relay in world.first.configuration.relays}
    for number in range(4):
        old = alice.seat.configuration
        kept = list(old.relays)
        kept[(number % 3) + 1] = world.described[4 + number]
        after = Configuration(old.log, old.q, tuple(kept))
        assert not chain.objections(old, after)
        world.change(alice, f"relays {number}", "relays", configuration=after)
        assert world.run(world.now + 90, lambda n=number: len(world.oracle.done) > n)  # type: ignore[misc]
        world.run(world.now + 10)
    assert len(before & {relay.key for relay in alice.seat.configuration.relays}) == 1
    for relay in world.relays.values():
        if relay.key in before and alice.seat.index_of(relay.key) is None:
            relay.lie = fails  # gone, or as good as gone
    world.finish()
    assert laggard.epoch == alice.epoch


def test_21_wrong_clocks_decide_nothing() -> None:
    world = World("clocks")
    for index, years in enumerate((-10, 10, 0, 3)):
        relay_of(world, index).offset = years * 31_557_600
    world.run(8)
    bustle(world)
    world.finish()


@pytest.mark.parametrize("how", ["errors", "stalls", "drips", "gone"])
def test_22_one_relay_that_fails_makes_nobody_wait(how: str) -> None:
    world = started(how)
    relay = relay_of(world, 0)
    if how == "errors":
        relay.lie = fails
    elif how == "stalls":
        world.blocked = {(relay.label, one.label) for one in world.members}
    elif how == "drips":
        world.lag = {relay.label: (5, 60)}
    else:
        relay.crash()
    for number in range(40):
        world.say(world.members[number % 3], f"message {number}")
        world.run(world.now + 1)
    world.run(world.now + 10)
    times = sorted(world.oracle.times.values())
    assert len(times) == 40
    assert times[37] <= 3


def test_23_no_message_after_a_removal_was_shown() -> None:
    for seed in range(50 if LONG else 3):
        removal(seed=seed)


def test_a_rolled_back_relay_comes_back() -> None:
    for seed in range(20 if LONG else 2):
        world = rolled_back(seed=seed)
        assert relay_of(world, 1).fell


@pytest.mark.parametrize("lie", ["", "flips", "drops_posts"])
def test_holes_are_filled(lie: str) -> None:
    """Numbers 1, 3, 4: what one relay lacks, denies or spoils comes from another."""
    world = holes(lie)
    assert lie != "flips" or ("relay 1", "WRONG_ENTRY") in world.oracle.accused


@pytest.mark.parametrize("lie", ["", "bad_signatures", "wrong_values", "hides_locks", "says_yes"])
def test_what_was_begun_is_finished(lie: str) -> None:
    world = stranded(lie)
    assert lie != "hides_locks" or ("relay 3", "HIDDEN_LOCK") not in world.oracle.accused


def test_one_relay_is_not_enough() -> None:
    narrow()


def test_lost_messages_are_repeated() -> None:
    lossy()


def test_a_relay_that_was_down_is_brought_level() -> None:
    dying_relay()


def test_a_villain_with_a_lying_relay() -> None:
    for seed in range(50 if LONG else 2):
        busy_villain(seed=seed)


# --- Each check is needed -------------------------------------------------------------------------

GAUNTLET: dict[str, Callable[[Cores], Any]] = {
    **{f"liar {lie}": partial(run_with_liar, lie) for lie in LIES},
    "crashes": lambda cores: [crash_at(step, cores) for step in (2, 3, 7, 9, 12)],
    "gone": one_relay_gone,
    "level": dying_relay,
    "fallen": rolled_back,
    "stranded": partial(stranded, ""),
    **{f"stranded {lie}": partial(stranded, lie) for lie in LIES},
    "holes": partial(holes, ""),
    "holes flips": partial(holes, "flips"),
    "narrow": narrow,
    "lossy": lossy,
    "removal": removal,
    "villain": busy_villain,
}  # fmt: skip

#: What is taken out of a core: the module, the line, what stands there instead, and the story that misses it.
MUTANTS: dict[str, tuple[ModuleType, str, str, str]] = {
    "any certificate is a decision": (
        slots,
        "counts = certificate.counts(self.seat, Label.VOTE2)",
        "counts = True",
        "liar forges",
    ),
    "any value is the decided one": (
        slots,
        "return value if value.hash == h else None",
        "return value",
        "stranded wrong_values",
    ),
    "votes are not verified": (
        slots,
        "if not verify(key, label, vote_content(self.seat.id, round, h), signature):",
        "if False:",
        "stranded bad_signatures",
    ),
    "promises are not verified": (
        slots,
        "if not signed.counts(self.seat, round):",
        "if False:",
        "stranded bad_signatures",
    ),
    "locks do not bind": (
        slots,
        "value = next(iter(bound.values()), None) or self._own",
        "value = self._own or next(iter(bound.values()), None)",
        "stranded",
    ),
    "the highest claim counts": (
        slots,
        "claimed = heard[quorum - 1]",
        "claimed = heard[-1]",
        "liar high_rounds",
    ),
    "a restart forgets its proposal": (
        slots,
        "        self._own = kept.own\n",
        "",
        "crashes",
    ),
    "one vote too few": (
        slots,
        "elif agreed >= quorum:",
        "elif agreed >= quorum - 1:",
        "gone",
    ),
    "what was not answered has failed": (
        slots,
        "            if self._asks(index) and now >= relay.again:",
        "            if self._asks(index) and not relay.tries:",
        "lossy",
    ),
    "a decision is shown to nobody": (
        slots,
        "return not relay.holds and relay.obstacle in (None, Obstacle.FENCED)",
        "return False",
        "gone",
    ),
    "one relay says that the epoch is open": (
        posting,
        "return self.closed is None and answers >= self.seat.configuration.q",
        "return self.closed is None and answers >= 1",
        "removal",
    ),
    "any decision closes an epoch": (
        posting,
        "if shown is None or not shown.counts(self.seat, Label.VOTE2):",
        "if shown is None:",
        "liar forges",
    ),
    "receipts are not verified": (
        posting,
        "return receipt if receipt.proves(key, instance, self.seat.epoch, self.name) else None",
        "return receipt",
        "liar forges",
    ),
    "one receipt is enough": (
        posting,
        "return len(self.receipts) >= self.seat.configuration.q",
        "return len(self.receipts) >= 1",
        "narrow",
    ),
    "only one relay is read": (
        sync,
        "            if source.missing and source.fetch.due(now):",
        "            if False:",
        "holes",
    ),
    "fetched bytes are not compared": (
        sync,
        "if one is not None and entry_hash(one.data) == name:",
        "if one is not None:",
        "holes flips",
    ),
    "levelling never goes back": (
        repair,
        "                self._down()\n",
        "                pass\n",
        "level",
    ),
    "one statement lifts a fence": (
        repair,
        "return configuration.n - configuration.q + 1",
        "return 1",
        "fallen",
    ),
}  # fmt: skip


def mutated(module: ModuleType, old: str, new: str) -> Cores:
    """The cores with one place changed."""
    source = Path(str(module.__file__)).read_text()
    assert source.count(old) == 1, old
    name = module.__name__.rpartition(".")[2]
    made = ModuleType(f"mutated_{name}")
    sys.modules[made.__name__] = made
    exec(compile(source.replace(old, new), f"{made.__name__}.py", "exec"), made.__dict__)
    cores = Cores()
    setattr(cores, name, made)
    return cores


@pytest.mark.parametrize("name", MUTANTS)
def test_each_check_is_needed(name: str) -> None:
    module, old, new, story = MUTANTS[name]
    cores = mutated(module, old, new)
    with pytest.raises((Violation, AssertionError)):
        GAUNTLET[story](cores)


@pytest.mark.parametrize("story", sorted({story for *_, story in MUTANTS.values()}))
def test_the_cores_pass_where_mutants_fail(story: str) -> None:
    GAUNTLET[story](Cores())


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(world: World, patience: float = 0) -> None:
        raise Stuck("never")

    monkeypatch.setattr(World, "finish", stuck)
    with pytest.raises(Stuck) as caught:
        random_run(3, seconds=2)
    assert caught.value.__notes__[0].startswith("HELIOGRAM_SIM_SEED=3 trace ")
