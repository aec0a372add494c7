"""A disk that is full, read-only or fails to sync: refused clearly, nothing damaged, and on again after."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from heliogram.wire import ErrorCode, Label, SigningKey, frames, work
from heliogram.wire.objects import Open, blob_delete_hash, blob_id, cell_content, cell_id
from tests.relay import powerloss
from tests.relay.campaign import Figures, Life
from tests.relay.client import Client
from tests.relay.load import DEAD
from tests.relay.members import Member, configured, member_key, name, value_for
from tests.relay.powerloss import Failure
from tests.relay.process import RelayProcess

FULL, UNAVAILABLE = ErrorCode.DISK_FULL, ErrorCode.UNAVAILABLE
CODES = {Failure.FULL: FULL, Failure.READONLY: UNAVAILABLE, Failure.UNSYNCABLE: UNAVAILABLE}
STATUSES = {FULL: 507, UNAVAILABLE: 503}
CELL = SigningKey(name("a cell"))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if powerloss.compiler() is None:
        pytest.skip("no C compiler: install gcc")
    return powerloss.build(tmp_path_factory.mktemp("powerloss"))


@contextmanager
def relay(library: Path, where: Path) -> Iterator[RelayProcess]:
    (where / "data").mkdir(mode=0o700)
    environment = powerloss.environment(library, where / "data", where / "journal")
    process = RelayProcess(where, environment=environment)
    try:
        yield process.start()
    finally:
        if process.running:
            process.kill()


def put_cell(client: Client, version: int, value: bytes) -> frames.CellPut:
    target = cell_id(CELL.public)
    signature = CELL.sign(Label.CELL, cell_content(target, version, value))
    proof = work.solve(client.relay, target, 0, now=client.greeting.time).encode()
    return frames.CellPut(0, CELL.public, version, value, signature, proof)


def writes(member: Member, client: Client, number: int) -> list[frames.Request]:
    """One request of each kind that writes. They do not depend on each other."""
    text = b"%d" % number
    log = Member(f"log {number}", configured(f"log {number}", [client.relay]))
    proof = work.solve(client.relay, log.seat.id, 0, now=client.greeting.time)
    value = value_for(member.log, member.seat.configuration, member.epoch, text).encode()
    deletes = blob_delete_hash(text)
    channel = member.channel()
    return [
        frames.Post(0, channel, b"post " + text),
        frames.Refill(0, channel, 1, b"refill " + text),
        frames.Post(0, channel, b"grace " + text, frames.Lane.GRACE),
        frames.NewRound(0, channel, number * 10 + 1),
        frames.Lock(0, channel, 0, value) if not number else frames.Post(0, channel, text),
        frames.Open(0, Open(log.seat, proof).encode()),
        put_cell(client, number + 1, text),
        frames.BlobOpen(0, channel, blob_id(b"blob " + text), 5 + len(text), 1, deletes),
    ]


async def upload(client: Client, ready: frames.BlobReady, data: bytes) -> int:
    """PUT all of a blob; the status."""
    headers = {
        "Authorization": f"Heliogram {ready.ticket.hex()}",
        "Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}",
    }
    url = f"{client.base}/blob/{blob_id(data).hex()}"
    async with client.session.put(url, data=data, headers=headers) as answer:
        return answer.status


async def stands(member: Member, client: Client) -> tuple[frames.Peeked, list[frames.Entry]]:
    """Where the log stands, and its entries."""
    peeked = (await member.peek())[client.relay]
    return structs.replace(peeked, id=0), await member.read(client)


async def opened(member: Member, process: RelayProcess) -> Client:
    await member.connect({process.key: process.where})
    return member.clients[process.key]


@pytest.mark.parametrize("how", CODES)
async def test_69_each_write_is_refused_and_reads_go_on(
    library: Path, tmp_path: Path, how: Failure
) -> None:
    with relay(library, tmp_path) as process:
        member = Member("picnic", configured("picnic", [process.key]))
        client = await opened(member, process)
        await member.open()
        for number in range(3):
            await member.post_at(client, b"entry %d" % number)
        whole = b"a whole blob"
        frame = frames.BlobOpen(
            0, member.channel(), blob_id(whole), len(whole), 1, blob_delete_hash(b"x")
        )
        assert await upload(client, await client.ask(frame, frames.BlobReady), whole) == 201
        data = b"a blob that is refused at first"
        frame = frames.BlobOpen(
            0, member.channel(), blob_id(data), len(data), 1, blob_delete_hash(b"y")
        )
        ready = await client.ask(frame, frames.BlobReady)
        await client.ask(put_cell(client, 1, b"0"), frames.Done)
        before = await stands(member, client)
        for number in (1, 2):
            asked = writes(member, client, number)
            with powerloss.failing(tmp_path / "journal", how):
                for one in asked:
                    assert await client.failure(one) is CODES[how], type(one).__name__
                assert await upload(client, ready, data) == STATUSES[CODES[how]]
                # Nothing has changed, and what is there can be read.
                assert await stands(member, client) == before
                await member.status(client, name("a nonce"))
                got = await client.ask(frames.CellGet(0, cell_id(CELL.public)), frames.CellValue)
                assert got.version == number
                url = f"{client.base}/blob/{blob_id(whole).hex()}"
                async with client.session.get(url) as answer:
                    assert answer.status == 200 and await answer.read() == whole
                # Who comes new can authorise too.
                async with await Client.connect(process.where, process.key) as other:
                    key = member_key(member.log, 1, process.key)
                    await other.authorise(0, member.seat.id, 1, key)
            # There is room again: all of it is done, by the same process.
            for one in asked:
                done = await client.request(one)
                assert not isinstance(done, frames.Failure | frames.Nack)
            before = await stands(member, client)
        assert await upload(client, ready, data) == 201
        await member.post(b"last")
        after = await stands(member, client)
        await member.close()
        # Nothing of it was true in memory only.
        process.kill()
        powerloss.lose(process.data, tmp_path / "journal")
        process.start()
        client = await opened(member, process)
        await member.authorise(evidence=True)
        assert await stands(member, client) == after
        for blob in (whole, data):
            async with client.session.get(f"{client.base}/blob/{blob_id(blob).hex()}") as answer:
                assert answer.status == 200 and await answer.read() == blob
        await member.close()


@pytest.mark.parametrize("how", CODES)
async def test_69_a_disk_fails_at_any_write(library: Path, tmp_path: Path, how: Failure) -> None:
    """Under load it fails at moments that are drawn. What was acknowledged holds, and all goes on.

    In the end the power is lost: what was written before an fsync that failed is not on the disk, whatever
    a later fsync said.
    """
    rng = Random(how.value)
    life = Life(tmp_path, library, Figures())
    process = life.relay.process
    life.begin()
    heard: Counter[ErrorCode] = Counter()
    try:
        for _ in range(8):
            switch = life.journal / how.value
            life.relay.fate = switch.touch
            await life.check(rng)
            life.relay.arm(
                answers=rng.randint(1, 150), requests=1 << 60, moment=rng.uniform(0, 0.01)
            )
            life.relay.allowed = (CODES[how],)
            works = (load.run(Random(rng.random())) for load in life.loads)
            outcomes = await asyncio.gather(*works, return_exceptions=True)
            switch.unlink()
            life.relay.allowed = ()
            for outcome in outcomes:
                if not isinstance(outcome, DEAD):
                    assert isinstance(outcome, BaseException)
                    raise outcome
            await life.close()
            heard += life.relay.refused
            if rng.random() < 0.5:
                await life.check(rng)  # by the process whose disk had failed
                await life.close()
            process.kill()
            if rng.random() < 0.7:
                powerloss.lose(process.data, life.journal, rng)
            else:
                powerloss.mend(life.journal)
            life.check_copy()
            process.start()
        await life.end(quiet=False)
    finally:
        life.abandon()
    assert set(heard) == {CODES[how]}


@pytest.mark.parametrize("how", CODES)
def test_69_a_relay_ends_and_begins_with_a_disk_that_fails(
    library: Path, tmp_path: Path, how: Failure
) -> None:
    """It stops and starts if it can, or says why not. Later it starts as always."""
    with relay(library, tmp_path) as process:
        with powerloss.failing(tmp_path / "journal", how):
            assert process.stop() in (0, 1)
            with suppress(RuntimeError):
                process.start().stop()
            assert "This is a bug" not in process.text() and "Traceback" not in process.text()
        process.start()
        assert process.stop() == 0


def test_what_init_has_made_is_on_disk(library: Path, tmp_path: Path) -> None:
    with relay(library, tmp_path) as process:
        process.stop()
    # Made anew, behind the shim.
    data, journal = tmp_path / "new" / "data", tmp_path / "new" / "journal"
    environment = powerloss.environment(library, data, journal)
    data.chmod(0o700)
    process = RelayProcess(tmp_path / "new", environment=environment)
    process.make(behind=True)
    powerloss.lose(data, journal)
    with process:
        assert process.stop() == 0
        process.start()


# --- What a later fsync does not make good --------------------------------------------------------

SCRIPT = """
import os, sys
from pathlib import Path
from heliogram.relay.blobs.files import BlobFiles
from heliogram.relay.errors import Unavailable
from heliogram.relay.store import Database
data = Path(sys.argv[1])
switch = data.parent / "journal" / "unsyncable"
def refused(what, *arguments):
    try:
        what(*arguments)
        return "done"
    except Unavailable:
        return "refused"
def insert(database, text):
    with database.transaction():
        database.run("INSERT INTO posted VALUES (?, 1)", text)
def there(database):
    return [row[0].decode() for row in database.all("SELECT statement FROM posted ORDER BY 1")]
"""


class Disk:
    """A directory behind the shim, and scripts that are killed at their end."""

    def __init__(self, library: Path, where: Path) -> None:
        self.data, self.journal = where / "data", where / "journal"
        self.environment = os.environ | powerloss.environment(library, self.data, self.journal)

    def run(self, script: str) -> str:
        """What a script printed."""
        code = f"{SCRIPT}{script}\nsys.stdout.flush()\nos.kill(os.getpid(), 9)\n"
        command = [sys.executable, "-c", code, str(self.data)]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        assert done.returncode == -9
        return done.stdout.strip()


@pytest.fixture
def disk(library: Path, tmp_path: Path) -> Disk:
    return Disk(library, tmp_path)


def test_an_upload_whose_fsync_failed_stays_refused(disk: Disk) -> None:
    """Once more from where its row stands, and it is on disk."""
    assert (
        disk.run("""
name = bytes(32)
files = BlobFiles(data, reserve=0)
upload = files.resume(name, 0, 9)
upload.append(b"123456789")
switch.touch()
print(refused(upload.sync))
switch.unlink()
print(refused(upload.sync))
files.close(name, upload)
upload = files.resume(name, 0, 9)
upload.append(b"123456789")
print(refused(upload.sync))
""")
        == "refused\nrefused\ndone"
    )
    powerloss.lose(disk.data, disk.journal)
    assert (disk.data / "uploads" / bytes(32).hex()).read_bytes() == b"123456789"


@pytest.mark.parametrize("killed", [False, True])
def test_the_name_of_an_upload_is_on_disk_before_its_first_part_counts(
    disk: Disk, killed: bool
) -> None:
    """Though its file was there already: made by a start that failed, or by who was killed just then."""
    begun = """
name = bytes(32)
files = BlobFiles(data, reserve=0)
switch.touch()
print(refused(files.resume, name, 0, 9))
switch.unlink()
"""
    goes_on = """
upload = files.resume(name, 0, 9)
upload.append(b"123456789")
print(refused(upload.sync))
"""
    if killed:
        # The file without its folder: what a kill between the two leaves.
        assert disk.run("name = bytes(32)\nBlobFiles(data, reserve=0)._upload(name).touch()") == ""
        assert (
            disk.run(f"name = bytes(32)\nfiles = BlobFiles(data, reserve=0)\n{goes_on}") == "done"
        )
    else:
        assert disk.run(begun + goes_on) == "refused\ndone"
    powerloss.lose(disk.data, disk.journal)
    assert (disk.data / "uploads" / bytes(32).hex()).read_bytes() == b"123456789"


def test_what_a_killed_process_left_is_on_disk_before_it_is_used(disk: Disk) -> None:
    """Its successor can read what never was synced. What it sees and what it writes must both last."""
    disk.run('Database(data / "db", writes=True)')
    script = """
database = Database(data / "db", writes=True)
insert(database, b"old")
switch.touch()
print(refused(insert, database, b"refused"))
switch.unlink()
"""
    assert disk.run(script) == "refused"
    seen = disk.run("""
database = Database(data / "db", writes=True)
print(*there(database))
insert(database, b"new")
""")
    assert seen == "old refused"  # SQLite takes it for committed
    powerloss.lose(disk.data, disk.journal)
    assert disk.run('print(*there(Database(data / "db", writes=True)))') == "new old refused"


def test_the_same_process_goes_on_after_a_failed_fsync(disk: Disk) -> None:
    """What was refused is not there, and what is written in its place is on disk as a whole."""
    seen = disk.run("""
database = Database(data / "db", writes=True)
insert(database, b"old")
for number in range(3):
    switch.touch()
    print(refused(insert, database, b"refused"))
    switch.unlink()
    insert(database, b"new %d" % number)
print(*there(database), sep="|")
""")
    assert seen.split()[:3] == ["refused"] * 3 and seen.endswith("new 0|new 1|new 2|old")
    powerloss.lose(disk.data, disk.journal)
    left = disk.run('print(*there(Database(data / "db", writes=True)), sep="|")')
    assert left == "new 0|new 1|new 2|old"
