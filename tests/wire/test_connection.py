"""The connection: every pair of state and input, both cores back to back, and peers that break rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram import wire
from heliogram.wire import connection as c
from heliogram.wire import frames as f
from heliogram.wire import limits, objects
from heliogram.wire.connection import NEED_DATA, Input, State
from heliogram.wire.errors import ErrorCode, LocalError, RemoteError
from tests.wire import samples as s

RELAY = s.RELAYS[0]


def entropy(name: bytes) -> Callable[[int], bytes]:
    return lambda size: name.ljust(size, b".")


def relay_core(allowed: objects.Limits = s.LIMITS) -> c.RelayConnection:
    return c.RelayConnection(RELAY, allowed, now=s.NOW, entropy=entropy(b"relay"))


def client_core(key: bytes = RELAY.public, versions: tuple[int, ...] = (1,)) -> c.ClientConnection:
    return c.ClientConnection(key, versions=versions, entropy=entropy(b"client"))


class Pair:
    """Both cores back to back."""

    def __init__(self, allowed: objects.Limits = s.LIMITS) -> None:
        self.relay, self.client = relay_core(allowed), client_core()
        self.relay.receive_data(self.client.hello())
        self.flush()
        assert isinstance(self.client.next_event(), c.Greeted)

    def flush(self) -> None:
        for message in self.relay.data_to_send():
            self.client.receive_data(message)

    def ask(self, frame: f.Request) -> Any:
        """What the relay behind its core sees of a request, or what the client gets at once."""
        self.relay.receive_data(self.client.send(frame))
        event = self.relay.next_event()
        self.flush()
        return self.client.next_event() if event is NEED_DATA else event

    def answer(self, frame: f.Answer) -> Any:
        message = self.relay.send(frame)
        assert message is not None
        self.client.receive_data(message)
        return self.client.next_event()

    def authorise(self, channel: int = 0, epoch: int = s.EPOCH) -> None:
        key = s.member_key(epoch, 0)
        frame = self.client.authorise(channel, s.INSTANCE, epoch, key)
        event = self.ask(frame)
        assert event == c.Requested(frame, c.Scope(c.ScopeKind.LOG, s.INSTANCE, epoch))
        assert self.relay.authorise(key.public)
        self.answer(f.Authorised(frame.id, 0, s.INSTANCE, epoch))

    def code(self, frame: f.Request) -> ErrorCode:
        """The error that a request gets at once."""
        event = self.ask(frame)
        assert isinstance(event, c.Answered) and isinstance(event.answer, f.Failure)
        return ErrorCode(event.answer.code)


# --- The table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("happened", Input)
def test_pairs(state: State, happened: Input) -> None:
    """Either the table has it, or it may not happen: never a third."""
    assert c.advance(state, happened) is c.TRANSITIONS.get((state, happened))


def test_every_state_is_reached_and_can_end() -> None:
    reached = {State.START}
    for _ in State:
        reached |= {after for (state, _), after in c.TRANSITIONS.items() if state in reached}
    assert reached == set(State)
    for state in State:
        assert c.advance(state, Input.END) in c.OVER
        assert c.advance(state, Input.FAULT) in c.OVER
    for state in c.OVER:
        after = {c.advance(state, happened) for happened in Input}
        assert after == {state, None}


def at_relay(state: State) -> c.RelayConnection:
    """A relay's core in `state`; `GREETING` lasts for no time there."""
    core = relay_core()
    if state is State.START:
        return core
    core.receive_data(f.encode(f.Hello(1, (1,), bytes(32))))
    if state is State.LEAVING:
        core.send(f.Goodbye(ErrorCode.GOING_AWAY))
    elif state is State.CLOSED:
        core.receive_end()
    elif state is State.FAILED:
        core.receive_data(b"")
    core.data_to_send()
    assert core.state is state
    return core


STATES = [state for state in State if state is not State.GREETING]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
@pytest.mark.parametrize("kind", f.FrameType, ids=lambda kind: kind.name)
def test_every_frame_to_a_relay(state: State, kind: f.FrameType) -> None:
    core = at_relay(state)
    frame = s.FRAMES[kind]
    core.receive_data(f.encode(frame))
    out = [f.decode_answer(message) for message in core.data_to_send()]
    if state in c.OVER:
        assert core.state is state and not out
    elif state is State.START:
        assert core.state is (State.OPEN if kind is f.FrameType.HELLO else State.FAILED)
        assert isinstance(out[0], f.Greeting if kind is f.FrameType.HELLO else f.Goodbye)
    elif kind is f.FrameType.HELLO:
        assert core.state is State.FAILED and out == [f.Goodbye(ErrorCode.UNEXPECTED)]
    elif kind >= f.FrameType.PUSHED:
        # A push has no request id: there is nothing to answer to.
        assert core.state is State.FAILED
    elif kind >= f.FrameType.GREETING:
        assert out == [f.Failure(s.ID, ErrorCode.UNEXPECTED)] and core.state is state
    elif state is State.LEAVING:
        assert out == [f.Failure(s.ID, ErrorCode.GOING_AWAY)]
    else:
        assert core.pending == 1 and not out and core.state is State.OPEN


def at_client(state: State) -> c.ClientConnection:
    """A client's core in `state`, with a POST under way where it can be."""
    core = client_core()
    if state is State.START:
        return core
    relay = relay_core()
    relay.receive_data(core.hello())
    if state is State.GREETING:
        return core
    core.receive_data(relay.data_to_send()[0])
    core.next_event()
    core.send(f.Post(0x20000, 0, b"x"))
    if state is State.LEAVING:
        core.receive_data(f.encode(f.Goodbye(ErrorCode.GOING_AWAY)))
        core.next_event()
    elif state is State.CLOSED:
        core.receive_end()
        core.next_event()
    elif state is State.FAILED:
        core.receive_data(b"")
    assert core.state is state
    return core


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
@pytest.mark.parametrize("kind", f.FrameType, ids=lambda kind: kind.name)
def test_every_frame_to_a_client(state: State, kind: f.FrameType) -> None:
    core = at_client(state)
    frame: Any = s.FRAMES[kind]
    if hasattr(frame, "id"):
        id = 0x20000 if state in (State.OPEN, State.LEAVING) else c.FIRST_ID
        frame = msgspec.structs.replace(frame, id=id)
    core.receive_data(f.encode(frame))
    push, goodbye = kind >= f.FrameType.PUSHED, kind is f.FrameType.GOODBYE
    to_post = kind in (f.FrameType.STORED, f.FrameType.DECIDED, f.FrameType.FAILURE)
    if state in c.OVER:
        assert core.state is state
    elif state is State.START:
        assert core.state is (State.CLOSED if goodbye else State.FAILED)
    elif state is State.GREETING:
        ends = goodbye or kind is f.FrameType.FAILURE
        assert core.state is (State.CLOSED if ends else State.FAILED)
    elif state is State.OPEN:
        fits = push or to_post
        after = State.LEAVING if goodbye else State.OPEN if fits else State.FAILED
        assert core.state is after
    else:
        assert core.state is (State.LEAVING if to_post else State.FAILED)


# --- Both sides -----------------------------------------------------------------------------------


def test_alice_connects_posts_and_leaves() -> None:
    pair = Pair()
    assert pair.client.greeting.limits == s.LIMITS
    pair.authorise()
    post = f.Post(pair.client.new_id(), 0, s.ENTRY)
    assert pair.ask(post) == c.Requested(post, c.Scope(c.ScopeKind.LOG, s.INSTANCE, s.EPOCH))
    stored = f.Stored(post.id, s.RECEIPT.encode())
    assert pair.answer(stored) == c.Answered(post, stored)
    push = f.CatchUp(s.INSTANCE, 3)
    message = pair.relay.send(push)
    assert message is not None
    pair.client.receive_data(message)
    assert pair.client.next_event() == c.PushReceived(push)
    close = f.Close(pair.client.new_id(), 0)
    assert isinstance(pair.ask(close), c.Requested)
    pair.answer(f.Done(close.id))
    assert pair.code(f.Peek(pair.client.new_id(), 0)) is ErrorCode.NOT_AUTHORISED
    pair.client.receive_end()
    pair.relay.receive_end()
    pair.relay.receive_end()
    assert pair.client.next_event() == c.Ended()
    assert pair.relay.next_event() == c.Ended()
    assert pair.relay.next_event() is NEED_DATA is pair.client.next_event()
    assert repr(NEED_DATA) == "NEED_DATA"


def test_authorise_and_use_travel_together() -> None:
    pair = Pair()
    key = s.member_key(s.EPOCH, 0)
    first = pair.client.authorise(5, s.INSTANCE, s.EPOCH, key)
    second = f.Read(pair.client.new_id(), 5, 0, 10)
    pair.relay.receive_data(pair.client.send(first))
    pair.relay.receive_data(pair.client.send(second))
    assert isinstance(pair.relay.next_event(), c.Requested)
    with pytest.raises(LocalError):
        pair.relay.next_event()  # what follows may need the answer
    assert pair.relay.authorise(key.public)
    event = pair.relay.next_event()
    assert isinstance(event, c.Requested) and event.frame == second and event.scope


def test_answers_in_any_order() -> None:
    pair = Pair()
    pair.authorise()
    asked = [f.Peek(pair.client.new_id(), 0) for _ in range(5)]
    for frame in asked:
        pair.relay.receive_data(pair.client.send(frame))
        pair.relay.next_event()
    for frame in reversed(asked):
        event = pair.answer(f.Failure(frame.id, ErrorCode.UNAVAILABLE))
        assert isinstance(event, c.Answered) and event.request == frame
    assert pair.client.pending == pair.relay.pending == 0


def test_inboxes_have_channels_too() -> None:
    pair = Pair()
    frame = pair.client.authorise_inbox(1, s.INBOX, s.OWNER)
    event = pair.ask(frame)
    assert event == c.Requested(frame, c.Scope(c.ScopeKind.INBOX, s.INBOX))
    assert pair.relay.authorise(s.OWNER.public)
    pair.answer(f.Authorised(frame.id, 0, s.INBOX, 0))
    assert isinstance(pair.ask(f.InboxRead(pair.client.new_id(), 1, 0, 5)), c.Requested)
    assert isinstance(pair.ask(f.Subscribe(pair.client.new_id(), 1, 0)), c.Requested)
    # A channel to an inbox is none to a log, and the other way round.
    assert pair.code(f.Post(pair.client.new_id(), 1, b"x")) is ErrorCode.NOT_AUTHORISED
    pair.authorise(0)
    assert pair.code(f.InboxRead(pair.client.new_id(), 0, 0, 5)) is ErrorCode.NOT_AUTHORISED


# --- Who may what ---------------------------------------------------------------------------------


def wrong_attempts(pair: Pair) -> list[tuple[f.Request, bytes | None]]:
    """Ways not to be authorised, with the key that the relay would find."""
    client, key = pair.client, s.member_key(s.EPOCH, 0)
    good = client.authorise(0, s.INSTANCE, s.EPOCH, key)
    other = client_core()
    relay = relay_core()
    relay._nonce = b"another connection's nonce......"
    relay.receive_data(other.hello())
    other.receive_data(relay.data_to_send()[0])
    elsewhere = other.authorise(0, s.INSTANCE, s.EPOCH, key).signature
    inbox = client.authorise_inbox(0, s.INSTANCE, key).signature
    replaced = msgspec.structs.replace
    return [
        (client.authorise(0, s.INSTANCE, s.EPOCH, key), None),
        (client.authorise(0, s.INSTANCE, s.EPOCH, s.member_key(2, 0)), key.public),
        (client.authorise(0, s.INSTANCE, s.EPOCH, s.member_key(s.EPOCH, 1)), key.public),
        (replaced(good, id=client.new_id(), epoch=2), key.public),
        (replaced(good, id=client.new_id(), instance=bytes(32)), key.public),
        (replaced(good, id=client.new_id(), signature=elsewhere), key.public),
        (replaced(good, id=client.new_id(), signature=inbox), key.public),
    ]


def test_unknown_and_wrong_look_alike() -> None:
    """Number 72, at this level: one answer, one size, one amount of work."""
    pair = Pair()
    answers = set()
    for frame, key in wrong_attempts(pair):
        pair.relay.receive_data(pair.client.send(frame))
        assert isinstance(pair.relay.next_event(), c.Requested)
        assert not pair.relay.authorise(key)
        (message,) = pair.relay.data_to_send()
        answers.add(message.replace(frame.id.to_bytes(4, "big"), b"...."))
        pair.client.receive_data(message)
        pair.client.next_event()
        peek = f.Peek(pair.client.new_id(), 0)
        pair.relay.receive_data(pair.client.send(peek))
        assert pair.relay.next_event() is NEED_DATA
        (message,) = pair.relay.data_to_send()
        answers.add(message.replace(peek.id.to_bytes(4, "big"), b"...."))
        pair.client.receive_data(message)
        pair.client.next_event()
    assert len(answers) == 1


def test_the_same_work_for_an_unknown_log(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []

    def counted(public: bytes, *rest: Any) -> bool:
        calls.append(public)
        return wire.verify(public, *rest)

    monkeypatch.setattr(c, "verify", counted)
    pair = Pair()
    attempts = wrong_attempts(pair)
    before = len(calls)
    for frame, key in attempts:
        pair.relay.receive_data(pair.client.send(frame))
        pair.relay.next_event()
        pair.relay.authorise(key)
    assert len(calls) - before == 7 and all(len(key) == 32 for key in calls)


def test_a_failed_attempt_closes_the_channel() -> None:
    pair = Pair()
    pair.authorise(0)
    frame = pair.client.authorise(0, bytes(32), 1, s.member_key(1, 0))
    pair.ask(frame)
    assert not pair.relay.authorise(None)
    pair.flush()
    pair.client.next_event()
    assert pair.code(f.Peek(pair.client.new_id(), 0)) is ErrorCode.NOT_AUTHORISED


@pytest.mark.parametrize("decided", [False, True])
def test_an_authorisation_can_be_declined(decided: bool) -> None:
    """Before its signature was looked at, or when what follows from it fails: its channel leads nowhere."""
    pair = Pair()
    pair.authorise(0)
    scope = c.Scope(c.ScopeKind.LOG, s.INSTANCE, s.EPOCH)
    assert pair.relay.scopes() == {scope} and pair.relay.leads_to(s.INSTANCE)
    key = s.member_key(s.EPOCH, 0)
    frame = pair.client.authorise(0, s.INSTANCE, s.EPOCH, key)
    pair.ask(frame)
    if decided:
        assert pair.relay.authorise(key.public)
    pair.relay.decline(frame, ErrorCode.RATE_LIMITED)
    assert not pair.relay.scopes() and not pair.relay.leads_to(s.INSTANCE)
    pair.flush()
    event = pair.client.next_event()
    assert event == c.Answered(frame, f.Failure(frame.id, ErrorCode.RATE_LIMITED))
    assert pair.code(f.Peek(pair.client.new_id(), 0)) is ErrorCode.NOT_AUTHORISED
    with pytest.raises(LocalError):
        pair.relay.decline(frame, ErrorCode.RATE_LIMITED)  # it has its answer
    pair.relay.receive_end()
    pair.relay.decline(frame, ErrorCode.RATE_LIMITED)  # nobody is there to hear it
    assert pair.relay.data_to_send() == []


def test_numbers_of_channels() -> None:
    pair = Pair(replace(s.LIMITS, max_channels=2))
    pair.authorise(1)
    frame = pair.client.authorise(2, s.INSTANCE, s.EPOCH, s.member_key(s.EPOCH, 0))
    assert pair.code(frame) is ErrorCode.TOO_LARGE


# --- Hello ----------------------------------------------------------------------------------------


def test_no_version_in_common() -> None:
    client, relay = client_core(versions=(7,)), relay_core()
    relay.receive_data(client.hello())
    (message,) = relay.data_to_send()
    assert relay.state is State.CLOSED and relay.next_event() == c.Ended()
    client.receive_data(message)
    event = client.next_event()
    assert isinstance(event, c.Answered) and isinstance(event.answer, f.Failure)
    assert (event.answer.code, event.answer.detail) == (ErrorCode.UNSUPPORTED_VERSION, 1)
    assert client.next_event() == c.Ended() and client.state is State.CLOSED


def greeted(**changes: Any) -> RemoteError:
    """What a client says to a greeting that is not as it should be."""
    client = client_core()
    hello = f.decode_request(client.hello())
    assert isinstance(hello, f.Hello)
    key = changes.pop("key", RELAY)
    label = changes.pop("label", wire.Label.HELLO)
    right = replace(s.GREETING, client_nonce=hello.nonce)
    greeting = replace(right, **changes).encode()
    client.receive_data(f.encode(f.Greeting(hello.id, greeting, key.sign(label, greeting))))
    with pytest.raises(RemoteError) as caught:
        client.next_event()
    assert client.state is State.FAILED and client.unanswered
    return caught.value


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": s.RELAYS[1]}, ErrorCode.WRONG_RELAY),
        ({"label": wire.Label.STATUS}, ErrorCode.WRONG_RELAY),
        ({"relay": s.RELAYS[1].public}, ErrorCode.WRONG_RELAY),
        ({"client_nonce": bytes(32)}, ErrorCode.WRONG_RELAY),
        ({"versions": (2, 1)}, ErrorCode.UNSUPPORTED_VERSION),
        ({"version": 2}, ErrorCode.UNSUPPORTED_VERSION),
        ({"limits": replace(s.LIMITS, difficulty_open=200)}, ErrorCode.MALFORMED),
        ({"versions": (1,) * 17}, ErrorCode.MALFORMED),
    ],
)
def test_greetings_that_are_refused(changes: dict[str, Any], code: ErrorCode) -> None:
    assert greeted(**changes).code is code


def test_limits_of_a_relay_are_within_the_protocol() -> None:
    with pytest.raises(LocalError):
        relay_core(replace(s.LIMITS, max_pending=1000))


# --- Rules that are broken ------------------------------------------------------------------------


def test_pending_requests_are_bounded() -> None:
    """The client's core does not send one too many, and the relay's does not take it."""
    pair = Pair(replace(s.LIMITS, max_pending=3))
    for _ in range(3):
        pair.relay.receive_data(pair.client.send(f.CellGet(pair.client.new_id(), bytes(32))))
    with pytest.raises(LocalError):
        pair.client.send(f.CellGet(pair.client.new_id(), bytes(32)))
    pair.relay.receive_data(f.encode(f.CellGet(9, bytes(32))))
    (message,) = pair.relay.data_to_send()
    assert f.decode_answer(message) == f.Failure(9, ErrorCode.TOO_MANY_PENDING)
    assert pair.relay.pending == 3


def test_two_requests_of_one_id() -> None:
    core = at_relay(State.OPEN)
    for _ in range(2):
        core.receive_data(f.encode(f.CellGet(9, bytes(32))))
    with pytest.raises(RemoteError) as caught:
        core.next_event()
    assert caught.value.code is ErrorCode.DUPLICATE_ID
    assert core.send(f.Failure(9, ErrorCode.UNAVAILABLE)) is None


def test_a_broken_frame_with_the_id_of_another() -> None:
    core = at_relay(State.OPEN)
    core.receive_data(f.encode(f.CellGet(9, bytes(32))))
    core.receive_data(b"\x92\x31\x09")
    assert core.state is State.FAILED


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x93\x09\x07\x01", ErrorCode.MALFORMED),
        (b"\x93\x3e\x07\x01", ErrorCode.UNKNOWN_FRAME),
        (b"\x92\x42\x07", ErrorCode.UNEXPECTED),
    ],
)
def test_broken_frames_are_answered_and_counted(message: bytes, code: ErrorCode) -> None:
    core = at_relay(State.OPEN)
    for _ in range(limits.MAX_FAULTS):
        core.receive_data(message)
        assert f.decode_answer(*core.data_to_send()) == f.Failure(7, code)
    core.receive_data(message)
    assert f.decode_answer(*core.data_to_send()) == f.Goodbye(ErrorCode.TOO_MANY_FAULTS)
    for _ in range(2):
        with pytest.raises(RemoteError):
            core.next_event()


def test_frames_beyond_this_relays_limit() -> None:
    core = relay_core(replace(s.LIMITS, max_frame=limits.MIN_FRAME))
    core.receive_data(f.encode(f.Hello(1, (1,), bytes(32))))
    core.data_to_send()
    core.receive_data(bytes(limits.MIN_FRAME + 1))
    assert f.decode_answer(*core.data_to_send()) == f.Goodbye(ErrorCode.TOO_LARGE)


def test_a_client_does_not_send_too_much() -> None:
    pair = Pair(replace(s.LIMITS, max_frame=limits.MIN_FRAME))
    with pytest.raises(LocalError):
        pair.client.send(f.Lock(pair.client.new_id(), 0, 0, bytes(limits.MIN_FRAME)))
    assert pair.client.pending == 0


def test_goodbye() -> None:
    """What is under way is answered; what crosses the goodbye is refused; nothing else is asked."""
    pair = Pair()
    under_way = f.CellGet(pair.client.new_id(), bytes(32))
    pair.ask(under_way)
    crossing = pair.client.send(f.CellGet(pair.client.new_id(), bytes(32)))
    goodbye = pair.relay.send(f.Goodbye(ErrorCode.GOING_AWAY))
    assert goodbye is not None
    pair.client.receive_data(goodbye)
    assert isinstance(pair.client.next_event(), c.PushReceived)
    with pytest.raises(LocalError):
        pair.client.send(f.CellGet(pair.client.new_id(), bytes(32)))
    pair.relay.receive_data(crossing)
    pair.flush()
    event = pair.client.next_event()
    assert isinstance(event, c.Answered) and event.answer == f.Failure(
        event.request.id, ErrorCode.GOING_AWAY
    )
    assert isinstance(pair.answer(f.Failure(under_way.id, ErrorCode.GONE)), c.Answered)
    with pytest.raises(LocalError):
        pair.relay.send(f.CatchUp(bytes(32), 0))


def test_what_a_relay_may_not_send() -> None:
    core = at_relay(State.OPEN)
    for frame in (f.Done(5), s.FRAMES[f.FrameType.GREETING]):
        with pytest.raises(LocalError):
            core.send(frame)  # type: ignore[arg-type]
    with pytest.raises(LocalError):
        core.authorise(None)
    with pytest.raises(LocalError):
        at_relay(State.START).send(f.CatchUp(bytes(32), 0))


def test_what_a_client_may_not_send() -> None:
    core = client_core()
    with pytest.raises(LocalError):
        core.send(f.CellGet(5, bytes(32)))
    with pytest.raises(LocalError):
        core.greeting  # noqa: B018
    core.hello()
    with pytest.raises(LocalError):
        core.hello()
    core = at_client(State.OPEN)
    with pytest.raises(LocalError):
        core.send(f.CellGet(0x20000, bytes(32)))


def test_an_authorisation_whose_connection_ended() -> None:
    """The look-up of a key may take longer than the connection lasts."""
    pair = Pair()
    frame = pair.client.authorise(0, s.INSTANCE, s.EPOCH, s.member_key(s.EPOCH, 0))
    pair.ask(frame)
    pair.relay.receive_end()
    assert not pair.relay.authorise(s.member_key(s.EPOCH, 0).public)
    assert not pair.relay.data_to_send()


def test_unknown_outcomes() -> None:
    core = at_client(State.OPEN)
    core.receive_end()
    (request,) = core.unanswered
    assert core.next_event() == c.Ended((request,))
    core.receive_end()
    assert core.next_event() is NEED_DATA


def test_ids_begin_again() -> None:
    core = client_core()
    core._next_id = 0xFFFFFFFF
    assert [core.new_id(), core.new_id()] == [0xFFFFFFFF, c.FIRST_ID]


# --- A newer relay --------------------------------------------------------------------------------


def test_unknown_pushes_are_skipped() -> None:
    core = at_client(State.OPEN)
    core.receive_data(b"\x92\x7e\xa1x")
    assert core.next_event() is NEED_DATA and core.state is State.OPEN
    core = at_client(State.LEAVING)
    core.receive_data(b"\x92\x7e\xa1x")
    assert core.state is State.FAILED


def test_an_unknown_answer_is_a_failure() -> None:
    core = at_client(State.OPEN)
    core.receive_data(b"\x93\x5f\xce\x00\x02\x00\x00\x01")
    event = core.next_event()
    assert isinstance(event, c.Answered)
    assert event.answer == f.Failure(0x20000, ErrorCode.UNKNOWN_FRAME)
    core.receive_data(b"\x93\x5f\xce\x00\x02\x00\x00\x01")
    assert core.state is State.FAILED  # nobody waits for it now
    core = at_client(State.GREETING)
    core.receive_data(b"\x93\x5f\xce\x00\x01\x00\x00\x01")
    assert core.state is State.FAILED


# --- Anything at all ------------------------------------------------------------------------------

_messages = st.lists(
    st.one_of(
        st.sampled_from([f.encode(frame) for frame in s.FRAMES.values()]),
        st.binary(max_size=60),
        st.builds(
            lambda frame, at, byte: frame[: at % len(frame)] + byte + frame[at % len(frame) + 1 :],
            st.sampled_from([f.encode(frame) for frame in s.FRAMES.values()]),
            st.integers(0, 500),
            st.binary(max_size=2),
        ),
    ),
    max_size=30,
)


@settings(max_examples=150)
@given(_messages)
def test_any_messages_to_a_relay(messages: list[bytes]) -> None:
    """Only `RemoteError`; never more waiting than allowed; every request answered once."""
    core = at_relay(State.OPEN)
    for message in messages:
        core.receive_data(message)
        try:
            while (event := core.next_event()) is not NEED_DATA:
                if isinstance(event, c.Requested):
                    if isinstance(event.frame, f.Authorise | f.InboxAuthorise):
                        core.authorise(None)
                    else:
                        assert core.send(f.Failure(event.frame.id, ErrorCode.UNAVAILABLE))
        except RemoteError:
            assert core.state is State.FAILED
        for out in core.data_to_send():
            f.decode_answer(out)
        assert core.pending == 0


@settings(max_examples=150)
@given(_messages)
def test_any_messages_to_a_client(messages: list[bytes]) -> None:
    core = at_client(State.OPEN)
    for message in messages:
        core.receive_data(message)
        try:
            while core.next_event() is not NEED_DATA:
                pass
        except RemoteError:
            assert core.state is State.FAILED
    assert core.pending <= 1
