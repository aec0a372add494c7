"""Echo: an account of its own that says back what it is told. A program on a node, in forty lines.

    python examples/echo.py HOME

HOME is a profile that `heliogram init` made. A link that leads to Echo is written to HOME/link.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from heliogram.node import api
from heliogram.node.local import LocalNode, open_node
from heliogram.node.profile import passphrase
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile


async def answer(node: LocalNode, message: api.Message) -> None:
    """Read a message, and say it back."""
    await node.call(api.MarkRead(message.chat, message.number))
    if message.kind in ("text", "file"):
        text = message.text or f"a file of {message.files[0].size} bytes"
        await node.call(api.SendMessage(message.chat, f"You said: {text}", reply_to=message.id))


async def catch_up(node: LocalNode) -> None:
    """Answer what came while nobody was here."""
    for request in await node.call(api.GetRequests()):
        await node.call(api.AcceptRequest(request.id))
    for chat in await node.call(api.GetChats()):
        history = await node.call(api.GetHistory(chat.id, limit=max(1, min(chat.unread, 1000))))
        for message in history if chat.unread else ():
            if not message.mine:
                await answer(node, message)


async def listen(node: LocalNode) -> None:
    """Accept whoever comes, answer whatever is said."""
    notices = node.notices()
    await catch_up(node)
    print("ready", flush=True)
    async for notice in notices:
        if isinstance(notice, api.RequestAdded):
            await node.call(api.AcceptRequest(notice.request.id))
        elif isinstance(notice, api.MessageAdded) and not notice.message.mine:
            await answer(node, notice.message)


async def main(home: Path) -> None:
    directory = Directory(home)
    profile = Profile.open(directory, lambda config: passphrase.find(directory))
    node = await open_node(profile)
    try:
        links = await node.call(api.GetLinks())
        general = [one for one in links if one.person is None] or [await node.call(api.NewLink())]
        file = os.open(home / "link", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(file, "w") as out:
            out.write(general[0].uri)
        task = asyncio.ensure_future(listen(node))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await asyncio.wait({task})
    finally:
        await node.close()
        profile.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
