"""Kill nodes while they talk, again and again, with and without the power, and hold them to what they said.

    python -m pytest -s tests/node/chaos/test_kills.py           # HELIOGRAM_NODE_KILLS=20 by default
    HELIOGRAM_SEED=7 HELIOGRAM_NODE_KILLS=1000 ...               # the same choices again

Three people, each with a node in a process of its own, and four relays. They get in touch, found groups,
talk, edit, react, rename, add and remove each other and send files; all of it while one of them is killed:
after a time that is drawn, or when so many frames have passed; at times while it ends as it was told to.
Every second time the power is lost as well.
Then the node starts again, and all goes on; every few kills everybody waits until all is settled, and
`ledger` is asked.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from heliogram.node import api
from heliogram.node.errors import NodeError
from tests.node.chaos.between import Between
from tests.node.chaos.ledger import Talk, tried
from tests.node.chaos.nodes import (
    PATIENCE,
    Died,
    Node,
    address,
    introduce,
    known,
)
from tests.relay.process import RelayProcess

#: Kills in the same world, and between two looks at all that was promised.
LIFE, LOOK = 60, 5

#: Groups that are founded in one life at most.
FOUNDED = 4


@dataclass
class Figures:
    """What a campaign has done."""

    kills: int = 0
    cuts: int = 0
    lost: int = 0
    looks: int = 0
    said: int = 0
    epochs: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0

    def __str__(self) -> str:
        acts = ", ".join(f"{count} {kind}" for kind, count in self.acts.most_common())
        return (
            f"{self.kills} nodes killed in {self.seconds:.0f} s, {self.cuts} of them with the power lost"
            f" and {self.lost} writes with it; {acts}\n"
            f"{self.said} messages said and shown once to all in one order, {self.epochs} epochs,"
            f" {self.looks} looks; 0 promises broken"
        )


class Kill:
    """When the victim dies: after so many seconds, or so many frames; and for how long it was ending then."""

    def __init__(self, victim: Node, rng: Random, betweens: list[Between]) -> None:
        self.victim = victim
        self._seconds = rng.uniform(0, 0.3) if rng.random() < 0.6 else None
        self._frames = rng.randrange(1, 40)
        self._reached = asyncio.Event()
        self._ending = rng.uniform(0, 0.15) if rng.random() < 0.25 else None
        for one in betweens:
            one.asked = self._count

    def _count(self, *_: object) -> None:
        self._frames -= 1
        if self._frames == 0 and self._seconds is None:
            self._reached.set()

    async def run(self) -> None:
        """Kill it then."""
        try:
            await asyncio.wait_for(self._reached.wait(), self._seconds or 1.5)
        except TimeoutError:
            pass
        if self._ending is not None:
            self.victim.signal(signal.SIGTERM)
            await asyncio.sleep(self._ending)
        await self.victim.kill()


class Life:
    """A world from its making to its last look."""

    def __init__(self, root: Path, library: Path | None, figures: Figures, rng: Random) -> None:
        self.root = root
        self.figures = figures
        self.rng = rng
        root.mkdir(parents=True)
        self.relays = [RelayProcess(root / f"relay-{i}") for i in range(4)]
        self.betweens: list[Between] = []
        self.people = [Node(root, name, library) for name in ("Alice", "Bob", "Carol")]
        self.group: Talk | None = None
        self.talks: list[Talk] = []
        #: Messages by which a file was sent, and the names of groups that were founded by whom.
        self.founded: dict[str, Node] = {}
        self.spoken = 0
        self.power = library is not None

    async def begin(self) -> None:
        """Start all, get in touch (somebody is killed meanwhile), found a group."""
        alice, bob, carol = self.people
        for relay in self.relays:
            relay.start()
            self.betweens.append(await Between(relay).__aenter__())
        for one in self.people:
            one.make()
        await asyncio.gather(*(one.start() for one in self.people))
        places = [address(one.process, one.where) for one in self.betweens]
        await asyncio.gather(*(introduce(one, places) for one in self.people))
        for one, other in ((alice, bob), (alice, carol), (bob, carol)):
            await self.meet(one, other)
        made = await self.people[0].call(api.CreateGroup("Tea", ("Bob", "Carol")))
        await self.all_in(made.id, [bob, carol])
        await alice.call(api.SetRole(made.id, "Bob", "admin"))
        # Before he knows that he may give it a name, his wishes are refused.
        await bob.until(
            api.GetChat(made.id),
            lambda info: any(one.who.me and one.role == "admin" for one in info.members),
        )
        self.group = Talk(self.people, {one.name: made.id for one in self.people})
        self.talks = [self.group, *[await self.direct(one, other) for one, other in (
            (alice, bob), (alice, carol), (bob, carol))]]  # fmt: skip

    async def direct(self, one: Node, other: Node) -> Talk:
        """The conversation of two."""
        names = {}
        for who, about in ((one, other), (other, one)):
            (contact,) = [
                it for it in await who.call(api.GetContacts()) if it.who.name == about.name
            ]
            names[who.name] = contact.chat
        return Talk([one, other], names)

    async def meet(self, one: Node, other: Node) -> None:
        """First contact, in which one of the two is killed twice."""
        link = (await other.call(api.NewLink())).uri

        async def ask() -> None:
            await one.call(api.AddContact(link))

        async def answer() -> None:
            while True:
                waiting = await other.call(api.GetRequests())
                for request in waiting:
                    await other.call(api.AcceptRequest(request.id))
                    return
                await asyncio.sleep(0.01)

        await self.survive("first contact", self.rng.choice((one, other)), ask, one)
        if not any(it.who.name == other.name for it in await one.call(api.GetContacts())):
            await one.call(api.AddContact(link))
        await self.survive("first contact", self.rng.choice((one, other)), answer, other)
        async with asyncio.timeout(PATIENCE):
            while True:
                found = [await it.call(api.GetContacts()) for it in (one, other)]
                if known(found[0], other.name) and known(found[1], one.name):
                    return
                for request in await other.call(api.GetRequests()):
                    await other.call(api.AcceptRequest(request.id))
                await asyncio.sleep(0.03)

    async def all_in(self, chat: str, guests: list[Node]) -> None:
        """All who were invited go in."""
        for one in guests:
            async with asyncio.timeout(PATIENCE):
                while all(it.id != chat for it in await one.call(api.GetChats())):
                    for request in await one.call(api.GetRequests()):
                        await tried(one, api.AcceptRequest(request.id))
                    await asyncio.sleep(0.03)

    # --- Kills ------------------------------------------------------------------------------------

    async def survive(
        self, what: str, victim: Node, act: Callable[[], Awaitable[None]], actor: Node
    ) -> bool:
        """Do something while somebody is killed, start them again. Whether it was done.

        Raises `TimeoutError` if it goes on for `PATIENCE` after that: whatever is asked for has an end.
        """
        slow = self.power and self.rng.random() < 0.5
        switch = victim.journal / "slow"
        if slow:
            switch.touch()
        kill = Kill(victim, self.rng, self.betweens)
        killing = asyncio.create_task(kill.run())
        done = True
        doing = asyncio.ensure_future(act())
        await killing
        if actor is victim:
            try:
                await asyncio.wait_for(doing, PATIENCE)
            except (Died, NodeError):
                done = False
        switch.unlink(missing_ok=True)
        self.figures.kills += 1
        self.figures.acts[what] += 1
        if self.power and self.figures.kills % 2:
            loss = victim.lose(self.rng)
            self.figures.cuts += 1
            self.figures.lost += loss.lost
        else:
            victim.mend()
        victim.check_copy()
        await victim.start()
        if actor is not victim:
            await asyncio.wait_for(doing, PATIENCE)
        return done

    async def round(self) -> None:
        """One kill."""
        rng = self.rng
        victim = rng.choice(self.people)
        others = [one for one in self.people if one is not victim]
        acts = {
            "send": (6, lambda: self.chatter(self.people), victim),
            "receive": (3, lambda: self.chatter(others), others[0]),
            "rename": (3, lambda: self.rename(self.people[:2]), victim),
            "edit and react": (2, lambda: self.touch(victim), victim),
            "file": (2, lambda: self.send_file(victim), victim),
            "fetch": (2, lambda: self.fetch(victim), victim),
            "found": (1 if len(self.founded) < FOUNDED else 0, lambda: self.found(victim), victim),
            "remove and add": (2, self.revolve, self.people[0]),
        }
        kinds = list(acts)
        (kind,) = rng.choices(kinds, [acts[one][0] for one in kinds])
        _, act, actor = acts[kind]
        await self.survive(kind, victim, act, actor)

    # --- Acts: what returned is promised ----------------------------------------------------------

    async def chatter(self, speakers: list[Node]) -> None:
        """Each says a few things here and there."""
        await asyncio.gather(*(self.speak(one, self.rng.randrange(1, 6)) for one in speakers))

    async def speak(self, who: Node, times: int) -> None:
        for _ in range(times):
            talk = self.rng.choice([one for one in self.talks if who in one.members])
            await self.say(who, talk)

    async def say(self, who: Node, talk: Talk, *, file: bytes = b"") -> None:
        """Say something; with a file if there are bytes."""
        self.spoken += 1
        text = f"{who.name} {self.figures.kills}.{self.spoken}"
        files: tuple[str, ...] = ()
        if file:
            path = self.root / f"{text}.bin"
            path.write_bytes(file)
            files = (str(path),)
        talk.maybe.add(text)
        message = await tried(who, api.SendMessage(talk.id(who), text, files=files))
        if isinstance(message, api.Message):
            talk.said[message.id] = text
            self.figures.said += 1
            if file:
                talk.files[message.id] = file

    async def touch(self, who: Node) -> None:
        """Edit something of ours; react to something."""
        talk = self.rng.choice([one for one in self.talks if who in one.members])
        ours = [id for id, text in talk.said.items() if text.startswith(who.name)]
        if ours:
            id = self.rng.choice(ours)
            self.spoken += 1
            text = f"{who.name} {self.figures.kills}.{self.spoken} edited"
            allowed = talk.edits.get(id, {talk.said[id]})
            talk.edits[id] = allowed | {text}
            if await tried(who, api.EditMessage(id, text)) is not None:
                talk.edits[id] = {text}
        shown = await tried(who, api.GetHistory(talk.id(who), limit=30))
        for one in shown if isinstance(shown, list) else []:
            if one.id and self.rng.random() < 0.1:
                emoji = self.rng.choice("👍🎉🙃")
                if await tried(who, api.React(one.id, emoji)) is not None:
                    me = await tried(who, api.GetStatus())
                    if isinstance(me, api.Status):
                        talk.reactions.add((one.id, me.me.account, emoji))

    async def rename(self, who: list[Node]) -> None:
        """Several give the group another name at once."""
        talk = self.talks[0]

        async def give(one: Node) -> None:
            self.spoken += 1
            name = f"{one.name}'s {self.figures.kills}.{self.spoken}"
            talk.perhaps.add(name)
            if await tried(one, api.SetProfile(talk.id(one), name=name)) is not None:
                talk.perhaps.discard(name)
                talk.renamed.append(name)

        await asyncio.gather(*(give(one) for one in who), self.speak(who[0], 2))

    async def send_file(self, who: Node) -> None:
        """Send a file of some hundred kilobytes."""
        talk = self.rng.choice([one for one in self.talks if who in one.members])
        await self.say(who, talk, file=self.rng.randbytes(self.rng.choice((1000, 300_000))))

    async def fetch(self, who: Node) -> None:
        """Fetch what there is."""
        for talk in self.talks:
            for id in talk.files if who in talk.members else ():
                await tried(who, api.GetFile(id))

    async def found(self, who: Node) -> None:
        """Found a group. Its name is no other one's: one whose founder was interrupted may be there."""
        self.spoken += 1
        name = f"{who.name}'s group {self.spoken}"
        others = tuple(one.name for one in self.people if one is not who)
        if await tried(who, api.CreateGroup(name, others)) is not None:
            self.founded[name] = who

    async def revolve(self) -> None:
        """Alice has a group with Bob in which Carol comes and goes."""
        alice, _, _ = self.people
        chats = await tried(alice, api.GetChats())
        ours = [one for one in chats if one.name == "Door"] if isinstance(chats, list) else []
        if not ours:
            if await tried(alice, api.CreateGroup("Door", ("Bob", "Carol"))) is not None:
                self.founded["Door"] = alice
            return
        info = await tried(alice, api.GetChat(ours[0].id))
        if isinstance(info, api.ChatInfo):
            there = any(one.who.name == "Carol" for one in info.members)
            change = api.RemoveMembers if there else api.AddMembers
            await tried(alice, change(ours[0].id, ("Carol",)))

    # --- Looks ------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Wait until all is settled, and hold it against what was promised."""
        self.figures.looks += 1
        await self.go_in()
        for talk in self.talks:
            await talk.settled()
            await talk.files_arrive()
        for one in self.people:
            assert "a turn failed" not in one.text(), one.text()[-2000:]

    async def go_in(self) -> None:
        """Groups that were founded have all their members; nothing waits."""
        for one in self.people:
            for request in await one.call(api.GetRequests()):
                await tried(one, api.AcceptRequest(request.id))
        for name, who in self.founded.items():
            if name == "Door":
                continue
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = [it for it in await who.call(api.GetChats()) if it.name == name]
                    assert len(found) == 1, f"{len(found)} groups of one name"
                    info = await who.call(api.GetChat(found[0].id))
                    if len(info.members) == 3:
                        break
                    await asyncio.sleep(0.05)
            if all(found[0].id not in talk.names.values() for talk in self.talks):
                await self.all_in(found[0].id, [one for one in self.people if one is not who])
                names = {one.name: found[0].id for one in self.people}
                self.talks.append(Talk(self.people, names))

    async def end(self) -> None:
        """A last look, and what it came to."""
        await self.look()
        for talk in self.talks:
            info = await talk.members[0].call(api.GetChat(talk.id(talk.members[0])))
            self.figures.epochs += info.epoch
        for one in self.people:
            await one.stop()
            one.check_copy()

    async def abandon(self) -> None:
        """Leave nothing that runs."""
        for one in self.people:
            await one.end()
        for between in self.betweens:
            await between.__aexit__(None, None, None)
        for relay in self.relays:
            if relay.running:
                relay.kill()


async def run(root: Path, library: Path | None, *, kills: int, seed: int) -> Figures:
    """A campaign; its figures. Raises `AssertionError` that says what was not kept."""
    figures = Figures()
    began = time.monotonic()
    while figures.kills < kills:
        life = Life(root / f"{figures.kills}", library, figures, Random(f"{seed} {figures.kills}"))
        first = figures.kills
        try:
            await life.begin()
            while figures.kills < min(kills, first + LIFE):
                await life.round()
                if figures.kills % LOOK == 0:
                    await life.look()
            await life.end()
        except BaseException as error:
            error.add_note(f"HELIOGRAM_SEED={seed}, kill {figures.kills}, data in {life.root}")
            raise
        finally:
            await life.abandon()
        shutil.rmtree(life.root)
        figures.seconds = time.monotonic() - began
        if figures.kills < kills:
            print(figures, flush=True)
    return figures
