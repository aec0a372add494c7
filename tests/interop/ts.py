"""ts-mls (TypeScript) as a `Peer`: many members in one Node process, where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.peers import (
    Add,
    Extensions,
    ExternalPsk,
    Peer,
    PeerError,
    Proposal,
    Remove,
    Staged,
    Unsupported,
    Update,
    View,
    clock,
)

TS_VERSION = "1.6.4"


def node_modules() -> Path | None:
    """The directory that holds node_modules/ts-mls, or None where node or ts-mls is missing."""
    root = os.environ.get("HELIOGRAM_NODE_MODULES")
    if root is None or shutil.which("node") is None:
        return None
    path = Path(root)
    return path if (path / "node_modules" / "ts-mls").is_dir() else None


@dataclass(frozen=True, slots=True)
class TsSuite:
    """A suite in ts-mls's own words. Of a suite that it knows, the id is enough."""

    id: int
    kem: str | None = None
    kdf: str | None = None
    aead: str | None = None
    hash: str | None = None
    signature: str | None = None


class TsHost:
    """One Node process with many ts-mls members."""

    def __init__(self, root: Path, *, seed: int = 1) -> None:
        script = Path(__file__).with_name("ts_peer.mjs")
        self._process = subprocess.Popen(
            ["node", str(script), str(root), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._members = 0
        self._asked = 0
        self._replies: dict[int, dict[str, Any]] = {}

    def send(self, op: str, member: int, **options: Any) -> int:
        """Ask; the number goes to `receive`. Members that were asked work side by side."""
        if self._process.stdin is None:
            raise Unsupported("node has no pipe")
        self._asked += 1
        request = {"id": self._asked, "op": op, "member": member, **options}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._asked

    def receive(self, asked: int) -> Any:
        while asked not in self._replies:
            line = self._process.stdout.readline() if self._process.stdout is not None else ""
            if not line:
                raise Unsupported(f"node ended with {self._process.wait()}")
            reply = json.loads(line)
            self._replies[reply["id"]] = reply
        reply = self._replies.pop(asked)
        if "error" in reply:
            raise PeerError(reply["error"])
        return reply["value"]

    def call(self, op: str, member: int, **options: Any) -> Any:
        return self.receive(self.send(op, member, **options))

    def member(self) -> int:
        self._members += 1
        return self._members

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=10)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Ts(Peer):
    """A member of ts-mls in a Node process."""

    implementation = "ts-mls"

    def __init__(
        self,
        name: str,
        host: TsHost,
        suite: TsSuite,
        *,
        public_handshakes: bool = False,
    ) -> None:
        self.name = name
        self.public_handshakes = public_handshakes
        self._host = host
        self._member = host.member()
        spec = {slot: getattr(suite, slot) for slot in suite.__slots__}
        self._call("new", suite=spec, identity=name.encode().hex(), now=clock())

    @property
    def identity(self) -> bytes:
        return self.name.encode()

    def _call(self, op: str, **options: Any) -> Any:
        return self._host.call(op, self._member, **options)

    def key_package(self) -> bytes:
        return bytes.fromhex(self._call("keyPackage"))

    def create(self, group_id: bytes) -> None:
        self._call("create", groupId=group_id.hex())

    def join(self, welcome: bytes, tree: bytes | None = None) -> None:
        encoded = None if tree is None else tree.hex()
        self._call("join", welcome=welcome.hex(), tree=encoded, **{"from": False})

    def commit(self, proposals: Sequence[Proposal] = (), *, tree_in_welcome: bool = True) -> Staged:
        return self._staged(
            self._call(
                "commit",
                proposals=[self._proposal(p) for p in proposals],
                publicMessage=self.public_handshakes,
                treeInWelcome=tree_in_welcome,
            )
        )

    @staticmethod
    def _staged(reply: dict[str, Any]) -> Staged:
        welcome = reply["welcome"]
        return Staged(
            bytes.fromhex(reply["message"]),
            () if welcome is None else (bytes.fromhex(welcome),),
            bytes.fromhex(reply["tree"]),
        )

    @staticmethod
    def _proposal(proposal: Proposal) -> dict[str, Any]:
        match proposal:
            case Add(key_package):
                return {"kind": "add", "keyPackage": key_package.hex()}
            case Remove(index):
                return {"kind": "remove", "index": index}
            case Update():
                return {"kind": "update"}
            case ExternalPsk(psk_id):
                return {"kind": "psk", "id": psk_id.hex()}
            case Extensions(extensions):
                encoded = [[extension_type, data.hex()] for extension_type, data in extensions]
                return {"kind": "group_context_extensions", "extensions": encoded}

    def external_join(self, group_info: bytes, *, resync: int | None = None) -> Staged:
        # ts-mls finds the old leaf by its signature key, whatever its index.
        message = self._call(
            "externalJoin", groupInfo=group_info.hex(), tree=None, resync=resync is not None
        )
        return Staged(bytes.fromhex(message))

    def merge(self) -> None:
        self._call("merge")

    def discard(self) -> None:
        self._call("discard")

    def propose(self, proposal: Proposal) -> bytes:
        encoded = self._proposal(proposal)
        message = self._call("propose", proposal=encoded, publicMessage=self.public_handshakes)
        return bytes.fromhex(message)

    def propose_own_add(self, group_info: bytes) -> bytes:
        """An Add of oneself, from outside (RFC 9420, 12.1.8)."""
        return bytes.fromhex(self._call("proposeOwnAdd", groupInfo=group_info.hex()))

    def process(self, message: bytes) -> bytes | None:
        return self.begin_process(message)()

    def begin_process(self, message: bytes) -> Callable[[], bytes | None]:
        asked = self._host.send("process", self._member, message=message.hex())

        def finish() -> bytes | None:
            text = self._host.receive(asked)
            return None if text is None else bytes.fromhex(text)

        return finish

    def protect(self, text: bytes, authenticated_data: bytes = b"") -> bytes:
        reply = self._call("protect", data=text.hex(), authenticated=authenticated_data.hex())
        return bytes.fromhex(reply)

    def group_info(self) -> bytes:
        return bytes.fromhex(self._call("groupInfo"))

    def view(self) -> View:
        return self.begin_view()()

    def begin_view(self) -> Callable[[], View]:
        asked = self._host.send("view", self._member)

        def finish() -> View:
            view = self._host.receive(asked)
            return View(
                view["epoch"],
                {int(index): bytes.fromhex(who) for index, who in view["members"].items()},
                bytes.fromhex(view["groupContext"]),
                bytes.fromhex(view["externalPub"]),
                bytes.fromhex(view["epochAuthenticator"]),
            )

        return finish

    @property
    def index(self) -> int:
        index: int = self._call("view")["index"]
        return index

    @property
    def active(self) -> bool:
        active: bool = self._call("view")["active"]
        return active

    def add_psk(self, psk_id: bytes, secret: bytes) -> None:
        self._call("psk", name=psk_id.hex(), secret=secret.hex())

    def export(self, label: str, context: bytes, length: int) -> bytes:
        reply = self._call("export", label=label, context=context.hex(), length=length)
        return bytes.fromhex(reply)

    def fork(self) -> Ts:
        """The same client once more, for a second group."""
        copy = object.__new__(Ts)
        copy.name, copy.public_handshakes, copy._host = (
            self.name,
            self.public_handshakes,
            self._host,
        )
        copy._member = self._host.member()
        self._call("fork", copy=copy._member)
        return copy

    def follow(self, welcome: bytes, tree: bytes | None) -> None:
        """Join a group that follows from the one it is in."""
        encoded = None if tree is None else tree.hex()
        self._call("join", welcome=welcome.hex(), tree=encoded, **{"from": True})

    def branch(self, group_id: bytes, key_packages: Sequence[bytes]) -> Staged:
        """A subgroup (RFC 9420, 11.3). After `merge()` this peer is in the subgroup."""
        packages = [package.hex() for package in key_packages]
        return self._staged(self._call("branch", groupId=group_id.hex(), keyPackages=packages))

    def reinit(self, group_id: bytes) -> Staged:
        """The commit that closes this group for another of the same suite (RFC 9420, 11.2)."""
        return self._staged(self._call("reinit", groupId=group_id.hex()))

    def reinitialized(self, group_id: bytes, key_packages: Sequence[bytes]) -> Staged:
        """The first commit of the group that follows; after `merge()` this peer is in it."""
        packages = [package.hex() for package in key_packages]
        return self._staged(
            self._call("reinitialized", groupId=group_id.hex(), keyPackages=packages)
        )

    def close(self) -> None:
        self._call("forget")
