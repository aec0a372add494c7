"""What reads content, and whole inputs for it: `tests.fuzz` throws broken ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from heliogram.content import bodies, cbor, making, mimi
from heliogram.content.errors import ContentError
from heliogram.content.forms import Button, Keyboard, Location, Pin, Poll, Press, Vote
from heliogram.content.forwarded import Forwarded
from heliogram.content.framing import MESSAGE_STATUS, MIMI_CONTENT, ApplicationFraming, framed
from heliogram.content.status import Report, Status, report
from heliogram.content.typing import Typing
from tests.scenarios.cast import entropy_of

ID = b"\x01" + bytes(range(31))
POLL = Poll("Tea?", ("Yes", "No", "Later"), 2)
FILE = making.file(
    url="https://relay.example/blob/00",
    content_type="image/png",
    size=1000,
    key=bytes(32),
    plaintext_hash=b"p" * 32,
    ciphertext_hash=b"c" * 32,
    filename="a.png",
)
KEYBOARD = Keyboard(((Button("Yes", b"y"), Button("More", "https://example.com/")),))
FORMS = (
    POLL,
    Vote((0, 2)),
    Location(52_500_000, -13_412_345, 20, "Here"),
    KEYBOARD,
    Press(b"y"),
    Pin(True),
)


def messages() -> Iterator[mimi.Message]:
    """One of each kind of message, always the same."""
    entropy = entropy_of("samples")
    first = making.post(making.plain("Hello"), entropy=entropy)
    yield first
    yield making.post(
        making.markdown("Hello " + making.mention("Bob", "heliogram:bob"), language="en"),
        in_reply_to=ID,
        topic_id=b"foo",
        expires=mimi.Expiry(relative=True, time=60),
        entropy=entropy,
    )
    yield making.edit(first, ID, making.plain("Hello!"), entropy=entropy)
    yield making.take_back(first, ID, entropy=entropy)
    yield making.react(ID, ["\u2764", "\U0001f973"], entropy=entropy)
    yield making.post(making.together(FILE, making.plain("look")), entropy=entropy)
    yield making.post(making.poll(POLL), entropy=entropy)
    yield making.post(making.vote(Vote((1,)), POLL), in_reply_to=ID, entropy=entropy)
    yield making.post(making.with_keyboard(making.plain("Tea?"), KEYBOARD), entropy=entropy)
    values: dict[int | str, bytes] = {
        1: cbor.text("mimi://example.com/u/alice"),
        -70000: bytes.fromhex("a1f97e0082c11864f6"),
        "x": cbor.TRUE,
    }
    later = mimi.SinglePart("application/vnd.example", b"123", 77)
    yield mimi.Message(bytes(16), later, extensions=mimi.extensions(values))


def _message(data: bytes) -> bytes:
    message = mimi.Message.from_bytes(data)
    repr(message)
    bodies.read(message)
    bodies.reactions(message)
    bodies.kind(message)
    mimi.message_id(data, sender="a", room="b")
    for index in range(3):
        mimi.referred_part(message.part, f"cid:{index}@local.invalid")
    return message.encode()


def _item(data: bytes) -> bytes:
    reader = cbor.Reader(data)
    item = reader.item(4)
    reader.finish()
    return item


def _form(kind: type[Any]) -> Callable[[bytes], bytes]:
    return lambda data: bytes(kind.from_bytes(data).encode())


#: What must give the bytes that it got, or raise `ContentError`.
READERS: dict[str, Callable[[bytes], bytes]] = {
    "item": _item,
    "message": _message,
    "report": lambda data: Report.from_bytes(data).encode(),
    "framing": lambda data: ApplicationFraming.from_bytes(data).encode(),
    "origin": lambda data: Forwarded.from_bytes(data).encode(),
    "typing": lambda data: Typing.from_bytes(data).encode(),
    **{type(form).__name__: _form(type(form)) for form in FORMS},
}
REFUSES = ContentError


def seeds() -> Iterator[tuple[str, bytes]]:
    """Which reader, and what it reads."""
    for message in messages():
        yield "message", message.encode()
        yield "item", message.encode()
    receipt = report([ID] * 3, Status.READ).encode()
    yield "report", receipt
    yield "framing", framed(MESSAGE_STATUS, receipt)
    yield "framing", framed(MIMI_CONTENT, next(messages()).encode())
    yield "origin", Forwarded("Carol", 1).encode()
    yield "typing", Typing(1795000000123).encode()
    for form in FORMS:
        yield type(form).__name__, form.encode()
    yield "item", bytes.fromhex("a5f9c400f4f97e0080fa47c3500001fb3ff199999999999a60c1d8206161f5")
