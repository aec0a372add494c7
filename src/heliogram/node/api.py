"""What faces can ask of a node, what they get, and what they hear: the whole of it, in types.

A face (command line, web app, bot) has a `Node` and calls it with a command; each command's `Result` is what
comes back. `heliogram.node.control` carries both over a socket, as JSON. Ids are hexadecimal: an account
and a message have 64 digits. Wherever a chat, a person or a message is named, a name or the first digits of
the id will do, as long as they fit one only. Times are Unix seconds.

Errors are `NodeError`s; faces look their sentence up by `code`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeAlias

from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=65_536)]
Name = Annotated[str, Meta(max_length=512)]
Count = Annotated[int, Meta(ge=1, le=1000)]


# --- What there is --------------------------------------------------------------------------------


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
    #: "remote", "downloading", "here", "sending", "refused", "gone".
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


class Message(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message, or a line of history (`kind` "line")."""

    #: Its name at this node: what `before` and `after` mean. The order of messages is that of their times.
    number: int
    #: 64 digits; empty for a line.
    id: str = ""
    chat: str
    sender: Person | None = None
    mine: bool = False
    #: "text", "file", "poll", "location", "unknown", "deleted", "unreadable", "line".
    kind: str
    #: What is shown; for a line, the sentence.
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
    #: Of a line: what happened, by the name of its event, such as "MemberAdded".
    event: str = ""


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
    #: "up", "behind", "fenced", "unreachable", "wrong key", "gone", "misbehaving", "unknown".
    state: str
    round_trip_ms: float | None = None
    #: What it did that none may do, in our words.
    faults: tuple[str, ...] = ()


class ChatInfo(Struct, frozen=True, kw_only=True):
    """All about a conversation."""

    chat: Chat
    description: str
    suite: str
    epoch: int
    members: tuple[Member, ...]
    relays: tuple[RelayHealth, ...]
    quorum: int
    #: How many relays may lie at once, how many may be silent; and that in words.
    lying: int
    silent: int
    guarantee: str
    #: For comparing by voice: equal for all who are in the same epoch of the same branch.
    authenticator: str


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


class Explanation(Struct, frozen=True, kw_only=True):
    """What each relay, and who watches the network, saw of a message of ours."""

    message: Message
    traces: tuple[Trace, ...]
    #: Bytes of the text, and of the entry that hid it.
    text_size: int
    entry_size: int
    #: How many text sizes look the same: the largest that would fit.
    bucket: int
    #: What the network saw: sizes and to whom, or that a proxy hid it.
    network: tuple[str, ...]
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


# --- What can be asked ----------------------------------------------------------------------------


class Command(Struct, frozen=True, tag_field="do"):
    """The root of all commands. `Result` is what a node gives for it."""

    Result: ClassVar[Any] = Done


class GetStatus(Command, frozen=True, tag="status"):
    """How the node is."""

    Result = Status


class SetMe(Command, frozen=True, tag="me"):
    """Be called otherwise. Others hear of it in each conversation with the next thing that we say there."""

    Result = Person

    name: Name


class GetChats(Command, frozen=True, tag="chats"):
    """All conversations, pinned ones first, then by their last message."""

    Result = list[Chat]

    archived: bool = False


class GetChat(Command, frozen=True, tag="chat"):
    """All about one conversation."""

    Result = ChatInfo

    chat: Name


class GetHistory(Command, frozen=True, tag="history"):
    """Messages in order. Without `after`: the last ones, before `before`."""

    Result = list[Message]

    chat: Name
    before: int | None = None
    after: int | None = None
    limit: Count = 50


class GetMessage(Command, frozen=True, tag="message"):
    """One message."""

    Result = Message

    message: Name


class SendMessage(Command, frozen=True, tag="send"):
    """Say something: Markdown, files, or both. Gives it as it stands in the outbox.

    `files` are absolute paths. `pictures` among them are stripped of metadata and get a thumbnail, unless
    `as_files`. `voice` is the duration in seconds if the one file is a voice note. `expires` overrides the
    conversation's: seconds after reading; 0 for never.
    """

    Result = Message

    chat: Name
    text: Text = ""
    reply_to: Name | None = None
    files: tuple[str, ...] = ()
    as_files: bool = False
    voice: float | None = None
    expires: int | None = None


class EditMessage(Command, frozen=True, tag="edit"):
    """Give a message of ours another text."""

    Result = Message

    message: Name
    text: Text


class DeleteMessage(Command, frozen=True, tag="delete"):
    """Take a message of ours back from all; or, with `only_here`, any message from this node."""

    message: Name
    only_here: bool = False


class React(Command, frozen=True, tag="react"):
    """React to a message by an emoji, or take all our reactions to it back with an empty one."""

    message: Name
    emoji: Annotated[str, Meta(max_length=64)] = ""


class MarkRead(Command, frozen=True, tag="read"):
    """Everything up to this number was seen; everything there is, without one."""

    chat: Name
    number: int | None = None


class SetDraft(Command, frozen=True, tag="draft"):
    """Keep what is being written."""

    chat: Name
    text: Text


class Search(Command, frozen=True, tag="search"):
    """Messages that hold all words, newest first. `from:`, `in:`, `before:`,
    `after:` and `has:file` narrow it."""

    Result = list[Found]

    query: Text
    chat: Name | None = None
    before: int | None = None
    limit: Count = 50


class NewLink(Command, frozen=True, tag="new link"):
    """A contact link to give away."""

    Result = ContactLink

    one_time: bool = False
    name: Name = ""


class GetLinks(Command, frozen=True, tag="links"):
    """All links that lead to us."""

    Result = list[ContactLink]


class RevokeLink(Command, frozen=True, tag="revoke link"):
    """Let a link lead nowhere from now on."""

    link: Name


class AddContact(Command, frozen=True, tag="add contact"):
    """Get in touch with the owner of a link. Gives the contact, whose `state` then moves on."""

    Result = Contact

    link: Annotated[str, Meta(max_length=8192)]
    #: What we call them; empty for what the link says.
    name: Name = ""


class GetContacts(Command, frozen=True, tag="contacts"):
    """All contacts by name."""

    Result = list[Contact]


class GetSafetyCode(Command, frozen=True, tag="safety code"):
    """The code to compare with a contact."""

    Result = SafetyCode

    contact: Name


class VerifyContact(Command, frozen=True, tag="verify"):
    """Remember that codes were compared. With `code` (digits, words, a scan), only if it is the same."""

    Result = Contact

    contact: Name
    code: Text = ""
    verified: bool = True


class RenameContact(Command, frozen=True, tag="rename contact"):
    """Call a contact by another name, here."""

    Result = Contact

    contact: Name
    name: Name


class BlockContact(Command, frozen=True, tag="block"):
    """Take their link away, show nothing of theirs in direct conversations, and never answer."""

    Result = Contact

    contact: Name
    blocked: bool = True


class GetRequests(Command, frozen=True, tag="requests"):
    """Invitations that wait."""

    Result = list[Request]


class AcceptRequest(Command, frozen=True, tag="accept"):
    """Go in. Only now anybody can notice that the invitation has come."""

    Result = Chat

    request: Name


class DeclineRequest(Command, frozen=True, tag="decline"):
    """Throw an invitation away, and block who sent it if wanted. Nobody notices."""

    request: Name
    block: bool = False


class CreateGroup(Command, frozen=True, tag="create group"):
    """A group with these contacts; relays are ours unless others are named by key, name or address."""

    Result = Chat

    name: Name
    members: tuple[Name, ...] = ()
    description: Text = ""
    relays: tuple[str, ...] = ()
    quorum: int | None = None


class AddMembers(Command, frozen=True, tag="add members"):
    """Add contacts to a group."""

    chat: Name
    members: tuple[Name, ...]
    role: Literal["member", "admin", "owner"] = "member"


class RemoveMembers(Command, frozen=True, tag="remove members"):
    """Remove people from a group, with all their devices."""

    chat: Name
    members: tuple[Name, ...]


class LeaveChat(Command, frozen=True, tag="leave"):
    """Leave a conversation. History stays."""

    chat: Name


class SetProfile(Command, frozen=True, tag="set profile"):
    """Name, description, picture or expiry of a conversation, for all. None leaves a thing as it is."""

    chat: Name
    name: Name | None = None
    description: Text | None = None
    #: A path; empty for none.
    picture: str | None = None
    expiry: int | None = None


class SetRole(Command, frozen=True, tag="set role"):
    """Give a member another role."""

    chat: Name
    member: Name
    role: Literal["member", "admin", "owner"]


class ChangeRelays(Command, frozen=True, tag="change relays"):
    """Let other relays hold a conversation. `emergency`: more are lost than may go at once."""

    chat: Name
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    quorum: int | None = None
    emergency: bool = False


class StartSuccessor(Command, frozen=True, tag="successor"):
    """Go on in a new log after a conversation has died, without `leave_out` and who ended it."""

    Result = Chat

    chat: Name
    leave_out: tuple[Name, ...] = ()


class SetChat(Command, frozen=True, tag="set chat"):
    """What is only ours: whether to send reports, pin, mute, archive. None leaves a thing as it is."""

    Result = Chat

    chat: Name
    reports: bool | None = None
    pinned: bool | None = None
    muted: bool | None = None
    archived: bool | None = None


class GetFile(Command, frozen=True, tag="get file"):
    """Fetch a file of a message; it is saved in `directory` (the downloads' if empty) under a safe name."""

    Result = Transfer

    message: Name
    index: int = 0
    directory: str = ""


class GetThumbnail(Command, frozen=True, tag="thumbnail"):
    """The small picture that came with a file."""

    Result = Thumbnail

    message: Name
    index: int = 0


class GetPicture(Command, frozen=True, tag="picture"):
    """The picture of a group. Nobody has decoded it here: whoever shows it takes care."""

    Result = Thumbnail

    chat: Name


class GetTransfers(Command, frozen=True, tag="transfers"):
    """Files on their way."""

    Result = list[Transfer]


class GetRelays(Command, frozen=True, tag="relays"):
    """The relays for what we begin. With `check`, each is asked now."""

    Result = list[RelayHealth]

    check: bool = False


class AddRelay(Command, frozen=True, tag="add relay"):
    """A relay for what we begin: `wss://host/path#KEY`, KEY in hexadecimal, or a relay's description.

    `&operator=KEY` behind it says who runs it. No two relays of one operator are in one conversation; without
    it, each counts as run by somebody else.
    """

    Result = RelayInfo

    address: Annotated[str, Meta(max_length=8192)]


class RemoveRelay(Command, frozen=True, tag="remove relay"):
    """Begin nothing there any more. Conversations that it holds stay."""

    relay: Name


class SetNetwork(Command, frozen=True, tag="network"):
    """How all relays are reached from now on. None leaves a thing as it is, "" clears it.

    It is in force when this returns: what was open otherwise is closed, and nothing goes around a proxy.
    """

    Result = Network

    #: `socks5://ADDRESS:PORT`, ADDRESS an IP address or `localhost`.
    proxy: Annotated[str, Meta(max_length=256)] | None = None
    #: The absolute path of a file with certificates in PEM.
    authority: Annotated[str, Meta(max_length=4096)] | None = None


class Explain(Command, frozen=True, tag="explain"):
    """What was seen of a message of ours."""

    Result = Explanation

    message: Name


class Export(Command, frozen=True, tag="export"):
    """Everything readable, as JSON Lines, files and one HTML page, in a new directory."""

    directory: str


class Backup(Command, frozen=True, tag="backup"):
    """An encrypted copy of the profile in a new file; opened by the profile's passphrase."""

    file: str


class Lock(Command, frozen=True, tag="lock"):
    """Forget all keys and stop."""


# --- What is heard --------------------------------------------------------------------------------


class Notice(Struct, frozen=True, tag_field="event"):
    """The root of what a node says by itself."""


class MessageAdded(Notice, frozen=True, tag="message added"):
    """A message or a line is new."""

    message: Message


class MessageChanged(Notice, frozen=True, tag="message changed"):
    """Its text, state, reactions or files are others now."""

    message: Message


class MessageGone(Notice, frozen=True, tag="message gone"):
    """It is no longer here: expired, or deleted here."""

    chat: str
    number: int


class ChatChanged(Notice, frozen=True, tag="chat changed"):
    """A conversation is new, or something of it."""

    chat: Chat


class ContactChanged(Notice, frozen=True, tag="contact changed"):
    """A contact is new, or something of it."""

    contact: Contact


class RequestAdded(Notice, frozen=True, tag="request added"):
    """Somebody wants to get in touch."""

    request: Request


class RequestGone(Notice, frozen=True, tag="request gone"):
    """It was answered."""

    id: str


class TransferChanged(Notice, frozen=True, tag="transfer changed"):
    """A file moves."""

    transfer: Transfer


class RelayChanged(Notice, frozen=True, tag="relay changed"):
    """A relay came, went, or did what none may do."""

    relay: RelayHealth


class CommandFailed(Notice, frozen=True, tag="command failed"):
    """What was begun could not be done: the chat, the command's tag, the error's code."""

    chat: str
    command: str
    code: str


class Warned(Notice, frozen=True, tag="warned"):
    """Something that a person should see: `code` is for the sentence, "fork suspected" for one."""

    code: str
    chat: str | None = None
    who: Person | None = None


class Locked(Notice, frozen=True, tag="locked"):
    """The node stops."""


AnyCommand: TypeAlias = (
    GetStatus | SetMe | GetChats | GetChat | GetHistory | GetMessage | SendMessage | EditMessage
    | DeleteMessage | React | MarkRead | SetDraft | Search | NewLink | GetLinks | RevokeLink
    | AddContact | GetContacts | GetSafetyCode | VerifyContact | RenameContact | BlockContact
    | GetRequests | AcceptRequest | DeclineRequest | CreateGroup | AddMembers | RemoveMembers
    | LeaveChat | SetProfile | SetRole | ChangeRelays | StartSuccessor | SetChat | GetFile
    | GetThumbnail | GetPicture | GetTransfers | GetRelays | AddRelay | RemoveRelay | SetNetwork | Explain
    | Export | Backup | Lock
)  # fmt: skip

AnyNotice: TypeAlias = (
    MessageAdded | MessageChanged | MessageGone | ChatChanged | ContactChanged | RequestAdded
    | RequestGone | TransferChanged | RelayChanged | CommandFailed | Warned | Locked
)  # fmt: skip


class Node(Protocol):
    """A node that runs here, or in another process."""

    async def call(self, command: Command) -> Any:
        """Do it; what comes back is of the command's `Result`. Raises `NodeError`."""

    def notices(self) -> AsyncIterator[AnyNotice]:
        """What happens from the first step on, until the node stops."""
