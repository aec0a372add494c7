"""What lies on the disk: nothing readable without the key, and nothing with it that was deleted."""

from __future__ import annotations

import os
from pathlib import Path

from heliogram.node.store.database import Store
from heliogram.node.store.marks import EarlyRow, Marks, ReactionRow
from heliogram.node.store.messages import Messages
from tests.node.store.kit import ANNA, KEY, NOON, conversation, new_store, say
from tests.node.store.raw import decrypted, lying

#: No two begin alike: the index writes of a word only how it differs from the one before.
KEPT = ("qkept", "xstays", "\u6771\u4eac")
GONE = ("zvanixh", "jforgxt", "yexpixe", "wediqted", "vcasqade", "uconxumed", "tdroqped")


def _live(store: Store) -> None:
    """A life in which every word of `GONE` is written and deleted, each in another way."""
    table, marks = Messages(store), Marks(store)
    with store.transaction():
        here, other = conversation(store), conversation(store, GONE[4])
        for number in range(400):
            say(
                store,
                here,
                f"{KEPT[0]} {KEPT[1]} \u6771\u4eac filler{number} common words to say {number}",
            )
        first = say(store, here, f"{GONE[0]} between words", files=1, also=f"{GONE[1]}.pdf")
        due = say(store, here, f"it is {GONE[2]} " * 500, expires=5)
        edited = say(store, here, f"said {GONE[3]} by mistake")
        for number in range(50):
            say(store, other, f"{GONE[4]} {number} " * 20)
        store.set_setting("key", GONE[5].encode() * 100)
        marks.add_early(here, bytes(32), EarlyRow(bytes(32), ANNA, GONE[6].encode() * 9, NOON, 0))
        marks.add_reaction(ReactionRow(first, ANNA, bytes(32), GONE[6], GONE[6].encode(), NOON))
    with store.transaction():
        table.remove(first)
        for row in table.due(10):
            table.remove(row.number)
        assert table.get(due) is None
        table.revise(edited, kind="text", text="said nothing", content=b"said nothing", edited=NOON)
        store.execute("DELETE FROM conversations WHERE number = ?", (other,))
        store.set_setting("key", None)
        marks.take_early(here, bytes(32))


def test_70_nothing_on_the_disk_can_be_read(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        _live(store)
        running = lying(tmp_path)
    for content in (running, lying(tmp_path)):
        for word in (*KEPT, *GONE, "SQLite format", "CREATE TABLE"):
            assert word.encode() not in content
            assert word.encode("utf-16-le") not in content


def test_70_what_was_deleted_is_gone_for_who_has_the_key_too(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    with new_store(tmp_path) as store:
        with store.transaction():
            _live_words_are_seen(store)
        seen = decrypted(path, KEY)
        assert all(word.encode() in seen for word in GONE), "the search itself must work"
    path.unlink()
    with new_store(tmp_path) as store:
        _live(store)
    content = decrypted(path, KEY)
    for word in KEPT:
        assert word.encode() in content
    for word in GONE:
        assert word.encode() not in content
        # What the index holds of a word's beginning, and a word without its first letters.
        assert word[1:].encode() not in content
    assert [one.name for one in tmp_path.iterdir()] == ["profile.db"]


def _live_words_are_seen(store: Store) -> None:
    here = conversation(store)
    for word in GONE:
        say(store, here, word)


def test_70_a_page_that_is_used_again_holds_nothing_old(tmp_path: Path) -> None:
    """Many deletions in pages that others share: free space within pages is overwritten as well."""
    with new_store(tmp_path) as store:
        table = Messages(store)
        with store.transaction():
            here = conversation(store)
            numbers = [
                say(
                    store,
                    here,
                    f"{os.urandom(4).hex()} {'zvanixh' if n % 3 else 'qkept'} {n}" * (n % 9 + 1),
                )
                for n in range(3000)
            ]
        for start in range(0, 3000, 500):
            with store.transaction():
                for n in range(start, start + 500):
                    if n % 3:
                        table.remove(numbers[n])
        assert store.one("SELECT count(*) FROM messages") == (1000,)
    content = decrypted(tmp_path / "profile.db", KEY)
    assert b"qkept" in content
    assert b"zvanixh" not in content
    assert b"vanixh" not in content


def test_70_what_was_deleted_is_overwritten_before_the_file_is_written_anew(tmp_path: Path) -> None:
    """A large store is written anew once a week, and a killed one not at all."""
    with new_store(tmp_path) as store:
        table = Messages(store)
        with store.transaction():
            here = conversation(store)
            kept = say(store, here, "qkept " * 900)
            numbers = [say(store, here, f"zvanixh {n} " * 900) for n in range(30)]
        assert store.checkpoint()
        assert b"zvanixh" in decrypted(tmp_path / "profile.db", KEY)
        with store.transaction():
            for number in numbers:
                table.remove(number)
        assert store.checkpoint()
        content = decrypted(tmp_path / "profile.db", KEY)
        assert table.get(kept) is not None and b"qkept" in content
        assert b"zvanixh" not in content and b"vanixh" not in content


def test_70_a_wrong_key_shows_nothing(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        _live(store)
    content = decrypted(tmp_path / "profile.db", type(KEY)(bytes(32)))
    for word in (*KEPT, *GONE):
        assert word.encode() not in content


def test_70_a_checkpoint_leaves_nothing_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "profile.db-wal"
    with new_store(tmp_path) as store:
        _live(store)
        assert log.stat().st_size > 0
        with store.reader() as reader:
            with reader.snapshot():
                store.set_setting("a", b"1")
                assert not store.checkpoint(), "somebody reads"
            assert store.checkpoint()
        assert log.stat().st_size == 0
