"""What goes up: files of ours before their message leaves, large Welcomes, pictures of groups.

A message that has files waits in the outbox until a quorum of its conversation's relays has each of them; the
other relays get them after that. Then the sealed copy is one that stays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from heliogram.node.asking import Ask, LogScope
from heliogram.node.engine.file_desk import FileDesk, Key, configuration_in
from heliogram.node.engine.kept import Kept
from heliogram.node.errors import NotNow
from heliogram.node.files import Layout
from heliogram.node.store.files import FileRow
from heliogram.node.transfer.moves import Outcome
from heliogram.node.transfer.uploading import Uploading

#: Seconds after which nobody waits any more for relays that would not take what q relays have.
PATIENCE = 86_400


class Uploads:
    """All that goes up."""

    def __init__(self, desk: FileDesk, kept: Kept) -> None:
        self._desk = desk
        self._kept = kept
        self._uploads: dict[Hashable, Uploading] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._uploads

    # --- What is to go up -------------------------------------------------------------------------

    def begin(self, row: FileRow) -> None:
        """Bring a file of ours to its relays."""
        desk, key = self._desk, (row.message, row.place)
        conversation = desk.files.conversation_of(row.message)
        configuration = configuration_in(row.relays)
        if conversation is None or configuration is None or not row.spool or not row.seed:
            return
        self._uploads[key] = Uploading(
            *(key, row.blob, Layout(row.size).blob, row.spool),
            relays=configuration.relays,
            stored=row.stored_by,
            seed=row.seed,
            scope_of=self._scope_of(conversation),
            circuit=desk.talks.circuit(conversation),
        )

    def carry(self, conversation: int, blob: bytes, data: bytes, relays: Sequence[bytes]) -> None:
        """Bring a Welcome to the relays with these keys: `blob_stored` for each. May be said again."""
        desk, key = self._desk, ("welcome", conversation, blob)
        configuration = desk.talks.configuration(conversation)
        if key in self._uploads or configuration is None:
            return
        self._uploads[key] = Uploading(
            *(key, blob, len(data), data),
            relays=[one for one in configuration.relays if one.key in relays],
            seed=desk.new_seed(),
            scope_of=self._scope_of(conversation),
            circuit=desk.talks.circuit(conversation),
        )

    def carry_picture(self, conversation: int, blob: bytes, data: bytes, seed: bytes) -> None:
        """Bring a sealed picture to all relays of a conversation: `picture_stored` once a quorum has it."""
        desk, key = self._desk, ("picture", conversation, blob)
        configuration = desk.talks.configuration(conversation)
        if key in self._uploads or configuration is None:
            return
        self._uploads[key] = Uploading(
            *(key, blob, len(data), data),
            relays=configuration.relays,
            seed=seed,
            scope_of=self._scope_of(conversation),
            circuit=desk.talks.circuit(conversation),
        )

    def drop(self, key: Hashable) -> None:
        """It is not needed any more, or not there."""
        desk = self._desk
        if self._uploads.pop(key, None) is not None:
            desk.begin[:] = [one for one in desk.begin if one.key != key]
            desk.stop.append(key)

    # --- In turns ---------------------------------------------------------------------------------

    def settle(self) -> None:
        """See what relays have, and begin what can begin."""
        for key, upload in list(self._uploads.items()):
            self._keep_to_relays(key, upload)
            if upload.changed:
                upload.changed = False
                self._follow(key, upload)
            self._desk.begin += upload.moves()

    def asks(self, now: float) -> list[tuple[bytes, Ask]]:
        """Announcements, each with its circuit."""
        return [
            (upload.circuit, ask) for upload in self._uploads.values() for ask in upload.asks(now)
        ]

    def deadline(self, now: float) -> float | None:
        """When a relay is asked again."""
        times = (upload.deadline(now) for upload in self._uploads.values())
        return min((at for at in times if at is not None), default=None)

    def ended(self, key: Hashable, relay: bytes, outcome: Outcome, now: float) -> None:
        """How it went at one relay."""
        if outcome is Outcome.NOT_SAVED:
            self._unreadable(key)
        else:
            self._uploads[key].ended(relay, outcome, now)

    # --- Inside -----------------------------------------------------------------------------------

    def _keep_to_relays(self, key: Hashable, upload: Uploading) -> None:
        """The conversation may be on other relays by now."""
        desk = self._desk
        match key:
            case (int() as message, int() as place):
                configuration = desk.configuration_of(message)
                if configuration is None:
                    return
                if upload.relays != {one.key for one in configuration.relays}:
                    upload.use(configuration.relays)
                    desk.files.change(message, place, relays=configuration.encode())
            case ("picture", int() as conversation, _):
                configuration = desk.talks.configuration(conversation)
                if configuration is not None:
                    wanted = {one.key for one in configuration.relays}
                    if upload.relays != wanted:
                        upload.use(configuration.relays)

    def _follow(self, key: Hashable, upload: Uploading) -> None:
        """What follows when a relay has a blob, or will not have it."""
        match key:
            case ("welcome", int() as conversation, bytes() as blob):
                for relay in upload.stored:
                    self._desk.talks.blob_stored(conversation, blob, relay)
                if upload.complete:
                    self._uploads.pop(key, None)
            case ("picture", int() as conversation, bytes() as blob):
                self._follow_picture(conversation, blob, upload)
            case (int() as message, int() as place):
                self._follow_file(message, place, upload)

    def _follow_picture(self, conversation: int, blob: bytes, upload: Uploading) -> None:
        configuration = self._desk.talks.configuration(conversation)
        quorum = 0 if configuration is None else configuration.quorum
        never = len(upload.relays) - upload.refused < quorum
        if never or upload.complete:
            self._uploads.pop(("picture", conversation, blob), None)
        if never:
            self._desk.talks.picture_refused(conversation, blob)
        elif upload.count() >= quorum:
            self._desk.talks.picture_stored(conversation, blob)

    def _follow_file(self, message: int, place: int, upload: Uploading) -> None:
        desk = self._desk
        row = desk.files.get(message, place)
        configuration = None if row is None else configuration_in(row.relays)
        if row is None or configuration is None:
            self._uploads.pop((message, place), None)
            return
        stored = b"".join(upload.stored)
        if stored != row.stored:
            desk.files.change(message, place, stored=stored)
        quorum = configuration.quorum
        if upload.count() >= quorum and all(
            self._has_quorum(one, quorum) for one in desk.files.of(message)
        ):
            desk.talks.release(message)
        if configuration.n - upload.refused < quorum:
            self._fail(row, "file too large")
        elif upload.complete or (upload.count() >= quorum and self._is_old(row)):
            self._succeed(row)
        else:
            desk.talks.file_changed(message)

    def _unreadable(self, key: Hashable) -> None:
        """The sealed copy cannot be read any more. Only we can say so: no relay can end an upload."""
        match key:
            case (int() as message, int() as place):
                row, upload = self._desk.files.get(message, place), self._uploads.pop(key, None)
                configuration = None if row is None else configuration_in(row.relays)
                if row is None or upload is None or configuration is None:
                    return
                if upload.count() >= configuration.quorum:
                    self._end(row)
                    self._desk.drop_copy(row, state="remote")
                    self._desk.tell((message, place))
                else:
                    self._desk.drop_copy(row)
                    self._fail(row, "file damaged")

    def _has_quorum(self, row: FileRow, quorum: int) -> bool:
        upload = self._uploads.get((row.message, row.place))
        return row.state != "sending" or (upload is not None and upload.count() >= quorum)

    def _is_old(self, row: FileRow) -> bool:
        return self._desk.context.time > row.created + PATIENCE

    def _succeed(self, row: FileRow) -> None:
        """The file is where it should be. Where it came from may go: the sealed copy stays."""
        self._end(row)
        self._kept.stays(row, path=None, trouble="")
        self._desk.tell((row.message, row.place))

    def _fail(self, row: FileRow, code: str) -> None:
        """Its copy stays as long as its message: what failed can be sent again, elsewhere or later."""
        self._end(row)
        self._desk.files.change(row.message, row.place, state="refused", trouble=code)
        self._desk.tell((row.message, row.place))
        self._desk.talks.not_sent(row.message, code)

    def _end(self, row: FileRow) -> None:
        key: Key = (row.message, row.place)
        self._uploads.pop(key, None)
        self._desk.leave(key)

    def _scope_of(self, conversation: int) -> Callable[[bytes], LogScope | None]:
        def scope_of(relay: bytes) -> LogScope | None:
            try:
                return self._desk.talks.blob_scope(conversation, relay)
            except NotNow:
                return None

        return scope_of
