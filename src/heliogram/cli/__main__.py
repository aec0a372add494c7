"""`heliogram`: a messenger with nobody in the middle, on the command line.

    heliogram init
    heliogram serve &
    heliogram link new --qr
    heliogram chat Anna

Exit codes: 0 done; 1 refused or failed; 2 used in a wrong way; 3 no node can be reached, or its profile
cannot be opened; 4 not done in time, and maybe later.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from heliogram.cli.lazily import Lazy


def _version(wanted: bool) -> None:
    if wanted:
        from heliogram import __version__

        print(f"heliogram {__version__}")
        raise typer.Exit


def make_app() -> typer.Typer:
    """The command line."""
    app = typer.Typer(
        cls=Lazy,
        help="A messenger with nobody in the middle.",
        no_args_is_help=True,
        # A traceback shows variables, and variables hold what people wrote.
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        epilog="Exit codes: 0 done, 1 refused or failed, 2 used in a wrong way,"
        " 3 no node or no profile, 4 not done in time.",
    )

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Which this is.")
        ] = False,
    ) -> None:
        pass

    return app


def _leave_no_core() -> None:
    """Memory holds keys and texts, so a crash must not write it to disk."""
    if os.name == "posix":
        import resource

        # A sandbox that allows no change has set its own limits.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Run the command line."""
    # Whatever is made here is for its owner only, unless a file is asked for by name.
    os.umask(0o077)
    _leave_no_core()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows few letters gets escapes for the others, not an end.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    make_app()(prog_name="heliogram")


if __name__ == "__main__":
    main()
