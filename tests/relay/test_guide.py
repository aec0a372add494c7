"""The operator's guide is true: its commands run as they stand there, and its table is the code's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliogram.relay.operating import settings
from heliogram.relay.operating.settings import SETTINGS

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs/guide/relay.md").read_text()

#: Where the guide's relays listen: on this machine somebody else may.
PORT = re.compile(r"127\.0\.0\.1:(\d+)")


def commands() -> list[str]:
    """The lines of the guide's shell blocks, with ports that are free here."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    free: dict[str, str] = {}
    held = []
    for port in {port for line in lines for port in PORT.findall(line)}:
        held.append(socket.create_server(("127.0.0.1", 0)))
        free[port] = str(held[-1].getsockname()[1])
    for one in held:
        one.close()
    return [PORT.sub(lambda found: f"127.0.0.1:{free[found[1]]}", line) for line in lines]


class Shell:
    """Runs the guide's commands. What serves, goes on to the end, or until its directory is served anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._serving: dict[str, subprocess.Popen[str]] = {}

    def run(self, line: str) -> str:
        """What a command printed. `serve` has printed one line."""
        program, *arguments = line.split()
        if program == "heliogram-relay":
            if arguments[0] == "serve":
                return self._serve(arguments)
            program, arguments = sys.executable, ["-m", "heliogram.relay", *arguments]
        elif shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")
        done = subprocess.run(
            [program, *arguments], cwd=self._folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout

    def _serve(self, arguments: list[str]) -> str:
        data = arguments[arguments.index("--data") + 1]
        self.stop(data)
        process = subprocess.Popen(
            [sys.executable, "-m", "heliogram.relay", *arguments],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._serving[data] = process
        assert process.stdout
        return process.stdout.readline()

    def stop(self, data: str) -> None:
        if (process := self._serving.pop(data, None)) is not None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            assert process.returncode == 0

    def stop_all(self) -> None:
        for data in list(self._serving):
            self.stop(data)

    def kill(self) -> None:
        for process in self._serving.values():
            process.kill()
            process.communicate()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.kill()


@pytest.mark.skipif(os.name != "posix", reason="the guide is for POSIX shells")
def test_the_commands_of_the_guide(shell: Shell) -> None:
    said = [(line, shell.run(line)) for line in commands()]
    served = [text for line, text in said if " serve " in line]
    assert len(served) == 3
    for text in served:
        assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+ key [0-9a-f]{64}\n", text)
    looked = {line.split("/")[-1]: text for line, text in said if line.startswith("curl")}
    assert looked["health"] == "ok\n" and "heliogram_relay_commit_seconds" in looked["metrics"]
    assert any("running         yes" in text for _, text in said)
    shell.stop_all()


def test_two_commands_make_and_serve_a_relay() -> None:
    first = re.search(r"^```sh\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    assert first and [line.split()[1] for line in first[1].splitlines()] == ["init", "serve"]


def test_the_table_of_settings() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) ?\| (.*) \| (.*) \|$", GUIDE.split("<!-- settings -->")[1], re.M
    )
    expected = [
        (
            one.name,
            "" if one.default in (None, "", ()) else f"`{settings._toml(one.default)}`",
            one.what,
            one.allowed,
        )
        for one in SETTINGS.values()
        if one.name != "data"
    ]
    assert rows == expected


def test_named_metrics_exist() -> None:
    from heliogram.relay.serving.metrics import Metrics

    text = Metrics().text().decode()
    for name in re.findall(r"`(heliogram_relay_\w+)", GUIDE):
        assert f"# TYPE {name} " in text, name
