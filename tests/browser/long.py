"""Histories that took years, made at once: rows in the store of somebody's node, as if they had been said."""

from __future__ import annotations

import random
from collections.abc import Sequence

from heliogram.content import making
from heliogram.content.mimi import Message
from heliogram.node import api
from heliogram.node.local import LocalNode
from heliogram.node.store.messages import Messages
from tests.browser.kit import Person

#: Seconds between two messages, on an average.
STEP = 300

_WORDS = (
    "the relay keeps what it cannot read and we met by the old mill where bread was still warm in the "
    "morning so come along when you have time **really** `code` https://example.org/path see *you* then"
).split()


def fill(person: Person, chat: api.Chat, many: int, *, until: int) -> None:
    """Put `many` messages into a conversation, the last one at `until` (Unix seconds), read long ago.

    Each text begins with its number among them. Every seventh is their own.
    """
    rng = random.Random(many)
    texts = (
        f"{index} {' '.join(rng.choices(_WORDS, k=rng.choice((2, 5, 9, 14, 40))))}"
        for index in range(many)
    )
    put(person, chat, list(texts), until=until)


def put(person: Person, chat: api.Chat, texts: Sequence[str], *, until: int) -> None:
    """The same with these texts, in Markdown."""
    node = person.node
    assert isinstance(node, LocalNode)
    store = node._profile.store

    async def write() -> None:
        rng = random.Random(len(texts))
        table = Messages(store)
        row = store.one("SELECT number FROM conversations WHERE id = ?", (bytes.fromhex(chat.id),))
        assert row is not None
        info: api.ChatInfo = await node.call(api.GetChat(chat.id))
        [them] = [bytes.fromhex(one.who.account) for one in info.members if not one.who.me]
        [us] = [bytes.fromhex(one.who.account) for one in info.members if one.who.me]
        # Whether a text is Markdown is read from the content; what is shown, from the row.
        content = Message(bytes(16), making.markdown("x")).encode()
        with store.transaction():
            for index, text in enumerate(texts):
                at = until - (len(texts) - 1 - index) * STEP
                mine = index % 7 == 0
                table.add(
                    conversation=int(row[0]),
                    sent=at * 1000,
                    kind="text",
                    text=text,
                    received=at,
                    state="read",
                    id=rng.randbytes(32),
                    sender=us if mine else them,
                    mine=mine,
                    content=content,
                )

    person.do(write())


def chat_of(person: Person, name: str) -> api.Chat:
    """The conversation that is called so."""
    found: list[api.Chat] = person.ask(api.GetChats())
    return next(one for one in found if one.name == name)
