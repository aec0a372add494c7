"""Carries asks to real relays, one connection a circuit and relay, and brings back the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import aiohttp
import msgspec

from heliogram.node.asking import Ask, InboxScope, LogScope, Scope, Work
from heliogram.node.engine.engine import Answered, Input, Lost, Opened, Parted, Pushed
from heliogram.node.inbox.own import OwnInbox
from heliogram.wire import frames, work
from tests.relay.client import Client
from tests.relay.client import Lost as ClientLost


class Carrier:
    """Sockets of one person. `down` are keys of relays that cannot be reached just now."""

    def __init__(self, places: Mapping[bytes, str]) -> None:
        self.places = places
        self.down: set[bytes] = set()
        #: What a relay says in the place of an answer, if it lies.
        self.lie: Callable[[bytes, frames.Request, frames.Answer], frames.Answer] = _honest
        #: Requests that were answered, with the relay: what a relay saw.
        self.seen: list[tuple[bytes, frames.Request]] = []
        self._clients: dict[tuple[bytes, bytes], Client] = {}
        self._channels: dict[tuple[bytes, bytes], dict[Scope, int]] = {}
        self._pushed: list[Input] = []

    async def carry(self, asks: Iterable[tuple[bytes, Ask]]) -> list[Input]:
        """The answers to all of these, and what relays said by themselves before."""
        answers = await asyncio.gather(*(self._carry(circuit, ask) for circuit, ask in asks))
        pushed, self._pushed = self._pushed, []
        return [*pushed, *(one for answer in answers for one in answer)]

    async def _carry(self, circuit: bytes, ask: Ask) -> list[Input]:
        place = circuit, ask.relay.key
        try:
            client = await self._client(place)
            opened = await self._open(place, client, ask)
            if opened and isinstance(answer := opened[-1], frames.Failure):
                return [Answered(ask, _finished(client, ask), answer)]
            request = _finished(client, ask)
            if ask.scope is not None and not isinstance(request, frames.InboxOpen):
                request = msgspec.structs.replace(request, channel=self._channels[place][ask.scope])
            answer = await client.request(request, failures=True)
        except (ClientLost, aiohttp.ClientError, OSError):
            await self._drop(place)
            lost: list[Input] = [Lost(ask)]
            if isinstance(ask.source, OwnInbox):
                lost.append(Parted(ask.source, ask.relay.key))
            return lost
        answer = self.lie(ask.relay.key, request, answer)
        self.seen.append((ask.relay.key, request))
        inputs: list[Input] = [Answered(ask, request, answer)]
        if opened and isinstance(ask.scope, InboxScope):
            authorised = opened[-1]
            assert isinstance(authorised, frames.Authorised) and isinstance(ask.source, OwnInbox)
            inputs.insert(0, Opened(ask.source, ask.relay.key, ask.scope, authorised))
        return inputs

    async def _client(self, place: tuple[bytes, bytes]) -> Client:
        if place[1] in self.down:
            raise OSError
        if place not in self._clients or self._clients[place].ended.is_set():
            await self._drop(place)
            self._clients[place] = await Client.connect(self.places[place[1]], place[1])
            self._channels[place] = {}
        return self._clients[place]

    async def _open(
        self, place: tuple[bytes, bytes], client: Client, ask: Ask
    ) -> list[frames.Answer]:
        """The answer to the opening of a channel, if one was needed."""
        scope, channels = ask.scope, self._channels[place]
        if scope is None or scope in channels:
            return []
        assert not isinstance(scope, LogScope)
        number = len(channels)
        frame = client.core.authorise_inbox(number, scope.inbox, scope.key)
        answer = await client.request(frame, failures=True)
        if isinstance(answer, frames.Authorised):
            channels[scope] = number
            source = ask.source
            assert isinstance(source, OwnInbox)

            def pushed(push: frames.Push) -> None:
                self._pushed.append(Pushed(source, place[1], push))

            client.on_push = pushed
        return [answer]

    async def _drop(self, place: tuple[bytes, bytes]) -> None:
        self._channels.pop(place, None)
        client = self._clients.pop(place, None)
        if client is not None:
            await client.close()

    async def part(self) -> None:
        """End all connections."""
        for place in list(self._clients):
            await self._drop(place)


def _honest(relay: bytes, request: frames.Request, answer: frames.Answer) -> frames.Answer:
    return answer


def _finished(client: Client, ask: Ask) -> frames.Request:
    if not isinstance(ask.request, Work):
        return ask.request
    limits = client.greeting.limits
    difficulty = limits.difficulty_open if ask.request.opens else limits.difficulty_inbox
    proof = work.solve(client.relay, ask.request.target, difficulty, now=client.greeting.time)
    return ask.request.finish(proof.encode())
