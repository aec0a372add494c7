"""Bytes as text that people pass on: `heliogram:kind/…`, in base 32 with a checksum.

Lower case in a link, upper case in a code to scan, where capitals and digits take less room (QR codes have a
mode for them). Never mixed: then a letter was changed. The checksum is a hash, so whatever was changed,
dropped or swapped is noticed.
"""

from __future__ import annotations

import base64
import binascii

from heliogram.node.errors import InvalidLink, LinkFault
from heliogram.node.signing import Label, labelled_hash

SCHEME = "heliogram:"

_CHECKSUM_SIZE = 8

#: Characters of the longest text that is looked at: as much as a QR code holds.
MAX_TEXT = 4296


def to_text(kind: str, data: bytes) -> str:
    """`data` as a link of this kind."""
    body = base64.b32encode(data + _checksum(kind, data)).decode("ascii").rstrip("=").lower()
    return f"{SCHEME}{kind}/{body}"


def to_scan(text: str) -> str:
    """A link as it stands in a code to scan."""
    return text.upper()


def from_text(kind: str, text: str) -> bytes:
    """The bytes in a link of this kind, or of what was scanned. Raises `InvalidLink`."""
    prefix = f"{SCHEME}{kind}/"
    text = text.strip()
    if len(text) > MAX_TEXT or not text.isascii() or not text.lower().startswith(prefix):
        raise InvalidLink(LinkFault.NOT_A_LINK)
    if text not in (text.lower(), text.upper()):
        raise InvalidLink(LinkFault.DAMAGED)
    body = text[len(prefix) :].upper()
    try:
        whole = base64.b32decode(body + "=" * (-len(body) % 8))
    except binascii.Error:
        raise InvalidLink(LinkFault.DAMAGED) from None
    data, checksum = whole[:-_CHECKSUM_SIZE], whole[-_CHECKSUM_SIZE:]
    # Bits that no byte needs could be changed without a trace.
    if checksum != _checksum(kind, data) or to_text(kind, data) != text.lower():
        raise InvalidLink(LinkFault.DAMAGED)
    return data


def _checksum(kind: str, data: bytes) -> bytes:
    return labelled_hash(Label.CHECKSUM, kind.encode() + b"\x00" + data)[:_CHECKSUM_SIZE]
