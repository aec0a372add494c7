"""A profile with very many messages, one conversation of them very long."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.web.measures import Size
from heliogram.content import making
from heliogram.content.mimi import Message
from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.local import create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs
from heliogram.node.store.messages import Messages
from tests.node.store import big

#: What a passphrase costs is a row of its own.
CHEAP = Costs(memory=64, passes=1)
PHRASE = "a passphrase"

#: Seconds between messages of the long conversation.
STEP = 300

_WORDS = (
    "the relay keeps what it cannot read and we met by the old mill where bread was still warm in the "
    "morning so come along when you have time **really** `code` https://example.org/path see *you* then"
).split()


async def make(home: Path, size: Size, meet: Callable[[api.Node], Awaitable[str]]) -> str:
    """Write it; gives the id of the long conversation, which `meet` begins with somebody who lives.

    The others have no keys, so nothing of them is loaded: they are over.
    """
    directory = Directory(home)
    profile = Profile.create(directory, Secret(PHRASE.encode()), os.urandom, costs=CHEAP)
    store = profile.store
    try:
        create_profile_account(profile, "Max", now=int(time.time()))
        for _ in big.batches(store, max(0, size.history - size.long)):
            await asyncio.sleep(0)  # it can be ended here
        store.execute(
            "UPDATE conversations SET phase = 'out', name = 'Group ' || number,"
            " last = (SELECT max(number) FROM messages WHERE conversation = conversations.number)"
        )
        node = await open_node(profile)
        try:
            chat = await meet(node)
        finally:
            await node.close()
        [(number,)] = store.query(
            "SELECT number FROM conversations WHERE id = ?", (bytes.fromhex(chat),)
        )
        with store.transaction():
            last = _fill(Messages(store), number, size.long)
            store.execute("UPDATE conversations SET last = ? WHERE number = ?", (last, number))
    finally:
        store.close(rewrite=False)
        profile._lock.release()  # not `close`, which may write the file anew
    return chat


def _fill(table: Messages, conversation: int, many: int) -> int:
    """A conversation that went on for a year, with texts as people write them; gives its last message."""
    rng = random.Random(many)
    content = Message(bytes(16), making.markdown("x")).encode()
    until = int(time.time()) - 3600
    number = 0
    for index in range(many):
        at = until - (many - 1 - index) * STEP
        number = table.add(
            conversation=conversation,
            sent=at * 1000,
            kind="text",
            text=f"{index} {' '.join(rng.choices(_WORDS, k=rng.choice((2, 5, 9, 14, 40))))}",
            received=at,
            state="read",
            id=rng.randbytes(32),
            sender=big.account(index % 7),
            mine=index % 7 == 0,
            content=content,
        )
    return number
