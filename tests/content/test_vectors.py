"""The draft's own examples: they decode, encode to the same bytes, and have the ids that it prints."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from heliogram.content import bodies, mimi, revisions, status
from heliogram.content.bodies import Kind
from heliogram.content.revisions import Judgement
from tests.vectors import vector_files


@cache
def examples() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """By file name: the bytes, and what `message-ids.json` says of them."""
    (listed,) = vector_files("mimi-examples/message-ids.json")
    about = json.loads(listed.read_bytes())
    files = {path.name: path.read_bytes() for path in vector_files("mimi-examples/*.cbor")}
    assert files.keys() == about.keys()
    return {name: (data, about[name]) for name, data in files.items()}


def messages() -> dict[str, mimi.Message]:
    """All examples that are messages, by name without ending."""
    return {
        name.removesuffix(".cbor"): mimi.Message.from_bytes(data)
        for name, (data, about) in examples().items()
        if "message_id" in about
    }


def id_of(name: str) -> bytes:
    """The id that the draft prints."""
    return bytes.fromhex(examples()[f"{name}.cbor"][1]["message_id"])


def sender_of(name: str) -> str:
    sender = examples()[f"{name}.cbor"][1]["sender_uri"]
    assert isinstance(sender, str)
    return sender


def test_all_read_and_write() -> None:
    for data, about in examples().values():
        assert about["hex"] == data.hex()
        kind = mimi.Message if "message_id" in about else status.Report
        assert kind.from_bytes(data).encode() == data


def test_ids() -> None:
    for name, message in messages().items():
        data, about = examples()[f"{name}.cbor"]
        where = {"sender": about["sender_uri"], "room": about["room_uri"]}
        assert mimi.message_id(data, **where) == id_of(name)
        message.check(**where, now=1_644_400_000)


def test_what_they_do() -> None:
    kinds = {name: bodies.kind(message) for name, message in messages().items()}
    assert {name: kind for name, kind in kinds.items() if kind is not Kind.POST} == {
        "delete": Kind.DELETE,
        "edit": Kind.EDIT,
        "reaction": Kind.REACT,
        "unlike": Kind.UNREACT,
    }


def test_what_they_say() -> None:
    said = {name: bodies.read(message) for name, message in messages().items()}
    original = said["original"]
    assert isinstance(original, bodies.Text) and original.markdown
    assert original.text.startswith("Hi everyone, we just shipped")
    assert said["delete"] == said["unlike"] == bodies.Nothing()
    assert bodies.reactions(messages()["reaction"]) == ("\u2764",)
    assert bodies.reactions(messages()["multipart-2"]) == ("\u2764", "\U0001f973", "\U0001f91e")
    assert isinstance(said["multipart-1"], bodies.Text)  # chosen before the vendor's own
    html = said["mention-html"]
    assert isinstance(html, bodies.Unknown) and html.content_type.startswith("text/html")
    file = said["attachment"]
    assert isinstance(file, bodies.File) and file.part.filename == "bigfile.mp4" and not file.ours
    assert isinstance(said["conferencing"], bodies.File)


def test_they_refer_to_one_another() -> None:
    """An edit and a deletion name the first instance, and only its author may send them."""
    every = messages()
    assert every["reply"].in_reply_to == every["reaction"].in_reply_to == id_of("original")
    for name in ("edit", "delete"):
        assert every[name].replaces == id_of("reply")
        judged = revisions.judge(sender_of(name), sender_of("reply"), every["reply"])
        assert judged is Judgement.APPLY
        by_another = revisions.judge(sender_of("original"), sender_of("reply"), every["reply"])
        assert by_another is Judgement.NOT_THEIRS
    assert every["unlike"].replaces == id_of("reaction")
    edited = revisions.revised(every["reply"], every["edit"])
    assert edited.part == every["edit"].part and edited.in_reply_to == id_of("original")


def test_statuses() -> None:
    (data, _) = examples()["message-status.cbor"]
    statuses = dict(status.Report.from_bytes(data).statuses)
    assert statuses[id_of("original")] == status.Status.READ
    assert statuses[id_of("mention")] == status.Status.UNREAD
    assert statuses[id_of("expiring")] == status.Status.EXPIRED
