"""What the node raises, told apart by what the caller has to do. No text quotes a peer."""

from __future__ import annotations


class NodeError(Exception):
    """The root of what `heliogram.node` raises."""


class NotInChain(NodeError):
    """This is not the decision that comes next: nothing has changed. Try another source."""


class NotNow(NodeError):
    """Our caller asked for what cannot be done in this state. Fix the caller; nothing has changed."""
