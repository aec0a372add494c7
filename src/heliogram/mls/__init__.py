"""Messaging Layer Security: RFC 9420, complete, in pure Python over pyca/cryptography and
libsodium.

No sockets, no files, no clock: messages and the time come in as arguments, randomness through
`entropy`. Start with `Group`; `new_signature_key` and `new_key_package` make what it needs.

    from heliogram import mls

    config = mls.Config(authentication=mls.AcceptAnyCredential())
    key = mls.new_signature_key(mls.DEFAULT_SUITE, entropy=os.urandom)
    alice = mls.Group.create(b"a group", mls.DEFAULT_SUITE, mls.BasicCredential(b"alice"), key,
                             config=config, now=now, entropy=os.urandom)
"""

from __future__ import annotations

from collections.abc import Callable

from heliogram.mls.app_data import decode_dictionary, encode_dictionary
from heliogram.mls.commits import GroupInfo
from heliogram.mls.committing import NewLeaf
from heliogram.mls.config import Config, EpochView, Policy
from heliogram.mls.credentials import (
    AcceptAnyCredential,
    AuthenticationService,
    BasicCredential,
    Credential,
    CredentialType,
    X509Authentication,
    X509Credential,
)
from heliogram.mls.crypto import (
    DEFAULT_SUITE,
    CipherSuite,
    Secret,
    SignatureKey,
    suite_of,
)
from heliogram.mls.errors import (
    DecryptionFailed,
    InvalidMessage,
    MLSError,
    UnknownEpoch,
    UsageError,
)
from heliogram.mls.extensions import (
    Capabilities,
    Extension,
    ExternalSender,
    RequiredCapabilities,
    external_senders_extension,
)
from heliogram.mls.founding import external_proposal, propose_own_add
from heliogram.mls.framing import ContentType, Sender, SenderType, SentProposal, decode_message
from heliogram.mls.group import EpochAdvanced, Group, Outcome, StagedCommit
from heliogram.mls.key_packages import KeyPackage, OwnKeyPackage, new_key_package
from heliogram.mls.key_schedule import GroupContext
from heliogram.mls.outcomes import (
    ApplicationMessage,
    OwnMessage,
    ProposalReceived,
    Removed,
)
from heliogram.mls.proposals import (
    Add,
    AppDataUpdate,
    AppEphemeral,
    ExternalPSKID,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    ResumptionPSKID,
    ResumptionPSKUsage,
    SelfRemove,
    Update,
)
from heliogram.mls.ratchet_tree import LeafNode, Lifetime
from heliogram.mls.registries import ComponentID, ExtensionType, ProposalType, WireFormat

__all__ = [
    "DEFAULT_SUITE",
    "AcceptAnyCredential",
    "Add",
    "AppDataUpdate",
    "AppEphemeral",
    "ApplicationMessage",
    "AuthenticationService",
    "BasicCredential",
    "Capabilities",
    "CipherSuite",
    "ComponentID",
    "Config",
    "ContentType",
    "Credential",
    "CredentialType",
    "DecryptionFailed",
    "EpochAdvanced",
    "EpochView",
    "Extension",
    "ExtensionType",
    "ExternalPSKID",
    "ExternalSender",
    "Group",
    "GroupContext",
    "GroupContextExtensions",
    "GroupInfo",
    "InvalidMessage",
    "KeyPackage",
    "LeafNode",
    "Lifetime",
    "MLSError",
    "NewLeaf",
    "Outcome",
    "OwnKeyPackage",
    "OwnMessage",
    "Policy",
    "PreSharedKey",
    "PreSharedKeyID",
    "Proposal",
    "ProposalReceived",
    "ProposalType",
    "ReInit",
    "Remove",
    "Removed",
    "RequiredCapabilities",
    "ResumptionPSKID",
    "ResumptionPSKUsage",
    "Secret",
    "SelfRemove",
    "Sender",
    "SenderType",
    "SentProposal",
    "SignatureKey",
    "StagedCommit",
    "UnknownEpoch",
    "Update",
    "UsageError",
    "WireFormat",
    "X509Authentication",
    "X509Credential",
    "decode_dictionary",
    "decode_message",
    "encode_dictionary",
    "external_proposal",
    "external_senders_extension",
    "new_key_package",
    "new_signature_key",
    "propose_own_add",
]


def new_signature_key(cipher_suite: int, *, entropy: Callable[[int], bytes]) -> SignatureKey:
    """A fresh signature key pair for this cipher suite; `secret` is what to store.

    Raises `UsageError` when the suite is none of `CipherSuite`.
    """
    return suite_of(cipher_suite).new_signature_key(entropy)
