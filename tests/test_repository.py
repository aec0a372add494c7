"""The walls hold: each import contract and each banned call is broken once, and caught.

A contract that nothing can break is a comment. So each is tried on a copy of the sources with one line
added that it must refuse.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = Path(sys.executable).parent


def lint_imports(folder: Path) -> str:
    """What the linter says about the sources in `folder`: empty if all contracts are kept."""
    done = subprocess.run(
        [TOOLS / "lint-imports", "--no-logo", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
    )
    return "" if done.returncode == 0 else done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources and the contracts, to be broken."""
    shutil.copy(ROOT / ".importlinter", tmp_path)
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    return tmp_path


def test_all_walls_stand(copy: Path) -> None:
    assert lint_imports(copy) == ""


@pytest.mark.parametrize(
    ("where", "line", "contract"),
    [
        ("codec.py", "import heliogram.mls", "Layers"),
        ("utilities.py", "", "Layers"),
        ("mls/new.py", "from heliogram import __version__", "The engine imports nothing of ours"),
        ("mls/new.py", "import time", "The protocol core does no I/O"),
        ("mls/new.py", "def late():\n    import os", "The protocol core does no I/O"),
        ("codec.py", "import random", "The protocol core does no I/O"),
        ("wire/new.py", "import secrets", "The protocol core does no I/O"),
        ("wire/new.py", "import heliogram.mls", "The relay cannot read messages"),
        ("wire/new.py", "import heliogram.mls", "Layers"),
        ("mls/new.py", "import heliogram.wire", "Layers"),
        ("wire/new.py", "import heliogram.relay", "Layers"),
        ("content/new.py", "import heliogram.node", "Layers"),
        ("relay/new.py", "import heliogram.node.errors", "Layers"),
        ("node/new.py", "import heliogram.relay", "Layers"),
        ("node/identity/new.py", "import time", "The protocol core does no I/O"),
        ("relay/new.py", "import heliogram.content", "The relay cannot read messages"),
        ("content/new.py", "import heliogram.mls", "Layers"),
        ("content/new.py", "import heliogram.wire", "Layers"),
        ("content/new.py", "import secrets", "The protocol core does no I/O"),
        ("relay/new.py", "import heliogram.mls", "The relay cannot read messages"),
        ("node/new.py", "import heliogram.web", "Layers"),
        ("web/new.py", "import heliogram.cli", "Layers"),
        ("web/new.py", "import heliogram.wire", "Faces speak only to the node"),
        ("relay/slots.py", "import time", "The protocol core does no I/O"),
    ],
)
def test_each_wall_holds(copy: Path, where: str, line: str, contract: str) -> None:
    with (copy / "src/heliogram" / where).open("a") as file:
        file.write(f"\n{line}\n")
    said = lint_imports(copy)
    assert re.search(rf"^{contract}.* BROKEN", said, re.MULTILINE), said


def test_keys_come_from_the_caller(tmp_path: Path) -> None:
    """Each banned call exists, and the linter sees it in a file of ours."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())
    banned = configured["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    program = ["import cryptography, nacl"]
    for path in banned:
        module = path.rpartition(".")[0]
        if module.rpartition(".")[2][0].isupper():  # a method: its module is one further up
            module = module.rpartition(".")[0]
        program += [f"import {module}", path]
    source = tmp_path / "keys.py"
    source.write_text("\n".join(program))
    exec(compile(source.read_text(), "keys.py", "exec"), {})
    done = subprocess.run(
        [
            *(TOOLS / "ruff", "check", "--no-cache", "--config", ROOT / "pyproject.toml"),
            *("--select", "TID251", "--output-format", "concise", source),
        ],
        capture_output=True,
        text=True,
    )
    for path in banned:
        assert f"`{path}` is banned" in done.stdout
