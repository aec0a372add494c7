"""Where relays are reached, read strictly: others may have written it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Self

from heliogram.node.errors import InvalidEndpoint
from heliogram.wire.limits import MAX_ENDPOINT

#: What a host may be made of, and a path: no query, nothing that a local server could take for a command.
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_ENDPOINT = re.compile(
    r"(?P<scheme>wss?)://(?P<host>\[[^\]/]*\]|[^/:?#@]*)(:(?P<port>[1-9][0-9]{0,4}))?(?P<path>/.*)?",
    re.DOTALL,
)

#: The path of a relay's WebSocket, below which its blobs do not lie.
_SOCKET = "/ws"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place where a relay is reached."""

    #: The WebSocket's URL.
    url: str = field(repr=False)
    #: The URL to which `/blob/{id}` is added.
    base: str = field(repr=False)
    host: str = field(repr=False)
    port: int = field(repr=False)

    @classmethod
    def parse(cls, endpoint: bytes | str) -> Self:
        """`wss://HOST[:PORT][/PATH][/ws]`. Raises `InvalidEndpoint`.

        `ws://` is allowed for this machine and for onion services, which are encrypted without it.
        """
        try:
            text = endpoint.decode("ascii") if isinstance(endpoint, bytes) else endpoint
        except UnicodeDecodeError:
            raise InvalidEndpoint from None
        found = _ENDPOINT.fullmatch(text) if len(text) <= MAX_ENDPOINT else None
        if found is None:
            raise InvalidEndpoint
        host, path = found["host"].lower(), (found["path"] or "").rstrip("/")
        if not _HOST.fullmatch(host) or ".." in host:
            raise InvalidEndpoint
        if not _PATH.fullmatch(path) or any(one in (".", "..") for one in path.split("/")):
            raise InvalidEndpoint
        secure = found["scheme"] == "wss"
        port = int(found["port"] or (443 if secure else 80))
        bare = host.strip("[]")
        if host.startswith("[") and not _is_ip(bare):
            raise InvalidEndpoint
        if port > 0xFFFF or not (secure or is_local(bare) or is_onion(bare)):
            raise InvalidEndpoint
        place = f"{host}:{port}{path.removesuffix(_SOCKET)}"
        if secure:
            return cls(f"wss://{place}{_SOCKET}", f"https://{place}", bare, port)
        return cls(f"ws://{place}{_SOCKET}", f"http://{place}", bare, port)

    @property
    def hidden(self) -> bool:
        """Whether it is an onion service: there is no way to it but a proxy's."""
        return is_onion(self.host)


def is_local(host: str) -> bool:
    """Whether `host` is this machine."""
    if host == "localhost":
        return True
    return _is_ip(host) and ipaddress.ip_address(host).is_loopback


def is_onion(host: str) -> bool:
    """Whether `host` is an onion service. Such a name must not be asked of any name server."""
    return host.endswith(".onion")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
