"""What a session, and the round of expiry, find around them: a server, as far as they know it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from heliogram.relay.batch import Batch
from heliogram.relay.blobs.rules import Tickets
from heliogram.relay.blobs.service import BlobService
from heliogram.relay.operating.config import Config
from heliogram.relay.serving.listeners import Listeners
from heliogram.relay.serving.metrics import Metrics
from heliogram.relay.store import Store
from heliogram.relay.terms import Terms
from heliogram.wire.signing import SigningKey


class Flushed(Protocol):
    """Something that writes when a turn of the loop is over."""

    def flush(self) -> None:
        """Write all that is ready."""
        ...


class Host(Protocol):
    """One relay's settings, identity, store, threads and clock."""

    loop: asyncio.AbstractEventLoop
    config: Config
    identity: SigningKey
    terms: Terms
    listeners: Listeners
    metrics: Metrics
    tickets: Tickets
    blobs: BlobService
    #: For what is read in the loop's thread.
    reader: Store

    def clock(self) -> int:
        """Unix time in seconds."""
        ...

    def entropy(self, size: int, /) -> bytes:
        """Random bytes."""
        ...

    def submit(self, work: Callable[[Batch], Any], done: Callable[[Any], None], size: int) -> bool:
        """Have work of about `size` bytes done by the writer, or False if too much waits already."""
        ...

    def read(self, work: Callable[[Store], Any], done: Callable[[Any], None]) -> None:
        """Read something long in another thread."""
        ...

    def flush_soon(self, session: Flushed) -> None:
        """Have a session write what it has to say when everything of this turn is known."""
        ...
