"""`read --follow`, and for it and `chat` a node: one that runs, or one of our own as long as it is needed."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from heliogram.cli import showing
from heliogram.cli.face import Face
from heliogram.cli.sentences import warning
from heliogram.node import api
from heliogram.node.control.client import Client
from heliogram.node.control.faults import NotRunning
from heliogram.node.control.place import Place
from heliogram.node.errors import NoProfile
from heliogram.node.profile.lock import is_locked

if TYPE_CHECKING:
    from heliogram.node.local import LocalNode

#: Exit code when SIGTERM or SIGHUP ended it.
ENDED: Final = 143


@asynccontextmanager
async def near(face: Face) -> AsyncIterator[api.Node]:
    """A node for somebody who stays. Raises `NodeError`."""
    client = Client(Place(face.directory.socket()))
    try:
        await _connect(face, client)
    except NotRunning:
        if not face.directory.exists:
            raise NoProfile from None
        from heliogram.cli.opening import open_profile
        from heliogram.node.local import open_node

        with open_profile(face.directory) as profile:
            node = await open_node(profile)
            try:
                yield node
                await _bring_out(face, node)
            finally:
                await node.close()
        return
    try:
        yield client
    finally:
        await client.close()


async def _connect(face: Face, client: Client) -> None:
    """Reach the node that runs. One that starts or stops has the profile, and does not listen."""
    until = time.monotonic() + face.timeout
    while True:
        try:
            await client.connect()
            return
        except NotRunning:
            if not is_locked(face.directory.lock) or time.monotonic() > until:
                raise
        await asyncio.sleep(0.05)


async def _bring_out(face: Face, node: LocalNode) -> None:
    """Wait until relays have what was said. Raises `TimeoutError`."""
    if face.wait:
        async with asyncio.timeout(face.timeout):
            await node.drained()


def stay(face: Face, work: Callable[[api.Node], Awaitable[None]]) -> None:
    """Run something that ends with Ctrl-C. Raises `NodeError`."""

    async def run() -> None:
        _end_on_signals()
        async with near(face) as node:
            await work(node)

    try:
        asyncio.run(run())
    except asyncio.CancelledError:
        raise SystemExit(ENDED) from None


def _end_on_signals() -> None:
    """Who is ended gives the terminal back as it was."""
    task = asyncio.current_task()
    if task is None:
        return
    for name in ("SIGTERM", "SIGHUP"):
        with suppress(AttributeError, NotImplementedError):  # Windows
            number = getattr(signal, name)
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def follow(face: Face, wanted: api.GetHistory, mark: bool) -> None:
    """Show what there is and what comes, until Ctrl-C or until the node stops."""

    async def work(node: api.Node) -> None:
        # First listen, then look: what comes in between is in both, and shown once.
        notices = await listen(node)
        info: api.ChatInfo = await node.call(api.GetChat(wanted.chat))
        shown = 0
        for one in await node.call(wanted):
            _show(face, one)
            shown = one.number
        if mark:
            await node.call(api.MarkRead(info.chat.id))
        face.screen.flush()
        async for notice in notices:
            if isinstance(notice, api.Warned) and notice.chat in (None, info.chat.id):
                face.note(warning(notice.code, notice.who.name if notice.who else ""))
            if isinstance(notice, api.MessageAdded) and notice.message.chat == info.chat.id:
                if notice.message.number <= shown:
                    continue
                _show(face, notice.message)
                face.screen.flush()
                if mark:
                    await node.call(api.MarkRead(info.chat.id, notice.message.number))

    stay(face, work)


async def listen(node: api.Node) -> AsyncIterator[api.AnyNotice]:
    """Notices of a node, all from the moment when this returns."""
    if isinstance(node, Client):
        return await node.subscribe()
    notices = node.notices()
    heard: asyncio.Queue[api.AnyNotice | None] = asyncio.Queue()

    async def pump() -> None:
        async for notice in notices:
            heard.put_nowait(notice)
        heard.put_nowait(None)

    pumping = asyncio.create_task(pump())
    # Its first step is made before anybody else runs.
    await asyncio.sleep(0)

    async def told() -> AsyncIterator[api.AnyNotice]:
        try:
            while (notice := await heard.get()) is not None:
                yield notice
        finally:
            pumping.cancel()

    return told()


def _show(face: Face, one: api.Message) -> None:
    if face.as_json:
        face.screen.json(one, line=True)
    else:
        showing.message(face.screen, one)
