"""What every load of a campaign shares: requests that are counted, and a relay that dies at one of them.

A load keeps a ledger of what was asked and what was answered. What was answered must hold after every crash;
what was not has an unknown outcome, and both are allowed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Protocol, TypeVar

import aiohttp
import apsw

from heliogram.wire import ErrorCode, frames
from tests.relay.client import Client, Lost, seeded
from tests.relay.process import RelayProcess

T = TypeVar("T", bound=frames.Answer)


class Refused(Exception):
    """The disk failed, and the relay said so."""


#: How a load ends: the relay was killed, or its disk fails.
DEAD = (Lost, aiohttp.ClientError, ConnectionError, Refused)

#: What a relay says when its disk fails.
DISK = (ErrorCode.DISK_FULL, ErrorCode.UNAVAILABLE)


class Relay:
    """A relay under load. It is killed after so many answers or requests, and a moment."""

    def __init__(self, process: RelayProcess) -> None:
        self.process = process
        #: What was answered, by the kind of the answer.
        self.acked: Counter[str] = Counter()
        self.dead = False
        #: What happens to it in the end, in the place of being killed.
        self.fate: Callable[[], None] = self._kill
        #: Refusals that it is allowed now, and how often each was heard.
        self.allowed: tuple[ErrorCode, ...] = ()
        self.refused: Counter[ErrorCode] = Counter()
        self._dying = True
        self._answers = self._requests = 0
        self._moment = 0.0

    def arm(self, *, answers: int, requests: int, moment: float) -> None:
        """Count from here. It dies `moment` seconds after one of the two is reached."""
        self._answers, self._requests, self._moment = answers, requests, moment
        self.dead = self._dying = False

    def disarm(self) -> None:
        """Let it live, until `arm`."""
        self.dead, self._dying = False, True

    async def connect(self, seed: str) -> Client:
        """A new connection."""
        return await Client.connect(self.process.where, self.process.key, entropy=seeded(seed))

    async def ask(self, client: Client, frame: frames.Request) -> frames.Answer:
        """The answer, a failure too. Raises one of `DEAD` when the relay dies first or its disk fails."""
        self.sent()
        answer = await client.request(frame, failures=True)
        if isinstance(answer, frames.Failure) and answer.code in DISK:
            self.refuse(ErrorCode(answer.code))
        self.answered(type(answer).__name__)
        return answer

    async def must(self, client: Client, frame: frames.Request, kind: type[T]) -> T:
        """The answer, which must be of this kind."""
        answer = await self.ask(client, frame)
        assert isinstance(answer, kind), said(answer)
        return answer

    def sent(self) -> None:
        """A request leaves. Raises `Lost` when there is nobody to take it."""
        if self.dead:
            raise Lost(None)
        self._requests -= 1
        if self._requests <= 0 and not self._dying:
            self._die_soon()

    def answered(self, kind: str) -> None:
        """An answer has come. What had left the relay before it died counts too."""
        self.acked[kind] += 1
        self._answers -= 1
        if self._answers <= 0 and not self._dying:
            self._die_soon()

    def refuse(self, code: ErrorCode) -> None:
        """The relay has refused a request because of its disk. Raises `Refused`."""
        assert code in self.allowed, code.name
        self.refused[code] += 1
        raise Refused

    def _die_soon(self) -> None:
        # At once it would mostly die between two batches: answers come when all is on disk.
        self._dying = True
        asyncio.get_running_loop().call_later(self._moment, self.fate)

    def _kill(self) -> None:
        self.dead = True
        self.process.kill()


class Load(Protocol):
    """One kind of load, with its ledger."""

    async def connect(self) -> None:
        """Connect, and begin on a new relay."""

    async def run(self, rng: Random) -> None:
        """Work until the relay is killed: ends by one of `DEAD`."""

    async def check(self, rng: Random) -> None:
        """After a restart: what was answered holds. What was under way is resolved."""

    async def check_all(self) -> None:
        """All that was ever answered holds."""

    def check_copy(self, database: apsw.Connection) -> None:
        """The same on a copy of the database, before the relay starts again."""

    async def close(self) -> None:
        """Close the connections."""


def said(answer: frames.Answer) -> str:
    """What an unexpected answer was."""
    if isinstance(answer, frames.Failure):
        return f"Failure {ErrorCode(answer.code).name} {answer.detail}"
    return type(answer).__name__


def chosen(rng: Random, *choices: tuple[float, Callable[[], T]]) -> T:
    """What one of `choices` gives, each as likely as its weight."""
    weights = [weight for weight, _ in choices]
    return rng.choices([make for _, make in choices], weights)[0]()
