"""Relays and nodes as processes of this machine, for demonstrations: started, killed, ended with us."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

#: Seconds until a process must have said that it is ready, and until it must have ended.
PATIENCE: Final = 60

_RELAY: Final = (sys.executable, "-m", "heliogram.relay")
_NODE: Final = (sys.executable, "-m", "heliogram.cli")
#: On one's own machine nobody has to be slowed down.
_EASY: Final = ("--difficulty-open=8", "--difficulty-inbox=8")


#: Signals that end a demonstration, with all that it has started.
_ENDS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class DidNotStart(Exception):
    """A process ended, or did not say in time that it is ready. The text: which, and its own last words."""

    def __init__(self, which: str, said: bytes | str) -> None:
        words = said.decode(errors="replace") if isinstance(said, bytes) else said
        super().__init__(f"{which} did not start. {words.strip()}".strip())


class Stoppable(Protocol):
    """What can be ended."""

    async def stop(self) -> None:
        """Ask it to end, and wait."""


class Relay:
    """`heliogram-relay` on a directory, at an address that stays the same from start to start."""

    def __init__(self, directory: Path, options: tuple[str, ...] = ()) -> None:
        """Nothing is started yet. `options` are for `heliogram-relay init`."""
        self.directory = directory
        self._options = options
        self.name = directory.name
        self.key = ""
        self.where = ""
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """What a node is told: where it is, and its key."""
        return f"ws://{self.where}/ws#{self.key}"

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Make it if it is new, and start it. Raises `DidNotStart`."""
        if not (self.directory / "identity").exists():
            self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            where = f"127.0.0.1:{_free_port()}"
            await _finish(
                self.name,
                *_RELAY,
                "init",
                "--data",
                self.directory,
                "--listen",
                where,
                *_EASY,
                *self._options,
            )
        command = (*_RELAY, "serve", "--log-level=error", "--data", self.directory)
        self._process = await create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
        )
        line = await _line(self.name, self._process, rb"listening on (\S+) key ([0-9a-f]{64})")
        self.where, self.key = line[1].decode(), line[2].decode()

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        await _stop(self._process)
        self._process = None

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


class NodeProcess:
    """A node on a profile's directory: `heliogram serve`, or another program that says when it is ready."""

    def __init__(
        self, home: Path, passphrase_file: Path | None, command: tuple[str | Path, ...] = ()
    ) -> None:
        """Nothing is started yet. Without `passphrase_file` the passphrase is its owner's matter."""
        self.home = home
        self.environment = {**os.environ, "HELIOGRAM_HOME": str(home)}
        self.environment.pop("HELIOGRAM_PASSPHRASE_FILE", None)
        if passphrase_file is not None:
            self.environment["HELIOGRAM_PASSPHRASE_FILE"] = str(passphrase_file)
        #: The line by which it said that it is ready.
        self.said = ""
        self._command = command or (*_NODE, "serve")
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return None if self._process is None else self._process.pid

    async def ended(self) -> None:
        """Wait until it has ended by itself."""
        if self._process is not None:
            await self._process.wait()

    async def init(self, name: str, relays: list[Relay]) -> None:
        """Make the profile, if it is new. Raises `DidNotStart`."""
        if (self.home / "profile.key").exists():
            return
        options = [one for relay in relays for one in ("--relay", relay.address)]
        command = (*_NODE, "init", "--name", name, "--yes", *options)
        await _finish(f"The node of {name}", *command, environment=self.environment)

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises `DidNotStart`."""
        self._process = await create_subprocess_exec(
            *self._command,
            env=self.environment,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        line = await _line(f"The node in {self.home}", self._process, rb".*\bready\b.*")
        self.said = line[0].decode(errors="replace")

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        await _stop(self._process)
        self._process = None

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def ending(processes: Sequence[Stoppable]) -> AsyncIterator[None]:
    """Whatever happens in the block, at its end all of them are asked to end, at once, and waited for."""
    try:
        yield
    finally:
        stopping = asyncio.ensure_future(asyncio.gather(*(one.stop() for one in processes)))
        while not stopping.done():
            # Who is in a hurry now would leave processes behind.
            with suppress(asyncio.CancelledError):
                await asyncio.shield(stopping)
        stopping.result()


async def in_order(
    starts: Sequence[Coroutine[Any, Any, None]], told: Sequence[Callable[[], None]]
) -> None:
    """Do all at once, and call `told` in their order, each as soon as its own is done.

    Raises what the first that fails raises; the others are given up.
    """
    tasks = [asyncio.create_task(one) for one in starts]
    try:
        for task, tell in zip(tasks, told, strict=True):
            await task
            tell()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run_to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Run it. The first signal that ends programs cancels it, later ones do nothing: all is ended in order.

    Raises `KeyboardInterrupt` then, and what `work` raises.
    """
    stopped = False

    async def run() -> None:
        task = asyncio.ensure_future(work)

        def stop() -> None:
            nonlocal stopped
            if not stopped:
                stopped = True
                task.cancel()

        loop = asyncio.get_running_loop()
        for number in _ENDS:
            with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
                loop.add_signal_handler(number, stop)
        await task

    try:
        asyncio.run(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _finish(
    which: str, *command: str | Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command to its end. Raises `DidNotStart` if it fails."""
    made = await create_subprocess_exec(
        *command,
        env=environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = await made.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            made.kill()
        await made.wait()
        raise
    if made.returncode:
        raise DidNotStart(which, said)


async def _line(which: str, process: Process, pattern: bytes) -> re.Match[bytes]:
    """The first line that matches; later output is read and dropped, so that nobody is held up by it."""
    said = b""
    if process.stdout is None:
        raise DidNotStart(which, "")
    try:
        async with asyncio.timeout(PATIENCE):
            while line := await process.stdout.readline():
                said = (said + line)[-4096:]
                if found := re.match(pattern, line.strip()):
                    task = asyncio.create_task(_drain(process.stdout))
                    _DRAINS.add(task)
                    task.add_done_callback(_DRAINS.discard)
                    return found
    except TimeoutError:
        process.kill()
    await process.wait()
    raise DidNotStart(which, said)


#: Readers of what processes say later. The loop itself keeps them weakly.
_DRAINS: Final[set[asyncio.Task[None]]] = set()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(1 << 16):
        pass


async def _stop(process: Process | None) -> None:
    if process is None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
