"""A conversation of Alice and Bob, always the same bytes. `docs/conversation.md` shows them.

`python -m tests.node.conversation.samples` prints what the page shows.
"""

from __future__ import annotations

from heliogram.mls import Secret
from heliogram.node.chain import Decision
from heliogram.node.components import Metadata, Predecessor, Role, Roles, conversation_id
from heliogram.node.decisions import DecisionsWanted
from heliogram.node.epoch_keys import EpochKeys
from heliogram.node.invitation import Invitation
from heliogram.node.picture import seal_picture
from heliogram.node.value import Body, CommitData, WelcomeBlob
from heliogram.wire.objects import Header, Seat, Value
from tests.node.conversation.world import certify, configuration
from tests.node.identity.samples import ALICE, BOB, name
from tests.scenarios.cast import entropy_of

RELAYS = configuration((0,), 1)
ROLES = Roles(((ALICE.id, Role.OWNER), (BOB.id, Role.ADMIN)))
METADATA = Metadata("Tea", "Every day at five", b"", 604_800)
PICTURE, PICTURE_BLOB = seal_picture(b"RIFF\x00\x00\x00\x00WEBP" * 100, entropy_of("picture"))
PREDECESSOR = Predecessor(
    name("log before"), 7, name("decision before"), 0, bytes(64), name("proof")
)
ID = conversation_id(RELAYS)

KEYS = EpochKeys(
    0,
    name("branch")[:8],
    name("reply")[:8],
    *(Secret(name(one)) for one in ("relay", "rank", "value", "successor")),
)
SEAT = Seat(RELAYS, 0, KEYS.public_keys(RELAYS))
FIRST = CommitData.of(SEAT, None)
HEADER = Header(RELAYS, (name("the next key"),))

BODY = Body(b"a commit", (b"a departure",), b"a welcome")
BLOB = Body(b"a commit", (), WelcomeBlob(name("blob"), 30_000, name("the blob's key")))
SEALED = BODY.seal(KEYS.value, HEADER.encode(), entropy=entropy_of("body"))
VALUE = Value(HEADER.encode(), SEALED)
CERTIFICATE = certify(SEAT, VALUE, (0,))
LATER = CommitData.of(HEADER.seat(1), VALUE.hash)

#: What Alice leaves for Bob; signed by nobody.
INVITATION = Invitation(
    SEAT,
    (Decision(CERTIFICATE, VALUE).link,),
    (SEAT.id,),
    b"a welcome",
    0,
    b"Alice",
    bytes(64),
)

EXAMPLES = {
    "Roles": ROLES.encode(),
    "Metadata": METADATA.encode(),
    "PictureReference": PICTURE.encode(),
    "Predecessor": PREDECESSOR.encode(),
    "Body": BODY.encode(),
    "Body, blob": BLOB.encode(),
    "CommitData, first": FIRST.encode(),
    "CommitData": LATER.encode(),
    "Invitation": INVITATION.encode(),
    "DecisionsWanted": DecisionsWanted(RELAYS.log, 7).encode(),
}


def main() -> None:
    """Print them all."""
    for title, data in EXAMPLES.items():
        print(title, data.hex())
    print("id", ID.hex(), "public key", SEAT.keys[0].hex())


if __name__ == "__main__":
    main()
