"""The system tells of what comes while nobody looks, and no more than its owner wants it to show."""

from __future__ import annotations

from typing import Any

from heliogram.node import api
from tests.browser.kit import Friend, People, Person
from tests.browser.test_settings import goes

#: Keeps what the system was given to show, and counts sounds.
WATCH = """
window.told = [];
window.sounds = 0;
const System = Notification;
window.Notification = class extends System {
  constructor(title, how) {
    super(title, how);
    told.push({ title, body: how.body, one: this, open: true });
  }
  close() {
    told.find((each) => each.one === this).open = false;
    super.close();
  }
};
const begin = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  sounds++;
  return begin.apply(this, when);
};
"""


def told(person: Person, count: int) -> list[Any]:
    """What the system was given, once it is so much: title, text, whether it is still shown."""
    person.do(person.page.wait_for_function("(n) => told.length >= n", arg=count))
    found: list[Any] = person.do(
        person.page.evaluate("told.map(({ title, body, open }) => [title, body, open])")
    )
    return found


def test_the_system_tells_what_its_owner_lets_it(people: People, anna: Person, ben: Friend) -> None:
    people.acquaint(anna, people.friend("Cleo"))
    anna.do(anna.page.context.grant_permissions(["notifications"]))
    anna.do(anna.page.add_init_script(WATCH))
    anna.do(anna.page.reload())
    anna.goes_to("Cleo")
    # Nobody has asked for it.
    ben.tells("Anna", "first")
    anna.sees(anna.row("Ben").get_by_text("first"))
    assert told(anna, 0) == []
    anna.presses("Control+,")
    goes(anna, "notifications")
    anna.do(anna.page.get_by_role("switch", name="Notify of new messages").check())
    anna.presses("Escape")
    ben.tells("Anna", "a secret")
    assert told(anna, 1) == [["Heliogram", "New message", True]]
    assert anna.do(anna.page.evaluate("sounds")) == 0
    # A click goes to what was said, and there it is seen.
    anna.do(anna.page.evaluate("told[0].one.onclick()"))
    anna.reads("a secret")
    anna.do(anna.page.wait_for_function("!told[0].open"))
    ben.tells("Anna", "seen at once")
    anna.reads("seen at once")
    assert len(told(anna, 1)) == 1

    anna.presses("Control+,")
    goes(anna, "notifications")
    anna.do(anna.page.get_by_label("What a notification shows").select_option("name"))
    anna.do(anna.page.get_by_role("switch", name="Sound").check())
    anna.presses("Escape")
    anna.goes_to("Cleo")
    ben.tells("Anna", "another secret")
    assert told(anna, 2)[1:] == [["Ben", "New message", True]]
    anna.do(anna.page.wait_for_function("sounds === 2"))
    anna.presses("Control+,")
    goes(anna, "notifications")
    anna.do(anna.page.get_by_label("What a notification shows").select_option("all"))
    anna.presses("Escape")
    ben.tells("Anna", "the **bread** is ready")
    assert told(anna, 3)[2:] == [["Ben", "the bread is ready", True]]
    # What is muted is quiet.
    chat = next(one for one in anna.ask(api.GetChats()) if one.name == "Ben")
    anna.ask(api.SetChat(chat.id, muted=True))
    ben.tells("Anna", "shh")
    anna.sees(anna.row("Ben").get_by_text("shh"))
    assert len(told(anna, 3)) == 3
