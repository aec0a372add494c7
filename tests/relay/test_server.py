"""The relay over real sockets: every frame, every error, and what belongs to no single request."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.wire import ErrorCode, FrameType
from tests.relay.frame_cases import CASES, OTHERS, Case, Scene, Tapped
from tests.relay.members import Member, configured
from tests.relay.serving import Serving

#: What no relay says over a connection: a client's own finding, and what HTTP has for blobs.
ELSEWHERE = {ErrorCode.WRONG_RELAY, ErrorCode.CONFLICT, ErrorCode.BAD_HASH}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.play.__name__)
async def test_case(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Serving(tmp_path / "data", **case.settings) as relay:
        keys = [relay.key, *(one.public for one in OTHERS)]
        member = Member("scene", configured("scene", keys, 2))
        client = await Tapped.connect(relay.where, relay.key)
        member.clients[relay.key] = client
        await member.open_at(client)
        await member.authorise()
        scene = Scene(relay, client, member, monkeypatch)
        try:
            await case.play(scene)
        finally:
            await client.close()
        assert case.shows <= client.seen | scene.seen


def test_there_is_a_case_for_all() -> None:
    shown = frozenset().union(*(case.shows for case in CASES))
    assert shown >= set(FrameType) | set(ErrorCode) - ELSEWHERE
