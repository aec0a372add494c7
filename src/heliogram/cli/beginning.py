"""`init` and `restore`: a profile is made, its words are shown or read."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heliogram.cli import cleaning
from heliogram.cli.face import Face, Stop
from heliogram.cli.sentences import USAGE
from heliogram.node import api
from heliogram.node.errors import ProfileExists
from heliogram.node.identity.names import clean

if TYPE_CHECKING:
    from heliogram.node.profile.profile import Profile

#: Words of an account.
COUNT: Final = 24

#: Characters of a file of words that are looked at.
_LONGEST = 4096

NO_RELAYS = """\
You have no relays yet: nothing can be sent or received. Three of different operators are good.
Ask somebody whom you trust for the address of theirs, or run one: heliogram-relay init
Then: heliogram relays add ADDRESS"""


@dataclass(frozen=True)
class Wanted:
    """What a new profile is to have."""

    name: str
    relays: Sequence[str]
    keyring: bool
    proxy: str
    certificates: Path | None


def begin(face: Face, wanted: Wanted, words_file: Path | None, yes: bool) -> None:
    """Make an account and a profile for it."""
    # What is wrong is said before anybody is asked for anything, and before a node is loaded.
    if face.directory.exists:
        raise ProfileExists
    if words_file is not None and words_file.exists():
        raise Stop(f"There is a file {words_file} already.", exit=USAGE)
    name = _name(wanted.name)
    _check(wanted)
    with _profile(face, wanted) as profile:
        from heliogram.node.local import create_profile_account

        words = create_profile_account(profile, name, now=int(time.time()))
        if words_file is not None:
            _write(words_file, words)
        added = _connect(profile, wanted)
    if face.as_json:
        shown = {} if words_file is not None else {"words": words.split()}
        face.screen.json({"home": str(face.directory.root), "name": name, "relays": added, **shown})
        return
    face.screen.write(f"Your profile is in {face.directory.root}.")
    if words_file is not None:
        face.screen.write(f"The 24 words of your account are in {words_file}. Keep that file safe.")
    else:
        _show(face, words, ask=not yes and sys.stdin.isatty())
    _next(face, added)


def restore(face: Face, wanted: Wanted, words_file: Path | None) -> None:
    """Make a profile for an account that there is, from its words."""
    from heliogram.node.identity.words import from_words

    if face.directory.exists:
        raise ProfileExists
    words = _read_words(words_file)
    from_words(words)
    name = _name(wanted.name)
    _check(wanted)
    with _profile(face, wanted) as profile:
        from heliogram.node.local import create_profile_account

        create_profile_account(profile, name, words=words, now=int(time.time()))
        added = _connect(profile, wanted)
    if face.as_json:
        face.screen.json({"home": str(face.directory.root), "name": name, "relays": added})
        return
    face.screen.write(f"Your account is back, in {face.directory.root}.")
    face.screen.write("Conversations come back when their members add this device.")
    _next(face, added)


def open_backup(face: Face, file: Path) -> None:
    """Make the profile again of which `file` is a copy."""
    from heliogram.cli.opening import ask_passphrase
    from heliogram.node.archive.backup import restore as open_again
    from heliogram.node.profile import passphrase

    directory = face.directory
    if directory.exists:
        raise ProfileExists
    phrase = passphrase.find(directory, ask=ask_passphrase if sys.stdin.isatty() else None)
    open_again(file, directory, phrase, time=int(time.time()), entropy=os.urandom)
    face.done(f"Your profile is back, in {directory.root}. Start it: heliogram serve")


def _check(wanted: Wanted) -> None:
    """Whether relays and proxy can be such ones, before there is anything. Raises `NodeError`."""
    if wanted.relays:
        from heliogram.node.engine.relay_list import described

        for one in wanted.relays:
            described(one)
    if wanted.proxy:
        from heliogram.node.network.proxy import Proxy

        Proxy.parse(wanted.proxy)


def _profile(face: Face, wanted: Wanted) -> Profile:
    from heliogram.cli.opening import choose
    from heliogram.node.profile import passphrase
    from heliogram.node.profile.config import Config
    from heliogram.node.profile.profile import Profile

    directory = face.directory
    phrase = passphrase.find(directory, ask=choose if sys.stdin.isatty() else None)
    return Profile.create(directory, phrase, os.urandom, config=Config(keyring=wanted.keyring))


def _name(name: str) -> str:
    if not name and sys.stdin.isatty():
        name = input("What others see you as: ")
    shown = clean(name)
    if not shown:
        raise Stop("There must be a name.", "Give one: --name NAME", USAGE)
    return shown


def _connect(profile: Profile, wanted: Wanted) -> list[str]:
    """Choose the way out, then relays: nothing is sent before that way is known."""
    from heliogram.node.local import open_node, set_network

    proxy, file = wanted.proxy or None, wanted.certificates
    set_network(profile, api.SetNetwork(proxy, None if file is None else str(file.absolute())))

    async def connect() -> list[str]:
        node = await open_node(profile)
        try:
            return [(await node.call(api.AddRelay(one))).name for one in wanted.relays]
        finally:
            await node.close()

    return asyncio.run(connect()) if wanted.relays else []


def _write(file: Path, words: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(file, flags, 0o600), "w", encoding="ascii") as stream:
        stream.write(words + "\n")


def _read_words(file: Path | None) -> str:
    if file is not None:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return stream.read(_LONGEST + 1)
    if sys.stdin.isatty():
        return getpass(f"The {COUNT} words: ", stream=sys.stderr)
    return sys.stdin.read(_LONGEST + 1)


def _show(face: Face, words: str, *, ask: bool) -> None:
    every = words.split()
    face.screen.write()
    face.screen.write("These 24 words are your account: write them down on paper.")
    face.screen.write("Who has them is you. Without them a lost machine is a lost account.")
    face.screen.write()
    grid(face, every)
    face.screen.write()
    face.screen.flush()
    if ask:
        wanted = int.from_bytes(os.urandom(2), "big") % COUNT
        while input(f"Word {wanted + 1}, from your paper: ").strip().lower() != every[wanted]:
            print("That is another word.", file=sys.stderr)
        if face.screen.smart:
            # Off the screen, and out of what the terminal scrolls back to.
            face.screen.stream.write("\x1b[H\x1b[2J\x1b[3J")


def grid(face: Face, words: Sequence[str]) -> None:
    """Print words with their numbers, four a line, or as many as fit."""
    many = 4 if face.screen.width >= 60 or not face.screen.tty else 2
    for row in range(0, len(words), many):
        cells = [f"{n + 1:2} {words[n]:<10}" for n in range(row, min(row + many, len(words)))]
        face.screen.write("  " + "  ".join(cells).rstrip())


def _next(face: Face, relays: Sequence[str]) -> None:
    if relays:
        face.screen.write(f"Relays: {cleaning.line(', '.join(relays))}.")
        face.screen.write("Start it: heliogram serve")
    else:
        face.screen.write(NO_RELAYS)
