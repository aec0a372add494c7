"""The list of conversations: search, folders, what can be done from there, and what it says."""

from __future__ import annotations

from playwright.async_api import expect

from heliogram.node import api
from tests.browser.kit import PATIENCE_MS, Friend, Person


def names(person: Person) -> list[str]:
    """The conversations as they stand in the list."""
    return person.do(person.page.locator(".rows .row .row-name bdi").all_inner_texts())


def group(person: Person, name: str) -> api.Chat:
    made: api.Chat = person.ask(api.CreateGroup(name))
    person.sees(person.row(name))
    return made


def test_search_finds_names_at_once_and_messages_where_they_are(anna: Person, ben: Friend) -> None:
    for n in range(60):
        anna.ask(api.SendMessage("Ben", f"line {n} of a long talk"))
    ben.tells("Anna", "the lighthouse stands <b>alone</b>")
    anna.sees(anna.row("Ben").get_by_text("lighthouse"))
    for n in range(5):
        anna.ask(api.SendMessage("Ben", f"afterwards {n}"))

    anna.presses("Control+K")
    anna.types("be")
    found = anna.page.locator(".hits")
    anna.sees(found.get_by_role("button", name="Ben", exact=True))
    anna.fills("Search", "lighth")
    hit = found.get_by_role("button").filter(has_text="<b>alone</b>")
    anna.sees(hit.locator("mark", has_text="lighthouse"))
    anna.shot("search")
    anna.clicks(hit)
    anna.reads("stands")
    # Nothing that is typed is an error.
    for odd in (
        '"',
        "from:",
        "before:never (",
        "*) OR NEAR(",
        "\\",
        "\u0002\u0003",
        "in:Ben has:file",
    ):
        anna.fills("Search", odd)
        anna.sees(found.get_by_text("Nothing was found.").or_(found.locator(".row")).first)
    anna.misses(anna.page.locator(".list .wrong:not(:empty)"))
    anna.fills("Search", "from:Ben lighthouse")
    anna.sees(hit)
    anna.fills("Search", "from:Anna lighthouse")
    anna.sees("Nothing was found.")
    anna.presses("Escape")
    anna.sees(anna.row("Notes"))


def test_what_can_be_done_with_a_conversation(anna: Person, ben: Friend) -> None:
    group(anna, "Garden")
    anna.clicks(anna.row("Notes").first)

    def menu(chat: str, item: str) -> None:
        anna.do(anna.row(chat).first.click(button="right"))
        anna.chooses(item)

    menu("Notes", "Pin on top")
    anna.sees(anna.row("Notes").get_by_role("img", name="Pinned"))
    assert names(anna)[0] == "Notes"
    menu("Ben", "Mute")
    anna.sees(anna.row("Ben").get_by_role("img", name="Muted"))
    ben.tells("Anna", "are you there?")
    anna.sees(anna.row("Ben").get_by_text("unread message"))
    anna.clicks(anna.page.get_by_role("tab", name="Unread"))
    anna.do(expect(anna.page.locator(".rows .row")).to_have_count(1, timeout=PATIENCE_MS))
    menu("Ben", "Mark as read")
    anna.sees("Everything is read.")
    anna.clicks(anna.page.get_by_role("tab", name="All"))
    menu("Garden", "Archive")
    anna.misses(anna.row("Garden"))
    anna.clicks(anna.page.locator(".list-entry").filter(has_text="Archive"))
    menu("Garden", "Take out of the archive")
    anna.clicks("Back")
    anna.sees(anna.row("Garden"))
    anna.shot("list")


def test_folders_are_tabs(anna: Person) -> None:
    group(anna, "Garden")
    anna.clicks("Edit folders")
    anna.clicks("New folder")
    anna.fills("Name of the folder", "Green")
    anna.do(anna.page.get_by_role("group", name="Green").get_by_label("Garden").check())
    anna.clicks("Save")
    anna.clicks(anna.page.get_by_role("tab", name="Green"))
    anna.misses(anna.row("Notes"))
    anna.sees(anna.row("Garden"))
    folders: list[api.Folder] = anna.ask(api.GetFolders())
    assert [one.name for one in folders] == ["Green"]
    anna.clicks("Edit folders")
    anna.clicks("Delete the folder")
    anna.clicks("Save")
    anna.sees(anna.row("Notes"))


def test_relays_that_are_away_are_told_in_plain_words(anna: Person) -> None:
    relays = anna.town.relays
    try:
        for one in relays[:2]:
            one.kill()
        anna.sees("2 relays of 4 do not answer.")
        for one in relays[2:]:
            one.kill()
        anna.sees("No relay can be reached.")
    finally:
        for one in relays:
            if not one.running:
                one.start()
    anna.misses("No relay can be reached.")


def test_many_conversations_are_drawn_as_they_are_wanted(anna: Person) -> None:
    """The node would need minutes for so many: the page is told of them as the node tells it."""
    chat: api.Chat = anna.ask(api.GetChat("Notes")).chat
    anna.do(
        anna.page.evaluate(
            """async (like) => {
              const { chats } = await import(new URL("app/js/store.js", document.baseURI));
              const more = Array.from({ length: 1000 }, (_, n) => {
                const id = String(n).padStart(64, "0");
                return [id, { ...like, id, name: `Chat ${String(n).padStart(4, "0")}`, kind: "group" }];
              });
              chats.value = new Map([...chats.value, ...more]);
            }""",
            {"id": chat.id, "name": chat.name, "kind": chat.kind, "phase": "open"},
        )
    )
    anna.sees("Chat 0000")
    rows = anna.page.locator(".rows .row")
    assert anna.do(rows.count()) < 60
    anna.do(rows.first.focus())
    anna.presses("End")
    anna.sees(anna.page.locator("[data-chat]:focus").filter(has_text="Notes"))
    anna.presses("ArrowUp")
    anna.sees(anna.page.locator("[data-chat]:focus").filter(has_text="Chat 0999"))
    anna.presses("Home")
    anna.sees(anna.page.locator("[data-chat]:focus").filter(has_text="Chat 0000"))
    assert anna.do(rows.count()) < 60
