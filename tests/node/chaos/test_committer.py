"""Who changes a group is killed at each step of it: the change comes to its end, or another one is first."""

from __future__ import annotations

import asyncio
from pathlib import Path

from heliogram.node import api
from heliogram.wire import frames
from tests.node.chaos.between import Ask, Between, relays
from tests.node.chaos.nodes import ALL, Node, acquaint, group, people

#: The frame at which it dies, and how many relays have answered it by then. They have: it has not heard.
Point = tuple[type[frames.Request], int]
POINTS: list[Point] = [
    *((frames.Lock, count) for count in range(5)),
    *((frames.Commit, count) for count in range(5)),
    *((frames.Decide, count) for count in range(5)),
]
#: The steps themselves: before LOCK, LOCK without an answer, a certificate of a quorum, DECIDE.
SOME = [POINTS[at] for at in (0, 3, 5, 7, 9, 10, 11)]


class Trap:
    """Lets frames of one kind through to so many relays, no answer back, and tells when that has happened."""

    def __init__(self, betweens: list[Between], point: Point) -> None:
        self.reached = asyncio.Event()
        self._betweens = betweens
        self._kind, self._allowed = point
        self._answered = 0
        for one in betweens:
            one.lie = self._lie

    async def _lie(self, request: frames.Request, ask: Ask) -> frames.Answer | None:
        if not isinstance(request, self._kind):
            return await ask()
        if self._allowed == 0:
            self.reached.set()
            return None
        self._allowed -= 1
        self._answered += 1
        await ask()
        self._answered -= 1
        if self._allowed == self._answered == 0:
            self.reached.set()
        return None

    def open(self) -> None:
        """Everything passes again."""
        for one in self._betweens:
            one.lie = None


class Tea:
    """Alice's group with Bob, in which Carol comes and goes."""

    def __init__(self, betweens: list[Between], everybody: list[Node], chat: str) -> None:
        self.betweens = betweens
        self.alice, self.bob, self.carol = everybody
        self.chat = chat
        self.count = 0
        self.carol_is_in = True

    async def change(self, kind: int) -> str:
        """Want a change; the name that it gives, if it gives one."""
        if kind == 0:
            name = f"Alice's {self.count}"
            await self.alice.call(api.SetProfile(self.chat, name=name))
            return name
        if self.carol_is_in:
            await self.alice.call(api.RemoveMembers(self.chat, ("Carol",)))
        else:
            await self.alice.call(api.AddMembers(self.chat, ("Carol",)))
        self.carol_is_in = not self.carol_is_in
        return ""

    async def die(self, point: Point, kind: int, *, meanwhile: bool) -> None:
        """Alice changes something and dies at `point`; Bob may want something `meanwhile`."""
        self.count += 1
        trap = Trap(self.betweens, point)
        names = {await self.change(kind)}
        async with asyncio.timeout(60):
            await trap.reached.wait()
        await self.alice.kill()
        trap.open()
        self.alice.check_copy()
        if meanwhile:
            names.add(f"Bob's {self.count}")
            await self.bob.call(api.SetProfile(self.chat, name=f"Bob's {self.count}"))
            await self.bob.until(api.GetChat(self.chat), lambda info: info.chat.name in names)
        await self.alice.start()
        await self.agreed(names - {""})

    async def agreed(self, names: set[str]) -> None:
        """All are in the same epoch with the same members and one of the names, and read each other."""
        there = [self.alice, self.bob] + [self.carol] * self.carol_is_in
        if self.carol_is_in:
            await self._let_in()
        else:
            await self.carol.until(api.GetChat(self.chat), lambda it: it.chat.phase == "out")
        async with asyncio.timeout(120):
            while True:
                infos = [await one.call(api.GetChat(self.chat)) for one in there]
                seals = {(one.authenticator, one.chat.name, one.chat.phase) for one in infos}
                counts = {len(one.members) for one in infos}
                named = not names or infos[0].chat.name in names
                if len(seals) == 1 and counts == {len(there)} and named:
                    break
                await asyncio.sleep(0.03)
        assert infos[0].chat.phase == "open"
        for one in there:
            text = f"{one.name} {self.count}"
            await one.call(api.SendMessage(self.chat, text))
            for other in there:
                history = await self._read(other, text)
                assert not any(it.kind == "unreadable" for it in history)
                assert [it.text for it in history].count(text) == 1

    async def _read(self, node: Node, text: str) -> list[api.Message]:
        def there(found: list[api.Message]) -> bool:
            return any(one.text == text for one in found)

        found: list[api.Message] = await node.until(api.GetHistory(self.chat), there)
        return found

    async def _let_in(self) -> None:
        async def inside() -> bool:
            chats = await self.carol.call(api.GetChats())
            return any(it.id == self.chat and it.phase == "open" for it in chats)

        async with asyncio.timeout(120):
            while not await inside():
                for request in await self.carol.call(api.GetRequests()):
                    await self.carol.call(api.AcceptRequest(request.id))
                await asyncio.sleep(0.03)


async def test_8_the_committer_dies_at_each_step(tmp_path: Path) -> None:
    """Before and after staging, LOCK, COMMIT, the certificate, DECIDE; with and without others who act."""
    async with relays(tmp_path) as betweens:
        addresses = [one.address for one in betweens]
        async with people(tmp_path, ("Alice", "Bob", "Carol"), addresses) as everybody:
            alice, bob, carol = everybody
            await acquaint(alice, bob)
            await acquaint(alice, carol)
            chat = await group("Tea", alice, bob, carol)
            await alice.call(api.SetRole(chat, "Bob", "admin"))
            await bob.until(
                api.GetChat(chat), lambda info: any(one.role == "admin" for one in info.members)
            )
            tea = Tea(betweens, everybody, chat)
            # Each change meets each step, or each step one of them.
            for offset in range(3 if ALL else 1):
                for number, point in enumerate(POINTS if ALL else SOME):
                    kind = (number + offset) % 3
                    try:
                        await tea.die(point, kind, meanwhile=bool((number + offset) % 2))
                    except BaseException as error:
                        error.add_note(f"at {point[0].__name__} {point[1]}, change {kind}")
                        raise
