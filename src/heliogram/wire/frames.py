"""Frames: what nodes and relays say to each other, one WebSocket binary message each.

A frame is a MessagePack array: its type, then its fields in order. Requests and answers carry the
client's request id second; pushes have none. Every field is bounded while it is read.

How the protocol grows: new fields go to the end and have a default. A reader ignores elements after those
it knows. A relay answers a frame of an unknown type with `UNKNOWN_FRAME`; a client skips pushes of unknown
types. So either side may be the newer one.

What is signed or hashed travels as opaque bytes, made and read by `objects` and `receipts`, and is kept as
received.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from heliogram.wire import limits
from heliogram.wire.errors import ErrorCode, RemoteError


class FrameType(IntEnum):
    """The first element of a frame. Requests below 0x40, answers below 0x60, pushes from there."""

    # Requests: the connection.
    HELLO = 0x01
    AUTHORISE = 0x02
    CLOSE = 0x03
    # Requests: logs.
    OPEN = 0x08
    POST = 0x09
    READ = 0x0A
    SUBSCRIBE = 0x0B
    PEEK = 0x0C
    STATUS = 0x0D
    UNFENCE = 0x0E
    REFILL = 0x0F
    # Requests: slots.
    LOCK = 0x10
    COMMIT = 0x11
    NEWROUND = 0x12
    DECIDE = 0x13
    # Requests: inboxes.
    INBOX_OPEN = 0x18
    INBOX_AUTHORISE = 0x19
    LINK_ADD = 0x1A
    LINK_REVOKE = 0x1B
    INBOX_POST = 0x1C
    INBOX_READ = 0x1D
    INBOX_DELETE = 0x1E
    PACKAGES_PUT = 0x1F
    PACKAGE_TAKE = 0x20
    # Requests: blobs and cells.
    BLOB_OPEN = 0x28
    BLOB_DELETE = 0x29
    CELL_PUT = 0x30
    CELL_GET = 0x31
    # Answers.
    GREETING = 0x40
    FAILURE = 0x41
    DONE = 0x42
    AUTHORISED = 0x43
    STORED = 0x44
    ENTRIES = 0x45
    DIGESTS = 0x46
    SUBSCRIBED = 0x47
    PEEKED = 0x48
    STATUS_SIGNED = 0x49
    VOTE1 = 0x50
    VOTE2 = 0x51
    PROMISE = 0x52
    DECIDED = 0x53
    NACK = 0x54
    REFUSE = 0x55
    NEED_VALUE = 0x56
    INBOX_ITEMS = 0x58
    PACKAGES = 0x59
    BLOB_READY = 0x5A
    CELL_VALUE = 0x5B
    # Pushes.
    PUSHED = 0x60
    PUSHED_DIGESTS = 0x61
    CATCH_UP = 0x62
    ADVANCED = 0x63
    GOODBYE = 0x64


class Lane(IntEnum):
    """Which budget of a log a post is charged to."""

    POSTS = 0
    GRACE = 1


class Refusal(IntEnum):
    """Why a relay does not vote."""

    VOTED_OTHERWISE = 1
    NOT_JUSTIFIED = 2
    NOT_THE_LOCKED_VALUE = 3
    BAD_CERTIFICATE = 4
    BAD_VALUE = 5
    ABSTAINING = 6


# --- Fields ---------------------------------------------------------------------------------------

Id = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
U64 = Annotated[int, Meta(ge=0, le=0x7FFFFFFFFFFFFFFF)]
Channel = Annotated[int, Meta(ge=0, lt=limits.MAX_CHANNELS)]
Count = Annotated[int, Meta(ge=1, le=limits.MAX_PAGE_ITEMS)]

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
CertificateBytes = Annotated[bytes, Meta(max_length=limits.MAX_CERTIFICATE)]
ValueBytes = Annotated[bytes, Meta(max_length=limits.MAX_VALUE)]
JustificationBytes = Annotated[bytes, Meta(max_length=limits.MAX_JUSTIFICATION)]
StatusBytes = Annotated[bytes, Meta(max_length=limits.MAX_STATUS)]
EvidenceBytes = Annotated[bytes, Meta(max_length=limits.MAX_EVIDENCE)]
EntryBytes = Annotated[bytes, Meta(min_length=1, max_length=limits.MAX_ENTRY)]
InboxItemBytes = Annotated[bytes, Meta(min_length=1, max_length=limits.MAX_INBOX_ITEM)]
PackageBytes = Annotated[bytes, Meta(min_length=1, max_length=limits.MAX_PACKAGE)]
Device = Annotated[bytes, Meta(max_length=limits.MAX_DEVICE)]
CellBytes = Annotated[bytes, Meta(max_length=limits.MAX_CELL)]
ProofBytes = Annotated[bytes, Meta(min_length=12, max_length=12)]


class _Item(Struct, array_like=True, frozen=True):
    """An array on the wire. Its text names the kind and nothing that came from anybody."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Entry(_Item, frozen=True, gc=False):
    """An entry of a log: place, minute of arrival (Unix time / 60, for display), epoch, bytes."""

    index: U64
    minute: U32
    epoch: U64
    data: EntryBytes


class Digest(_Item, frozen=True, gc=False):
    """An entry without its bytes: place, minute of arrival, epoch, hash, size."""

    index: U64
    minute: U32
    epoch: U64
    hash: Bytes32
    size: U32


class InboxItem(_Item, frozen=True, gc=False):
    """Something left in an inbox: place, minute of arrival, the link that it came by, bytes."""

    index: U64
    minute: U32
    link: Bytes32
    data: InboxItemBytes


class Package(_Item, frozen=True, gc=False):
    """A key package in the pool: whose device, whether it may be given more than once, bytes."""

    device: Device
    last_resort: bool
    data: PackageBytes


EntryList = Annotated[tuple[Entry, ...], Meta(max_length=limits.MAX_PAGE_ITEMS)]
DigestList = Annotated[tuple[Digest, ...], Meta(max_length=limits.MAX_PAGE_ITEMS)]


# --- Requests -------------------------------------------------------------------------------------


class Hello(_Item, frozen=True, tag=FrameType.HELLO.value):
    """The client begins: versions it speaks, and a nonce for the relay to sign."""

    id: Id
    versions: Annotated[tuple[U16, ...], Meta(min_length=1, max_length=limits.MAX_VERSIONS)]
    nonce: Bytes32


class Authorise(_Item, frozen=True, tag=FrameType.AUTHORISE.value):
    """A member of an epoch opens a channel. Answer: `Authorised`."""

    id: Id
    channel: Channel
    instance: Bytes32
    epoch: U64
    signature: Signature
    #: The last place that the relay signed for (`receipts.Evidence`), if the client has one.
    evidence: EvidenceBytes = b""


class Close(_Item, frozen=True, tag=FrameType.CLOSE.value):
    """Forget a channel and what was subscribed on it. Answer: `Done`."""

    id: Id
    channel: Channel


class Open(_Item, frozen=True, tag=FrameType.OPEN.value):
    """Create a log (`objects.Open`). Answer: `Done`, also if it is there already."""

    id: Id
    record: Annotated[bytes, Meta(max_length=limits.MAX_CONFIGURATION + 1024)]


class Post(_Item, frozen=True, tag=FrameType.POST.value):
    """Append an entry. Answer: `Stored`, or `Decided` if the epoch is closed."""

    id: Id
    channel: Channel
    data: EntryBytes
    lane: U8 = Lane.POSTS


class Read(_Item, frozen=True, tag=FrameType.READ.value):
    """Entries of the channel's epoch from an index on. Answer: `Entries`, or `Digests` if asked."""

    id: Id
    channel: Channel
    start: U64
    count: Count
    digest: bool = False


class Subscribe(_Item, frozen=True, tag=FrameType.SUBSCRIBE.value):
    """Push new entries from an index on, whole or as digests. Answer: `Subscribed`."""

    id: Id
    channel: Channel
    start: U64
    digest: bool = False


class Peek(_Item, frozen=True, tag=FrameType.PEEK.value):
    """Where the log and the channel's slot stand. Answer: `Peeked`."""

    id: Id
    channel: Channel
    #: Whether the decided value is wanted too.
    value: bool = False


class Status(_Item, frozen=True, tag=FrameType.STATUS.value):
    """A signed statement for another relay's fence. Answer: `StatusSigned`."""

    id: Id
    channel: Channel
    nonce: Bytes32


class Unfence(_Item, frozen=True, tag=FrameType.UNFENCE.value):
    """Statements of other relays (`objects.Status`) that lift a fence. Answer: `Done`."""

    id: Id
    channel: Channel
    statuses: Annotated[tuple[StatusBytes, ...], Meta(max_length=limits.MAX_RELAYS)]


class Refill(_Item, frozen=True, tag=FrameType.REFILL.value):
    """Append an entry of an earlier epoch that this relay lacks. Answer: `Stored`."""

    id: Id
    channel: Channel
    epoch: U64
    data: EntryBytes


class Lock(_Item, frozen=True, tag=FrameType.LOCK.value):
    """Ask for the first vote. Answer: `Vote1`, `Decided`, `Nack`, `Refuse`."""

    id: Id
    channel: Channel
    round: U32
    value: ValueBytes
    #: `objects.Justification`; empty in round 0.
    justification: JustificationBytes = b""


class Commit(_Item, frozen=True, tag=FrameType.COMMIT.value):
    """Ask for the second vote. Answer: `Vote2`, `Decided`, `Nack`, `Refuse`, `NeedValue`."""

    id: Id
    channel: Channel
    certificate: CertificateBytes
    #: Only after `NeedValue`.
    value: ValueBytes = b""


class NewRound(_Item, frozen=True, tag=FrameType.NEWROUND.value):
    """Ask for a promise. Answer: `Promise`, `Decided`, `Nack`, `Refuse`."""

    id: Id
    channel: Channel
    round: U32


class Decide(_Item, frozen=True, tag=FrameType.DECIDE.value):
    """Show a decision. Needs no channel. Answer: `Done`, `NeedValue`, `Decided` if another one is."""

    id: Id
    instance: Bytes32
    certificate: CertificateBytes
    value: ValueBytes = b""


class InboxOpen(_Item, frozen=True, tag=FrameType.INBOX_OPEN.value):
    """Create the inbox of an owner key; the work's target is its id. Answer: `Done`."""

    id: Id
    owner: Bytes32
    proof: ProofBytes


class InboxAuthorise(_Item, frozen=True, tag=FrameType.INBOX_AUTHORISE.value):
    """The owner opens a channel to an inbox. Answer: `Authorised`."""

    id: Id
    channel: Channel
    inbox: Bytes32
    signature: Signature


class LinkAdd(_Item, frozen=True, tag=FrameType.LINK_ADD.value):
    """Let whoever holds a link's key post. `uses` posts, 0 for any number. Answer: `Done`."""

    id: Id
    channel: Channel
    link: Bytes32
    uses: U32 = 0


class LinkRevoke(_Item, frozen=True, tag=FrameType.LINK_REVOKE.value):
    """Forget a link's key. Answer: `Done`."""

    id: Id
    channel: Channel
    link: Bytes32


class InboxPost(_Item, frozen=True, tag=FrameType.INBOX_POST.value):
    """A stranger leaves an item. Answer: `Done`."""

    id: Id
    inbox: Bytes32
    link: Bytes32
    signature: Signature
    proof: ProofBytes
    data: InboxItemBytes


class InboxRead(_Item, frozen=True, tag=FrameType.INBOX_READ.value):
    """Items from an index on. Answer: `InboxItems`."""

    id: Id
    channel: Channel
    start: U64
    count: Count


class InboxDelete(_Item, frozen=True, tag=FrameType.INBOX_DELETE.value):
    """Delete items by their indices. Answer: `Done`."""

    id: Id
    channel: Channel
    indices: Annotated[tuple[U64, ...], Meta(max_length=limits.MAX_PAGE_ITEMS)]


class PackagesPut(_Item, frozen=True, tag=FrameType.PACKAGES_PUT.value):
    """Add key packages to the pool; a new last resort replaces its device's old one. Answer: `Done`."""

    id: Id
    channel: Channel
    packages: Annotated[tuple[Package, ...], Meta(max_length=limits.MAX_PACKAGES_PUT)]
    #: Devices whose packages go first, all of them.
    clear: Annotated[tuple[Device, ...], Meta(max_length=limits.MAX_DEVICES)] = ()


class PackageTake(_Item, frozen=True, tag=FrameType.PACKAGE_TAKE.value):
    """A stranger takes one key package of each device. Answer: `Packages`."""

    id: Id
    inbox: Bytes32
    link: Bytes32
    nonce: Bytes32
    signature: Signature
    proof: ProofBytes


class BlobOpen(_Item, frozen=True, tag=FrameType.BLOB_OPEN.value):
    """Announce an upload, or ask how far it is. Answer: `BlobReady`."""

    id: Id
    channel: Channel
    blob: Bytes32
    size: Annotated[int, Meta(ge=1, le=limits.MAX_BLOB)]
    days: Annotated[int, Meta(ge=1, le=limits.MAX_BLOB_DAYS)]
    #: `objects.blob_delete_hash` of the secret that will delete it.
    delete_hash: Bytes32


class BlobDelete(_Item, frozen=True, tag=FrameType.BLOB_DELETE.value):
    """Delete a blob by its secret. Needs no channel. Answer: `Done`."""

    id: Id
    blob: Bytes32
    secret: Bytes32


class CellPut(_Item, frozen=True, tag=FrameType.CELL_PUT.value):
    """Write a cell whose version is one less. Answer: `Done`, or `CellValue` with what is there."""

    id: Id
    owner: Bytes32
    version: Annotated[int, Meta(ge=1, le=0x7FFFFFFFFFFFFFFF)]
    value: CellBytes
    signature: Signature
    #: For version 1 only; the work's target is the cell's id.
    proof: Annotated[bytes, Meta(max_length=12)] = b""


class CellGet(_Item, frozen=True, tag=FrameType.CELL_GET.value):
    """Read a cell. Answer: `CellValue`."""

    id: Id
    cell: Bytes32


# --- Answers --------------------------------------------------------------------------------------


class Greeting(_Item, frozen=True, tag=FrameType.GREETING.value):
    """The relay introduces itself (`objects.Greeting`, signed)."""

    id: Id
    greeting: Annotated[bytes, Meta(max_length=limits.MAX_GREETING)]
    signature: Signature


class Failure(_Item, frozen=True, tag=FrameType.FAILURE.value):
    """The request was not done. `detail` is a number that some codes explain."""

    id: Id
    code: U16
    detail: U64 = 0


class Done(_Item, frozen=True, tag=FrameType.DONE.value):
    """The request was done, and what it changed is on disk."""

    id: Id


class Authorised(_Item, frozen=True, tag=FrameType.AUTHORISED.value):
    """The channel is open."""

    id: Id
    #: The index that the next entry will get, and the chain before it.
    next_index: U64
    chain: Bytes32
    #: The open slot's epoch; for an inbox 0.
    epoch: U64
    #: Empty, or the nonce of the fence that this log is behind.
    fence: Annotated[bytes, Meta(max_length=limits.NONCE_SIZE)] = b""


class Stored(_Item, frozen=True, tag=FrameType.STORED.value):
    """The entry is on disk (`receipts.Receipt`)."""

    id: Id
    receipt: Annotated[bytes, Meta(max_length=limits.MAX_RECEIPT)]


class Entries(_Item, frozen=True, tag=FrameType.ENTRIES.value):
    """A page of entries. Go on reading at `next`; there is nothing more if it is `end`."""

    id: Id
    entries: EntryList
    next: U64
    end: U64


class Digests(_Item, frozen=True, tag=FrameType.DIGESTS.value):
    """A page of digests; otherwise as `Entries`."""

    id: Id
    digests: DigestList
    next: U64
    end: U64


class Subscribed(_Item, frozen=True, tag=FrameType.SUBSCRIBED.value):
    """Pushes will come from here on. Read what lies between `start` and this index."""

    id: Id
    live: U64


class Peeked(_Item, frozen=True, tag=FrameType.PEEKED.value):
    """Where the log and the channel's slot stand."""

    id: Id
    #: The oldest index still kept, the index that the next entry gets, the chain before it.
    first_index: U64
    next_index: U64
    chain: Bytes32
    #: The last promise of the channel's slot.
    round: U32
    #: The epoch of the open slot: above the channel's, its slot is decided.
    epoch: U64
    #: The decision certificate of the channel's slot, or empty.
    certificate: CertificateBytes = b""
    #: The decided value, if asked for and there.
    value: ValueBytes = b""
    #: As in `Authorised`.
    fence: Annotated[bytes, Meta(max_length=limits.NONCE_SIZE)] = b""


class StatusSigned(_Item, frozen=True, tag=FrameType.STATUS_SIGNED.value):
    """A signed statement (`objects.Status`)."""

    id: Id
    status: StatusBytes


class Vote1(_Item, frozen=True, tag=FrameType.VOTE1.value):
    """The first vote: a signature over `objects.vote_content`."""

    id: Id
    signature: Signature


class Vote2(_Item, frozen=True, tag=FrameType.VOTE2.value):
    """The second vote: a signature over `objects.vote_content`."""

    id: Id
    signature: Signature


class Promise(_Item, frozen=True, tag=FrameType.PROMISE.value):
    """A promise: a signature over `objects.promise_content`, with the lock that it shows."""

    id: Id
    signature: Signature
    #: The lock certificate and the value that it locks, or both empty.
    lock: CertificateBytes = b""
    value: ValueBytes = b""


class Decided(_Item, frozen=True, tag=FrameType.DECIDED.value):
    """The slot is decided already."""

    id: Id
    certificate: CertificateBytes
    #: Empty in the answer to a `Post`.
    value: ValueBytes = b""


class Nack(_Item, frozen=True, tag=FrameType.NACK.value):
    """The relay has promised this later round."""

    id: Id
    round: U32


class Refuse(_Item, frozen=True, tag=FrameType.REFUSE.value):
    """The relay does not vote so (`Refusal`)."""

    id: Id
    reason: U8


class NeedValue(_Item, frozen=True, tag=FrameType.NEED_VALUE.value):
    """The relay lacks the bytes behind the hash. Send the request again with the value."""

    id: Id


class InboxItems(_Item, frozen=True, tag=FrameType.INBOX_ITEMS.value):
    """A page of an inbox; otherwise as `Entries`."""

    id: Id
    items: Annotated[tuple[InboxItem, ...], Meta(max_length=limits.MAX_PAGE_ITEMS)]
    next: U64
    end: U64


class Packages(_Item, frozen=True, tag=FrameType.PACKAGES.value):
    """A key package of each device."""

    id: Id
    packages: Annotated[tuple[Package, ...], Meta(max_length=limits.MAX_DEVICES)]


class BlobReady(_Item, frozen=True, tag=FrameType.BLOB_READY.value):
    """How far the upload is, and the ticket that continues it over HTTP."""

    id: Id
    ticket: Bytes32
    #: Bytes that are there; equal to the size: complete.
    offset: U64
    #: The minute (Unix time / 60) when the blob goes.
    expires: U32


class CellValue(_Item, frozen=True, tag=FrameType.CELL_VALUE.value):
    """What a cell holds."""

    id: Id
    owner: Bytes32
    version: U64
    value: CellBytes
    signature: Signature


# --- Pushes ---------------------------------------------------------------------------------------


class Pushed(_Item, frozen=True, tag=FrameType.PUSHED.value):
    """New entries. The same bytes for every subscriber: so it names the instance, no channel."""

    instance: Bytes32
    entries: EntryList


class PushedDigests(_Item, frozen=True, tag=FrameType.PUSHED_DIGESTS.value):
    """New entries, as digests."""

    instance: Bytes32
    digests: DigestList


class CatchUp(_Item, frozen=True, tag=FrameType.CATCH_UP.value):
    """Pushes of this log or inbox have stopped: read from `start`, then subscribe again."""

    instance: Bytes32
    start: U64


class Advanced(_Item, frozen=True, tag=FrameType.ADVANCED.value):
    """A slot of this log was decided. Nothing of its epoch will be pushed any more."""

    instance: Bytes32
    certificate: CertificateBytes


class Goodbye(_Item, frozen=True, tag=FrameType.GOODBYE.value):
    """The relay ends the connection after the answers that are under way (`ErrorCode`)."""

    code: U16


# --- Encoding -------------------------------------------------------------------------------------

Request: TypeAlias = (
    Hello
    | Authorise
    | Close
    | Open
    | Post
    | Read
    | Subscribe
    | Peek
    | Status
    | Unfence
    | Refill
    | Lock
    | Commit
    | NewRound
    | Decide
    | InboxOpen
    | InboxAuthorise
    | LinkAdd
    | LinkRevoke
    | InboxPost
    | InboxRead
    | InboxDelete
    | PackagesPut
    | PackageTake
    | BlobOpen
    | BlobDelete
    | CellPut
    | CellGet
)
Answer: TypeAlias = (
    Greeting
    | Failure
    | Done
    | Authorised
    | Stored
    | Entries
    | Digests
    | Subscribed
    | Peeked
    | StatusSigned
    | Vote1
    | Vote2
    | Promise
    | Decided
    | Nack
    | Refuse
    | NeedValue
    | InboxItems
    | Packages
    | BlobReady
    | CellValue
)
Push: TypeAlias = Pushed | PushedDigests | CatchUp | Advanced | Goodbye
Frame: TypeAlias = Request | Answer | Push


class _Head(Struct, array_like=True, frozen=True):
    """What every frame begins with."""

    type: U8


class _Envelope(Struct, array_like=True, frozen=True):
    """What every frame that awaits or is an answer begins with."""

    type: U8
    id: Id


_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer | Push] = msgspec.msgpack.Decoder(Answer | Push)
_heads = msgspec.msgpack.Decoder(_Head)
_envelopes = msgspec.msgpack.Decoder(_Envelope)


T = TypeVar("T")


def encode(frame: Frame) -> bytes:
    """The message of `frame`. Fields are not checked here: who sends too much is refused there."""
    return _encoder.encode(frame)


def decode_request(message: bytes) -> Request:
    """The request in `message`, for a relay. Raises only `RemoteError`."""
    return _decode(_requests, message)


def decode_answer(message: bytes) -> Answer | Push:
    """The answer or push in `message`, for a client. Raises only `RemoteError`."""
    return _decode(_answers, message)


def type_of(message: bytes) -> int | None:
    """The type of a message that could not be decoded, if it has one."""
    try:
        return _heads.decode(message).type
    except (msgspec.DecodeError, RecursionError):
        return None


def envelope(message: bytes) -> tuple[int, int] | None:
    """The type and request id of a message that could not be decoded, if it has them."""
    try:
        head = _envelopes.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return None
    return head.type, head.id


def _decode(decoder: msgspec.msgpack.Decoder[T], message: bytes) -> T:
    if len(message) > limits.MAX_FRAME:
        raise RemoteError(ErrorCode.TOO_LARGE)
    try:
        return decoder.decode(message)
    except (msgspec.DecodeError, RecursionError):
        raise RemoteError(ErrorCode.MALFORMED) from None
