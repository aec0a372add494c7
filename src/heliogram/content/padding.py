"""Sizes that tell little: buckets for what people say, Padmé for files.

A relay sees how long an entry is. Texts, reactions, edits and receipts all end in one of four sizes, so
that the size does not tell which it was. `bucket` is what `mls.Config.padding` wants: size in, size out.
"""

from __future__ import annotations

#: Bytes that a message has after padding, as long as it fits.
BUCKETS = (256, 1 << 10, 4 << 10, 16 << 10)


def bucket(size: int) -> int:
    """The size in bytes that content of `size` bytes is padded to. Above the last bucket: `padme`."""
    for one in BUCKETS:
        if size <= one:
            return one
    return padme(size)


def padme(size: int) -> int:
    """The size in bytes that a file of `size` bytes is padded to: at most 12 % more.

    Padmé (Nikitin et al., PETS 2019): of a length with k bits only the first log2(k) + 1 or so stay free, so
    up to any bound there are few lengths.
    """
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    kept = exponent.bit_length()
    mask = (1 << (exponent - kept)) - 1 if exponent > kept else 0
    return (size + mask) & ~mask
