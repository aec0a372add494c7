"""A line that is being written at the bottom of a terminal, while other lines appear above it.

Without a terminal that can move its cursor (a pipe, `TERM=dumb`, Windows) lines are read as they are, and
what appears is printed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from heliogram.cli import cleaning
from heliogram.cli.printing import Screen

#: Characters of a line that can be written, and lines that "up" remembers.
MAX_LINE: Final = 65_536
MAX_REMEMBERED: Final = 200

_KEYS: Final = {
    "\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down",
    "\x1b[C": "right", "\x1bOC": "right", "\x1b[D": "left", "\x1bOD": "left",
    "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home",
    "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end", "\x1b[3~": "delete",
    "\x01": "home", "\x05": "end", "\x02": "left", "\x06": "right", "\x10": "up", "\x0e": "down",
    "\x7f": "back", "\x08": "back", "\x15": "cut", "\x0b": "cut after", "\x17": "cut word",
    "\x04": "eof", "\x03": "cancel", "\r": "enter", "\n": "enter", "\x0c": "redraw",
}  # fmt: skip


class Editor:
    """The text of one line and where the cursor is in it. Pure: keys in, finished lines out."""

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self.over = False
        self._pending = ""
        self._remembered: list[str] = []
        self._at = 0
        self._pasting = False

    def begin(self, text: str) -> None:
        """Have `text` written already, with the cursor at its end."""
        self.text = cleaning.block(text)[:MAX_LINE]
        self.cursor = len(self.text)

    def feed(self, typed: str) -> list[str]:
        """What was typed; gives lines that it finished. Sets `over` at Ctrl-D on an empty line, or Ctrl-C."""
        finished: list[str] = []
        self._pending += typed
        while self._pending and not self.over:
            key, text = self._next()
            if not key and not text:
                break
            if key == "enter" and not self._pasting:
                finished.append(self._finish())
            elif text:
                self._insert(text)
            else:
                self._key(key)
        return finished

    def _next(self) -> tuple[str, str]:
        """The next key, or the next text; neither if a key is not complete."""
        pending = self._pending
        if pending[0] != "\x1b":
            self._pending = pending[1:]
            key = _KEYS.get(pending[0], "")
            if key == "enter" and self._pasting:
                return "", "\n"
            if key:
                return key, ""
            return ("", pending[0]) if cleaning.block(pending[0]) == pending[0] else ("none", "")
        if len(pending) == 1:
            return "", ""
        if pending[1] not in "[O":
            self._pending = pending[2:]
            return "none", ""
        for end in range(2, min(len(pending), 16)):
            if pending[1] == "O" or "@" <= pending[end] <= "~":
                found, self._pending = pending[: end + 1], pending[end + 1 :]
                if found in ("\x1b[200~", "\x1b[201~"):
                    self._pasting = found == "\x1b[200~"
                return _KEYS.get(found, "none"), ""
        if len(pending) >= 16:
            self._pending = pending[1:]
            return "none", ""
        return "", ""

    def _insert(self, text: str) -> None:
        if len(self.text) + len(text) <= MAX_LINE:
            self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
            self.cursor += len(text)

    def _finish(self) -> str:
        text = self.text
        if text.strip() and text not in self._remembered[-1:]:
            self._remembered = [*self._remembered, text][-MAX_REMEMBERED:]
        self._at = len(self._remembered)
        self.text, self.cursor = "", 0
        return text

    def _recall(self, at: int) -> None:
        if 0 <= at <= len(self._remembered):
            self._at = at
            self.text = self._remembered[at] if at < len(self._remembered) else ""
            self.cursor = len(self.text)

    def _key(self, key: str) -> None:
        match key:
            case "left":
                self.cursor = max(0, self.cursor - 1)
            case "right":
                self.cursor = min(len(self.text), self.cursor + 1)
            case "home":
                self.cursor = 0
            case "end":
                self.cursor = len(self.text)
            case "up":
                self._recall(self._at - 1)
            case "down":
                self._recall(self._at + 1)
            case "back" if self.cursor:
                self._cut(self.cursor - 1, self.cursor)
            case "delete":
                self._cut(self.cursor, self.cursor + 1)
            case "cut":
                self._cut(0, self.cursor)
            case "cut after":
                self._cut(self.cursor, len(self.text))
            case "cut word":
                before = self.text[: self.cursor].rstrip()
                self._cut(before.rfind(" ") + 1, self.cursor)
            case "cancel":
                self.over = not self.text
                self.text, self.cursor = "", 0
            case "eof":
                if self.text:
                    self._cut(self.cursor, self.cursor + 1)
                else:
                    self.over = True

    def _cut(self, start: int, end: int) -> None:
        self.text = self.text[:start] + self.text[end:]
        self.cursor = start


class Prompt:
    """A prompt at the bottom of `screen`. `async for line in prompt.lines()`; `above` prints above it."""

    def __init__(self, screen: Screen, prompt: str) -> None:
        self._screen = screen
        self.prompt = prompt
        self._editor = Editor()
        self._rows = 0
        self.smart = screen.smart and sys.stdin.isatty() and os.name == "posix"

    @property
    def text(self) -> str:
        """What is being written."""
        return self._editor.text

    @text.setter
    def text(self, text: str) -> None:
        self._editor.begin(text)

    @contextmanager
    def above(self) -> Iterator[None]:
        """What is printed inside appears above the prompt."""
        self._erase()
        try:
            yield
        finally:
            self._draw()

    async def lines(self) -> AsyncIterator[str]:
        """Lines that were written, to the end of the input."""
        if self.smart:
            async for line in self._edited():
                yield line
        else:
            async for line in _plain():
                yield line

    # --- A terminal that can do it ----------------------------------------------------------------

    async def _edited(self) -> AsyncIterator[str]:
        import codecs

        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        number = sys.stdin.fileno()
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        with _by_key(number):
            loop.add_reader(number, lambda: arrived.put_nowait(os.read(number, 4096)))
            try:
                self._screen.stream.write("\x1b[?2004h")
                self._draw()
                while not self._editor.over:
                    typed = await arrived.get()
                    if not typed:
                        return
                    finished = self._editor.feed(decode(typed))
                    for line in finished:
                        self._erase()
                        yield line
                    self._redraw()
            finally:
                loop.remove_reader(number)
                self._erase()
                self._screen.stream.write("\x1b[?2004l")
                self._screen.flush()

    def _redraw(self) -> None:
        self._erase()
        self._draw()

    def _erase(self) -> None:
        if self.smart:
            up = f"\x1b[{self._rows}A" if self._rows else ""
            self._screen.stream.write(f"{up}\r\x1b[J")
            self._rows = 0

    def _draw(self) -> None:
        if not self.smart:
            self._screen.flush()
            return
        # One row: of a long line the part around the cursor.
        shown_prompt = cleaning.fit(self.prompt, self._screen.width // 2)
        room = self._screen.width - cleaning.width(shown_prompt) - 1
        text = self._editor.text.replace("\n", "⏎")
        start = 0
        while cleaning.width(text[start : self._editor.cursor]) >= room:
            start += 1
        before = text[start : self._editor.cursor]
        shown = cleaning.fit(text[start:], room)
        place = cleaning.width(shown_prompt) + cleaning.width(before)
        move = f"\r\x1b[{place}C" if place else "\r"
        prompt = self._screen.style(shown_prompt, "1;36")
        self._screen.stream.write(f"{prompt}{shown}{move}")
        self._screen.flush()


@contextmanager
def _by_key(number: int) -> Iterator[None]:
    """The terminal gives each key as it is pressed, and shows none."""
    import termios

    before = termios.tcgetattr(number)
    now = termios.tcgetattr(number)
    now[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
    now[0] &= ~(termios.ICRNL | termios.IXON)
    termios.tcsetattr(number, termios.TCSADRAIN, now)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


async def _plain() -> AsyncIterator[str]:
    """Lines of standard input, read in a thread that never keeps the program from ending."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        while True:
            try:
                line = sys.stdin.readline(MAX_LINE)
            except (OSError, ValueError):
                line = ""
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, line)
            except RuntimeError:  # the loop is over
                return
            if not line:
                return

    threading.Thread(target=read, daemon=True).start()
    while line := await arrived.get():
        yield line.rstrip("\r\n")
