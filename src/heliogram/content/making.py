"""Messages as people make them: texts, replies, edits, reactions, files, polls.

First a part, then a message around it. `entropy` gives the salt. Whoever edits or takes back hands over
the message that they mean, so that what may not change is copied from it. All raise `ContentError` for what
nobody would accept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from heliogram.content.bodies import CHUNKED_AEAD, HASH_SIZE, MARKDOWN, PLAIN_TEXT, SHA_256
from heliogram.content.errors import ContentError
from heliogram.content.forms import (
    KEYBOARD,
    LOCATION,
    PIN,
    POLL,
    PRESS,
    VOTE,
    Keyboard,
    Location,
    Pin,
    Poll,
    Press,
    Vote,
)
from heliogram.content.limits import MAX_EMOJI, MAX_EMOJI_SIZE, SALT_SIZE
from heliogram.content.mimi import (
    Disposition,
    Expiry,
    Extension,
    ExternalPart,
    Message,
    MultiPart,
    NullPart,
    Part,
    PartSemantics,
    SinglePart,
    check_id,
)

Entropy = Callable[[int], bytes]

#: A run of backticks, or what could begin a tag.
_CODE_OR_TAG = re.compile(r"`+|<(?=[A-Za-z/!?])")

#: What would end the text of a link, or begin something else in it.
_SPECIAL = re.compile(r"([\\\[\]`*_~&!|])")

#: What an address inside of `(…)` may be made of.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+")


# --- Parts ----------------------------------------------------------------------------------------


def plain(text: str, *, language: str = "") -> SinglePart:
    """A text that is shown as it stands."""
    return _text(PLAIN_TEXT, text, language)


def markdown(text: str, *, language: str = "") -> SinglePart:
    """A text in Markdown. HTML in it is escaped, for readers that would take it for such."""
    return _text(MARKDOWN, without_tags(text), language)


def mention(name: str, uri: str) -> str:
    """Markdown that mentions somebody: a link to their URI."""
    if not _ADDRESS.fullmatch(uri):
        raise ContentError("5", "an URI cannot stand in a link")
    shown = _SPECIAL.sub(r"\\\1", " ".join(name.split())).replace("<", "&lt;")
    return f"[@{shown}]({uri})"


def without_tags(text: str) -> str:
    """Markdown with the `<` of tags as `&lt;`, except in code, where it would be seen (section 7.1)."""
    found = list(_CODE_OR_TAG.finditer(text))
    # Where runs of backticks of each length stand: a run opens code if another such run follows.
    last = {match[0]: match.start() for match in found if match[0] != "<"}
    pieces, done, open_run = [], 0, ""
    for match in found:
        if match[0] != "<":
            if open_run == match[0]:
                open_run = ""
            elif not open_run and last[match[0]] > match.start():
                open_run = match[0]
        elif not open_run:
            pieces += [text[done : match.start()], "&lt;"]
            done = match.end()
    return "".join((*pieces, text[done:]))


def file(
    *,
    url: str,
    content_type: str,
    size: int,
    key: bytes,
    plaintext_hash: bytes,
    ciphertext_hash: bytes,
    filename: str = "",
    description: str = "",
    expires: int = 0,
    disposition: Disposition = Disposition.ATTACHMENT,
) -> ExternalPart:
    """A file of ours: encrypted in chunks under `key`, lying at `url`.

    `size` is that of the plaintext in bytes. The hashes are SHA-256 of what a reader ends up with, and of
    what lies at `url`: together they leave no room for a file that opens under two keys.
    """
    if len(plaintext_hash) != HASH_SIZE or len(ciphertext_hash) != HASH_SIZE:
        raise ContentError("Files", "a hash has another size than 32")
    return ExternalPart(
        content_type,
        url,
        expires,
        size,
        CHUNKED_AEAD,
        key,
        aad=plaintext_hash,
        hash_alg=SHA_256,
        content_hash=ciphertext_hash,
        description=description,
        filename=filename,
        disposition=disposition,
    )


def together(*parts: Part) -> MultiPart:
    """Parts of one message, each shown as far as it is understood: a file with its caption."""
    return MultiPart(PartSemantics.PROCESS_ALL, parts)


def with_fallback(part: SinglePart, text: str) -> MultiPart:
    """`part`, or `text` for whoever does not know its media type."""
    return MultiPart(PartSemantics.CHOOSE_ONE, (part, plain(text)), part.disposition)


def poll(asked: Poll) -> MultiPart:
    """A poll, and its question and options as text."""
    return with_fallback(SinglePart(POLL, asked.encode()), asked.fallback())


def vote(cast: Vote, asked: Poll) -> MultiPart:
    """A vote, to be sent as a reply to the poll; or as text, the chosen options."""
    if not cast.counts(asked):
        raise ContentError("Forms", "a vote that does not count")
    return with_fallback(SinglePart(VOTE, cast.encode()), cast.fallback(asked))


def location(place: Location) -> MultiPart:
    """A place, or as text its `geo:` URI."""
    return with_fallback(SinglePart(LOCATION, place.encode()), place.fallback())


def with_keyboard(part: Part, buttons: Keyboard) -> MultiPart:
    """`part` with buttons below it; or `part` alone."""
    unit = (part, SinglePart(KEYBOARD, buttons.encode()))
    return MultiPart(PartSemantics.CHOOSE_ONE, (MultiPart(PartSemantics.SINGLE_UNIT, unit), part))


def press(label: str, data: bytes) -> MultiPart:
    """A button that was pressed, to be sent as a reply to its message; or as text, its label."""
    return with_fallback(SinglePart(PRESS, Press(data).encode()), label)


def pin(pinned: bool) -> MultiPart:
    """A message pinned for all, or no longer, to be sent as a reply to it; or as text, a sign."""
    form = Pin(pinned)
    return with_fallback(SinglePart(PIN, form.encode()), form.fallback())


def _text(content_type: str, text: str, language: str) -> SinglePart:
    if not text:
        raise ContentError("5", "a text is empty")
    try:
        return SinglePart(content_type, text.encode("utf-8"), Disposition.RENDER, language)
    except UnicodeEncodeError:
        raise ContentError("7.1", "a text has no UTF-8") from None


# --- Messages -------------------------------------------------------------------------------------


def post(
    part: Part,
    *,
    in_reply_to: bytes | None = None,
    topic_id: bytes = b"",
    expires: Expiry | None = None,
    extensions: tuple[Extension, ...] = (),
    entropy: Entropy,
) -> Message:
    """A new message. `in_reply_to` is the newest version of what it answers."""
    return Message(
        entropy(SALT_SIZE),
        part,
        topic_id=topic_id,
        expires=expires,
        in_reply_to=in_reply_to,
        extensions=extensions,
    )


def react(target: bytes, emoji: Sequence[str], *, entropy: Entropy) -> Message:
    """A reaction to the message `target`: one emoji, or several at once."""
    check_id(target)
    sizes = [len(one.encode("utf-8", "replace")) for one in emoji]
    if not 1 <= len(sizes) <= MAX_EMOJI or max(sizes) > MAX_EMOJI_SIZE:
        raise ContentError("5", "a reaction with too much in it, or nothing")
    parts = tuple(SinglePart(PLAIN_TEXT, plain(one).content, Disposition.REACTION) for one in emoji)
    several = len(parts) > 1
    part = (
        MultiPart(PartSemantics.PROCESS_ALL, parts, Disposition.REACTION) if several else parts[0]
    )
    return Message(entropy(SALT_SIZE), part, in_reply_to=target)


def edit(earlier: Message, earlier_id: bytes, part: Part, *, entropy: Entropy) -> Message:
    """`earlier`, a message of ours or an edit of it, with another body.

    Whichever version is given, the edit names the first (section 4.1). All but the body stays.
    """
    return Message(
        entropy(SALT_SIZE),
        part,
        replaces=earlier.replaces or earlier_id,
        topic_id=earlier.topic_id,
        expires=earlier.expires,
        in_reply_to=earlier.in_reply_to,
        extensions=earlier.extensions,
    )


def take_back(earlier: Message, earlier_id: bytes, *, entropy: Entropy) -> Message:
    """What deletes `earlier` for all, or withdraws it if it is a reaction."""
    reaction = earlier.part.disposition == Disposition.REACTION
    nothing = NullPart(Disposition.REACTION if reaction else Disposition.RENDER)
    return edit(earlier, earlier_id, nothing, entropy=entropy)
