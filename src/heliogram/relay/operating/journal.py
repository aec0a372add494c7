"""The relay's log, through which nothing of a client can pass, whatever goes wrong.

    journal.start("info", "plain")

Three rules, enforced in one place instead of hoped for in many:

- Of our own loggers only messages pass that stand as they are in the code of the function that logs them.
  Filled in are numbers, and names that the code has too: of errors, frames and exceptions, a file and a line.
- Of libraries nothing passes but that they had something to say: their messages hold addresses, paths and
  values. Below a warning not even that.
- Of an exception its type passes and where in our code it was. Its text and its variables do not.

Times are minutes, as everywhere.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType as Frame
from types import TracebackType
from typing import Any, Final, TextIO

from heliogram.wire.errors import ErrorCode
from heliogram.wire.frames import FrameType

#: The root of our own loggers, and where our code lies.
OURS: Final = "heliogram"
_FOLDER: Final = Path(__file__).parents[2]

#: Names that may be filled into a message, besides those of exceptions: of the protocol, of a place.
_NAMES: Final = frozenset({*ErrorCode.__members__, *FrameType.__members__})
_PLACE: Final = re.compile(r"[a-z_]{1,40}\.py:[0-9]{1,6}")

#: Numbers from here on are no counts: a key would be one.
_LARGE: Final = 1 << 48

#: In the place of what does not pass.
HIDDEN: Final = "?"

#: How many places in our code are named, innermost first.
_DEPTH: Final = 4

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def start(
    level: str, form: str, *, stream: TextIO | None = None, clock: Callable[[], float] = time.time
) -> None:
    """Log to `stream` (standard error) from `level` on, as `plain` text or `json`; take over all loggers."""
    handler = _Handler(stream)
    handler.setFormatter(_Json(clock) if form == "json" else _Plain(clock))
    root = logging.getLogger()
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(_LEVELS[level])
    # What cannot be logged is not shown with its values either.
    logging.raiseExceptions = False
    logging.lastResort = None
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def place(error: BaseException) -> str:
    """Where in our code `error` was raised: up to four files with lines, innermost first."""
    ours = [
        f"{path.name}:{line}"
        for path, line in _lines(error.__traceback__)
        if path.is_relative_to(_FOLDER)
    ]
    return " ".join(reversed(ours[-_DEPTH:])) or "a library"


def _lines(trace: TracebackType | None) -> Iterator[tuple[Path, int]]:
    while trace is not None:
        yield Path(trace.tb_frame.f_code.co_filename), trace.tb_lineno
        trace = trace.tb_next


# --- What passes ----------------------------------------------------------------------------------


class _Handler(logging.StreamHandler[TextIO]):
    """Writes what passes. It is the only handler there is."""

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(
            logging.LogRecord(_logger_name(record), record.levelno, "", 0, _text(record), (), None)
        )


def _logger_name(record: logging.LogRecord) -> str:
    """A logger's name, as long as it looks like a module's."""
    return record.name if re.fullmatch(r"[a-z_.]{1,80}", record.name) else HIDDEN


def _text(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    said = _said(record) if _is_ours(record.name) else None
    if said is None:
        said = "something was logged that is not shown" if _is_ours(record.name) else "it complains"
    if error is not None:
        said = f"{said}: {_type_name(error)} at {place(error)}"
    return said


def _is_ours(name: str) -> bool:
    return name == OURS or name.startswith(OURS + ".")


def _said(record: logging.LogRecord) -> str | None:
    """The message with what is filled in, or None if it is no constant of the function that logs it."""
    message = record.msg
    if type(message) is not str or message not in _constants(record):
        return None
    values = record.args
    if not isinstance(values, tuple):
        values = (values,)
    try:
        return message % tuple(map(_passed, values)) if values else message
    except (TypeError, ValueError):
        return message


def _constants(record: logging.LogRecord) -> tuple[Any, ...]:
    """The constants of the function that is logging now."""
    frame: Frame | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if code.co_filename == record.pathname and code.co_name == record.funcName:
            return code.co_consts
        frame = frame.f_back
    return ()


def _passed(value: object) -> object:
    if isinstance(value, int | float):
        return value if abs(value) < _LARGE else HIDDEN
    if isinstance(value, str) and all(map(_is_name, value.split(" "))):
        return value
    return HIDDEN


def _is_name(text: str) -> bool:
    return text in _NAMES or _PLACE.fullmatch(text) is not None or text in _exceptions()


def _exceptions() -> set[str]:
    """The names of all exceptions that there are in this process."""
    # By class and not by name: many libraries have an "Error" of their own.
    found: set[type[BaseException]] = set()
    kinds: list[type[BaseException]] = [BaseException]
    while kinds:
        kind = kinds.pop()
        if kind not in found:
            found.add(kind)
            kinds += kind.__subclasses__()
    return {kind.__name__ for kind in found}


def _type_name(error: BaseException) -> str:
    return type(error).__name__


# --- How it looks ---------------------------------------------------------------------------------


class _Plain(logging.Formatter):
    """`2026-11-25T16:20Z warning heliogram.relay.writer: a batch was not written`"""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        name = record.levelname.lower()
        return f"{_minute(self._clock())} {name} {record.name}: {record.getMessage()}"


class _Json(_Plain):
    """The same as one JSON object in a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _minute(self._clock()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps(fields)


def _minute(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(now))


# --- What nobody caught ---------------------------------------------------------------------------

_log = logging.getLogger(__name__)


def report(error: BaseException) -> None:
    """Log a bug: its type and its place."""
    _log.critical("a bug", exc_info=error)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    del kind, trace
    if not isinstance(error, KeyboardInterrupt):
        report(error)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        report(args.exc_value)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        report(args.exc_value)
