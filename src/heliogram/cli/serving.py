"""`serve`: the node in the foreground, for other programs of its owner."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import suppress

from heliogram.cli import cleaning
from heliogram.cli.face import Face
from heliogram.cli.opening import open_profile
from heliogram.node import api
from heliogram.node.control.place import Place
from heliogram.node.control.server import Server
from heliogram.node.local import LocalNode, open_node
from heliogram.node.store.upkeep import rewrite_is_due


def serve(face: Face) -> None:
    """Run until a signal comes, or until the node is locked."""
    with open_profile(face.directory) as profile, asyncio.Runner(loop_factory=new_loop) as runner:
        place = Place(profile.directory.socket())

        async def run() -> bool:
            """Whether it was locked."""
            stop, asked = asyncio.Event(), False
            stop_on_signals(stop)
            node = await open_node(profile)
            try:
                async with Server(node, place):
                    watching = asyncio.create_task(_until_locked(node, stop))
                    status: api.Status = await node.call(api.GetStatus())
                    _ready(face, status, place)
                    await stop.wait()
                    asked = watching.done()
                    watching.cancel()
            finally:
                await node.close()
            return asked

        locked = runner.run(run())
        profile.close(rewrite=locked or rewrite_is_due(profile.store, int(time.time())))


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop that a node runs in."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    # Loaded here: no other command needs it.
    import uvloop

    return uvloop.new_event_loop()


async def _until_locked(node: LocalNode, stop: asyncio.Event) -> None:
    await node.locked()
    stop.set()


def stop_on_signals(stop: asyncio.Event) -> None:
    """Have `stop` set when somebody wants this program to end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)


def _ready(face: Face, status: api.Status, place: Place) -> None:
    if face.as_json:
        # As below: who it is, `status` tells.
        face.screen.json({"ready": True, "socket": str(place.path)}, line=True)
    elif face.screen.tty:
        name = cleaning.line(status.me.name)
        face.screen.write(f"ready: {name} ({status.me.mark}), {len(status.relays)} relays")
        face.screen.write(f"socket: {place.path}")
        if sys.stdin.isatty():
            face.screen.write("In another terminal: heliogram chats. Ctrl-C stops.")
    else:
        # Most likely a log, which others read: not a word of whose node this is.
        face.screen.write("ready")
        face.screen.write(f"socket: {place.path}")
    face.screen.flush()
