"""What there is, as faces see it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=65_536)]
Name = Annotated[str, Meta(max_length=512)]
Count = Annotated[int, Meta(ge=1, le=1000)]

#: Numbers, seconds, places: as large as every program of a face has them exactly, and the store takes them.
Whole = Annotated[int, Meta(ge=-(2**53 - 1), le=2**53 - 1)]


class Person(Struct, frozen=True, omit_defaults=True):
    """An account, as shown."""

    account: str
    name: str
    #: Three words that tell equal names apart.
    mark: str
    me: bool = False
    verified: bool = False
    #: What to warn of: "mixed scripts", "looks like another contact".
    warnings: tuple[str, ...] = ()


class RelayInfo(Struct, frozen=True, omit_defaults=True):
    """A relay, as shown."""

    key: str
    #: The host and port of its first endpoint.
    name: str
    endpoints: tuple[str, ...]
    operator: str


class FileInfo(Struct, frozen=True, omit_defaults=True):
    """A file of a message."""

    #: Its place in the message, from 0.
    index: int
    name: str
    content_type: str
    size: int
    #: "inline" pictures have a thumbnail; "attachment".
    inline: bool = False
    #: Seconds, of a voice note.
    duration: float | None = None
    #: Whether `GetThumbnail` gives one.
    thumbnail: bool = False
    #: "remote", "downloading", "kept" (sealed, for `ReadFile`), "here" (saved at `path`), "sending",
    #: "refused", "gone".
    state: str = "remote"
    #: Once it is here. "mismatch": its bytes, its media type and its name say different things, and
    #: `content_type` is that of the bytes. "active": it is a program, or may hold one. Neither is `inline`.
    doubt: str = ""
    #: Bytes that are through, of `size`.
    done: int = 0
    path: str | None = None


class Reaction(Struct, frozen=True):
    """One person's reaction."""

    emoji: str
    who: Person


class Reported(Struct, frozen=True):
    """What somebody reported of a message of ours: "delivered", "read"."""

    who: Person
    status: str
    time: int


State: TypeAlias = Literal["queued", "stored", "delivered", "read", "failed", "received"]


class PollOption(Struct, frozen=True):
    """One answer of a poll, and who chose it."""

    text: str
    votes: tuple[Person, ...] = ()


class PollInfo(Struct, frozen=True):
    """A poll, as it stands here. Votes of people who are out count on."""

    question: str
    options: tuple[PollOption, ...]
    #: How many of them one person may choose.
    most: int = 1
    #: The places of those that we chose, from 0.
    chosen: tuple[int, ...] = ()


class Origin(Struct, frozen=True, omit_defaults=True):
    """Where a forwarded message comes from, as whoever forwarded it says: nobody can check it."""

    name: str
    #: The account, where we know somebody of it; None for anybody else.
    who: Person | None = None
    time: int = 0


#: What happened in a conversation besides messages; from "too late" on: what of it cannot be read.
LineCode: TypeAlias = Literal[
    "founded", "invited", "went on", "goes on",
    "member added", "member removed", "member left", "member restored",
    "device added", "device removed", "device left", "role changed",
    "named", "renamed", "unnamed", "description changed", "picture changed", "expiry set", "expiry off",
    "relays changed", "pinned", "unpinned",
    "conversation dead", "wounded", "fork suspected", "keys used elsewhere",
    "too late", "broken", "later version", "revoked device", "no message",
]  # fmt: skip


class Line(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a line of history says, for faces to put into words. Who did it is the message's `sender`."""

    #: A `LineCode`. A later node may know others: show that something happened.
    code: str
    #: Whom it was done to; of a conversation that is dead, who made the change that counts for nobody.
    who: Person | None = None
    #: Their role from then on.
    role: Literal["member", "admin", "owner"] | None = None
    #: What the conversation is called from then on, and was called before.
    name: str = ""
    before: str = ""
    #: After which messages go.
    seconds: int = 0
    #: How many relays there are from then on, and how many of them decide.
    relays: int = 0
    quorum: int = 0
    #: What speaks against them: "foreign log", "too many replaced", "same operator".
    objections: tuple[str, ...] = ()
    #: Who was there before, and is not here yet.
    missing: tuple[Person, ...] = ()
    #: Who may do more here than before. Who gave it to them cannot be seen: worth a check.
    risen: tuple[Person, ...] = ()


class Message(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message, or a line of history (`kind` "line" or "unreadable")."""

    #: Its name at this node: what `before` and `after` mean. The order of messages is that of their times.
    number: int
    #: 64 digits; empty for a line.
    id: str = ""
    chat: str
    sender: Person | None = None
    mine: bool = False
    #: "text", "file", "poll", "location", "unknown", "deleted", "unreadable", "line".
    kind: str
    #: What was said; of a line, nothing.
    text: str = ""
    #: Whether `text` is only the beginning: `GetMessage` gives all of it.
    cut: bool = False
    markdown: bool = False
    #: When it was sent (as its sender says) and when it came here.
    time: int
    received: int
    reply_to: str | None = None
    edited: bool = False
    files: tuple[FileInfo, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    mentions: tuple[Person, ...] = ()
    #: Of our own: where it stands. Of others': "received".
    state: State = "received"
    #: Names of the relays that signed for it, and of how many.
    stored_by: tuple[str, ...] = ()
    relays: int = 0
    reports: tuple[Reported, ...] = ()
    expires: int | None = None
    poll: PollInfo | None = None
    forwarded: Origin | None = None
    #: Whether it is among what is pinned for all.
    pinned: bool = False
    #: Of a line: what happened.
    line: Line | None = None


class Chat(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A conversation, as in the list of them."""

    id: str
    name: str
    kind: Literal["direct", "group", "self"]
    #: "opening" until a quorum of relays has the log; "open", "wounded", "dead", "out".
    phase: str
    unread: int = 0
    last: Message | None = None
    members: int = 1
    draft: str = ""
    pinned: bool = False
    archived: bool = False
    muted: bool = False
    #: Whether we tell others what was delivered and read here.
    reports: bool = True
    #: Seconds after which messages go by default; 0: never.
    expiry: int = 0
    #: Whether `GetPicture` gives one.
    picture: bool = False
    #: The folders that it lies in.
    folders: tuple[str, ...] = ()
    #: The other one, of a direct conversation.
    peer: Person | None = None
    #: The conversation that this one goes on from, or that goes on from it.
    predecessor: str | None = None
    successor: str | None = None


class Member(Struct, frozen=True):
    """Somebody in a conversation."""

    who: Person
    role: Literal["member", "admin", "owner"]
    devices: int


class RelayHealth(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a relay of a conversation, or of our list, does."""

    relay: RelayInfo
    #: "up", "behind", "fenced", "unreachable", "untrusted", "wrong key", "gone", "misbehaving", "unknown".
    state: str
    round_trip_ms: float | None = None
    #: What it did that none may do: "two votes", "hidden lock", "forgery", "wrong value", "wrong entry",
    #: "lost entry", "forked", "foreign packages".
    faults: tuple[str, ...] = ()


class Wanted(Struct, frozen=True, omit_defaults=True):
    """A change of a conversation that somebody wants here, and that is not decided yet."""

    #: The tag of the command that it came from.
    command: str
    #: Unix seconds.
    since: int
    #: Whom it is about, where it is about somebody.
    who: tuple[Person, ...] = ()


class ChatInfo(Struct, frozen=True, kw_only=True):
    """All about a conversation."""

    chat: Chat
    description: str
    suite: str
    epoch: int
    members: tuple[Member, ...]
    relays: tuple[RelayHealth, ...]
    quorum: int
    #: How many relays may lie at once, how many may be silent.
    lying: int
    silent: int
    #: For comparing by voice: equal for all who are in the same epoch of the same branch.
    authenticator: str
    #: What waits for being decided, in the order in which it was wanted.
    waiting: tuple[Wanted, ...] = ()


class Contact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody whom we know."""

    who: Person
    blocked: bool = False
    #: The direct conversation, once there is one.
    chat: str | None = None
    #: "adding" while first contact is under way, "waiting" for them to accept, "known", "failed".
    state: str = "known"
    #: Why it failed: an error's code.
    trouble: str = ""


class SafetyCode(Struct, frozen=True):
    """What two people compare."""

    who: Person
    digits: str
    words: str
    #: The text of the QR code.
    scan: str


class Request(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An invitation that waits for our word."""

    id: str
    who: Person
    #: "direct" or "group", and what the group is called.
    kind: str
    name: str = ""
    members: int = 2
    time: int
    #: The safety code's digits.
    safety: str


class ContactLink(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A link of ours that others can reach us by."""

    id: str
    uri: str
    #: The text for a QR code: shorter in that alphabet than the URI.
    scan: str
    one_time: bool
    name: str
    created: int
    #: Whom it was made for; None for one to be given around.
    person: Person | None = None


class Found(Struct, frozen=True):
    """A message that a search found. `excerpt` marks what matched by U+0002 and U+0003."""

    message: Message
    chat_name: str
    excerpt: str


class Thumbnail(Struct, frozen=True):
    """A small picture, made by who sent it: of a file, or of a group."""

    content_type: str
    data: bytes


class FileBytes(Struct, frozen=True):
    """A piece of a file that is here."""

    #: As its bytes say, not its sender.
    content_type: str
    #: Bytes of all of it.
    size: int
    #: Where `data` begins. `data` is shorter than what was asked for only at the end.
    offset: int
    data: bytes


class Place(Struct, frozen=True):
    """Where a message is among all of its conversation."""

    #: From 0, the oldest.
    position: int
    #: How many messages and lines there are.
    count: int
    #: The message's number; None where there is none.
    number: int | None = None


class Scheduled(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is to be sent at its time, if this node runs then; else as soon as it runs."""

    number: int
    chat: str
    text: str = ""
    #: Names of files that go with it.
    files: tuple[str, ...] = ()
    reply_to: str | None = None
    at: int


class Folder(Struct, frozen=True):
    """Conversations that somebody keeps together, here only."""

    name: str
    #: Ids of conversations.
    chats: tuple[str, ...] = ()


class Device(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A device of our account."""

    #: Its id's first digits, as in `Status.device`.
    id: str
    #: Whether it is this one.
    this: bool = False
    added: int = 0
    revoked: bool = False


class Storage(Struct, frozen=True, kw_only=True):
    """What the profile takes on this disk, in bytes."""

    messages: int
    database: int
    #: Sealed copies of files, which `ClearKept` forgets where they can be fetched again.
    kept: int
    #: Files that were saved.
    saved: int


class Preferences(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What somebody wants of this node."""

    #: Whether others see that we type, where they are not many. Theirs are shown only then.
    typing: bool = False
    #: Whether we report what we read, where a conversation does not say otherwise.
    reports: bool = True
    #: Seconds without a sign of its owner after which a face locks; 0: never.
    lock_after: int = 0
    #: What the app keeps of its own (look, language, sounds), as JSON: the node does not read it.
    app: Annotated[str, Meta(max_length=65_536)] = ""


class Transfer(Struct, frozen=True, kw_only=True):
    """A file on its way."""

    message: str
    index: int
    name: str
    direction: Literal["up", "down"]
    done: int
    size: int
    #: "waiting", "running", "done", "failed".
    state: str
    trouble: str = ""


class Trace(Struct, frozen=True, kw_only=True):
    """What one relay saw of a message: one entry, or the parts of a file."""

    relay: RelayInfo
    #: "post", "refused: epoch closed", "blob".
    what: str
    #: Bytes of the frame, inside of TLS.
    size: int
    #: The minute that the relay's receipt or our clock says (Unix time / 60).
    minute: int
    epoch: int
    stored: bool


class Passed(Struct, frozen=True, kw_only=True):
    """What who watches the network saw go out for a message."""

    #: The name of a relay; empty: the proxy, which hides where it went.
    to: str
    #: Bytes of one time, of a relay; of all, to the proxy.
    size: int
    times: int
    #: Whether it was in TLS. On one's own machine there may be none.
    tls: bool


class Explanation(Struct, frozen=True, kw_only=True):
    """What each relay, and who watches the network, saw of a message of ours."""

    message: Message
    traces: tuple[Trace, ...]
    #: Bytes of the text, and of the entry that hid it.
    text_size: int
    entry_size: int
    #: How many text sizes look the same: the largest that would fit.
    bucket: int
    network: tuple[Passed, ...]
    proxy: str


class Status(Struct, frozen=True, kw_only=True):
    """How the node is."""

    version: str
    profile: str
    me: Person
    #: Words of this device: its id's first digits.
    device: str
    suite: str
    relays: tuple[RelayHealth, ...]
    proxy: str
    chats: int
    contacts: int
    requests: int
    unread: int
    queued: int
    #: Key packages that lie ready for strangers.
    packages: int
    online: bool
    transfers: tuple[Transfer, ...] = ()


class Network(Struct, frozen=True):
    """How the node reaches relays."""

    #: `socks5://ADDRESS:PORT`; empty: directly.
    proxy: str
    #: A file with certificates that are trusted beside the system's; empty: none.
    authority: str
    #: Whether that file can be read. If not, it is not trusted.
    readable: bool = True


class Done(Struct, frozen=True):
    """It is done, or begun: what becomes of it, notices tell."""
