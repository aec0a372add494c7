"""A process with nodes in it: reads orders, does them, tells what came of it.

python -m bench.node.worker
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench.machine import private_bytes
from bench.node.orders import (
    Answer,
    AnyOrder,
    Begin,
    Call,
    End,
    Gather,
    Hear,
    Inside,
    Invited,
    Meet,
    Met,
    Ready,
    Said,
    Say,
    Use,
    Used,
)
from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.errors import NodeError
from heliogram.node.local import LocalNode, create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs

#: What a passphrase costs is not measured.
CHEAP = Costs(memory=64, passes=1)
PHRASE = b"a passphrase"

_orders = msgspec.json.Decoder(AnyOrder)


class Watched:
    """A node, and when it told what."""

    def __init__(self, profile: Profile, node: LocalNode) -> None:
        self.profile, self.node = profile, node
        self.shown: dict[str, float] = {}
        self.count: Counter[str] = Counter()
        self.stored: dict[str, float] = {}
        #: What was said and is not stored yet.
        self.waiting: dict[str, asyncio.Future[None]] = {}
        self.known: dict[str, float] = {}
        self.requests: dict[str, float] = {}
        #: Groups by name: how many are in, and since when we are.
        self.groups: dict[str, int] = {}
        self.inside: dict[str, float] = {}
        #: What failed, by the command's or the state's name.
        self.troubles: list[str] = []
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def begin(cls, order: Begin) -> Watched:
        """Make or open the profile, and run its node."""
        directory, phrase = Directory(Path(order.home)), Secret(PHRASE)
        if directory.exists:
            profile = Profile.open(directory, lambda config: phrase)
        else:
            profile = Profile.create(directory, phrase, os.urandom, costs=CHEAP)
            create_profile_account(profile, order.name, now=int(time.time()))
        node = await open_node(profile)
        made = cls(profile, node)
        for relay in order.relays:
            await node.call(api.AddRelay(relay))
        return made

    async def end(self) -> None:
        """Close it."""
        self._task.cancel()
        await self.node.close()
        self.profile.close()

    async def _listen(self) -> None:
        async for notice in self.node.notices():
            now = time.monotonic()
            match notice:
                case api.MessageAdded(message) if not message.mine:
                    if message.text not in self.shown:
                        self.shown[message.text] = now
                        self.count[message.text.partition(" ")[0]] += 1
                case api.MessageChanged(message) if message.mine and message.state != "queued":
                    self.stored.setdefault(message.text, now)
                    if (waiting := self.waiting.pop(message.text, None)) is not None:
                        waiting.set_result(None)
                case api.ContactChanged(contact) if contact.state == "known":
                    self.known.setdefault(contact.who.name, now)
                case api.ContactChanged(contact) if contact.state == "failed":
                    self.troubles.append(f"a contact: {contact.trouble}")
                case api.CommandFailed():
                    self.troubles.append(f"{notice.command}: {notice.code}")
                case api.RequestAdded(request):
                    self.requests.setdefault(request.who.name, now)
                    await self._accept(request)
                case api.ChatChanged(chat):
                    self.groups[chat.name] = chat.members
                    if chat.phase == "open":
                        self.inside.setdefault(chat.name, now)
                case _:
                    continue
            self._news.set()

    async def _accept(self, request: api.Request) -> None:
        try:
            await self.node.call(api.AcceptRequest(request.id))
        except NodeError as error:
            self.troubles.append(f"accept: {error.code}")

    async def news(self) -> None:
        """Wait until something happens. Raises `RuntimeError` if it is trouble."""
        if not self.troubles:
            self._news.clear()
            await self._news.wait()
        if self.troubles:
            raise RuntimeError("; ".join(sorted(set(self.troubles))))

    # --- Orders -----------------------------------------------------------------------------------

    async def do(self, order: AnyOrder) -> Any:
        """Do it."""
        match order:
            case Call(_, command) if command is not None:
                return await self.node.call(command)
            case Ready():
                return await self._ready()
            case Say():
                return await self._say(order)
            case Hear():
                return await self._hear(order)
            case Invited():
                while order.name not in self.requests:
                    await self.news()
                return self.requests[order.name]
            case Meet():
                return await self._meet(order)
            case Gather():
                return await self._gather(order)
            case _:
                raise ValueError("no such order")

    async def _ready(self) -> None:
        while True:
            status: api.Status = await self.node.call(api.GetStatus())
            if status.packages > 0:
                break
            await asyncio.sleep(0.05)
        await self.node.drained()

    async def _say(self, order: Say) -> Said:
        said: dict[str, float] = {}
        room = asyncio.Semaphore(1 if order.apart else order.window)

        async def say(number: int) -> None:
            text = f"{order.tag} {number}: shall we meet at the bridge at noon, or later?"
            stored = self.waiting[text] = asyncio.get_running_loop().create_future()
            async with room:
                said[text] = time.monotonic()
                await self.node.call(api.SendMessage(order.chats[number % len(order.chats)], text))
                await stored
                await asyncio.sleep(max(0.0, said[text] + order.apart - time.monotonic()))

        async with asyncio.TaskGroup() as group:
            for number in range(order.count):
                group.create_task(say(number))
        return Said(said, {text: self.stored[text] for text in said})

    async def _hear(self, order: Hear) -> dict[str, float]:
        while self.count[order.tag] < order.count:
            await self.news()
        return {text: at for text, at in self.shown.items() if text.startswith(order.tag + " ")}

    async def _meet(self, order: Meet) -> Met:
        began = time.monotonic()
        for name, link in order.links.items():
            await self.node.call(api.AddContact(link, name))
        while not order.links.keys() <= self.known.keys():
            await self.news()
        return Met(began, {name: self.known[name] for name in order.links})

    async def _gather(self, order: Gather) -> tuple[float, float]:
        began = time.monotonic()
        await self.node.call(api.CreateGroup(order.name, order.members))
        while self.groups.get(order.name, 0) <= len(order.members):
            await self.news()
        return began, time.monotonic()


class Worker:
    """All nodes of this process."""

    def __init__(self) -> None:
        self._nodes: dict[int, Watched] = {}

    async def do(self, order: AnyOrder) -> Any:
        """Do it, whatever it is."""
        match order:
            case Begin():
                self._nodes[order.who] = await Watched.begin(order)
            case End():
                await self._nodes.pop(order.who).end()
            case Use():
                return self._used()
            case Hear(all_of_them=True):
                return await self._hear(order)
            case Inside():
                return await self._inside(order)
            case _:
                return await self._nodes[order.who].do(order)

    async def _hear(self, order: Hear) -> dict[str, float]:
        while sum(one.count[order.tag] for one in self._nodes.values()) < order.count:
            await asyncio.sleep(0.02)
        return {
            text: at
            for one in self._nodes.values()
            for text, at in one.shown.items()
            if text.startswith(order.tag + " ")
        }

    async def _inside(self, order: Inside) -> float:
        while True:
            there = [at for one in self._nodes.values() if (at := one.inside.get(order.name))]
            if len(there) >= order.count:
                return max(there)
            troubles = {text for one in self._nodes.values() for text in one.troubles}
            if troubles:
                raise RuntimeError("; ".join(sorted(troubles)))
            await asyncio.sleep(0.02)

    def _used(self) -> Used:
        turns = [one.node.shell.turns for one in self._nodes.values()]
        return Used(
            time.process_time(),
            sum(one.count for one in turns),
            sum(one.total for one in turns),
            private_bytes(os.getpid()),
        )

    async def end(self) -> None:
        """Close all of them."""
        for one in self._nodes.values():
            await one.end()


async def work() -> None:
    """Until nobody orders any more."""
    worker = Worker()
    reader = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            try:
                answer = Answer(await worker.do(_orders.decode(line)))
            except Exception as error:
                answer = Answer(trouble=f"{type(error).__name__}: {error}")
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()
    finally:
        await worker.end()


if __name__ == "__main__":
    uvloop.run(work())
