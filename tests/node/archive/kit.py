"""A profile with history, made without a node."""

from __future__ import annotations

import os
import time
from pathlib import Path

from heliogram.mls import Secret
from heliogram.node.local import create_profile_account
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs

PHRASE = Secret(b"a passphrase")
CHEAP = Costs(memory=64, passes=1)
CANARY = "the lighthouse keeper sings at noon"


def made(path: Path, name: str = "Alice") -> Profile:
    """A profile that has said something to itself."""
    profile = Profile.create(Directory(path / name), PHRASE, os.urandom, costs=CHEAP)
    create_profile_account(profile, name, now=int(time.time()))
    store = profile.store
    with store.transaction():
        store.execute(
            "INSERT INTO conversations (number, id, kind, phase, created, name, successor)"
            " VALUES (1, x'01', 'group', 'open', 1, 'Tea', 2), (2, x'02', 'group', 'open', 1, 'Tea', NULL)"
        )
        for i in range(700):
            store.execute(
                "INSERT INTO messages (conversation, sent, id, mine, kind, text, received, epoch, state,"
                " facets) VALUES (1, ?, randomblob(32), 1, 'text', ?, 1, 1, 'stored', 'x')",
                (i * 1000, f"{CANARY} {i}"),
            )
        store.execute("INSERT INTO records VALUES (1, 'g', randomblob(64))")
        store.execute(
            "INSERT INTO packages (reference, package, last_resort, created, ends)"
            " VALUES (x'03', randomblob(64), 0, 1, 1)"
        )
    return profile
