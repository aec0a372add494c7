"""A server under measurement: started on its own core, and what it uses."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.machine import private_bytes
from bench.relay.loop import LoadError

#: The server has the first core, the load generator the second.
SERVER_CPU, LOAD_CPU = 0, 1


def pin(pid: int, cpus: Sequence[int]) -> None:
    """Bind a process to these cores, as far as they are there."""
    there = sorted(set(cpus) & set(range(os.cpu_count() or 1)))
    if hasattr(os, "sched_setaffinity") and there:
        os.sched_setaffinity(pid, there)


def allow_many_files() -> int:
    """As many open files as this process and its children may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A program that listens on `port`. What it prints goes to `log`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        port: int,
        log: Path,
        *,
        cpus: Sequence[int] = (SERVER_CPU,),
        environment: Mapping[str, str] | None = None,
        stop_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.port = port
        self._log = log
        self._stop_with = stop_with
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={**os.environ, **(environment or {})},
                # Pinned before it starts: what it starts inherits it, threads too.
                preexec_fn=lambda: pin(0, cpus),
                start_new_session=True,
            )

    def wait(self, seconds: float = 30) -> None:
        """Until it listens. Raises `LoadError` with its last words if it does not."""
        end = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    words = self._log.read_text(errors="replace")[-2000:]
                    self.stop()
                    raise LoadError(f"the server does not start: {words}") from None
                time.sleep(0.05)

    def cpu_seconds(self) -> float:
        """Processor time of the process and its descendants so far."""
        # The clock of another process, as the kernel numbers it: in nanoseconds, unlike /proc/*/stat.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self._family())

    def private_bytes(self) -> int:
        """Memory that only this process and its descendants have (USS)."""
        return sum(map(private_bytes, self._family()))

    def stop(self) -> None:
        """End it and wait; what does not go in 20 seconds is killed."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop_with)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def _family(self) -> list[int]:
        found, look = [], [self._process.pid]
        while look:
            pid = look.pop()
            found.append(pid)
            for thread in Path(f"/proc/{pid}/task").iterdir():
                look += map(int, (thread / "children").read_text().split())
        return found


def disk_bytes(folder: Path) -> int:
    """What the files below a folder take on disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
