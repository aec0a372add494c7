"""The part for files: what is sent goes up before its message leaves; what came is fetched when asked for.

Nothing of a stranger's is fetched by itself. A message that has files waits in the outbox until a quorum
of its conversation's relays has each of them; the other relays get them after that. `transfer.mover` moves.
What is to be moved, and what follows, is decided here, in turns, and is in the store: after a kill all goes
on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, cast

from heliogram.content.bodies import File
from heliogram.content.mimi import ExternalPart
from heliogram.node import api
from heliogram.node.asking import Address, Ask, LogScope
from heliogram.node.engine.context import Context, Handler
from heliogram.node.errors import FileFault, InvalidFile, NotAllowed, NotFound, NotNow
from heliogram.node.files import Layout, SealedFile
from heliogram.node.pace import Pace
from heliogram.node.store.files import FileRow, Files
from heliogram.node.transfer import sniffing
from heliogram.node.transfer.moves import (
    Download,
    Ended,
    Fetch,
    Move,
    Moved,
    Moves,
    Outcome,
    Progress,
    TakeMoves,
)
from heliogram.node.transfer.naming import safe_name
from heliogram.node.transfer.prepare import URL, duration_of
from heliogram.node.transfer.prepared import THUMBNAIL, Prepared
from heliogram.node.transfer.takebacks import Takebacks
from heliogram.node.transfer.uploading import SEED_SIZE, Uploading
from heliogram.node.value import WelcomeBlob
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import Configuration, RelayDescription

#: Seconds after which a sealed copy goes that q relays have and others would not take.
KEEP = 86_400

#: Bytes of a thumbnail that is kept, and files of a message.
MAX_THUMBNAIL = 16 << 10
MAX_FILES = 64

#: A file of a message, as moves are named.
Key = tuple[int, int]


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


@dataclass(slots=True)
class _Coming:
    """A download, or the wait for the next try."""

    pace: Pace
    running: bool = False
    done: int = 0


class FilesPart:
    """Files of messages, and the large Welcomes of conversations. `talks` is set right after it is made."""

    talks: TalksSide

    def __init__(
        self,
        context: Context,
        *,
        wake: Callable[[], None],
        downloads: str,
        forget: Callable[[str], None],
        spool_name: Callable[[], str],
    ) -> None:
        """`wake` is `Mover.wake`, `downloads` where files are saved by default.

        `forget` deletes a copy in the spool, `spool_name` makes a new name there.
        """
        self._context = context
        self._files = Files(context.store)
        self._wake = wake
        self._downloads = downloads
        self._forget = forget
        self._spool_name = spool_name
        self._uploads: dict[Hashable, Uploading] = {}
        self._coming: dict[Key, _Coming] = {}
        self._takebacks = Takebacks(self._files)
        #: Bytes of blobs that are through, by relay, while they go up.
        self._up: dict[Hashable, int] = {}
        self._begin: list[Move] = []
        self._stop: list[Hashable] = []
        self._loaded = False

    # --- What talks want --------------------------------------------------------------------------

    def sent(self, message: int, prepared: object) -> None:
        """These sealed files belong to a message of ours."""
        if not isinstance(prepared, Prepared):
            raise NotAllowed("files must be made ready before they are sent")
        conversation = self._files.conversation_of(message)
        configuration = None if conversation is None else self.talks.configuration(conversation)
        if configuration is None:
            raise NotNow
        for place, one in enumerate(prepared.files):
            row = self._row(message, place, one.external, configuration.encode())
            row = _replace(
                row,
                inline=one.inline,
                duration=one.duration,
                thumbnail=one.thumbnail or None,
                state="sending",
                spool=one.spool.name,
                path=None if one.path is None else str(one.path),
                seed=self._context.entropy(SEED_SIZE),
            )
            self._files.add(row)
            self._begin_upload(row)

    def received(self, message: int, files: Sequence[File]) -> None:
        """A message came that has these files. Nothing is fetched."""
        conversation = self._files.conversation_of(message)
        configuration = None if conversation is None else self.talks.configuration(conversation)
        relays = b"" if configuration is None else configuration.encode()
        for place, one in enumerate(files[:MAX_FILES]):
            row = self._row(message, place, one.part, relays)
            preview = one.preview
            if preview is not None and row.state == "remote" and _is_thumbnail(preview):
                inline = sniffing.may_be_inline(row.content_type, row.name)
                row = _replace(row, inline=inline, thumbnail=preview.content)
            elif row.duration is not None and sniffing.may_be_inline(row.content_type, row.name):
                row = _replace(row, inline=True)
            self._files.add(row)

    def gone(self, message: int) -> None:
        """A message goes: its files here with it. At relays they stay until their time is over."""
        for row in self._files.of(message):
            key = (row.message, row.place)
            self._uploads.pop(key, None)
            self._up.pop(key, None)
            self._coming.pop(key, None)
            self._stop.append(key)
            if row.spool is not None:
                self._forget(row.spool)
        self._files.delete(message)

    def take_back(self, message: int) -> None:
        """A message of ours was taken back from all: let relays delete its files. Before `gone`."""
        conversation = self._files.conversation_of(message)
        if conversation is None:
            return
        circuit = self.talks.circuit(conversation)
        for row in self._files.of(message):
            self._takebacks.add(row, circuit, int(self._context.time))

    def infos(self, message: int) -> tuple[api.FileInfo, ...]:
        """The files of a message, as faces see them."""
        return tuple(self._info(row) for row in self._files.of(message))

    # --- Blobs of conversations -------------------------------------------------------------------

    def carry(self, conversation: int, blob: bytes, data: bytes, relays: Sequence[bytes]) -> None:
        """Bring a Welcome to the relays with these keys: `blob_stored` for each. May be said again."""
        key = ("welcome", conversation, blob)
        configuration = self.talks.configuration(conversation)
        if key in self._uploads or configuration is None:
            return
        self._uploads[key] = Uploading(
            *(key, blob, len(data), data),
            relays=[one for one in configuration.relays if one.key in relays],
            seed=self._context.entropy(SEED_SIZE),
            scope_of=self._scope_of(conversation),
            circuit=self.talks.circuit(conversation),
        )

    def drop(self, conversation: int, blob: bytes) -> None:
        """A Welcome of `carry` is not needed any more."""
        key = ("welcome", conversation, blob)
        if self._uploads.pop(key, None) is not None:
            self._stop.append(key)

    def fetch_welcome(
        self, conversation: int, welcome: WelcomeBlob, relays: Sequence[RelayDescription]
    ) -> None:
        """Fetch a Welcome of a conversation that we are in: `blob_fetched`. Said again, it tries again."""
        addresses = tuple(map(Address.of, relays))
        key = ("fetch", conversation, welcome.id)
        circuit = self.talks.circuit(conversation)
        self._begin.append(Fetch(key, addresses, circuit, welcome.id, welcome.size))

    def carry_picture(self, conversation: int, blob: bytes, data: bytes, seed: bytes) -> None:
        """Bring a sealed picture to all relays of a conversation: `picture_stored` once a quorum has it."""
        key = ("picture", conversation, blob)
        configuration = self.talks.configuration(conversation)
        if key in self._uploads or configuration is None:
            return
        self._uploads[key] = Uploading(
            *(key, blob, len(data), data),
            relays=configuration.relays,
            seed=seed,
            scope_of=self._scope_of(conversation),
            circuit=self.talks.circuit(conversation),
        )

    def fetch_picture(self, conversation: int, blob: bytes, size: int) -> None:
        """Fetch a sealed picture from the relays of its conversation: `picture_came`, however it went."""
        configuration = self.talks.configuration(conversation)
        addresses = () if configuration is None else tuple(map(Address.of, configuration.relays))
        key = ("fetch picture", conversation, blob)
        self._begin.append(Fetch(key, addresses, self.talks.circuit(conversation), blob, size))

    # --- A part of the engine ---------------------------------------------------------------------

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """What it does for which command."""
        return {
            api.GetFile: self._get_file,
            api.GetTransfers: lambda command, extra: self.transfers(),
            api.GetThumbnail: self._get_thumbnail,
            TakeMoves: self._take_moves,
            Moved: self._moved,
        }

    def settle(self) -> None:
        """Begin what can begin."""
        if not self._loaded:
            self._load()
        now = self._context.now
        for key, upload in list(self._uploads.items()):
            self._keep_to_relays(key, upload)
            if upload.changed:
                upload.changed = False
                self._follow(key, upload)
            self._begin += upload.moves()
        for key, coming in self._coming.items():
            if not coming.running and coming.pace.due(now):
                self._begin_download(key, coming)
        if self._begin or self._stop:
            self._wake()

    def asks(self) -> list[tuple[bytes, Ask]]:
        """Announcements, and what relays are to delete."""
        now = self._context.now
        asks = [
            (upload.circuit, ask) for upload in self._uploads.values() for ask in upload.asks(now)
        ]
        return asks + self._takebacks.asks_by_circuit(now, self._context.time)

    def deadline(self) -> float | None:
        """When something is tried again."""
        now = self._context.now
        times = [upload.deadline(now) for upload in self._uploads.values()]
        times += [one.pace.again for one in self._coming.values() if not one.running]
        times.append(self._takebacks.deadline(now))
        return min((at for at in times if at is not None), default=None)

    def transfers(self) -> list[api.Transfer]:
        """Files on their way."""
        return [self._transfer(row) for row in self._files.moving()]

    # --- Commands ---------------------------------------------------------------------------------

    def _get_file(self, command: api.GetFile, extra: object) -> api.Transfer:
        message = self.talks.find_message(command.message)
        row = self._files.get(message, command.index)
        if row is None:
            raise NotFound("file")
        if not row.key:
            raise InvalidFile(FileFault.NOT_OURS)
        if row.state == "sending":
            raise NotNow
        if row.state != "downloading":
            self._files.change(
                *(row.message, row.place),
                state="downloading",
                directory=command.directory or self._downloads,
                spool=self._spool_name(),
                trouble="",
            )
            self._coming[(row.message, row.place)] = _Coming(Pace())
            self.talks.file_changed(message)
        changed = self._files.get(message, command.index)
        return self._transfer(changed or row)

    def _get_thumbnail(self, command: api.GetThumbnail, extra: object) -> api.Thumbnail:
        row = self._files.get(self.talks.find_message(command.message), command.index)
        if row is None or row.thumbnail is None:
            raise NotFound("thumbnail")
        return api.Thumbnail(THUMBNAIL, row.thumbnail)

    def _take_moves(self, command: TakeMoves, extra: object) -> Moves:
        moves = Moves(tuple(self._begin), tuple(self._stop))
        self._begin.clear()
        self._stop.clear()
        return moves

    def _moved(self, command: Moved, extra: object) -> api.Done:
        now = self._context.now
        match extra:
            case Progress(key, done):
                self._progress(key, done)
            case Ended(("fetch", conversation, _), Outcome.DONE, data=data):
                self.talks.blob_fetched(cast(int, conversation), data)
            case Ended(("fetch picture", int() as conversation, bytes() as blob), outcome):
                self.talks.picture_came(conversation, blob, outcome, extra.data)
            case Ended(key, outcome, relay) if relay and key in self._uploads:
                if outcome is Outcome.NOT_SAVED:
                    self._unreadable(key)
                else:
                    self._uploads[key].ended(relay, outcome, now)
            case Ended(key) if key in self._coming:
                self._came(key, extra)
        return api.Done()

    # --- Up ---------------------------------------------------------------------------------------

    def _begin_upload(self, row: FileRow) -> None:
        conversation = self._files.conversation_of(row.message)
        configuration = _configuration(row.relays)
        if conversation is None or configuration is None or not row.spool or not row.seed:
            return
        key = (row.message, row.place)
        self._uploads[key] = Uploading(
            *(key, row.blob, Layout(row.size).blob, row.spool),
            relays=configuration.relays,
            stored=row.stored_by,
            seed=row.seed,
            scope_of=self._scope_of(conversation),
            circuit=self.talks.circuit(conversation),
        )

    def _keep_to_relays(self, key: Hashable, upload: Uploading) -> None:
        """The conversation may be on other relays by now."""
        match key:
            case (int() as message, int() as place):
                conversation = self._files.conversation_of(message)
                configuration = (
                    None if conversation is None else self.talks.configuration(conversation)
                )
                if configuration is None:
                    return
                if upload.relays != {one.key for one in configuration.relays}:
                    upload.use(configuration.relays)
                    self._files.change(message, place, relays=configuration.encode())
            case ("picture", int() as conversation, _):
                configuration = self.talks.configuration(conversation)
                if configuration is not None:
                    wanted = {one.key for one in configuration.relays}
                    if upload.relays != wanted:
                        upload.use(configuration.relays)

    def _follow(self, key: Hashable, upload: Uploading) -> None:
        """What follows when a relay has a blob, or will not have it."""
        match key:
            case ("welcome", int() as conversation, bytes() as blob):
                for relay in upload.stored:
                    self.talks.blob_stored(conversation, blob, relay)
                if upload.complete:
                    self._uploads.pop(key, None)
            case ("picture", int() as conversation, bytes() as blob):
                self._follow_picture(conversation, blob, upload)
            case (int() as message, int() as place):
                self._follow_file(message, place, upload)

    def _follow_picture(self, conversation: int, blob: bytes, upload: Uploading) -> None:
        configuration = self.talks.configuration(conversation)
        quorum = 0 if configuration is None else configuration.quorum
        never = len(upload.relays) - upload.refused < quorum
        if never or upload.complete:
            self._uploads.pop(("picture", conversation, blob), None)
        if never:
            self.talks.picture_refused(conversation, blob)
        elif upload.count() >= quorum:
            self.talks.picture_stored(conversation, blob)

    def _follow_file(self, message: int, place: int, upload: Uploading) -> None:
        row = self._files.get(message, place)
        configuration = None if row is None else _configuration(row.relays)
        if row is None or configuration is None:
            self._uploads.pop((message, place), None)
            return
        stored = b"".join(upload.stored)
        if stored != row.stored:
            self._files.change(message, place, stored=stored)
        quorum = configuration.quorum
        if upload.count() >= quorum and all(
            self._has_quorum(one, quorum) for one in self._files.of(message)
        ):
            self.talks.release(message)
        if configuration.n - upload.refused < quorum:
            self._end_upload(row, "refused", "file too large")
            self.talks.not_sent(message, "file too large")
        elif upload.complete or (upload.count() >= quorum and self._is_old(row)):
            self._end_upload(row, "here", "")
        else:
            self.talks.file_changed(message)

    def _unreadable(self, key: Hashable) -> None:
        """The sealed copy cannot be read any more. Only we can say so: no relay can end an upload."""
        match key:
            case (int() as message, int() as place):
                row, upload = self._files.get(message, place), self._uploads.pop(key, None)
                configuration = None if row is None else _configuration(row.relays)
                if row is None or upload is None or configuration is None:
                    return
                enough = upload.count() >= configuration.quorum
                self._end_upload(
                    row, "here" if enough else "refused", "" if enough else "file damaged"
                )
                if not enough:
                    self.talks.not_sent(message, "file damaged")

    def _has_quorum(self, row: FileRow, quorum: int) -> bool:
        upload = self._uploads.get((row.message, row.place))
        return row.state != "sending" or (upload is not None and upload.count() >= quorum)

    def _is_old(self, row: FileRow) -> bool:
        return self._context.time > row.created + KEEP

    def _end_upload(self, row: FileRow, state: str, trouble: str) -> None:
        key = (row.message, row.place)
        self._uploads.pop(key, None)
        self._up.pop(key, None)
        self._stop.append(key)
        if row.spool is not None:
            self._forget(row.spool)
        if state == "here" and row.path is None:
            state = "remote"  # it was nowhere but in the sealed copy: relays have it
        self._files.change(*key, state=state, spool=None, trouble=trouble)
        self._tell(key)

    def _scope_of(self, conversation: int) -> Callable[[bytes], LogScope | None]:
        def scope_of(relay: bytes) -> LogScope | None:
            try:
                return self.talks.blob_scope(conversation, relay)
            except NotNow:
                return None

        return scope_of

    # --- Down -------------------------------------------------------------------------------------

    def _begin_download(self, key: Key, coming: _Coming) -> None:
        row = self._files.get(*key)
        conversation = self._files.conversation_of(key[0])
        if row is None or row.spool is None or conversation is None:
            return
        now = self.talks.configuration(conversation)
        found: dict[bytes, Address] = {}
        # Relays of today, then those of the time when it was sent: either may have it.
        for configuration in (now, _configuration(row.relays)):
            for one in () if configuration is None else configuration.relays:
                found.setdefault(one.key, Address.of(one))
        coming.running = True
        self._begin.append(
            Download(
                key,
                tuple(found.values()),
                self.talks.circuit(conversation),
                row.file,
                row.spool,
                row.directory,
                row.name,
                row.content_type,
            )
        )

    def _came(self, key: Key, ended: Ended) -> None:
        coming = self._coming[key]
        coming.running = False
        if ended.outcome in (Outcome.LATER, Outcome.STALE):
            coming.pace.failed(self._context.now)
            return
        row = self._files.get(*key)
        del self._coming[key]
        if row is None:
            return
        values: dict[str, Any] = {"spool": None}
        if ended.outcome is Outcome.DONE and ended.verdict is not None:
            values |= {"state": "here", "path": ended.path, "doubt": ended.verdict.doubt}
            values |= {"content_type": ended.verdict.content_type}
            values |= {"inline": row.inline and ended.verdict.inline}
            if row.duration is not None and not ended.verdict.doubt:
                values |= {"content_type": row.content_type}
        elif ended.outcome is Outcome.GONE:
            values |= {"state": "gone", "trouble": "file gone"}
        elif ended.outcome is Outcome.DAMAGED:
            values |= {"state": "refused", "trouble": "file damaged"}
        else:
            values |= {"state": "remote", "trouble": "file not saved"}
        if row.spool is not None:
            self._forget(row.spool)
        self._files.change(*key, **values)
        self._tell(key)

    # --- Telling ----------------------------------------------------------------------------------

    def _progress(self, key: Hashable, done: int) -> None:
        if key in self._coming:
            self._coming[key].done = done
        elif key in self._uploads:
            self._up[key] = max(done, self._up.get(key, 0))
        else:
            return
        if isinstance(key, tuple) and len(key) == 2:
            row = self._files.get(*cast(Key, key))
            if row is not None:
                self._context.tell(api.TransferChanged(self._transfer(row)))

    def _tell(self, key: Key) -> None:
        row = self._files.get(*key)
        if row is not None:
            self._context.tell(api.TransferChanged(self._transfer(row)))
            self.talks.file_changed(key[0])

    def _transfer(self, row: FileRow) -> api.Transfer:
        up = row.seed is not None and row.state in ("sending", "here", "refused")
        states = {"sending": "running", "downloading": "running", "here": "done"}
        state = states.get(row.state, "failed" if row.trouble else "waiting")
        key = (row.message, row.place)
        if row.state == "downloading" and not self._coming.get(key, _Coming(Pace())).running:
            state = "waiting"
        direction: Literal["up", "down"] = "up" if up else "down"
        return api.Transfer(
            message=self._files.id_of(row.message).hex(),
            index=row.place,
            name=row.name,
            direction=direction,
            done=self._done(row),
            size=row.size,
            state=state,
            trouble=row.trouble,
        )

    def _info(self, row: FileRow) -> api.FileInfo:
        state = row.state
        over = row.expires is not None and row.expires <= self._context.time
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
            done=self._done(row),
            path=row.path if row.state in ("here", "sending") else None,
        )

    def _done(self, row: FileRow) -> int:
        """Bytes of the plaintext that are through."""
        key = (row.message, row.place)
        if row.state == "here":
            return row.size
        through = self._up.get(key, 0) if key in self._uploads else 0
        if key in self._coming:
            through = self._coming[key].done
        return min(row.size, through * row.size // max(1, Layout(row.size).blob)) if through else 0

    # --- Rows -------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Go on with what a process before this one began."""
        self._loaded = True
        for row in self._files.moving():
            key = (row.message, row.place)
            if row.state == "sending" and key not in self._uploads:
                self._begin_upload(row)
            elif row.state == "downloading" and key not in self._coming:
                self._coming[key] = _Coming(Pace())

    def _row(self, message: int, place: int, part: ExternalPart, relays: bytes) -> FileRow:
        """A file as its message describes it; `refused` if it is none that we could ever open."""
        # What nobody could open has no key: size and name are all that is known of it.
        file = SealedFile(b"", min(part.size, (1 << 63) - 1), b"", b"")
        with suppress(InvalidFile):
            found = SealedFile.of(part)
            Layout(found.size)
            # What lies there is named once: an address of something else is no address.
            file = found if part.url == URL + found.ciphertext_hash.hex() else file
        ours = bool(file.key and relays)
        return FileRow(
            message,
            place,
            blob=file.ciphertext_hash,
            key=file.key,
            plain=file.plaintext_hash,
            name=safe_name(part.filename),
            content_type=_shown_type(part.content_type),
            size=file.size,
            inline=False,
            duration=duration_of(part.content_type),
            thumbnail=None,
            state="remote" if ours else "refused",
            doubt="",
            trouble="" if ours else "file not ours",
            relays=relays,
            spool=None,
            directory="",
            path=None,
            seed=None,
            stored=b"",
            created=int(self._context.time),
            expires=part.expires or None,
        )


def _replace(row: FileRow, **values: object) -> FileRow:
    return replace(row, **values)  # type: ignore[arg-type]


def _configuration(data: bytes) -> Configuration | None:
    try:
        return Configuration.from_bytes(data)
    except RemoteError:
        return None


def _is_thumbnail(part: object) -> bool:
    """Whether a preview is a small WebP, by its first bytes: nobody decodes it here."""
    content = getattr(part, "content", b"")
    kind = sniffing.essence(getattr(part, "content_type", ""))
    return kind == THUMBNAIL == sniffing.sniff(content) and len(content) <= MAX_THUMBNAIL


def _shown_type(content_type: str) -> str:
    """A media type that can be shown: of a file whose sender says nonsense, none."""
    kind = sniffing.essence(content_type)
    plain = kind.isascii() and kind.isprintable() and kind.count("/") == 1 and " " not in kind
    return kind if plain else sniffing.UNKNOWN
