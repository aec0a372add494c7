"""Which of the store goes into a backup. What is not listed here does not.

A backup holds who we are, whom we know, what was said. It holds nothing by which a device speaks: no group,
no key of a device, no key package, nothing that waits to be sent. Whoever goes back to an old state of these
would use keys twice. So a restored profile is a new device (ADR 25).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """A table, which of its rows, and what of a row is not kept: such columns begin anew."""

    name: str
    where: str = ""
    without: tuple[str, ...] = ()
    #: What is written instead of a column's value, as SQL.
    instead: tuple[tuple[str, str], ...] = ()


#: Settings that go along. `device` is none of them: it is the device that speaks.
SETTINGS = ("account", "devices", "inbox", "name", "named", "proxy", "authority", "preferences")

_MESSAGE = "message IN (SELECT number FROM messages)"

#: In an order in which each row finds what it refers to.
TABLES = (
    Kept("settings", f"name IN ({', '.join(repr(one) for one in SETTINGS)})"),
    Kept("relays"),
    Kept("faults"),
    # We are in none of them: the device that was is not this one.
    # The unread are counted as they come in.
    Kept("conversations", instead=(("phase", "'out'"), ("unread", "0"))),
    Kept("folders"),
    Kept("filed"),
    Kept("members"),
    # What had not left will not leave.
    Kept(
        "messages",
        instead=(("state", "CASE state WHEN 'queued' THEN 'failed' ELSE state END"),),
    ),
    Kept("gone"),
    Kept("versions"),
    Kept("reactions"),
    Kept("votes"),
    Kept("pins"),
    Kept("reports"),
    Kept("traces", _MESSAGE),
    Kept(
        "files",
        _MESSAGE,
        # Sealed copies stay behind: what is kept is fetched again, as long as relays have it.
        without=("spool", "kept"),
        instead=(
            (
                "state",
                "CASE state WHEN 'downloading' THEN 'remote' WHEN 'kept' THEN 'remote'"
                " WHEN 'sending' THEN 'gone' ELSE state END",
            ),
        ),
    ),
    Kept("names"),
    Kept("links"),
    # Which relays have our inbox. What they have of it, is said to them anew.
    Kept("inboxes", without=("opened", "filled")),
    # Who was being reached is reached anew.
    Kept(
        "contacts",
        without=("conversation", "trouble"),
        instead=(("state", "CASE state WHEN 'failed' THEN 'failed' ELSE 'known' END"),),
    ),
)

#: What stays out, each with its reason: a test holds these and those above against the schema.
LEFT_OUT = {
    "successions": "conversations that a device was beginning: this one begins nothing",
    "records": "groups, epochs' keys, our signature keys in groups",
    "log_state": "cursors, elections",
    "decisions": "they can be had of relays and other members",
    "outbox": "entries that are encrypted already, and what waits for a group that is gone",
    "scheduled": "the device that was to say it is gone",
    "scheduled_files": "they belong to what is scheduled",
    "wishes": "they wait for a group that is gone",
    "admins": "for judging what comes, and nothing comes",
    "unstable": "it waits for decisions that nobody here follows",
    "early": "it waits for messages that will not come",
    "owed": "reports that nobody can send",
    "pictures": "members of a group fetch them, and this device is none any more",
    "takebacks": "they belong to the device that sent the files",
    "packages": "private keys of key packages, which are used once",
    "jobs": "half of a conversation with an inbox, with keys of its own",
    "requests": "invitations to a key package that is gone",
    "link_places": "relays are told all links anew",
    "search": "made from messages by the store itself",
    "places": "counted from messages by the store itself",
}
