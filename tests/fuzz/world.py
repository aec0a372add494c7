"""Live groups to throw messages at, and real messages to start from.

A `World` is a group of one cipher suite with some history: blank leaves, an unmerged leaf, past
epochs, proposals that wait, a staged commit. It keeps members as saved states, and for each a list
of messages that this member accepts: every proposal type and every shape of commit, public and
private, from members, from outside and from itself. Everything in a world is bytes, so a world can
be written into a reproducer and read back (`to_json`, `from_json`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from heliogram import mls
from heliogram.mls.crypto import SUITES, Secret, SignatureKey
from heliogram.mls.hpke import HPKE

NOW = 1_800_000_000
GROUP_ID = b"the group of the fuzzer"
#: The component whose data the group holds.
COMPONENT = 0xF000
KNOWN_PSK = b"a key that all know"


class Stream:
    """Entropy from a seed: the same bytes each time."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "big")).digest(size)


@contextmanager
def no_randomness(entropy: Callable[[int], bytes]) -> Iterator[None]:
    """Seal by hand with our entropy, where the library would draw its own.

    What ML-KEM encapsulates stays random: the library has no way to say otherwise.
    """
    seal, sealer = HPKE.seal, HPKE.sealer

    def by_hand(self: HPKE, public: bytes, info: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        return self.seal_by_hand(public, info, plaintext, entropy)

    def many(self: HPKE, info: bytes, _: object = None) -> Callable[[bytes, bytes], Any]:
        return sealer(self, info, entropy)

    HPKE.seal, HPKE.sealer = by_hand, many  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        HPKE.seal, HPKE.sealer = seal, sealer  # type: ignore[method-assign]


class Permissive(mls.Policy):
    """Everybody may do everything, so that no refusal hides what stands behind it."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return True

    def allows_commit(self, view: Any, committer: int | None, proposals: Any) -> bool:
        return True

    def update_component(self, component_id: int, current: bytes | None, updates: Any) -> bytes:
        return bytes(updates[-1])


def _find_psk(psk_id: mls.PreSharedKeyID) -> Secret | None:
    if isinstance(psk_id, mls.ExternalPSKID) and psk_id.psk_id.startswith(KNOWN_PSK):
        return Secret(b"\x07" * 32)
    return None


CONFIG = mls.Config(
    authentication=mls.AcceptAnyCredential(), policy=Permissive(), psk=_find_psk, past_epochs=3
)
PRIVATE = replace(CONFIG, private_handshakes=True)


@dataclass
class World:
    """See above. All members are saved states, so that one can be had as often as needed."""

    suite: int
    #: Saved groups by name. A message is for one of them.
    groups: dict[str, bytes] = field(default_factory=dict)
    #: (name of the group, message): messages that this group accepts as it is saved.
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    #: Saved key packages by name.
    packages: dict[str, bytes] = field(default_factory=dict)
    #: (name of the key package, welcome, the tree if the welcome has none, the group before).
    welcomes: list[tuple[str, bytes, bytes, str]] = field(default_factory=list)
    #: (group info for external joiners, the tree if it has none).
    infos: list[tuple[bytes, bytes]] = field(default_factory=list)
    #: Messages by which members of these groups leave.
    self_removes: list[bytes] = field(default_factory=list)
    #: Signature keys of everybody: serialised private keys.
    secrets: list[bytes] = field(default_factory=list)

    def group(self, name: str, config: mls.Config = CONFIG) -> mls.Group:
        """A member as it was saved."""
        return mls.Group.from_bytes(self.groups[name], config=config)

    def package(self, name: str) -> mls.OwnKeyPackage:
        """A key package with its private keys."""
        return mls.OwnKeyPackage.from_bytes(self.packages[name])

    def keys(self) -> dict[bytes, SignatureKey]:
        """Signature keys by their public half."""
        pairs = map(SUITES[self.suite].signature_key, self.secrets)
        return {pair.public: pair for pair in pairs}

    def to_json(self) -> dict[str, Any]:
        """The world for a file."""
        return dict(_hex(asdict(self)))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> World:
        """The world of a file."""
        read = dict(_unhex(value))
        for name in ("messages", "welcomes", "infos"):
            read[name] = [tuple(entry) for entry in read[name]]
        return cls(**read)


def _hex(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + bytes(value).hex()
    if isinstance(value, dict):
        return {name: _hex(part) for name, part in value.items()}
    return [_hex(part) for part in value] if isinstance(value, list | tuple) else value


def _unhex(value: Any) -> Any:
    if isinstance(value, str):
        return bytes.fromhex(value[2:]) if value.startswith("0x") else value
    if isinstance(value, dict):
        return {name: _unhex(part) for name, part in value.items()}
    return [_unhex(part) for part in value] if isinstance(value, list) else value


# --- History --------------------------------------------------------------------------------------


def build(suite: int, seed: bytes = b"") -> World:
    """A world of this cipher suite."""
    entropy = Stream(b"world" + seed + suite.to_bytes(2, "big"))
    with no_randomness(entropy):
        return _Builder(suite, entropy).build()


class _Builder:
    def __init__(self, suite: int, entropy: Stream) -> None:
        self.world = World(suite)
        self.how: dict[str, Any] = {"now": NOW, "entropy": entropy}
        self.entropy = entropy
        self.saved: dict[str, bytes] = {}

    def key(self) -> SignatureKey:
        """A signature key that the world knows."""
        pair = mls.new_signature_key(self.world.suite, entropy=self.entropy)
        self.world.secrets.append(bytes(pair.secret))
        return pair

    def package(self, name: str, *, keep: bool = False, **more: Any) -> mls.OwnKeyPackage:
        """A key package of somebody who is not here yet."""
        credential = mls.BasicCredential(name.encode())
        own = mls.new_key_package(self.world.suite, credential, self.key(), **more, **self.how)
        if keep:
            self.world.packages[name] = bytes(own.to_bytes())
        return own

    def load(self, name: str, config: mls.Config = CONFIG) -> mls.Group:
        """A member of the current epoch."""
        return mls.Group.from_bytes(self.saved[name], config=config)

    def build(self) -> World:
        self._found()
        self._proposals()
        self._commits()
        self._from_outside()
        self._own()
        self._joins()
        self._check()
        return self.world

    def _found(self) -> None:
        """Six members with blank leaves, parents, an unmerged leaf and three past epochs."""
        world, how = self.world, self.how
        self.external = self.key()
        sender = mls.ExternalSender(self.external.public, mls.BasicCredential(b"the door"))
        alice = mls.Group.create(
            GROUP_ID,
            world.suite,
            mls.BasicCredential(b"alice"),
            self.key(),
            config=CONFIG,
            extensions=(
                mls.external_senders_extension([sender]),
                mls.RequiredCapabilities((6,), (8, 9, 10), (1,)).extension(),
                mls.encode_dictionary({COMPONENT: b"a state"}),
            ),
            **how,
        )
        world.groups["alone"] = bytes(alice.to_bytes())
        members = {"alice": alice}

        def step(
            committer: str, *proposals: mls.Proposal, new: dict[str, Any], **more: Any
        ) -> None:
            staged = members[committer].commit(proposals, **more, **how)
            for name, group in list(members.items()):
                if name == committer:
                    members[name] = staged.merge()
                    continue
                outcome = group.process(staged.message, now=NOW)
                if isinstance(outcome, mls.EpochAdvanced):
                    members[name] = outcome.group
                else:
                    del members[name]
            for name, own in new.items():
                if staged.welcome is not None:
                    members[name] = mls.Group.join(staged.welcome, [own], config=CONFIG, now=NOW)

        def packages(*names: str) -> tuple[tuple[mls.Add, ...], dict[str, Any]]:
            new = {name: self.package(name) for name in names}
            return tuple(mls.Add(own.key_package) for own in new.values()), new

        adds, new = packages("bob", "carol", "dave", "erin")
        step("alice", *adds, new=new)
        world.groups["new"] = bytes(members["bob"].to_bytes())
        self.late = [members["carol"].protect(b"a late word", entropy=self.entropy)]
        step("carol", new={})
        self.late.append(members["erin"].protect(b"another", entropy=self.entropy))
        step("alice", mls.Remove(members["dave"].own_leaf_index), new={})
        adds, new = packages("frank")
        step("erin", *adds, new=new)
        self.saved = {name: bytes(group.to_bytes()) for name, group in members.items()}
        world.groups["bob"] = self.saved["bob"]
        world.messages += [("bob", message) for message in self.late]
        world.messages.append(("new", self.late[0]))
        self.leaf = {name: group.own_leaf_index for name, group in members.items()}

    def _samples(self) -> list[mls.Proposal]:
        """A proposal of each type that a member may send, but Update and SelfRemove."""
        bob = self.load("bob")
        size = bob.suite.hash_length
        return [
            mls.Add(self.package("gina").key_package),
            mls.Remove(self.leaf["erin"]),
            mls.PreSharedKey(mls.ExternalPSKID(KNOWN_PSK, self.entropy(size))),
            mls.PreSharedKey(
                mls.ResumptionPSKID(
                    mls.ResumptionPSKUsage.APPLICATION, GROUP_ID, bob.epoch - 1, self.entropy(size)
                )
            ),
            mls.ReInit(b"the next group", 1, self.world.suite, ()),
            mls.GroupContextExtensions(bob.context.extensions[:2]),
            mls.AppDataUpdate(COMPONENT, b"a new state"),
            mls.AppDataUpdate(COMPONENT, None),
            mls.AppEphemeral(COMPONENT, b"gone tomorrow"),
        ]

    def _proposals(self) -> None:
        """Messages that each carry one proposal or some words."""
        add = self.world.messages.append
        for config in (CONFIG, PRIVATE):
            for proposal in self._samples():
                add(("bob", self.load("carol", config).propose(proposal, **self.how)))
            add(("bob", self.load("erin", config).propose_update(**self.how)))
        add(("bob", self.load("frank").propose(mls.SelfRemove(), **self.how)))
        talking = self.load("alice", replace(CONFIG, padding=lambda size: size + 40))
        for number in range(3):
            add(("bob", talking.protect(b"word %d" % number, entropy=self.entropy)))
        self.world.messages.append(
            ("bob", talking.protect(b"", authenticated_data=b"seen", entropy=self.entropy))
        )

    def _commits(self) -> None:
        """Commits of every shape; and a member with proposals that wait, and commits of those."""
        world, how = self.world, self.how
        samples = self._samples()
        lists: list[tuple[mls.Proposal, ...]] = [(), *((sample,) for sample in samples)]
        lists += [(mls.Remove(self.leaf["bob"]),), (samples[0], samples[1], samples[2], samples[8])]
        for config in (CONFIG, PRIVATE):
            for proposals in lists:
                staged = self.load("alice", config).commit(proposals, **how)
                world.messages.append(("bob", staged.message))
        bob, alice = self.load("bob"), self.load("alice")
        for name, waiting in (("carol", samples[0]), ("carol", samples[2]), ("frank", samples[8])):
            message = self.load(name).propose(waiting, **how)
            bob.process(message, now=NOW)
            alice.process(message, now=NOW)
        for message in (
            self.load("erin").propose_update(**how),
            self.load("frank").propose(mls.SelfRemove(), **how),
            alice.propose(mls.AppEphemeral(COMPONENT, b"mine"), **how),
        ):
            bob.process(message, now=NOW)
            if alice.pending_proposals[-1].sender.index != self.leaf["alice"]:
                alice.process(message, now=NOW)
        world.groups["pending"] = bytes(bob.to_bytes())
        world.messages.append(("pending", alice.commit(**how).message))
        world.messages.append(("pending", self.load("alice").commit(**how).message))
        closing = self.load("alice").commit([samples[4]], **how)
        outcome = self.load("bob").process(closing.message, now=NOW)
        if isinstance(outcome, mls.EpochAdvanced):
            world.groups["closed"] = bytes(outcome.group.to_bytes())
            last = self.load("erin").protect(b"a last word", entropy=self.entropy)
            world.messages.append(("closed", last))
        self.closed = closing.merge()

    def _from_outside(self) -> None:
        """What people who are no members may say."""
        world, how = self.world, self.how
        alice = self.load("alice")
        with_tree = alice.group_info(external_pub=True)
        without = alice.group_info(external_pub=True, ratchet_tree=False)
        world.infos += [(with_tree, b""), (without, alice.ratchet_tree())]
        gina = self.package("gina")
        for proposal in (mls.Add(gina.key_package), mls.Remove(self.leaf["carol"])):
            world.messages.append(
                ("bob", mls.external_proposal(with_tree, proposal, 0, self.external))
            )
        world.messages.append(("bob", mls.propose_own_add(with_tree, gina)))
        world.self_removes.append(self.load("frank").propose(mls.SelfRemove(), **how))
        for name, more in (
            ("zoe", {}),
            ("zoe", {"psks": [self._samples()[2]]}),
            ("carol", {"resync": self.leaf["carol"]}),
        ):
            credential = mls.BasicCredential(name.encode())
            staged = mls.Group.join_external(
                with_tree, credential, self.key(), config=CONFIG, **more, **how
            )
            world.messages.append(("bob", staged.message))

    def _own(self) -> None:
        """What comes back to its sender."""
        bob = self.load("bob")
        spoken = bob.protect(b"mine", entropy=self.entropy)
        proposed = bob.propose(mls.AppEphemeral(COMPONENT, b"mine"), **self.how)
        updated = bob.propose_update(**self.how)
        staged = bob.commit(
            [mls.AppEphemeral(COMPONENT, b"too")], include_pending=False, **self.how
        )
        self.world.groups["staged"] = bytes(bob.to_bytes())
        for message in (spoken, proposed, updated, staged.message):
            self.world.messages.append(("staged", message))

    def _joins(self) -> None:
        """Welcomes: with and without tree, path and pre-shared keys; a branch; a new group."""
        world, how = self.world, self.how
        own = self.package("henry", keep=True)
        add, psk = mls.Add(own.key_package), self._samples()[2]
        for proposals, path, inside in (
            ([add], False, True),
            ([add], True, True),
            ([add, psk], False, False),
        ):
            staged = self.load("alice").commit(proposals, path=path, welcome_tree=inside, **how)
            tree = b"" if inside else staged.group.ratchet_tree()
            world.welcomes.append(("henry", staged.welcome or b"", tree, ""))
        for before, maker in (("bob", self.load("alice")), ("closed", self.closed)):
            bob = self.package("bob", keep=True)
            others = [self.package(name) for name in ("carol", "erin", "frank")]
            packages = [each.key_package for each in (bob, *others)]
            if before == "bob":
                staged = maker.branch(b"a branch", packages, **how)
            else:
                staged = maker.reinitialize(packages, **how)
            name = f"bob of {before}"
            world.packages[name] = world.packages.pop("bob")
            world.welcomes.append((name, staged.welcome or b"", b"", before))

    def _check(self) -> None:
        """Everything here is good as it stands: what the fuzzer breaks was whole before."""
        world = self.world
        for name, message in world.messages:
            world.group(name).process(message, now=NOW)
        for package, welcome, tree, before in world.welcomes:
            mls.Group.join(
                welcome,
                [world.package(package)],
                config=CONFIG,
                ratchet_tree=tree or None,
                previous=world.group(before) if before else None,
                now=NOW,
            )
