"""Real relays, real nodes, and the command line as a process beside them.

Relays are processes, as is the node that the commands talk to. Other people's nodes run in this process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from heliogram.node import api
from heliogram.node.control.client import Client
from heliogram.node.local import LocalNode, create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs, passphrase
from tests.relay.process import RelayProcess

T = TypeVar("T")

#: How many relays there are.
RELAYS = 4

#: Seconds until what should happen must have happened: only a broken program needs them.
PATIENCE = 120.0

#: A passphrase is made a key at once: nobody attacks these profiles.
CHEAP = Costs(memory=64, passes=1, lanes=1)
PHRASE = "correct horse battery staple"

CLI = (sys.executable, "-m", "heliogram.cli")


class Town:
    """Relays, and a loop for the people who live here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.relays = [RelayProcess(folder / f"relay-{n}") for n in range(1, RELAYS + 1)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def start(self) -> None:
        self._thread.start()
        for relay in self.relays:
            relay.start()

    def stop(self) -> None:
        for relay in self.relays:
            if relay.running:
                relay.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def addresses(self) -> list[str]:
        return [f"ws://{relay.where}/ws#{relay.key.hex()}" for relay in self.relays]

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * PATIENCE)


async def until(question: Callable[[], Awaitable[T | None]]) -> T:
    """Ask until there is an answer."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await question()) is None:
            await asyncio.sleep(0.02)
    return answer


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner only: nothing else is taken for a passphrase's."""
    path.touch(mode=0o600)
    path.write_text(text)


def make_profile(home: Path, name: str) -> Profile:
    """A profile with an account, which `PHRASE` opens."""
    profile = Profile.create(Directory(home), passphrase(PHRASE), os.urandom, costs=CHEAP)
    create_profile_account(profile, name, now=0)
    return profile


class Person:
    """Somebody with a node in this process. All methods run in the town's loop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.node: LocalNode
        self._profile: Profile

    async def start(self, home: Path, relays: list[str]) -> Person:
        self._profile = make_profile(home, self.name)
        self.node = await open_node(self._profile)
        for one in relays:
            await self.node.call(api.AddRelay(one))
        return self

    async def stop(self) -> None:
        await self.node.close()
        self._profile.close()

    async def link(self) -> str:
        made: api.ContactLink = await self.node.call(api.NewLink())
        return made.uri

    async def opens(self, link: str) -> None:
        """Use a link, until who gave it could know."""
        await self.node.call(api.AddContact(link))
        await until(lambda: self._contact("waiting", "known"))

    async def _contact(self, *states: str) -> api.Contact | None:
        found: list[api.Contact] = await self.node.call(api.GetContacts())
        return next((one for one in found if one.state in states), None)

    async def accepts(self) -> None:
        """Go into whatever one is invited to next."""

        async def waits() -> api.Request | None:
            found: list[api.Request] = await self.node.call(api.GetRequests())
            return found[0] if found else None

        request = await until(waits)
        chat: api.Chat = await self.node.call(api.AcceptRequest(request.id))

        async def is_in() -> bool | None:
            info: api.ChatInfo = await self.node.call(api.GetChat(chat.id))
            return info.chat.phase == "open" or None

        await until(is_in)

    async def says(self, chat: str, text: str, *files: str, as_files: bool = True) -> api.Message:
        """Say something, until all relays that run have it."""
        said: api.Message = await self.node.call(
            api.SendMessage(chat, text, files=files, as_files=as_files)
        )

        async def stored() -> api.Message | None:
            now: api.Message = await self.node.call(api.GetMessage(said.id))
            return now if now.state != "queued" else None

        message = await until(stored)
        await self.node.drained()
        return message

    async def sees(self, chat: str, text: str) -> api.Message:
        """Wait until there is such a message."""
        return await until(lambda: seen(self.node, chat, text))


async def _online(node: api.Node) -> bool | None:
    """Whether all relays have answered, and nothing waits to go."""
    status: api.Status = await node.call(api.GetStatus())
    up = all(one.state == "up" for one in status.relays)
    return (up and not status.queued) or None


async def seen(node: api.Node, chat: str, text: str) -> api.Message | None:
    """The message with this text, or the file of this name."""
    history: list[api.Message] = await node.call(api.GetHistory(chat, limit=1000))
    for one in reversed(history):
        if one.text.strip() == text.strip() or text in (file.name for file in one.files):
            return one
    return None


class World:
    """One person's profile, its node while it is served, the command line, and others around."""

    def __init__(self, town: Town, folder: Path, name: str = "Ben") -> None:
        self.town = town
        self.name = name
        self.home = folder / "home"
        #: Where commands run.
        self.desk = folder / "desk"
        self.desk.mkdir()
        self._others = folder / "others"
        self.people: dict[str, Person] = {}
        self._serving: subprocess.Popen[str] | None = None
        self.passphrase_file = folder / "passphrase"
        write_private(self.passphrase_file, PHRASE)

    # --- The person whose commands these are ------------------------------------------------------

    def make(self, relays: int = RELAYS) -> None:
        """Make the profile, with this many relays."""
        addresses = self.town.addresses[:relays]

        async def make() -> None:
            profile = make_profile(self.home, self.name)
            node = await open_node(profile)
            for one in addresses:
                await node.call(api.AddRelay(one))
            await node.drained()
            await node.close()
            profile.close()

        self.town.do(make())

    def serve(self, *arguments: str, command: str = "serve") -> list[str]:
        """Start the node, by itself or with the app; what it says when it is ready."""
        self._serving = subprocess.Popen(
            [*CLI, command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.desk,
        )
        assert self._serving.stdout is not None
        lines = [self._serving.stdout.readline()]
        if "--json" not in arguments:
            lines.append(self._serving.stdout.readline())
        assert all(lines), "the node did not start"
        self.wait(_online)
        return lines

    def served(self) -> tuple[int, str]:
        """Wait until the node has ended by itself: its exit code, and what else it said."""
        assert self._serving is not None
        said, _ = self._serving.communicate(timeout=PATIENCE)
        code, self._serving = self._serving.returncode, None
        return code, said

    @property
    def serves(self) -> bool:
        """Whether the node runs."""
        return self._serving is not None and self._serving.poll() is None

    def ask(self, command: api.Command) -> Any:
        """What the served node gives."""

        async def call() -> Any:
            async with Client.of_home(self.home) as client:
                return await client.call(command)

        return self.town.do(call())

    def wait(self, question: Callable[[api.Node], Awaitable[T | None]]) -> T:
        """Ask the served node until there is an answer."""

        async def wait() -> T:
            async with Client.of_home(self.home) as client:
                return await until(lambda: question(client))

        return self.town.do(wait())

    # --- Others -----------------------------------------------------------------------------------

    def person(self, name: str) -> Person:
        """Somebody, who comes to town when first named."""
        if name not in self.people:
            made = Person(name)
            self.people[name] = self.town.do(
                made.start(self._others / str(len(self.people)), self.town.addresses)
            )
        return self.people[name]

    def meet(self, name: str) -> None:
        """Somebody becomes a contact. The node must be served."""
        other = self.person(name)
        link: api.ContactLink = self.ask(api.NewLink())
        self.town.do(other.opens(link.uri))

        async def request(node: api.Node) -> api.Request | None:
            found: list[api.Request] = await node.call(api.GetRequests())
            return next((one for one in found if one.who.name == name), None)

        self.ask(api.AcceptRequest(self.wait(request).id))
        self.ask(api.RevokeLink(link.id))
        self.knows(name)

    def knows(self, name: str, *, on: World | None = None) -> None:
        """Wait until somebody is a contact who can be written to, on both sides; `on` is their world."""

        async def known(node: api.Node) -> api.Contact | None:
            found: list[api.Contact] = await node.call(api.GetContacts())
            known = (one for one in found if one.who.name == name and one.state == "known")
            return next((one for one in known if one.chat), None)

        self.wait(known)
        if on is not None:
            on.knows(self.name)
        elif name in self.people:
            self.town.do(until(lambda: self.people[name]._contact("known")))

    def says(self, name: str, text: str, chat: str = "", *files: str) -> None:
        """Somebody says something; who listens has heard it."""
        other = self.person(name)
        self.town.do(other.says(chat or self.name, text, *files))
        if self.serves:
            self.wait(lambda node: seen(node, chat or name, text))

    # --- The command line -------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
            "HELIOGRAM_HOME": str(self.home),
            "HELIOGRAM_PASSPHRASE_FILE": str(self.passphrase_file),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
            "PYTHONWARNINGS": "error",
        }

    def run(
        self,
        *arguments: str,
        input: str | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.CompletedProcess[str]:
        """What `heliogram` does."""
        return subprocess.run(
            [*CLI, *arguments],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**self.environment, **environment},
            cwd=self.desk,
            timeout=PATIENCE,
        )

    def stop(self) -> None:
        """Stop the node and all others; bring back relays that are down."""
        if self._serving is not None:
            self._serving.send_signal(signal.SIGTERM)
            self._serving.communicate(timeout=PATIENCE)
            self._serving = None
        for one in self.people.values():
            self.town.do(one.stop())
        for relay in self.town.relays:
            if not relay.running:
                relay.start()
