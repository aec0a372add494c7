"""The settings: read, refused with words that help, written, and the same everywhere."""

from __future__ import annotations

import dataclasses
import string
import tomllib
from pathlib import Path
from typing import Any, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.relay.operating import settings
from heliogram.relay.operating.config import MOST, Address, Config
from heliogram.relay.operating.settings import SETTINGS, ConfigError, load, render
from heliogram.relay.terms import Terms
from heliogram.wire import limits
from heliogram.wire.objects import RelayDescription

ROOT = Path(__file__).parent.parent.parent


def write(data: Path, text: str) -> Path:
    data.mkdir(exist_ok=True)
    file = data / settings.FILE_NAME
    file.write_text(text, encoding="utf-8")
    return file


# --- Defaults -------------------------------------------------------------------------------------


def test_a_directory_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path) == Config(data=tmp_path)


def test_the_defaults_are_allowed(tmp_path: Path) -> None:
    given = {one.name: one.default for one in SETTINGS.values() if one.name != "data"}
    assert load(tmp_path, flags=given) == Config(data=tmp_path)


def test_the_defaults_are_those_of_the_terms() -> None:
    config = Config(data=Path("x"))
    for one in dataclasses.fields(Terms):
        if one.name != "limits":
            assert getattr(config, one.name) == one.default, one.name
    assert config.terms().limits == config.limits()


def test_terms_and_limits_carry_what_is_configured() -> None:
    """Each name with a value of its own, so that none is mixed up with another."""
    names = {one.name for one in dataclasses.fields(Terms)} - {"limits"}
    names |= {one.name for one in dataclasses.fields(Config(data=Path("x")).limits())}
    values: dict[str, Any] = {name: 1000 + place for place, name in enumerate(sorted(names))}
    terms = Config(data=Path("x"), **values).terms()
    for name in names:
        holder = terms if hasattr(terms, name) else terms.limits
        assert getattr(holder, name) == values[name], name


def test_the_announced_limits_are_within_the_protocol(tmp_path: Path) -> None:
    """At both ends of every bound."""
    for extreme in ("least", "most"):
        given = {}
        for name in ("difficulty_open", "difficulty_inbox", "max_frame", "max_entry", "max_blob"):
            low, _, high = SETTINGS[name].allowed.partition(" to ")
            given[name] = int(low if extreme == "least" else high)
        given["max_pending"] = 1 if extreme == "least" else limits.MAX_PENDING
        assert load(tmp_path, flags=given).limits().within_protocol()


# --- Reading --------------------------------------------------------------------------------------


def test_options_go_before_the_file(tmp_path: Path) -> None:
    write(tmp_path, "max_logs = 5\nmax_inboxes = 6\n")
    config = load(tmp_path, flags={"max_logs": 7, "max_inboxes": None})
    assert (config.max_logs, config.max_inboxes) == (7, 6)


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    file = write(tmp_path, 'data = "here"\ntls_cert = "a.pem"\ntls_key = "/etc/b.pem"\n')
    config = load(file=file)
    assert config.data == tmp_path / "here"
    assert config.tls == (tmp_path / "a.pem", Path("/etc/b.pem"))
    assert load(Path("elsewhere"), file=file).data == Path("elsewhere")


def test_places_in_the_data_directory() -> None:
    config = Config(data=Path("x"))
    assert (config.database, config.blobs) == (Path("x/relay.db"), Path("x/blobs"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listn = 1", ["relay.toml", "'listn'", "Is it listen?"]),
        ("colour = 1", ["there is no setting 'colour'."]),
        ('max_frame = "big"', ["max_frame", "another kind", "327680 to 393216", "max_frame = "]),
        ("max_frame = 1", ["max_frame", "out of bounds", "327680 to 393216"]),
        ("max_frame = 1e6", ["max_frame", "another kind"]),
        ("max_logs = true", ["max_logs", "another kind", "at least 1"]),
        (f"max_logs = {10**40}", ["max_logs", "at least 1"]),
        ("posts_per_day = 0", ["posts_per_day", "out of bounds"]),
        ("plain_behind_proxy = 1", ["plain_behind_proxy", "true or false"]),
        ("[listen]\nx = 1", ["listen", "another kind"]),
        ('log_level = "loud"', ["log_level", "debug or info or warning or error"]),
        ('endpoints = ["wss://a", 1]', ["endpoints"]),
        ('endpoints = ["https://a"]', ["endpoints", "wss://"]),
        (f'endpoints = ["wss://{"a" * 256}"]', ["endpoints", "longer than 256 bytes"]),
        (f"endpoints = {['wss://a'] * 5}", ["endpoints", "at most 4"]),
        ('operator_key = "xyz"', ["operator_key", "not hexadecimal"]),
        ('operator_key = "00ff"', ["operator_key", "2 bytes instead of 32"]),
        ('site_title = "a\\u0007b"', ["site_title", "cannot be printed"]),
        (f'site_title = "{"a" * 81}"', ["site_title", "at most 80 characters"]),
        ('tls_cert = ""', ["tls_cert", "a path"]),
        ('tls_cert = "a"', ["tls_key", "missing"]),
        ('tls_key = "a"', ["tls_cert", "missing"]),
        ('tls_cert = "a\\u0000b"', ["tls_cert", "cannot be printed"]),
        ("certificate_days = 10", ["certificate_days", "less than entry_days, 30"]),
        ("idle_days = 100", ["idle_days", "less than certificate_days, 180"]),
        ('listen = "8443"', ["listen", "no port", 'listen = "127.0.0.1:8443"']),
        ('listen = "127.0.0.1:"', ["listen", "no port"]),
        ('listen = "127.0.0.1:²"', ["listen", "no port"]),
        ('listen = "127.0.0.1:65536"', ["listen", "above 65535"]),
        ('listen = "::1:8443"', ["listen", "brackets"]),
        ('listen = "relay.example:443"', ["listen", "neither an IP address nor localhost"]),
        ('listen = "0.0.0.0:443"', ["others can reach", "tls_cert", "plain_behind_proxy = true"]),
        ('listen = "[::]:443"', ["others can reach"]),
        ('metrics = "0.0.0.0:9464"', ["metrics", "127.0.0.1"]),
        ('metrics = "on"', ["metrics", "or off"]),
        ("a = ", ["not TOML"]),
        ("x = " + "[" * 5000, ["not TOML"]),
        ("#" * (settings.MAX_FILE + 1), ["longer than 65536"]),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: list[str]) -> None:
    write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    said = str(caught.value)
    assert str(tmp_path) in said and len(said) < 1000
    for word in words:
        assert word in said


def test_an_option_is_blamed_as_one(tmp_path: Path) -> None:
    write(tmp_path, "idle_days = 800")
    with pytest.raises(ConfigError, match=r"^the command line: max_frame"):
        load(tmp_path, flags={"max_frame": 1})
    with pytest.raises(ConfigError, match=r"relay\.toml: idle_days .* certificate_days, 900"):
        load(tmp_path, flags={"certificate_days": 900})


def test_no_directory_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--data"):
        load()
    with pytest.raises(ConfigError, match="data is missing"):
        load(file=write(tmp_path, ""))


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path, file=tmp_path / "x.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, file=tmp_path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / settings.FILE_NAME).write_bytes(b'site_title = "\xff"')
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1"])
def test_plain_only_behind_a_proxy_or_with_tls(tmp_path: Path, host: str) -> None:
    listen = {"listen": f"{host}:8443"}
    assert load(tmp_path, flags={**listen, "plain_behind_proxy": True})
    assert load(tmp_path, flags={**listen, "tls_cert": Path("a"), "tls_key": Path("b")})
    with pytest.raises(ConfigError):
        load(tmp_path, flags=listen)


@pytest.mark.parametrize("text", ["127.0.0.1:0", "127.8.8.8:1", "[::1]:8443", "localhost:65535"])
def test_addresses_of_this_machine(text: str) -> None:
    address = Address.parse(text)
    assert address.loopback and str(address) == text


def test_metrics_are_off_unless_asked_for(tmp_path: Path) -> None:
    assert load(tmp_path).metrics_address is None
    assert load(tmp_path, flags={"metrics": "[::1]:0"}).metrics_address == Address("::1", 0)


def test_the_description_of_a_relay(tmp_path: Path) -> None:
    key, operator = b"\1" * 32, b"\2" * 32
    config = load(tmp_path, flags={"endpoints": ["wss://relay.example/ws"]})
    assert config.description(key) == RelayDescription(key, key, (b"wss://relay.example/ws",))
    config = load(tmp_path, flags={"operator_key": operator.hex()})
    made = config.description(key)
    assert made == RelayDescription(key, operator, ())
    assert RelayDescription.from_bytes(made.encode()) == made


# --- Every input ----------------------------------------------------------------------------------

printable = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "M")) | st.sampled_from(' \n\\"'),
    max_size=60,
)


def values(setting: settings.Setting) -> st.SearchStrategy[Any]:
    """Values that a setting allows."""
    special: dict[str, st.SearchStrategy[Any]] = {
        "listen": st.builds("127.0.0.1:{}".format, st.integers(0, 65535)),
        "metrics": st.just("off") | st.builds("[::1]:{}".format, st.integers(0, 65535)),
        "operator_key": st.just("") | st.binary(min_size=32, max_size=32).map(bytes.hex),
        "endpoints": st.lists(
            st.text(string.ascii_letters + '/"\\é', max_size=40).map("wss://{}".format), max_size=4
        ).map(tuple),
        "entry_days": st.integers(1, 100),
        "certificate_days": st.integers(100, 200),
        "idle_days": st.integers(200, 65535),
    }
    if setting.name in special:
        return special[setting.name]
    if setting.kind is bool:
        return st.booleans()
    if setting.kind is int:
        low, _, high = setting.allowed.removeprefix("a number of at least ").partition(" to ")
        return st.integers(int(low), int(high or MOST))
    if setting.kind is str:
        return printable
    return st.sampled_from(setting.kind.__args__)


names = [
    one.name
    for one in SETTINGS.values()
    if one.name not in ("data", "tls_cert", "tls_key", "certificate_days", "idle_days")
]
configurations = st.fixed_dictionaries(
    {name: values(SETTINGS[name]) for name in ("entry_days", "certificate_days", "idle_days")},
    optional={name: values(SETTINGS[name]) for name in names if name != "entry_days"},
)


@given(given=configurations)
def test_what_is_written_is_read(given: dict[str, Any]) -> None:
    """Through the file, and as options: the same configuration."""
    text = render(given)
    assert {**tomllib.loads(text)} == {
        name: list(value) if isinstance(value, tuple) else value for name, value in given.items()
    }
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        data = Path(folder)
        write(data, text)
        by_file = load(data)
        assert load(data / "empty", flags=given) == Config(data=data / "empty", **{**given}), (
            "as options"
        )
    assert by_file == Config(data=data, **given)


toml_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | printable | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(printable, inner, max_size=3),
    max_leaves=5,
)


@given(flags=st.dictionaries(st.sampled_from(list(SETTINGS)) | printable, toml_values, max_size=4))
def test_any_value_is_read_or_refused(flags: dict[str, Any]) -> None:
    try:
        config = load(flags=flags)
    except ConfigError:
        return
    assert config.limits().within_protocol()
    assert config.listen_address.loopback or config.tls or config.plain_behind_proxy


lines = st.sampled_from([*SETTINGS, "x", "[a]", "[[b]]", "=", '"', "'''", "\\u0000", "{", "[", "]"])


@given(
    content=st.binary(max_size=200)
    | st.lists(lines | st.sampled_from([" = 1\n", ' = "a"\n', "\n"]), max_size=12).map(
        lambda parts: "".join(parts).encode()
    )
)
def test_any_file_is_read_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.getbasetemp() / "any"
    data.mkdir(exist_ok=True)
    (data / settings.FILE_NAME).write_bytes(content)
    try:
        load(data)
    except ConfigError as error:
        assert len(str(error)) < 2000


# --- The same everywhere --------------------------------------------------------------------------


def test_a_new_file_says_every_setting(tmp_path: Path) -> None:
    text = render({})
    assert tomllib.loads(text) == {}
    shown = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if "= " in line and " = " in line
    )
    written = tomllib.loads(shown)
    assert list(written) == [name for name in SETTINGS if name != "data"]
    for name, value in written.items():
        default = SETTINGS[name].default
        assert value == (
            "" if default is None else list(default) if isinstance(default, tuple) else default
        )


def test_each_setting_has_its_words() -> None:
    for one in SETTINGS.values():
        assert one.what.endswith(".") and one.allowed, one.name
        if one.name not in ("data", "tls_cert", "tls_key"):
            example = tuple(one.example) if get_origin(one.kind) is tuple else one.example
            assert settings._value(one.name, example, "here") == example
