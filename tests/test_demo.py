"""The examples on the engine and on relays alone: they end well, and do not hide when something is wrong."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from heliogram import mls

DEMO = Path(__file__).parent.parent / "examples" / "demo.py"
RELAYS = DEMO.with_name("relays.py")


def load(path: Path = DEMO) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
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


# --- The relays -----------------------------------------------------------------------------------


def gone(pid: int) -> bool:
    """Whether there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def pids(said: str) -> list[int]:
    """The relays that it has started."""
    return [int(pid) for pid in re.findall(r"^   relay \d  process (\d+),", said, re.MULTILINE)]


def test_the_relays_tell_their_story() -> None:
    done = subprocess.run([sys.executable, RELAYS], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.isascii()
    sentences = (
        "Bob     is let in by 4 of 4.",
        "stored by 4 of 4",
        "Bob     reads Four strangers who cannot read.",
        "relay 1 is no more",
        "stored by 3 of 4",
        "Bob     follows into epoch 2",
        "relay 4 shows him the one entry of epoch 2, and refuses epoch 3",
        "(no keys for epoch 3)",
        "Every byte is explained by the schema.",
        "relay 4 has the log's random id on its disk, and no text and no name",
        "Everything was as told.",
    )
    places = [done.stdout.find(sentence) for sentence in sentences]
    assert -1 not in places and places == sorted(places)
    assert len(pids(done.stdout)) == 4 and all(map(gone, pids(done.stdout)))


def test_a_name_on_a_relays_disk_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Send commits in the clear: whoever is added stands in them, and a relay keeps them."""
    relays = load(RELAYS)
    monkeypatch.setattr(relays, "CONFIG", replace(relays.CONFIG, private_handshakes=False))
    assert relays.main() == 1
    said = capsys.readouterr()
    assert "Not as told: relay 1 has the log's random id on its disk, and no text" in said.err
    assert "Everything was as told" not in said.out
    assert len(pids(said.out)) == 4 and all(map(gone, pids(said.out)))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_it_stops_its_relays(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, RELAYS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        said = ""
        while len(pids(said)) < 4:
            line = running.stdout.readline()
            assert line, "it ended before its relays ran"
            said += line
        running.send_signal(how)
        assert "Stopped" in running.stderr.read()
        assert running.wait() == 130
    assert all(map(gone, pids(said)))
