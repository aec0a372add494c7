"""A browser, and people in front of it: each has a node, a web server and a window of their own.

Everything asynchronous, Playwright too, runs in the loop of the town, in a thread of its own. So tests are
plain functions, and need no loop. Verbs wait for what they say; nothing here sleeps for luck.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Playwright,
    Request,
    Response,
    Route,
    async_playwright,
    expect,
)

from heliogram.node import api
from heliogram.node.profile.config import Config
from heliogram.node.profile.directory import Directory
from heliogram.web.host import Beginning, Host
from heliogram.web.server import WebServer
from tests.cli.town import CHEAP, PATIENCE, PHRASE, Town, seen, until
from tests.cli.town import Person as Neighbour

T = TypeVar("T")

#: Milliseconds until what should be seen must be seen: only a broken app needs them.
PATIENCE_MS = int(os.environ.get("HELIOGRAM_BROWSER_PATIENCE", "60")) * 1000

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


def find_browser() -> str | None:
    """Chromium: what `HELIOGRAM_BROWSER` names, or the system's own."""
    named = os.environ.get("HELIOGRAM_BROWSER")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


class Window:
    """One Chromium for all tests of a run."""

    def __init__(self, town: Town, program: str) -> None:
        self.town = town
        self._program = program
        self._playwright: Playwright
        self.browser: Browser

    def start(self) -> Self:
        self.town.do(self._start())
        return self

    def stop(self) -> None:
        self.town.do(self._stop())

    async def _start(self) -> None:
        self._playwright = await async_playwright().start()
        self.browser = await self._playwright.chromium.launch(
            executable_path=self._program, args=_ARGUMENTS
        )

    async def _stop(self) -> None:
        await self.browser.close()
        await self._playwright.stop()


class Someone:
    """Somebody with a node in this process."""

    def __init__(self, town: Town, name: str) -> None:
        self.town = town
        self.name = name

    @property
    def node(self) -> api.Node:
        raise NotImplementedError

    def do(self, work: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
        """Have it done in the loop."""

        async def wait() -> T:
            return await work

        return self.town.do(wait())

    def ask(self, command: api.Command) -> Any:
        """What their node gives."""
        return self.do(self.node.call(command))

    def tells(self, chat: str, text: str, *files: str, as_files: bool = False) -> api.Message:
        """Say something by the node alone, and wait until a relay has it. `files` are paths."""
        said: api.Message = self.ask(api.SendMessage(chat, text, files=files, as_files=as_files))

        async def stored() -> api.Message | None:
            now: api.Message = await self.node.call(api.GetMessage(said.id))
            return now if now.state not in ("queued", "failed") else None

        return self.do(until(stored))

    def has(self, chat: str, text: str) -> api.Message:
        """Wait until their node has a message with this text, or a file of this name."""
        return self.do(until(lambda: seen(self.node, chat, text)))


class Friend(Someone):
    """Somebody without a browser."""

    def __init__(self, town: Town, name: str, home: Path) -> None:
        super().__init__(town, name)
        self._person: Neighbour = town.do(Neighbour(name).start(home, town.addresses))

    @property
    def node(self) -> api.Node:
        return self._person.node

    def leave(self) -> None:
        self.do(self._person.stop())


class Person(Someone):
    """Somebody with the app in front of them.

    What the app must never do (an error on the console, a breach of its policy, a request elsewhere) is kept
    in `troubles`, and fails the test at its end.
    """

    def __init__(self, window: Window, name: str, home: Path) -> None:
        super().__init__(window.town, name)
        self.home = home
        self._window = window
        #: Where what is saved goes.
        self.downloads = home.with_name(f"{home.name}-downloads")
        self._host = Host(
            Directory(home), costs=CHEAP, pause=0.01, config=Config(downloads=self.downloads)
        )
        self._server = WebServer(self._host, relays=self.town.addresses)
        self._contexts: list[BrowserContext] = []
        self.page: Page
        #: The words of an account that `creates` made.
        self.words: list[str] = []
        self.troubles: list[str] = []
        self.do(self._server.start())

    # --- Around the app ---------------------------------------------------------------------------

    @property
    def node(self) -> api.Node:
        return self._host.node

    @property
    def link(self) -> str:
        """A new link into the app. It is good once."""

        async def make() -> str:
            return self._server.link()

        return self.do(make())

    def settles(self) -> Self:
        """Have an account, by the node alone."""
        self.do(self._host.begin(Beginning(self.name, PHRASE, self.town.addresses)))
        return self

    def leave(self) -> None:
        """Close the browser, then the node."""
        if shots := os.environ.get("HELIOGRAM_SHOTS"):
            with contextlib.suppress(Error, AttributeError):
                name = re.sub(
                    r"\W+", "-", os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[-1]
                )
                self.do(self.page.screenshot(path=Path(shots) / f"end-{name}-{self.name}.png"))
        # What the page says of a node that goes is nobody's trouble: it goes first.
        for one in self._contexts:
            self.do(one.close())
        self.do(self._server.close())
        self.do(self._host.close())

    def shot(self, name: str) -> None:
        """A picture of the page in the folder that `HELIOGRAM_SHOTS` names; nothing without one."""
        if shots := os.environ.get("HELIOGRAM_SHOTS"):
            self.do(self.page.screenshot(path=Path(shots) / f"{name}.png"))

    # --- The window -------------------------------------------------------------------------------

    def opens(
        self,
        link: str | None = None,
        *,
        width: int = 1280,
        height: int = 800,
        scheme: Literal["light", "dark"] = "light",
        language: str = "en-GB",
        touch: bool = False,
    ) -> Self:
        """Open the app in a new window, by a link or a new one."""
        self.do(self._open(link or self.link, width, height, scheme, language, touch))
        return self

    async def _open(
        self,
        link: str,
        width: int,
        height: int,
        scheme: Literal["light", "dark"],
        language: str,
        touch: bool,
    ) -> None:
        context = await self._window.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            locale=language,
            has_touch=touch,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        self.page = await context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        await self.page.goto(link)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        # What the node refuses is no error: the app says it in words. `_answered` looks at these.
        if message.text.startswith("Failed to load resource") and self._is_ours(
            message.location["url"]
        ):
            return
        # Which features a browser knows depends on its version.
        if "Unrecognized feature" in message.text:
            return
        self.troubles.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not self._is_ours(request.url) and not request.url.startswith(("blob:", "data:")):
            self.troubles.append(f"a request elsewhere: {request.url}")

    def _answered(self, response: Response) -> None:
        file = "/app/" in response.url
        if response.status >= 500 or (file and response.status >= 400):
            self.troubles.append(f"{response.status}: {response.url}")

    def _is_ours(self, url: str) -> bool:
        places = (self._server.url, self._server.url.replace("http:", "ws:", 1))
        return url.startswith((*places, self._server._media.origin))

    def narrow(self, width: int = 360, height: int = 700) -> None:
        """Make the window as small as a telephone's."""
        self.do(self.page.set_viewport_size({"width": width, "height": height}))

    @contextlib.contextmanager
    def late(self, command: str) -> Iterator[Callable[[], None]]:
        """Answers to commands of this tag, such as "set chat", reach the page at the end of the block.

        Gives what waits until the node has answered one: of what is done after it, that answer knows nothing.
        """
        answered, over = asyncio.Event(), asyncio.Event()

        async def hold(route: Route) -> None:
            response = await route.fetch()
            answered.set()
            await over.wait()
            await route.fulfill(response=response)

        async def told() -> None:
            await answered.wait()

        async def end() -> None:
            over.set()
            await self.page.unroute_all(behavior="wait")

        self.do(self.page.route(f"**/api/call/{command.replace(' ', '-')}", hold))
        try:
            yield lambda: self.do(told())
        finally:
            self.do(end())

    def hears(self, notice: api.AnyNotice) -> None:
        """Let the app hear a notice, as if the node had said it."""

        async def tell() -> None:
            self._server.events.tell(notice)

        self.do(tell())

    # --- What there is on the page ----------------------------------------------------------------

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """A button by what it is called."""
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    def field(self, name: str) -> Locator:
        """A field by what it is called."""
        return self.page.get_by_label(name, exact=True)

    def presses(self, keys: str) -> None:
        """Press keys, wherever the focus is: "Control+K", "Escape"."""
        self.do(self.page.keyboard.press(keys))

    def types(self, text: str) -> None:
        """Type, wherever the focus is."""
        self.do(self.page.keyboard.type(text))

    def clicks(self, what: str | Locator) -> None:
        """Click on a button by its name, or on anything."""
        self.do((self.button(what) if isinstance(what, str) else what).click())

    def fills(self, what: str | Locator, text: str) -> None:
        """Fill a field by its name, or any."""
        self.do((self.field(what) if isinstance(what, str) else what).fill(text))

    def chooses(self, item: str) -> None:
        """Choose in the menu that is open."""
        self.do(self.page.get_by_role("menu").get_by_text(item, exact=True).click())

    def sees(self, what: str | Locator) -> None:
        """Wait until a text, or anything, is to be seen."""
        self.do(expect(self._place(what)).to_be_visible(timeout=PATIENCE_MS))

    def misses(self, what: str | Locator) -> None:
        """Wait until it is to be seen nowhere."""
        self.do(expect(self._place(what, every=True)).to_have_count(0, timeout=PATIENCE_MS))

    def _place(self, what: str | Locator, *, every: bool = False) -> Locator:
        found = self.page.get_by_text(what) if isinstance(what, str) else what
        found = found.filter(visible=True)
        return found if every else found.first

    # --- The app ----------------------------------------------------------------------------------

    def creates(self, name: str | None = None, *, skip: bool = False) -> Self:
        """Make an account from the first page on. With `skip`, the words are not written down."""
        self.clicks("Create an account")
        self.fills("Your name", name or self.name)
        self.clicks("Next")
        self.fills("Passphrase", PHRASE)
        self.fills("Passphrase again", PHRASE)
        self.clicks("Next")
        self.clicks("Create account")
        self.sees("Write these words down")
        cells = self.page.locator(".words li > span:last-child")
        self.words = self.do(cells.all_inner_texts())
        if skip:
            self.clicks("Skip")
            self.clicks("Skip anyway")
        else:
            self.clicks("I wrote them down")
            fields = self.page.locator("[data-place]")
            for n in range(3):
                place = self.do(fields.nth(n).get_attribute("data-place"))
                self.fills(fields.nth(n), self.words[int(place or 0)])
            self.clicks("Check")
        self.clicks("To the chats")
        return self

    def row(self, chat: str) -> Locator:
        """A conversation's row in the list, by its name alone: any message may hold the same letters."""
        name = self.page.locator(".row-name").filter(has_text=chat)
        return self.page.locator(".list .row").filter(has=name)

    def line(self, name: str) -> Locator:
        """Somebody's line in a list of people, by their name alone.

        Beside it stand their mark, which is words, and their role: "circle" and "Owner" hold a "Cleo".
        """
        called = self.page.locator(".p-name").get_by_text(name, exact=True)
        return self.page.locator(".p-line").filter(has=called)

    def goes_to(self, chat: str) -> None:
        """Open a conversation from the list."""
        self.clicks(self.row(chat).first)
        self.sees(self.page.locator(".chat-name").filter(has_text=chat))

    @property
    def composer(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def history(self) -> Locator:
        """The messages of the conversation that is open."""
        return self.page.get_by_role("log")

    def says(self, chat: str, text: str) -> None:
        """Write in a conversation as a person does, and see it there."""
        self.goes_to(chat)
        self.fills(self.composer, text)
        self.do(self.composer.press("Enter"))
        self.reads(text)

    def reads(self, text: str) -> None:
        """Wait until a text stands in the conversation that is open."""
        self.sees(self.history.get_by_text(text))


class People:
    """Everybody of one test."""

    def __init__(self, window: Window, folder: Path) -> None:
        self._window = window
        self._folder = folder
        self._all: list[Person | Friend] = []

    def newcomer(self, name: str) -> Person:
        """Somebody with a browser and without an account. `opens` shows the first page."""
        return self._add(lambda home: Person(self._window, name, home))

    def at_home(self, name: str) -> Person:
        """Somebody who has an account and the app open."""
        person = self.newcomer(name).settles().opens()
        # What the node has is there: at least the conversation with oneself.
        person.sees(person.page.locator(".list .row"))
        return person

    def friend(self, name: str) -> Friend:
        """Somebody with a node only: quick, for whoever is written to."""
        return self._add(lambda home: Friend(self._window.town, name, home))

    P = TypeVar("P", Person, Friend)

    def _add(self, make: Callable[[Path], P]) -> P:
        made = make(self._folder / f"home-{len(self._all)}")
        self._all.append(made)
        return made

    def acquaint(self, one: Someone, other: Someone) -> None:
        """Let two who have accounts be contacts with a conversation, by their nodes alone."""
        self._window.town.do(_acquaint(one, other))

    def leave(self) -> None:
        """All go. Fails if an app did what none may."""
        for one in reversed(self._all):
            one.leave()
        troubles = [
            f"{one.name}: {what}"
            for one in self._all
            if isinstance(one, Person)
            for what in one.troubles
        ]
        if troubles:
            pytest.fail("\n".join(troubles), pytrace=False)


async def _acquaint(one: Someone, other: Someone) -> None:
    link: api.ContactLink = await one.node.call(api.NewLink())
    await other.node.call(api.AddContact(link.uri))

    async def request() -> api.Request | None:
        found: list[api.Request] = await one.node.call(api.GetRequests())
        return next((each for each in found if each.who.name == other.name), None)

    await one.node.call(api.AcceptRequest((await until(request)).id))
    await one.node.call(api.RevokeLink(link.id))
    for me, them in ((one, other), (other, one)):
        await until(lambda me=me, them=them: _knows(me.node, them.name))  # type: ignore[misc]


async def _knows(node: api.Node, name: str) -> bool | None:
    found: list[api.Contact] = await node.call(api.GetContacts())
    known = (one for one in found if one.who.name == name and one.state == "known")
    contact = next((one for one in known if one.chat), None)
    if contact is None or contact.chat is None:
        return None
    info: api.ChatInfo = await node.call(api.GetChat(contact.chat))
    return (info.chat.phase == "open" and len(info.members) == 2) or None


__all__ = [
    "PATIENCE",
    "PATIENCE_MS",
    "PHRASE",
    "Friend",
    "People",
    "Person",
    "Window",
    "find_browser",
]
