"""`network`: how relays are reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heliogram.cli.commands import command
from heliogram.cli.face import Face, Stop
from heliogram.cli.sentences import USAGE
from heliogram.node import api

Proxy = Annotated[
    str,
    typer.Option(
        "--proxy", metavar="PROXY", help="Send everything through it: socks5://127.0.0.1:9050"
    ),
]
Certificates = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Trust the certificates in it, too (PEM)."),
]


def add(app: typer.Typer) -> None:
    """Add this command."""
    command(
        app,
        "network",
        "network",
        "network --proxy socks5://127.0.0.1:9050",
        "network --no-proxy",
        "network --ca my-authority.pem",
    )(network)


def _choose(face: Face, wanted: api.SetNetwork) -> api.Network:
    from heliogram.cli.reaching import reach_running

    running = reach_running(face.directory, face.timeout)
    if running is not None:
        try:
            now: api.Network = running.call(wanted)
        finally:
            running.close()
        return now
    # A node that is started for this would go the old way first.
    from heliogram.cli.opening import open_profile
    from heliogram.node.local import set_network

    with open_profile(face.directory) as profile:
        return set_network(profile, wanted)


def network(
    face: Face,
    proxy: Proxy = "",
    no_proxy: Annotated[bool, typer.Option("--no-proxy", help="Connect directly.")] = False,
    ca: Certificates = None,
    no_ca: Annotated[
        bool, typer.Option("--no-ca", help="Trust only the certificates that this system trusts.")
    ] = False,
) -> None:
    """Show or change how relays are reached. In force at once; with a proxy nothing goes around it."""
    if (proxy and no_proxy) or (ca and no_ca):
        raise Stop("These two do not go together.", "heliogram network --help", USAGE)
    wanted = api.SetNetwork(
        "" if no_proxy else proxy or None,
        "" if no_ca else None if ca is None else str(ca.absolute()),
    )
    now = _choose(face, wanted)
    if face.as_json:
        face.screen.json(now)
        return
    trusted = "and those in " + now.authority if now.authority else ""
    if not now.readable:
        trusted = f"{now.authority} cannot be read, and is not trusted"
    face.screen.pairs(
        [
            ("proxy", now.proxy or "none: relays see your address"),
            ("certificates", f"those of this system {trusted}".strip()),
        ]
    )
