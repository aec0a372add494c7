"""The connection between a node and a relay, without I/O: messages in, events and messages out.

    core = RelayConnection(identity, limits, now=now, entropy=entropy)     # or ClientConnection
    core.receive_data(message)            # one WebSocket binary message
    while (event := core.next_event()) is not NEED_DATA: ...
    for message in core.data_to_send(): ...       # what the core says by itself: write it first
    message = core.send(frame)                    # what the caller says

Both sides share one table of states. `next_event` raises `RemoteError` once the peer has broken a rule that
ends the connection; what the peer is told is in `data_to_send()` by then. Nothing else is raised for
what a peer sends. A caller's own mistake is a `LocalError` and changes nothing.

The relay's core answers by itself whatever needs no relay: broken frames, too many requests, channels that
are not open. So the relay behind it sees only well-formed requests of known channels, at most
`max_pending` of them at a time, and no queue here grows beyond that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias, get_args

from heliogram.wire import frames, limits, objects
from heliogram.wire.errors import ErrorCode, LocalError, RemoteError
from heliogram.wire.frames import FrameType
from heliogram.wire.signing import Label, SigningKey, verify

#: The versions of the protocol that this code speaks, best first.
VERSIONS = (1,)

#: Request ids begin here, so that every id takes the same five bytes and sizes tell nothing.
FIRST_ID = 0x10000


# --- States ---------------------------------------------------------------------------------------


class State(Enum):
    """What a connection expects. The same on both sides."""

    START = "the client's hello"
    GREETING = "the relay's greeting"
    OPEN = "anything"
    LEAVING = "the last answers"
    CLOSED = "nothing: it has ended"
    FAILED = "nothing: somebody broke a rule"


class Input(Enum):
    """What can happen to a connection, whoever does it."""

    HELLO = "the client says hello"
    GREETING = "the relay introduces itself"
    REFUSAL = "the relay has no version in common"
    REQUEST = "the client asks"
    ANSWER = "the relay answers"
    PUSH = "the relay pushes"
    GOODBYE = "the relay wants to stop"
    FAULT = "the peer broke a rule"
    END = "the transport is gone"


#: The whole machine. A pair that is missing is a mistake of whoever did it.
TRANSITIONS: Mapping[tuple[State, Input], State] = MappingProxyType(
    {
        (State.START, Input.HELLO): State.GREETING,
        (State.START, Input.GOODBYE): State.CLOSED,
        (State.START, Input.FAULT): State.FAILED,
        (State.START, Input.END): State.CLOSED,
        (State.GREETING, Input.GREETING): State.OPEN,
        (State.GREETING, Input.REFUSAL): State.CLOSED,
        (State.GREETING, Input.GOODBYE): State.CLOSED,
        (State.GREETING, Input.FAULT): State.FAILED,
        (State.GREETING, Input.END): State.CLOSED,
        (State.OPEN, Input.REQUEST): State.OPEN,
        (State.OPEN, Input.ANSWER): State.OPEN,
        (State.OPEN, Input.PUSH): State.OPEN,
        (State.OPEN, Input.GOODBYE): State.LEAVING,
        (State.OPEN, Input.FAULT): State.FAILED,
        (State.OPEN, Input.END): State.CLOSED,
        # A request that crossed the goodbye is answered with GOING_AWAY.
        (State.LEAVING, Input.REQUEST): State.LEAVING,
        (State.LEAVING, Input.ANSWER): State.LEAVING,
        # A push that the relay wrote before its goodbye comes before it, so none can come now.
        (State.LEAVING, Input.FAULT): State.FAILED,
        (State.LEAVING, Input.END): State.CLOSED,
        (State.CLOSED, Input.FAULT): State.CLOSED,
        (State.CLOSED, Input.END): State.CLOSED,
        (State.FAILED, Input.FAULT): State.FAILED,
        (State.FAILED, Input.END): State.FAILED,
    }
)


#: States in which nothing is said or heard any more.
OVER = frozenset({State.CLOSED, State.FAILED})


def advance(state: State, happened: Input) -> State | None:
    """The state after `happened`, or None if that may not happen in `state`."""
    return TRANSITIONS.get((state, happened))


def input_of(frame: frames.Frame) -> Input:
    """What sending or receiving `frame` is to the machine."""
    return _INPUTS[type(frame)]


_INPUTS: dict[type, Input] = {
    **dict.fromkeys(get_args(frames.Request), Input.REQUEST),
    **dict.fromkeys(get_args(frames.Answer), Input.ANSWER),
    **dict.fromkeys(get_args(frames.Push), Input.PUSH),
    frames.Hello: Input.HELLO,
    frames.Greeting: Input.GREETING,
    frames.Goodbye: Input.GOODBYE,
}


# --- What belongs to a request --------------------------------------------------------------------

#: The answers that each request may get. `Failure` may always come.
ANSWERS: Mapping[type[frames.Request], tuple[type[frames.Answer], ...]] = MappingProxyType(
    {
        frames.Hello: (frames.Greeting,),
        frames.Authorise: (frames.Authorised,),
        frames.Close: (frames.Done,),
        frames.Open: (frames.Done,),
        frames.Post: (frames.Stored, frames.Decided),
        frames.Read: (frames.Entries, frames.Digests),
        frames.Subscribe: (frames.Subscribed,),
        frames.Peek: (frames.Peeked,),
        frames.Status: (frames.StatusSigned,),
        frames.Unfence: (frames.Done,),
        frames.Refill: (frames.Stored,),
        frames.Lock: (frames.Vote1, frames.Decided, frames.Nack, frames.Refuse),
        frames.Commit: (
            frames.Vote2,
            frames.Decided,
            frames.Nack,
            frames.Refuse,
            frames.NeedValue,
        ),
        frames.NewRound: (frames.Promise, frames.Decided, frames.Nack, frames.Refuse),
        frames.Decide: (frames.Done, frames.Decided, frames.NeedValue),
        frames.InboxOpen: (frames.Done,),
        frames.InboxAuthorise: (frames.Authorised,),
        frames.LinkAdd: (frames.Done,),
        frames.LinkRevoke: (frames.Done,),
        frames.InboxPost: (frames.Done,),
        frames.InboxRead: (frames.InboxItems,),
        frames.InboxDelete: (frames.Done,),
        frames.PackagesPut: (frames.Done,),
        frames.PackageTake: (frames.Packages,),
        frames.BlobOpen: (frames.BlobReady,),
        frames.BlobDelete: (frames.Done,),
        frames.CellPut: (frames.Done, frames.CellValue),
        frames.CellGet: (frames.CellValue,),
    }
)


class ScopeKind(Enum):
    """What a channel leads to."""

    LOG = "log"
    INBOX = "inbox"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a channel was authorised for: an instance and an epoch of it, or an inbox."""

    kind: ScopeKind
    id: bytes = field(repr=False)
    epoch: int = 0


#: Requests that need a channel, and to what. `Subscribe` serves both, `Close` any channel.
_LOG = frozenset({ScopeKind.LOG})
_INBOX = frozenset({ScopeKind.INBOX})
_ANY = _LOG | _INBOX
SCOPES: Mapping[type[frames.Request], frozenset[ScopeKind]] = MappingProxyType(
    {
        frames.Close: _ANY,
        frames.Post: _LOG,
        frames.Read: _LOG,
        frames.Subscribe: _ANY,
        frames.Peek: _LOG,
        frames.Status: _LOG,
        frames.Unfence: _LOG,
        frames.Refill: _LOG,
        frames.Lock: _LOG,
        frames.Commit: _LOG,
        frames.NewRound: _LOG,
        frames.LinkAdd: _INBOX,
        frames.LinkRevoke: _INBOX,
        frames.InboxRead: _INBOX,
        frames.InboxDelete: _INBOX,
        frames.PackagesPut: _INBOX,
        frames.BlobOpen: _LOG,
    }
)

#: A key that nobody holds: an unknown log is verified against it, so that it costs what a known one costs.
_NOBODY = SigningKey(b"nobody holds this key".ljust(32, b".")).public


class _NeedData:
    """No event yet."""

    def __repr__(self) -> str:
        return "NEED_DATA"


#: The answer of `next_event` when everything received has been given out.
NEED_DATA: Final = _NeedData()
NeedData: TypeAlias = _NeedData


# --- Events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Requested:
    """(relay) A request came. It must get its answer through `send`."""

    frame: frames.Request
    #: What its channel leads to, if it has one. For the two that authorise, what they ask for.
    scope: Scope | None


@dataclass(frozen=True, slots=True)
class Greeted:
    """(client) The relay is who it should be. Requests may be sent."""

    greeting: objects.Greeting


@dataclass(frozen=True, slots=True)
class Answered:
    """(client) The answer to a request."""

    request: frames.Request
    answer: frames.Answer


@dataclass(frozen=True, slots=True)
class PushReceived:
    """(client) Something that nobody asked for just now. After a `Goodbye` nothing more may be asked."""

    frame: frames.Push


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over. What happened to the requests in `unanswered` is unknown: ask again."""

    unanswered: tuple[frames.Request, ...] = ()


RelayEvent: TypeAlias = Requested | Ended
ClientEvent: TypeAlias = Greeted | Answered | PushReceived | Ended


# --- The relay's side -----------------------------------------------------------------------------


class RelayConnection:
    """One client's connection, as its relay sees it."""

    __slots__ = (
        "_broken",
        "_channels",
        "_faults",
        "_identity",
        "_limits",
        "_nonce",
        "_now",
        "_out",
        "_pending",
        "_queue",
        "_state",
        "_undecided",
    )

    def __init__(
        self,
        identity: SigningKey,
        allowed: objects.Limits,
        *,
        now: int,
        entropy: Callable[[int], bytes],
    ) -> None:
        """`allowed` is what the greeting announces; raises `LocalError` if it goes beyond the protocol."""
        if not allowed.within_protocol():
            raise LocalError("limits beyond those of the protocol")
        self._identity = identity
        self._limits = allowed
        self._now = now
        self._nonce = entropy(limits.NONCE_SIZE)
        self._state = State.START
        # Lists, for they are small when empty and a relay has many connections. They have at most
        # `max_pending` elements.
        self._queue: list[frames.Request | Ended] = []
        self._pending: list[int] = []
        self._channels: dict[int, Scope] = {}
        self._undecided: frames.Authorise | frames.InboxAuthorise | None = None
        self._out: list[bytes] = []
        self._faults = 0
        self._broken: RemoteError | None = None

    @property
    def state(self) -> State:
        """What this connection expects."""
        return self._state

    @property
    def pending(self) -> int:
        """How many requests wait for their answer."""
        return len(self._pending)

    def receive_data(self, message: bytes) -> None:
        """Take one message. What came of it, `next_event` and `data_to_send` say."""
        if self._state in OVER:
            return  # what comes after the end is not looked at
        if len(message) > self._limits.max_frame:
            self._fail(ErrorCode.TOO_LARGE)
            return
        try:
            frame = frames.decode_request(message)
        except RemoteError:
            self._refuse_broken(message)
            return
        state = advance(self._state, input_of(frame))
        if state is None:
            self._fail(ErrorCode.UNEXPECTED)
        elif isinstance(frame, frames.Hello):
            self._state = state
            self._greet(frame)
        elif frame.id in self._pending:
            # One of the two would get the other's answer.
            self._fail(ErrorCode.DUPLICATE_ID)
        elif state is State.LEAVING:
            self._answer(frame.id, ErrorCode.GOING_AWAY)
        elif len(self._pending) >= self._limits.max_pending:
            self._fault(frame.id, ErrorCode.TOO_MANY_PENDING)
        else:
            self._pending.append(frame.id)
            self._queue.append(frame)

    def receive_end(self) -> None:
        """The transport is gone."""
        if self._state not in OVER:
            self._state = TRANSITIONS[self._state, Input.END]
            self._forget()
            self._queue.append(Ended())

    def next_event(self) -> RelayEvent | NeedData:
        """The next request whose channel is open, `Ended`, or `NEED_DATA`.

        An `Authorise` or `InboxAuthorise` must be decided (`authorise`) before the next event is asked for:
        what follows it may use its channel. Raises `RemoteError` once the client has broken the connection.
        """
        if self._broken is not None:
            raise self._broken
        if self._undecided is not None:
            raise LocalError("an authorisation is not decided yet")
        while self._queue:
            frame = self._queue.pop(0)
            if isinstance(frame, Ended):
                return frame
            if isinstance(frame, frames.Authorise | frames.InboxAuthorise):
                if frame.channel < self._limits.max_channels:
                    self._undecided = frame
                    return Requested(frame, _asked(frame))
                self._answer(frame.id, ErrorCode.TOO_LARGE)
                continue
            kinds = SCOPES.get(type(frame))
            if kinds is None:
                return Requested(frame, None)
            channel: int = frame.channel  # type: ignore[union-attr]
            scope = self._channels.get(channel)
            if scope is not None and scope.kind in kinds:
                if isinstance(frame, frames.Close):
                    del self._channels[channel]
                return Requested(frame, scope)
            self._answer(frame.id, ErrorCode.NOT_AUTHORISED)
        return NEED_DATA

    def authorise(self, key: bytes | None) -> bool:
        """Decide the authorisation that `next_event` gave last, by the key that the relay knows for it.

        None stands for a log, epoch or inbox that the relay does not know: it costs the same and gets the
        same answer as a wrong signature. If True, the channel is open, and the caller sends `Authorised`;
        if False, the answer has been given.
        """
        if self._state in OVER:
            return False
        frame = self._undecided
        if frame is None:
            raise LocalError("there is nothing to authorise")
        self._undecided = None
        scope = _asked(frame)
        relay = self._identity.public
        if isinstance(frame, frames.Authorise):
            label = Label.AUTHORISE
            content = objects.authorise_content(relay, scope.id, scope.epoch, self._nonce)
        else:
            label = Label.INBOX_AUTHORISE
            content = objects.inbox_authorise_content(relay, scope.id, self._nonce)
        good = verify(_NOBODY if key is None else key, label, content, frame.signature)
        if good and key is not None:
            self._channels[frame.channel] = scope
            return True
        # A failed attempt must not leave the channel's former scope behind: later frames mean the new one.
        self._channels.pop(frame.channel, None)
        self._answer(frame.id, ErrorCode.NOT_AUTHORISED)
        return False

    def decline(self, frame: frames.Authorise | frames.InboxAuthorise, code: ErrorCode) -> None:
        """Answer an authorisation with `code`, decided or not; its channel leads nowhere then."""
        if frame.id not in self._pending:
            if self._state in OVER:
                return
            raise LocalError("an answer without a request")
        if self._undecided is not None and self._undecided.id == frame.id:
            self._undecided = None
        self._channels.pop(frame.channel, None)
        self._answer(frame.id, code)

    def leads_to(self, id: bytes) -> bool:
        """Whether some channel leads to this instance or inbox, in whatever epoch."""
        return any(scope.id == id for scope in self._channels.values())

    def scopes(self) -> frozenset[Scope]:
        """What the channels lead to."""
        return frozenset(self._channels.values())

    def send(self, frame: frames.Answer | frames.Push) -> bytes | None:
        """The message of an answer, once per request, or of a push. None if the connection is over.

        A push for many is encoded once with `frames.encode` and written as it is while `state` is `OPEN`.
        """
        if isinstance(frame, frames.Greeting):
            raise LocalError("the core greets by itself")
        if self._state in OVER:
            return None
        state = advance(self._state, input_of(frame))
        if state is None:
            raise LocalError("this cannot be sent now")
        if not isinstance(frame, frames.Push):
            if frame.id not in self._pending:
                raise LocalError("an answer without a request")
            self._pending.remove(frame.id)
        self._state = state
        return frames.encode(frame)

    def data_to_send(self) -> list[bytes]:
        """Messages that the core made by itself since the last call, in order."""
        out, self._out = self._out, []
        return out

    def _greet(self, hello: frames.Hello) -> None:
        version = next((one for one in VERSIONS if one in hello.versions), None)
        if version is None:
            self._out.append(
                frames.encode(frames.Failure(hello.id, ErrorCode.UNSUPPORTED_VERSION, VERSIONS[0]))
            )
            self._state = TRANSITIONS[self._state, Input.REFUSAL]
            self._queue.append(Ended())
            return
        greeting = objects.Greeting(
            version,
            hello.versions,
            self._identity.public,
            hello.nonce,
            self._nonce,
            self._now,
            self._limits,
        ).encode()
        signature = self._identity.sign(Label.HELLO, greeting)
        self._out.append(frames.encode(frames.Greeting(hello.id, greeting, signature)))
        self._state = TRANSITIONS[self._state, Input.GREETING]

    def _refuse_broken(self, message: bytes) -> None:
        """Answer a message that could not be read, if it has an id; end the connection otherwise."""
        head = frames.envelope(message)
        if head is None or self._state not in (State.OPEN, State.LEAVING):
            self._fail(ErrorCode.MALFORMED)
        elif head[0] >= FrameType.PUSHED:
            self._fail(ErrorCode.UNEXPECTED)  # a push: what stands second is no id
        elif head[1] in self._pending:
            self._fail(ErrorCode.DUPLICATE_ID)
        elif head[0] >= FrameType.GREETING:
            self._fault(head[1], ErrorCode.UNEXPECTED)
        elif head[0] in _REQUEST_TYPES:
            self._fault(head[1], ErrorCode.MALFORMED)
        else:
            self._fault(head[1], ErrorCode.UNKNOWN_FRAME)

    def _answer(self, id: int, code: ErrorCode) -> None:
        if id in self._pending:
            self._pending.remove(id)
        self._out.append(frames.encode(frames.Failure(id, code)))

    def _fault(self, id: int, code: ErrorCode) -> None:
        """Refuse one frame, and the connection if there were too many of them."""
        self._faults += 1
        if self._faults > limits.MAX_FAULTS:
            self._fail(ErrorCode.TOO_MANY_FAULTS)
        else:
            self._answer(id, code)

    def _fail(self, code: ErrorCode) -> None:
        self._out.append(frames.encode(frames.Goodbye(code)))
        self._state = TRANSITIONS[self._state, Input.FAULT]
        self._forget()
        self._broken = RemoteError(code)

    def _forget(self) -> None:
        self._queue.clear()
        self._pending.clear()
        self._channels.clear()
        self._undecided = None


#: Types that a relay of this version knows.
_REQUEST_TYPES = frozenset(one.value for one in FrameType if one < FrameType.GREETING)


def _asked(frame: frames.Authorise | frames.InboxAuthorise) -> Scope:
    if isinstance(frame, frames.Authorise):
        return Scope(ScopeKind.LOG, frame.instance, frame.epoch)
    return Scope(ScopeKind.INBOX, frame.inbox)


# --- The client's side ----------------------------------------------------------------------------


class ClientConnection:
    """A connection to one relay, as the client sees it."""

    __slots__ = (
        "_broken",
        "_greeting",
        "_hello",
        "_next_id",
        "_nonce",
        "_pending",
        "_queue",
        "_relay",
        "_state",
        "_versions",
    )

    def __init__(
        self,
        relay: bytes,
        *,
        versions: tuple[int, ...] = VERSIONS,
        entropy: Callable[[int], bytes],
    ) -> None:
        """`relay` is the identity key that the other side must prove to hold."""
        self._relay = relay
        self._versions = versions
        self._nonce = entropy(limits.NONCE_SIZE)
        self._state = State.START
        self._greeting: objects.Greeting | None = None
        self._queue: deque[ClientEvent] = deque()
        self._pending: dict[int, frames.Request] = {}
        self._next_id = FIRST_ID
        self._broken: RemoteError | None = None

    @property
    def state(self) -> State:
        """What this connection expects."""
        return self._state

    @property
    def greeting(self) -> objects.Greeting:
        """What the relay said of itself. Raises `LocalError` before it did."""
        if self._greeting is None:
            raise LocalError("the relay has not greeted yet")
        return self._greeting

    @property
    def pending(self) -> int:
        """How many requests wait for their answer."""
        return len(self._pending)

    def hello(self) -> bytes:
        """The first message."""
        return self.send(frames.Hello(self.new_id(), self._versions, self._nonce))

    def new_id(self) -> int:
        """An id for the next request."""
        id = self._next_id
        self._next_id = id + 1 if id < 0xFFFFFFFF else FIRST_ID
        return id

    def authorise(
        self, channel: int, instance: bytes, epoch: int, key: SigningKey, evidence: bytes = b""
    ) -> frames.Authorise:
        """The frame that opens a channel to an epoch of a log, signed with the epoch's key."""
        nonce = self.greeting.relay_nonce
        content = objects.authorise_content(self._relay, instance, epoch, nonce)
        signature = key.sign(Label.AUTHORISE, content)
        return frames.Authorise(self.new_id(), channel, instance, epoch, signature, evidence)

    def authorise_inbox(self, channel: int, inbox: bytes, key: SigningKey) -> frames.InboxAuthorise:
        """The frame that opens a channel to an inbox, signed with its owner's key."""
        content = objects.inbox_authorise_content(self._relay, inbox, self.greeting.relay_nonce)
        signature = key.sign(Label.INBOX_AUTHORISE, content)
        return frames.InboxAuthorise(self.new_id(), channel, inbox, signature)

    def send(self, frame: frames.Request) -> bytes:
        """The message of a request, whose id comes from `new_id`."""
        state = advance(self._state, input_of(frame))
        if state is None or self._state is State.LEAVING:
            raise LocalError("nothing can be asked now")
        if frame.id in self._pending:
            raise LocalError("this id waits for an answer")
        if self._greeting is not None:
            allowed = self._greeting.limits
            if len(self._pending) >= allowed.max_pending:
                raise LocalError("too many requests wait for an answer")
        message = frames.encode(frame)
        ceiling = limits.MAX_FRAME if self._greeting is None else allowed.max_frame
        if len(message) > ceiling:
            raise LocalError("larger than the relay allows")
        self._pending[frame.id] = frame
        self._state = state
        return message

    def receive_data(self, message: bytes) -> None:
        """Take one message. What came of it, `next_event` says."""
        if self._state in OVER:
            return
        try:
            frame = frames.decode_answer(message)
        except RemoteError as error:
            self._receive_unknown(message, error.code)
            return
        try:
            self._receive(frame)
        except RemoteError as error:
            self._fail(error.code)

    def receive_end(self) -> None:
        """The transport is gone."""
        if self._state not in OVER:
            self._state = TRANSITIONS[self._state, Input.END]
            self._end()

    def next_event(self) -> ClientEvent | NeedData:
        """The next event, or `NEED_DATA`.

        Raises `RemoteError` once the relay has broken the connection, after what came before. Requests
        that had no answer by then have an unknown outcome: `unanswered` has them.
        """
        if self._queue:
            return self._queue.popleft()
        if self._broken is not None:
            raise self._broken
        return NEED_DATA

    @property
    def unanswered(self) -> tuple[frames.Request, ...]:
        """The requests that wait for an answer, or never got one."""
        return tuple(self._pending.values())

    def _receive(self, frame: frames.Answer | frames.Push) -> None:
        """Take a frame that could be read. Raises `RemoteError` if it has no place."""
        happened = input_of(frame)
        if isinstance(frame, frames.Failure) and self._state is State.GREETING:
            happened = Input.REFUSAL
        state = advance(self._state, happened)
        if state is None:
            raise RemoteError(ErrorCode.UNEXPECTED)
        if isinstance(frame, frames.Push):
            self._state = state
            self._queue.append(PushReceived(frame))
            if state is State.CLOSED:
                self._end()
            return
        request = self._pending.get(frame.id)
        if request is None:
            raise RemoteError(ErrorCode.UNEXPECTED, "an answer that nobody waits for")
        if not isinstance(frame, (*ANSWERS[type(request)], frames.Failure)):
            raise RemoteError(ErrorCode.UNEXPECTED, "an answer to something else")
        if isinstance(frame, frames.Greeting):
            self._greeting = self._checked(frame)
            self._queue.append(Greeted(self._greeting))
        else:
            self._queue.append(Answered(request, frame))
        del self._pending[frame.id]
        self._state = state
        if state is State.CLOSED:
            self._end()

    def _receive_unknown(self, message: bytes, code: ErrorCode) -> None:
        """Skip a push of a newer relay; take an answer of one as a failure; refuse the rest."""
        type = frames.type_of(message)
        if code is ErrorCode.MALFORMED and type is not None and type not in _ANSWER_TYPES:
            if type >= FrameType.PUSHED:
                if self._state is State.OPEN:
                    return
            elif type >= FrameType.GREETING and self._state in (State.OPEN, State.LEAVING):
                head = frames.envelope(message)
                if head is not None and head[1] in self._pending:
                    request = self._pending.pop(head[1])
                    failure = frames.Failure(head[1], ErrorCode.UNKNOWN_FRAME)
                    self._queue.append(Answered(request, failure))
                    return
        self._fail(code)

    def _checked(self, frame: frames.Greeting) -> objects.Greeting:
        """The greeting, if it is the relay's and for this connection. Raises `RemoteError` otherwise."""
        if not verify(self._relay, Label.HELLO, frame.greeting, frame.signature):
            raise RemoteError(ErrorCode.WRONG_RELAY)
        greeting = objects.Greeting.from_bytes(frame.greeting)
        if greeting.relay != self._relay or greeting.client_nonce != self._nonce:
            raise RemoteError(ErrorCode.WRONG_RELAY)
        # What was offered is signed too: nobody between us can take versions away.
        if greeting.versions != self._versions or greeting.version not in self._versions:
            raise RemoteError(ErrorCode.UNSUPPORTED_VERSION)
        if not greeting.limits.within_protocol():
            raise RemoteError(ErrorCode.MALFORMED, "limits beyond those of the protocol")
        return greeting

    def _fail(self, code: ErrorCode) -> None:
        self._state = TRANSITIONS[self._state, Input.FAULT]
        self._broken = RemoteError(code)

    def _end(self) -> None:
        self._queue.append(Ended(self.unanswered))


#: Types that a client of this version can receive.
_ANSWER_TYPES = frozenset(one.value for one in FrameType if one >= FrameType.GREETING)
