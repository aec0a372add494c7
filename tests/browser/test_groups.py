"""Groups: made, changed and left by people who see what becomes of it."""

from __future__ import annotations

from typing import Any

from heliogram.node import api
from tests.browser.kit import Friend, People, Person
from tests.browser.test_people import confirms, shows_info
from tests.cli.town import until


def test_a_group_is_made_and_somebody_removed(people: People, anna: Person, ben: Friend) -> None:
    cleo = people.at_home("Cleo")
    people.acquaint(anna, cleo)
    anna.clicks("New chat")
    anna.chooses("New group")
    anna.fills("Name of the group", "Garden")
    for name in ("Ben", "Cleo"):
        anna.clicks(anna.line(name).get_by_role("checkbox"))
    anna.clicks("Make group")
    anna.sees(anna.composer)
    cleo.clicks(cleo.page.locator(".list .list-entry").filter(has_text="Requests"))
    cleo.sees(cleo.page.locator(".request").get_by_text("Garden"))
    cleo.clicks("Accept")
    cleo.sees(cleo.composer)

    shows_info(anna)
    anna.sees(anna.page.locator(".panel [data-member]").nth(2))
    anna.clicks("More about Cleo")
    anna.chooses("Remove from the group")
    # What it means is said before it is done.
    anna.sees(anna.page.get_by_role("dialog").get_by_text("Cleo reads nothing"))
    confirms(anna, "Remove")
    anna.sees("Cleo is out.")
    anna.misses(anna.line("Cleo"))
    shows_info(cleo)
    cleo.sees(cleo.page.locator(".panel [data-phase=out]"))


def test_a_group_is_renamed_and_an_admin_made(anna: Person, ben: Friend) -> None:
    chat: api.Chat = anna.ask(api.CreateGroup("Garden", ("Ben",)))
    ben.do(ben._person.accepts())
    anna.goes_to("Garden")
    shows_info(anna)
    anna.clicks("Rename the group")
    anna.do(anna.page.locator(".panel .p-editing input").fill("Old garden"))
    anna.clicks("Save")
    anna.sees("The group is renamed.")
    anna.sees(anna.row("Old garden"))
    anna.clicks("More about Ben")
    anna.chooses("Make an admin")
    confirms(anna, "Make an admin")
    anna.sees(anna.line("Ben").get_by_text("Admin", exact=True))

    async def known() -> bool | None:
        info: api.ChatInfo = await ben.node.call(api.GetChat(chat.id))
        mine = next(one for one in info.members if one.who.me)
        return (info.chat.name == "Old garden" and mine.role == "admin") or None

    ben.do(until(known))
    # What happened is told in the language of who reads it.
    ben.ask(api.SetProfile(chat.id, description="Tea at five"))
    anna.opens(language="ru-RU")
    anna.clicks(anna.row("Old garden").first)
    for said in (
        "Вы начали этот чат.",
        "Вы добавили участника: Ben.",
        "Вы переименовали чат «Garden» в «Old garden».",
        "Вы сменили роль: Ben теперь администратор.",
        "Ben меняет описание.",
    ):
        anna.sees(anna.history.locator(".line").get_by_text(said, exact=True))
    anna.sees(anna.history.locator(".line bdi").get_by_text("Old garden", exact=True))
    anna.sees(anna.row("Old garden").get_by_text("Ben меняет описание."))
    anna.clicks(anna.page.get_by_role("button", name="Сквозное шифрование"))
    anna.sees(anna.page.get_by_role("dialog").get_by_text("Релеев: 4, решают: 3."))


def test_the_relays_of_a_group_are_changed(anna: Person, ben: Friend) -> None:
    anna.ask(api.CreateGroup("Garden", ("Ben",)))
    anna.goes_to("Garden")
    shows_info(anna)
    anna.sees(anna.page.locator(".panel").get_by_text("4 relays, 3 decide"))
    anna.clicks("Change relays")
    dialog = anna.page.get_by_role("dialog")
    anna.clicks(dialog.get_by_role("checkbox").first)
    anna.sees(dialog.get_by_text("3 relays, 2 decide: none may lie, 1 may be away."))
    anna.clicks(dialog.get_by_role("button", name="Change relays"))
    confirms(anna, "Change relays", over=1)
    anna.sees("The relays are changed.")
    anna.sees(anna.page.locator(".panel").get_by_text("3 relays, 2 decide"))


def test_what_fails_ends_its_own_change_alone(people: People, anna: Person, ben: Friend) -> None:
    names = ("Ben", "Cleo", "Dora")
    for name in names[1:]:
        people.acquaint(anna, people.friend(name))
    chat: api.Chat = anna.ask(api.CreateGroup("Garden", names))

    async def there() -> bool | None:
        info: api.ChatInfo = await anna.node.call(api.GetChat(chat.id))
        return len(info.members) == 4 or None

    anna.do(until(there))
    anna.goes_to("Garden")
    shows_info(anna)
    anna.sees(anna.page.locator(".panel [data-member]").nth(3))
    # Relays that take their time: the node has said that it begins, and nothing more.
    begun: dict[str, Any] = {"body": "{}", "content_type": "application/json"}
    anna.do(anna.page.route("**/api/call/remove-members", lambda route: route.fulfill(**begun)))
    for name in names:
        anna.clicks(f"More about {name}")
        anna.chooses("Remove from the group")
        confirms(anna, "Remove")
    for name in names:
        anna.sees(f"{name} is being removed…")
    account = {one.who.name: one.who for one in anna.ask(api.GetContacts())}
    failed = api.CommandFailed(chat.id, "remove members", "not allowed", (account["Cleo"],))
    anna.hears(failed)
    anna.sees("Cleo: Your role here, or the rules of this chat, do not allow that.")
    anna.misses("Cleo is being removed…")
    anna.sees("Ben is being removed…")
    anna.sees("Dora is being removed…")
