"""What comes out of a nest is the command: its words, its end, where it is."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.nest import AVAILABLE, Hatchling, nest

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="nests are built on Linux only")


def hatch(folder: Path, *arguments: str) -> tuple[Hatchling, Path, Path]:
    """A relay's command, and what it prints where."""
    out, err = folder / "out", folder / "err"
    with out.open("wb") as one, err.open("wb") as other:
        made = nest("heliogram.relay").hatch(arguments, out=one.fileno(), err=other.fileno())
    return made, out, err


def test_it_ends_as_the_command_does(tmp_path: Path) -> None:
    made, out, err = hatch(tmp_path, "serve", "--data", str(tmp_path / "nothing"))
    assert made.wait() == 2
    assert not out.read_bytes() and b"heliogram-relay init" in err.read_bytes()
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    made, out, err = hatch(tmp_path, "init", "--data", str(data))
    assert made.wait() == 0
    assert b"A new relay is in" in out.read_bytes() and not err.read_bytes()


def test_it_is_in_the_folder_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir(mode=0o700)
    made, _, _ = hatch(tmp_path, "init", "--data", "data")
    assert made.wait() == 0 and (tmp_path / "data" / "identity").exists()


def test_it_is_a_process_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    assert hatch(tmp_path, "init", "--data", str(data))[0].wait() == 0
    for how, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
        says, out = os.pipe()
        with open(says) as heard, open(os.devnull, "w") as nothing:
            arguments = ("serve", "--data", str(data), "--listen", "127.0.0.1:0")
            made = nest("heliogram.relay").hatch(arguments, out=out, err=nothing.fileno())
            os.close(out)
            assert heard.readline().startswith("listening on ")
            assert made.pid != os.getpid()
            made.send_signal(how)
            assert made.wait() == code
            # It had no other end of anything: what it wrote to is closed with it.
            assert heard.read() == ""
