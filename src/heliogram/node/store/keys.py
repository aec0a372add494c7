"""The database's key: 32 random bytes, in a small file that a passphrase opens.

    key = create(path, passphrase("…"), entropy)
    key = load(path, passphrase("…"))

The passphrase goes through Argon2id; what comes out seals the key with ChaCha20-Poly1305. Another passphrase
means another small file; the database stays as it is. What it cost to make the file stands in it, within
bounds, and is sealed with it.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from heliogram.mls import Secret
from heliogram.node.errors import StoreDamaged, StoreError, WrongPassphrase
from heliogram.node.store.connection import KEY_SIZE
from heliogram.node.store.disk import create_private, replace_private, sync_directory

#: Bytes of a passphrase, as UTF-8.
LONGEST_PASSPHRASE: Final = 1024

_MAGIC: Final = b"HLGK"
_VERSION: Final = 1
_SALT_SIZE: Final = 16
_NONCE_SIZE: Final = 12
#: Magic, version, memory in KiB, passes, lanes, salt, nonce: what is authenticated with the key.
_HEADER: Final = struct.Struct(f">4sBIIB{_SALT_SIZE}s{_NONCE_SIZE}s")
_SIZE: Final = _HEADER.size + KEY_SIZE + 16


@dataclass(frozen=True, slots=True)
class Costs:
    """What one try of a passphrase costs: RFC 9106's second choice, with 64 MiB."""

    #: KiB.
    memory: int = 64 << 10
    passes: int = 3
    lanes: int = 4

    def are_bounded(self) -> bool:
        """Whether a file may ask for them. A damaged one must not take all memory, or a day."""
        return (
            1 <= self.lanes <= 16
            and 1 <= self.passes <= 64
            and 8 * self.lanes <= self.memory <= 1 << 20
        )


def passphrase(text: str) -> Secret:
    """A passphrase as bytes, the same from all keyboards. Raises `WrongPassphrase` if it can be none."""
    try:
        encoded = unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError:
        raise WrongPassphrase from None
    if not 0 < len(encoded) <= LONGEST_PASSPHRASE:
        raise WrongPassphrase
    return Secret(encoded)


def create(
    path: Path, phrase: Secret, entropy: Callable[[int], bytes], costs: Costs | None = None
) -> Secret:
    """A new key, in a new file. Raises `StoreError`, also if there is one."""
    key = Secret(entropy(KEY_SIZE))
    try:
        create_private(path, seal(key, phrase, entropy, costs))
        sync_directory(path.parent)
    except OSError as error:
        raise _unwritten(error) from None
    return key


def load(path: Path, phrase: Secret) -> Secret:
    """The key in a file. Raises `WrongPassphrase`, `StoreDamaged`, or another `StoreError`."""
    try:
        with open(path, "rb") as file:
            sealed = file.read(_SIZE + 1)
    except OSError as error:
        raise StoreError(f"the profile's key cannot be read: {error.strerror}") from None
    return unseal(sealed, phrase)


def rewrap(
    path: Path,
    old: Secret,
    new: Secret,
    entropy: Callable[[int], bytes],
    costs: Costs | None = None,
) -> None:
    """Let `new` open the file from now on, and `old` no more. Raises as `load`; then nothing has changed."""
    key = load(path, old)
    try:
        replace_private(path, seal(key, new, entropy, costs))
    except OSError as error:
        raise _unwritten(error) from None


def seal(
    key: Secret, phrase: Secret, entropy: Callable[[int], bytes], costs: Costs | None = None
) -> bytes:
    """What `unseal` opens: for a key's file, or a backup's head."""
    costs = costs or Costs()
    salt, nonce = entropy(_SALT_SIZE), entropy(_NONCE_SIZE)
    header = _HEADER.pack(_MAGIC, _VERSION, costs.memory, costs.passes, costs.lanes, salt, nonce)
    return header + _cipher(phrase, salt, costs).encrypt(nonce, bytes(key), header)


def unseal(sealed: bytes, phrase: Secret) -> Secret:
    """The key. Raises `WrongPassphrase`, or `StoreDamaged` if this is none of ours."""
    if len(sealed) != _SIZE:
        raise StoreDamaged
    header = sealed[: _HEADER.size]
    magic, version, memory, passes, lanes, salt, nonce = _HEADER.unpack(header)
    costs = Costs(memory, passes, lanes)
    if magic != _MAGIC or version != _VERSION or not costs.are_bounded():
        raise StoreDamaged
    try:
        return Secret(_cipher(phrase, salt, costs).decrypt(nonce, sealed[_HEADER.size :], header))
    except InvalidTag:
        raise WrongPassphrase from None


def _cipher(phrase: Secret, salt: bytes, costs: Costs) -> ChaCha20Poly1305:
    derivation = Argon2id(
        salt=salt,
        length=32,
        iterations=costs.passes,
        lanes=costs.lanes,
        memory_cost=costs.memory,
    )
    try:
        return ChaCha20Poly1305(derivation.derive(bytes(phrase)))
    except MemoryError:
        raise StoreError("there is not enough memory to open the profile") from None


def _unwritten(error: OSError) -> StoreError:
    if isinstance(error, FileExistsError):
        return StoreError("there is a profile's key already")
    return StoreError(f"the profile's key cannot be written: {error.strerror}")
