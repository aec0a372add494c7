"""What several commands take, once: where, which message, what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heliogram.cli import completing

Chat = Annotated[
    str,
    typer.Argument(
        metavar="CHAT", help="A name, or an id's first digits.", autocompletion=completing.chats
    ),
]
Message = Annotated[str, typer.Argument(metavar="MESSAGE", help="The first digits of its id.")]

Text = Annotated[
    str | None, typer.Argument(metavar="[TEXT]", help="Markdown. Else standard input is read.")
]
Files = Annotated[
    list[Path], typer.Option("--file", metavar="FILE", help="A file to send. Repeatable.")
]
AsFile = Annotated[
    bool, typer.Option("--as-file", help="Send pictures as they are, with their metadata.")
]
Reply = Annotated[str | None, typer.Option("--reply", metavar="MESSAGE", help="What this answers.")]
