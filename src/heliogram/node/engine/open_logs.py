"""Logs of conversations that are loaded, and when each has something to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from heliogram.content.typing import TYPING
from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.conversation import Conversation
from heliogram.node.engine import wishes
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.views import relay_info
from heliogram.node.errors import DamagedState, NotFound, NotNow
from heliogram.node.log.log import Log
from heliogram.node.records import Effects, Phase
from heliogram.node.store.logs import ConversationRow, Keeping
from heliogram.wire.objects import RelayDescription

#: Logs that are loaded in one turn after the start.
LOADED_AT_ONCE = 4

_LISTENING = frozenset(("opening", "open", "wounded", "dead"))


class OpenLogs:
    """All of them. Those that are not loaded yet are, bit by bit."""

    def __init__(self, desk: Desk, loaded: Callable[[int], None]) -> None:
        """`loaded` hears of each conversation whose log was loaded."""
        self._desk = desk
        self._loaded = loaded
        self._logs: dict[int, Log] = {}
        #: When each log has something to do (monotonic seconds), if nothing comes; and those of this turn.
        self._due: dict[int, float] = {}
        self._awake: list[tuple[int, Log]] = []
        self._broken: set[int] = set()
        #: Conversations that were begun in this turn: a command that failed after that takes them back.
        self._new: list[int] = []
        self._to_load = [row.number for row in desk.logs.every() if row.phase in _LISTENING]

    # --- One of them ------------------------------------------------------------------------------

    def get(self, number: int) -> Log:
        """The log of a conversation, loaded if need be. Raises `NotNow` if it cannot be, `NotFound`."""
        found = self._logs.get(number)
        return self._load(number) if found is None else found

    def found(self, number: int, conversation: Conversation, effects: Effects) -> None:
        """The log of a conversation that was founded here."""
        self._new.append(number)
        self._logs[number] = Log.found(
            conversation, effects, self.keeping(number), **self._how(number)
        )

    def joined(self, number: int, conversation: Conversation, effects: Effects) -> None:
        """The log of a conversation that we came into. A former one is out."""
        self._broken.discard(number)
        self._new.append(number)
        self._logs[number] = Log.joined(
            conversation, effects, self.keeping(number), **self._how(number)
        )

    def keeping(self, number: int) -> Keeping:
        """Where a log keeps what it needs."""
        context = self._desk.context
        return Keeping(context.store, number, lambda: context.time)

    # --- In turns ---------------------------------------------------------------------------------

    @property
    def to_load(self) -> bool:
        """Whether some are not loaded yet."""
        return bool(self._to_load)

    def begin_turn(self) -> None:
        """Forget what commands of this turn have begun and not done; load some more."""
        self._drop_undone()
        for number in self._to_load[-LOADED_AT_ONCE:]:
            try:
                self.get(number).stir(self._desk.context.now, self._desk.time)
            except NotNow:
                continue
        del self._to_load[-LOADED_AT_ONCE:]

    def awake(self) -> Iterator[tuple[int, Log]]:
        """Those that have something to do. However many there are, most do not."""
        now = self._desk.context.now
        self._awake = [
            (number, log)
            for number, log in self._logs.items()
            if log.stirred or self._due.get(number, now) <= now
        ]
        yield from self._awake

    def asks(self, circuit: Callable[[int], bytes]) -> list[tuple[bytes, Ask]]:
        """What those of this turn ask, each on the circuit of its conversation."""
        now = self._desk.context.now
        found = [(circuit(number), ask) for number, log in self._awake for ask in log.asks(now)]
        for number, log in self._awake:
            due = log.deadline(now)
            self._due[number] = float("inf") if due is None else due
        return found

    def deadline(self) -> float | None:
        """When one of them has something to do."""
        return min(self._due.values(), default=None)

    def seen(self) -> Iterator[tuple[bytes, int, float]]:
        """What each log has seen of its relays: `Log.seen`."""
        for log in self._logs.values():
            yield from log.seen()

    # --- Relays -----------------------------------------------------------------------------------

    def health(self, number: int, relay: RelayDescription) -> api.RelayHealth:
        """How a relay does in a conversation."""
        log = self._logs.get(number)
        state = "unknown" if log is None else log.states().get(relay.key, "unknown")
        return self._health(relay, state)

    def relay_health(self, relay: RelayDescription) -> api.RelayHealth:
        """How a relay does, as far as any conversation knows."""
        states = {log.states().get(relay.key, "unknown") for log in self._logs.values()}
        states.discard("unknown")
        state = "up" if "up" in states else next(iter(sorted(states)), "unknown")
        return self._health(relay, state)

    def _health(self, relay: RelayDescription, state: str) -> api.RelayHealth:
        faults = tuple(self._desk.logs.faults(relay.key))
        return api.RelayHealth(relay=relay_info(relay), state=state, faults=faults)

    # --- Inside -----------------------------------------------------------------------------------

    def _drop_undone(self) -> None:
        """Forget logs of commands that failed: of their conversations nothing was written."""
        for number in self._new:
            row, log = self._desk.logs.get(number), self._logs.get(number)
            if log is None:
                continue
            # Another one may have its number; one that we left since has no group.
            if row is None or _group_of(log) not in (row.id, None):
                del self._logs[number]
                if row is not None:
                    self._to_load.append(number)
        self._new.clear()

    def _load(self, number: int) -> Log:
        desk = self._desk
        if number in self._broken:
            raise NotNow
        row = desk.logs.get(number)
        if row is None:
            raise NotFound("chat")
        try:
            log = Log.load(self.keeping(number), **self._how(number))
        except DamagedState:
            self._broken.add(number)
            desk.context.tell(api.Warned("damaged state", row.id.hex()))
            raise NotNow from None
        self._logs[number] = log
        alone = is_alone(row, log)
        for item in desk.logs.outbox(number):
            # That somebody typed before the start is nothing to say any more.
            if item.stored or item.kind == TYPING:
                desk.logs.said(item.number)
            elif not item.held and not alone:
                log.say(
                    *(item.number, item.kind, item.content),
                    epoch=item.epoch,
                    entry=item.entry,
                    grace=item.grace,
                )
        for blob in log.blobs():
            desk.files.carry(number, blob.id, blob.blob, blob.relays)
        for wanted in desk.logs.wishes(number):
            log.wish(wanted.number, wishes.decode(wanted.wish))
        self._loaded(number)
        return log

    def _how(self, number: int) -> dict[str, Any]:
        desk = self._desk
        people, context = desk.people, desk.context

        def revoked() -> frozenset[bytes]:
            known: frozenset[bytes] | None = desk.logs.revoked.get(number)
            if known is None:
                accounts = (one.account for one in desk.logs.members(number))
                known = frozenset(chain.from_iterable(map(people.revoked, accounts)))
                desk.logs.revoked.keep(number, known)
            return known

        return {
            "entropy": context.entropy,
            "package": people.fresh_package,
            "revoked": revoked,
            "now": context.now,
            "time": desk.time,
        }


def is_alone(row: ConversationRow, log: Log) -> bool:
    """Whether what is said now would be heard by nobody, though somebody is on the way in: it waits."""
    expects = row.kind == "direct" or row.predecessor is not None
    return expects and log.conversation.phase is Phase.OPEN and log.conversation.epoch == 0


def _group_of(log: Log) -> bytes | None:
    try:
        return log.conversation.group_id
    except NotNow:
        return None
