"""Inboxes: strangers who hold a link leave items and take key packages; the owner reads, deletes, refills.

A stranger's request is checked in the order of what it costs us: work, signature, database. The link's key
stands in the request, so its signature is checked before anybody has looked whether there is such an
inbox or link: only who holds the key gets as far as the database, and there one query looks for both.

No answer to a stranger depends on what the owner has read or deleted. So a repeated statement is known by
itself for as long as its work could be good (`STATEMENT_MINUTES`), not by what it left behind.
"""

from __future__ import annotations

from dataclasses import replace

from heliogram.relay.batch import Batch, NewItem
from heliogram.relay.budgets import Lane
from heliogram.relay.errors import BadWork, Full, NotAuthorised, NothingLeft
from heliogram.relay.logs import decoded
from heliogram.relay.store import InboxRecord, LinkRecord, Store
from heliogram.relay.store.inboxes import ANY_NUMBER, package_tag
from heliogram.wire import frames, objects, work
from heliogram.wire.connection import Scope
from heliogram.wire.limits import (
    MAX_DEVICES,
    MAX_INBOX_ITEMS,
    MAX_LINKS,
    MAX_PACKAGES,
    MAX_PAGE,
    WORK_WINDOW,
)
from heliogram.wire.signing import Label, verify

#: Minutes for which a statement is remembered. Work of the next window may be used until the end of the
#: one after it; later the same statement takes new work.
STATEMENT_MINUTES = 3 * WORK_WINDOW // 60


# --- The owner ------------------------------------------------------------------------------------


def open_inbox(batch: Batch, frame: frames.InboxOpen) -> frames.Done:
    """INBOX_OPEN. Raises `BadWork`, `Full`."""
    inbox = objects.inbox_id(frame.owner)
    difficulty = batch.terms.limits.difficulty_open
    _check_work(batch, frame.proof, inbox, difficulty)
    table = batch.store.inboxes
    if table.read(inbox) is None:
        if table.count() >= batch.terms.max_inboxes:
            raise Full
        table.create(inbox, frame.owner, day=_day(batch.now))
    return frames.Done(frame.id)


def owner_key(store: Store, inbox: bytes) -> bytes | None:
    """The key with which the owner of this inbox speaks to us; None if there is no such inbox."""
    record = store.inboxes.read(inbox)
    return None if record is None else record.owner


def authorised(store: Store, frame: frames.InboxAuthorise) -> frames.Authorised:
    """The answer to an INBOX_AUTHORISE whose signature is good. Raises `NotAuthorised` if it is gone."""
    record = _record(store, frame.inbox)
    return frames.Authorised(frame.id, record.next_index, frame.inbox, 0)


def touch(batch: Batch, inbox: bytes) -> None:
    """Write that the owner was here today, unless it is written already.

    To be done when he has authorised: an inbox goes when nobody comes for `Terms.idle_days`.
    """
    record = batch.store.inboxes.read(inbox)
    if record is not None and record.day != _day(batch.now):
        batch.store.inboxes.touch(record.id, day=_day(batch.now))


def end(store: Store, inbox: bytes) -> int:
    """The index of the next item. Raises `NotAuthorised` if the inbox is gone."""
    return _record(store, inbox).next_index


def add_link(batch: Batch, frame: frames.LinkAdd, scope: Scope) -> frames.Done:
    """LINK_ADD. Raises `Full`, `NotAuthorised`."""
    record = _record(batch.store, scope.id)
    table = batch.store.inboxes
    links = table.links(record.id)
    if len(links) >= MAX_LINKS and all(one.link != frame.link for one in links):
        used_up = next((one for one in links if one.posts == 0), None)
        if used_up is None:
            raise Full
        table.delete_link(record.id, used_up.link)
    uses = frame.uses or ANY_NUMBER
    table.save_link(LinkRecord(record.id, frame.link, uses, uses))
    return frames.Done(frame.id)


def revoke_link(batch: Batch, frame: frames.LinkRevoke, scope: Scope) -> frames.Done:
    """LINK_REVOKE. Raises `NotAuthorised`."""
    record = _record(batch.store, scope.id)
    batch.store.inboxes.delete_link(record.id, frame.link)
    batch.store.inboxes.delete_items_of(record.id, frame.link)
    return frames.Done(frame.id)


def read_items(store: Store, frame: frames.InboxRead, scope: Scope) -> frames.InboxItems:
    """INBOX_READ. Raises `NotAuthorised`."""
    record = _record(store, scope.id)
    page, more = store.inboxes.page(record.id, frame.start, frame.count, ceiling=MAX_PAGE)
    items = tuple(frames.InboxItem(one.index, one.minute, one.link, one.data) for one in page)
    end = record.next_index
    return frames.InboxItems(frame.id, items, page[-1].index + 1 if more else end, end)


def delete_items(batch: Batch, frame: frames.InboxDelete, scope: Scope) -> frames.Done:
    """INBOX_DELETE. Raises `NotAuthorised`."""
    record = _record(batch.store, scope.id)
    batch.store.inboxes.delete_items(record.id, frame.indices)
    return frames.Done(frame.id)


def put_packages(batch: Batch, frame: frames.PackagesPut, scope: Scope) -> frames.Done:
    """PACKAGES_PUT. Raises `Full`, `NotAuthorised`."""
    record = _record(batch.store, scope.id)
    table = batch.store.inboxes
    stays = [one for one in table.stock(record.id) if one[0] not in frame.clear]
    # Who repeats a request whose answer was lost must not bring back what was given out meanwhile.
    known = {tag for _, last_resort, tag in stays if not last_resort} | table.was_given(record.id)
    last_resorts = {device for device, last_resort, _ in stays if last_resort}
    devices = {device for device, _, _ in stays}
    one_time = len(stays) - len(last_resorts)
    fresh: list[frames.Package] = []
    for package in frame.packages:
        if package.last_resort:
            last_resorts.add(package.device)
        elif (tag := package_tag(package)) not in known:
            known.add(tag)
            one_time += 1
        else:
            continue
        fresh.append(package)
        devices.add(package.device)
    if len(devices) > MAX_DEVICES or one_time + len(last_resorts) > MAX_PACKAGES:
        raise Full
    table.clear_devices(record.id, frame.clear)
    for package in fresh:
        table.add_package(record.id, package)
    return frames.Done(frame.id)


# --- Strangers ------------------------------------------------------------------------------------


def post_item(batch: Batch, frame: frames.InboxPost) -> frames.Done:
    """INBOX_POST. Raises `BadWork`, `NotAuthorised`, `OverBudget`."""
    content = objects.inbox_post_content(batch.relay, frame.inbox, frame.link, frame.data)
    statement = objects.work_target(content)
    link = _link(batch, frame, Label.INBOX_POST, content, statement)
    table = batch.store.inboxes
    if table.was_posted(statement):
        return frames.Done(frame.id)
    if link.posts == 0:
        raise NotAuthorised
    _charge(batch, Lane.ITEMS, frame.link, batch.terms.items_per_day)
    if link.posts != ANY_NUMBER:
        table.save_link(replace(link, posts=link.posts - 1))
    table.save_posted(statement, minute=batch.minute)
    # Counted either way: what is left of a link must not tell whether the item still waits.
    if not table.has_item(link.inbox, frame.link, frame.data):
        index = table.append(link.inbox, frame.link, frame.data, minute=batch.minute)
        table.keep_newest(link.inbox, MAX_INBOX_ITEMS)
        batch.news.append(NewItem(frame.inbox, index))
    return frames.Done(frame.id)


def take_packages(batch: Batch, frame: frames.PackageTake) -> frames.Packages:
    """PACKAGE_TAKE. Raises `BadWork`, `NotAuthorised`, `NothingLeft`, `OverBudget`."""
    content = objects.package_take_content(batch.relay, frame.inbox, frame.link, frame.nonce)
    statement = objects.work_target(content)
    link = _link(batch, frame, Label.PACKAGE_TAKE, content, statement)
    table = batch.store.inboxes
    packages = table.taken(statement)
    if packages is not None:
        return frames.Packages(frame.id, packages)
    if link.takes == 0:
        raise NotAuthorised
    chosen = table.choose(link.inbox)
    if not chosen:
        raise NothingLeft
    _charge(batch, Lane.TAKES, frame.link, batch.terms.takes_per_day)
    packages = tuple(one.package for one in chosen)
    if link.takes != ANY_NUMBER:
        table.save_link(replace(link, takes=link.takes - 1))
    table.give(link.inbox, chosen, minute=batch.minute)
    table.save_taken(statement, packages, minute=batch.minute)
    return frames.Packages(frame.id, packages)


def _link(
    batch: Batch,
    frame: frames.InboxPost | frames.PackageTake,
    label: Label,
    content: bytes,
    statement: bytes,
) -> LinkRecord:
    """The link of a stranger's request, who has worked and signed. Raises `BadWork`, `NotAuthorised`."""
    _check_work(batch, frame.proof, statement, batch.terms.limits.difficulty_inbox)
    if not verify(frame.link, label, content, frame.signature):
        raise NotAuthorised
    link = batch.store.inboxes.link(frame.inbox, frame.link)
    if link is None:
        raise NotAuthorised
    return link


def _charge(batch: Batch, lane: Lane, link: bytes, ceiling: int) -> None:
    batch.budgets.charge(lane, int.from_bytes(link, "big"), 1, ceiling, now=batch.now)


# --- Both -----------------------------------------------------------------------------------------


def _check_work(batch: Batch, proof: bytes, target: bytes, difficulty: int) -> None:
    worked = decoded(work.Proof.from_bytes, proof)
    if not work.good(worked, batch.relay, target, difficulty, now=batch.now):
        raise BadWork(difficulty)


def _record(store: Store, inbox: bytes) -> InboxRecord:
    """The inbox that a channel leads to. Raises `NotAuthorised` if it has been forgotten."""
    record = store.inboxes.read(inbox)
    if record is None:
        raise NotAuthorised
    return record


def _day(now: int) -> int:
    return now // 86_400
