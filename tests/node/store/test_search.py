"""Search: every input is literal, all scripts are found, filters narrow it, pages go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heliogram.node.store.database import Store
from heliogram.node.store.messages import Messages
from heliogram.node.store.search import MOST_TERMS, Query, Term, search
from heliogram.node.store.words import excerpt, month_facet, month_facets, searched
from tests.node.store.kit import ANNA, BERT, DAY, NOON, conversation, new_store, say

TEXTS = {
    1: "Good morning, Berlin",
    2: "the morning was good",
    3: "a b-c OR NOT near (x) col: text: foo*",
    4: "Caf\u00e9 Stra\u00dfe na\u00efve",
    5: "\u6211\u4eec\u660e\u5929\u53bb\u4e1c\u4eac\u5403\u996d",
    6: "\u6771\u4eac\u90fd\u306b\u4f4f\u3093\u3067\u3044\u307e\u3059",
    7: "\uff21\uff22\uff23 \uff76\uff80\uff76\uff85 full width",
    8: "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    9: "see you \U0001f389\U0001f389 tomorrow",
    10: "100% sure, it's 3.14 and e-mail@example.org",
    11: "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440",
    12: "\u0e01\u0e34\u0e19 \uc548\ub155\ud558\uc138\uc694",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with new_store(tmp_path_factory.mktemp("search")) as store, store.transaction():
        here = conversation(store)
        for number, text in TEXTS.items():
            assert say(store, here, text, sent=NOON + number) == number
        yield store


def found(store: Store, text: str) -> list[int]:
    return [one.message.number for one in search(store, Query.parse(text))]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("morning good", [2, 1]),
        ("GOOD Morning ", [2, 1]),
        ('"good morning"', [1]),
        ("\u201cgood morning\u201d", [1]),
        ('"good morning', [1]),
        ("morn", [2, 1]),
        ("morn ", []),
        ('"morn"', []),
        ("m", [10, 2, 1]),
        ("good nowhere ", []),
        ("cafe", [4]),
        ("caf\u00c9", [4]),
        ("cafe\u0301 ", [4]),
        ("naive ", [4]),
        ("stra\u00dfe", [4]),
        ("\u4e1c\u4eac", [5]),
        ("\u6771\u4eac", [6]),
        ("\u4eac", [6, 5]),
        ("\u4eac\u90fd ", [6]),
        ("\u4f4f\u3093\u3067", [6]),
        ("\u4eac\u6771 ", []),
        ("abc \u30ab\u30bf\u30ab\u30ca", [7]),
        ("\u30bf\u30ab", [7]),
        ("\u0e0a\u0e32\u0e27", [8]),
        ("\U0001f389", [9]),
        ("\U0001f389 tomorrow", [9]),
        ("\U0001f388", []),
        ("3.14", [10]),
        ("e-mail@example.org ", [10]),
        ("example", [10]),
        ("it's ", [10]),
        ("\u043f\u0440\u0438\u0432\u0435\u0442", [11]),
        ("\uc548\ub155", [12]),
    ],
)
def test_words_are_found(store: Store, query: str, numbers: list[int]) -> None:
    assert found(store, query) == numbers


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ('"', []),
        ('""', []),
        ('"""', []),
        ("'", []),
        ("*", []),
        ("foo*", [3]),
        ("good *", [2, 1]),
        ("* good ", [2, 1]),
        ("-x ", [3]),
        ("-good ", [2, 1]),
        ("good -morning ", [2, 1]),
        ("NEAR(", [3]),
        ("NEAR(good morning) ", []),
        ("col:", [3]),
        ("text:foo", [3]),
        ("text: foo ", [3]),
        ("b-c OR x ", [3]),
        ("good OR morning ", []),
        ("good AND morning ", []),
        ("NOT ", [3]),
        ("(", []),
        (")", []),
        ("^good", [2, 1]),
        ("{text}: foo", [3]),
        ("good\x00morning ", [2, 1]),
        ("good \x00 morning", [2, 1]),
        ("\x00", []),
        ("\ud800", []),
        ("good \udfff", [2, 1]),
        ("100%", [10]),
        ("_", []),
        (";DROP TABLE messages", []),
        ("from:", []),
        ("before:tomorrow", []),
        ("before:2026-13-45", []),
        ("before:0000-00-00", []),
        ("has:everything", []),
        ("\U000f0001", []),
        ("\ue000 good ", [2, 1]),
        ("", []),
        ("   ", []),
    ],
)
def test_56_odd_queries_are_literal(store: Store, query: str, numbers: list[int]) -> None:
    assert found(store, query) == numbers


@pytest.mark.parametrize(
    "unit", ["a", '"', "(", "a ", '" ', "NEAR(", "\u6771", "\x00", "a* ", "\ufdfa", "from:x "]
)
def test_56_long_queries_are_no_error(store: Store, unit: str) -> None:
    assert found(store, (unit * 65_536)[:65_536]) in ([], [3])


@given(st.text())
@example('"" ""')
@example("a" * 300 + '"')
def test_56_no_query_is_an_error(text: str) -> None:
    store = _SHARED[0]
    query = Query.parse(text)
    assert len(query.terms) <= MOST_TERMS
    search(store, query)
    search(store, query, accounts=[ANNA], conversations=[1], before=5)


@given(st.lists(st.sampled_from(
    ['"', "*", "(", ")", "NEAR", "OR", "AND", "NOT", "good", " ", ":", "-", "^", "{", "}", "+", ",", "from:",
     "in:", "before:", "after:", "2026-01-01", "has:file", "\x00", "\ue000", "\u6771", "\ud800"]
)))  # fmt: skip
def test_56_no_mixture_of_operators_is_an_error(pieces: list[str]) -> None:
    search(_SHARED[0], Query.parse("".join(pieces)))


@given(st.text(min_size=1, max_size=200))
def test_every_text_is_found_by_itself(text: str) -> None:
    """As a phrase, and with each word of it."""
    text = text.encode(errors="ignore").decode()
    store = _SHARED[0]
    with pytest.raises(InterruptedError), store.transaction():
        number = say(store, 1, f"anchor {text}")
        phrase = text.translate(str.maketrans("“”„‟«»", '""""""')).replace('"', " ")
        assert found(store, f'anchor "{phrase}"')[:1] == [number]
        raise InterruptedError


_SHARED: list[Store] = []


@pytest.fixture(autouse=True)
def _shared(store: Store) -> Iterator[None]:
    _SHARED.append(store)
    yield
    _SHARED.clear()


# --- Filters --------------------------------------------------------------------------------------


def test_filters_are_read() -> None:
    query = Query.parse(
        'from:anna FROM:"Bert B" in:work before:2026-1-31 after:2025-12-01 has:file "a b" c'
    )
    assert query.people == ("anna", "Bert B")
    assert query.chats == ("work",)
    assert (query.before, query.after) == (date(2026, 1, 31), date(2025, 12, 1))
    assert query.has_file
    assert query.terms == (Term("a b"), Term("c", begun=True))
    assert Query.parse(" ").is_empty and not query.is_empty


def test_filters_that_say_nothing_are_words() -> None:
    assert Query.parse("from: x:y before:now ") == Query(
        (Term("from:"), Term("x:y"), Term("before:now"))
    )


def test_filters_narrow(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        here, there = conversation(store), conversation(store)
        one = say(store, here, "word", sender=ANNA, sent=NOON)
        two = say(store, there, "word", sender=BERT, sent=NOON + 40 * DAY, files=1, also="plan.pdf")
        three = say(store, here, "word", sender=BERT, sent=NOON - 400 * DAY)

        def numbers(
            text: str,
            accounts: list[bytes] | None = None,
            conversations: list[int] | None = None,
        ) -> list[int]:
            matches = search(
                store, Query.parse(text), accounts=accounts, conversations=conversations
            )
            return [match.message.number for match in matches]

        assert numbers("word ") == [three, two, one]
        assert numbers("word ", accounts=[ANNA]) == [one]
        assert numbers("word ", accounts=[ANNA, BERT]) == [three, two, one]
        assert numbers("word ", accounts=[]) == []
        assert numbers("", accounts=[BERT]) == [three, two]
        assert numbers("word ", conversations=[there]) == [two]
        assert numbers("word ", conversations=[here], accounts=[BERT]) == [three]
        assert numbers("has:file") == [two]
        assert numbers("plan") == [two]
        assert numbers("plan.pdf has:file") == [two]
        assert numbers("word before:2026-01-01") == [three]
        assert numbers("word after:2026-01-01") == [two, one]
        assert numbers("after:2026-01-02 ") == [two]
        assert numbers("before:2026-01-02 after:2026-01-01") == [one]
        assert numbers("after:2026-01-02 before:2026-01-01") == []
        assert numbers("after:2100-01-01") == [] and numbers("before:1971-01-01") == []
        assert (
            numbers("word", accounts=[bytes([1, n // 256, n % 256]) * 10 for n in range(5000)])
            == []
        )


def test_things_that_share_a_filter_are_told_apart(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        here = conversation(store)
        say(store, here, "word", sender=b"abcd" + bytes(28))
        other = b"abcd" + bytes([1]) * 28
        assert search(store, Query.parse("word"), accounts=[other]) == []
        assert search(store, Query.parse("word"), conversations=[here + 65_534]) == []


def test_months() -> None:
    assert month_facet(NOON) == chr(0xE000 + 56 * 12)
    assert month_facet(-1) == "\ue000" and month_facet(1 << 62) == "\uf8fe"
    assert len(month_facets(NOON, NOON + 365 * DAY)) == 13
    assert month_facets(NOON, NOON - 40 * DAY) == []


def test_lines_and_what_was_deleted_are_not_found(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        table, here = Messages(store), conversation(store)
        table.add(
            conversation=here, sent=NOON, kind="line", text="word", received=0, state="received"
        )
        assert search(store, Query.parse("word")) == []


def test_pages_go_on(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        here = conversation(store)
        said = [say(store, here, f"word {n}") for n in range(25)]
        seen: list[int] = []
        before = None
        while page := search(store, Query.parse("word "), before=before, limit=10):
            seen += [one.message.number for one in page]
            before = seen[-1]
        assert seen == said[::-1]


# --- Excerpts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text", "shown"),
    [
        ("morn", "Good morning!", "Good \x02morning\x03!"),
        ('"good morning"', "good Good  morning", "good \x02Good  morning\x03"),
        ("cafe", "ein Cafe\u0301, ein Caf\u00e9", "ein \x02Cafe\u0301\x03, ein \x02Caf\u00e9\x03"),
        ("\u4eac\u90fd", "\u6771\u4eac\u90fd", "\u6771\x02\u4eac\u90fd\x03"),
        ("a", "\x02a\x03\nb", "\x02a\x03 b"),
        ("x ", "axa x", "axa \x02x\x03"),
        ("nothing", "some text", "some text"),
    ],
)
def test_excerpts_show_what_fits(query: str, text: str, shown: str) -> None:
    from heliogram.node.store.words import tokens

    terms = [
        ([word for word, _, _ in tokens(one.text)], one.begun) for one in Query.parse(query).terms
    ]
    assert excerpt(text, terms) == shown


def test_excerpts_of_long_texts_are_short_and_around_the_match(store: Store) -> None:
    with pytest.raises(InterruptedError), store.transaction():
        say(store, 1, "before " * 2000 + "needle" + " after" * 2000)
        (match,) = search(store, Query.parse("needle"))
        assert "\x02needle\x03" in match.excerpt
        assert len(match.excerpt) < 200
        assert match.excerpt.startswith("…") and match.excerpt.endswith("…")
        raise InterruptedError


@given(st.text())
def test_text_for_the_index_can_be_stored_and_holds_no_filter(text: str) -> None:
    for character in searched(text):
        assert not 0xD800 <= ord(character) <= 0xF8FF and ord(character) < 0xF0000
