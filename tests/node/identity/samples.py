"""Alice, Bob and their devices and links, always the same bytes. `docs/identity.md` shows them.

`python -m tests.node.identity.samples` prints what the page shows.
"""

from __future__ import annotations

from hashlib import sha256

from heliogram.node.identity.accounts import Account, account_uri
from heliogram.node.identity.devices import DeviceCertificate, DeviceList
from heliogram.node.identity.links import ContactLink, InboxRelay
from heliogram.node.identity.safety import mark, safety_code
from heliogram.node.inbox.card import Card

NOW = 1_795_000_000


def name(text: str) -> bytes:
    """32 bytes for a thing of the story."""
    return sha256(text.encode()).digest()


ALICE, BOB = Account(name("Alice's seed")), Account(name("Bob's seed"))
LAPTOP, PHONE, LOST = (name(f"Alice's {one}")[:16] for one in ("laptop", "phone", "lost phone"))
CERTIFICATE = DeviceCertificate.issue(ALICE, name("a signature key"), LAPTOP, now=NOW)
DEVICES = DeviceList.sign(ALICE, 3, (LAPTOP, PHONE), (LOST,))
LINK = ContactLink(
    ALICE.id,
    name("Alice's inbox"),
    name("the link's secret"),
    tuple(
        InboxRelay(name(f"relay {index}"), (b"wss://%d.example/ws" % index,)) for index in range(2)
    ),
    one_time=True,
    name="Alice",
)
CARD = Card(
    *("Alice", "direct"),
    certificate=CERTIFICATE,
    devices=DEVICES,
    link=LINK,
    named=NOW,
    said=NOW + 600,
)
SAFETY = safety_code(ALICE.id, BOB.id)


def main() -> None:
    """Print them all."""
    for one in (CERTIFICATE, DEVICES, LINK, CARD):
        print(type(one).__name__, one.encode().hex())
    print(ALICE.words(), account_uri(ALICE.id), LINK.to_text(), sep="\n")
    print(SAFETY.digits(), SAFETY.words(), SAFETY.to_scan(), mark(ALICE.id), mark(BOB.id), sep="\n")


if __name__ == "__main__":
    main()
