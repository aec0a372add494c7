"""Files: through any pieces, from any chunk on, and nothing of them can change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.content import making
from heliogram.content.mimi import ExternalPart
from heliogram.content.padding import padme
from heliogram.node.errors import FileFault, InvalidFile
from heliogram.node.files import (
    CHUNK,
    HEADER,
    MIN_BLOB,
    PLAIN,
    TAG,
    Layout,
    Opener,
    Receiver,
    SealedFile,
    Sealer,
    measure,
)
from heliogram.wire.limits import MAX_BLOB
from tests.scenarios.cast import entropy_of

ENTROPY = entropy_of("files")


def content(size: int) -> bytes:
    """So many bytes without a pattern."""
    blocks = (sha256(at.to_bytes(8, "big")).digest() for at in range(-(-size // 32)))
    return b"".join(blocks)[:size]


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def sealed(data: bytes, size: int = 1 << 20) -> tuple[bytes, SealedFile]:
    """The blob, and what the message says."""
    sealer = Sealer(*measure(pieces(data, size)), entropy=ENTROPY)
    blob = b"".join(sealer.seal(pieces(data, size)))
    return blob, sealer.file()


def opened(blob: bytes, file: SealedFile, size: int = 1 << 20) -> bytes:
    receiver = Receiver(file)
    plain = b"".join(receiver.receive(piece) for piece in pieces(blob, size))
    receiver.finish()
    return plain


def fault_of(call: Callable[[], object]) -> FileFault:
    with pytest.raises(InvalidFile) as caught:
        call()
    assert caught.value.code == f"file {caught.value.fault.value}"
    assert caught.value.fault.value in str(caught.value)
    return caught.value.fault


#: Around every border that there is.
SIZES = sorted(
    size + more
    for size in (1, MIN_BLOB - HEADER - TAG, PLAIN, CHUNK, 2 * PLAIN, 2 * CHUNK, 3 * PLAIN)
    for more in (-1, 0, 1)
)
sizes = st.one_of(st.sampled_from(SIZES), st.integers(0, 4 * CHUNK))
DATA = content(3 * CHUNK)
BLOB, FILE = sealed(DATA)


# --- There and back -------------------------------------------------------------------------------


@settings(max_examples=60)
@given(sizes, st.integers(100, 200_000), st.integers(100, 200_000))
def test_files(size: int, sending: int, receiving: int) -> None:
    data = content(size)
    blob, file = sealed(data, sending)
    assert len(blob) == Layout(size).blob
    assert file.ciphertext_hash == sha256(blob).digest()
    assert opened(blob, file, receiving) == data


def test_through_a_message() -> None:
    part = FILE.part(url="https://relay.example/blob/00", content_type="image/png", filename="a")
    message = making.post(part, entropy=ENTROPY)
    again = type(message).from_bytes(message.encode())
    assert isinstance(again.part, ExternalPart)
    assert SealedFile.of(again.part) == FILE
    for broken in (
        replace(part, enc_alg=1),
        replace(part, hash_alg=2),
        replace(part, aad=b""),
        replace(part, key=bytes(16)),
        replace(part, nonce=bytes(12)),
        replace(part, content_hash=bytes(20)),
    ):
        assert fault_of(lambda one=broken: SealedFile.of(one)) is FileFault.NOT_OURS  # type: ignore[misc]


def test_nothing_is_shown() -> None:
    sealer = Sealer(0, bytes(32), entropy=ENTROPY)
    assert [repr(one) for one in (FILE, sealer, Opener(FILE), Receiver(FILE))] == [
        *("SealedFile()", "<Sealer>", "<Opener>", "<Receiver>")
    ]


def test_keys_are_fresh() -> None:
    """The same file twice has nothing in common on the relay."""
    other, file = sealed(DATA)
    assert file.key != FILE.key and file.plaintext_hash == FILE.plaintext_hash
    assert other[:HEADER] != BLOB[:HEADER] and other[HEADER:][:16] != BLOB[HEADER:][:16]


# --- Sizes ----------------------------------------------------------------------------------------


@given(st.one_of(sizes, st.integers(0, MAX_BLOB // 2)))
def test_layouts(size: int) -> None:
    layout = Layout(size)
    assert padme(layout.blob) == layout.blob, "on the grid"
    assert layout.blob <= max(MIN_BLOB, 1.121 * size + 64)
    first, last = layout.sealed(0), layout.sealed(layout.chunks - 1)
    assert first[0] == HEADER and last[1] == layout.blob
    assert last[1] - last[0] >= TAG
    assert last[1] - last[0] < CHUNK, "the last is never full, so a file that grows is noticed"
    for index in (0, layout.chunk_at(max(0, size - 1)), layout.chunks - 1):
        (start, end), (begin, stop) = layout.sealed(index), layout.plain(index)
        assert end - start >= stop - begin + TAG
    assert layout.plain(layout.chunks - 1)[1] == size
    assert Layout(size + 1).blob >= layout.blob


def test_chunks_lie_one_behind_the_other() -> None:
    layout = Layout(len(DATA))
    sealed_at, plain_at = HEADER, 0
    for index in range(layout.chunks):
        start, end = layout.sealed(index)
        first, last = layout.plain(index)
        assert (start, first) == (sealed_at, plain_at)
        sealed_at, plain_at = end, last
    assert (sealed_at, plain_at) == (layout.blob, len(DATA))


def test_small_files_are_alike() -> None:
    assert {Layout(size).blob for size in range(900)} == {MIN_BLOB}


@pytest.mark.parametrize("size", [-1, MAX_BLOB, MAX_BLOB + 1, 1 << 64])
def test_no_such_size(size: int) -> None:
    assert fault_of(lambda: Layout(size)) is FileFault.NOT_OURS


# --- From any chunk on ----------------------------------------------------------------------------


@given(st.integers(0, len(BLOB)))
def test_resuming(stored: int) -> None:
    """A receiver that is given again what is stored goes on as if nothing had happened."""
    receiver = Receiver(FILE)
    plain = receiver.receive(BLOB[:stored])
    plain += receiver.receive(BLOB[stored:])
    receiver.finish()
    assert plain == DATA
    index = receiver.layout.resume(stored)
    if index < receiver.layout.chunks:
        start, end = receiver.layout.sealed(index)
        assert end > stored and (start <= stored or index == 0)
    else:
        assert stored == len(BLOB)


def test_any_chunk_opens_alone() -> None:
    opener = Opener(FILE)
    opener.check_header(BLOB[:HEADER])
    for position in (len(DATA) - 1, 0, PLAIN, PLAIN - 1):
        index = opener.layout.chunk_at(position)
        start, end = opener.layout.sealed(index)
        first, last = opener.layout.plain(index)
        assert first <= position < last
        assert opener.open(index, BLOB[start:end]) == DATA[first:last]


def test_what_is_no_chunk() -> None:
    opener = Opener(FILE)
    start, end = opener.layout.sealed(0)
    for index in range(1, 3):  # chunks of the right size at other places
        moved = BLOB[slice(*opener.layout.sealed(index))]
        assert len(moved) == end - start
        assert fault_of(lambda one=moved: opener.open(0, one)) is FileFault.DAMAGED  # type: ignore[misc]
    for index, data in ((0, BLOB[start : end - 1]), (0, b""), (-1, BLOB[start:end]), (9, b"x")):
        assert fault_of(lambda a=index, b=data: opener.open(a, b)) is FileFault.DAMAGED  # type: ignore[misc]


# --- What is refused ------------------------------------------------------------------------------


def refuses(blob: bytes, **other: Any) -> FileFault:
    """Refused, whether the message has the blob's true hash or the one from before."""
    file = replace(FILE, **other)
    hashed = replace(file, ciphertext_hash=sha256(blob).digest())
    assert fault_of(lambda: opened(blob, file))
    return fault_of(lambda: opened(blob, hashed))


@settings(max_examples=150)
@given(st.integers(0, 8 * len(BLOB) - 1))
def test_any_flipped_bit(bit: int) -> None:
    changed = bytearray(BLOB)
    changed[bit // 8] ^= 1 << bit % 8
    wrong_key = bit < 8 * HEADER
    assert refuses(bytes(changed)) is (FileFault.WRONG_KEY if wrong_key else FileFault.DAMAGED)


@given(st.integers(0, len(BLOB) - 1))
def test_any_truncation(size: int) -> None:
    assert refuses(BLOB[:size]) is FileFault.DAMAGED


@given(st.binary(min_size=1, max_size=100))
def test_anything_added(more: bytes) -> None:
    assert refuses(BLOB + more) is FileFault.DAMAGED


def chunks() -> list[bytes]:
    layout = Layout(len(DATA))
    return [BLOB[slice(*layout.sealed(index))] for index in range(layout.chunks)]


def test_chunks_moved_doubled_dropped() -> None:
    one = chunks()
    header = BLOB[:HEADER]
    assert header + b"".join(one) == BLOB and len(one) == 4
    for other in (
        [one[1], one[0], *one[2:]],
        [one[0], one[0], *one[2:]],
        [*one[:2], one[1], one[2], one[3]],
        one[1:],
        one[:-1],
        [*one, one[-1]],
        [*one[:2], one[3]],
    ):
        assert refuses(header + b"".join(other)) is FileFault.DAMAGED


def test_another_end() -> None:
    """A message that says less or more of the same blob finds other chunks, or bytes in the padding."""
    for size in (0, 1, PLAIN, len(DATA) - 1, len(DATA) + 1, len(DATA) + CHUNK):
        assert refuses(BLOB, size=size) in (FileFault.DAMAGED, FileFault.WRONG_KEY)


def test_one_blob_has_one_key_and_one_content() -> None:
    """The blob under another key, and with another hash of the plaintext."""
    assert refuses(BLOB, key=bytes(32)) is FileFault.WRONG_KEY
    assert refuses(BLOB, plaintext_hash=bytes(32)) is FileFault.DAMAGED
    assert fault_of(lambda: opened(BLOB, replace(FILE, ciphertext_hash=bytes(32)))) is (
        FileFault.DAMAGED
    )


def test_a_sender_who_lies_about_the_content() -> None:
    """Sealed with a hash that is not the plaintext's: each chunk opens, the whole does not count."""

    class Lying(Sealer):
        def lie(self, data: bytes) -> tuple[bytes, SealedFile]:
            sealed_chunks = b"".join(
                self._chunks.seal(index, data[slice(*self.layout.plain(index))])
                for index in range(self.layout.chunks)
            )
            blob = self._chunks.commitment + sealed_chunks
            return blob, SealedFile(self._key, len(data), bytes(32), sha256(blob).digest())

    blob, file = Lying(len(DATA), bytes(32), entropy=ENTROPY).lie(DATA)
    assert fault_of(lambda: opened(blob, file)) is FileFault.DAMAGED


def test_padding_is_zeros() -> None:
    """Nothing can be hidden behind the end of a file."""

    class Hiding(Sealer):
        def hide(self, data: bytes, hidden: bytes) -> tuple[bytes, SealedFile]:
            start, end = self.layout.sealed(0)
            room = end - start - TAG
            filled = (data + hidden).ljust(room, b"\x00")
            blob = self._chunks.commitment + self._chunks.seal(0, filled)
            digest = sha256(data).digest()
            return blob, SealedFile(self._key, len(data), digest, sha256(blob).digest())

    honest = Hiding(2, sha256(b"hi").digest(), entropy=ENTROPY).hide(b"hi", b"")
    assert opened(*honest) == b"hi"
    hiding = Hiding(2, sha256(b"hi").digest(), entropy=ENTROPY).hide(b"hi", b"\x00x")
    assert fault_of(lambda: opened(*hiding)) is FileFault.DAMAGED


@pytest.mark.parametrize(
    "other",
    [DATA[:-1], DATA + b"x", DATA[:-1] + b"\x00", DATA + bytes(3 * CHUNK), b"", content(4 * PLAIN)],
)
def test_a_file_that_changes_while_it_is_sealed(other: bytes) -> None:
    sealer = Sealer(*measure([DATA]), entropy=ENTROPY)
    assert fault_of(lambda: b"".join(sealer.seal([other]))) is FileFault.CHANGED
    with pytest.raises(ValueError):
        sealer.file()


def test_a_key_seals_once() -> None:
    sealer = Sealer(*measure([b"x"]), entropy=ENTROPY)
    blob = b"".join(sealer.seal([b"x"]))
    assert opened(blob, sealer.file()) == b"x"
    with pytest.raises(ValueError, match="once"):
        next(sealer.seal([b"y"]))


def test_the_law() -> None:
    """docs/content.md gives one blob by its hash."""
    from tests.content.test_law import LAW

    sealer = Sealer(*measure([b"hello"]), entropy=lambda size: bytes(range(size)))
    blob = b"".join(sealer.seal([b"hello"]))
    assert len(blob) == MIN_BLOB
    assert sha256(blob).hexdigest() in LAW.replace("\n", "")
    assert sealer.file().plaintext_hash.hex() in LAW.replace("\n", "")
