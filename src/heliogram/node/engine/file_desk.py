"""What the modules for files share: tables, talks, what is to be moved and how far it is, what faces see."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Literal, Protocol, TypeAlias

from heliogram.node import api
from heliogram.node.asking import LogScope
from heliogram.node.engine.context import Context
from heliogram.node.files import Layout
from heliogram.node.store.files import FileRow, Files
from heliogram.node.transfer.moves import Move, Outcome
from heliogram.node.transfer.uploading import SEED_SIZE
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import Configuration

#: A file of a message, as moves are named.
Key: TypeAlias = tuple[int, int]

_DONE = frozenset(("kept", "here"))


class TalksSide(Protocol):
    """What files want of talks. Conversations and messages are named by their numbers in the store."""

    def configuration(self, conversation: int) -> Configuration | None:
        """The relays of a conversation now."""

    def circuit(self, conversation: int) -> bytes:
        """The circuit that a conversation's connections belong to."""

    def blob_scope(self, conversation: int, relay: bytes) -> LogScope:
        """`Log.blob_scope`. Raises `NotNow`."""

    def find_message(self, text: str) -> int:
        """The message that a person means. Raises `NotFound`, `Ambiguous`."""

    def release(self, message: int) -> None:
        """Its files are on a quorum of relays: let it leave. Called again after a restart."""

    def not_sent(self, message: int, code: str) -> None:
        """Its files can never be on a quorum of relays: it has failed."""

    def file_changed(self, message: int) -> None:
        """Faces should see the message anew."""

    def blob_stored(self, conversation: int, blob: bytes, relay: bytes) -> None:
        """A blob of `carry` lies on a relay."""

    def blob_fetched(self, conversation: int, blob: bytes) -> None:
        """What `fetch_welcome` was for is here."""

    def picture_stored(self, conversation: int, blob: bytes) -> None:
        """A quorum of relays has a picture of `carry_picture`. May be said again."""

    def picture_refused(self, conversation: int, blob: bytes) -> None:
        """A picture of `carry_picture` can never be on a quorum of relays."""

    def picture_came(self, conversation: int, blob: bytes, outcome: Outcome, data: bytes) -> None:
        """How `fetch_picture` went; `data` is the blob, if it is here."""


class FileDesk:
    """Shared by uploads, downloads and kept copies. `talks` is set right after it is made."""

    talks: TalksSide

    def __init__(
        self, context: Context, *, forget: Callable[[str], None], spool_name: Callable[[], str]
    ) -> None:
        """`forget` deletes a copy in the spool, `spool_name` makes a new name there."""
        self.context = context
        self.files = Files(context.store)
        self.forget = forget
        self.spool_name = spool_name
        #: Bytes of blobs that are through, while they move.
        self.through: dict[Hashable, int] = {}
        #: Downloads that are under way, and do not wait for another try.
        self.running: set[Hashable] = set()
        #: What is to be begun, and what nobody wants any more.
        self.begin: list[Move] = []
        self.stop: list[Hashable] = []

    @property
    def time(self) -> int:
        """Unix seconds of this turn."""
        return int(self.context.time)

    def new_seed(self) -> bytes:
        """What secrets are made from that delete a blob at relays."""
        return self.context.entropy(SEED_SIZE)

    def configuration_of(self, message: int) -> Configuration | None:
        """The relays of a message's conversation now."""
        conversation = self.files.conversation_of(message)
        return None if conversation is None else self.talks.configuration(conversation)

    # --- What faces see ---------------------------------------------------------------------------

    def tell(self, key: Key) -> None:
        """Tell how a file is now."""
        row = self.files.get(*key)
        if row is not None:
            self.context.tell(api.TransferChanged(self.transfer(row)))
            self.talks.file_changed(key[0])

    def transfer(self, row: FileRow) -> api.Transfer:
        """A file on its way, or at its end."""
        key = (row.message, row.place)
        direction: Literal["up", "down"] = "up" if _is_upload(row) else "down"
        return api.Transfer(
            message=self.files.id_of(row.message).hex(),
            index=row.place,
            name=row.name,
            direction=direction,
            done=self.done(row),
            size=row.size,
            state=self._state(row, key),
            trouble=row.trouble,
        )

    def _state(self, row: FileRow, key: Key) -> str:
        if row.state == "sending" or (row.state == "downloading" and key in self.running):
            return "running"
        # What is kept and could not be saved has failed at that.
        if row.state in _DONE and not row.trouble:
            return "done"
        return "failed" if row.trouble else "waiting"

    def info(self, row: FileRow) -> api.FileInfo:
        """A file, as part of its message."""
        state = row.state
        over = row.expires is not None and row.expires <= self.context.time
        if state == "remote" and over:
            state = "gone"
        return api.FileInfo(
            index=row.place,
            name=row.name,
            content_type=row.content_type,
            size=row.size,
            inline=row.inline,
            duration=row.duration,
            thumbnail=row.thumbnail is not None,
            state=state,
            doubt=row.doubt,
            done=self.done(row),
            path=row.path if row.state in ("here", "sending") else None,
        )

    def done(self, row: FileRow) -> int:
        """Bytes of the plaintext that are through."""
        if row.state in _DONE:
            return row.size
        through = self.through.get((row.message, row.place), 0)
        return min(row.size, through * row.size // max(1, Layout(row.size).blob)) if through else 0

    # --- Rows -------------------------------------------------------------------------------------

    def drop_copy(self, row: FileRow, **values: Any) -> None:
        """Delete a sealed copy, and write these columns."""
        if row.spool is not None:
            self.forget(row.spool)
        self.files.change(row.message, row.place, spool=None, kept=None, **values)

    def leave(self, key: Key) -> None:
        """Let go of what moves: its message goes."""
        self.through.pop(key, None)
        self.running.discard(key)
        self.stop.append(key)


def _is_upload(row: FileRow) -> bool:
    """Whether what was last done with a file of ours was to send it."""
    fetched = row.spool is not None and row.spool.endswith(".down")
    return (
        row.seed is not None and row.state in ("sending", "here", "kept", "refused") and not fetched
    )


def configuration_in(data: bytes) -> Configuration | None:
    """The relays that a row names."""
    try:
        return Configuration.from_bytes(data)
    except RemoteError:
        return None
