"""`heliogram serve`, over and over, without importing it over and over, under one preloaded library.

    python -m tests.node.chaos.nest        # in a node's environment

Each line that comes names a file for what the next node says. The answer is that node's process id. A node
is a fork of this process, and is from there on what the command is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from tests.nest import prepare


def hatch(main: Callable[[], None], log: str) -> None:
    """Be a node until it ends."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for source, target in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(source, target)
        sys.argv = ["heliogram", "serve"]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


def run() -> None:
    """Answer until nobody asks any more."""
    main = prepare("heliogram.cli")
    # Nobody waits for those who are gone.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("hatched", flush=True)
    while log := sys.stdin.readline().strip():
        pid = os.fork()
        if not pid:
            hatch(main, log)
        print(pid, flush=True)


if __name__ == "__main__":
    run()
