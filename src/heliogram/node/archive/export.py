"""An export: everything readable, as JSON Lines for programs and HTML pages for people. Nothing is encrypted.

    README.txt              that it is not encrypted, and what the fields mean
    index.html              all conversations; opens without a network
    people.jsonl            accounts and what they are called
    conversations.jsonl     one line each
    chats/0001 NAME.jsonl   the messages of one, in order, one line each
    chats/0001 NAME.html    the same for people; of long ones there are several pages
    files/                  files that are here

It is read from one moment of the store, while the node goes on. The directory is there when all of it is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from heliogram.node.archive import pages
from heliogram.node.archive.reading import Chats, Conversation
from heliogram.node.errors import BackupFault, InvalidBackup, InvalidFile
from heliogram.node.files import Receiver, SealedFile
from heliogram.node.store.database import Store
from heliogram.node.store.disk import make_directory, sync_directory
from heliogram.node.transfer.naming import safe_name
from heliogram.node.transfer.spool import PIECE

#: Messages of one page.
PAGE = 2_000

#: Hears how many messages of how many are written.
Progress = Callable[[int, int], None]

README = """\
This is an export of a Heliogram profile. IT IS NOT ENCRYPTED: whoever can read these files can read every
message in them. Keep it where only you can, and delete it when you do not need it any more.

Open index.html with a browser. The files *.jsonl hold the same for programs, one JSON object a line. Ids are
hexadecimal, times Unix seconds.

people.jsonl
  account, name, introduced_as, verified, blocked

conversations.jsonl
  id, number, name, kind (direct, group, self), description, created, phase, members (account, role),
  successor (a number), messages (how many), file (where they are)

chats/*.jsonl
  number, kind (text, file, poll, location, unknown, deleted, unreadable, line), time
  of a message: id, sender, mine, text, markdown, received, reply_to, edited (time of the last edit), state,
  expires, reactions (emoji, who, time), reports (who, status, time),
  pinned (for all), forwarded (name, time: where it comes from)
  of a poll: poll (question, most, options: text, votes),
  files (name, type, size, state, duration, path: where it is in this export, if it was saved or kept)
  of a line, which says what happened in the conversation: sender, line (code, and what belongs to it), text
"""


def export(
    store: Store,
    directory: Path,
    *,
    time: int,
    progress: Progress | None = None,
    spool: Path | None = None,
) -> int:
    """Write an export into a new directory; how many messages there were. Blocks; uses a reader of its own.

    `spool` is where sealed copies of files lie: they are opened for it.
    Raises `InvalidBackup` if there is something in its place, or it cannot be written; and `StoreError`.
    """
    new = directory.with_name(f".{directory.name}.{os.urandom(4).hex()}.new")
    try:
        if directory.exists() and any(directory.iterdir()):
            raise InvalidBackup(BackupFault.EXISTS)
        make_directory(directory.parent)
        new.mkdir(mode=0o700)
        with store.reader() as reader, reader.snapshot():
            total = _Export(new, Chats(reader), time, progress, spool).write()
        with suppress(FileNotFoundError):
            directory.rmdir()
        os.rename(new, directory)
        sync_directory(directory.parent)
    except FileExistsError:
        raise InvalidBackup(BackupFault.EXISTS) from None
    except OSError:
        raise InvalidBackup(BackupFault.NOT_WRITTEN) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return total


class _Export:
    """One export being written."""

    def __init__(
        self,
        root: Path,
        chats: Chats,
        time: int,
        progress: Progress | None,
        spool: Path | None,
    ) -> None:
        self._root = root
        self._spool = spool
        self._chats = chats
        self._time = time
        self._progress = progress
        self._total = chats.count()
        self._done = 0

    def write(self) -> int:
        """All of it."""
        for folder in ("chats", "files"):
            (self._root / folder).mkdir(mode=0o700)
        self._text("README.txt", README)
        self._lines("people.jsonl", self._chats.people())
        conversations = []
        for one in self._chats.conversations():
            stem = f"chats/{one.number:04} {safe_name(one.name)[:60].strip()}"
            made = self._chat(one, stem)
            conversations.append((one, stem, made))
        self._lines(
            "conversations.jsonl",
            [
                one.record | {"messages": n, "file": f"{stem}.jsonl"}
                for one, stem, n in conversations
            ],
        )
        self._text("index.html", pages.index(conversations, self._time))
        return self._done

    def _chat(self, chat: Conversation, stem: str) -> int:
        """One conversation's messages: how many."""
        count, page = 0, 0
        block: list[dict[str, Any]] = []
        last = max(1, -(-self._chats.count(chat.number) // PAGE))
        with self._file(f"{stem}.jsonl") as out:
            for message in self._chats.messages(chat.number):
                for place, one in enumerate(message.get("files", ())):
                    self._copy(one, f"{message['number']}-{place}")
                out.write(_line(message))
                block.append(message)
                count += 1
                if len(block) == PAGE:
                    self._page(chat, stem, block, page, last)
                    page += 1
        if block or not page:
            self._page(chat, stem, block, page, last)
        return count

    def _page(
        self, chat: Conversation, stem: str, block: list[dict[str, Any]], page: int, last: int
    ) -> None:
        name = pages.page_name(stem, page)
        self._text(
            name, pages.chat(chat, stem, block, page, last, self._chats.name, self._chats.thumbnail)
        )
        self._done += len(block)
        block.clear()
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _copy(self, file: dict[str, Any], prefix: str) -> None:
        """Copy a file that is here, and say where; a file that went meanwhile is only said."""
        source, sealed = file.pop("source", None), file.pop("sealed", None)
        target = f"files/{prefix} {safe_name(file['name'])}"
        if source:
            with suppress(FileNotFoundError, PermissionError, IsADirectoryError):
                with open(source, "rb") as read, self._file(target, binary=True) as out:
                    while piece := read.read(PIECE):
                        out.write(piece)
                file["path"] = target
        if not file["path"] and sealed is not None and self._spool is not None:
            name, opened_by = sealed
            if self._open(self._spool / name, opened_by, target):
                file["path"] = target

    def _open(self, path: Path, file: SealedFile, target: str) -> bool:
        """Open a sealed copy; False if it is not all there: then nothing is left of it."""
        try:
            receiver = Receiver(file)
            with open(path, "rb") as read, self._file(target, binary=True) as out:
                while piece := read.read(PIECE):
                    out.write(receiver.receive(piece))
            receiver.finish()
        except (InvalidFile, FileNotFoundError):
            (self._root / target).unlink(missing_ok=True)
            return False
        return True

    def _lines(self, name: str, records: list[dict[str, Any]]) -> None:
        with self._file(name) as out:
            for one in records:
                out.write(_line(one))

    def _text(self, name: str, text: str) -> None:
        with self._file(name) as out:
            out.write(text)

    def _file(self, name: str, *, binary: bool = False) -> Any:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._root / name, flags, 0o600)
        if binary:
            return os.fdopen(descriptor, "wb")
        return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n")


def _line(record: dict[str, Any]) -> str:
    # ASCII: lines that end in the middle of a text for some readers (U+2028) do not here.
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")) + "\n"
