"""Writing: drafts, marks, emoji, replies and changes, and what is said later."""

from __future__ import annotations

import time

from playwright.async_api import expect

from heliogram.node import api
from tests.browser.kit import PATIENCE_MS, Friend, People, Person
from tests.cli.town import until


def holds(person: Person, text: str) -> None:
    """Wait until the field has this text."""
    person.do(expect(person.composer).to_have_value(text, timeout=PATIENCE_MS))


def test_a_text_with_marks_and_emoji_and_its_change(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    anna.clicks(anna.composer)
    anna.types("so ")
    anna.presses("Control+b")
    anna.types("bold")
    anna.presses("ArrowRight")
    anna.presses("ArrowRight")
    anna.types(" :unico")
    anna.sees(anna.page.get_by_role("option", name="🦄"))
    anna.presses("Tab")
    holds(anna, "so **bold** 🦄")
    anna.clicks("Emoji")
    anna.fills("Find emoji", "pizza")
    anna.shot("emoji")
    anna.clicks(anna.page.get_by_role("button", name="🍕"))
    holds(anna, "so **bold** 🦄🍕")
    anna.clicks(anna.composer)
    anna.presses("Shift+Enter")
    anna.types("second line")
    anna.presses("Enter")
    ben.has("Anna", "so **bold** 🦄🍕\nsecond line")
    holds(anna, "")

    anna.presses("ArrowUp")
    holds(anna, "so **bold** 🦄🍕\nsecond line")
    anna.shot("edit")
    anna.fills(anna.composer, "another")
    anna.presses("Enter")
    ben.has("Anna", "another")
    holds(anna, "")


def test_a_draft_survives_and_escape_lets_go(anna: Person, ben: Friend) -> None:
    anna.says("Ben", "first")
    anna.fills(anna.composer, "not yet")

    async def kept() -> api.Chat | None:
        chats: list[api.Chat] = await anna.node.call(api.GetChats())
        return next((one for one in chats if one.draft == "not yet"), None)

    anna.do(until(kept))
    anna.do(anna.page.reload())
    anna.goes_to("Ben")
    holds(anna, "not yet")
    anna.fills(anna.composer, "")
    anna.presses("ArrowUp")
    holds(anna, "first")
    anna.presses("Escape")
    holds(anna, "")
    anna.sees(anna.composer)


def test_somebody_is_mentioned_and_answered(people: People, anna: Person, ben: Friend) -> None:
    dora = people.friend("Dora Lee")
    people.acquaint(anna, dora)
    group: api.Chat = anna.ask(api.CreateGroup("Choir", ("Ben", "Dora Lee")))

    async def complete() -> bool | None:
        info: api.ChatInfo = await anna.node.call(api.GetChat(group.id))
        return len(info.members) == 3 or None

    anna.do(until(complete))
    anna.goes_to("Choir")
    anna.clicks(anna.composer)
    anna.types("ask @le")
    anna.sees(anna.page.get_by_role("option", name="Dora Lee"))
    anna.shot("mention")
    anna.presses("Enter")
    anna.types("or `@Dora Lee`")
    holds(anna, "ask @Dora Lee or `@Dora Lee`")
    anna.presses("Enter")

    async def said() -> api.Message | None:
        history: list[api.Message] = await anna.node.call(api.GetHistory(group.id))
        return next((one for one in history if one.mentions), None)

    message = anna.do(until(said))
    assert [one.name for one in message.mentions] == ["Dora Lee"]
    assert message.text.startswith("ask [@Dora Lee](heliogram:account/")
    assert message.text.endswith(") or `@Dora Lee`")
    anna.presses("ArrowUp")
    holds(anna, "ask @Dora Lee or `@Dora Lee`")
    anna.shot("mention-edit")
    anna.presses("Escape")

    # The wheel of the conversation says whom one answers.
    anna.do(
        anna.page.evaluate(
            """async (number) => {
              const { replyTo } = await import(new URL("app/js/chat/context.js", document.baseURI));
              const { call } = await import(new URL("app/js/wire.js", document.baseURI));
              replyTo.value = await call("message", { message: number });
            }""",
            message.id,
        )
    )
    anna.sees("Reply to yourself")
    anna.types("me too")
    anna.shot("reply")
    anna.presses("Enter")

    async def answered() -> api.Message | None:
        history: list[api.Message] = await anna.node.call(api.GetHistory(group.id))
        return next((one for one in history if one.text == "me too"), None)

    assert anna.do(until(answered)).reply_to == message.id
    anna.misses("Reply to yourself")


def test_what_is_said_later(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    anna.fills(anna.composer, "good morning")
    anna.do(anna.button("Send").click(button="right"))
    anna.chooses("Send later…")
    anna.shot("later")
    anna.clicks("Tomorrow morning")
    holds(anna, "")
    anna.clicks("1 scheduled message")
    anna.sees("good morning")
    anna.shot("scheduled")
    anna.clicks("Another time")
    anna.clicks("Next Monday")

    async def moved() -> bool | None:
        waiting: list[api.Scheduled] = await anna.node.call(api.GetScheduled())
        days = {time.localtime(one.at).tm_wday for one in waiting}
        return (len(waiting) == 1 and days == {0}) or None

    anna.do(until(moved))
    anna.do(expect(anna.page.locator(".scheduled li")).to_have_count(1, timeout=PATIENCE_MS))
    anna.clicks("Send now")
    ben.has("Anna", "good morning")
    anna.sees("Nothing waits here.")


def test_a_poll_is_made_by_keys(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    anna.clicks("Attach")
    anna.chooses("New poll")
    anna.fills("Question", "Which day?")
    anna.fills("Answer 1", "Monday")
    anna.presses("Enter")
    anna.types("Tuesday")
    anna.presses("Enter")
    anna.types("Never")
    anna.shot("poll")
    anna.clicks("Create")

    async def asked() -> api.PollInfo | None:
        history: list[api.Message] = await ben.node.call(api.GetHistory("Anna"))
        return next((one.poll for one in history if one.poll), None)

    poll = ben.do(until(asked))
    assert poll.question == "Which day?"
    assert [one.text for one in poll.options] == ["Monday", "Tuesday", "Never"]
    assert poll.most == 1


def test_where_nobody_writes_the_composer_says_why(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    anna.ask(api.BlockContact("Ben"))
    anna.sees("You blocked this contact.")
    anna.shot("blocked")
    anna.clicks("Unblock")
    anna.sees(anna.composer)
    anna.ask(api.LeaveChat("Ben"))
    anna.sees("You are no longer in this conversation.")
