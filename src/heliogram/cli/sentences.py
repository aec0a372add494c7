"""What people read when something cannot be done: for each error's code a sentence, a hint, an exit code.

Exit codes: 0 done; 1 refused or failed; 2 used in a wrong way; 3 no node can be reached, or its profile
cannot be opened; 4 not done in time, and maybe later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from heliogram.node.errors import NodeError

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
TIMEOUT: Final = 4


class Sentence(NamedTuple):
    """What is wrong, what to do about it, and the exit code."""

    what: str
    hint: str = ""
    exit: int = FAILED


_IDENTITY = "Somebody may stand between you. Compare safety codes: heliogram contact verify NAME"
_LINK = "Ask for the link again, and copy all of it."
_LATER = "Try again later. heliogram relays check shows which relays answer."
_BUG = "This should not happen: please report what you did."
_INVITE = "Ask whoever invited you to invite you again."
_RELAYS = "heliogram relays list shows your relays, heliogram relays add ADDRESS adds one."
_STORE = "Look at the disk. heliogram backup makes copies that can be opened again."
_WORDS = "The words are those that heliogram init has shown. Four letters of each are enough."

#: By code. `{position}` and the like are what the error was made with.
SENTENCES: Final[dict[str, Sentence]] = {
    "node": Sentence("This could not be done.", _BUG),
    # --- Who is who
    "identity malformed": Sentence("What should say who somebody is cannot be read.", _IDENTITY),
    "identity bad signature": Sentence(
        "What should say who somebody is was signed by somebody else.", _IDENTITY
    ),
    "identity wrong account": Sentence("Somebody else answers in their place.", _IDENTITY),
    "identity rolled back": Sentence(
        "An older list of their devices was shown: a lost device may want to come back.", _IDENTITY
    ),
    "identity contradiction": Sentence(
        "Their account contradicts itself: its key may be in two hands.", _IDENTITY
    ),
    "link not a link": Sentence(
        "This is no contact link.", "A link begins with heliogram:contact/"
    ),
    "link damaged": Sentence("The link is damaged: letters are missing or wrong.", _LINK),
    "link newer": Sentence("The link is of a later version of Heliogram.", "Update Heliogram."),
    "link gone": Sentence("The link leads nowhere any more.", "Ask for another one."),
    "not reached": Sentence("They could not be reached for two weeks.", "Ask for another link."),
    "words count": Sentence("These are {count} words; there must be 24.", _WORDS),
    "words unknown word": Sentence("Word {position} is not in the list.{close}", _WORDS),
    "words checksum": Sentence(
        "The words do not belong together: one is wrong, or two are swapped.", _WORDS
    ),
    # --- Files
    "file not ours": Sentence(
        "The message does not describe a file that can be fetched.", "Ask for it again."
    ),
    "file wrong key": Sentence(
        "The file does not open with the key of its message.", "Ask for it again."
    ),
    "file damaged": Sentence("The file was changed on its way.", "Ask for it again."),
    "file changed": Sentence(
        "The file changed while it was being sent.", "Send it again when nothing writes to it."
    ),
    "picture animated": Sentence(
        "Only pictures that stand still can be freed of their metadata.",
        "heliogram send --as-file sends it as it is, with all of it.",
    ),
    "picture too large": Sentence(
        "The picture is too large to be freed of its metadata.",
        "heliogram send --as-file sends it as it is, with all of it.",
    ),
    "picture unreadable": Sentence(
        "The picture is broken, or of a format that is not known here.",
        "heliogram send --as-file sends it as it is, with all of it.",
    ),
    "picture costly": Sentence(
        "The picture takes more time or memory than any may.",
        "heliogram send --as-file sends it as it is, with all of it.",
    ),
    "file unreadable": Sentence(
        "The file cannot be read.", "Look at its path and who may read it."
    ),
    "file too large": Sentence("The file is larger than any that is sent.", "Send it in parts."),
    "file not a voice note": Sentence("This is no voice note.", "Send it as a file: --file"),
    "file gone": Sentence("No relay has the file any more.", "Ask for it again."),
    "not here": Sentence("The file is not here.", "heliogram files get MESSAGE fetches it."),
    "file not saved": Sentence(
        "The file could not be saved.", "Look at the disk, or save it elsewhere: --to DIR"
    ),
    "transfer lost": Sentence("The connection broke while a file was on its way.", _LATER),
    "transfer later": Sentence("The relay cannot take or give the file now.", _LATER),
    "transfer full": Sentence("The relay's disk is full.", _RELAYS),
    "transfer gone": Sentence("The relay does not have the file any more.", "Ask for it again."),
    "transfer ticket": Sentence("The relay waits for this file no longer.", "Send it again."),
    "transfer damaged": Sentence("The relay gave something else than the file.", _LATER),
    "transfer refused": Sentence("The relay does not take this file.", _RELAYS),
    # --- Backups
    "backup not a backup": Sentence("This is no backup of a profile.", "Look at the name."),
    "backup newer": Sentence("A later version of Heliogram made this.", "Update Heliogram."),
    "backup damaged": Sentence("The backup is damaged.", "Take another copy of it."),
    "backup not read": Sentence("The backup cannot be read.", "Look at who may read it."),
    "backup not written": Sentence("It cannot be written there.", "Look at the disk and its room."),
    "backup exists": Sentence("There is something of this name already.", "Choose another name."),
    "backup too large": Sentence("This is larger than any backup.", "Look at the name."),
    # --- Conversations
    "not in chain": Sentence("A relay showed a decision out of order.", _LATER),
    "not opened": Sentence("Something sealed does not open.", _LATER),
    "too long": Sentence("This is longer than a message may be.", "Send it as a file: --file"),
    "not allowed": Sentence("{why}."),
    "only owner": Sentence(
        "You are the only owner of the group.",
        "Make somebody else one first: heliogram group role GROUP NAME owner",
    ),
    "invitation malformed": Sentence("The invitation cannot be read.", _INVITE),
    "invitation not decided": Sentence(
        "The invitation leads where the relays have not been: a lost race, or a trap.", _INVITE
    ),
    "invitation not for us": Sentence("The invitation is for another device.", _INVITE),
    "invitation another group": Sentence("The invitation leads somewhere else.", _INVITE),
    "invitation bad group": Sentence("No honest program makes such a group.", _INVITE),
    "invitation bad signature": Sentence(
        "The invitation was not signed by whom it names.", _INVITE
    ),
    "damaged state": Sentence("What was saved of a conversation cannot be read.", _STORE),
    "not now": Sentence("This cannot be done now.", "heliogram group info NAME shows how it is."),
    "invitation no successor": Sentence(
        "It says that it goes on from a conversation of yours, and does not.", "Do not go in."
    ),
    "invitation ahead": Sentence("It goes on from what has not arrived here yet.", _LATER),
    "invitation behind": Sentence(
        "It goes on from what is over: the conversation went on here.", "Do not go in."
    ),
    "invitation another branch": Sentence(
        "It goes on from another branch of a conversation of yours: somebody forked it.",
        "Ask whoever sent it what happened, by voice.",
    ),
    "invalid decisions": Sentence("What a member served is no history of decisions.", _LATER),
    "chat ended": Sentence(
        "Nothing can be said or changed there any more.",
        "If it was broken: heliogram group successor NAME goes on.",
    ),
    "codes differ": Sentence(
        "The safety codes are not the same: somebody may stand between you.",
        "Compare again, by voice. If they differ again, do not write what is secret.",
    ),
    "no relays": Sentence("There is no relay to begin anything with.", _RELAYS),
    "relays away": Sentence(
        "Too few of the new relays could be reached, so the relays stay as they were.", _RELAYS
    ),
    "no such scheduled": Sentence(
        "Nothing waits under this number.", "Look: heliogram schedule list"
    ),
    # --- The profile
    "wrong passphrase": Sentence(
        "This is not the passphrase.",
        "Nobody can reset it. With its 24 words the account lives on: heliogram restore --home DIR",
        UNREACHABLE,
    ),
    "store": Sentence("The profile's files cannot be read or written.", _STORE, UNREACHABLE),
    "store full": Sentence("There is no room on the disk.", "Make some, and try again.", FAILED),
    "store damaged": Sentence("The profile's files are damaged.", "Open a backup.", UNREACHABLE),
    "store newer": Sentence(
        "A later version of Heliogram wrote this profile.", "Update Heliogram.", UNREACHABLE
    ),
    "profile": Sentence("{text}.", "", UNREACHABLE),
    "no profile": Sentence(
        "There is no profile here yet.", "Make one: heliogram init", UNREACHABLE
    ),
    "profile exists": Sentence(
        "There is a profile here already.", "Use it, or choose another place: --home DIR"
    ),
    "profile busy": Sentence(
        "A program has this profile open.", "Wait for it, or stop it: heliogram lock", UNREACHABLE
    ),
    "passphrase needed": Sentence(
        "The profile needs its passphrase, and there is nobody to ask.",
        "HELIOGRAM_PASSPHRASE_FILE names a file with it.",
        UNREACHABLE,
    ),
    # --- Relays
    "invalid endpoint": Sentence(
        "No relay can be at this address.",
        "It looks like wss://HOST/PATH#KEY, or wss://HOST/PATH#KEY&operator=KEY",
        USAGE,
    ),
    "invalid proxy": Sentence("This is no proxy.", "It looks like socks5://127.0.0.1:9050", USAGE),
    "invalid authority": Sentence(
        "There are no certificates in this file, or it cannot be read.",
        "It holds certificates in PEM: -----BEGIN CERTIFICATE-----",
        USAGE,
    ),
    "connection unreachable": Sentence("The relay cannot be reached.", _LATER),
    "connection wrong key": Sentence(
        "Something answers there that is not this relay.", "Ask its operator for the key."
    ),
    "connection untrusted": Sentence(
        "The relay's certificate is not trusted here.",
        "If you trust its operator: heliogram network --ca FILE",
    ),
    "connection no relay": Sentence("What answers there is no relay.", "Look at the address."),
    "connection version": Sentence(
        "The relay speaks another version.", "The older of the two must be updated."
    ),
    # --- The node's place
    "not running": Sentence(
        "No node runs for this profile.", "Start one: heliogram serve", UNREACHABLE
    ),
    "already running": Sentence(
        "A node of this profile is running already.",
        "Use it, or stop it: heliogram lock",
        UNREACHABLE,
    ),
    "interrupted": Sentence(
        "The node went away before it answered.",
        "It may have done what you asked: look, then start it again. heliogram serve",
        UNREACHABLE,
    ),
    "unsafe place": Sentence(
        "Others on this machine can get at the profile's directory.",
        "Allow only its owner: chmod 700 DIRECTORY",
        UNREACHABLE,
    ),
    "invalid command": Sentence("A value cannot be like that: {where}.", "", USAGE),
    "too much": Sentence("That is more than fits into one answer.", "Ask for less: --limit"),
    "internal": Sentence("The node failed at this, and goes on.", _BUG),
    "timeout": Sentence(
        "It is not done yet.", "It is kept, and goes on when relays can be reached.", TIMEOUT
    ),
}

#: What a node warns of, by the code of `api.Warned`: while somebody looks, or with what they look at.
WARNINGS: Final[dict[str, Sentence]] = {
    "fork suspected": Sentence(
        "Relays may have shown different things to different members.",
        "Compare the authenticator of heliogram group info NAME with another member, by voice.",
    ),
    "conversation dead": Sentence(
        "Something was decided that nobody can follow: nothing can be said here any more.",
        "heliogram group successor NAME goes on in a new log.",
    ),
    "wounded": Sentence(
        "Something was decided that this device cannot follow.",
        "A member's device puts it back by itself. If none does: heliogram group successor NAME",
    ),
    "keys used elsewhere": Sentence(
        "This device said something that it does not know of: its profile was copied, or is an old copy.",
        "Delete every copy but one. For another machine: heliogram backup FILE",
    ),
    "damaged state": SENTENCES["damaged state"],
    "foreign packages": Sentence(
        "A relay gave keys of somebody else for them. They were not used.",
        "Compare safety codes: heliogram contact verify NAME",
    ),
    "store": Sentence(
        "What happens cannot be written to the disk: nothing goes out or in until it can be.",
        "Look at the disk and its room. Nothing is lost that was shown as stored.",
    ),
    **{code: one for code, one in SENTENCES.items() if code.startswith("identity ")},
}

#: Codes that end with what is missing or meant twice, by their beginning.
_FAMILIES: Final = (
    (
        "no such ",
        Sentence("There is no {kind} of this name or id.", "{list}"),
    ),
    (
        "ambiguous ",
        Sentence("This may be more than one {kind}.", "Give the first digits of its id. {list}"),
    ),
)

#: Where one can look, by kind.
_LISTS: Final = {
    "chat": "heliogram chats",
    "person": "heliogram contact list",
    "contact": "heliogram contact list",
    "link": "heliogram link list",
    "request": "heliogram requests",
    "relay": "heliogram relays list",
    "message": "heliogram read NAME",
    "file": "heliogram files list NAME",
    "member": "heliogram group info NAME",
}

_UNKNOWN: Final = "This could not be done ({code})."

#: What was not allowed later than it was asked for: of that the code alone is known.
_FORBIDDEN: Final = Sentence(
    "The members of the conversation do not allow this.",
    "What you may do there depends on your role: heliogram group info NAME",
)


def sentence(error: NodeError) -> Sentence:
    """The sentence for an error, with its details."""
    found = SENTENCES.get(error.code)
    details = _details(error)
    if error.code == "not allowed" and not details.get("why"):
        found = _FORBIDDEN
    for beginning, family in _FAMILIES:
        if found is None and error.code.startswith(beginning):
            kind = error.code.removeprefix(beginning)
            details |= {"kind": kind, "list": f"Look: {_LISTS[kind]}" if kind in _LISTS else ""}
            found = family
    if found is None:
        found = Sentence(_UNKNOWN, "Another version of Heliogram may say more.")
    return Sentence(
        found.what.format_map(_Blank(details)).strip(),
        found.hint.format_map(_Blank(details)).strip(),
        found.exit,
    )


def failure(code: str, who: Iterable[str]) -> Sentence:
    """What failed later than it was asked for, and whom it was about."""
    from heliogram.node.control.faults import RemoteNodeError

    found, names = sentence(RemoteNodeError(code, {})), ", ".join(who)
    return Sentence(f"{names}: {found.what}" if names else found.what, found.hint, found.exit)


def warning(code: str, who: str = "") -> str:
    """What a node warns of, whom it is about, and what to do."""
    found = WARNINGS.get(code, Sentence(f"Something is wrong ({code})."))
    about = f"{who}: " if who else ""
    return f"{about}{found.what} {found.hint}".strip()


class _Blank(dict[str, Any]):
    """Details, of which those that are not known are empty."""

    def __missing__(self, key: str) -> str:
        return ""


def _details(error: NodeError) -> dict[str, Any]:
    from heliogram.node.control.faults import describe

    fields = dict(describe(error).fields)
    close = fields.get("close") or ()
    if isinstance(close, list | tuple):
        fields["close"] = f" Maybe: {', '.join(map(str, close))}." if close else ""
    for name, value in fields.items():
        if name == "why" and isinstance(value, str):
            fields[name] = value[:1].upper() + value[1:]
    text = str(error)
    return {"code": error.code, **fields, "text": text[:1].upper() + text[1:]}
