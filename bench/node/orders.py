"""What a worker can be told to do, and what it tells. One JSON text a line, both ways.

Times are those of the system's monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from heliogram.node import api


class Order(msgspec.Struct, frozen=True, tag_field="order"):
    """The root of all orders. `who` is a node's place in the worker."""

    who: int = 0


class Begin(Order, frozen=True):
    """Make the profile in `home` if it is new, open it, run its node, and give it these relays.

    Whoever invites it is accepted at once.
    """

    home: str = ""
    name: str = ""
    relays: tuple[str, ...] = ()


class End(Order, frozen=True):
    """Close a node and its profile."""


class Call(Order, frozen=True):
    """One command; gives what it gave."""

    command: api.AnyCommand | None = None


class Ready(Order, frozen=True):
    """Wait until key packages lie ready, and nothing is on its way."""


class Say(Order, frozen=True):
    """Say `count` texts in turn over `chats`, each beginning with `tag`; gives `Said`.

    With `apart`: one at a time, at least so many seconds after the last. Without: as quickly as they are
    stored, with up to `window` that are not.
    """

    chats: tuple[str, ...] = ()
    tag: str = ""
    count: int = 1
    apart: float = 0.0
    window: int = 64


class Hear(Order, frozen=True):
    """Wait until `count` texts that begin with `tag` have been shown; gives when, by text.

    With `all_of_them`: shown at any node of the worker.
    """

    all_of_them: bool = False
    tag: str = ""
    count: int = 1


class Invited(Order, frozen=True):
    """Wait for an invitation by somebody called so; gives when it was seen."""

    name: str = ""


class Meet(Order, frozen=True):
    """Open links, by the names that their owners get; gives when that began, and when each was known."""

    links: dict[str, str] = {}


class Gather(Order, frozen=True):
    """Make a group of these contacts; gives when that began, and when a quorum had added all."""

    name: str = ""
    members: tuple[str, ...] = ()


class Inside(Order, frozen=True):
    """Wait until `count` nodes of the worker are in a group called so; gives when the last one was."""

    name: str = ""
    count: int = 1


class Met(msgspec.Struct, frozen=True):
    """When something began, and when each name was there."""

    began: float
    known: dict[str, float]


class Use(Order, frozen=True):
    """What the process has used so far; gives `Used`."""


class Said(msgspec.Struct, frozen=True):
    """When each text was given to the node, and when a quorum had it."""

    said: dict[str, float]
    stored: dict[str, float]


class Used(msgspec.Struct, frozen=True):
    """Processor seconds, turns, seconds in turns, private bytes."""

    cpu: float
    turns: int
    in_turns: float
    memory: int


AnyOrder: TypeAlias = (
    Begin | End | Call | Ready | Say | Hear | Invited | Meet | Gather | Inside | Use
)


class Answer(msgspec.Struct, frozen=True):
    """What came of an order: a value, or in `trouble` why there is none."""

    value: Any = None
    trouble: str = ""
