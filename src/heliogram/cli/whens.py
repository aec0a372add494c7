"""Times and spans as people write them: `18:30`, `tomorrow 8:00`, `+90m`, `1d`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from heliogram.cli.face import Stop
from heliogram.cli.sentences import USAGE

WHEN: Final = "18:30, 'tomorrow 8:00', 'friday 8:00', '2030-12-24 18:00', +90m, +2d"

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SPAN: Final = re.compile(r"(?:\d{1,9}[smhdw])+", re.ASCII)
_CLOCK: Final = re.compile(r"(?:([a-z]+)\s+)?(\d{1,2}):(\d\d)", re.ASCII)
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: No span is longer, in seconds: a hundred years.
_LONGEST: Final = 100 * 366 * 86_400


def when(text: str, now: datetime) -> int:
    """The time that is meant, in Unix seconds, seen from `now`, which knows its zone. Raises `Stop`."""
    wanted = " ".join(text.lower().split())
    if wanted.startswith("+"):
        seconds = _seconds(wanted[1:])
        if seconds is None:
            raise _no_time(text)
        return int(now.timestamp()) + seconds
    found = _clock(wanted, now) if _CLOCK.fullmatch(wanted) else _dated(wanted)
    if found is None:
        raise _no_time(text)
    try:
        at = int(found.timestamp())
    except (OverflowError, ValueError, OSError):
        raise _no_time(text) from None
    if at <= now.timestamp():
        raise Stop("This time is over.", f"A time looks like {WHEN}", USAGE)
    return at


def span(text: str) -> int:
    """How many seconds `text` is: `30m`, `1d`, `off` for 0, or a number of them. Raises `Stop`."""
    wanted = text.strip().lower()
    if wanted in ("off", "never", "0"):
        return 0
    seconds = int(wanted) if re.fullmatch(r"\d{1,10}", wanted, re.ASCII) else _seconds(wanted)
    if seconds is None or seconds > _LONGEST:
        raise Stop("This is no span of time.", "It looks like 30m, 12h, 7d, or off", USAGE)
    return seconds


def _seconds(text: str) -> int | None:
    if not _SPAN.fullmatch(text):
        return None
    parts = re.findall(r"(\d+)([smhdw])", text)
    found = sum(int(count) * _UNITS[unit] for count, unit in parts)
    return found if found <= _LONGEST else None


def _clock(text: str, now: datetime) -> datetime | None:
    """The next such time of a day."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    day, hour, minute = found[1], int(found[2]), int(found[3])
    if hour > 23 or minute > 59:
        return None
    # Without a zone, so that the clock on the wall counts where summer begins or ends.
    here = now.replace(tzinfo=None)
    at = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if day in (None, "today"):
        return at + timedelta(days=1) if day is None and at <= here else at
    if day == "tomorrow":
        return at + timedelta(days=1)
    meant = [n for n, name in enumerate(_DAYS) if name.startswith(day) and len(day) >= 3]
    if not meant:
        return None
    at += timedelta(days=(meant[0] - here.weekday()) % 7)
    return at if at > here else at + timedelta(days=7)


def _dated(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    # A day alone does not say when.
    return found if re.search(r"\d[t ]\d", text) else None


def _no_time(text: str) -> Stop:
    return Stop(f"{text!r} is no time.", f"A time looks like {WHEN}", USAGE)
