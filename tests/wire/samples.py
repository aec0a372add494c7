"""One example of every object and every frame, all of one story, always the same bytes.

Alice's conversation lies on four relays; three decide. `python -m tests.wire.samples` prints the hex that
`docs/protocol.md` shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from heliogram.wire import frames as f
from heliogram.wire import objects as o
from heliogram.wire import receipts as r
from heliogram.wire import work
from heliogram.wire.errors import ErrorCode
from heliogram.wire.signing import Label, Object, SigningKey

NOW = 1_795_000_000
MINUTE = NOW // 60
ID = 0x10000


def name(text: str) -> bytes:
    """32 bytes for a thing of the story."""
    return sha256(text.encode()).digest()


RELAYS = tuple(SigningKey(name(f"relay {index}")) for index in range(4))
OPERATORS = tuple(SigningKey(name(f"operator {index}")) for index in range(4))
OWNER = SigningKey(name("Alice's inbox"))
LINK = SigningKey(name("Alice's link"))


def member_key(epoch: int, relay: int) -> SigningKey:
    """What members derive for an epoch and a relay."""
    return SigningKey(name(f"epoch {epoch} relay {relay}"))


def keys(epoch: int) -> tuple[bytes, ...]:
    """The public halves for all relays."""
    return tuple(member_key(epoch, relay).public for relay in range(4))


CONFIGURATION = o.Configuration(
    name("log"),
    3,
    tuple(
        o.RelayDescription(RELAYS[i].public, OPERATORS[i].public, (b"wss://%d.example/ws" % i,))
        for i in range(4)
    ),
)
EPOCH = 1
SEAT = o.Seat(CONFIGURATION, EPOCH, keys(EPOCH))
OPEN = o.Open(SEAT, work.solve(RELAYS[0].public, SEAT.id, 8, now=NOW))
INSTANCE = OPEN.instance
HEADER = o.Header(CONFIGURATION, keys(EPOCH + 1))
VALUE = o.Value(HEADER.encode(), b"a commit")


def certificate(label: Label, round: int = 0, voters: tuple[int, ...] = (0, 1, 3)) -> o.Certificate:
    """A quorum's votes for `VALUE`."""
    content = o.vote_content(SEAT.id, round, VALUE.hash)
    votes = tuple(o.RelaySignature(i, RELAYS[i].sign(label, content)) for i in voters)
    return o.Certificate(EPOCH, round, VALUE.hash, votes)


LOCK = certificate(Label.VOTE1)
DECISION = certificate(Label.VOTE2)


def promise(relay: int, lock: o.Certificate | None, round: int = 1) -> o.SignedPromise:
    """A relay's promise of a round."""
    shown = None if lock is None else (lock.round, lock.h)
    content = o.promise_content(SEAT.id, round, shown)
    return o.SignedPromise(relay, lock, RELAYS[relay].sign(Label.PROMISE, content))


JUSTIFICATION = o.Justification((promise(0, None), promise(1, LOCK), promise(3, None)))

ENTRY = b"a padded ciphertext"
ENTRY_HASH = r.entry_hash(ENTRY)
CHAIN = r.next_chain(INSTANCE, ENTRY_HASH)


def _receipt() -> r.Receipt:
    leaf = r.receipt_leaf(INSTANCE, EPOCH, 0, ENTRY_HASH, CHAIN)
    root, paths = r.merkle_tree([name("another log's leaf"), leaf, name("and a third")])
    content = r.receipts_content(RELAYS[0].public, root, 3)
    return r.Receipt(0, CHAIN, 1, 3, paths[1], RELAYS[0].sign(Label.RECEIPTS, content))


RECEIPT = _receipt()
EVIDENCE = r.Evidence(EPOCH, ENTRY_HASH, RECEIPT)
LIMITS = o.Limits(20, 18, 393216, 65536, 64, 128, 1 << 30, 30, 180, 30)
CLIENT_NONCE, RELAY_NONCE = name("Alice's nonce"), name("the relay's nonce")
GREETING = o.Greeting(1, (1,), RELAYS[0].public, CLIENT_NONCE, RELAY_NONCE, NOW, LIMITS)
STATUS = o.sign_status(
    o.Status(
        *(RELAYS[1].public, HEADER.seat(EPOCH + 1).id, name("the fence's nonce")),
        *(1, CHAIN, EPOCH + 1),
    ),
    RELAYS[1],
)

#: An example of each structure.
OBJECTS: tuple[Object, ...] = (
    CONFIGURATION.relays[0],
    CONFIGURATION,
    SEAT,
    OPEN.proof,
    OPEN,
    HEADER,
    VALUE,
    DECISION.signatures[0],
    DECISION,
    JUSTIFICATION.promises[1],
    JUSTIFICATION,
    RECEIPT,
    EVIDENCE,
    LIMITS,
    GREETING,
    STATUS,
)

INBOX = o.inbox_id(OWNER.public)
ITEM = b"a wrapped Welcome"
PACKAGE = f.Package(b"laptop", False, b"a key package")
CELL_OWNER = SigningKey(name("a cell"))
CELL = o.cell_id(CELL_OWNER.public)
BLOB = o.blob_id(b"an encrypted photograph")
_POST = o.inbox_post_content(RELAYS[0].public, INBOX, LINK.public, ITEM)
_TAKE = o.package_take_content(RELAYS[0].public, INBOX, LINK.public, name("Bob's nonce"))


def _proof(target: bytes) -> bytes:
    return work.solve(RELAYS[0].public, target, 8, now=NOW).encode()


_AUTHORISE = o.authorise_content(RELAYS[0].public, INSTANCE, EPOCH, RELAY_NONCE)
_INBOX_AUTHORISE = o.inbox_authorise_content(RELAYS[0].public, INBOX, RELAY_NONCE)
_VOTE = o.vote_content(SEAT.id, 0, VALUE.hash)
_CELL_SIGNATURE = CELL_OWNER.sign(Label.CELL, o.cell_content(CELL, 1, b"backup"))

#: An example of each frame, by its type.
FRAMES: dict[f.FrameType, f.Frame] = {
    f.FrameType.HELLO: f.Hello(ID, (1,), CLIENT_NONCE),
    f.FrameType.AUTHORISE: f.Authorise(
        ID, 0, INSTANCE, EPOCH, member_key(EPOCH, 0).sign(Label.AUTHORISE, _AUTHORISE)
    ),
    f.FrameType.CLOSE: f.Close(ID, 0),
    f.FrameType.OPEN: f.Open(ID, OPEN.encode()),
    f.FrameType.POST: f.Post(ID, 0, ENTRY),
    f.FrameType.READ: f.Read(ID, 0, 0, 100),
    f.FrameType.SUBSCRIBE: f.Subscribe(ID, 0, 1, True),
    f.FrameType.PEEK: f.Peek(ID, 0),
    f.FrameType.STATUS: f.Status(ID, 0, name("the fence's nonce")),
    f.FrameType.UNFENCE: f.Unfence(ID, 0, (STATUS.encode(),)),
    f.FrameType.REFILL: f.Refill(ID, 0, EPOCH, ENTRY),
    f.FrameType.LOCK: f.Lock(ID, 0, 0, VALUE.encode()),
    f.FrameType.COMMIT: f.Commit(ID, 0, LOCK.encode()),
    f.FrameType.NEWROUND: f.NewRound(ID, 0, 1),
    f.FrameType.DECIDE: f.Decide(ID, INSTANCE, DECISION.encode()),
    f.FrameType.INBOX_OPEN: f.InboxOpen(ID, OWNER.public, _proof(INBOX)),
    f.FrameType.INBOX_AUTHORISE: f.InboxAuthorise(
        ID, 1, INBOX, OWNER.sign(Label.INBOX_AUTHORISE, _INBOX_AUTHORISE)
    ),
    f.FrameType.LINK_ADD: f.LinkAdd(ID, 1, LINK.public, 1),
    f.FrameType.LINK_REVOKE: f.LinkRevoke(ID, 1, LINK.public),
    f.FrameType.INBOX_POST: f.InboxPost(
        *(ID, INBOX, LINK.public, LINK.sign(Label.INBOX_POST, _POST)),
        *(_proof(o.work_target(_POST)), ITEM),
    ),
    f.FrameType.INBOX_READ: f.InboxRead(ID, 1, 0, 50),
    f.FrameType.INBOX_DELETE: f.InboxDelete(ID, 1, (0,)),
    f.FrameType.PACKAGES_PUT: f.PackagesPut(ID, 1, (PACKAGE,)),
    f.FrameType.PACKAGE_TAKE: f.PackageTake(
        *(ID, INBOX, LINK.public, name("Bob's nonce"), LINK.sign(Label.PACKAGE_TAKE, _TAKE)),
        _proof(o.work_target(_TAKE)),
    ),
    f.FrameType.BLOB_OPEN: f.BlobOpen(
        ID, 0, BLOB, 23, 30, o.blob_delete_hash(name("a delete secret"))
    ),
    f.FrameType.BLOB_DELETE: f.BlobDelete(ID, BLOB, name("a delete secret")),
    f.FrameType.CELL_PUT: f.CellPut(
        ID, CELL_OWNER.public, 1, b"backup", _CELL_SIGNATURE, _proof(CELL)
    ),
    f.FrameType.CELL_GET: f.CellGet(ID, CELL),
    f.FrameType.GREETING: f.Greeting(
        ID, GREETING.encode(), RELAYS[0].sign(Label.HELLO, GREETING.encode())
    ),
    f.FrameType.FAILURE: f.Failure(ID, ErrorCode.NOT_AUTHORISED),
    f.FrameType.DONE: f.Done(ID),
    f.FrameType.AUTHORISED: f.Authorised(ID, 0, INSTANCE, EPOCH),
    f.FrameType.STORED: f.Stored(ID, RECEIPT.encode()),
    f.FrameType.ENTRIES: f.Entries(ID, (f.Entry(0, MINUTE, EPOCH, ENTRY),), 1, 1),
    f.FrameType.DIGESTS: f.Digests(ID, (f.Digest(0, MINUTE, EPOCH, ENTRY_HASH, len(ENTRY)),), 1, 1),
    f.FrameType.SUBSCRIBED: f.Subscribed(ID, 1),
    f.FrameType.PEEKED: f.Peeked(ID, 0, 1, CHAIN, 0, EPOCH + 1, DECISION.encode()),
    f.FrameType.STATUS_SIGNED: f.StatusSigned(ID, STATUS.encode()),
    f.FrameType.VOTE1: f.Vote1(ID, RELAYS[0].sign(Label.VOTE1, _VOTE)),
    f.FrameType.VOTE2: f.Vote2(ID, RELAYS[0].sign(Label.VOTE2, _VOTE)),
    f.FrameType.PROMISE: f.Promise(ID, promise(0, None).signature),
    f.FrameType.DECIDED: f.Decided(ID, DECISION.encode()),
    f.FrameType.NACK: f.Nack(ID, 1),
    f.FrameType.REFUSE: f.Refuse(ID, f.Refusal.VOTED_OTHERWISE),
    f.FrameType.NEED_VALUE: f.NeedValue(ID),
    f.FrameType.INBOX_ITEMS: f.InboxItems(ID, (f.InboxItem(0, MINUTE, LINK.public, ITEM),), 1, 1),
    f.FrameType.PACKAGES: f.Packages(ID, (PACKAGE,)),
    f.FrameType.BLOB_READY: f.BlobReady(ID, name("a ticket"), 0, MINUTE + 30 * 1440),
    f.FrameType.CELL_VALUE: f.CellValue(ID, CELL_OWNER.public, 1, b"backup", _CELL_SIGNATURE),
    f.FrameType.PUSHED: f.Pushed(INSTANCE, (f.Entry(0, MINUTE, EPOCH, ENTRY),)),
    f.FrameType.PUSHED_DIGESTS: f.PushedDigests(
        INSTANCE, (f.Digest(0, MINUTE, EPOCH, ENTRY_HASH, len(ENTRY)),)
    ),
    f.FrameType.CATCH_UP: f.CatchUp(INSTANCE, 1),
    f.FrameType.ADVANCED: f.Advanced(INSTANCE, DECISION.encode()),
    f.FrameType.GOODBYE: f.Goodbye(ErrorCode.GOING_AWAY),
}


@dataclass(frozen=True)
class Example:
    """A frame or an object, and its bytes."""

    title: str
    value: Any
    encoded: bytes


EXAMPLES = (
    *(Example(type(one).__name__, one, one.encode()) for one in OBJECTS),
    *(Example(kind.name, frame, f.encode(frame)) for kind, frame in FRAMES.items()),
)


def block(encoded: bytes) -> str:
    """Hex in lines of 48 bytes."""
    text = encoded.hex()
    return "\n".join(text[at : at + 96] for at in range(0, len(text), 96))


if __name__ == "__main__":
    for example in EXAMPLES:
        print(f"{example.title}\n{block(example.encoded)}\n")
