"""The safe application interface: draft-ietf-mls-extensions-10, sections 4 and 6.4.

An application keeps its state in *components*, each with a number of its own: data in the app data
dictionary of a group context, leaf, key package or group info; changes by AppDataUpdate; secrets by
the safe exporter. The draft is not an RFC; all code points stand in `registries`.
"""

from __future__ import annotations

from collections.abc import Mapping

from heliogram.codec import DecodeError, Reader, decode_all, opaque, u16, vector
from heliogram.mls.crypto import Secret, Suite
from heliogram.mls.errors import UsageError
from heliogram.mls.extensions import Extension, Extensions, decode_components, find_extension
from heliogram.mls.registries import ComponentID, ExtensionType

#: Levels of the safe exporter's tree: one leaf for each component id (section 4.4).
_EXPORTER_LEVELS = 16


def encode_dictionary(components: Mapping[int, bytes]) -> Extension:
    """An app_data_dictionary extension: sorted by component, each once (section 4.6)."""
    data = vector(u16(number) + opaque(components[number]) for number in sorted(components))
    return Extension(ExtensionType.APP_DATA_DICTIONARY, data)


def decode_dictionary(extensions: Extensions) -> dict[int, bytes]:
    """The components in these extensions; empty when there is no dictionary (section 4.6).

    Raises `DecodeError` when it is not sorted or holds a component twice.
    """
    data = find_extension(extensions, ExtensionType.APP_DATA_DICTIONARY)
    return {} if data is None else decode_all(decode_components, data)


#: Marks a key package that its owner keeps after use (section 6.4).
LAST_RESORT_EXTENSION = encode_dictionary({ComponentID.LAST_RESORT_KEY_PACKAGE: b""})


def is_last_resort(extensions: Extensions) -> bool:
    """Whether these extensions of a key package mark it as one of last resort (section 6.4)."""
    try:
        return ComponentID.LAST_RESORT_KEY_PACKAGE in decode_dictionary(extensions)
    except DecodeError:
        return False


class SafeExporter:
    """One secret for each component of an epoch, each given out once (section 4.4).

    A secret tree of 2**16 leaves under `application_export_secret`; what was given out is gone,
    with all secrets above it, so a later break-in cannot compute it again (row 103). Mutable: part
    of an epoch's live state.
    """

    __slots__ = ("_nodes", "_suite")

    def __init__(self, suite: Suite, nodes: dict[int, Secret]) -> None:
        self._suite = suite
        #: Heap numbering: the root is 1, the children of n are 2n and 2n + 1.
        self._nodes = nodes

    @classmethod
    def of_epoch(cls, suite: Suite, epoch_secret: Secret) -> SafeExporter:
        """The exporter of a new epoch."""
        return cls(suite, {1: suite.derive_secret(epoch_secret, b"application_export")})

    def export(self, component_id: int) -> Secret:
        """SafeExportSecret(component_id): Nh bytes, once for each component and epoch.

        Raises `UsageError` the second time: the secret is gone by design.
        """
        if not 0 <= component_id < 1 << _EXPORTER_LEVELS:
            raise UsageError("a component id has 16 bits")
        target = (1 << _EXPORTER_LEVELS) | component_id
        depth = next(
            (
                d
                for d in range(_EXPORTER_LEVELS + 1)
                if target >> (_EXPORTER_LEVELS - d) in self._nodes
            ),
            None,
        )
        if depth is None:
            raise UsageError("this component's secret was already exported in this epoch")
        secret = self._nodes.pop(target >> (_EXPORTER_LEVELS - depth))
        suite, size = self._suite, self._suite.hash_length
        for below in range(depth + 1, _EXPORTER_LEVELS + 1):
            node = target >> (_EXPORTER_LEVELS - below)
            left = suite.expand_with_label(secret, b"tree", b"left", size)
            right = suite.expand_with_label(secret, b"tree", b"right", size)
            own, other = (right, left) if node & 1 else (left, right)
            self._nodes[node ^ 1] = other
            secret = own
        return secret

    def encode(self) -> bytes:
        """What is left of the tree, for a store."""
        return vector(
            number.to_bytes(4, "big") + opaque(secret)
            for number, secret in sorted(self._nodes.items())
        )

    @classmethod
    def decode(cls, suite: Suite, reader: Reader) -> SafeExporter:
        """What `encode` wrote."""
        inner = reader.rest()
        nodes: dict[int, Secret] = {}
        while not inner.done():
            number = inner.u32()
            nodes[number] = Secret(inner.opaque())
        return cls(suite, nodes)
