"""People get known, make sure of each other, and decide whom they want to hear."""

from __future__ import annotations

import re

from heliogram.node import api
from tests.browser.kit import Friend, People, Person
from tests.cli.town import until


def test_two_get_in_touch_by_a_link(people: People, anna: Person) -> None:
    ben = people.at_home("Ben")
    ben.clicks("New chat")
    ben.chooses("My link")
    ben.clicks("Make link")
    link = ben.do(ben.page.locator("[data-link]").text_content())
    assert link is not None and link.startswith("heliogram:contact/")
    ben.sees(ben.page.get_by_role("img", name="Your contact link as a QR code"))
    ben.presses("Escape")

    anna.clicks("New chat")
    anna.chooses("Add contact")
    anna.fills("Their link", "heliogram:contact/nonsense")
    anna.clicks("Add")
    anna.sees(anna.page.get_by_role("alert").filter(has_text="link"))
    # As it comes out of a letter, with something around it.
    anna.fills("Their link", f"Here it is: <{link}>")
    anna.clicks("Add")
    anna.sees(anna.page.locator("[data-state=waiting]"))

    ben.clicks(ben.page.locator(".list .list-entry").filter(has_text="Requests"))
    ben.sees(ben.page.locator(".request").get_by_text("Anna"))
    ben.clicks("Accept")
    ben.sees(ben.composer)
    anna.sees(anna.page.locator("[data-state=known]"))
    anna.clicks("Open chat")
    anna.sees(anna.composer)


def test_safety_codes_are_compared(people: People, anna: Person, ben: Friend) -> None:
    cleo = people.friend("Cleo")
    people.acquaint(ben, cleo)
    code: api.SafetyCode = ben.ask(api.GetSafetyCode("Anna"))
    other: api.SafetyCode = ben.ask(api.GetSafetyCode("Cleo"))

    anna.goes_to("Ben")
    shows_info(anna)
    anna.clicks("Compare safety codes")
    anna.sees(anna.page.locator(f'[data-digits="{code.digits}"]'))
    anna.fills("What they see", other.digits)
    anna.clicks("Check")
    anna.sees("The codes are not the same!")
    assert not anna.ask(api.GetContacts())[0].who.verified
    # As they are typed by somebody who hears them.
    anna.fills("What they see", code.digits.replace(" ", ""))
    anna.clicks("Check")
    anna.misses("The codes are not the same!")
    anna.sees(anna.page.get_by_role("dialog").get_by_text("Ben is verified."))
    anna.presses("Escape")
    anna.sees(anna.page.locator('.panel [data-verified="true"]'))
    assert anna.ask(api.GetContacts())[0].who.verified


def test_a_request_is_declined_and_its_sender_blocked(people: People, anna: Person) -> None:
    mallory = people.friend("Mallory")
    link: api.ContactLink = anna.ask(api.NewLink())
    mallory.ask(api.AddContact(link.uri))
    entry = anna.page.locator(".list .list-entry").filter(has_text="Requests")
    anna.clicks(entry)
    anna.clicks("Decline and block")
    confirms(anna, "Decline and block", over=1)
    anna.sees("Nobody waits for an answer.")
    anna.presses("Escape")
    anna.misses(entry)
    anna.misses(anna.row("Mallory"))

    contacts: list[api.Contact] = mallory.ask(api.GetContacts())
    assert [one.state for one in contacts] == ["waiting"]


def test_a_contact_is_renamed_and_blocked(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    shows_info(anna)
    anna.clicks("Call them otherwise, here only")
    anna.do(anna.page.locator(".panel .p-editing input").fill("Benjamin"))
    anna.clicks("Save")
    anna.sees(anna.row("Benjamin"))
    anna.clicks(anna.page.locator(".panel").get_by_role("button", name="Block"))
    confirms(anna, "Block")
    anna.sees(anna.page.locator(".panel").get_by_text(re.compile("Blocked: you see nothing")))
    anna.clicks(anna.page.locator(".panel").get_by_role("button", name="Unblock"))

    async def free() -> bool | None:
        found: list[api.Contact] = await anna.node.call(api.GetContacts())
        return not found[0].blocked or None

    anna.do(until(free))


def shows_info(person: Person) -> None:
    """Open the panel about the conversation."""
    person.clicks(person.page.locator(".chat-who"))
    person.sees(person.page.locator(".panel[data-kind=info] .p-card").first)


def confirms(person: Person, button: str, *, over: int = 0) -> None:
    """Say yes to what is asked. `over`: how many dialogs were open before."""
    asked = person.page.locator("dialog[open]").nth(over)
    person.clicks(asked.get_by_role("button", name=button, exact=True))
