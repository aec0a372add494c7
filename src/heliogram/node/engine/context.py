"""What the parts of an engine have in common, and what each part is to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.store.database import Store

#: Does a command; `extra` is what was made ready for it outside, such as sealed files.
Handler = Callable[[Any, object], object]


@dataclass
class Context:
    """The store, the time, and a way to tell faces. Mutable: `now` and `time` are those of the turn."""

    store: Store
    entropy: Callable[[int], bytes] = field(repr=False)
    #: Monotonic seconds.
    now: float = 0.0
    #: Unix seconds.
    time: float = 0.0
    notices: list[api.AnyNotice] = field(default_factory=list, repr=False)
    #: Our own account and device, once there is one: set by `people`.
    account: bytes = field(default=b"", repr=False)

    def tell(self, notice: api.AnyNotice) -> None:
        """Tell faces, once the turn is written."""
        self.notices.append(notice)


class Part(Protocol):
    """A part of an engine."""

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """What it does for which command. A handler that raises a `NodeError` has changed nothing."""

    def settle(self) -> None:
        """Do what follows from all that came in this turn."""

    def asks(self) -> list[tuple[bytes, Ask]]:
        """What is to be sent, each with the circuit that it belongs to."""

    def deadline(self) -> float | None:
        """When the next turn must be at the latest (monotonic seconds)."""
