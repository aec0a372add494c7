"""TLS towards relays: 1.3, verified. Whose relay it is, its greeting proves in any case."""

from __future__ import annotations

import ssl
from pathlib import Path


def context(authority: Path | None = None) -> ssl.SSLContext:
    """A context that trusts the system's authorities, and those of a file if one is given.

    Raises `OSError` and `ssl.SSLError` if the file cannot be read.
    """
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.set_alpn_protocols(["http/1.1"])
    if authority is not None:
        made.load_verify_locations(cafile=authority)
    return made
