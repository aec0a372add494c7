"""rine-mls (Rust) as a `Peer`, where it is installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from tests.interop.peers import (
    APPLICATION,
    PROPOSAL,
    Add,
    GroupInfo,
    Peer,
    PeerError,
    Proposal,
    Remove,
    Staged,
    Unsupported,
    View,
    content_type,
)

RINE_VERSION = "0.1.1"


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
