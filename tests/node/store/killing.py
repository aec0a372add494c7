"""A program killed at every step that it takes, in turn.

    kill_everywhere(prepare, run, check)

A step is a call out of Python, a statement, or a thousand operations within a statement. Forks, so it belongs
into a process without threads: tests start one with `in_a_process`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from sqlcipher3 import dbapi2

_connect = dbapi2.connect


class _Countdown:
    """Kills this process at a step."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, *_: object) -> int:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def profile(self, frame: FrameType, event: str, _: object) -> None:
        if event == "c_call" and "heliogram/node/" in frame.f_code.co_filename:
            self.step()

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = _connect(*args, **kwargs)
        connection.set_trace_callback(self.step)
        connection.set_progress_handler(self.step, 1000)
        return connection


def kill_everywhere(
    prepare: Callable[[], object], run: Callable[[], object], check: Callable[[], object]
) -> int:
    """Prepare, run until killed, check; one step later each time, until it ends by itself. How many kills."""
    steps = 0
    while True:
        steps += 1
        prepare()
        child = os.fork()
        if not child:
            _run_and_end(run, steps)
        _, status = os.waitpid(child, 0)
        check()
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status):
                raise SystemExit("the program failed by itself")
            return steps - 1


def _run_and_end(run: Callable[[], object], steps: int) -> None:
    code = 1
    try:
        countdown = _Countdown(steps)
        dbapi2.connect = countdown.connect
        sys.setprofile(countdown.profile)
        run()
        sys.setprofile(None)
        code = 0
    finally:
        os._exit(code)


def in_a_process(module: str, *arguments: str) -> str:
    """Run a module of the tests; what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
