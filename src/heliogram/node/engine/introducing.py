"""Our own name: who hears of another one, and when.

A new name is said in each conversation with the next thing that we say there. To say it at once everywhere
would show relays which conversations are of one person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from heliogram.node import api
from heliogram.node.engine.account import Me, set_name
from heliogram.node.engine.cards import Cards
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.names import Names
from heliogram.node.store.people import PeopleTables

#: The setting that holds the numbers of conversations where it was not said yet.
UNSAID: Final = "name unsaid"


class Introductions:
    """Does `SetMe`."""

    def __init__(
        self, context: Context, tables: PeopleTables, me: Me, names: Names, cards: Cards
    ) -> None:
        self._context = context
        self._tables = tables
        self._me = me
        self._names = names
        self._cards = cards
        self._unsaid = set(
            msgspec.msgpack.decode(context.store.setting(UNSAID) or b"\x90", type=list[int])
        )

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.SetMe: self._set}

    def _set(self, command: api.SetMe, _: object) -> api.Person:
        self._rename(command.name)
        return self._names.person(self._me.id)

    def _rename(self, name: str) -> None:
        named = self._me.next_named(int(self._context.time))
        set_name(self._context.store, name, named)
        rows = self._context.store.query(
            "SELECT number FROM conversations WHERE kind <> 'self' AND phase IN ('opening', 'open')"
        )
        self._keep({number for (number,) in rows})
        self._me.rename(name, named)
        self._names.changed()

    def due(self, conversation: int, say: Callable[[int, bytes], None]) -> None:
        """Something is said in a conversation: say our name there as well, if it is new.

        Where a clock was wrong when it was new, it is new again: others may hold to an earlier one.
        """
        if self._me.is_misdated(int(self._context.time)):
            self._rename(self._me.name)
        if conversation not in self._unsaid:
            return
        self._keep(self._unsaid - {conversation})
        row = self._context.store.one(
            "SELECT peer FROM conversations WHERE number = ?", (conversation,)
        )
        contact = None if row is None or row[0] is None else self._tables.contact(row[0])
        if contact is None:
            say(conversation, self._cards.group())
        elif not contact.blocked:
            card = self._cards.direct(contact)
            self._tables.save_contact(contact)
            say(conversation, card)

    def _keep(self, unsaid: set[int]) -> None:
        packed = msgspec.msgpack.encode(sorted(unsaid)) if unsaid else None
        self._context.store.set_setting(UNSAID, packed)
        self._unsaid = unsaid
