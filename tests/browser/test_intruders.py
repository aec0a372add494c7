"""Pages of others in the same browser: they reach nothing, learn nothing, and have no hold on the app."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import BrowserContext, Error, Page

from heliogram.web.starting import Doorstep
from tests.browser.kit import People, Person, Window

#: What a page tries, given the app's whole address, which it could not know. Each gives what it got.
TRIES = {
    "fetch": "fetch(url + 'api/state')",
    "fetch without cors": "fetch(url + 'api/state', {mode: 'no-cors'})",
    "fetch with a secret": "fetch(url + 'api/state', {headers: {'Heliogram-Secret': 'x'}})",
    "post": "fetch(url + 'api/lock', {method: 'POST', body: '{}'})",
    "post without cors": "fetch(url + 'api/lock', {method: 'POST', mode: 'no-cors', body: '{}'})",
    "img": "loaded('img', url + 'app/icon.svg')",
    "script": "loaded('script', url + 'app/js/main.js')",
    "module": "import(url + 'app/js/main.js')",
    "style": "loaded('link', url + 'app/style/base.css')",
    "EventSource": "opened(new EventSource(url + 'api/events'))",
    "WebSocket": "opened(new WebSocket(url.replace('http', 'ws') + 'api/events', ['heliogram']))",
}

HELP = """() => {
window.loaded = (kind, url) => new Promise((good, bad) => {
  const one = document.createElement(kind);
  one.onload = () => good('loaded'); one.onerror = () => bad('nothing');
  if (kind === 'link') { one.rel = 'stylesheet'; one.href = url; } else one.src = url;
  document.documentElement.append(one);
});
window.opened = (one) => new Promise((good, bad) => {
  one.onopen = () => good('open');
  one.onerror = () => { one.close(); bad('nothing'); };
});
}"""


class Intruder:
    """A page at another port of this machine: the nearest that a page of somebody else can come."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._server: asyncio.Server
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def stop(self) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        page = b"<!doctype html><title>other</title>"
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
            f"Set-Cookie: planted=here; Path=/\r\nContent-Length: {len(page)}\r\n\r\n"
        )
        writer.write(head.encode() + page)
        await writer.drain()
        writer.close()


@pytest.fixture
def intruder(window: Window) -> Iterator[Intruder]:
    made = Intruder(window)
    window.town.do(made.start())
    yield made
    window.town.do(made.stop())


@pytest.fixture
def somebody(people: People) -> Person:
    """Somebody with the app open, in the browser where the others are, too."""
    return people.at_home("Anna")


async def _visit(context: BrowserContext, where: str) -> Page:
    """A page of somebody else: at another port, or at a name elsewhere."""
    if "evil" in where:
        page = "<!doctype html><title>other</title>"
        await context.route(
            f"{where}**", lambda one: one.fulfill(body=page, content_type="text/html")
        )
    opened = await context.new_page()
    await opened.goto(where)
    await opened.evaluate(HELP)
    return opened


@pytest.mark.parametrize("place", ["another port", "http://evil.example/"])
def test_58_a_page_of_somebody_else_gets_nothing(
    somebody: Person, intruder: Intruder, place: str
) -> None:
    url = somebody._server.url
    where = intruder.url if place == "another port" else place

    async def attack() -> dict[str, str]:
        page = await _visit(somebody.page.context, where)
        got = {}
        for name, what in TRIES.items():
            script = f"(url) => ({what}).then((r) => 'got ' + r, (e) => 'nothing')"
            got[name] = await page.evaluate(script, url)
        await page.close()
        return got

    assert somebody.do(attack()) == dict.fromkeys(TRIES, "nothing")
    # Nobody locked it, and it goes on.
    somebody.sees(somebody.page.get_by_role("navigation", name="Chats"))


@pytest.mark.parametrize("place", ["another port", "http://evil.example/"])
def test_63_the_app_is_not_framed_opened_or_led(
    somebody: Person, intruder: Intruder, place: str
) -> None:
    url = somebody._server.url
    where = intruder.url if place == "another port" else place

    async def attack() -> None:
        page = await _visit(somebody.page.context, where)
        titles = []
        await page.evaluate(
            "(url) => { const f = document.createElement('iframe'); f.src = url;"
            " document.documentElement.append(f);"
            " return new Promise((done) => { f.onload = f.onerror = done; }); }",
            url,
        )
        for frame in page.frames[1:]:
            try:
                titles.append(await frame.title())
            except Error:
                titles.append("")
        async with page.expect_popup() as popup:
            await page.evaluate("(url) => { window.mine = window.open(url, 'mine'); }", url)
        opened = await popup.value
        try:
            await opened.wait_for_load_state()
            titles.append(await opened.title())
        except Error:
            pass
        assert "Heliogram" not in titles
        form = "(url) => { const f = document.createElement('form'); f.action = url + 'api/lock';"
        form += " f.method = 'POST'; document.documentElement.append(f); f.submit(); }"
        try:
            async with page.expect_navigation():
                await page.evaluate(form, url)
        except Error:
            pass
        assert "api/lock" not in page.url or await page.title() != "Heliogram"
        await page.close()

    somebody.do(attack())
    somebody.sees(somebody.page.get_by_role("navigation", name="Chats"))
    assert somebody.do(somebody.page.evaluate("window.opener")) is None


def test_61_planted_cookies_change_nothing(somebody: Person, intruder: Intruder) -> None:
    async def plant() -> list[str]:
        page = await _visit(somebody.page.context, intruder.url)
        await page.evaluate(
            "for (let n = 0; n < 40; n++) document.cookie = `c${n}=${'x'.repeat(4000)}; path=/`"
        )
        await somebody.page.reload()
        return [one.get("name", "") for one in await somebody.page.context.cookies()]

    names = somebody.do(plant())
    assert len(names) > 20
    assert all(one == "planted" or one.startswith("c") for one in names)
    somebody.sees(somebody.page.get_by_role("navigation", name="Chats"))


def test_62_a_file_opens_the_app_and_leaves_no_trace(people: People, window: Window) -> None:
    anna = people.newcomer("Anna").settles()
    directory = anna._host.directory

    async def start() -> tuple[Doorstep, str]:
        doorstep = Doorstep(directory, anna._server)
        return doorstep, doorstep.start_file().as_uri()

    doorstep, file = anna.do(start())
    anna.opens(file)
    anna.sees(anna.page.get_by_role("navigation", name="Chats"))
    assert anna.page.url == anna._server.url  # no token is in it
    anna.troubles.remove(f"a request elsewhere: {file}")
    assert not list(directory.root.glob("start-*"))
    # It can be loaded again, though browsers remember where a page was opened from.
    anna.do(anna.page.reload())
    anna.sees(anna.page.get_by_role("navigation", name="Chats"))
    referrers = anna.do(anna.page.evaluate("document.referrer"))
    assert referrers == ""

    async def leave() -> None:
        doorstep.leave()

    anna.do(leave())
