"""A profile and its node: `init`, `restore`, `status`, `passphrase`, `words`, `devices`, `lock`,
`serve`, `web`; and `demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from heliogram.cli import showing
from heliogram.cli.commands import command
from heliogram.cli.face import Face, Stop
from heliogram.cli.network import Certificates, Proxy
from heliogram.cli.sentences import USAGE
from heliogram.node import api
from heliogram.node.errors import NoProfile, ProfileBusy

#: Seconds in which another command may still let the profile go.
_MOMENT: Final = 0.3

Relays = Annotated[
    list[str],
    typer.Option(
        "--relay", metavar="ADDRESS", help="wss://HOST/PATH#KEY. Repeatable; three are good."
    ),
]
Name = Annotated[str, typer.Option("--name", help="What others see you as. Else it is asked.")]
Keyring = Annotated[bool, typer.Option("--keyring", help="Let this desktop keep the passphrase.")]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    command(
        app,
        "init",
        "init",
        "init --name Anna --relay wss://relay1.example/ws#5d9b… --relay wss://relay2.example/ws#07aa…",
        "init --name Anna --yes --words-file words.txt",
    )(init)
    command(
        app,
        "restore",
        "restore",
        "restore --words-file words.txt --name Anna",
        "restore --backup heliogram.backup",
    )(restore)
    command(app, "status", "status", "status --json")(status)
    command(app, "serve", "serve", "serve --home ~/anna")(serve)
    command(app, "web", "web", "web --no-browser", "web --port 8080")(web)
    command(app, "passphrase", "passphrase", "passphrase --new-file new.txt")(passphrase)
    command(app, "words", "words")(words)
    command(app, "devices", "devices")(devices)
    command(app, "lock", "lock")(lock)
    command(app, "demo", "demo", "demo --keep what-happened")(demo)


def init(
    face: Face,
    name: Name = "",
    relay: Relays = [],  # noqa: B006
    words_file: Annotated[
        Path | None,
        typer.Option(
            "--words-file", metavar="FILE", help="Write the 24 words there, into a new file."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: for scripts. The words are shown at once.")
    ] = False,
    keyring: Keyring = False,
    proxy: Proxy = "",
    ca: Certificates = None,
) -> None:
    """Make a profile: your account on this machine.

    Asks for a name and a passphrase ($HELIOGRAM_PASSPHRASE_FILE names a file with it). Shows 24 words: they
    are the account, and the way back to it.
    """
    from heliogram.cli.beginning import Wanted, begin

    begin(face, Wanted(name, relay, keyring, proxy, ca), words_file, yes)


def restore(
    face: Face,
    name: Name = "",
    relay: Relays = [],  # noqa: B006
    words_file: Annotated[
        Path | None, typer.Option("--words-file", metavar="FILE", help="Read the 24 words there.")
    ] = None,
    backup: Annotated[
        Path | None,
        typer.Option("--backup", metavar="FILE", help="Open a copy by heliogram backup instead."),
    ] = None,
    keyring: Keyring = False,
    proxy: Proxy = "",
    ca: Certificates = None,
) -> None:
    """Make a profile from the 24 words of an account. Reads the words from a prompt or standard input.

    With --backup it is the profile that was copied, with its conversations; its passphrase stays the same.
    """
    from heliogram.cli.beginning import Wanted, open_backup
    from heliogram.cli.beginning import restore as again

    if backup is not None:
        if name or relay or words_file is not None or keyring or proxy or ca:
            raise Stop("All that is in the backup.", "heliogram restore --backup FILE", USAGE)
        open_backup(face, backup)
        return
    again(face, Wanted(name, relay, keyring, proxy, ca), words_file)


def status(face: Face) -> None:
    """Show who you are and how the node is."""
    now: api.Status = face.ask(api.GetStatus())
    if face.as_json:
        face.screen.json(now)
    else:
        face.screen.pairs(showing.status(now))


def passphrase(
    face: Face,
    new_file: Annotated[
        Path | None,
        typer.Option("--new-file", metavar="FILE", help="The new one is its first line."),
    ] = None,
) -> None:
    """Choose another passphrase for the profile. Backups keep the one that they were made with.

    Asks for the old one ($HELIOGRAM_PASSPHRASE_FILE names a file with it), then for the new one.
    """
    from heliogram.cli.passphrases import change

    change(face, new_file)


def words(face: Face) -> None:
    """Show the 24 words of your account, to who knows the passphrase.

    Asks for it ($HELIOGRAM_PASSPHRASE_FILE names a file with it). A pipe gets them on one line.
    """
    from heliogram.cli.passphrases import words as show

    show(face)


def devices(face: Face) -> None:
    """List the devices of your account."""
    found: list[api.Device] = face.ask(api.GetDevices())
    if face.as_json:
        face.screen.json(found)
    else:
        face.screen.table(showing.devices(found))


def lock(face: Face) -> None:
    """Let the running node forget all keys and stop."""
    from heliogram.cli.reaching import Running
    from heliogram.node.control.place import Place
    from heliogram.node.profile.lock import is_locked

    running = Running(Place(face.directory.socket()), face.timeout)
    try:
        running.call(api.Lock())
    finally:
        running.close()
    until = time.monotonic() + face.timeout
    while is_locked(face.directory.lock):
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.02)
    face.done("The node has stopped.")


def serve(face: Face) -> None:
    """Run the node until Ctrl-C, SIGTERM or `heliogram lock`. Prints a line when it is ready."""
    from heliogram.node.profile.lock import is_locked

    if not face.directory.exists:
        raise NoProfile
    # Who waits for a command to end starts a node right after it.
    until = time.monotonic() + _MOMENT
    while is_locked(face.directory.lock):
        if time.monotonic() > until:
            raise ProfileBusy
        time.sleep(0.02)
    from heliogram.cli.serving import serve as run

    run(face)


def web(
    face: Face,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The app's port. Else any that is free.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print a link that works once; open no browser.")
    ] = False,
    relay: Annotated[
        list[str],
        typer.Option("--relay", metavar="ADDRESS", help="Suggest it to who begins. Repeatable."),
    ] = [],  # noqa: B006
) -> None:
    """Run the node and show the app in your browser, until Ctrl-C or SIGTERM.

    The app is for this machine only. If it runs already, it is opened once more.
    """
    from heliogram.cli.browsing import web as run

    run(face, port, relay, browser=not no_browser)


def demo(
    face: Face,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="A new directory for all of it, that stays."),
    ] = None,
) -> None:
    """Play a story on this machine: three people, four relays, and one of them is lost.

    Your own profile is not touched. Each sentence is checked; the exit code is 0 only if all hold.
    """
    from heliogram.cli.demo import run

    if face.as_json:
        raise Stop("A story is no JSON.", "heliogram demo", USAGE)
    if keep is not None:
        try:
            keep.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            raise Stop(f"There is something called {keep} already.", exit=USAGE) from None
    code = run(None if keep is None else keep.absolute())
    if keep is not None:
        face.screen.write(f"All of it is in {keep}: profiles, their passphrases, relays.")
    if code:
        raise SystemExit(code)
