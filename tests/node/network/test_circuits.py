"""Asks over real connections: answered or lost, each once, whatever the relay does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from heliogram.node.asking import Ask
from heliogram.node.network import link
from heliogram.node.network.circuits import Circuits
from heliogram.node.network.dialling import Dialler
from heliogram.node.network.solving import HARDEST
from heliogram.wire import ErrorCode, frames
from tests.node.network.kit import Notes, Talk, serving
from tests.relay.process import RelayProcess
from tests.relay.serving import Serving

CIRCUIT = b"a circuit"


@asynccontextmanager
async def carrying(notes: Notes) -> AsyncIterator[Circuits]:
    """Circuits that end with the block."""
    circuits = Circuits(Dialler(), notes)
    try:
        yield circuits
    finally:
        await circuits.stop()


async def opened(circuits: Circuits, notes: Notes, talk: Talk) -> None:
    """Open the log."""
    ask = talk.open()
    circuits.send(CIRCUIT, ask)
    await notes.end_of(ask)
    assert isinstance(notes.answer(ask), frames.Done)


async def test_asks_get_their_answers(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay, carrying(notes) as circuits:
        talk = Talk(relay.key, relay.where)
        await opened(circuits, notes, talk)
        asks = [talk.post(b"%d" % n) for n in range(200)]
        for ask in asks:
            circuits.send(CIRCUIT, ask)
        await notes.end_of(*asks)
        indices = []
        for ask in asks:
            request, answer, size = notes.answers[ask]
            assert isinstance(answer, frames.Stored) and isinstance(request, frames.Post)
            assert request.id == answer.id and size == len(frames.encode(request))
            indices.append(request.id)
        # In order, over one connection, through one channel.
        assert indices == sorted(indices)
        assert notes.heard("opened") == [talk.scope()]
        assert relay.server.gate.inside == 1
        assert circuits.health(relay.key).state == "up"
        assert circuits.health(b"another").state == "unknown"


async def test_circuits_share_no_connection(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay, carrying(notes) as circuits:
        talk = Talk(relay.key, relay.where)
        await opened(circuits, notes, talk)
        asks = [talk.peek() for _ in range(5)]
        for n, ask in enumerate(asks):
            circuits.send(b"circuit %d" % n, ask)
        await notes.end_of(*asks)
        assert not notes.losses and relay.server.gate.inside == 6
        circuits.close(b"circuit 3")
        while relay.server.gate.inside != 5:
            await asyncio.sleep(0.01)


async def test_pushes_come_and_parting_is_heard_last(tmp_path: Path) -> None:
    notes = Notes()
    async with carrying(notes) as circuits:
        async with Serving(tmp_path / "data") as relay:
            talk = Talk(relay.key, relay.where)
            await opened(circuits, notes, talk)
            asks = [talk.subscribe(), talk.post(b"hello")]
            for ask in asks:
                circuits.send(CIRCUIT, ask)
            await notes.end_of(*asks)
            await notes.until(lambda: bool(notes.heard("pushed")))
            (push,) = notes.heard("pushed")
            assert isinstance(push, frames.Pushed) and push.entries[0].data == b"hello"
        await notes.until(lambda: bool(notes.heard("parted")))
        assert notes.story[-1] == ("parted", talk.core)


async def test_a_channel_that_cannot_be_opened_fails_all_that_wait_for_it(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay, carrying(notes) as circuits:
        talk = Talk(relay.key, relay.where)
        asks = [talk.peek() for _ in range(3)]
        for ask in asks:
            circuits.send(CIRCUIT, ask)
        await notes.end_of(*asks)
        for ask in asks:
            request, answer, size = notes.answers[ask]
            assert isinstance(answer, frames.Failure) and size == 0
            assert answer.code == ErrorCode.NOT_AUTHORISED
            assert isinstance(request, frames.Peek) and request.id == answer.id
        # Later it may be there.
        await opened(circuits, notes, talk)
        ask = talk.peek()
        circuits.send(CIRCUIT, ask)
        await notes.end_of(ask)
        assert isinstance(notes.answer(ask), frames.Peeked)


async def test_a_relay_that_is_not_there_costs_nobody_time() -> None:
    notes = Notes()
    async with carrying(notes) as circuits:
        talk = Talk(b"k" * 32, "127.0.0.1:9")
        first = talk.peek()
        circuits.send(CIRCUIT, first)
        assert not notes.over(first)
        await notes.end_of(first)
        assert first in notes.losses
        assert circuits.health(b"k" * 32).state == "unreachable"
        # While it is left alone for a while asks are lost at once.
        lost = 0
        for _ in range(100):
            ask = talk.peek()
            circuits.send(CIRCUIT, ask)
            lost += ask in notes.losses
            await notes.end_of(ask)
        assert lost


async def test_another_relay_at_the_endpoint(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay, carrying(notes) as circuits:
        talk = Talk(b"k" * 32, relay.where)
        ask = talk.peek()
        circuits.send(CIRCUIT, ask)
        await notes.end_of(ask)
        assert ask in notes.losses
        assert circuits.health(b"k" * 32).state == "wrong key"
        assert (await circuits.check(talk.relay)).state == "wrong key"
        right = Talk(relay.key, relay.where)
        health = await circuits.check(right.relay)
        assert health.state == "up" and health.round_trip_ms is not None


async def test_the_next_endpoint_is_tried(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay, carrying(notes) as circuits:
        talk = Talk(relay.key, relay.where)
        endpoints = (b"nonsense", b"ws://127.0.0.1:9/ws", *talk.relay.endpoints)
        talk.relay = type(talk.relay)(relay.key, endpoints)
        await opened(circuits, notes, talk)


async def test_channels_are_closed_when_there_is_no_room(tmp_path: Path) -> None:
    """A relay allows two channels; five scopes share them, and a subscription keeps its own."""
    notes = Notes()
    async with Serving(tmp_path / "data", max_channels=2) as relay, carrying(notes) as circuits:
        talks = [Talk(relay.key, relay.where, f"log {n}") for n in range(5)]
        for talk in talks:
            await opened(circuits, notes, talk)
        subscribed = talks[0].subscribe()
        circuits.send(CIRCUIT, subscribed)
        await notes.end_of(subscribed)
        asks = [talk.peek() for _ in range(20) for talk in talks[1:]]
        for ask in asks:
            circuits.send(CIRCUIT, ask)
        await notes.end_of(*asks)
        assert all(isinstance(notes.answer(ask), frames.Peeked) for ask in asks)
        assert not notes.heard("parted")
        post = talks[0].post(b"still there")
        circuits.send(CIRCUIT, post)
        await notes.until(lambda: bool(notes.heard("pushed")))
        # Only who needs all of them takes a subscription's, and then that is told.
        others = [talk.subscribe() for talk in talks[1:3]]
        for ask in others:
            circuits.send(CIRCUIT, ask)
        await notes.end_of(*others)
        assert notes.heard("parted") == [talks[0].core]


async def test_no_more_is_under_way_than_the_relay_allows(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data", max_pending=3) as relay, carrying(notes) as circuits:
        talk = Talk(relay.key, relay.where)
        await opened(circuits, notes, talk)
        asks = [talk.post(b"x") for _ in range(300)]
        for ask in asks:
            circuits.send(CIRCUIT, ask)
        await notes.end_of(*asks)
        # Too many would have been answered with a failure.
        assert all(isinstance(notes.answer(ask), frames.Stored) for ask in asks)


async def test_what_is_too_large_is_not_sent(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay, carrying(notes) as circuits:
        talk = Talk(relay.key, relay.where)
        await opened(circuits, notes, talk)
        ask = talk.post(bytes(1 << 20))
        circuits.send(CIRCUIT, ask)
        await notes.end_of(ask)
        answer = notes.answer(ask)
        assert isinstance(answer, frames.Failure) and answer.code == ErrorCode.TOO_LARGE
        assert notes.answers[ask][2] == 0


async def test_work_is_done_and_too_much_of_it_is_refused(tmp_path: Path) -> None:
    notes = Notes()
    for n, difficulty in enumerate((8, HARDEST + 1)):
        async with (
            Serving(tmp_path / str(n), difficulty_open=difficulty) as relay,
            carrying(notes) as circuits,
        ):
            talk = Talk(relay.key, relay.where)
            ask = talk.open()
            circuits.send(CIRCUIT, ask)
            await notes.end_of(ask)
            answer = notes.answer(ask)
            if difficulty <= HARDEST:
                assert isinstance(answer, frames.Done)
            else:
                assert isinstance(answer, frames.Failure) and answer.code == ErrorCode.BAD_WORK
                assert answer.detail == difficulty


async def test_work_stops_with_its_circuit(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data", difficulty_open=HARDEST) as relay:
        async with carrying(notes) as circuits:
            talk = Talk(relay.key, relay.where)
            first, ask = talk.ask(frames.CellGet(0, bytes(32))), talk.open()
            circuits.send(CIRCUIT, first)
            circuits.send(CIRCUIT, ask)
            await notes.end_of(first)
            assert not notes.over(ask)
            circuits.close(CIRCUIT)
            assert ask in notes.losses


async def test_what_is_dropped_is_told_nobody(tmp_path: Path) -> None:
    notes = Notes()
    async with Serving(tmp_path / "data") as relay, carrying(notes) as circuits:
        talk = Talk(relay.key, relay.where)
        await opened(circuits, notes, talk)
        before = [talk.subscribe(), *(talk.post(b"x") for _ in range(50))]
        for ask in before:
            circuits.send(CIRCUIT, ask)
        said = len(notes.story)
        circuits.drop()
        assert len(notes.story) == said
        after = talk.peek()
        circuits.send(CIRCUIT, after)
        await notes.end_of(after)
        assert not notes.losses and not any(map(notes.over, before))
        assert not notes.heard("parted")


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_relay_that_ends_under_load(how: str, tmp_path: Path) -> None:
    """Started again under load, three times: each ask is answered or lost once; what was stored is there."""
    notes, process = Notes(), RelayProcess(tmp_path)
    process.start()
    try:
        async with carrying(notes) as circuits:
            talk = Talk(process.key, process.where)
            await opened(circuits, notes, talk)
            asks: list[Ask] = []
            for _ in range(3):
                stored = len(notes.answers)
                while len(notes.answers) < stored + 300:
                    ask = talk.post(b"%d" % len(asks))
                    asks.append(ask)
                    circuits.send(CIRCUIT, ask)
                    await asyncio.sleep(0)
                    if len(asks) - len(notes.answers) - len(notes.losses) > 200:
                        await notes.until(
                            lambda: len(asks) - len(notes.answers) - len(notes.losses) < 100
                        )
                await asyncio.to_thread(getattr(process, how))
                await notes.end_of(*asks)
                await asyncio.to_thread(process.start)
            while True:
                ask = talk.ask(frames.Read(0, 0, 0, 1000), talk.scope())
                circuits.send(CIRCUIT, ask)
                await notes.end_of(ask)
                if ask in notes.answers:
                    break
                await asyncio.sleep(0.01)
            there: set[bytes] = set()
            while True:
                page = notes.answer(ask)
                assert isinstance(page, frames.Entries)
                there.update(one.data for one in page.entries)
                if page.next == page.end:
                    break
                ask = talk.ask(frames.Read(0, 0, page.next, 1000), talk.scope())
                circuits.send(CIRCUIT, ask)
                await notes.end_of(ask)
            for ask in asks:
                if ask in notes.answers and isinstance(notes.answer(ask), frames.Stored):
                    assert isinstance(ask.request, frames.Post) and ask.request.data in there
            assert len(notes.answers) + len(notes.losses) >= len(asks)
    finally:
        if process.running:
            process.kill()


async def test_whatever_happens_each_ask_ends_once(tmp_path: Path) -> None:
    """Circuits are closed, connections cut, the way out is exchanged, asks of all kinds: `Notes` counts."""
    notes, random = Notes(), Random(7)
    async with Serving(tmp_path / "data", max_channels=3, max_pending=4) as relay:
        async with carrying(notes) as circuits:
            talks = [Talk(relay.key, relay.where, f"log {n}") for n in range(6)]
            for talk in talks:
                await opened(circuits, notes, talk)
            sent: list[Ask] = []
            for _ in range(400):
                for _ in range(random.randrange(12)):
                    talk = random.choice(talks)
                    kinds = (talk.peek, talk.subscribe, talk.open, lambda t=talk: t.post(b"x"),
                             lambda t=talk: t.peek(t.scope(9)))  # fmt: skip
                    sent.append(random.choice(kinds)())
                    circuits.send(b"%d" % random.randrange(3), sent[-1])
                what = random.random()
                if what < 0.05:
                    circuits.close(b"%d" % random.randrange(3))
                elif what < 0.1:
                    for session in list(relay.server._sessions):
                        session._transport.abort()
                elif what < 0.12:
                    await circuits.use(Dialler())
                else:
                    await asyncio.sleep(random.random() * 0.01)
            await notes.end_of(*sent)
            good = [ask for ask in sent if ask in notes.answers]
            assert len(good) > len(sent) / 4
            for kind in (frames.Peeked, frames.Subscribed, frames.Stored, frames.Done):
                assert any(isinstance(notes.answer(ask), kind) for ask in good)


async def test_a_relay_that_stands_still_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, not ended: no sign of life comes. Who has only subscribed there hears of it, too."""
    monkeypatch.setattr(link, "HEARTBEAT", 0.4)
    notes, process = Notes(), RelayProcess(tmp_path)
    process.start()
    try:
        async with carrying(notes) as circuits:
            talk = Talk(process.key, process.where)
            await opened(circuits, notes, talk)
            ask = talk.subscribe()
            circuits.send(CIRCUIT, ask)
            await notes.end_of(ask)
            await asyncio.sleep(1)
            assert not notes.heard("parted")
            os.kill(process.pid, signal.SIGSTOP)
            await notes.until(lambda: bool(notes.heard("parted")))
            assert circuits.health(process.key).state != "up"
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.kill()


async def test_links_that_nobody_needs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliogram.node.network.routes.IDLE", 0.1)
    monkeypatch.setattr("heliogram.node.network.circuits.IDLE", 0.1)
    notes = Notes()
    async with Serving(tmp_path / "data") as relay, carrying(notes) as circuits:
        talk = Talk(relay.key, relay.where)
        await opened(circuits, notes, talk)
        errand = talk.peek()
        circuits.send(b"an errand", errand)
        subscribed = talk.subscribe()
        circuits.send(CIRCUIT, subscribed)
        await notes.end_of(errand, subscribed)
        assert relay.server.gate.inside == 2
        while relay.server.gate.inside != 1:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        assert relay.server.gate.inside == 1  # the subscription keeps its own
        while len(circuits._routes) != 1:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["errors", "stalls", "drips", "gone"])
async def test_22_one_bad_relay_holds_up_nobody(how: str, tmp_path: Path) -> None:
    """Posts to three healthy relays and a bad one: the three have each of them in time."""

    async def bad(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if how == "errors":
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        elif how == "drips":
            for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.01)
        elif how == "stalls":
            await asyncio.sleep(3600)

    notes, loop = Notes(), asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        circuits = await stack.enter_async_context(carrying(notes))
        talks = []
        for n in range(3):
            serving_one = Serving(tmp_path / f"{n}", identity=f"relay {n}")
            relay = await stack.enter_async_context(serving_one)
            talks.append(Talk(relay.key, relay.where))
            await opened(circuits, notes, talks[-1])
        where = await stack.enter_async_context(serving(bad))
        ill = Talk(b"k" * 32, where)
        times = []
        for n in range(100):
            began = loop.time()
            circuits.send(CIRCUIT, ill.post(b"%d" % n))
            posts = [talk.post(b"%d" % n) for talk in talks]
            for post in posts:
                circuits.send(CIRCUIT, post)
            await notes.end_of(*posts)
            assert not notes.losses & set(posts)
            times.append(loop.time() - began)
        assert sorted(times)[95] < 3
