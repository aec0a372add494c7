"""The child: one picture on standard input, the same without metadata and a thumbnail on standard output.

    python -I -m heliogram.node.media [thumbnail bytes]

It takes its own limits first: memory, time, no file or socket beyond the three that it has, no child, nothing
written to disk. Whoever finds a hole in a decoder stands in a process that has one picture and no way out.
"""

from __future__ import annotations

import io
import os
import sys
import warnings

from PIL import AvifImagePlugin, Image, ImageCms, ImageFile, ImageOps

from heliogram.node.media.limits import (
    ANIMATED,
    ANSWER,
    CPU,
    FORMATS,
    LARGEST,
    MAX_INPUT,
    MAX_OUTPUT,
    MAX_PIXELS,
    MAX_SIDE,
    MEMORY,
    NUMBERS,
    THUMBNAIL_BYTES,
    THUMBNAIL_SIDE,
    TOO_LARGE,
    UNREADABLE,
)

#: Qualities that are tried until a thumbnail fits, and how much of a side is left each time.
_QUALITIES = (72, 55, 38, 20)
_SHRINK = 0.7


class Refused(Exception):
    """The picture is refused; `args[0]` is the exit code."""


def limit() -> None:
    """Take the limits, as far as the system has them."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock and the bounds on sizes are what there is
        return
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 3),
        (getattr(resource, "RLIMIT_NPROC", None), 0),
    ):
        if what is not None:
            hard = resource.getrlimit(what)[1]
            bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (bound, bound))


def warm_up() -> None:
    """Let Pillow load all that it needs for our formats: once the limits hold, nothing can be opened."""
    image = Image.new("RGB", (8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in FORMATS:
        out = io.BytesIO()
        image.save(out, kind, **({} if kind == "GIF" else {"exif": exif, "icc_profile": profile}))
        _answer(out.getvalue(), THUMBNAIL_BYTES)


def main() -> int:
    """The exit code: 0, or why the picture is refused."""
    room = int(sys.argv[1]) if len(sys.argv) > 1 else THUMBNAIL_BYTES
    Image.preinit()
    # An eighth of a side is an eighth of the work: what is too large in earnest, `_measure` says.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS * 32
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    warnings.simplefilter("ignore")
    warm_up()
    limit()
    data = sys.stdin.buffer.read(MAX_INPUT + 1)
    try:
        if len(data) > MAX_INPUT:
            raise Refused(TOO_LARGE)
        answer = _answer(data, min(room, THUMBNAIL_BYTES))
    except Refused as refused:
        return int(refused.args[0])
    except (MemoryError, Image.DecompressionBombError):
        return TOO_LARGE
    except Exception:  # a decoder may raise anything
        return UNREADABLE
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    return 0


def _answer(data: bytes, room: int) -> bytes:
    picture, kind = _decode(data)
    kept = _encode(picture, kind)
    if len(kept) > MAX_OUTPUT:
        raise Refused(TOO_LARGE)
    width, height = picture.size
    small = _thumbnail(picture, room)
    head = ANSWER.pack(width, height, len(kept), len(small), NUMBERS.index(kind))
    return head + kept + small


def _decode(data: bytes) -> tuple[Image.Image, str]:
    """The first and only frame, upright and in sRGB, and its format."""
    with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as image:
        kind = str(image.format)
        if kind not in FORMATS:
            raise Refused(UNREADABLE)
        _measure(image, kind)
        if kind != "JPEG" and _moves(image):
            raise Refused(ANIMATED)
        image.load()
        profile = image.info.get("icc_profile")
        picture = _plain(image)
        # First smaller, then turned: each step holds two of them.
        _reduce(picture, LARGEST[kind])
        picture = ImageOps.exif_transpose(picture)
    return _in_srgb(picture, profile), kind


def _measure(image: Image.Image, kind: str) -> None:
    width, height = image.size
    if kind == "JPEG" and width * height > MAX_PIXELS:
        scale = next((by for by in (2, 4, 8) if width * height <= MAX_PIXELS * by * by), 0)
        if scale:
            image.draft(image.mode, (width // scale, height // scale))
            width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Refused(TOO_LARGE)


def _reduce(image: Image.Image, pixels: int) -> None:
    """Make a picture smaller, if it has more pixels than that."""
    width, height = image.size
    if width * height > pixels:
        scale = (pixels / (width * height)) ** 0.5
        size = max(1, int(width * scale)), max(1, int(height * scale))
        image.thumbnail(size, reducing_gap=2.0)


def _moves(image: Image.Image) -> bool:
    """Whether there is a second frame. Looks for no third."""
    try:
        image.seek(1)
    except EOFError:
        image.seek(0)
        return False
    return True


def _plain(image: Image.Image) -> Image.Image:
    """In a mode that every format of ours can hold: grey or colours, with or without transparency."""
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if image.mode in ("1", "I", "I;16", "F"):
        return image.convert("L")
    clear = "transparency" in image.info or image.mode in ("PA", "La", "RGBa")
    return image.convert("RGBA" if clear else "RGB")


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Colours as they were meant, without the profile: it tells what made the picture."""
    if not isinstance(profile, bytes) or image.mode not in ("RGB", "RGBA"):
        return image
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(
            image, given, ImageCms.createProfile("sRGB"), outputMode=image.mode, inPlace=True
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    return image if turned is None else turned


def _encode(image: Image.Image, kind: str) -> bytes:
    image.info.clear()
    if kind == "JPEG":
        opaque = image if image.mode in ("L", "RGB") else image.convert("RGB")
        return _save(opaque, "JPEG", quality=90, optimize=False, exif=b"", icc_profile=None)
    if kind == "PNG":
        return _save(image, "PNG", compress_level=4, exif=b"", icc_profile=None)
    if kind == "GIF":
        return _save(image, "GIF")
    coloured = image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB")
    if kind == "WEBP":
        return _save(coloured, "WEBP", quality=90, method=2, exif=b"", icc_profile=b"")
    return _save(coloured, "AVIF", quality=80, speed=8, max_threads=1, exif=b"", icc_profile=b"")


def _thumbnail(image: Image.Image, room: int) -> bytes:
    """A small WebP of at most `room` bytes; nothing if none is that small."""
    if room <= 0:
        return b""
    small = image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB")
    side = float(THUMBNAIL_SIDE)
    while side >= 48:
        small.thumbnail((int(side), int(side)), reducing_gap=2.0)
        for quality in _QUALITIES:
            made = _save(small, "WEBP", quality=quality, method=4)
            if len(made) <= room:
                return made
        side *= _SHRINK
    return b""


def _save(image: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


if __name__ == "__main__":
    code = main()
    # Whatever a decoder left behind is not torn down: the process just ends.
    os._exit(code)
