"""Opening a profile, before a node is loaded: who mistypes a passphrase does not wait for that."""

from __future__ import annotations

import sys
from getpass import getpass

from heliogram.node.profile import passphrase
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile


def ask_passphrase() -> str:
    """Ask whoever sits there."""
    return getpass("Passphrase: ", stream=sys.stderr)


def open_profile(directory: Directory) -> Profile:
    """The profile, opened by a passphrase from where one is. Raises `NodeError`."""
    ask = ask_passphrase if sys.stdin.isatty() else None
    return Profile.open(
        directory, lambda config: passphrase.find(directory, keyring=config.keyring, ask=ask)
    )


def choose(prompt: str = "Passphrase: ") -> str:
    """A passphrase that was typed twice."""
    print("The passphrase opens the profile on this machine. Nobody can reset it.", file=sys.stderr)
    while True:
        first = getpass(prompt, stream=sys.stderr)
        if first and first == getpass("Again: ", stream=sys.stderr):
            return first
        print("They are not the same." if first else "It is empty.", file=sys.stderr)
