"""Code points: RFC 9420, section 17, and what we take from draft-ietf-mls-extensions-10.

One table for all numbers that appear on the wire and may grow. Enums that the RFC closes (sender
types, node types, …) stand beside the structures that use them. The draft's values are *suggested*,
not assigned: when IANA assigns others, this file is the only one that changes.
"""

from __future__ import annotations

from enum import IntEnum

#: The only protocol version there is: mls10 (section 6).
MLS10 = 1


class WireFormat(IntEnum):
    """What an `MLSMessage` carries (section 17.2)."""

    PUBLIC_MESSAGE = 1
    PRIVATE_MESSAGE = 2
    WELCOME = 3
    GROUP_INFO = 4
    KEY_PACKAGE = 5


class ExtensionType(IntEnum):
    """Extension types (section 17.3; 6 to 8: draft-ietf-mls-extensions-10)."""

    APPLICATION_ID = 1
    RATCHET_TREE = 2
    REQUIRED_CAPABILITIES = 3
    EXTERNAL_PUB = 4
    EXTERNAL_SENDERS = 5
    APP_DATA_DICTIONARY = 6
    SUPPORTED_WIRE_FORMATS = 7
    REQUIRED_WIRE_FORMATS = 8


class ProposalType(IntEnum):
    """Proposal types (section 17.4; 8 to 10: draft-ietf-mls-extensions-10)."""

    ADD = 1
    UPDATE = 2
    REMOVE = 3
    PSK = 4
    REINIT = 5
    EXTERNAL_INIT = 6
    GROUP_CONTEXT_EXTENSIONS = 7
    APP_DATA_UPDATE = 8
    APP_EPHEMERAL = 9
    SELF_REMOVE = 10


class ComponentID(IntEnum):
    """Components of the safe application interface (draft-ietf-mls-extensions-10, section 4)."""

    APP_COMPONENTS = 1
    SAFE_AAD = 2
    CONTENT_MEDIA_TYPES = 3
    LAST_RESORT_KEY_PACKAGE = 4
    APP_ACK = 5


#: Extension and proposal types that every implementation has: they are never listed in capabilities
#: (RFC 9420, 7.2).
DEFAULT_EXTENSIONS = frozenset(range(1, 6))
DEFAULT_PROPOSALS = frozenset(range(1, 8))

#: What this engine understands beyond the defaults, and so lists in the capabilities it makes.
OWN_EXTENSIONS = (ExtensionType.APP_DATA_DICTIONARY,)
OWN_PROPOSALS = (
    ProposalType.APP_DATA_UPDATE,
    ProposalType.APP_EPHEMERAL,
    ProposalType.SELF_REMOVE,
)

#: Values reserved to keep receivers honest about what they do not know (RFC 9420, 13.5).
GREASE = tuple(0x0A0A + 0x1010 * step for step in range(15))


def is_grease(value: int) -> bool:
    """Whether `value` is one of the 15 reserved values 0x0A0A, 0x1A1A, … 0xEAEA (section 13.5)."""
    return value in GREASE
