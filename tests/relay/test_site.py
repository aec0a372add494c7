"""Whoever looks in sees a quiet web site, and nothing that says more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from heliogram.relay.operating.config import Config
from heliogram.relay.serving import site

#: What must not be in an answer.
WORDS = ("heliogram", "relay", "aiohttp", "python", "websocket")


def application(config: Config) -> web.Application:
    """An application as the relay makes it."""
    made = web.Application()
    made.on_response_prepare.append(site.quiet)
    made.router.add_routes(site.routes(config))
    return made


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with (
        TestServer(application(Config(data=Path("x")))) as server,
        ClientSession(server.make_url("/")) as session,
    ):
        yield session


async def everything(client: ClientSession, method: str, path: str) -> tuple[int, str]:
    """The status of an answer, and all of it as text."""
    async with client.request(method, path, allow_redirects=False) as answer:
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        return answer.status, f"{answer.reason}\n{head}\n\n{await answer.text('latin-1')}"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/robots.txt", 200),
        ("POST", "/", 405),
        ("DELETE", "/robots.txt", 405),
        ("GET", "/index.php", 404),
        ("HEAD", "/nothing", 404),
        ("POST", "/ws/x", 404),
        ("PROPFIND", "/a/b/c", 404),
        ("GET", "/blob/00", 404),
        ("PUT", "/blob/00", 404),
    ],
)
async def test_no_answer_says_what_this_is(
    client: ClientSession, method: str, path: str, status: int
) -> None:
    got, text = await everything(client, method, path)
    assert got == status
    for word in WORDS:
        assert word not in text.lower().replace(path, "")
    assert "Server: Apache" in text


async def test_the_page_of_a_server_that_nobody_set_up(client: ClientSession) -> None:
    async with client.get("/") as answer:
        assert await answer.read() == site.DEFAULT_PAGE
        assert len(site.DEFAULT_PAGE) == 0x2D
        names = [name.decode() for name, _ in answer.raw_headers]
    order = ["Date", "Server", "Last-Modified", "ETag", "Accept-Ranges", "Content-Length"]
    assert names[: len(order)] == order


async def test_a_page_that_is_known_is_not_sent_again(client: ClientSession) -> None:
    async with client.get("/") as answer:
        tag = answer.headers["ETag"]
    async with client.get("/", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with client.get("/", headers={"If-None-Match": '"x"'}) as answer:
        assert answer.status == 200


async def test_robots_are_asked_to_stay_away(client: ClientSession) -> None:
    async with client.get("/robots.txt") as answer:
        assert "Disallow: /" in await answer.text()


async def test_errors_look_alike_whatever_is_asked(client: ClientSession) -> None:
    """Nothing that was asked is in an answer."""
    async with client.get("/one") as one, client.get("/two?x=<script>") as two:
        assert await one.read() == await two.read()


async def test_a_site_of_ones_own() -> None:
    config = Config(data=Path("x"), site_title="Tom & Ann", site_text="<b>Hi</b>\n\nSundays.\n")
    async with TestServer(application(config)) as server, ClientSession() as client:
        async with client.get(server.make_url("/")) as answer:
            text = await answer.text()
            tag = answer.headers["ETag"]
    assert "<title>Tom &amp; Ann</title>" in text and "<h1>Tom &amp; Ann</h1>" in text
    assert "<p>&lt;b&gt;Hi&lt;/b&gt;</p>\n<p>Sundays.</p>" in text
    assert tag != '"2d-432a5e4a73a80"'


def test_other_errors_look_like_one_that_it_knows() -> None:
    assert site.error(418).status == 500
    assert site.not_found(Config(data=Path("x"))).status == 404


@pytest.mark.parametrize("path", ["/", "/robots.txt", "/nothing"])
async def test_an_expectation_is_not_repeated(client: ClientSession, path: str) -> None:
    async with client.get(path, headers={"Expect": "canary"}) as answer:
        assert answer.status == 417
        assert "canary" not in await answer.text()
