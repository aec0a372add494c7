"""Settings of a relay: read from `relay.toml` and the command line, checked, and written.

    config = load(Path("relay-1"), flags={"listen": "127.0.0.1:0"})
    config.terms()                  # what the cores need of it

What is wrong is a `ConfigError`: its text says which setting of which file, what is allowed, and gives an
example.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Meta

from heliogram.relay.operating.config import MOST, Config
from heliogram.wire import limits

#: The file's name in the data directory.
FILE_NAME: Final = "relay.toml"

#: Bytes of a configuration that are read.
MAX_FILE: Final = 64 << 10


class ConfigError(Exception):
    """The configuration cannot be used. The text is for the operator."""


class Setting(NamedTuple):
    """One field of `Config`, for people and for the command line."""

    name: str
    #: Its type without its bounds.
    kind: Any
    default: Any
    #: What it is, in a sentence.
    what: str
    #: What is allowed, in words.
    allowed: str
    example: Any
    #: With its bounds, for `msgspec.convert`.
    annotated: Any


#: For settings whose default shows nothing.
_EXAMPLES: Final[dict[str, Any]] = {
    "data": "relay-1",
    "tls_cert": "fullchain.pem",
    "tls_key": "privkey.pem",
    "plain_behind_proxy": True,
    "metrics": "127.0.0.1:9464",
    "operator_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "endpoints": ["wss://relay.example/ws"],
    "site_title": "Garden club",
    "site_text": "We meet on Sundays.",
}


#: What is allowed in texts that have a form.
_FORMS: Final = {
    "listen": "an IP address or localhost, a colon, a port",
    "metrics": "127.0.0.1, [::1] or localhost, a colon, a port; or off",
    "operator_key": "64 hexadecimal digits, or nothing",
    "endpoints": f"a list of at most {limits.MAX_ENDPOINTS} URLs of at most {limits.MAX_ENDPOINT} bytes",
}


def _settings() -> dict[str, Setting]:
    found = {}
    for one in msgspec.structs.fields(Config):
        kind, what, *bounds = get_args(one.type)
        default = None if one.default is msgspec.NODEFAULT else one.default
        example = _EXAMPLES.get(one.name, default)
        allowed = _allowed(one.name, kind, bounds[0] if bounds else Meta())
        found[one.name] = Setting(one.name, kind, default, what, allowed, example, one.type)
    return found


def _allowed(name: str, kind: Any, meta: Meta) -> str:
    if name in _FORMS:
        return _FORMS[name]
    if kind is int:
        return f"a number of at least {meta.ge}" if meta.le == MOST else f"{meta.ge} to {meta.le}"
    if kind is bool:
        return "true or false"
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return f"a list of at most {meta.max_length}"
    if kind is str and meta.max_length is not None:
        return f"a text of at most {meta.max_length} characters"
    return "a path"


#: All settings by name, in the order of the file.
SETTINGS: Final = _settings()


# --- Reading --------------------------------------------------------------------------------------


def load(
    data: Path | None = None, *, file: Path | None = None, flags: Mapping[str, Any] | None = None
) -> Config:
    """The configuration in `file`, or else in the data directory; `flags` have precedence.

    A flag that is None was not given. Paths in the file are relative to it. The data directory needs no
    file; a file that was named must be there. Raises `ConfigError`.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    if data is not None:
        given["data"] = data
    options = {name: _value(name, value, "the command line") for name, value in given.items()}
    if file is None and "data" not in options:
        raise ConfigError("No data directory is named. Example: --data relay-1")
    source = options["data"] / FILE_NAME if file is None else file
    values = _read(source, needed=file is not None)
    checked = {name: _value(name, value, str(source)) for name, value in values.items()}
    for name, value in checked.items():
        if isinstance(value, Path):
            checked[name] = source.parent / value
    checked |= options
    if "data" not in checked:
        raise ConfigError(
            f'{source}: data is missing. Example: data = "relay-1", or --data relay-1'
        )
    config = Config(**checked)
    check(config, {name: "the command line" if name in given else str(source) for name in SETTINGS})
    return config


def _read(source: Path, *, needed: bool) -> dict[str, Any]:
    try:
        with source.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        if not needed:
            return {}
        raise ConfigError(f"{source}: there is no such file.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError(f"{source}: it cannot be read: {why}.") from None
    if len(content) > MAX_FILE:
        raise ConfigError(f"{source}: it is longer than {MAX_FILE} bytes.")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: it is not UTF-8.") from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        why = "too deep" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(f"{source}: it is not TOML: {why}.") from None


def _value(name: str, value: Any, source: str) -> Any:
    """`value` as the setting's type, or `ConfigError`."""
    setting = SETTINGS.get(name)
    if setting is None:
        near = get_close_matches(name, SETTINGS, 1)
        hint = f" Is it {near[0]}?" if near else ""
        raise ConfigError(f"{source}: there is no setting {_shown(name)}.{hint}")
    try:
        made = msgspec.convert(value, setting.annotated, dec_hook=_from_text)
    except msgspec.ValidationError:
        raise _wrong(setting, _mismatch(setting, value), source) from None
    texts = made if isinstance(made, tuple) else [made] if isinstance(made, str | Path) else []
    if not all(_is_plain(str(text)) for text in texts):
        raise _wrong(setting, "it has characters that cannot be printed", source)
    return made


def _mismatch(setting: Setting, value: Any) -> str:
    try:
        msgspec.convert(value, setting.kind, dec_hook=_from_text)
    except msgspec.ValidationError:
        return "it is of another kind"
    return "it is out of bounds"


def _from_text(kind: Any, value: Any) -> Any:
    if isinstance(value, Path):
        return value
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError


def _is_plain(text: str) -> bool:
    """Whether this can be printed, and so encoded. Only new lines are allowed besides."""
    return text.replace("\n", "").isprintable()


def _wrong(setting: Setting, why: str, source: str) -> ConfigError:
    example = f"{setting.name} = {_toml(setting.example)}"
    return ConfigError(
        f"{source}: {setting.name} cannot be used: {why}.\n"
        f"{setting.what} Allowed: {setting.allowed}. Example: {example}"
    )


def _shown(name: str) -> str:
    """A name of the operator's, cut short and without control characters."""
    return ascii(name[:40])


def check(config: Config, sources: Mapping[str, str]) -> None:
    """What no single setting shows. `sources` says for each where it comes from. Raises `ConfigError`."""

    def wrong(name: str, why: str) -> ConfigError:
        return _wrong(SETTINGS[name], why, sources[name])

    try:
        address = config.listen_address
    except ValueError as error:
        raise wrong("listen", str(error)) from None
    try:
        metrics = config.metrics_address
    except ValueError as error:
        raise wrong("metrics", str(error)) from None
    if metrics is not None and not metrics.loopback:
        raise wrong("metrics", "others could connect to it; it must be on 127.0.0.1 or [::1]")
    if (config.tls_cert is None) != (config.tls_key is None):
        missing = "tls_key" if config.tls_key is None else "tls_cert"
        raise wrong(missing, "it is missing, and TLS needs both a certificate and its key")
    if config.tls is None and not address.loopback and not config.plain_behind_proxy:
        raise ConfigError(
            f"{sources['listen']}: listen is an address that others can reach, and there is no TLS.\n"
            "Set tls_cert and tls_key; or listen on 127.0.0.1; or, if a proxy ends TLS and only the proxy"
            " can connect here, plain_behind_proxy = true."
        )
    for less, more in (("entry_days", "certificate_days"), ("certificate_days", "idle_days")):
        if getattr(config, less) > getattr(config, more):
            raise wrong(more, f"it is less than {less}, {getattr(config, less)}")
    _check_description(config, wrong)


def _check_description(config: Config, wrong: Callable[[str, str], ConfigError]) -> None:
    try:
        key = bytes.fromhex(config.operator_key)
    except ValueError:
        raise wrong("operator_key", "it is not hexadecimal") from None
    if len(key) not in (0, limits.KEY_SIZE):
        raise wrong("operator_key", f"it has {len(key)} bytes instead of {limits.KEY_SIZE}")
    for endpoint in config.endpoints:
        if not endpoint.startswith(("wss://", "ws://")):
            raise wrong("endpoints", "one of them begins neither with wss:// nor with ws://")
        if len(endpoint.encode()) > limits.MAX_ENDPOINT:
            raise wrong("endpoints", f"one of them is longer than {limits.MAX_ENDPOINT} bytes")


# --- Writing --------------------------------------------------------------------------------------

#: Headings of a new file, each before the setting that it names.
_HEADINGS: Final = {
    "listen": "Where it listens",
    "operator_key": "What others see of it",
    "entry_days": "How long it keeps",
    "difficulty_open": "What a client may send",
    "max_connections": "Connections. An address is an IPv4 address or an IPv6 /64",
    "posts_per_day": "Budgets of each log, so that nobody fills the disk",
    "items_per_day": "Budgets of links and cells",
    "max_logs": "Budgets of the whole relay",
    "log_level": "What it says to its operator",
}


def render(given: Mapping[str, Any]) -> str:
    """A new `relay.toml`: all settings with what they mean, those of `given` set, the others as comments."""
    lines = [
        "# The settings of this relay. A line that begins with # shows the default.",
        "# Sizes are bytes. Each setting is an option of `heliogram-relay serve` too.",
    ]
    for setting in SETTINGS.values():
        if setting.name in _HEADINGS:
            lines += ["", f"# --- {_HEADINGS[setting.name]} ---"]
        if setting.name == "data":  # the folder that the file lies in
            continue
        value = given.get(setting.name)
        shown = setting.default if value is None else value
        mark = "# " if value is None else ""
        lines += ["", f"# {setting.what} Allowed: {setting.allowed}."]
        lines.append(f"{mark}{setting.name} = {_toml('' if shown is None else shown)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # TOML's strings are JSON's, but for one character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
