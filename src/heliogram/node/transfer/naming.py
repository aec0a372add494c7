"""Names under which files of others are saved: safe in every folder, and true.

True: what the name ends in is what it ended in, so nobody takes a program for a picture. Safe: one component,
nothing hidden, nothing that a shell, a file system or Windows reads in another way.
"""

from __future__ import annotations

import re

from heliogram.node.identity.names import visible

#: Bytes of a name. File systems take 255; a number and an ending of ours have room behind it.
MAX_NAME = 200

#: Bytes of an ending that is kept when a name is cut.
_MAX_ENDING = 32

#: What stands for an empty name.
UNNAMED = "file"

#: What Windows, shells or file systems read as something else than a character.
_SPECIAL = re.compile(r'[<>:"|?*]')

#: Names that are devices on Windows, whatever ending follows.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)


def safe_name(name: str) -> str:
    """`name`, which came from somebody else, as a name in a folder of ours. Never empty."""
    # A separator that is hidden until the name was normalised would come too late.
    shown = visible(visible(name[:1024]).replace("\\", "/").rsplit("/", 1)[-1])
    # Windows drops dots and blanks at the end; so does nobody else.
    shown = _SPECIAL.sub("_", shown).rstrip(". ")
    if not shown:
        return UNNAMED
    if shown[0] in ".-~" or _DEVICE.match(shown.replace(" ", "")):
        shown = f"_{shown}"
    return _cut(shown)


def numbered(name: str, number: int) -> str:
    """`name` for the n-th file that wants it: `a (2).txt`."""
    if not number:
        return name
    stem, ending = _split(name)
    return f"{stem} ({number}){ending}"


def ending(name: str) -> str:
    """What a name ends in, in lower case, without the dot; empty if there is none."""
    return _split(name)[1][1:].lower()


def _split(name: str) -> tuple[str, str]:
    stem, dot, last = name.rpartition(".")
    return (stem, dot + last) if stem.strip("_") else (name, "")


def _cut(name: str) -> str:
    if len(name.encode()) <= MAX_NAME:
        return name
    stem, last = _split(name)
    if len(last.encode()) > _MAX_ENDING:
        stem, last = name, ""
    room = MAX_NAME - len(last.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + last
