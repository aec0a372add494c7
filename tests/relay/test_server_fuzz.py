"""Random scripts of nearly good frames, played over a socket to a relay in this process.

Whatever they are: answers that the protocol allows, each request once, never `INTERNAL`, and a log without
a word of theirs. Number 72: who knows nothing learns nothing from an answer, and costs the same work.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.wire import ErrorCode, FrameType, SigningKey, frames, verify
from heliogram.wire import connection as core
from heliogram.wire.connection import ANSWERS
from tests.relay.members import Member, configured, member_key, name
from tests.relay.raw import BINARY, CONTINUATION, PING, Raw, frame
from tests.relay.serving import Serving
from tests.wire import samples

#: What is asked, besides hello and what depends on a signature.
KINDS = [kind for kind in FrameType if FrameType.AUTHORISE <= kind < FrameType.GREETING]

#: What may stand in the place of a field.
_FIELDS = st.one_of(
    st.integers(-1, 3),
    st.sampled_from([127, 128, 1000, 1001, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]),
    st.binary(max_size=70),
    st.lists(st.integers(0, 3), max_size=3),
    st.booleans(),
    st.none(),
)

#: A frame, and which of its fields is something else; perhaps a fragment or a ping instead.
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 3),  # a channel, or how the frame travels
        st.dictionaries(st.integers(2, 7), _FIELDS, max_size=2),
    ),
    max_size=25,
)


def script(
    raw: Raw, steps: list[Any], instance: bytes, key: SigningKey
) -> tuple[bytes, dict[int, FrameType]]:
    """The bytes of a script, and which request has which id."""
    asked: dict[int, FrameType] = {}
    out = []
    for id, (kind, number, changes) in enumerate(steps):
        one: Any = msgspec.structs.replace(samples.FRAMES[kind], id=id)
        if kind is FrameType.AUTHORISE:
            one = raw.authorise(number, instance, 1, key, id)
        elif hasattr(one, "channel"):
            one = msgspec.structs.replace(one, channel=number % 2)
        parts = msgspec.msgpack.decode(frames.encode(one))
        for at, value in changes.items():
            if at < len(parts):
                parts[at] = value
        message = msgspec.msgpack.encode(parts)
        asked[id] = kind
        if number == 3:
            out += [frame(BINARY, message[:5], fin=False), frame(PING, b"?")]
            out += [frame(CONTINUATION, message[5:])]
        else:
            out.append(frame(BINARY, message))
    return b"".join(out), asked


async def play(relay: Serving, steps: list[Any]) -> None:
    """Play a script, and hold what comes against the protocol."""
    raw = await Raw.greeted(relay.where)
    seat = Member("fuzz", configured("fuzz", [relay.key])).seat
    data, asked = script(raw, steps, seat.id, member_key("fuzz", 1, relay.key))
    last = len(asked)
    await raw.send(data + frame(BINARY, frames.encode(frames.CellGet(last, bytes(32)))))
    asked[last] = FrameType.CELL_GET
    while asked:
        told = await raw.frame()
        if isinstance(told, int):
            assert told == 1000
            break
        if isinstance(told, frames.Goodbye):
            assert told.code == ErrorCode.TOO_MANY_FAULTS
        elif isinstance(told, frames.Failure):
            assert told.code not in (ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE)
            del asked[told.id]
        elif hasattr(told, "id"):
            kind = type(samples.FRAMES[asked.pop(told.id)])
            assert isinstance(told, ANSWERS[kind])  # type: ignore[index]
    await raw.close()


def test_random_scripts(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        relay = Serving(Path(folder) / "data")
        runner.run(relay.__aenter__())

        async def begin() -> None:
            member = await relay.member("fuzz")
            await member.close()

        runner.run(begin())

        @settings(max_examples=150, deadline=None)
        @given(_STEPS)
        def scripts(steps: list[Any]) -> None:
            runner.run(play(relay, steps))

        scripts()
        runner.run(relay.server.stop())
    ours = [one for one in caplog.records if one.name.startswith("heliogram")]
    assert all(one.levelno < logging.WARNING for one in ours), [one.getMessage() for one in ours]


async def test_random_bytes_in_every_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    random = Random(7)
    async with Serving(tmp_path / "data") as relay:
        for n in range(60):
            raw = await (Raw.greeted(relay.where) if n % 3 else Raw.connect(relay.where))
            if n % 3 == 2:
                await raw.send(frame(BINARY, random.randbytes(random.randrange(40))) * 3)
            await raw.send(random.randbytes(random.randrange(2000)))
            raw.writer.write_eof()
            await raw.rest()
            await raw.close()
        while relay.server.gate.inside:
            await asyncio.sleep(0)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


async def test_unknown_and_wrong_are_one_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, and by the same number of verifications; how long they take is told by `-s`."""
    checks: list[int] = []

    def counted(*parts: Any) -> bool:
        checks.append(1)
        return verify(*parts)

    monkeypatch.setattr(core, "verify", counted)
    async with Serving(tmp_path / "data") as relay:
        member = await relay.member("secret")
        await member.close()
        raw = await Raw.greeted(relay.where)
        checks.clear()
        seconds: dict[str, float] = {}
        answers = set()
        wrong = SigningKey(name("nobody"))
        loop = asyncio.get_running_loop()
        for title, instance in (("unknown", name("no such log")), ("wrong", member.seat.id)):
            requests = [raw.authorise(0, instance, 1, wrong, 9) for _ in range(50)]
            began = loop.time()
            for one in requests:
                await raw.ask(one)
                answers.add(await raw.receive())
            seconds[title] = loop.time() - began
        assert len(answers) == 1 and len(checks) == 100
        print({title: f"{took / 50 * 1e6:.0f} us" for title, took in seconds.items()})
        await raw.close()
