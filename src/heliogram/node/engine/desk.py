"""What the modules of talks share: tables, the other parts, and what faces are to be told of a turn.

In one turn much may happen to one message. Faces hear of each message and each conversation once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliogram.content.bodies import File
from heliogram.node import api
from heliogram.node.engine.context import Context
from heliogram.node.engine.sides import PeopleSide
from heliogram.node.store import preferences
from heliogram.node.store.folders import Folders
from heliogram.node.store.logs import Logs
from heliogram.node.store.marks import Marks
from heliogram.node.store.messages import MessageRow, Messages
from heliogram.node.store.pictures import Pictures
from heliogram.node.store.pins import Pins
from heliogram.node.store.votes import Votes
from heliogram.node.value import WelcomeBlob
from heliogram.wire.objects import RelayDescription


class FilesSide(Protocol):
    """What talks want of files."""

    def sent(self, message: int, prepared: object) -> None:
        """These sealed files belong to a message of ours. `Talks.release` once they are on their relays."""

    def move(self, message: int) -> None:
        """A message that waits is in another conversation now: `Talks.release` once its files are there."""

    def received(self, message: int, files: Sequence[File]) -> None:
        """A message came that has these files."""

    def take_back(self, message: int) -> None:
        """A message of ours was taken back from all: let relays delete its files. Before `gone`."""

    def gone(self, message: int) -> None:
        """A message goes: its files with it."""

    def infos(self, message: int) -> tuple[api.FileInfo, ...]:
        """The files of a message, as faces see them."""

    def drop_copies(self, names: Sequence[str]) -> None:
        """Sealed copies in the spool are not needed any more: no message has them."""

    def carry(self, conversation: int, blob: bytes, data: bytes, relays: Sequence[bytes]) -> None:
        """Bring a Welcome to relays: `Talks.blob_stored` for each. May be said again."""

    def fetch_welcome(
        self, conversation: int, welcome: WelcomeBlob, relays: Sequence[RelayDescription]
    ) -> None:
        """Fetch a Welcome: `Talks.blob_fetched`. Said again, it tries again."""

    def carry_picture(self, conversation: int, blob: bytes, data: bytes, seed: bytes) -> None:
        """Bring a picture to the conversation's relays: `Talks.picture_stored`. May be said again."""

    def fetch_picture(self, conversation: int, blob: bytes, size: int) -> None:
        """Fetch a picture from the conversation's relays: `Talks.picture_came`."""


class NoFiles:
    """A node without the part for files: it shows nothing of them, and large Welcomes wait."""

    def sent(self, message: int, prepared: object) -> None:
        """Nothing."""

    def move(self, message: int) -> None:
        """Nothing."""

    def received(self, message: int, files: Sequence[File]) -> None:
        """Nothing."""

    def take_back(self, message: int) -> None:
        """Nothing."""

    def gone(self, message: int) -> None:
        """Nothing."""

    def infos(self, message: int) -> tuple[api.FileInfo, ...]:
        """None."""
        return ()

    def drop_copies(self, names: Sequence[str]) -> None:
        """Nothing."""

    def carry(self, conversation: int, blob: bytes, data: bytes, relays: Sequence[bytes]) -> None:
        """Nothing."""

    def fetch_welcome(
        self, conversation: int, welcome: WelcomeBlob, relays: Sequence[RelayDescription]
    ) -> None:
        """Nothing."""

    def carry_picture(self, conversation: int, blob: bytes, data: bytes, seed: bytes) -> None:
        """Nothing."""

    def fetch_picture(self, conversation: int, blob: bytes, size: int) -> None:
        """Nothing."""


class Desk:
    """Tables, people, files; and what has changed in this turn."""

    def __init__(
        self, context: Context, people: PeopleSide, files: FilesSide | None = None
    ) -> None:
        self.context = context
        self.people = people
        self.files: FilesSide = files or NoFiles()
        self.logs = Logs(context.store)
        self.messages = Messages(context.store)
        self.marks = Marks(context.store)
        self.pictures = Pictures(context.store)
        self.folders = Folders(context.store)
        self.votes = Votes(context.store)
        self.pins = Pins(context.store)
        #: Whether a version of a message is Markdown: by its number, the time and the id of its edit.
        self.markdown = context.store.memo("markdown")
        #: Messages that are new or changed, chats that changed, in the order in which they did.
        self.added: dict[int, None] = {}
        self.changed: dict[int, None] = {}
        self.chats: dict[int, None] = {}

    @property
    def time(self) -> int:
        """Unix seconds of this turn."""
        return int(self.context.time)

    @property
    def account(self) -> bytes:
        """Our own account."""
        return self.context.account

    @property
    def preferences(self) -> api.Preferences:
        """What somebody wants of this node."""
        return preferences.load(self.context.store)

    def by_version(self, conversation: int, id: bytes) -> MessageRow | None:
        """The message of which this is the id, or that of an edit of it."""
        found = self.messages.by_id(conversation, id)
        if found is None:
            number = self.marks.message_of_version(conversation, id)
            found = None if number is None else self.messages.get(number)
        return found

    def is_added(self, message: int, conversation: int) -> None:
        """A message is new."""
        self.added[message] = None
        self.chats[conversation] = None

    def is_changed(self, message: int) -> None:
        """Something of a message changed that faces see."""
        self.changed[message] = None

    def is_gone(self, message: int, chat: bytes, conversation: int) -> None:
        """A message is no longer here."""
        self.added.pop(message, None)
        self.changed.pop(message, None)
        self.chats[conversation] = None
        self.context.tell(api.MessageGone(chat.hex(), message))

    def chat_changed(self, conversation: int) -> None:
        """Something of a conversation changed that faces see."""
        self.chats[conversation] = None

    def recount(self, conversation: int) -> None:
        """Write what lists show of a conversation's messages: which is the last. The unread are counted."""
        last = self.messages.last(conversation)
        self.logs.change(conversation, last=None if last is None else last.number)
        self.chats[conversation] = None
