"""What the metadata of a group say of its picture: where it lies sealed, and what opens it.

    struct {
        uint8 version = 1;
        opaque blob[32];                // the blob's id: SHA-256 of the sealed picture
        opaque key[32];
        uint32 size;                    // of the picture in bytes, at most 65,536
        opaque plaintext_hash[32];      // SHA-256 of the picture, a WebP
    } PictureReference;

There is no address in it: the picture lies on the relays of its conversation and is asked for nowhere else.
It is sealed as files are (`files`). Sealing is a function of key and picture, so each member who has both can
make the same blob again, byte by byte: under a key there is only this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from heliogram.codec import DecodeError, Reader, decode_all, u8, u32
from heliogram.node.errors import FileFault, InvalidFile
from heliogram.node.files import KEY_SIZE, Layout, Receiver, SealedFile, Sealer, measure
from heliogram.wire.limits import HASH_SIZE

#: Bytes of a picture at most.
MAX_SIZE = 64 << 10

_VERSION = 1


@dataclass(frozen=True, slots=True)
class PictureReference:
    """A picture that lies sealed on the relays of its conversation."""

    file: SealedFile = field(repr=False)

    @property
    def blob(self) -> bytes:
        """The id of the sealed picture at relays."""
        return self.file.ciphertext_hash

    @property
    def blob_size(self) -> int:
        """Bytes of the sealed picture."""
        return Layout(self.file.size).blob

    def encode(self) -> bytes:
        """What stands in the metadata."""
        file = self.file
        return u8(_VERSION) + file.ciphertext_hash + file.key + u32(file.size) + file.plaintext_hash

    @staticmethod
    def from_bytes(data: bytes) -> PictureReference:
        """The reference that is the whole of `data`. Raises `codec.DecodeError`: there is no picture."""

        def decode(reader: Reader) -> PictureReference:
            if reader.u8() != _VERSION:
                raise DecodeError("picture", "a picture of another version")
            blob, key = reader.fixed(HASH_SIZE), reader.fixed(KEY_SIZE)
            size, plain = reader.u32(), reader.fixed(HASH_SIZE)
            if not 0 < size <= MAX_SIZE:
                raise DecodeError("picture", "a picture of no size that pictures have")
            return PictureReference(SealedFile(key, size, plain, blob))

        return decode_all(decode, data)

    def seal(self, picture: bytes) -> bytes:
        """The blob, made again. Raises `InvalidFile` unless `picture` is the one that is meant."""
        made, blob = seal_picture(picture, lambda size: self.file.key)
        if made != self:
            raise InvalidFile(FileFault.DAMAGED)
        return blob

    def open(self, blob: bytes) -> bytes:
        """The picture in a blob. Raises `InvalidFile` unless it is the one that is meant."""
        receiver = Receiver(self.file)
        picture = receiver.receive(blob)
        receiver.finish()
        return picture


def seal_picture(picture: bytes, entropy: Callable[[int], bytes]) -> tuple[PictureReference, bytes]:
    """A picture sealed under a key of its own: its reference and blob. Raises `InvalidFile` for its size."""
    if not 0 < len(picture) <= MAX_SIZE:
        raise InvalidFile(FileFault.TOO_LARGE)
    sealer = Sealer(*measure((picture,)), entropy=entropy)
    blob = b"".join(sealer.seal((picture,)))
    return PictureReference(sealer.file()), blob
