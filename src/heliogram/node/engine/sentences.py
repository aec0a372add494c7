"""Lines of history as English sentences. Faces that speak otherwise go by the event's name.

A line's data is a map: accounts are 32 bytes under `by`, `who`, `culprit`; the rest is what the event says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from heliogram.node.components import Role

Name = Callable[[bytes], str]

_SPANS = ((7 * 86_400, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

_UNREADABLE = {
    "TOO_OLD": "A message came too late to be read.",
    "BROKEN": "A message could not be read.",
    "UNKNOWN_FORM": "A later version of the program wrote a message that cannot be read here.",
    "REVOKED": "A revoked device sent a message. It is not shown.",
    "CONTENT": "{by} sent something that is no message.",
}

_MISSED = "What was said in between cannot be read there."

_ROLES = {Role.MEMBER: "a member", Role.ADMIN: "an admin", Role.OWNER: "an owner"}


def sentence(event: str, data: Mapping[str, Any], name: Name) -> str:
    """What a line says. `name` gives the name of an account."""
    who = {key: name(data[key]) for key in ("by", "who", "culprit") if data.get(key)}
    by, one = who.get("by", "Somebody"), who.get("who", "Somebody")
    itself = data.get("by") == data.get("who")
    match event:
        case "Founded":
            return f"{by} began this conversation."
        case "Joined":
            return f"{by} invited you."
        case "WentOn":
            gone = ", ".join(map(name, data["missing"]))
            return f"{by} goes on here with a conversation that had ended." + (
                f" Not here yet: {gone}." if gone else ""
            )
        case "MemberAdded":
            return f"{by} added {one}." if data["first"] else f"{one} has a new device."
        case "MemberRemoved" if data["last"]:
            return f"{by} removed {one}."
        case "MemberRemoved":
            return f"{by} removed a device{'' if itself else f' of {one}'}."
        case "MemberLeft":
            return f"{one} left." if data["last"] else f"A device of {one} left."
        case "MemberRestored":
            return f"{one} could not follow and was put back by {by}. {_MISSED}"
        case "RoleChanged":
            return f"{by} made {one} {_ROLES[Role(data['role'])]}."
        case "MetadataChanged":
            return " ".join(_metadata(by, data))
        case "RelaysChanged":
            return f"{by} changed the relays: {data['n']} now, {data['q']} decide." + "".join(
                f" Beware: {one}." for one in data["objections"]
            )
        case "Pinned":
            return f"{by} pinned a message."
        case "Unpinned":
            return f"{by} unpinned a message."
        case "CouldNotRead":
            return _UNREADABLE[data["why"]].format(by=by)
        case "Dead":
            culprit = who.get("culprit", "Somebody")
            return f"{culprit} made a change that counts for nobody. The conversation ends here."
        case "GoesOn":
            return f"{by} goes on with this conversation in another one."
        case "Wounded":
            return "This device could not follow a change, and has asked the others to put it back."
        case "ForkSuspected":
            return "A message came from another branch of this conversation. Compare the code in its details."
        case "KeysUsedElsewhere":
            return (
                "This device has said something that it did not know of: its profile was copied, or brought"
                " back from a copy. It takes fresh keys. Never run a copy of a profile."
            )
        case "Out" if data["left"]:
            return "You left."
        case "Out":
            return f"{by} removed you."
    return event


def span(seconds: int) -> str:
    """A time in the largest unit that is whole."""
    for size, unit in _SPANS:
        if seconds >= size and seconds % size == 0:
            many = seconds // size
            return f"{many} {unit}{'' if many == 1 else 's'}"
    return f"{seconds} seconds"


def _metadata(by: str, data: Mapping[str, Any]) -> list[str]:
    said = []
    if "name" in data:
        said.append(
            f"{by} named the conversation “{data['name']}”."
            if data["name"]
            else f"{by} took the conversation's name away."
        )
    if "description" in data:
        said.append(f"{by} changed the description.")
    if "picture" in data:
        said.append(f"{by} changed the picture.")
    if "expiry" in data:
        after = data["expiry"]
        said.append(
            f"{by} let messages go {span(after)} after they are read."
            if after
            else f"{by} lets messages stay."
        )
    return said or [f"{by} changed nothing."]
