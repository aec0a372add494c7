"""What reads identities and links, and whole inputs for it: `tests.fuzz` throws broken ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from heliogram.mls import BasicCredential
from heliogram.node.errors import NodeError
from heliogram.node.identity.authentication import DeviceAuthentication
from heliogram.node.identity.devices import DeviceCertificate, DeviceList
from heliogram.node.identity.links import ContactLink
from heliogram.node.identity.names import check_name, clean
from heliogram.node.identity.words import from_words
from heliogram.node.inbox.card import Card
from tests.node.identity.samples import ALICE, CARD, CERTIFICATE, DEVICES, LINK, NOW, SAFETY

REFUSES = NodeError


def _certificate(data: bytes) -> bytes:
    credential = BasicCredential(data)
    service = DeviceAuthentication()
    service.accepts(credential, CERTIFICATE.device_key, now=NOW)
    service.is_successor(credential, credential)
    service.client(credential)
    return DeviceCertificate.from_bytes(data).encode()


def _name(data: bytes) -> bytes:
    name = data.decode("utf-8", "replace")
    found = check_name(name, ("Alice",))
    if clean(found.shown) != found.shown:
        raise AssertionError("a clean name is not clean")
    return data


def _link(data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    link = ContactLink.from_text(text)
    repr(link)
    return data if link.to_text() == text.strip().lower() else b""


def _safety(data: bytes) -> bytes:
    SAFETY.matches(data.decode("utf-8", "replace"))
    return data


def _words(data: bytes) -> bytes:
    from_words(data.decode("utf-8", "replace"))
    return data


#: What must give the bytes that it got, or raise `NodeError`.
READERS: dict[str, Callable[[bytes], bytes]] = {
    "certificate": _certificate,
    "devices": lambda data: DeviceList.from_bytes(data).encode(),
    "link": lambda data: ContactLink.from_bytes(data).encode(),
    "link text": _link,
    "card": lambda data: Card.from_bytes(data).encode(),
    "safety": _safety,
    "words": _words,
    "name": _name,
}


def seeds() -> Iterator[tuple[str, bytes]]:
    """Which reader, and what it reads."""
    yield "certificate", CERTIFICATE.encode()
    yield "devices", DEVICES.encode()
    yield "link", LINK.encode()
    yield "link text", LINK.to_text().encode()
    yield "link text", LINK.to_scan().encode()
    yield "card", CARD.encode()
    yield "safety", SAFETY.to_scan().encode()
    yield "words", ALICE.words().encode()
    for name in ("Alice", "A\u202el\u0456ce\u200b", "e\u0301\u0300\u0302\u0303 \u3164"):
        yield "name", name.encode()
