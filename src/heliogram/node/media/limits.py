"""What a picture may cost, and how parent and child speak: both sides read this, and nothing else of ours."""

from __future__ import annotations

import struct

#: Bytes of a picture that is read, and of one that comes out.
MAX_INPUT = 64 << 20
MAX_OUTPUT = 48 << 20

#: Pixels that are decoded, and of a side. Larger JPEGs are decoded at a half, a quarter or an eighth.
MAX_PIXELS = 25_000_000
MAX_SIDE = 16_384

#: Pixels that come out, by format: larger ones are made smaller, or encoders would take more than they may.
LARGEST = {
    "JPEG": MAX_PIXELS,
    "PNG": 9_000_000,
    "WEBP": 9_000_000,
    "AVIF": 4_000_000,
    "GIF": 9_000_000,
}

#: Pixels of the longer side of a thumbnail, and its bytes.
THUMBNAIL_SIDE = 320
THUMBNAIL_BYTES = 12_000

#: The child's memory in bytes, its time in seconds; and how long its parent waits.
MEMORY = 256 << 20
CPU = 5
WAIT = 20.0

#: Formats that are decoded, by their names in Pillow, and their media types.
FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "GIF": "image/gif",
}

#: What comes out: width, height, bytes of the picture, bytes of the thumbnail, format; then both.
ANSWER = struct.Struct(">IIIIB")

#: Formats by their number in the answer.
NUMBERS = tuple(FORMATS)

#: How the child ends when it refuses: it is animated, too large, or nothing that it reads.
ANIMATED, TOO_LARGE, UNREADABLE = 10, 11, 12
