"""The main job: four relays, your node with its app, and Echo, who answers. `make run` starts it.

Everything runs on this machine and lives in one directory: `.heliogram` beside the Makefile, unless you name
another. A second start finds the same relays, people and history. From a terminal the app opens in your
browser, or says its link; otherwise one message is sent, and what becomes of it is checked.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

from heliogram.cli.demo import PATIENCE, Actor, NotAsTold, check, say, until
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
from heliogram.node.control.client import Client
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


async def look(link: str) -> None:
    """See that the app is where its link says, as a browser would."""
    page = await asyncio.to_thread(_page, link.partition("#")[0])
    check("<title>Heliogram</title>" in page, "the app's page is there: a link opens it once")


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310
        return str(answer.read().decode())


async def introduce(home: Path, echo: NodeProcess) -> None:
    """Let Echo be among the contacts of whoever uses the app, as soon as they have an account."""
    while True:
        with suppress(NodeError, OSError):
            async with Client.of_home(home) as node:
                contacts: list[api.Contact] = await node.call(api.GetContacts())
                if not any(one.who.name == "Echo" for one in contacts):
                    await node.call(api.AddContact((echo.home / "link").read_text(), "Echo"))
                return
        await asyncio.sleep(0.2)


async def show(app: NodeProcess, echo: NodeProcess) -> None:
    """The app is in the browser: wait until somebody has had enough."""
    if link := str(json.loads(app.said).get("link", "")):
        print("\nOpen this in a browser of this machine. It works once:")
        say(link)
    else:
        print("\nHeliogram is open in your browser.")
    say("Echo answers whatever you say. Ctrl-C stops everything, and nothing is lost.")
    enough = asyncio.Event()
    with suppress(NotImplementedError):  # Windows: there Ctrl-C ends it as anywhere else
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, enough.set)
    introducing = asyncio.create_task(introduce(app.home, echo))
    waiting = [asyncio.create_task(one) for one in (enough.wait(), app.ended())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (introducing, *waiting):
            one.cancel()


async def run(directory: Path) -> None:
    """Start everything, let somebody talk, stop everything."""
    shown = sys.stdin.isatty() and sys.stdout.isatty()
    relays = [Relay(directory / f"relay-{number}") for number in range(1, 5)]
    home, mine = directory / "echo", directory / "me"
    program = (sys.executable, HERE / "echo.py", home)
    echo = NodeProcess(home, passphrase_file(directory, "echo"), program)
    # Whoever sits here chooses a passphrase in the app, unless there is a profile that was made without them.
    known = not shown or (directory / "me.passphrase").exists()
    key = passphrase_file(directory, "me") if known else None
    app: NodeProcess

    async def wake_echo() -> None:
        await echo.init("Echo", relays)
        await echo.start()

    async def open_app() -> None:
        if not shown:
            await app.init("You", relays)
        await app.start()

    print(f"Starting four relays, your node, and Echo, in {directory}", flush=True)
    if not home.exists():
        say("The first time takes a little longer: keys are made.")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ending([*relays, echo]))
        await in_order(
            [relay.start() for relay in relays],
            [
                lambda relay=relay: say(f"{relay.name}  process {relay.pid}, {relay.where}")  # type: ignore[misc]
                for relay in relays
            ],
        )
        suggested = [one for relay in relays for one in ("--relay", relay.address)]
        quiet = () if shown else ("--no-browser",)
        app = NodeProcess(mine, key, (*CLI, "web", "--json", *quiet, *suggested))
        await stack.enter_async_context(ending([app]))
        await in_order(
            [wake_echo(), open_app()],
            [
                lambda: say(f"Echo     process {echo.pid}, an account that answers"),
                lambda: say(f"you      process {app.pid}, your node and its app"),
            ],
        )
        print("\nYour node is yours to use from any other terminal, too:")
        say(f"export HELIOGRAM_HOME={mine}")
        say(f"{Path(sys.executable).with_name('heliogram')} --help")
        if shown:
            await show(app, echo)
        else:
            me = Actor("You", app)
            await me.connect()
            stack.push_async_callback(me.leave)
            await befriend(me, echo)
            print()
            await try_it(me)
            await look(str(json.loads(app.said)["link"]))
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
