"""Programs of the owner, each with a secret: none gets beyond its scope. Bots come later, with such ones."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from heliogram.node import api
from heliogram.node.control.place import Place
from heliogram.node.control.server import Server
from heliogram.web.calls import COMMANDS
from heliogram.web.scopes import Scope, may
from heliogram.web.starting import Doorstep, presence_file
from tests.cli.town import make_profile
from tests.web.kit import Browser, browsing, heard, serving
from tests.web.remote import FilesNode

#: Calls that are no commands, with the scope that each needs.
POSTS = {
    "create": Scope.APP,
    "restore": Scope.APP,
    "unlock": Scope.APP,
    "lock": Scope.APP,
    "awake": Scope.APP,
    "token": Scope.APP,
    "uploads?name=x": Scope.SEND,
    "attachments": Scope.READ,
    "qr": Scope.READ,
}

#: What somebody gives for a file who wants this machine to read or to fetch something.
LURES = (
    "file:///etc/passwd",
    "/etc/passwd",
    "../../../etc/passwd",
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:1/x",
    "http://[::1]:1/x",
    "https://evil.example/redirect",
    "ftp://evil.example/x",
    "\\\\host\\share\\x",
    "//host/share/x",
    "upload:../../x",
    "upload:file:///etc/passwd",
    "attach://x",
    "data:text/plain,x",
    "@/etc/passwd",
    "|id",
)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FilesNode]:
    """A node of the profile, in what could be another process."""
    home = tmp_path / "home"
    make_profile(home, "Ben").close()
    made = FilesNode()
    made.meet("Anna")
    async with Server(made, Place(home / "node.sock")):
        yield made


@pytest.fixture
async def browser(node: FilesNode, tmp_path: Path) -> AsyncIterator[Browser]:
    async with serving(tmp_path / "home") as web, browsing(web) as made:
        assert (await made.state())["state"] == "open"
        yield made


@pytest.fixture
def tokens(browser: Browser) -> Iterator[dict[str, str]]:
    """What `web.json` has for programs."""
    directory = browser.web.host.directory
    doorstep = Doorstep(directory, browser.web)
    found: dict[str, str] = json.loads(presence_file(directory).read_bytes())["tokens"]
    yield found
    doorstep.leave()


#: What is told of files and connections, while somebody listens.
_watched: list[list[str]] = []
_hooked = False


@contextmanager
def watching() -> Iterator[list[str]]:
    """All that this process opens or connects to meanwhile."""
    global _hooked

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if _watched and event in ("open", "socket.connect", "socket.getaddrinfo", "os.listdir"):
            _watched[-1].append(f"{event} {arguments[:2]}")

    if not _hooked:
        sys.addaudithook(hook)  # it cannot be taken away again
        _hooked = True
    _watched.append([])
    try:
        yield _watched[-1]
    finally:
        _watched.pop()


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SEND])
async def test_64_a_secret_opens_nothing_beyond_its_scope(
    browser: Browser, node: FilesNode, tokens: dict[str, str], scope: Scope
) -> None:
    browser.secret = tokens[scope.value]
    node.called.clear()
    beyond = [name for name, kind in COMMANDS.items() if not may(scope, kind)]
    assert {"lock", "words", "links", "network", "backup", "set-profile"} <= set(beyond)
    for name in beyond:
        # By its name in any form, with any body: a command that is not its own does not even get read.
        for written in (name, name.replace("-", "%20"), name.upper(), f"{name}/", f"x/../{name}"):
            answer = await browser.post(f"api/call/{written}", {"chat": "Anna"})
            assert answer.code in ("not permitted", "no such path"), written
    for path, needed in POSTS.items():
        refused = (await browser.post(f"api/{path}")).status == 403
        assert refused == (needed is Scope.APP or (needed is Scope.SEND and scope is Scope.READ))
    assert (await browser.ask("DELETE", f"api/uploads/{'0' * 32}")).code == (
        "not permitted" if scope is Scope.READ else "no such upload"
    )
    # A tag in the body does not make another command of a permitted one.
    answer = await browser.post("api/call/chats", {"do": "lock"})
    assert answer.code == "invalid command"
    await browser.good("api/call/chats", {"do": "chats", "command": "lock", "@type": "lock"})
    # The server itself asks how things are, and when to lock.
    own = {api.GetStatus, api.GetScheduled, api.GetPreferences}
    assert {type(one) for one in node.called} <= own | {api.GetChats}
    assert (await browser.state())["state"] == "open"


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SEND])
async def test_64_who_hears_cannot_speak(
    browser: Browser, node: FilesNode, tokens: dict[str, str], scope: Scope
) -> None:
    async with browser.events(tokens[scope.value]) as socket:
        node.called.clear()
        for said in ({"do": "lock"}, {"event": "locked"}, {"event": "state", "state": "locked"}):
            try:
                await socket.send_json(said)
            except ConnectionError:
                break  # who says something is not listened to
        own = (api.GetStatus, api.GetPreferences)
        assert not [one for one in node.called if not isinstance(one, own)]
    async with browser.events(tokens[scope.value]) as socket:
        node.somebody_says("Anna", "hello")
        await heard(socket, "message added")


async def test_64_a_secret_becomes_no_other(browser: Browser, tokens: dict[str, str]) -> None:
    for scope in ("read", "send"):
        browser.secret = tokens[scope]
        # No token of a link, so no session of the app; and it is no token itself.
        assert (await browser.post("api/token")).code == "not permitted"
        assert (await browser.post("api/session", {"token": tokens[scope]})).status >= 400
        for other in (tokens[scope].upper(), tokens[scope][:-1], tokens[scope] + "=", ""):
            browser.secret = other
            assert (await browser.post("api/call/chats")).status in (401, 403)


@pytest.mark.parametrize("scope", list(Scope))
async def test_65_no_path_and_no_address_is_read_or_reached(
    browser: Browser, node: FilesNode, tokens: dict[str, str], scope: Scope
) -> None:
    browser.secret = tokens[scope.value]
    # What is opened at the first request is open then.
    await browser.post("api/call/send", {"chat": "Anna", "files": ["x"]})
    node.called.clear()
    with watching() as seen:
        for lure in LURES:
            for name, fields in (
                ("send", {"chat": "Anna", "files": [lure]}),
                ("send", {"chat": "Anna", "text": "x", "files": ["upload:x", lure]}),
                ("schedule", {"chat": "Anna", "at": 1, "files": [lure]}),
                ("set-profile", {"picture": lure}),
                ("set-profile", {"chat": "Anna", "picture": lure}),
                ("network", {"authority": lure}),
                ("get-file", {"message": "0", "directory": lure}),
                ("export", {"directory": lure}),
                ("backup", {"file": lure}),
            ):
                answer = await browser.post(f"api/call/{name}", fields)
                wanted = ("invalid command", "no such upload", "not permitted")
                assert answer.code in wanted, (name, lure, answer.body)
            # A name is a name, whatever it looks like.
            for name, fields in (
                ("attachments", {"message": lure, "index": 0}),
                ("attachments", {"picture": lure}),
            ):
                assert (await browser.post(f"api/{name}", fields)).status >= 400
    assert seen == []
    assert not [one for one in node.called if isinstance(one, api.SendMessage | api.SetProfile)]
