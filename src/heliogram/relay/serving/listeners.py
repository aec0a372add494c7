"""Who is told of what: subscriptions, in memory only.

There is no queue for any of them. What is pushed is encoded once and written to every socket that has
room; who has none is told once to catch up from the log, and is no listener any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from heliogram.relay.batch import Advance, NewEntry, NewItem, News
from heliogram.relay.serving.websocket import framed
from heliogram.wire import frames
from heliogram.wire.limits import MAX_PAGE, MAX_PAGE_ITEMS

#: What is listened to: an epoch of an instance, or an inbox with epoch -1.
Topic = tuple[bytes, int]


class Listener(Protocol):
    """A connection, as far as pushes go."""

    def push(self, data: bytes) -> bool:
        """Write bytes to the socket, or nothing and False if it has no room."""
        ...

    def tell(self, push: frames.Push) -> None:
        """Write a push that must arrive."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one listener wants."""

    digest: bool
    #: The first index that is pushed.
    live: int


class Listeners:
    """All subscriptions of a relay. One thread's."""

    def __init__(self) -> None:
        self._topics: dict[Topic, dict[Listener, Subscription]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, topic: Topic, listener: Listener, subscription: Subscription) -> None:
        """Begin, or replace what this listener had on this topic."""
        listeners = self._topics.setdefault(topic, {})
        self._count += listener not in listeners
        listeners[listener] = subscription

    def remove(self, topic: Topic, listener: Listener) -> None:
        """End a subscription, if there is one."""
        listeners = self._topics.get(topic)
        if listeners is not None and listeners.pop(listener, None) is not None:
            self._count -= 1
            if not listeners:
                del self._topics[topic]

    def spread(self, news: Iterable[News]) -> None:
        """Tell everybody what happened, in order."""
        for key, group in groupby(news, _kind_and_topic):
            kind, topic = key
            listeners = self._topics.get(topic)
            if listeners is None:
                continue
            for one in _pages(group) if kind is NewEntry else group:
                if isinstance(one, list):
                    self._entries(topic, listeners, one)
                elif isinstance(one, Advance):
                    self._advance(topic, one)
                elif isinstance(one, NewItem):
                    self._item(listeners, one)

    def _entries(
        self, topic: Topic, listeners: dict[Listener, Subscription], page: list[NewEntry]
    ) -> None:
        instance, epoch = topic
        whole = short = None
        first = page[0].index
        dropped = []
        for listener, wanted in listeners.items():
            if wanted.live > first:
                # It was told to read these by itself.
                rest = [one for one in page if one.index >= wanted.live]
                if rest:
                    listener.tell(_pushed(instance, epoch, rest, digest=wanted.digest))
                continue
            if wanted.digest:
                if short is None:
                    short = framed(frames.encode(_pushed(instance, epoch, page, digest=True)))
                data = short
            else:
                if whole is None:
                    whole = framed(frames.encode(_pushed(instance, epoch, page, digest=False)))
                data = whole
            if not listener.push(data):
                dropped.append(listener)
        for listener in dropped:
            self.remove(topic, listener)
            listener.tell(frames.CatchUp(instance, first))

    def _advance(self, topic: Topic, one: Advance) -> None:
        listeners = self._topics.pop(topic, {})
        self._count -= len(listeners)
        for listener in listeners:
            listener.tell(frames.Advanced(one.instance, one.certificate))

    def _item(self, listeners: dict[Listener, Subscription], one: NewItem) -> None:
        for listener, wanted in listeners.items():
            if one.index >= wanted.live:
                listener.tell(frames.CatchUp(one.inbox, one.index))


def inbox_topic(inbox: bytes) -> Topic:
    """The topic of an inbox."""
    return (inbox, -1)


def _kind_and_topic(one: News) -> tuple[type[News], Topic]:
    if isinstance(one, NewItem):
        return NewItem, inbox_topic(one.inbox)
    return type(one), (one.instance, one.epoch)


def _pages(entries: Iterable[News]) -> Iterable[list[NewEntry]]:
    """New entries of one epoch in parts that fit into a push."""
    page: list[NewEntry] = []
    size = 0
    for one in entries:
        if not isinstance(one, NewEntry):
            continue
        size += len(one.data)
        if page and (size > MAX_PAGE or len(page) == MAX_PAGE_ITEMS):
            yield page
            page, size = [], len(one.data)
        page.append(one)
    if page:
        yield page


def _pushed(
    instance: bytes, epoch: int, page: list[NewEntry], *, digest: bool
) -> frames.Pushed | frames.PushedDigests:
    if digest:
        return frames.PushedDigests(
            instance,
            tuple(frames.Digest(e.index, e.minute, epoch, e.name, len(e.data)) for e in page),
        )
    return frames.Pushed(
        instance, tuple(frames.Entry(e.index, e.minute, epoch, e.data) for e in page)
    )
