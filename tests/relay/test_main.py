"""The command line, as an operator has it: real processes, exit codes, words that help."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from heliogram.relay.operating import identity
from heliogram.relay.operating.settings import SETTINGS
from heliogram.relay.store import Database
from heliogram.wire.objects import RelayDescription

Serve = Callable[..., "Serving"]

#: What no answer to an operator holds.
TRACEBACK = "Traceback"


def relay(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What `heliogram-relay` does."""
    done = subprocess.run(
        [sys.executable, "-m", "heliogram.relay", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
    )
    assert TRACEBACK not in done.stderr + done.stdout
    return done


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The directory of a new relay."""
    made = relay("init", "--data", tmp_path / "relay", "--listen", "127.0.0.1:0")
    assert made.returncode == 0, made.stderr
    return tmp_path / "relay"


def key_of(data: Path) -> str:
    return identity.load(data).public.hex()


class Serving:
    """A relay that is being served."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "heliogram.relay", "serve", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.line = self.process.stdout.readline()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code and what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Serving] = []

    def begin(*arguments: object) -> Serving:
        started.append(Serving(*arguments))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.communicate()


# --- init -----------------------------------------------------------------------------------------


def test_a_new_relay(tmp_path: Path) -> None:
    made = relay("init", "--data", "relay-1", "--max-logs", 5, cwd=tmp_path)
    assert made.returncode == 0 and made.stderr == ""
    data = tmp_path / "relay-1"
    key = key_of(data)
    assert f"key {key}\n" in made.stdout
    assert "heliogram-relay serve --data relay-1" in made.stdout
    assert "backup" in made.stdout
    assert tomllib.loads((data / "relay.toml").read_text()) == {"max_logs": 5}
    database = Database(data / "relay.db", writes=False)
    database.check_owner(bytes.fromhex(key))
    database.close()


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_everything_is_for_its_owner_only(data: Path) -> None:
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in data.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_init_for_programs(tmp_path: Path) -> None:
    made = relay(
        *("init", "--data", tmp_path / "r", "--json", "--listen", "[::1]:0"),
        *("--endpoints", "wss://a.example/ws", "--endpoints", "wss://b.example/ws"),
    )
    said = json.loads(made.stdout)
    assert said["key"] == key_of(tmp_path / "r") and said["listen"] == "[::1]:0"
    description = RelayDescription.from_bytes(bytes.fromhex(said["description"]))
    assert description.key.hex() == said["key"]
    assert description.endpoints == (b"wss://a.example/ws", b"wss://b.example/ws")


def test_paths_in_a_new_file_do_not_depend_on_where_one_stands(tmp_path: Path) -> None:
    arguments = ("--tls-cert", "a.pem", "--tls-key", "b.pem")
    assert relay("init", "--data", "deep/relay", *arguments, cwd=tmp_path).returncode == 0
    written = tomllib.loads((tmp_path / "deep/relay/relay.toml").read_text())
    assert written["tls_cert"] == str(tmp_path / "a.pem")


def test_init_never_touches_what_is_there(data: Path) -> None:
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    again = relay("init", "--data", data)
    assert again.returncode == 2 and "not empty" in again.stderr and "backup" in again.stderr
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_nothing_is_made_with_a_bad_setting(tmp_path: Path) -> None:
    made = relay("init", "--data", tmp_path / "r", "--listen", "0.0.0.0:443")
    assert made.returncode == 2 and "tls_cert" in made.stderr
    assert not (tmp_path / "r").exists()


# --- serve, when it cannot ------------------------------------------------------------------------


def test_serve_offers_init(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        done = relay("serve", "--data", folder)
        assert done.returncode == 2 and done.stdout == ""
        assert f"heliogram-relay init --data {folder}" in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [("--max-frame", "1"), ("--max-frame", "x"), ("--colour", "1"), ("--config", "missing.toml")],
)
def test_bad_options(data: Path, arguments: tuple[str, str]) -> None:
    done = relay("serve", "--data", data, *arguments)
    assert done.returncode == 2 and done.stderr


def test_no_directory() -> None:
    done = relay("serve")
    assert done.returncode == 2 and "--data" in done.stderr


def test_a_directory_that_is_served(data: Path) -> None:
    with identity.lock(data):
        for command in ("serve", "compact"):
            done = relay(command, "--data", data)
            assert done.returncode == 3 and "another process" in done.stderr


def test_a_missing_database_is_not_made_anew(data: Path) -> None:
    (data / "relay.db").unlink()
    for command in ("serve", "status", "compact"):
        done = relay(command, "--data", data)
        assert done.returncode == 1 and "forgotten" in done.stderr
    assert not (data / "relay.db").exists()


def test_another_relays_database(tmp_path: Path, data: Path) -> None:
    assert relay("init", "--data", tmp_path / "other").returncode == 0
    shutil.copy(tmp_path / "other/relay.db", data / "relay.db")
    done = relay("serve", "--data", data)
    assert done.returncode == 1 and "another relay's" in done.stderr


def test_a_damaged_database(data: Path) -> None:
    (data / "relay.db").write_bytes(b"not a database" * 1000)
    for command in ("serve", "status"):
        done = relay(command, "--data", data)
        assert done.returncode == 1 and "cannot be used" in done.stderr


def test_a_database_that_is_damaged_inside(data: Path) -> None:
    with (data / "relay.db").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192 * 4)
    done = relay("status", "--data", data)
    assert done.returncode == 1 and "cannot be used" in done.stderr


def test_files_of_tls(tmp_path: Path, data: Path) -> None:
    authority = trustme.CA()
    one, other = authority.issue_cert("a.example"), authority.issue_cert("b.example")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    one.cert_chain_pems[0].write_to_path(certificate)

    def said() -> str:
        done = relay("serve", "--data", data, "--tls-cert", certificate, "--tls-key", key)
        assert done.returncode == 2
        return done.stderr

    assert "tls_key" in said() and "No such file" in said()
    other.private_key_pem.write_to_path(key)
    assert "not a certificate in PEM and its key" in said()
    key.write_text("canary")
    assert "canary" not in said()


# --- serve ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_relay_serves_and_stops(data: Path, serve: Serve, number: int) -> None:
    serving = serve("--data", data)
    listening = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+) key ([0-9a-f]{64})\n", serving.line)
    assert listening and listening[2] == key_of(data)
    with socket.create_connection(("127.0.0.1", int(listening[1])), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(relay("status", "--data", data, "--json").stdout)["running"] is True
    busy = relay("serve", "--data", data)
    assert busy.returncode == 3
    code, said = serving.stop(number)
    assert code == 0 and TRACEBACK not in said
    assert json.loads(relay("status", "--data", data, "--json").stdout)["running"] is False


def test_an_address_that_is_taken(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = relay("serve", "--data", data, "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}: another program listens there" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_relay_that_was_killed_serves_again(data: Path, serve: Serve) -> None:
    serving = serve("--data", data)
    serving.stop(signal.SIGKILL)
    condition = json.loads(relay("status", "--data", data, "--json").stdout)
    assert condition["running"] is False
    again = serve("--data", data)
    assert again.line.startswith("listening on ")
    assert again.stop()[0] == 0


def test_metrics_and_health(data: Path, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serving = serve("--data", data, "--metrics", f"127.0.0.1:{port}")
    assert serving.line
    for path, word in (("/health", b"ok"), ("/metrics", b"heliogram_relay_")):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            with connection.makefile("rb") as answer:
                assert word in answer.read()


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="limits are read from /proc")
@pytest.mark.parametrize(
    ("hard", "connections", "allowed"), [(2000, 1000, 1512), (1000, 1000, 1000)]
)
def test_limits_of_the_process(data: Path, hard: int, connections: int, allowed: int) -> None:
    """No core is ever dumped; there are files for all connections, or it is said that there are not."""
    command = f"ulimit -S -n 256; ulimit -H -n {hard}; exec "
    process = subprocess.Popen(
        [
            *("sh", "-c", command + '"$@"', "sh", sys.executable, "-m", "heliogram.relay", "serve"),
            *("--data", str(data), "--max-connections", str(connections)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout and process.stdout.readline().startswith("listening on ")
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.terminate()
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert re.search(rf"^Max open files +{allowed} +{hard} ", limits, re.MULTILINE)
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
    assert ("LimitNOFILE" in said) == (allowed < connections + 512)


def test_nothing_of_a_visitor_is_said(data: Path, serve: Serve) -> None:
    """Not at the most talkative level, and whatever they send."""
    canary = "c4n4ry"
    serving = serve("--data", data, "--log-level", "debug", "--log-format", "json")
    found = re.search(r":(\d+) key", serving.line)
    assert found
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    for request in (
        f"GET /{canary}?{canary} HTTP/1.1\r\nHost: {canary}\r\nUser-Agent: {canary}\r\n\r\n",
        f"PUT /blob/{canary} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{canary}",
        f"GET /ws HTTP/1.1\r\nHost: a\r\n{upgrade}\r\nSec-WebSocket-Key: {canary}\r\n\r\n",
        f"GET /ws HTTP/1.1\r\nHost: a\r\n{upgrade}\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
        f"{canary * 50}",
        f"{canary}\r\n\r\n",
        f"GET / HTTP/1.1\r\n{canary}\r\n: {canary}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=10) as connection:
            connection.sendall(request.encode())
            answer = connection.recv(4096)
            assert canary.encode() not in answer
            for name in (b"aiohttp", b"Python", b"eliogram"):
                assert name not in answer
    code, said = serving.stop()
    assert code == 0
    for word in (canary, "127.0.0.1", TRACEBACK):
        assert word not in said


# --- status and compact ---------------------------------------------------------------------------


def fill(data: Path, rows: int) -> None:
    """Write a lot and delete it: free pages."""
    database = Database(data / "relay.db", writes=True)
    with database.transaction():
        database.run_many(
            "INSERT INTO cells (cell, owner, version, value, signature, day)"
            " VALUES (?, ?, 1, ?, ?, 1)",
            [(os.urandom(32), b"o" * 32, b"v" * 4000, b"s" * 64) for _ in range(rows)],
        )
    with database.transaction():
        database.run("DELETE FROM cells")
    database.close()


def test_status_says_how_much_there_is(data: Path) -> None:
    (data / "blobs/ab").mkdir(parents=True)
    (data / "blobs/ab/cd").write_bytes(b"x" * 100)
    condition = json.loads(relay("status", "--data", data, "--json").stdout)
    assert condition["key"] == key_of(data)
    assert (condition["blobs"], condition["blob_bytes"]) == (1, 100)
    assert (condition["logs"], condition["inboxes"], condition["running"]) == (0, 0, False)
    assert condition["database_bytes"] > 0 and condition["free_bytes"] > 0
    shown = relay("status", "--data", data).stdout
    assert {line.split()[0] for line in shown.splitlines()} == set(condition)


def test_compact_gives_room_back(data: Path) -> None:
    fill(data, 500)
    before = (data / "relay.db").stat().st_size
    freed = json.loads(relay("compact", "--data", data, "--json").stdout)["freed_bytes"]
    assert freed > 1_000_000 and before - (data / "relay.db").stat().st_size == freed
    assert relay("compact", "--data", data).stdout == "0 bytes were given back.\n"
    assert relay("status", "--data", data).returncode == 0


# --- The same names everywhere --------------------------------------------------------------------


def test_every_setting_is_an_option() -> None:
    shown = relay("serve", "--help").stdout
    for name in SETTINGS:
        assert re.search(rf"--{name.replace('_', '-')}\b", shown), name


def test_a_command_that_needs_no_server_loads_none() -> None:
    program = "import sys, heliogram.relay.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "heliogram" in loaded
    assert not loaded & {"aiohttp", "uvloop", "prometheus_client", "asyncio"}


def test_help_of_all() -> None:
    shown = relay("--help")
    assert shown.returncode == 0
    for command in ("init", "serve", "status", "compact", "disclose"):
        assert command in shown.stdout


def test_a_bug_shows_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a command raises: its type and its place, not its text."""
    import typer

    from heliogram.relay import __main__ as command

    with pytest.raises(typer.Exit) as caught, command._explained():
        raise LookupError("canary")
    assert caught.value.exit_code == 1
    said = capsys.readouterr().err
    assert "LookupError at __main__.py:" in said and "canary" not in said

    with pytest.raises(typer.Exit) as caught, command._explained():
        raise PermissionError(errno.EACCES, "Permission denied", "canary")
    assert caught.value.exit_code == 1
    assert capsys.readouterr().err == "The system does not allow it: Permission denied.\n"
