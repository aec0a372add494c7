"""What the store has of a line of history, and what faces get of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import msgspec
from msgspec import Struct

from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.identity.names import clean


class Facts(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What happened, as `api.Line` has it, with accounts as bytes. Who did it is `by`."""

    by: bytes | None = None
    who: bytes | None = None
    role: int | None = None
    name: str = ""
    before: str = ""
    seconds: int = 0
    relays: int = 0
    quorum: int = 0
    objections: tuple[str, ...] = ()
    missing: tuple[bytes, ...] = ()
    risen: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """For the store."""
        return msgspec.msgpack.encode(self)


_decoder = msgspec.msgpack.Decoder(Facts)


def decode(data: bytes | None) -> Facts:
    """What was encoded; nothing of nothing."""
    return Facts() if data is None else _decoder.decode(data)


def line(code: str, data: bytes | None, person: Callable[[bytes], api.Person]) -> api.Line:
    """What a row of history says. `person` gives an account as shown."""
    known = decode(data)
    role = None if known.role is None else Role(known.role).name.lower()
    return api.Line(
        code=code,
        who=None if known.who is None else person(known.who),
        role=cast(Literal["member", "admin", "owner"] | None, role),
        name=clean(known.name),
        before=clean(known.before),
        seconds=known.seconds,
        relays=known.relays,
        quorum=known.quorum,
        objections=known.objections,
        missing=tuple(map(person, known.missing)),
        risen=tuple(map(person, known.risen)),
    )
