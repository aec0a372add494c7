"""`web`: the node in the foreground, with its app in a browser."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from heliogram.cli.face import Face
from heliogram.cli.serving import new_loop, stop_on_signals
from heliogram.node.engine.relay_list import described
from heliogram.node.errors import PassphraseNeeded, ProfileBusy
from heliogram.node.profile import passphrase
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.lock import Lock
from heliogram.web.host import Host
from heliogram.web.server import WebServer
from heliogram.web.starting import Doorstep, ask_link, lock_file, presence_file, write_start


def web(face: Face, port: int, relays: Sequence[str], *, browser: bool) -> None:
    """Run until a signal comes; or, if the app is served already, open it once more."""
    for one in relays:
        described(one)
    directory = face.directory
    directory.make()
    directory.check()
    browser = browser and _has_browser()
    try:
        lock = Lock(lock_file(directory))
    except ProfileBusy:
        _once_more(face, directory, ask_link(directory), browser=browser)
        return
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_serve(face, directory, port, relays, browser=browser))
    finally:
        lock.release()


async def _serve(
    face: Face, directory: Directory, port: int, relays: Sequence[str], *, browser: bool
) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    host = Host(directory)
    try:
        await _unlock(host)
        async with WebServer(host, port=port, relays=relays) as server:
            doorstep = Doorstep(directory, server)
            try:
                if browser:
                    _open(doorstep.start_file())
                    _ready(face, directory, "")
                else:
                    _ready(face, directory, server.link())
                await stop.wait()
            finally:
                doorstep.leave()
    finally:
        await host.close()


async def _unlock(host: Host) -> None:
    """Open the profile, if it is known how without asking; else the app asks."""
    directory = host.directory
    if await host.look() == "locked":
        with suppress(PassphraseNeeded, ProfileBusy):
            await host.unlock_by(lambda config: passphrase.find(directory, keyring=config.keyring))


def _once_more(face: Face, directory: Directory, link: str, *, browser: bool) -> None:
    if browser:
        _open(write_start(directory, link))
        link = ""
    _ready(face, directory, link)


def _has_browser() -> bool:
    """Whether there is a browser with windows."""
    if sys.platform.startswith(("linux", "freebsd")) and not any(
        os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    ):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _open(start: Path) -> None:
    # What a browser gets as its argument is a path, and no secret.
    webbrowser.open(start.as_uri())


def _ready(face: Face, directory: Directory, link: str) -> None:
    """Say that it runs, and the link, if nobody has opened it."""
    if face.as_json:
        ready = {"ready": True, "file": str(presence_file(directory))}
        face.screen.json({**ready, **({"link": link} if link else {})}, line=True)
    else:
        face.screen.write("ready")
        if link:
            face.screen.write(link)
        if face.screen.tty:
            if link:
                face.screen.write("Open it in a browser on this machine. It works once.")
            face.screen.write("Ctrl-C stops.")
    face.screen.flush()
