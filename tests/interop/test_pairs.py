"""We and one other implementation, step by step, each founding the group once."""

from __future__ import annotations

import pytest

from heliogram import mls
from tests.interop.conftest import Make
from tests.interop.ours import Ours
from tests.interop.peers import (
    Add,
    Extensions,
    ExternalPsk,
    Peer,
    PeerError,
    Proposal,
    Remove,
    Staged,
    Update,
    clock,
)
from tests.interop.suites import TS_SUITES
from tests.interop.ts import Ts

KINDS = [("rine-mls", 1), *(("ts-mls", suite) for suite in TS_SUITES)]


def cases(*, rine: bool = True, private: bool = True) -> pytest.MarkDecorator:
    """kind, suite, private, ours_found: all ways for three suites, some for the others."""
    params = []
    for kind, suite in KINDS if rine else KINDS[1:]:
        for hidden in (False, True) if private else (False,):
            for ours_found in (False, True):
                if hidden == ours_found and suite not in (1, 0xF002):
                    continue
                words = (kind, f"{suite:#x}", "private" if hidden else "public")
                founder = "we-found" if ours_found else "they-found"
                params.append(
                    pytest.param(kind, suite, hidden, ours_found, id="-".join((*words, founder)))
                )
    return pytest.mark.parametrize("kind, suite, private, ours_found", params)


FOUNDER = pytest.mark.parametrize("ours_found", [True, False], ids=["we-found", "they-found"])


def agree(*peers: Peer) -> None:
    first, *rest = [peer.view() for peer in peers]
    for view in rest:
        assert view.agrees(first), f"{view}\n{first}"


def tell(message: bytes, *peers: Peer) -> None:
    for peer in peers:
        assert peer.process(message) is None


def take(committer: Peer, staged: Staged, *others: Peer) -> None:
    tell(staged.message, *others)
    committer.merge()


def talk(*peers: Peer) -> None:
    for sender in peers:
        for text in (b"", sender.identity, bytes(5000)):
            message = sender.protect(text)
            for reader in peers:
                if reader is not sender:
                    assert reader.process(message) == text


def pair(make: Make, kind: str, suite: int, private: bool, ours_found: bool) -> tuple[Peer, Peer]:
    """The founder and who it added: one of us and one of them."""
    ours = make("heliogram", "ours", suite=suite, private=private)
    theirs = make(kind, "theirs", suite=suite, private=private)
    founder, joiner = (ours, theirs) if ours_found else (theirs, ours)
    founder.create(b"a group")
    staged = founder.commit([Add(joiner.key_package())])
    founder.merge()
    joiner.join(staged.welcome(0))
    agree(founder, joiner)
    return founder, joiner


@cases()
def test_join_talk_update_add_remove(
    make: Make, kind: str, suite: int, private: bool, ours_found: bool
) -> None:
    founder, joiner = pair(make, kind, suite, private, ours_found)
    talk(founder, joiner)
    for committer, other in ((joiner, founder), (founder, joiner)):
        take(committer, committer.commit(), other)
        agree(founder, joiner)
    third = make(kind if ours_found else "heliogram", "third", suite=suite, private=private)
    staged = joiner.commit([Add(third.key_package())], tree_in_welcome=not third.tree_aside)
    take(joiner, staged, founder)
    third.join(staged.welcome(0), staged.tree)
    agree(founder, joiner, third)
    talk(founder, joiner, third)
    staged = third.commit([Remove(joiner.index)])
    take(third, staged, founder, joiner)
    assert not joiner.active
    agree(founder, third)
    with pytest.raises(PeerError):
        joiner.process(third.protect(b"not for you"))


@cases(private=False)
def test_external_join_and_resync(
    make: Make, kind: str, suite: int, private: bool, ours_found: bool
) -> None:
    founder, joiner = pair(make, kind, suite, private, ours_found)
    members = [founder, joiner]
    for newcomer, door in ((kind, "heliogram"), ("heliogram", kind)):
        opener = founder if founder.implementation == door else joiner
        peer = make(newcomer, f"a new {newcomer}", suite=suite)
        staged = peer.external_join(opener.group_info())
        take(peer, staged, *members)
        members.append(peer)
        agree(*members)
    for lost, helper in ((founder, joiner), (joiner, founder)):
        staged = lost.external_join(helper.group_info(), resync=lost.index)
        take(lost, staged, *[p for p in members if p is not lost])
        agree(*members)
    talk(*members)


@cases()
def test_proposals_by_reference(
    make: Make, kind: str, suite: int, private: bool, ours_found: bool
) -> None:
    """Each proposes an update, an add and a remove; the other commits."""
    founder, joiner = pair(make, kind, suite, private, ours_found)
    members = [founder, joiner]
    for nth, (proposer, committer) in enumerate(((founder, joiner), (joiner, founder))):
        if not proposer.proposes:
            continue
        proposals: list[Proposal] = [Update()]
        extra = make("heliogram", f"extra {nth}", suite=suite)
        if committer.welcomes_by_reference:
            proposals.append(Add(extra.key_package()))
        for proposal in proposals:
            tell(proposer.propose(proposal), *[p for p in members if p is not proposer])
        staged = committer.commit()
        take(committer, staged, *[p for p in members if p is not committer])
        if staged.welcomes:
            extra.join(staged.welcome(0), staged.tree)
            members.append(extra)
        agree(*members)
        if extra in members:
            others = [p for p in members if p is not proposer]
            tell(proposer.propose(Remove(extra.index)), *others)
            staged = committer.commit()
            take(committer, staged, *[p for p in members if p is not committer])
            assert not extra.active
            members.remove(extra)
            agree(*members)
    talk(*members)


@cases(rine=False)
def test_pre_shared_keys_and_exporter(
    make: Make, kind: str, suite: int, private: bool, ours_found: bool
) -> None:
    founder, joiner = pair(make, kind, suite, private, ours_found)
    third = make("heliogram" if ours_found else kind, "third", suite=suite)
    for peer in (founder, joiner, third):
        for name in (b"one", b"two"):
            peer.add_psk(name, name * 20)
    # With one key and a path of its own, by reference, and two together with an add.
    take(founder, founder.commit([ExternalPsk(b"one")]), joiner)
    agree(founder, joiner)
    tell(founder.propose(ExternalPsk(b"two")), joiner)
    take(joiner, joiner.commit(), founder)
    agree(founder, joiner)
    staged = joiner.commit([ExternalPsk(b"two"), Add(third.key_package()), ExternalPsk(b"one")])
    take(joiner, staged, founder)
    third.join(staged.welcome(0))
    agree(founder, joiner, third)
    exported = {p.export("some label", b"a context", 77) for p in (founder, joiner, third)}
    assert len(exported) == 1
    assert exported != {founder.export("some label", b"another", 77)}


def test_authenticated_data(make: Make) -> None:
    """Data beside the text, seen by everybody and covered by the signature (RFC 9420, 6.3)."""
    ours, theirs = pair(make, "ts-mls", 1, False, True)
    assert isinstance(ours, Ours) and isinstance(theirs, Ts)
    assert theirs.process(ours.protect(b"text", b"beside it")) == b"text"
    message = theirs.protect(b"text", b"beside it")
    assert b"beside it" in message
    with pytest.raises(PeerError):
        ours.process(message.replace(b"beside it", b"inside it"))
    outcome = ours.group.process(message, now=clock())
    assert isinstance(outcome, mls.ApplicationMessage)
    assert (outcome.data, outcome.authenticated_data) == (b"text", b"beside it")


def test_group_context_extensions(make: Make) -> None:
    """ts-mls and mls-rs follow our change; what ts-mls makes is refused (docs/interop.md)."""
    ours = make("heliogram", "ours")
    peers = [make("ts-mls", "theirs"), make("rine-mls", "theirs too")]
    ours.create(b"a group")
    staged = ours.commit([Add(p.key_package()) for p in peers])
    ours.merge()
    for nth, peer in enumerate(peers):
        peer.join(staged.welcome(nth))
    requires_basic = Extensions(((3, bytes.fromhex("0000020001")),))
    take(ours, ours.commit([requires_basic]), *peers)
    agree(ours, *peers)
    assert isinstance(ours, Ours)
    assert [e.extension_type for e in ours.group.context.extensions] == [3]
    theirs = peers[0].commit([requires_basic])
    for peer in (ours, peers[1]):
        with pytest.raises(PeerError, match=r"path"):
            peer.process(theirs.message)
    peers[0].discard()
    agree(ours, *peers)


@pytest.mark.parametrize("suite", [1, 0xF002])
def test_newcomers_proposal(make: Make, suite: int) -> None:
    """A client proposes to add itself (RFC 9420, 12.1.8)."""
    ours, theirs = pair(make, "ts-mls", suite, False, True)
    third = make("ts-mls", "third", suite=suite)
    fourth = make("heliogram", "fourth", suite=suite)
    assert isinstance(third, Ts) and isinstance(fourth, Ours)
    tell(third.propose_own_add(theirs.group_info()), ours, theirs)
    tell(fourth.propose_own_add(theirs.group_info()), ours, theirs)
    staged = ours.commit()
    take(ours, staged, theirs)
    for joiner in (third, fourth):
        joiner.join(staged.welcome(0))
    agree(ours, theirs, third, fourth)


def test_external_sender(make: Make) -> None:
    """A sender outside the group proposes (RFC 9420, 12.1.8); ts-mls reads no lists of them."""
    ours, theirs = make("heliogram", "ours"), make("rine-mls", "theirs")
    assert isinstance(ours, Ours)
    key = mls.new_signature_key(1, entropy=ours.entropy)
    sender = mls.ExternalSender(key.public, mls.BasicCredential(b"the relay"))
    ours.create(b"a group", (mls.external_senders_extension([sender]),))
    staged = ours.commit([Add(theirs.key_package())])
    ours.merge()
    theirs.join(staged.welcome(0))
    for committer, other in ((ours, theirs), (theirs, ours)):
        third = make("heliogram", f"added for {committer.name}")
        staged = committer.commit([Add(third.key_package())])
        take(committer, staged, other)
        (index,) = {0, 1, 2} - {ours.index, theirs.index}
        tell(mls.external_proposal(ours.group_info(), mls.Remove(index), 0, key), ours, theirs)
        take(committer, committer.commit(), other)
        agree(ours, theirs)
        assert set(ours.view().members) == {ours.index, theirs.index}


@pytest.mark.parametrize("suite", [1, 0xF002])
@FOUNDER
def test_branch(make: Make, suite: int, ours_found: bool) -> None:
    """A subgroup, bound to its parent by a resumption secret (RFC 9420, 11.3)."""
    founder, joiner = pair(make, "ts-mls", suite, False, ours_found)
    for brancher, other in ((founder, joiner), (joiner, founder)):
        assert isinstance(brancher, Ours | Ts) and isinstance(other, Ours | Ts)
        brancher_in, other_in = brancher.fork(), other.fork()
        staged = brancher_in.branch(b"a branch", [other_in.key_package()])
        brancher_in.merge()
        other_in.follow(staged.welcome(0), staged.tree)
        agree(brancher_in, other_in)
        talk(brancher_in, other_in)


@pytest.mark.parametrize("suite", [1, 0xF002])
@FOUNDER
def test_reinit(make: Make, suite: int, ours_found: bool) -> None:
    """The group closes, another takes its place (RFC 9420, 11.2)."""
    founder, joiner = pair(make, "ts-mls", suite, False, ours_found)
    assert isinstance(founder, Ours | Ts) and isinstance(joiner, Ours | Ts)
    take(founder, founder.reinit(b"the next group"), joiner)
    staged = joiner.reinitialized(b"the next group", [founder.key_package()])
    joiner.merge()
    founder.follow(staged.welcome(0), staged.tree)
    agree(founder, joiner)
    talk(founder, joiner)
