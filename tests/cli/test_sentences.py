"""Every error has its sentence, and sentences are whole."""

from __future__ import annotations

import ast
import re
from enum import Enum
from pathlib import Path

import msgspec
import pytest

import heliogram.node
from heliogram.cli.sentences import (
    FAILED,
    SENTENCES,
    UNREACHABLE,
    USAGE,
    WARNINGS,
    failure,
    sentence,
    warning,
)
from heliogram.node.control import faults
from heliogram.node.control.faults import NotRunning, RemoteNodeError
from heliogram.node.errors import IdentityFault, InvalidWords, NodeError, NotAllowed, WordsFault


def every_error() -> list[NodeError]:
    """One of each error there is, with each reason that it may have."""
    made: list[NodeError] = []
    for kind in faults._known():
        if kind is RemoteNodeError:
            continue
        wanted = faults.arguments(kind)
        plain: dict[object, object] = {int: 3, str: "chat", tuple[str, ...]: ["one"]}
        values = {name: plain.get(one) for name, one in wanted.items()}
        reason = next(
            (
                (name, one)
                for name, one in wanted.items()
                if isinstance(one, type) and issubclass(one, Enum)
            ),
            None,
        )
        for each in [None] if reason is None else list(reason[1]):
            if reason is not None:
                values[reason[0]] = msgspec.to_builtins(each)
            made.append(faults._remake(kind, values))
    return made


ERRORS = every_error()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_each_error_has_its_sentence(error: NodeError) -> None:
    said = sentence(error)
    assert error.code in SENTENCES or error.code.startswith(("no such ", "ambiguous "))
    assert re.fullmatch(r"[A-Z0-9].*[.!?]", said.what, re.DOTALL), said.what
    assert "{" not in said.what + said.hint
    assert said.exit in (FAILED, USAGE, UNREACHABLE)


def test_details_are_in_the_sentence() -> None:
    wrong = InvalidWords(WordsFault.UNKNOWN_WORD, count=24, position=7, close=("abandon", "about"))
    assert sentence(wrong).what == "Word 7 is not in the list. Maybe: abandon, about."
    assert sentence(NotAllowed("the last owner stays one")).what == "The last owner stays one."
    assert sentence(NotRunning()).exit == UNREACHABLE


def test_an_error_that_only_the_node_knows() -> None:
    assert "new code" in sentence(RemoteNodeError("new code", {})).what


def warned_codes() -> set[str]:
    """Codes that the node's source warns of: literals in `Warned(…)` and `_warn(…)`."""
    found: set[str] = set()
    for path in Path(heliogram.node.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func
                name = getattr(called, "attr", getattr(called, "id", ""))
                if name in ("Warned", "_warn"):
                    codes = [one.value for one in node.args if isinstance(one, ast.Constant)]
                    found.update(one for one in codes if isinstance(one, str))
    return found


def test_each_warning_has_its_sentence() -> None:
    codes = warned_codes()
    assert {"store", "fork suspected", "foreign packages"} <= codes
    # What is wrong with a card is warned of by the error's own code.
    codes |= {f"identity {fault.value}" for fault in IdentityFault}
    for code in codes:
        assert re.fullmatch(r"[A-Z].*[.!?A-Z]", warning(code)), code
        assert code in WARNINGS
    assert warning("new code") == "Something is wrong (new code)."
    assert warning("wounded", "Anna").startswith("Anna: ")


def test_what_failed_later() -> None:
    assert failure("link gone", ()).what == "The link leads nowhere any more."
    assert failure("link gone", ("Ben", "Cy")).what == "Ben, Cy: The link leads nowhere any more."
