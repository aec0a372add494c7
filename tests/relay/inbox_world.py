"""A relay's store with one inbox, and everybody who uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from heliogram.relay import inboxes
from heliogram.relay.batch import Batch, News
from heliogram.relay.budgets import Budgets
from heliogram.relay.errors import RelayError
from heliogram.relay.inboxes import STATEMENT_MINUTES
from heliogram.relay.store import Store
from heliogram.relay.terms import Terms
from heliogram.wire import frames, objects, work
from heliogram.wire.connection import Scope, ScopeKind
from heliogram.wire.signing import Label, SigningKey
from tests.wire import samples

T = TypeVar("T")

NOW = samples.NOW
RELAY = samples.RELAYS[0].public
OWNER = SigningKey(sha256(b"owner").digest())
LINKS = [SigningKey(sha256(b"link %d" % i).digest()) for i in range(4)]
INBOX = objects.inbox_id(OWNER.public)
SCOPE = Scope(ScopeKind.INBOX, INBOX)
TERMS = Terms(replace(samples.LIMITS, difficulty_open=4, difficulty_inbox=3))
ID = samples.ID
DONE = frames.Done(ID)


class World:
    """A relay's store with one inbox, and everybody who uses it."""

    def __init__(self, path: Path, terms: Terms = TERMS) -> None:
        self.path = path
        self.terms = terms
        self.store = Store(path, writes=True)
        self.budgets = Budgets()
        self.now = NOW
        self.news: list[News] = []
        self.do(inboxes.open_inbox, self.opening())

    def do(self, function: Callable[..., T], *request: Any) -> T:
        """What a core function answers, in a transaction. What is refused must not have changed anything."""
        batch = Batch(self.store, self.terms, self.budgets, RELAY, self.now, bytes)
        try:
            with self.store.transaction():
                before = self.contents()
                try:
                    answer = function(batch, *request)
                except RelayError:
                    assert self.contents() == before
                    raise
        finally:
            self.news = batch.news
        return answer

    def contents(self) -> list[Any]:
        """Every row of an inbox's tables."""
        tables = ("inboxes", "links", "items", "packages", "posted", "taken", "given")
        return [self.store.database.all(f"SELECT * FROM {name} ORDER BY 1, 2") for name in tables]

    # --- the owner ---

    def opening(self, owner: SigningKey = OWNER) -> frames.InboxOpen:
        target = objects.inbox_id(owner.public)
        proof = work.solve(RELAY, target, self.terms.limits.difficulty_open, now=self.now)
        return frames.InboxOpen(ID, owner.public, proof.encode())

    def add_link(self, link: SigningKey, uses: int = 0) -> frames.Done:
        return self.do(inboxes.add_link, frames.LinkAdd(ID, 0, link.public, uses), SCOPE)

    def revoke(self, link: SigningKey) -> frames.Done:
        return self.do(inboxes.revoke_link, frames.LinkRevoke(ID, 0, link.public), SCOPE)

    def read(self, start: int = 0, count: int = 1000) -> frames.InboxItems:
        return inboxes.read_items(self.store, frames.InboxRead(ID, 0, start, count), SCOPE)

    def waiting(self) -> list[bytes]:
        return [item.data for item in self.read().items]

    def delete(self, *indices: int) -> frames.Done:
        return self.do(inboxes.delete_items, frames.InboxDelete(ID, 0, indices), SCOPE)

    def put(self, *packages: frames.Package, clear: tuple[bytes, ...] = ()) -> frames.Done:
        frame = frames.PackagesPut(ID, 0, packages, clear)
        return self.do(inboxes.put_packages, frame, SCOPE)

    # --- strangers ---

    def posting(self, link: SigningKey, data: bytes, inbox: bytes = INBOX) -> frames.InboxPost:
        content = objects.inbox_post_content(RELAY, inbox, link.public, data)
        signature = link.sign(Label.INBOX_POST, content)
        return frames.InboxPost(ID, inbox, link.public, signature, self.worked(content), data)

    def post(self, link: SigningKey, data: bytes) -> frames.Done:
        return self.do(inboxes.post_item, self.posting(link, data))

    def taking(self, link: SigningKey, nonce: int, inbox: bytes = INBOX) -> frames.PackageTake:
        number = nonce.to_bytes(32, "big")
        content = objects.package_take_content(RELAY, inbox, link.public, number)
        signature = link.sign(Label.PACKAGE_TAKE, content)
        proof = self.worked(content)
        return frames.PackageTake(ID, inbox, link.public, number, signature, proof)

    def take(self, link: SigningKey, nonce: int) -> list[bytes]:
        answer = self.do(inboxes.take_packages, self.taking(link, nonce))
        return [package.data for package in answer.packages]

    def worked(self, content: bytes) -> bytes:
        difficulty = self.terms.limits.difficulty_inbox
        target = objects.work_target(content)
        return work.solve(RELAY, target, difficulty, now=self.now).encode()

    def expire_statements(self) -> None:
        with self.store.transaction():
            before = self.now // 60 - STATEMENT_MINUTES
            while self.store.inboxes.expire_statements(before=before):
                pass


def one_time(text: bytes, device: bytes = b"laptop") -> frames.Package:
    return frames.Package(device, False, text)


def last_resort(text: bytes, device: bytes = b"laptop") -> frames.Package:
    return frames.Package(device, True, text)
