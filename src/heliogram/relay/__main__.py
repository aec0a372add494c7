"""`heliogram-relay`: make a relay, serve it, look at it.

    heliogram-relay init --data relay-1
    heliogram-relay serve --data relay-1

Every setting of `config` is an option too. Ends with 0 if all went well, 1 if something failed, 2 if what was
asked or configured cannot be, 3 if another process serves the directory. What went wrong is one text on
standard error: what happened, whose fault it is, what to do.
"""

from __future__ import annotations

import errno
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, get_origin

import typer

from heliogram.relay.errors import RelayError, StoreError
from heliogram.relay.operating import identity, journal, settings
from heliogram.relay.operating.config import Address, Config
from heliogram.relay.operating.disclosure.command import disclose

FAILED: Final = 1
USAGE: Final = 2
BUSY: Final = 3

#: Open files besides those of connections: the database, blobs, threads.
SPARE_FILES: Final = 512

#: Bytes of a database up to which the remains of what was deleted are cleared when the relay stops: seconds.
QUICK_BYTES: Final = 1 << 30

app = typer.Typer(
    help="A relay of Heliogram: it keeps and orders ciphertext.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback shows variables, and variables hold what clients sent.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option(help=settings.SETTINGS["data"].what)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


app.command()(disclose)


def main() -> None:
    """Run the command line."""
    # Whatever is made here is for its owner only.
    os.umask(0o077)
    app(prog_name="heliogram-relay")


# --- Settings as options --------------------------------------------------------------------------


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with each setting as an option. Those that were given come as `flags`."""
    options = {
        one.name: inspect.Parameter(
            one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(one)
        )
        for one in settings.SETTINGS.values()
        if one.name != "data"
    }

    def run(**values: Any) -> None:
        flags = {name: values.pop(name) for name in options}
        command(flags=flags, **values)

    own = inspect.signature(command, eval_str=True).parameters
    parameters = [one for name, one in own.items() if name != "flags"]
    run.__signature__ = inspect.Signature([*parameters, *options.values()])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in (*parameters, *options.values())}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _annotation(setting: settings.Setting) -> Any:
    flag = "--" + setting.name.replace("_", "-")
    kind: Any = str
    if setting.kind is bool:
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=setting.what)]
    if setting.kind is int:
        kind = int
    elif setting.kind == (Path | None):
        kind = Path
    elif get_origin(setting.kind) is tuple:
        kind = list[str]
    default = "" if setting.default in (None, "", ()) else f" Default: {setting.default}."
    return Annotated[kind | None, typer.Option(flag, help=setting.what + default)]


# --- Commands -------------------------------------------------------------------------------------


@app.command()
@with_settings
def init(data: Data, *, as_json: Json = False, flags: dict[str, Any]) -> None:
    """Make a new relay in a new or empty directory."""
    from heliogram.relay.operating import upkeep

    with _explained():
        given = {name: _absolute(value) for name, value in _given(flags).items()}
        config = settings.load(data, flags=given)
        made = upkeep.make(config, given)
        description = config.description(made.public).encode().hex()
        if as_json:
            _print_json(
                data=str(data), key=made.public.hex(), description=description, listen=config.listen
            )
            return
        print(f"A new relay is in {data}. Its settings are in {data / settings.FILE_NAME}.")
        print(f"key {made.public.hex()}")
        print(f"description {description}")
        print()
        print(f"Start it:  heliogram-relay serve --data {data}")
        print(
            "Never restore this directory from a backup: the relay would contradict what it signed."
        )


@app.command()
@with_settings
def serve(
    data: Annotated[Path | None, typer.Option(help=settings.SETTINGS["data"].what)] = None,
    config: Annotated[
        Path | None, typer.Option(help="The file of the settings. Default: relay.toml in --data.")
    ] = None,
    *,
    flags: dict[str, Any],
) -> None:
    """Serve a relay until SIGTERM or SIGINT. Prints one line when it listens."""
    with _explained():
        chosen = settings.load(data, file=config, flags=_given(flags))
        key = identity.load(chosen.data)
        _check_tls(chosen)
        with identity.lock(chosen.data):
            from heliogram.relay.operating import upkeep

            upkeep.check_database(chosen, key.public)
            journal.start(chosen.log_level, chosen.log_format)
            _prepare_process(chosen)
            _serve(chosen, key)


def _serve(config: Config, key: Any) -> None:
    from heliogram.relay.operating import upkeep
    from heliogram.relay.serving import server

    def announce(host: str, port: int) -> None:
        print(f"listening on {Address(host, port)} key {key.public.hex()}", flush=True)

    try:
        server.run(config, key, announce=announce)
    except OSError as error:
        raise _Failure(_why(error, config)) from error
    try:
        upkeep.wipe_remains(config, ceiling=QUICK_BYTES)
    except StoreError as error:
        # All promises are kept; only what was deleted may still be found on the disk.
        print(f"{error}.", file=sys.stderr)


def _prepare_process(config: Config) -> None:
    """No core dumps, which hold what is in memory; a file for each connection, as far as it is allowed."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = config.max_connections + SPARE_FILES
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < wanted:
            print(
                f"The system allows {hard} open files; max_connections = {config.max_connections} needs"
                f" {wanted}. Raise the limit (LimitNOFILE, ulimit -n), or lower max_connections.",
                file=sys.stderr,
            )
            wanted = hard
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        # A sandbox that allows no change has set its own limits.
        return


@app.command()
def status(data: Data, *, as_json: Json = False) -> None:
    """Say whether a relay is running, how much it keeps, and how much room is left."""
    from heliogram.relay.operating import upkeep

    with _explained():
        condition = upkeep.inspect(settings.load(data))
        if as_json:
            _print_json(**asdict(condition))
            return
        for name, value in asdict(condition).items():
            shown = ("no", "yes")[value] if isinstance(value, bool) else value
            print(f"{name:<16}{shown}")


@app.command()
def compact(data: Data, *, as_json: Json = False) -> None:
    """Give room that is free in the database back to the disk. The relay must not be running."""
    from heliogram.relay.operating import upkeep

    with _explained():
        config = settings.load(data)
        identity.load(config.data)
        with identity.lock(config.data):
            freed = upkeep.compact(config)
        if as_json:
            _print_json(freed_bytes=freed)
        else:
            print(f"{freed} bytes were given back.")


# --- What goes wrong ------------------------------------------------------------------------------


class _Failure(Exception):
    """Something failed while it ran. The text is for the operator."""


@contextmanager
def _explained() -> Iterator[None]:
    """Turn every error into a text for the operator and an exit code."""
    try:
        yield
    except typer.Exit:
        raise
    except settings.ConfigError as error:
        raise _end(USAGE, str(error)) from None
    except identity.NoIdentity as error:
        hint = f"Make one:  heliogram-relay init --data {error.data}"
        raise _end(USAGE, f"{error}\n{hint}") from None
    except identity.Busy as error:
        raise _end(BUSY, str(error)) from None
    except identity.IdentityError as error:
        raise _end(USAGE, str(error)) from None
    except StoreError as error:
        raise _end(FAILED, f"The data directory cannot be used: {error}.") from None
    except RelayError as error:
        raise _end(FAILED, f"The data directory cannot be written: {error.code.name}.") from None
    except _Failure as error:
        raise _end(FAILED, str(error)) from None
    except OSError as error:
        # Without the name of the file: a blob's is a client's.
        why = error.strerror or type(error).__name__
        raise _end(FAILED, f"The system does not allow it: {why}.") from None
    except Exception as error:
        # Its text may hold anything.
        raise _end(
            FAILED,
            f"This is a bug: {type(error).__name__} at {journal.place(error)}.\n"
            "Report these names; nothing else is shown, because it may be a client's.",
        ) from None


def _end(code: int, text: str) -> typer.Exit:
    print(text, file=sys.stderr)
    return typer.Exit(code)


def _why(error: OSError, config: Config) -> str:
    """Why the relay cannot begin, or could not go on."""
    wanted = {str(config.listen_address), str(config.metrics_address or "")} - {""}
    where = " or ".join(sorted(wanted))
    if error.errno == errno.EADDRINUSE:
        return f"{where}: another program listens there. Stop it, or choose another --listen."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address. Choose another --listen."
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{where}: the system does not allow it. Choose a port above 1023, or a proxy in front."
        )
    return f"The system does not let the relay work: {error.strerror or type(error).__name__}."


def _check_tls(config: Config) -> None:
    """Try the certificate before anything is started. Raises `ConfigError`."""
    if config.tls is None:
        return
    import ssl

    certificate, key = config.tls
    for name, path in (("tls_cert", certificate), ("tls_key", key)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise settings.ConfigError(
                f"{name}: {path} cannot be read: {error.strerror}."
            ) from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_refuse)
    except (ssl.SSLError, ValueError):
        raise settings.ConfigError(
            f"tls_cert, tls_key: {certificate} and {key} are not a certificate in PEM and its key,"
            " or the key has a passphrase. The relay needs both, without a passphrase."
        ) from None


def _refuse() -> str:
    raise ValueError


# --- Helpers of the commands ----------------------------------------------------------------------


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value not in (None, [])}


def _absolute(value: Any) -> Any:
    """A path as it must stand in a file that lies elsewhere."""
    return value.absolute() if isinstance(value, Path) else value


def _print_json(**values: Any) -> None:
    print(json.dumps(values))


if __name__ == "__main__":
    main()
