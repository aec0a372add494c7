"""`heliogram demo`: three people, four relays, and what happens when one relay is lost.

Relays and nodes are processes of their own. Every sentence is checked before it is printed; the exit code is
0 only if all of them held.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

from heliogram.cli.processes import DidNotStart, NodeProcess, Relay
from heliogram.node import api
from heliogram.node.control.client import Client

T = TypeVar("T")

#: Seconds until what should happen must have happened.
PATIENCE = 60.0


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
        raise NotAsTold(sentence)
    say(sentence)


async def until(question: Callable[[], Awaitable[T | None]], sentence: str) -> T:
    """Ask until there is an answer, and say `sentence`; stop if there is none in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            while (answer := await question()) is None:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise NotAsTold(sentence) from None
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

    async def start(self, relays: Sequence[Relay]) -> None:
        """Make the profile if it is new, start its node, connect to it."""
        await self.process.init(self.name, list(relays))
        await self.process.start()
        node = Client.of_home(self.process.home)
        await node.connect()
        self.node = node

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
    request = await until(other.request, f"{other.name:<8}sees a request from {one.name}")
    check(request.who.name == one.name, f"{'':<8}it says who: {request.who.name}")
    code: api.SafetyCode
    await other.node.call(api.AcceptRequest(request.id))
    await until(lambda: one.contact(other.name), f"{other.name:<8}accepts")
    await until(lambda: other.contact(one.name), "")
    code = await one.node.call(api.GetSafetyCode(other.name))
    same: api.SafetyCode = await other.node.call(api.GetSafetyCode(one.name))
    check(code.digits == same.digits, f"{'':<8}both see the same safety code: {code.digits[:17]}…")


async def story(directory: Path, relays: list[Relay], people: list[Actor]) -> None:
    """The whole of it."""
    alice, bob, carol = people

    title(1, "Four relays and three people, each a process with a directory of its own.")
    for relay in relays:
        say(f"{relay.name:<8}process {relay.pid}, {relay.where}")
    for one in people:
        say(f"{one.name:<8}process {one.process.pid}")

    title(2, "They get in touch by links that were sent some other way.")
    await befriend(alice, bob)
    await befriend(alice, carol)

    title(3, "Two people talk.")
    first = await alice.send("Bob", "Shall we meet at the bridge?")
    message = await until(
        lambda: alice.stored(first.id, 4),
        "Alice   writes, and four of four relays have signed for it",
    )
    seen = await until(lambda: bob.sees("Alice", message.text), "Bob     reads it")
    await bob.node.call(api.MarkRead("Alice"))
    answer = await bob.send("Alice", "At noon.")
    await until(lambda: alice.sees("Bob", "At noon."), "Alice   reads his answer")
    await until(lambda: alice.in_state(first.id, "read"), "        and sees that Bob has read hers")
    await bob.node.call(api.EditMessage(answer.id, "At one. The train is late."))
    await until(
        lambda: alice.sees("Bob", "At one. The train is late."),
        "Bob     edits it; Alice sees the edit",
    )
    await alice.node.call(api.React(answer.id, "👍"))

    async def reacted() -> api.Message | None:
        found = await bob.message(answer.id)
        return found if found.reactions else None

    await until(reacted, "Alice   reacts; Bob sees that")
    check(seen.sender is not None and seen.sender.name == "Alice", "Bob     knows who wrote")

    title(4, "A group, with a file in it.")
    await alice.node.call(api.CreateGroup("Bridge", ("Bob", "Carol")))
    for one in (bob, carol):
        request = await until(one.request, f"{one.name:<8}is invited")
        check(request.name == "Bridge", f"{'':<8}into the group called Bridge")
        await one.node.call(api.AcceptRequest(request.id))

    async def three() -> api.ChatInfo | None:
        info: api.ChatInfo = await carol.node.call(api.GetChat("Bridge"))
        return info if len(info.members) == 3 else None

    info = await until(three, "        three are in")
    check(
        info.quorum == 3 and len(info.relays) == 4 and info.lying == 1,
        f"        on four relays, three must agree, one may lie: {info.suite}",
    )
    picture = directory / "plan.bin"
    picture.write_bytes(secrets.token_bytes(300_000))
    sent = await alice.send("Bridge", "Here is the plan.", files=(str(picture),))
    await until(lambda: alice.stored(sent.id, 4), "Alice   sends a file of 300 kB")
    got = await until(lambda: bob.sees("Bridge", "Here is the plan."), "")
    downloads = directory / "bob-downloads"
    downloads.mkdir()
    await bob.node.call(api.GetFile(got.id, directory=str(downloads)))

    async def here() -> Path | None:
        found = await bob.message(got.id)
        path = found.files[0].path
        return Path(path) if found.files[0].state == "here" and path is not None else None

    path = await until(here, "Bob     fetches it")
    check(path.read_bytes() == picture.read_bytes(), "        and it is the same, byte for byte")
    found: list[api.Found] = await carol.node.call(api.Search("plan from:Alice in:Bridge"))
    check(len(found) == 1, "Carol   finds it by searching for: plan from:Alice in:Bridge")

    title(5, "One relay is killed, and its disk is wiped, while they talk.")
    lost = relays[2]
    said: list[str] = []
    for number in range(12):
        if number == 4:
            await lost.kill()
            shutil.rmtree(lost.directory)
            say(f"{lost.name:<8}is gone, with all that it had")
        speaker = people[number % 3]
        text = f"Word {number + 1} of twelve, says {speaker.name}."
        said.append((await speaker.send("Bridge", text)).id)
    for one in people:

        async def all_there(one: Actor = one) -> list[str] | None:
            texts = await one.texts("Bridge")
            words = [text for text in texts if text.startswith("Word ")]
            return words if len(words) == 12 else None

        words = await until(all_there, f"{one.name:<8}has all twelve")
        check(len(set(words)) == 12, "        each once")
    for number, id in enumerate(said):
        speaker = people[number % 3]
        await until(lambda speaker=speaker, id=id: speaker.stored(id, 3), "")  # type: ignore[misc]
    say("        every one signed for by a quorum of relays")
    orders = [await one.texts("Bridge") for one in people]
    check(orders[0] == orders[1] == orders[2], "        and in one order for all three")

    title(6, "Three relays go on: Carol is removed, and reads nothing more.")
    await alice.node.call(api.RemoveMembers("Bridge", ("Carol",)))

    async def out() -> bool | None:
        return (await carol.chat("Bridge")).phase == "out" or None

    await until(out, "Carol   is removed")

    async def two() -> bool | None:
        info: api.ChatInfo = await bob.node.call(api.GetChat("Bridge"))
        return len(info.members) == 2 or None

    await until(two, "Bob     sees two members")
    last = await alice.send("Bridge", "Now it is the two of us.")
    await until(lambda: alice.stored(last.id, 3), "Alice   writes, three of four relays sign")
    await until(lambda: bob.sees("Bridge", "Now it is the two of us."), "Bob     reads it")
    check(
        await carol.sees("Bridge", "Now it is the two of us.") is None,
        "Carol   does not",
    )
    seals = [(await one.node.call(api.GetChat("Bridge"))).authenticator for one in (alice, bob)]
    check(seals[0] == seals[1], "        and both are in the same epoch of the same branch")
    explained: api.Explanation = await alice.node.call(api.Explain(last.id))
    check(
        len([one for one in explained.traces if one.stored]) >= 3,
        f"Alice   asks what was seen of it: {explained.entry_size} bytes for {explained.text_size}",
    )


async def play(directory: Path) -> None:
    """Start everything in `directory`, tell the story, stop everything. Raises `NotAsTold`."""
    relays = [Relay(directory / f"relay-{number}") for number in range(1, 5)]
    people = []
    for name in ("Alice", "Bob", "Carol"):
        file = directory / f"{name.lower()}.passphrase"
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(16))
        people.append(Actor(name, NodeProcess(directory / name.lower(), file)))
    async with AsyncExitStack() as stack:
        for relay in relays:
            stack.push_async_callback(relay.stop)
        for one in people:
            stack.push_async_callback(one.process.stop)
        await asyncio.gather(*(relay.start() for relay in relays))
        await asyncio.gather(*(one.start(relays) for one in people))
        await story(directory, relays, people)


def run(directory: Path | None = None) -> int:
    """The story, in a new directory that is removed at the end unless one is given. The exit code."""
    with tempfile.TemporaryDirectory(prefix="heliogram-demo-") as temporary:
        try:
            asyncio.run(play(directory or Path(temporary)))
        except (NotAsTold, DidNotStart) as error:
            print(f"\nThis did not happen: {error}", flush=True)
            return 1
    print("\nEverything happened as told.", flush=True)
    return 0
