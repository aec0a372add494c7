"""An export's HTML: pages that open without a network, hold no script, and let nothing in that was said."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from heliogram.node.archive.reading import Conversation

#: No script, nothing from anywhere: not even a mistake of ours in escaping could do anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fff }
.m { margin: .8rem 0; overflow-wrap: anywhere }
.m pre { font: inherit; white-space: pre-wrap; margin: 0; unicode-bidi: isolate }
.h { color: #666; font-size: .85rem }
.l { color: #666; text-align: center; font-size: .9rem; margin: 1rem 0 }
.w { background: #fe9; padding: .6rem 1rem }
b { unicode-bidi: isolate }
a { color: #06c }
nav { margin: 1rem 0 }
"""

#: Gives the name of an account by its id in hexadecimal; None: ourselves.
Name = Callable[[str | None], str]
Thumbnail = Callable[[int, int], bytes | None]


def page_name(stem: str, page: int) -> str:
    """The file of a page of a conversation, from 0."""
    return f"{stem}.html" if not page else f"{stem} ({page + 1}).html"


def index(conversations: Sequence[tuple[Conversation, str, int]], time: int) -> str:
    """The page with all conversations."""
    rows = "".join(
        f'<div class="m"><a href="{_href(page_name(stem, 0))}"><b>{_text(one.name)}</b></a>'
        f' <span class="h">{one.kind}, {count} messages</span></div>'
        for one, stem, count in conversations
    )
    warning = (
        '<p class="w">This export is not encrypted. Whoever can read these files can read'
        " every message in them.</p>"
    )
    return _page("Heliogram", f"<h1>Heliogram</h1>{warning}<p>{_time(time)}</p>{rows}")


def chat(
    conversation: Conversation,
    stem: str,
    messages: Sequence[dict[str, Any]],
    page: int,
    pages: int,
    name: Name,
    thumbnail: Thumbnail,
) -> str:
    """One page of a conversation."""
    links = ['<a href="../index.html">All conversations</a>']
    for other, said in ((page - 1, "Earlier"), (page + 1, "Later")):
        if 0 <= other < pages:
            file = page_name(stem, other).rpartition("/")[2]
            links.append(f'<a href="{_href(file)}">{said}</a>')
    nav = f"<nav>{' · '.join(links)}</nav>"
    body = "".join(_message(one, name, thumbnail) for one in messages)
    return _page(conversation.name, f"{nav}<h1>{_text(conversation.name)}</h1>{body}{nav}")


def _message(message: dict[str, Any], name: Name, thumbnail: Thumbnail) -> str:
    anchor = f' id="m{message["number"]}"'
    if message["kind"] in ("line", "unreadable"):
        return f'<div class="l"{anchor}>{_text(message["text"])}</div>'
    who = name(None if message["mine"] else message["sender"])
    told = [_time(message["time"])]
    if message["edited"]:
        told.append("edited")
    told += [f"{one['emoji']} {name(one['who'])}" for one in message["reactions"]]
    text = (
        "<i>deleted</i>" if message["kind"] == "deleted" else f"<pre>{_text(message['text'])}</pre>"
    )
    files = "".join(
        _file(message["number"], place, one, thumbnail)
        for place, one in enumerate(message["files"])
    )
    if message.get("poll"):
        text += _poll(message["poll"], name)
    head = f'<b>{_text(who)}</b> <span class="h">{_text(" · ".join(told))}</span>'
    return f'<div class="m"{anchor}>{head}{text}{files}</div>'


def _poll(poll: dict[str, Any], name: Name) -> str:
    """Who chose what."""
    rows = (
        f"<li>{_text(one['text'])}: {_text(', '.join(map(name, one['votes'])) or 'nobody')}</li>"
        for one in poll["options"]
    )
    return f"<ul>{''.join(rows)}</ul>"


def _file(number: int, place: int, file: dict[str, Any], thumbnail: Thumbnail) -> str:
    small = thumbnail(number, place)
    picture = ""
    if small:
        data = base64.b64encode(small).decode()
        picture = f'<br><img alt="" src="data:image/webp;base64,{data}">'
    shown = f"{_text(file['name'])} ({file['size']} bytes)"
    if file["path"]:
        # `download`: a page or a drawing among them is not opened beside this one.
        shown = f'<a download href="../{_href(file["path"])}">{shown}</a>'
    return f'<div class="m">{shown}{picture}</div>'


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _href(path: str) -> str:
    return quote(path)


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "at an unknown time"
