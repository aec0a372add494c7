"""The documents are true: commands exist, examples run, tables equal enums, links and names resolve."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Folders that tools make. Everything else in the tree is ours.
FOREIGN = re.compile(r"\.(?!ci$).*|__pycache__|node_modules|dist|build|htmlcov|.*\.egg-info")


def our_files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file that is ours. Works without git, as in an unpacked archive."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not FOREIGN.fullmatch(path.name):
            yield from our_files(path)
        elif path.is_file() and path.name not in (".git", ".coverage"):
            yield path


FILES = list(our_files())
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]
README = (ROOT / "README.md").read_text()


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of `document` that say they are `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)


def tables(document: str, mark: str) -> dict[str, list[list[str]]]:
    """The tables that follow a comment `<!-- mark: … -->`, as rows of cells, by what the comment names."""
    found = re.findall(
        rf"^<!-- {mark}: (\S+) -->\n\n\|.*\n\|[-|]+\|\n((?:\|.*\n)*)", document, re.MULTILINE
    )
    return {
        what: [[cell.strip() for cell in row.strip("|").split("|")] for row in body.splitlines()]
        for what, body in found
    }


# --- Commands -------------------------------------------------------------------------------------


def commands() -> list[str]:
    documents = README + (ROOT / "CONTRIBUTING.md").read_text()
    return [line for block in blocks(documents, "sh") for line in block.splitlines()]


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_readme_exist(command: str) -> None:
    """Each is `make` with a target that is there, and says itself in `make help`."""
    program, target = command.split()[:2]
    assert program == "make"
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), f"no target {target}"
    plan = subprocess.run(
        ["make", "--dry-run", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert plan.returncode == 0, plan.stderr


def test_the_two_commands_are_in_the_readme() -> None:
    assert {"make run", "make test"} <= set(commands())


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    assert re.findall(r"^  make (\w+)", shown, re.MULTILINE) == phony[1].split()


WITH_EXAMPLES = [path for path in DOCUMENTS if blocks(path.read_text(), "python")]


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=name)
def test_examples_run(document: Path) -> None:
    """The Python blocks of a document are one program."""
    program = "\n".join(blocks(document.read_text(), "python"))
    exec(compile(program, name(document), "exec"), {"__name__": "__example__"})


# --- Tables ---------------------------------------------------------------------------------------

ENUM_TABLES = {
    what: rows for path in DOCUMENTS for what, rows in tables(path.read_text(), "enum").items()
}


@pytest.mark.parametrize("where", ENUM_TABLES)
def test_tables_equal_enums(where: str) -> None:
    """First column the number, second the name: as in the code, all of them, in its order."""
    module, _, enum = where.rpartition(".")
    values = getattr(importlib.import_module(module), enum)
    assert issubclass(values, IntEnum)
    documented = [(int(row[0], 16), row[1].strip("`")) for row in ENUM_TABLES[where]]
    assert documented == [(value.value, value.name) for value in values]


def test_the_numbers_are_documented() -> None:
    """These must not lose their table."""
    expected = {"CipherSuite", "ExtensionType", "ProposalType", "CredentialType", "WireFormat"}
    assert expected <= {where.rpartition(".")[2] for where in ENUM_TABLES}


def test_the_code_map_lists_each_chapter() -> None:
    for folder, rows in tables((ROOT / "docs/architecture.md").read_text(), "files").items():
        documented = [row[0].strip("`") for row in rows]
        there = {path.name for path in (ROOT / folder).glob("*.py")} - {"__init__.py"}
        assert set(documented) == there
        assert len(documented) == len(there)


# --- Links and names ------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_resolve(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        target, _, anchor = link.partition("#")
        path = (document.parent / target) if target else document
        assert path.resolve().is_relative_to(ROOT), f"{link} leads out of the repository"
        assert path.exists(), f"{link} leads nowhere"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{link}: no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_named_files_exist(document: Path) -> None:
    """`tests/…`, `src/…`, `docs/…` and `examples/…` in a document are files; `::name` is a test in one."""
    for path, _, test in re.findall(
        r"`((?:tests|src|docs|examples|bench)/[\w./-]+)(::(\w+))?`", document.read_text()
    ):
        assert (ROOT / path).exists(), f"no {path}"
        if test:
            assert f"def {test}(" in (ROOT / path).read_text(), f"no {test} in {path}"


def test_each_claim_names_its_test() -> None:
    claims = (
        (ROOT / "SECURITY.md").read_text().partition("## What we claim")[2].partition("\n## ")[0]
    )
    rows = [line for line in claims.splitlines() if line.startswith("|")][2:]
    assert rows
    for row in rows:
        assert re.search(r"`tests/[\w./:-]+`", row), f"a claim without a test: {row}"


# --- Dependencies, decisions, changes -------------------------------------------------------------


def test_each_dependency_has_its_reason() -> None:
    """In both directions: nothing undocumented, nothing documented that is gone."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())
    required = [
        *configured["build-system"]["requires"],
        *configured["project"]["dependencies"],
        *(
            one
            for extra in configured["project"]["optional-dependencies"].values()
            for one in extra
        ),
    ]
    names = {re.split(r"[^\w-]", one)[0].lower() for one in required}
    names |= json.loads((ROOT / "tests/interop/package.json").read_text())["dependencies"].keys()
    rows = re.findall(
        r"^\| `([\w@/-]+)` \|(.*)\|(.*)\|(.*)\|$",
        (ROOT / "docs/dependencies.md").read_text(),
        re.MULTILINE,
    )
    assert {row[0] for row in rows} == names
    for package, version, licence, why in rows:
        assert version.strip() and licence.strip() and len(why) > 10, package


def test_decisions_are_numbered_and_whole() -> None:
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    for number, path in enumerate(records, start=1):
        text = path.read_text()
        assert path.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert re.search(r"^\d{4}-\d\d-\d\d · (accepted|superseded by \d{4})$", text, re.MULTILINE)
        assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == [
            "Context",
            "Decision",
            "Consequences",
        ]
        assert len(text.splitlines()) <= 45, f"{path.name} is no record but an essay"


def test_notes_for_the_next_release() -> None:
    for path in (ROOT / "changelog.d").iterdir():
        if path.name == "README.md":
            continue
        assert re.fullmatch(r"[\w-]+\.(added|changed|fixed|removed|security)\.md", path.name)
        assert 1 <= len(path.read_text().splitlines()) <= 5, path.name


# --- What belongs in no file ----------------------------------------------------------------------


#: A path of one computer, the number of an issue: neither means anything to a reader.
LOCAL = re.compile(
    r"(?<![\w.:/-])/(work|root|home|Users|opt)/"
    r"|\.\./share[d]\b"
    r"|(?i:\b(issue|ticket|pull request|PR) ?#?\d)"
)


def test_nothing_of_one_machine() -> None:
    for path in FILES:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, start=1):
            if name(path) == ".ci/run":  # the one place that may look for the vectors beside itself
                line = line.replace("../share" + "d", "")
            assert not LOCAL.search(line), f"{name(path)}:{number}: {line.strip()}"


#: What a writer leaves for later and then forgets.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b|(?<!\w)@[A-Z]{3,}@")


def test_nothing_is_left_for_later() -> None:
    for path in FILES:
        if path.suffix in (".md", ".py", ".toml", ".mjs", ".sql", ".js"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                assert not UNFINISHED.search(line), f"{name(path)}:{number}: {line.strip()}"


def test_licence_is_whole() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence
