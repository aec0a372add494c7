"""What a command waits for before it ends."""

from __future__ import annotations

from collections.abc import Callable, Collection

from heliogram.cli import showing
from heliogram.cli.face import Face, Stop
from heliogram.cli.sentences import FAILED, failure
from heliogram.node import api


def stored(face: Face, message: api.Message) -> api.Message:
    """The message when a quorum of relays has it, or when none will. Raises `TimeoutError`.

    Its conversation may go on in another one before: then it is said there, under another id.
    """

    def look() -> api.Message | None:
        now: api.Message = face.ask(api.GetMessage(number=message.number))
        return None if now.state == "queued" else now

    return face.node.until(look)


def said(face: Face, *messages: api.Message) -> list[api.Message]:
    """Messages of ours, each of them waited for if somebody waits. Raises `TimeoutError`, and `Stop`."""
    now = [stored(face, one) for one in messages] if face.wait else list(messages)
    if any(one.state == "failed" for one in now):
        raise Stop(
            "No relay takes this message.", "heliogram relays check shows how they are.", FAILED
        )
    return now


def say(face: Face, message: api.Message) -> None:
    """Wait for a message of ours, and tell how it stands. Raises as `said`."""
    (now,) = said(face, message)
    face.done(f"{showing.short(now.id)} {showing.standing(now)}", now)


def reached(face: Face, contact: api.Contact) -> api.Contact:
    """The contact when there is a chat to write to, or will be none. Raises `TimeoutError`."""

    def look() -> api.Contact | None:
        found: list[api.Contact] = face.ask(api.GetContacts())
        now = next((one for one in found if one.who.account == contact.who.account), contact)
        return now if now.chat is not None or now.state == "failed" else None

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


def changed(
    face: Face,
    command: api.Command,
    chat: str,
    codes: Collection[str],
    is_so: Callable[[api.ChatInfo], bool],
    about: frozenset[str] | None = None,
) -> None:
    """Have a conversation changed: until it is as `is_so` says, or one of `codes` is a line of ours.

    `about` are the accounts that it is about, if that is known: what fails for others is another command's.
    Raises `TimeoutError`, `NodeError` if it is refused at once, and `Stop` if it fails later, however late.
    """
    id, tag = face.ask(api.GetChat(chat)).chat.id, command.__struct_config__.tag

    def look() -> bool | None:
        info = face.ask(api.GetChat(id))
        if info.chat.phase == "out" and info.chat.successor is not None:
            # It was never open, and was begun anew elsewhere.
            info = face.ask(api.GetChat(info.chat.successor))
        return is_so(info) or None

    def hear(notice: api.AnyNotice) -> bool | None:
        match notice:
            case api.CommandFailed() if (notice.chat, notice.command) == (id, tag):
                if about is None or {one.account for one in notice.who} <= about:
                    found = failure(notice.code, (one.name for one in notice.who))
                    raise Stop(found.what, found.hint, found.exit, notice.code)
            case api.MessageAdded(message) if message.chat == id and message.line is not None:
                ours = message.sender is not None and message.sender.me
                return (ours and message.line.code in codes) or None
        return None

    face.node.follow(command, look, hear)
