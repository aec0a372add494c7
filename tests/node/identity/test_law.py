"""docs/identity.md is the law: its labels equal the code, its examples are what the code says and reads."""

from __future__ import annotations

import re

import pytest

from heliogram.node.engine import pool
from heliogram.node.engine.contact_links import MAX_PERSONAL, MAX_PUBLIC
from heliogram.node.identity import devices, links, safety
from heliogram.node.identity.accounts import Account, account_uri
from heliogram.node.identity.devices import MAX_REVOKED, DeviceCertificate, DeviceList
from heliogram.node.identity.links import MAX_NAME, MAX_RELAYS, ContactLink
from heliogram.node.identity.names import MAX_MARKS, MAX_SHOWN
from heliogram.node.inbox import card
from heliogram.node.inbox.card import Card
from heliogram.node.signing import Label
from heliogram.wire.limits import MAX_DEVICES, MAX_ENDPOINT, MAX_ENDPOINTS, MAX_LINKS
from tests.node.identity.samples import ALICE, CARD, CERTIFICATE, DEVICES, LINK, SAFETY
from tests.test_docs import ROOT, blocks
from tests.test_protocol import examples

LAW = (ROOT / "docs/identity.md").read_text()
TEXTS = blocks(LAW, "text")
#: The blocks without their line breaks, and with spaces in their place.
JOINED = [block.replace("\n", "") for block in TEXTS]
SPACED = [" ".join(block.split()) for block in TEXTS]


def test_labels() -> None:
    table = LAW.partition("<!-- labels -->")[2].partition("## ")[0]
    rows = re.findall(r"^\| `([\w ]+)` \| (\w+)", table, re.MULTILINE)
    assert {label.encode() for label, _ in rows} == {label.value for label in Label}
    signed = {label.encode() for label, how in rows if how == "signed"}
    assert signed == {Label.DEVICE_CERTIFICATE.value, Label.DEVICE_LIST.value}


@pytest.mark.parametrize("module", [devices, links, card], ids=["devices", "links", "card"])
def test_structures_are_printed_as_in_the_code(module: object) -> None:
    drawn = re.findall(r"struct \{.*?\} \w+;", module.__doc__ or "", re.DOTALL)
    assert len(drawn) == (1 if module is card else 2)
    for structure in drawn:
        assert re.sub(r"\s+", " ", structure) in re.sub(r"\s+", " ", LAW)


def test_numbers() -> None:
    for sentence in (
        f"at most {MAX_DEVICES} devices and remembers at most {MAX_REVOKED} revoked",
        f"One to {MAX_RELAYS} different relays, each with one to {MAX_ENDPOINTS} endpoints",
        f"at most {MAX_ENDPOINT} bytes); a name of at most {MAX_NAME} bytes",
        f"{pool.ONE_TIME} one-time key packages and one of last resort",
        f"replaced every {pool.PERIOD // 86_400} days",
        f"holds {MAX_LINKS} links: {MAX_PUBLIC} to be given around, {MAX_PERSONAL} for contacts",
        f"at most {MAX_SHOWN} characters and {MAX_MARKS} marks",
    ):
        assert sentence in LAW


def test_bytes() -> None:
    assert examples(LAW) == [value.encode() for value in (CERTIFICATE, DEVICES, LINK, CARD)]
    certificate, listed, link, said = examples(LAW)
    assert Card.from_bytes(said) == CARD
    assert DeviceCertificate.from_bytes(certificate) == CERTIFICATE
    assert DeviceList.from_bytes(listed) == DEVICES
    assert ContactLink.from_bytes(link) == LINK


def test_words_and_uris() -> None:
    assert ALICE.words() in SPACED
    assert account_uri(ALICE.id) in JOINED
    (words,) = (text for text in SPACED if text.startswith("ripple"))
    assert Account.from_words(words).id == ALICE.id


def test_links_and_codes() -> None:
    assert LINK.to_text() in JOINED and SAFETY.to_scan() in JOINED
    (text,) = (text for text in JOINED if text.startswith("heliogram:contact/"))
    assert ContactLink.from_text(text) == LINK
    (scanned,) = (text for text in JOINED if text.startswith("HELIOGRAM:SAFETY/"))
    assert SAFETY.matches(scanned)
    assert SAFETY.digits() in SPACED and SAFETY.words() in SPACED
    assert f"`{safety.mark(ALICE.id)}`" in LAW
