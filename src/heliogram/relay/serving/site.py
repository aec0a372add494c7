"""What somebody sees who opens the relay's address in a browser: a web site on which nothing goes on.

By default it is the page of a web server that nobody has set up yet, with that server's headers and its
errors; a title and a text make it the operator's own. So whoever only scans addresses learns nothing. It
is no more than that: who asks for a WebSocket at the right path finds the relay.
"""

from __future__ import annotations

import hashlib
from html import escape
from typing import Final

from aiohttp import web

from heliogram.relay.operating.config import Config

#: The page of an Apache that was just installed, byte for byte, and the names it has for it.
DEFAULT_PAGE: Final = b"<html><body><h1>It works!</h1></body></html>\n"
_DEFAULT_TAG: Final = '"2d-432a5e4a73a80"'
_MODIFIED: Final = "Mon, 11 Jun 2007 18:53:14 GMT"

#: What the site says it runs on, in every answer of this port.
SERVER: Final = "Apache"

ROBOTS: Final = b"User-agent: *\nDisallow: /\n"

_ORDER: Final = {
    name: place
    for place, name in enumerate(
        ("date", "server", "last-modified", "etag", "allow", "accept-ranges", "content-length")
    )
}

#: How errors look there.
_ERROR: Final = """<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
<html><head>
<title>{status} {name}</title>
</head><body>
<h1>{name}</h1>
<p>{text}</p>
</body></html>
"""
_TEXTS: Final = {
    400: (
        "Bad Request",
        "Your browser sent a request that this server could not understand.<br />\n",
    ),
    404: ("Not Found", "The requested URL was not found on this server."),
    405: ("Method Not Allowed", "The requested method is not allowed for this URL."),
    417: (
        "Expectation Failed",
        "The expectation given in the Expect request-header\nfield could not be met by this server.",
    ),
    500: (
        "Internal Server Error",
        "The server encountered an internal error or\nmisconfiguration and was unable to complete\n"
        "your request.",
    ),
}


def routes(config: Config) -> list[web.RouteDef]:
    """The site: `/`, `/robots.txt`, and 404 for all else. To be added last, after the relay's own."""
    page = _page(config)
    tag = _DEFAULT_TAG if page == DEFAULT_PAGE else _tag(page)

    async def home(request: web.Request) -> web.Response:
        return _file(request, page, "text/html", tag)

    async def robots(request: web.Request) -> web.Response:
        return _file(request, ROBOTS, "text/plain", _tag(ROBOTS))

    async def forbidden(_: web.Request) -> web.Response:
        return error(405)

    async def nothing(_: web.Request) -> web.Response:
        return error(404)

    return [
        web.get("/", home, expect_handler=expected),
        web.get("/robots.txt", robots, expect_handler=expected),
        web.route("*", "/", forbidden, expect_handler=expected),
        web.route("*", "/robots.txt", forbidden, expect_handler=expected),
        web.route("*", "/{path:.*}", nothing, expect_handler=expected),
    ]


def not_found(config: Config) -> web.Response:
    """What a request for nothing gets."""
    del config  # errors look alike on all sites
    return error(404)


def error(status: int) -> web.Response:
    """An error of the site, with one of the statuses that it knows; others look like 500."""
    name, text = _TEXTS.get(status, _TEXTS[500])
    status = status if status in _TEXTS else 500
    body = _ERROR.format(status=status, name=name, text=text).encode()
    headers = {"Server": SERVER}
    if status == 405:
        headers["Allow"] = "GET,HEAD"
    return web.Response(
        body=body, status=status, headers=headers, content_type="text/html", charset="iso-8859-1"
    )


async def expected(request: web.Request) -> web.StreamResponse | None:
    """What follows an `Expect` header: the body is never wanted, and other expectations are refused.

    aiohttp's own answer would say its name, and repeat what the client wrote.
    """
    return None if request.headers["Expect"].lower() == "100-continue" else error(417)


async def quiet(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare` of the whole application: no answer says what this really is."""
    del request
    headers = response.headers
    headers["Server"] = SERVER
    # In the order of that server, for whoever compares.
    ordered = sorted(headers.items(), key=lambda item: _ORDER.get(item[0].lower(), len(_ORDER)))
    headers.clear()
    headers.extend(ordered)


def _page(config: Config) -> bytes:
    if not config.site_title and not config.site_text:
        return DEFAULT_PAGE
    title = escape(config.site_title)
    parts = "".join(
        f"<p>{escape(part.strip())}</p>\n" for part in config.site_text.split("\n") if part.strip()
    )
    heading = f"<h1>{title}</h1>\n" if title else ""
    return (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n</head>\n<body>\n{heading}{parts}</body>\n</html>\n"
    ).encode()


def _tag(content: bytes) -> str:
    """An entity tag in that server's form: the size, and a number in the place of the time."""
    number = int.from_bytes(hashlib.sha256(content).digest()[:6], "big")
    return f'"{len(content):x}-{number:013x}"'


def _file(request: web.Request, content: bytes, kind: str, tag: str) -> web.Response:
    headers = {"Server": SERVER, "Last-Modified": _MODIFIED, "ETag": tag}
    known = {one.value for one in request.if_none_match or ()}
    if tag.strip('"') in known:
        return web.Response(status=304, headers=headers)
    headers["Accept-Ranges"] = "bytes"
    return web.Response(body=content, headers={**headers, "Content-Type": kind})
