"""Arguments as values of their types, by plain Python.

Typer has pydantic do it. Loading that takes longer than all the rest of a command that asks a running node.
So what our commands use is done here: text, numbers with bounds, paths, one of several words, lists of these.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin

import typer

_PLAIN: Final = (str, int, float, Path, bool)
_NUMBERS: Final = {int: "a whole number", float: "a number"}


class Light:
    """Makes values of one parameter."""

    def __init__(self, make: Callable[[Any], Any], many: bool) -> None:
        """`make` raises `ValueError` with a sentence."""
        self._make = make
        self._many = many

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value of what was written. Raises `typer.BadParameter`."""
        try:
            if self._many:
                return [self._make(one) for one in value or ()]
            return None if value is None else self._make(value)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=param) from None


def lighten(command: Any) -> Any:
    """Have a command, and those below it, make its values here, as far as we know their types."""
    for one in getattr(command, "commands", {}).values():
        lighten(one)
    # Some options are there only when they are asked for.
    found = command.get_params
    command.get_params = lambda ctx: [_lighten(param) for param in found(ctx)]
    return command


def _lighten(param: Any) -> Any:
    described = getattr(param, "type_descriptor", None)
    made = None if described is None else _light(described)
    if made is not None:
        param._runtime_param = made
    return param


def _light(described: Any) -> Light | None:
    kind, many = described.annotation, False
    if get_origin(kind) is list:
        kind, many = get_args(kind)[0], True
    inner = [one for one in get_args(kind) if one is not NoneType]
    if get_origin(kind) is not None and len(inner) == 1:
        kind = inner[0]
    if not isinstance(kind, type):
        return None
    info = described.parameter_info
    if issubclass(kind, Enum):
        return Light(lambda value: _one_of(kind, value), many)
    if kind not in _PLAIN:
        return None
    return Light(lambda value: _plain(kind, value, info.min, info.max), many)


def _plain(kind: type, value: Any, least: float | None, most: float | None) -> Any:
    try:
        made = kind(value)
    except ValueError:
        raise ValueError(f"{value!r} is not {_NUMBERS.get(kind, 'fit')}.") from None
    if least is not None and not made >= least:
        raise ValueError(f"{value} is less than {least:g}.")
    if most is not None and not made <= most:
        raise ValueError(f"{value} is more than {most:g}.")
    return made


def _one_of(kind: type[Enum], value: Any) -> Any:
    try:
        return kind(value)
    except ValueError:
        words = ", ".join(str(one.value) for one in kind)
        raise ValueError(f"{value!r} is none of {words}.") from None
