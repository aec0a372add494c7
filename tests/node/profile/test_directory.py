"""Where a profile is found, and a socket's path that every system takes."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import platformdirs
import pytest

from heliogram.node.errors import ProfileError
from heliogram.node.profile.config import Config, load, save
from heliogram.node.profile.directory import LONGEST_SOCKET_PATH, Directory, downloads, find

posix = pytest.mark.skipif(os.name != "posix", reason="sockets and rights as POSIX has them")


def test_an_argument_goes_before_the_variable_before_the_usual_place(tmp_path: Path) -> None:
    environ = {"HELIOGRAM_HOME": str(tmp_path / "variable")}
    assert find(tmp_path / "argument", environ=environ).root == tmp_path / "argument"
    assert find(environ=environ).root == tmp_path / "variable"
    usual = platformdirs.user_data_path("heliogram", appauthor=False)
    assert find(environ={}).root == usual / "default"
    assert find(environ={}, name="work").root == usual / "work"
    assert find("~/h").root == Path.home() / "h"


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a" * 33, "a\n"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ProfileError):
        find(environ={}, name=name)


@posix
def test_a_socket_can_be_bound_wherever_the_profile_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = Directory(Path(tempfile.mkdtemp(dir="/tmp")))
    assert near.socket() == near.root / "node.sock"
    near.root.rmdir()
    run = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    far, other = Directory(tmp_path / ("x" * 120)), Directory(tmp_path / ("y" * 120))
    path = far.socket()
    assert path == far.socket() != other.socket()
    assert len(os.fsencode(path)) <= LONGEST_SOCKET_PATH
    assert "x" * 10 not in str(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    path.unlink()


@posix
def test_a_socket_is_not_put_where_others_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    far = Directory(tmp_path / ("x" * 120))
    folder = far.socket().parent
    folder.chmod(0o755)
    with pytest.raises(ProfileError, match="not ours"):
        far.socket()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(ProfileError, match="not ours"):
        far.socket()


def test_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert load(path) == Config(keyring=False, downloads=downloads())
    config = Config(keyring=True, downloads=tmp_path / "\u00fc \" \\ \U0001f600 '\x7f")
    save(path, config)
    assert load(path) == config
    save(path, Config())
    assert path.read_text() == "keyring = false\n"


@pytest.mark.parametrize(
    "content",
    [
        "x",
        "a = 1",
        "keyring = 1",
        "downloads = 1",
        "downloads = 'here'",
        "[" * 60_000,
        " " * 70_000,
        "\ud800",
    ],
    ids=range(8),
)
def test_settings_that_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(ProfileError, match=r"config\.toml"):
        load(path)
