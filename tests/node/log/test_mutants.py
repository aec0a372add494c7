"""That each rule of a log is needed: without it, some story does not end as it must."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType

import pytest

from heliogram.node.asking import Ask, LogScope
from heliogram.node.changes import RemovePeople, RenewKeys
from heliogram.node.events import CouldNotRead
from heliogram.node.log import deciding, ground, log, mending, reading, refilling, sending
from heliogram.wire import frames
from tests.node.log import test_acceptance as acceptance
from tests.node.log import test_log as plain
from tests.node.log import test_sending as said
from tests.node.log.world import Device, World
from tests.sim.logs import random_run


def removal() -> None:
    for seed in range(6):
        acceptance.test_16_23_what_is_said_after_removed_was_shown_is_not_for_the_removed(seed)


def deaf() -> None:
    """Somebody speaks who has not heard of a removal that all others know of."""
    world = World()
    alice, bob, mallory = world.group("Alice", "Bob", "Mallory")
    number = alice.wish(RemovePeople(frozenset({mallory.id})))
    # Bob's program was asleep all the while, and wakes when somebody speaks with him.
    world.run(0.001)
    bob_life = bob.live
    bob.live = None
    assert world.run(60, lambda: number not in alice.disk.wishes)
    bob.live = bob_life
    posted: list[int] = []
    send = world.send

    def watch(device: Device, ask: Ask) -> None:
        if (
            device is bob
            and isinstance(ask.request, frames.Post)
            and isinstance(ask.scope, LogScope)
        ):
            posted.append(ask.scope.epoch)
        send(device, ask)

    world.send = watch  # type: ignore[method-assign]
    bob.say(b"Bob after")
    assert world.run(60, lambda: b"Bob after" in alice.disk.shown)
    assert bob.disk.outbox == {} or next(iter(bob.disk.outbox.values())).epoch == 2
    world.run(30)
    assert set(posted) == {2}


def far_behind() -> None:
    """A device that was away for long, where reading is slower than following."""
    world = World(delay=(0.001, 0.002))
    alice, bob = world.group("Alice", "Bob")
    bob.crash()
    for number in range(24):
        alice.say(b"Alice %d" % number)
        alice.wish(RenewKeys())
        assert world.run(60, lambda: acceptance.world_is_quiet(alice))
    bob.boot()
    slow = world.send

    def send(device: object, ask: object) -> None:
        if type(getattr(ask, "request", None)).__name__ == "Read":
            world.at(world.now + 1.0, partial(slow, device, ask))  # type: ignore[arg-type]
        else:
            slow(device, ask)  # type: ignore[arg-type]

    world.send = send  # type: ignore[method-assign]
    assert world.run(900, lambda: world.together() and len(bob.disk.shown) == 24)
    assert not any(isinstance(one, CouldNotRead) for one in bob.events)


def crashes() -> None:
    for seed in ("a", "b", "c"):
        random_run(f"crash {seed}", seconds=15.0)


def asleep() -> None:
    """A device that stops while it reads what was said in an epoch that is over."""
    world = World()
    alice, bob = world.group("Alice", "Bob")
    bob.crash()
    alice.say(b"Alice before")
    assert world.run(30, lambda: acceptance.world_is_quiet(alice))
    alice.wish(RenewKeys())
    alice.wish(RenewKeys())
    assert world.run(30, lambda: acceptance.world_is_quiet(alice))
    world.lag = {one.label: (0.0, 0.0) for one in world.order}
    bob.boot()
    assert world.run(30, lambda: bob.conversation.epoch == 3)
    for _ in range(3):
        bob.crash()
        bob.boot()
    assert world.run(60, lambda: bob.disk.shown == [b"Alice before"])


STORIES: dict[str, Callable[[], None]] = {
    "talk": plain.test_two_talk,
    "restart": plain.test_after_a_restart_it_goes_on,
    "leave": plain.test_who_leaves_is_taken_along,
    "race": plain.test_06_all_change_something_at_once,
    "down": acceptance.test_a_relay_that_was_down_is_brought_level_and_refilled,
    "fallen": partial(
        acceptance.test_11_a_relay_from_an_old_backup_is_fenced_lifted_and_refilled, 2
    ),
    "new relays": acceptance.test_relays_that_come_in_are_given_what_was_said_before,
    "welcomes": acceptance.test_27_a_welcome_of_a_losing_commit_is_not_handed_out,
    "wounded": partial(acceptance.test_25_who_is_wounded_is_put_back, True),
    "deaf": deaf,
    "far behind": far_behind,
    "crashes": crashes,
    "asked": said.test_what_is_said_while_relays_are_asked_waits_for_answers_of_its_own,
    "order": said.test_the_order_stays_however_much_waits_when_an_epoch_closes,
    "taken back": said.test_what_is_taken_back_uses_up_few_keys,
    "taken back, started": said.test_what_is_taken_back_uses_up_few_keys_however_often_it_starts,
    "away": said.test_who_was_away_encrypts_nothing_in_epochs_that_are_over,
    "half encrypted": said.test_after_a_crash_what_may_have_left_is_not_encrypted_again,
    "before a removal": said.test_23_what_was_encrypted_before_a_removal_and_has_not_left_is_encrypted_anew,
}

#: What is taken out: module, line, what stands there instead, and the story that misses it.
MUTANTS: dict[str, tuple[ModuleType, str, str, str]] = {
    "nobody is asked before": (
        sending,
        "isinstance(self._tip.core, Tip) and self._tip.core.open",
        "isinstance(self._tip.core, Tip)",
        "deaf",
    ),
    "what is said meanwhile leaves too": (
        sending,
        "item.order > self._covered:\n",
        "False:\n",
        "asked",
    ),
    "what was written before leaves unasked": (
        sending,
        "            elif item.number is not None:\n                continue",
        "            elif False:\n                continue",
        "before a removal",
    ),
    "what had not left comes last": (
        sending,
        "{**anew, **self._unsealed(), **self.waiting}",
        "{**anew, **self.waiting, **self._unsealed()}",
        "order",
    ),
    "keys are used up": (
        sending,
        "(current and self._wasted < MAX_WASTED)",
        "current",
        "taken back",
    ),
    "a start gives keys back": (
        sending,
        "self._wasted = ground.notes.wasted()",
        "self._wasted = 0",
        "taken back, started",
    ),
    "all epochs are spoken in": (
        sending,
        "(current and self._wasted < MAX_WASTED)",
        "self._wasted < MAX_WASTED",
        "away",
    ),
    "what may have left is encrypted again": (
        sending,
        "self._unsealed(stale=True)",
        "self._unsealed()",
        "half encrypted",
    ),
    "what was closed out is forgotten": (
        sending,
        "                anew[at] = item\n",
        "                pass\n",
        "crashes",
    ),
    "an entry leaves unwritten": (
        sending,
        "        ground.tell(Encrypted(number, item.entry.epoch, item.entry.data))\n",
        "",
        "crashes",
    ),
    "records are not written": (
        ground,
        "            self.notes.keeping.write(self.records)\n",
        "",
        "restart",
    ),
    "a lost race is the end": (
        deciding,
        "        elif self._staged is not None and self._staged.number != OWN:\n"
        "            self.queue.insert(0, self._staged)\n",
        "",
        "race",
    ),
    "invitations before their time": (
        deciding,
        "held = [one for one in effects.events if isinstance(one, InvitationDue) and one.own]",
        "held: list[InvitationDue] = []",
        "welcomes",
    ),
    "nobody commits that others leave": (
        deciding,
        "        elif timers.departures is None:\n",
        "        elif False:\n",
        "leave",
    ),
    "cries are not heard": (
        deciding,
        "            self.cries[event.who.device] = event\n",
        "",
        "wounded",
    ),
    "rescues are not sent": (
        deciding,
        "        self.rescues += [(entry, due.epoch) for entry in rescue.entries]\n",
        "",
        "wounded",
    ),
    "nobody is brought level": (
        mending,
        "            self._level(one)\n        elif",
        "            self._end(one)\n        elif",
        "fallen",
    ),
    "fences stay": (
        mending,
        "                self._lift(one)\n            else",
        "                self._end(one)\n            else",
        "fallen",
    ),
    "nothing is refilled": (
        refilling,
        "                self._gaps.append(",
        "                (",
        "down",
    ),
    "new relays get nothing": (
        refilling,
        "                    self._waiting.append((place.seat.epoch, one.data, at))\n",
        "                    pass\n",
        "new relays",
    ),
    "following outruns reading": (
        reading,
        "return not unread or min(unread) > self._ground.epoch - PAST_EPOCHS",
        "return True",
        "far behind",
    ),
}  # fmt: skip

#: The class of each room that a log is made of.
ROOMS = {
    deciding: "Deciding",
    ground: "Ground",
    mending: "Menders",
    reading: "Reading",
    sending: "Sending",
    refilling: "Refilling",
}


def mutated(module: ModuleType, old: str, new: str) -> ModuleType:
    """A module with one place changed."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, (module.__name__, old, source.count(old))
    made = ModuleType(module.__name__)
    made.__dict__["__file__"] = module.__file__
    kept = sys.modules[module.__name__]
    try:
        sys.modules[module.__name__] = made
        exec(compile(source.replace(old, new), f"{module.__name__}.py", "exec"), made.__dict__)
    finally:
        sys.modules[module.__name__] = kept
    return made


@pytest.mark.parametrize("name", MUTANTS)
def test_each_rule_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, old, new, story = MUTANTS[name]
    made = mutated(module, old, new)
    monkeypatch.setattr(log, ROOMS[module], getattr(made, ROOMS[module]))
    if module is refilling:
        monkeypatch.setattr(deciding, "Copying", made.Copying)
    with pytest.raises(AssertionError):
        STORIES[story]()


@pytest.mark.parametrize("story", sorted({story for *_, story in MUTANTS.values()} | {"talk"}))
def test_logs_pass_where_mutants_fail(story: str) -> None:
    STORIES[story]()
