"""Every structure of the engine against the grammar: one value, one encoding, both ways.

`grammar` writes encodings without the engine. The engine must read each, say the same bytes again
when it encodes the fields afresh, and refuse every other spelling of the same value: a length wider
than needed, the reserved prefix, a cut, something left over, an unknown value of a closed enum.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram import mls
from heliogram.codec import DecodeError, Reader, decode_all
from heliogram.mls import (
    app_data,
    commits,
    extensions,
    framing,
    key_schedule,
    proposals,
    state,
    treekem,
)
from heliogram.mls import credentials as creds
from heliogram.mls import key_packages as packages
from heliogram.mls import ratchet_tree as rt
from heliogram.mls import secret_tree as secrets
from heliogram.mls.crypto import SUITES, Secret
from heliogram.mls.errors import InvalidMessage
from heliogram.mls.proposal_list import SentProposal
from tests.mls import grammar as g

SUITE = SUITES[1]


@dataclass(frozen=True)
class Structure:
    """A structure of the engine: its rule in the grammar, and the two functions that must agree."""

    name: str
    kind: g.Kind
    decode: Callable[[Reader], Any]
    encode: Callable[[Any], bytes]
    #: The classes that it covers.
    classes: tuple[type, ...] = ()


def _own(kind: g.Kind, cls: Any, *more: type) -> Structure:
    """A class with `decode` and `encode`."""
    return Structure(cls.__name__, kind, cls.decode, lambda value: value.encode(), (cls, *more))


def _proposal(number: int, cls: Any) -> Structure:
    """A proposal: its class reads and writes what comes after the type."""
    kind = g.PROPOSAL.cases[number]
    return Structure(cls.__name__, kind, cls.decode, lambda value: value.body(), (cls,))


def _extensions(reader: Reader) -> extensions.Extensions:
    return extensions.decode_extensions(reader)


def _external_senders(reader: Reader) -> tuple[extensions.ExternalSender, ...]:
    return reader.vector(extensions.ExternalSender.decode)


def _dictionary(reader: Reader) -> dict[int, bytes]:
    data = reader.data[reader.pos : reader.end]
    reader.pos = reader.end
    extension = extensions.Extension(mls.ExtensionType.APP_DATA_DICTIONARY, data)
    return app_data.decode_dictionary((extension,))


def _sender_data(reader: Reader) -> framing.SenderData:
    """Through a sealed message, as sender data never comes alone."""
    data = reader.data[reader.pos : reader.end]
    reader.pos = reader.end
    key = Secret(bytes(32))
    sealed, nonce = framing._sender_data_key(SUITE, key, b"")
    message = framing.PrivateMessage(b"", 0, framing.ContentType.COMMIT, b"", b"", b"")
    hidden = SUITE.seal(sealed, nonce, message._sender_data_aad(), data)
    return dataclasses.replace(message, encrypted_sender_data=hidden).sender_data(SUITE, key)


def _message(reader: Reader) -> framing.Message:
    data = reader.data[reader.pos : reader.end]
    reader.pos = reader.end
    return framing.decode_message(data)


def _tree(reader: Reader) -> rt.RatchetTree:
    return rt.RatchetTree.decode(SUITE, reader)


def _exporter(reader: Reader) -> app_data.SafeExporter:
    return app_data.SafeExporter.decode(SUITE, reader)


STRUCTURES = [
    Structure(
        "Credential",
        g.CREDENTIAL,
        creds.decode_credential,
        lambda value: value.encode(),
        (creds.BasicCredential, creds.X509Credential),
    ),
    _own(g.CAPABILITIES, extensions.Capabilities),
    _own(g.LIFETIME, rt.Lifetime),
    _own(g.EXTENSION, extensions.Extension),
    Structure("Extensions", g.GROUP_EXTENSIONS, _extensions, extensions.encode_extensions),
    _own(g.REQUIRED_CAPABILITIES, extensions.RequiredCapabilities),
    _own(g.EXTERNAL_SENDER, extensions.ExternalSender),
    Structure(
        "ExternalSenders",
        g.EXTERNAL_SENDERS,
        _external_senders,
        lambda value: extensions.external_senders_extension(value).extension_data,
    ),
    Structure(
        "AppDataDictionary",
        g.DICTIONARY,
        _dictionary,
        lambda value: app_data.encode_dictionary(value).extension_data,
    ),
    _own(g.LEAF_NODE, rt.LeafNode),
    _own(g.PARENT_NODE, rt.ParentNode),
    Structure("RatchetTree", g.RATCHET_TREE, _tree, lambda t: t.encode(), (rt.RatchetTree,)),
    _own(g.KEY_PACKAGE, packages.KeyPackage),
    _own(g.GROUP_CONTEXT, key_schedule.GroupContext),
    Structure(
        "PreSharedKeyID",
        g.PSK_ID,
        proposals.decode_psk_id,
        lambda value: value.encode(),
        (proposals.ExternalPSKID, proposals.ResumptionPSKID),
    ),
    _proposal(1, proposals.Add),
    _proposal(2, proposals.Update),
    _proposal(3, proposals.Remove),
    _proposal(4, proposals.PreSharedKey),
    _proposal(5, proposals.ReInit),
    _proposal(6, proposals.ExternalInit),
    _proposal(7, proposals.GroupContextExtensions),
    _proposal(8, proposals.AppDataUpdate),
    _proposal(9, proposals.AppEphemeral),
    _proposal(10, proposals.SelfRemove),
    Structure("Proposal", g.PROPOSAL, proposals.decode_proposal, proposals.encode_proposal),
    Structure(
        "ProposalOrRef",
        g.PROPOSAL_OR_REF,
        proposals.decode_proposal_or_ref,
        proposals.encode_proposal_or_ref,
    ),
    _own(g.HPKE_CIPHERTEXT, treekem.HPKECiphertext),
    Structure(
        "HPKECiphertexts",
        g.HPKE_CIPHERTEXTS,
        lambda reader: treekem.HPKECiphertexts(reader.opaque()),
        lambda value: treekem.HPKECiphertexts.of(
            (item.kem_output, item.ciphertext) for item in value
        ).encode(),
        (treekem.HPKECiphertexts,),
    ),
    _own(g.UPDATE_PATH_NODE, treekem.UpdatePathNode),
    _own(g.UPDATE_PATH, treekem.UpdatePath),
    _own(g.COMMIT, commits.Commit),
    _own(g.GROUP_INFO, commits.GroupInfo),
    _own(g.GROUP_SECRETS, commits.GroupSecrets),
    _own(g.ENCRYPTED_GROUP_SECRETS, commits.EncryptedGroupSecrets),
    _own(g.WELCOME, commits.Welcome),
    _own(g.SENDER, framing.Sender),
    _own(g.FRAMED_CONTENT, framing.FramedContent),
    _own(g.PUBLIC_MESSAGE, framing.PublicMessage, framing.AuthenticatedContent),
    _own(g.PRIVATE_MESSAGE, framing.PrivateMessage),
    Structure(
        "SenderData",
        g.SENDER_DATA,
        _sender_data,
        lambda value: value.encode(),
        (framing.SenderData,),
    ),
    Structure("MLSMessage", g.MESSAGE, _message, framing.encode_message),
    Structure(
        "SafeExporter",
        g.SECRET_NODES,
        _exporter,
        lambda value: value.encode(),
        (app_data.SafeExporter,),
    ),
    _own(g.RATCHET, secrets._Ratchet),
    Structure(
        "SentProposal",
        g.SENT_PROPOSAL,
        state._decode_sent,
        state._encode_sent,
        (SentProposal,),
    ),
]

EACH = pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.name)


# --- The list is complete -------------------------------------------------------------------------


def codec_classes() -> Iterator[type]:
    """Every class of the engine that reads or writes an encoding."""
    for module in pkgutil.iter_modules(mls.__path__):
        found = importlib.import_module(f"heliogram.mls.{module.name}")
        for _, cls in inspect.getmembers(found, inspect.isclass):
            if cls.__module__ == found.__name__ and not issubclass(cls, bytes):
                if {"encode", "decode", "body"} & vars(cls).keys():
                    yield cls


def test_no_structure_is_missing() -> None:
    covered = {cls for structure in STRUCTURES for cls in structure.classes}
    assert set(codec_classes()) == covered - {SentProposal}
    assert len({structure.name for structure in STRUCTURES}) == len(STRUCTURES) >= 45


# --- Round trips ----------------------------------------------------------------------------------


def afresh(value: Any) -> Any:
    """The same value from its fields alone, without encodings that it may have kept."""
    if isinstance(value, tuple):
        return tuple(map(afresh, value))
    if isinstance(value, framing.FramedContent):
        content = afresh(value.content)
        return framing.FramedContent.of(
            value.group_id, value.epoch, value.sender, value.authenticated_data, content
        )
    if isinstance(value, rt.RatchetTree):
        return rt.RatchetTree(SUITE, [afresh(node) for node in value.nodes])
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return type(value)(
        **{name: b"" if name == "_encoded" else afresh(part) for name, part in fields.items()}
    )


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, also where their class does not say."""
    if isinstance(one, rt.RatchetTree):
        return bool(one.nodes == other.nodes)
    if isinstance(one, app_data.SafeExporter | secrets._Ratchet):
        return bool(one.encode() == other.encode())
    return bool(one == other)


@EACH
@given(st.data())
@settings(max_examples=60)
def test_one_value_has_one_encoding(structure: Structure, data: st.DataObject) -> None:
    encoding = g.write(data.draw(g.trees(structure.kind)))
    value = decode_all(structure.decode, encoding)
    assert structure.encode(value) == encoding
    assert structure.encode(afresh(value)) == encoding
    assert same(decode_all(structure.decode, encoding), value)


@EACH
@given(st.data())
@settings(max_examples=30)
def test_the_grammar_reads_what_it_wrote(structure: Structure, data: st.DataObject) -> None:
    encoding = g.write(data.draw(g.trees(structure.kind)))
    assert g.write(g.parse(structure.kind, encoding)) == encoding


# --- Other spellings ------------------------------------------------------------------------------


def refused(structure: Structure, data: bytes) -> None:
    """Reading it raises `DecodeError`, or what `decode_message` makes of one."""
    with pytest.raises((DecodeError, InvalidMessage)) as caught:
        decode_all(structure.decode, data)
    if structure.name != "MLSMessage":
        assert isinstance(caught.value, DecodeError)


@EACH
@given(st.data())
@settings(max_examples=25)
def test_every_length_in_every_width(structure: Structure, data: st.DataObject) -> None:
    """Of all ways to write the lengths of a value, exactly the shortest is read."""
    tree = data.draw(g.trees(structure.kind))
    minimal = g.write(tree)
    decode_all(structure.decode, minimal)
    for counted in g.counted(tree):
        size = len(g.write(counted)) - _head(g.write(counted))
        for width in (1, 2, 4, 8):
            if size >= {1: 0x40, 2: 0x4000}.get(width, size + 1):
                continue
            counted.width = width
            written = g.write(tree)
            if written == minimal:
                decode_all(structure.decode, written)
            else:
                refused(structure, written)
        counted.width = None


def _head(encoding: bytes) -> int:
    return (1, 2, 4)[encoding[0] >> 6]


@EACH
@given(st.data())
@settings(max_examples=15)
def test_every_cut_and_everything_left_over_is_refused(
    structure: Structure, data: st.DataObject
) -> None:
    encoding = g.write(data.draw(g.trees(structure.kind)))
    for cut in range(len(encoding)) if len(encoding) < 400 else range(0, len(encoding), 97):
        if structure.name == "RatchetTree":  # a tree that ends with a blank is told apart
            with pytest.raises((DecodeError, InvalidMessage)):
                decode_all(structure.decode, encoding[:cut])
        else:
            refused(structure, encoding[:cut])
    refused(structure, encoding + b"\x00")


@EACH
@given(st.data())
@settings(max_examples=15)
def test_unknown_values_of_closed_enums_are_refused(
    structure: Structure, data: st.DataObject
) -> None:
    """Also the octet in front of an optional value; row 4 and row 1."""
    tree = data.draw(g.trees(structure.kind))
    for node in g.nodes(tree, inside=False):
        if isinstance(node.kind, g.Optional):
            wrong = [2, 3, 128, 255]
        elif isinstance(node.kind, g.Select) and node.kind.other is None:
            top = (1 << 8 * node.kind.tag.size) - 1
            wrong = [0, len(node.kind.cases) + 11, top]
        else:
            continue
        flag = node.parts[0]
        right = flag.data
        for value in wrong:
            flag.data = value.to_bytes(len(right), "big")
            refused(structure, g.write(tree))
        flag.data = right
