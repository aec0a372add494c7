"""Subscriptions: who is told what, once encoded, in order, and what happens to the slow."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from heliogram.relay.batch import Advance, NewEntry, NewItem, News
from heliogram.relay.serving.listeners import Listeners, Subscription, Topic, inbox_topic
from heliogram.relay.serving.websocket import framed
from heliogram.wire import frames
from heliogram.wire.limits import MAX_FRAME, MAX_PAGE, MAX_PAGE_ITEMS
from heliogram.wire.receipts import entry_hash
from tests.wire.samples import name

LOG, OTHER, INBOX = name("log"), name("other"), name("inbox")
TOPIC: Topic = (LOG, 1)
WHOLE, DIGEST = Subscription(False, 0), Subscription(True, 0)


class Socket:
    """A connection with room for so many pushes."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.pushed: list[bytes] = []
        self.told: list[Any] = []

    def push(self, data: bytes) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.pushed.append(data)
        self.told.append(frames.decode_answer(unframed(data)))
        return True

    def tell(self, push: frames.Push) -> None:
        self.told.append(push)

    def indices(self) -> list[int]:
        """Of all entries that were pushed."""
        return [
            one.index
            for push in self.told
            if isinstance(push, frames.Pushed | frames.PushedDigests)
            for one in (push.entries if isinstance(push, frames.Pushed) else push.digests)
        ]


def unframed(data: bytes) -> bytes:
    size = data[1]
    skip = {126: 4, 127: 10}.get(size, 2)
    assert data[0] == 0x82 and framed(data[skip:]) == data
    return data[skip:]


def entry(index: int, data: bytes = b"x", *, log: bytes = LOG, epoch: int = 1) -> NewEntry:
    return NewEntry(log, epoch, index, 5, entry_hash(data), data)


def test_one_encoding_serves_all_of_a_kind() -> None:
    listeners = Listeners()
    sockets = [Socket() for _ in range(4)]
    for socket, wanted in zip(sockets, (WHOLE, WHOLE, DIGEST, DIGEST), strict=True):
        listeners.add(TOPIC, socket, wanted)
    listeners.spread([entry(0, b"a"), entry(1, b"b")])
    assert sockets[0].pushed[0] is sockets[1].pushed[0]
    assert sockets[2].pushed[0] is sockets[3].pushed[0]
    whole = frames.Pushed(LOG, (frames.Entry(0, 5, 1, b"a"), frames.Entry(1, 5, 1, b"b")))
    assert sockets[0].told == [whole]
    digests = tuple(frames.Digest(i, 5, 1, entry_hash(d), 1) for i, d in enumerate((b"a", b"b")))
    assert sockets[2].told == [frames.PushedDigests(LOG, digests)]


def test_topics_are_an_instance_and_an_epoch() -> None:
    listeners = Listeners()
    here, later, elsewhere = Socket(), Socket(), Socket()
    listeners.add(TOPIC, here, WHOLE)
    listeners.add((LOG, 2), later, WHOLE)
    listeners.add((OTHER, 1), elsewhere, WHOLE)
    assert len(listeners) == 3
    listeners.spread(
        [entry(0), entry(1, log=OTHER), entry(2, epoch=2), entry(3), entry(4, epoch=9)]
    )
    assert (here.indices(), elsewhere.indices(), later.indices()) == ([0, 3], [1], [2])


def test_what_is_there_already_is_not_pushed() -> None:
    listeners = Listeners()
    whole, digest, late = Socket(), Socket(), Socket()
    listeners.add(TOPIC, whole, Subscription(False, 2))
    listeners.add(TOPIC, digest, Subscription(True, 1))
    listeners.add(TOPIC, late, Subscription(False, 9))
    listeners.spread([entry(index) for index in range(4)])
    assert (whole.indices(), digest.indices(), late.told) == ([2, 3], [1, 2, 3], [])
    listeners.spread([entry(4)])
    assert (whole.indices(), late.told) == ([2, 3, 4], [])


def test_a_second_subscription_replaces_the_first() -> None:
    listeners = Listeners()
    socket = Socket()
    listeners.add(TOPIC, socket, WHOLE)
    listeners.add(TOPIC, socket, DIGEST)
    assert len(listeners) == 1
    listeners.spread([entry(0)])
    assert isinstance(socket.told[0], frames.PushedDigests)
    for _ in range(2):
        listeners.remove(TOPIC, socket)
    listeners.remove((OTHER, 1), socket)
    assert len(listeners) == 0
    listeners.spread([entry(1)])
    assert len(socket.told) == 1


def test_who_has_no_room_is_told_once_to_catch_up() -> None:
    listeners = Listeners()
    slow, quick = Socket(room=1), Socket()
    listeners.add(TOPIC, slow, WHOLE)
    listeners.add(TOPIC, quick, WHOLE)
    listeners.spread([entry(0)])
    listeners.spread([entry(1), entry(2)])
    listeners.spread([entry(3)])
    assert slow.indices() == [0] and slow.told[1:] == [frames.CatchUp(LOG, 1)]
    assert quick.indices() == [0, 1, 2, 3]
    assert len(listeners) == 1


def test_dropped_in_the_middle_of_a_batch() -> None:
    """The second of three pages finds no room: read from its first entry on."""
    listeners = Listeners()
    slow = Socket(room=1)
    listeners.add(TOPIC, slow, WHOLE)
    listeners.spread([entry(index) for index in range(2 * MAX_PAGE_ITEMS + 1)])
    assert slow.told[1:] == [frames.CatchUp(LOG, MAX_PAGE_ITEMS)]
    assert len(listeners) == 0


def test_a_decision_ends_the_epochs_subscriptions() -> None:
    listeners = Listeners()
    sockets = [Socket(), Socket()]
    other = Socket()
    for socket in sockets:
        listeners.add(TOPIC, socket, WHOLE)
    listeners.add((OTHER, 1), other, WHOLE)
    listeners.spread([entry(0), Advance(LOG, 1, b"certificate"), entry(1)])
    for socket in sockets:
        assert socket.indices() == [0]
        assert socket.told[1:] == [frames.Advanced(LOG, b"certificate")]
    assert len(listeners) == 1 and other.told == []
    listeners.spread([Advance(LOG, 1, b"certificate")])
    assert len(sockets[0].told) == 2


def test_items_of_an_inbox() -> None:
    listeners = Listeners()
    owner = Socket()
    listeners.add(inbox_topic(INBOX), owner, Subscription(False, 3))
    listeners.spread([NewItem(INBOX, 2), NewItem(INBOX, 3), NewItem(OTHER, 4), NewItem(INBOX, 4)])
    assert owner.told == [frames.CatchUp(INBOX, 3), frames.CatchUp(INBOX, 4)]
    assert len(listeners) == 1


@given(
    st.lists(st.integers(1, 65_536), min_size=1, max_size=12), st.integers(1, 400),
)  # fmt: skip
def test_pages_fit_into_a_frame(large: list[int], small: int) -> None:
    """Whatever a batch holds, every push is within the protocol and nothing is lost."""
    listeners = Listeners()
    whole, digest = Socket(), Socket()
    listeners.add(TOPIC, whole, WHOLE)
    listeners.add(TOPIC, digest, DIGEST)
    sizes = [*large, *[1] * small * 3]
    news: list[News] = [entry(index, bytes(size)) for index, size in enumerate(sizes)]
    listeners.spread(news)
    for push in whole.told:
        assert len(push.entries) <= MAX_PAGE_ITEMS
        assert sum(len(one.data) for one in push.entries) <= MAX_PAGE
    assert all(len(data) <= MAX_FRAME for data in whole.pushed + digest.pushed)
    assert whole.indices() == digest.indices() == list(range(len(sizes)))
