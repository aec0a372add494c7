"""Text as it is searched: what the index gets for a message, and where words are in a text.

The index takes runs of letters for words. Chinese, Japanese, Thai and some others write none apart, so each
of their characters is a word of its own, and what is looked for is a phrase of them: any part of a text is
found. Emoji are words too.

Filters are in the same index, each as one character for private use that no text keeps: a search for a word
within one conversation walks along the shorter of two lists. Several things may share a character, so the
message is looked at before it is shown.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

#: One character each: scripts without spaces, and pictures.
_ALONE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\u2600-\u27bf\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
#: Private use, what cannot be stored, and NUL.
_NONE: Final = "\x00\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff"

_SPACED: Final = re.compile(f"([{_ALONE}])")
_REFUSED: Final = re.compile(f"[{_NONE}]")
_WORD: Final = re.compile(
    f"[{_ALONE}]|[^\\W_{_ALONE}][^\\W_{_ALONE}\u0300-\u036f]*[\u0300-\u036f]*"
)
_MARKS: Final = re.compile("[\u0300-\u036f]+")

_FIRST_MONTH: Final = 0xE000
_LAST_MONTH: Final = 0xF8FE
_FILE: Final = "\uf8ff"
_FIRST_CONVERSATION: Final = 0xF0000
_FIRST_SENDER: Final = 0x100000
_PLANE: Final = 65_534

#: Around what matched in an excerpt.
BEGIN_MATCH: Final = "\x02"
END_MATCH: Final = "\x03"


# --- What the index gets --------------------------------------------------------------------------


def searched(text: str) -> str:
    """A text as the index takes it: one form of each character, words apart."""
    plain = text if text.isascii() else _SPACED.sub(r" \1 ", unicodedata.normalize("NFKC", text))
    return _REFUSED.sub(" ", plain)


def facets(conversation: int, sender: bytes | None, sent: int, files: int) -> str:
    """The filters that a message passes, for the index. `sent` is in milliseconds."""
    found = [conversation_facet(conversation), month_facet(sent)]
    if sender:
        found.append(sender_facet(sender))
    if files:
        found.append(_FILE)
    return " ".join(found)


def conversation_facet(conversation: int) -> str:
    """What messages of a conversation have."""
    return chr(_FIRST_CONVERSATION + conversation % _PLANE)


def sender_facet(account: bytes) -> str:
    """What messages of an account have."""
    return chr(_FIRST_SENDER + int.from_bytes(account[:4], "big") % _PLANE)


def file_facet() -> str:
    """What messages with files have."""
    return _FILE


def month_facet(sent: int) -> str:
    """What messages of a month have, by UTC. Times are in milliseconds."""
    try:
        date = time.gmtime(sent / 1000)
        month = 12 * (date.tm_year - 1970) + date.tm_mon - 1
    except (OverflowError, OSError, ValueError):
        month = 0 if sent < 0 else _LAST_MONTH
    return chr(min(max(_FIRST_MONTH + month, _FIRST_MONTH), _LAST_MONTH))


def month_facets(first: int, last: int) -> list[str]:
    """What messages from `first` to `last` have, both in milliseconds."""
    begin, end = ord(month_facet(first)), ord(month_facet(last))
    return [chr(month) for month in range(begin, end + 1)]


# --- Where words are ------------------------------------------------------------------------------


def tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text, each in the form in which equal ones are equal, with where it is."""
    for match in _WORD.finditer(text):
        yield _folded(match[0]), match.start(), match.end()


def excerpt(text: str, terms: Sequence[tuple[Sequence[str], bool]], width: int = 160) -> str:
    """About `width` characters of a text around the first term, all terms in them marked.

    A term is the words of a phrase as `tokens` gives them, and whether its last one may be a beginning only.
    """
    found = list(tokens(text))
    spans = sorted(_spans(found, terms))
    begin = 0
    if spans and len(text) > width:
        begin = max(0, spans[0][0] - width // 3)
        # Not in the middle of a word, if one begins near.
        begin = next((at for _, at, _ in found if begin <= at <= begin + 20), begin)
    end = min(len(text), begin + width)
    parts, at = ["…" if begin else ""], begin
    for start, stop in spans:
        if start < at or stop > end:
            continue
        parts += [_shown(text[at:start]), BEGIN_MATCH, _shown(text[start:stop]), END_MATCH]
        at = stop
    parts += [_shown(text[at:end]), "…" if end < len(text) else ""]
    return "".join(parts)


def _spans(
    found: Sequence[tuple[str, int, int]], terms: Sequence[tuple[Sequence[str], bool]]
) -> Iterator[tuple[int, int]]:
    for words, beginning in terms:
        size = len(words)
        if not size:
            continue
        for place in range(len(found) - size + 1):
            here = found[place : place + size]
            if any(mine != word for (mine, _, _), word in zip(here[:-1], words[:-1], strict=True)):
                continue
            last = here[-1][0]
            if last == words[-1] or (beginning and last.startswith(words[-1])):
                yield here[0][1], here[-1][2]


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", word)).casefold()


def _shown(text: str) -> str:
    return re.sub(r"[\x02\x03]", "", re.sub(r"\s", " ", text))
