"""Who may change what was said (sections 4.1 and 5): only who said it, and only the body.

An edit, a deletion or a withdrawn reaction names the *first* instance of a message. What it names may come
later, or never; then it waits. The order of several edits is the order of the log, not known here.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from heliogram.content.mimi import Message


class Judgement(Enum):
    """What to do with a message that replaces another."""

    APPLY = "apply"
    WAIT = "wait"
    NOT_THEIRS = "not theirs"
    NOT_FIRST = "not first"


def judge(sender: str, target_sender: str | None, target: Message | None) -> Judgement:
    """Whether what `sender` sends may replace `target`, the message of this id, by `target_sender`.

    None: no such message is here yet. Senders are accounts, as URIs: another device of the same person may
    edit as well.
    """
    if target is None or target_sender is None:
        return Judgement.WAIT
    if sender != target_sender:  # draft-ietf-mimi-content-08, 9.3
        return Judgement.NOT_THEIRS
    if target.replaces is not None:  # draft-ietf-mimi-content-08, 4.1
        return Judgement.NOT_FIRST
    return Judgement.APPLY


def revised(target: Message, newer: Message) -> Message:
    """`target` with the body of `newer`. Topic, end, what it replies to and extensions stay (9.3)."""
    return replace(target, part=newer.part)
