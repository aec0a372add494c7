"""A relay: it keeps and orders ciphertext for conversations that it knows nothing about.

`slots` is the certified slot: how the relays of a log decide which value ends an epoch. What a relay
refuses it raises as a `RelayError`, and that is the answer.
"""

from __future__ import annotations

from heliogram.relay.errors import (
    BadCertificate,
    BadStatus,
    Behind,
    Fenced,
    Gone,
    NotAuthorised,
    NotFenced,
    OverBudget,
    RelayError,
    TooLarge,
)

__all__ = [
    "BadCertificate",
    "BadStatus",
    "Behind",
    "Fenced",
    "Gone",
    "NotAuthorised",
    "NotFenced",
    "OverBudget",
    "RelayError",
    "TooLarge",
]
