"""A value of ours for the open slot: the commit, and what goes around it."""

from __future__ import annotations

from collections.abc import Sequence

from heliogram import mls
from heliogram.node.components import Charter
from heliogram.node.epoch_keys import EpochKeys
from heliogram.node.errors import NotAllowed
from heliogram.node.membership import Entropy, Padding
from heliogram.node.records import Held, StagedValue
from heliogram.node.value import (
    MAX_GRACE_WELCOME,
    MAX_WELCOME,
    Body,
    CommitData,
    WelcomeBlob,
    WelcomeForm,
)
from heliogram.wire.objects import Header, Value


def commit(
    group: mls.Group,
    proposals: Sequence[mls.Proposal],
    data: CommitData,
    *,
    now: int,
    entropy: Entropy,
) -> mls.StagedCommit:
    """Stage a commit of these proposals, and of departures that wait. Raises `NotAllowed`."""
    padding = group.config.padding
    try:
        if isinstance(padding, Padding):
            padding.on = False
        return group.commit(
            proposals, path=True, authenticated_data=data.encode(), now=now, entropy=entropy
        )
    except mls.UsageError as error:
        raise NotAllowed(str(error)) from None
    finally:
        if isinstance(padding, Padding):
            padding.on = True


def value(
    held: Held, staged: mls.StagedCommit, *, by_grace: bool, entropy: Entropy
) -> tuple[StagedValue, tuple[bytes, ...]]:
    """The value of a commit, and blobs that it refers to. Raises `TooLong`.

    With `by_grace` the invitation must fit into a grace lane.
    """
    configuration = Charter.of(staged.group.context).configuration
    keys = EpochKeys.of(staged.group)
    header = Header(configuration, keys.public_keys(configuration)).encode()
    welcome: WelcomeForm = staged.welcome
    blobs: tuple[bytes, ...] = ()
    most = MAX_GRACE_WELCOME if by_grace else MAX_WELCOME
    if staged.welcome is not None and len(staged.welcome) > most:
        welcome, blob = WelcomeBlob.seal(staged.welcome, entropy=entropy)
        blobs = (blob,)
    body = Body(staged.message, tuple(held.waiting.values()), welcome)
    key = held.keys[held.standing.seat.epoch].value
    return StagedValue(Value(header, body.seal(key, header, entropy=entropy)), keys), blobs
