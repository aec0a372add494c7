"""Contact links: through an URI and a code to scan, and no character can be changed."""

from __future__ import annotations

import base64
import string
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.node.errors import InvalidLink, LinkFault
from heliogram.node.identity import armour
from heliogram.node.identity.devices import DeviceCertificate
from heliogram.node.identity.links import MAX_NAME, MAX_RELAYS, ContactLink, InboxRelay
from heliogram.wire.limits import MAX_ENDPOINT, MAX_ENDPOINTS
from tests.node.identity.samples import ALICE, BOB, CERTIFICATE, LINK, NOW, SAFETY, name

bytes32 = st.binary(min_size=32, max_size=32)
endpoints = st.text(string.ascii_lowercase + ".:/-", min_size=1, max_size=30).map(
    lambda rest: f"wss://{rest}".encode()
)
relays = st.builds(
    InboxRelay, bytes32, st.lists(endpoints, min_size=1, max_size=MAX_ENDPOINTS).map(tuple)
)
links = st.builds(
    ContactLink,
    bytes32,
    bytes32,
    bytes32,
    st.lists(relays, min_size=1, max_size=4, unique_by=lambda relay: relay.key).map(tuple),
    st.booleans(),
    st.text(st.characters(codec="utf-8"), max_size=60),
)

#: The characters of a code to scan that take the least room.
ALPHANUMERIC = set(string.digits + string.ascii_uppercase + " $%*+-./:")


def fault_of(call: Callable[[], object]) -> LinkFault:
    with pytest.raises(InvalidLink) as caught:
        call()
    assert caught.value.code == f"link {caught.value.fault.value}"
    return caught.value.fault


@given(links)
def test_links(link: ContactLink) -> None:
    assert ContactLink.from_bytes(link.encode()) == link
    assert ContactLink.from_text(link.to_text()) == link
    assert ContactLink.from_text(f"  {link.to_scan()}\n") == link
    assert set(link.to_scan()) <= ALPHANUMERIC
    assert repr(link) == f"ContactLink(one_time={link.one_time})"


def test_the_usual_link_fits_into_a_code() -> None:
    """Four relays: a QR code of version 15 with medium correction holds 600 such characters."""
    four = tuple(
        InboxRelay(name(str(index)), (b"wss://relay%d.example.org/ws" % index,))
        for index in range(4)
    )
    assert len(replace(LINK, relays=four).to_scan()) <= 600


CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " \u0430\u017f\u212a\u0131"


@pytest.mark.parametrize("text", [LINK.to_text(), LINK.to_scan()], ids=["link", "scan"])
def test_no_character_can_change(text: str) -> None:
    for at, right in enumerate(text):
        for wrong in CHARACTERS:
            if wrong != right and not (wrong == " " and at in (0, len(text) - 1)):
                with pytest.raises(InvalidLink):
                    ContactLink.from_text(text[:at] + wrong + text[at + 1 :])


def test_nothing_can_be_swapped_dropped_or_doubled() -> None:
    text = LINK.to_text()
    for at in range(len(text)):
        others = {
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
            text[:at],
        }
        for other in others - {text}:
            with pytest.raises(InvalidLink):
                ContactLink.from_text(other)


def test_spare_bits_are_zero() -> None:
    """The last character of base 32 has bits that no byte needs; a second spelling is refused."""
    for size in range(1, 6):
        text = armour.to_text("contact", bytes(size))
        assert armour.from_text("contact", text) == bytes(size)
        tried = [text[:-1] + last for last in string.ascii_lowercase + "234567"]
        assert [one for one in tried if _reads(one)] == [text]


def _reads(text: str) -> bool:
    try:
        armour.from_text("contact", text)
    except InvalidLink:
        return False
    return True


def test_kinds_are_no_others() -> None:
    body = LINK.to_text().removeprefix("heliogram:contact/")
    assert fault_of(lambda: armour.from_text("safety", f"heliogram:safety/{body}")) is (
        LinkFault.DAMAGED
    )
    assert fault_of(lambda: ContactLink.from_text(SAFETY.to_scan())) is LinkFault.NOT_A_LINK


@pytest.mark.parametrize(
    "text", ["", "https://example.com/", "heliogram:", "heliogram:group/aaaa", "x" * 5000]
)
def test_what_is_no_link(text: str) -> None:
    assert fault_of(lambda: ContactLink.from_text(text)) is LinkFault.NOT_A_LINK


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    for tried in (text, f"heliogram:contact/{text}", f"HELIOGRAM:CONTACT/{text}"):
        with pytest.raises(InvalidLink):
            ContactLink.from_text(tried)


def test_newer_links_say_so() -> None:
    data = b"\x02" + LINK.encode()[1:]
    newer = armour.to_text("contact", data)
    assert fault_of(lambda: ContactLink.from_text(newer)) is LinkFault.NEWER
    assert str(InvalidLink(LinkFault.NEWER)) == "the link cannot be used: newer"


RELAY = LINK.relays[0]
IMPOSSIBLE: dict[str, Callable[[], object]] = {
    "a key of 31": lambda: InboxRelay(bytes(31), RELAY.endpoints),
    "no endpoint": lambda: InboxRelay(bytes(32), ()),
    "five endpoints": lambda: InboxRelay(bytes(32), RELAY.endpoints * 5),
    "an endless endpoint": lambda: InboxRelay(bytes(32), (b"wss://" + b"a" * MAX_ENDPOINT,)),
    "another scheme": lambda: InboxRelay(bytes(32), (b"javascript:1",)),
    "a space": lambda: InboxRelay(bytes(32), (b"wss://a b",)),
    "a control": lambda: InboxRelay(bytes(32), (b"wss://a\n",)),
    "no relay": lambda: replace(LINK, relays=()),
    "a relay twice": lambda: replace(LINK, relays=(RELAY, RELAY)),
    "nine relays": lambda: replace(
        LINK, relays=tuple(InboxRelay(name(str(one)), (b"wss://a",)) for one in range(9))
    ),
    "a short secret": lambda: replace(LINK, secret=bytes(16)),
    "an endless name": lambda: replace(LINK, name="\u00fc" * MAX_NAME),
    "a name without UTF-8": lambda: replace(LINK, name="\ud800"),
    "too long for a code": lambda: replace(
        LINK,
        relays=tuple(
            InboxRelay(name(str(one)), (b"wss://" + b"a" * 240,) * 4) for one in range(MAX_RELAYS)
        ),
    ),
    "an unknown flag": lambda: ContactLink.from_bytes(b"\x01\x02" + LINK.encode()[2:]),
    "version 0": lambda: ContactLink.from_bytes(b"\x00" + LINK.encode()[1:]),
    "a name that is not UTF-8": lambda: ContactLink.from_bytes(LINK.encode()[:-1] + b"\xff"),
    "nothing": lambda: ContactLink.from_bytes(b""),
}


@pytest.mark.parametrize("make", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_links(make: Callable[[], object]) -> None:
    assert fault_of(make) is LinkFault.DAMAGED


def test_an_inbox_that_gives_others_is_caught() -> None:
    """Devices of the account that the link names are accepted, no others."""
    assert LINK.is_from(CERTIFICATE)
    swapped = DeviceCertificate.issue(BOB, CERTIFICATE.device_key, bytes(16), now=NOW)
    assert not LINK.is_from(swapped)
    assert LINK.account == ALICE.id


def test_the_key_follows_from_the_secret() -> None:
    assert LINK.key().public == ContactLink.from_text(LINK.to_text()).key().public
    assert replace(LINK, secret=bytes(32)).key().public != LINK.key().public
    assert LINK.secret not in LINK.key().public
    assert repr(LINK.key()) == "<SigningKey>"


def test_names_in_links_are_cleaned() -> None:
    assert replace(LINK, name="A\u202elice\u200b").shown_name == "Alice"


def test_base32_is_the_standard_one() -> None:
    body = LINK.to_scan().removeprefix("HELIOGRAM:CONTACT/")
    assert base64.b32decode(body + "=" * (-len(body) % 8))[:-8] == LINK.encode()
