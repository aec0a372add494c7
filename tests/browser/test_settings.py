"""What an owner sets is in force at once, and stays."""

from __future__ import annotations

from heliogram.node import api
from tests.browser.kit import PHRASE, People, Person
from tests.browser.test_people import confirms


def goes(person: Person, section: str) -> None:
    """Open a section of the settings."""
    person.clicks(person.page.locator(f"[data-section={section}]"))
    person.sees(person.page.locator(f".settings-section[data-section-shown={section}]"))


def test_language_and_look(anna: Person) -> None:
    anna.presses("Control+,")
    goes(anna, "look")
    anna.do(anna.page.get_by_label("Language", exact=True).select_option("ru"))
    anna.sees(anna.page.get_by_role("heading", name="Вид и язык"))
    assert anna.do(anna.page.evaluate("document.documentElement.lang")) == "ru"
    anna.do(anna.page.get_by_label("Язык", exact=True).select_option("en"))
    anna.sees(anna.page.get_by_role("heading", name="Look and language"))
    anna.do(anna.page.get_by_label("Dark").check())
    anna.sees(anna.page.locator("html[data-theme=dark]"))
    # It is the node's to keep: another window has it, too.
    anna.opens()
    anna.sees(anna.page.locator("html[data-theme=dark]"))


def test_a_relay_is_added_and_removed(people: People) -> None:
    anna = people.newcomer("Anna").settles()
    gone = anna.ask(api.GetRelays())[0].relay
    anna.ask(api.RemoveRelay(gone.key))
    anna.opens()
    anna.sees(anna.page.get_by_role("navigation", name="Chats"))
    anna.presses("Control+,")
    goes(anna, "relays")
    anna.sees("3 relays, 2 decide: none may lie, 1 may be away.")
    address = next(one for one in anna.town.addresses if gone.key in one)
    anna.fills(anna.page.locator(".settings-section input"), "wss://nowhere.example")
    anna.clicks(anna.page.get_by_role("button", name="Add", exact=True))
    anna.sees(anna.page.get_by_role("alert").filter(has_text="address"))
    anna.fills(anna.page.locator(".settings-section input"), address)
    anna.clicks(anna.page.get_by_role("button", name="Add", exact=True))
    row = anna.page.locator(f'[data-relay="{gone.name}"]')
    anna.sees(row.locator("[data-state=up]"))
    anna.sees("4 relays, 3 decide: 1 may lie, 1 may be away.")
    anna.clicks(row.get_by_role("button", name="Remove"))
    confirms(anna, "Remove", over=1)
    anna.misses(row)


def test_words_and_passphrase(anna: Person) -> None:
    """On a telephone: one section at a time."""
    anna.narrow()
    anna.presses("Control+,")
    goes(anna, "recovery")
    anna.fills("Passphrase", "not the passphrase")
    anna.clicks("Show words")
    anna.sees(anna.page.get_by_role("alert").filter(has_text="passphrase"))
    anna.fills("Passphrase", PHRASE)
    anna.clicks("Show words")
    anna.sees(anna.page.locator(".recovery-words li").nth(23))
    anna.clicks("Back")
    goes(anna, "passphrase")
    anna.fills("Passphrase until now", PHRASE)
    anna.fills("New passphrase", "another horse")
    anna.fills("The new one again", "another house")
    anna.clicks("Change passphrase")
    anna.sees("The two new ones are not the same.")
    anna.fills("The new one again", "another horse")
    anna.clicks("Change passphrase")
    anna.sees(anna.page.locator(".settings").get_by_text("The passphrase is changed."))
    anna.clicks("Back")
    goes(anna, "privacy")
    anna.clicks("Lock now")
    anna.fills("Passphrase", "another horse")
    anna.clicks("Unlock")
    anna.sees(anna.page.get_by_role("navigation", name="Chats"))


def test_a_backup_says_where_it_lies(anna: Person) -> None:
    anna.presses("Control+,")
    goes(anna, "storage")
    anna.sees(anna.page.locator(".settings").get_by_text("Database"))
    anna.clicks("Make a backup")
    anna.sees(anna.page.locator("[data-written=backup]"))
