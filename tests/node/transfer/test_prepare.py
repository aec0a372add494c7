"""Files made ready: pictures cleaned, voice notes named, everything sealed; and what readers make of it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from heliogram.content import making
from heliogram.content.bodies import File, Several, read
from heliogram.content.limits import MAX_MESSAGE
from heliogram.content.mimi import Disposition, Message, SinglePart
from heliogram.node import api
from heliogram.node.errors import (
    FileFault,
    InvalidFile,
    InvalidPicture,
    NodeError,
    NotFound,
)
from heliogram.node.files import SealedFile, Sealer, measure
from heliogram.node.transfer.prepare import MAX_FILES, duration_of, prepare
from heliogram.node.transfer.saving import save
from heliogram.node.transfer.spool import Spool
from tests.node.transfer.kit import Node, body, fleet, pattern

NOW = 1_700_000_000
CANARY = "a camera that belongs to Alice"


def picture(path: Path, kind: str = "JPEG", size: tuple[int, int] = (800, 600)) -> Path:
    exif = Image.Exif()
    exif[0x010F] = CANARY
    Image.effect_noise(size, 80).convert("RGB").save(path, kind, exif=exif)
    return path


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", os.urandom)


def opened(prepared_file: object, tmp_path: Path) -> bytes:
    from heliogram.node.transfer.prepared import PreparedFile

    assert isinstance(prepared_file, PreparedFile)
    path, _ = save(prepared_file.spool, prepared_file.file, tmp_path / "out", "x", "")
    return path.read_bytes()


async def test_a_picture_goes_without_metadata_and_with_a_thumbnail(
    spool: Spool, tmp_path: Path
) -> None:
    source = picture(tmp_path / "IMG_1.jpg")
    assert CANARY.encode() in source.read_bytes()
    (one,) = (await prepare([source], spool=spool, time=NOW)).files
    assert one.inline and one.external.disposition == Disposition.RENDER
    assert one.external.content_type == "image/jpeg" and one.external.filename == "IMG_1.jpg"
    assert one.external.url == "heliogram:blob/" + one.file.ciphertext_hash.hex()
    clean = opened(one, tmp_path)
    assert CANARY.encode() not in clean and Image.open(io.BytesIO(clean)).size == (800, 600)
    found = read(
        Message.from_bytes(making.post(body("look", (one.part,)), entropy=os.urandom).encode())
    )
    assert isinstance(found, Several)
    file = found.bodies[1]
    assert isinstance(file, File) and file.preview is not None
    assert file.preview.content == one.thumbnail and len(one.thumbnail) <= 12_000


async def test_as_a_file_it_goes_as_it_is(spool: Spool, tmp_path: Path) -> None:
    source = picture(tmp_path / "IMG_1.jpg")
    (one,) = (await prepare([source], spool=spool, as_files=True, time=NOW)).files
    assert not one.inline and not one.thumbnail
    assert one.external.disposition == Disposition.ATTACHMENT
    assert opened(one, tmp_path) == source.read_bytes()


async def test_a_picture_that_cannot_be_cleaned_is_not_sent_unless_as_a_file(
    spool: Spool, tmp_path: Path
) -> None:
    good, bad = picture(tmp_path / "a.jpg"), tmp_path / "b.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    heic = tmp_path / "c.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    for one in (bad, heic):
        with pytest.raises(InvalidPicture):
            await prepare([good, one], spool=spool, time=NOW)
        assert list(spool.directory.iterdir()) == []
        (sent,) = (await prepare([one], spool=spool, as_files=True, time=NOW)).files
        sent.spool.unlink()


async def test_the_ending_becomes_true(spool: Spool, tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png", "WEBP")
    (one,) = (await prepare([source], spool=spool, time=NOW)).files
    assert one.external.filename == "a.webp" and one.external.content_type == "image/webp"


async def test_many_pictures_fit_into_one_message(spool: Spool, tmp_path: Path) -> None:
    sources = [picture(tmp_path / f"{i}.jpg", size=(400, 400)) for i in range(12)]
    prepared = await prepare(sources, spool=spool, time=NOW)
    text = "x" * 10_000
    message = making.post(body(text, prepared.parts), entropy=os.urandom)
    assert len(message.encode()) <= MAX_MESSAGE
    prepared.discard()
    assert list(spool.directory.iterdir()) == []


async def test_a_voice_note_says_how_long_it_is(spool: Spool, tmp_path: Path) -> None:
    source = tmp_path / "note.ogg"
    source.write_bytes(b"OggS\0\2" + bytes(100))
    (one,) = (await prepare([source], spool=spool, voice=12.34, time=NOW)).files
    assert one.external.content_type == "audio/ogg;duration=12.3"
    assert one.duration == duration_of(one.external.content_type) == 12.3
    with pytest.raises(InvalidFile) as refused:
        await prepare([picture(tmp_path / "a.jpg")], spool=spool, voice=1.0, time=NOW)
    assert refused.value.fault is FileFault.NOT_A_VOICE


@pytest.mark.parametrize(
    "content_type",
    [
        "audio/ogg",
        "audio/ogg;duration=",
        "audio/ogg;duration=nan",
        "audio/ogg;duration=-1",
        "audio/ogg;duration=1e300",
        "image/png;duration=3",
        "audio/ogg;" * 20 + "duration=3",
    ],
)
def test_other_durations_are_none(content_type: str) -> None:
    assert duration_of(content_type) is None


async def test_what_cannot_be_read_is_refused(spool: Spool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "pipe", Path("/dev/zero"), "a\0b"):
        with pytest.raises(InvalidFile) as refused:
            await prepare([path], spool=spool, time=NOW)
        assert refused.value.fault is FileFault.UNREADABLE
    with pytest.raises(InvalidFile):
        await prepare([tmp_path / "a"] * (MAX_FILES + 1), spool=spool, time=NOW)
    large = tmp_path / "large"
    with large.open("wb") as out:
        out.truncate((4 << 30) + 1)
    with pytest.raises(InvalidFile) as refused:
        await prepare([large], spool=spool, time=NOW)
    assert refused.value.fault is FileFault.TOO_LARGE


async def test_the_spool_holds_ciphertext_and_nobody_else_reads_it(
    spool: Spool, tmp_path: Path
) -> None:
    data = pattern(200_000)
    (tmp_path / "a.dat").write_bytes(data)
    (one,) = (await prepare([tmp_path / "a.dat"], spool=spool, time=NOW)).files
    sealed = one.spool.read_bytes()
    assert all(data[i : i + 32] not in sealed for i in range(0, len(data), 1_000))
    assert one.file.key not in sealed
    assert one.spool.stat().st_mode & 0o777 == 0o600
    assert spool.directory.stat().st_mode & 0o777 == 0o700
    (spool.directory / "not ours").write_bytes(b"")
    spool.sweep({one.spool.name})
    assert one.spool.exists()
    spool.sweep(())
    assert [one.name for one in spool.directory.iterdir()] == ["not ours"]


# --- Who receives ---------------------------------------------------------------------------------


async def test_52_a_disguised_file_is_here_but_never_inline(tmp_path: Path) -> None:
    source = tmp_path / "picture.pyzw"
    source.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        message = Message.from_bytes(await alice.send(source, as_files=True))
        await alice.until(lambda one: one.state == "done")
        found = read(message)
        assert isinstance(found, File)
        # A sender who lies: a picture, it says, with a thumbnail.
        sealed = SealedFile.of(found.part)
        lie = sealed.part(
            url=found.part.url, content_type="image/png", filename="../../picture.pyzw"
        )
        small = io.BytesIO()
        Image.new("RGB", (9, 9)).save(small, "WEBP")
        preview = SinglePart("image/webp", small.getvalue(), Disposition.PREVIEW)
        told = making.post(making.together(lie, preview), entropy=os.urandom).encode()
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(told)
            (info,) = await bob.infos(id)
            assert (info.name, info.inline, info.thumbnail) == ("picture.pyzw", False, True)
            info = await bob.fetched(id)
            assert (info.state, info.doubt, info.inline) == ("here", "mismatch", False)
            assert info.path == str(bob.downloads / "picture.pyzw")


async def test_a_picture_that_is_one_stays_inline(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        message = await alice.send(picture(tmp_path / "a.jpg"))
        await alice.until(lambda one: one.state == "done")
        async with Node(tmp_path / "bob", relays) as bob:
            id = await bob.receive(message)
            small = await bob.shell.call(api.GetThumbnail(id))
            assert small.content_type == "image/webp" and small.data[:4] == b"RIFF"
            info = await bob.fetched(id)
            assert (info.content_type, info.inline, info.doubt) == ("image/jpeg", True, "")
            with pytest.raises(NotFound):
                await bob.shell.call(api.GetThumbnail(id, 1))


async def test_a_thumbnail_that_is_none_is_left_out(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        message = Message.from_bytes(await alice.send(tmp_path / "a.png", as_files=True))
        await alice.until(lambda one: one.state == "done")
        found = read(message)
        assert isinstance(found, File)
        for kind, content in (
            ("image/webp", b"<svg>"),
            ("image/svg+xml", b"<svg>"),
            ("image/webp", b"RIFF0000WEBP" + bytes(20_000)),
        ):
            preview = SinglePart(kind, content, Disposition.PREVIEW)
            told = making.post(making.together(found.part, preview), entropy=os.urandom).encode()
            async with Node(tmp_path / f"bob {len(told)} {kind[-3:]}", relays) as bob:
                (info,) = await bob.infos(await bob.receive(told))
                assert not info.thumbnail and not info.inline


def sealed(data: bytes, path: Path) -> SealedFile:
    sealer = Sealer(*measure([data]), entropy=os.urandom)
    path.write_bytes(b"".join(sealer.seal([data])))
    return sealer.file()


async def test_55_a_blob_that_opens_to_something_else_is_refused(tmp_path: Path) -> None:
    """One blob, and messages that say other keys and other contents of it."""
    one, other = tmp_path / "one", tmp_path / "other"
    first, second = sealed(b"what Bob should see", one), sealed(b"what Carol should see", other)
    claims = [
        SealedFile(second.key, second.size, second.plaintext_hash, first.ciphertext_hash),
        SealedFile(first.key, first.size, second.plaintext_hash, first.ciphertext_hash),
        SealedFile(first.key, second.size, second.plaintext_hash, first.ciphertext_hash),
        SealedFile(first.key, first.size, first.plaintext_hash, second.ciphertext_hash),
    ]
    for claim in claims:
        with pytest.raises(InvalidFile):
            save(one, claim, tmp_path / "out", "a.txt", "text/plain")
    assert list((tmp_path / "out").iterdir()) == []
    path, _ = save(one, first, tmp_path / "out", "a.txt", "text/plain")
    assert path.read_bytes() == b"what Bob should see"

    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        (tmp_path / "a.txt").write_bytes(b"what Bob should see")
        message = Message.from_bytes(await alice.send(tmp_path / "a.txt"))
        await alice.until(lambda one: one.state == "done")
        found = read(message)
        assert isinstance(found, File)
        true = SealedFile.of(found.part)
        lies = [
            SealedFile(os.urandom(32), true.size, true.plaintext_hash, true.ciphertext_hash),
            SealedFile(true.key, true.size, os.urandom(32), true.ciphertext_hash),
            SealedFile(true.key, true.size - 1, true.plaintext_hash, true.ciphertext_hash),
        ]
        async with Node(tmp_path / "bob", relays) as bob:
            for lie in lies:
                part = lie.part(url=found.part.url, content_type="text/plain", filename="a.txt")
                id = await bob.receive(making.post(part, entropy=os.urandom).encode())
                assert (await bob.fetched(id)).state == "refused"
            assert not bob.downloads.exists()


class Loose:
    """A cipher that opens under every key: what a blob for two keys is to whoever has one of them."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == 32

    def encrypt(self, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
        return plain + bytes(16)

    def decrypt(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        return sealed[:-16]


def test_55_a_blob_that_opens_under_two_keys_belongs_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliogram.node.files.ChaCha20Poly1305", Loose)
    blob = tmp_path / "blob"
    true = sealed(b"for both", blob)
    other = SealedFile(bytes(32), true.size, true.plaintext_hash, true.ciphertext_hash)
    with pytest.raises(InvalidFile) as refused:
        save(blob, other, tmp_path / "out", "a.txt", "text/plain")
    assert refused.value.fault is FileFault.WRONG_KEY
    path, _ = save(blob, true, tmp_path / "out", "a.txt", "text/plain")
    assert path.read_bytes() == b"for both"


async def test_an_address_of_something_else_is_refused(tmp_path: Path) -> None:
    async with fleet(tmp_path, 1) as relays, Node(tmp_path / "alice", relays) as alice:
        (tmp_path / "a.txt").write_bytes(b"hello")
        message = Message.from_bytes(await alice.send(tmp_path / "a.txt"))
        found = read(message)
        assert isinstance(found, File)
        file = SealedFile.of(found.part)
        for url in (
            "https://evil.example/x",
            "http://127.0.0.1:1/",
            "heliogram:blob/" + "0" * 64,
            "",
        ):
            part = file.part(url=url, content_type="text/plain", filename="a.txt")
            id = await alice.receive(making.post(part, entropy=os.urandom).encode())
            (info,) = await alice.infos(id)
            assert info.state == "refused"
            with pytest.raises(NodeError):
                await alice.shell.call(api.GetFile(id))
