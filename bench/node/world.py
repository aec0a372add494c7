"""Relays and workers for one measurement: all of them processes, with their data in one folder."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import msgspec

from bench.node.orders import Answer, AnyOrder, Begin, Call, Meet, Met, Ready, Use, Used
from heliogram.cli.processes import Relay
from heliogram.node import api

ROOT = Path(__file__).parents[2]
RELAYS = 4
WORKER = (sys.executable, "-m", "bench.node.worker")

#: All people of a benchmark have one address: what a relay allows to one must do for a hundred of them.
MANY = ("--connections-per-minute=100000", "--max-connections-per-address=10000")

#: Seconds for one order.
PATIENCE = 300.0

_answers = msgspec.json.Decoder(Answer)


class NotDone(Exception):
    """A worker did not do what it was told. Says what, for whoever runs the benchmark."""


class Hand:
    """A worker, seen from here."""

    def __init__(self, process: Process) -> None:
        """Use `World.hand`."""
        self._process = process
        self._lock = asyncio.Lock()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def do(self, order: AnyOrder, kind: Any = Any) -> Any:
        """Have it do something; the answer, as a value of `kind`. Raises `NotDone`."""
        into, out = self._process.stdin, self._process.stdout
        if into is None or out is None:
            raise NotDone("the worker has no pipes")
        async with self._lock:
            try:
                async with asyncio.timeout(PATIENCE):
                    into.write(msgspec.json.encode(order) + b"\n")
                    line = await out.readline()
            except TimeoutError:
                raise NotDone(f"{type(order).__name__}: not done in {PATIENCE:.0f} s") from None
        if not line:
            raise NotDone(f"{type(order).__name__}: the worker has ended")
        answer = _answers.decode(line)
        if answer.trouble:
            raise NotDone(f"{type(order).__name__}: {answer.trouble}")
        return msgspec.convert(answer.value, kind)

    async def call(self, command: api.Command, who: int = 0) -> Any:
        """A node's answer to one command."""
        return await self.do(Call(who, command), command.Result)  # type: ignore[arg-type]

    async def used(self) -> Used:
        """What it has used so far."""
        used: Used = await self.do(Use(), Used)
        return used

    async def end(self) -> None:
        """Have it close its nodes, and wait."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class World:
    """Four relays, and workers. Use it as a context manager."""

    def __init__(self, folder: Path, relays: int = RELAYS) -> None:
        """Nothing is started yet; `folder` is there."""
        self.folder = folder
        self.relays = [Relay(folder / f"relay-{at}", MANY) for at in range(1, relays + 1)]
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for relay in self.relays:
            self._stack.push_async_callback(relay.stop)
        try:
            await asyncio.gather(*(relay.start() for relay in self.relays))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def hand(self) -> Hand:
        """A worker without nodes."""
        process = await create_subprocess_exec(
            *WORKER,
            cwd=ROOT,
            stdin=PIPE,
            stdout=PIPE,
            limit=1 << 26,
        )
        made = Hand(process)
        self._stack.push_async_callback(made.end)
        return made

    async def begin(self, hand: Hand, name: str, who: int = 0) -> None:
        """A node in a worker; new, or as it was, if there was one of this name."""
        addresses = tuple(relay.address for relay in self.relays)
        await hand.do(Begin(who, str(self.folder / name), name, addresses))

    async def person(self, name: str) -> Hand:
        """A node in a process of its own, that is ready."""
        hand = await self.hand()
        await self.begin(hand, name)
        await hand.do(Ready())
        return hand


async def befriend(one: Hand, others: Hand, names: Sequence[str], first: int = 0) -> Met:
    """`one` opens a link of each node of `others` from the `first` on, who are called so."""
    links = {}
    for who, name in enumerate(names, first):
        link: api.ContactLink = await others.call(api.NewLink(), who)
        links[name] = link.uri
    met: Met = await one.do(Meet(links=links), Met)
    return met


async def chat_with(hand: Hand, name: str) -> str:
    """The id of the conversation with a contact."""
    info: api.ChatInfo = await hand.call(api.GetChat(name))
    return info.chat.id
