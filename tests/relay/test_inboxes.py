"""Inboxes on a real store: links, items, the pool of key packages, and what strangers can find out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.relay import inboxes
from heliogram.relay.batch import Batch, NewItem
from heliogram.relay.budgets import Budgets
from heliogram.relay.errors import (
    BadWork,
    Full,
    NotAuthorised,
    NothingLeft,
    OverBudget,
    RelayError,
)
from heliogram.relay.inboxes import STATEMENT_MINUTES
from heliogram.wire import frames, objects, work
from heliogram.wire.limits import (
    MAX_DEVICES,
    MAX_INBOX_ITEM,
    MAX_INBOX_ITEMS,
    MAX_LINKS,
    MAX_PACKAGES,
    MAX_PAGE,
    WORK_WINDOW,
)
from heliogram.wire.signing import Label, SigningKey
from tests.relay.inbox_world import (
    DONE,
    ID,
    INBOX,
    LINKS,
    NOW,
    OWNER,
    RELAY,
    TERMS,
    World,
    last_resort,
    one_time,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "relay.db")
    made.add_link(LINKS[0])
    return made


def unworked(target: bytes, difficulty: int, *, now: int) -> bytes:
    """A proof that proves nothing."""
    window = work.window_at(now=now)
    return next(
        proof.encode()
        for proof in (work.Proof(window, nonce) for nonce in range(1000))
        if not work.good(proof, RELAY, target, difficulty, now=now)
    )


# --- Opening --------------------------------------------------------------------------------------


def test_an_inbox_is_opened_once(world: World) -> None:
    before = world.contents()
    assert world.do(inboxes.open_inbox, world.opening()) == DONE
    assert world.contents() == before
    assert inboxes.owner_key(world.store, INBOX) == OWNER.public
    assert inboxes.owner_key(world.store, bytes(32)) is None


def test_the_owner_learns_where_the_inbox_stands(world: World) -> None:
    world.post(LINKS[0], b"an item")
    frame = frames.InboxAuthorise(ID, 3, INBOX, bytes(64))
    assert inboxes.authorised(world.store, frame) == frames.Authorised(ID, 1, INBOX, 0, b"")
    assert inboxes.end(world.store, INBOX) == 1
    with pytest.raises(NotAuthorised):
        inboxes.authorised(world.store, frames.InboxAuthorise(ID, 3, bytes(32), bytes(64)))


def test_opening_takes_work_for_this_inbox(world: World) -> None:
    other = SigningKey(bytes(32))
    frame = world.opening(other)
    proof = unworked(objects.inbox_id(other.public), 4, now=NOW)
    with pytest.raises(BadWork) as refused:
        world.do(inboxes.open_inbox, frames.InboxOpen(ID, other.public, proof))
    assert refused.value.detail == 4
    world.now += 1800
    with pytest.raises(BadWork):
        world.do(inboxes.open_inbox, frame)


def test_a_relay_has_room_for_so_many_inboxes(tmp_path: Path) -> None:
    world = World(tmp_path / "relay.db", replace(TERMS, max_inboxes=2))
    others = [SigningKey(bytes([i]) * 32) for i in range(2)]
    assert world.do(inboxes.open_inbox, world.opening(others[0])) == DONE
    with pytest.raises(Full):
        world.do(inboxes.open_inbox, world.opening(others[1]))
    assert world.do(inboxes.open_inbox, world.opening()) == DONE
    with world.store.transaction():
        world.store.inboxes.expire_inboxes(before=NOW)
    assert world.do(inboxes.open_inbox, world.opening(others[1])) == DONE


def test_the_day_is_written_once_a_day(world: World) -> None:
    before = world.contents()
    world.do(inboxes.touch, INBOX)
    world.do(inboxes.touch, bytes(32))
    assert world.contents() == before
    world.now += 86_400
    world.do(inboxes.touch, INBOX)
    record = world.store.inboxes.read(INBOX)
    assert record is not None and record.day == world.now // 86_400


def test_an_inbox_that_went_while_its_channel_was_open(world: World) -> None:
    with world.store.transaction():
        world.store.inboxes.expire_inboxes(before=NOW)
    actions: list[Callable[[], object]] = [
        lambda: world.add_link(LINKS[0]),
        lambda: world.revoke(LINKS[0]),
        lambda: world.delete(0),
        lambda: world.put(one_time(b"x")),
        world.read,
        lambda: inboxes.end(world.store, INBOX),
    ]
    for action in actions:
        with pytest.raises(NotAuthorised):
            action()


# --- Links ----------------------------------------------------------------------------------------


def test_a_revoked_link_takes_its_items_along(world: World) -> None:
    world.add_link(LINKS[1])
    world.post(LINKS[0], b"kept")
    world.post(LINKS[1], b"gone")
    assert world.revoke(LINKS[1]) == DONE
    assert world.revoke(LINKS[1]) == DONE
    assert world.waiting() == [b"kept"]
    with pytest.raises(NotAuthorised):
        world.post(LINKS[1], b"again")


def test_an_inbox_has_room_for_so_many_links(world: World) -> None:
    links = [SigningKey(sha256(b"many %d" % i).digest()) for i in range(MAX_LINKS)]
    for link in links[:-1]:
        world.add_link(link, uses=1)
    with pytest.raises(Full):
        world.add_link(links[-1])
    assert world.add_link(links[0], uses=1) == DONE
    world.post(links[5], b"its only one")
    assert world.add_link(links[-1]) == DONE  # in the place of the one that is used up
    assert world.waiting() == [b"its only one"]
    with pytest.raises(Full):
        world.add_link(links[5])


def test_a_one_time_link_posts_once_and_takes_once(world: World) -> None:
    world.put(one_time(b"1"), one_time(b"2"))
    world.add_link(LINKS[1], uses=1)
    assert world.take(LINKS[1], 1) == [b"1"]
    assert world.take(LINKS[1], 1) == [b"1"]
    with pytest.raises(NotAuthorised):
        world.take(LINKS[1], 2)
    world.post(LINKS[1], b"hello")
    world.post(LINKS[1], b"hello")
    with pytest.raises(NotAuthorised):
        world.post(LINKS[1], b"once more")
    assert world.waiting() == [b"hello"]
    world.add_link(LINKS[1], uses=1)
    world.post(LINKS[1], b"once more")
    assert world.take(LINKS[1], 3) == [b"2"]


def test_an_empty_pool_uses_up_nothing(world: World) -> None:
    world.add_link(LINKS[1], uses=1)
    for nonce in range(2 * TERMS.takes_per_day):
        with pytest.raises(NothingLeft):
            world.take(LINKS[1], nonce)
    world.put(one_time(b"1"))
    assert world.take(LINKS[1], 0) == [b"1"]


# --- Items ----------------------------------------------------------------------------------------


def test_an_item_waits_with_its_minute_and_link(world: World) -> None:
    assert world.post(LINKS[0], b"an item") == DONE
    assert world.news == [NewItem(INBOX, 0)]
    item = frames.InboxItem(0, NOW // 60, LINKS[0].public, b"an item")
    assert world.read() == frames.InboxItems(ID, (item,), 1, 1)


def test_the_same_item_is_there_once(world: World) -> None:
    world.post(LINKS[0], b"an item")
    assert world.post(LINKS[0], b"an item") == DONE
    assert world.news == []
    world.now += 3600
    world.expire_statements()
    assert world.post(LINKS[0], b"an item") == DONE
    assert world.news == []
    assert world.waiting() == [b"an item"]


def test_a_repeated_request_does_not_come_back_after_its_deletion(world: World) -> None:
    world.add_link(LINKS[1], uses=1)
    world.post(LINKS[1], b"an item")
    world.delete(0)
    assert world.post(LINKS[1], b"an item") == DONE
    assert world.waiting() == []
    world.now += 60 * STATEMENT_MINUTES
    world.expire_statements()
    assert world.post(LINKS[1], b"an item") == DONE  # to the end of the third window
    world.now += 60
    world.expire_statements()
    with pytest.raises(NotAuthorised):
        world.post(LINKS[1], b"an item")


def test_the_oldest_makes_room(world: World) -> None:
    world.add_link(LINKS[1])
    texts = [b"%d" % i for i in range(MAX_INBOX_ITEMS + 3)]
    for at, text in enumerate(texts):
        world.post(LINKS[at % 2], text)
    assert world.waiting() == texts[3:]
    assert world.read().items[0].index == 3
    world.delete(10, 20)
    world.post(LINKS[0], b"last")
    assert world.read().items[0].index == 3


def test_pages(world: World) -> None:
    texts = [bytes([i]) * MAX_INBOX_ITEM for i in range(1, 7)]
    for text in texts:
        world.post(LINKS[0], text)
    world.delete(1)
    seen: list[bytes] = []
    start, pages = 0, 0
    while True:
        page = world.read(start, count=1000)
        assert sum(len(item.data) for item in page.items) <= MAX_PAGE
        seen += [item.data for item in page.items]
        pages += 1
        start = page.next
        if page.next == page.end:
            break
    assert (seen, pages) == ([texts[0], *texts[2:]], 2)
    assert [item.index for item in world.read(1, count=2).items] == [2, 3]
    assert world.read(1, count=2).next == 4
    assert world.read(6) == frames.InboxItems(ID, (), 6, 6)
    assert world.read(99).next == 6


def test_the_holder_of_a_link_has_a_budget(tmp_path: Path) -> None:
    world = World(tmp_path / "relay.db", replace(TERMS, items_per_day=2, takes_per_day=2))
    world.put(*(one_time(b"%d" % i) for i in range(9)))
    for link in LINKS[:2]:
        world.add_link(link)
    for text in (b"1", b"1", b"2"):
        world.post(LINKS[0], text)
    with pytest.raises(OverBudget):
        world.post(LINKS[0], b"3")
    assert world.take(LINKS[0], 1) == world.take(LINKS[0], 1) == [b"0"]
    assert world.take(LINKS[0], 2) == [b"1"]
    with pytest.raises(OverBudget):
        world.take(LINKS[0], 3)
    assert world.take(LINKS[0], 1) == [b"0"]  # a repeated statement costs nothing
    assert world.post(LINKS[1], b"another link") == DONE
    assert world.take(LINKS[1], 3) == [b"2"]
    world.now += 86_400
    assert world.post(LINKS[0], b"3") == DONE
    assert world.take(LINKS[0], 3) == [b"3"]


def test_no_link_empties_a_full_pool_in_a_day() -> None:
    assert TERMS.takes_per_day < MAX_PACKAGES // MAX_DEVICES


# --- What strangers learn -------------------------------------------------------------------------


def test_72_unknown_and_wrong_look_alike(world: World) -> None:
    world.put(one_time(b"1"))
    world.add_link(LINKS[1], uses=1)
    world.post(LINKS[1], b"x")
    world.take(LINKS[1], 1)
    world.put(one_time(b"2"))
    post, take = world.posting(LINKS[0], b"y"), world.taking(LINKS[0], 2)
    wrong_post = frames.InboxPost(*posted(post)[:3], bytes(64), post.proof, post.data)
    wrong_take = frames.PackageTake(*taken(take)[:4], bytes(64), take.proof)
    refused = [
        (inboxes.post_item, world.posting(LINKS[0], b"y", inbox=bytes(32))),
        (inboxes.post_item, world.posting(LINKS[2], b"y")),
        (inboxes.post_item, world.posting(LINKS[1], b"y")),
        (inboxes.post_item, wrong_post),
        (inboxes.take_packages, world.taking(LINKS[0], 2, inbox=bytes(32))),
        (inboxes.take_packages, world.taking(LINKS[2], 2)),
        (inboxes.take_packages, world.taking(LINKS[1], 2)),
        (inboxes.take_packages, wrong_take),
    ]
    answers = set()
    for function, frame in refused:
        with pytest.raises(RelayError) as error:
            world.do(function, frame)  # type: ignore[arg-type]
        answers.add((error.value.code, error.value.detail, str(error.value)))
    assert len(answers) == 1
    assert answers.pop()[:2] == (NotAuthorised.code, 0)


def posted(frame: frames.InboxPost) -> tuple[int, bytes, bytes]:
    return frame.id, frame.inbox, frame.link


def taken(frame: frames.PackageTake) -> tuple[int, bytes, bytes, bytes]:
    return frame.id, frame.inbox, frame.link, frame.nonce


def test_72_a_stranger_without_the_key_does_not_reach_the_database(world: World) -> None:
    """On a closed store, whatever looks into it fails otherwise."""
    post, take = world.posting(LINKS[0], b"y"), world.taking(LINKS[0], 2)
    batch = Batch(world.store, TERMS, Budgets(), RELAY, NOW, bytes)
    world.store.close()
    signed_otherwise = LINKS[0].sign(Label.PACKAGE_TAKE, b"something else")
    with pytest.raises(NotAuthorised):
        inboxes.post_item(
            batch, frames.InboxPost(*posted(post), signed_otherwise, post.proof, post.data)
        )
    with pytest.raises(NotAuthorised):
        inboxes.take_packages(batch, frames.PackageTake(*taken(take), signed_otherwise, take.proof))


def test_work_comes_before_the_signature(world: World) -> None:
    post, take = world.posting(LINKS[0], b"y"), world.taking(LINKS[0], 2)
    content = objects.inbox_post_content(RELAY, INBOX, post.link, post.data)
    lazy = unworked(objects.work_target(content), 3, now=NOW)
    with pytest.raises(BadWork) as refused:
        world.do(inboxes.post_item, frames.InboxPost(*posted(post), bytes(64), lazy, post.data))
    assert refused.value.detail == 3
    content = objects.package_take_content(RELAY, INBOX, take.link, take.nonce)
    lazy = unworked(objects.work_target(content), 3, now=NOW)
    with pytest.raises(BadWork):
        world.do(inboxes.take_packages, frames.PackageTake(*taken(take), bytes(64), lazy))
    world.now += 1800
    with pytest.raises(BadWork):
        world.do(inboxes.post_item, post)


def test_45_a_signature_for_one_purpose_is_none_for_another(world: World) -> None:
    """A nonce that is the hash of an item: the two statements have the same bytes."""
    world.put(one_time(b"1"))
    data = b"an item"
    nonce = sha256(data).digest()
    post = world.posting(LINKS[0], data)
    stolen = frames.PackageTake(ID, INBOX, post.link, nonce, post.signature, post.proof)
    with pytest.raises(NotAuthorised):
        world.do(inboxes.take_packages, stolen)
    world.post(LINKS[0], data)
    assert world.take(LINKS[0], int.from_bytes(nonce, "big")) == [b"1"]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),  # the link
            st.sampled_from(
                ["post 1", "post 2", "post 3", "take 1", "take 2", "wait", "wait long"]
            ),
        ),
        max_size=14,
    ),
    st.lists(st.booleans(), min_size=14, max_size=14),
)
@settings(max_examples=60)
def test_47_nothing_tells_a_stranger_what_the_owner_read(
    script: list[tuple[int, str]], reads: list[bool]
) -> None:
    """One owner never looks, another one reads and deletes now and then: strangers hear the same."""
    with tempfile.TemporaryDirectory() as folder:
        heard = [
            told(World(Path(folder, "a.db")), script, [False] * len(script)),
            told(World(Path(folder, "b.db")), script, reads),
        ]
    assert heard[0] == heard[1]


def told(world: World, script: list[tuple[int, str]], reads: list[bool]) -> list[object]:
    world.put(*(one_time(b"%d" % i) for i in range(3)), last_resort(b"last"))
    world.add_link(LINKS[0], uses=2)
    world.add_link(LINKS[1])
    heard: list[object] = []
    for (number, what), read in zip(script, reads, strict=False):
        link = LINKS[number]
        kind, _, argument = what.partition(" ")
        try:
            if kind == "post":
                heard.append(world.post(link, argument.encode()))
            elif kind == "take":
                heard.append(world.take(link, int(argument)))
            else:
                world.now += 3600 if argument else 60
                world.expire_statements()
        except RelayError as error:
            heard.append(error.code)
        if read:
            world.delete(*(item.index for item in world.read().items))
    world.store.close()
    return heard


TEN_YEARS = 3653 * 86_400


@pytest.mark.parametrize("error", [-TEN_YEARS, TEN_YEARS])
def test_21_a_wrong_clock_changes_nothing_but_the_times(
    tmp_path: Path, world: World, error: int
) -> None:
    wrong = World(tmp_path / "wrong.db")
    wrong.now += error
    for one in (world, wrong):
        one.add_link(LINKS[0])
        one.put(one_time(b"1"), last_resort(b"last"))
        one.post(LINKS[0], b"a")
    for one in (world, wrong):
        one.now = NOW  # somebody sets the clock right, or it was right
        one.post(LINKS[0], b"b")
        one.post(LINKS[0], b"a")
        one.do(inboxes.touch, INBOX)
    for one in (world, wrong):
        assert [(item.index, item.data) for item in one.read().items] == [(0, b"a"), (1, b"b")]
        assert one.take(LINKS[0], 1) == [b"1"]
        assert one.take(LINKS[0], 2) == [b"last"]
        record = one.store.inboxes.read(INBOX)
        assert record is not None and record.day == NOW // 86_400


# --- The pool -------------------------------------------------------------------------------------


def test_one_of_each_device(world: World) -> None:
    world.put(
        one_time(b"l1"), one_time(b"l2"), last_resort(b"l*"),
        one_time(b"p1", b"phone"), last_resort(b"p*", b"phone"),
        one_time(b"t1", b""),
    )  # fmt: skip
    answer = world.do(inboxes.take_packages, world.taking(LINKS[0], 1))
    assert answer == frames.Packages(
        ID, (one_time(b"t1", b""), one_time(b"l1"), one_time(b"p1", b"phone"))
    )
    assert world.take(LINKS[0], 2) == [b"l2", b"p*"]
    assert world.take(LINKS[0], 3) == [b"l*", b"p*"]
    assert world.take(LINKS[0], 1) == [b"t1", b"l1", b"p1"]


@pytest.mark.parametrize("second", range(0, WORK_WINDOW, 59))
def test_a_statement_is_remembered_as_long_as_its_work_is_good(second: int) -> None:
    """And less than a minute longer than the longest, which is of the next window."""
    start = NOW // WORK_WINDOW * WORK_WINDOW
    came = start + second
    windows = [work.window_at(now=came) + step for step in (-1, 0, 1)]
    good = [
        now
        for now in range(start, start + 4 * WORK_WINDOW)
        if any(work.good(work.Proof(one, 0), RELAY, INBOX, 0, now=now) for one in windows)
    ]
    expired = (came // 60 + STATEMENT_MINUTES + 1) * 60  # the first second when its row goes
    assert good[-1] < expired
    assert second or expired - good[-1] <= 61


def test_a_statement_is_new_after_its_window(world: World) -> None:
    world.put(one_time(b"1"), one_time(b"2"))
    assert world.take(LINKS[0], 1) == [b"1"]
    world.now += 60 * (STATEMENT_MINUTES + 1)
    world.expire_statements()
    assert world.take(LINKS[0], 1) == [b"2"]


def test_a_last_resort_replaces_the_former_one(world: World) -> None:
    world.put(last_resort(b"1"), last_resort(b"2"))
    world.put(last_resort(b"phone", b"phone"))
    assert world.take(LINKS[0], 1) == [b"2", b"phone"]
    world.put(last_resort(b"3"))
    assert world.take(LINKS[0], 2) == [b"3", b"phone"]


def test_cleared_devices(world: World) -> None:
    world.put(one_time(b"1"), last_resort(b"*"), one_time(b"p", b"phone"))
    world.put(one_time(b"2"), clear=(b"laptop", b"unknown"))
    assert world.take(LINKS[0], 1) == [b"2", b"p"]
    world.put(clear=(b"laptop", b"phone"))
    with pytest.raises(NothingLeft):
        world.take(LINKS[0], 2)


def test_a_repeated_put_brings_nothing_back(world: World) -> None:
    packages = (one_time(b"1"), one_time(b"2"), one_time(b"1"))
    world.put(*packages)
    assert world.take(LINKS[0], 1) == [b"1"]
    world.put(*packages, clear=(b"laptop",))
    world.put(*packages)
    assert world.take(LINKS[0], 2) == [b"2"]
    with pytest.raises(NothingLeft):
        world.take(LINKS[0], 3)


def test_a_package_is_in_the_pool_once(world: World) -> None:
    world.put(one_time(b"1"), one_time(b"1"))
    world.put(one_time(b"1", b"phone"))
    assert world.take(LINKS[0], 1) == [b"1"]
    with pytest.raises(NothingLeft):
        world.take(LINKS[0], 2)


def test_a_pool_has_room_for_so_many_packages_and_devices(world: World) -> None:
    for start in range(0, MAX_PACKAGES - 8, 16):
        world.put(*(one_time(b"%d" % i) for i in range(start, start + 16)))
    rest = [one_time(b"rest %d" % i) for i in range(7)]
    world.put(*rest, last_resort(b"*"))
    assert world.put(*rest, last_resort(b"*2")) == DONE  # nothing new
    with pytest.raises(Full):
        world.put(one_time(b"one more"))
    with pytest.raises(Full):
        world.put(last_resort(b"one more", b"phone"))
    devices = [last_resort(b"x", bytes([i])) for i in range(MAX_DEVICES)]
    world.put(*devices, clear=(b"laptop",))
    with pytest.raises(Full):
        world.put(last_resort(b"x"))
    world.put(last_resort(b"x"), clear=(devices[0].device,))
    assert len(world.take(LINKS[0], 1)) == MAX_DEVICES
