"""`passphrase`: another one, for a node that runs or for a profile that nobody has open."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from heliogram.cli.beginning import choose
from heliogram.cli.face import Face, Stop
from heliogram.cli.own import ask_passphrase
from heliogram.cli.reaching import reach_running
from heliogram.cli.sentences import USAGE
from heliogram.node import api
from heliogram.node.errors import NoProfile
from heliogram.node.profile import passphrase
from heliogram.node.profile.profile import Profile


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
