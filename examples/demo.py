"""Three devices on real bytes: they join, they talk, one is removed, and what she can no longer read.

`make run` starts it. Every sentence that it prints is checked before it is printed; where one does not
hold, the program says so and ends with exit code 1.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from heliogram import mls

SUITE = mls.DEFAULT_SUITE
CONFIG = mls.Config(
    authentication=mls.AcceptAnyCredential(),
    padding=lambda size: -(-size // 256) * 256,
)


class NotAsTold(Exception):
    """The demonstration said something that is not so."""


def say(sentence: str = "") -> None:
    print(f"   {sentence}".rstrip())


def check(holds: bool, sentence: str) -> None:
    """Say `sentence` if it holds; stop if it does not."""
    if not holds:
        raise NotAsTold(sentence)
    say(sentence)


def title(number: int, sentence: str) -> None:
    print(f"\n{number}  {sentence}")


def size(data: bytes) -> str:
    return f"{len(data):,} bytes"


def refusal(attempt: Callable[[], object]) -> str:
    """Why `attempt` was refused; empty if it was not. Any other failure is a bug and goes on up."""
    try:
        attempt()
    except (mls.InvalidMessage, mls.UnknownEpoch) as reason:
        return str(reason)
    return ""


def read(group: mls.Group, message: bytes, now: int) -> bytes:
    """What the member reads in `message`."""
    outcome = group.process(message, now=now)
    return outcome.data if isinstance(outcome, mls.ApplicationMessage) else b""


def advance(group: mls.Group, commit: bytes, now: int) -> mls.Group:
    """The member's view of the epoch that `commit` opens."""
    outcome = group.process(commit, now=now)
    if not isinstance(outcome, mls.EpochAdvanced):
        raise NotAsTold("a commit opens the next epoch")
    return outcome.group


def with_one_bit_changed(message: bytes) -> bytes:
    return message[:-1] + bytes([message[-1] ^ 1])


def same_epoch(epoch: int, **members: mls.Group) -> None:
    """Show that these members are in one epoch. Its authenticator is theirs alone, and the same for all."""
    values = {member.epoch_authenticator for member in members.values()}
    for name, member in members.items():
        check(
            member.epoch == epoch and len(values) == 1,
            f"{name:<7} epoch {epoch}, authenticator {member.epoch_authenticator[:8].hex(' ', 2)}",
        )


def story(now: int) -> None:
    print("Heliogram's engine at work: no server, no network, real bytes.\n")
    say(f"suite   {SUITE.name}")
    say("keys    ML-KEM-768 and X25519 together: who wants to read must break both")

    title(1, "Bob and Carol publish a key package each. Nothing in it is secret.")
    signer = mls.new_signature_key(SUITE, entropy=os.urandom)
    packages = [
        mls.new_key_package(
            SUITE,
            mls.BasicCredential(name),
            mls.new_signature_key(SUITE, entropy=os.urandom),
            now=now,
            entropy=os.urandom,
        )
        for name in (b"Bob", b"Carol")
    ]
    say(f"Bob     {size(packages[0].message)}")
    say(f"Carol   {size(packages[1].message)}")

    title(2, "Alice makes a group and adds both in one commit.")
    alice = mls.Group.create(
        os.urandom(32),
        SUITE,
        mls.BasicCredential(b"Alice"),
        signer,
        config=CONFIG,
        now=now,
        entropy=os.urandom,
    )
    invited = [mls.Add(mls.KeyPackage.from_message(package.message)) for package in packages]
    staged = alice.commit(invited, now=now, entropy=os.urandom)
    alice = staged.merge()
    if staged.welcome is None:
        raise NotAsTold("a commit that adds members comes with a Welcome")
    bob = mls.Group.join(staged.welcome, packages[:1], config=CONFIG, now=now)
    carol = mls.Group.join(staged.welcome, packages[1:], config=CONFIG, now=now)
    say(f"commit  {size(staged.message)}")
    say(f"welcome {size(staged.welcome)}, one for Bob and Carol together")
    say()
    same_epoch(1, Alice=alice, Bob=bob, Carol=carol)

    title(3, "They talk.")
    text = b"The bridge, at nine."
    first = bob.protect(text, entropy=os.urandom)
    say(f"Bob     writes {size(text)}: {text.decode()}")
    check(text not in first, f"a relay sees {size(first)}: ...{first[-16:].hex()}")
    changed = with_one_bit_changed(first)
    check(
        refusal(lambda: alice.process(changed, now=now)) != "",
        "Alice   refuses it with one bit changed",
    )
    check(read(alice, first, now) == text, f"Alice   reads {text.decode()}")
    check(read(carol, first, now) == text, f"Carol   reads {text.decode()}")
    check(
        refusal(lambda: alice.process(first, now=now)) != "",
        "Alice   refuses it the second time: its key is gone",
    )

    title(4, "Carol's phone is lost. Alice removes it.")
    staged = alice.commit([mls.Remove(carol.own_leaf_index)], now=now, entropy=os.urandom)
    alice = staged.merge()
    bob = advance(bob, staged.message, now)
    say(f"commit  {size(staged.message)}")
    say()
    same_epoch(2, Alice=alice, Bob=bob)
    check(
        isinstance(carol.process(staged.message, now=now), mls.Removed) and carol.epoch == 1,
        "Carol   is told that she is out, and stays in epoch 1",
    )

    title(5, "What Carol's phone can no longer read.")
    text = b"Not the bridge. The old mill."
    second = bob.protect(text, entropy=os.urandom)
    say(f"Bob     writes {size(text)}: {text.decode()}")
    check(
        text not in second and len(second) == len(first),
        f"a relay sees {size(second)}, as before: sizes are padded",
    )
    check(read(alice, second, now) == text, f"Alice   reads {text.decode()}")
    reason = refusal(lambda: carol.process(second, now=now))
    check(reason != "", f"Carol   reads nothing ({reason})")
    say("What her phone had read before, it has read: no protocol takes that back.")


def main() -> int:
    started = time.perf_counter()
    try:
        story(now=int(time.time()))
    except NotAsTold as broken:
        print(f"\nNot as told: {broken}", file=sys.stderr)
        return 1
    spent = (time.perf_counter() - started) * 1000
    print(f"\nEverything was as told. {spent:.0f} ms for all of it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
