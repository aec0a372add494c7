"""What is written from the right stands there, beside what is not."""

from __future__ import annotations

from tests.browser.kit import People, Person

#: Where an element's text begins.
BEGINS = "(one) => getComputedStyle(one).direction"


def test_each_text_begins_at_its_own_side(people: People, anna: Person) -> None:
    leila = people.friend("ليلى")
    people.acquaint(anna, leila)
    # A line of history is in the reader's language, whoever it names.
    line = anna.row("ليلى").locator(".row-last")
    assert anna.do(line.evaluate(BEGINS)) == "ltr"
    leila.tells("Anna", "مرحبا!\n\n- خبز\n- tea\n\n> من كتاب")
    anna.tells("ليلى", "At ten, ليلى.\n\n- bread")
    anna.goes_to("ليلى")
    for text, where in (("مرحبا", "rtl"), ("At ten", "ltr")):
        bubble = anna.history.locator(".message").filter(has_text=text)
        anna.sees(bubble)
        for what in ("p", "ul"):
            assert anna.do(bubble.locator(what).first.evaluate(BEGINS)) == where
    theirs = anna.history.locator(".message").filter(has_text="مرحبا")
    assert anna.do(theirs.locator("blockquote").evaluate(BEGINS)) == "rtl"
    assert anna.do(theirs.locator("li").last.evaluate(BEGINS)) == "ltr"
    # Theirs stands where others' messages stand, whatever its script.
    mine = anna.history.locator(".message.mine")
    boxes = [anna.do(one.bounding_box()) for one in (theirs, mine)]
    assert boxes[0] and boxes[1] and boxes[0]["x"] < boxes[1]["x"]
    anna.fills(anna.composer, "شكرا")
    assert anna.do(anna.composer.evaluate(BEGINS)) == "rtl"
    anna.shot("from-the-right")
