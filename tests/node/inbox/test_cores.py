"""Cores of inboxes against relays that answer as they like."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from heliogram.node.asking import Address, Ask, InboxScope, Work
from heliogram.node.identity.links import ContactLink, InboxRelay
from heliogram.node.inbox import own
from heliogram.node.inbox.drop import DENIALS, Drop
from heliogram.node.inbox.offers import OfferFault, Wanted
from heliogram.node.inbox.own import (
    Filled,
    InboxLost,
    InboxOpened,
    ItemCame,
    LinkAdded,
    LinkRevoked,
    OwnInbox,
    Place,
)
from heliogram.node.inbox.reach import LATER, PATIENCE, SAME, Reach
from heliogram.wire import ErrorCode, frames
from heliogram.wire.limits import MAX_INBOX_ITEM
from heliogram.wire.signing import SigningKey
from tests.node.identity.samples import NOW, name
from tests.node.inbox.test_offers import ALICE, MALLORY, package

PROOF = bytes(12)
RELAYS = tuple(InboxRelay(name(f"relay {i}"), (b"wss://%d.example/ws" % i,)) for i in range(3))
LINK = ContactLink(ALICE.id, name("inbox"), name("secret"), RELAYS)


def frame(ask: Ask) -> frames.Request:
    """The request, with its work done and an id."""
    request = ask.request.finish(PROOF) if isinstance(ask.request, Work) else ask.request
    return msgspec.structs.replace(request, id=7)


def failure(code: ErrorCode) -> frames.Failure:
    return frames.Failure(7, code)


# --- Our own ------------------------------------------------------------------------------------------


def inbox(*places: Place) -> OwnInbox:
    return OwnInbox(SigningKey(name("owner")), places)


def place(*, opened: bool = False) -> Place:
    return Place(Address(RELAYS[0].key, RELAYS[0].endpoints), opened)


def answer(core: OwnInbox, given: frames.Answer, now: float = 0.0) -> frames.Request:
    """Answer the one thing that is asked."""
    (ask,) = core.asks(now)
    assert not core.asks(now), "one thing at a time"
    request = frame(ask)
    core.answered(ask, request, given, now)
    return request


DONE = frames.Done(7)


def test_an_inbox_is_opened_filled_and_read() -> None:
    core, relay = inbox(place()), RELAYS[0].key
    core.links = {name("link"): 1}
    (ask,) = core.asks(0.0)
    assert isinstance(ask.request, Work) and ask.request.opens and ask.scope is None
    assert ask.request.target == core.id
    core.answered(ask, frame(ask), DONE, 0.0)
    assert core.is_up(relay)
    pile = [frames.Package(b"laptop", at == 20, b"package %d" % at) for at in range(21)]
    core.fill(relay, pile, 0.0)
    assert core.is_filling(relay, 0.0)
    first, second = answer(core, DONE), answer(core, DONE)
    assert isinstance(first, frames.PackagesPut) and isinstance(second, frames.PackagesPut)
    assert (*first.packages, *second.packages) == tuple(pile)
    assert (first.clear, second.clear) == ((b"laptop",), ())
    added = answer(core, DONE)
    assert added == frames.LinkAdd(7, 0, name("link"), 1)
    assert isinstance(answer(core, frames.Subscribed(7, 0)), frames.Subscribe)
    items = tuple(frames.InboxItem(at, 0, name("link"), b"item") for at in (3, 5))
    assert isinstance(answer(core, frames.InboxItems(7, items, 6, 6)), frames.InboxRead)
    assert core.events() == [
        InboxOpened(relay),
        Filled(relay),
        LinkAdded(relay, name("link")),
        *(ItemCame(relay, name("link"), b"item") for _ in items),
    ]
    assert answer(core, DONE) == frames.InboxDelete(7, 0, (3, 5))
    assert not core.asks(1.0) and core.deadline(1.0) == own.READ_AGAIN
    core.pushed(relay, frames.CatchUp(core.id, 6), 2.0)
    assert isinstance(answer(core, frames.InboxItems(7, (), 6, 6), 2.0), frames.InboxRead)
    core.links = {}
    assert answer(core, DONE, 3.0) == frames.LinkRevoke(7, 0, name("link"))
    assert core.events() == [LinkRevoked(relay, name("link"))]


def test_no_link_before_there_are_packages() -> None:
    core = inbox(place(opened=True))
    core.links = {name("link"): 0}
    assert isinstance(answer(core, frames.Subscribed(7, 0)), frames.Subscribe)


def test_what_was_done_is_not_done_again() -> None:
    core = inbox(Place(place().relay, True, True, {name("link")}))
    core.links = {name("link"): 0}
    assert isinstance(answer(core, frames.Subscribed(7, 0)), frames.Subscribe)


def test_a_lost_answer_is_asked_for_again() -> None:
    core = inbox(place())
    (ask,) = core.asks(0.0)
    core.lost(ask, 0.0)
    assert not core.asks(0.0) and not core.is_up(RELAYS[0].key)
    at = core.deadline(0.0)
    assert at is not None and at > 0
    (again,) = core.asks(at)
    assert frame(again) == frame(ask)


def test_a_filling_that_takes_too_long_is_given_up() -> None:
    core = inbox(place(opened=True))
    core.fill(RELAYS[0].key, [frames.Package(b"laptop", False, b"package")], 0.0)
    (ask,) = core.asks(0.0)
    assert core.is_filling(RELAYS[0].key, own.FILL_TIME + 1), "it may still be answered"
    core.lost(ask, 1.0)
    assert core.is_filling(RELAYS[0].key, own.FILL_TIME)
    assert not core.is_filling(RELAYS[0].key, own.FILL_TIME + 1)
    assert not core.events()


def test_an_inbox_that_is_gone_is_made_anew_and_not_at_once() -> None:
    core = inbox(Place(place().relay, True, True, {name("link")}))
    core.links = {name("link"): 0}
    now, waited = 0.0, []
    for _ in range(4):
        answer(core, failure(ErrorCode.NOT_AUTHORISED), now)
        assert core.events()[-1] == InboxLost(RELAYS[0].key)
        at = core.deadline(now)
        assert at is not None
        waited.append(at - now)
        now = at
        assert isinstance(answer(core, DONE, now), frames.InboxOpen)
    assert waited == [60, 120, 240, 480]


def test_an_inbox_that_never_ends_is_read_slowly() -> None:
    core = inbox(place(opened=True))
    answer(core, frames.Subscribed(7, 0))
    now = 0.0
    for index in range(5):
        item = frames.InboxItem(index, 0, name("link"), bytes(MAX_INBOX_ITEM))
        assert isinstance(
            answer(core, frames.InboxItems(7, (item,), index + 1, 1 << 40), now), frames.InboxRead
        )
        answer(core, DONE, now)
        assert not core.asks(now + 0.5)
        now += own.READ_PACE


@pytest.mark.parametrize("wrong", [frames.InboxItems(7, (), 0, 0), frames.Packages(7, ())])
def test_an_answer_to_another_question(wrong: frames.Answer) -> None:
    core = inbox(place())
    answer(core, wrong)
    assert not core.events()
    assert core.deadline(0.0) != 0.0


def test_a_relay_without_room() -> None:
    core = inbox(place())
    answer(core, failure(ErrorCode.FULL))
    assert core.deadline(0.0) == own.NO_ROOM


def test_after_a_connection_all_is_asked_again() -> None:
    core = inbox(place(opened=True))
    answer(core, frames.Subscribed(7, 0))
    core.parted(RELAYS[0].key, 0.0)
    assert isinstance(answer(core, frames.Subscribed(7, 0)), frames.Subscribe)
    core.opened(
        RELAYS[0].key,
        InboxScope(core.id, SigningKey(name("owner"))),
        frames.Authorised(7, 0, core.id, 0),
        0.0,
    )
    assert isinstance(answer(core, frames.Subscribed(7, 0)), frames.Subscribe)


# --- Reaching others ----------------------------------------------------------------------------------


def reach() -> Reach:
    return Reach(LINK, Wanted(ALICE.id, 1), seed=bytes(32), now=0.0, time=NOW)


def packages(*messages: bytes) -> frames.Packages:
    return frames.Packages(7, tuple(frames.Package(b"laptop", False, one) for one in messages))


def only(core: Reach | Drop, now: float) -> Ask:
    (ask,) = core.asks(now)
    return ask


def test_the_first_relay_that_has_packages() -> None:
    core, message = reach(), package()
    ask = only(core, 0.0)
    assert ask.relay.key == RELAYS[0].key and ask.scope is None
    core.answered(ask, frame(ask), failure(ErrorCode.NOTHING_LEFT), 0.0)
    ask = only(core, 0.0)
    assert ask.relay.key == RELAYS[1].key
    core.answered(ask, frame(ask), packages(message), 0.0)
    assert [one.message for one in core.found] == [message]
    assert core.done and not core.asks(1.0) and core.deadline(1.0) is None


def test_a_relay_that_does_not_answer_is_passed_over_after_a_while() -> None:
    core = reach()
    slow = only(core, 0.0)
    assert not core.asks(PATIENCE - 1) and core.deadline(0.0) == PATIENCE
    other = only(core, PATIENCE)
    assert other.relay.key != slow.relay.key
    core.answered(slow, frame(slow), packages(package()), PATIENCE + 1)
    assert core.found, "late is not too late"
    core.answered(other, frame(other), packages(package(MALLORY)), PATIENCE + 2)
    assert not core.faults


def test_the_same_taking_is_repeated_and_another_one_after_that() -> None:
    core = reach()
    first = only(core, 0.0)
    core.lost(first, 0.0)
    nonces = [frame(first)]
    for now in (60.0, SAME + 100):
        while True:
            ask = only(core, now)
            core.lost(ask, now)
            if ask.relay.key == first.relay.key:
                nonces.append(frame(ask))
                break
    assert nonces[0] == nonces[1] != nonces[2]
    assert frame(only(reach(), 0.0)) == nonces[0], "also after a restart"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (lambda: packages(package(MALLORY)), OfferFault.FOREIGN),
        (lambda: packages(package(now=NOW - 10 * 86_400)), OfferFault.OUT_OF_TIME),
        (lambda: packages(package(suite=3)), OfferFault.UNFIT),
        (lambda: failure(ErrorCode.NOT_AUTHORISED), None),
    ],
)
def test_when_there_is_no_point_in_going_on(
    given: Callable[[], frames.Answer], why: OfferFault | None
) -> None:
    core, now = reach(), 0.0
    for _ in range(20):
        for ask in core.asks(now):
            assert not core.failure
            core.answered(ask, frame(ask), given(), now)
        now += 30
    assert core.failure == (why.value if why else "link gone")
    assert set(core.faults) == ({one.key for one in RELAYS} if why else set())


def test_nothing_left_is_no_end() -> None:
    core = reach()
    for _ in RELAYS:
        ask = only(core, 0.0)
        core.answered(ask, frame(ask), failure(ErrorCode.OVER_BUDGET), 0.0)
    assert not core.done and not core.asks(LATER - 1)
    assert core.deadline(0.0) == LATER
    assert core.asks(LATER)


# --- Leaving an item ----------------------------------------------------------------------------------


def test_an_item_goes_to_all_relays() -> None:
    core = Drop(LINK, b"item")
    asks = core.asks(0.0)
    assert {ask.relay.key for ask in asks} == {one.key for one in RELAYS}
    assert not core.asks(100.0), "each is asked once until it has answered"
    core.answered(asks[0], frame(asks[0]), DONE, 0.0)
    assert core.arrived and not core.done
    core.lost(asks[1], 0.0)
    core.answered(asks[2], frame(asks[2]), failure(ErrorCode.OVER_BUDGET), 0.0)
    again = core.deadline(0.0)
    assert again is not None
    (ask,) = core.asks(again)
    assert ask.relay.key == asks[1].relay.key
    later = Drop(LINK, b"item", there=core.there)
    assert {ask.relay.key for ask in later.asks(0.0)} == {one.key for one in RELAYS[1:]}


def test_a_link_that_nobody_knows() -> None:
    core, now = Drop(LINK, b"item"), 0.0
    for _ in range(DENIALS):
        for ask in core.asks(now):
            core.answered(ask, frame(ask), failure(ErrorCode.NOT_AUTHORISED), now)
        now += 60
    assert core.done and not core.arrived and core.deadline(now) is None
