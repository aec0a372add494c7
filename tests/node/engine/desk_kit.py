"""Messages as they come, without relays and MLS: for what they do to history alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heliogram.content import making
from heliogram.content.mimi import Message, Part, message_id
from heliogram.content.sent import stamped
from heliogram.node import api
from heliogram.node.engine.making import room_uri
from heliogram.node.identity.accounts import account_uri
from heliogram.node.store.logs import MemberRow
from tests.node.engine.kit import Person, World
from tests.scenarios.cast import entropy_of
from tests.sim.relays import NOW, name

#: Milliseconds at which these stories begin.
START = NOW * 1000


@dataclass
class Told:
    """Something that somebody says in a room: its bytes and its id."""

    sender: bytes
    content: bytes
    id: bytes
    message: Message


@dataclass
class Room:
    """A conversation's id, and people who say things in it."""

    label: str = "room"
    #: The group id.
    id: bytes = b""
    clock: int = START
    _entropy: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.id = name(f"conversation {self.label}")
        self._entropy = entropy_of(self.label)

    def say(self, who: str, message: Message, *, sent: int | None = None) -> Told:
        """A message as it comes, with a time after all before it; without one if `sent` is -1."""
        self.clock += 1
        if sent != -1:
            message = stamped(message, self.clock if sent is None else sent)
        sender, content = name(who), message.encode()
        id = message_id(content, sender=account_uri(sender), room=room_uri(self.id))
        return Told(sender, content, id, message)

    def post(self, who: str, part: Part | str, **how: Any) -> Told:
        sent = how.pop("sent", None)
        part = making.plain(part) if isinstance(part, str) else part
        return self.say(who, making.post(part, entropy=self._entropy, **how), sent=sent)

    def edit(self, who: str, of: Told, text: str, **how: Any) -> Told:
        part = making.plain(text)
        return self.say(who, making.edit(of.message, of.id, part, entropy=self._entropy), **how)

    def take_back(self, who: str, of: Told, **how: Any) -> Told:
        return self.say(who, making.take_back(of.message, of.id, entropy=self._entropy), **how)

    def react(self, who: str, to: bytes, *emoji: str, **how: Any) -> Told:
        return self.say(who, making.react(to, emoji, entropy=self._entropy), **how)


class Reader:
    """Somebody who reads rooms, with a real store."""

    def __init__(self, folder: Path, called: str = "reader") -> None:
        self.world = World(folder)
        self.person = Person(self.world, called)
        self.world.everybody.append(self.person)

    def enter(self, room: Room, kind: str = "group", peer: bytes | None = None) -> str:
        """Be in a room."""
        desk = self.person.talks.desk

        def add() -> None:
            number = desk.logs.add(room.id, kind, peer=peer, phase="open", created=NOW)
            members = [MemberRow(one, 0, 1) for one in (self.person.id, name("alice"), name("bob"))]
            desk.logs.set_members(number, members)

        self.person.do(add)
        return room.id.hex()

    def take(self, room: Room, *told: Told) -> None:
        """Let these come, each in a turn of its own."""
        for one in told:
            self.person.do(lambda one=one: self._take(room, one))  # type: ignore[misc]

    def take_at_once(self, room: Room, *told: Told) -> None:
        """Let these come in one turn."""

        def take() -> None:
            for one in told:
                self._take(room, one)

        self.person.do(take)

    def _take(self, room: Room, one: Told) -> None:
        desk = self.person.talks.desk
        number = desk.logs.number_of(room.id)
        assert number is not None
        row = desk.logs.get(number)
        assert row is not None
        self.person.talks._messages.receive(row, one.sender, b"device", one.content, epoch=1)

    def seen(self, room: Room) -> list[tuple[Any, ...]]:
        """All that history shows of a room, without what differs between readers."""
        return [
            (
                *(one.id, one.kind, one.text, one.edited, one.reply_to),
                tuple((each.emoji, each.who.account) for each in one.reactions),
            )
            for one in self.person.messages(room.id.hex())
        ]

    def rows(self, table: str) -> int:
        [(count,)] = self.person.store.query(f"SELECT count(*) FROM {table}")
        return int(count)

    def heard(self, kind: type[api.Notice]) -> list[Any]:
        return self.person.heard(kind)
