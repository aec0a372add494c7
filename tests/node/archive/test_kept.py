"""Files that are kept, in exports and after a backup came back; with what somebody wants of their node."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.archive.backup import restore
from heliogram.node.errors import NotHere
from heliogram.node.local import LocalNode, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from tests.node.archive.kit import CHEAP, PHRASE
from tests.node.archive.test_backup import acquaint, person, until
from tests.relay.process import RelayProcess

DATA = b"OggS" + bytes(range(256)) * 500


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RelayProcess]]:
    made = [RelayProcess(tmp_path_factory.mktemp("relays") / f"relay-{i}") for i in range(2)]
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            if one.running:
                one.kill()


async def kept(node: LocalNode, message: str) -> bytes:
    """Keep the file of a message, and read it."""
    await node.call(api.KeepFile(message))
    await until(node, api.GetMessage(message), lambda found: found.files[0].state == "kept")
    piece = await node.call(api.ReadFile(message, length=1 << 20))
    assert piece.content_type == "audio/ogg" and piece.size == len(DATA)
    return bytes(piece.data)


async def test_what_is_kept_is_exported_and_can_be_had_again(
    tmp_path: Path, relays: list[RelayProcess]
) -> None:
    source, file = tmp_path / "a.ogg", tmp_path / "bob.backup"
    source.write_bytes(DATA)
    async with (
        person(tmp_path, "Alice", relays) as (alice, _),
        person(tmp_path, "Bob", relays) as (bob, profile),
    ):
        chat = await acquaint(alice, bob)
        sent = await alice.call(api.SendMessage(chat, files=(str(source),), voice=3.0))
        source.unlink()
        own = await alice.call(api.ReadFile(sent.id, length=1 << 20))
        assert own.data == DATA and own.content_type == "audio/ogg"
        (there,) = [one.id for one in await bob.call(api.GetChats()) if one.kind == "direct"]
        (got,) = await until(
            bob,
            api.GetMedia(there, "voice"),
            bool,
        )
        with pytest.raises(NotHere):
            await bob.call(api.ReadFile(got.id))
        assert await kept(bob, got.id) == DATA
        await bob.call(api.SetFolders((api.Folder("Near", (there,)),)))
        await bob.call(api.SetPreferences(reports=False, app="{}"))
        await bob.call(api.Export(str(tmp_path / "export")))
        lines = [
            json.loads(line)
            for path in (tmp_path / "export" / "chats").glob("*.jsonl")
            for line in path.read_text().splitlines()
        ]
        (exported,) = [one["files"][0] for one in lines if one.get("files")]
        assert exported["state"] == "kept" and "sealed" not in exported
        assert (tmp_path / "export" / exported["path"]).read_bytes() == DATA
        storage = await bob.call(api.GetStorage())
        assert storage.kept > len(DATA) and storage.messages >= 1 and storage.saved == 0
        await bob.call(api.Backup(str(file)))
        # What a process left that was killed goes at the next start, and nothing else.
        stray = profile.directory.spool / f"{'ab' * 16}.down"
        stray.write_bytes(b"left")
    for path in (tmp_path / "Bob").rglob("*"):
        assert not path.is_file() or DATA[1000:1256] not in path.read_bytes()
    assert stray.exists()
    async with person(tmp_path, "Bob", relays, new=False) as (bob, _):
        assert not stray.exists()
        assert (await bob.call(api.ReadFile(got.id, length=1 << 20))).data == DATA
    again = Directory(tmp_path / "again")
    restore(file, again, PHRASE, time=int(time.time()), entropy=os.urandom, costs=CHEAP)
    with Profile.open(again, lambda _: PHRASE) as profile:
        node = await open_node(profile)
        assert await node.call(api.GetPreferences()) == api.Preferences(reports=False, app="{}")
        assert await node.call(api.GetFolders()) == [api.Folder("Near", (there,))]
        assert (await node.call(api.GetMessage(got.id))).files[0].state == "remote"
        assert await kept(node, got.id) == DATA
        first, lost = await node.call(api.GetDevices())
        assert first.this and lost.revoked
        await node.close()
