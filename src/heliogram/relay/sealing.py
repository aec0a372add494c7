"""What a relay signs, after what it signs is on disk.

One signature for all entries of a batch: over the root of a Merkle tree, of which each receipt has its
path. One for each vote and promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from heliogram.relay.batch import Appended, Outcome, Statement
from heliogram.relay.slots import Promised, Voted1
from heliogram.wire import frames
from heliogram.wire.receipts import Receipt, merkle_tree, receipt_leaf, receipts_content
from heliogram.wire.signing import Label, SigningKey


def seal(identity: SigningKey, outcomes: Sequence[Outcome]) -> list[frames.Answer]:
    """The answers to a batch of at most `MAX_BATCH` requests whose outcomes are on disk, in their order."""
    receipts = _receipts(identity, [one for one in outcomes if isinstance(one, Appended)])
    answers: list[frames.Answer] = []
    for one in outcomes:
        if isinstance(one, Appended):
            answers.append(frames.Stored(one.id, next(receipts).encode()))
        elif isinstance(one, Statement):
            answers.append(_signed(identity, one))
        else:
            answers.append(one)
    return answers


def _receipts(identity: SigningKey, appended: list[Appended]) -> Iterator[Receipt]:
    leaves = [
        receipt_leaf(one.instance, one.epoch, one.index, one.name, one.chain) for one in appended
    ]
    root, paths = merkle_tree(leaves)
    size = len(leaves)
    signature = identity.sign(Label.RECEIPTS, receipts_content(identity.public, root, size))
    for position, (one, path) in enumerate(zip(appended, paths, strict=True)):
        yield Receipt(one.index, one.chain, position, size, path, signature)


def _signed(identity: SigningKey, one: Statement) -> frames.Answer:
    statement = one.answer
    signature = identity.sign(statement.label, statement.content)
    if isinstance(statement, Promised):
        lock, value = statement.lock, statement.value
        return frames.Promise(
            one.id,
            signature,
            b"" if lock is None else lock.encode(),
            b"" if value is None else value.encode(),
        )
    if isinstance(statement, Voted1):
        return frames.Vote1(one.id, signature)
    return frames.Vote2(one.id, signature)
