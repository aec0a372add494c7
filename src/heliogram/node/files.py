"""Files as they lie on relays: sealed in chunks, padded, and bound to one key and one content.

    blob  = commitment[32] || chunk 0 || chunk 1 || … || last chunk
    chunk = ChaCha20-Poly1305(hash("file key", key), nonce, aad = SHA-256(plaintext), part of the plaintext)
    nonce = 00000000000000 || uint32 index || uint8 last

All chunks but the last have 65,536 bytes. Position and end are in the nonce, so none can be dropped, moved,
doubled or added (the STREAM construction). `commitment = hash("file commitment", key)` makes the blob one of
this key alone, since the cipher by itself could open under two. After the plaintext come zeros, up to a blob
size on the Padmé grid.

A key is fresh for each file and seals it once: whoever sends keeps the sealed copy until it is stored, and
resumes from it. Who receives may begin at any chunk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from heliogram.codec import u8, u32
from heliogram.content import making
from heliogram.content.bodies import File
from heliogram.content.mimi import ExternalPart
from heliogram.content.padding import padme
from heliogram.node.errors import FileFault, InvalidFile
from heliogram.node.signing import Label, labelled_hash
from heliogram.wire.limits import HASH_SIZE, MAX_BLOB

KEY_SIZE = 32

#: Bytes of a sealed chunk, of its tag, of what stands before the first.
CHUNK = 64 << 10
TAG = 16
HEADER = HASH_SIZE

#: Bytes of plaintext in a chunk.
PLAIN = CHUNK - TAG

#: The smallest blob in bytes: very small files are not told apart.
MIN_BLOB = 1 << 10


# --- Sizes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the chunks of a file of `size` bytes lie. Raises `InvalidFile` for one that fits no blob."""

    size: int
    #: Bytes of the blob, and its chunks.
    blob: int = field(init=False)
    chunks: int = field(init=False)

    def __post_init__(self) -> None:
        """Find the smallest blob on the grid that has room."""
        if not 0 <= self.size <= MAX_BLOB:
            raise InvalidFile(FileFault.NOT_OURS)
        needed = HEADER + self.size + TAG * max(1, -(-self.size // PLAIN))
        blob = padme(max(MIN_BLOB, needed))
        # Beyond one chunk the grid has steps of 2,048 bytes and more: a chunk that padding begins has room
        # for its tag.
        if blob > MAX_BLOB:
            raise InvalidFile(FileFault.NOT_OURS)
        object.__setattr__(self, "blob", blob)
        object.__setattr__(self, "chunks", _chunks(blob))

    def sealed(self, index: int) -> tuple[int, int]:
        """Where chunk `index` begins and ends in the blob."""
        start = HEADER + index * CHUNK
        return start, min(start + CHUNK, self.blob)

    def plain(self, index: int) -> tuple[int, int]:
        """Which bytes of the plaintext chunk `index` holds; none if it is padding alone."""
        return min(index * PLAIN, self.size), min((index + 1) * PLAIN, self.size)

    def chunk_at(self, position: int) -> int:
        """The chunk with the byte of the plaintext at `position`."""
        return position // PLAIN

    def resume(self, stored: int) -> int:
        """The first chunk that is not whole in the first `stored` bytes of the blob."""
        return self.chunks if stored >= self.blob else max(0, stored - HEADER) // CHUNK


def _chunks(blob: int) -> int:
    return -(-(blob - HEADER) // CHUNK)


# --- What a message says of a file ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file as a message describes it: its key, the plaintext's size, and SHA-256 of both sides."""

    key: bytes = field(repr=False)
    size: int = field(repr=False)
    plaintext_hash: bytes = field(repr=False)
    ciphertext_hash: bytes = field(repr=False)

    @classmethod
    def of(cls, part: ExternalPart) -> Self:
        """The file of a message's part. Raises `InvalidFile` if it is none of ours."""
        if not File(part).ours or len(part.key) != KEY_SIZE or part.nonce:
            raise InvalidFile(FileFault.NOT_OURS)
        return cls(part.key, part.size, part.aad, part.content_hash)

    def part(self, *, url: str, content_type: str, **how: Any) -> ExternalPart:
        """The part of a message for this file at `url`. `how` is as for `content.making.file`."""
        return making.file(
            url=url,
            content_type=content_type,
            size=self.size,
            key=self.key,
            plaintext_hash=self.plaintext_hash,
            ciphertext_hash=self.ciphertext_hash,
            **how,
        )


def measure(pieces: Iterable[bytes]) -> tuple[int, bytes]:
    """Size and SHA-256 of a plaintext that comes in pieces: what `Sealer` wants to know first."""
    size, digest = 0, hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        digest.update(piece)
    return size, digest.digest()


# --- Sealing --------------------------------------------------------------------------------------


class _Chunks:
    """One file's key at work."""

    def __init__(self, key: bytes, layout: Layout, plaintext_hash: bytes) -> None:
        self.layout = layout
        self.commitment = labelled_hash(Label.FILE_COMMITMENT, key)
        self._aead = ChaCha20Poly1305(labelled_hash(Label.FILE_KEY, key))
        self._aad = plaintext_hash

    def nonce(self, index: int) -> bytes:
        return bytes(7) + u32(index) + u8(index == self.layout.chunks - 1)

    def seal(self, index: int, plain: bytes) -> bytes:
        start, end = self.layout.sealed(index)
        padding = bytes(end - start - TAG - len(plain))
        return self._aead.encrypt(self.nonce(index), plain + padding, self._aad)

    def open(self, index: int, sealed: bytes) -> bytes:
        start, end = self.layout.sealed(index)
        if not 0 <= index < self.layout.chunks or len(sealed) != end - start:
            raise InvalidFile(FileFault.DAMAGED)
        try:
            opened = self._aead.decrypt(self.nonce(index), sealed, self._aad)
        except InvalidTag:
            raise InvalidFile(FileFault.DAMAGED) from None
        first, last = self.layout.plain(index)
        if opened[last - first :].strip(b"\x00"):
            raise InvalidFile(FileFault.DAMAGED)
        return opened[: last - first]


class Sealer:
    """Seals one file once, under a key of its own. Mutable."""

    def __init__(
        self, size: int, plaintext_hash: bytes, *, entropy: Callable[[int], bytes]
    ) -> None:
        """`size` and hash are what `measure` found. Raises `InvalidFile` for a file that is too large."""
        self.layout = Layout(size)
        self._key = entropy(KEY_SIZE)
        self._plaintext_hash = plaintext_hash
        self._chunks = _Chunks(self._key, self.layout, plaintext_hash)
        self._digest = hashlib.sha256()
        self._begun = False
        self._file: SealedFile | None = None

    def __repr__(self) -> str:
        return "<Sealer>"

    def seal(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The blob in pieces, from the plaintext in pieces of whatever size. Can be called once.

        Raises `InvalidFile` (`CHANGED`) at the end, if the plaintext was not the one that was measured: then
        throw all of it away.
        """
        if self._begun:
            raise ValueError("a key seals one file, once")
        self._begun = True
        yield self._out(self._chunks.commitment)
        size, digest = 0, hashlib.sha256()
        source = _of_size(pieces, PLAIN)
        for index in range(self.layout.chunks):
            plain = next(source, b"")
            first, last = self.layout.plain(index)
            if len(plain) != last - first:
                raise InvalidFile(FileFault.CHANGED)
            size += len(plain)
            digest.update(plain)
            yield self._out(self._chunks.seal(index, plain))
        # One that grew was noticed above: the last chunk is never a full one, so it got more than expected.
        if digest.digest() != self._plaintext_hash:
            raise InvalidFile(FileFault.CHANGED)
        hashes = self._plaintext_hash, self._digest.digest()
        self._file = SealedFile(self._key, size, *hashes)

    def file(self) -> SealedFile:
        """What the message says. Raises `ValueError` before all pieces were taken."""
        if self._file is None:
            raise ValueError("the file is not sealed yet")
        return self._file

    def _out(self, data: bytes) -> bytes:
        self._digest.update(data)
        return data


def _of_size(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size`, the last one shorter."""
    buffer = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        while view:
            taken = view[: size - len(buffer)]
            buffer += taken
            view = view[len(taken) :]
            if len(buffer) == size:
                yield bytes(buffer)
                buffer.clear()
    if buffer:
        yield bytes(buffer)


# --- Opening --------------------------------------------------------------------------------------


class Opener:
    """Opens chunks of one file, in any order: to resume, and to play what is not all here yet.

    A chunk that opens is at its place in a file of this key, size and hash. That the whole is the file of the
    message, only `Receiver` says.
    """

    def __init__(self, file: SealedFile) -> None:
        """Raises `InvalidFile` for a file larger than any."""
        self.layout = Layout(file.size)
        self._chunks = _Chunks(file.key, self.layout, file.plaintext_hash)

    def __repr__(self) -> str:
        return "<Opener>"

    def check_header(self, header: bytes) -> None:
        """Raise `InvalidFile` (`WRONG_KEY`) unless these first 32 bytes of the blob belong to the key."""
        if header != self._chunks.commitment:
            raise InvalidFile(FileFault.WRONG_KEY)

    def open(self, index: int, sealed: bytes) -> bytes:
        """The plaintext of chunk `index`, without padding. Raises `InvalidFile` (`DAMAGED`)."""
        return self._chunks.open(index, sealed)


class Receiver:
    """Takes a whole blob in from its beginning and checks everything. Mutable.

    To resume, it is given again what is stored, then what comes.
    """

    def __init__(self, file: SealedFile) -> None:
        """Raises `InvalidFile` for a file larger than any."""
        self._file = file
        self._opener = Opener(file)
        self._buffer = bytearray()
        self._index = -1  # the header comes before chunk 0
        self._sealed, self._plain = hashlib.sha256(), hashlib.sha256()

    def __repr__(self) -> str:
        return "<Receiver>"

    @property
    def layout(self) -> Layout:
        """Where the chunks lie."""
        return self._opener.layout

    def receive(self, data: bytes) -> bytes:
        """Take the next bytes of the blob. What of the plaintext has become readable by them.

        Raises `InvalidFile`; then the receiver is of no more use.
        """
        self._sealed.update(data)
        self._buffer += data
        plain = bytearray()
        while self._index < self.layout.chunks and len(self._buffer) >= self._wanted():
            wanted = self._wanted()
            piece = bytes(self._buffer[:wanted])
            del self._buffer[:wanted]
            if self._index < 0:
                self._opener.check_header(piece)
            else:
                plain += self._opener.open(self._index, piece)
            self._index += 1
        if self._index == self.layout.chunks and self._buffer:
            raise InvalidFile(FileFault.DAMAGED)
        self._plain.update(plain)
        return bytes(plain)

    def finish(self) -> None:
        """Raise `InvalidFile` unless all is here and both hashes are those of the message."""
        found = self._plain.digest(), self._sealed.digest()
        expected = self._file.plaintext_hash, self._file.ciphertext_hash
        if self._index != self.layout.chunks or found != expected:
            raise InvalidFile(FileFault.DAMAGED)

    def _wanted(self) -> int:
        if self._index < 0:
            return HEADER
        start, end = self.layout.sealed(self._index)
        return end - start
