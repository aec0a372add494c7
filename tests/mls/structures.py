"""The engine's structures beside the grammar's rules: `STRUCTURES` has every one.

A structure is a rule of `grammar` and the two functions of the engine that must agree with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from heliogram import mls
from heliogram.codec import Reader
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
from heliogram.mls.framing import SentProposal
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
