"""Two people and four relays: what is stored and decided, what a seized relay changes, who reads what.

`make run` starts it after `demo.py`. The relays are real processes on this machine, the people are in here.
Every sentence is checked before it is printed; if one does not hold, the program ends with exit code 1.

It is also a small program in which all parts are together: `heliogram.mls` has the keys, `heliogram.node`
knows what to ask of relays and what their answers are worth, `heliogram.wire` says it, `Link` carries it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import aiohttp
import msgspec

from heliogram import mls
from heliogram.content.padding import bucket
from heliogram.node.chain import Chain
from heliogram.node.posting import Posting, Tip
from heliogram.node.slots import Election
from heliogram.node.sync import Union
from heliogram.wire import (
    NEED_DATA,
    Answered,
    ClientConnection,
    ErrorCode,
    Greeted,
    SigningKey,
    WireError,
    frames,
    work,
)
from heliogram.wire.objects import Configuration, Header, Open, RelayDescription, Seat, Value

SUITE = mls.DEFAULT_SUITE
# Private handshakes: who is added stands in the commit, and relays keep commits.
CONFIG = mls.Config(
    authentication=mls.AcceptAnyCredential(), padding=bucket, private_handshakes=True
)
RELAY = (sys.executable, "-m", "heliogram.relay")
#: What each person is called in the group. Long enough to be found in no random bytes by chance.
NAMES = {"Alice": b"Alice Aaltonen", "Bob": b"Bob Brandstetter"}
#: Seconds after which a relay or a quorum is given up.
PATIENCE = 20

R = TypeVar("R", bound=frames.Request)


class NotAsTold(Exception):
    """The demonstration said something that is not so."""


def say(sentence: str = "") -> None:
    print(f"   {sentence}".rstrip(), flush=True)


def check(holds: bool, sentence: str) -> None:
    """Say `sentence` if it holds; stop if it does not."""
    if not holds:
        raise NotAsTold(sentence)
    say(sentence)


def title(number: int, sentence: str) -> None:
    print(f"\n{number}  {sentence}", flush=True)


# --- Relays: processes --------------------------------------------------------------------------------


class Relay(NamedTuple):
    """`heliogram-relay` in a process and a directory of its own."""

    name: str
    directory: Path
    process: Process
    where: str
    key: bytes

    def holds(self, *wanted: bytes) -> bool:
        """Whether any of this is anywhere in its directory."""
        files = [one.read_bytes() for one in self.directory.rglob("*") if one.is_file()]
        return any(one in file for one in wanted for file in files)


async def relay_command(command: str, directory: Path, *options: str) -> str:
    """What a command of `heliogram-relay` prints."""
    process = await create_subprocess_exec(
        *RELAY, command, "--data", directory, *options, stdout=PIPE, stderr=STDOUT
    )
    said = (await process.communicate())[0].decode()
    if process.returncode != 0:
        raise NotAsTold(f"heliogram-relay {command} works; it said:\n{said}")
    return said


@asynccontextmanager
async def serving(directories: list[Path]) -> AsyncIterator[list[Relay]]:
    """A relay in each directory until the end of the block, on a free port, with little work for clients."""
    easy = ("--listen=127.0.0.1:0", "--difficulty-open=8")
    await asyncio.gather(*(relay_command("init", one, *easy) for one in directories))
    relays: list[Relay] = []
    processes: list[Process] = []
    try:
        for one in directories:
            command = (*RELAY, "serve", "--log-level=error", "--data", one)
            processes.append(await create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT))
        for one, process in zip(directories, processes, strict=True):
            said = b"" if process.stdout is None else await process.stdout.readline()
            line = re.fullmatch(rb"listening on (\S+) key ([0-9a-f]{64})\s*", said)
            if line is None:
                raise NotAsTold(f"{one.name} starts; it said: {said.decode()}")
            key = bytes.fromhex(line[2].decode())
            relays.append(Relay(one.name, one, process, line[1].decode(), key))
        yield relays
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


# --- A connection: the core inside, a WebSocket outside -----------------------------------------------


class Link:
    """One person's connection to one relay. One question at a time is enough here."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, core: ClientConnection) -> None:
        self.core = core
        self._socket = socket
        self._turn = asyncio.Lock()

    async def ask(self, frame: frames.Request) -> frames.Answer | None:
        """The relay's answer; None if the connection is over, so that nobody knows what was done."""
        if frame.id == 0:
            frame = msgspec.structs.replace(frame, id=self.core.new_id())
        try:
            async with self._turn:
                await self._socket.send_bytes(self.core.send(frame))
                while True:
                    message = await self._socket.receive(timeout=PATIENCE)
                    if message.type is not aiohttp.WSMsgType.BINARY:
                        return None
                    self.core.receive_data(message.data)
                    while (event := self.core.next_event()) is not NEED_DATA:
                        if isinstance(event, Answered):
                            return event.answer
        except (aiohttp.ClientError, OSError, TimeoutError, WireError):
            return None


@asynccontextmanager
async def connected(relays: list[Relay]) -> AsyncIterator[list[Link]]:
    """One person's connections. Only the holder of a relay's key can answer the greeting."""
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        links: list[Link] = []
        for one in relays:
            core = ClientConnection(one.key, entropy=os.urandom)
            connecting = session.ws_connect(f"http://{one.where}/ws")
            socket = await stack.enter_async_context(connecting)
            await socket.send_bytes(core.hello())
            core.receive_data(await socket.receive_bytes(timeout=PATIENCE))
            if not isinstance(core.next_event(), Greeted):
                raise NotAsTold(f"{one.name} greets")
            links.append(Link(socket, core))
        yield links


class Core(Protocol[R]):
    """What elections, posts and readers have in common: questions out, answers in."""

    def requests(self, now: float) -> Sequence[tuple[int, R]]: ...
    def receive(self, relay: int, request: R, answer: frames.Answer, now: float) -> object: ...
    def lost(self, relay: int, now: float) -> None: ...


# --- A device: its group, and the log on the relays ---------------------------------------------------


def relay_keys(group: mls.Group, configuration: Configuration) -> list[SigningKey]:
    """One key for each relay, out of the epoch's secrets: all members derive them, and nobody else."""
    return [
        SigningKey(group.export(b"heliogram example: relay", relay.key, 32))
        for relay in configuration.relays
    ]


def seat_of(group: mls.Group, configuration: Configuration) -> Seat:
    """Who decides the group's epoch, and under which keys its members speak. Relays see public keys."""
    keys = relay_keys(group, configuration)
    return Seat(configuration, group.epoch, tuple(key.public for key in keys))


class Device:
    """One member. A node would save its state before anything leaves; this one lives for a moment."""

    def __init__(self, name: str, group: mls.Group, first: Seat, links: list[Link]) -> None:
        """`first` is the seat that the log was opened with. It names the log on all relays."""
        self.name = name
        self.group = group
        self.links = links
        self.chain = Chain(first)
        self.instances = [first.id] * len(links)
        self.union = self._union()

    def _union(self) -> Union:
        return Union(self.chain.seat, self.instances, channel=self.chain.epoch, live=False)

    async def drive(self, core: Core[R], done: Callable[[], bool]) -> list[object]:
        """Carry a core's questions to the relays and the answers back until `done`; what came of them."""
        outcomes: list[object] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while not done():
                    asked = core.requests(time.monotonic())
                    answers = await asyncio.gather(*(self.links[at].ask(one) for at, one in asked))
                    now = time.monotonic()
                    for (at, question), answer in zip(asked, answers, strict=True):
                        if answer is None:
                            core.lost(at, now)
                        else:
                            outcomes.append(core.receive(at, question, answer, now))
                    if not asked:
                        await asyncio.sleep(0.05)  # a node sleeps until the core's deadline
        except TimeoutError:
            raise NotAsTold("a quorum of relays answers in time") from None
        return outcomes

    async def open_log(self) -> int:
        """Create the log everywhere; each relay asks for a little work. How many have it."""
        seat, opened = self.chain.seat, 0
        for link in self.links:
            relay, bits = link.core.greeting.relay, link.core.greeting.limits.difficulty_open
            proof = work.solve(relay, seat.id, bits, now=int(time.time()))
            answer = await link.ask(frames.Open(0, Open(seat, proof).encode()))
            opened += isinstance(answer, frames.Done)
        return opened

    async def enter(self) -> int:
        """Open the channel of the present epoch with this member's own keys; how many relays agree."""
        epoch, instance = self.group.epoch, self.instances[0]
        keys = relay_keys(self.group, self.chain.seat.configuration)
        answers = [
            await link.ask(link.core.authorise(epoch, instance, epoch, key))
            for link, key in zip(self.links, keys, strict=True)
        ]
        self.union = self._union()
        return sum(isinstance(answer, frames.Authorised) for answer in answers)

    async def change(self, proposals: Sequence[mls.Proposal]) -> tuple[mls.StagedCommit, Election]:
        """Have the relays decide a commit, and only then go on with it."""
        staged = self.group.commit(proposals, now=int(time.time()), entropy=os.urandom)
        after = seat_of(staged.group, self.chain.seat.configuration)
        value = Value(Header(after.configuration, after.keys).encode(), staged.message)
        election = self._election()
        election.propose(value)
        election.saved()
        await self.drive(election, lambda: election.stable)
        if election.decision is None or not election.won:
            raise NotAsTold("nobody else proposed anything")
        self.chain.extend(election.decision.link)
        self.group = staged.merge()
        await self.enter()
        return staged, election

    async def follow(self) -> mls.EpochAdvanced | mls.Removed:
        """Fetch and take what was decided in this epoch."""
        election = self._election()
        await self.drive(election, lambda: election.stable)
        if election.decision is None:
            raise NotAsTold("this epoch was ended")
        outcome = self.group.process(election.decision.value.body, now=int(time.time()))
        if isinstance(outcome, mls.EpochAdvanced):
            seat = self.chain.extend(election.decision.link)
            if seat != seat_of(outcome.group, seat.configuration):
                raise NotAsTold("the relays were given the keys that members derive")
            self.group = outcome.group
            await self.enter()
        elif not isinstance(outcome, mls.Removed):
            raise NotAsTold("what the relays decided is a commit")
        return outcome

    def _election(self) -> Election:
        seat = self.chain.seat
        return Election(seat, self.instances, channel=seat.epoch, entropy=os.urandom)

    async def write(self, text: bytes) -> Posting:
        """Ask whether the epoch is open, encrypt, and bring it to all relays. A quorum's receipts: stored."""
        seat = self.chain.seat
        tip = Tip(seat, self.instances, channel=seat.epoch)
        await self.drive(tip, lambda: tip.open)
        entry = self.group.protect(text, entropy=os.urandom)
        posting = Posting(seat, self.instances, entry, channel=seat.epoch)
        await self.drive(posting, lambda: posting.stored)
        return posting

    async def read(self) -> list[bytes]:
        """What is new in this epoch, on whichever relay it lies."""
        union, quorum = self.union, self.chain.seat.configuration.q
        union.poll()
        pages = await self.drive(union, lambda: union.heard >= quorum and not union.missing)
        now, texts = int(time.time()), []
        for entry in (one for page in pages if isinstance(page, list) for one in page):
            outcome = self.group.process(entry.data, now=now)
            if isinstance(outcome, mls.ApplicationMessage):
                texts.append(outcome.data)
        return texts


# --- The story ----------------------------------------------------------------------------------------


def nothing_on(relays: list[Relay], texts: list[bytes], log: bytes) -> None:
    """Search all files of these relays for what is secret; and for the log's id, which must be found."""
    for one in relays:
        check(
            one.holds(log) and not one.holds(*texts, *NAMES.values()),
            f"{one.name} has the log's random id on its disk, and no text and no name",
        )


async def story(relays: list[Relay], alices: list[Link], bobs: list[Link]) -> None:
    texts: list[bytes] = []

    async def talk(sender: Device, text: str, reader: Device | None, copies: int) -> bytes:
        texts.append(text.encode())
        say(f"{sender.name:<8}writes {text}")
        posting = await sender.write(text.encode())
        stored = len(posting.receipts)
        check(stored == copies, f"        stored by {stored} of {len(sender.links)}")
        if reader is not None:
            check(await reader.read() == [text.encode()], f"{reader.name:<8}reads {text}")
        return posting.entry

    title(1, "Four relays run, each a process with a key and a directory of its own.")
    for one in relays:
        say(f"{one.name}  process {one.process.pid}, {one.where}, key {one.key[:6].hex(' ', 2)}...")

    title(2, "Alice opens a conversation on all four.")
    now = int(time.time())
    signers = [mls.new_signature_key(SUITE, entropy=os.urandom) for _ in NAMES]
    credentials = [mls.BasicCredential(name) for name in NAMES.values()]
    group = mls.Group.create(
        os.urandom(32),
        SUITE,
        credentials[0],
        signers[0],
        config=CONFIG,
        now=now,
        entropy=os.urandom,
    )
    described = tuple(RelayDescription(one.key, one.key, ()) for one in relays)
    configuration = Configuration(os.urandom(32), 3, described)
    first = seat_of(group, configuration)
    alice = Device("Alice", group, first, alices)
    check(
        len(set(first.keys)) == 4,
        "Alice   derives a key for each relay from the group's secrets: no two are alike",
    )
    check(await alice.open_log() == 4, "Alice   opens the log at 4 of 4, and works a little for it")
    check(await alice.enter() == 4, "Alice   signs each relay's nonce, and is let in by 4 of 4")

    title(3, "Alice adds Bob. The relays decide it: three of four must sign.")
    package = mls.new_key_package(SUITE, credentials[1], signers[1], now=now, entropy=os.urandom)
    staged, election = await alice.change([mls.Add(package.key_package)])
    signed = 0 if election.decision is None else len(election.decision.certificate.signatures)
    check(signed >= 3, f"commit  decided: the certificate has {signed} signatures of relays")
    check(election.complete, "commit  shown to 4 of 4")
    # The Welcome is for Bob alone. A node leaves it in his inbox, here it is handed over.
    group = mls.Group.join(staged.welcome or b"", [package], config=CONFIG, now=now)
    bob = Device("Bob", group, first, bobs)
    bob.chain.extend(alice.chain.links[0])
    check(
        seat_of(bob.group, configuration) == bob.chain.seat,
        "Bob     joins by the Welcome, and derives the keys that were decided",
    )
    check(await bob.enter() == 4, "Bob     is let in by 4 of 4. They cannot tell him from Alice")

    title(4, "They talk. Each text goes to all four.")
    await talk(bob, "Who keeps our letters?", alice, 4)
    await talk(alice, "Four strangers who cannot read.", bob, 4)

    title(5, f"{relays[0].name.capitalize()} is seized: the process is killed, its disk is gone.")
    lost, left = relays[0], relays[1:]
    nothing_on([lost], texts, configuration.log)
    lost.process.kill()
    await lost.process.wait()
    shutil.rmtree(lost.directory)
    check(not lost.directory.exists(), f"{lost.name} is no more")
    await talk(alice, "One of them is gone. Do you hear me?", bob, 3)
    _, election = await alice.change([])
    check(election.stable, "Alice   changes the keys: decided by the three that are left")
    await bob.follow()
    check(
        bob.group.epoch_authenticator == alice.group.epoch_authenticator,
        f"Bob     follows into epoch {bob.group.epoch}",
    )
    await talk(bob, "Clearly.", alice, 3)

    title(6, "Alice removes Bob.")
    await alice.change([mls.Remove(bob.group.own_leaf_index)])
    entry = await talk(alice, "Only who is here reads this.", None, 3)
    check(isinstance(await bob.follow(), mls.Removed), "Bob     is told that he is out")
    last, keys = bob.group.epoch, relay_keys(bob.group, configuration)
    for one, link, key in list(zip(relays, bob.links, keys, strict=True))[1:]:
        answer = await link.ask(link.core.authorise(9, first.id, last + 1, key))
        refused = isinstance(answer, frames.Failure) and answer.code == ErrorCode.NOT_AUTHORISED
        page = await link.ask(frames.Read(0, last, 0, 100))
        shown = [it.epoch for it in page.entries] if isinstance(page, frames.Entries) else []
        check(
            refused and shown == [last],
            f"{one.name} shows him the one entry of epoch {last}, and refuses epoch {last + 1}",
        )
    try:
        bob.group.process(entry, now=now)
    except mls.UnknownEpoch as reason:
        say(f"Bob     reads nothing even if a relay gives it to him ({reason})")
    else:
        raise NotAsTold("Bob reads nothing that was written after him")

    title(7, f"What the operator of {left[0].name} can be forced to hand over.")
    say("$ heliogram-relay disclose")
    for line in (await relay_command("disclose", left[0].directory)).splitlines():
        if not line:
            break  # its first paragraph says it in short
        say(f"  {line}")
    say("$ heliogram-relay disclose --strict")
    strict = (await relay_command("disclose", left[0].directory, "--strict")).splitlines()
    check(strict[0] == "Every byte is explained by the schema.", f"  {strict[0]}")
    nothing_on(left, texts, configuration.log)


async def run() -> None:
    with tempfile.TemporaryDirectory(prefix="heliogram-") as place:
        directories = [Path(place, f"relay {number}") for number in (1, 2, 3, 4)]
        async with serving(directories) as relays:
            async with connected(relays) as alices, connected(relays) as bobs:
                await story(relays, alices, bobs)


def main() -> int:
    started = time.perf_counter()
    print("\nHeliogram's relays at work: four processes, two people, real bytes.", flush=True)
    say("It takes a moment until the four have started.")
    try:
        asyncio.run(run())
    except NotAsTold as broken:
        print(f"\nNot as told: {broken}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped, and the relays with it.", file=sys.stderr)
        return 130
    print(f"\nEverything was as told. {time.perf_counter() - started:.1f} s for all of it.")
    return 0


if __name__ == "__main__":
    # Whoever stops this program stops its relays too: both signals leave through the blocks above.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
