"""What only the passphrase gives: the account's words, and another passphrase."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.errors import NotAllowed, WrongPassphrase
from heliogram.node.guard import FREE, LONGEST, Guard
from heliogram.node.local import create_profile_account, open_node
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store.keys import Costs, passphrase

CHEAP = Costs(memory=64, passes=1, lanes=1)


@pytest.fixture
def home(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "home")


@pytest.fixture
def profile(home: Directory) -> Iterator[Profile]:
    with Profile.create(home, passphrase("old"), os.urandom, costs=CHEAP) as made:
        yield made


@pytest.fixture
def words(profile: Profile) -> str:
    return create_profile_account(profile, "Ben", now=int(time.time()))


async def test_a_node_shows_the_words_and_takes_another_passphrase(
    home: Directory, profile: Profile, words: str
) -> None:
    node = await open_node(profile)
    assert await node.call(api.GetWords("old")) == words
    with pytest.raises(WrongPassphrase):
        await node.call(api.GetWords("new"))
    with pytest.raises(WrongPassphrase):
        await node.call(api.ChangePassphrase("new", "newer"))
    for impossible in ("", "x" * 1025, "\ud800"):
        with pytest.raises(NotAllowed):
            await node.call(api.ChangePassphrase("old", impossible))
    await node.call(api.ChangePassphrase("old", "new"))
    assert await node.call(api.GetWords("new")) == words
    with pytest.raises(WrongPassphrase):
        await node.call(api.GetWords("old"))
    await node.close()
    profile.close()
    with pytest.raises(WrongPassphrase):
        Profile.open(home, lambda _: passphrase("old"))
    Profile.open(home, lambda _: passphrase("new")).close()


async def test_who_guesses_waits_longer_each_time(profile: Profile, words: str) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    does = Guard(profile, os.urandom, sleep=sleep).outside
    for _ in range(FREE):
        with pytest.raises(WrongPassphrase):
            await does[api.GetWords](api.GetWords("guess"))
    assert waited == []
    # What can be no passphrase is a guess like any other.
    for guess in ("a", "", "b", "c", "d", "e", "f", "g"):
        with pytest.raises(WrongPassphrase):
            await does[api.ChangePassphrase](api.ChangePassphrase(guess, "new"))
    assert waited == [1, 2, 4, 8, 16, 32, LONGEST, LONGEST]
    # Also who knows it waits once more, and then no longer.
    assert await does[api.GetWords](api.GetWords("old")) == words
    assert await does[api.GetWords](api.GetWords("old")) == words
    assert len(waited) == 9
