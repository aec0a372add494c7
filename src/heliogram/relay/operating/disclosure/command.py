"""`heliogram-relay disclose`: what this operator could be forced to hand over.

    heliogram-relay disclose --data relay-1                  all, in short
    heliogram-relay disclose --data relay-1 --log 31a685… --full --contents evidence
    heliogram-relay disclose --data relay-1 --strict         is that all there is?

It reads a relay that runs or has stopped and changes nothing. Ends with 0; with 1 if `--strict` finds a byte
that nothing explains, or the directory cannot be read; with 2 if what was asked for makes no sense.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from heliogram.relay.errors import StoreError
from heliogram.relay.operating import disclosure
from heliogram.relay.operating.disclosure import text
from heliogram.relay.operating.disclosure.rules import MOST_MINUTES
from heliogram.relay.operating.disclosure.tables import Report, Selection
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import HASH_SIZE

FAILED = 1


def _id(value: str) -> bytes:
    try:
        found = bytes.fromhex(value)
    except ValueError:
        found = b""
    if len(found) != HASH_SIZE:
        raise typer.BadParameter(f"{2 * HASH_SIZE} hexadecimal digits are needed")
    return found


def _minute(value: str) -> int:
    for form in ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            found = datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return int(found.timestamp()) // 60
    raise typer.BadParameter("a date or a minute in UTC is needed, such as 2026-11-25T15:49")


def disclose(
    data: Annotated[Path, typer.Option(help="The folder of all that the relay keeps.")],
    log: Annotated[
        bytes | None, typer.Option(parser=_id, metavar="HEX", help="A log: instance or log id.")
    ] = None,
    inbox: Annotated[
        bytes | None, typer.Option(parser=_id, metavar="HEX", help="An inbox.")
    ] = None,
    blob: Annotated[bytes | None, typer.Option(parser=_id, metavar="HEX", help="A blob.")] = None,
    cell: Annotated[bytes | None, typer.Option(parser=_id, metavar="HEX", help="A cell.")] = None,
    key: Annotated[
        bytes | None,
        typer.Option(parser=_id, metavar="HEX", help="A public key, wherever it stands."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A network address, or any other text.")
    ] = None,
    since: Annotated[
        int | None, typer.Option(parser=_minute, metavar="UTC", help="From this minute on.")
    ] = None,
    until: Annotated[
        int | None, typer.Option(parser=_minute, metavar="UTC", help="Up to this minute.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Every row.")] = False,
    contents: Annotated[
        Path | None, typer.Option(help="Write the ciphertext into this new folder, too.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if there is a byte that nothing explains.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show everything that this operator could be forced to hand over."""
    last = MOST_MINUTES if until is None else until
    selection = Selection(log, inbox, blob, cell, key, address, since or 0, last)
    try:
        with disclosure.Source(data) as source:
            if strict:
                _examine(source, as_json=as_json)
                return
            report = Report(source, selection, full=full)
            if as_json:
                text.write_json(report, sys.stdout.write)
            else:
                text.write_text(report, typer.echo)
            if contents is not None:
                report.write_contents(contents)
            source.check_unchanged()
    except RemoteError:
        # Its text is for peers.
        _fail("a state in the database cannot be read: it is damaged. --strict says where")
    except StoreError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"it cannot be read or written: {error.strerror}")


def _examine(source: disclosure.Source, *, as_json: bool) -> None:
    verdict = disclosure.examine(source)
    if as_json:
        typer.echo(text.verdict_json(verdict))
    else:
        for line in text.verdict_lines(verdict):
            typer.echo(line)
    if verdict.findings:
        raise typer.Exit(FAILED)


def _fail(why: str) -> None:
    typer.echo(why, err=True)
    raise typer.Exit(FAILED)
