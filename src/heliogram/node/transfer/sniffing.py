"""What a file really is: its first bytes, held against its media type and its ending.

The sender says what a file is, twice. If what they say and what the bytes say do not go together the file is
never shown in its place, and whoever opens it is told. Nothing here decodes anything.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass

from heliogram.node.transfer.naming import ending

#: How many of the first bytes are looked at.
HEAD = 4096

#: What is not known.
UNKNOWN = "application/octet-stream"

#: Pictures that may be shown in their place.
PICTURES = frozenset(("image/jpeg", "image/png", "image/webp", "image/avif", "image/gif"))

#: Recordings that may be played in their place.
VOICES = frozenset(("audio/ogg", "audio/webm", "audio/mp4"))

#: A drawing that may hold scripts: a document, and no picture to us.
SVG = "image/svg+xml"

_HTML, _SCRIPT, _ZIP, _TEXT = "text/html", "text/x-shellscript", "application/zip", "text/plain"

_OFFICE = "application/vnd.openxmlformats-officedocument"

#: First bytes and what they are.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", _ZIP),
    (b"PK\x05\x06", _ZIP),
    (b"\x1f\x8b", "application/gzip"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"BZh", "application/x-bzip2"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-msdownload"),
    (b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xca\xfe\xba\xbe", "application/java-vm"),
    (b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"#!", _SCRIPT),
    (b"[Desktop Entry]", "application/x-desktop"),
    (b"{\\rtf", "application/rtf"),
)

#: Endings and what they promise.
_ENDINGS = {
    ending: kind
    for kind, endings in {
        "image/jpeg": "jpg jpeg jpe jfif",
        "image/png": "png",
        "image/gif": "gif",
        "image/webp": "webp",
        "image/avif": "avif",
        "image/heic": "heic heif",
        "image/bmp": "bmp",
        "image/tiff": "tif tiff",
        SVG: "svg svgz",
        "application/pdf": "pdf",
        _ZIP: "zip",
        f"{_OFFICE}.wordprocessingml.document": "docx",
        f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
        f"{_OFFICE}.presentationml.presentation": "pptx",
        "application/vnd.ms-word.document.macroenabled.12": "docm",
        "application/vnd.ms-excel.sheet.macroenabled.12": "xlsm",
        "application/vnd.oasis.opendocument.text": "odt",
        "application/vnd.oasis.opendocument.spreadsheet": "ods",
        "application/vnd.oasis.opendocument.presentation": "odp",
        "application/epub+zip": "epub",
        "application/java-archive": "jar war",
        "application/vnd.android.package-archive": "apk",
        "application/x-python-zip": "pyz pyzw whl",
        "application/x-ole-storage": "doc xls ppt msi",
        "application/gzip": "gz tgz",
        "application/x-xz": "xz",
        "application/x-bzip2": "bz2",
        "application/zstd": "zst",
        "application/x-7z-compressed": "7z",
        "application/vnd.rar": "rar",
        "application/x-msdownload": "exe dll com scr pif cpl sys",
        "application/x-executable": "so elf bin appimage run",
        "application/x-ms-shortcut": "lnk",
        "application/x-desktop": "desktop",
        "application/java-vm": "class",
        _SCRIPT: "sh bash zsh ksh csh command",
        "text/x-script": "py pyw js mjs vbs vbe jse wsf wsh ps1 psm1 bat cmd rb pl php lua reg hta scpt url",
        _HTML: "html htm xhtml xht shtml mht mhtml",
        "text/xml": "xml xsl xslt",
        "application/json": "json",
        _TEXT: "txt text md csv tsv log ini conf yaml yml toml tex vcf ics srt po diff patch c h rs go",
        "audio/ogg": "ogg oga opus",
        "audio/mpeg": "mp3",
        "audio/flac": "flac",
        "audio/wav": "wav",
        "audio/mp4": "m4a",
        "video/mp4": "mp4 m4v",
        "video/quicktime": "mov",
        "video/webm": "webm",
        "audio/webm": "weba",
        "video/x-matroska": "mkv",
        "application/vnd.sqlite3": "sqlite sqlite3 db",
        "application/rtf": "rtf",
    }.items()
    for ending in endings.split()
}

#: What opens as something that acts: programs, scripts, and pages that may hold scripts.
_ACTIVE = frozenset(
    (
        *("application/x-executable", "application/x-msdownload", "application/x-mach-binary"),
        *("application/java-vm", "application/java-archive", "application/x-ms-shortcut"),
        *("application/vnd.android.package-archive", "application/x-python-zip"),
        *("application/x-desktop", "text/x-script", _SCRIPT, _HTML, SVG),
        *("application/xhtml+xml", "text/javascript", "application/javascript"),
    )
)

#: What the bytes of a container or a plain text may be in truth, beside themselves.
_WITHIN = {
    _ZIP: re.compile(
        r"application/(vnd\.(openxml|oasis|android|ms-|apple|google-earth)|epub|java-archive|x-python-zip"
        r"|x-zip|x-xpinstall|vnd\.comicbook)"
    ),
    _TEXT: re.compile(
        r"text/|message/|application/(json|xml|toml|yaml|x-yaml|pgp|javascript|sql|x-tex)"
    ),
    "text/xml": re.compile(r"(text|application)/([a-z.+-]+\+)?xml$|image/svg"),
    _SCRIPT: re.compile(r"text/(x-|plain)|application/x-(sh|python|perl|python-zip)"),
    "application/x-ole-storage": re.compile(r"application/(msword|vnd\.ms-|x-msi)"),
    "application/x-executable": re.compile(r"application/(x-elf|x-sharedlib|vnd\.appimage)"),
    "application/x-msdownload": re.compile(r"application/(x-dosexec|vnd\.microsoft)"),
    "audio/ogg": re.compile(r"(audio/opus|video/ogg|application/ogg)$"),
    "video/webm": re.compile(r"(audio/webm|(video|audio)/(x-)?matroska)$"),
    "video/mp4": re.compile(r"(audio|video)/(mp4|x-m4a|quicktime|3gpp2?)$"),
    "audio/wav": re.compile(r"audio/(x-|vnd\.)?wave?$"),
    "image/heic": re.compile(r"image/hei[cf]"),
}

#: Kinds that always have their first bytes: who claims one and has others, lies.
_RECOGNISED = frozenset((*(kind for _, kind in _MAGIC), *_WITHIN, *PICTURES)) - {_TEXT, "text/xml"}

_TAG = re.compile(rb"<!--.*?-->|<\?.*?\?>|<!doctype[^>]*>", re.DOTALL | re.IGNORECASE)
_PAGE = re.compile(
    rb"<(html|head|body|script|iframe|style|meta|link|base|form|a |p>|div|h1)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file is, as far as its bytes tell."""

    #: The media type to show: that of the bytes, if they say one; else the claimed one.
    content_type: str
    #: Whether it may be shown or played in its place.
    inline: bool
    #: "": nothing to say. "mismatch": bytes, media type and ending do not go together. "active": it is a
    #: program or may hold one, and is open about it.
    doubt: str


def essence(content_type: str) -> str:
    """A media type without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()[:128]


def sniff(head: bytes) -> str | None:
    """What a file is by its first bytes; None if they say nothing."""
    data = head[:HEAD]
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _brand(data)
    if data[:4] == b"\x1aE\xdf\xa3":
        return "video/webm"
    if data[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return "audio/mpeg"
    return _sniff_text(data)


def judge(content_type: str, name: str, head: bytes) -> Verdict:
    """What a file with these first bytes is, whose sender says `content_type` and `name`."""
    claimed, found = essence(content_type), sniff(head)
    promised = _ENDINGS.get(ending(name))
    agree = _fits(found, claimed) and (promised is None or _fits(found, promised))
    if promised is not None and claimed != UNKNOWN and not _akin(claimed, promised):
        agree = False
    shown = claimed if agree and claimed and claimed != UNKNOWN else found or promised or UNKNOWN
    if not agree:
        return Verdict(found or UNKNOWN, False, "mismatch")
    if any(kind in _ACTIVE for kind in (found, claimed, promised)):
        return Verdict(shown, False, "active")
    return Verdict(shown, may_be_inline(shown, name), "")


def may_be_inline(content_type: str, name: str) -> bool:
    """Whether a picture or recording that says it is one may be shown in its place: its ending agrees."""
    kind, promised = essence(content_type), _ENDINGS.get(ending(name))
    if kind in PICTURES:
        return promised == kind
    return kind in VOICES and promised is not None and _akin(kind, promised)


def type_of(name: str, head: bytes) -> str:
    """The media type that we say of a file of our own."""
    found, promised = sniff(head), _ENDINGS.get(ending(name))
    if promised is not None and "/" in promised and _fits(found, promised):
        return promised
    return found or UNKNOWN


def _fits(found: str | None, said: str) -> bool:
    """Whether bytes that are `found` may be what somebody says."""
    if said in ("", UNKNOWN) or found == said:
        return True
    if found is None:
        return said not in _RECOGNISED and not said.startswith("text/")
    within = _WITHIN.get(found)
    return within is not None and within.match(said) is not None


def _akin(one: str, other: str) -> bool:
    """Whether two names are of one kind of file."""
    if one == other or one.startswith(other) or other.startswith(one):
        return True
    return any(
        (one == root or within.match(one) is not None)
        and (other == root or within.match(other) is not None)
        for root, within in _WITHIN.items()
        if root not in (_ZIP,)
    )


def _brand(data: bytes) -> str:
    brands = data[8 : min(len(data), int.from_bytes(data[:4], "big"), 64)]
    if b"avif" in brands or b"avis" in brands:
        return "image/avif"
    if any(brand in brands for brand in (b"heic", b"heix", b"mif1", b"hevc")):
        return "image/heic"
    return "video/mp4"


def _sniff_text(data: bytes) -> str | None:
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:15].lower() == b"[desktop entry]" or b"\n[Desktop Entry]" in data:
        return "application/x-desktop"
    if start.startswith(b"<"):
        bare = _TAG.sub(b"", start).lstrip()[:64].lower()
        if bare.startswith(b"<svg") or b"<svg" in start[:1024].lower():
            return SVG
        if start[:14].lower().startswith(b"<!doctype html") or _PAGE.match(bare):
            return _HTML
        if start.startswith(b"<?xml"):
            return "text/xml"
    try:
        # The last character may have been cut.
        text = getincrementaldecoder("utf-8")().decode(data, final=len(data) < HEAD)
    except UnicodeDecodeError:
        return None
    controls = sum(char < " " and char not in "\t\n\r\f\x1b" for char in text)
    return None if controls or not text else _TEXT
