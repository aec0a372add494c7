"""Relays for what is begun: which of those that we know, by how they did when they were last asked.

Nobody is asked for it: what all conversations have seen is enough to put relays that are gone behind those
that answer. What is begun on relays that went a moment ago is begun anew elsewhere: see `founding.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from heliogram.node.engine.desk import Desk
from heliogram.node.engine.open_logs import OpenLogs
from heliogram.node.engine.relay_list import own_relays
from heliogram.node.errors import NoRelays, NotAllowed
from heliogram.node.log.ground import AWAY
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import Configuration, RelayDescription

#: Relays of a new conversation, if there are so many: three decide, one may lie or be away.
USUAL = 4

#: Seconds after which it counts no more that a relay did not answer.
REMEMBERED = 600.0

#: States of a relay with which nothing is begun.
_BAD = frozenset(("unreachable", "misbehaving", "gone", "fenced"))

#: How a relay did: it answered, was never asked, did not answer, has not answered for a while.
_UP, _UNKNOWN, _MISSED, _AWAY = range(4)


class Choosing:
    """Chooses relays."""

    def __init__(self, desk: Desk, logs: OpenLogs) -> None:
        self._desk = desk
        self._logs = logs

    def usual(self, avoid: Collection[bytes] = ()) -> list[RelayDescription]:
        """For a new conversation: the first of our list, one of each operator. Raises `NoRelays`.

        Two of one operator lie together or are away together, and count for less than they seem to. If all
        are of one operator, several are better than one all the same: machines fail, too. Who does not answer
        or is to be avoided comes last, but is taken before there are fewer.
        """
        own = own_relays(self._desk)
        if not own:
            raise NoRelays
        ranks = self._ranks(avoid)
        ordered = sorted(own, key=lambda one: ranks.get(one.key, _UNKNOWN) >= _MISSED)
        one_each = list({one.operator_key: one for one in reversed(ordered)}.values())[::-1]
        return (one_each if len(one_each) > 1 else ordered)[:USUAL]

    def successor(
        self,
        before: Configuration,
        states: Mapping[bytes, str],
        avoid: Collection[bytes] = (),
    ) -> list[RelayDescription]:
        """For what goes on from a conversation: of ours, else of its own, as far as they seem to be there.

        `states` are those of its relays there. Fewer are better than some that are gone. Raises `NoRelays`.
        """
        known = {one.key: one for one in (*own_relays(self._desk), *before.relays)}
        ranks = self._ranks(avoid)
        well = [
            one
            for key, one in known.items()
            if states.get(key, "unknown") not in _BAD and key not in avoid
        ]
        chosen = sorted(well, key=lambda one: ranks.get(one.key, _UNKNOWN))[:USUAL]
        if not chosen:
            raise NoRelays
        return chosen

    def hoped(self, relays: Sequence[RelayDescription], avoid: Collection[bytes]) -> int:
        """Of how many of these nothing is known that speaks against them."""
        ranks = self._ranks(avoid)
        return sum(ranks.get(one.key, _UNKNOWN) < _MISSED for one in relays)

    def has_answered(self, since: float) -> bool:
        """Whether any relay has answered since then: if none has, it is we who are away."""
        return any(not lost and at >= since for _, lost, at in self._logs.seen())

    def _ranks(self, avoid: Collection[bytes]) -> dict[bytes, int]:
        """By what each relay did last, for whichever conversation."""
        last: dict[bytes, tuple[float, int]] = {}
        for key, lost, at in self._logs.seen():
            if key not in last or at > last[key][0]:
                last[key] = at, lost
        ranks = dict.fromkeys(avoid, _AWAY)
        old = self._desk.context.now - REMEMBERED
        for key, (at, lost) in last.items():
            if key not in avoid:
                rank = _UP if not lost else _MISSED if lost < AWAY else _AWAY
                ranks[key] = _UNKNOWN if at < old else rank
        return ranks


def usual_quorum(n: int) -> int:
    """How many of `n` relays decide, if nobody says."""
    return n - (n - 1) // 3 if n >= USUAL else n // 2 + 1


def configured(
    relays: Sequence[RelayDescription], quorum: int | None, *, log: bytes
) -> Configuration:
    """A configuration of these relays. Raises `NotAllowed` if it could decide nothing safely.

    Without a quorum: of four relays and more, as many may be away as may lie; of fewer, a majority decides.
    """
    usual = usual_quorum(len(relays))
    made = Configuration(log, usual if quorum is None else quorum, tuple(relays))
    try:
        return Configuration.from_bytes(made.encode())
    except (RemoteError, ValueError, OverflowError):
        raise NotAllowed("so many relays with this quorum decide nothing safely") from None
