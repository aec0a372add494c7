"""`heliogram demo`: three people, four relays, and what happens when one relay is lost.

Relays and nodes are processes of their own. Every sentence is checked before it is printed; the exit code is
0 only if all of them held.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from heliogram.cli.processes import (
    DidNotStart,
    NodeProcess,
    Relay,
    ending,
    in_order,
    run_to_the_end,
)
from heliogram.cli.sentences import FAILED, sentence
from heliogram.node import api
from heliogram.node.control.client import Client
from heliogram.node.errors import NodeError

T = TypeVar("T")

#: Seconds until what should happen must have happened.
PATIENCE = 60.0

#: What is said and who says it: no relay may have it.
SECRET = (
    "Alice",
    "Carol",
    "Bridge",
    "bridge",
    "At noon",
    "train",
    "the plan",
    "plan.bin",
    "of twelve",
    "two of us",
)


class NotAsTold(Exception):
    """Something that the story says did not happen. The text is the sentence."""


def say(sentence: str = "") -> None:
    """One line of the story."""
    print(f"   {sentence}".rstrip(), flush=True)


def title(number: int, sentence: str) -> None:
    """The head of a chapter."""
    print(f"\n{number}  {sentence}", flush=True)


def check(holds: bool, sentence: str) -> None:
    """Say `sentence` if it holds; stop if it does not."""
    if not holds:
        raise NotAsTold(sentence.strip())
    say(sentence)


async def until(question: Callable[[], Awaitable[T | None]], sentence: str) -> T:
    """Ask until there is an answer, and say `sentence`; stop if there is none in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            while (answer := await question()) is None:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise NotAsTold(sentence.strip()) from None
    if sentence:
        say(sentence)
    return answer


class Actor:
    """One person of the story: a node in a process of its own, and what we ask of it."""

    def __init__(self, name: str, process: NodeProcess) -> None:
        """`process` is not started yet."""
        self.name = name
        self.process = process
        self.node: api.Node
        self._client: Client | None = None

    async def start(self, relays: Sequence[Relay]) -> None:
        """Make the profile if it is new, start its node, connect to it."""
        await self.process.init(self.name, list(relays))
        await self.process.start()
        await self.connect()

    async def connect(self) -> None:
        """Connect to its node, which somebody has started."""
        self.node = self._client = Client.of_home(self.process.home)
        await self._client.connect()

    async def leave(self) -> None:
        """Leave its node, which goes on."""
        if self._client is not None:
            await self._client.close()

    async def stop(self) -> None:
        """Leave its node, ask that to end, and wait."""
        await self.leave()
        await self.process.stop()

    async def link(self) -> str:
        """A contact link to give away."""
        made: api.ContactLink = await self.node.call(api.NewLink())
        return made.uri

    async def contact(self, name: str) -> api.Contact | None:
        """The contact of this name, once the two can talk."""
        found: list[api.Contact] = await self.node.call(api.GetContacts())
        return next(
            (
                one
                for one in found
                if one.who.name == name and one.state == "known" and one.chat is not None
            ),
            None,
        )

    async def request(self) -> api.Request | None:
        """The first invitation that waits."""
        waiting: list[api.Request] = await self.node.call(api.GetRequests())
        return waiting[0] if waiting else None

    async def chat(self, name: str) -> api.Chat:
        """A conversation that is there."""
        info: api.ChatInfo = await self.node.call(api.GetChat(name))
        return info.chat

    async def send(self, chat: str, text: str, *, files: tuple[str, ...] = ()) -> api.Message:
        """Say something."""
        message: api.Message = await self.node.call(api.SendMessage(chat, text, files=files))
        return message

    async def message(self, id: str) -> api.Message:
        """A message as it stands."""
        found: api.Message = await self.node.call(api.GetMessage(id))
        return found

    async def sees(self, chat: str, text: str) -> api.Message | None:
        """The message with this text in a conversation, if it is there."""
        history: list[api.Message] = await self.node.call(api.GetHistory(chat, limit=200))
        return next((one for one in history if one.text == text), None)

    async def texts(self, chat: str) -> list[str]:
        """All texts of a conversation in their order, without lines."""
        history: list[api.Message] = await self.node.call(api.GetHistory(chat, limit=200))
        return [one.text for one in history if one.kind in ("text", "file")]

    async def stored(self, id: str, least: int) -> api.Message | None:
        """The message, once this many relays have signed for it."""
        message = await self.message(id)
        return message if len(message.stored_by) >= least else None

    async def in_state(self, id: str, *states: str) -> api.Message | None:
        """The message, once it is in one of these states."""
        message = await self.message(id)
        return message if message.state in states else None


async def befriend(one: Actor, other: Actor) -> None:
    """`one` opens a link of `other`, who accepts."""
    await one.node.call(api.AddContact(await other.link(), other.name))
    say(f"{one.name:<9}opens a link that {other.name} has given away")
    request = await until(other.request, f"{other.name:<9}sees a request")
    check(request.who.name == one.name, f"{'':<9}from {one.name} ({request.who.mark})")
    await other.node.call(api.AcceptRequest(request.id))
    await until(lambda: one.contact(other.name), f"{other.name:<9}accepts it")
    await until(lambda: other.contact(one.name), "")
    code: api.SafetyCode = await one.node.call(api.GetSafetyCode(other.name))
    same: api.SafetyCode = await other.node.call(api.GetSafetyCode(one.name))
    check(code.digits == same.digits, f"{'':<9}both compare their safety code, and it is the same:")
    say(f"{'':<9}{code.digits}")


async def meet(relays: Sequence[Relay], people: Sequence[Actor]) -> None:
    """Everything starts."""
    title(1, "Four relays, as if of four operators, and three people: each a process of its own.")
    await in_order(
        [relay.start() for relay in relays],
        [
            lambda relay=relay: say(f"{relay.name:<9}process {relay.pid}, at {relay.where}")  # type: ignore[misc]
            for relay in relays
        ],
    )
    say("         keys are made, and accounts: this takes a moment")
    await in_order(
        [one.start(relays) for one in people],
        [
            lambda one=one: say(
                f"{one.name:<9}process {one.process.pid}, profile {one.process.home.name}"
            )  # type: ignore[misc]
            for one in people
        ],
    )


async def two(alice: Actor, bob: Actor) -> None:
    """Two people talk."""
    title(3, "Two people talk.")
    first = await alice.send("Bob", "Shall we meet at the bridge?")
    say(f"Alice    {quoted(first)}")
    await until(
        lambda: alice.stored(first.id, 4),
        "         four of four relays have signed that they store it",
    )
    seen = await until(lambda: bob.sees("Alice", first.text), "Bob      reads it")
    check(
        seen.sender is not None and seen.sender.name == "Alice",
        "         and knows, by her signature, that she wrote it",
    )
    await bob.node.call(api.MarkRead("Alice"))
    answer = await bob.send("Alice", "At noon.")
    say(f"Bob      {quoted(answer)}")
    await until(lambda: alice.sees("Bob", "At noon."), "Alice    reads his answer")
    await until(
        lambda: alice.in_state(first.id, "read"),
        "         and sees that he has read what she wrote",
    )
    edited: api.Message = await bob.node.call(
        api.EditMessage(answer.id, "At one. The train is late.")
    )
    say(f"Bob      edits it: {quoted(edited)}")
    await until(lambda: alice.sees("Bob", edited.text), "Alice    sees the edit")
    await alice.node.call(api.React(answer.id, "👍"))

    async def reacted() -> api.Message | None:
        found = await bob.message(answer.id)
        return found if found.reactions else None

    await until(reacted, "         and reacts with a thumb up; Bob sees that")


async def three(directory: Path, alice: Actor, bob: Actor, carol: Actor) -> None:
    """A group, and a file."""
    title(4, "A group of three, with a file in it.")
    await alice.node.call(api.CreateGroup("Bridge", ("Bob", "Carol")))
    say("Alice    makes a group called Bridge, for Bob and Carol")
    for one in (bob, carol):
        request = await until(one.request, f"{one.name:<9}is invited")
        check(request.name == "Bridge", "         into Bridge, and goes in")
        await one.node.call(api.AcceptRequest(request.id))

    async def all_in() -> api.ChatInfo | None:
        info: api.ChatInfo = await carol.node.call(api.GetChat("Bridge"))
        return info if len(info.members) == 3 else None

    info = await until(all_in, "         all three are in")
    check(
        info.quorum == 3 and len(info.relays) == 4 and info.lying == 1,
        "         four relays hold the group; three decide, so one may lie",
    )
    check("MLKEM768X25519" in info.suite, f"         {info.suite}")
    plan = directory / "plan.bin"
    plan.write_bytes(secrets.token_bytes(300_000))
    sent = await alice.send("Bridge", "Here is the plan.", files=(str(plan),))
    say(f"Alice    {quoted(sent)} A file of 300 kB is on its way")
    await until(lambda: alice.stored(sent.id, 4), "         the relays have it, sealed")
    got = await until(lambda: bob.sees("Bridge", sent.text), "Bob      sees it")
    downloads = directory / "bob-downloads"
    downloads.mkdir()
    await bob.node.call(api.GetFile(got.id, directory=str(downloads)))

    async def here() -> Path | None:
        found = await bob.message(got.id)
        path = found.files[0].path
        return Path(path) if found.files[0].state == "here" and path is not None else None

    path = await until(here, "         and fetches the file")
    check(path.read_bytes() == plan.read_bytes(), "         it is the same, byte for byte")
    words = "plan from:Alice in:Bridge"

    async def found() -> bool | None:
        results: list[api.Found] = await carol.node.call(api.Search(words))
        return len(results) == 1 or None

    await until(found, f"Carol    searches for {words}, and finds it")


async def one_is_lost(relays: Sequence[Relay], people: Sequence[Actor]) -> None:
    """A relay goes, with its disk, in the middle of a conversation."""
    title(5, "A relay is seized: killed, its disk wiped, in the middle of a conversation.")
    lost = relays[2]
    said: list[str] = []
    for number in range(12):
        if number == 4:
            say("         four messages are said")
            await lost.kill()
            shutil.rmtree(lost.directory)
            check(lost.pid is None and not lost.directory.exists(), f"{lost.name:<9}is no more")
        speaker = people[number % 3]
        text = f"Word {number + 1} of twelve, says {speaker.name}."
        said.append((await speaker.send("Bridge", text)).id)
    say("         eight more are said")
    for one in people:

        async def all_there(one: Actor = one) -> list[str] | None:
            texts = await one.texts("Bridge")
            words = [text for text in texts if text.startswith("Word ")]
            return words if len(words) >= 12 else None

        words = await until(all_there, f"{one.name:<9}has all twelve,")
        check(len(words) == len(set(words)) == 12, "         each once")
    for number, id in enumerate(said):
        speaker = people[number % 3]
        await until(lambda speaker=speaker, id=id: speaker.stored(id, 3), "")  # type: ignore[misc]
    say("         for every one there are signatures of three relays")
    orders = [await one.texts("Bridge") for one in people]
    check(orders[0] == orders[1] == orders[2], "         all three see all in one order")


async def one_is_removed(alice: Actor, bob: Actor, carol: Actor) -> api.Message:
    """Somebody is removed, and the rest goes on without a relay. The last message."""
    title(6, "Three relays go on. Carol is removed, and reads nothing more.")
    await alice.node.call(api.RemoveMembers("Bridge", ("Carol",)))
    say("Alice    removes Carol")

    async def out() -> bool | None:
        return (await carol.chat("Bridge")).phase == "out" or None

    await until(out, "Carol    is told that she is out")

    async def left() -> bool | None:
        info: api.ChatInfo = await bob.node.call(api.GetChat("Bridge"))
        return len(info.members) == 2 or None

    await until(left, "Bob      sees two members")
    last = await alice.send("Bridge", "Now it is the two of us.")
    say(f"Alice    {quoted(last)}")
    await until(
        lambda: alice.stored(last.id, 3), "         three of four relays have signed for it"
    )
    await until(lambda: bob.sees("Bridge", last.text), "Bob      reads it")
    check(await carol.sees("Bridge", last.text) is None, "Carol    does not")
    seals = [(await one.node.call(api.GetChat("Bridge"))).authenticator for one in (alice, bob)]
    check(seals[0] == seals[1], "         Alice and Bob hold the same keys, and nobody else")
    return last


async def what_was_seen(relays: Sequence[Relay], alice: Actor, last: api.Message) -> None:
    """What relays know of all that."""
    title(7, "What did the relays see?")
    explained: api.Explanation = await alice.node.call(api.Explain(last.id))
    stored = [one for one in explained.traces if one.stored]
    check(
        len(stored) >= 3 and explained.entry_size > explained.text_size,
        f"         of the last message: {explained.entry_size} bytes, for {explained.text_size} of text;"
        f" it looks like any up to {explained.bucket}",
    )
    for relay in relays:
        if relay.directory.exists():
            kept = b"".join(
                file.read_bytes() for file in relay.directory.rglob("*") if file.is_file()
            )
            check(
                bool(kept) and not any(word.encode() in kept for word in SECRET),
                f"{relay.name:<9}has {len(kept) // 1024} KiB on its disk: no text, no name",
            )


def quoted(message: api.Message) -> str:
    """What somebody says."""
    return f"“{message.text}”"


async def play(directory: Path) -> None:
    """Start everything in `directory`, tell the story, stop everything.

    Raises `NotAsTold`, `DidNotStart`, and `NodeError` if a node refuses what the story needs.
    """
    relays = [Relay(directory / f"relay-{number}") for number in range(1, 5)]
    people = []
    for name in ("Alice", "Bob", "Carol"):
        file = directory / f"{name.lower()}.passphrase"
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(16))
        people.append(Actor(name, NodeProcess(directory / name.lower(), file)))
    alice, bob, carol = people
    print("Everything here happens on this machine. Each line was checked before it was printed.")
    async with ending([*relays, *people]):
        await meet(relays, people)
        title(2, "They get in touch, by links that were sent some other way.")
        await befriend(alice, bob)
        await befriend(alice, carol)
        await two(alice, bob)
        await three(directory, alice, bob, carol)
        await one_is_lost(relays, people)
        last = await one_is_removed(alice, bob, carol)
        await what_was_seen(relays, alice, last)
        print("\nStopping …", flush=True)


def run(directory: Path | None = None) -> int:
    """The story, in a new directory that is removed at the end unless one is given. The exit code."""
    with tempfile.TemporaryDirectory(prefix="heliogram-demo-") as temporary:
        try:
            run_to_the_end(play(directory or Path(temporary)))
        except (NotAsTold, DidNotStart) as error:
            print(f"\nThis did not happen: {error}", flush=True)
            return FAILED
        except NodeError as error:
            found = sentence(error)
            print(f"\nA node refused: {found.what} {found.hint}".rstrip(), flush=True)
            return FAILED
    print("Everything happened as told.", flush=True)
    return 0
