"""A profile that is made, used and closed, killed at every step.

Run as `python -m tests.node.profile.making DIRECTORY`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from heliogram.node.errors import WrongPassphrase
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs, passphrase
from tests.node.store.killing import kill_everywhere

PHRASE, NEW = passphrase("correct horse"), passphrase("battery staple")
CHEAP = Costs(memory=64, passes=1, lanes=1)


def main(folder: Path) -> None:
    """Prints how many kills there were."""
    home = folder / "home"
    directory, told = Directory(home), folder / "told"

    def prepare() -> None:
        shutil.rmtree(home, ignore_errors=True)
        told.unlink(missing_ok=True)

    def run() -> None:
        profile = Profile.create(directory, PHRASE, os.urandom, costs=CHEAP)
        profile.store.set_setting("a", b"1")
        told.write_text("written")
        profile.change_passphrase(PHRASE, NEW, os.urandom, CHEAP)
        told.write_text("changed")
        profile.close()

    def check() -> None:
        said = told.read_text() if told.exists() else ""
        if not directory.exists:
            assert not said
            Profile.create(directory, PHRASE, os.urandom, costs=CHEAP).close()

        try:
            profile = Profile.open(directory, lambda _: NEW)
        except WrongPassphrase:
            assert said != "changed"
            profile = Profile.open(directory, lambda _: PHRASE)
        assert profile.store.setting("a") == b"1" or not said
        profile.close()
        names = {"profile.db", "profile.key", "config.toml", "node.lock", "files", "spool"}
        left = {one.name for one in home.iterdir()} - {"profile.key.new"}
        assert left == names, left

    print(kill_everywhere(prepare, run, check))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
