"""A signature of one purpose is refused for every other: among the node's labels, the wire's and MLS's."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

import heliogram
from heliogram.mls.crypto import suite_of
from heliogram.node import invitation, signing, successor
from heliogram.node.signing import Label, NodeKey
from heliogram.wire import signing as wire
from tests.scenarios.cast import SUITE

SEED = bytes(range(32))
CONTENT = b"\x01" + bytes(100)

#: One key pair in all three hands, which is worse than what we do.
NODE, WIRE = NodeKey(SEED), wire.SigningKey(SEED)
ENGINE = suite_of(SUITE)
MLS = ENGINE.signature_key(SEED)
PUBLIC = NODE.public

#: What the engine signs, and what else a device signs with the key of its leaf.
ENGINE_LABELS = (b"FramedContentTBS", b"LeafNodeTBS", b"KeyPackageTBS", b"GroupInfoTBS")
MLS_LABELS = (*ENGINE_LABELS, invitation.SIGNED, successor.SIGNED)

#: Each purpose: how it signs, and how it checks.
Purpose = tuple[Callable[[], bytes], Callable[[bytes], bool]]
PURPOSES: dict[str, Purpose] = {
    **{
        f"node {label.name}": (
            lambda label=label: NODE.sign(label, CONTENT),  # type: ignore[misc]
            lambda signature, label=label: signing.verify(PUBLIC, label, CONTENT, signature),  # type: ignore[misc]
        )
        for label in Label
    },
    **{
        f"wire {wire_label.name}": (
            lambda label=wire_label: WIRE.sign(label, CONTENT),  # type: ignore[misc]
            lambda signature, label=wire_label: wire.verify(PUBLIC, label, CONTENT, signature),  # type: ignore[misc]
        )
        for wire_label in wire.Label
    },
    **{
        f"mls {mls_label.decode()}": (
            lambda label=mls_label: ENGINE.sign_with_label(MLS, label, CONTENT),  # type: ignore[misc]
            lambda signature, label=mls_label: ENGINE.verify_with_label(  # type: ignore[misc]
                PUBLIC, label, CONTENT, signature
            ),
        )
        for mls_label in MLS_LABELS
    },
}


def test_nobody_signs_under_another_label() -> None:
    """All that signs by MLS's labels, in the engine and outside of it, signs by one of these."""
    source = Path(heliogram.__file__).parent
    said = "".join(path.read_text() for path in source.rglob("*.py"))
    labels = set(re.findall(r"\.sign_with_label\(\s*\w+,\s*([^,\s]+),", said))
    assert labels == {f'b"{one.decode()}"' for one in ENGINE_LABELS} | {"SIGNED"}
    named = re.findall(r'^SIGNED = b"(.+)"$', said, re.MULTILINE)
    assert {one.encode() for one in named} == set(MLS_LABELS) - set(ENGINE_LABELS)
    signing_raw = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if re.search(r"\bcrypto_sign\(|\.sign\(message", path.read_text())
    }
    assert signing_raw == {"mls/crypto.py", "wire/signing.py"}


def test_one_key() -> None:
    assert NODE.public == WIRE.public == MLS.public


@pytest.mark.parametrize("purpose", PURPOSES)
def test_each_counts_for_itself(purpose: str) -> None:
    sign, check = PURPOSES[purpose]
    assert check(sign())


def test_45_no_two_purposes_have_one_label() -> None:
    """Two members of an enumeration with one value are one member, which stands for both."""
    for labels in (Label, wire.Label):
        assert len(labels.__members__) == len(list(labels))
        assert all(one.value for one in labels)
    values = [one.value for one in (*Label, *wire.Label)]
    assert len(set(values)) == len(values)


def test_45_no_purpose_passes_for_another() -> None:
    signatures = {purpose: sign() for purpose, (sign, _) in PURPOSES.items()}
    pairs = list(permutations(PURPOSES, 2))
    assert len(pairs) == len(PURPOSES) * (len(PURPOSES) - 1) > 500
    for one, other in pairs:
        assert not PURPOSES[other][1](signatures[one]), f"{one} passes for {other}"


def test_labels_are_no_others() -> None:
    """No label of ours is one of the wire's, and none holds the byte that ends it."""
    ours, theirs = {one.value for one in Label}, {one.value for one in wire.Label}
    assert not ours & theirs
    assert not any(b"\x00" in label for label in ours)
    assert signing.labelled(Label.ACCOUNT, b"x") == b"Heliogram 1 account\x00x"


def test_what_is_no_signature() -> None:
    signature = NODE.sign(Label.ACCOUNT, CONTENT)
    assert not signing.verify(PUBLIC[1:], Label.ACCOUNT, CONTENT, signature)
    assert not signing.verify(PUBLIC, Label.ACCOUNT, CONTENT, signature[1:])
    assert not signing.verify(PUBLIC, Label.ACCOUNT, CONTENT + b"x", signature)
    # The neutral element as a key, which "signs" anything where it is not refused.
    weak = (1).to_bytes(32, "little")
    assert not signing.verify(weak, Label.ACCOUNT, CONTENT, weak + bytes(32))
    assert repr(NODE) == "<NodeKey>"
