"""The app's way: start, make a profile, lock and unlock it, call, listen."""

from __future__ import annotations

from pathlib import Path

from heliogram.node import api
from heliogram.node.control.client import Client
from heliogram.node.profile.lock import is_locked
from heliogram.web.server import WebServer
from tests.cli.town import PHRASE
from tests.web.kit import PAGE, Browser, browsing, create, heard, serving


async def test_a_profile_is_made_locked_and_unlocked(browser: Browser, tmp_path: Path) -> None:
    assert (await browser.state())["state"] == "new"
    words = await create(browser)
    assert len(words.split()) == 24
    state = await browser.state()
    assert (state["state"], state["name"], state["profile"]) == ("open", "Ben", "home")
    status = await browser.good("api/call/status")
    assert status["me"]["name"] == "Ben"
    async with browser.events() as socket:
        await heard(socket, "state", state="open")
        await browser.good("api/lock")
        await heard(socket, "state", state="locked")
        assert (await browser.post("api/call/chats")).code == "not open"
        assert not is_locked(tmp_path / "home/node.lock")
        wrong = await browser.post("api/unlock", {"passphrase": "another"})
        assert (wrong.status, wrong.code) == (403, "wrong passphrase")
        await browser.good("api/unlock", {"passphrase": PHRASE})
        await heard(socket, "state", state="open")
    assert (await browser.good("api/call/status"))["me"]["name"] == "Ben"


async def test_the_account_comes_back_by_its_words(browser: Browser, tmp_path: Path) -> None:
    words = await create(browser)
    account = (await browser.good("api/call/status"))["me"]["account"]
    async with serving(tmp_path / "again") as web, browsing(web) as other:
        wrong = await other.post(
            "api/restore", {"name": "Ben", "words": "one two", "passphrase": PHRASE}
        )
        assert wrong.code == "words count" and wrong.json["error"]["fields"]["count"] == 2
        assert (await other.state())["state"] == "new"
        await other.good("api/restore", {"name": "Ben", "words": words, "passphrase": PHRASE})
        assert (await other.good("api/call/status"))["me"]["account"] == account


async def test_files_of_the_app(browser: Browser, web: WebServer) -> None:
    page = await browser.ask(
        "GET", "", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document", Sec_Fetch_Site="none"
    )
    assert page.status == 200 and page.body.decode() == PAGE
    script = await browser.ask("GET", "app/js/main.js", Sec_Fetch_Dest="script")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    for missing in ("app/notes.unknown", "app/", "app/../server.py", "app/%2e%2e/x", "app"):
        assert (await browser.ask("GET", missing, Sec_Fetch_Dest="script")).status in (404, 400)


async def test_the_command_line_reaches_the_same_node(browser: Browser, tmp_path: Path) -> None:
    await create(browser)
    async with browser.events() as socket:
        await heard(socket, "state")
        async with Client.of_home(tmp_path / "home") as client:
            status: api.Status = await client.call(api.GetStatus())
            assert status.me.name == "Ben"
            await client.call(api.Lock())
        await heard(socket, "state", state="locked")
    assert (await browser.state())["state"] == "locked"
