"""Nothing of a client is ever logged, whoever logs it and whatever goes wrong."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliogram.relay.errors import DiskFull
from heliogram.relay.operating import journal

#: What no log may hold: as text, as bytes, as a word, as a number.
CANARY = "canary-7c1f"
WORD = "Canary"
NUMBER = int.from_bytes(CANARY.encode(), "big")

RELAY = Path(journal.__file__).parents[1]

_log = logging.getLogger("heliogram.relay.test")


@pytest.fixture(params=["plain", "json"])
def said(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What is logged at DEBUG, with everything put back afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("heliogram")
    before = (list(root.handlers), root.level, ours.level, logging.lastResort)
    hooks = (sys.excepthook, sys.unraisablehook, threading.excepthook)
    stream = io.StringIO()
    journal.start("debug", request.param, stream=stream, clock=lambda: 1_795_623_599.9)
    yield stream
    logging.captureWarnings(False)
    logging.raiseExceptions = True
    root.handlers[:], root.level, ours.level, logging.lastResort = before
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


def clean(stream: io.StringIO) -> str:
    """What was logged, once it is known to hold no canary."""
    text = stream.getvalue()
    for form in (CANARY, WORD, CANARY.encode().hex(), str(NUMBER), str(tuple(CANARY.encode()))):
        assert form not in text
    return text


class Careless(Exception):
    """Shows what it should not."""

    def __repr__(self) -> str:
        return CANARY

    __str__ = __repr__


def fail() -> None:
    secret = CANARY
    raise Careless(secret, CANARY.encode())


def test_our_own_words_pass(said: io.StringIO) -> None:
    _log.info("it is %s", "DISK_FULL")
    _log.warning("%d of %s at %s", 3, DiskFull.__name__, "writer.py:12 session.py:3")
    text = clean(said)
    assert "it is DISK_FULL" in text
    assert "3 of DiskFull at writer.py:12 session.py:3" in text


def test_times_are_minutes(said: io.StringIO) -> None:
    _log.info("now")
    assert "2026-11-25T16:19Z" in said.getvalue()
    assert "16:19:" not in said.getvalue()


def test_a_line_is_one_line(said: io.StringIO) -> None:
    _log.info("first")
    _log.error("second")
    lines = said.getvalue().splitlines()
    assert len(lines) == 2
    if lines[0].startswith("{"):
        assert json.loads(lines[1]) == {
            "time": "2026-11-25T16:19Z",
            "level": "error",
            "logger": "heliogram.relay.test",
            "message": "second",
        }
    else:
        assert lines[1] == "2026-11-25T16:19Z error heliogram.relay.test: second"


@pytest.mark.parametrize("value", [CANARY, WORD, CANARY.encode(), NUMBER, {CANARY: 1}, Careless()])
def test_a_value_is_hidden(said: io.StringIO, value: object) -> None:
    _log.error("it is %s", value)
    assert "it is ?" in clean(said)


def test_a_message_that_was_put_together_is_hidden(said: io.StringIO) -> None:
    _log.error(f"of {CANARY}")
    _log.error("of " + WORD.lower().title())
    _log.error(Careless())
    assert clean(said).count("something was logged that is not shown") == 3


@pytest.mark.parametrize("name", ["aiohttp.access", "aiohttp.server", "asyncio", "apsw", ""])
def test_of_libraries_only_the_fact_passes(said: io.StringIO, name: str) -> None:
    foreign = logging.getLogger(name)
    foreign.debug("GET /blob/%s from %s", CANARY, "192.0.2.1")
    foreign.info("of %s", CANARY)
    assert clean(said) == ""
    foreign.error("Error handling request from %s", CANARY)
    text = clean(said)
    assert "it complains" in text and "192.0.2.1" not in text


def test_a_logger_named_by_a_client(said: io.StringIO) -> None:
    logging.getLogger(CANARY).error("x")
    assert "?: it complains" in clean(said) or '"?"' in clean(said)


def test_an_exception_shows_its_type_and_our_places(said: io.StringIO) -> None:
    try:
        fail()
    except Careless:
        _log.exception("a request failed")
        logging.getLogger("aiohttp.server").exception("Error %s", CANARY)
    assert clean(said).count("Careless at a library") == 2  # tests are not in the package

    try:
        journal.place(None)  # type: ignore[arg-type]
    except AttributeError as error:
        _log.error("a bug", exc_info=error)
    assert "a bug: AttributeError at journal.py:" in clean(said)


def test_a_cause_is_not_shown(said: io.StringIO) -> None:
    try:
        try:
            fail()
        except Careless as error:
            raise ValueError(CANARY) from error
    except ValueError:
        _log.exception("it failed")
    assert "ValueError" in clean(said)


def test_a_message_with_too_few_values(said: io.StringIO) -> None:
    _log.error("%s and %s", CANARY)
    _log.error("%d", CANARY)
    _log.error("%(name)s", {"name": CANARY})
    assert len(clean(said).splitlines()) == 3


def test_what_nobody_caught(said: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        fail()
    except Careless as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    class Bad:
        def __del__(self) -> None:
            fail()

    Bad()
    assert clean(said).count("a bug: Careless") == 3
    shown = capsys.readouterr()
    assert CANARY not in shown.err + shown.out


def test_a_stop_by_hand_is_no_bug(said: io.StringIO) -> None:
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert said.getvalue() == ""


def test_warnings_are_reduced(said: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(CANARY, stacklevel=1)
    assert "py.warnings" in clean(said)


async def test_a_task_that_nobody_awaited(said: io.StringIO) -> None:
    async def task() -> None:
        fail()

    loop = asyncio.get_running_loop()
    one = loop.create_task(task())
    await asyncio.wait([one])
    loop.call_exception_handler({"message": CANARY, "exception": one.exception(), "task": one})
    assert "asyncio" in clean(said) and "Careless" in clean(said)


def test_the_level_holds() -> None:
    stream = io.StringIO()
    root, ours = logging.getLogger(), logging.getLogger("heliogram")
    before = (list(root.handlers), root.level, ours.level, logging.lastResort)
    hooks = (sys.excepthook, sys.unraisablehook, threading.excepthook)
    try:
        journal.start("warning", "plain", stream=stream)
        _log.info("quiet")
        _log.warning("loud")
    finally:
        logging.captureWarnings(False)
        logging.raiseExceptions = True
        root.handlers[:], root.level, ours.level, logging.lastResort = before
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    assert "quiet" not in stream.getvalue() and "loud" in stream.getvalue()


def logging_calls() -> list[tuple[str, ast.Call]]:
    """Each call of a logger in the relay's code."""
    found = []
    for path in sorted(RELAY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ("_log", "logging", "logger", "log")
                and node.func.attr
                in ("debug", "info", "warning", "error", "critical", "exception", "log")
            ):
                found.append((f"{path.name}:{node.lineno}", node))
    return found


def test_the_relay_logs_constants_only() -> None:
    """Anything else would be hidden: then it need not be logged."""
    calls = logging_calls()
    assert calls
    for where, call in calls:
        message = call.args[0]
        assert isinstance(message, ast.Constant) and isinstance(message.value, str), where
