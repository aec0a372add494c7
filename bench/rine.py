"""rine-mls: mls-rs, which is written in Rust, behind a Python binding.

What it does beside the work that is measured: every commit carries a path and comes with a fresh
GroupInfo with the tree, and a commit that adds makes one full Welcome a joiner. Its states are
files; here they are kept in memory where the system has a file system for that.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import rine_mls

from bench.engines import Commit
from bench.floor import Kind

CLASSICAL = rine_mls.CIPHER_SUITE_CLASSICAL
POST_QUANTUM = rine_mls.CIPHER_SUITE_XWING


@dataclass(frozen=True, slots=True)
class Member:
    client: rine_mls.MlsClient
    published: bytes
    folder: Path


class Rine:
    """All members of all groups, each with a folder of its own. `close` takes the folders away."""

    offers: frozenset[str] = frozenset()

    def __init__(self, kind: Kind) -> None:
        self._suite = POST_QUANTUM if kind.post_quantum else CLASSICAL
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self._root = Path(tempfile.mkdtemp(prefix="bench-", dir=memory))
        self._count = 0

    def close(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def member(self) -> Member:
        self._count += 1
        folder = self._root / str(self._count)
        client = rine_mls.MlsClient(str(folder), os.urandom(32), self._suite)
        return Member(client, client.generate_key_package(), folder)

    def key_package(self, member: Member) -> bytes:
        return bytes(member.client.generate_key_package())

    def published(self, member: Member) -> bytes:
        return member.published

    def create(self, member: Member, key_packages: Sequence[bytes]) -> rine_mls.MlsGroup:
        return member.client.create_group_with_members(os.urandom(32), list(key_packages))

    def creation(self, group: rine_mls.MlsGroup) -> tuple[bytes, bytes]:
        bundle = _bundle(group)
        return bundle.commit, bundle.welcomes[-1]

    def join(self, member: Member, welcome: bytes) -> rine_mls.MlsGroup:
        return member.client.join_from_welcome(welcome)

    def update(self, group: rine_mls.MlsGroup) -> Commit[rine_mls.MlsGroup]:
        raise NotImplementedError

    def remove(self, group: rine_mls.MlsGroup, leaf: int) -> Commit[rine_mls.MlsGroup]:
        return Commit(group, group.remove_member(leaf).commit)

    def add(self, group: rine_mls.MlsGroup, key_package: bytes) -> Commit[rine_mls.MlsGroup]:
        raise NotImplementedError

    def add_with_path(
        self, group: rine_mls.MlsGroup, key_package: bytes
    ) -> Commit[rine_mls.MlsGroup]:
        bundle = group.add_member(key_package)
        return Commit(group, bundle.commit, bundle.welcomes[0])

    def process(self, group: rine_mls.MlsGroup, commit: bytes) -> rine_mls.MlsGroup:
        group.apply_commit(commit)
        return group

    def group_info(self, group: rine_mls.MlsGroup) -> bytes:
        return bytes(group.group_info())

    def join_external(
        self, member: Member, group_info: bytes, resync: int | None = None
    ) -> Commit[rine_mls.MlsGroup]:
        if resync is None:
            group = member.client.join_by_external_commit(group_info)
        else:
            group = member.client.resync_by_external_commit(group_info, resync)
        return Commit(group, _bundle(group).commit)

    def protect(self, group: rine_mls.MlsGroup, data: bytes) -> bytes:
        return bytes(group.encrypt_application_message(data))

    def unprotect(self, group: rine_mls.MlsGroup, message: bytes) -> bytes:
        return bytes(group.decrypt_application_message(message).envelope)

    def save(self, group: rine_mls.MlsGroup) -> object:
        group.save()
        return group.group_id()

    def save_changes(self, group: rine_mls.MlsGroup) -> object:
        group.save()
        return None

    def saved_bytes(self, member: Member, saved: object) -> int | None:
        if saved is None:
            return None
        return sum(file.stat().st_size for file in member.folder.rglob("*") if file.is_file())

    def load(self, member: Member, saved: object) -> rine_mls.MlsGroup:
        if not isinstance(saved, bytes):
            raise TypeError("nothing was saved")
        return member.client.load_group(saved)

    def authenticator(self, group: rine_mls.MlsGroup) -> bytes:
        return int(group.epoch()).to_bytes(8, "big")


def _bundle(group: rine_mls.MlsGroup) -> rine_mls.CommitBundle:
    bundle = group.last_commit()
    if bundle is None:
        raise ValueError("the group has made no commit")
    return bundle
