"""A real relay in a process of its own: started, stopped, killed, started again on the same data.

What the command looks like and what it prints is known here and nowhere else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self

from tests.nest import AVAILABLE, Hatchling, nest

#: Settings under which a test works for nothing and never waits for a budget.
EASY: Mapping[str, int | str | bool] = {
    "difficulty_open": 0,
    "difficulty_inbox": 0,
    "max_connections": 1_000,
    "max_connections_per_address": 1_000,
    "connections_per_minute": 100_000,
    "requests_per_second": 100_000,
    "signatures_per_second": 100_000,
    "posts_per_day": 1 << 40,
    "post_bytes_per_day": 1 << 40,
    "log_bytes": 1 << 40,
    "grace_per_day": 1 << 40,
    "values_per_day": 1 << 40,
    "votes_per_hour": 1 << 40,
    "decisions_per_day": 1 << 40,
}

_RELAY = "heliogram.relay"


class RelayProcess:
    """A relay on a directory of data. `where` and `key` are known once it has started."""

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, int | str | bool] = MappingProxyType({}),
        environment: Mapping[str, str] | None = None,
        listen: str = "127.0.0.1:0",
    ) -> None:
        """`directory` gets the data and the log. `settings` go before `EASY`, `environment` before ours.

        The relay is made (`init`) at its first start, outside of `environment`. Without one of its own it
        comes out of a nest: hundreds are started, and most of a start is Python's.
        """
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self.where = listen
        self.key = b""
        self._settings = {**EASY, **settings}
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | Hatchling | None = None
        #: What it prints after it has said where it listens.
        self.says: IO[str] | None = None

    def start(self) -> Self:
        """Start, and wait until it listens. Raises `RuntimeError` with its log if it ends instead."""
        assert self._process is None
        if not (self.data / "identity").exists():
            self.make()
        self._write_settings()
        says, out = os.pipe()
        self.says = open(says)
        try:
            with self.log.open("a") as log:
                self._process = self._run(
                    "serve", out=out, err=log.fileno(), environment=self._environment
                )
        finally:
            os.close(out)
        try:
            self._listen()
        except BaseException:
            self.kill()
            raise
        return self

    def make(self, *, behind: bool = False) -> None:
        """Make the relay in a new or empty directory; `behind`: in the environment that was given."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.devnull, "w") as nothing:
            made = self._run(
                "init",
                out=nothing.fileno(),
                err=2,
                environment=self._environment if behind else {},
            )
        assert made.wait() == 0

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def back_up(self, name: str) -> None:
        """Stop, keep a copy of all data under this name, start again."""
        self.stop()
        shutil.copytree(self.data, self.directory / name)
        self.start()

    def restore(self, name: str) -> None:
        """Kill, go back to a copy, start again: what no operator may do."""
        self.kill()
        shutil.rmtree(self.data)
        shutil.copytree(self.directory / name, self.data)
        self.start()

    @property
    def running(self) -> bool:
        """Whether it was started and not ended by us."""
        return self._process is not None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait until it has ended by itself; its exit code."""
        return self._end(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until it ends by itself; its exit code."""
        return self._end(None)

    def text(self) -> str:
        """All that it has logged so far."""
        return self.log.read_text()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.kill()

    def _end(self, how: signal.Signals | None) -> int:
        process = self._process
        assert process is not None
        self._process = None
        if how is not None:
            process.send_signal(how)
        assert self.says is not None
        with self.says:
            return process.wait()

    def _run(
        self, command: str, *, out: int, err: int, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes] | Hatchling:
        arguments = (command, "--data", str(self.data))
        if AVAILABLE and not environment:
            return nest(_RELAY).hatch(arguments, out=out, err=err)
        return subprocess.Popen(
            [sys.executable, "-m", _RELAY, *arguments],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )

    def _write_settings(self) -> None:
        # The same port again after a restart: clients come back.
        settings = {**self._settings, "listen": self.where}
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        (self.data / "relay.toml").write_text("".join(lines))

    def _listen(self) -> None:
        """Read what it says of itself: the place and the key."""
        assert self.says is not None
        said = ""
        for line in self.says:
            said += line
            where = re.search(r"listening on (\S+:\d+)", said)
            key = re.search(r"\b([0-9a-f]{64})\b", said)
            if where and key:
                self.where, self.key = where[1], bytes.fromhex(key[1])
                return
        raise RuntimeError(f"the relay ended before it listened:\n{self.text()}")
