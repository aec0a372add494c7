"""Where a node listens for other processes of its owner, and who may come.

On POSIX systems that is a Unix socket, 0600 from the moment it is there, in a directory that is 0700. The
kernel says which user connects; others are turned away even if somebody has opened the directory to them.

Elsewhere it is a port of the loopback interface. A file in the same directory holds the port and a secret;
both sides prove that they know it before anything else is said, so that neither is fooled by whoever takes a
port that a node has left.
"""

from __future__ import annotations

import errno
import hmac
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from heliogram.node.control.faults import AlreadyRunning, Interrupted, NotRunning, UnsafePlace

#: Whether there are Unix sockets here.
UNIX: Final = hasattr(socket, "AF_UNIX")

#: Connections that wait for being accepted.
BACKLOG: Final = 16

#: Seconds until a node must have taken a connection, and bytes of a line that proves something.
PATIENCE: Final = 5.0
MAX_PROOF: Final = 256

NONCE_SIZE: Final = 32

_LOCAL_PEERCRED: Final = 1


class Door(msgspec.Struct, frozen=True):
    """What the file of a place without Unix sockets holds."""

    port: int
    secret: str

    def __repr__(self) -> str:
        return "Door()"


def proof(secret: str, side: str, server: str, client: str) -> str:
    """What `side` ("server", "client") shows to know the secret, for these two nonces."""
    said = f"heliogram control {side} {server} {client}".encode()
    return hmac.new(secret.encode(), said, sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """A place by its path, in a directory that is 0700. `loopback`: a port and a file, no Unix socket."""

    path: Path
    loopback: bool = not UNIX

    # --- Connecting -------------------------------------------------------------------------------

    def connect(self) -> socket.socket:
        """A connection that the node has let in, blocking. Raises `NotRunning`, `UnsafePlace`."""
        return self._connect_loopback() if self.loopback else self._connect_unix()

    def _connect_unix(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        try:
            made.settimeout(PATIENCE)
            made.connect(os.fsencode(self.path))
            if peer_user(made) not in (None, os.geteuid()):
                raise UnsafePlace
            made.settimeout(None)
        except OSError:
            made.close()
            raise NotRunning from None
        except BaseException:
            made.close()
            raise
        return made

    def _connect_loopback(self) -> socket.socket:
        try:
            door = msgspec.json.decode(self.path.read_bytes(), type=Door)
            made = socket.create_connection(("127.0.0.1", door.port), PATIENCE)
        except (OSError, msgspec.DecodeError, OverflowError):
            raise NotRunning from None
        try:
            server = _read_word(made)
            client = os.urandom(NONCE_SIZE).hex()
            made.sendall(f"{client} {proof(door.secret, 'client', server, client)}\n".encode())
            if not hmac.compare_digest(
                _read_word(made), proof(door.secret, "server", server, client)
            ):
                raise NotRunning
            made.settimeout(None)
        except OSError:
            made.close()
            raise NotRunning from None
        except BaseException:
            made.close()
            raise
        return made

    # --- Listening --------------------------------------------------------------------------------

    def listen(self) -> tuple[socket.socket, str]:
        """A listening socket, and the secret that who comes must know; empty for a Unix socket.

        Raises `AlreadyRunning` if a node listens here, `UnsafePlace` if others could put something here.
        """
        parent = self.path.parent
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(parent)
        self._clear()
        return self._listen_loopback() if self.loopback else (self._listen_unix(), "")

    def _clear(self) -> None:
        """Take away what a node has left that is no more."""
        try:
            self.connect().close()
        except NotRunning:
            pass
        else:
            raise AlreadyRunning
        try:
            kind = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if not (stat.S_ISREG(kind) if self.loopback else stat.S_ISSOCK(kind)):
            raise UnsafePlace
        self.path.unlink()

    def _listen_unix(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        try:
            with _umask(0o177):
                made.bind(os.fsencode(self.path))
            made.listen(BACKLOG)
        except OSError as error:
            made.close()
            if error.errno == errno.EADDRINUSE:
                raise AlreadyRunning from None
            raise
        return made

    def _listen_loopback(self) -> tuple[socket.socket, str]:
        made = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        door = Door(made.getsockname()[1], os.urandom(NONCE_SIZE).hex())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            with open(os.open(self.path, flags, 0o600), "wb") as file:
                file.write(msgspec.json.encode(door))
        except FileExistsError:
            made.close()
            raise AlreadyRunning from None
        return made, door.secret

    def leave(self) -> None:
        """Take away what `listen` made."""
        self.path.unlink(missing_ok=True)


def peer_user(connection: socket.socket) -> int | None:
    """The user on the other side of a Unix socket; None where the kernel does not say."""
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int(struct.unpack("3i", found)[1])
    if sys.platform == "darwin" or "bsd" in sys.platform:
        # struct xucred begins with a version and the user.
        found = connection.getsockopt(0, _LOCAL_PEERCRED, 128)
        return int(struct.unpack_from("Ii", found)[1])
    return None


def _check_private(directory: Path) -> None:
    """Raises `UnsafePlace` unless `directory` is ours, and nobody else's business."""
    if not UNIX:
        return
    found = os.lstat(directory)
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & 0o077:
        raise UnsafePlace


def _read_word(connection: socket.socket) -> str:
    """The line that comes next, short and ASCII."""
    line = b""
    while not line.endswith(b"\n"):
        if len(line) > MAX_PROOF:
            raise NotRunning
        more = connection.recv(1)
        if not more:
            raise Interrupted
        line += more
    return line[:-1].decode("ascii", "replace")


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
