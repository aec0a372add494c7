"""A node in a process of its own, to be killed.

    python -m tests.node.transfer.program DIRECTORY CONFIGURATION RELAY=INSTANCE…

It goes on with whatever its store says, and prints how far each transfer is.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from heliogram.node import api
from tests.node.transfer.kit import Node


async def main() -> None:
    """Run until killed."""
    instances = [pair.split("=") for pair in sys.argv[3:]]
    node = Node(Path(sys.argv[1]), configuration=bytes.fromhex(sys.argv[2]))
    node.words.instances = {bytes.fromhex(key): bytes.fromhex(one) for key, one in instances}
    async with node:
        print("runs", flush=True)
        async for notice in node.notices:
            if isinstance(notice, api.TransferChanged):
                print(notice.transfer.done, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
