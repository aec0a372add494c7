"""A data directory as a relay leaves it: made by the real writer, with something of all that is kept."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from heliogram.relay import cells, inboxes, logs, voting
from heliogram.relay.batch import Batch
from heliogram.relay.blobs import rules as blobs
from heliogram.relay.blobs.files import BlobFiles
from heliogram.relay.errors import RelayError
from heliogram.relay.operating import settings, upkeep
from heliogram.relay.store import BlobRecord, Store
from heliogram.relay.writer import Finished, Writer
from heliogram.wire import frames, objects, work
from heliogram.wire.connection import Scope, ScopeKind
from heliogram.wire.objects import Certificate, Open, RelaySignature
from heliogram.wire.signing import Label, SigningKey
from tests.relay.client import seeded
from tests.relay.members import configured, name, seat_of, value_for

NOW = 1_795_000_000
MINUTE = NOW // 60
LONG_AGO = MINUTE - 300_000
ID = 0x10000
OWNER = SigningKey(name("an owner"))
LINK = SigningKey(name("a link"))
CELL = SigningKey(name("a cell"))
BLOB = b"ciphertext of a picture" * 100
PART = b"half of a blob's ciphertext"
SECRET = name("the secret of a blob")


class Directory:
    """A relay's data directory with a writer on it. `close` leaves it as a relay that has stopped."""

    def __init__(self, data: Path) -> None:
        self.data = data
        config = settings.load(
            data, file=Path("/dev/null"), flags={"difficulty_open": 0, "difficulty_inbox": 0}
        )
        self.identity = upkeep.make(config, {}, entropy=seeded("a relay"))
        (data / "lock").touch(mode=0o600)
        self.now = NOW
        self.files = BlobFiles(data, reserve=0)
        self.store = Store(config.database, writes=True)
        self._told: SimpleQueue[Any] = SimpleQueue()
        self._writer = Writer(
            self.store, config.terms(), self.identity, deliver=self._deliver,
            clock=lambda: self.now, entropy=seeded("the relay's nonces"),
        )  # fmt: skip
        self._writer.start()

    def _deliver(self, finished: Finished) -> None:
        for job, told in finished.told:
            job.done(told)

    def do(self, work: Callable[[Batch], Any]) -> Any:
        """What the writer answers."""
        self._writer.submit(work, self._told.put)
        told = self._told.get(timeout=60)
        if isinstance(told, RelayError):
            raise told
        return told

    def close(self) -> Path:
        """Stop as a relay stops."""
        self._writer.stop()
        self.store.database.checkpoint()
        self.store.close()
        return self.data

    # --- what people do ---

    def open(self, log: str, relays: int = 1) -> bytes:
        """Open a log on this relay and others; its instance."""
        keys = [self.identity.public, *(name(f"relay {n}") for n in range(1, relays))]
        seat = seat_of(log, configured(log, keys), 1)
        opened = Open(seat, work.Proof(self.now // 600, 0))
        self.do(lambda batch: logs.open_log(batch, frames.Open(ID, opened.encode())))
        return seat.id

    def post(self, instance: bytes, data: bytes, epoch: int = 1) -> None:
        """Post an entry."""
        scope = Scope(ScopeKind.LOG, instance, epoch)
        self.do(lambda batch: logs.post(batch, frames.Post(ID, 0, data), scope))

    def change(self, log: str, instance: bytes, body: bytes, epoch: int = 1) -> None:
        """Decide a value, alone."""
        scope = Scope(ScopeKind.LOG, instance, epoch)
        configuration = configured(log, [self.identity.public])
        value = value_for(log, configuration, epoch, body)
        first = self.do(
            lambda batch: voting.lock(batch, frames.Lock(ID, 0, 0, value.encode()), scope)
        )
        lock = Certificate(epoch, 0, value.hash, (RelaySignature(0, first.signature),))
        second = self.do(
            lambda batch: voting.commit(batch, frames.Commit(ID, 0, lock.encode()), scope)
        )
        decided = Certificate(epoch, 0, value.hash, (RelaySignature(0, second.signature),))
        frame = frames.Decide(ID, instance, decided.encode())
        self.do(lambda batch: voting.decide(batch, frame, member=True))

    def lock(self, log: str, instance: bytes, body: bytes, epoch: int) -> None:
        """Give a first vote and leave it at that."""
        scope = Scope(ScopeKind.LOG, instance, epoch)
        value = value_for(log, configured(log, [self.identity.public]), epoch, body)
        self.do(lambda batch: voting.lock(batch, frames.Lock(ID, 0, 0, value.encode()), scope))

    def inbox(self) -> bytes:
        """An inbox with a link, an item, packages of which one was given."""
        inbox, relay = objects.inbox_id(OWNER.public), self.identity.public
        scope = Scope(ScopeKind.INBOX, inbox)
        proof = work.Proof(self.now // 600, 0).encode()
        self.do(lambda batch: inboxes.open_inbox(batch, frames.InboxOpen(ID, OWNER.public, proof)))
        self.do(lambda batch: inboxes.add_link(batch, frames.LinkAdd(ID, 0, LINK.public, 7), scope))
        packages = tuple(
            frames.Package(device, last, b"a key package %d" % last + device)
            for device in (b"laptop", b"phone")
            for last in (False, True)
        )
        self.do(
            lambda batch: inboxes.put_packages(
                batch, frames.PackagesPut(ID, 0, packages, ()), scope
            )
        )
        item = b"a wrapped welcome"
        signed = LINK.sign(
            Label.INBOX_POST, objects.inbox_post_content(relay, inbox, LINK.public, item)
        )
        posted = frames.InboxPost(ID, inbox, LINK.public, signed, proof, item)
        self.do(lambda batch: inboxes.post_item(batch, posted))
        nonce = name("a nonce")
        signed = LINK.sign(
            Label.PACKAGE_TAKE, objects.package_take_content(relay, inbox, LINK.public, nonce)
        )
        taken = frames.PackageTake(ID, inbox, LINK.public, nonce, signed, proof)
        self.do(lambda batch: inboxes.take_packages(batch, taken))
        return inbox

    def cell(self, value: bytes = b"ciphertext of settings", version: int = 1) -> bytes:
        """A cell."""
        cell = objects.cell_id(CELL.public)
        signed = CELL.sign(Label.CELL, objects.cell_content(cell, version, value))
        proof = work.Proof(self.now // 600, 0).encode()
        frame = frames.CellPut(ID, CELL.public, version, value, signed, proof)
        self.do(lambda batch: cells.put_cell(batch, frame))
        return cell

    def blob(self, instance: bytes, content: bytes, size: int) -> bytes:
        """A blob of `size` bytes of which `content` is there; whole if that is all."""
        blob = sha256(content if len(content) == size else content + b"...").digest()
        hashed = objects.blob_delete_hash(SECRET)
        frame = frames.BlobOpen(ID, 0, blob, size, 3, hashed)
        scope = Scope(ScopeKind.LOG, instance, 1)
        tickets = blobs.Tickets(bytes(32))
        self.do(lambda batch: blobs.open_blob(batch, frame, scope, tickets))
        record = self.store.blobs.find(blob, hashed)
        assert record is not None
        upload = self.files.resume(record.upload, 0, size)
        upload.append(content)
        upload.sync()
        self.files.close(record.upload, upload)
        if len(content) == size:
            self.files.finish(record.upload, blob, size)
        self.do(lambda batch: _saved(batch, record, len(content)))
        return blob


def _saved(batch: Batch, record: BlobRecord, stored: int) -> frames.Done:
    batch.store.blobs.save(record, stored, minute=batch.minute)
    return frames.Done(ID)


def populated(data: Path) -> dict[str, bytes]:
    """A stopped relay with something of everything; the ids by their names."""
    directory = Directory(data)
    picnic = directory.open("picnic")
    directory.blob(picnic, BLOB, len(BLOB))
    directory.blob(picnic, PART, 1000)
    for number in range(40):
        directory.post(picnic, b"ciphertext %d " % number + bytes([number]) * 500)
    directory.change("picnic", picnic, b"a commit")
    directory.now += 120
    directory.post(picnic, b"ciphertext of the second epoch", 2)
    directory.lock("picnic", picnic, b"a commit that nobody finished", 2)
    band = directory.open("band", relays=4)
    directory.post(band, b"ciphertext that is longer than a page " * 226)
    old = directory.open("old")
    directory.change("old", old, b"an old commit")
    directory.do(lambda batch: _expired(batch, old))
    directory.do(lambda batch: _deleted(batch))
    ids = {"picnic": picnic, "band": band, "old": old, "blob": sha256(BLOB).digest()}
    ids |= {"inbox": directory.inbox(), "cell": directory.cell()}
    directory.cell(b"newer ciphertext of settings", 2)
    directory.close()
    return ids


def expire(batch: Batch, count: int) -> None:
    """Let the first entries be older than the others, and go."""
    batch.store.database.run("UPDATE entries SET minute=? WHERE id<=?", LONG_AGO, count)
    while batch.store.logs.expire_entries(before=LONG_AGO + 1, minute=batch.minute):
        pass


def _expired(batch: Batch, instance: bytes) -> frames.Done:
    database = batch.store.database
    database.run(
        "UPDATE epochs SET closed=? WHERE closed>0 AND log=(SELECT id FROM logs WHERE instance=?)",
        *(LONG_AGO, instance),
    )
    batch.store.logs.expire_epochs(before=LONG_AGO + 1, minute=batch.minute)
    return frames.Done(ID)


def _deleted(batch: Batch) -> frames.Done:
    expire(batch, 10)
    return frames.Done(ID)
