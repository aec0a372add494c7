"""What a node says by itself."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from heliogram.node.api.things import (
    Chat,
    Contact,
    Folder,
    Message,
    Person,
    Preferences,
    RelayHealth,
    Request,
    Transfer,
)


class Notice(Struct, frozen=True, tag_field="event"):
    """The root of what a node says by itself."""


class MessageAdded(Notice, frozen=True, tag="message added"):
    """A message or a line is new."""

    message: Message


class MessageChanged(Notice, frozen=True, tag="message changed"):
    """Its text, state, reactions or files are others now."""

    message: Message


class MessageGone(Notice, frozen=True, tag="message gone"):
    """It is no longer here: expired, or deleted here."""

    chat: str
    number: int


class ChatChanged(Notice, frozen=True, tag="chat changed"):
    """A conversation is new, or something of it."""

    chat: Chat


class ContactChanged(Notice, frozen=True, tag="contact changed"):
    """A contact is new, or something of it."""

    contact: Contact


class RequestAdded(Notice, frozen=True, tag="request added"):
    """Somebody wants to get in touch."""

    request: Request


class RequestGone(Notice, frozen=True, tag="request gone"):
    """It was answered."""

    id: str


class TransferChanged(Notice, frozen=True, tag="transfer changed"):
    """A file moves."""

    transfer: Transfer


class RelayChanged(Notice, frozen=True, tag="relay changed"):
    """A relay came, went, or did what none may do."""

    relay: RelayHealth


class CommandFailed(Notice, frozen=True, tag="command failed"):
    """What was begun could not be done: the chat, the command's tag, the error's code.

    `who`: whom it was about, where it was about somebody. Several may fail one by one that were begun by one
    command, each for its own reason.
    """

    chat: str
    command: str
    code: str
    who: tuple[Person, ...] = ()


class Warned(Notice, frozen=True, tag="warned"):
    """Something that a person should see: `code` is for the sentence, "fork suspected" for one."""

    code: str
    chat: str | None = None
    who: Person | None = None


class Typing(Notice, frozen=True, tag="typing"):
    """Somebody types. It is over after `seconds`, or when their message comes."""

    chat: str
    who: Person
    seconds: int = 6


class ScheduledChanged(Notice, frozen=True, tag="scheduled changed"):
    """What waits for its time in a conversation is other now: `GetScheduled`."""

    chat: str


class PreferencesChanged(Notice, frozen=True, tag="preferences changed"):
    """Somebody changed them."""

    preferences: Preferences


class FoldersChanged(Notice, frozen=True, tag="folders changed"):
    """Somebody changed them."""

    folders: tuple[Folder, ...]


class Locked(Notice, frozen=True, tag="locked"):
    """The node stops."""


AnyNotice: TypeAlias = (
    MessageAdded | MessageChanged | MessageGone | ChatChanged | ContactChanged | RequestAdded |
    RequestGone | TransferChanged | RelayChanged | CommandFailed | Warned | Typing | ScheduledChanged |
    PreferencesChanged | FoldersChanged | Locked
)  # fmt: skip
