"""What a relay does about its blobs before it serves: database and files are made to agree after a crash."""

from __future__ import annotations

from heliogram.relay.blobs.files import BlobFiles
from heliogram.relay.store import BlobRecord, Store


def sweep(store: Store, files: BlobFiles, *, now: int) -> None:
    """Make database and files agree after a crash. On the writer's store, before anything is served.

    A blob whose row could not be written any more becomes complete, a row whose file is missing can be
    uploaded again, a file without a row goes. Raises `DiskFull`, `Unavailable`.
    """
    uploads: set[bytes] = set()
    last = (b"", b"")
    while page := store.blobs.page(last):
        last = (page[-1].blob, page[-1].delete_hash)
        with store.transaction():
            for record in page:
                there = _there(record, files)
                if there != record.stored:
                    store.blobs.save(record, there, minute=now // 60)
                if there < record.size:
                    uploads.add(record.upload)
    for name in files.uploads():
        if name not in uploads:
            files.drop_upload(name)
    for blob in files.blobs():
        if store.blobs.held(blob) is None:
            files.drop_blob(blob)


def _there(record: BlobRecord, files: BlobFiles) -> int:
    """How many bytes of a blob or of an upload there are, of those that its row knows."""
    # Only what hashes to its id ever gets a blob's name.
    if files.size(record.blob) == record.size:
        if not record.complete:
            files.secure(record.blob)
        return record.size
    if record.complete:
        return 0
    return min(record.stored, files.uploaded(record.upload) or 0)
