"""The main job: four relays, your node, and Echo, who answers. `make run` starts it.

Everything runs on this machine and lives in one directory: `.heliogram` beside the Makefile, unless you name
another. A second start finds the same relays, people and history. In a terminal you are in a conversation
with Echo at once; otherwise one message is sent, and what becomes of it is checked.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from asyncio.subprocess import create_subprocess_exec
from contextlib import AsyncExitStack
from pathlib import Path

from heliogram.cli.demo import Actor, NotAsTold, check, say, until
from heliogram.cli.processes import DidNotStart, NodeProcess, Relay
from heliogram.node import api

HERE = Path(__file__).resolve().parent
CLI = (sys.executable, "-m", "heliogram.cli")


def passphrase_file(directory: Path, name: str) -> Path:
    """A file with a passphrase that nobody has to remember: this is for trying things out."""
    file = directory / f"{name}.passphrase"
    if not file.exists():
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(16))
    return file


async def befriend(me: Actor, echo: NodeProcess) -> None:
    """Open Echo's link, if that was not done before."""
    if await me.contact("Echo") is None:
        link = (echo.home / "link").read_text()
        await me.node.call(api.AddContact(link, "Echo"))
        await until(lambda: me.contact("Echo"), "")


async def try_it(me: Actor) -> None:
    """Say one thing, and see what becomes of it."""
    before = len(await me.texts("Echo"))
    say(f"You and Echo have exchanged {before} messages before.")
    sent = await me.send("Echo", f"Hello, number {before // 2 + 1}.")
    stored = await until(lambda: me.stored(sent.id, 4), f"You say: {sent.text}")
    say(f"  stored by {len(stored.stored_by)} of {stored.relays} relays")
    await until(lambda: me.in_state(sent.id, "read"), "  delivered and read")
    answer = await until(lambda: me.sees("Echo", f"You said: {sent.text}"), "")
    check(answer.reply_to == sent.id, f"Echo says: {answer.text}")


async def talk(environment: dict[str, str]) -> None:
    """Give the terminal to `heliogram chat Echo`. Ctrl-C belongs to it meanwhile."""
    chat = await create_subprocess_exec(*CLI, "chat", "Echo", env=environment)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        await chat.wait()
    finally:
        signal.signal(signal.SIGINT, before)


async def run(directory: Path) -> None:
    """Start everything, let somebody talk, stop everything."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    relays = [Relay(directory / f"relay-{number}") for number in range(1, 5)]
    home = directory / "echo"
    program = (sys.executable, HERE / "echo.py", home)
    echo = NodeProcess(home, passphrase_file(directory, "echo"), program)
    me = Actor("You", NodeProcess(directory / "me", passphrase_file(directory, "me")))
    async with AsyncExitStack() as stack:
        for relay in relays:
            stack.push_async_callback(relay.stop)
        await asyncio.gather(*(relay.start() for relay in relays))
        for process in (echo, me.process):
            stack.push_async_callback(process.stop)
        await echo.init("Echo", relays)
        await echo.start()
        await me.start(relays)
        await befriend(me, echo)
        print(f"\nRunning on this machine, in {directory}:")
        for relay in relays:
            say(f"{relay.name}  process {relay.pid}, {relay.where}")
        say(f"Echo     process {echo.pid}, an account that answers")
        say(f"you      process {me.process.pid}, your node")
        print("\nYour node is yours to use from any other terminal:")
        say(f"export HELIOGRAM_HOME={me.process.home}")
        say(f"export HELIOGRAM_PASSPHRASE_FILE={directory / 'me.passphrase'}")
        say(f"{Path(sys.executable).with_name('heliogram')} --help\n")
        if sys.stdin.isatty() and sys.stdout.isatty():
            await talk(me.process.environment)
        else:
            await try_it(me)
    print("\nStopped. The next `make run` goes on from here.")


def main() -> int:
    """The exit code."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / ".heliogram"
    try:
        asyncio.run(run(directory.resolve()))
    except (NotAsTold, DidNotStart) as error:
        print(f"\nThis did not happen: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
