"""Makes what the public API refuses to make, signed and MACed with the right keys.

Three layers. `World` has people, groups and deterministic randomness (`world`). `content`, `public`
and `private` frame anything as anybody (`framing`). `commit`, `welcome` and `group_info` do what the
engine does without its checks (`commits`, `joining`): each takes hooks that change one thing on the
way, and everything after the hook (parent hashes, tree hash, signatures, key schedule, confirmation
and membership tag) is computed over the changed value. So what comes out is wrong in one respect
only.

A hook is a function from a value to the value that takes its place; `same` changes nothing (`hooks`).
Nothing here changes the state of a `Group`.
"""

from __future__ import annotations

from tests.mls.forge.commits import Made, apply, commit, corrupt_ciphertext, find_psk
from tests.mls.forge.framing import (
    content,
    member_sender,
    private,
    private_message,
    proposal,
    public,
    sent,
    unsealed,
)
from tests.mls.forge.hooks import changed, fields, flipped, replaced, same
from tests.mls.forge.joining import (
    external_pub_extension,
    group_info,
    group_info_message,
    ratchet_tree_extension,
    replant,
    welcome,
    with_node,
)
from tests.mls.forge.world import CLASSIC, DEFAULT, NOW, AllowAll, Client, Stream, World

__all__ = [
    "CLASSIC",
    "DEFAULT",
    "NOW",
    "AllowAll",
    "Client",
    "Made",
    "Stream",
    "World",
    "apply",
    "changed",
    "commit",
    "content",
    "corrupt_ciphertext",
    "external_pub_extension",
    "fields",
    "find_psk",
    "flipped",
    "group_info",
    "group_info_message",
    "member_sender",
    "private",
    "private_message",
    "proposal",
    "public",
    "ratchet_tree_extension",
    "replaced",
    "replant",
    "same",
    "sent",
    "unsealed",
    "welcome",
    "with_node",
]
