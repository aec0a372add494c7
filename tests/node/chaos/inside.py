"""Nodes in the test's own process: many of them, with other clocks, or looked into."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.local import LocalNode, create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs
from tests.node.chaos.nodes import PATIENCE, known

_PHRASE = Secret(b"a passphrase")


class Inside:
    """One person's node here. `ahead`: seconds that its clock is ahead."""

    def __init__(self, root: Path, name: str, *, ahead: float = 0.0) -> None:
        """Make the profile."""
        self.name = name
        self._directory = Directory(root / name.lower())
        self._ahead = ahead
        self._profile: Profile | None = Profile.create(
            self._directory, _PHRASE, os.urandom, costs=Costs(memory=64, passes=1)
        )
        create_profile_account(self._profile, name, now=int(self.time()))
        self.node: LocalNode

    def time(self) -> float:
        """What its clock says."""
        return time.time() + self._ahead

    async def start(self) -> None:
        """Open it."""
        if self._profile is None:
            self._profile = Profile.open(self._directory, lambda _: _PHRASE)
        self.node = await open_node(self._profile)
        self.node.shell._clock = self.time

    async def stop(self) -> None:
        """Close it."""
        if self._profile is not None:
            await self.node.close()
            profile, self._profile = self._profile, None
            profile.close()

    async def crash(self) -> None:
        """The node is gone without a last turn; the file as it was written."""
        assert self._profile is not None
        await self.stop()

    async def call(self, command: api.Command) -> Any:
        """Do it there."""
        return await self.node.call(command)

    async def until(self, command: api.Command, good: Callable[[Any], bool]) -> Any:
        """Ask until the answer is good."""
        async with asyncio.timeout(PATIENCE):
            while not good(answer := await self.call(command)):
                await asyncio.sleep(0.03)
        return answer


async def meet(one: Inside, other: Inside) -> None:
    """They get in touch."""
    link = await other.call(api.NewLink())
    await one.call(api.AddContact(link.uri))
    waiting = await other.until(
        api.GetRequests(), lambda found: any(it.who.name == one.name for it in found)
    )
    await other.call(api.AcceptRequest(next(it.id for it in waiting if it.who.name == one.name)))
    await one.until(api.GetContacts(), lambda found: known(found, other.name))


async def together(name: str, founder: Inside, *guests: Inside) -> str:
    """A group with these contacts, who have gone in; its id."""
    chat = await founder.call(api.CreateGroup(name, tuple(one.name for one in guests)))
    for one in guests:
        waiting = await one.until(
            api.GetRequests(), lambda found: any(it.name == name for it in found)
        )
        await one.call(api.AcceptRequest(next(it.id for it in waiting if it.name == name)))
    for one in (founder, *guests):
        await one.until(api.GetChat(chat.id), lambda info: len(info.members) == len(guests) + 1)
    return str(chat.id)
