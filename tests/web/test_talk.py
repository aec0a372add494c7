"""Two people talk over real relays, one of them through the web server alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from heliogram.node import api
from heliogram.web.server import WebServer
from tests.cli.town import Person, Town, seen, until
from tests.web.kit import PATIENCE, Browser, browsing, create, heard, serving
from tests.web.test_files import Shown, upload, waiting

#: A recording, as far as its first bytes say.
VOICE = b"OggS\0\2" + bytes(22) + b"\x01\x13OpusHead\1\1" + bytes(2000)


@pytest.fixture
async def people(town: Town, tmp_path: Path) -> AsyncIterator[tuple[Browser, Person, WebServer]]:
    """Ben, who has the app, and Anna, whom he knows."""
    async with serving(tmp_path / "home") as web, browsing(web) as ben:
        await create(ben, relays=tuple(town.addresses))
        anna = await Person("Anna").start(tmp_path / "anna", town.addresses)
        try:
            async with browsing(web) as other:
                link = await other.good("api/call/new-link")
            await anna.node.call(api.AddContact(link["uri"]))

            async def asked() -> Any:
                requests = await ben.good("api/call/requests")
                return requests[0] if requests else None

            request = await until(asked)
            await ben.good("api/call/accept", {"request": request["id"]})

            async def known() -> bool | None:
                contacts: list[api.Contact] = await anna.node.call(api.GetContacts())
                return any(one.state == "known" for one in contacts) or None

            await until(known)
            yield ben, anna, web
        finally:
            await anna.stop()


async def kept(browser: Browser, message: str, index: int = 0) -> Any:
    """A link to a file, which is fetched if it must be."""
    async with browser.events() as events:
        await heard(events, "state")
        answer = await browser.post("api/attachments", {"message": message, "index": index})
        if answer.status == 409:
            assert answer.code == "not here"
            await browser.good("api/call/keep-file", {"message": message, "index": index})
            async with asyncio.timeout(PATIENCE):
                while answer.status == 409:
                    await heard(events, "transfer changed")
                    answer = await browser.post(
                        "api/attachments", {"message": message, "index": index}
                    )
    assert answer.status == 200, answer.body
    return answer.json


async def test_texts_pictures_and_voice_go_both_ways(
    people: tuple[Browser, Person, WebServer], tmp_path: Path
) -> None:
    ben, anna, _ = people
    shown = Shown(ben)
    async with ben.events() as events:
        await heard(events, "state", state="open")
        await ben.good("api/call/send", {"chat": "Anna", "text": "Hello *Anna*"})
        await anna.sees("Ben", "Hello *Anna*")
        await anna.says("Ben", "Hello Ben")
        while (await heard(events, "message added"))["message"]["text"] != "Hello Ben":
            pass

    # A picture goes out: cleaned, sealed, and its upload is gone.
    picture = tmp_path / "tea.png"
    Image.new("RGB", (600, 400), "teal").save(picture)
    voice = await upload(ben, "voice.ogg", VOICE)
    one = await upload(ben, "tea.png", picture.read_bytes())
    said = await ben.good("api/call/send", {"chat": "Anna", "files": [one]})
    note = await ben.good("api/call/send", {"chat": "Anna", "files": [voice], "voice": 2.5})
    assert waiting(tmp_path) == []
    await until(lambda: seen(anna.node, "Ben", "tea.png"))
    await until(lambda: seen(anna.node, "Ben", "voice.ogg"))

    # It is shown to who sent it.
    thumbnail = await ben.good("api/attachments", {"message": said["id"], "thumbnail": True})
    small = await shown.get(thumbnail["url"])
    assert small is not None and small.body[8:12] == b"WEBP"
    link = await kept(ben, said["id"])
    large = await shown.get(link["url"])
    assert large is not None and large.body[:4] == b"\x89PNG"
    link = await kept(ben, note["id"])
    assert link["content_type"] == "audio/ogg"
    part = await shown.get(link["url"], Range="bytes=0-3", Sec_Fetch_Dest="audio")
    assert part is not None and (part.status, part.body) == (206, b"OggS")

    # A file comes in: remote, then kept, then saved.
    page = tmp_path / "page.html"
    page.write_text("<script>alert(1)</script>")
    await anna.says("Ben", "", str(page))

    async def came() -> Any:
        history = await ben.good("api/call/history", {"chat": "Anna"})
        found = [
            each
            for each in history
            if any(file["name"] == "page.html" for file in each.get("files", ()))
        ]
        return found[0] if found else None

    message = await until(came)
    link = await kept(ben, message["id"])
    assert await shown.get(link["url"], Sec_Fetch_Dest="image") is None
    saved = await shown.get(link["url"], Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
    assert saved is not None and saved.body == page.read_bytes()
    assert saved.headers["Content-Type"] == "application/octet-stream"
    assert saved.headers["Content-Disposition"].startswith('attachment; filename="page.html"')


async def test_everything_is_there_after_locking(
    people: tuple[Browser, Person, WebServer],
) -> None:
    ben, anna, _ = people
    await ben.good("api/call/send", {"chat": "Anna", "text": "before"})
    await anna.sees("Ben", "before")
    await ben.good("api/lock")
    said: api.Message = await anna.node.call(api.SendMessage("Ben", "while you were away"))
    await ben.good("api/unlock", {"passphrase": "correct horse battery staple"})

    async def there() -> bool | None:
        history = await ben.good("api/call/history", {"chat": "Anna"})
        texts = [one.get("text") for one in history]
        return ("before" in texts and said.text in texts) or None

    await until(there)
