"""Without relays: a profile with very many messages, and commands from a cold start."""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.node import measures as m
from bench.node.world import ROOT
from heliogram.cli.processes import NodeProcess
from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.local import create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs

#: Messages that the goals are for.
WHOLE = 1_000_000

#: Searches and pages of which the median counts.
LOOKS = 15


async def history(folder: Path, results: m.Results) -> None:
    """Open a large profile, look into it."""
    from tests.node.store import big

    if not results.asks_for(m.OPEN, m.SEARCH, m.PAGE):
        return
    results.tell(f"{results.size.history:,} messages are written")
    results.notes.append(
        f"large profile: {results.size.history:,} messages; the goals are for {WHOLE:,}."
    )
    directory, phrase = Directory(folder / "large"), Secret(b"a passphrase")
    profile = Profile.create(directory, phrase, os.urandom, costs=Costs(memory=64, passes=1))
    create_profile_account(profile, "Max", now=int(time.time()))
    for _ in big.batches(profile.store, results.size.history):
        await asyncio.sleep(0)  # it can be ended here
    # They have no keys: nothing of them is loaded, so they are over.
    profile.store.execute("UPDATE conversations SET phase = 'out'")
    profile.close()
    results.tell(m.OPEN.name)
    opened, searched, paged = [], [], []
    for _ in range(3):
        began = time.perf_counter()
        profile = Profile.open(directory, lambda config: phrase)
        node = await open_node(profile)
        chats: list[api.Chat] = await node.call(api.GetChats())
        opened.append(time.perf_counter() - began)
        words = big.vocabulary(2000)
        for number in range(LOOKS):
            began = time.perf_counter()
            await node.call(api.Search(words[number * 97 + 20]))
            searched.append(time.perf_counter() - began)
            began = time.perf_counter()
            page: list[api.Message] = await node.call(api.GetHistory(chats[number % len(chats)].id))
            if page:
                await node.call(api.GetHistory(page[0].chat, before=page[0].number))
            paged.append((time.perf_counter() - began) / 2)
        await node.close()
        profile.store.close(rewrite=False)
        profile._lock.release()  # not `close`, which may write the file anew
    for row, times in ((m.OPEN, opened), (m.SEARCH, searched), (m.PAGE, paged)):
        results.note(row, statistics.median(times))


async def commands(folder: Path, results: m.Results) -> None:
    """What one command costs whoever types it."""
    if not results.asks_for(m.HELP, m.CHATS):
        return
    phrase = folder / "passphrase"
    phrase.touch(mode=0o600)
    phrase.write_text(secrets.token_urlsafe(16))
    node = NodeProcess(folder / "typist", phrase)
    await node.init("Tim", [])
    await node.start()
    try:
        results.tell(m.HELP.name)
        for row, word in ((m.HELP, "--help"), (m.CHATS, "chats")):
            times = [
                await asyncio.to_thread(_command, word, node.environment)
                for _ in range(results.size.commands)
            ]
            results.note(row, statistics.median(times))
    finally:
        await node.stop()


def _command(word: str, environment: dict[str, str]) -> float:
    program = Path(sys.executable).with_name("heliogram")
    began = time.perf_counter()
    subprocess.run([program, word], cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began
