"""Names of others' files: safe in every folder, and true."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.node.transfer.naming import MAX_NAME, ending, numbered, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("holiday.jpg", "holiday.jpg"),
        ("Résumé (final).pdf", "Résumé (final).pdf"),
        ("写真.png", "写真.png"),
        ("../../x", "x"),
        ("/etc/x", "x"),
        ("..\\..\\windows\\x.dll", "x.dll"),
        ("C:\\x.txt", "x.txt"),
        ("a/../../../b", "b"),
        ("x/", "file"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        (" \t\n", "file"),
        ("a\0b.txt", "ab.txt"),
        ("a\nb\r.txt", "a b .txt"),
        ("\x1b[31mred.txt", "[31mred.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\u2066b\u2069\u200b.txt", "ab.txt"),
        ("a\u2215b\uff0fc", "a\u2215b\uff0fc"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("CON .txt", "_CON .txt"),
        ("aux", "_aux"),
        ("COM1.log", "_COM1.log"),
        ("lpt\u00b9", "_lpt\u00b9"),
        ("console.txt", "console.txt"),
        ("-rf", "_-rf"),
        (".bashrc", "_.bashrc"),
        ("~root", "_~root"),
        ("a.txt. . .", "a.txt"),
        ('a<b>c:d|e?f*g"h', "a_b_c_d_e_f_g_h"),
        ("picture.jpg                              .exe", "picture.jpg .exe"),
    ],
)
def test_51_a_name_is_safe_and_true(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_51_a_long_name_keeps_what_it_ends_in() -> None:
    name = safe_name("x" * 300 + ".exe")
    assert name.endswith(".exe") and len(name.encode()) <= MAX_NAME
    name = safe_name("ü" * 300 + ".pdf")
    assert name.endswith("ü.pdf") and len(name.encode()) <= MAX_NAME
    assert len(safe_name("x." + "y" * 300).encode()) <= MAX_NAME
    assert len(safe_name("x" * 100_000)) <= MAX_NAME


def test_51_many_marks_on_one_letter_become_few() -> None:
    assert len(safe_name("a" + "\u0301" * 10_000 + ".txt")) < 20


@given(st.text(max_size=400))
def test_51_whatever_the_name_it_is_a_file_in_the_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe and safe[0] not in ".-~" and safe == safe_name(safe)
    assert not set(safe) & set('/\\\0:*?"<>|') and len(numbered(safe, 9_999).encode()) <= 255
    folder = Path("/downloads")
    assert (folder / safe).parent == folder and safe.isprintable()


@given(st.text(alphabet="ab.\u0301 -_/", max_size=30), st.integers(0, 9_999))
def test_a_number_keeps_the_ending(name: str, number: int) -> None:
    safe = safe_name(name)
    assert ending(numbered(safe, number)) == ending(safe)
