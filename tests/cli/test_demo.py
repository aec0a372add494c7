"""What is shown to newcomers: `heliogram demo`, and `examples/run.py`, which is `make run`."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from heliogram.cli import demo
from heliogram.node import api
from heliogram.node.profile.lock import Lock

RUN = Path(__file__).parent.parent.parent / "examples" / "run.py"
PATIENCE = 240


def gone(pid: int) -> bool:
    """Whether there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def pids(said: str) -> list[int]:
    """Processes that it has started."""
    return [int(pid) for pid in re.findall(r"^   \S+ +process (\d+),", said, re.MULTILINE)]


def run(directory: Path) -> subprocess.CompletedProcess[str]:
    """What `make run` does, without a terminal."""
    return subprocess.run(
        [sys.executable, RUN, directory],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


# --- heliogram demo -------------------------------------------------------------------------------


def test_the_demo_tells_its_story(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "heliogram.cli", "demo", "--keep", kept],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "HELIOGRAM_HOME": str(tmp_path / "none")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    sentences = (
        "both compare their safety code, and it is the same",
        "four of four relays have signed that they store it",
        "it is the same, byte for byte",
        "relay-3  is no more",
        "all three see all in one order",
        "Carol    does not",
        "no text, no name",
        "Everything happened as told.",
    )
    places = [done.stdout.find(sentence) for sentence in sentences]
    assert -1 not in places and places == sorted(places)
    assert len(pids(done.stdout)) == 7 and all(map(gone, pids(done.stdout)))
    assert not (tmp_path / "none").exists() and not (kept / "relay-3").exists()
    assert (kept / "alice" / "profile.db").exists() and (kept / "relay-4").exists()


def test_a_step_that_does_not_happen_ends_the_demo(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bob says another thing than Alice waits for: the story stops there."""
    send = demo.Actor.send

    async def garbled(self: demo.Actor, chat: str, text: str, **more: object) -> api.Message:
        return await send(self, chat, "At two." if text == "At noon." else text)

    monkeypatch.setattr(demo.Actor, "send", garbled)
    monkeypatch.setattr(demo, "PATIENCE", 10.0)
    assert demo.run() == 1
    said = capfd.readouterr().out
    assert "This did not happen: Alice    reads his answer" in said
    assert "Everything happened as told" not in said
    assert len(pids(said)) == 7 and all(map(gone, pids(said)))


def test_the_demo_overwrites_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "heliogram.cli", "demo", "--keep", tmp_path],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2 and "already" in done.stderr and not list(tmp_path.iterdir())


# --- make run -------------------------------------------------------------------------------------


def test_a_run_and_what_comes_after_it(tmp_path: Path) -> None:
    """The second finds the history, a port that is taken is named, and so is a run beside this one."""
    first = run(tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "exchanged 0 messages before" in first.stdout
    assert "Echo says: You said: Hello, number 1." in first.stdout
    assert len(pids(first.stdout)) == 6 and all(map(gone, pids(first.stdout)))

    _in_a_terminal(tmp_path)

    last = run(tmp_path)
    assert last.returncode == 0, last.stdout + last.stderr
    assert "exchanged 4 messages before" in last.stdout
    assert "Echo says: You said: Hello, number 3." in last.stdout
    assert len(pids(last.stdout)) == 6 and all(map(gone, pids(last.stdout)))

    port = re.search(r"relay-2  process \d+, 127\.0\.0\.1:(\d+)", last.stdout)
    assert port
    with socket.create_server(("127.0.0.1", int(port[1]))):
        taken = run(tmp_path)
    assert taken.returncode == 1
    assert "relay-2 did not start" in taken.stderr and "another program listens" in taken.stderr
    assert all(map(gone, pids(taken.stdout)))

    held = Lock(tmp_path / "run.lock")
    try:
        second = run(tmp_path)
    finally:
        held.release()
    assert second.returncode == 1 and "It runs already" in second.stderr
    assert pids(second.stdout) == []

    _interrupted(tmp_path)


def _in_a_terminal(directory: Path) -> None:
    """The app's link is told; who opens it says something, sees the answer, and ends it with Ctrl-C."""
    screen, inner = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, RUN, directory],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={one: value for one, value in os.environ.items() if one not in BROWSERS},
        preexec_fn=_take_the_terminal,
        start_new_session=True,
    )
    os.close(inner)
    seen = ""

    def until(pattern: str) -> re.Match[str]:
        nonlocal seen
        end = time.monotonic() + PATIENCE
        while (found := re.search(pattern, seen)) is None:
            ready, _, _ = select.select([screen], [], [], 1)
            try:
                more = os.read(screen, 65536) if ready else None
            except OSError:
                more = b""
            assert more != b"" and time.monotonic() < end, f"{pattern!r} did not come: {seen}"
            seen += (more or b"").decode(errors="replace")
        return found

    try:
        link = until(r"(http://127\.0\.0\.1:\d+/\S+/)#(\S+)")
        until("Ctrl-C stops everything")
        app = App(link[1], link[2])
        app.call("send", {"chat": "Echo", "text": "Good morning"})
        app.until("history", {"chat": "Echo"}, "You said: Good morning")
        os.write(screen, b"\x03")
        until("The next start goes on from here")
        assert running.wait(PATIENCE) == 0
    finally:
        if running.poll() is None:
            running.terminate()
            running.wait(PATIENCE)
        os.close(screen)
    found = pids(seen.replace("\r", ""))
    assert len(found) == 6 and all(map(gone, found))


#: Without them there is no browser: the link is told.
BROWSERS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


def _take_the_terminal() -> None:
    """Ctrl-C comes from the terminal that a process has taken."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class App:
    """The app, as a program of its owner sees it."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._secret = ""
        self._secret = self._post("session", {"token": token})["secret"]

    def call(self, tag: str, fields: dict[str, object]) -> Any:
        return self._post(f"call/{tag}", fields)

    def until(self, tag: str, fields: dict[str, object], text: str) -> None:
        """Ask until one of what comes has this text."""
        end = time.monotonic() + PATIENCE
        while not any(one.get("text") == text for one in self.call(tag, fields)):
            assert time.monotonic() < end, f"{text!r} did not come"
            time.sleep(0.05)

    def _post(self, path: str, body: dict[str, object]) -> Any:
        headers = {
            "Content-Type": "application/json",
            "Heliogram-Secret": self._secret,
        }
        asked = urllib.request.Request(
            f"{self._base}api/{path}", json.dumps(body).encode(), headers=headers
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return json.load(answer)


def _interrupted(directory: Path) -> None:
    """Ctrl-C while it starts: nothing is left."""
    with subprocess.Popen(
        [sys.executable, RUN, directory],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        said = ""
        while len(pids(said)) < 4:
            line = running.stdout.readline()
            assert line, "it ended before its relays ran"
            said += line
        running.send_signal(signal.SIGINT)
        assert "Stopped" in running.stderr.read()
        assert running.wait(PATIENCE) == 130
    assert all(map(gone, pids(said)))
