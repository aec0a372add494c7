"""Where messages are in a conversation: what a face needs for a list that it does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import NotAllowed, NotFound
from tests.node.engine.desk_kit import START, Reader, Room


@pytest.fixture
def read(tmp_path: Path) -> tuple[Reader, Room, str]:
    reader, room = Reader(tmp_path), Room()
    chat = reader.enter(room)
    told = [room.post("alice", f"{at}", sent=START - 3_600_000 + at * 60_000) for at in range(40)]
    reader.take_at_once(room, *told)
    return reader, room, chat


def test_any_message_has_a_place_and_any_place_a_message(read: tuple[Reader, Room, str]) -> None:
    reader, _, chat = read
    call = reader.person.call
    history = reader.person.history(chat)
    for at, one in enumerate(history):
        place = api.Place(at, 40, one.number)
        assert call(api.GetPlace(chat, message=one.id)) == place
        assert call(api.GetPlace(chat, number=one.number)) == place
        assert call(api.GetPlace(chat, time=one.time)) == place
        page = call(api.GetHistory(chat, position=at, limit=7))
        assert page == history[at : at + 7]
    assert call(api.GetHistory(chat, position=40)) == []
    assert call(api.GetPlace(chat)) == api.Place(40, 40)
    assert call(api.GetPlace(chat, time=1 << 60)) == api.Place(40, 40)
    assert call(api.GetPlace(chat, time=-(1 << 60))) == api.Place(0, 40, history[0].number)


def test_the_first_unread(read: tuple[Reader, Room, str]) -> None:
    reader, _, chat = read
    history = reader.person.history(chat)
    reader.person.call(api.MarkRead(chat, history[10].number))
    place = reader.person.call(api.GetPlace(chat, unread=True))
    assert place == api.Place(11, 40, history[11].number)
    reader.person.call(api.MarkRead(chat))
    assert reader.person.call(api.GetPlace(chat, unread=True)) == api.Place(40, 40)


def test_what_is_not_there_has_no_place(read: tuple[Reader, Room, str]) -> None:
    reader, _, chat = read
    other = reader.enter(Room("other"))
    first = reader.person.history(chat)[0]
    for wrong in (
        api.GetPlace(other, message=first.id),
        api.GetPlace(other, number=first.number),
        api.GetPlace(chat, number=12_345),
    ):
        with pytest.raises(NotFound):
            reader.person.call(wrong)
    with pytest.raises(NotAllowed):
        reader.person.call(api.GetHistory(chat, position=1, before=first.number))
    assert reader.person.call(api.GetPlace(other, unread=True)) == api.Place(0, 0)
