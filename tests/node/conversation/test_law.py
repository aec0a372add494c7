"""docs/conversation.md is the law: what it prints is what the code has, says and reads."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from heliogram.content import framing
from heliogram.node import (
    chain,
    components,
    conversation,
    decisions,
    epoch_keys,
    invitation,
    picture,
    sealing,
    successor,
    value,
)
from heliogram.node.engine import catching
from heliogram.node.identity import links
from heliogram.node.media.limits import THUMBNAIL_SIDE
from heliogram.node.membership import PAST_EPOCHS
from heliogram.node.records import DIGEST
from heliogram.node.sealing import derive
from tests.node.conversation import samples
from tests.node.conversation.readers import READERS
from tests.node.conversation.samples import EXAMPLES
from tests.test_docs import ROOT, blocks
from tests.test_protocol import examples

LAW = (ROOT / "docs/conversation.md").read_text()


def drawn(module: object) -> list[str]:
    """The structures that a module prints."""
    pattern = r"^( *)(struct \{(?:[^\n]*\} \w+;|.*?^\1\} \w+;))"
    found = re.findall(pattern, module.__doc__ or "", re.DOTALL | re.MULTILINE)
    return [re.sub(r"\s+", " ", one).strip() for _, one in found]


@pytest.mark.parametrize(
    "module",
    [components, picture, value, invitation, chain.Link, decisions, chain.Decision],
    ids=["components", "picture", "value", "invitation", "Link", "decisions", "Decision"],
)
def test_structures_are_printed_as_in_the_code(module: ModuleType) -> None:
    printed = re.sub(r"\s+", " ", " ".join(blocks(LAW, "text")))
    assert drawn(module)
    for structure in drawn(module):
        if not structure.startswith(("struct { uint16", "struct { MediaType")):  # the draft's
            assert structure in printed


def test_examples() -> None:
    assert examples(LAW) == list(EXAMPLES.values())
    for title, data in EXAMPLES.items():
        read = READERS[title.partition(",")[0]]
        assert read(data) == data


def test_the_picture_of_the_example() -> None:
    reference = picture.PictureReference.from_bytes(EXAMPLES["PictureReference"])
    opened = reference.open(samples.PICTURE_BLOB)
    assert opened[:4] == b"RIFF" and reference.seal(opened) == samples.PICTURE_BLOB


def test_numbers() -> None:
    for sentence in (
        f"At most {components.MAX_APPOINTMENTS} appointments; a name of at most"
        f" {components.MAX_NAME} bytes, a description of at most {components.MAX_DESCRIPTION}, a"
        f" picture's reference of at most {components.MAX_PICTURE}.",
        f"at most {picture.MAX_SIZE:,} bytes, a WebP of at most {THUMBNAIL_SIDE} pixels a side",
        f"{value.BODY_SIZES[0]} bytes times a power of two, up to {value.BODY_SIZES[-1]}",
        f"more than {value.MAX_WELCOME} bytes ({value.MAX_GRACE_WELCOME} where a device",
        f"at most {invitation.MAX_LINKS} links and a profile of at most"
        f" {invitation.MAX_PROFILE} bytes",
        "sizes {}, {}, {} and {}".format(*invitation.INVITATION_SIZES),
        "sizes {} and {}".format(*invitation.GRACE_SIZES),
        f"at most {decisions.MAX_PART} bytes, as a file at most {decisions.MAX_FILE}; more goes in"
        f" several. At most {decisions.MAX_DECISIONS} decisions in one",
        "up to three contacts at a time who are members",
        f"in a day, at most {catching.ANSWERS_A_DAY} questions and {catching.PIECES_A_DAY} parts",
        f"box[{sealing._BOX}]",
        f"At most {sealing.MAX_OPENERS}.",
        f"a secret of {links.SECRET_SIZE} bytes",
        f"`salt[{sealing.SALT}]".removeprefix("`"),
    ):
        assert sentence in re.sub(r"\s+", " ", LAW), sentence
    assert (catching.ASKED, catching.PATIENCE, catching.BETWEEN) == (3, 10, 900)
    assert PAST_EPOCHS == 5 and DIGEST == 16 and epoch_keys.TAG_SIZE == 8
    assert LAW.count("five epochs") == 2


def test_labels_and_media_types() -> None:
    for label in (successor._PROOF, successor._ORDER):
        assert f'derive(successor, "{label.decode()}"' in LAW
    assert f"`{successor.SIGNED.decode()}`" in LAW
    for label in (value._BODY, value._WELCOME, invitation._INVITATION):
        assert f"label `{label.decode()}`" in LAW
    assert f"`{invitation.SIGNED.decode()}`" in LAW
    for kind in (
        *(conversation.MLS_MESSAGE, conversation.WOUNDED, decisions.DECISIONS, decisions.WANTED),
        *(framing.MIMI_CONTENT, framing.MESSAGE_STATUS),
    ):
        assert f"`{kind}`" in LAW


def test_keys_are_derived_as_the_table_says() -> None:
    rows = re.findall(r'\| (\w+) \| (?:first 8 bytes of )?`derive\(root, "(\w+)"\)`', LAW)
    assert dict(rows) == {
        "relay": "relays",
        "tag": "branch",
        **{same: same for same in ("reply", "rank", "value", "successor")},
    }
    import hmac

    secret = hmac.digest(b"secret", b"Heliogram 1 label\x00context\x01", "sha256")
    assert derive(b"secret", b"label", b"context") == secret
    relay, log = samples.RELAYS.relays[0].key, samples.RELAYS.log
    seed = derive(samples.KEYS.relay, b"relay", log + relay + bytes(8))
    from heliogram.wire.signing import SigningKey

    assert SigningKey(seed).public == samples.SEAT.keys[0]
