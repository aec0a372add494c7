"""The app's catalogues: the same keys and places in each, right forms, and a sentence for every code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias, get_args

import pytest

import heliogram.web
from heliogram.cli.sentences import SENTENCES, WARNINGS
from heliogram.node import api
from heliogram.web.errors import WebError

JS = Path(heliogram.web.__path__[0]) / "app" / "js"

#: The forms that each language has for numbers, as `Intl.PluralRules` names them.
FORMS = {"en": {"one", "other"}, "ru": {"one", "few", "many", "other"}}

Value: TypeAlias = "str | dict[str, str]"

_STRING = r'"((?:[^"\\]|\\.)*)"'
_ENTRY = re.compile(
    rf"^ +(?:{_STRING}|([\w$]+)):\s*(?:{_STRING}|\{{((?:[^{{}}\"]|\"(?:[^\"\\]|\\.)*\")*)\}}),?\s*$",
    re.M,
)
_FORM = re.compile(rf"(\w+):\s*{_STRING}")
_IMPORT = re.compile(r'^import (\w+) from "\./([\w./-]+)";$', re.M)
_PLACE = re.compile(r"\{(\w+)\}")


def entries(path: Path) -> Iterator[tuple[str, Value]]:
    """What a catalogue says itself."""
    text = path.read_text()
    body = text[text.index("export default {") :]
    found = 0
    for match in _ENTRY.finditer(body):
        found += 1
        key = match[1] if match[1] is not None else match[2]
        yield key, match[3] if match[3] is not None else dict(_FORM.findall(match[4]))
    said = re.findall(r"^  (?:\"|[\w$]+:)", body, re.M)
    assert found == len(said), f"{path.name}: an entry that this test cannot read"


def catalogue(language: str) -> list[tuple[str, Value]]:
    """All that a language says, with what its catalogue takes from its rooms."""
    path = JS / "words" / f"{language}.js"
    text = path.read_text()
    rooms = _IMPORT.findall(text)
    for name, _ in rooms:
        assert f"...{name}," in text
    parts = [JS / "words" / place for _, place in rooms]
    assert sorted(parts) == sorted((JS / "words" / language).glob("*.js"))
    return [one for part in [path, *parts] for one in entries(part)]


CATALOGUES = {language: catalogue(language) for language in FORMS}
ENGLISH = dict(CATALOGUES["en"])


def texts(value: Value) -> list[str]:
    return [value] if isinstance(value, str) else list(value.values())


@pytest.mark.parametrize("language", FORMS)
def test_nothing_is_said_twice(language: str) -> None:
    keys = [key for key, _ in CATALOGUES[language]]
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize("language", FORMS)
def test_all_languages_say_the_same_things(language: str) -> None:
    mine = dict(CATALOGUES[language])
    assert mine.keys() == ENGLISH.keys()
    for key, value in mine.items():
        theirs = ENGLISH[key]
        # One language needs forms where another has none; a form may say its number in words.
        counts = {"n"} if isinstance(value, dict) or isinstance(theirs, dict) else set()
        places = {place for text in texts(theirs) for place in _PLACE.findall(text)}
        for text in texts(value):
            assert text, key
            assert set(_PLACE.findall(text)) | counts == places | counts, key


@pytest.mark.parametrize("language", FORMS)
def test_what_counts_has_every_form_of_its_language(language: str) -> None:
    for key, value in CATALOGUES[language]:
        if isinstance(value, dict):
            assert value.keys() == FORMS[language], key


def used() -> Iterator[tuple[str, str]]:
    """Keys that the app's files name: where, and which."""
    for path in sorted(JS.rglob("*.js")):
        if path.parent.name in (*FORMS, "words"):
            continue
        text = path.read_text()
        for call in re.finditer(r"\bt\(((?:[^()`]|\([^()]*\))*)\)", text):
            first = call[1].split(", {")[0]
            # Of a choice, the words behind "?" and ":"; of a comparison, none.
            bare = re.sub(r"[=!]==?\s*\"[^\"]*\"", "", first)
            for key in re.findall(r'"([^"]*)"', bare):
                yield path.name, key


def test_every_key_that_the_app_uses_is_there() -> None:
    keys = list(used())
    assert len(keys) > 200
    missing = sorted({(where, key) for where, key in keys if key and key not in ENGLISH})
    assert not missing


def test_every_code_has_a_sentence_for_who_uses_the_app() -> None:
    web: list[type[WebError]] = [WebError, *WebError.__subclasses__()]
    codes = {*SENTENCES, *WARNINGS, *(one.name for one in web), "no node", "unknown", "no such"}
    for language in FORMS:
        said = dict(CATALOGUES[language])
        for code in sorted(codes):
            value = said.get(f"error {code}")
            assert value is not None, code
            for text in texts(value):
                # Nobody in front of a page has a command line.
                assert not re.search(r"heliogram [a-z]|--\w|NAME|chmod", text), code
                assert re.search(r"[.!?}]$|#key$|contact/$|:9050$", text), code


def test_every_line_of_history_has_its_words_in_every_form() -> None:
    """Who did it and whom it was done to may be oneself: that is another form of the same words."""
    sentences = {
        key.removeprefix("line "): _PLACE.findall(" ".join(texts(value)))
        for key, value in ENGLISH.items()
        if key.startswith("line ")
    }
    for code in (*get_args(api.LineCode), "unknown"):
        assert code in sentences
        forms = {"by": f"{code} you", "who": f"{code} of you"}
        for place, form in forms.items():
            # Of what one does to oneself, "you" alone says enough.
            assert (form in sentences) == (place in sentences[code]), form
            assert place not in sentences.get(form, ()), form
