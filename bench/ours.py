"""Our engine, used through its public names as an application uses it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.engines import Commit
from bench.floor import Kind
from heliogram import mls

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class Welcoming(mls.Policy):
    """Lets members and joiners do everything."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return True

    def allows_commit(
        self,
        view: mls.EpochView,
        committer: int | None,
        proposals: Sequence[mls.SentProposal],
    ) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Member:
    credential: mls.BasicCredential
    signer: mls.SignatureKey
    own: mls.OwnKeyPackage


class Ours:
    """`parallel`: what `Config.parallel` is set to."""

    offers = frozenset(("update", "add"))

    def __init__(self, kind: Kind, parallel: Map = map) -> None:
        self._suite = (
            mls.DEFAULT_SUITE
            if kind.post_quantum
            else mls.CipherSuite.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519
        )
        self._config = mls.Config(
            authentication=mls.AcceptAnyCredential(), policy=Welcoming(), parallel=parallel
        )
        self._now = int(time.time())
        self._created: dict[bytes, tuple[bytes, bytes]] = {}

    def member(self) -> Member:
        credential = mls.BasicCredential(os.urandom(16))
        signer = mls.new_signature_key(self._suite, entropy=os.urandom)
        return Member(credential, signer, self._new(credential, signer))

    def _new(self, credential: mls.BasicCredential, signer: mls.SignatureKey) -> mls.OwnKeyPackage:
        return mls.new_key_package(
            self._suite, credential, signer, now=self._now, entropy=os.urandom
        )

    def key_package(self, member: Member) -> bytes:
        return self._new(member.credential, member.signer).message

    def published(self, member: Member) -> bytes:
        return member.own.message

    def create(self, member: Member, key_packages: Sequence[bytes]) -> mls.Group:
        group = mls.Group.create(
            os.urandom(32),
            self._suite,
            member.credential,
            member.signer,
            config=self._config,
            now=self._now,
            entropy=os.urandom,
        )
        adds = [mls.Add(mls.KeyPackage.from_message(message)) for message in key_packages]
        staged = group.commit(adds, now=self._now, entropy=os.urandom)
        self._created[group.group_id] = staged.message, staged.welcome or b""
        return staged.merge()

    def creation(self, group: mls.Group) -> tuple[bytes, bytes]:
        return self._created[group.group_id]

    def join(self, member: Member, welcome: bytes) -> mls.Group:
        return mls.Group.join(welcome, [member.own], config=self._config, now=self._now)

    def update(self, group: mls.Group) -> Commit[mls.Group]:
        return self._commit(group, [])

    def remove(self, group: mls.Group, leaf: int) -> Commit[mls.Group]:
        return self._commit(group, [mls.Remove(leaf)])

    def add(self, group: mls.Group, key_package: bytes) -> Commit[mls.Group]:
        return self._commit(group, [mls.Add(mls.KeyPackage.from_message(key_package))])

    def add_with_path(self, group: mls.Group, key_package: bytes) -> Commit[mls.Group]:
        added = mls.Add(mls.KeyPackage.from_message(key_package))
        return self._commit(group, [added], path=True)

    def _commit(
        self, group: mls.Group, proposals: Sequence[mls.Proposal], path: bool = False
    ) -> Commit[mls.Group]:
        staged = group.commit(proposals, path=path, now=self._now, entropy=os.urandom)
        return Commit(staged.merge(), staged.message, staged.welcome or b"")

    def process(self, group: mls.Group, commit: bytes) -> mls.Group:
        outcome = group.process(commit, now=self._now)
        if not isinstance(outcome, mls.EpochAdvanced):
            raise TypeError(f"a commit led to {outcome!r}")
        return outcome.group

    def group_info(self, group: mls.Group) -> bytes:
        return group.group_info(external_pub=True)

    def join_external(
        self, member: Member, group_info: bytes, resync: int | None = None
    ) -> Commit[mls.Group]:
        staged = mls.Group.join_external(
            group_info,
            member.credential,
            member.signer,
            config=self._config,
            resync=resync,
            now=self._now,
            entropy=os.urandom,
        )
        return Commit(staged.merge(), staged.message)

    def protect(self, group: mls.Group, data: bytes) -> bytes:
        return group.protect(data, entropy=os.urandom)

    def unprotect(self, group: mls.Group, message: bytes) -> bytes:
        outcome = group.process(message, now=self._now)
        if not isinstance(outcome, mls.ApplicationMessage):
            raise TypeError(f"a message led to {outcome!r}")
        return outcome.data

    def save(self, group: mls.Group) -> object:
        return group.to_bytes()

    def save_changes(self, group: mls.Group) -> object:
        return group.changes()

    def saved_bytes(self, member: Member, saved: object) -> int | None:
        if isinstance(saved, dict):
            return sum(len(key) + len(value or b"") for key, value in saved.items())
        return len(saved) if isinstance(saved, bytes) else None

    def load(self, member: Member, saved: object) -> mls.Group:
        if not isinstance(saved, bytes):
            raise TypeError("nothing was saved")
        return mls.Group.from_bytes(saved, config=self._config)

    def authenticator(self, group: mls.Group) -> bytes:
        return bytes(group.epoch_authenticator)
