"""A walk through all that the app shows, one view after the other, and what is looked at in each.

A visitor is called in each view with the person in front of it and the view's name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.browser import scene
from tests.browser.kit import PHRASE, People, Person, Window

Visitor = Callable[[Person, str], None]


def walk(window: Window, folder: Path, visit: Visitor) -> None:
    """Go through all views. `folder` is for profiles and for files that are sent."""
    with _everybody(window, folder / "start") as people:
        _start(people.newcomer("Nora"), visit)
    with _everybody(window, folder / "town") as people:
        nora = people.newcomer("Nora").settles()
        scene.furnish(people, nora, folder / "files")
        nora.opens()
        _list(nora, visit)
        _talk(nora, visit)
        _writing(nora, visit)
        _about(nora, visit)
        _dialogs(nora, visit)
        _settings(nora, visit)
        _abroad(nora, visit)
        nora.presses("Control+l")
        nora.sees(nora.field("Passphrase"))
        visit(nora, "lock")


@contextlib.contextmanager
def _everybody(window: Window, folder: Path) -> Iterator[People]:
    people = People(window, folder)
    try:
        yield people
    finally:
        people.leave()


def _start(nora: Person, visit: Visitor) -> None:
    nora.opens()
    nora.sees(nora.button("Create an account"))
    visit(nora, "start")
    nora.clicks("Create an account")
    nora.fills("Your name", "Nora")
    nora.clicks("Next")
    nora.fills("Passphrase", PHRASE)
    nora.fills("Passphrase again", PHRASE)
    visit(nora, "start-passphrase")
    nora.clicks("Next")
    nora.sees(nora.button("Create account"))
    visit(nora, "start-relays")
    nora.clicks("Create account")
    nora.sees("Write these words down")
    visit(nora, "start-words")
    nora.clicks("Skip")
    nora.clicks("Skip anyway")
    nora.sees(nora.page.get_by_role("img", name="Your link as a QR code"))
    visit(nora, "start-link")
    nora.clicks("To the chats")
    nora.sees(nora.row("Notes"))
    visit(nora, "empty")


def _list(nora: Person, visit: Visitor) -> None:
    nora.sees(nora.row(scene.CIRCLE))
    visit(nora, "list")
    nora.clicks(nora.button("New chat"))
    nora.sees(nora.page.get_by_role("menu"))
    visit(nora, "menu")
    nora.presses("Escape")
    nora.presses("Control+k")
    nora.types("tea")
    nora.sees(nora.page.locator(".list mark"))
    visit(nora, "search")
    nora.presses("Escape")


def _talk(nora: Person, visit: Visitor) -> None:
    nora.goes_to(scene.CIRCLE)
    nora.reads("What do we read in autumn?")
    nora.sees(nora.page.locator(".chip"))
    visit(nora, "group")
    nora.goes_to("Ida Lund")
    nora.reads("I have it, thank you")
    _loaded(nora)
    visit(nora, "pictures")
    nora.do(nora.history.evaluate("(one) => void (one.scrollTop -= 400)"))
    nora.clicks(nora.page.locator(".picture").first)
    nora.sees(nora.page.get_by_role("dialog"))
    visit(nora, "viewer")
    nora.presses("Escape")
    nora.presses("Alt+End")
    nora.do(nora.page.locator(".message.mine .text").last.click(button="right"))
    nora.sees(nora.page.get_by_role("menu"))
    visit(nora, "message-menu")
    nora.presses("Escape")
    nora.goes_to("ليلى")
    nora.reads("ممتاز")
    visit(nora, "right-to-left")
    nora.goes_to("Milo Brandt")
    nora.sees(nora.page.locator(".message[data-kind=text]").last)
    visit(nora, "unread")
    nora.clicks("Search in this chat")
    nora.types("bread")
    nora.sees(nora.page.locator(".searchbar mark"))
    visit(nora, "search-chat")
    nora.presses("Escape")


def _writing(nora: Person, visit: Visitor) -> None:
    nora.goes_to("Tomás Vega")
    nora.reads("Yes, on Thursday")
    nora.do(nora.page.locator(".message:not(.mine) .text").last.click(button="right"))
    nora.chooses("Reply")
    nora.fills(nora.composer, "I put it on the table, next to the door")
    nora.clicks("Emoji")
    nora.sees(nora.page.locator(".emoji-grid button"))
    visit(nora, "emoji")
    nora.presses("Escape")
    nora.presses("Escape")
    nora.fills(nora.composer, "")
    nora.clicks("Attach")
    nora.chooses("New poll")
    nora.sees(nora.field("Question"))
    visit(nora, "new-poll")
    nora.presses("Escape")


def _about(nora: Person, visit: Visitor) -> None:
    nora.goes_to("Ida Lund")
    said = nora.page.locator(".message.mine").filter(has_text="Then we go there")
    nora.clicks(said.locator(".ticks"))
    nora.clicks("What relays and the network saw")
    nora.sees("Who watches the network saw:")
    visit(nora, "explain")
    nora.presses("Escape")
    nora.clicks(nora.page.locator(".chat-who"))
    nora.sees(nora.page.locator(".panel .p-card"))
    visit(nora, "person")
    nora.clicks(nora.page.locator(".panel").get_by_role("button", name="Safety code"))
    nora.clicks(nora.page.get_by_role("dialog").get_by_role("tab").last)
    nora.sees(nora.page.locator("svg.qr"))
    visit(nora, "safety-code")
    nora.presses("Escape")
    nora.clicks(nora.page.locator(".sealed"))
    nora.sees(nora.page.get_by_role("dialog"))
    visit(nora, "protection")
    nora.presses("Escape")
    nora.goes_to(scene.CIRCLE)
    nora.clicks(nora.page.locator(".chat-who"))
    nora.sees(nora.page.locator(".panel [data-member]").nth(3))
    visit(nora, "group-info")
    for kind in ("Media", "Pinned messages"):
        nora.clicks(nora.page.locator(".chat-head").get_by_role("button", name="More"))
        nora.do(
            nora.page.get_by_role("menu").get_by_role("menuitem").nth(1 + (kind != "Media")).click()
        )
        nora.sees(
            nora.page.locator(".panel[data-kind=" + ("media" if kind == "Media" else "pins") + "]")
        )
        visit(nora, "media" if kind == "Media" else "pins")
    nora.presses("Escape")


def _dialogs(nora: Person, visit: Visitor) -> None:
    nora.clicks("New chat")
    nora.chooses("New group")
    nora.fills("Name of the group", "Apple harvest")
    nora.clicks(nora.line("Ida Lund").get_by_role("checkbox"))
    visit(nora, "new-group")
    nora.presses("Escape")
    nora.clicks("New chat")
    nora.chooses("Add contact")
    nora.sees(nora.field("Their link"))
    visit(nora, "add-contact")
    nora.presses("Escape")
    nora.clicks("New chat")
    nora.chooses("My link")
    nora.clicks("Make link")
    nora.sees(nora.page.get_by_role("img", name="Your contact link as a QR code"))
    visit(nora, "my-link")
    nora.presses("Escape")
    nora.clicks("Edit folders")
    nora.sees(nora.page.get_by_role("dialog"))
    visit(nora, "folders")
    nora.presses("Escape")


def _settings(nora: Person, visit: Visitor) -> None:
    nora.presses("Control+,")
    sections = nora.page.locator(".settings > nav button")
    nora.sees(sections)
    visit(nora, "settings")
    for n in range(1, nora.do(sections.count())):
        nora.clicks(sections.nth(n))
        nora.sees(nora.page.locator(".settings-section"))
        nora.do(nora.page.wait_for_load_state())
        name = nora.do(nora.page.locator(".settings-section h3").first.inner_text())
        visit(nora, f"settings-{name.split()[0].lower()}")
    nora.presses("Escape")


def _abroad(nora: Person, visit: Visitor) -> None:
    """The same in another language, in a window of its own."""
    english = nora.page
    nora.opens(language="ru-RU")
    nora.clicks(nora.row(scene.CIRCLE).first)
    nora.sees(nora.page.locator(".poll"))
    visit(nora, "russian")
    nora.page = english


def _loaded(nora: Person) -> None:
    """Wait until all pictures that are in sight are drawn."""
    pictures = nora.page.locator(".history img")
    nora.sees(pictures)
    nora.do(
        pictures.evaluate_all(
            "(all) => Promise.all(all.map((one) => one.decode().catch(() => {})))"
        )
    )
