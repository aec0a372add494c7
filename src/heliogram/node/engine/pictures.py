"""Pictures of groups: a new one goes up before all are told of it, and that of a group we are in is fetched.

A picture is asked of its conversation's own relays only, which we are connected to anyway. What its reference
says is another member's word: what does not open as a small WebP is no picture.

Relays keep it for 30 days, members as long as it is the group's. Whoever adds members, or moves the group to
other relays, brings it to the relays once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from heliogram.codec import DecodeError
from heliogram.node import api
from heliogram.node.changes import Rename, Wish
from heliogram.node.components import Metadata, Role
from heliogram.node.engine import naming, wishes
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.errors import InvalidFile, NotAllowed, NotFound, NotNow
from heliogram.node.events import Change, Event, MemberAdded, RelaysChanged
from heliogram.node.log.log import Log
from heliogram.node.pace import Pace
from heliogram.node.picture import PictureReference, seal_picture
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.pictures import PictureRow
from heliogram.node.transfer import sniffing
from heliogram.node.transfer.moves import Outcome
from heliogram.node.transfer.prepared import THUMBNAIL
from heliogram.node.transfer.uploading import SEED_SIZE

#: Seconds until it is looked for again where no relay has it: another member may bring it back.
GONE = 6 * 3600.0

#: How often it is tried at once where a relay cannot be reached.
TRIES = 16

#: What it is called when it fails.
_COMMAND = "set profile"

_HELD = frozenset(("sending", "wished"))


class TalksSide(Protocol):
    """What pictures want of talks."""

    def log(self, number: int) -> Log:
        """The log of a conversation."""

    def wish(self, conversation: int, wish: Wish, command: str) -> None:
        """Want a change."""


class Pictures:
    """Sends, fetches and gives pictures of groups."""

    def __init__(self, desk: Desk, talks: TalksSide) -> None:
        self._desk = desk
        self._talks = talks
        #: Pictures that are wanted, by conversation: their blobs, and when they are asked for.
        self._coming: dict[int, tuple[bytes, Pace]] = {}
        #: Conversations that are on other relays by our doing, as soon as a quorum holds that.
        self._moved: set[int] = set()
        self._begun = False

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.GetPicture: self._get}

    # --- A new one ---

    def newest(self, chat: ConversationRow) -> Metadata:
        """The metadata to change: what we want already, else what was decided last, else what is shown."""
        for row in reversed(self._desk.logs.wishes(chat.number)):
            wanted = wishes.decode(row.wish)
            if isinstance(wanted, Rename):
                return wanted.metadata
        try:
            return self._talks.log(chat.number).conversation.charter.metadata
        except (NotNow, DecodeError):
            return Metadata(chat.name, chat.description, chat.picture, chat.expiry)

    def set(self, chat: ConversationRow, data: bytes) -> None:
        """Bring a picture to the relays, then want it. Raises `NotAllowed`."""
        desk = self._desk
        role = next(
            (one.role for one in desk.logs.members(chat.number) if one.account == desk.account),
            Role.MEMBER,
        )
        if role == Role.MEMBER:
            raise NotAllowed("admins and owners change the picture")
        try:
            reference, blob = seal_picture(data, desk.context.entropy)
        except InvalidFile:
            raise NotAllowed("a picture has 64 KiB at most") from None
        self.cancel(chat.number)
        seed = desk.context.entropy(SEED_SIZE)
        desk.pictures.put(PictureRow(chat.number, reference.encode(), "sending", data, seed))
        desk.files.carry_picture(chat.number, reference.blob, blob, seed)

    def cancel(self, conversation: int) -> None:
        """Want no picture that is on its way."""
        for row in self._desk.pictures.of(conversation):
            if row.state in _HELD:
                self._desk.pictures.delete(conversation, row.reference)

    def move(self, conversation: int, new: int) -> None:
        """A conversation was begun anew on other relays: bring there what was on its way."""
        chat = self._desk.logs.get(new)
        rows = [one for one in self._desk.pictures.of(conversation) if one.state == "sending"]
        self.cancel(conversation)
        for row in rows:
            if chat is not None and row.data is not None:
                self.set(chat, row.data)

    def stored(self, conversation: int, blob: bytes) -> None:
        """A quorum of relays has a picture."""
        desk, row = self._desk, self._sending(conversation, blob)
        chat = desk.logs.get(conversation)
        if row is None or chat is None:
            return
        desk.pictures.put(replace(row, state="wished"))
        wish = Rename(replace(self.newest(chat), picture=row.reference))
        try:
            self._talks.wish(conversation, wish, _COMMAND)
        except NotNow:
            self._failed(chat, row, NotNow().code)

    def refused(self, conversation: int, blob: bytes) -> None:
        """A picture can never be on a quorum of relays."""
        row, chat = self._sending(conversation, blob), self._desk.logs.get(conversation)
        if row is not None and chat is not None:
            self._failed(chat, row, "file too large")

    def _failed(self, chat: ConversationRow, row: PictureRow, code: str) -> None:
        self._desk.pictures.delete(row.conversation, row.reference)
        self._desk.context.tell(api.CommandFailed(chat.id.hex(), _COMMAND, code))

    def _sending(self, conversation: int, blob: bytes) -> PictureRow | None:
        return next(
            (
                row
                for row in self._desk.pictures.of(conversation)
                if row.state == "sending" and _blob(row.reference) == blob
            ),
            None,
        )

    # --- That of a group ---

    def mirrored(self, conversation: int) -> None:
        """The metadata of a conversation may be others: fetch the picture that they name."""
        desk, chat = self._desk, self._desk.logs.get(conversation)
        if chat is None or chat.kind != "group":
            return
        self._forget_others(chat)
        reference = _reference(chat.picture)
        if reference is None:
            self._coming.pop(conversation, None)
            return
        row = desk.pictures.get(conversation, chat.picture)
        if row is None:
            known = desk.pictures.anywhere(chat.picture)
            row = PictureRow(
                conversation,
                chat.picture,
                "coming" if known is None else "here",
                None if known is None else known.data,
                desk.context.entropy(SEED_SIZE),
            )
            desk.pictures.put(row)
        elif row.state in _HELD:
            desk.pictures.put(replace(row, state="here"))
        if row.state == "coming":
            found = self._coming.get(conversation)
            if found is None or found[0] != reference.blob:
                self._coming[conversation] = reference.blob, Pace()
        else:
            self._coming.pop(conversation, None)
        if conversation in self._moved:
            self._moved.discard(conversation)
            self._bring_again(conversation)

    def came(self, conversation: int, blob: bytes, outcome: Outcome, data: bytes) -> None:
        """How it went to fetch a picture."""
        desk, chat = self._desk, self._desk.logs.get(conversation)
        found = self._coming.get(conversation)
        reference = None if chat is None else _reference(chat.picture)
        if chat is None or found is None or reference is None or found[0] != blob:
            return
        if outcome is not Outcome.DONE:
            pace = found[1]
            if outcome is Outcome.GONE or pace.tries > TRIES:
                pace.again = desk.context.now + GONE
            else:
                pace.failed(desk.context.now)
            return
        del self._coming[conversation]
        row = desk.pictures.get(conversation, chat.picture)
        if row is None or row.state != "coming":
            return
        picture = _opened(reference, data)
        state = "refused" if picture is None else "here"
        desk.pictures.put(replace(row, state=state, data=picture))
        desk.chat_changed(conversation)

    def happened(self, number: int, log: Log, event: Event) -> None:
        """Whoever is added by us, and relays that are new by our doing, find the picture at the relays."""
        if not isinstance(event, Change) or event.by.account != self._desk.account:
            return
        if isinstance(event, RelaysChanged):
            self._moved.add(number)
        elif isinstance(event, MemberAdded):
            self._bring_again(number)

    def settle(self) -> None:
        """Go on with what goes up, and ask for what is to come."""
        desk = self._desk
        if not self._begun:
            self._begun = True
            for row in desk.pictures.moving():
                if row.state == "sending":
                    self._resume(row)
                else:
                    self.mirrored(row.conversation)
        now = desk.context.now
        for conversation, (blob, pace) in list(self._coming.items()):
            if not pace.due(now):
                continue
            chat = desk.logs.get(conversation)
            reference = None if chat is None else _reference(chat.picture)
            if chat is None or reference is None or chat.phase in ("dead", "out"):
                del self._coming[conversation]  # a conversation that we come back to begins anew
                continue
            pace.asked(now)
            desk.files.fetch_picture(conversation, blob, reference.blob_size)

    def deadline(self) -> float | None:
        """When a picture is asked for again."""
        return min((pace.again for _, pace in self._coming.values()), default=None)

    # --- Inside ---

    def _get(self, command: api.GetPicture, extra: object) -> api.Thumbnail:
        chat = naming.chat(self._desk, command.chat)
        row = self._desk.pictures.get(chat.number, chat.picture) if chat.picture else None
        if row is None or row.data is None or row.state != "here":
            raise NotFound("picture")
        return api.Thumbnail(THUMBNAIL, row.data)

    def _carry(self, row: PictureRow) -> None:
        reference = _reference(row.reference)
        if reference is not None and row.data is not None:
            blob = reference.seal(row.data)
            self._desk.files.carry_picture(row.conversation, reference.blob, blob, row.seed)

    def _resume(self, row: PictureRow) -> None:
        chat = self._desk.logs.get(row.conversation)
        if chat is None or chat.phase in ("dead", "out"):
            self._desk.pictures.delete(row.conversation, row.reference)
        else:
            self._carry(row)

    def _bring_again(self, conversation: int) -> None:
        """What a relay still has, is not sent: it is told to keep it."""
        chat = self._desk.logs.get(conversation)
        row = None if chat is None else self._desk.pictures.get(conversation, chat.picture)
        if row is not None and row.state == "here":
            self._carry(row)

    def _forget_others(self, chat: ConversationRow) -> None:
        for row in self._desk.pictures.of(chat.number):
            if row.reference != chat.picture and row.state not in _HELD:
                self._desk.pictures.delete(chat.number, row.reference)


def _reference(data: bytes) -> PictureReference | None:
    try:
        return PictureReference.from_bytes(data)
    except DecodeError:
        return None


def _blob(data: bytes) -> bytes | None:
    reference = _reference(data)
    return None if reference is None else reference.blob


def _opened(reference: PictureReference, blob: bytes) -> bytes | None:
    """The picture in a blob, if it is a WebP by its first bytes: nobody decodes it here."""
    try:
        picture = reference.open(blob)
    except InvalidFile:
        return None
    return picture if sniffing.sniff(picture[: sniffing.HEAD]) == THUMBNAIL else None
