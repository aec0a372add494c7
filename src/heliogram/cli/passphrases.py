"""`passphrase`, `words`: for who knows the passphrase; with a node that runs, or without one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from heliogram.cli.beginning import grid
from heliogram.cli.face import Face, Stop
from heliogram.cli.reaching import reach_running
from heliogram.cli.sentences import USAGE
from heliogram.node import api
from heliogram.node.errors import NoProfile


def change(face: Face, new_file: Path | None) -> None:
    """Have another passphrase open the profile."""
    directory = face.directory
    if not directory.exists:
        raise NoProfile
    sits = sys.stdin.isatty()
    if new_file is None and not sits:
        raise Stop(
            "There is nobody to ask for the new passphrase.",
            "Name a file with it: --new-file FILE",
            USAGE,
        )
    from heliogram.cli.opening import ask_passphrase, choose
    from heliogram.node.profile import passphrase
    from heliogram.node.profile.profile import Profile

    old = passphrase.find(directory, ask=ask_passphrase if sits else None)
    if new_file is not None:
        new = passphrase.find(directory, environ={passphrase.FILE_VARIABLE: str(new_file)})
    else:
        new = passphrase.find(directory, environ={}, ask=lambda: choose("New passphrase: "))
    running = reach_running(face.directory, face.timeout)
    if running is None:
        with Profile.open(directory, lambda config: old) as profile:
            profile.change_passphrase(old, new, os.urandom)
    else:
        try:
            running.call(api.ChangePassphrase(bytes(old).decode(), bytes(new).decode()))
        finally:
            running.close()
    face.done("The new passphrase opens the profile from now on.")
    if file := os.environ.get(passphrase.FILE_VARIABLE):
        face.note(f"The old one is still in {file}.")


def words(face: Face) -> None:
    """Show the words of the account."""
    directory = face.directory
    if not directory.exists:
        raise NoProfile
    from heliogram.cli.opening import ask_passphrase
    from heliogram.node.profile import passphrase
    from heliogram.node.profile.profile import Profile

    phrase = passphrase.find(directory, ask=ask_passphrase if sys.stdin.isatty() else None)
    running = reach_running(directory, face.timeout)
    if running is None:
        from heliogram.node.engine.account import recovery_words

        with Profile.open(directory, lambda config: phrase) as profile:
            found = recovery_words(profile.store)
    else:
        try:
            found = running.call(api.GetWords(bytes(phrase).decode()))
        finally:
            running.close()
    if face.as_json:
        face.screen.json({"words": found.split()})
    elif face.screen.tty:
        face.note("Who has these words is you. Let nobody see them.")
        grid(face, found.split())
    else:
        face.screen.write(found)
