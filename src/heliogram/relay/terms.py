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

    #: Bytes of blobs that a log may announce in a day.
    blob_bytes_per_day: int = 4 << 30

    #: Logs and inboxes that may exist at once, and bytes of all blobs together.
    max_logs: int = 1_000_000
    max_inboxes: int = 1_000_000
    max_blob_bytes: int = 64 << 30

    #: Days after which a log or an inbox that nobody has used is forgotten.
    idle_days: int = 730
