"""What can be asked of a node."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import Meta, Struct

from heliogram.node.api.things import (
    Chat,
    ChatInfo,
    Contact,
    ContactLink,
    Count,
    Device,
    Done,
    Explanation,
    FileBytes,
    Folder,
    Found,
    Message,
    Name,
    Network,
    Person,
    Place,
    Preferences,
    RelayHealth,
    RelayInfo,
    Request,
    SafetyCode,
    Scheduled,
    Status,
    Storage,
    Text,
    Thumbnail,
    Transfer,
    Whole,
)


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
    """Messages in order. Without `after`: the last ones, before `before`; with `position`: from there on."""

    Result = list[Message]

    chat: Name
    before: Whole | None = None
    after: Whole | None = None
    #: As in `Place`; then neither of the others.
    position: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    limit: Count = 50


class GetPlace(Command, frozen=True, tag="place"):
    """Where a message is: one by its id or number; or the first at or after `time`; or the first unread one.

    Without any of them, the place after the last one.
    """

    Result = Place

    chat: Name
    message: Name | None = None
    number: Whole | None = None
    time: Whole | None = None
    unread: bool = False


class GetMedia(Command, frozen=True, tag="media"):
    """Messages with pictures and videos, other files, voice notes, or links; the newest first."""

    Result = list[Message]

    chat: Name
    what: Literal["pictures", "files", "voice", "links"]
    before: Whole | None = None
    limit: Count = 50


class GetPins(Command, frozen=True, tag="pins"):
    """What is pinned, the newest first."""

    Result = list[Message]

    chat: Name


class PinMessage(Command, frozen=True, tag="pin"):
    """Pin a message for all, or no longer. In a group this is for admins. It is a line in the history."""

    message: Name
    pinned: bool = True


class ForwardMessages(Command, frozen=True, tag="forward"):
    """Say again elsewhere what these messages say, with their origin. Files are fetched if they must be."""

    Result = list[Message]

    messages: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=100)]
    chat: Name


class SendPoll(Command, frozen=True, tag="poll"):
    """Ask all. Everybody sees who chose what."""

    Result = Message

    chat: Name
    question: Annotated[str, Meta(min_length=1, max_length=1024)]
    options: Annotated[tuple[Name, ...], Meta(min_length=2, max_length=32)]
    #: How many one person may choose.
    most: Annotated[int, Meta(ge=1, le=32)] = 1


class Vote(Command, frozen=True, tag="vote"):
    """Choose options of a poll by their places, from 0; none takes our vote back."""

    Result = Message

    message: Name
    options: Annotated[tuple[Whole, ...], Meta(max_length=32)] = ()


class GetScheduled(Command, frozen=True, tag="scheduled"):
    """What waits for its time, the next first."""

    Result = list[Scheduled]

    chat: Name | None = None


class Schedule(Command, frozen=True, tag="schedule"):
    """Keep something to be sent at `at`. As `SendMessage` otherwise. Gives it with its number."""

    Result = Scheduled

    chat: Name
    at: Whole
    text: Text = ""
    reply_to: Name | None = None
    files: tuple[str, ...] = ()
    as_files: bool = False


class Unschedule(Command, frozen=True, tag="unschedule"):
    """Do not send it; or, with `now`, send it at once."""

    number: Whole
    now: bool = False


class Reschedule(Command, frozen=True, tag="reschedule"):
    """Send it at another time, with all that goes with it."""

    Result = Scheduled

    number: Whole
    at: Whole


class SetTyping(Command, frozen=True, tag="typing"):
    """Somebody types here. Tells others if the owner wants that, and not more often than is useful."""

    chat: Name


class GetFolders(Command, frozen=True, tag="folders"):
    """All folders, in their order."""

    Result = list[Folder]


class SetFolders(Command, frozen=True, tag="set folders"):
    """These, in this order, and no others."""

    Result = list[Folder]

    folders: Annotated[tuple[Folder, ...], Meta(max_length=64)]


class GetMessage(Command, frozen=True, tag="message"):
    """One message, by its id or its number: a message that waits gets another id where it is said instead."""

    Result = Message

    message: Name = ""
    #: Then not by its id.
    number: Whole | None = None


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
    expires: Whole | None = None


class SendAgain(Command, frozen=True, tag="send again"):
    """Say anew what a message of ours that failed says, with its files. What failed goes from this node.

    In a conversation that goes on in another one it is said there. Gives the new message, as it stands in the
    outbox.
    """

    Result = Message

    message: Name


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
    number: Whole | None = None


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
    before: Whole | None = None
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
    quorum: Whole | None = None


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
    expiry: Whole | None = None


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
    quorum: Whole | None = None
    emergency: bool = False


class StartSuccessor(Command, frozen=True, tag="successor"):
    """Go on in a new log after a conversation has died, without `leave_out` and who ended it.

    Once more gives the same, unless its log was never open and its relays are gone: then it is begun anew.
    """

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
    index: Whole = 0
    directory: str = ""


class KeepFile(Command, frozen=True, tag="keep file"):
    """Fetch a file of a message to be read here. It stays sealed on the disk: locking closes it."""

    Result = Transfer

    message: Name
    index: Whole = 0


class ReadFile(Command, frozen=True, tag="read file"):
    """A piece of a file that is kept or here. Raises `NotHere` otherwise: `KeepFile` first."""

    Result = FileBytes

    message: Name
    index: Whole = 0
    offset: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    length: Annotated[int, Meta(ge=1, le=1 << 20)] = 1 << 18


class GetThumbnail(Command, frozen=True, tag="thumbnail"):
    """The small picture that came with a file."""

    Result = Thumbnail

    message: Name
    index: Whole = 0


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


class GetDevices(Command, frozen=True, tag="devices"):
    """The devices of our account, this one first."""

    Result = list[Device]


class GetWords(Command, frozen=True, tag="words"):
    """The 24 words of the account. Raises `WrongPassphrase`; after some of those it takes its time."""

    Result = str

    passphrase: Annotated[str, Meta(max_length=1024)]


class ChangePassphrase(Command, frozen=True, tag="change passphrase"):
    """Open the profile by another passphrase from now on; backups keep the old one. Raises as above."""

    old: Annotated[str, Meta(max_length=1024)]
    new: Annotated[str, Meta(max_length=1024)]


class GetStorage(Command, frozen=True, tag="storage"):
    """What the profile takes."""

    Result = Storage


class ClearKept(Command, frozen=True, tag="clear kept"):
    """Forget sealed copies of files that relays still have, or that were saved. Gives what is left."""

    Result = Storage


class GetPreferences(Command, frozen=True, tag="preferences"):
    """What somebody wants of this node."""

    Result = Preferences


class SetPreferences(Command, frozen=True, tag="set preferences"):
    """Change some of it. None leaves a thing as it is."""

    Result = Preferences

    typing: bool | None = None
    reports: bool | None = None
    lock_after: Annotated[int, Meta(ge=0, le=1 << 31)] | None = None
    app: Annotated[str, Meta(max_length=65_536)] | None = None


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


AnyCommand: TypeAlias = (
    GetStatus | SetMe | GetChats | GetChat | GetHistory | GetPlace | GetMedia | GetPins | PinMessage |
    ForwardMessages | SendPoll | Vote | GetScheduled | Schedule | Unschedule | Reschedule | SetTyping |
    GetFolders | SetFolders | GetMessage | SendMessage | SendAgain | EditMessage | DeleteMessage |
    React | MarkRead | SetDraft | Search | NewLink | GetLinks | RevokeLink | AddContact | GetContacts |
    GetSafetyCode | VerifyContact | RenameContact | BlockContact | GetRequests | AcceptRequest |
    DeclineRequest | CreateGroup | AddMembers | RemoveMembers | LeaveChat | SetProfile | SetRole |
    ChangeRelays | StartSuccessor | SetChat | GetFile | KeepFile | ReadFile | GetThumbnail |
    GetPicture | GetTransfers | GetRelays | AddRelay | RemoveRelay | SetNetwork | GetDevices |
    GetWords | ChangePassphrase | GetStorage | ClearKept | GetPreferences | SetPreferences | Explain |
    Export | Backup | Lock
)  # fmt: skip
