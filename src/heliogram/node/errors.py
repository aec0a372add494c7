"""What a node raises. Each error has a stable `code`; faces make the sentences.

    NodeError
      InvalidIdentity     a certificate, a list of devices or a key that does not count
      InvalidLink         a contact link or a safety code that cannot be used
      InvalidWords        recovery words that are none
      InvalidFile         a file that is not what its message says, or changed while it was sealed
      InvalidBackup       a backup that cannot be written or read
      InvalidPicture      a picture that cannot be freed of its metadata: it can only go as a file
      NotInChain          not the decision that comes next
      NotOpened           sealed bytes that do not open, or hold something else
      TooLong             content that fits no size
      NotAllowed          a change that all members would refuse
      InvalidInvitation   an invitation that leads nowhere, or not where it says
      InvalidDecisions    decisions that a member served, and that are none
      DamagedState        saved state that this program did not write
      NotNow              our caller asked for what this state does not allow
      ChatEnded           nothing can be said or changed in this conversation any more
      WrongPassphrase     what should open the profile does not
      StoreError          the profile's files cannot be read or written
        StoreFull         there is no room on the disk
        StoreDamaged      the files are not what this program wrote
        StoreNewer        a later version of the program wrote them
      NotFound            nothing has this name, or these digits in front
      NotHere             a file that is to be fetched before it can be read
      OnlyOwner           we are the only owner of a group: somebody else must be one first
      Ambiguous           more than one thing has this name, or these digits in front
      ProfileError        the profile cannot be used as it is
        NoProfile         there is none here
        ProfileExists     there is one here
        ProfileBusy       a node of it runs
        PassphraseNeeded  nobody said the passphrase
      InvalidEndpoint     an address at which no relay can be
      InvalidProxy        a proxy that cannot be used
      InvalidAuthority    a file of certificates that cannot be used
      NoConnection        a relay that cannot be reached, or is another one
      TransferFailed      a blob that did not go up or come down
      NoRelays            there is no relay to begin anything with
      RelaysAway          too few of the relays that a change brings in have opened the log
      CodesDiffer         a safety code that is not the one of these two

No text holds a key, an id, a name, a word or anything else that came from a person or a peer.
"""

from __future__ import annotations

from enum import Enum


class IdentityFault(Enum):
    """Why an identity does not count."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad signature"
    WRONG_ACCOUNT = "wrong account"
    #: An older list of devices than the one we know: somebody may want to bring back a lost device.
    ROLLED_BACK = "rolled back"
    #: Two lists with one number, or a revoked device that is back: the account key is in two hands.
    CONTRADICTION = "contradiction"


class LinkFault(Enum):
    """Why a link cannot be used."""

    NOT_A_LINK = "not a link"
    DAMAGED = "damaged"
    #: Of a later version of Heliogram.
    NEWER = "newer"


class WordsFault(Enum):
    """Why recovery words are none."""

    COUNT = "count"
    UNKNOWN_WORD = "unknown word"
    CHECKSUM = "checksum"


class FileFault(Enum):
    """Why a file is refused."""

    #: The message does not describe a file of ours, or one larger than any.
    NOT_OURS = "not ours"
    #: The blob was not made with this key.
    WRONG_KEY = "wrong key"
    #: Bytes changed, are missing, doubled, out of order or too many.
    DAMAGED = "damaged"
    #: Ours: it is not there, no plain file, or not ours to read.
    UNREADABLE = "unreadable"
    #: Ours: larger than any relay takes, or too many for one message.
    TOO_LARGE = "too large"
    #: Ours: no recording in Ogg or WebM, so no voice note.
    NOT_A_VOICE = "not a voice note"
    #: No relay has it any more.
    GONE = "gone"
    #: It cannot be written where it should be saved.
    NOT_SAVED = "not saved"
    #: Ours: the file became another one while it was being sealed. Begin again, with a new key.
    CHANGED = "changed"


class BackupFault(Enum):
    """Why a backup or an export cannot be made, or brought back."""

    NOT_A_BACKUP = "not a backup"
    #: Of a later version of Heliogram.
    NEWER = "newer"
    DAMAGED = "damaged"
    NOT_READ = "not read"
    #: The disk is full, or the folder is not ours to write.
    NOT_WRITTEN = "not written"
    #: There is something in its place already.
    EXISTS = "exists"
    #: More than one file of ours can be.
    TOO_LARGE = "too large"


class PictureFault(Enum):
    """Why a picture cannot be cleaned."""

    #: Only pictures that stand still are.
    ANIMATED = "animated"
    TOO_LARGE = "too large"
    #: Broken, or of no format that we read.
    UNREADABLE = "unreadable"
    #: Its decoder took more time or memory than any picture may.
    COSTLY = "costly"


class NodeError(Exception):
    """The root of what `heliogram.node` raises."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "node"


class InvalidIdentity(NodeError):
    """A certificate, a list of devices or a key does not count; `fault` says why."""

    def __init__(self, fault: IdentityFault, what: str) -> None:
        super().__init__(fault, what)
        self.fault = fault
        self.what = what

    def __str__(self) -> str:
        return self.what

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"identity {self.fault.value}"


class InvalidLink(NodeError):
    """A contact link, or what stands in a code to scan, cannot be used; `fault` says why."""

    def __init__(self, fault: LinkFault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"the link cannot be used: {self.fault.value}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"link {self.fault.value}"


class InvalidWords(NodeError):
    """Recovery words that are none.

    `position` is that of the first wrong word, from 1; 0 if no single one is. `count` is how many words came.
    `close` are words of the list that look like the wrong one: to be shown, never logged.
    """

    def __init__(
        self, fault: WordsFault, *, count: int, position: int = 0, close: tuple[str, ...] = ()
    ) -> None:
        super().__init__(fault)
        self.fault = fault
        self.count = count
        self.position = position
        self.close = close

    def __str__(self) -> str:
        if self.fault is WordsFault.UNKNOWN_WORD:
            return f"word {self.position} is not in the list"
        if self.fault is WordsFault.COUNT:
            return f"there are {self.count} words, not 24"
        return "the words do not belong together: one is wrong, or two are swapped"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"words {self.fault.value}"


class InvalidFile(NodeError):
    """A file is refused; `fault` says why."""

    def __init__(self, fault: FileFault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"the file is refused: {self.fault.value}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"file {self.fault.value}"


class InvalidBackup(NodeError):
    """A backup or an export cannot be written or read; `fault` says why. What was begun is gone."""

    def __init__(self, fault: BackupFault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"the backup is refused: {self.fault.value}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"backup {self.fault.value}"


class InvalidPicture(NodeError):
    """A picture cannot be freed of its metadata; `fault` says why. As a file it goes with all of it."""

    def __init__(self, fault: PictureFault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"the picture cannot be cleaned: {self.fault.value}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"picture {self.fault.value}"


class NotInChain(NodeError):
    """Not the decision that comes next, or none at all. Nothing has changed: try another source."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "not in chain"


class NotOpened(NodeError):
    """Sealed bytes do not open with this secret, or what is inside cannot be read."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "not opened"


class TooLong(NodeError):
    """What should be sealed is longer than anything that others accept."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "too long"


class NotAllowed(NodeError):
    """All members would refuse this change; `why` is a sentence of ours. Nothing has changed."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "not allowed"


class InvitationFault(Enum):
    """Why an invitation is refused."""

    MALFORMED = "malformed"
    #: What it shows was not decided by the relays: a lost race, or somebody's private fork.
    NOT_DECIDED = "not decided"
    #: The Welcome is for none of our key packages, or for one that was used.
    NOT_FOR_US = "not for us"
    #: The group inside is not the one of the decision.
    ANOTHER_GROUP = "another group"
    #: A group that no honest member makes.
    BAD_GROUP = "bad group"
    BAD_SIGNATURE = "bad signature"
    #: It says that it goes on from a conversation of ours, and does not.
    NO_SUCCESSOR = "no successor"
    #: It goes on from an epoch that we have not reached. Follow the decisions, then try again.
    AHEAD = "ahead"
    #: It goes on from an epoch that is over: we went on from there, and whoever made it must follow.
    BEHIND = "behind"
    #: It goes on from another branch of a conversation of ours: there was a fork. A person may still join it.
    ANOTHER_BRANCH = "another branch"


class InvalidInvitation(NodeError):
    """An invitation that is not to be followed; `fault` says why. Nothing has changed."""

    def __init__(self, fault: InvitationFault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"the invitation is refused: {self.fault.value}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"invitation {self.fault.value}"


class InvalidDecisions(NodeError):
    """What a member served is no list of decisions. Nothing has changed: ask another member."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "invalid decisions"


class DamagedState(NodeError):
    """Saved records are no conversation, or of a newer version."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "damaged state"


class NotNow(NodeError):
    """Our caller asked for what cannot be done in this state. Nothing has changed: fix the caller."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "not now"


class ChatEnded(NodeError):
    """We are out of this conversation, or it is dead. What was said can be read."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "chat ended"


class WrongPassphrase(NodeError):
    """The passphrase or the key does not open the profile. Nothing of it was shown: ask again."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "wrong passphrase"


class StoreError(NodeError):
    """The profile's files cannot be read or written. What was being written is undone, all else is there.

    The text says what to do, and holds nothing of the profile.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "store"


class StoreFull(StoreError):
    """There is no room on the disk. Nothing is lost: make some, and try again."""

    def __init__(self) -> None:
        super().__init__("there is no room on the profile's disk: make some, and try again")

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "store full"


class StoreDamaged(StoreError):
    """The files are not what this program wrote: bring them back from a backup."""

    def __init__(self) -> None:
        super().__init__("the profile's files are damaged: bring them back from a backup")

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "store damaged"


class StoreNewer(StoreError):
    """A later version of the program wrote the profile: use that one."""

    def __init__(self) -> None:
        super().__init__("a later version of Heliogram wrote this profile: use that one")

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "store newer"


class NotFound(NodeError):
    """Nothing here has this name, or an id that begins so. `kind` says of what: "person", "chat", "link"…"""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        return f"there is no such {self.kind}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"no such {self.kind}"


class NotHere(NodeError):
    """There is no copy of this file here. Have it fetched, and wait until it is."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "not here"


class OnlyOwner(NodeError):
    """We are the only owner of a group that others are in: make one of them an owner first."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "only owner"


class Ambiguous(NodeError):
    """More than one thing has this name, or an id that begins so: give more of the id. `kind` as above."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        return f"this may be more than one {self.kind}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"ambiguous {self.kind}"


class ProfileError(NodeError):
    """The profile cannot be used as it is. The text says what to do."""

    def __init__(self, what: str) -> None:
        super().__init__(what)

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "profile"


class NoProfile(ProfileError):
    """There is no profile in this directory: create one."""

    def __init__(self) -> None:
        super().__init__("there is no profile here yet")

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "no profile"


class ProfileExists(ProfileError):
    """There is a profile in this directory: open it."""

    def __init__(self) -> None:
        super().__init__("there is a profile here already")

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "profile exists"


class ProfileBusy(ProfileError):
    """A node of this profile runs: use that one, or stop it first."""

    def __init__(self) -> None:
        super().__init__("a node of this profile is running: stop it first")

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "profile busy"


class PassphraseNeeded(ProfileError):
    """The profile needs its passphrase, and there was nobody to ask."""

    def __init__(self) -> None:
        super().__init__("the profile needs its passphrase")

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "passphrase needed"


class ConnectionFault(Enum):
    """Why there is no connection to a relay."""

    UNREACHABLE = "unreachable"
    #: Something answers there, and cannot prove that it is this relay.
    WRONG_KEY = "wrong key"
    #: Its certificate is of nobody whom this system, or its owner, trusts.
    UNTRUSTED = "untrusted"
    #: Something answers there that speaks another language.
    NO_RELAY = "no relay"
    #: No version of the protocol in common: the older side must be updated.
    VERSION = "version"


class TransferFault(Enum):
    """Why a blob did not go up or come down."""

    #: No connection, or it ended or stood still: go on later from where it stands.
    LOST = "lost"
    #: The relay cannot do it now: go on later.
    LATER = "later"
    #: The relay's disk is full: try others.
    FULL = "full"
    #: The relay does not have it, or not any more: try others.
    GONE = "gone"
    #: The ticket or the upload is over: announce it again.
    TICKET = "ticket"
    #: What the relay has does not hash to its name: begin again.
    DAMAGED = "damaged"
    #: The relay does not take it, or answers what no relay may.
    REFUSED = "refused"


class InvalidEndpoint(NodeError):
    """No relay can be at this address: not `wss://HOST[:PORT][/PATH]`, too long, or no key."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "invalid endpoint"


class InvalidProxy(NodeError):
    """Not `socks5://ADDRESS:PORT` with an IP address, or `localhost`."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "invalid proxy"


class InvalidAuthority(NodeError):
    """Not the absolute path of a file with certificates in PEM that can be read."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "invalid authority"


class NoConnection(NodeError):
    """A relay cannot be reached, or is another one; `fault` says which. Try again later."""

    def __init__(self, fault: ConnectionFault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"no connection: {self.fault.value}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"connection {self.fault.value}"


class TransferFailed(NodeError):
    """A blob did not go up or come down; `fault` says why, and so what to do."""

    def __init__(self, fault: TransferFault) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"the blob did not go through: {self.fault.value}"

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return f"transfer {self.fault.value}"


class NoRelays(NodeError):
    """There is no relay to begin anything with: add one."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "no relays"


class RelaysAway(NodeError):
    """Too few of the relays that a change brings in have opened the log. Nothing has changed."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "relays away"


class CodesDiffer(NodeError):
    """A safety code is not the one of these two people: somebody may stand between them. Must be loud."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "codes differ"
