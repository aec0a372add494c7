"""The demonstration that `make run` shows: it ends well, and it does not hide when something is wrong."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from heliogram import mls

DEMO = Path(__file__).parent.parent / "examples" / "demo.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_tells_its_story() -> None:
    done = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Alice   reads Not the bridge. The old mill." in done.stdout
    assert "Carol   reads nothing (no keys for epoch 2)" in done.stdout
    assert "Everything was as told." in done.stdout


def test_plain_terminals_can_show_it() -> None:
    done = subprocess.run([sys.executable, DEMO], capture_output=True, timeout=60)
    assert done.stdout.isascii()


def test_a_removed_member_who_reads_on_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Break the promise of the story: nothing is ever refused. It says so, and ends with 1."""
    demo = load()
    monkeypatch.setattr(demo, "refusal", lambda attempt: "")
    assert demo.main() == 1
    said = capsys.readouterr()
    assert "Not as told" in said.err
    assert "Everything was as told" not in said.out


def test_the_suite_is_post_quantum() -> None:
    assert "MLKEM" in mls.DEFAULT_SUITE.name
