"""What one relay allows and how long it keeps things: the part of its configuration that the cores know."""

from __future__ import annotations

from dataclasses import dataclass

from heliogram.wire.objects import Limits


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one relay. A day is 24 hours from midnight UTC by the relay's clock."""

    #: What the greeting announces: work, sizes, days.
    limits: Limits

    #: The lane of posts, for each log: entries and bytes in a day, and bytes that are kept at once.
    posts_per_day: int = 20_000
    post_bytes_per_day: int = 64 << 20
    log_bytes: int = 256 << 20

    #: The grace lane, for each log: entries in a day, in all epochs together.
    grace_per_day: int = 256

    #: The lane of slots, for each log: new values in a day, requests in an hour.
    values_per_day: int = 100
    votes_per_hour: int = 2_000

    #: Decisions that a log may take in a day. They need no key, and q votes have paid for each: members who
    #: use up the lane of slots cannot keep a relay from catching up.
    decisions_per_day: int = 500

    #: Bytes of blobs that a log may announce in a day.
    blob_bytes_per_day: int = 4 << 30

    #: What the holder of one link may do in a day, even if it may be used any number of times: items, and
    #: takings of key packages. The latter below `MAX_PACKAGES` / `MAX_DEVICES`, so that no link empties a
    #: full pool in a day.
    items_per_day: int = 100
    takes_per_day: int = 10

    #: New values of a cell in a day.
    cell_writes_per_day: int = 1_000

    #: Logs, inboxes and cells that may exist at once, and bytes of all blobs together.
    max_logs: int = 1_000_000
    max_inboxes: int = 1_000_000
    max_cells: int = 100_000
    max_blob_bytes: int = 64 << 30

    #: Days after which a log or an inbox that nobody has used is forgotten.
    idle_days: int = 730
