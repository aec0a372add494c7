"""What a secret may do: no more than whoever holds it needs.

`read` looks; `send` also says things in conversations that there are; `app` is all that its owner may do. A
command that is in neither list is for `app` only, so a new one is nobody's until somebody thinks of it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from heliogram.node import api


class Scope(Enum):
    """How much a secret may do."""

    READ = "read"
    SEND = "send"
    APP = "app"


#: What only looks. Links are not here: who reads one can write to us.
_READ: Final[frozenset[type[api.Command]]] = frozenset(
    (
        api.GetStatus,
        api.GetChats,
        api.GetChat,
        api.GetHistory,
        api.GetPlace,
        api.GetMedia,
        api.GetPins,
        api.GetScheduled,
        api.GetFolders,
        api.GetMessage,
        api.Search,
        api.GetContacts,
        api.GetSafetyCode,
        api.GetRequests,
        api.ReadFile,
        api.GetThumbnail,
        api.GetPicture,
        api.GetTransfers,
        api.GetRelays,
        api.GetPreferences,
        api.Explain,
    )
)

#: What says something, or is part of it.
_SEND: Final[frozenset[type[api.Command]]] = frozenset(
    (
        api.SendMessage,
        api.SendAgain,
        api.EditMessage,
        api.DeleteMessage,
        api.ForwardMessages,
        api.SendPoll,
        api.Vote,
        api.React,
        api.Schedule,
        api.Unschedule,
        api.Reschedule,
        api.SetTyping,
        api.SetDraft,
        api.MarkRead,
        api.KeepFile,
    )
)


def may(scope: Scope, command: type[api.Command]) -> bool:
    """Whether a secret of this scope may give such a command."""
    if scope is Scope.APP:
        return True
    return command in _READ or (scope is Scope.SEND and command in _SEND)


def covers(scope: Scope, wanted: Scope) -> bool:
    """Whether who has `scope` may do what is for `wanted`."""
    order = (Scope.READ, Scope.SEND, Scope.APP)
    return order.index(scope) >= order.index(wanted)
