"""From one epoch to the next, the part that who commits and who receives share. RFC 9420, section
12.4.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from heliogram.mls.app_data import SafeExporter
from heliogram.mls.config import Config
from heliogram.mls.crypto import Secret, Suite
from heliogram.mls.epoch import Epoch
from heliogram.mls.errors import InvalidMessage
from heliogram.mls.extensions import Extensions
from heliogram.mls.framing import AuthenticatedContent
from heliogram.mls.key_schedule import (
    EpochSecrets,
    GroupContext,
    confirmed_transcript_hash,
    interim_transcript_hash,
    joiner_secret,
    member_secret,
    open_epoch,
    psk_secret,
)
from heliogram.mls.proposals import PreSharedKeyID, ResumptionPSKID
from heliogram.mls.ratchet_tree import RatchetTree
from heliogram.mls.registries import MLS10
from heliogram.mls.secret_tree import SecretTree

#: Resumption secrets by (group id, epoch).
ResumptionPSKs = Mapping[tuple[bytes, int], Secret]


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """Everything that makes an epoch, as one member holds it but for its private keys."""

    suite: Suite
    context: GroupContext
    tree: RatchetTree
    secrets: EpochSecrets = field(repr=False)
    exporter: SafeExporter = field(repr=False)
    epoch: Epoch = field(repr=False)
    confirmation_tag: bytes
    interim_transcript_hash: bytes


def provisional_context(
    context: GroupContext, tree: RatchetTree, extensions: Extensions
) -> GroupContext:
    """The new epoch's context before the transcript is known: what path secrets are sealed under
    (12.4.1).
    """
    return GroupContext(
        MLS10,
        context.cipher_suite,
        context.group_id,
        context.epoch + 1,
        tree.tree_hash(),
        context.confirmed_transcript_hash,
        extensions,
    )


def final_context(
    suite: Suite, provisional: GroupContext, interim: bytes, commit: AuthenticatedContent
) -> GroupContext:
    """The new epoch's context, with the signed commit in its transcript.

    Sections 8.2 and 12.4.2.
    """
    return GroupContext(
        provisional.version,
        provisional.cipher_suite,
        provisional.group_id,
        provisional.epoch,
        provisional.tree_hash,
        confirmed_transcript_hash(
            suite, interim, commit.wire_format, commit.content.encode(), commit.signature
        ),
        provisional.extensions,
    )


def find_psks(
    config: Config,
    resumption: ResumptionPSKs,
    ids: Sequence[PreSharedKeyID],
    row: int,
    section: str,
) -> list[tuple[PreSharedKeyID, Secret]]:
    """The secrets behind these ids, in their order. Raises `InvalidMessage` when one is unknown.

    That is row 79 in a commit and row 86 in a Welcome.
    """
    found = []
    for psk_id in ids:
        secret = None
        if isinstance(psk_id, ResumptionPSKID):
            secret = resumption.get((psk_id.psk_group_id, psk_id.psk_epoch))
        if secret is None:
            secret = config.psk(psk_id)
        if secret is None:
            raise InvalidMessage(row, section, "a pre-shared key is not known here")
        found.append((psk_id, secret))
    return found


def derive_member_secret(
    suite: Suite,
    init_secret: bytes,
    commit_secret: bytes,
    context: GroupContext,
    psks: Sequence[tuple[PreSharedKeyID, Secret]],
) -> tuple[Secret, Secret]:
    """(joiner_secret, member secret) of the new epoch (section 8)."""
    joiner = joiner_secret(suite, init_secret, commit_secret, context)
    return joiner, member_secret(suite, joiner, psk_secret(suite, psks))


def start_epoch(
    suite: Suite,
    config: Config,
    context: GroupContext,
    tree: RatchetTree,
    secret: Secret,
    confirmation_tag: bytes | None,
) -> EpochKeys:
    """The epoch that grows from an epoch secret.

    With `confirmation_tag` None the tag is made; otherwise it must be the right one:
    `InvalidMessage`, row 80 for commits in either framing (section 12.4.2; row 19); joining maps it
    to row 96.
    """
    secrets, exporter = open_epoch(suite, secret)
    confirmed = context.confirmed_transcript_hash
    if confirmation_tag is None:
        confirmation_tag = suite.mac(secrets.confirmation_key, confirmed)
    elif not suite.mac_matches(secrets.confirmation_key, confirmed, confirmation_tag):
        raise InvalidMessage(80, "12.4.2", "a confirmation tag is wrong")  # RFC 9420, 12.4.2
    return EpochKeys(
        suite,
        context,
        tree,
        replace(secrets, encryption=Secret(b"")),  # RFC 9420, 9.2 (row 103): the tree has it
        exporter,
        Epoch(
            suite,
            context,
            tree.nodes[::2],
            secrets.sender_data,
            SecretTree(
                suite,
                tree.leaf_count,
                secrets.encryption,
                max_forward=config.max_forward,
                max_skipped=config.max_skipped,
            ),
        ),
        confirmation_tag,
        interim_transcript_hash(suite, confirmed, confirmation_tag),
    )
