"""What files really are: bytes, media types and endings held against each other."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.node.transfer.sniffing import (
    PICTURES,
    Verdict,
    judge,
    may_be_inline,
    sniff,
    type_of,
)

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
GIF = b"GIF89a\1\0\1\0"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 "
AVIF = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"
OGG = b"OggS\0\2" + bytes(20) + b"OpusHead"
WEBM = b"\x1aE\xdf\xa3\1\0"
MP4 = b"\0\0\0\x20ftypiso5\0\0\2\0iso5iso6mp41"
PDF = b"%PDF-1.7\n"
ELF = b"\x7fELF\2\1\1"
HTML = b"<!DOCTYPE html><script>alert(1)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>'
DESKTOP = b"[Desktop Entry]\nExec=rm\n"
SCRIPT = b"#!/bin/sh\nrm\n"


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("__main__.py", "print()")
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "name", "head"),
    [
        ("image/png", "a.png", PNG),
        ("image/jpeg", "a.JPG", JPEG),
        ("image/jpeg", "a.jpeg", JPEG),
        ("image/gif", "a.gif", GIF),
        ("image/webp", "a.webp", WEBP),
        ("image/avif", "a.avif", AVIF),
        ("audio/ogg;codecs=opus;duration=3.5", "a.ogg", OGG),
        ("audio/ogg", "a.opus", OGG),
        ("audio/webm", "a.webm", WEBM),
        ("audio/webm;duration=3.5", "a.weba", WEBM),
        ("audio/mp4;duration=3.5", "a.m4a", MP4),
    ],
)
def test_what_is_what_it_says_may_be_shown(kind: str, name: str, head: bytes) -> None:
    assert may_be_inline(kind, name)
    assert judge(kind, name, head) == Verdict(kind.partition(";")[0], True, "")


@pytest.mark.parametrize(
    ("kind", "name", "head", "shown"),
    [
        ("image/png", "picture.pyzw", PNG, "image/png"),
        ("image/png", "picture.pyzw", zipped(), "application/zip"),
        ("image/png", "picture.pyzw", b"#!/usr/bin/env python3\n" + zipped(), "text/x-shellscript"),
        ("image/png", "picture.png", zipped(), "application/zip"),
        ("image/png", "picture.png", HTML, "text/html"),
        ("image/png", "picture.png", SVG, "image/svg+xml"),
        ("image/png", "picture.png", DESKTOP, "application/x-desktop"),
        ("image/png", "picture.png", ELF, "application/x-executable"),
        ("image/png", "picture.png", JPEG, "image/jpeg"),
        ("image/png", "picture.desktop", DESKTOP, "application/x-desktop"),
        ("image/png", "picture.html", PNG, "image/png"),
        ("image/png", "picture.html", HTML, "text/html"),
        ("image/png", "picture.svg", SVG, "image/svg+xml"),
        ("image/png", "picture.png.exe", b"MZ\x90", "application/x-msdownload"),
        ("image/jpeg", "picture.png", PNG, "image/png"),
        ("image/png", "picture.png", b"\0\1\2\3", "application/octet-stream"),
        ("image/png", "picture.png", b"", "application/octet-stream"),
        ("text/plain", "notes.txt", HTML, "text/html"),
        ("application/pdf", "paper.pdf", b"MZ\x90", "application/x-msdownload"),
        ("text/plain", "paper.pdf", PDF, "application/pdf"),
        ("audio/ogg", "voice.ogg", PNG, "image/png"),
        ("application/zip", "a.zip", PNG, "image/png"),
    ],
)
def test_52_what_disagrees_is_never_inline_and_the_real_type_is_shown(
    kind: str, name: str, head: bytes, shown: str
) -> None:
    assert judge(kind, name, head) == Verdict(shown, False, "mismatch")


@pytest.mark.parametrize(
    ("kind", "name", "head"),
    [
        ("text/html", "a.html", HTML),
        ("image/svg+xml", "a.svg", SVG),
        ("application/x-desktop", "a.desktop", DESKTOP),
        ("application/octet-stream", "a.desktop", DESKTOP),
        ("application/octet-stream", "a.exe", b"MZ\x90"),
        ("application/octet-stream", "a.pyzw", zipped()),
        ("application/octet-stream", "a.pyz", b"#!/usr/bin/env python3\n" + zipped()),
        ("application/octet-stream", "run", SCRIPT),
        ("application/octet-stream", "a.sh", SCRIPT),
        ("text/plain", "a.bat", b"@echo off\r\n"),
        ("application/octet-stream", "a.jar", zipped()),
        ("application/octet-stream", "a", ELF),
    ],
)
def test_52_a_program_is_called_one(kind: str, name: str, head: bytes) -> None:
    verdict = judge(kind, name, head)
    assert verdict.doubt == "active" and not verdict.inline


@pytest.mark.parametrize(
    ("kind", "name", "head", "shown"),
    [
        ("text/plain", "notes.txt", b"hello", "text/plain"),
        ("text/csv", "table.csv", b"a,b\n", "text/csv"),
        ("application/json", "a.json", b"{}", "application/json"),
        ("application/zip", "a.zip", zipped(), "application/zip"),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "a.docx",
            zipped(),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        ("application/pdf", "a.pdf", PDF, "application/pdf"),
        ("application/octet-stream", "a.pdf", PDF, "application/pdf"),
        ("application/octet-stream", "a.dat", b"\0\1", "application/octet-stream"),
        ("application/x-ours", "a.ours", b"\0\1", "application/x-ours"),
        ("video/mp4", "a.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4"),
    ],
)
def test_other_files_are_just_files(kind: str, name: str, head: bytes, shown: str) -> None:
    assert judge(kind, name, head) == Verdict(shown, False, "")


@given(st.binary(max_size=600), st.sampled_from(sorted(PICTURES)), st.text(max_size=20))
def test_52_no_bytes_and_names_make_a_picture_of_another(head: bytes, kind: str, name: str) -> None:
    verdict = judge(kind, name, head)
    assert not verdict.inline or (verdict.content_type == kind == sniff(head))


@given(st.binary(max_size=6000))
def test_any_bytes_are_looked_at(head: bytes) -> None:
    found = sniff(head)
    assert found is None or "/" in found


def test_what_we_say_of_our_own_files() -> None:
    assert type_of("a.png", JPEG) == "image/jpeg"
    assert type_of("a.jpg", JPEG) == "image/jpeg"
    assert type_of("table.csv", b"a,b\n") == "text/plain"
    assert type_of("voice.ogg", OGG) == "audio/ogg"
    assert type_of("voice.weba", WEBM) == "audio/webm"
    assert type_of("voice.m4a", MP4) == "audio/mp4"
    assert type_of("voice.weba", PNG) == "image/png"
    assert type_of("a.unknown", b"\0\1") == "application/octet-stream"
    assert type_of("a.exe", b"\0\1") == "application/octet-stream"
