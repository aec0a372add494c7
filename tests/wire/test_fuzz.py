"""The scripts that fuzzing plays, as they are and a little broken. `make fuzz` goes on from here."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.wire import frames as f
from tests.wire import samples, scripts

EVERY = [f.encode(frame) for frame in samples.FRAMES.values()]


def broken(message: bytes, at: int, put: bytes, cut: int) -> bytes:
    at %= len(message)
    return message[:at] + put + message[at + cut :]


_message = st.one_of(
    st.sampled_from(EVERY),
    st.binary(max_size=40),
    st.builds(
        broken,
        st.sampled_from(EVERY),
        st.integers(0, 1000),
        st.binary(max_size=3),
        st.integers(0, 3),
    ),
)


@settings(max_examples=300)
@given(st.sampled_from(scripts.STARTS), st.lists(_message, max_size=40))
def test_scripts(start: str, messages: list[bytes]) -> None:
    scripts.play(start, scripts.messages(scripts.script(messages)))


def test_the_story_itself() -> None:
    """The real signatures open their channels; so the scripts reach what lies behind."""
    assert scripts.play("relay open", EVERY[1:2]).endswith("Authorise")
    opened = [EVERY[1], f.encode(samples.FRAMES[f.FrameType.POST])]
    assert scripts.play("relay open", opened).endswith("Post")
    assert scripts.play(
        "client greeting", [EVERY[list(samples.FRAMES).index(f.FrameType.GREETING)]]
    )


def test_a_cut_script() -> None:
    assert list(scripts.messages(b"\x00\x02ab\x00\x05c\x00")) == [b"ab", b"c\x00"]
