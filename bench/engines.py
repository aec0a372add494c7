"""What an engine must offer to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Member = TypeVar("Member")
Group = TypeVar("Group")


@dataclass(frozen=True, slots=True)
class Commit(Generic[Group]):
    """A commit already merged by its sender: the sender's group after it, and what it sends."""

    group: Group
    message: bytes
    welcome: bytes = b""


class Engine(Protocol[Member, Group]):
    """One engine at one cipher suite.

    `offers` names what not every engine does: "update" (an empty commit), "add" (without path).
    A `Member` is somebody with a signature key and a key package, a `Group` what one member knows
    of a group. Groups may change in place or give way to new ones: callers go on with what is
    returned.
    """

    offers: frozenset[str]

    def member(self) -> Member:
        """Somebody new who has published a key package."""

    def key_package(self, member: Member) -> bytes:
        """One more key package of this member."""

    def published(self, member: Member) -> bytes:
        """The member's first key package."""

    def create(self, member: Member, key_packages: Sequence[bytes]) -> Group:
        """A new group with all of these in one commit, merged."""

    def creation(self, group: Group) -> tuple[bytes, bytes]:
        """The commit of `create` and the Welcome for the last member. Asked once, right after."""

    def join(self, member: Member, welcome: bytes) -> Group: ...

    def update(self, group: Group) -> Commit[Group]: ...

    def remove(self, group: Group, leaf: int) -> Commit[Group]: ...

    def add(self, group: Group, key_package: bytes) -> Commit[Group]:
        """Without a path."""

    def add_with_path(self, group: Group, key_package: bytes) -> Commit[Group]: ...

    def process(self, group: Group, commit: bytes) -> Group: ...

    def group_info(self, group: Group) -> bytes: ...

    def join_external(
        self, member: Member, group_info: bytes, resync: int | None = None
    ) -> Commit[Group]: ...

    def protect(self, group: Group, data: bytes) -> bytes: ...

    def unprotect(self, group: Group, message: bytes) -> bytes: ...

    def save(self, group: Group) -> object:
        """Save everything. What is returned leads back to it."""

    def save_changes(self, group: Group) -> object:
        """Save what changed since the last saving."""

    def saved_bytes(self, member: Member, saved: object) -> int | None:
        """How much was saved, where that can be told."""

    def load(self, member: Member, saved: object) -> Group:
        """The group as `save` left it."""

    def authenticator(self, group: Group) -> bytes:
        """What all members of an epoch agree on, or its number where an engine tells no more."""
