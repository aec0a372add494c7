"""Runs of real logs at random, and what must hold in each: see `Oracle`.

A failure names the seed; the same seed gives the same run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

from heliogram import mls
from heliogram.mls import epoch as mls_epoch
from heliogram.mls.framing import PrivateMessage
from heliogram.mls.hpke import HPKE
from heliogram.node.changes import ChangeRelays, RemovePeople, Rename, RenewKeys
from heliogram.node.components import Metadata
from heliogram.node.epoch_keys import TAG_SIZE
from heliogram.node.events import EpochStarted, MessageReceived
from heliogram.node.log import happenings as told
from heliogram.node.membership import PAST_EPOCHS
from heliogram.node.records import Phase
from heliogram.wire import frames
from heliogram.wire.objects import Configuration
from tests.node.log.world import Device, LogRelay, World
from tests.sim.relays import LIES


class Violation(AssertionError):
    """Something happened that must never happen, or nothing more happens. The text names the invariant."""


class Oracle:
    """The invariants.

    I1: one decision for each epoch. I2: one authenticator. I5: what was stored is shown to all, once (see
    `_shown`). I6: what is said after somebody was shown as removed, is not for them. I7: one message key, one
    text that leaves.
    Besides: what leaves was written; no correct relay is accused; who is out reads nothing later.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.decided: dict[int, bytes] = {}
        #: When a removal was shown as done, and the epoch that it ended.
        self.removed: list[tuple[float, int]] = []
        self.begun: dict[bytes, float] = {}
        #: By text: the epochs in which it was encrypted to be stored; who said it.
        self.epochs: dict[bytes, set[int]] = {}
        self.author: dict[bytes, Device] = {}
        self.stored: set[bytes] = set()
        #: By message key: what was sealed under it and left.
        self.left: dict[bytes, bytes] = {}
        self.sealed: dict[bytes, bytes] = {}
        #: Epochs from which on each device was in.
        self.since: dict[str, int] = {}
        #: The epoch in which each device is, by what it was told; and in which epoch a text last came there.
        self.reached: dict[str, int] = {}
        self.heard: dict[tuple[str, bytes], int] = {}
        self.wishes: dict[tuple[str, int], Any] = {}
        self.posted: set[bytes] = set()

    def watch(self, device: Device) -> None:
        """See all that happens to a device that is in."""
        self.reached[device.called] = device.conversation.epoch
        device.watch = partial(self._happened, device)

    def _happened(self, device: Device, one: told.Happening) -> None:
        match one:
            case told.Happened(event=EpochStarted(epoch=epoch)):
                self.reached[device.called] = epoch
            case told.Happened(event=MessageReceived(epoch=epoch, content=text)):
                self._shown(device, text, epoch)
            case told.WishDone():
                wish = self.wishes.pop((device.called, one.number), None)
                if isinstance(wish, RemovePeople):
                    # Of which epoch it was is not told; it is before where the device is now.
                    self.removed.append((self.world.now, device.conversation.epoch - 1))
            case told.Encrypted():
                text = device.disk.outbox[one.number].content
                self.epochs.setdefault(text, set()).add(one.epoch)
            case told.RelayTrouble(state="misbehaving"):
                relay = self.world.relays[one.relay]
                if relay.lie is None and not relay.fell:
                    raise Violation(f"a correct relay was accused: {one.fault}")

    def _shown(self, device: Device, text: bytes, epoch: int) -> None:
        """I5: a text comes, in an entry of `epoch`; was it here before?

        Who said it encrypts it anew in each epoch that closes on it, however long they were away. A log
        knows it again by what came in the epochs whose keys it has: those up to `PAST_EPOCHS` before the
        epoch where this reader is when the later copy is read, in whatever order the copies come. In which
        epochs it was encrypted says nothing of that: a reader far ahead may read an old epoch's copy last.
        Beyond it history knows the message by its id, which is not the log's: see `test_33_…` in
        `tests/node/engine`.
        """
        before = self.heard.get((device.called, text))
        if before is not None and before >= self.reached[device.called] - PAST_EPOCHS:
            raise Violation("I5: something was shown twice")
        self.heard[device.called, text] = max(epoch, before or 0)

    def send(self, device: Device, request: Any) -> None:
        """A request leaves a device: what it holds must have been written."""
        if not isinstance(request, frames.Post):
            return
        data = request.data
        kept = {one.entry for one in device.disk.outbox.values()}
        own = {value[9:] for key, value in device.disk.states.items() if key[:1] == b"i"}
        done = data in self.posted
        if data not in kept and data not in own and not done:
            raise Violation("what leaves was not written")
        for row in device.disk.outbox.values():
            # What was encrypted and has not left may be of any epoch.
            if row.entry == data and row.epoch is not None:
                for at, epoch in self.removed:
                    if self.begun[row.content] > at and row.epoch <= epoch:
                        raise Violation("I6: said to somebody who was shown as removed before")
        self.posted.add(data)
        try:
            message = mls.decode_message(data[TAG_SIZE:])
        except mls.InvalidMessage:
            return
        if isinstance(message, PrivateMessage):
            key = self.sealed.get(message.ciphertext)
            if (
                key is not None
                and self.left.setdefault(key, message.ciphertext) != message.ciphertext
            ):
                raise Violation("I7: two texts left under one message key")


class Run:
    """One run: a world, its group, an oracle, and things that happen."""

    def __init__(self, seed: int | str, *, seconds: float = 40.0) -> None:
        self.dice = dice = Random(f"run {seed}")
        n, q = dice.choice([(4, 3), (4, 3), (4, 3), (3, 2), (5, 4), (7, 5)])
        scale = dice.choice([0.0, 0.3, 1.0])
        self.world = world = World(seed, n=n, q=q, spare=2, delay=(0.01, 0.08))
        self.seed, self.seconds, self.scale = seed, seconds, scale
        self.oracle = oracle = Oracle(world)
        carry = world.send

        def send(device: Device, ask: Any) -> None:
            oracle.send(device, ask.request)
            carry(device, ask)

        world.send = send  # type: ignore[method-assign]
        names = ["Alice", "Bob", "Carol", "Dave"][: dice.randint(2, 4)]
        self.group = world.group(*names)
        for one in self.group:
            oracle.watch(one)
            oracle.since[one.called] = one.conversation.epoch
        world.faults.loss = 0.15 * scale * dice.random()
        world.faults.double = 0.1 * scale * dice.random()
        world.faults.slow = 0.1 * scale * dice.random()
        world.faults.cut = 0.03 * scale * dice.random()
        world.crash_rate = dice.choice([0.0, 0.0, 0.003, 0.01])
        self.texts = 0

    def play(self) -> None:
        """What happens at random."""
        world, dice = self.world, self.dice
        b = world.configuration.b
        faulty = world.order[dice.randrange(world.configuration.n)] if b else None
        kind = dice.choice(["lie", "fall", "none"]) if faulty is not None else "none"
        if kind == "lie" and faulty is not None:
            faulty.lie = LIES[dice.choice(sorted(LIES))]
        end = world.now + self.seconds
        removed = False
        while world.now < end:
            world.run(dice.uniform(0.02, 1.5))
            alive = [
                one for one in world.inside() if one.up and one.live is not None
                and one.conversation.phase is Phase.OPEN
            ]  # fmt: skip
            if not alive:
                continue
            one, event = dice.choice(alive), dice.random()
            relay = dice.choice(world.order[: world.configuration.n])
            if event < 0.35:
                self.say(one)
            elif event < 0.5:
                for other in dice.sample(alive, min(len(alive), dice.choice([1, 1, 2, 3]))):
                    self.change(other)
            elif event < 0.53 and len(alive) > 2 and not removed and alive[0].called == "Alice":
                removed = True
                self.wish(alive[0], RemovePeople(frozenset({alive[-1].id})))
            elif event < 0.6 and self.scale and relay.up:
                world.count("relays down")
                world.down(relay)
                world.at(world.now + dice.uniform(0.5, 10), relay.restart)
            elif event < 0.7 and self.scale:
                world.part(one, relay)
            elif event < 0.8 and kind == "fall" and faulty is not None:
                if faulty.snapshots and dice.random() < 0.4 and not faulty.fell:
                    world.count("rollbacks")
                    faulty.roll_back(dice.randrange(len(faulty.snapshots)))
                    for device in world.devices:
                        world.part(device, faulty)
                elif len(faulty.snapshots) < 8:
                    faulty.snapshot()
            elif event < 0.83 and alive[0].called == "Alice":
                self.relays(alive[0])

    def say(self, one: Device) -> None:
        self.texts += 1
        text = b"text %d" % self.texts
        self.oracle.begun[text] = self.world.now
        self.oracle.author[text] = one
        one.say(text)

    def wish(self, one: Device, wish: Any) -> None:
        number = one.disk.number + 1
        self.oracle.wishes[one.called, number] = wish
        one.wish(wish)

    def change(self, one: Device) -> None:
        name = self.dice.choice(["Tea", "Coffee"])
        wish = RenewKeys() if one.called != "Alice" else Rename(Metadata(name))
        self.wish(one, wish)

    def relays(self, one: Device) -> None:
        before = one.conversation.seat.configuration
        spare = [relay for relay in self.world.described if before.index_of(relay.key) is None]
        kept = list(before.relays)
        kept[self.dice.randrange(len(kept))] = self.dice.choice(spare)
        self.wish(one, ChangeRelays(Configuration(before.log, before.q, tuple(kept))))

    def finish(self) -> None:
        """Heal all but liars, and see that everything ends well."""
        world = self.world
        world.healed = True
        for relay in world.relays.values():
            relay.restart()
        for one in world.devices:
            if not one.up:
                one.boot()
            if one.live is not None:
                with one.turn():
                    one.log.look()
        if not world.run(400, lambda: world.settled() and world.together()):
            raise Violation(f"I11, I12: {self.state()}")
        if not world.run(120, self.delivered):
            raise Violation(f"I5: {self.missing()}")
        world.run(30)
        self.spare()
        self.judge()

    def spare(self) -> None:
        """A relay falls back while somebody is away, and is mended: another one may be missing."""
        world = self.world
        one, *others = world.inside()
        here = [world.relays[key] for key in one.log.states()]
        fallen = next((relay for relay in here if relay.snapshots), None)
        if fallen is None or not others:
            return
        others[-1].crash()
        fallen.roll_back(self.dice.randrange(len(fallen.snapshots)))
        for device in world.devices:
            world.part(device, fallen)
        self.say(one)
        world.run(60)
        while self.abstains(fallen, one):
            self.wish(one, RenewKeys())
            if not world.run(120, lambda: not one.disk.wishes):
                raise Violation(f"I11: {self.state()}")
            world.run(30)
        world.down(next(relay for relay in here if relay is not fallen))
        others[-1].boot()
        world.run(30)
        self.wish(one, RenewKeys())
        if not world.run(120, lambda: world.settled() and world.together()):
            raise Violation(f"I11: with one relay missing: {self.state()}")

    @staticmethod
    def abstains(relay: LogRelay, one: Device) -> bool:
        """Whether a relay does not vote in the epoch where somebody is."""
        log, epoch = one.conversation.seat.configuration.log, one.conversation.epoch
        return any(
            record.log.fence is not None or record.log.votes_from > epoch
            for record in relay.store.logs.instances(log)
            if record.log.epoch >= epoch
        )

    def delivered(self) -> bool:
        return not self.missing()

    def missing(self) -> list[tuple[str, bytes]]:
        """What was shown as stored and is not shown to somebody."""
        found = []
        stored = {text for one in self.world.devices for text in one.disk.stored}
        for one in self.world.inside():
            shown = set(one.disk.shown)
            for text in stored:
                if text not in shown and self.oracle.author[text] is not one:
                    found.append((one.called, text))
        return found

    def judge(self) -> None:
        """What must hold at the end."""
        for one in self.world.devices:
            for epoch, decision in one.disk.decisions.items():
                if (
                    self.oracle.decided.setdefault(epoch, decision.certificate.h)
                    != decision.certificate.h
                ):
                    raise Violation("I1: two decisions of one epoch")
            if one.live is not None and one.conversation.phase is Phase.OUT:
                last = one.conversation.epoch
                for text in one.disk.shown:
                    if min(self.oracle.epochs[text]) > last:
                        raise Violation("I6: who is out has read what came later")

    def state(self) -> str:
        """Where everybody stands."""

        def of(one: Device) -> Any:
            if one.live is None:
                return one.called, "down"
            deciding: Any = one.log._deciding
            election = deciding.election
            return (
                one.called, one.conversation.epoch, one.conversation.phase.name,
                len(one.disk.wishes), [s.stored for s in one.disk.outbox.values()],
                election and (election.step.name, election.round, election.obstacles),
                one.log._ground.troubled, deciding.timers, one.log._caught_up,
            )  # fmt: skip

        relays = [
            (r.label, [(x.log.epoch, x.log.fence is not None) for x in r.store.logs.records.values()],
             getattr(r.lie, "__name__", None), r.fell)
            for r in self.world.order
        ]  # fmt: skip
        return f"{[of(one) for one in self.world.devices]} {relays} {self.world.counts}"


@contextmanager
def one_source(seed: int | str, made: list[Run]) -> Iterator[None]:
    """Sealing draws from the seed and not from a library, so a run can be repeated; keys are taken down."""
    random, sealing, private = Random(f"seals {seed}"), HPKE.sealer, vars(mls_epoch)["seal_private"]

    def sealer(self: HPKE, info: bytes, entropy: Any = None) -> Any:
        return sealing(self, info, random.randbytes)

    def seal(self: HPKE, public: bytes, info: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        return sealing(self, info, random.randbytes)(public, plaintext)

    def seal_private(
        suite: Any, content: Any, plain: Any, sender: Any, key: Any, nonce: Any, data: Any
    ) -> PrivateMessage:
        message: PrivateMessage = private(suite, content, plain, sender, key, nonce, data)
        for run in made:
            run.oracle.sealed[message.ciphertext] = bytes(key)
        return message

    with (
        patch.object(HPKE, "sealer", sealer),
        patch.object(HPKE, "seal", seal),
        patch.object(mls_epoch, "seal_private", seal_private),
    ):
        yield


def random_run(seed: int | str, *, seconds: float = 40.0) -> Run:
    """One run of everything at random. Raises `Violation`."""
    made: list[Run] = []
    with one_source(seed, made):
        try:
            made.append(Run(seed, seconds=seconds))
            made[0].play()
            made[0].finish()
        except Violation as error:
            error.add_note(f"HELIOGRAM_SIM_SEED={seed}")
            raise
    return made[0]
