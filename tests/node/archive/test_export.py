"""Exports: complete, readable without us, and harmless to open."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from heliogram.node.archive.export import PAGE, export
from heliogram.node.errors import BackupFault, InvalidBackup
from heliogram.node.profile.profile import Profile
from tests.node.archive.kit import CANARY, made

EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\ud83d"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_text().splitlines()]


class Tags(HTMLParser):
    """All tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")


def filled(tmp_path: Path) -> Profile:
    """A profile with one of everything."""
    profile = made(tmp_path)
    store = profile.store
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with store.transaction():
        store.execute("UPDATE conversations SET name = ? WHERE number = 2", ("../<b>" + EVIL[:-1],))
        store.execute("INSERT INTO names (account, name) VALUES (randomblob(32), ?)", ("<i>Bob",))
        (bob,) = store.one("SELECT account FROM names") or (b"",)
        store.execute("INSERT INTO members VALUES (2, ?, 2, 1)", (bob,))
        store.execute(
            "INSERT INTO messages (number, conversation, sent, id, sender, mine, kind, text, received,"
            " epoch, state, edited, files)"
            " VALUES (9001, 2, 5000, randomblob(32), ?, 0, 'text', ?, 5, 1, 'read', 6000, 1)",
            (bob, EVIL[:-1]),
        )
        store.execute(
            "INSERT INTO messages (number, conversation, sent, mine, kind, text, received, epoch, state,"
            " event, data) VALUES (9002, 2, 7000, 0, 'line', '', 7, 1, 'read', 'founded', x'80')"
        )
        store.execute("INSERT INTO reactions VALUES (9001, ?, x'01', '<u>', x'', 1)", (bob,))
        store.execute("INSERT INTO reports VALUES (1, ?, 2, 7)", (bob,))
        for place, (name, path) in enumerate(
            (("photo.jpg", tmp_path / "photo.jpg"), ("gone.pdf", tmp_path / "gone.pdf"))
        ):
            store.execute(
                "INSERT INTO files (message, place, blob, key, plain, name, content_type, size, state, path,"
                " relays, created, thumbnail) VALUES (9001, ?, x'', x'', x'', ?, 'image/jpeg', 3, 'here', ?,"
                " x'', 1, x'52494646')",
                (place, name, str(path)),
            )
    return profile


def test_all_of_it_can_be_read(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "export"
    with filled(tmp_path) as profile:
        count = export(
            profile.store, out, time=5, progress=lambda done, all: told.append((done, all))
        )
    assert count == 702 and told[-1] == (702, 702)
    conversations = lines(out / "conversations.jsonl")
    assert [(one["number"], one["messages"]) for one in conversations] == [(1, 700), (2, 2)]
    assert conversations[1]["members"][0]["role"] == "owner"
    first = lines(out / conversations[0]["file"])
    assert [one["text"] for one in first] == [f"{CANARY} {i}" for i in range(700)]
    assert first[0]["reports"][0]["status"] == "read" and len(first[0]["id"]) == 64
    message, line = lines(out / conversations[1]["file"])
    assert message["text"] == EVIL[:-1] and message["edited"] == 6 and message["time"] == 5
    assert message["reactions"][0]["emoji"] == "<u>"
    here, gone = message["files"]
    assert (out / here["path"]).read_bytes() == b"\xff\xd8\xff" and gone["path"] is None
    assert "source" not in here
    assert line["line"] == {"code": "founded"}
    assert line["text"] == "Somebody began this conversation."
    assert lines(out / "people.jsonl")[0]["introduced_as"] == "<i>Bob"
    assert "NOT ENCRYPTED" in (out / "README.txt").read_text()


def test_70_an_export_says_what_it_is_and_is_its_owners_only(tmp_path: Path) -> None:
    out = tmp_path / "export"
    with filled(tmp_path) as profile:
        (secret,) = profile.store.one("SELECT value FROM settings WHERE name = 'account'") or (b"",)
        (record,) = profile.store.one("SELECT value FROM records") or (b"",)
        export(profile.store, out, time=5)
    for one in (out, *out.rglob("*")):
        assert one.stat().st_mode & 0o077 == 0
        if one.is_file():
            data = one.read_bytes()
            for key in (bytes(secret), bytes(record)):
                assert key not in data and key[2:].hex().encode() not in data
    assert "not encrypted" in (out / "index.html").read_text()


def test_pages_hold_no_script_and_reach_for_nothing(tmp_path: Path) -> None:
    out = tmp_path / "export"
    with filled(tmp_path) as profile:
        export(profile.store, out, time=5)
    pages = [*out.glob("*.html"), *out.glob("chats/*.html")]
    assert len(pages) == 3
    for page in pages:
        text, tags = page.read_text(), Tags()
        tags.feed(text)
        assert not tags.tags & {"script", "iframe", "object", "embed", "link", "form", "i", "u"} - {
            "i"
        }
        assert not any(name.startswith("on") for name in tags.attributes)
        assert all(one.startswith("data:image/webp;") for one in tags.attributes.get("src", []))
        assert any("default-src 'none'" in one for one in tags.attributes["content"])
        for target in tags.attributes.get("href", []):
            assert not re.match(r"[a-z]+:|/", target)
            assert (page.parent / unquote(target)).resolve().is_relative_to(out)
            assert (page.parent / unquote(target)).exists()


def test_long_conversations_have_several_pages(tmp_path: Path) -> None:
    out = tmp_path / "export"
    with made(tmp_path) as profile:
        with profile.store.transaction():
            profile.store.execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT INTO messages (conversation, sent, id, mine, kind, text, received, epoch, state)"
                " SELECT 2, 7, randomblob(32), 1, 'text', i, 1, 1, 'stored' FROM n",
                (2 * PAGE,),
            )
        export(profile.store, out, time=5)
    assert sorted(one.name for one in out.glob("chats/0002*")) == [
        "0002 Tea (2).html",
        "0002 Tea.html",
        "0002 Tea.jsonl",
    ]
    assert len({one["text"] for one in lines(out / "chats" / "0002 Tea.jsonl")}) == 2 * PAGE


def test_nothing_half_is_left(tmp_path: Path) -> None:
    with filled(tmp_path) as profile:
        full = tmp_path / "full"
        full.mkdir()
        (full / "a").write_text("")
        for target in (full, tmp_path / "photo.jpg" / "x", tmp_path / "photo.jpg"):
            with pytest.raises(InvalidBackup) as refused:
                export(profile.store, target, time=5)
            assert refused.value.fault in (BackupFault.EXISTS, BackupFault.NOT_WRITTEN)

        def stopped(done: int, total: int) -> None:
            raise OSError(28, os.strerror(28))

        with pytest.raises(InvalidBackup):
            export(profile.store, tmp_path / "export", time=5, progress=stopped)
        (tmp_path / "empty").mkdir()
        export(profile.store, tmp_path / "empty", time=5)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["Alice", "empty", "full", "photo.jpg"]
