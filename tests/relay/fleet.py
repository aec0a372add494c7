"""Several real relays, and members of one conversation on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from heliogram.wire import Label, frames
from heliogram.wire.objects import Certificate
from tests.relay.client import Client
from tests.relay.members import Member, configured, member_key
from tests.relay.process import RelayProcess


class Relays:
    """Real relays, and members of one conversation on them."""

    def __init__(self, directory: Path, count: int = 4) -> None:
        self.processes = [RelayProcess(directory / f"relay-{i}") for i in range(count)]
        self.members: list[Member] = []

    @property
    def places(self) -> dict[bytes, str]:
        """Where those are that run."""
        return {one.key: one.where for one in self.processes if one.running}

    async def member(self, who: str, like: Member | None = None) -> Member:
        """A new member, connected and authorised; `like` another one, it knows what that one knows."""
        keys = [one.key for one in self.processes[:4]]
        member = Member("picnic", configured("picnic", keys), seed=who)
        self.members.append(member)
        await member.connect(self.places)
        if like is None:
            await member.open()
        else:
            member.seat, member.decisions = like.seat, dict(like.decisions)
            member.evidence = dict(like.evidence)
            member.instances = dict(like.instances)
            await member.authorise()
        return member

    async def again(self, member: Member) -> None:
        """Connect again after a restart."""
        await member.close()
        await member.connect(self.places)


@asynccontextmanager
async def running(directory: Path, count: int = 4) -> AsyncIterator[Relays]:
    """So many relays, started."""
    relays = Relays(directory, count)
    try:
        for one in relays.processes:
            one.start()
        yield relays
    finally:
        for member in relays.members:
            await member.close()
        for one in relays.processes:
            if one.running:
                one.kill()


async def locked(member: Member, value_body: bytes) -> tuple[Certificate, bytes]:
    """LOCK everywhere in round 0: the lock certificate of all four, and the hash of the value."""
    value = member.value(value_body)
    answers, _ = await member.everywhere(lambda one: member.lock(one, 0, value))
    votes = {key: one.signature for key, one in answers.items() if isinstance(one, frames.Vote1)}
    certificate = member.certificate(0, value.hash, votes)
    assert certificate.counts(member.seat, Label.VOTE1)
    return certificate, value.hash


async def authorise_old(member: Member, client: Client, epoch: int) -> None:
    """Open the channel of an epoch that may be closed."""
    key = member_key(member.log, epoch, client.relay)
    await client.authorise(member.channel(epoch), member.instances[client.relay], epoch, key)
