"""A conversation: an MLS group of devices, tied to its log on relays, as one device sees it.

    conversation, effects = Conversation.found(configuration, device, …)    # or join(invitation, …)
    staged = conversation.stage(AddPeople(…), …)    # a value for the slot: save, upload, then elect
    effects = conversation.apply(decision, …)       # whoever's value won
    effects = conversation.send(kind, content, …)   # an entry to post
    effects = conversation.receive(entry, epoch, …)

Every call gives `Effects`: write their records and entries in one transaction, then post and show. A call
that raises has changed nothing that is saved.

**Nothing is believed from relays.** A decision is one if a quorum of the seat's relays signed it; what is in
it, members judge alike.

**Public or private.** Whether a decided value is valid is for the most part a question that all members of
its epoch answer alike: it opens, it is a commit for this slot, signed by a member, its proposals are allowed,
its relays are those of the new group. If the answer is no, the log is dead for all. Three things only some
may see: that a path secret is not for them, that the confirmation tag or the keys in the header are wrong.
Then a member does not skip the decision, for others may have followed it: it is wounded, says so with a
fresh key package, and is put back.

**One staged value in an epoch.** Once a value was given out it may win as long as its epoch is open. So it is
kept until a decision is there, and a commit of our own is never met as somebody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from heliogram import mls
from heliogram.content.errors import ContentError
from heliogram.content.framing import MESSAGE_STATUS, MIMI_CONTENT, ApplicationFraming, framed
from heliogram.content.limits import MAX_MESSAGE
from heliogram.content.typing import TYPING
from heliogram.mls.framing import PrivateMessage
from heliogram.node import entering, judging, lines, staging
from heliogram.node.chain import Decision, Link
from heliogram.node.changes import CarryOver, RenewKeys, Restore, Wish, proposals_for
from heliogram.node.components import Charter, Metadata, device_of
from heliogram.node.entering import Grounds, nowhere
from heliogram.node.epoch_keys import TAG_SIZE, EpochKeys
from heliogram.node.errors import InvalidInvitation, NotAllowed, NotNow, NotOpened, TooLong
from heliogram.node.events import (
    CouldNotRead,
    Dead,
    EpochStarted,
    Event,
    ForkSuspected,
    InvitationDue,
    KeysUsedElsewhere,
    LeavingAnnounced,
    MemberWounded,
    MessageReceived,
    Out,
    Person,
    RescueArrived,
    SuccessorOffered,
    Unread,
    Wounded,
)
from heliogram.node.identity.authentication import DeviceAuthentication
from heliogram.node.identity.links import SECRET_SIZE
from heliogram.node.invitation import SIGNED, Invitation
from heliogram.node.membership import (
    CONFIRMATION_TAG,
    PRIVATE,
    Device,
    Entropy,
    Witness,
    conversation_config,
    departure_of,
)
from heliogram.node.records import DIGEST, Effects, Held, Outgoing, Phase
from heliogram.node.successor import Ground, heard_report
from heliogram.node.value import (
    Body,
    CommitData,
    WelcomeForm,
)
from heliogram.wire.objects import Configuration, Header, Seat, Value

#: What carries messages of MLS inside of messages: departures.
MLS_MESSAGE = "message/mls"

#: What a wounded member says: a secret of 32 bytes, and a key package as an MLSMessage.
WOUNDED = "application/vnd.heliogram.wounded"

_DEVICES = DeviceAuthentication()
_UNNAMED = Metadata()


@dataclass(frozen=True, slots=True)
class Staged:
    """A value for the open slot. `blobs` must lie on a quorum of relays before it is proposed."""

    value: Value = field(repr=False)
    blobs: tuple[bytes, ...] = field(repr=False)
    effects: Effects


#: What people say, as kinds of application data.
_SAID = frozenset((MIMI_CONTENT, MESSAGE_STATUS, TYPING))


class Conversation:
    """One device's view of one conversation. Made by `found`, `join` and `load`."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def __repr__(self) -> str:
        return f"<Conversation in epoch {self.epoch}, {self.phase.name}>"

    # --- Coming in --------------------------------------------------------------------------------

    @classmethod
    def found(
        cls,
        configuration: Configuration,
        device: Device,
        metadata: Metadata = _UNNAMED,
        *,
        after: Ground | None = None,
        authentication: mls.AuthenticationService = _DEVICES,
        now: int,
        entropy: Entropy,
    ) -> tuple[Conversation, Effects]:
        """A conversation of one, in epoch 0. Open the log with `seat`, then `stage` the first change.

        It goes on from `after`, if given, under the same name: see `successor`. Raises `NotAllowed` if that
        is not for us to do.
        """
        held, events = entering.found(
            configuration, device, metadata, after, authentication, now=now, entropy=entropy
        )
        return cls(held), held.effects(events=events)

    @classmethod
    def join(
        cls,
        invitation: Invitation,
        packages: Sequence[mls.OwnKeyPackage],
        *,
        welcome: bytes | None = None,
        in_use: Container[bytes] = (),
        replaces: Conversation | None = None,
        grounds: Grounds = nowhere,
        authentication: mls.AuthenticationService = _DEVICES,
        now: int,
    ) -> tuple[Conversation, Effects]:
        """The conversation that an invitation leads to. `welcome` is that of the blob, if it lies in one.

        `packages` are ours that were not used, `in_use` the ids of groups that we are in; `replaces` is the
        wounded conversation that this one takes the place of: its records go. `grounds` gives the `ground` of
        a conversation of ours by its log: what says that it goes on from there must. Raises
        `InvalidInvitation`: without a certificate of the seat's relays for exactly this group nobody joins.
        """
        held, events = entering.join(
            invitation, packages, welcome, in_use, grounds, authentication, now=now
        )
        if replaces is not None:
            held.replace(replaces._held)
        return cls(held), held.effects(events=events)

    @classmethod
    def load(
        cls,
        records: Mapping[bytes, bytes],
        *,
        authentication: mls.AuthenticationService = _DEVICES,
    ) -> Conversation:
        """What `Effects.records` were written for. Raises `DamagedState`."""
        return cls(Held.load(records, conversation_config(authentication)))

    # --- What is known ----------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """What may be done here."""
        return self._held.standing.phase

    @property
    def seat(self) -> Seat:
        """The seat of the open slot, as far as we have followed."""
        return self._held.standing.seat

    @property
    def epoch(self) -> int:
        """The epoch that we are in."""
        return self.seat.epoch

    @property
    def instances(self) -> tuple[bytes, ...]:
        """The relays' names for this log, in the order of the seat."""
        return self._held.standing.instances

    @property
    def must_renew(self) -> bool:
        """Whether we must stage `RenewKeys` before we may send."""
        return self._held.standing.must_renew

    @property
    def staged(self) -> Value | None:
        """Our value that may win the open slot."""
        return None if self._held.staged is None else self._held.staged.value

    @property
    def charter(self) -> Charter:
        """Relays, roles and names. Raises `NotNow` when we are out."""
        return Charter.of(self._member().context)

    @property
    def group_id(self) -> bytes:
        """The MLS group id. Raises `NotNow` when we are out."""
        return self._member().group_id

    @property
    def commit_due(self) -> bool:
        """Whether somebody has announced to leave: nobody may send before a commit."""
        return self._held.group is not None and bool(self._held.group.pending_proposals)

    @property
    def departures(self) -> frozenset[int]:
        """Leaves of those who have announced to leave, us too: they wait for a commit."""
        if self._held.group is None:
            return frozenset()
        return frozenset(one.sender.index for one in self._held.group.pending_proposals)

    @property
    def staged_keys(self) -> EpochKeys | None:
        """The keys of the epoch that our staged value would start."""
        return None if self._held.staged is None else self._held.staged.keys

    @property
    def epoch_authenticator(self) -> mls.Secret:
        """Equal for all who are in the same epoch of the same branch, and nobody else."""
        return self._member().epoch_authenticator

    def people(self) -> list[Person]:
        """All members, by their leaves."""
        return [lines.person(leaf, index) for index, leaf in self._member().members()]

    @property
    def own_leaf(self) -> int:
        """Where we sit."""
        return self._member().own_leaf_index

    @property
    def rank(self) -> int:
        """Our place in an election of this epoch, from 0."""
        leaves = [index for index, _ in self._member().members()]
        return self._held.keys[self.epoch].rank_of(self.own_leaf, leaves)

    def keys(self, epoch: int) -> EpochKeys | None:
        """An epoch's keys, for its channels: the open one's, and of closed ones what is kept."""
        return self._held.keys.get(epoch)

    # --- Sending ----------------------------------------------------------------------------------

    def send(
        self,
        content: bytes,
        kind: str = MIMI_CONTENT,
        *,
        grace: bool = False,
        entropy: Entropy,
    ) -> Effects:
        """An entry that says `content`. Raises `NotNow` when we may not send, and `TooLong`.

        Not while somebody's departure waits for a commit (RFC 9420, 12.4), nor before fresh keys after we
        came in by a last resort. With `grace`: for the grace lane of an epoch from which nobody can go on.
        """
        if kind not in _SAID:
            raise NotAllowed("there is no such kind of content")
        if len(content) > MAX_MESSAGE:
            raise TooLong
        if grace and self.phase is not Phase.OPEN:
            # What is said here is about none of the departures that wait.
            entry = self._entry(self._held.without_proposals(), framed(kind, content), entropy)
            return self._held.effects(entries=(replace(entry, grace=True),))
        group = self._active()
        if self.must_renew or self._held.standing.leaving or group.pending_proposals:
            raise NotNow
        return self._held.effects(entries=(self._entry(group, framed(kind, content), entropy),))

    def leave(self, *, entropy: Entropy) -> Effects:
        """Announce that we leave; somebody commits it. In a conversation of one: leave at once.

        From now on we may not send. If a commit does not take us along we are announced anew. Raises
        `NotNow` while somebody else's departure waits: commit that first.
        """
        group = self._active()
        if self._held.standing.leaving:
            return Effects()
        if len(group.members()) == 1:
            return self._out(lines.person(group.own_leaf, group.own_leaf_index), left=True)
        if group.pending_proposals:
            raise NotNow
        self._held.standing.leaving = True
        return self._held.effects(entries=(self._announce(group, entropy),))

    def report(self, package: mls.KeyPackage, *, entropy: Entropy) -> Effects:
        """Tell the others that we cannot follow, with a fresh key package, by the grace lane.

        For who is wounded, and for all once the log is dead: also who founds a successor says it, for others
        may found one too. Raises `NotNow` in any other phase.
        """
        if self.phase not in (Phase.WOUNDED, Phase.DEAD):
            raise NotNow
        # A group with departures that wait does not send; what we say here is about none of them.
        group = self._held.without_proposals()
        self._held.standing.rescue = secret = mls.Secret(entropy(SECRET_SIZE))
        entry = self._entry(group, framed(WOUNDED, secret + package.message), entropy)
        return self._held.effects(entries=(replace(entry, grace=True),))

    def rescue(self, draft: Invitation, wounded: MemberWounded, *, entropy: Entropy) -> Effects:
        """The invitation for who was put back by our value, for the grace lane of its epoch.

        Raises `NotNow` when the keys of that epoch are gone, `TooLong` for what does not fit there.
        """
        return self.offer(self, draft, (wounded,), entropy=entropy)

    def offer(
        self,
        to: Conversation,
        draft: Invitation,
        reports: Iterable[MemberWounded],
        *,
        entropy: Entropy,
    ) -> Effects:
        """The invitation to `to`, our successor of this conversation, for all who said `reports` here.

        It goes into the grace lane of each epoch in which they said so; only they can open it. Where an
        epoch's keys are gone, they are passed over. Raises `NotNow` if nobody is left, `TooLong`.
        """
        waiting: dict[int, list[bytes]] = {}
        for report in reports:
            if report.epoch in self._held.keys:
                waiting.setdefault(report.epoch, []).append(report.secret)
        if not waiting:
            raise NotNow
        signed = to._signed(draft, b"")
        entries: list[Outgoing] = []
        for epoch, secrets in waiting.items():
            reply = self._held.keys[epoch].reply
            for sealed in signed.offers(secrets, self.group_id, entropy=entropy):
                entries.append(Outgoing(epoch, reply + sealed, grace=True))
        return Effects(entries=tuple(entries))

    def _entry(self, group: mls.Group, data: bytes, entropy: Entropy) -> Outgoing:
        entry = self._held.keys[group.epoch].tag + group.protect(data, entropy=entropy)
        us = lines.person(group.own_leaf, group.own_leaf_index)
        self._held.read(group.epoch, sha256(entry).digest()[:DIGEST], _said(us, data))
        return Outgoing(group.epoch, entry)

    def _announce(self, group: mls.Group, entropy: Entropy) -> Outgoing:
        # A copy makes the proposal: once it waits here, the engine sends no messages, and it goes in one.
        copy = mls.Group.from_bytes(group.to_bytes(), config=self._held.config)
        proposal = copy.propose(mls.SelfRemove(), now=0, entropy=entropy)
        entry = self._entry(group, framed(MLS_MESSAGE, proposal), entropy)
        self._keep_departure(group, proposal, now=0)
        return entry

    # --- Changing ---------------------------------------------------------------------------------

    def stage(self, wish: Wish, *, now: int, entropy: Entropy) -> Staged:
        """A value that fulfils `wish`, if it wins the open slot.

        It takes along whoever has announced to leave. One value in an epoch: raises `NotNow` if one is
        staged. Raises `NotAllowed` for what members would refuse, `TooLong` for what fits no value.
        """
        group = self._active()
        if self._held.staged is not None or (
            self._held.standing.leaving and not isinstance(wish, RenewKeys)
        ):
            raise NotNow
        view, own = mls.EpochView(group.context, group.tree), group.own_leaf_index
        leaving = [one for one in group.pending_proposals if one.sender.index != own]
        proposals = proposals_for(wish, view, own, leaving)
        data = CommitData.of(self.seat, self._previous())
        by_grace = wish.by_grace if isinstance(wish, CarryOver) else isinstance(wish, Restore)
        try:
            commit = staging.commit(group, proposals, data, now=now, entropy=entropy)
            staged, blobs = staging.value(self._held, commit, by_grace=by_grace, entropy=entropy)
        except TooLong:
            group.discard_staged()
            raise
        self._held.stage(staged)
        return Staged(staged.value, blobs, self._held.effects())

    def withdraw(self) -> Effects:
        """Forget the staged value: another one may be staged. Only for one that was shown to no relay.

        Raises `NotNow` unless the conversation is open.
        """
        self._active()
        self._stop()
        return self._held.effects()

    def apply(self, decision: Decision, *, now: int, entropy: Entropy) -> Effects:
        """Follow the decision of the open slot, whoever's value it is.

        Raises `NotInChain` for what the relays of the seat have not decided; the decision before this one
        comes again without harm. Raises `NotNow` unless the conversation is open.
        """
        before = self._held.standing.before
        link = decision.link
        if before is not None and (link.epoch, link.h) == (before[1].epoch, before[1].h):
            return Effects()
        group = self._active()
        seat = link.following(self.seat)
        self._witness.forget()
        header, key = Header.from_bytes(decision.value.header), self._held.keys[self.epoch].value
        try:
            body = Body.unseal(key, decision.value.header, decision.value.body)
            at = self.seat, self._previous()
            outcome = judging.process(group, self._witness, body, *at, now=now)
        except NotOpened:
            return self._dead("nobody can read it")
        except mls.InvalidMessage as error:
            if error.rule not in PRIVATE:
                return self._dead(error.what)
            if not judging.same_relays(group, self._witness.proposals, header):
                return self._misheaded()
            return self._wounded(error.rule)
        if isinstance(outcome, mls.Removed):
            if not judging.same_relays(group, self._witness.proposals, header):
                return self._misheaded()
            by = self._person(outcome.committer)
            return self._out(by, left=judging.leaves(outcome.proposals, group.own_leaf_index))
        if Charter.of(outcome.group.context).configuration != header.next_configuration:
            return self._misheaded()
        staged = self._held.staged if outcome.own else None
        keys = EpochKeys.of(outcome.group) if staged is None else staged.keys
        if keys.public_keys(header.next_configuration) != header.next_keys:
            return self._wounded()
        return self._advance(seat, link, outcome, keys, body.welcome, entropy)

    def _advance(
        self,
        seat: Seat,
        link: Link,
        outcome: mls.EpochAdvanced,
        keys: EpochKeys,
        welcome: WelcomeForm,
        entropy: Entropy,
    ) -> Effects:
        old, new, standing = self._member(), outcome.group, self._held.standing
        admins = Charter.of(new.context).roles.admins
        events: list[Event] = [
            *lines.of(old, outcome),
            EpochStarted(new.epoch, outcome.own, admins),
        ]
        known = dict(
            zip((one.key for one in self.seat.configuration.relays), self.instances, strict=True)
        )
        # A relay that comes in now is opened with the seat after the decision.
        standing.instances = tuple(known.get(one.key, seat.id) for one in seat.configuration.relays)
        standing.before, standing.seat = (self.seat, link), seat
        standing.must_renew = standing.must_renew and not outcome.own
        self._held.group = new
        self._held.forget_staged()
        self._held.open(keys)
        if outcome.added and welcome is not None:
            accounts = [device_of(leaf).account for i, leaf in new.members() if i in outcome.added]
            draft = Invitation(
                standing.before[0], (link,), self.instances, welcome, new.own_leaf_index
            )
            events.append(
                InvitationDue(link.epoch, tuple(dict.fromkeys(accounts)), draft, outcome.own)
            )
        if not standing.leaving:
            return self._held.effects(events=tuple(events))
        if len(new.members()) > 1:
            return self._held.effects((self._announce(new, entropy),), tuple(events))
        out = self._out(lines.person(new.own_leaf, new.own_leaf_index), left=True)
        return replace(out, events=(*events, *out.events))

    def invitation(
        self, draft: Invitation, profile: bytes, secret: bytes, inbox: bytes, *, entropy: Entropy
    ) -> bytes:
        """The item to leave in somebody's inbox: `draft`, with what we say of ourselves, signed and sealed.

        `secret` is the contact link's. Raises `TooLong` for a profile that does not fit.
        """
        return self._signed(draft, profile).seal(secret, inbox, entropy=entropy)

    def _signed(self, draft: Invitation, profile: bytes) -> Invitation:
        group = self._member()
        ours = replace(draft, inviter=group.own_leaf_index, profile=profile)
        key = group.suite.signature_key(self._held.standing.signature_key)
        signature = group.suite.sign_with_label(key, SIGNED, ours.content())
        return replace(ours, signature=signature)

    # --- Receiving --------------------------------------------------------------------------------

    def receive(
        self, entry: bytes, epoch: int, *, revoked: Collection[bytes] = (), now: int
    ) -> Effects:
        """What an entry of `epoch` says. `revoked` are ids of devices that their accounts have revoked.

        The same entry, and the same words under another key, are read once. Raises `NotNow` for an epoch
        that we have not reached: follow the decisions first.
        """
        group = self._member()
        if epoch > self.epoch:
            raise NotNow
        keys = self._held.keys.get(epoch)
        if keys is None:
            return Effects(events=(CouldNotRead(epoch, Unread.TOO_OLD),))
        if entry[:TAG_SIZE] == keys.reply:
            return self._rescued(entry[TAG_SIZE:])
        if entry[:TAG_SIZE] != keys.tag:
            return Effects(events=(ForkSuspected(epoch),))
        name = sha256(entry).digest()[:DIGEST]
        if self._held.has_read(epoch, name):
            return Effects()
        try:
            message = mls.decode_message(entry[TAG_SIZE:])
            if not isinstance(message, PrivateMessage) or message.epoch != epoch:
                raise mls.InvalidMessage(7, "6", "an entry is no private message of its epoch")
            if message.content_type is not mls.ContentType.APPLICATION:
                # Commits come by decisions alone, and so does all that moves their keys.
                raise mls.InvalidMessage(8, "6", "an entry holds a handshake message")
            outcome = group.process(entry[TAG_SIZE:], now=now)
        except mls.UnknownEpoch:
            return Effects(events=(CouldNotRead(epoch, Unread.TOO_OLD),))
        except mls.InvalidMessage:
            return Effects(events=(CouldNotRead(epoch, Unread.BROKEN),))
        if not isinstance(outcome, mls.ApplicationMessage):
            return self._own_words(group, entry, name, now)
        return self._said(group, outcome, name, revoked, now)

    def has_read(self, entry: bytes, epoch: int) -> bool:
        """Whether this entry of `epoch` was read, or is our own: `receive` gives nothing for it."""
        return self._held.has_read(epoch, sha256(entry).digest()[:DIGEST])

    def receive_all(
        self,
        entries: Sequence[tuple[bytes, int]],
        *,
        revoked: Collection[bytes] = (),
        now: int,
    ) -> tuple[list[tuple[Event, ...]], Effects]:
        """`receive` for many: what each (entry, epoch) says, and one `Effects` with the records of all.

        A page costs less than its entries one by one. Raises as `receive` does.
        """
        self._held.collecting = True
        try:
            events = [
                self.receive(entry, epoch, revoked=revoked, now=now).events
                for entry, epoch in entries
            ]
        finally:
            self._held.collecting = False
        return events, Effects() if self._held.group is None else self._held.effects()

    def _rescued(self, sealed: bytes) -> Effects:
        secret = self._held.standing.rescue
        if not secret:
            return Effects()  # for somebody else
        try:
            invitation = Invitation.accept(secret, self.group_id, sealed)
        except InvalidInvitation:
            return Effects()
        if invitation.seat.configuration.log != self.seat.configuration.log:
            return Effects(events=(SuccessorOffered(invitation),))
        return Effects(events=(RescueArrived(invitation),) if self.phase is Phase.WOUNDED else ())

    def _said(
        self,
        group: mls.Group,
        outcome: mls.ApplicationMessage,
        name: bytes,
        revoked: Collection[bytes],
        now: int,
    ) -> Effects:
        # The sender as of the message's own epoch: somebody else may sit there now.
        sender, epoch = lines.person(outcome.leaf, outcome.sender), outcome.epoch
        # A signature does not cover the generation: any member can seal another's words again.
        said = _said(sender, outcome.data)
        again = self._held.has_heard(said)
        self._held.read(epoch, name, said)
        if again:
            return self._held.effects()
        if sender.device in revoked:
            return self._held.effects(events=(CouldNotRead(epoch, Unread.REVOKED),))
        try:
            content = ApplicationFraming.from_bytes(outcome.data)
        except ContentError:
            return self._held.effects(events=(CouldNotRead(epoch, Unread.UNKNOWN_FORM),))
        if content.kind in _SAID:
            received = MessageReceived(sender, epoch, content.kind, content.content)
            return self._held.effects(events=(received,))
        if content.kind == WOUNDED:
            return self._held.effects(events=(heard_report(sender, epoch, content.content),))
        if content.kind == MLS_MESSAGE:
            return self._held.effects(
                events=self._announced(group, sender, epoch, content.content, now)
            )
        return self._held.effects(events=(CouldNotRead(epoch, Unread.UNKNOWN_FORM),))

    def _own_words(self, group: mls.Group, entry: bytes, name: bytes, now: int) -> Effects:
        """An entry of our own leaf that we do not know: was it us?

        A store that somebody has copied, or brought back from a copy, uses keys a second time. Who sees what
        the other one said takes fresh keys.
        """

        def known(data: bytes) -> bool:
            return self._held.has_heard(_said(us, data))

        us = lines.person(group.own_leaf, group.own_leaf_index)
        outcome = group.said_elsewhere(entry[TAG_SIZE:], known)
        if outcome is None:
            return Effects()
        if self.phase is Phase.OPEN:
            self._held.standing.must_renew = True
        said = self._said(group, outcome, name, (), now)
        events = [one for one in said.events if isinstance(one, MessageReceived)]
        return replace(said, events=(KeysUsedElsewhere(outcome.epoch), *events))

    def _announced(
        self, group: mls.Group, sender: Person, epoch: int, message: bytes, now: int
    ) -> tuple[Event, ...]:
        """Somebody leaves."""
        if departure_of(message) != sender.leaf:
            return (CouldNotRead(epoch, Unread.BROKEN),)
        if epoch != self.epoch or self.phase is not Phase.OPEN:
            return ()  # who still wants to leave says so again
        if any(one.sender.index == sender.leaf for one in group.pending_proposals):
            return ()
        try:
            self._keep_departure(group, message, now=now)
        except (mls.InvalidMessage, mls.UnknownEpoch):
            return (CouldNotRead(epoch, Unread.BROKEN),)
        return (LeavingAnnounced(sender),)

    def _keep_departure(self, group: mls.Group, message: bytes, *, now: int) -> None:
        outcome = group.process(message, now=now)
        if isinstance(outcome, mls.ProposalReceived):
            self._held.wait(outcome.reference, message)

    # --- What becomes of us -----------------------------------------------------------------------

    def ground(self) -> Ground:
        """Where we stand, for a successor. Raises `NotNow` when we are out."""
        group, standing = self._member(), self._held.standing
        # Not those that wait in the group: to say that we cannot follow, we had to drop them there.
        departures = map(departure_of, self._held.waiting.values())
        leaving = {leaf for leaf in departures if leaf is not None}
        return Ground(
            self.seat.configuration.log,
            self.epoch,
            self._previous(),
            self.charter,
            group.suite,
            dict(group.members()),
            frozenset(leaving),
            group.own_leaf_index,
            standing.signature_key,
            self._held.keys[self.epoch].successor,
            standing.culprit,
            standing.sure,
        )

    def stop(self, why: str) -> Effects:
        """End it, for us: too many relays are lost, there was a fork, a successor is there.

        What was said can be read, also what is found in the log later. `why` is a sentence of ours.
        """
        return self._dead(why, signed=False) if self.phase is Phase.OPEN else Effects()

    def abandon(self) -> Effects:
        """Delete all keys without a word to the others: another successor of the same counts."""
        return Effects() if self.phase is Phase.OUT else self._out(None, left=True)

    def _dead(self, why: str, *, signed: bool = True) -> Effects:
        culprit = self._blame(signed, sure=True)
        self._held.standing.phase = Phase.DEAD
        self._stop()
        return self._held.effects(events=(Dead(self.epoch, culprit, why),))

    def _misheaded(self) -> Effects:
        return self._dead("its relays are not those of its header", signed=False)

    def _wounded(self, rule: int | None = None) -> Effects:
        # A tag is not signed: any member could seal somebody's commit again with another one.
        culprit = self._blame(rule is not None, sure=rule != CONFIRMATION_TAG)
        self._held.standing.phase = Phase.WOUNDED
        self._stop()
        return self._held.effects(events=(Wounded(self.epoch, culprit),))

    def _blame(self, signed: bool, *, sure: bool) -> Person | None:
        """Who signed what we cannot follow. Of a commit of our own that we forgot the engine names nobody."""
        culprit = self._witness.committer if signed else None
        if culprit is not None:
            self._held.standing.culprit, self._held.standing.sure = culprit, sure
        return self._person(culprit)

    def _out(self, by: Person | None, *, left: bool) -> Effects:
        """Delete all keys. What was said is the caller's and stays."""
        epoch = self.epoch
        self._held.wipe()
        return self._held.effects(events=(Out(epoch, by, left),))

    def _stop(self) -> None:
        self._member().discard_staged()
        self._held.forget_staged()

    # --- Inside -----------------------------------------------------------------------------------

    @property
    def _witness(self) -> Witness:
        policy = self._held.config.policy
        if not isinstance(policy, Witness):
            raise NotNow
        return policy

    def _member(self) -> mls.Group:
        if self._held.group is None:
            raise NotNow
        return self._held.group

    def _active(self) -> mls.Group:
        if self.phase is not Phase.OPEN:
            raise NotNow
        return self._member()

    def _previous(self) -> bytes | None:
        before = self._held.standing.before
        return None if before is None else before[1].h

    def _person(self, leaf_index: int | None) -> Person | None:
        leaf = None if leaf_index is None else self._member().tree.leaf(leaf_index)
        return None if leaf is None or leaf_index is None else lines.person(leaf, leaf_index)


def _said(sender: Person, data: bytes) -> bytes:
    """By what words are known again, in whichever entry."""
    return sha256(sender.account + sender.device + data).digest()[:DIGEST]
