"""One face for three MLS implementations: ours, rine-mls (Rust) and ts-mls (TypeScript).

A `Peer` is one client in one group. What passes between peers is the encoding of an MLSMessage and
nothing else. A commit is staged first; `merge()` enters its epoch, `discard()` forgets it, as when a
relay took somebody else's. `docs/interop.md` says what each implementation cannot do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, ParamSpec, TypeVar

from heliogram import mls

P = ParamSpec("P")
T = TypeVar("T")

RINE_VERSION = "0.1.1"
TS_VERSION = "1.6.4"


def clock() -> int:
    """The real time, unlike elsewhere in the tests: both foreign implementations read that clock."""
    return int(time.time())


class PeerError(Exception):
    """The peer refused, in its own words."""


class Unsupported(PeerError):
    """The peer has no such operation."""


# What a commit or a proposal message asks for.


@dataclass(frozen=True, slots=True)
class Add:
    key_package: bytes


@dataclass(frozen=True, slots=True)
class Remove:
    index: int


@dataclass(frozen=True, slots=True)
class Update:
    pass


@dataclass(frozen=True, slots=True)
class ExternalPsk:
    id: bytes


@dataclass(frozen=True, slots=True)
class Extensions:
    """GroupContextExtensions: extension type and data."""

    extensions: tuple[tuple[int, bytes], ...]


Proposal = Add | Remove | Update | ExternalPsk | Extensions


@dataclass(frozen=True, slots=True)
class Staged:
    """A commit that its maker has not merged yet."""

    message: bytes
    welcomes: tuple[bytes, ...] = ()  # one for all who join, or one each in the order of the adds
    tree: bytes | None = None  # for a Welcome that does not carry it

    def welcome(self, nth: int) -> bytes:
        return self.welcomes[nth if len(self.welcomes) > 1 else 0]


@dataclass(frozen=True, slots=True)
class View:
    """What one member believes about the group; equal views are the agreement under test."""

    epoch: int
    members: dict[int, bytes]
    group_context: bytes
    external_pub: (
        bytes  # derived from external_secret, so it shows that the epoch's secrets are equal
    )
    epoch_authenticator: bytes | None  # rine-mls shows none

    def agrees(self, other: View) -> bool:
        authenticators = {self.epoch_authenticator, other.epoch_authenticator} - {None}
        return len(authenticators) <= 1 and (
            (self.epoch, self.members, self.group_context, self.external_pub)
            == (other.epoch, other.members, other.group_context, other.external_pub)
        )


class Peer(ABC):
    """One client of one implementation, in at most one group."""

    implementation: ClassVar[str]
    tree_aside: ClassVar[bool] = True  # it takes the ratchet tree beside the Welcome
    welcomes_by_reference: ClassVar[bool] = True  # it hands out the Welcome of an Add by reference
    proposes: ClassVar[bool] = True  # it sends proposals as messages of their own

    name: str

    @property
    @abstractmethod
    def identity(self) -> bytes:
        """Of its basic credential."""

    def __repr__(self) -> str:
        return f"{self.name} ({self.implementation})"

    @abstractmethod
    def key_package(self) -> bytes: ...

    @abstractmethod
    def create(self, group_id: bytes) -> None: ...

    @abstractmethod
    def join(self, welcome: bytes, tree: bytes | None = None) -> None: ...

    @abstractmethod
    def commit(self, proposals: Sequence[Proposal] = (), *, tree_in_welcome: bool = True) -> Staged:
        """Commit these and, where the implementation does so, the proposals received in the epoch."""

    @abstractmethod
    def external_join(self, group_info: bytes, *, resync: int | None = None) -> Staged: ...

    @abstractmethod
    def merge(self) -> None: ...

    @abstractmethod
    def discard(self) -> None: ...

    @abstractmethod
    def propose(self, proposal: Proposal) -> bytes: ...

    @abstractmethod
    def process(self, message: bytes) -> bytes | None:
        """Take a message in. An application message gives its text."""

    @abstractmethod
    def protect(self, text: bytes) -> bytes: ...

    @abstractmethod
    def group_info(self) -> bytes:
        """With external_pub and ratchet_tree."""

    @abstractmethod
    def view(self) -> View: ...

    def begin_process(self, message: bytes) -> Callable[[], bytes | None]:
        """Let `process` start; the result is the function that waits for it."""
        return partial(self.process, message)

    def begin_view(self) -> Callable[[], View]:
        return self.view

    @property
    @abstractmethod
    def index(self) -> int: ...

    @property
    @abstractmethod
    def active(self) -> bool:
        """False once a commit has removed this client."""

    def add_psk(self, psk_id: bytes, secret: bytes) -> None:
        raise Unsupported(f"{self.implementation}: no external PSKs")

    def export(self, label: str, context: bytes, length: int) -> bytes:
        raise Unsupported(f"{self.implementation}: no exporter")

    def close(self) -> None:  # noqa: B027 (most have nothing to do)
        """Give back what the client holds outside the process's memory."""


# ------------------------------------------------------------------------------------------------
# A reader of GroupInfo of its own: the tests do not borrow the codec that they test.


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, length: int) -> bytes:
        self.at += length
        if self.at > len(self.data):
            raise ValueError("the GroupInfo ends early")
        return self.data[self.at - length : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def opaque(self) -> bytes:
        first = self.number(1)
        more = {0: 0, 1: 1, 2: 3}[first >> 6]
        return self.take(((first & 0x3F) << 8 * more) | self.number(more))


APPLICATION, PROPOSAL, COMMIT = 1, 2, 3


def content_type(message: bytes) -> int:
    """Of a PublicMessage or a PrivateMessage (RFC 9420, 6)."""
    r = _Reader(message)
    r.number(2)  # version
    public = r.number(2) == 1
    r.opaque()  # group_id
    r.number(8)  # epoch
    if public:
        if r.number(1) in (1, 2):  # member and external senders have an index
            r.number(4)
        r.opaque()  # authenticated_data
    return r.number(1)


@dataclass(frozen=True, slots=True)
class GroupInfo:
    group_context: bytes
    epoch: int
    extensions: dict[int, bytes]
    confirmation_tag: bytes
    signer: int

    @classmethod
    def decode(cls, message: bytes) -> GroupInfo:
        """RFC 9420, 12.4.3, from an MLSMessage."""
        r = _Reader(message)
        if (r.number(2), r.number(2)) != (1, 4):
            raise ValueError("not a GroupInfo")
        start = r.at
        r.take(4)  # version and cipher suite
        r.opaque()  # group_id
        epoch = r.number(8)
        for _ in range(3):  # tree_hash, confirmed_transcript_hash, extensions
            r.opaque()
        context = message[start : r.at]
        inner = _Reader(r.opaque())
        extensions = {}
        while inner.at < len(inner.data):
            extension_type = inner.number(2)
            extensions[extension_type] = inner.opaque()
        return cls(context, epoch, extensions, r.opaque(), r.number(4))

    @property
    def external_pub(self) -> bytes:
        return _Reader(self.extensions[4]).opaque()


# ------------------------------------------------------------------------------------------------
# heliogram.mls


class OpenDoors(mls.Policy):
    """Everybody may do everything, from outside too: what the peers allow."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return True

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
    ) -> bool:
        return True


class Ours(Peer):
    """A member on our own engine."""

    implementation = "heliogram"

    def __init__(
        self,
        name: str,
        suite: int = 1,
        *,
        seed: int | None = None,
        private_handshakes: bool = False,
    ) -> None:
        self.name = name
        self.entropy = os.urandom if seed is None else random.Random(seed).randbytes
        self._suite = suite
        self._signer = mls.new_signature_key(suite, entropy=self.entropy)
        self._credential = mls.BasicCredential(name.encode())
        self._psks: dict[bytes, mls.Secret] = {}
        self._packages: list[mls.OwnKeyPackage] = []
        self._group: mls.Group | None = None
        self._staged: mls.StagedCommit | None = None
        self._removed = False
        self.config = mls.Config(
            authentication=mls.AcceptAnyCredential(),
            policy=OpenDoors(),
            psk=self._find_psk,
            padding=lambda size: -(-size // 64) * 64,
            private_handshakes=private_handshakes,
            max_lifetime=400 * 86400,  # the key packages of rine-mls live for a year
        )

    def _find_psk(self, psk_id: mls.PreSharedKeyID) -> mls.Secret | None:
        return self._psks.get(psk_id.psk_id) if isinstance(psk_id, mls.ExternalPSKID) else None

    @property
    def identity(self) -> bytes:
        return self.name.encode()

    @property
    def group(self) -> mls.Group:
        if self._group is None:
            raise Unsupported(f"{self.name} is in no group")
        return self._group

    def key_package(self) -> bytes:
        own = mls.new_key_package(
            self._suite, self._credential, self._signer, now=clock(), entropy=self.entropy
        )
        self._packages.append(own)
        return own.message

    def _enter(self, group: mls.Group) -> None:
        self._group, self._staged, self._removed = group, None, False

    def create(self, group_id: bytes, extensions: tuple[mls.Extension, ...] = ()) -> None:
        self._enter(
            mls.Group.create(
                group_id,
                self._suite,
                self._credential,
                self._signer,
                config=self.config,
                extensions=extensions,
                now=clock(),
                entropy=self.entropy,
            )
        )

    def join(
        self, welcome: bytes, tree: bytes | None = None, *, previous: mls.Group | None = None
    ) -> None:
        group = _call(
            mls.Group.join,
            welcome,
            self._packages,
            config=self.config,
            ratchet_tree=tree,
            previous=previous,
            now=clock(),
        )
        # The package that was used is the one whose leaf is now in the tree.
        used = group.own_leaf
        self._packages = [p for p in self._packages if p.key_package.leaf_node != used]
        self._enter(group)

    def _proposal(self, proposal: Proposal) -> mls.Proposal:
        match proposal:
            case Add(key_package):
                return mls.Add(mls.KeyPackage.from_message(key_package))
            case Remove(index):
                return mls.Remove(index)
            case ExternalPsk(psk_id):
                nonce = self.entropy(self.group.suite.hash_length)
                return mls.PreSharedKey(mls.ExternalPSKID(psk_id, nonce))
            case Extensions(extensions):
                return mls.GroupContextExtensions(
                    tuple(mls.Extension(kind, data) for kind, data in extensions)
                )
            case Update():
                raise Unsupported("an update of one's own is the commit itself")

    def commit(self, proposals: Sequence[Proposal] = (), *, tree_in_welcome: bool = True) -> Staged:
        staged = _call(
            self.group.commit,
            [self._proposal(p) for p in proposals],
            welcome_tree=tree_in_welcome,
            now=clock(),
            entropy=self.entropy,
        )
        return self._stage(staged)

    def rotate(self) -> Staged:
        """A commit that gives us another signature key."""
        self._signer = mls.new_signature_key(self._suite, entropy=self.entropy)
        leaf = mls.NewLeaf(signature_key=self._signer)
        return self._stage(
            _call(self.group.commit, new_leaf=leaf, now=clock(), entropy=self.entropy)
        )

    def _stage(self, staged: mls.StagedCommit) -> Staged:
        self._staged = staged
        welcomes = () if staged.welcome is None else (staged.welcome,)
        return Staged(staged.message, welcomes, staged.group.ratchet_tree())

    def external_join(self, group_info: bytes, *, resync: int | None = None) -> Staged:
        staged = _call(
            mls.Group.join_external,
            group_info,
            self._credential,
            self._signer,
            config=self.config,
            resync=resync,
            now=clock(),
            entropy=self.entropy,
        )
        return self._stage(staged)

    def merge(self) -> None:
        if self._staged is None:
            raise Unsupported("nothing is staged")
        self._enter(self._staged.merge())

    def discard(self) -> None:
        self.group.discard_staged()
        self._staged = None

    def propose(self, proposal: Proposal) -> bytes:
        if isinstance(proposal, Update):
            return _call(self.group.propose_update, now=clock(), entropy=self.entropy)
        return _call(
            self.group.propose, self._proposal(proposal), now=clock(), entropy=self.entropy
        )

    def process(self, message: bytes) -> bytes | None:
        outcome = _call(self.group.process, message, now=clock())
        match outcome:
            case mls.ApplicationMessage():
                return outcome.data
            case mls.EpochAdvanced():
                self._enter(outcome.group)
            case mls.Removed():
                self._removed = True
        return None

    def protect(self, text: bytes, authenticated_data: bytes = b"") -> bytes:
        return _call(
            self.group.protect,
            text,
            authenticated_data=authenticated_data,
            entropy=self.entropy,
        )

    def group_info(self) -> bytes:
        return self.group.group_info(external_pub=True)

    def view(self) -> View:
        group = self.group
        info = GroupInfo.decode(self.group_info())
        members = {
            index: leaf.credential.identity
            for index, leaf in group.members()
            if isinstance(leaf.credential, mls.BasicCredential)
        }
        authenticator = bytes(group.epoch_authenticator)
        return View(group.epoch, members, group.context.encode(), info.external_pub, authenticator)

    @property
    def index(self) -> int:
        return self.group.own_leaf_index

    @property
    def active(self) -> bool:
        return not self._removed

    def add_psk(self, psk_id: bytes, secret: bytes) -> None:
        self._psks[psk_id] = mls.Secret(secret)

    def export(self, label: str, context: bytes, length: int) -> bytes:
        return bytes(self.group.export(label.encode(), context, length))

    def propose_own_add(self, group_info: bytes) -> bytes:
        """An Add of oneself, from outside (RFC 9420, 12.1.8)."""
        self.key_package()
        return _call(mls.propose_own_add, group_info, self._packages[-1])

    def fork(self) -> Ours:
        """The same client once more, for a second group."""
        copy = Ours(self.name, self._suite, private_handshakes=self.config.private_handshakes)
        copy._signer, copy._group = self._signer, self._group
        return copy

    def follow(self, welcome: bytes, tree: bytes | None) -> None:
        """Join a group that follows from the one it is in."""
        self.join(welcome, tree, previous=self.group)

    def branch(self, group_id: bytes, key_packages: Sequence[bytes]) -> Staged:
        """A subgroup (RFC 9420, 11.3). After `merge()` this peer is in the subgroup."""
        packages = [mls.KeyPackage.from_message(package) for package in key_packages]
        return self._stage(
            _call(self.group.branch, group_id, packages, now=clock(), entropy=self.entropy)
        )

    def reinit(self, group_id: bytes) -> Staged:
        """The commit that closes this group for another of the same suite (RFC 9420, 11.2)."""
        proposal = mls.ReInit(group_id, 1, self._suite, ())
        return self._stage(_call(self.group.commit, [proposal], now=clock(), entropy=self.entropy))

    def reinitialized(self, group_id: bytes, key_packages: Sequence[bytes]) -> Staged:
        """The first commit of the group that follows; after `merge()` this peer is in it."""
        packages = [mls.KeyPackage.from_message(package) for package in key_packages]
        return self._stage(
            _call(self.group.reinitialize, packages, now=clock(), entropy=self.entropy)
        )

    def restart(self) -> None:
        """Die and come back from what was saved."""
        self._enter(mls.Group.from_bytes(self.group.to_bytes(), config=self.config))


def _call(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    try:
        return function(*arguments, **options)
    except mls.MLSError as error:
        raise PeerError(f"{type(error).__name__}: {error}") from error


# ------------------------------------------------------------------------------------------------
# rine-mls


def rine_mls() -> ModuleType | None:
    """The module, or None where it is not installed."""
    if importlib.util.find_spec("rine_mls") is None:
        return None
    return importlib.import_module("rine_mls")


class Rine(Peer):
    """A client of rine-mls: mls-rs behind a small surface, suite 1.

    It commits at once; `save()` after each accepted step and `load_group()` make the staging. Commits
    are PublicMessage and always carry a path; it understands PrivateMessage too.
    """

    implementation = "rine-mls"
    tree_aside = False
    welcomes_by_reference = False
    proposes = False

    def __init__(self, name: str, *, seed: bytes | None = None) -> None:
        module = rine_mls()
        if module is None:
            raise Unsupported("rine-mls is not installed")
        self.name = name
        self._module = module
        self._root = tempfile.mkdtemp(prefix="heliogram-rine-")
        suite = module.CIPHER_SUITE_CLASSICAL
        self._client: Any = module.MlsClient(self._root, seed or os.urandom(32), suite)
        self._group: Any = None

    @property
    def identity(self) -> bytes:
        """The credential of a rine-mls client is its public key."""
        key: bytes = self._client.public_key()
        return key

    def _call(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._module.RineMlsError as error:
            raise PeerError(f"{type(error).__name__}: {error}") from error

    def key_package(self) -> bytes:
        result: bytes = self._call(self._client.generate_key_package)
        return result

    def create(self, group_id: bytes) -> None:
        self._group = self._call(self._client.create_group, group_id)
        self._group.save()

    def _forget(self) -> None:
        """What it kept of an earlier membership; it trips over that when it joins again."""
        if self._group is not None:
            self._call(self._client.delete_group_state, self._group.group_id())
            self._group = None

    def join(self, welcome: bytes, tree: bytes | None = None) -> None:
        self._forget()
        self._group = self._call(self._client.join_from_welcome, welcome)
        self._group.save()

    def commit(self, proposals: Sequence[Proposal] = (), *, tree_in_welcome: bool = True) -> Staged:
        match list(proposals):
            case [Remove(index)]:
                bundle = self._call(self._group.remove_member, index)
            case adds if all(isinstance(add, Add) for add in adds):
                packages = [add.key_package for add in adds if isinstance(add, Add)]
                bundle = self._call(self._group.add_members, packages)
            case _:
                raise Unsupported("rine-mls commits either adds or one remove")
        return Staged(bundle.commit, tuple(bundle.welcomes))

    def external_join(self, group_info: bytes, *, resync: int | None = None) -> Staged:
        self._forget()
        if resync is None:
            self._group = self._call(self._client.join_by_external_commit, group_info)
        else:
            self._group = self._call(self._client.resync_by_external_commit, group_info, resync)
        return Staged(self._group.last_commit().commit)

    def merge(self) -> None:
        self._group.save()

    def discard(self) -> None:
        self._group = self._call(self._client.load_group, self._group.group_id())

    def propose(self, proposal: Proposal) -> bytes:
        raise Unsupported("rine-mls sends no proposals of their own")

    def process(self, message: bytes) -> bytes | None:
        if content_type(message) == APPLICATION:
            # Its transport puts one version octet before the MLSMessage.
            tagged = bytes([self._module.APP_MESSAGE_TAG]) + message
            text: bytes = self._call(self._group.decrypt_application_message, tagged).envelope
            self._group.save()
            return text
        try:
            self._group.apply_commit(message)
        except self._module.UnexpectedMessageError:
            # Its rule for its own transport: nothing but commits. mls-rs has taken the proposal in all
            # the same by then, and finds it when a commit refers to it.
            if content_type(message) != PROPOSAL:
                raise
        except self._module.RineMlsError as error:
            raise PeerError(f"{type(error).__name__}: {error}") from error
        self._group.save()
        return None

    def protect(self, text: bytes) -> bytes:
        message: bytes = self._call(self._group.encrypt_application_message, text)
        self._group.save()
        return message.removeprefix(bytes([self._module.APP_MESSAGE_TAG]))

    def group_info(self) -> bytes:
        result: bytes = self._call(self._group.group_info)
        return result

    def view(self) -> View:
        info = GroupInfo.decode(self.group_info())
        members = {m.index: m.identity for m in self._group.member_identities()}
        return View(info.epoch, members, info.group_context, info.external_pub, None)

    @property
    def index(self) -> int:
        index: int = self._group.current_member_index()
        return index

    @property
    def active(self) -> bool:
        active: bool = self._group.is_active()
        return active

    def close(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)


# ------------------------------------------------------------------------------------------------
# ts-mls


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
