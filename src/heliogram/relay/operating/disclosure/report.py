"""What is handed over, as structures. JSON has the same names; docs/disclosure.md shows an example.

Ids, keys and hashes are hexadecimal. Times are minutes (Unix time / 60) or days (Unix time / 86400): the
relay has none that are finer. `text` writes them as dates.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

#: The version of the JSON.
FORMAT = 1


class Relay(Struct, frozen=True):
    """A relay of a configuration, by its place."""

    key: str
    operator_key: str
    endpoints: tuple[str, ...]


class Vote(Struct, frozen=True):
    """A certificate: who signed what in which round. `signed` are places in the configuration."""

    round: int
    h: str
    signed: tuple[int, ...]
    encoded: str


class Decided(Struct, frozen=True):
    """A value, whose body is ciphertext: its hash and sizes, and who decides next."""

    h: str
    header_bytes: int
    body_bytes: int
    next_relays: tuple[Relay, ...]
    next_quorum: int


class Slot(Struct, frozen=True):
    """What is kept of a seat: votes while it is open, its decision, or a tombstone."""

    seat: str
    state: Literal["nothing", "open", "decided", "expired"]
    promised: int = 0
    first_vote: str | None = None
    lock: Vote | None = None
    decision: Vote | None = None
    values: tuple[Decided, ...] = ()


class Epoch(Struct, frozen=True):
    """The time between two decisions. `closed_minute` is None while it is open."""

    epoch: int
    #: With which the epoch's members spoke to this relay; the members have the same one.
    members_key: str | None
    grace_entries: int
    closed_minute: int | None
    slot: Slot


class Entry(Struct, frozen=True):
    """A posted ciphertext, without its bytes: those are in a file if they were asked for."""

    index: int
    epoch: int
    minute: int
    size: int
    sha256: str


class Entries(Struct, frozen=True):
    """What is kept of a log's entries. The oldest go first, so indices below `first_index` are gone."""

    count: int
    bytes: int
    first_index: int
    next_index: int
    first_minute: int | None
    last_minute: int | None
    chain: str
    rows: tuple[Entry, ...] | None = None


class Log(Struct, frozen=True):
    """A log. `number` is local; `log_id` is the one in its configuration."""

    number: int
    instance: str
    log_id: str
    first_epoch: int
    open_epoch: int
    closed_here: bool
    fence: str | None
    abstains_before_epoch: int
    quorum: int
    relays: tuple[Relay, ...]
    last_day: int
    entries: Entries
    epochs: tuple[Epoch, ...]


class Link(Struct, frozen=True):
    """A link of an inbox: its public key, and how often it may still be used; -1 is any number."""

    key: str
    posts: int
    takes: int


class Item(Struct, frozen=True):
    """What a stranger left, without its bytes."""

    index: int
    minute: int
    link: str
    size: int


class Device(Struct, frozen=True):
    """The pool of one device: packages that may be given once, and those of last resort."""

    device: str
    once: int
    last_resort: int
    bytes: int


class Inbox(Struct, frozen=True):
    """An inbox. `given` is how many packages were given within the last window of work."""

    number: int
    inbox: str
    owner: str
    next_index: int
    last_day: int
    links: tuple[Link, ...]
    items: tuple[Item, ...]
    devices: tuple[Device, ...]
    given: int


class Blob(Struct, frozen=True):
    """An announced blob. `expires_minute` is None when it was taken back."""

    blob: str
    delete_hash: str
    size: int
    stored: int
    expires_minute: int | None
    last_part_minute: int | None


class Cell(Struct, frozen=True):
    """A cell, without its value."""

    cell: str
    owner: str
    version: int
    size: int
    last_day: int
    signature: str


class Statement(Struct, frozen=True):
    """A stranger's request that was done within the last window of work: a hash, and what came of it."""

    statement: str
    kind: Literal["posted", "taken"]
    minute: int
    packages: int
    bytes: int


class Summary(Struct, frozen=True):
    """How much there is in all, whatever was selected."""

    relay: str
    running: bool
    logs: int
    fenced_logs: int
    entries: int
    entry_bytes: int
    slots: int
    tombstones: int
    inboxes: int
    links: int
    items: int
    packages: int
    statements: int
    blobs: int
    blob_bytes: int
    cells: int


class Place(Struct, frozen=True):
    """Where a key stands."""

    where: str
    number: int
    role: str


class Hit(Struct, frozen=True):
    """How often a text stands in a file."""

    file: str
    times: int
