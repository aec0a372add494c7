"""What a node tells by codes and numbers, as English sentences: for faces that speak English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from heliogram.node import api

#: `{by}` did it, to `{who}`; `{their}` is what is theirs.
_SENTENCES: Final[Mapping[str, str]] = {
    "founded": "{by} began this conversation.",
    "invited": "{by} invited you.",
    "went on": "{by} went on here with a conversation that had ended.",
    "goes on": "{by} went on with this conversation in another one.",
    "member added": "{by} added {who}.",
    "member removed": "{by} removed {who}.",
    "member left": "{Who} left.",
    "member restored": "{by} put back a device of {their} that could not follow."
    " What was said in between cannot be read there.",
    "device added": "A device of {their} was added.",
    "device removed": "{by} removed a device of {their}.",
    "device left": "A device of {their} left.",
    "role changed": "{by} made {who} {role}.",
    "named": "{by} named the conversation “{name}”.",
    "renamed": "{by} renamed the conversation from “{before}” to “{name}”.",
    "unnamed": "{by} took the conversation's name away.",
    "description changed": "{by} changed the description.",
    "picture changed": "{by} changed the picture.",
    "expiry set": "{by} let messages go {span} after they are read.",
    "expiry off": "{by} let messages stay.",
    "relays changed": "{by} changed the relays: {relays} now, {quorum} decide.",
    "pinned": "{by} pinned a message.",
    "unpinned": "{by} unpinned a message.",
    "conversation dead": "{Who} made a change that counts for nobody. The conversation ends here.",
    "wounded": "This device could not follow a change, and has asked the others to put it back.",
    "fork suspected": "A message came from another branch of this conversation."
    " Compare the code in its details.",
    "keys used elsewhere": "This device has said something that it did not know of: its profile was copied,"
    " or brought back from a copy. It takes fresh keys. Never run a copy of a profile.",
    "too late": "A message came too late to be read.",
    "broken": "A message could not be read.",
    "later version": "A later version of the program wrote a message that cannot be read here.",
    "revoked device": "A revoked device sent a message. It is not shown.",
    "no message": "{by} sent something that is no message.",
}

_UNKNOWN: Final = "Something happened that this version does not know ({code})."

_ROLES: Final = {"member": "a member", "admin": "an admin", "owner": "an owner", None: "somebody"}

_OBJECTIONS: Final = {
    "foreign log": "it is about another log",
    "too many replaced": "so many relays go at once that nobody may be left to guide those who come late",
    "same operator": "two relays are of one operator",
}

_SPANS: Final = (
    *((7 * 86_400, "week"), (86_400, "day"), (3600, "hour"), (60, "minute")),
    (1, "second"),
)


def sentence(line: api.Line, by: api.Person | None) -> str:
    """What a line says; `by` is its message's sender."""
    itself = by is not None and line.who is not None and by.account == line.who.account
    said = _SENTENCES.get(line.code, _UNKNOWN).format(
        code=line.code,
        by=_name(by, "You"),
        Who=_name(line.who, "You"),
        who=_name(line.who, "yourself" if itself else "you"),
        their=_name(line.who, "yours"),
        role=_ROLES[line.role],
        name=line.name,
        before=line.before,
        span=span(line.seconds),
        relays=line.relays,
        quorum=line.quorum,
    )
    if line.missing:
        said += f" Not here yet: {_names(line.missing)}."
    if line.risen:
        said += (
            f" May do more here than before: {_names(line.risen)}. Who gave them that cannot be seen:"
            " ask somebody whom you know whether it is right."
        )
    return said + "".join(f" Beware: {_OBJECTIONS.get(one, one)}." for one in line.objections)


def guarantee(info: api.ChatInfo) -> str:
    """What the relays of a conversation promise together."""
    n = len(info.relays)
    if n == 1:
        return "One relay: nothing works without it, and it must not lie."
    lie = f"{info.lying or 'none'} may lie"
    return f"{n} relays, {info.quorum} decide: {lie}, {info.silent or 'none'} may be missing."


def wanted(one: api.Wanted) -> str:
    """A change that is not decided yet."""
    names = ", ".join(person.name for person in one.who) or "somebody"
    return {
        "set profile": "another name, description or picture",
        "add members": f"to add {names}",
        "remove members": f"to remove {names}",
        "set role": f"another role for {names}",
        "change relays": "other relays",
    }.get(one.command, "to go on elsewhere")


def passed(seen: api.Passed) -> str:
    """What who watches the network saw."""
    if not seen.to:
        return f"About {seen.size} bytes to the proxy, in TLS. Where they went, the proxy hides."
    tls, times = ", in TLS" if seen.tls else "", f", {seen.times} times" if seen.times > 1 else ""
    return f"About {seen.size} bytes to {seen.to}{tls}{times}."


def span(seconds: int) -> str:
    """A time in the largest unit that is whole."""
    for size, unit in _SPANS:
        if seconds >= size and seconds % size == 0:
            many = seconds // size
            return f"{many} {unit}{'' if many == 1 else 's'}"
    return f"{seconds} seconds"


def _names(people: Iterable[api.Person]) -> str:
    return ", ".join(_name(one, "you") for one in people)


def _name(who: api.Person | None, me: str) -> str:
    if who is None:
        return "Somebody"
    return me if who.me else who.name
