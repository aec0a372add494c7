"""Blobs of ours that relays are to delete before their time: asked until they have, or it is too late."""

from __future__ import annotations

from heliogram.node.asking import Address, Ask
from heliogram.node.pace import Pace
from heliogram.node.store.files import FileRow, Files, Takeback
from heliogram.node.transfer.uploading import delete_secret
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.objects import Configuration, RelayDescription

#: Seconds after which a relay has deleted it by itself.
_OVER = 31 * 86_400

#: What ends it: it is deleted, or was already.
_FINAL = frozenset((ErrorCode.NOT_AUTHORISED, ErrorCode.MALFORMED, ErrorCode.UNKNOWN_FRAME))


class Takebacks:
    """Asks relays to delete. A `Source`; times are monotonic seconds."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._paces: dict[int, Pace] = {}
        self._asked: set[int] = set()
        self._known = True

    def add(self, row: FileRow, circuit: bytes, time: int) -> None:
        """Have every relay delete a file that may have it or a part of it. `time`: Unix seconds."""
        if row.seed is None:
            return
        try:
            relays = Configuration.from_bytes(row.relays).relays
        except RemoteError:
            return
        for one in relays:
            secret = delete_secret(row.seed, one.key)
            self._files.take_back(row.blob, one.encode(), secret, circuit, time)
        self._known = True

    def asks_by_circuit(self, now: float, time: float) -> list[tuple[bytes, Ask]]:
        """What is due, each with its circuit."""
        asks: list[tuple[bytes, Ask]] = []
        rows = self._files.takebacks() if self._known else []
        self._known = bool(rows)
        for row in rows:
            pace = self._paces.setdefault(row.number, Pace())
            if time > row.created + _OVER:
                self._end(row.number)
            elif row.number not in self._asked and pace.due(now):
                if (ask := self._ask(row)) is None:
                    self._end(row.number)
                    continue
                self._asked.add(row.number)
                pace.asked(now)
                asks.append((row.circuit, ask))
        return asks

    def asks(self, now: float) -> list[Ask]:
        """What is due. Nothing here: `asks_by_circuit` says it all."""
        return []

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        """It is deleted, or there was nothing, or not now."""
        number = ask.token if isinstance(ask.token, int) else -1
        self._asked.discard(number)
        if isinstance(answer, frames.Done) or (
            isinstance(answer, frames.Failure) and answer.code in _FINAL
        ):
            self._end(number)
        elif number in self._paces:
            self._paces[number].failed(now)

    def lost(self, ask: Ask, now: float) -> None:
        """There is no answer."""
        number = ask.token if isinstance(ask.token, int) else -1
        self._asked.discard(number)
        if number in self._paces:
            self._paces[number].failed(now)

    def deadline(self, now: float) -> float | None:
        """When one is asked again."""
        waiting = (pace.again for number, pace in self._paces.items() if number not in self._asked)
        return min(waiting, default=None)

    def _ask(self, row: Takeback) -> Ask | None:
        try:
            relay = RelayDescription.from_bytes(row.relay)
        except RemoteError:
            return None
        request = frames.BlobDelete(0, row.blob, row.secret)
        return Ask(self, Address.of(relay), request, None, row.number)

    def _end(self, number: int) -> None:
        self._files.taken_back(number)
        self._paces.pop(number, None)
        self._asked.discard(number)
