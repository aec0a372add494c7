"""Pictures are cleaned in a child process: what comes out, and what happens to those that want too much."""

from __future__ import annotations

import asyncio
import io
import os
import resource
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageCms

from heliogram.node.errors import InvalidPicture, PictureFault
from heliogram.node.media import limits
from heliogram.node.media.pictures import clean_picture

#: GPS and a name in the clear: what must not be there afterwards.
CANARY = b"a camera that belongs to Alice"


def picture(kind: str, size: tuple[int, int] = (640, 400), **how: object) -> bytes:
    """A gradient in some format."""
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def chunk(kind: bytes, data: bytes, size: int | None = None) -> bytes:
    """A chunk of a PNG, if wanted with a length that is not its own."""
    crc = zlib.crc32(kind + data)
    return (
        struct.pack(">I", len(data) if size is None else size)
        + kind
        + data
        + struct.pack(">I", crc)
    )


PNG = b"\x89PNG\r\n\x1a\n"


# --- What comes out -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", limits.FORMATS)
async def test_metadata_goes_and_a_thumbnail_comes(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = CANARY.decode()
    exif[0x9286] = CANARY
    how: dict[str, object] = {"exif": exif}
    if kind == "GIF":
        how = {"comment": CANARY}
    elif kind == "JPEG":
        how["comment"] = CANARY
    data = picture(kind, (640, 400), **how)
    assert CANARY in data
    cleaned = await clean_picture(data)
    assert cleaned.content_type == limits.FORMATS[kind]
    assert (cleaned.width, cleaned.height) == (640, 400) == opened(cleaned.data).size
    assert CANARY not in cleaned.data and CANARY not in cleaned.thumbnail
    assert not opened(cleaned.data).getexif()
    small = opened(cleaned.thumbnail)
    assert small.format == "WEBP" and small.size == (320, 200)
    assert len(cleaned.thumbnail) <= limits.THUMBNAIL_BYTES


async def test_a_picture_on_its_side_is_turned_up() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    cleaned = await clean_picture(picture("JPEG", exif=exif))
    assert (cleaned.width, cleaned.height) == (400, 640) == opened(cleaned.data).size
    assert opened(cleaned.thumbnail).size == (200, 320)


async def test_the_colour_profile_goes_but_not_the_colours() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = picture("JPEG", icc_profile=profile)
    cleaned = await clean_picture(data)
    after = opened(cleaned.data)
    assert profile not in cleaned.data and "icc_profile" not in after.info
    before = opened(data).convert("L").resize((16, 16)).tobytes()
    now = after.convert("L").resize((16, 16)).tobytes()
    assert max(abs(a - b) for a, b in zip(before, now, strict=True)) <= 8


async def test_what_is_clear_stays_clear() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (100, 50), (10, 20, 30, 0)).save(out, "PNG")
    cleaned = await clean_picture(out.getvalue())
    assert opened(cleaned.data).getpixel((3, 3)) == (10, 20, 30, 0)


async def test_a_noisy_picture_has_a_thumbnail_that_is_small_enough() -> None:
    out = io.BytesIO()
    Image.effect_noise((900, 900), 250).convert("RGB").save(out, "PNG")
    cleaned = await clean_picture(out.getvalue(), thumbnail=3_000)
    assert 0 < len(cleaned.thumbnail) <= 3_000
    assert (await clean_picture(out.getvalue(), thumbnail=0)).thumbnail == b""


async def test_a_large_photograph_is_made_smaller() -> None:
    cleaned = await clean_picture(picture("JPEG", (9_000, 6_000)))
    assert (cleaned.width, cleaned.height) == (4_500, 3_000)


@pytest.mark.parametrize(("kind", "most"), limits.LARGEST.items())
async def test_a_large_picture_of_any_kind_is_made_smaller_and_fits(kind: str, most: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    how: dict[str, object] = {} if kind == "GIF" else {"exif": exif}
    if kind == "AVIF":
        how["speed"] = 10
    # WebP is decoded with transparency, whether there is any: it takes more.
    size = (4_000, 3_000) if kind == "WEBP" else (4_800, 3_600)
    cleaned = await clean_picture(picture(kind, size, **how))
    pixels = cleaned.width * cleaned.height
    assert 0.9 * min(most, size[0] * size[1]) < pixels <= most
    assert (cleaned.width < cleaned.height) == (kind != "GIF")


# --- What is refused ------------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG of 50,000 by 50,000 pixels in a few kilobytes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(150_001)) for _ in range(200)) + packer.flush()
    return PNG + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def frames() -> bytes:
    """A GIF of 100,000 frames."""
    out = io.BytesIO()
    first, second = Image.new("L", (2, 2), 0), Image.new("L", (2, 2), 255)
    first.save(out, "GIF", save_all=True, append_images=[second])
    data = out.getvalue()
    start = data.rindex(b"!\xf9\x04")
    return data[:start] + data[start:-1] * 100_000 + b";"


def long_chunk() -> bytes:
    """A PNG whose first chunk says that it is 4 GiB long."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    return PNG + head + chunk(b"tEXt", b"x" * 100, size=0xFFFF_FFFF)


def inflated() -> bytes:
    """A PNG with a text that is a gigabyte long once it is unpacked."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    text = b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()
    return PNG + head + chunk(b"zTXt", b"k\0\0" + text)


def dense() -> bytes:
    """A picture that is small on disk and is as large as is allowed, in every side."""
    out = io.BytesIO()
    Image.new("L", (16_000, 16_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("make", [bomb, frames, long_chunk, inflated, dense])
async def test_53_a_picture_that_wants_too_much_is_refused_and_we_live(
    make: Callable[[], bytes],
) -> None:
    data = make()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(InvalidPicture):
        await clean_picture(data)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime <= limits.CPU + 1
    # And the next one is cleaned as if nothing had been.
    assert (await clean_picture(picture("PNG"))).width == 640


@pytest.mark.skipif(not os.path.exists("/proc/self/limits"), reason="looks at its limits")
async def test_53_a_decoder_has_taken_its_limits_before_it_sees_a_picture() -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "heliogram.node.media"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            # Nothing is written to it: it waits for a picture, with all that it may have.
            while (found := _limits(child.pid))["Max address space"] != limits.MEMORY:
                assert child.returncode is None
                await asyncio.sleep(0.05)
            while found["Max processes"] != 0:
                await asyncio.sleep(0.05)
                found = _limits(child.pid)
    finally:
        child.kill()
        await child.communicate()
    assert limits.MEMORY <= 256 << 20 and limits.CPU <= 5
    assert found["Max cpu time"] == limits.CPU
    assert found["Max file size"] == found["Max core file size"] == 0
    assert found["Max open files"] == 3


def _limits(pid: int) -> dict[str, int]:
    """What a process may have at most, by the kernel's names; -1 for as much as there is."""
    found = {}
    with open(f"/proc/{pid}/limits") as file:
        for line in file.readlines()[1:]:
            soft = line[26:].split()[0]
            found[line[:26].strip()] = -1 if soft == "unlimited" else int(soft)
    return found


async def test_53_several_bad_ones_at_once_hold_up_nobody() -> None:
    bad = [clean_picture(make()) for make in (bomb, frames, long_chunk, inflated)]
    *refused, good = await asyncio.gather(
        *bad, clean_picture(picture("PNG")), return_exceptions=True
    )
    assert all(isinstance(one, InvalidPicture) for one in refused)
    assert not isinstance(good, BaseException)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", PictureFault.UNREADABLE),
        (b"no picture", PictureFault.UNREADABLE),
        (picture("PNG")[:-200], PictureFault.UNREADABLE),
        (picture("TIFF"), PictureFault.UNREADABLE),
        (picture("BMP"), PictureFault.UNREADABLE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", PictureFault.UNREADABLE),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", PictureFault.UNREADABLE),
        (frames(), PictureFault.ANIMATED),
        (bomb(), PictureFault.TOO_LARGE),
    ],
)
async def test_why_it_is_refused(data: bytes, fault: PictureFault) -> None:
    with pytest.raises(InvalidPicture) as refused:
        await clean_picture(data)
    assert refused.value.fault is fault
    assert refused.value.code == f"picture {fault.value}"


async def test_a_child_that_says_nothing_is_ended() -> None:
    with pytest.raises(InvalidPicture) as refused:
        await clean_picture(picture("PNG"), wait=0.0)
    assert refused.value.fault is PictureFault.COSTLY


# --- Where it runs --------------------------------------------------------------------------------


def confined(code: str) -> str:
    """What a program says that runs after the child's limits are there."""
    program = f"""
        import os, socket, sys
        from heliogram.node.media import __main__ as child
        child.warm_up()
        child.limit()
        def tried(what):
            try:
                what()
            except BaseException as error:
                return type(error).__name__
            return "done"
        {code}
    """
    run = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return run.stdout.decode().strip()


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/hostname')",
        "open('/tmp/heliogram-out', 'w')",
        "socket.socket()",
        "socket.socketpair()",
        "bytearray(300 << 20)",
    ],
)
def test_the_child_has_no_files_no_network_and_little_memory(attempt: str) -> None:
    assert confined(f"print(tried(lambda: {attempt}))") in ("OSError", "MemoryError")


def test_the_child_cannot_take_its_limits_back() -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_AS))"
    assert confined(code) == str((limits.MEMORY, limits.MEMORY))


def test_the_child_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from heliogram.node.media.pictures import _environment

    monkeypatch.setenv("HELIOGRAM_PASSPHRASE", "a secret")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    assert set(_environment()) <= {"SYSTEMROOT", "SYSTEMDRIVE", "LD_LIBRARY_PATH"}
    assert os.environ["HELIOGRAM_PASSPHRASE"] == "a secret"
