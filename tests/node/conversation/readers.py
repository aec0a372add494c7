"""What reads what members leave for each other, and whole inputs for it: `tests.fuzz` throws broken ones.

Sealed things are opened before they are read, so here the readers get what somebody inside has sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from heliogram.codec import DecodeError
from heliogram.node.chain import Decision
from heliogram.node.components import Metadata, Predecessor, Roles
from heliogram.node.decisions import Decisions, DecisionsWanted, pack_decisions
from heliogram.node.errors import NodeError
from heliogram.node.events import Dead
from heliogram.node.invitation import Invitation
from heliogram.node.picture import PictureReference
from heliogram.node.records import Phase
from heliogram.node.sealing import seal
from heliogram.node.value import BODY_SIZES, Body, CommitData
from heliogram.wire.objects import Header, Value
from tests.node.conversation.samples import EXAMPLES
from tests.node.conversation.world import certify, group_of
from tests.node.identity.samples import NOW, name
from tests.scenarios.cast import entropy_of

REFUSES = (DecodeError, NodeError)


def _body(data: bytes) -> bytes:
    body = Body.from_bytes(data)
    repr(body)
    return body.encode()


def _invitation(data: bytes) -> bytes:
    invitation = Invitation.from_bytes(data)
    repr(invitation)
    return invitation.encode()


GROUP = group_of("Alice", "Bob")


def _decided(data: bytes) -> bytes:
    """A member meets a decided value whose body is `data`: the conversation ends, in order, or goes on."""
    bob = GROUP.members[1]
    bob.crash()
    conversation = bob.conversation
    keys = conversation.keys(1)
    assert keys is not None
    header = Header(conversation.seat.configuration, conversation.seat.keys).encode()
    entropy = entropy_of("fuzz")
    try:
        body = seal(keys.value, b"value body", data, aad=header, sizes=BODY_SIZES, entropy=entropy)
    except NodeError:
        return data
    value = Value(header, body)
    decision = Decision(certify(conversation.seat, value), value)
    effects = conversation.apply(decision, now=NOW, entropy=entropy)
    assert conversation.phase is not Phase.OPEN
    assert effects.records and effects.events
    if isinstance(effects.events[0], Dead):
        repr(effects.events[0])
    return data


READERS: dict[str, Callable[[bytes], bytes]] = {
    "Body": _body,
    "Invitation": _invitation,
    "CommitData": lambda data: CommitData.from_bytes(data).encode(),
    "Roles": lambda data: Roles.from_bytes(data).encode(),
    "Metadata": lambda data: Metadata.from_bytes(data).encode(),
    "PictureReference": lambda data: PictureReference.from_bytes(data).encode(),
    "Predecessor": lambda data: Predecessor.from_bytes(data).encode(),
    "Decisions": lambda data: Decisions.from_bytes(data).encode(),
    "DecisionsWanted": lambda data: DecisionsWanted.from_bytes(data).encode(),
    "decided": _decided,
}


def seeds() -> Iterator[tuple[str, bytes]]:
    """What each of them reads."""
    for title, data in EXAMPLES.items():
        where = title.partition(",")[0]
        yield where, data
        if where == "Body":
            yield "decided", data
    yield "Decisions", pack_decisions(name("log"), GROUP.log.decisions)[0]
    alice = GROUP.members[0]
    group = alice.conversation._member()
    commit = group.commit(now=NOW, entropy=alice.entropy)
    group.discard_staged()
    yield "decided", Body(commit.message, (), b"welcome").encode()
