"""What comes down, when somebody asks: to be saved, to be kept, or both. And small blobs of conversations.

Nothing of a stranger's is fetched by itself. What is kept is saved from its sealed copy, without a network.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from heliogram.node.asking import Address
from heliogram.node.engine.file_desk import FileDesk, Key, configuration_in
from heliogram.node.engine.kept import Kept
from heliogram.node.pace import Pace
from heliogram.node.store.files import FileRow
from heliogram.node.transfer.moves import Download, Ended, Fetch, Outcome
from heliogram.node.value import WelcomeBlob
from heliogram.wire.objects import RelayDescription


@dataclass(slots=True)
class _Coming:
    """A download, or the wait for the next try."""

    pace: Pace
    running: bool = False


class Downloads:
    """All that comes down."""

    def __init__(self, desk: FileDesk, kept: Kept) -> None:
        self._desk = desk
        self._kept = kept
        self._coming: dict[Hashable, _Coming] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._coming

    # --- What is to come --------------------------------------------------------------------------

    def save(self, row: FileRow, directory: str) -> None:
        """Save a file in `directory`; one that is on its way already, too."""
        if row.state != "downloading":
            self._begin(row, directory=directory)
        elif not row.directory:
            self._desk.files.change(row.message, row.place, directory=directory)

    def keep(self, row: FileRow) -> None:
        """Have a sealed copy that stays."""
        if row.state != "downloading":
            self._begin(row, kept=self._desk.time, path=None)
        elif row.kept is None:
            self._desk.files.change(row.message, row.place, kept=self._desk.time)

    def again(self, row: FileRow) -> None:
        """Go on with what a process before this one began."""
        self._coming.setdefault((row.message, row.place), _Coming(Pace()))

    def fetch_welcome(
        self, conversation: int, welcome: WelcomeBlob, relays: Sequence[RelayDescription]
    ) -> None:
        """Fetch a Welcome of a conversation that we are in: `blob_fetched`. Said again, it tries again."""
        addresses = tuple(map(Address.of, relays))
        key = ("fetch", conversation, welcome.id)
        circuit = self._desk.talks.circuit(conversation)
        self._desk.begin.append(Fetch(key, addresses, circuit, welcome.id, welcome.size))

    def fetch_picture(self, conversation: int, blob: bytes, size: int) -> None:
        """Fetch a sealed picture from the relays of its conversation: `picture_came`, however it went."""
        talks = self._desk.talks
        configuration = talks.configuration(conversation)
        addresses = () if configuration is None else tuple(map(Address.of, configuration.relays))
        key = ("fetch picture", conversation, blob)
        circuit = talks.circuit(conversation)
        self._desk.begin.append(Fetch(key, addresses, circuit, blob, size))

    def drop(self, key: Key) -> None:
        """Nobody wants it any more."""
        self._coming.pop(key, None)

    def _begin(self, row: FileRow, **values: Any) -> None:
        desk, key = self._desk, (row.message, row.place)
        # A copy that stays is opened again; of any other, a new one begins.
        spool = row.spool or desk.spool_name()
        desk.files.change(*key, state="downloading", spool=spool, trouble="", **values)
        self._coming[key] = _Coming(Pace())
        desk.talks.file_changed(row.message)

    # --- In turns ---------------------------------------------------------------------------------

    def settle(self, now: float) -> None:
        """Begin what can begin."""
        for key, coming in self._coming.items():
            if not coming.running and coming.pace.due(now):
                self._move(key, coming)

    def deadline(self) -> float | None:
        """When something is tried again."""
        times = (one.pace.again for one in self._coming.values() if not one.running)
        return min(times, default=None)

    def _move(self, key: Hashable, coming: _Coming) -> None:
        desk = self._desk
        row = desk.files.get(*key)  # type: ignore[misc]
        conversation = None if row is None else desk.files.conversation_of(row.message)
        if row is None or row.spool is None or conversation is None:
            return
        now = desk.talks.configuration(conversation)
        found: dict[bytes, Address] = {}
        # Relays of today, then those of the time when it was sent: either may have it.
        for configuration in (now, configuration_in(row.relays)):
            for one in () if configuration is None else configuration.relays:
                found.setdefault(one.key, Address.of(one))
        coming.running = True
        desk.running.add(key)
        desk.begin.append(
            Download(
                key,
                tuple(found.values()),
                desk.talks.circuit(conversation),
                row.file,
                row.spool,
                row.directory,
                row.name,
                row.content_type,
            )
        )

    def came(self, key: Key, ended: Ended) -> None:
        """How it went."""
        desk, coming = self._desk, self._coming[key]
        coming.running = False
        desk.running.discard(key)
        if ended.outcome in (Outcome.LATER, Outcome.STALE):
            coming.pace.failed(desk.context.now)
            return
        row = desk.files.get(*key)
        if row is not None and ended.outcome is Outcome.DONE and row.directory and not ended.path:
            # Somebody wanted it saved meanwhile: the copy is here, and is opened once more.
            coming.pace = Pace()
            return
        del self._coming[key]
        desk.through.pop(key, None)
        if row is not None:
            self._end(row, ended)
            desk.tell(key)

    def _end(self, row: FileRow, ended: Ended) -> None:
        match ended.outcome:
            case Outcome.DONE:
                self._succeed(row, ended)
            case Outcome.GONE:
                self._fail(row, "gone", "file gone")
            case Outcome.DAMAGED:
                self._fail(row, "refused", "file damaged")
            case _ if row.kept is not None and ended.whole:
                # The copy is here: it is saving that failed.
                self._kept.stays(row, trouble="file not saved", directory="")
            case _:
                self._fail(row, "remote", "file not saved")

    def _succeed(self, row: FileRow, ended: Ended) -> None:
        values: dict[str, Any] = {"directory": "", "state": "here" if ended.path else "kept"}
        if ended.path:
            values |= {"path": ended.path}
        verdict = ended.verdict
        if verdict is not None:
            values |= {"doubt": verdict.doubt, "inline": row.inline and verdict.inline}
            # A recording says what it is by how it was sent: its bytes may hold pictures, too.
            if row.duration is None or verdict.doubt:
                values |= {"content_type": verdict.content_type}
        if row.kept is None:
            self._desk.drop_copy(row, **values)
        else:
            self._kept.stays(row, **values)

    def _fail(self, row: FileRow, state: str, trouble: str) -> None:
        self._desk.drop_copy(row, state=state, trouble=trouble, directory="")
