"""An inbox on a real store against a model of it: any schedule of its owner and of strangers."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heliogram.relay.budgets import Budgets
from heliogram.relay.errors import NotAuthorised, NothingLeft
from heliogram.relay.inboxes import STATEMENT_MINUTES
from heliogram.relay.store import Store
from heliogram.wire import frames
from tests.relay.inbox_world import DONE, LINKS, TERMS, World, last_resort, one_time

TEXTS = st.sampled_from([b"a", b"b", b"c"])
CHOICE = st.integers(0, len(LINKS) - 1)
DEVICES = st.sampled_from([b"laptop", b"phone", b""])


class Inbox(RuleBasedStateMachine):
    """An inbox and a model of it, also across crashes. No one-time package is given twice."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name, "relay.db")
        self.world = World(path, replace(TERMS, takes_per_day=1000, items_per_day=1000))
        #: Posts and takings that are left; None for any number.
        self.links: dict[int, list[int | None]] = {}
        self.items: list[tuple[int, int, bytes]] = []
        self.next = 0
        #: By statement: when.
        self.posted: dict[tuple[int, bytes], int] = {}
        self.taken: dict[tuple[int, int], tuple[int, list[bytes]]] = {}
        self.pool: list[frames.Package] = []
        self.made = 0
        self.puts: list[tuple[int, tuple[frames.Package, ...], tuple[bytes, ...]]] = []
        self.given: set[bytes] = set()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.world.store.close()
            self.folder.cleanup()

    def fresh(self, when: int) -> bool:
        return self.world.now - when <= 60 * STATEMENT_MINUTES

    @rule(link=CHOICE, uses=st.integers(0, 2))
    def add_link(self, link: int, uses: int) -> None:
        self.world.add_link(LINKS[link], uses)
        self.links[link] = [uses or None, uses or None]

    @rule(link=CHOICE)
    def revoke(self, link: int) -> None:
        self.world.revoke(LINKS[link])
        self.links.pop(link, None)
        self.items = [one for one in self.items if one[1] != link]

    @rule(link=CHOICE, data=TEXTS)
    def post(self, link: int, data: bytes) -> None:
        left = self.links.get(link)
        known = self.fresh(self.posted.get((link, data), 0))
        if left is None or (left[0] == 0 and not known):
            with pytest.raises(NotAuthorised):
                self.world.post(LINKS[link], data)
            return
        assert self.world.post(LINKS[link], data) == DONE
        if known:
            return
        self.posted[link, data] = self.world.now
        if left[0] is not None:
            left[0] -= 1
        if all(one[1:] != (link, data) for one in self.items):
            self.items.append((self.next, link, data))
            self.next += 1

    @rule(indices=st.lists(st.integers(0, 20), max_size=3))
    def delete(self, indices: list[int]) -> None:
        self.world.delete(*indices)
        self.items = [one for one in self.items if one[0] not in indices]

    @rule(once=st.lists(DEVICES, max_size=3), last=st.lists(DEVICES, max_size=2),
          clear=st.lists(DEVICES, max_size=1))  # fmt: skip
    def put(self, once: list[bytes], last: list[bytes], clear: list[bytes]) -> None:
        packages = []
        for kind, devices in ((one_time, once), (last_resort, last)):
            for device in devices:
                self.made += 1
                packages.append(kind(b"%d" % self.made, device))
        self.puts.append((self.world.now, tuple(packages), tuple(clear)))
        self.do_put(len(self.puts) - 1)

    @rule(number=st.integers(0, 5))
    def put_again(self, number: int) -> None:
        """As who has heard no answer does, soon."""
        if number < len(self.puts) and self.fresh(self.puts[number][0]):
            self.do_put(number)

    def do_put(self, number: int) -> None:
        _, packages, clear = self.puts[number]
        self.world.put(*packages, clear=clear)
        self.pool = [one for one in self.pool if one.device not in clear]
        for package in packages:
            if package.last_resort:
                same = (package.device, True)
                self.pool = [one for one in self.pool if (one.device, one.last_resort) != same]
            elif package in self.pool or package.data in self.given:
                continue
            self.pool.append(package)

    @rule(link=CHOICE, nonce=st.integers(0, 3))
    def take(self, link: int, nonce: int) -> None:
        left = self.links.get(link)
        when, packages = self.taken.get((link, nonce), (0, []))
        if left is not None and self.fresh(when):
            assert self.world.take(LINKS[link], nonce) == packages
        elif left is None or left[1] == 0:
            with pytest.raises(NotAuthorised):
                self.world.take(LINKS[link], nonce)
        elif not self.pool:
            with pytest.raises(NothingLeft):
                self.world.take(LINKS[link], nonce)
        else:
            self.take_anew(link, nonce, left)

    def take_anew(self, link: int, nonce: int, left: list[int | None]) -> None:
        chosen: dict[bytes, frames.Package] = {}
        for package in sorted(self.pool, key=lambda one: one.last_resort):
            chosen.setdefault(package.device, package)
        packages = [chosen[device].data for device in sorted(chosen)]
        assert self.world.take(LINKS[link], nonce) == packages
        once = [one for one in chosen.values() if not one.last_resort]
        assert not self.given & {one.data for one in once}
        self.given |= {one.data for one in once}
        self.pool = [one for one in self.pool if one not in once]
        self.taken[link, nonce] = (self.world.now, packages)
        if left[1] is not None:
            left[1] -= 1

    @rule(minutes=st.sampled_from([1, 10, 31, 60]))
    def wait(self, minutes: int) -> None:
        self.world.now += 60 * minutes
        self.world.expire_statements()

    @rule()
    def crash(self) -> None:
        """In the middle of a transaction. Budgets are forgotten, nothing else."""
        world = self.world
        try:
            with world.store.transaction():
                for table in ("items", "links", "packages", "posted", "taken", "given"):
                    world.store.database.run(f"DELETE FROM {table}")
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        world.store.close()
        world.store = Store(world.path, writes=True)
        world.budgets = Budgets()

    @invariant()
    def the_owner_sees_what_waits(self) -> None:
        if hasattr(self, "world"):
            page = self.world.read()
            seen = [(item.index, item.link, item.data) for item in page.items]
            assert seen == [(at, LINKS[link].public, data) for at, link, data in self.items]
            assert page.next == page.end == self.next


TestInbox = Inbox.TestCase
TestInbox.settings = settings(max_examples=40, stateful_step_count=40)
