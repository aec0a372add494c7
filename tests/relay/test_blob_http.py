"""Blobs over HTTP, on a real server: every answer of the law, and what the client must not learn."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.relay.blobs import http as blob_http
from heliogram.relay.blobs import service as blob_service
from heliogram.relay.blobs.http import content_range, requested_range
from heliogram.relay.blobs.service import Pace, Range
from heliogram.relay.serving import site
from heliogram.wire.frames import BlobReady
from heliogram.wire.limits import MAX_BLOB
from tests.relay.blob_kit import Answer, Relay, Served, blob_of, head, read_answer
from tests.test_docs import ROOT
from tests.wire import samples

DATA = blob_of("a film", 700_000)
BLOB = sha256(DATA).digest()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    relay = Relay(tmp_path / "data")
    async with Served(relay) as served:
        yield served
    relay.stop()


def authorisation(ready: BlobReady) -> str:
    return f"Heliogram {ready.ticket.hex()}"


async def upload(served: Served, data: bytes = DATA) -> BlobReady:
    """A complete blob."""
    blob = sha256(data).digest()
    ready = served.relay.open(blob, len(data))
    assert (await served.put(blob, ready, data)).status == 201
    return ready


def written(relay: Relay) -> int:
    """The bytes of the only file."""
    (path,) = relay.paths()
    return (relay.root / path).stat().st_size


def bare(answer: Answer) -> None:
    """Nothing in the answer that the law does not ask for."""
    assert answer.body == b""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.pop("server") == site.SERVER
    assert answer.headers.keys() <= {
        *("cache-control", "content-length", "date", "connection"),
        *("upload-offset", "allow", "content-range"),
    }


# --- Headers --------------------------------------------------------------------------------------

NUMBERS = st.integers(0, MAX_BLOB * 2)
#: Near misses: everything that a header of ranges is made of.
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["bytes", " ", "=", "-", "/", ",", "*", "\t", "+", "_", "0", "٣", "\n", ""]
        ),
        NUMBERS.map(str),
    ),
    max_size=9,
).map("".join)


@given(st.one_of(st.text(), PIECES))
def test_content_range_is_read_in_one_way(header: str) -> None:
    part = content_range(header)
    if part is not None:
        assert header == f"bytes {part.first}-{part.last}/{part.total}"
        assert 0 <= part.first <= part.last < part.total <= MAX_BLOB


@given(NUMBERS, NUMBERS, NUMBERS)
def test_content_range(first: int, last: int, total: int) -> None:
    good = first <= last < total <= MAX_BLOB
    read = content_range(f"bytes {first}-{last}/{total}")
    assert read == (Range(first, last, total) if good else None)


@pytest.mark.parametrize(
    "header",
    [
        "", "bytes 0-1", "bytes 0-1/*", "bytes */2", "bytes=0-1/2", "bytes 00-1/2", "bytes 0-01/2",
        "bytes 1-0/2", "bytes 0-2/2", "bytes -0-1/2", "bytes +0-1/2", "bytes 0 - 1/2", " bytes 0-1/2",
        "bytes 0-1/2 ", "bytes 0-1/2\n", "bytes 0-1/2,0-1/2", "Bytes 0-1/2", "bytes  0-1/2",
        "bytes 0-1/" + "9" * 17, "bytes 0-1/" + "9" * 5000,
        "bytes \uff10-1/2", "bytes 0x0-1/2", "bytes 1_0-11/20",
    ],
)  # fmt: skip
def test_content_ranges_that_are_none(header: str) -> None:
    assert content_range(header) is None


@given(st.one_of(st.text(), PIECES, PIECES.map("bytes=".__add__)), st.integers(0, MAX_BLOB))
def test_range_is_read_in_one_way(header: str, size: int) -> None:
    part = requested_range(header, size)
    if part is not None:
        assert 0 <= part.first <= part.last < part.total == size
        assert re.fullmatch("bytes=([0-9]+-[0-9]*|-[0-9]+)", header, re.ASCII)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 0)), ("bytes=0-9", (0, 9)), ("bytes=0-99", (0, 9)), ("bytes=9-", (9, 9)),
        ("bytes=3-", (3, 9)), ("bytes=-1", (9, 9)), ("bytes=-10", (0, 9)), ("bytes=-11", (0, 9)),
        ("bytes=-0", None), ("bytes=10-", None), ("bytes=10-11", None), ("bytes=5-4", None),
        ("bytes=", None), ("bytes=-", None), ("bytes=0-1,2-3", None), ("bytes=0-1, 2-3", None),
        ("bytes= 0-1", None), ("bytes=0-1 ", None), ("bytes=01-2", None), ("bytes=0--1", None),
        ("bytes=--1", None), ("bytes=0-" + "9" * 17, None), ("bytes=٣-٤", None), ("bytes=0-1\n", None),
    ],
)  # fmt: skip
def test_ranges_of_ten_bytes(header: str, expected: tuple[int, int] | None) -> None:
    part = requested_range(header, 10)
    assert (None if part is None else (part.first, part.last)) == expected
    assert requested_range(header, 0) is None


# --- Upload ---------------------------------------------------------------------------------------


async def test_in_parts(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA))
    answer = await served.put(BLOB, ready, DATA, last=299_999)
    assert (answer.status, answer.offset) == (204, 300_000)
    bare(answer)
    answer = await served.ask("HEAD", BLOB, Authorization=authorisation(ready))
    assert (answer.status, answer.offset) == (204, 300_000)
    bare(answer)
    for first, last in ((300_001, 400_000), (0, 299_999)):
        answer = await served.put(BLOB, ready, DATA, first, last)
        assert (answer.status, answer.offset) == (409, 300_000)
        bare(answer)
    answer = await served.put(BLOB, ready, DATA, first=250_000)
    assert answer.status == 201
    bare(answer)
    answer = await served.put(BLOB, ready, DATA)
    assert answer.status == 200
    bare(answer)
    assert (await served.ask("GET", BLOB)).body == DATA


async def test_several_parts_over_one_connection(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA))
    reader, writer = await served.connect()
    for first in range(0, len(DATA), 100_000):
        body = DATA[first : first + 100_000]
        request = head(
            *("PUT", BLOB, body),
            Authorization=authorisation(ready),
            Content_Range=f"bytes {first}-{first + len(body) - 1}/{len(DATA)}",
        ).replace(b"Connection: close\r\n", b"")
        writer.write(request + body)
        answer = await read_answer(reader)
        assert answer.status == (201 if first + len(body) == len(DATA) else 204)
    writer.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"Content_Range": ""},
        {"Content_Range": "bytes 0-9/11"},  # not the announced size
        {"Content_Range": "bytes 0-9/20"},  # not all that comes
        {"Content_Range": "bytes 0-10/20"},  # more than comes
        {"Content_Range": "bytes 0-4/20, 5-9/20"},
        {"Content_Encoding": "gzip"},
        {"Content_Encoding": "identity"},
    ],
    ids=str,
)
async def test_malformed(served: Served, changed: dict[str, str]) -> None:
    data = DATA[:20]
    blob = sha256(data).digest()
    ready = served.relay.open(blob, 20)
    headers = {"Authorization": authorisation(ready), "Content_Range": "bytes 0-4/20", **changed}
    answer = await served.ask("PUT", blob, data[:5], **headers)
    assert answer.status == 400
    bare(answer)
    assert served.relay.open(blob, 20).offset == 0


async def test_without_a_length(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA))
    for extra in ("Transfer-Encoding: chunked", ""):
        reader, writer = await served.connect()
        request = head(
            *("PUT", BLOB),
            Authorization=authorisation(ready),
            Content_Range=f"bytes 0-4/{len(DATA)}",
        )
        request = request.replace(b"Content-Length: 0\r\n", extra.encode() + b"\r\n" * bool(extra))
        writer.write(request + b"5\r\nabcde\r\n0\r\n\r\n" * bool(extra))
        assert (await read_answer(reader)).status == 400
        writer.close()


async def test_twice_the_same_header(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA))
    for name in ("Content-Range", "Authorization"):
        request = head(
            *("PUT", BLOB, b"12345"),
            Authorization=authorisation(ready),
            Content_Range=f"bytes 0-4/{len(DATA)}",
        )
        (line,) = re.findall(rb"%s: .*?\r\n" % name.encode(), request)
        reader, writer = await served.connect()
        writer.write(request.replace(line, line + line) + b"12345")
        assert (await read_answer(reader)).status == 400
        writer.close()


async def test_longer_than_announced(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA) - 1)
    answer = await served.put(BLOB, ready, DATA)
    assert answer.status == 413
    bare(answer)


async def test_wrong_hash(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA))
    answer = await served.put(BLOB, ready, bytes(len(DATA)))
    assert answer.status == 422
    bare(answer)
    assert served.relay.paths() == []
    assert served.relay.open(BLOB, len(DATA)).offset == 0
    assert (await served.put(BLOB, ready, DATA)).status == 201


async def test_no_such_upload_and_not_this_ticket_look_alike(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA))
    tickets = ["", "Heliogram", f"Bearer {ready.ticket.hex()}", f"Heliogram {'0' * 64}"]
    tickets += [f"{authorisation(ready)}00", authorisation(ready).upper()]
    answers = []
    for blob, ticket in [(BLOB, one) for one in tickets] + [
        (samples.name("no blob"), authorisation(ready))
    ]:
        part = {"Content_Range": f"bytes 0-4/{len(DATA)}", "Authorization": ticket}
        answers.append(await served.ask("PUT", blob, b"12345", **part))
        answers.append(await served.ask("HEAD", blob, Authorization=ticket))
    answers.append(await served.ask("PUT", BLOB, b"12345", Content_Range=f"bytes 0-4/{len(DATA)}"))
    for answer in answers:
        assert answer.status == 404
        bare(answer)
        answer.headers.pop("date")
        assert answer.headers.pop("content-length", "0") == "0"  # answers to HEAD have none
    assert len({tuple(sorted(one.headers.items())) for one in answers}) == 1
    assert served.relay.open(BLOB, len(DATA)).offset == 0


async def test_the_answer_is_not_lost_with_what_was_not_read(served: Served) -> None:
    """The client writes all of a long body before it looks whether anybody wanted it."""
    ready = await upload(served)
    for ticket, status in ((authorisation(ready), 200), (f"Heliogram {'0' * 64}", 404)):
        for method, expected in (("PUT", status), ("POST", 405)):
            reader, writer = await served.connect()
            request = head(
                *(method, BLOB, DATA),
                Authorization=ticket,
                Content_Range=f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
            ).replace(b"Connection: close\r\n", b"")
            writer.write(request)
            for at in range(0, len(DATA), 50_000):
                writer.write(DATA[at : at + 50_000])
                await writer.drain()
            assert (await read_answer(reader)).status == expected
            writer.write(head("HEAD", BLOB))  # and the connection goes on
            assert (await read_answer(reader, "HEAD")).status == 200
            writer.close()


async def test_cut_off_and_resumed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_service, "WRITE_BYTES", 1)
    ready = served.relay.open(BLOB, len(DATA))
    _, writer = await served.connect()
    request = head(
        *("PUT", BLOB, DATA),
        Authorization=authorisation(ready),
        Content_Range=f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
    )
    writer.write(request + DATA[:400_000])
    async with asyncio.timeout(60):
        while not served.relay.paths() or written(served.relay) < 400_000:
            await asyncio.sleep(0)
        writer.transport.abort()
        while served.relay.service._busy:
            await asyncio.sleep(0)
    answer = await served.ask("HEAD", BLOB, Authorization=authorisation(ready))
    offset = answer.offset
    assert offset == 400_000
    assert (await served.put(BLOB, ready, DATA, first=offset)).status == 201
    assert (await served.ask("GET", BLOB)).body == DATA


async def test_of_two_parts_at_once_one_wins(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA))
    reader, writer = await served.connect()
    request = head(
        *("PUT", BLOB, DATA),
        Authorization=authorisation(ready),
        Content_Range=f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
    )
    writer.write(request + DATA[:100_000])
    async with asyncio.timeout(60):
        while not served.relay.service._busy:
            await asyncio.sleep(0)
    answer = await served.put(BLOB, ready, DATA)
    assert (answer.status, answer.offset) == (409, 0)
    writer.write(DATA[100_000:])
    assert (await read_answer(reader)).status == 201
    writer.close()


async def test_the_body_is_asked_for_only_when_it_is_wanted(served: Served) -> None:
    ready = served.relay.open(BLOB, len(DATA))
    headers = {
        "Authorization": authorisation(ready),
        "Content_Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
        "Expect": "100-continue",
    }
    reader, writer = await served.connect()
    writer.write(head("PUT", BLOB, DATA, **headers))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(DATA)
    assert (await read_answer(reader)).status == 201
    writer.close()
    answer = await served.ask("PUT", BLOB, b"", **headers, Content_Length=str(len(DATA)))
    assert answer.status == 200
    answer = await served.ask("PUT", BLOB, b"", **{**headers, "Expect": "a miracle"})
    assert answer.status == 417
    bare(answer)


async def test_slow_bodies(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data", pace=Pace(wait=0.05))
    async with Served(relay) as served:
        ready = relay.open(BLOB, len(DATA))
        reader, writer = await served.connect()
        request = head(
            *("PUT", BLOB, DATA),
            Authorization=authorisation(ready),
            Content_Range=f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
        )
        writer.write(request + DATA[:1234])
        answer = await read_answer(reader)
        assert answer.status == 408
        bare(answer)
        writer.close()
        assert relay.open(BLOB, len(DATA)).offset == 1234
    relay.stop()


async def test_restart_in_the_middle(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data")
    async with Served(relay) as served:
        ready = relay.open(BLOB, len(DATA))
        await served.put(BLOB, ready, DATA, last=299_999)
    relay.stop()
    relay = relay.again()
    async with Served(relay) as served:
        assert (await served.put(BLOB, ready, DATA, first=300_000)).status == 404  # an old ticket
        ready = relay.open(BLOB, len(DATA))
        assert ready.offset == 300_000
        assert (await served.put(BLOB, ready, DATA, first=300_000)).status == 201
        assert (await served.ask("GET", BLOB)).body == DATA
    relay.stop()


async def test_stopped_while_a_part_arrives(tmp_path: Path) -> None:
    """The server is told to stop: what had arrived is there after the restart."""
    relay = Relay(tmp_path / "data")
    ready = relay.open(BLOB, len(DATA))
    async with Served(relay) as served:
        _, writer = await served.connect()
        request = head(
            *("PUT", BLOB, DATA),
            Authorization=authorisation(ready),
            Content_Range=f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
        )
        writer.write(request + DATA[:500_000])
        async with asyncio.timeout(60):
            while not relay.paths() or written(relay) < 262_144:
                await asyncio.sleep(0)
    writer.close()
    relay.stop()
    relay = relay.again()
    assert 262_144 <= relay.open(BLOB, len(DATA)).offset <= 500_000
    relay.stop()


async def test_disk_full(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data", reserve=1 << 60)
    async with Served(relay) as served:
        answer = await served.put(BLOB, relay.open(BLOB, len(DATA)), DATA)
        assert answer.status == 507
        bare(answer)
    relay.stop()


# --- Download -------------------------------------------------------------------------------------


async def test_whole(served: Served) -> None:
    await upload(served)
    answer = await served.ask("GET", BLOB)
    assert (answer.status, answer.body) == (200, DATA)
    answer.headers.pop("date")
    assert answer.headers == {
        "server": site.SERVER,
        "cache-control": "no-store",
        "content-type": "application/octet-stream",
        "content-length": str(len(DATA)),
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "connection": "close",
    }
    again = await served.ask("HEAD", BLOB)
    again.headers.pop("date")
    assert (again.status, again.headers) == (200, answer.headers)


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("0-0", 0, 0), ("1000-599999", 1000, 599_999), ("699999-", 699_999, 699_999), ("-5", 699_995, 699_999)],
)  # fmt: skip
async def test_range(served: Served, header: str, first: int, last: int) -> None:
    await upload(served)
    answer = await served.ask("GET", BLOB, Range=f"bytes={header}")
    assert (answer.status, answer.body) == (206, DATA[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"


async def test_ranges_that_are_not_satisfied(served: Served) -> None:
    await upload(served)
    for header in ("bytes=700000-", "bytes=0-1,3-4", "bytes=", "bytes=x"):
        answer = await served.ask("GET", BLOB, Range=header)
        assert answer.status == 416
        assert answer.headers["content-range"] == f"bytes */{len(DATA)}"
        bare(answer)
    answer = await served.ask("GET", BLOB, Range="lines=0-1")
    assert (answer.status, len(answer.body)) == (200, len(DATA))


async def test_conditions_and_encodings_change_nothing(served: Served) -> None:
    await upload(served)
    headers = {
        "If_None_Match": "*",
        "If_Modified_Since": "Fri, 31 Dec 2100 23:59:59 GMT",
        "If_Range": '"x"',
        "Accept_Encoding": "gzip",
    }
    answer = await served.ask("GET", BLOB, b"", **headers, Range="bytes=0-9")
    assert (answer.status, answer.body) == (206, DATA[:10])
    assert "content-encoding" not in answer.headers


async def test_what_is_not_there_looks_alike(served: Served) -> None:
    relay = served.relay
    unfinished, deleted, expired = (samples.name(one) for one in ("1", "2", "3"))
    ready = relay.open(unfinished, len(DATA))
    await served.put(unfinished, ready, DATA, last=10)
    texts = {}
    for days, text in ((3, "deleted"), (1, "expired")):
        data = blob_of(text, 100)
        texts[text] = sha256(data).digest()
        ready = relay.open(texts[text], 100, days=days)
        assert (await served.put(texts[text], ready, data)).status == 201
    relay.delete(texts["deleted"])
    relay.now += 2 * 86_400
    ids: list[bytes | str] = [
        samples.name("unknown"),
        unfinished,
        *texts.values(),
        deleted,
        expired,
    ]
    ids += [
        "x",
        BLOB.hex().upper(),
        BLOB.hex()[:-1],
        BLOB.hex() + "0",
        "%2e%2e",
        "..%2f..%2frelay.db",
    ]
    seen = set()
    for id in ids:
        for method in ("GET", "HEAD"):
            answer = await served.ask(method, id, Range="bytes=0-1")
            assert answer.status == 404
            bare(answer)
            answer.headers.pop("date")
            assert answer.headers.pop("content-length", "0") == "0"
            seen.add(tuple(sorted(answer.headers.items())))
    assert len(seen) == 1


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
async def test_other_methods(served: Served, method: str) -> None:
    answer = await served.ask(method, BLOB, b"x")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, PUT")
    bare(answer)


async def test_deleted_while_it_is_read(served: Served) -> None:
    """Who has begun may end; nobody else begins."""
    large = blob_of("large", 8 << 20)
    blob = sha256(large).digest()
    await upload(served, large)
    reader, writer = await served.connect()
    writer.write(head("GET", blob))
    start = await reader.readexactly(100_000)
    served.relay.delete(blob)
    await served.relay.service.collect()
    assert served.relay.paths() == []
    assert (await served.ask("GET", blob)).status == 404
    rest = await reader.read()
    while part := await reader.read():
        rest += part
    assert (start + rest).partition(b"\r\n\r\n")[2] == large
    writer.close()


async def test_a_reader_that_does_not_read(tmp_path: Path) -> None:
    relay = Relay(tmp_path / "data", pace=Pace(wait=0.05))
    async with Served(relay) as served:
        large = blob_of("large", 16 << 20)
        blob = sha256(large).digest()
        await upload(served, large)
        reader, writer = await served.connect()
        writer.write(head("GET", blob))
        async with asyncio.timeout(60):
            while not relay.service._downloads:
                await asyncio.sleep(0)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            while relay.service._downloads:
                await asyncio.sleep(0.01)
        writer.close()
        assert len(reader._buffer) < len(large)  # type: ignore[attr-defined]
    relay.stop()


async def test_a_reader_that_goes(served: Served) -> None:
    large = blob_of("large", 16 << 20)
    await upload(served, large)
    for _ in range(3):
        reader, writer = await served.connect()
        writer.write(head("GET", sha256(large).digest()))
        await reader.readexactly(1000)
        writer.transport.abort()
    async with asyncio.timeout(60):
        while served.relay.service._downloads:
            await asyncio.sleep(0)
    assert (await served.ask("HEAD", sha256(large).digest())).status == 200


# --- What must not be told ------------------------------------------------------------------------


async def test_nothing_of_the_client_is_logged(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    ready = await upload(served)
    other = served.relay.open(samples.name("other"), 100)
    await served.put(samples.name("other"), other, bytes(100))
    await served.ask("GET", BLOB, Range="bytes=0-5")
    await served.ask("BREW", BLOB)  # the library refuses it by itself

    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", str(served.relay.files._blob(BLOB)))

    monkeypatch.setattr("builtins.open", fails)
    assert (await served.ask("GET", BLOB)).status == 503
    monkeypatch.undo()

    async def bug(*_: object) -> None:
        raise RuntimeError(BLOB.hex(), ready.ticket.hex(), "127.0.0.1")

    monkeypatch.setattr(served.relay.service, "_run", bug)
    answer = await served.ask("GET", BLOB)
    monkeypatch.undo()
    assert answer.status == 500
    bare(answer)
    assert [one.getMessage() for one in caplog.records if one.name == blob_http._log.name] == [
        f"a request for a blob failed: RuntimeError at test_blob_http.py:{bug.__code__.co_firstlineno + 1}"
    ]
    text = caplog.text
    secrets = [BLOB, samples.name("other"), ready.ticket, other.ticket]
    for secret in secrets:
        assert secret.hex() not in text and repr(secret)[2:-1] not in text
    assert "127.0.0.1" not in text
    assert "Heliogram " not in text


@pytest.mark.parametrize(
    "story",
    [
        test_in_parts,
        test_several_parts_over_one_connection,
        test_wrong_hash,
        test_no_such_upload_and_not_this_ticket_look_alike,
        test_the_answer_is_not_lost_with_what_was_not_read,
        test_of_two_parts_at_once_one_wins,
        test_the_body_is_asked_for_only_when_it_is_wanted,
        test_whole,
        test_deleted_while_it_is_read,
        test_a_reader_that_goes,
    ],
    ids=lambda story: story.__name__,
)
def test_on_the_loop_that_relays_run(
    story: Callable[[Served], Coroutine[None, None, None]], tmp_path: Path
) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def told() -> None:
        relay = Relay(tmp_path / "data")
        async with Served(relay) as served:
            await story(served)
        relay.stop()

    uvloop.run(told())


# --- The law --------------------------------------------------------------------------------------


def test_every_answer_is_in_the_law() -> None:
    law = (ROOT / "docs/protocol.md").read_text().partition("## Blobs over HTTP")[2]
    law = law.partition("\n## ")[0]
    rows = re.findall(r"^\| ([0-9, ]+) \|", law, re.MULTILINE)
    listed = {int(one) for row in rows for one in row.split(", ")}
    given = {500, *blob_http.STATUSES.values(), *blob_http._STATUS.values()}
    assert listed == given
