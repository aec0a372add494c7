"""Files of somebody whose program lies: names, types and pictures that mean harm."""

from __future__ import annotations

import functools
import io
import re
import struct
import types
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Download, expect

from heliogram.content.mimi import Disposition
from heliogram.node import api
from heliogram.node.transfer import prepare, sniffing
from heliogram.node.transfer.prepared import PreparedFile
from tests.browser.kit import PATIENCE_MS, Friend, Person
from tests.cli.town import until

#: Follow a file's link as a page could, for saving or not.
FOLLOW = """async ([message, index, download]) => {
  const wire = await import(new URL("app/js/wire.js", document.baseURI));
  const found = await wire.attachment({ message, index, download }, "once more");
  const link = Object.assign(document.createElement("a"), { href: found.url });
  document.body.append(link);
  link.click();
  link.remove();
  return found.content_type;
}"""

#: A right-to-left override, and what makes a text too long for a name.
TURN = "\u202e"

NAMES = {
    "../../x": "x",
    "/etc/x": "x",
    "C:\\boot\\x.ini": "x.ini",
    "a\0b.txt": "ab.txt",
    f"photo{TURN}gpj.exe": "photogpj.exe",
    "CON": "_CON",
    "-rf": "_-rf",
    ".profile": "_.profile",
    "x" * 300 + ".pdf": None,
    "<img src=x onerror=window.harmed=1>": None,
    "   ": "file",
}


class Liar:
    """Makes a person's node say of files what it is told to. All nodes of this process send so meanwhile."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def says(
        self, names: Mapping[str, str], kinds: Mapping[str, str], thumbnail: bytes = b""
    ) -> None:
        """`names` and `kinds` are by the names on disk; with `thumbnail`, they come as pictures do."""
        there = types.SimpleNamespace(**vars(sniffing))
        there.type_of = lambda name, head: kinds.get(name, "application/octet-stream")
        self._patch.setattr(prepare, "sniffing", there)
        self._patch.setattr(prepare, "safe_name", lambda name: names.get(name, name))
        if thumbnail:
            how = types.SimpleNamespace(ATTACHMENT=Disposition.RENDER, RENDER=Disposition.RENDER)
            self._patch.setattr(prepare, "Disposition", how)
            made = functools.partial(_shown, thumbnail)
            self._patch.setattr(prepare, "PreparedFile", made)


def _shown(thumbnail: bytes, *rest: Any, **more: Any) -> PreparedFile:
    return PreparedFile(*rest, **{**more, "inline": True, "thumbnail": thumbnail})


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Liar:
    return Liar(monkeypatch)


def comes(anna: Person, ben: Friend, files: Mapping[str, bytes], folder: Path) -> api.Message:
    """Ben sends files; the message as Anna has it, with all of them kept."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    said = ben.tells("Anna", "some files", *(str(folder / one) for one in files), as_files=True)

    async def there() -> api.Message | None:
        found: list[api.Message] = await anna.node.call(api.GetHistory("Ben"))
        return next((one for one in found if one.id == said.id), None)

    async def kept() -> api.Message | None:
        now: api.Message = await anna.node.call(api.GetMessage(said.id))
        return now if all(one.state == "kept" for one in now.files) else None

    for one in anna.do(until(there)).files:
        anna.ask(api.KeepFile(said.id, one.index))
    return anna.do(until(kept))


def follows(anna: Person, message: api.Message, index: int, *, download: bool) -> Download:
    """What the browser saves when the link to a file is followed."""

    async def follow() -> Download:
        async with anna.page.expect_download(timeout=PATIENCE_MS) as coming:
            await anna.page.evaluate(FOLLOW, [message.id, index, download])
        return await coming.value

    return anna.do(follow())


def test_51_names_are_shown_as_they_are_and_saved_safely(
    anna: Person, ben: Friend, liar: Liar, tmp_path: Path
) -> None:
    names = {f"{n}.bin": name for n, name in enumerate(NAMES)}
    liar.says(names, {})
    anna.goes_to("Ben")
    message = comes(anna, ben, dict.fromkeys(names, b"harmless"), tmp_path)
    assert len(message.files) == len(NAMES)
    cards = anna.history.locator(".card")
    anna.do(expect(cards).to_have_count(len(NAMES), timeout=PATIENCE_MS))
    shown = anna.do(cards.locator("b").all_inner_texts())
    for wanted, file, seen in zip(NAMES.values(), message.files, shown, strict=True):
        assert not re.search(r"[\0-\x1f\u202a-\u202e\u2066-\u2069]", seen), ascii(seen)
        saved = follows(anna, message, file.index, download=True)
        # On the attachments' origin, under a name that is one, and the one that is shown.
        assert saved.url.startswith(anna._server._media.origin)
        name = saved.suggested_filename
        assert len(name.encode()) <= 255 and name[0] not in ".-" and not set(name) & set('/\\:"<>|')
        if wanted is not None:
            assert name == wanted
        anna.ask(api.GetFile(message.id, file.index))

    async def here() -> list[Path] | None:
        now: api.Message = await anna.node.call(api.GetMessage(message.id))
        return (
            [Path(one.path) for one in now.files if one.path]
            if all(one.path for one in now.files)
            else None
        )

    for path in anna.do(until(here)):
        assert path.parent == anna.downloads and path.read_bytes() == b"harmless"
    assert not anna.do(anna.page.evaluate("'harmed' in window"))


def test_a_picture_of_a_contact_comes_by_itself(anna: Person, ben: Friend, tmp_path: Path) -> None:
    path = tmp_path / "teal.png"
    path.write_bytes(a_picture())
    anna.goes_to("Ben")
    said = ben.tells("Anna", "look", str(path))

    async def kept() -> bool | None:
        found: list[api.Message] = await anna.node.call(api.GetHistory("Ben"))
        files = (file for one in found if one.id == said.id for file in one.files)
        return any(one.state == "kept" for one in files) or None

    anna.sees(anna.history.locator(".picture img"))
    anna.do(until(kept))


def a_program() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("__main__.py", "print('harm')")
    return b"#!/usr/bin/env python3\n" + made.getvalue()


def a_picture(kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (32, 20), "teal").save(made, kind, lossless=True)
    return made.getvalue()


def a_huge_thumbnail() -> bytes:
    """A WebP that says to be as large as one can be, and is as short as one of some pixels."""
    made = bytearray(a_picture("WEBP"))
    place = made.index(b"VP8L") + 9
    [head] = struct.unpack_from("<I", made, place)
    struct.pack_into("<I", made, place, head | 0x0FFF_FFFF)
    return bytes(made)


PAGE = b"<!doctype html><script>window.harmed=1;opener&&(opener.harmed=1)</script>"
DRAWING = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.harmed=1">'
    b"<script>window.harmed=1</script></svg>"
)

#: Bytes by the name that they come under, with the type that they are said to have.
DISAGREE = {
    "page.png": (PAGE, "image/png"),
    "page.html": (PAGE, "text/html"),
    "page.webm": (PAGE, "video/webm"),
    "drawing.svg": (DRAWING, "image/svg+xml"),
    "drawing.png": (DRAWING, "image/png"),
    "photo.pyzw": (a_program(), "image/png"),
    "photo.desktop": (b"[Desktop Entry]\nType=Application\nExec=xterm\n", "image/jpeg"),
    "picture.html": (a_picture(), "image/png"),
    "picture.exe": (a_picture(), "image/png"),
    "voice.ogg": (PAGE, "audio/ogg;duration=3"),
}


def test_52_what_disagrees_is_never_shown_inline(
    anna: Person, ben: Friend, liar: Liar, tmp_path: Path
) -> None:
    files = {name: data for name, (data, _) in DISAGREE.items()} | {"good.png": a_picture()}
    kinds = {name: kind for name, (_, kind) in DISAGREE.items()} | {"good.png": "image/png"}
    liar.says({}, kinds, a_picture("WEBP"))
    anna.goes_to("Ben")
    message = comes(anna, ben, files, tmp_path)
    # All but the one that is what it says are cards, which say what they are.
    anna.do(
        expect(anna.history.locator(".card[data-doubt]")).to_have_count(
            len(DISAGREE), timeout=PATIENCE_MS
        )
    )
    anna.do(expect(anna.history.locator(".picture")).to_have_count(1, timeout=PATIENCE_MS))
    assert anna.do(anna.history.locator("video, audio, iframe, object, embed").count()) == 0
    for file in message.files:
        if file.name == "good.png":
            assert file.inline and not file.doubt
            continue
        assert file.doubt and not file.inline, file.name
        if DISAGREE[file.name][0] in (PAGE, DRAWING):
            assert file.content_type not in ("image/png", "video/webm", "audio/ogg"), file.name
        # Whoever follows its link saves it: no page is opened.
        saved = follows(anna, message, file.index, download=file.name.startswith("picture"))
        assert saved.suggested_filename == file.name
    assert len(anna.page.context.pages) == 1
    assert not anna.do(anna.page.evaluate("'harmed' in window"))


def a_huge_picture(side: int) -> bytes:
    """A PNG of so many pixels in both directions, in a thousandth of their size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def an_endless_film() -> bytes:
    """A GIF with 100,000 frames of 4,000 by 4,000 pixels that are drawn without a pause."""
    size = struct.pack("<HH", 4000, 4000)
    frame = (
        b"\x21\xf9\x04\x04\x00\x00\x00\x00\x2c"
        + bytes(4)
        + struct.pack("<HH", 1, 1)
        + b"\x00\x02\x02\x44\x01\x00"
    )
    head = b"GIF89a" + size + b"\x80\x00\x00" + bytes(3) + b"\xff\xff\xff"
    return head + b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00" + frame * 100_000 + b"\x3b"


def test_53_pictures_that_want_too_much(
    anna: Person, ben: Friend, liar: Liar, tmp_path: Path
) -> None:
    kinds = {"huge.png": "image/png", "film.gif": "image/gif"}
    files = {"huge.png": a_huge_picture(50_000), "film.gif": an_endless_film()}
    liar.says({}, kinds, a_huge_thumbnail())
    anna.goes_to("Ben")
    comes(anna, ben, files, tmp_path)
    # They have been drawn, or not; the page goes on, and answers at once.
    anna.says("Ben", "still here")
    ben.tells("Anna", "and here")
    anna.reads("and here")

    async def memory() -> float:
        devtools = await anna.page.context.new_cdp_session(anna.page)
        usage = await devtools.send("Runtime.getHeapUsage")
        return float(usage["usedSize"])

    assert anna.do(memory()) < 100 << 20
