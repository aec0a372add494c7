"""Pictures, files, voice notes and links of a conversation, each found by an index."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from heliogram.content import making
from heliogram.content.mimi import ExternalPart
from heliogram.node import api
from tests.node.engine.desk_kit import Reader, Room

What = Literal["pictures", "files", "voice", "links"]


def part(kind: str) -> ExternalPart:
    return making.file(
        url="heliogram:blob/" + "00" * 32,
        content_type=kind,
        size=10,
        key=bytes(32),
        plaintext_hash=bytes(32),
        ciphertext_hash=bytes(32),
    )


def found(reader: Reader, chat: str, what: What, **how: int) -> list[str]:
    return [one.id for one in reader.person.call(api.GetMedia(chat, what, **how))]


def test_each_kind_is_found_the_newest_first(tmp_path: Path) -> None:
    reader, room = Reader(tmp_path), Room()
    chat = reader.enter(room)
    told = {
        "png": room.post("alice", part("image/png")),
        "film": room.post("alice", part("video/mp4")),
        "pdf": room.post("alice", part("application/pdf")),
        "svg": room.post("alice", part("image/svg+xml")),
        "voice": room.post("alice", part("audio/ogg;duration=3.5")),
        "song": room.post("alice", part("audio/ogg")),
        "link": room.post("alice", "see https://example.com/ there"),
        "www": room.post("alice", "www.example.com"),
        "both": room.post(
            "alice", making.together(part("image/webp"), making.plain("http://example.com"))
        ),
        "text": room.post("alice", "no link: wwwhat, https:// alone"),
    }
    reader.take(room, *told.values())
    ids = {one.id.hex(): label for label, one in told.items()}

    def labels(what: What, **how: int) -> list[str]:
        return [ids[one] for one in found(reader, chat, what, **how)]

    assert labels("pictures") == ["both", "film", "png"]
    assert labels("files") == ["song", "svg", "pdf"]
    assert labels("voice") == ["voice"]
    assert labels("links") == ["both", "www", "link"]
    before = next(one.number for one in reader.person.messages(chat) if ids[one.id] == "film")
    assert labels("pictures", before=before) == ["png"]
    assert labels("links", limit=1) == ["both"]
    reader.take(room, room.edit("alice", told["link"], "it is gone"))
    reader.take(room, room.edit("alice", told["text"], "HTTPS://EXAMPLE.COM"))
    reader.take(room, room.take_back("alice", told["png"]))
    assert labels("links") == ["text", "both", "www"]
    assert labels("pictures") == ["both", "film"]


@pytest.mark.parametrize("bit", ["1", "2", "4", "8"])
def test_an_index_is_used(tmp_path: Path, bit: str) -> None:
    reader = Reader(tmp_path)
    plan = reader.person.store.query(
        "EXPLAIN QUERY PLAN SELECT * FROM messages WHERE conversation = 1"
        f" AND media & {bit} AND (sent, ifnull(id, x''), number) < (1, x'', 1)"
        " ORDER BY sent DESC, ifnull(id, x'') DESC, number DESC LIMIT 5"
    )
    names = ("pictures", "files", "voice", "links")
    name = f"messages_{names[int(bit).bit_length() - 1]}"
    assert [name in row[-1] for row in plan] == [True]
