"""What a node raises. Each error has a stable `code`; faces make the sentences.

    NodeError
      NotInChain          not the decision that comes next
      NotNow              our caller asked for what this state does not allow

No text holds a key, an id, a name, a word or anything else that came from a person or a peer.
"""

from __future__ import annotations


class NodeError(Exception):
    """The root of what `heliogram.node` raises."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "node"


class NotInChain(NodeError):
    """Not the decision that comes next, or none at all. Nothing has changed: try another source."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "not in chain"


class NotNow(NodeError):
    """Our caller asked for what cannot be done in this state. Nothing has changed: fix the caller."""

    @property
    def code(self) -> str:
        """What a face looks its sentence up by."""
        return "not now"
