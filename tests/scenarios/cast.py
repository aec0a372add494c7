"""The people of all stories: each with a name, keys, a config and entropy of their own.

A `Person` holds one member's `Group` and follows it from epoch to epoch, as an application would.
Everything they draw is a function of their name, so a story runs the same every time (HPKE and ML-KEM
encapsulation draw inside the library and are the exception).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from hashlib import shake_256
from typing import Any, TypeVar

from heliogram import mls

#: When all stories happen, in Unix seconds.
NOW = 1_900_000_000

#: The suite that is there for its speed; `test_suites` tells one story in all of them.
SUITE = mls.CipherSuite.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519

PLAIN = mls.Config(authentication=mls.AcceptAnyCredential())

O = TypeVar("O", bound=mls.Outcome)  # noqa: E741


def entropy_of(seed: str) -> Callable[[int], bytes]:
    """An endless stream of bytes that depends on `seed` alone."""
    drawn = 0

    def draw(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return shake_256(f"{seed}/{drawn}".encode()).digest(size)

    return draw


class Open(mls.Policy):
    """Lets everybody in: external commits, and proposals from outside."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return True

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
    ) -> bool:
        return True


OPEN = replace(PLAIN, policy=Open())


class Person:
    """Somebody with a device; the same name on another `device` has keys of its own."""

    def __init__(
        self,
        name: str,
        *,
        device: int = 1,
        suite: int = SUITE,
        config: mls.Config = PLAIN,
        credential: mls.Credential | None = None,
        key: mls.SignatureKey | None = None,
    ) -> None:
        self.name = name
        self.suite = suite
        self.config = config
        self.entropy = entropy_of(f"{name}/{device}")
        self.credential = credential or mls.BasicCredential(name.encode())
        self.key = key or mls.new_signature_key(suite, entropy=self.entropy)
        self.packages: list[mls.OwnKeyPackage] = []
        self.kept: mls.Group | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def group(self) -> mls.Group:
        """Their group as it is now."""
        if self.kept is None:
            raise AssertionError(f"{self.name} is in no group")
        return self.kept

    @property
    def leaf(self) -> int:
        return self.group.own_leaf_index

    # -- coming in ---------------------------------------------------------------------------------

    def key_package(self, **how: Any) -> mls.KeyPackage:
        """A new key package of theirs, as somebody else gets it."""
        how.setdefault("now", NOW)
        own = mls.new_key_package(
            self.suite, self.credential, self.key, entropy=self.entropy, **how
        )
        self.packages.append(own)
        return mls.KeyPackage.from_message(own.message)

    def creates(self, group_id: bytes = b"a group", **how: Any) -> mls.Group:
        self.kept = mls.Group.create(
            group_id,
            self.suite,
            self.credential,
            self.key,
            config=self.config,
            now=NOW,
            entropy=self.entropy,
            **how,
        )
        return self.group

    def joins(self, welcome: bytes | None, **how: Any) -> mls.Group:
        """Join, and forget the key package that it took."""
        assert welcome is not None, "there is no welcome"
        self.kept = mls.Group.join(welcome, self.packages, config=self.config, now=NOW, **how)
        self.packages = [
            own
            for own in self.packages
            if own.key_package.leaf_node != self.group.own_leaf or own.key_package.last_resort
        ]
        return self.group

    def joins_from_outside(self, group_info: bytes, **how: Any) -> mls.StagedCommit:
        """Join by an external commit; it counts at once."""
        staged = mls.Group.join_external(
            group_info,
            self.credential,
            self.key,
            config=self.config,
            now=NOW,
            entropy=self.entropy,
            **how,
        )
        self.kept = staged.merge()
        return staged

    # -- sending -----------------------------------------------------------------------------------

    def says(self, text: str | bytes, **how: Any) -> bytes:
        data = text.encode() if isinstance(text, str) else text
        return self.group.protect(data, entropy=self.entropy, **how)

    def proposes(self, proposal: mls.Proposal, **how: Any) -> bytes:
        return self.group.propose(proposal, now=NOW, entropy=self.entropy, **how)

    def proposes_update(self, new_leaf: mls.NewLeaf | None = None, **how: Any) -> bytes:
        return self.group.propose_update(
            new_leaf or mls.NewLeaf(), now=NOW, entropy=self.entropy, **how
        )

    def stages(self, *proposals: mls.Proposal, **how: Any) -> mls.StagedCommit:
        """A commit that nobody has accepted yet."""
        return self.group.commit(proposals, now=NOW, entropy=self.entropy, **how)

    def commits(self, *proposals: mls.Proposal, **how: Any) -> mls.StagedCommit:
        """A commit that counts at once."""
        staged = self.stages(*proposals, **how)
        self.kept = staged.merge()
        return staged

    def adds(self, *newcomers: Person, **how: Any) -> mls.StagedCommit:
        """A commit that adds these people and counts at once; they are not in yet."""
        return self.commits(*(mls.Add(one.key_package()) for one in newcomers), **how)

    # -- receiving ---------------------------------------------------------------------------------

    def receives(self, message: bytes) -> mls.Outcome:
        """What a message turns out to be. Follows a commit into the next epoch."""
        outcome = self.group.process(message, now=NOW)
        if isinstance(outcome, mls.EpochAdvanced):
            self.kept = outcome.group
        return outcome

    def gets(self, kind: type[O], message: bytes) -> O:
        """The outcome of a message, which is of this kind."""
        outcome = self.receives(message)
        assert isinstance(outcome, kind), f"{self.name} gets {outcome!r}"
        return outcome

    def hears(self, message: bytes) -> bytes:
        """What somebody said."""
        return self.gets(mls.ApplicationMessage, message).data

    def follows(self, message: bytes) -> mls.EpochAdvanced:
        """Go with a commit into the next epoch."""
        return self.gets(mls.EpochAdvanced, message)

    def notes(self, message: bytes) -> mls.ProposalReceived:
        """Keep a proposal."""
        return self.gets(mls.ProposalReceived, message)

    def restarts(self) -> None:
        """Close the application and open it again: only the saved state is left."""
        saved = bytes(self.group.to_bytes())
        self.kept = mls.Group.from_bytes(saved, config=self.config)


def people(*names: str, **how: Any) -> list[Person]:
    return [Person(name, **how) for name in names]


def gathering(
    *names: str, group_id: bytes = b"a group", creating: Any = None, **how: Any
) -> list[Person]:
    """People in one group, which the first of them made and added the others to."""
    all_of_them = people(*names, **how)
    first, *others = all_of_them
    first.creates(group_id, **(creating or {}))
    if others:
        welcome = first.adds(*others).welcome
        for one in others:
            one.joins(welcome)
    return all_of_them


def all_follow(message: bytes, everybody: Iterable[Person], *but: Person) -> None:
    """Everybody but the sender goes with a commit."""
    for one in everybody:
        if one not in but:
            one.follows(message)


def all_note(message: bytes, everybody: Iterable[Person], *but: Person) -> None:
    """Everybody but the sender keeps a proposal."""
    for one in everybody:
        if one not in but:
            one.notes(message)


def commit_of(message: bytes) -> Any:
    """The commit in a public message."""
    public: Any = mls.decode_message(message)
    assert public.content.content.content_type == mls.ContentType.COMMIT
    return public.content.content.content


def roster(group: mls.Group) -> list[tuple[int, bytes]]:
    """Who is where, and under which keys."""
    return [(leaf_index, leaf.encode()) for leaf_index, leaf in group.members()]


def agree(everybody: Sequence[Person], *, talking: bool = True) -> None:
    """They are all in one epoch, and see the same; with `talking`, each also reaches each other."""
    first = everybody[0].group
    for one in everybody:
        group = one.group
        assert group.epoch_authenticator == first.epoch_authenticator
        assert group.context == first.context
        assert group.tree.tree_hash() == first.context.tree_hash
        assert group.resumption_psk == first.resumption_psk
        assert roster(group) == roster(first)
        assert group.tree.leaf(group.own_leaf_index) == group.own_leaf
    assert len(first.members()) == len(everybody)
    assert len({one.leaf for one in everybody}) == len(everybody)
    if talking and not any(one.group.pending_proposals for one in everybody):
        all_talk(everybody)


def all_talk(everybody: Sequence[Person]) -> None:
    """Everybody can message everybody."""
    for speaker in everybody:
        text = f"{speaker.name} in {speaker.group.epoch}".encode()
        message = speaker.says(text)
        for listener in everybody:
            if listener is speaker:
                continue
            heard = listener.gets(mls.ApplicationMessage, message)
            assert (heard.data, heard.sender) == (text, speaker.leaf)
            assert heard.leaf == speaker.group.own_leaf


def everyone_commits(everybody: Sequence[Person], **how: Any) -> None:
    """Each in turn gives its path fresh keys, and all others follow: every private key is tried."""
    for one in everybody:
        all_follow(one.commits(**how).message, everybody, one)
        agree(everybody, talking=False)
