"""Errors of a node on their way to another process, and back to what they were.

Each `NodeError` keeps what it was made with: under the names of its constructor's arguments, or in `args`. So
it travels as the name of its class and these values. They hold nothing that a face may not show.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any, Final

import msgspec

from heliogram.node import errors
from heliogram.node.errors import NodeError


class NotRunning(NodeError):
    """No node listens at this place. Start it, or open the profile yourself."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "not running"


class AlreadyRunning(NodeError):
    """Another node listens at this place. Use that one."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "already running"


class Interrupted(NodeError):
    """The node went away, or gave up on us, before it answered. It may have done what was asked."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "interrupted"


class UnsafePlace(NodeError):
    """Others may write where the socket should be. Nothing is begun there: use a directory of your own."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "unsafe place"


class InvalidCommand(NodeError):
    """No command, or one with a value out of bounds; `where` is the path to it, empty for the whole."""

    def __init__(self, where: str = "") -> None:
        super().__init__(where)
        self.where = where

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "invalid command"


class TooMuch(NodeError):
    """An answer larger than any that is carried, or more questions at once. Ask for less."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "too much"


class InternalError(NodeError):
    """The node failed at this command in a way that nobody foresaw. It goes on."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "internal"


class RemoteNodeError(NodeError):
    """An error that the other process knows and this one does not: it is of another version.

    `code` is the error's; `fields` what it was made with.
    """

    def __init__(self, code: str, fields: dict[str, Any]) -> None:
        super().__init__(code)
        self._code = code
        self.fields = fields

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return self._code


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error, as it travels."""

    code: str
    #: The name of its class.
    kind: str = ""
    fields: dict[str, Any] = {}


_HERE: Final = (NotRunning, AlreadyRunning, Interrupted, UnsafePlace, InvalidCommand, TooMuch)


def arguments(kind: type[NodeError]) -> dict[str, Any]:
    """The arguments of an error's constructor and their types; none if it has no constructor of its own."""
    if kind.__init__ is NodeError.__init__:
        return {}
    types = typing.get_type_hints(kind.__init__)
    return {name: types.get(name, Any) for name in inspect.signature(kind).parameters}


def describe(error: NodeError) -> Fault:
    """`error` as it travels."""
    if isinstance(error, RemoteNodeError):
        return Fault(error.code, "", error.fields)
    fields = {
        name: getattr(error, name, error.args[at] if at < len(error.args) else None)
        for at, name in enumerate(arguments(type(error)))
    }
    return Fault(error.code, type(error).__name__, msgspec.to_builtins(fields))


def restore(fault: Fault) -> NodeError:
    """The error that was described: of its own class if that is known here, else a `RemoteNodeError`."""
    kind = next((one for one in _known() if one.__name__ == fault.kind), None)
    if kind is not None:
        try:
            error = _remake(kind, fault.fields)
        except (TypeError, msgspec.ValidationError):
            pass
        else:
            if error.code == fault.code:
                return error
    return RemoteNodeError(fault.code, fault.fields)


def _known() -> list[type[NodeError]]:
    """The classes of errors that may come back."""
    found = [one for one in vars(errors).values() if isinstance(one, type)]
    return [one for one in (*found, *_HERE, InternalError) if issubclass(one, NodeError)]


def _remake(kind: type[NodeError], fields: dict[str, Any]) -> NodeError:
    positional: list[Any] = []
    named: dict[str, Any] = {}
    parameters = inspect.signature(kind.__init__).parameters
    for name, wanted in arguments(kind).items():
        if name not in fields:
            continue
        value = msgspec.convert(fields[name], wanted)
        if parameters[name].kind is inspect.Parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            positional.append(value)
    return kind(*positional, **named)
