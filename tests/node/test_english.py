"""Lines of history in English: a sentence for each, whoever did it and whomever it was done to."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from heliogram.node import api
from heliogram.node.english import passed, sentence, span

ME, ANNA, BEN = (
    api.Person(letter * 64, name, "one two three", me=letter == "a")
    for letter, name in (("a", "Me"), ("b", "Anna"), ("c", "Ben"))
)


@pytest.mark.parametrize("code", get_args(api.LineCode))
def test_every_line_has_a_sentence(code: api.LineCode) -> None:
    for by in (None, ME, ANNA):
        for who in (None, ME, ANNA, BEN):
            said = sentence(api.Line(code=code, who=who, role="owner"), by)
            assert said[0].isupper() and said[-1] == "." and f"({code})" not in said
            assert ME.name not in said.split()


def test_oneself_is_you() -> None:
    added = api.Line(code="member added", who=ANNA)
    assert sentence(added, ME) == "You added Anna."
    assert sentence(added, BEN) == "Ben added Anna."
    assert sentence(api.Line(code="member removed", who=ME), BEN) == "Ben removed you."
    role = api.Line(code="role changed", who=ME, role="member")
    assert sentence(role, ME) == "You made yourself a member."
    gone = api.Line(code="device removed", who=ME)
    assert sentence(gone, BEN) == "Ben removed a device of yours."


def test_what_else_a_line_says() -> None:
    went = api.Line(code="went on", missing=(BEN, ME))
    assert sentence(went, ANNA).endswith(" Not here yet: Ben, you.")
    risen = api.Line(code="went on", missing=(BEN,), risen=(ANNA, ME))
    assert sentence(risen, BEN).endswith(
        " Not here yet: Ben. May do more here than before: Anna, you. Who gave them that cannot be seen:"
        " ask somebody whom you know whether it is right."
    )
    relays = api.Line(code="relays changed", relays=3, quorum=2, objections=("same operator", "x"))
    assert sentence(relays, None) == (
        "Somebody changed the relays: 3 now, 2 decide. Beware: two relays are of one operator. Beware: x."
    )
    braces = api.Line(code="renamed", before="{by}", name="{who}")
    assert "from “{by}” to “{who}”" in sentence(braces, ANNA)
    expiry = api.Line(code="expiry set", seconds=86_400)
    assert sentence(expiry, ANNA) == "Anna let messages go 1 day after they are read."
    assert [span(one) for one in (90, 1_209_600, 1)] == ["90 seconds", "2 weeks", "1 second"]


def test_what_a_later_node_tells_is_not_left_out() -> None:
    assert sentence(api.Line(code="moon rose"), ANNA) == (
        "Something happened that this version does not know (moon rose)."
    )


def test_what_the_network_saw() -> None:
    one = api.Passed(to="relay.example", size=370, times=1, tls=False)
    assert passed(one) == "About 370 bytes to relay.example."
    assert (
        passed(replace(one, times=2, tls=True))
        == "About 370 bytes to relay.example, in TLS, 2 times."
    )
    assert "to the proxy" in passed(replace(one, to=""))
