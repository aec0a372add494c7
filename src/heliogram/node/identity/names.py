"""Names as people give them, fit to be shown: nothing invisible, nothing that turns the text around.

A name proves nothing. What can be done is to strip what nobody sees, to say when letters of several scripts
are mixed, and to say when a name looks like that of somebody else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Characters of a shown name, and marks on one letter.
MAX_SHOWN = 64
MAX_MARKS = 3

#: Characters that are looked at. A name has fewer before stripping, too.
_LONGEST = 1024

#: Categories that are never shown: controls, formats (zero width, bidi, tags), surrogates, private use,
#: unassigned, line and paragraph separators.
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))

#: What is blank though its category says that it is a letter, a mark or a symbol.
_BLANK = frozenset(
    (
        *("\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u2800", "\u3164", "\uffa0"),
        *map(chr, range(0x180B, 0x1810)),  # Mongolian variation selectors
        *map(chr, range(0xFE00, 0xFE10)),  # variation selectors
        *map(chr, range(0xE0100, 0xE01F0)),
    )
)

#: Letters and digits that look like a Latin letter, by what they look like. After NFKD and case folding.
_LOOKALIKES = {
    look: letter
    for letter, looks in {
        "a": "\u0430\u03b1\u0251",  # Cyrillic a, alpha, Latin alpha
        "b": "\u0432\u042c\u044c\u03b2\u0184",
        "c": "\u0441\u03f2\u1d04",
        "d": "\u0501",
        "e": "\u0435\u0454\u0511\u03b5",
        "f": "\u03dd",
        "g": "\u0261\u050d",
        "h": "\u043d\u04bb\u0570",
        "j": "\u0458\u03f3",
        "k": "\u043a\u03ba",
        # A capital I looks like an l, and folds into an i: all three are one.
        "l": "i1|\u0456\u03b9\u0131\u04cf\u0269\u04c0\u0627\u01c0",
        "m": "\u043c\u03bc",
        "n": "\u03b7\u0578",
        "o": "0\u043e\u03bf\u03c3\u0585\u0473\u0555",
        "p": "\u0440\u03c1",
        "q": "\u051b\u0566",
        "r": "\u0433\u1d26",
        "s": "\u0455\u0586$5",
        "t": "\u0442\u03c4",
        "u": "\u03c5\u057d\u0446",
        "v": "\u03bd\u0475\u0477",
        "w": "\u0461\u051d\u03c9\u0448",
        "x": "\u0445\u03c7",
        "y": "\u0443\u04af\u03b3",
        "z": "\u0437\u03b6",
    }.items()
    for look in looks
}

#: Pairs that look like one letter.
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))

#: Scripts that are written together (as UTS 39's "highly restrictive" has it).
_TOGETHER = (
    frozenset(("LATIN", "CJK", "HIRAGANA", "KATAKANA")),
    frozenset(("LATIN", "CJK", "BOPOMOFO")),
    frozenset(("LATIN", "CJK", "HANGUL")),
)

#: First words of character names that say no script, or say it in another way.
_NO_SCRIPT = "MODIFIER"
_SCRIPTS = {"IDEOGRAPHIC": "CJK"}


def visible(text: str) -> str:
    """`text` on one line, in NFC, without what is hidden or turns it around. Of 1,024 characters at most."""
    shown: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text[:_LONGEST]):
        category = unicodedata.category(char)
        if char.isspace():
            char = " "
        elif category in _HIDDEN or char in _BLANK:
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= MAX_MARKS:
            shown.append(char)
    # What was stripped may have kept two characters apart that are one.
    return unicodedata.normalize("NFC", " ".join("".join(shown).split()))


def clean(name: str) -> str:
    """`name` fit to be shown, in NFC, on one line; empty if nothing is left."""
    return visible(name)[:MAX_SHOWN].rstrip()


def scripts(name: str) -> frozenset[str]:
    """The scripts of the letters in `name`, by the first word of their Unicode names."""
    found = set()
    for char in unicodedata.normalize("NFKC", name[:_LONGEST]):
        if char.isalpha():
            script = unicodedata.name(char, "UNKNOWN").split()[0].split("-")[0]
            if script != _NO_SCRIPT:
                found.add(_SCRIPTS.get(script, script))
    return frozenset(found)


def is_mixed(name: str) -> bool:
    """Whether letters of scripts stand together that nobody writes together."""
    found = scripts(name)
    return len(found) > 1 and not any(found <= together for together in _TOGETHER)


def skeleton(name: str) -> str:
    """What `name` looks like: names with one skeleton are easily taken for each other."""
    folded = unicodedata.normalize("NFKD", clean(name)).casefold()
    plain = (char for char in folded if not unicodedata.combining(char) and not char.isspace())
    look = "".join(_LOOKALIKES.get(char, char) for char in plain)
    for pair, letter in _PAIRS:
        look = look.replace(pair, letter)
    return look


@dataclass(frozen=True, slots=True)
class NameCheck:
    """How a name may be shown, and what to warn of."""

    shown: str = field(repr=False)
    stripped: bool
    mixed: bool
    looks_like: tuple[str, ...] = field(repr=False)


def check_name(name: str, others: Iterable[str]) -> NameCheck:
    """`name` beside the names of people we know. Equal names count as alike too."""
    shown = clean(name)
    look = skeleton(shown)
    alike = tuple(other for other in others if skeleton(other) == look) if look else ()
    stripped = shown != unicodedata.normalize("NFC", name)
    return NameCheck(shown, stripped, is_mixed(shown), alike)
