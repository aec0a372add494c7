"""The peers, or one clear line that says which is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.interop.ours import Ours
from tests.interop.peers import Peer
from tests.interop.rine import Rine, rine_mls
from tests.interop.suites import TS_SUITES
from tests.interop.ts import Ts, TsHost, node_modules

Make = Callable[..., Peer]


@pytest.fixture(scope="session")
def ts_host() -> Iterator[TsHost]:
    root = node_modules()
    if root is None:
        pytest.skip("ts-mls is missing: HELIOGRAM_NODE_MODULES names no folder with it, or no node")
    host = TsHost(root)
    yield host
    host.close()


@pytest.fixture
def rine() -> None:
    if rine_mls() is None:
        pytest.skip("rine-mls is missing: pip install rine-mls")


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """make(kind, name, suite=1, private=False): a client. All are closed in the end."""
    made: list[Peer] = []
    count = iter(range(1 << 30))

    def new(kind: str, name: str, *, suite: int = 1, private: bool = False) -> Peer:
        peer: Peer
        if kind == "rine-mls":
            request.getfixturevalue("rine")
            peer = Rine(name)
        elif kind == "ts-mls":
            host = request.getfixturevalue("ts_host")
            peer = Ts(name, host, TS_SUITES[suite], public_handshakes=not private)
        else:
            peer = Ours(name, suite, seed=next(count), private_handshakes=private)
        made.append(peer)
        return peer

    yield new
    for peer in made:
        peer.close()
