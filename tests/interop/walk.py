"""A random walk of one group whose members run different implementations.

Every step changes the group; after it all members must hold the same view. The walk knows what the
peers cannot do (docs/interop.md) and stays off it; all else that a peer refuses is a failure.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.interop.ours import Ours
from tests.interop.peers import Add, ExternalPsk, Peer, PeerError, Proposal, Remove, Staged, Update
from tests.interop.rine import Rine
from tests.interop.ts import Ts

TS_CANNOT_JOIN = "non-blank intermediate node must list leaf node in its unmerged_leaves"


@dataclass(frozen=True, slots=True)
class Mail:
    """An application message on its way to those who were members when it was sent."""

    due: int
    message: bytes
    text: bytes
    sender: Peer
    place: tuple[int, int]
    readers: dict[Peer, int]


class Walk:
    """`make` gives a new client of an implementation; `kinds` is the mix."""

    def __init__(
        self,
        kinds: Sequence[str],
        make: Callable[[str, str], Peer],
        *,
        seed: int,
        smallest: int = 5,
        largest: int = 10,
    ) -> None:
        self.rng = random.Random(seed)
        self.kinds, self.make = list(kinds), make
        self.smallest, self.largest = smallest, largest
        self.members: list[Peer] = []
        self.outside: list[Peer] = []
        self.counts: Counter[str] = Counter()
        self.made = 0
        self.secrets = 0
        self.now = 0  # commits delivered
        self.keys: Counter[Peer] = Counter()  # how often they changed their signature key
        self.joined: dict[Peer, int] = {}  # since when they know the group's secrets
        self.mail: list[Mail] = []

    # -- people ----------------------------------------------------------------------------------

    def newcomer(self) -> Peer:
        """Somebody who was in the group before, or a new client of the rarest implementation."""
        if self.outside and self.rng.random() < 0.6:
            return self.outside.pop(self.rng.randrange(len(self.outside)))
        self.made += 1
        present = Counter(p.implementation for p in self.members)
        kind = min(self.kinds, key=lambda k: (present[k], self.rng.random()))
        peer = self.make(kind, f"{kind} {self.made}")
        return peer

    def came(self, peer: Peer) -> None:
        self.members.append(peer)
        self.joined[peer] = self.now

    def place(self, peer: Peer) -> tuple[int, int]:
        return peer.index, self.keys[peer]

    def others(self, *peers: Peer) -> list[Peer]:
        return [p for p in self.members if p not in peers]

    def tree_in_welcome(self, joiners: Sequence[Peer]) -> bool:
        return not all(p.tree_aside for p in joiners) or self.rng.random() < 0.5

    def removable(self, *keep: Peer) -> list[Peer]:
        """Whose leaf may go: not the last of a kind, and not the last of the left half (ts-mls)."""
        present = Counter(p.implementation for p in self.members)
        indices = {p.index for p in self.members}
        found = []
        for peer in self.others(*keep):
            rest = indices - {peer.index}
            left = max(1, (1 << max(rest).bit_length()) // 2)
            half_empty = min(rest) >= left and Ts.implementation in self.kinds
            if present[peer.implementation] > 1 and not half_empty:
                found.append(peer)
        return found

    # -- steps -----------------------------------------------------------------------------------

    def start(self, size: int) -> None:
        founder, *rest = [self.newcomer() for _ in range(size)]
        self.came(founder)
        founder.create(self.rng.randbytes(16))
        while rest:
            joiners, rest = rest[:2], rest[2:]
            self.add(founder, joiners)
            self.check()

    def step(self) -> str:
        size = len(self.members)
        choices: list[tuple[Callable[[], str], int]] = [
            (self.update, 3),
            (self.add_some, 4 if size < self.largest else 0),
            (self.remove_one, 4 if size > self.smallest else 0),
            (self.join_from_outside, 3 if size < self.largest else 0),
            (self.resync, 2),
            (self.by_reference, 4),
            (self.lost_commit, 2),
            (self.restart, 1),
            (self.rotate, 1),
            (self.pre_shared_key, 0 if Rine.implementation in self.kinds else 2),
        ]
        while True:
            act = self.rng.choices([c for c, _ in choices], [w for _, w in choices])[0]
            done = act()
            if done:
                break
        self.counts[done] += 1
        self.check()
        self.talk()
        return done

    def update(self) -> str:
        committer = self.rng.choice(self.members)
        self.deliver(committer, committer.commit())
        return "update"

    def rotate(self) -> str:
        """One of ours changes its signature key."""
        able = [p for p in self.members if isinstance(p, Ours)]
        if not able:
            return ""
        committer = self.rng.choice(able)
        self.deliver(committer, committer.rotate())
        self.keys[committer] += 1
        return "new signature key"

    def add_some(self) -> str:
        committer = self.rng.choice(self.members)
        joiners = [self.newcomer() for _ in range(self.rng.randint(1, 2))]
        self.add(committer, joiners)
        return "add"

    def add(self, committer: Peer, joiners: Sequence[Peer]) -> None:
        in_welcome = self.tree_in_welcome(joiners)
        packages = [Add(p.key_package()) for p in joiners]
        staged = committer.commit(packages, tree_in_welcome=in_welcome)
        self.deliver(committer, staged)
        self.welcome(staged, joiners)

    def remove_one(self) -> str:
        committer = self.rng.choice(self.members)
        candidates = self.removable(committer)
        if not candidates:
            return ""
        self.deliver(committer, committer.commit([Remove(self.rng.choice(candidates).index)]))
        return "remove"

    def join_from_outside(self) -> str:
        info = self.rng.choice(self.members).group_info()
        joiner = self.newcomer()
        try:
            staged = joiner.external_join(info)
        except PeerError as error:
            self.outside.append(joiner)
            self.refused(joiner, error)
            return ""
        self.deliver(joiner, staged, from_outside=True)
        self.came(joiner)
        return "external join"

    def resync(self) -> str:
        """A member that lost its state replaces its own leaf."""
        helper, lost = self.rng.sample(self.members, 2)
        try:
            staged = lost.external_join(helper.group_info(), resync=lost.index)
        except PeerError as error:
            self.refused(lost, error)
            return ""
        self.deliver(lost, staged, from_outside=True)
        self.joined[lost] = self.now
        return "resync"

    def by_reference(self) -> str:
        """Proposals as messages of their own, then a commit by somebody who is not concerned."""
        committer = self.rng.choice(self.members)
        able = [p for p in self.others(committer) if p.proposes]
        if not able:
            return ""
        # ts-mls commits whatever it has received, mls-rs two updates of one leaf: they get nothing that
        # contradicts itself.
        sorts_out = isinstance(committer, Ours)
        proposers = self.rng.sample(able, min(len(able), self.rng.randint(1, 3)))
        if sorts_out and self.rng.random() < 0.3:
            proposers += proposers[:1]
        joiners: list[Peer] = []
        updating: list[Peer] = []
        removed: list[Peer] = []
        for proposer in proposers:
            proposal: Proposal
            draw = self.rng.random()
            room = committer.welcomes_by_reference and len(self.members) < self.largest
            candidates = []
            if not removed and len(self.members) > self.smallest:
                keep = [committer] if sorts_out else [*proposers, committer]
                candidates = self.removable(*keep)
            if draw < 0.25 and room:
                joiners.append(self.newcomer())
                proposal = Add(joiners[-1].key_package())
            elif draw < 0.5 and candidates:
                removed = [self.rng.choice(candidates)]
                proposal = Remove(removed[0].index)
            else:
                updating.append(proposer)
                proposal = Update()
            self.tell(self.others(proposer), proposer.propose(proposal))
        if set(removed) & set(updating) or len(set(updating)) < len(updating):
            self.counts["contradictions"] += 1
        staged = committer.commit(tree_in_welcome=self.tree_in_welcome(joiners))
        # ts-mls looks whether its leaf is blank after the commit, so it misses its removal when the same
        # commit fills the leaf again.
        unaware = [p for p in removed if joiners and isinstance(p, Ts)]
        self.deliver(committer, staged, unaware=unaware)
        self.welcome(staged, joiners)
        return "by reference"

    def lost_commit(self) -> str:
        """Two commit in the same epoch; the relay takes one."""
        winner, loser = self.rng.sample(self.members, 2)
        lost = loser.commit()
        staged = winner.commit()
        loser.discard()
        self.deliver(winner, staged)
        for peer in self.others(loser):
            try:
                peer.process(lost.message)
            except PeerError:
                continue
            raise AssertionError(f"{peer} took a commit of an epoch that is over")
        return "lost commit"

    def restart(self) -> str:
        """One of ours dies and comes back from what it saved. This changes nothing."""
        able = [p for p in self.members if isinstance(p, Ours)]
        if not able:
            return ""
        self.rng.choice(able).restart()
        return "restart"

    def pre_shared_key(self) -> str:
        """An external secret goes into the next epoch."""
        self.secrets += 1
        name, secret = b"secret %d" % self.secrets, self.rng.randbytes(32)
        for peer in self.members:
            peer.add_psk(name, secret)
        committer = self.rng.choice(self.members)
        self.deliver(committer, committer.commit([ExternalPsk(name)]))
        return "pre-shared key"

    # -- consequences ----------------------------------------------------------------------------

    def deliver(
        self,
        committer: Peer,
        staged: Staged,
        *,
        from_outside: bool = False,
        unaware: Sequence[Peer] = (),
    ) -> None:
        """`unaware` are removed by this commit and may not notice."""
        self.now += 1
        self.tell(self.others(committer, *unaware), staged.message)
        if isinstance(committer, Ours) and not from_outside and self.rng.random() < 0.5:
            committer.process(staged.message)  # it comes back from the relay
        else:
            committer.merge()
        leaves = committer.view().members if unaware else {}
        missed = [p for p in unaware if p.identity not in leaves.values()]
        gone = [p for p in self.members if p in missed or not p.active]
        self.members = self.others(*gone)
        self.outside += gone

    def tell(self, peers: Sequence[Peer], message: bytes, text: bytes | None = None) -> None:
        waiting = [(peer, peer.begin_process(message)) for peer in peers]
        for peer, finish in waiting:
            try:
                assert finish() == text, f"{peer} read something else"
            except PeerError as error:
                raise AssertionError(f"{peer} refused: {error}") from error

    def welcome(self, staged: Staged, joiners: Sequence[Peer]) -> None:
        """Let them in. Whom its implementation keeps out is a leaf without a member: removed again."""
        missing = []
        for nth, joiner in enumerate(joiners):
            try:
                joiner.join(staged.welcome(nth), staged.tree)
            except PeerError as error:
                self.refused(joiner, error)
                missing.append(joiner)
            else:
                self.came(joiner)
        for joiner in missing:
            committer = self.rng.choice(self.members)
            leaves = committer.view().members
            (index,) = [i for i, identity in leaves.items() if identity == joiner.identity]
            self.deliver(committer, committer.commit([Remove(index)]))
            self.outside.append(joiner)

    def refused(self, peer: Peer, error: PeerError) -> None:
        if not (isinstance(peer, Ts) and TS_CANNOT_JOIN in str(error)):
            raise AssertionError(f"{peer} refused: {error}") from error
        self.counts["ts-mls kept out"] += 1

    def check(self) -> None:
        waiting = {peer: peer.begin_view() for peer in self.members}
        views = {peer: finish() for peer, finish in waiting.items()}
        first = next(iter(views.values()))
        for peer, view in views.items():
            assert view.agrees(first), f"{peer} differs in epoch {first.epoch}:\n{view}\n{first}"

    def talk(self) -> None:
        """Some messages from one member to all, out of order; some arrive epochs later."""
        sender = self.rng.choice(self.members)
        sent = []
        for _ in range(self.rng.randint(1, 3)):
            text = self.rng.randbytes(self.rng.randint(0, 300))
            sent.append((sender.protect(text), text))
        self.rng.shuffle(sent)
        for message, text in sent:
            readers = {peer: self.joined[peer] for peer in self.others(sender)}
            due = self.now + (self.rng.randint(1, 2) if self.rng.random() < 0.2 else 0)
            self.mail.append(Mail(due, message, text, sender, self.place(sender), readers))
        for mail in [mail for mail in self.mail if mail.due <= self.now]:
            self.mail.remove(mail)
            present = [p for p in self.members if mail.readers.get(p) == self.joined[p]]
            # rine-mls looks a sender up in the present group.
            if mail.sender not in self.members or self.place(mail.sender) != mail.place:
                present = [p for p in present if not isinstance(p, Rine)]
            self.tell(present, mail.message, mail.text)
            self.counts["messages"] += 1
