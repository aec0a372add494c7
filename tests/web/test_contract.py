"""The contract is true: its examples are what the code takes and gives, and `docs/openapi.json` is its types.

`python -m tests.web.test_contract` writes `docs/openapi.json` anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct

from heliogram.node import api
from heliogram.node.control.faults import Fault
from heliogram.node.control.protocol import decode_command
from heliogram.web import bodies
from heliogram.web.attachments import Link, Wanted
from heliogram.web.calls import COMMANDS, Saved
from heliogram.web.openapi import document
from heliogram.web.scopes import Scope, covers, may
from heliogram.web.server import WebServer
from heliogram.web.starting import Presence
from heliogram.web.uploads import Upload
from tests.web.kit import Browser, create

DOCS = Path(__file__).parent.parent.parent / "docs"
FILE = DOCS / "openapi.json"


class Secret(Struct, forbid_unknown_fields=True):
    secret: str


class State(Struct, forbid_unknown_fields=True):
    state: Literal["new", "locked", "open"]
    profile: str
    version: str
    attachments: str
    relays: list[str]
    name: str


class StateNotice(Struct, forbid_unknown_fields=True, tag_field="event", tag="state"):
    state: Literal["new", "locked", "open"]


class Failure(Struct, forbid_unknown_fields=True):
    error: Fault


TYPES: dict[str, Any] = {
    **{one.__name__: one for one in (Secret, State, StateNotice, Failure)},
    **{one.__name__: one for one in (Link, Wanted, Saved, Presence, Upload)},
    **{one: getattr(bodies, one) for one in ("Redeem", "Create", "Restore", "Unlock", "Code")},
    **{one.__name__: one for one in (api.GetHistory, api.SendMessage, api.Backup)},
    "History": list[api.Message],
    "Notice": api.AnyNotice,
}

EXAMPLES = re.findall(
    r"^<!-- json: (\w+) -->\n\n```json\n(.*?)^```$",
    (DOCS / "local-api.md").read_text(),
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_is_what_it_says(name: str, text: str) -> None:
    made = msgspec.json.decode(text, type=TYPES[name])
    # Nothing in it is unknown: what was read has all that was written.
    written, again = msgspec.json.decode(text), msgspec.to_builtins(made)
    pairs = [(written, again)] if isinstance(written, dict) else zip(written, again, strict=True)
    for one, two in pairs:
        assert set(one) <= set(two)


def test_no_body_is_shown() -> None:
    for name, text in EXAMPLES:
        if name in ("Redeem", "Create", "Restore", "Unlock", "Code", "Link", "Presence"):
            assert repr(msgspec.json.decode(text, type=TYPES[name])) == f"{name}()"


def test_each_kind_of_example_is_there() -> None:
    assert {name for name, _ in EXAMPLES} == set(TYPES)
    text = (DOCS / "local-api.md").read_text()
    assert text.count("```json") == len(EXAMPLES)


def test_each_call_is_in_the_document() -> None:
    text = (DOCS / "local-api.md").read_text()
    for name in ("create", "restore", "unlock", "lock", "awake", "token", "attachments", "qr"):
        assert f"`POST /api/{name}`" in text
    for scope in Scope:
        assert f"| `{scope.value}` |" in text


def written() -> str:
    return msgspec.json.format(msgspec.json.encode(document()), indent=1).decode() + "\n"


def test_openapi_is_the_types() -> None:
    assert FILE.read_text() == written(), "python -m tests.web.test_contract writes it anew"


def test_openapi_has_each_command() -> None:
    paths = document()["paths"]
    assert set(paths) == {f"/api/call/{name}" for name in COMMANDS}
    assert len(COMMANDS) == len({*COMMANDS.values()})
    text = written()
    for reference in re.findall(r'"#/components/(\w+)/(\w+)"', text):
        assert reference[1] in document()["components"][reference[0]]
    assert '"do"' not in text


async def test_it_is_served(browser: Browser) -> None:
    served = await browser.get("api/openapi.json")
    assert served.json == msgspec.json.decode(written())


def test_names_in_paths_are_those_of_the_control_socket() -> None:
    for name, kind in COMMANDS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        tag = name.replace("-", " ")
        assert kind.__struct_config__.tag == tag
        try:
            made = decode_command(msgspec.Raw(msgspec.json.encode({"do": tag})))
        except Exception as error:
            assert getattr(error, "code", "") == "invalid command"
        else:
            assert isinstance(made, kind)


def test_scopes_grow() -> None:
    for kind in COMMANDS.values():
        allowed = [may(one, kind) for one in (Scope.READ, Scope.SEND, Scope.APP)]
        assert allowed == sorted(allowed) and allowed[-1]
    for dangerous in (api.GetWords, api.ChangePassphrase, api.Lock, api.Export, api.GetLinks):
        assert not may(Scope.SEND, dangerous)
    assert not may(Scope.READ, api.SendMessage)
    assert covers(Scope.APP, Scope.READ) and not covers(Scope.READ, Scope.SEND)


async def test_the_state_is_as_documented(browser: Browser, web: WebServer) -> None:
    for _ in range(2):
        state = await browser.state()
        msgspec.convert(state, State)
        if state["state"] == "new":
            await create(browser)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("api/call/history", {"chat": "x", "limit": 0}, 400, "invalid command"),
        ("api/call/history", {"chat": 7}, 400, "invalid command"),
        ("api/call/history", {"chat": "x", "do": "chats"}, 400, "invalid command"),
        ("api/call/history", [], 400, "invalid command"),
        ("api/call/chat", {"chat": "nobody"}, 404, "no such chat"),
        ("api/call/no-such-thing", {}, 404, "no such path"),
        ("api/call/", {}, 404, "no such path"),
        ("api/nothing", {}, 404, "no such path"),
        ("api/create", {"name": "x"}, 400, "unreadable"),
        ("api/create", {"name": "x", "passphrase": "y"}, 409, "profile exists"),
        ("api/qr", {"text": ""}, 400, "unreadable"),
        ("api/call/add-relay", {"address": "http://x"}, 422, "invalid endpoint"),
    ],
)
async def test_what_goes_wrong_has_its_code(
    browser: Browser, path: str, body: object, status: int, code: str
) -> None:
    await create(browser)
    answer = await browser.post(path, body)
    assert (answer.status, answer.code) == (status, code)
    msgspec.convert(answer.json, Failure)


async def test_what_is_no_json(browser: Browser) -> None:
    await create(browser)
    for data in (b"{", b"\xff", b"[" * 100_000, rb'{"chat": "\ud800"}'):
        answer = await browser.ask("POST", "api/call/history", data=data)
        assert (answer.status, answer.code) == (400, "invalid command")
        answer = await browser.ask("POST", "api/unlock", data=data)
        assert (answer.status, answer.code) == (400, "unreadable")


async def test_a_qr_code(browser: Browser) -> None:
    made = await browser.good("api/qr", {"text": "HELIOGRAM:CONTACT/ABC"})
    assert len(made["rows"]) == made["size"] >= 21
    assert all(re.fullmatch(rf"[01]{{{made['size']}}}", row) for row in made["rows"])
    assert made["rows"][0].startswith("1111111")
    large = await browser.post("api/qr", {"text": "☕" * 2048})
    assert (large.status, large.code) == (413, "too large")


if __name__ == "__main__":
    FILE.write_text(written())
