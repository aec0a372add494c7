"""Names, searches and all else that is shown beside messages: of people who mean harm, or type oddly."""

from __future__ import annotations

import re
import time

from heliogram.node import api
from tests.browser.kit import Friend, People, Person
from tests.browser.long import chat_of, put
from tests.cli.town import until

HARM = "<img src=x onerror=window.harmed=1>"
LINK = "[go](javascript:window.harmed=1)"
TURN = "\u202e\u2067"
MARKS = "Z" + "\u0334\u0321\u0337\u0361" * 2_500


def unharmed(person: Person) -> None:
    """Nothing has run, and nothing of what was said became a part of the page."""
    found = person.do(
        person.page.evaluate(
            "() => ['harmed' in window, document.querySelectorAll('img[src=x], a[href]').length]"
        )
    )
    assert found == [False, 0]


def test_50_names_and_excerpts_are_text_wherever_they_stand(people: People) -> None:
    anna = people.at_home("Anna")
    mallory = people.friend(HARM)
    people.acquaint(anna, mallory)
    # In the list, the head, the panel, a member's row, a toast, a search, and what is offered to mention.
    anna.sees(anna.row(HARM))
    mallory.tells("Anna", f"{HARM} {LINK} lighthouse <b>x</b>")
    anna.sees(anna.row(HARM).get_by_text("lighthouse"))
    anna.goes_to(HARM)
    anna.reads("lighthouse")
    anna.clicks(anna.page.get_by_title(f"About {HARM}", exact=True))
    anna.sees(anna.page.get_by_role("complementary").get_by_text(HARM).first)
    unharmed(anna)
    group: api.Chat = anna.ask(api.CreateGroup(f"{LINK} {HARM}", members=(HARM,), description=HARM))
    anna.clicks(anna.row(LINK).first)
    anna.clicks(anna.page.get_by_title(f"About {group.name}", exact=True))
    anna.sees(anna.page.get_by_role("complementary").get_by_text(HARM).first)
    anna.sees(anna.page.get_by_role("complementary").get_by_text("2 people"))
    anna.fills(anna.composer, "@<")
    anna.sees(anna.page.get_by_role("listbox").get_by_text(HARM))
    anna.fills(anna.composer, HARM)
    unharmed(anna)
    anna.fills("Search", "lighthouse")
    hit = anna.page.locator(".hits .row").filter(has_text="<b>x</b>")
    anna.sees(hit.locator("mark", has_text="lighthouse"))
    anna.fills("Search", "<img")
    anna.sees(anna.page.locator(".hits .row").filter(has_text=HARM).first)
    anna.fills("Search", f'from:"{HARM}" lighthouse')
    anna.presses("Escape")
    # What is a draft, a folder, and somebody who asks to be let in.
    anna.sees(anna.row(LINK).first)
    anna.ask(api.SetFolders((api.Folder(HARM, (group.id,)),)))
    anna.sees(anna.page.get_by_role("tab", name=HARM))
    link: api.ContactLink = anna.ask(api.NewLink())
    stranger = people.friend(f"Eve {HARM}")
    stranger.ask(api.AddContact(link.uri))
    anna.clicks(anna.page.locator(".list-entry"))
    anna.sees(anna.page.get_by_role("dialog").get_by_text(f"Eve {HARM}").first)
    unharmed(anna)


def test_57_names_stay_in_their_place(people: People) -> None:
    anna = people.at_home("Anna")
    mallory = people.friend(f"{TURN}{MARKS}")
    mallory.name = anna_calls(anna, mallory, people)
    long = "W" * 240
    anna.ask(api.CreateGroup(f"{TURN}{long}", description=f"{long}\n" * 8))
    anna.ask(api.CreateGroup("Plain"))
    anna.sees(anna.row("Plain"))
    anna.sees(anna.row("WWWW"))
    # Each row is as high as any, and as wide as the list; so are the heads of what is opened.
    shape = """() => [...document.querySelectorAll('.list .row')].map((one) => {
      const row = one.getBoundingClientRect();
      const name = one.querySelector('.row-name').getBoundingClientRect();
      return [Math.round(row.height), name.right <= row.right + 1, name.bottom <= row.bottom + 1];
    })"""
    shapes = anna.do(anna.page.evaluate(shape))
    assert len(shapes) >= 3
    assert all(one == [shapes[0][0], True, True] for one in shapes), shapes
    for row in (anna.row("WWWW").first, anna.row(mallory.name).first):
        anna.clicks(row)
        anna.sees(
            anna.page.locator("main.chat header").or_(anna.page.locator(".chat header")).first
        )
        wide = anna.do(
            anna.page.evaluate(
                "() => [document.documentElement.scrollWidth - innerWidth,"
                " document.querySelector('.chat header').getBoundingClientRect().height]"
            )
        )
        assert wide[0] <= 0 and wide[1] < 120
    anna.clicks(anna.row("Plain").first)
    anna.sees(anna.page.get_by_role("heading", name="Plain"))


def anna_calls(anna: Person, mallory: Friend, people: People) -> str:
    """Let them be contacts; gives what Anna's node calls somebody whose name is a flood."""
    me: api.Status = mallory.ask(api.GetStatus())
    mallory.name = me.me.name
    people.acquaint(anna, mallory)

    async def known() -> str | None:
        found: list[api.Contact] = await anna.node.call(api.GetContacts())
        return next((one.who.name for one in found), None)

    return anna.do(until(known))


#: What stands in messages, and finds them as it stands.
ODD = (
    '"',
    "'",
    "NEAR(",
    "NEAR(a b, 3)",
    "*",
    "a*",
    "-x",
    "col:",
    "text:x",
    "^a",
    "a OR b",
    "NOT",
    "AND",
    ")(",
    "{a b}:c",
    "\\",
    "%",
    "_",
    "';--",
    "\0",
    "a\0b",
    "\u0002\u0003",
    "\ud7ff\uffff",
    "$(x)",
    "x" * 1_000,
    '"' * 500,
)


def test_56_whatever_is_typed_into_search_is_looked_for(anna: Person, ben: Friend) -> None:
    # A word stands before each: signs alone are no words, and find nothing rather than everything.
    texts = [f"needle{n}x {odd} needle{n}y" for n, odd in enumerate(ODD)]
    put(anna, chat_of(anna, "Ben"), texts, until=int(time.time()) - 60)
    anna.goes_to("Ben")
    anna.clicks(anna.field("Search"))
    found = anna.page.locator(".hits")
    status = found.get_by_role("status")
    for n, odd in enumerate(ODD):
        anna.fills("Search", odd)
        anna.sees(status.filter(has_text=re.compile("message|Nothing")))
        anna.fills("Search", f"needle{n}x {odd}")
        anna.sees(found.locator(".row").filter(has_text=f"needle{n}x"))
    anna.misses(anna.page.locator(".list .wrong:not(:empty)"))
    anna.presses("Escape")
    # The same in the conversation.
    anna.clicks("Search in this chat")
    field = anna.page.get_by_role("searchbox", name="Search in this chat")
    for n, odd in enumerate(ODD[::4]):
        anna.fills(field, f"needle{4 * n}x {odd}")
        anna.sees(anna.page.locator(".search-found li").filter(has_text=f"needle{4 * n}x"))
