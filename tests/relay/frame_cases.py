"""Every frame and every error of the protocol, as a relay gives them over a real socket.

A case plays a scene and says what must be seen in it. `test_server` plays all of them, and fails if some
frame or error has none. The conversation's other two relays do not run: the test has their keys.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from heliogram.relay import logs
from heliogram.relay.batch import Batch
from heliogram.relay.serving import server as server_module
from heliogram.relay.serving import session
from heliogram.wire import ClientConnection, ErrorCode, Label, SigningKey, frames, objects, work
from heliogram.wire.frames import FrameType
from heliogram.wire.objects import Certificate, RelaySignature, Value, vote_content
from tests.relay.client import Client, Failed
from tests.relay.members import Decision, Member, configured, member_key, name
from tests.relay.raw import BINARY, PING, PONG, Raw, frame
from tests.relay.serving import Serving

E, F = ErrorCode, FrameType

OTHERS = (SigningKey(name("second relay")), SigningKey(name("third relay")))
OWNER, LINK = SigningKey(name("owner")), SigningKey(name("link"))
INBOX = objects.inbox_id(OWNER.public)


class _Core(ClientConnection):
    """A client's core that remembers what it heard."""

    seen: set[FrameType | ErrorCode]

    def receive_data(self, message: bytes) -> None:
        note(self.seen, frames.decode_answer(message))
        super().receive_data(message)


class Tapped(Client):
    """A client that remembers what it said and heard."""

    def __init__(self, session: Any, socket: Any, core: ClientConnection, base: str) -> None:
        tapped = _Core(core._relay, entropy=os.urandom)
        self.seen: set[FrameType | ErrorCode] = set()
        tapped.seen = self.seen
        super().__init__(session, socket, tapped, base)

    def send(self, frame: frames.Request) -> asyncio.Future[frames.Answer]:
        note(self.seen, frame)
        return super().send(frame)


def note(seen: set[FrameType | ErrorCode], one: frames.Frame) -> None:
    """Add a frame, and the error that it tells."""
    tag = type(one).__struct_config__.tag
    assert isinstance(tag, int)
    seen.add(FrameType(tag))
    if isinstance(one, frames.Failure | frames.Goodbye):
        seen.add(ErrorCode(one.code))


@dataclass
class Scene:
    """A relay, and a member of a log of three relays on it."""

    relay: Serving
    client: Tapped
    member: Member
    patch: pytest.MonkeyPatch
    seen: set[FrameType | ErrorCode] = field(default_factory=set)

    async def code(self, request: frames.Request) -> ErrorCode:
        return await self.client.failure(request)

    def vote(
        self, signer: SigningKey, label: Label, value: Value, round: int = 0
    ) -> RelaySignature:
        seat = self.member.seat
        place = seat.index_of(signer.public)
        assert place is not None
        return RelaySignature(place, signer.sign(label, vote_content(seat.id, round, value.hash)))

    def certificate(self, label: Label, value: Value, *signers: SigningKey) -> Certificate:
        votes = sorted((self.vote(one, label, value) for one in signers), key=lambda one: one.relay)
        return Certificate(self.member.epoch, 0, value.hash, tuple(votes))

    async def decide(self, body: bytes = b"a commit") -> Decision:
        """Have the open slot decided by the others, and go on to the next epoch."""
        value = self.member.value(body)
        decided = self.certificate(Label.VOTE2, value, *OTHERS)
        decision = Decision(self.member.seat, decided, value)
        await self.member.decide(self.client, decision)
        header = objects.Header.from_bytes(value.header)
        self.member.seat = header.seat(self.member.epoch + 1)
        return decision

    def worked(self, target: bytes) -> bytes:
        greeting = self.client.greeting
        return work.solve(self.relay.key, target, 0, now=greeting.time).encode()

    def posting(self, data: bytes = b"item", link: SigningKey = LINK) -> frames.InboxPost:
        content = objects.inbox_post_content(self.relay.key, INBOX, link.public, data)
        signature = link.sign(Label.INBOX_POST, content)
        proof = self.worked(objects.work_target(content))
        return frames.InboxPost(0, INBOX, link.public, signature, proof, data)

    def taking(self) -> frames.PackageTake:
        nonce = bytes(32)
        content = objects.package_take_content(self.relay.key, INBOX, LINK.public, nonce)
        signature = LINK.sign(Label.PACKAGE_TAKE, content)
        proof = self.worked(objects.work_target(content))
        return frames.PackageTake(0, INBOX, LINK.public, nonce, signature, proof)

    async def inbox(self) -> None:
        """Open an inbox on channel 9, with a link."""
        await self.client.ask(frames.InboxOpen(0, OWNER.public, self.worked(INBOX)), frames.Done)
        await self.client.authorise_inbox(9, INBOX, OWNER)
        await self.client.ask(frames.LinkAdd(0, 9, LINK.public), frames.Done)

    async def push(self) -> frames.Push:
        return await self.client.pushes.get()


Play = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """A scene and what is seen in it."""

    play: Play
    shows: frozenset[FrameType | ErrorCode]
    settings: dict[str, Any]


CASES: list[Case] = []


def case(*shows: FrameType | ErrorCode, **settings: Any) -> Callable[[Play], Play]:
    """Declare a scene."""

    def add(play: Play) -> Play:
        CASES.append(Case(play, frozenset(shows), settings))
        return play

    return add


# --- The connection -------------------------------------------------------------------------------


@case(
    F.HELLO,
    F.GREETING,
    F.FAILURE,
    F.OPEN,
    F.DONE,
    F.AUTHORISE,
    F.AUTHORISED,
    F.CLOSE,
    E.NOT_AUTHORISED,
)
async def channels(s: Scene) -> None:
    s.seen.add(F.HELLO)  # or there would be no greeting
    await s.client.ask(frames.Close(0, 1), frames.Done)
    assert await s.code(frames.Peek(0, 1)) is E.NOT_AUTHORISED
    wrong = s.client.core.authorise(1, s.member.seat.id, 1, OWNER)
    assert await s.code(wrong) is E.NOT_AUTHORISED


async def raw_end(s: Scene, *messages: bytes, raw: Raw | None = None) -> list[frames.Frame]:
    """What a raw connection is told until the relay closes it with code 1000."""
    raw = raw or await Raw.greeted(s.relay.where)
    for message in messages:
        await raw.send(frame(BINARY, message))
    told = []
    while not isinstance(one := await raw.frame(), int):
        note(s.seen, one)
        told.append(one)
    assert one == 1000
    await raw.close()
    return told


@case(E.UNSUPPORTED_VERSION)
async def versions(s: Scene) -> None:
    raw = await Raw.connect(s.relay.where)
    await raw.upgrade()
    told = await raw_end(s, frames.encode(frames.Hello(7, (9,), bytes(32))), raw=raw)
    assert told == [frames.Failure(7, E.UNSUPPORTED_VERSION, 1)]


@case(E.MALFORMED, E.UNEXPECTED, E.UNKNOWN_FRAME, E.TOO_MANY_FAULTS)
async def faults(s: Scene) -> None:
    broken = [b"\x92\x0a\x01", b"\x92\x42\x02", b"\x92\x3f\x03"]
    told = await raw_end(s, *(broken * 5), broken[0], broken[0])
    codes = [one.code for one in told if isinstance(one, frames.Failure)]
    assert codes == [E.MALFORMED, E.UNEXPECTED, E.UNKNOWN_FRAME] * 5 + [E.MALFORMED]
    assert told[-1] == frames.Goodbye(E.TOO_MANY_FAULTS)
    assert await raw_end(s, b"") == [frames.Goodbye(E.MALFORMED)]


@case(E.DUPLICATE_ID, E.TOO_MANY_PENDING, max_pending=4)
async def pending(s: Scene) -> None:
    s.patch.setattr(s.relay.server, "read", lambda *_: None)  # pages that are never read
    raw = await Raw.greeted(s.relay.where)
    key = member_key("scene", 1, s.relay.key)
    await raw.ask(raw.authorise(1, s.member.seat.id, 1, key))
    assert isinstance(await raw.frame(), frames.Authorised)
    await raw.ask(*(frames.Read(n, 1, 0, 1) for n in range(5)))
    assert await raw.frame() == frames.Failure(4, E.TOO_MANY_PENDING)
    assert await raw_end(s, frames.encode(frames.Read(3, 1, 0, 1)), raw=raw) == [
        frames.Goodbye(E.DUPLICATE_ID)
    ]
    s.seen.add(E.TOO_MANY_PENDING)


@case(F.GOODBYE, E.IDLE, hello_seconds=1)
async def silence(s: Scene) -> None:
    raw = await Raw.connect(s.relay.where)
    await raw.upgrade()
    await raw.send(frame(PING, b"a ping is no hello"))
    assert await raw.receive() == (PONG, b"a ping is no hello")
    assert await raw_end(s, raw=raw) == [frames.Goodbye(E.IDLE)]


@case(E.GOING_AWAY)
async def stop(s: Scene) -> None:
    stopping = asyncio.create_task(s.relay.server.stop())
    assert await s.push() == frames.Goodbye(E.GOING_AWAY)
    await stopping
    await s.client.ended.wait()


@case(E.RATE_LIMITED, signatures_per_second=1)
async def signatures(s: Scene) -> None:
    key = member_key("scene", 1, s.relay.key)
    frame = s.client.core.authorise(1, s.member.seat.id, 1, key)
    assert await s.code(frame) is E.RATE_LIMITED
    # The number means nothing now: it was to mean something else.
    assert await s.code(frames.Peek(0, 1)) is E.NOT_AUTHORISED


@case(E.UNAVAILABLE)
async def much(s: Scene) -> None:
    s.patch.setattr(server_module, "MAX_WAITING", 0)
    assert await s.code(frames.Post(0, 1, b"x")) is E.UNAVAILABLE


@case(E.DISK_FULL)
async def full_disk(s: Scene) -> None:
    def cramp(batch: Batch) -> None:
        database = batch.store.database
        pages = database.one("PRAGMA page_count")
        assert pages is not None
        database.run(f"PRAGMA max_page_count={pages[0]}")

    s.relay.server.submit(cramp, lambda _: None, 0)
    codes = [await s.code(frames.Post(0, 1, bytes([n]) * 60_000)) for n in range(1)]
    assert codes == [E.DISK_FULL]


@case(E.INTERNAL)
async def bugs(s: Scene) -> None:
    def fail(*_: object) -> frames.Answer:
        raise KeyError("a secret")

    s.patch.setattr(session, "READS", {frames.Peek: fail})
    s.patch.setattr(session, "WRITES", {frames.Post: fail})
    s.patch.setattr(session, "PAGES", {frames.Read: fail})
    for request in (frames.Peek(0, 1), frames.Post(0, 1, b"x"), frames.Read(0, 1, 0, 1)):
        assert await s.code(request) is E.INTERNAL
    s.patch.setattr(logs, "member_key", fail)
    key = member_key("scene", 1, s.relay.key)
    for _ in range(2):  # and it goes on
        frame = s.client.core.authorise(1, s.member.seat.id, 1, key)
        assert await s.code(frame) is E.INTERNAL


@case(E.SLOW, write_seconds=1)
async def slow(s: Scene) -> None:
    raw = await Raw.greeted(s.relay.where)
    s.patch.setattr(session, "ROOM", -1)  # as if all buffers of the system were full
    await raw.ask(frames.Peek(1, 1))
    assert await raw_end(s, raw=raw) == [frames.Goodbye(E.SLOW)]


# --- Logs -----------------------------------------------------------------------------------------


@case(E.BAD_WORK, E.FULL, F.OPEN, max_logs=1)
async def opening(s: Scene) -> None:
    other = Member("other", configured("other", [s.relay.key]))
    stale = objects.Open(other.seat, work.Proof(0, 0)).encode()
    assert await s.code(frames.Open(0, stale)) is E.BAD_WORK
    with pytest.raises(Failed, match="FULL"):
        await other.open_at(s.client)
    await s.member.open_at(s.client)  # it is there already
    assert await s.code(frames.Open(0, b"nothing")) is E.MALFORMED


@case(F.POST, F.STORED, E.TOO_LARGE, E.OVER_BUDGET, max_entry=20480, posts_per_day=2)
async def posting(s: Scene) -> None:
    first = await s.client.ask(frames.Post(0, 1, b"a"), frames.Stored)
    again = await s.client.ask(frames.Post(0, 1, b"a"), frames.Stored)
    assert first.receipt[:40] == again.receipt[:40]  # the same place
    assert await s.code(frames.Post(0, 1, bytes(20_481))) is E.TOO_LARGE
    await s.client.ask(frames.Post(0, 1, b"b"), frames.Stored)
    assert await s.code(frames.Post(0, 1, b"c")) is E.OVER_BUDGET
    await s.client.ask(frames.Post(0, 1, b"help", frames.Lane.GRACE), frames.Stored)


@case(F.READ, F.ENTRIES, F.DIGESTS, F.REFILL, F.PEEK, F.PEEKED, F.STATUS, F.STATUS_SIGNED)
async def reading(s: Scene) -> None:
    await s.member.post_at(s.client, b"one")
    await s.client.ask(frames.Refill(0, 1, 0, b"older"), frames.Stored)
    page = await s.client.ask(frames.Read(0, 1, 0, 1), frames.Entries)
    assert [one.data for one in page.entries] == [b"one"] and (page.next, page.end) == (1, 2)
    short = await s.client.ask(frames.Read(0, 1, 1, 9, True), frames.Digests)
    assert [one.size for one in short.digests] == [5] and short.next == short.end == 2
    assert (await s.client.ask(frames.Peek(0, 1), frames.Peeked)).next_index == 2
    await s.member.status(s.client, bytes(32))


@case(F.SUBSCRIBE, F.SUBSCRIBED, F.PUSHED, F.PUSHED_DIGESTS, F.ADVANCED)
async def subscribing(s: Scene) -> None:
    assert await s.member.subscribe(s.client) == 0
    await s.member.post_at(s.client, b"one")
    push = await s.push()
    assert isinstance(push, frames.Pushed) and push.entries[0].data == b"one"
    assert await s.member.subscribe(s.client, digest=True) == 1
    await s.member.post_at(s.client, b"two")
    assert isinstance(await s.push(), frames.PushedDigests)
    decision = await s.decide()
    assert await s.push() == frames.Advanced(push.instance, decision.certificate.encode())


# --- Slots ----------------------------------------------------------------------------------------


@case(F.LOCK, F.VOTE1, F.COMMIT, F.VOTE2, F.NEWROUND, F.PROMISE, F.NACK, F.REFUSE, F.NEED_VALUE)
async def voting(s: Scene) -> None:
    mine, unknown = s.member.value(b"mine"), s.member.value(b"unknown")
    answer = await s.client.ask(frames.Lock(0, 1, 0, mine.encode()), frames.Vote1)
    seat, place = s.member.seat, s.member.seat.index_of(s.relay.key)
    assert place is not None
    assert await s.client.request(frames.Lock(0, 1, 0, unknown.encode())) != answer
    lock = s.certificate(Label.VOTE1, mine, *OTHERS)
    await s.client.ask(frames.Commit(0, 1, lock.encode()), frames.Vote2)
    await s.client.ask(frames.NewRound(0, 1, 1), frames.Promise)
    await s.client.ask(frames.Commit(0, 1, lock.encode()), frames.Nack)
    other = Certificate(seat.epoch, 1, unknown.hash, tuple(
        s.vote(one, Label.VOTE1, unknown, 1) for one in OTHERS
    ))  # fmt: skip
    await s.client.ask(frames.Commit(0, 1, other.encode()), frames.NeedValue)


@case(F.DECIDE, F.DECIDED, E.BAD_CERTIFICATE, E.BEHIND)
async def deciding(s: Scene) -> None:
    instance = s.member.seat.id
    bad = s.certificate(Label.VOTE1, s.member.value(b"x"), *OTHERS)
    assert await s.code(frames.Decide(0, instance, bad.encode())) is E.BAD_CERTIFICATE
    later = replace(s.certificate(Label.VOTE2, s.member.value(b"x"), *OTHERS), epoch=7)
    assert await s.code(frames.Decide(0, instance, later.encode())) is E.BEHIND
    await s.decide()
    await s.client.ask(frames.Post(0, 1, b"late"), frames.Decided)


@case(E.GONE)
async def expired(s: Scene) -> None:
    await s.decide()
    done: asyncio.Future[Any] = asyncio.Future()
    s.relay.server.submit(
        lambda batch: batch.store.logs.expire_epochs(before=batch.minute + 1, minute=batch.minute),
        done.set_result,
        0,
    )
    await done
    assert await s.code(frames.Peek(0, 1)) is E.GONE


@case(E.FENCED, E.NOT_FENCED, E.BAD_STATUS, F.UNFENCE)
async def fence(s: Scene) -> None:
    """The relay is shown its own vote, of which it knows nothing."""
    assert await s.code(frames.Unfence(0, 1, ())) is E.NOT_FENCED
    value = s.member.value(b"forgotten")
    lock = s.certificate(Label.VOTE1, value, s.relay.identity, OTHERS[0])
    assert await s.code(frames.Commit(0, 1, lock.encode(), value.encode())) is E.FENCED
    assert await s.code(frames.Post(0, 1, b"x")) is E.FENCED
    peeked = await s.client.ask(frames.Peek(0, 1), frames.Peeked)
    assert await s.code(frames.Unfence(0, 1, ())) is E.BAD_STATUS
    stated = tuple(
        objects.sign_status(
            objects.Status(
                one.public, s.member.seat.id, peeked.fence, 0, bytes(32), s.member.epoch
            ),
            one,
        ).encode()
        for one in OTHERS
    )
    await s.client.ask(frames.Unfence(0, 1, stated), frames.Done)
    await s.client.ask(frames.Post(0, 1, b"x"), frames.Stored)


# --- Inboxes, blobs, cells ------------------------------------------------------------------------


@case(F.INBOX_OPEN, F.INBOX_AUTHORISE, F.LINK_ADD, F.LINK_REVOKE, F.INBOX_POST, F.INBOX_READ,
      F.INBOX_ITEMS, F.INBOX_DELETE, F.PACKAGES_PUT, F.PACKAGE_TAKE, F.PACKAGES, F.CATCH_UP,
      E.NOTHING_LEFT)  # fmt: skip
async def inboxes(s: Scene) -> None:
    await s.inbox()
    assert (await s.client.ask(frames.Subscribe(0, 9, 0), frames.Subscribed)).live == 0
    await s.client.ask(s.posting(), frames.Done)
    assert await s.push() == frames.CatchUp(INBOX, 0)
    page = await s.client.ask(frames.InboxRead(0, 9, 0, 5), frames.InboxItems)
    assert [one.data for one in page.items] == [b"item"]
    await s.client.ask(frames.InboxDelete(0, 9, (0,)), frames.Done)
    assert await s.code(s.taking()) is E.NOTHING_LEFT
    package = frames.Package(b"laptop", True, b"a key package")
    await s.client.ask(frames.PackagesPut(0, 9, (package,)), frames.Done)
    assert (await s.client.ask(s.taking(), frames.Packages)).packages == (package,)
    await s.client.ask(frames.LinkRevoke(0, 9, LINK.public), frames.Done)
    assert await s.code(s.posting(b"more")) is E.NOT_AUTHORISED


@case(F.BLOB_OPEN, F.BLOB_READY, F.BLOB_DELETE)
async def blobs(s: Scene) -> None:
    secret, blob = bytes(32), objects.blob_id(b"blob")
    opened = frames.BlobOpen(0, 1, blob, 4, 3, objects.blob_delete_hash(secret))
    ready = await s.client.ask(opened, frames.BlobReady)
    url = f"{s.client.base}/blob/{blob.hex()}"
    headers = {"Authorization": f"Heliogram {ready.ticket.hex()}", "Content-Range": "bytes 0-3/4"}
    async with s.client.session.put(url, data=b"blob", headers=headers) as answer:
        assert answer.status == 201
    async with s.client.session.get(url) as answer:
        assert await answer.read() == b"blob"
    await s.client.ask(frames.BlobDelete(0, blob, secret), frames.Done)
    assert await s.code(frames.BlobDelete(0, blob, secret)) is E.NOT_AUTHORISED


@case(F.CELL_PUT, F.CELL_GET, F.CELL_VALUE)
async def cells(s: Scene) -> None:
    cell = objects.cell_id(OWNER.public)
    assert await s.code(frames.CellGet(0, cell)) is E.NOT_AUTHORISED

    def put(version: int, value: bytes) -> frames.CellPut:
        signature = OWNER.sign(Label.CELL, objects.cell_content(cell, version, value))
        return frames.CellPut(0, OWNER.public, version, value, signature, s.worked(cell))

    await s.client.ask(put(1, b"one"), frames.Done)
    assert (await s.client.ask(put(3, b"three"), frames.CellValue)).version == 1
    assert (await s.client.ask(frames.CellGet(0, cell), frames.CellValue)).value == b"one"
