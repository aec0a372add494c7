"""People whose every word is a canary, each with a node in a process of its own that says all it can.

Below `root` lies what may be searched by others: profiles, temporary files, what the nodes print. Below
`known` lies what is readable by design: files that are sent, downloads, exports, the passphrase's file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from asyncio.subprocess import DEVNULL, create_subprocess_exec
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from heliogram.mls import Secret
from heliogram.node.control.client import Client
from heliogram.node.local import create_profile_account
from heliogram.node.profile.config import Config
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.database import Store
from heliogram.node.store.keys import Costs, load
from tests.node.chaos.nodes import PATIENCE, Node

#: Bytes of a canary that are looked for, and how few make one.
LONGEST, SHORTEST = 48, 12

REPOSITORY = Path(__file__).parents[3]


def shapes(text: str) -> Iterator[bytes]:
    """A text as it might be kept: whole and by its longer words, in the codings of text."""
    words = [one for one in text.split() if len(one) >= SHORTEST]
    for one in {text, text.casefold(), *words, *(word.casefold() for word in words)}:
        for coding in ("utf-8", "utf-16-le", "utf-16-be"):
            yield one.encode(coding)[:LONGEST]


class Person(Node):
    """A `Node` whose name and passphrase are canaries too, and whose words are known."""

    def __init__(self, root: Path, known: Path, label: str, name: str) -> None:
        """Nothing is made yet. `label` is in paths, `name` in the profile only."""
        super().__init__(root, label)
        self.name = name
        self.label = label
        self.temporary = root / f"{label}-tmp"
        self.known = known / label
        self.downloads = self.known / "downloads"
        self.derived = self.known / "derived"
        self.phrase = f"qpassphrazze {name} forevermore"
        self.phrase_file = self.known / "phrase"
        self.words = ""
        self.environment = {
            **os.environ,
            "HELIOGRAM_HOME": str(self.home),
            "HELIOGRAM_PASSPHRASE_FILE": str(self.phrase_file),
            "TMPDIR": str(self.temporary),
            "XDG_RUNTIME_DIR": str(self.temporary),
            "PYTHONASYNCIODEBUG": "1",
        }

    def make(self) -> None:
        """Make profile and account."""
        self.downloads.mkdir(parents=True)
        self.temporary.mkdir(mode=0o700)
        self.phrase_file.touch(mode=0o600)
        self.phrase_file.write_text(self.phrase)
        config = Config(downloads=self.downloads)
        phrase, costs = Secret(self.phrase.encode()), Costs(memory=64, passes=1)
        with Profile.create(
            Directory(self.home), phrase, os.urandom, config=config, costs=costs
        ) as profile:
            self.words = create_profile_account(profile, self.name, now=int(time.time()))

    async def start(self) -> None:
        """Start it, wait until it is ready, and connect."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            process = await create_subprocess_exec(
                *(sys.executable, "-X", "dev", "-m", "tests.node.acceptance.talkative"),
                self.derived,
                env=self.environment,
                cwd=REPOSITORY,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._pid = process.pid
        self._process = os.pidfd_open(process.pid)
        self.starts += 1
        async with asyncio.timeout(PATIENCE):
            while b"ready" not in (said := self._said(before)):
                if self._gone():
                    self._forget()
                    raise RuntimeError(said.decode(errors="replace"))
                await asyncio.sleep(0.02)
        self._client = Client.of_home(self.home)
        await self._client.connect()

    def command(self, *words: str, phrase: str | None = None) -> subprocess.CompletedProcess[bytes]:
        """What `heliogram` says to these words, with another passphrase if one is given."""
        environment = self.environment
        if phrase is not None:
            other = self.known / "other-phrase"
            other.write_text(phrase)
            environment = environment | {"HELIOGRAM_PASSPHRASE_FILE": str(other)}
        return subprocess.run(
            [sys.executable, "-m", "heliogram.cli", *words],
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
        )

    @property
    def key(self) -> Secret:
        """The key of its database."""
        return load(self.home / "profile.key", Secret(self.phrase.encode()))

    def copied(self) -> Store:
        """The store of a copy, as the files lie there."""
        copy = self.known / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("profile.db", "profile.db-wal"):
            if (self.home / name).exists():
                shutil.copyfile(self.home / name, copy / name)
        return Store.open(copy / "profile.db", self.key)

    def kept(self) -> set[bytes]:
        """Each longer value in its store: bytes, texts, and what is packed in the settings."""
        found = self.secrets() | {*shapes(self.words), *shapes(self.phrase)}
        with closing(self.copied()) as store:
            tables = store.query(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'search%'"
            )
            for (table,) in tables:
                for row in store.query(f'SELECT * FROM "{table}"'):  # names of our own
                    for value in row:
                        if isinstance(value, str) and value.startswith(os.sep):
                            continue  # where files lie, and that can be seen
                        if isinstance(value, str) and len(value) >= SHORTEST:
                            found.update(shapes(value))
                        elif isinstance(value, bytes):
                            found.update(parts(value))
        return found

    def secrets(self) -> set[bytes]:
        """What nobody else may ever have: the seeds of account, device, inbox and links, keys of files."""
        found = {bytes(self.key)}
        with closing(self.copied()) as store:
            settings = [store.setting(name) for name in ("account", "device", "inbox")]
            account, device, inbox = (msgspec.msgpack.decode(one or b"") for one in settings)
            found.update((account, device[1], inbox))
            found.update(bytes(one) for (one,) in store.query("SELECT key FROM files"))
            found.update(bytes(one) for (one,) in store.query("SELECT secret FROM links"))
        return found


def parts(value: bytes) -> Iterator[bytes]:
    """A value's beginning, middle and end, where they are no mere pattern."""
    middle = len(value) // 2
    for at in {0, middle, max(0, len(value) - LONGEST)}:
        part = value[at : at + LONGEST]
        if len(part) >= SHORTEST and len(set(part)) >= SHORTEST - 2:
            yield part
