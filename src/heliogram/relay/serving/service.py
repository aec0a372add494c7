"""From a request to its answer: which rule serves it, and whether it writes.

What writes is work for the writer's transaction; what only reads runs on a reader's store, which sees what is
on disk. `wire.connection` has checked by now that the frame is well formed and its channel is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from heliogram.relay import cells, inboxes, logs, voting
from heliogram.relay.batch import Batch, Outcome
from heliogram.relay.store import Store
from heliogram.wire import frames, limits
from heliogram.wire.connection import Scope

#: The arguments are the batch or store, the frame, and what its channel leads to, if it has one.
Write: TypeAlias = Callable[[Batch, Any, Any], Outcome]
Read: TypeAlias = Callable[[Store, Any, Any], frames.Answer]


def _alone(rule: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Scope | None], Any]:
    """`rule`, which needs no channel, in the form of those that do."""
    return lambda where, frame, _: rule(where, frame)


#: Requests that change something.
WRITES: Mapping[type[frames.Request], Write] = MappingProxyType(
    {
        frames.Open: _alone(logs.open_log),
        frames.Post: logs.post,
        frames.Refill: logs.refill,
        frames.Lock: voting.lock,
        frames.Commit: voting.commit,
        frames.NewRound: voting.new_round,
        frames.Unfence: voting.unfence,
        frames.InboxOpen: _alone(inboxes.open_inbox),
        frames.LinkAdd: inboxes.add_link,
        frames.LinkRevoke: inboxes.revoke_link,
        frames.InboxPost: _alone(inboxes.post_item),
        frames.InboxDelete: inboxes.delete_items,
        frames.PackagesPut: inboxes.put_packages,
        frames.PackageTake: _alone(inboxes.take_packages),
        frames.CellPut: _alone(cells.put_cell),
    }
)

#: Requests that only read, and are quick.
READS: Mapping[type[frames.Request], Read] = MappingProxyType({frames.Peek: logs.peek})

#: Requests that read pages: not in the thread of the sockets.
PAGES: Mapping[type[frames.Request], Read] = MappingProxyType(
    {frames.Read: logs.read, frames.InboxRead: inboxes.read_items}
)

#: Signatures that a request may cost us to verify. Others cost none.
SIGNATURES: Mapping[type[frames.Request], int] = MappingProxyType(
    {
        frames.Authorise: 1,
        frames.InboxAuthorise: 1,
        frames.InboxPost: 1,
        frames.PackageTake: 1,
        frames.CellPut: 1,
        frames.Lock: 1,
        frames.Commit: 3,
        frames.Decide: 3,
        frames.Unfence: 3,
    }
)

#: Bytes that any request takes while it waits.
SMALL = 1024

#: Bytes that an answer may have, where that is many.
_ANSWERS: Mapping[type[frames.Request], int] = MappingProxyType(
    {
        frames.Lock: limits.MAX_VALUE,
        frames.Commit: limits.MAX_VALUE,
        frames.NewRound: limits.MAX_VALUE,
        frames.Decide: limits.MAX_VALUE,
        frames.PackageTake: limits.MAX_DEVICES * limits.MAX_PACKAGE,
        frames.CellPut: limits.MAX_CELL,
    }
)


def weight(frame: frames.Request) -> int:
    """About how many bytes a request and its answer take until the answer is written."""
    if isinstance(frame, frames.Post):
        return SMALL + len(frame.data)
    size = SMALL + _ANSWERS.get(type(frame), 0)
    for name in frame.__struct_fields__:
        value = getattr(frame, name)
        if isinstance(value, bytes):
            size += len(value)
        elif isinstance(value, tuple):
            size += sum(len(one.data) if isinstance(one, frames.Package) else 64 for one in value)
    return size
