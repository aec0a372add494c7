"""How the app is opened, and how other programs of its owner find the server.

A browser is started with the path of a file that leads to the app: a link in a program's arguments could be
read by every user of the machine. The file is its owner's only, and gone when it was used.
"""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from heliogram.node.errors import ProfileBusy
from heliogram.node.profile.directory import Directory
from heliogram.node.store.disk import create_private, replace_private
from heliogram.web.scopes import Scope
from heliogram.web.server import SECRET_HEADER, WebServer

#: Seconds that a server which runs may take to give a link, and bytes of its answer.
PATIENCE: Final = 10.0
_LONGEST: Final = 64 << 10


class Presence(Struct, frozen=True):
    """What `web.json` says: where the server is, and a secret for each scope, good while it runs."""

    url: str
    tokens: dict[str, str]

    def __repr__(self) -> str:
        return "Presence()"


class _Token(Struct, frozen=True):
    token: str


def presence_file(directory: Directory) -> Path:
    """Where other programs look."""
    return directory.root / "web.json"


def lock_file(directory: Directory) -> Path:
    """What the one server of a profile holds."""
    return directory.root / "web.lock"


class Doorstep:
    """The files of a server that runs: `web.json`, and one that opens a browser."""

    def __init__(self, directory: Directory, web: WebServer) -> None:
        """Write `web.json`. Raises `OSError`."""
        self._directory = directory
        self._web = web
        self._start: Path | None = None
        self._forget()
        tokens = {one.value: web.sessions.new_secret(one, lasting=True) for one in Scope}
        replace_private(presence_file(directory), msgspec.json.encode(Presence(web.url, tokens)))
        web.sessions.used = self.used

    def start_file(self) -> Path:
        """A file that opens the app, once. Raises `OSError`."""
        self.used()
        self._start = write_start(self._directory, self._web.link())
        return self._start

    def used(self) -> None:
        """It has done its work."""
        if self._start is not None:
            self._start.unlink(missing_ok=True)
            self._start = None

    def leave(self) -> None:
        """Take all away."""
        presence_file(self._directory).unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        for left in self._directory.root.glob("start-*.html"):
            left.unlink(missing_ok=True)


def write_start(directory: Directory, link: str) -> Path:
    """A file that leads to `link`. Raises `OSError`."""
    url, _, token = link.partition("#")
    path = directory.root / f"start-{os.urandom(8).hex()}.html"
    # By way of a page that leads on: browsers remember where a page was opened from.
    target = f"{url}start#{token}"
    page = (
        '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0;url={target}"><title>Heliogram</title>'
        f'<a href="{target}">Heliogram</a>\n'
    )
    create_private(path, page.encode())
    return path


def ask_link(directory: Directory) -> str:
    """A link from the server of this profile that runs already. Raises `ProfileBusy` if it gives none."""
    try:
        with open(presence_file(directory), "rb") as file:
            there = msgspec.json.decode(file.read(_LONGEST), type=Presence)
        where = urlsplit(there.url)
        connection = http.client.HTTPConnection("127.0.0.1", where.port, timeout=PATIENCE)
        try:
            secret = {SECRET_HEADER: there.tokens[Scope.APP.value]}
            connection.request("POST", where.path + "api/token", b"{}", secret)
            answer = connection.getresponse()
            token = msgspec.json.decode(answer.read(_LONGEST), type=_Token).token
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, msgspec.DecodeError, ValueError, KeyError):
        raise ProfileBusy from None
    return f"{there.url}#{token}"
