"""A busy relay keeps and says nothing that it must not: acceptance numbers 72 and 73.

Everything that users say is a canary. A real relay in a process of its own logs as much as it can. What it
wrote is searched while it runs, after it was killed, and after it stopped.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp
import pytest

from heliogram.relay.operating import settings, upkeep
from heliogram.relay.operating.disclosure import Source, examine, wipe
from heliogram.wire import frames
from tests.relay.canaries import (
    HEARD,
    MARK,
    USER,
    Heard,
    Net,
    User,
    address,
    files,
    forms,
    of_process,
    session,
)
from tests.relay.client import Client
from tests.relay.process import RelayProcess

#: Users altogether, and those who do everything that can be done.
USERS, THOROUGH = 1000, 40

#: Users at once.
TOGETHER = 50

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="looks at the process, and uses all of 127.0.0.0/8"
)


@dataclass
class Run:
    """What a busy relay left behind, at different moments."""

    heard: Heard = field(default_factory=Heard)
    running: dict[str, bytes] = field(default_factory=dict)
    killed: dict[str, bytes] = field(default_factory=dict)
    stopped: dict[str, bytes] = field(default_factory=dict)
    #: Answers to a wrong key and to an unknown log, and all that looks for a way in.
    probes: dict[str, object] = field(default_factory=dict)
    unexplained: dict[str, list[str]] = field(default_factory=dict)

    @property
    def everything(self) -> dict[str, bytes]:
        """All files, of all moments."""
        moments = {"running": self.running, "killed": self.killed, "stopped": self.stopped}
        return {
            f"{when}: {name}": data for when, all in moments.items() for name, data in all.items()
        }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The whole scenario, once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiohttp, "ClientSession", session)
        yield _run(tmp_path_factory.mktemp("relay"))


def _run(folder: Path) -> Run:
    run = Run()
    upkeep.make(
        settings.load(folder / "data", file=Path(os.devnull)), {}, entropy=Random(7).randbytes
    )
    (folder / "tmp").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        metrics = f"127.0.0.1:{free.getsockname()[1]}"
    relay = RelayProcess(
        folder,
        settings={"log_level": "debug", "metrics": metrics},
        environment={
            "TMPDIR": str(folder / "tmp"),
            "PYTHONASYNCIODEBUG": "1",
            "PYTHONDEVMODE": "1",
        },
    ).start()
    try:
        asyncio.run(_live(run, relay, range(USERS // 2)))
        with _full(relay.pid):
            asyncio.run(User(1, relay.key, run.heard).suffer(relay.where))
        run.running = files(folder) | of_process(relay.pid, folder)
        run.unexplained["running"] = _unexplained(relay.data)
        relay.kill()
        run.killed = files(folder)
        relay.start()
        asyncio.run(_live(run, relay, range(USERS // 2, USERS)))
        asyncio.run(_probe(run, relay, metrics))
        run.unexplained["later"] = _unexplained(relay.data)
        said = _stop(relay)
        wipe(relay.data)
        run.stopped = files(folder) | {"stdout": said}
        run.unexplained["stopped"] = _unexplained(relay.data)
    except BaseException:
        relay.kill()
        raise
    return run


@contextmanager
def _full(pid: int) -> Iterator[None]:
    """No file of this process may grow."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def _stop(relay: RelayProcess) -> bytes:
    """Stop it cleanly; what else it has printed."""
    assert relay.says is not None
    os.kill(relay.pid, signal.SIGTERM)
    said = relay.says.read().encode()
    assert relay.wait() == 0
    return said


def _unexplained(data: Path) -> list[str]:
    with Source(data) as source:
        return [str(one) for one in examine(source).findings]


async def _live(run: Run, relay: RelayProcess, numbers: range) -> None:
    room = asyncio.Semaphore(TOGETHER)

    async def live(number: int) -> None:
        user = User(number, relay.key, run.heard)
        async with room:
            await user.live(relay.where, thorough=number % (USERS // THOROUGH) == 0)

    await asyncio.gather(*map(live, numbers))


async def _probe(run: Run, relay: RelayProcess, metrics: str) -> None:
    """What a stranger learns who looks for a way in."""
    HEARD.set(run.heard)
    USER.set(0)
    user = User(0, relay.key, run.heard)
    async with await Client.connect(relay.where, relay.key) as client:
        for what, instance in (("wrong key", user.seat.id), ("unknown log", bytes(32))):
            request = client.core.authorise(9, instance, 1, user.cell)
            answer = await client.request(request, failures=True)
            assert isinstance(answer, frames.Failure)
            run.probes[what] = (answer.code, answer.detail)
        for path in ("debug", "admin", "metrics", "health", "status", "logs", "__pdb__", "nothing"):
            async with client.session.get(f"{client.base}/{path}") as got:
                run.probes[f"/{path}"] = (got.status, await got.read())
        async with client.session.get(f"http://{metrics}/metrics") as got:
            run.running["metrics"] = await got.read()


def where(net: Net, found: dict[str, bytes]) -> list[str]:
    """Files with a canary in them."""
    return [name for name, data in found.items() if net.caught(data)]


def test_the_net_catches() -> None:
    canary = bytes(range(200, 232))
    net = Net([canary])
    for form in forms(canary):
        assert net.caught(b"." * 8190 + form + b"."), form
    assert not net.caught(canary[1:] + canary[:-1])


def test_72_the_most_verbose_log_says_nothing_of_a_client(run: Run) -> None:
    said = {
        name: data
        for name, data in run.everything.items()
        if name.rpartition(": ")[2] in ("log", "stdout") or "tmp/" in name
    }
    assert (
        b"a batch was not written" in said["stopped: log"]
    )  # what it has to say does arrive there
    everything = run.heard.never | run.heard.deleted | run.heard.kept | _ids(run.heard)
    assert where(Net(everything), said) == []
    for name, data in said.items():
        assert MARK.encode() not in data and b"127.77." not in data, name
        assert b"Traceback" not in data, name


def test_72_an_unknown_log_and_a_wrong_key_look_alike(run: Run) -> None:
    assert run.probes["wrong key"] == run.probes["unknown log"]


def test_73_the_disk_holds_nothing_that_must_not_be_kept(run: Run) -> None:
    assert len(run.heard.never) > 8 * USERS
    assert where(Net(run.heard.never), run.everything) == []
    for name, data in run.everything.items():
        assert MARK.encode() not in data and b"127.77." not in data, name
        for number in (0, 1, USERS - 1):
            assert address(number).encode() not in data, name


def test_73_what_was_deleted_is_gone(run: Run) -> None:
    assert len(run.heard.deleted) >= 5 * THOROUGH
    assert where(Net(run.heard.deleted), run.stopped) == []


def test_73_what_is_kept_is_found(run: Run) -> None:
    """The search works: ciphertext is where the schema says, whole or in the pages that it fills."""
    stopped = b"".join(data for name, data in run.stopped.items() if name.startswith("data/"))
    assert len(run.heard.kept) > 2 * USERS
    assert sum(one in stopped for one in run.heard.kept) > len(run.heard.kept) * 0.9
    assert "data/relay.db" in where(Net(list(run.heard.kept)[:200]), run.stopped)
    assert where(Net(_ids(run.heard)), run.stopped) == ["data/relay.db"]


def test_73_every_byte_is_explained(run: Run) -> None:
    assert run.unexplained == {"running": [], "later": [], "stopped": []}


def test_73_there_is_no_way_in(run: Run) -> None:
    nothing = run.probes["/nothing"]
    assert isinstance(nothing, tuple) and nothing[0] == 404
    paths = [name for name in run.probes if name.startswith("/")]
    assert [run.probes[path] for path in paths] == [nothing] * len(paths)


def _ids(heard: Heard) -> set[bytes]:
    """The instances that are kept."""
    return {
        one.instance
        for one in heard.requests
        if isinstance(one, frames.Authorise) and one.channel == 0
    }
