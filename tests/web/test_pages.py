"""The app's own files are all served, under their types, and need nothing that the policy forbids."""

from __future__ import annotations

import re
from pathlib import Path

from heliogram.web.pages import APP, PERMISSIONS, TYPES, Pages, policy
from tests.web.kit import write_app

POLICY = policy("http://127.0.0.1:1", "/base/", "http://127.0.0.1:2")


def test_each_file_of_the_app_is_served() -> None:
    pages = Pages(POLICY)
    files = {path for path in APP.rglob("*") if path.is_file()}
    assert files and APP / "index.html" in files
    for path in files:
        assert path.suffix in TYPES, path
        answer = pages.get(f"app/{path.relative_to(APP).as_posix()}")
        assert answer is not None and answer.body == path.read_bytes()
    page = (APP / "index.html").read_text()
    for named in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert named in pages.names, named


def test_the_page_has_nothing_inline_and_nothing_of_others() -> None:
    page = (APP / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=|javascript:", page)
    assert not re.search(r"https?://|//\w", page)


def test_what_is_asked_for_is_what_there_is(tmp_path: Path) -> None:
    pages = Pages(POLICY, write_app(tmp_path / "app"))
    assert pages.get("") is not None and pages.get("app/index.html") is not None
    (tmp_path / "outside.js").write_text("outside")
    (tmp_path / "app/link.js").symlink_to(tmp_path / "outside.js")
    pages = Pages(POLICY, tmp_path / "app")
    for missing in (
        *("app/link.js", "app/../outside.js", "app/notes.unknown", "app/js", "app/js/"),
        *("index.html", "/app/index.html", "app//index.html", "APP/index.html", "app/index.html?x"),
    ):
        assert pages.get(missing) is None, missing


def test_the_page_may_use_the_microphone_and_nothing_else() -> None:
    assert re.findall(r"([\w-]+)=\(self\)", PERMISSIONS) == ["microphone"]
    for one in PERMISSIONS.split(", "):
        assert re.fullmatch(r"[a-z-]+=\((self)?\)", one)


def test_the_policy_names_no_place_of_others() -> None:
    for directive in POLICY.split("; "):
        name, *sources = directive.split(" ")
        for one in sources:
            assert one in ("'none'", "'script'", "blob:") or one.startswith(
                ("http://127.0.0.1:1/base/", "ws://127.0.0.1:1/base/", "http://127.0.0.1:2")
            ), directive
        if "blob:" in sources:
            assert name in ("img-src", "media-src")
