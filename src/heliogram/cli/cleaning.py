"""Text of other people, made fit for a terminal.

A terminal obeys what is written to it: colours, the title, the cursor, the clipboard, answers that it types
by itself. So no control character of a message, a name or a file ever reaches it, nor what turns the order of
letters around or is not seen. What is left out leaves a mark: nobody takes the text for whole.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Stands for what is not shown.
MARK: Final = "\ufffd"

#: Marks on one letter that are shown: more would cover the lines around it.
MAX_MARKS: Final = 4

#: Of the invisible, what letters need: joiners in scripts and emoji, and variation selectors.
_KEPT: Final = frozenset("\u200c\u200d\ufe0e\ufe0f")

#: Controls, formats, surrogates, what has no meaning yet, what only one system knows.
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))

_BREAKS: Final = re.compile("\r\n|[\r\n\v\f\x85\u2028\u2029]")


def block(text: str) -> str:
    """`text` with its lines, each of them fit to be shown."""
    return "\n".join(_clean(line) for line in _BREAKS.split(text))


def line(text: str) -> str:
    """`text` on one line."""
    return " ".join(_clean(_BREAKS.sub(" ", text)).split())


def field(text: str) -> str:
    """`text` as one field of a line for programs: line ends and backslashes are escaped, tabs are spaces."""
    return block(text).replace("\\", "\\\\").replace("\n", "\\n")


def json(text: str) -> str:
    """JSON that means the same, and that a terminal only shows."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(_escaped(char) if _is_hidden(char) and char != "\n" else char for char in text)


def width(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    cells = 0
    for char in text:
        if char in _KEPT or unicodedata.combining(char):
            continue
        cells += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return cells


def fit(text: str, cells: int) -> str:
    """`text` cut to at most `cells`, with "…" at its end if something is missing."""
    if width(text) <= cells:
        return text
    shown, used = "", 0
    for char in text:
        used += width(char)
        if used > cells - 1:
            break
        shown += char
    return shown + "…" if cells > 0 else ""


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        if char == "\t":
            shown.append("    ")
            continue
        if category in _HIDDEN and char not in _KEPT:
            if shown[-1:] != [MARK]:
                shown.append(MARK)
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= MAX_MARKS:
            shown.append(char)
    return "".join(shown)


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN and char not in _KEPT


def _escaped(char: str) -> str:
    units = memoryview(char.encode("utf-16-le", "surrogatepass")).cast("H")
    return "".join(f"\\u{unit:04x}" for unit in units)
