"""The app's own files: read once, from a fixed list, under a policy that lets nothing else run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from heliogram.web.answers import COMMON

#: Where the app lies.
APP: Final = Path(__file__).parent / "app"

#: What an ending is. A file with another one is not served.
TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".ogg": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
}

#: A page that leads on to the app. A browser that was started with a file remembers of what it opens that it
#: came from there; of the page after it, that it came from us. So the app can be loaded again.
_START: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Heliogram</title>'
    '<script src="start.js"></script></html>\n'
)
_START_SCRIPT: Final = 'location.replace("./" + location.hash);\n'

_TEXT: Final = ("text/", "application/json", "application/manifest+json", "image/svg+xml")

#: What the page may ask the browser for: the microphone, for voice notes.
PERMISSIONS: Final = ", ".join(
    f"{name}=({'self' if name == 'microphone' else ''})"
    for name in (
        "accelerometer",
        "browsing-topics",
        "camera",
        "display-capture",
        "encrypted-media",
        "geolocation",
        "gyroscope",
        "hid",
        "identity-credentials-get",
        "idle-detection",
        "local-fonts",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "screen-wake-lock",
        "serial",
        "storage-access",
        "usb",
        "xr-spatial-tracking",
    )
)


def policy(origin: str, base: str, attachments: str) -> str:
    """The Content-Security-Policy of the page: our files, our calls, pictures of the other origin."""
    files = f"{origin}{base}app/"
    socket = origin.replace("http:", "ws:", 1)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {files} {origin}{base}start.js",
            f"style-src {files}",
            f"font-src {files}",
            f"manifest-src {files}",
            f"worker-src {files}",
            f"img-src {files} {attachments} blob:",
            f"media-src {files} {attachments} blob:",
            f"connect-src {origin}{base} {socket}{base}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-src 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


@dataclass(frozen=True, slots=True)
class _File:
    content_type: str
    data: bytes = field(repr=False)


class Pages:
    """The app's files, in memory."""

    def __init__(self, policy: str, folder: Path = APP) -> None:
        """Read them. Raises `OSError`."""
        self._files = {
            "start": _File("text/html", _START.encode()),
            "start.js": _File("text/javascript", _START_SCRIPT.encode()),
        }
        for path in sorted(folder.rglob("*")):
            kind = TYPES.get(path.suffix)
            if kind is not None and path.is_file() and not path.is_symlink():
                name = f"app/{path.relative_to(folder).as_posix()}"
                self._files[name] = _File(kind, path.read_bytes())
        self._headers = {
            **COMMON,
            "Content-Security-Policy": policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Origin-Agent-Cluster": "?1",
            "Permissions-Policy": PERMISSIONS,
            "X-Frame-Options": "DENY",
            "X-DNS-Prefetch-Control": "off",
        }

    @property
    def names(self) -> frozenset[str]:
        """The paths that there are."""
        return frozenset(self._files)

    def get(self, path: str) -> web.Response | None:
        """The file at `path`, the page at none; None if there is no such file."""
        file = self._files.get(path or "app/index.html")
        if file is None:
            return None
        charset = "utf-8" if file.content_type.startswith(_TEXT) else None
        return web.Response(
            body=file.data, content_type=file.content_type, charset=charset, headers=self._headers
        )
