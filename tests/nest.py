"""Our own commands as processes, over and over, without importing them over and over.

    one = nest("heliogram.relay").hatch(["serve", "--data", "relay-1"], out=1, err=2)
    one.send_signal(signal.SIGTERM)
    one.wait()

A nest is a process that has imported a package, and has run its `main` once, in vain, so that all is there
that is imported late. What it hatches is a fork of it: from there on a process as any other, with an end
of its own. Where there can be none (not on Linux) `AVAILABLE` is false: commands are started as always.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

AVAILABLE = sys.platform == "linux"

#: Bytes of a request: its arguments and the environment.
_LARGEST = 1 << 18

#: With which arguments a package's command comes to nothing, and the packages that it imports late.
COMMANDS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "heliogram.relay": (("status", "--data", "/dev/null/nothing"), ()),
    "heliogram.cli": (("serve", "--home", "/dev/null/nothing"), ("heliogram.node",)),
}


class Hatchling:
    """A process that came out of a nest."""

    def __init__(self, nest: Nest, pid: int) -> None:
        self._nest = nest
        self.pid = pid

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal. Until it was waited for, its id is nobody else's."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait until it has ended: its exit code, or less than 0 for the signal that ended it. Only once."""
        return self._nest.ask({"wait": self.pid})


class Nest:
    """A process of which others are forks. It ends with this one."""

    def __init__(self, package: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.nest", str(theirs.fileno()), package],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[1],
            )
        atexit.register(self._close)

    def hatch(
        self,
        arguments: Sequence[str],
        *,
        out: int,
        err: int,
        environment: Mapping[str, str] = os.environ,
    ) -> Hatchling:
        """A process that runs the command with these arguments, and writes to these descriptors."""
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": os.getcwd(),
        }
        return Hatchling(self, self.ask(request, out, err))

    def ask(self, request: Mapping[str, object], *descriptors: int) -> int:
        """Its answer. Raises `RuntimeError` if it is gone."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)
            answer = self._socket.recv(_LARGEST)
        if not answer:
            raise RuntimeError("the nest is gone")
        return int(answer)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()


@functools.cache
def nest(package: str) -> Nest:
    """This process's nest for a package of `COMMANDS`."""
    return Nest(package)


def prepare(package: str) -> Callable[[], None]:
    """Import all that a package's command will need; its `main`."""
    vain, besides = COMMANDS[package]
    for name in (package, *besides):
        found = pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}.")
        for one in found:
            if not one.name.endswith("__main__"):
                importlib.import_module(one.name)
    main: Callable[[], None] = importlib.import_module(f"{package}.__main__").main
    with open(os.devnull, "w") as nowhere, suppress(SystemExit):
        with redirect_stdout(nowhere), redirect_stderr(nowhere):
            sys.argv[1:] = vain
            main()
    gc.collect()
    gc.freeze()
    return main


def _run(asked: socket.socket, main: Callable[[], None]) -> None:
    """Answer until nobody asks any more. A fork leaves by `SystemExit`, as any process does."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, _LARGEST, 2)
        if not message:
            return
        request = json.loads(message)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        elif not (answer := os.fork()):
            asked.close()
            for source, target in zip(descriptors, (1, 2), strict=True):
                os.dup2(source, target)
                os.close(source)
            os.environ.clear()
            os.environ.update(request["environment"])
            os.chdir(request["folder"])
            sys.argv[1:] = request["arguments"]
            main()
            return
        for one in descriptors:
            os.close(one)
        asked.send(str(answer).encode())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        _run(channel, prepare(sys.argv[2]))
