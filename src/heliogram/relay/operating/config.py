"""The configuration of one relay: `relay.toml` in its data directory, and the same names as options.

Each setting stands here once, with its sentence, its bounds and its default. The options of the command line,
the comments in a new `relay.toml` and the table in `docs/guide/relay.md` are made of them. `settings` reads
and writes the file.

Settings are numbers of bytes, seconds or days, never "10 MB".
"""

from __future__ import annotations

from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from heliogram.relay.terms import Terms
from heliogram.wire import limits
from heliogram.wire.objects import Limits, RelayDescription

#: In the place of an address: nothing listens.
OFF: Final = "off"

_MOST_DAYS = (1 << 16) - 1
#: The largest number that TOML and SQLite hold.
MOST: Final = (1 << 63) - 1


class Address(NamedTuple):
    """Where something listens. Port 0: the system chooses one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """`127.0.0.1:8443`, `[::1]:8443` or `localhost:8443`. Raises `ValueError`, which says why."""
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit() and len(port) <= 5):
            raise ValueError("it has no port after a colon")
        if int(port) > 65_535:
            raise ValueError("its port is above 65535")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError("an IPv6 address needs brackets around it")
        if host == "localhost":
            return cls(host, int(port))
        try:
            return cls(str(ip_address(host)), int(port))
        except ValueError:
            raise ValueError("its host is neither an IP address nor localhost") from None


def _from(least: int, most: int = MOST) -> Meta:
    """Bounds, both included."""
    return Meta(ge=least, le=most)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of one relay. `settings.load` makes it and has checked it."""

    data: Annotated[Path, "The folder of all that this relay keeps."]

    # Where it listens
    listen: Annotated[
        str, "Where clients connect: IP address and port. Port 0: any that is free."
    ] = "127.0.0.1:8443"
    tls_cert: Annotated[
        Path | None, "The TLS certificate with its chain, a PEM file. Needs tls_key."
    ] = None
    tls_key: Annotated[Path | None, "The private key of the TLS certificate, a PEM file."] = None
    plain_behind_proxy: Annotated[
        bool,
        "A proxy ends TLS: listen without it anywhere, and do not count connections by address.",
    ] = False
    metrics: Annotated[
        str, "Where /metrics and /health are, on the loopback interface; or off."
    ] = OFF

    # What others see of it
    operator_key: Annotated[
        str,
        "Your Ed25519 key in hexadecimal, one for all your relays. Empty: this is the only one.",
    ] = ""
    endpoints: Annotated[
        tuple[str, ...],
        "The URLs at which clients reach this relay.",
        Meta(max_length=limits.MAX_ENDPOINTS),
    ] = ()
    site_title: Annotated[str, "The title of the page at /.", Meta(max_length=80)] = ""
    site_text: Annotated[str, "The text of the page at /.", Meta(max_length=2000)] = ""

    # How long it keeps
    entry_days: Annotated[int, "Days that entries are kept.", _from(1, _MOST_DAYS)] = 30
    certificate_days: Annotated[
        int, "Days that decided slots are kept; at least entry_days.", _from(1, _MOST_DAYS)
    ] = 180
    blob_days: Annotated[
        int, "Days that blobs are kept at most.", _from(1, limits.MAX_BLOB_DAYS)
    ] = 30
    idle_days: Annotated[
        int,
        "Days after which an unused log or inbox is forgotten; at least certificate_days.",
        _from(1, _MOST_DAYS),
    ] = 730

    # What a client may send
    difficulty_open: Annotated[
        int,
        "Bits of work to open a log or an inbox. 20 take a second.",
        _from(0, limits.MAX_DIFFICULTY),
    ] = 20
    difficulty_inbox: Annotated[
        int, "Bits of work to post into an inbox.", _from(0, limits.MAX_DIFFICULTY)
    ] = 18
    max_frame: Annotated[int, "Bytes of a message.", _from(limits.MIN_FRAME, limits.MAX_FRAME)] = (
        limits.MAX_FRAME
    )
    max_entry: Annotated[int, "Bytes of an entry.", _from(limits.MIN_ENTRY, limits.MAX_ENTRY)] = (
        limits.MAX_ENTRY
    )
    max_blob: Annotated[int, "Bytes of a blob. 0: no blobs.", _from(0, limits.MAX_BLOB)] = 1 << 30
    max_pending: Annotated[
        int, "Requests of a connection that wait for their answers.", _from(1, limits.MAX_PENDING)
    ] = limits.MAX_PENDING
    max_channels: Annotated[int, "Channels of a connection.", _from(1, limits.MAX_CHANNELS)] = (
        limits.MAX_CHANNELS
    )

    # Connections. An address is an IPv4 address or an IPv6 /64
    max_connections: Annotated[int, "Connections at once.", _from(1, 1_000_000)] = 16_000
    max_connections_per_address: Annotated[
        int, "Connections at once from one address.", _from(1, 1_000_000)
    ] = 256
    connections_per_minute: Annotated[
        int, "New connections from one address in a minute.", _from(1, 1_000_000)
    ] = 600
    requests_per_second: Annotated[
        int, "Requests of a connection in a second; twice as many in a burst.", _from(1, 100_000)
    ] = 500
    signatures_per_second: Annotated[
        int, "Signatures that are verified for a connection in a second.", _from(1, 100_000)
    ] = 200
    hello_seconds: Annotated[
        int, "Seconds in which a connection must say hello.", _from(1, 600)
    ] = 10
    idle_seconds: Annotated[
        int,
        "Seconds of silence that end a connection. After half of them it is asked.",
        _from(10, 86_400),
    ] = 600
    write_seconds: Annotated[
        int, "Seconds after which a client that does not read is dropped.", _from(1, 600)
    ] = 30
    write_buffer: Annotated[
        int, "Bytes that wait for a client to read them.", _from(limits.MAX_FRAME, 1 << 30)
    ] = 1 << 20

    # Budgets of each log, so that nobody fills the disk
    posts_per_day: Annotated[int, "Entries of one log in a day.", _from(1)] = 20_000
    post_bytes_per_day: Annotated[
        int, "Bytes of entries of one log in a day.", _from(limits.MAX_ENTRY)
    ] = 64 << 20
    log_bytes: Annotated[int, "Bytes of entries of one log at once.", _from(limits.MAX_ENTRY)] = (
        256 << 20
    )
    grace_per_day: Annotated[int, "Entries in the grace lane of one log in a day.", _from(1)] = 256
    values_per_day: Annotated[int, "New values for slots of one log in a day.", _from(1)] = 100
    votes_per_hour: Annotated[int, "Requests for votes in one log in an hour.", _from(1)] = 2_000
    decisions_per_day: Annotated[int, "Decisions that one log takes in a day.", _from(1)] = 500
    blob_bytes_per_day: Annotated[
        int, "Bytes of blobs that one log announces in a day.", _from(0)
    ] = 4 << 30

    # Budgets of links and cells
    items_per_day: Annotated[int, "Items in a day by one link.", _from(1)] = 100
    takes_per_day: Annotated[
        int,
        "Takings of key packages in a day by one link.",
        _from(1, limits.MAX_PACKAGES // limits.MAX_DEVICES),
    ] = 10
    cell_writes_per_day: Annotated[int, "New values of one cell in a day.", _from(1)] = 1_000

    # Budgets of the whole relay
    max_logs: Annotated[int, "Logs at once.", _from(1)] = 1_000_000
    max_inboxes: Annotated[int, "Inboxes at once.", _from(0)] = 1_000_000
    max_cells: Annotated[int, "Cells at once.", _from(0)] = 100_000
    max_blob_bytes: Annotated[int, "Bytes of all blobs together.", _from(0)] = 64 << 30

    # What it says to its operator
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], "What is logged: this and worse."
    ] = "info"
    log_format: Annotated[Literal["plain", "json"], "What a line of the log looks like."] = "plain"

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.data / "relay.db"

    @property
    def blobs(self) -> Path:
        """The folder of the blobs."""
        return self.data / "blobs"

    @property
    def listen_address(self) -> Address:
        """Where clients connect."""
        return Address.parse(self.listen)

    @property
    def metrics_address(self) -> Address | None:
        """Where metrics are served; None: nowhere."""
        return None if self.metrics == OFF else Address.parse(self.metrics)

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files of the certificate and its key; None without TLS."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        return self.tls_cert, self.tls_key

    def limits(self) -> Limits:
        """What the greeting announces."""
        return Limits(**{one.name: getattr(self, one.name) for one in fields(Limits)})

    def terms(self) -> Terms:
        """What the cores need to know of this configuration."""
        own = {one.name: getattr(self, one.name) for one in fields(Terms) if one.name != "limits"}
        return Terms(limits=self.limits(), **own)

    def description(self, key: bytes) -> RelayDescription:
        """How conversations name the relay with this public key."""
        operator = bytes.fromhex(self.operator_key) if self.operator_key else key
        return RelayDescription(key, operator, tuple(map(str.encode, self.endpoints)))
