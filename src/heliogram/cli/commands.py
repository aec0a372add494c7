"""How a command is made: its own options, those that all have, help with examples, errors explained."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from heliogram.cli.face import Face

#: Seconds that a command waits for relays.
TIMEOUT: Final = 30.0

#: Seconds that it may be told to wait: a week.
LONGEST: Final = 604_800.0

_COMMON: Final = {
    "home": Annotated[
        Path | None,
        typer.Option(
            "--home", metavar="DIR", help="The profile's directory. Else $HELIOGRAM_HOME."
        ),
    ],
    "as_json": Annotated[bool, typer.Option("--json", help="Print JSON.")],
    "timeout": Annotated[
        float,
        typer.Option(
            "--timeout", metavar="SECONDS", min=0.1, max=LONGEST, help="How long to wait."
        ),
    ],
    "no_wait": Annotated[
        bool, typer.Option("--no-wait", help="Do not wait for relays: what is to go, goes later.")
    ],
}
_DEFAULTS: Final = {"home": None, "as_json": False, "timeout": TIMEOUT, "no_wait": False}


def group(name: str, what: str) -> typer.Typer:
    """A command with commands of its own."""
    return typer.Typer(
        name=name,
        help=what,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def command(
    app: typer.Typer, name: str, *examples: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command: it gets a `Face`, and its own arguments. `examples` end its help."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        parameters = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        common = [
            inspect.Parameter(
                each, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[each], annotation=kind
            )
            for each, kind in _COMMON.items()
        ]

        def run(**values: Any) -> None:
            own = {each: values.pop(each) for each in _COMMON}
            face = Face(own["home"], own["as_json"], own["timeout"], not own["no_wait"])
            with face.explained():
                function(face, **values)

        run.__signature__ = inspect.Signature([*parameters, *common])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in (*parameters, *common)}
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        # \b keeps the lines of a paragraph as they are.
        lines = "\n".join(f"  heliogram {one}" for one in examples)
        app.command(name, epilog=f"\b\nExamples:\n{lines}")(run)
        return function

    return register
