"""Files: in as uploads, out by links of another origin, and never a path that a browser chose."""

from __future__ import annotations

import asyncio
import io
import re
import typing
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import pytest

from heliogram.node import api
from heliogram.node.control.place import Place
from heliogram.node.control.server import Server
from heliogram.node.profile import config as configs
from heliogram.node.profile.config import Config
from heliogram.web import uploads
from heliogram.web.attachments import INLINE, disposition
from heliogram.web.calls import COMMANDS
from heliogram.web.server import WebServer
from tests.cli.town import make_profile
from tests.web.kit import PATIENCE, Answer, Browser, browsing, heard, mode, raw, request, serving
from tests.web.remote import FilesNode, called


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FilesNode]:
    """A node of the profile, in what could be another process."""
    home = tmp_path / "home"
    profile = make_profile(home, "Ben")
    profile.close()
    configs.save(home / "config.toml", Config(downloads=tmp_path / "downloads"))
    made = FilesNode()
    made.meet("Anna")
    async with Server(made, Place(home / "node.sock")):
        yield made


@pytest.fixture
async def web(node: FilesNode, tmp_path: Path) -> AsyncIterator[WebServer]:
    async with serving(tmp_path / "home") as made:
        yield made


@pytest.fixture
async def browser(web: WebServer) -> AsyncIterator[Browser]:
    async with browsing(web) as made:
        assert (await made.state())["state"] == "open"
        yield made


async def upload(browser: Browser, name: str, data: bytes) -> str:
    async with browser.session.post(
        browser.web.url + "api/uploads",
        params={"name": name},
        data=io.BytesIO(data),
        headers=browser.headers(Origin=browser.origin),
    ) as found:
        assert found.status == 200, await found.read()
        said = await found.json()
    assert said["size"] == len(data)
    return f"upload:{said['upload']}"


def waiting(tmp_path: Path, folder: str = "uploads") -> list[Path]:
    return [one for one in (tmp_path / "home" / folder).glob("*/*") if one.is_file()]


# --- In -------------------------------------------------------------------------------------------


async def test_what_is_sent_goes_from_here(
    browser: Browser, node: FilesNode, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 10_000
    first = await upload(browser, "a b.bin", data)
    second = await upload(browser, "note.txt", b"hello")
    [one] = [path for path in waiting(tmp_path) if path.name == "a b.bin"]
    assert mode(one) == 0o600 and mode(one.parent) == mode(one.parent.parent) == 0o700
    said = await browser.good(
        "api/call/send", {"chat": "Anna", "text": "look", "files": [first, second]}
    )
    assert [file["name"] for file in said["files"]] == ["a b.bin", "note.txt"]
    assert [content for _, content in node.read] == [data, b"hello"]
    assert waiting(tmp_path) == []
    gone = await browser.post("api/call/send", {"chat": "Anna", "files": [first]})
    assert (gone.status, gone.code) == (404, "no such upload")


async def test_what_could_not_be_sent_stays(
    browser: Browser, node: FilesNode, tmp_path: Path
) -> None:
    one = await upload(browser, "note.txt", b"hello")
    lost = await browser.post("api/call/send", {"chat": "nobody", "files": [one]})
    assert lost.status == 404
    assert len(waiting(tmp_path)) == 1
    key = one.removeprefix("upload:")
    assert (await browser.ask("DELETE", f"api/uploads/{key}")).status == 200
    assert waiting(tmp_path) == []
    assert (await browser.ask("DELETE", f"api/uploads/{key}")).code == "no such upload"
    assert (await browser.ask("DELETE", "api/uploads/x")).code == "no such upload"


async def test_locking_forgets_uploads(browser: Browser, node: FilesNode, tmp_path: Path) -> None:
    await upload(browser, "note.txt", b"hello")
    async with browser.events() as socket:
        await heard(socket, "state", state="open")
        await browser.good("api/lock")
        await heard(socket, "state", state="locked")
    assert called(node, api.Lock)
    assert waiting(tmp_path) == []
    refused = await browser.ask("POST", "api/uploads?name=x", data=b"x")
    assert (refused.status, refused.code) == (409, "not open")


async def test_what_an_earlier_run_left_goes(node: FilesNode, tmp_path: Path) -> None:
    left = tmp_path / "home/uploads/0123/left.txt"
    left.parent.mkdir(parents=True)
    left.write_text("left")
    async with serving(tmp_path / "home"):
        assert not left.exists()


async def test_what_is_scheduled_waits(browser: Browser, node: FilesNode, tmp_path: Path) -> None:
    one = await upload(browser, "later.txt", b"later")
    made = await browser.good(
        "api/call/schedule", {"chat": "Anna", "at": 2_000_000_000, "files": [one]}
    )
    assert waiting(tmp_path) == []
    [kept] = waiting(tmp_path, "scheduled")
    assert kept.read_bytes() == b"later" and made["files"] == [str(kept)]
    async with browser.events() as socket:
        await heard(socket, "state")
        await browser.good("api/call/unschedule", {"number": made["number"]})
        await heard(socket, "scheduled changed")
    async with asyncio.timeout(PATIENCE):
        while (tmp_path / "home/scheduled").exists():
            await asyncio.sleep(0.01)


async def test_66_uploads_are_bounded(
    browser: Browser, node: FilesNode, tmp_path: Path, web: WebServer
) -> None:
    web.uploads._largest = 1000
    web.uploads._all = 1500

    async def much() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 16)

    large = await browser.ask("POST", "api/uploads?name=x", data=bytes(1001))
    assert (large.status, large.code) == (413, "too large")
    try:
        endless = await browser.ask("POST", "api/uploads?name=x", data=much())
    except aiohttp.ClientError:
        pass
    else:
        assert endless.code == "too large"
    await upload(browser, "x", bytes(1000))
    full = await browser.ask("POST", "api/uploads?name=x", data=bytes(600))
    assert (full.status, full.code) == (429, "too many uploads")
    assert [path.stat().st_size for path in waiting(tmp_path)] == [1000]
    web.uploads._waiting |= {
        str(n): uploads._Waiting(tmp_path / "x", 0) for n in range(uploads.MAX_UPLOADS)
    }
    many = await browser.ask("POST", "api/uploads?name=x", data=b"")
    assert many.code == "too many uploads"
    for query in ("", "?name=a&name=b", "?other=x", "?name=%ff"):
        assert (await browser.ask("POST", f"api/uploads{query}", data=b"")).code == "unreadable"


async def test_an_upload_that_breaks_off_leaves_nothing(
    browser: Browser, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = urlsplit(browser.web.url)
    for framing in ("Content-Length: 1000000", "Transfer-Encoding: chunked"):
        _, writer = await asyncio.open_connection("127.0.0.1", parts.port)
        head = request(
            f"{parts.path}api/uploads?name=x",
            method="POST",
            headers={
                "Host": parts.netloc,
                "Heliogram-Secret": browser.secret,
                framing.partition(":")[0]: framing.partition(": ")[2],
            },
        )
        writer.write(head + b"4000\r\n" + bytes(0x4000))
        await writer.drain()
        async with asyncio.timeout(PATIENCE):
            while not waiting(tmp_path):
                await asyncio.sleep(0.01)
            writer.transport.abort()
            while waiting(tmp_path) or browser.web.uploads._coming:
                await asyncio.sleep(0.01)
    assert caplog.text == ""


async def test_an_upload_while_the_profile_is_locked_is_not_taken(
    browser: Browser, node: FilesNode, tmp_path: Path
) -> None:
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"begun"
        await more.wait()
        yield b"ended"

    sending = asyncio.ensure_future(browser.ask("POST", "api/uploads?name=x", data=slowly()))
    async with browser.events() as socket:
        await heard(socket, "state", state="open")
        async with asyncio.timeout(PATIENCE):
            while not waiting(tmp_path):
                await asyncio.sleep(0.01)
        await browser.good("api/lock")
        await heard(socket, "state", state="locked")
    more.set()
    refused = await sending
    assert refused.code == "not open"
    assert waiting(tmp_path) == [] and not browser.web.uploads._coming


async def test_51_names_of_uploads_are_safe(
    browser: Browser, node: FilesNode, tmp_path: Path
) -> None:
    for name in ("../../x", "/etc/passwd", "a\0b", "\u202etxt.exe", "x" * 300, "CON", "-rf", ".h"):
        await upload(browser, name, b"x")
    home = (tmp_path / "home").resolve()
    for path in waiting(tmp_path):
        assert path.resolve().parent.parent == home / "uploads"
        assert len(path.name.encode()) <= 255 and path.name[0] not in ".-"
    assert len(waiting(tmp_path)) == 8


# --- Paths ----------------------------------------------------------------------------------------

PATHS = (
    "/etc/passwd",
    "file:///etc/passwd",
    "upload:../../etc/passwd",
    "upload:",
    "upload:/etc/passwd",
    "upload:" + "0" * 32,
    "note.txt",
    "~/x",
    "C:\\x",
)


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_of_a_browser_reaches_the_node(
    browser: Browser, node: FilesNode, path: str
) -> None:
    for name, fields in (
        ("send", {"chat": "Anna", "files": [path]}),
        ("schedule", {"chat": "Anna", "at": 1, "files": [path]}),
        ("set-profile", {"chat": "Anna", "picture": path}),
        ("network", {"authority": path}),
        ("get-file", {"message": "0", "directory": path}),
        ("export", {"directory": path}),
        ("backup", {"file": path}),
    ):
        answer = await browser.post(f"api/call/{name}", fields)
        assert answer.code in ("invalid command", "no such upload"), name
    seen = [one for one in node.called if not isinstance(one, api.GetStatus | api.GetScheduled)]
    assert seen == []


def test_each_command_that_has_a_path_is_known() -> None:
    """A new field that could be one must be thought of here, and in `calls`."""
    texts = set()
    for kind in COMMANDS.values():
        for name, wanted in typing.get_type_hints(kind, include_extras=True).items():
            if wanted in (str, str | None, tuple[str, ...]):
                texts.add(f"{kind.__name__}.{name}")
    paths = {
        *("SendMessage.files", "Schedule.files", "SetProfile.picture"),
        *("GetFile.directory", "Export.directory", "Backup.file"),
    }
    relays = {"CreateGroup.relays", "ChangeRelays.add", "ChangeRelays.remove"}
    assert texts == paths | relays
    assert "authority" in typing.get_type_hints(api.SetNetwork)


async def test_what_is_written_says_where(
    browser: Browser, node: FilesNode, tmp_path: Path
) -> None:
    first = (await browser.good("api/call/backup", {"file": ""}))["path"]
    Path(first).write_text("there")
    second = (await browser.good("api/call/backup", {"file": ""}))["path"]
    export = (await browser.good("api/call/export", {"directory": ""}))["path"]
    assert {Path(one).parent for one in (first, second, export)} == {tmp_path / "downloads"}
    assert re.fullmatch(r"heliogram-\d{4}-\d\d-\d\d\.backup", Path(first).name)
    assert re.fullmatch(r"heliogram-\d{4}-\d\d-\d\d-2\.backup", Path(second).name)
    assert [one.file for one in called(node, api.Backup)] == [first, second]


async def test_certificates_are_kept(browser: Browser, node: FilesNode, tmp_path: Path) -> None:
    pem = b"-----BEGIN CERTIFICATE-----"
    one = await upload(browser, "ca.pem", pem)
    now = await browser.good("api/call/network", {"authority": one})
    kept = tmp_path / "home/authority.pem"
    assert now["authority"] == str(kept) and kept.read_bytes() == pem and mode(kept) == 0o600
    assert waiting(tmp_path) == []
    assert (await browser.good("api/call/network", {"authority": ""}))["authority"] == ""


async def test_a_picture_of_a_group(browser: Browser, node: FilesNode, tmp_path: Path) -> None:
    one = await upload(browser, "tea.png", b"a picture")
    await browser.good("api/call/set-profile", {"chat": "Anna", "picture": one})
    assert node.read[-1][1] == b"a picture"
    assert waiting(tmp_path) == []
    await browser.good("api/call/set-profile", {"chat": "Anna", "picture": ""})


# --- Out ------------------------------------------------------------------------------------------

DATA = bytes(range(256)) * 4000


class Shown:
    """How our page shows what is at the other origin."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    async def get(self, url: str, **headers: str | None) -> Answer | None:
        """What comes; None if the connection ends without a byte."""
        right: dict[str, str | None] = {
            "Sec-Fetch-Site": "same-site",
            "Sec-Fetch-Mode": "no-cors",
            "Sec-Fetch-Dest": "image",
        }
        right |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in right.items() if value is not None}
        try:
            async with self.browser.session.get(url, headers=sent) as found:
                return Answer(found.status, found.headers, await found.read())
        except aiohttp.ServerDisconnectedError:
            return None
        except aiohttp.ClientOSError:
            return None


@pytest.fixture
def shown(browser: Browser) -> Shown:
    return Shown(browser)


async def test_a_picture_is_shown_from_another_origin(
    browser: Browser, node: FilesNode, shown: Shown
) -> None:
    message = node.somebody_sends("Anna", "tea.png", "image/png", DATA)
    link = await browser.good("api/attachments", {"message": message.id, "index": 0})
    assert (link["content_type"], link["size"]) == ("image/png", len(DATA))
    state = await browser.state()
    assert link["url"].startswith(state["attachments"] + "/")
    assert urlsplit(link["url"]).port != urlsplit(browser.web.url).port
    found = await shown.get(link["url"])
    assert found is not None and found.status == 200 and found.body == DATA
    assert found.headers["Content-Type"] == "image/png"
    assert found.headers["Content-Disposition"].startswith('inline; filename="tea.png"')
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Cache-Control"] == "no-store"
    assert found.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert found.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "Access-Control-Allow-Origin" not in found.headers


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=300000-", 300_000, len(DATA)),
        ("bytes=-5", len(DATA) - 5, len(DATA)),
        (f"bytes=10-{10**14}", 10, len(DATA)),
        ("bytes=262143-262145", 262_143, 262_146),
    ],
)
async def test_a_part_of_a_file(
    browser: Browser, node: FilesNode, shown: Shown, asked: str, first: int, end: int
) -> None:
    message = node.somebody_sends("Anna", "talk.mp4", "video/mp4", DATA)
    link = await browser.good("api/attachments", {"message": message.id})
    found = await shown.get(link["url"], Range=asked, Sec_Fetch_Dest="video")
    assert found is not None and found.status == 206
    assert found.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(DATA)}"
    assert found.headers["Content-Length"] == str(end - first)
    assert found.body == DATA[first:end]


async def test_no_part_of_a_file(browser: Browser, node: FilesNode, shown: Shown) -> None:
    message = node.somebody_sends("Anna", "talk.ogg", "audio/ogg", DATA)
    link = await browser.good("api/attachments", {"message": message.id})
    for asked in (f"bytes={len(DATA)}-", "bytes=9-3", "bytes=-0", "bytes=-"):
        found = await shown.get(link["url"], Range=asked, Sec_Fetch_Dest="audio")
        assert found is not None and (found.status, found.body) == (416, b"")
        assert found.headers["Content-Range"] == f"bytes */{len(DATA)}"
    for asked in ("bytes=0-1,4-5", "lines=1-2", "bytes=x"):
        found = await shown.get(link["url"], Range=asked, Sec_Fetch_Dest="audio")
        assert found is not None and found.status == 200 and found.body == DATA
    empty = node.somebody_sends("Anna", "empty.ogg", "audio/ogg", b"")
    link = await browser.good("api/attachments", {"message": empty.id})
    found = await shown.get(link["url"], Sec_Fetch_Dest="audio")
    assert found is not None and (found.status, found.body) == (200, b"")


@pytest.mark.parametrize(
    "kind",
    [
        *("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/pdf"),
        *("text/plain", "application/javascript", "application/octet-stream", "image/avif"),
        *("text/html; charset=utf-8", "IMAGE/SVG+XML", "", "image/png/../html", "multipart/mixed"),
        *("image/png\r\nX-Evil: 1", "application/x-executable", "message/rfc822"),
    ],
)
async def test_50_52_what_could_run_is_only_saved(
    browser: Browser, node: FilesNode, shown: Shown, kind: str
) -> None:
    message = node.somebody_sends("Anna", "x.html", kind, b"<script>alert(1)</script>")
    link = await browser.good("api/attachments", {"message": message.id})
    assert await shown.get(link["url"]) is None  # as a picture it is nothing
    found = await shown.get(link["url"], Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
    assert found is not None and found.status == 200
    assert found.headers["Content-Type"] == "application/octet-stream"
    assert found.headers["Content-Disposition"].startswith("attachment; ")
    assert "sandbox" in found.headers["Content-Security-Policy"]
    assert "X-Evil" not in found.headers


def test_50_no_type_that_is_shown_can_hold_a_script() -> None:
    for kind in INLINE:
        assert kind.partition("/")[0] in ("image", "audio", "video")
        assert "svg" not in kind and "xml" not in kind


async def test_a_picture_can_be_saved(browser: Browser, node: FilesNode, shown: Shown) -> None:
    message = node.somebody_sends("Anna", "tea.png", "image/png", DATA)
    link = await browser.good("api/attachments", {"message": message.id, "download": True})
    found = await shown.get(link["url"], Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
    assert found is not None and found.body == DATA
    assert found.headers["Content-Disposition"].startswith("attachment; ")


async def test_thumbnails_and_pictures_of_groups(
    browser: Browser, node: FilesNode, shown: Shown
) -> None:
    message = node.somebody_sends("Anna", "tea.png", "image/png", DATA)
    link = await browser.good("api/attachments", {"message": message.id, "thumbnail": True})
    found = await shown.get(link["url"])
    assert found is not None and found.headers["Content-Type"] == "image/webp"
    [chat] = [one for one in node.chats.values() if one.name == "Anna"]
    none = await browser.post("api/attachments", {"picture": chat.id})
    assert (none.status, none.code) == (404, "no such picture")
    node.pictures[chat.id] = ("image/svg+xml", b"<svg onload=alert(1)>")
    link = await browser.good("api/attachments", {"picture": chat.id})
    assert await shown.get(link["url"]) is None
    node.pictures[chat.id] = ("image/webp", b"RIFF WEBP")
    link = await browser.good("api/attachments", {"picture": chat.id})
    found = await shown.get(link["url"])
    assert found is not None and found.body == b"RIFF WEBP"


async def test_what_is_not_kept_is_not_here(browser: Browser, node: FilesNode) -> None:
    message = node.somebody_sends("Anna", "tea.png", "image/png", DATA)
    del node.kept[message.id, 0]
    missing = await browser.post("api/attachments", {"message": message.id})
    assert (missing.status, missing.code) == (409, "not here")
    for body in ({}, {"message": message.id, "picture": "Anna"}, {"index": 0}, {"message": 1}):
        assert (await browser.post("api/attachments", body)).code == "unreadable"


async def test_links_end_when_the_profile_is_locked(
    browser: Browser, node: FilesNode, shown: Shown
) -> None:
    message = node.somebody_sends("Anna", "tea.png", "image/png", DATA)
    link = await browser.good("api/attachments", {"message": message.id})
    assert await shown.get(link["url"]) is not None
    async with browser.events() as socket:
        await heard(socket, "state", state="open")
        await browser.good("api/lock")
        await heard(socket, "state", state="locked")
    assert await shown.get(link["url"]) is None


async def test_58_59_others_get_nothing_of_a_file(
    browser: Browser, node: FilesNode, shown: Shown
) -> None:
    message = node.somebody_sends("Anna", "tea.png", "image/png", DATA)
    link = (await browser.good("api/attachments", {"message": message.id}))["url"]
    for wrong in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Mode": "navigate"},
        {"Sec_Fetch_Dest": "document"},
        {"Sec_Fetch_Dest": "iframe"},
        {"Sec_Fetch_Dest": "script"},
        {"Sec_Fetch_Dest": "object"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "localhost"},
    ):
        assert await shown.get(link, **wrong) is None, wrong
    assert await shown.get(link + "x") is None
    assert await shown.get(link[:-1]) is None
    assert await shown.get(link + "?x") is None
    parts = urlsplit(link)
    assert parts.port is not None
    for path in ("/", "/favicon.ico", parts.path.rpartition("/")[0] + "/"):
        sent = request(path, headers={"Host": parts.netloc})
        assert await raw(parts.port, sent) == b""
    posted = request(parts.path, method="POST", headers={"Host": parts.netloc})
    assert await raw(parts.port, posted) == b""


@pytest.mark.parametrize(
    "name",
    [
        *(
            "tea.png",
            'a"b.png',
            "a\\b",
            "naïve ☕.png",
            "a;b=c.png",
            "../../etc/passwd",
            "x\r\nY: z",
        ),
        *("%00.png", "'; filename=evil.exe", "\u202egnp.exe", "", ".", "a" * 400 + ".png"),
    ],
)
def test_51_the_name_of_a_file_in_its_header(name: str) -> None:
    header = disposition("attachment", name)
    found = re.fullmatch(
        r"attachment; filename=\"([A-Za-z0-9 ._()-]+)\"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)",
        header,
    )
    assert found is not None, header
    whole = unquote(found[2])
    assert "/" not in whole and "\\" not in whole and "\r" not in whole and whole[0] not in ".-"


async def test_a_file_that_goes_while_it_is_shown(
    browser: Browser, node: FilesNode, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser sees that it is not whole."""
    message = node.somebody_sends("Anna", "tea.png", "image/png", DATA)
    link = (await browser.good("api/attachments", {"message": message.id}))["url"]
    reads = node.do_ReadFile

    def read(command: api.ReadFile) -> Any:
        if command.offset > 500_000:
            node.kept.clear()
        return reads(command)

    monkeypatch.setattr(node, "do_ReadFile", read)
    with pytest.raises(aiohttp.ClientPayloadError):
        await shown.get(link)
    assert await shown.get(link) is None
