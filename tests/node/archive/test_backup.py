"""Backups and what comes back from them: all that was said, and a device of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from heliogram import mls
from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.archive import container, rows
from heliogram.node.archive.backup import back_up, restore
from heliogram.node.archive.tables import LEFT_OUT, SETTINGS, TABLES
from heliogram.node.engine.account import load_account
from heliogram.node.errors import (
    BackupFault,
    InvalidBackup,
    ProfileBusy,
    ProfileExists,
    StoreError,
    WrongPassphrase,
)
from heliogram.node.local import LocalNode, create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.lock import Lock
from heliogram.node.profile.profile import Profile
from tests.node.archive.kit import CANARY, CHEAP, PHRASE, made
from tests.relay.process import RelayProcess


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RelayProcess]]:
    made = [RelayProcess(tmp_path_factory.mktemp("relays") / f"relay-{i}") for i in range(4)]
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            if one.running:
                one.kill()


@asynccontextmanager
async def person(
    path: Path, name: str, relays: list[RelayProcess], *, new: bool = True
) -> AsyncIterator[tuple[LocalNode, Profile]]:
    """A node of somebody, with its relays."""
    directory = Directory(path / name)
    if new:
        profile = Profile.create(directory, PHRASE, os.urandom, costs=CHEAP)
        create_profile_account(profile, name, now=int(time.time()))
    else:
        profile = Profile.open(directory, lambda _: PHRASE)
    node = await open_node(profile)
    try:
        if new:
            for one in relays:
                await node.call(api.AddRelay(f"ws://{one.where}/ws#{one.key.hex()}"))
        yield node, profile
    finally:
        await node.close()
        profile.close()


async def until(node: LocalNode, command: api.Command, good: Callable[[Any], bool]) -> Any:
    """Ask until the answer is good."""
    async with asyncio.timeout(120):
        while not good(answer := await node.call(command)):
            await asyncio.sleep(0.02)
    return answer


async def acquaint(one: LocalNode, other: LocalNode) -> str:
    """Get in touch: the chat of `one`."""
    link = await other.call(api.NewLink())
    await one.call(api.AddContact(link.uri))
    (request,) = await until(other, api.GetRequests(), bool)
    await other.call(api.AcceptRequest(request.id))
    (contact,) = await until(one, api.GetContacts(), lambda found: found[0].state == "known")
    # Both have each other's own link by then.
    for node in (one, other):
        await node.drained()
    return str(contact.chat)


def test_every_table_is_kept_or_left_out_for_a_reason(tmp_path: Path) -> None:
    with made(tmp_path) as profile:
        found = profile.store.query(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND name NOT LIKE 'search_%'"
        )
        names = {one.name for one in TABLES}
        assert names | LEFT_OUT.keys() == {row[0] for row in found}
        assert not names & LEFT_OUT.keys()
        for table in TABLES:
            columns = {row[1] for row in profile.store.query(f"PRAGMA table_info({table.name})")}
            assert {*table.without, *(one for one, _ in table.instead)} <= columns
    assert not {"device", "restored"} & set(SETTINGS)


def test_what_was_said_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "alice.backup"
    with made(tmp_path) as profile:
        sizes = back_up(profile, file, time=5, entropy=os.urandom)
        before = load_account(profile.store)
        said = profile.store.query("SELECT number, text, sent FROM messages ORDER BY number")
    assert file.stat().st_mode & 0o777 == 0o600 and file.stat().st_size == sizes.file
    there = Directory(tmp_path / "again")
    restore(file, there, PHRASE, time=int(time.time()), entropy=os.urandom, costs=CHEAP)
    with Profile.open(there, lambda _: PHRASE) as profile:
        after = load_account(profile.store)
        assert before is not None and after is not None
        assert (after.id, after.name, after.inbox.public) == (
            before.id,
            before.name,
            before.inbox.public,
        )
        # The device is another one, and the one that was is revoked.
        assert after.certificate.device_id != before.certificate.device_id
        assert after.devices.number > before.devices.number
        assert after.devices.devices == (after.certificate.device_id,)
        assert after.devices.revoked == (before.certificate.device_id,)
        assert (
            profile.store.query("SELECT number, text, sent FROM messages ORDER BY number") == said
        )
        found = profile.store.one("SELECT count(*) FROM search WHERE search MATCH 'lighthouse'")
        assert found == (700,)
        assert profile.store.query("SELECT DISTINCT phase FROM conversations") == [("out",)]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["Alice", "again", "alice.backup"]


def test_70_a_wrong_passphrase_shows_nothing(tmp_path: Path) -> None:
    file = tmp_path / "alice.backup"
    with made(tmp_path) as profile:
        back_up(profile, file, time=5, entropy=os.urandom)
        account = load_account(profile.store)
        assert account is not None
        secrets = [
            account.account.seed,
            account.id,
            b"Alice",
            b"Tea",
            CANARY.encode(),
            b"lighthouse",
        ]
    data = file.read_bytes()
    assert not any(one in data for one in secrets)
    assert data[200:].count(bytes(16)) == 0
    there = Directory(tmp_path / "again")
    with pytest.raises(WrongPassphrase):
        restore(file, there, Secret(b"another"), time=5, entropy=os.urandom, costs=CHEAP)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["Alice", "alice.backup"]


def test_70_the_size_tells_little(tmp_path: Path) -> None:
    sizes = set()
    with made(tmp_path) as profile:
        for i in range(8):
            profile.store.execute(
                "UPDATE messages SET text = text || ? WHERE number = 1", ("secret" * i,)
            )
            sizes.add(back_up(profile, tmp_path / str(i), time=5, entropy=os.urandom).file)
    assert len(sizes) == 1


def test_a_damaged_backup_leaves_nothing(tmp_path: Path) -> None:
    file, there = tmp_path / "alice.backup", Directory(tmp_path / "again")
    with made(tmp_path) as profile:
        back_up(profile, file, time=5, entropy=os.urandom)
    data = file.read_bytes()
    damaged = [b"", data[:3], b"HLGX" + data[4:], data[:-1], data + b"x", data[: len(data) // 2]]
    for place in (6, 12, 100, 130, 200, 300, len(data) // 2, len(data) - 1):
        bad = bytearray(data)
        bad[place] ^= 1
        damaged.append(bytes(bad))
    for one in damaged:
        file.write_bytes(one)
        with pytest.raises((InvalidBackup, WrongPassphrase)):
            restore(file, there, PHRASE, time=5, entropy=os.urandom, costs=CHEAP)
        assert sorted(one.name for one in tmp_path.iterdir()) == ["Alice", "alice.backup"]
    file.write_bytes(data[:4] + b"\x02" + data[5:])
    with pytest.raises(InvalidBackup) as refused:
        restore(file, there, PHRASE, time=5, entropy=os.urandom, costs=CHEAP)
    assert refused.value.fault is BackupFault.NEWER


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "alice.backup"
    with made(tmp_path) as profile:
        back_up(profile, file, time=5, entropy=os.urandom)
        with pytest.raises(InvalidBackup) as refused:
            back_up(profile, file, time=5, entropy=os.urandom)
        assert refused.value.fault is BackupFault.EXISTS
        with pytest.raises(InvalidBackup):
            back_up(profile, tmp_path / "no" / "such", time=5, entropy=os.urandom)
    with pytest.raises(ProfileExists):
        restore(file, Directory(tmp_path / "Alice"), PHRASE, time=5, entropy=os.urandom)


@pytest.mark.parametrize("left", ["folders", "key", "database"])
def test_what_an_interrupted_beginning_left_is_not_in_the_way(tmp_path: Path, left: str) -> None:
    file, there = tmp_path / "alice.backup", Directory(tmp_path / "again")
    with made(tmp_path) as profile:
        back_up(profile, file, time=5, entropy=os.urandom)
    there.make()
    there.lock.touch()
    if left != "folders":
        there.config.write_text("keyring = false\n")
        there.key.write_bytes(b"half")
    if left == "database":
        there.database.with_name("profile.db.new").write_bytes(b"half")
        there.database.with_name("profile.db.new-wal").write_bytes(b"half")
    lock = Lock(there.lock)
    with pytest.raises(ProfileBusy):
        restore(file, there, PHRASE, time=5, entropy=os.urandom, costs=CHEAP)
    lock.release()
    restore(file, there, PHRASE, time=5, entropy=os.urandom, costs=CHEAP)
    with Profile.open(there, lambda _: PHRASE) as profile:
        assert load_account(profile.store) is not None


def test_nothing_of_others_is_cleared_away(tmp_path: Path) -> None:
    file, there = tmp_path / "alice.backup", Directory(tmp_path / "again")
    with made(tmp_path) as profile:
        back_up(profile, file, time=5, entropy=os.urandom)
    there.make()
    for theirs in (there.root / "letter.txt", there.files / "picture.png"):
        for ours in (there.key, there.config):
            ours.write_text("of a database under another name")
        theirs.write_text("mine")
        with pytest.raises(InvalidBackup) as refused:
            restore(file, there, PHRASE, time=5, entropy=os.urandom, costs=CHEAP)
        assert refused.value.fault is BackupFault.NOT_WRITTEN
        assert theirs.read_text() == "mine"
        assert there.key.exists() and there.config.exists() and there.spool.exists()
        theirs.unlink()
        there.make()


async def test_a_path_that_is_none(tmp_path: Path) -> None:
    with Profile.create(Directory(tmp_path / "a"), PHRASE, os.urandom, costs=CHEAP) as profile:
        create_profile_account(profile, "Alice", now=5)
        node = await open_node(profile)
        try:
            for text in ("", ".", "/", f"{tmp_path}/x\0y", f"{tmp_path}/\ud800"):
                for command in (api.Backup(text), api.Export(text)):
                    with pytest.raises(InvalidBackup) as refused:
                        await node.call(command)
                    assert refused.value.fault is BackupFault.NOT_WRITTEN
        finally:
            await node.close()


def test_rows_of_other_tables_are_refused(tmp_path: Path) -> None:
    import msgspec

    from heliogram.codec import u32

    def stream(*items: object) -> bytes:
        encoded = [msgspec.msgpack.encode(one) for one in items]
        return b"".join(u32(len(one)) + one for one in encoded) + u32(0)

    head = [1, 5, 1, b"device", 1]
    with made(tmp_path) as profile:
        for items in (
            [head, ["records", ["conversation", "name", "value"]], [1, b"g", b"x"]],
            [head, ["packages", ["reference"]], [b"x"]],
            [head, ["names; DROP TABLE messages", ["account"]], [b"x"]],
            [head, ["names", ["account, name) VALUES (1, 2); --"]], [b"x"]],
            [head, ["files", ["spool"]], ["x"]],
            [[2, 5, 1, b"device", 1]],
            [head, [1, 2, 3]],
            [head, ["names", ["account", "name"]], [b"x"]],
            [head, ["names", ["account", "name"]], [b"x", [1]]],
            [head, ["names", ["account", "name"]], [b"x", 1 << 63]],
            [head, ["names", ["account", "name"]], [b"x", "a"], [b"x", "b"]],
            [head, ["names", ["account", "name"]], [None, None]],
            [head, ["names", ["account", "account"]], [b"x", b"x"]],
            [head, ["names", []], []],
            [head, msgspec.Raw(b"\x91" * 100_000)],
            [],
        ):
            with pytest.raises(StoreError), profile.store.transaction():
                writer = rows.Writer(profile.store)
                writer.take(stream(*items))
                writer.finish()


async def test_no_key_of_a_device_is_in_a_backup(
    tmp_path: Path, relays: list[RelayProcess]
) -> None:
    """After a restore no generation is used again: what could make one is nowhere in it."""
    file = tmp_path / "alice.backup"
    async with person(tmp_path, "Alice", relays) as (alice, profile):
        async with person(tmp_path, "Bob", relays) as (bob, _):
            chat = await acquaint(alice, bob)
            await alice.call(api.SendMessage(chat, CANARY))
            await alice.drained()
            await alice.call(api.Backup(str(file)))
        store = profile.store
        secrets = [
            bytes(row[0])
            for row in store.query("SELECT value FROM records WHERE length(value) > 15")
        ]
        secrets += [bytes(row[0]) for row in store.query("SELECT package FROM packages")]
        for row in store.query("SELECT package FROM packages"):
            own = mls.OwnKeyPackage.from_bytes(bytes(row[0]))
            secrets += [
                bytes(own.init_key.secret),
                bytes(own.leaf_key.secret),
                bytes(own.signature_key.secret),
            ]
        me = load_account(store)
        assert me is not None and len(secrets) > 80
        secrets.append(bytes(me.device.key.secret))
    content = b"".join(container.read(file, PHRASE).pieces())
    assert CANARY.encode() in content
    assert not any(one in content for one in secrets)
    there = Directory(tmp_path / "again")
    restore(file, there, PHRASE, time=int(time.time()), entropy=os.urandom, costs=CHEAP)
    with Profile.open(there, lambda _: PHRASE) as profile:
        for table in LEFT_OUT.keys() - {"search", "places"}:
            assert profile.store.one(f"SELECT count(*) FROM {table}") == (0,), table


async def test_who_is_restored_speaks_again_as_another_device(
    tmp_path: Path, relays: list[RelayProcess]
) -> None:
    file = tmp_path / "alice.backup"
    async with person(tmp_path, "Bob", relays) as (bob, _):
        async with person(tmp_path, "Alice", relays) as (alice, _):
            old = await acquaint(alice, bob)
            await alice.call(api.SendMessage(old, CANARY))
            await alice.drained()
            await alice.call(api.Backup(str(file)))
            # What is said after the backup is lost with the device.
            await alice.call(api.SendMessage(old, "said after the backup"))
            await alice.drained()
        restore(
            file,
            Directory(tmp_path / "again"),
            PHRASE,
            time=int(time.time()),
            entropy=os.urandom,
            costs=CHEAP,
        )
        async with person(tmp_path, "again", relays, new=False) as (again, _):
            history = await again.call(api.GetHistory(old))
            assert CANARY in [one.text for one in history]
            # Bob hears of her, by the link that he once gave her, and goes in.
            (request,) = await until(bob, api.GetRequests(), bool)
            await bob.call(api.AcceptRequest(request.id))
            (contact,) = await until(
                again, api.GetContacts(), lambda found: found[0].state == "known"
            )
            assert contact.chat not in (None, old)
            await again.call(api.SendMessage(contact.chat, "here I am"))
            (theirs,) = await bob.call(api.GetContacts())
            await until(
                bob,
                api.GetHistory(theirs.chat),
                lambda found: any(one.text == "here I am" for one in found),
            )
            await bob.call(api.SendMessage(theirs.chat, "welcome back"))
            await until(
                again,
                api.GetHistory(contact.chat),
                lambda found: any(one.text == "welcome back" for one in found),
            )
