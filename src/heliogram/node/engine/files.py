"""The part for files: what is sent goes up before its message leaves; what came is fetched when asked for.

`transfer.mover` moves. What is to be moved, and what follows, is decided here, in turns, and is in the store:
after a kill all goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from heliogram.content.bodies import File
from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.engine import file_rows
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.downloads import Downloads
from heliogram.node.engine.file_desk import FileDesk, Key, TalksSide
from heliogram.node.engine.kept import MOST, Kept
from heliogram.node.engine.uploads import Uploads
from heliogram.node.errors import FileFault, InvalidFile, NotAllowed, NotFound, NotHere, NotNow
from heliogram.node.store.files import FileRow
from heliogram.node.transfer.moves import (
    Ended,
    FindFile,
    GetSaved,
    LoseCopy,
    Moved,
    Moves,
    Outcome,
    Progress,
    Saved,
    TakeMoves,
    Where,
)
from heliogram.node.transfer.prepared import THUMBNAIL, Prepared
from heliogram.node.transfer.takebacks import Takebacks
from heliogram.node.value import WelcomeBlob
from heliogram.wire.objects import RelayDescription

#: Files of a message.
MAX_FILES = 64

#: States in which a copy in the spool is whole.
_WHOLE = frozenset(("sending", "kept", "here"))


class FilesPart:
    """Files of messages, and the large Welcomes of conversations. `talks` is set right after it is made."""

    def __init__(
        self,
        context: Context,
        *,
        wake: Callable[[], None],
        downloads: str,
        forget: Callable[[str], None],
        spool_name: Callable[[], str],
        most_kept: int = MOST,
    ) -> None:
        """`wake` is `Mover.wake`, `downloads` where files are saved by default.

        `forget` deletes a copy in the spool, `spool_name` makes a new name there. `most_kept`: see
        `kept.MOST`.
        """
        self._context = context
        self._wake = wake
        self._directory = downloads
        self._desk = FileDesk(context, forget=forget, spool_name=spool_name)
        self._files = self._desk.files
        self._kept = Kept(self._desk, most_kept)
        self._uploads = Uploads(self._desk, self._kept)
        self._downloads = Downloads(self._desk, self._kept)
        self._takebacks = Takebacks(self._files)
        self._loaded = False

    @property
    def talks(self) -> TalksSide:
        """The part for conversations."""
        return self._desk.talks

    @talks.setter
    def talks(self, talks: TalksSide) -> None:
        self._desk.talks = talks

    # --- What talks want --------------------------------------------------------------------------

    def sent(self, message: int, prepared: object) -> None:
        """These sealed files belong to a message of ours."""
        if not isinstance(prepared, Prepared):
            raise NotAllowed("files must be made ready before they are sent")
        configuration = self._desk.configuration_of(message)
        if configuration is None:
            raise NotNow
        for place, one in enumerate(prepared.files):
            row = file_rows.sent(
                *(message, place, one),
                relays=configuration.encode(),
                seed=self._desk.new_seed(),
                time=self._desk.time,
            )
            self._files.add(row)
            self._uploads.begin(row)

    def move(self, message: int) -> None:
        """A message of ours that waits is in another conversation now: bring its files to the relays there.

        They go up from their sealed copies, as they are. Where one is gone the message has failed: it can be
        said again, with what the old relays still have.
        """
        configuration = self._desk.configuration_of(message)
        rows = self._files.of(message)
        for row in rows:
            self._uploads.drop((row.message, row.place))
            self._desk.through.pop((row.message, row.place), None)
        if configuration is None or not all(map(_can_go_up, rows)):
            self.talks.not_sent(message, "not here")
            return
        for row in rows:
            # A relay that both are on is asked anew, too: it keeps the file for the days that are left now.
            self._files.change(
                *(row.message, row.place),
                relays=configuration.encode(),
                state="sending",
                trouble="",
                kept=None,
                stored=b"",
                created=self._desk.time,
            )
        for row in self._files.of(message):
            self._uploads.begin(row)

    def received(self, message: int, files: Sequence[File]) -> None:
        """A message came that has these files. Nothing is fetched."""
        configuration = self._desk.configuration_of(message)
        relays = b"" if configuration is None else configuration.encode()
        for place, one in enumerate(files[:MAX_FILES]):
            row = file_rows.received(message, place, one, relays=relays, time=self._desk.time)
            self._files.add(row)

    def gone(self, message: int) -> None:
        """A message goes: its files here with it. At relays they stay until their time is over."""
        for row in self._files.of(message):
            key = (row.message, row.place)
            self._uploads.drop(key)
            self._downloads.drop(key)
            self._desk.leave(key)
            if row.spool is not None:
                self._desk.forget(row.spool)
        self._files.delete(message)

    def take_back(self, message: int) -> None:
        """A message of ours was taken back from all: let relays delete its files. Before `gone`."""
        conversation = self._files.conversation_of(message)
        if conversation is None:
            return
        circuit = self.talks.circuit(conversation)
        for row in self._files.of(message):
            self._takebacks.add(row, circuit, self._desk.time)

    def infos(self, message: int) -> tuple[api.FileInfo, ...]:
        """The files of a message, as faces see them."""
        return tuple(self._desk.info(row) for row in self._files.of(message))

    def drop_copies(self, names: Sequence[str]) -> None:
        """Sealed copies in the spool are not needed any more: no message has them."""
        for name in names:
            self._desk.forget(name)

    # --- Blobs of conversations -------------------------------------------------------------------

    def carry(self, conversation: int, blob: bytes, data: bytes, relays: Sequence[bytes]) -> None:
        """Bring a Welcome to the relays with these keys: `blob_stored` for each. May be said again."""
        self._uploads.carry(conversation, blob, data, relays)

    def drop(self, conversation: int, blob: bytes) -> None:
        """A Welcome of `carry` is not needed any more."""
        self._uploads.drop(("welcome", conversation, blob))

    def fetch_welcome(
        self, conversation: int, welcome: WelcomeBlob, relays: Sequence[RelayDescription]
    ) -> None:
        """Fetch a Welcome of a conversation that we are in: `blob_fetched`. Said again, it tries again."""
        self._downloads.fetch_welcome(conversation, welcome, relays)

    def carry_picture(self, conversation: int, blob: bytes, data: bytes, seed: bytes) -> None:
        """Bring a sealed picture to all relays of a conversation: `picture_stored` once a quorum has it."""
        self._uploads.carry_picture(conversation, blob, data, seed)

    def fetch_picture(self, conversation: int, blob: bytes, size: int) -> None:
        """Fetch a sealed picture from the relays of its conversation: `picture_came`, however it went."""
        self._downloads.fetch_picture(conversation, blob, size)

    # --- A part of the engine ---------------------------------------------------------------------

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """What it does for which command."""
        return {
            api.GetFile: self._get_file,
            api.KeepFile: self._keep_file,
            api.GetTransfers: lambda command, extra: self.transfers(),
            api.GetThumbnail: self._get_thumbnail,
            api.GetStorage: self._get_storage,
            api.ClearKept: self._clear_kept,
            FindFile: self._find_file,
            GetSaved: self._get_saved,
            LoseCopy: self._lose_copy,
            TakeMoves: self._take_moves,
            Moved: self._moved,
        }

    def settle(self) -> None:
        """Begin what can begin."""
        if not self._loaded:
            self._load()
        self._uploads.settle()
        self._downloads.settle(self._context.now)
        if self._desk.begin or self._desk.stop:
            self._wake()

    def asks(self) -> list[tuple[bytes, Ask]]:
        """Announcements, and what relays are to delete."""
        now = self._context.now
        return self._uploads.asks(now) + self._takebacks.asks_by_circuit(now, self._context.time)

    def deadline(self) -> float | None:
        """When something is tried again."""
        now = self._context.now
        times = (
            self._uploads.deadline(now),
            self._downloads.deadline(),
            self._takebacks.deadline(now),
        )
        return min((at for at in times if at is not None), default=None)

    def transfers(self) -> list[api.Transfer]:
        """Files on their way."""
        return [self._desk.transfer(row) for row in self._files.moving()]

    # --- Commands ---------------------------------------------------------------------------------

    def _get_file(self, command: api.GetFile, extra: object) -> api.Transfer:
        row = self._fetchable(command.message, command.index)
        if row.state == "sending":
            raise NotNow
        self._downloads.save(row, command.directory or self._directory)
        return self._transfer(row)

    def _keep_file(self, command: api.KeepFile, extra: object) -> api.Transfer:
        """`extra`: True if the file lies where it was saved, and is the same. That was looked at just now."""
        row = self._fetchable(command.message, command.index)
        has_copy = row.spool is not None and row.state in ("kept", "here", "sending")
        if not has_copy and not (row.state == "here" and extra is True):
            self._downloads.keep(row)
        return self._transfer(row)

    def _fetchable(self, message: str, index: int) -> FileRow:
        row = self._row(message, index)
        if not row.key:
            raise InvalidFile(FileFault.NOT_OURS)
        return row

    def _row(self, message: str, index: int) -> FileRow:
        row = self._files.get(self.talks.find_message(message), index)
        if row is None:
            raise NotFound("file")
        return row

    def _transfer(self, before: FileRow) -> api.Transfer:
        row = self._files.get(before.message, before.place)
        return self._desk.transfer(row or before)

    def _get_thumbnail(self, command: api.GetThumbnail, extra: object) -> api.Thumbnail:
        row = self._files.get(self.talks.find_message(command.message), command.index)
        if row is None or row.thumbnail is None:
            raise NotFound("thumbnail")
        return api.Thumbnail(THUMBNAIL, row.thumbnail)

    def _get_storage(self, command: api.GetStorage, extra: object) -> api.Storage:
        """`extra`: which saved files are still there."""
        there = extra if isinstance(extra, frozenset) else frozenset()
        paths = {one.path: one.size for one in self._saved() if one.key in there}
        store = self._context.store
        row = store.one("SELECT count(*) FROM messages WHERE id IS NOT NULL")
        return api.Storage(
            messages=0 if row is None else row[0],
            database=store.size,
            kept=self._kept.size(),
            saved=sum(paths.values()),
        )

    def _clear_kept(self, command: api.ClearKept, extra: object) -> api.Storage:
        self._kept.clear(extra if isinstance(extra, frozenset) else frozenset())
        return self._get_storage(api.GetStorage(), extra)

    # --- For who reads and moves ------------------------------------------------------------------

    def _find_file(self, command: FindFile, extra: object) -> Where:
        row = self._row(command.message, command.index)
        here = row.state == "here" and row.path is not None
        if not row.key or (row.spool is None and not here):
            raise NotHere
        return Where(
            (row.message, row.place),
            row.file,
            spool=row.spool,
            path=row.path if here else None,
            name=row.name,
            content_type=row.content_type,
            voice=row.duration is not None,
        )

    def _get_saved(self, command: GetSaved, extra: object) -> tuple[Saved, ...]:
        return self._saved()

    def _saved(self) -> tuple[Saved, ...]:
        return tuple(
            Saved((row.message, row.place), row.path, row.size)
            for row in self._files.saved()
            if row.path is not None
        )

    def _lose_copy(self, command: LoseCopy, extra: object) -> api.Done:
        if isinstance(extra, Where):
            row = self._files.get(*extra.key)
            if row is not None and row.spool == extra.spool:
                self._kept.lost(row)
        return api.Done()

    def _take_moves(self, command: TakeMoves, extra: object) -> Moves:
        desk = self._desk
        moves = Moves(tuple(desk.begin), tuple(desk.stop))
        desk.begin.clear()
        desk.stop.clear()
        return moves

    def _moved(self, command: Moved, extra: object) -> api.Done:
        match extra:
            case Progress(key, done):
                self._progress(key, done)
            case Ended(("fetch", conversation, _), Outcome.DONE, data=data):
                self.talks.blob_fetched(cast(int, conversation), data)
            case Ended(("fetch picture", int() as conversation, bytes() as blob), outcome):
                self.talks.picture_came(conversation, blob, outcome, extra.data)
            case Ended(key, outcome, relay) if relay and key in self._uploads:
                self._uploads.ended(key, relay, outcome, self._context.now)
            case Ended((int() as message, int() as place)) if (message, place) in self._downloads:
                self._downloads.came((message, place), extra)
        return api.Done()

    def _progress(self, key: object, done: int) -> None:
        match key:
            case (int() as message, int() as place):
                at: Key = (message, place)
                if at not in self._uploads and at not in self._downloads:
                    return
                # Several relays are on their way to the same end: the foremost counts.
                before = self._desk.through.get(at, 0) if at in self._uploads else 0
                self._desk.through[at] = max(done, before)
                row = self._files.get(*at)
                if row is not None:
                    self._context.tell(api.TransferChanged(self._desk.transfer(row)))

    def _load(self) -> None:
        """Go on with what a process before this one began."""
        self._loaded = True
        for row in self._files.moving():
            key = (row.message, row.place)
            if row.state == "sending" and key not in self._uploads:
                self._uploads.begin(row)
            elif row.state == "downloading":
                self._downloads.again(row)


def _can_go_up(row: FileRow) -> bool:
    """Whether there is a whole sealed copy of a file of ours."""
    return row.spool is not None and row.seed is not None and row.state in _WHOLE
