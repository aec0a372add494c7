"""Which channels of a connection lead where, and which one goes when there is no room. No I/O.

A channel is opened when it is needed first, and stays. When all numbers are taken the one that has been idle
longest is closed; one with a subscription only if there is no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from heliogram.node.asking import Ask, InboxScope, LogScope, LogSource, Scope, Source
from heliogram.wire import frames


@dataclass(slots=True, eq=False)
class Channel:
    """A channel that is open, or is being opened."""

    number: int
    scope: Scope
    #: What waits until it is open.
    waiting: list[tuple[Ask, frames.Request]] = field(default_factory=list, repr=False)
    open: bool = False
    #: Whether something is subscribed on it.
    listening: bool = False
    #: Requests on it that wait for their answers.
    busy: int = 0
    #: When it was used last.
    used: float = 0.0
    #: Who has used it and listens.
    sources: list[LogSource] = field(default_factory=list, repr=False)

    @property
    def id(self) -> bytes:
        """What pushes call it: the instance, or the inbox."""
        scope = self.scope
        return scope.inbox if isinstance(scope, InboxScope) else scope.instance

    def serve(self, source: Source) -> None:
        """Remember who uses it."""
        if hasattr(source, "pushed") and not any(one is source for one in self.sources):
            self.sources.append(cast(LogSource, source))


class Channels:
    """All channels of one connection."""

    def __init__(self, most: int) -> None:
        """`most` is how many the relay allows."""
        self._most = most
        self._channels: dict[Scope, Channel] = {}
        self._free = list(range(most - 1, -1, -1))

    def __iter__(self) -> Iterator[Channel]:
        return iter(list(self._channels.values()))

    def __len__(self) -> int:
        return len(self._channels)

    def get(self, scope: Scope) -> Channel | None:
        """The channel of a scope, open or being opened."""
        return self._channels.get(scope)

    def add(self, scope: Scope, now: float) -> Channel | None:
        """A new one for a scope; None if all numbers are taken: see `spare`."""
        if not self._free:
            return None
        channel = Channel(self._free.pop(), scope, used=now)
        self._channels[scope] = channel
        return channel

    def spare(self) -> Channel | None:
        """The channel that is needed least; None if one without a subscription will be idle soon."""
        every = self._channels.values()
        idle = [one for one in every if one.open and not one.busy]
        if any(not one.listening for one in every):
            idle = [one for one in idle if not one.listening]
        return min(idle, key=lambda one: one.used, default=None)

    def drop(self, channel: Channel) -> None:
        """Forget one, whose number is free then."""
        if self._channels.get(channel.scope) is channel:
            del self._channels[channel.scope]
            self._free.append(channel.number)

    def of(self, id: bytes) -> list[Channel]:
        """The channels that lead to this instance or inbox."""
        return [one for one in self._channels.values() if one.id == id]

    @property
    def listening(self) -> bool:
        """Whether anything is subscribed."""
        return any(one.listening for one in self._channels.values())

    def decided(self, instance: bytes, epoch: int) -> None:
        """Subscriptions of this epoch of a log have ended, and of those before."""
        for one in self.of(instance):
            if isinstance(one.scope, LogScope) and one.scope.epoch <= epoch:
                one.listening = False

    def sources(self) -> list[LogSource]:
        """Everybody who listens on an open channel, once."""
        found: list[LogSource] = []
        for channel in self._channels.values():
            for source in channel.sources if channel.open else ():
                if not any(one is source for one in found):
                    found.append(source)
        return found
