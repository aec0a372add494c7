"""What people do: made, encoded, read again. And what we cannot show, stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.content import bodies, forms, making, mimi
from heliogram.content.bodies import File, Kind, Nothing, Several, Text, Unknown
from heliogram.content.errors import ContentError
from heliogram.content.forms import Button, Keyboard, Location, Pin, Poll, Press, Vote
from heliogram.content.limits import MAX_EMOJI
from heliogram.content.mimi import (
    Disposition,
    Expiry,
    ExternalPart,
    Message,
    MultiPart,
    PartSemantics,
    SinglePart,
)
from heliogram.content.revisions import Judgement, judge, revised
from tests.content import strategies as s
from tests.scenarios.cast import entropy_of

ENTROPY = entropy_of("content")
ID = b"\x01" + bytes(31)
ALICE, EVE = "mimi://example.com/u/alice", "mimi://example.com/u/eve"


def through(message: Message) -> Message:
    """`message` as its receiver has it."""
    return Message.from_bytes(message.encode())


def post(part: mimi.Part, **how: Any) -> Message:
    return through(making.post(part, entropy=ENTROPY, **how))


def shown(part: mimi.Part) -> bodies.Body:
    return bodies.read(post(part))


# --- Texts ----------------------------------------------------------------------------------------


@given(s.texts.filter(len))
def test_texts(text: str) -> None:
    assert shown(making.plain(text, language="de")) == Text(text)
    read = shown(making.markdown(text))
    assert isinstance(read, Text) and read.markdown
    assert read.text.replace("&lt;", "<") == text.replace("&lt;", "<")


def test_salts_differ() -> None:
    assert len({post(making.plain("hi")).salt for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a < b", "a < b"),
        ("1<2", "1<2"),
        ("<b>x</b>", "&lt;b>x&lt;/b>"),
        ("<!-- x --><?x?>", "&lt;!-- x -->&lt;?x?>"),
        ("`<b>` <b>", "`<b>` &lt;b>"),
        ("``a ` <b>`` <i>", "``a ` <b>`` &lt;i>"),
        ("```\n<b>\n```\n<i>", "```\n<b>\n```\n&lt;i>"),
        ("` <b> `` <i>", "` &lt;b> `` &lt;i>"),
    ],
)
def test_no_html(text: str, sent: str) -> None:
    assert making.without_tags(text) == sent


def test_escaping_takes_linear_time() -> None:
    making.without_tags("`" * 50_000 + "<b>" + "` `` " * 20_000)


def test_mentions() -> None:
    assert making.mention("Alice", ALICE) == f"[@Alice]({ALICE})"
    assert making.mention("A](evil:x) <b>\n_B_", "heliogram:a") == (
        r"[@A\](evil:x) &lt;b> \_B\_](heliogram:a)"
    )
    for uri in ("javascript:alert(1)", "no scheme", "x:", "x:a b", "x:<a>"):
        with pytest.raises(ContentError):
            making.mention("x", uri)


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_no_text(text: str) -> None:
    with pytest.raises(ContentError):
        making.plain(text)


def test_expiring_replies_in_a_topic() -> None:
    message = post(
        making.plain("hi"), in_reply_to=ID, topic_id=b"foo", expires=Expiry(relative=True, time=60)
    )
    assert (message.in_reply_to, message.topic_id) == (ID, b"foo")
    assert message.expires == Expiry(relative=True, time=60)
    assert bodies.kind(message) is Kind.POST


# --- Reactions, edits, deletions ------------------------------------------------------------------


def test_reactions() -> None:
    for emoji in (["\u2764"], ["\u2764", "\U0001f973"]):
        message = through(making.react(ID, emoji, entropy=ENTROPY))
        assert bodies.kind(message) is Kind.REACT and message.in_reply_to == ID
        assert bodies.reactions(message) == tuple(emoji)
        back = through(making.take_back(message, ID, entropy=ENTROPY))
        assert bodies.kind(back) is Kind.UNREACT and back.replaces == ID
    empty: list[list[str]] = [[], [""], ["x" * 65], ["x"] * (MAX_EMOJI + 1)]
    for emoji in empty:
        with pytest.raises(ContentError):
            making.react(ID, emoji, entropy=ENTROPY)
    with pytest.raises(ContentError):
        making.react(bytes(32), ["x"], entropy=ENTROPY)


def test_a_reaction_to_nothing_is_a_post() -> None:
    part = SinglePart(bodies.PLAIN_TEXT, b"x", Disposition.REACTION)
    assert bodies.kind(post(part)) is Kind.POST


def test_edits_change_the_body_alone_and_name_the_first() -> None:
    first = post(making.plain("one"), topic_id=b"t", in_reply_to=ID, expires=Expiry(True, 9))
    first_id, second_id = b"\x01" + b"1" * 31, b"\x01" + b"2" * 31
    second = through(making.edit(first, first_id, making.plain("two"), entropy=ENTROPY))
    third = through(making.edit(second, second_id, making.plain("three"), entropy=ENTROPY))
    for version in (second, third):
        assert bodies.kind(version) is Kind.EDIT
        assert version.replaces == first_id, "never the id of an edit"
        assert (version.topic_id, version.in_reply_to) == (b"t", ID)
        assert judge(ALICE, ALICE, first) is Judgement.APPLY
    assert bodies.read(revised(first, third)) == Text("three")
    gone = through(making.take_back(third, second_id, entropy=ENTROPY))
    assert bodies.kind(gone) is Kind.DELETE and gone.replaces == first_id
    assert bodies.read(revised(first, gone)) == Nothing()


def test_an_edit_cannot_move_a_message() -> None:
    """Whatever else an edit says, topic, end and what it replies to stay."""
    first = post(making.plain("one"), topic_id=b"t", expires=Expiry(True, 9))
    edit = Message(bytes(16), making.plain("two"), replaces=ID, topic_id=b"u", in_reply_to=ID)
    after = revised(first, edit)
    assert (after.topic_id, after.expires, after.in_reply_to) == (b"t", first.expires, None)


def test_who_may_edit() -> None:
    first = post(making.plain("one"))
    edit = making.edit(first, ID, making.plain("two"), entropy=ENTROPY)
    assert judge(EVE, ALICE, first) is Judgement.NOT_THEIRS
    assert judge(ALICE, ALICE, edit) is Judgement.NOT_FIRST
    assert judge(ALICE, None, None) is Judgement.WAIT


# --- Files ----------------------------------------------------------------------------------------

FILE = making.file(
    url="https://relay.example/blob/00",
    content_type="image/png",
    size=1000,
    key=bytes(32),
    plaintext_hash=b"p" * 32,
    ciphertext_hash=b"c" * 32,
    filename="a.png",
)


def test_files() -> None:
    read = shown(FILE)
    assert isinstance(read, File) and read.ours
    assert (read.part.aad, read.part.content_hash) == (b"p" * 32, b"c" * 32)
    assert "relay.example" not in repr(read) and "a.png" not in repr(read)
    both = shown(making.together(FILE, making.plain("look")))
    assert both == Several((File(FILE), Text("look")))
    foreign = ExternalPart("image/png", "https://example.com/", enc_alg=1, key=bytes(16))
    assert not File(foreign).ours


@pytest.mark.parametrize("which", ["plaintext_hash", "ciphertext_hash"])
def test_files_have_both_hashes(which: str) -> None:
    how: dict[str, Any] = {"plaintext_hash": bytes(32), "ciphertext_hash": bytes(32), which: b""}
    with pytest.raises(ContentError):
        making.file(url="x:y", content_type="a/b", size=1, key=bytes(32), **how)


# --- Polls, places, keyboards ---------------------------------------------------------------------

FORMS: list[tuple[st.SearchStrategy[Any], Any]] = [
    (s.polls, Poll),
    (s.votes, Vote),
    (s.locations, Location),
    (s.keyboards, Keyboard),
    (s.presses, Press),
    (s.pins, Pin),
]


@pytest.mark.parametrize(("strategy", "kind"), FORMS, ids=lambda one: getattr(one, "__name__", ""))
def test_forms(strategy: st.SearchStrategy[Any], kind: Any) -> None:
    @given(strategy)
    def holds(form: Any) -> None:
        data = form.encode()
        assert kind.from_bytes(data) == form
        for broken in (data + b"\x00", data[:1] + b"\x02" + data[2:], data[:-1], b""):
            with pytest.raises(ContentError):
                kind.from_bytes(broken)

    holds()


POLL = Poll("Tea?", ("Yes", "No", "Later"), 2)


def test_polls() -> None:
    assert shown(making.poll(POLL)) == POLL
    assert POLL.fallback() == "Tea?\n1. Yes\n2. No\n3. Later"
    for chosen in ((), (1,), (0, 2)):
        vote = Vote(chosen)
        assert vote.counts(POLL)
        assert shown(making.vote(vote, POLL)) == vote
    assert Vote((0, 2)).fallback(POLL) == "Yes, Later"
    for wrong in (Vote((3,)), Vote((0, 1, 2))):
        with pytest.raises(ContentError):
            making.vote(wrong, POLL)


def test_places() -> None:
    place = Location(52_500_000, -13_412_345, 20, "Here")
    assert shown(making.location(place)) == place
    assert place.fallback() == "Here\ngeo:52.5,-13.412345;u=20"
    assert Location(-1, 180_000_000).fallback() == "geo:-0.000001,180"


def test_keyboards() -> None:
    keyboard = Keyboard(((Button("Yes", b"y"), Button("More", "https://example.com/")),))
    part = making.with_keyboard(making.plain("Tea?"), keyboard)
    assert shown(part) == Several((Text("Tea?"), keyboard))
    assert shown(making.press("Yes", b"y")) == Press(b"y")
    with_file = making.with_keyboard(making.together(FILE, making.plain("x")), keyboard)
    assert isinstance(shown(with_file), Several)


def without_ours(part: mimi.Part) -> mimi.Part:
    """`part` as a program sees it that knows nothing of ours."""
    if isinstance(part, MultiPart):
        inner = tuple(map(without_ours, part.parts))
        return MultiPart(part.semantics, inner, part.disposition)
    if isinstance(part, SinglePart):
        return SinglePart(part.content_type.replace("heliogram", "else"), part.content)
    return part


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (making.poll(POLL), POLL.fallback()),
        (making.vote(Vote((1,)), POLL), "No"),
        (making.location(Location(1_000_000, 2_000_000)), "geo:1,2"),
        (making.press("Yes", b"y"), "Yes"),
        (making.pin(True), "📌"),
        (making.with_keyboard(making.plain("hi"), Keyboard(((Button("a", b""),),))), "hi"),
    ],
    ids=["poll", "vote", "location", "press", "pin", "keyboard"],
)
def test_fallbacks(part: mimi.Part, text: str) -> None:
    assert shown(without_ours(part)) == Text(text)


IMPOSSIBLE: dict[str, Callable[[], object]] = {
    "no question": lambda: Poll("", ("a", "b")),
    "one option": lambda: Poll("q", ("a",)),
    "33 options": lambda: Poll("q", tuple(map(str, range(33)))),
    "two alike": lambda: Poll("q", ("a", "a")),
    "none to choose": lambda: Poll("q", ("a", "b"), 0),
    "a long option": lambda: Poll("q", ("a", "b" * 257)),
    "options that do not ascend": lambda: Vote((1, 0)),
    "an option twice": lambda: Vote((1, 1)),
    "option 32": lambda: Vote((32,)),
    "beyond the pole": lambda: Location(90_000_001, 0),
    "beyond the date line": lambda: Location(0, -180_000_001),
    "an endless accuracy": lambda: Location(0, 0, 1 << 32),
    "a button without a label": lambda: Button("", b""),
    "a button with much data": lambda: Button("x", bytes(1025)),
    "a button without an address": lambda: Button("x", ""),
    "no rows": lambda: Keyboard(()),
    "an empty row": lambda: Keyboard(((),)),
    "much data pressed": lambda: Press(bytes(1025)),
}


@pytest.mark.parametrize("make", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_forms(make: Callable[[], object]) -> None:
    with pytest.raises(ContentError):
        make()


def test_too_many_items_are_not_read() -> None:
    for wire in ("82019821" + "00" * 33, "820181820161", "8201818183616140" + "40"):
        for kind in (Vote, Keyboard):
            with pytest.raises(ContentError):
                kind.from_bytes(bytes.fromhex(wire))


# --- What we do not know --------------------------------------------------------------------------

UNKNOWN = SinglePart("application/vnd.example", b"123")
TEXT = making.plain("x")


def several(semantics: PartSemantics, *parts: mimi.Part) -> bodies.Body:
    return shown(MultiPart(semantics, parts))


def test_unknown_parts() -> None:
    assert shown(UNKNOWN) == Unknown("application/vnd.example", 3)
    for broken in (
        SinglePart("text/plain;charset=utf-16", b"x"),
        SinglePart("text/plain;charset=utf-8", b"\xff"),
        SinglePart("text/html;charset=utf-8", b"<b>"),
        SinglePart(forms.POLL, b"\x80"),
        SinglePart("", b""),
    ):
        assert shown(broken) == Unknown(broken.content_type, len(broken.content))
    for plain in ("text/plain", 'TEXT/Plain; Charset="UTF-8"', "text/plain;format=flowed"):
        assert shown(SinglePart(plain, b"x")) == Text("x")
    assert shown(SinglePart("text/markdown;variant=CommonMark", b"x")) == Text("x", True)


def test_unknown_in_multiparts() -> None:
    choose, unit, every = PartSemantics
    known = Unknown("application/vnd.example", 3)
    assert several(choose, UNKNOWN, TEXT) == Text("x")
    assert several(choose, UNKNOWN, UNKNOWN) == known
    assert several(every, UNKNOWN, TEXT) == Several((known, Text("x")))
    for semantics, parts in ((every, (UNKNOWN, UNKNOWN)), (unit, (UNKNOWN, TEXT))):
        body = several(semantics, *parts)
        assert isinstance(body, Unknown) and body.content_type == "multipart" and body.size > 6
    assert several(unit, TEXT, TEXT) == Several((Text("x"), Text("x")))


@given(s.messages)
def test_everything_can_be_read(message: Message) -> None:
    bodies.read(message)
    bodies.reactions(message)
    bodies.kind(message)
