"""Answers that are late: what was told meanwhile is newer, and stays."""

from __future__ import annotations

from heliogram.node import api
from tests.browser.kit import Friend, People, Person


def test_what_comes_while_a_conversation_is_being_opened(anna: Person, ben: Friend) -> None:
    ben.tells("Anna", "first")
    anna.sees(anna.row("Ben").get_by_text("first"))
    with anna.late("history") as answered:
        anna.clicks(anna.row("Ben"))
        answered()
        ben.tells("Anna", "second")
        anna.sees(anna.row("Ben").get_by_text("second"))
    anna.reads("first")
    anna.reads("second")


def test_what_becomes_of_a_message_while_its_place_is_asked_for(anna: Person, ben: Friend) -> None:
    chat = anna.ask(api.GetContacts())[0].chat
    anna.says("Ben", "before")
    # Of two that are said within one second, only the node knows which is the later one.
    with anna.late("place"):
        anna.ask(api.SendMessage(chat, "one"))
        anna.tells(chat, "two")
        anna.sees(anna.row("Ben").filter(has_text="two").locator(".tick.delivered"))
    anna.reads("one")
    anna.reads("two")
    anna.misses(anna.history.locator(".ticks:not([data-state=delivered])"))


def test_what_comes_elsewhere_while_a_chat_is_muted(
    people: People, anna: Person, ben: Friend
) -> None:
    cleo = people.friend("Cleo")
    people.acquaint(anna, cleo)
    anna.sees(anna.row("Cleo"))
    with anna.late("set chat") as answered:
        anna.do(anna.row("Ben").click(button="right"))
        anna.chooses("Mute")
        answered()
        cleo.tells("Anna", "from me")
        anna.sees(anna.row("Cleo").get_by_text("from me"))
    ben.tells("Anna", "from me, too")
    anna.sees(anna.row("Ben").get_by_text("from me, too"))
    anna.sees(anna.row("Cleo").get_by_text("from me"))
    anna.sees(anna.row("Ben").get_by_role("img", name="Muted"))
