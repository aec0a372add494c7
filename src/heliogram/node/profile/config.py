"""What must be known before the database is open, in `config.toml`. Nothing in it is secret."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from heliogram.node.errors import ProfileError
from heliogram.node.profile.directory import downloads
from heliogram.node.store.disk import replace_private

_LARGEST: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a profile."""

    #: Whether the passphrase is kept in the desktop's own store.
    keyring: bool = False
    #: Where files go that somebody saves.
    downloads: Path = field(default_factory=downloads)


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    keyring: bool = False
    downloads: str = ""


def load(path: Path) -> Config:
    """The settings in a file; without one, those that all begin with. Raises `ProfileError`."""
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise ProfileError(f"config.toml cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise ProfileError("config.toml is too long")
    try:
        read = msgspec.convert(tomllib.loads(content.decode()), _File)
    except (ValueError, RecursionError):
        raise ProfileError(
            "config.toml is damaged: it has `keyring = true` or false, and `downloads` with a path"
            ' in "…". Without the file all is as at the beginning'
        ) from None
    if not read.downloads:
        return Config(read.keyring)
    folder = Path(read.downloads)
    if not folder.is_absolute():
        raise ProfileError("config.toml: `downloads` is a whole path, from the root on")
    return Config(read.keyring, folder)


def save(path: Path, config: Config) -> None:
    """Write the settings. Raises `ProfileError`."""
    lines = [f"keyring = {str(config.keyring).lower()}"]
    if config.downloads != downloads():
        # A string of JSON is one of TOML, but for pairs of surrogates and DEL.
        quoted = json.dumps(str(config.downloads), ensure_ascii=False).replace("\x7f", "\\u007f")
        lines.append(f"downloads = {quoted}")
    try:
        replace_private(path, ("\n".join(lines) + "\n").encode())
    except UnicodeEncodeError:
        raise ProfileError("the path of the downloads is no text") from None
    except OSError as error:
        raise ProfileError(f"config.toml cannot be written: {error.strerror}") from None
