"""What a command waits for before it ends."""

from __future__ import annotations

from heliogram.cli.face import Face, Stop
from heliogram.node import api


def stored(face: Face, message: api.Message) -> api.Message:
    """The message when a quorum of relays has it, or when none will. Raises `TimeoutError`."""

    def look() -> api.Message | None:
        now: api.Message = face.ask(api.GetMessage(message.id))
        return None if now.state == "queued" else now

    return face.node.until(look)


def fetched(face: Face, moving: api.Transfer) -> str:
    """Where a file was saved, once it is here. Raises `TimeoutError`, or `Stop` if it cannot be had."""

    def look() -> str | None:
        message: api.Message = face.ask(api.GetMessage(moving.message))
        for file in message.files:
            if file.index == moving.index and file.state == "here":
                return file.path or ""
            if file.index == moving.index and file.state in ("refused", "gone"):
                what = {
                    "refused": "The file is not what its message says.",
                    "gone": "No relay has the file any more.",
                }[file.state]
                raise Stop(what, "Ask for it again.", code=f"file {file.state}")
        return None

    return face.node.until(look)
