"""The start: a link that works once and that nobody else sees, files for their owner, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import aiohttp
import pytest

from heliogram.node.control.client import Client
from heliogram.node.profile.lock import is_locked
from heliogram.web.server import WebServer
from heliogram.web.sessions import PATIENCE as TOKEN_PATIENCE
from heliogram.web.sessions import Sessions
from heliogram.web.starting import Doorstep, Presence, write_start
from tests.cli.town import CLI, PATIENCE, PHRASE, make_profile, write_private
from tests.web.kit import Browser, mode, raw, request


class Program:
    """`heliogram web`, as a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @property
    def out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def stop(self) -> str:
        """End it, and give all that it said since."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, said
        return said


def environment(home: Path, **more: str) -> dict[str, str]:
    unwanted = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "HELIOGRAM_PASSPHRASE_FILE")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "HELIOGRAM_HOME": str(home), "PYTHONWARNINGS": "error", **more}


@contextmanager
def running(home: Path, *arguments: str, **more: str) -> Iterator[Program]:
    process = subprocess.Popen(
        [*CLI, "web", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(home, **more),
    )
    try:
        yield Program(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=PATIENCE)


async def redeem(link: str) -> tuple[int, str]:
    """Use a link: the status, and the secret."""
    url, _, token = link.partition("#")
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + "api/session", json={"token": token}) as found,
    ):
        return found.status, (await found.json()).get("secret", "")


async def test_the_command_serves_until_a_signal(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_profile(home, "Ben").close()
    phrase = tmp_path / "phrase"
    write_private(phrase, PHRASE)
    with running(home, "--no-browser", "--json", HELIOGRAM_PASSPHRASE_FILE=str(phrase)) as program:
        ready = json.loads(program.out.readline())
        assert ready["ready"] is True
        there = Presence(**json.loads((home / "web.json").read_text()))
        assert mode(home / "web.json") == 0o600
        status, secret = await redeem(ready["link"])
        assert status == 200
        async with aiohttp.ClientSession(headers={"Heliogram-Secret": secret}) as session:
            async with session.get(there.url + "api/state") as found:
                assert (await found.json())["state"] == "open"
        async with Client.of_home(home):
            pass  # the command line reaches the same node
        # Once more: the same server, another link.
        again = subprocess.run(
            [*CLI, "web", "--no-browser"],
            capture_output=True,
            text=True,
            env=environment(home),
            timeout=PATIENCE,
        )
        said, link = again.stdout.splitlines()
        assert said == "ready" and link.startswith(there.url) and link != ready["link"]
        assert (await redeem(link))[0] == 200
        program.stop()
    left = {path.name for path in home.iterdir()}
    assert "web.json" not in left and "uploads" not in left
    assert not is_locked(home / "node.lock")


async def test_programs_of_the_owner_have_secrets_by_scope(
    browser: Browser, web: WebServer, tmp_path: Path
) -> None:
    web.host.directory.make()
    doorstep = Doorstep(web.host.directory, web)
    there = Presence(**json.loads((tmp_path / "home/web.json").read_text()))
    assert set(there.tokens) == {"read", "send", "app"}
    assert all(one not in repr(there) for one in there.tokens.values())
    await browser.good("api/create", {"name": "Ben", "passphrase": PHRASE})
    owner = browser.secret
    for scope, chats, send, link in (
        ("read", 200, 403, 403),
        ("send", 200, 404, 403),
        ("app", 200, 404, 200),
    ):
        browser.secret = there.tokens[scope]
        assert (await browser.post("api/call/chats")).status == chats
        said = await browser.post("api/call/send", {"chat": "nobody", "text": "x"})
        assert said.status == send, said.body
        assert (await browser.post("api/call/links")).status == link
        assert (await browser.post("api/token")).status == link
        assert (await browser.post("api/qr", {"text": "x"})).status == 200
        if scope != "app":
            assert (await browser.post("api/lock")).code == "not permitted"
            assert (await browser.post("api/call/lock")).code == "not permitted"
    browser.secret = owner
    doorstep.leave()
    assert not (tmp_path / "home/web.json").exists()


# --- The link -------------------------------------------------------------------------------------

#: A browser that keeps what it was started with, and does what its page says.
BROWSER = """\
#!{python}
import pathlib, sys
pathlib.Path({argv!r}).write_text("\\n".join(sys.argv[1:]))
page = pathlib.Path(sys.argv[1].removeprefix("file://"))
pathlib.Path({page!r}).write_text(oct(page.stat().st_mode & 0o777) + page.read_text())
"""


async def test_62_a_browser_is_started_without_a_secret(tmp_path: Path) -> None:
    home = tmp_path / "home"
    kept = {"argv": str(tmp_path / "argv"), "page": str(tmp_path / "page")}
    program_file = tmp_path / "browser"
    program_file.write_text(BROWSER.format(python=sys.executable, **kept))
    program_file.chmod(0o700)
    with running(home, BROWSER=f"{program_file} %s") as program:
        assert program.out.readline() == "ready\n"
        page = (tmp_path / "page").read_text()
        assert page.startswith("0o600")
        found = re.search(r"url=(\S+)start#([\w-]+)\"", page)
        assert found is not None
        url, token = found.groups()
        base = urlsplit(url).path.strip("/")
        argv = (tmp_path / "argv").read_text()
        assert token not in argv and base not in argv
        for one in Path("/proc").glob("[0-9]*/cmdline") if Path("/proc/self").exists() else ():
            try:
                seen = one.read_bytes()
            except OSError:
                continue
            assert token.encode() not in seen and base.encode() not in seen
        [start] = home.glob("start-*.html")
        assert argv == start.as_uri()
        assert (await redeem(f"{url}#{token}"))[0] == 200
        assert not start.exists()
        assert (await redeem(f"{url}#{token}"))[0] == 401
        said = program.stop()
        assert token not in said and base not in said


async def test_62_a_token_is_good_once(browser: Browser, web: WebServer) -> None:
    token = web.link().partition("#")[2]
    assert (await browser.post("api/session", {"token": token})).status == 200
    again = await browser.post("api/session", {"token": token})
    assert (again.status, again.code) == (401, "no session")
    for wrong in ("", "x", token[:-1], "é" * 40):
        assert (await browser.post("api/session", {"token": wrong})).status == 401


def test_62_a_token_does_not_wait_for_ever() -> None:
    now = [0.0]
    sessions = Sessions(os.urandom, lambda: now[0])
    early, late = sessions.new_token(), sessions.new_token()
    assert sessions.starting and sessions.redeem(early)
    now[0] = TOKEN_PATIENCE
    assert not sessions.starting
    with pytest.raises(Exception) as refused:
        sessions.redeem(late)
    assert getattr(refused.value, "code", "") == "no session"


def test_62_only_hashes_are_kept() -> None:
    sessions = Sessions(os.urandom, lambda: 0.0)
    token = sessions.new_token()
    secret = sessions.redeem(sessions.new_token())
    kept = repr(vars(sessions))
    assert token not in kept and secret not in kept


async def test_62_no_page_tells_where_it_came_from(browser: Browser) -> None:
    for path, more in (
        ("", {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}),
        ("app/js/main.js", {"Sec_Fetch_Dest": "script"}),
        ("api/state", {}),
    ):
        answer = await browser.ask("GET", path, **more)
        assert answer.status == 200
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_62_nothing_is_logged_of_what_is_asked_for(
    browser: Browser, web: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    base = urlsplit(web.url).path
    await browser.post("api/call/status")
    await browser.post("api/nothing")
    port = urlsplit(web.url).port
    assert port is not None
    await raw(port, request(f"{base}api/x y", headers={"Host": f"127.0.0.1:{port}"}))
    await raw(port, request(base, headers={"Host": "evil.example"}))
    assert base.strip("/") not in caplog.text
    assert browser.secret not in caplog.text


async def test_62_the_start_page_opens_only_at_the_start(browser: Browser, web: WebServer) -> None:
    """A browser says of what a file has opened that it comes from another site."""
    port = urlsplit(web.url).port
    assert port is not None
    base = urlsplit(web.url).path
    from_file = {
        "Host": f"127.0.0.1:{port}",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
        "Connection": "close",
    }
    assert await raw(port, request(f"{base}start", headers=from_file)) == b""
    token = web.link().partition("#")[2]
    started = await raw(port, request(f"{base}start", headers=from_file))
    assert started.startswith(b"HTTP/1.1 200 ") and b"start.js" in started
    assert await raw(port, request(base, headers=from_file)) == b""
    await browser.post("api/session", {"token": token})
    assert await raw(port, request(f"{base}start", headers=from_file)) == b""


def test_62_what_leads_to_the_app_is_its_owners(web: WebServer) -> None:
    web.host.directory.make()
    path = write_start(web.host.directory, web.link())
    assert mode(path) == 0o600
    assert 'name="referrer" content="no-referrer"' in path.read_text()
