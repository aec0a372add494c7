"""What is shipped beside Python code is there, and is what was taken from others."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APP = ROOT / "src/heliogram/web/app"
VENDOR = APP / "vendor"


def test_vendored_files_are_those_that_were_built() -> None:
    """As `tools/vendor.py` wrote them: nobody has changed one by hand, none is more and none is missing."""
    there = json.loads((VENDOR / "VENDOR.json").read_bytes())
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.name != "VENDOR.json"
    }
    assert found == there["files"]


def test_vendored_packages_are_pinned_and_named_with_their_licences() -> None:
    there = json.loads((VENDOR / "VENDOR.json").read_bytes())
    licences = (VENDOR / "LICENCES.txt").read_text()
    for one in there["packages"]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", one["version"])
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", one["integrity"])
        assert one["licence"] and one["name"] in licences, one["name"]


def test_a_wheel_takes_the_app_along() -> None:
    """Hatchling takes all that lies in the package, but what git ignores and what it is told to leave out."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"] == {"packages": ["src/heliogram"]}
    assert "/src" in build["targets"]["sdist"]["include"]
    assert set(build) == {"targets"} and set(build["targets"]["sdist"]) == {"include"}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_ignores_nothing_of_the_app() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    files = [str(path.relative_to(ROOT)) for path in APP.rglob("*") if path.is_file()]
    asked = ["git", "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(
        asked, cwd=ROOT, input="\n".join(files), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stdout == ""
