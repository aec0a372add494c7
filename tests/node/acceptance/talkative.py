"""`heliogram serve` that says all it can, notes what it derives, and can be made to fail.

    python -X dev -m tests.node.acceptance.talkative FILE

All loggers say everything. Each secret that is derived is noted in FILE, as a label and its first bytes.
After SIGUSR1 the next command fails by an error that holds it, after SIGUSR2 the program crashes in the
middle of its turn.
"""

from __future__ import annotations

import faulthandler
import hmac
import logging
import os
import re
import signal
import sys
from typing import Any

from heliogram.cli.__main__ import main
from heliogram.node.engine.engine import Called, Engine

#: Bytes of a secret that are noted.
NOTED = 16


def talk() -> None:
    """Say everything."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    # It names the two ends of each socket, and they are not what is looked for.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    faulthandler.enable()


def note(path: str) -> None:
    """Note what is derived (RFC 9420, 5.1.2 and 8): a line of a label and hexadecimal for each."""
    real = hmac.digest
    file = open(path, "a", buffering=1)  # as long as the program

    def digest(key: Any, message: Any, name: Any) -> bytes:
        result = real(key, message, name)
        found = re.search(rb"MLS 1\.0 ([a-z ]+)", bytes(message[3:32]))
        label = found[1].decode() if found else "other"
        file.write(f"{label}:{result[:NOTED].hex()}\n")
        return result

    hmac.digest = digest  # type: ignore[assignment]


def be_breakable() -> None:
    """Obey the two signals."""
    turn = Engine.turn
    wanted: list[int] = []

    def broken(self: Engine, inputs: Any, **how: Any) -> Any:
        if wanted and any(isinstance(one, Called) for one in inputs):
            if wanted[-1] == signal.SIGUSR2:
                os.abort()
            if len(inputs) == 1:
                wanted.pop()  # a command that was not alone gets another turn
            raise RuntimeError(f"{inputs}")
        return turn(self, inputs, **how)

    Engine.turn = broken  # type: ignore[method-assign]
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, _: wanted.append(number))


if __name__ == "__main__":
    talk()
    note(sys.argv[1])
    be_breakable()
    sys.argv = ["heliogram", "serve"]
    main()
