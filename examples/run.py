"""The main job: four relays, your node, and Echo, who answers. `make run` starts it.

Everything runs on this machine and lives in one directory: `.heliogram` beside the Makefile, unless you name
another. A second start finds the same relays, people and history. In a terminal you are in a conversation
with Echo at once; otherwise one message is sent, and what becomes of it is checked.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from asyncio.subprocess import create_subprocess_exec
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heliogram.cli.demo import Actor, NotAsTold, check, say, until
from heliogram.cli.processes import (
    DidNotStart,
    NodeProcess,
    Relay,
    ending,
    in_order,
    run_to_the_end,
)
from heliogram.cli.sentences import sentence
from heliogram.node import api
from heliogram.node.errors import NodeError, ProfileBusy
from heliogram.node.profile.lock import Lock

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
    await me.node.call(api.MarkRead("Echo"))


async def talk(environment: dict[str, str]) -> None:
    """Give the terminal to `heliogram chat Echo`. Ctrl-C belongs to it meanwhile."""
    chat = await create_subprocess_exec(*CLI, "chat", "Echo", env=environment)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        await chat.wait()
    finally:
        signal.signal(signal.SIGINT, before)
        if chat.returncode is None:
            chat.terminate()
            await chat.wait()


async def run(directory: Path) -> None:
    """Start everything, let somebody talk, stop everything."""
    relays = [Relay(directory / f"relay-{number}") for number in range(1, 5)]
    home = directory / "echo"
    program = (sys.executable, HERE / "echo.py", home)
    echo = NodeProcess(home, passphrase_file(directory, "echo"), program)
    me = Actor("You", NodeProcess(directory / "me", passphrase_file(directory, "me")))

    async def wake_echo() -> None:
        await echo.init("Echo", relays)
        await echo.start()

    print(f"Starting four relays, your node, and Echo, in {directory}", flush=True)
    if not me.process.home.exists():
        say("The first time takes a little longer: keys are made.")
    async with ending([*relays, echo, me]):
        await in_order(
            [relay.start() for relay in relays],
            [
                lambda relay=relay: say(f"{relay.name}  process {relay.pid}, {relay.where}")  # type: ignore[misc]
                for relay in relays
            ],
        )
        await in_order(
            [wake_echo(), me.start(relays)],
            [
                lambda: say(f"Echo     process {echo.pid}, an account that answers"),
                lambda: say(f"you      process {me.process.pid}, your node"),
            ],
        )
        await befriend(me, echo)
        print("\nYour node is yours to use from any other terminal:")
        say(f"export HELIOGRAM_HOME={me.process.home}")
        say(f"export HELIOGRAM_PASSPHRASE_FILE={directory / 'me.passphrase'}")
        say(f"{Path(sys.executable).with_name('heliogram')} --help\n")
        if sys.stdin.isatty() and sys.stdout.isatty():
            await talk(me.process.environment)
        else:
            await try_it(me)
        print("\nStopping …", flush=True)


def main() -> int:
    """The exit code."""
    directory = (Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / ".heliogram").resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with closing_lock(directory / "run.lock"):
            run_to_the_end(run(directory))
    except ProfileBusy:
        return failed(f"It runs already in {directory}. Stop that, or name another directory.")
    except (NotAsTold, DidNotStart) as error:
        return failed(str(error))
    except NodeError as error:
        found = sentence(error)
        return failed(f"{found.what} {found.hint}")
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    print("Stopped. The next start goes on from here.")
    return 0


@contextmanager
def closing_lock(path: Path) -> Iterator[None]:
    """Only one in a directory. Raises `ProfileBusy`."""
    lock = Lock(path)
    try:
        yield
    finally:
        lock.release()


def failed(why: str) -> int:
    """Say why it did not work. The exit code."""
    print(f"\nThis did not work: {why}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
