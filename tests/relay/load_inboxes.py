"""Load on an inbox: strangers post and take packages, the owner reads, deletes, refills."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import apsw
import msgspec

from heliogram.wire import ErrorCode, Label, SigningKey, frames, work
from heliogram.wire.objects import (
    inbox_id,
    inbox_post_content,
    package_take_content,
    work_target,
)
from tests.relay.client import Client
from tests.relay.load import Relay, said
from tests.relay.members import name

#: Takings of one link in a day, by default; and how many items and packages there may be for the load's sake.
TAKES = 10
ITEMS, PACKAGES = 40, 150


@dataclass
class Link:
    """A contact link. `uses` is 0 for any number."""

    key: SigningKey
    uses: int
    #: Uses with an answer, and requests without one.
    posts: int = 0
    takes: int = 0
    #: Requests, not uses: a day's budget may be spent by any of them.
    asked: int = 0
    open: list[frames.Request] = field(default_factory=list)


class InboxLoad:
    """One inbox: its owner, and strangers with links."""

    def __init__(self, relay: Relay, owner: str) -> None:
        self.relay = relay
        self.owner = SigningKey(name(owner))
        self.inbox = inbox_id(self.owner.public)
        self.client: Client
        self.links: list[Link] = []
        #: Items that were left, by what they say; places that were given to items.
        self.items: set[bytes] = set()
        self.deleted: set[bytes] = set()
        self.places: dict[int, bytes] = {}
        #: One-time packages that are in the pool, and what each taking was given.
        self.pool: set[bytes] = set()
        self.given: dict[bytes, frames.PackageTake] = {}
        self.taken: dict[frames.PackageTake, tuple[frames.Package, ...]] = {}
        self._open: frames.Request | None = None
        self._number = 0
        self._made = False

    async def connect(self) -> None:
        """Connect, make the inbox if it is new, and authorise as its owner."""
        self._number += 1
        self.client = await self.relay.connect(f"inbox {self._number}")
        if not self._made:
            proof = self._work(self.inbox)
            frame = frames.InboxOpen(0, self.owner.public, proof)
            await self.relay.must(self.client, frame, frames.Done)
            self._made = True
        frame_ = self.client.core.authorise_inbox(0, self.inbox, self.owner)
        await self.relay.must(self.client, frame_, frames.Authorised)

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()

    # --- Load ---

    async def run(self, rng: Random) -> None:
        """Post, read, delete, put, take until the relay dies."""
        while True:
            usable = [one for one in self.links if one.asked < TAKES]
            if not usable or rng.random() < 0.05:
                await self._add_link(rng)
                continue
            link, what = rng.choice(usable), rng.random()
            if what < 0.4 and len(self.items) < ITEMS:
                await self._post(link, rng)
            elif what < 0.55:
                await self._put(rng)
            elif what < 0.8:
                await self._take(link, rng)
            elif what < 0.9 or len(self.items) >= ITEMS:
                await self._delete(rng)
            else:
                await self.relay.must(self.client, frames.InboxRead(0, 0, 0, 50), frames.InboxItems)

    async def _add_link(self, rng: Random) -> None:
        if len(self.links) > 50:
            old = self.links[0]
            frame = frames.LinkRevoke(0, 0, old.key.public)
            self._open = frame
            await self.relay.must(self.client, frame, frames.Done)
            self._revoked(old)
        self._number += 1
        key = SigningKey(name(f"link {self._number}"))
        link = Link(key, rng.choice((0, 0, 1, 2, 3)))
        self._open = frames.LinkAdd(0, 0, key.public, link.uses)
        # Known before it is added: if the answer is lost, it is added again.
        self.links.append(link)
        await self.relay.must(self.client, self._open, frames.Done)
        self._open = None

    def _revoked(self, link: Link) -> None:
        self.links.remove(link)
        mark = link.key.public[:8]
        gone = {one for one in self.items if one.startswith(mark)}
        self.items -= gone
        self.deleted |= gone
        self.places = {at: one for at, one in self.places.items() if one not in gone}
        self._open = None

    async def _post(self, link: Link, rng: Random) -> None:
        data = link.key.public[:8] + rng.randbytes(rng.choice((12, 300, 4000)))
        content = inbox_post_content(self.client.relay, self.inbox, link.key.public, data)
        signature = link.key.sign(Label.INBOX_POST, content)
        proof = self._work(work_target(content))
        await self._use(
            link, frames.InboxPost(0, self.inbox, link.key.public, signature, proof, data)
        )

    async def _take(self, link: Link, rng: Random) -> None:
        nonce = rng.randbytes(32)
        if self.taken and rng.random() < 0.2:
            await self._repeat(rng)
            return
        content = package_take_content(self.client.relay, self.inbox, link.key.public, nonce)
        signature = link.key.sign(Label.PACKAGE_TAKE, content)
        proof = self._work(work_target(content))
        frame = frames.PackageTake(0, self.inbox, link.key.public, nonce, signature, proof)
        await self._use(link, frame)

    async def _use(self, link: Link, frame: frames.InboxPost | frames.PackageTake) -> None:
        """Use a link; it stays in `open` when there is no answer."""
        link.asked += 1
        link.open.append(frame)
        answer = await self.relay.ask(self.client, frame)
        link.open.remove(frame)
        if isinstance(answer, frames.Failure):
            posts = isinstance(frame, frames.InboxPost)
            used = link.posts if posts else link.takes
            if answer.code == ErrorCode.NOTHING_LEFT and not posts:
                assert not self.pool, "packages were lost"
            else:
                assert answer.code == ErrorCode.NOT_AUTHORISED, said(answer)
                assert link.uses and used >= link.uses, "a link has lost a use"
        elif isinstance(frame, frames.InboxPost):
            assert isinstance(answer, frames.Done), said(answer)
            link.posts += 1
            assert not link.uses or link.posts <= link.uses, "a link was used too often"
            self.items.add(frame.data)
        else:
            assert isinstance(answer, frames.Packages), said(answer)
            link.takes += 1
            assert not link.uses or link.takes <= link.uses, "a link was used too often"
            self._took(frame, answer.packages)

    def _took(self, frame: frames.PackageTake, packages: tuple[frames.Package, ...]) -> None:
        for one in packages:
            assert self.given.setdefault(one.data, frame) == frame, "a package was given twice"
            assert one.data in self.pool or self._putting(one.data), "a package that nobody put"
            self.pool.discard(one.data)
        self.taken[frame] = packages

    def _putting(self, data: bytes) -> bool:
        frame = self._open
        return isinstance(frame, frames.PackagesPut) and any(
            one.data == data for one in frame.packages
        )

    async def _repeat(self, rng: Random) -> None:
        frame = rng.choice(list(self.taken)[-20:])
        if any(link.key.public == frame.link for link in self.links):
            answer = await self.relay.must(self.client, frame, frames.Packages)
            assert answer.packages == self.taken[frame], "a repeated taking got something else"

    async def _put(self, rng: Random) -> None:
        if len(self.pool) > PACKAGES:
            return
        packages = tuple(
            frames.Package(b"device %d" % rng.randrange(3), False, rng.randbytes(60))
            for _ in range(rng.randint(1, 12))
        )
        self._open = frames.PackagesPut(0, 0, packages)
        await self.relay.must(self.client, self._open, frames.Done)
        self.pool |= {one.data for one in packages} - set(self.given)
        self._open = None

    async def _delete(self, rng: Random) -> None:
        if self.places:
            indices = rng.sample(sorted(self.places), min(len(self.places), 20))
            self._open = frames.InboxDelete(0, 0, tuple(indices))
            await self.relay.must(self.client, self._open, frames.Done)
            self._deleted(self._open)
        else:
            await self._read()

    def _deleted(self, frame: frames.InboxDelete) -> None:
        for index in frame.indices:
            if (data := self.places.pop(index, None)) is not None:
                self.items.discard(data)
                self.deleted.add(data)
        self._open = None

    async def _read(self) -> None:
        """All items that wait: what was left and not deleted, in the places that they had."""
        found: dict[int, bytes] = {}
        at = 0
        while True:
            frame = frames.InboxRead(0, 0, at, 50)
            page = await self.relay.must(self.client, frame, frames.InboxItems)
            found |= {one.index: one.data for one in page.items}
            at = page.next
            if at >= page.end:
                break
        assert len(set(found.values())) == len(found), "an item is there twice"
        assert set(found.values()) == self.items, "items were lost or came back"
        for index, data in self.places.items():
            assert found.get(index) == data, "a place was given twice"
        self.places = found

    # --- Checks ---

    async def check(self, rng: Random) -> None:
        """Repeat what had no answer; then items, places, packages and uses are as the answers said."""
        frame = self._open
        if frame is not None:
            await self.relay.must(self.client, frame, frames.Done)
            if isinstance(frame, frames.PackagesPut):
                self.pool |= {one.data for one in frame.packages} - set(self.given)
                self._open = None
            elif isinstance(frame, frames.InboxDelete):
                self._deleted(frame)
            elif isinstance(frame, frames.LinkRevoke):
                self._revoked(next(one for one in self.links if one.key.public == frame.link))
            self._open = None
        for link in self.links:
            link.asked = len(link.open)  # the day's budget lives in memory
            for one in list(link.open):
                assert isinstance(one, frames.InboxPost | frames.PackageTake)
                link.open.remove(one)
                await self._use(link, one)
        await self._read()
        for _ in range(min(3, len(self.taken))):
            await self._repeat(rng)

    async def check_all(self) -> None:
        """The items; and the pool gives each package that is left once."""
        await self.check(Random(0))
        number = 0
        while self.pool:
            number += 1
            assert number < 300, "packages were lost"
            if number % (TAKES - 1) == 1:
                link = Link(SigningKey(name(f"last {number} {self._number}")), 0)
                frame = frames.LinkAdd(0, 0, link.key.public, 0)
                if len(self.links) > 50:
                    gone = self.links[0]
                    revoke = frames.LinkRevoke(0, 0, gone.key.public)
                    await self.relay.must(self.client, revoke, frames.Done)
                    self._revoked(gone)
                await self.relay.must(self.client, frame, frames.Done)
                self.links.append(link)
            await self._take_now(link, number)

    async def _take_now(self, link: Link, number: int) -> None:
        nonce = name(f"{number} {self._number}")
        content = package_take_content(self.client.relay, self.inbox, link.key.public, nonce)
        signature = link.key.sign(Label.PACKAGE_TAKE, content)
        proof = self._work(work_target(content))
        frame = frames.PackageTake(0, self.inbox, link.key.public, nonce, signature, proof)
        await self._use(link, frame)

    def check_copy(self, database: apsw.Connection) -> None:
        """What was given is out of the pool, what was put and not given is in it."""
        there = {data for (data,) in database.execute("SELECT data FROM packages")}
        assert not there & set(self.given), "a package that was given is still in the pool"
        unknown = {
            one.data
            for link in self.links
            for frame in link.open
            if isinstance(frame, frames.PackageTake)
            for one in self._given_to(database, frame)
        }
        assert self.pool <= there | unknown, "packages were lost"

    def _given_to(
        self, database: apsw.Connection, frame: frames.PackageTake
    ) -> tuple[frames.Package, ...]:
        content = package_take_content(self.relay.process.key, self.inbox, frame.link, frame.nonce)
        rows = database.execute(
            "SELECT packages FROM taken WHERE statement=?", (work_target(content),)
        ).fetchall()
        if not rows:
            return ()
        given = rows[0][0]
        assert isinstance(given, bytes)
        return msgspec.msgpack.decode(given, type=tuple[frames.Package, ...])

    def _work(self, target: bytes) -> bytes:
        greeting = self.client.greeting
        return work.solve(self.client.relay, target, 0, now=greeting.time).encode()
