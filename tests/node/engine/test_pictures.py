"""Pictures of groups: they go up before anybody is told, come to members alone, and are no picture if odd."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from heliogram.content import making
from heliogram.node import api
from heliogram.node.changes import Rename
from heliogram.node.components import Metadata
from heliogram.node.errors import NotAllowed, NotFound
from heliogram.node.picture import MAX_SIZE, PictureReference, seal_picture
from tests.node.engine.kit import Person, World
from tests.scenarios.cast import entropy_of


def webp(text: str) -> bytes:
    """What begins as a WebP does: nobody looks further here."""
    return b"RIFF\x10\x00\x00\x00WEBPVP8 " + text.encode() * 40


def shown(person: Person, chat: str) -> bytes | None:
    """The picture that somebody sees."""
    is_there = person.chat(chat).picture
    try:
        found: api.Thumbnail = person.call(api.GetPicture(chat))
    except NotFound:
        assert not is_there
        return None
    assert is_there and found.content_type == "image/webp"
    return found.data


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def set_picture(who: Person, chat: str, data: bytes) -> None:
    who.call(api.SetProfile(chat, picture="/a/path"), data)


def name(who: Person, chat: str, reference: bytes) -> None:
    """Say anything at all about a picture."""
    metadata = replace(Metadata("Tea"), picture=reference)
    number = who.number(chat)
    who.do(lambda: who.talks.wish(number, Rename(metadata), ""))


def test_a_picture_is_shown_to_all_and_kept(world: World) -> None:
    alice, bob, carol = world.people("alice", "bob", "carol")
    chat = world.group("Tea", alice, bob, carol)
    set_picture(alice, chat, webp("tea"))
    assert alice.events(chat).count("picture changed") == 0
    world.run(until=lambda: all(shown(one, chat) == webp("tea") for one in (alice, bob, carol)))
    assert bob.lines(chat)[-1].endswith(" changed the picture.") and bob.chat(chat).name == "Tea"
    # Who made it fetches nothing; the others each once, also after a restart.
    for one in (alice, bob):
        one.crash()
    world.run(60)
    assert shown(alice, chat) == shown(bob, chat) == webp("tea")
    assert sorted(who for who, _ in world.fetched) == ["bob", "carol"]
    # Another one takes its place, and then none.
    set_picture(alice, chat, webp("cake"))
    world.run(until=lambda: shown(bob, chat) == webp("cake"))
    alice.call(api.SetProfile(chat, picture=""))
    world.run(until=lambda: shown(bob, chat) is None and shown(alice, chat) is None)
    for one in (alice, bob):
        assert one.store.query("SELECT * FROM pictures") == []


def test_it_goes_on_after_a_crash_and_loses_no_name(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    chat = world.group("Tea", alice, bob)
    alice.call(api.SetProfile(chat, name="Tea at five", picture="/a/path"), webp("tea"))
    alice.crash()
    world.run(until=lambda: shown(bob, chat) == webp("tea"))
    assert bob.chat(chat).name == "Tea at five"


def test_whoever_is_added_finds_it_though_relays_have_lost_it(world: World) -> None:
    alice, bob, carol = world.people("alice", "bob", "carol")
    chat = world.group("Tea", alice, bob)
    set_picture(alice, chat, webp("tea"))
    world.run(until=lambda: shown(bob, chat) == webp("tea"))
    world.blobs.clear()
    world.add(chat, alice, carol)
    # She may look before it is back; then she looks again.
    world.run(12 * 3600, until=lambda: shown(carol, chat) == webp("tea"))
    assert [who for who, _ in world.carried] == ["alice", "alice"]


def test_who_may_not_is_told_before_anything_goes_up(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    chat = world.group("Tea", alice, bob)
    with pytest.raises(NotAllowed):
        set_picture(bob, chat, webp("tea"))
    with pytest.raises(NotAllowed):
        alice.call(api.SetProfile(chat, picture="/a/path"))
    with pytest.raises(NotAllowed):
        set_picture(alice, chat, bytes(MAX_SIZE + 1))
    direct = world.befriend(alice, bob)
    with pytest.raises(NotAllowed):
        set_picture(alice, direct, webp("tea"))
    assert world.carried == []


def test_odd_references_are_no_picture_and_nobody_asks_for_them(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    chat = world.group("Tea", alice, bob)
    good, _ = seal_picture(webp("tea"), entropy_of("odd"))
    huge = PictureReference(replace(good.file, size=MAX_SIZE + 1))
    foreign = making.file(
        url="https://bait.example/picture.webp",
        content_type="image/webp",
        size=100,
        key=bytes(32),
        plaintext_hash=bytes(32),
        ciphertext_hash=bytes(32),
    )
    odd = (
        b"https://bait.example/picture.webp",
        repr(foreign).encode()[:1000],
        huge.encode(),
        PictureReference(replace(good.file, size=0)).encode(),
        good.encode() + b"\x00",
        b"\x02" + good.encode()[1:],
        bytes(1024),
    )
    for count, reference in enumerate(odd, 1):
        name(alice, chat, reference)
        world.run(until=lambda count=count: bob.events(chat).count("picture changed") == count)  # type: ignore[misc]
        assert shown(bob, chat) is None and shown(alice, chat) is None
    world.run(60)
    assert world.fetched == [] and bob.chat(chat).phase == "open"


def test_what_does_not_open_or_is_no_webp_is_refused_for_good(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    chat = world.group("Tea", alice, bob)
    reference, blob = seal_picture(b"<svg onload=alert()>" * 9, entropy_of("svg"))
    bent, other = seal_picture(webp("tea"), entropy_of("bent"))
    world.blobs |= {reference.blob: blob, bent.blob: other[:-1] + bytes([other[-1] ^ 1])}
    for count, one in enumerate((reference, bent), 1):
        name(alice, chat, one.encode())
        world.run(until=lambda count=count: len(world.fetched) == 2 * count)  # type: ignore[misc]
        world.run(60)
        assert shown(bob, chat) is None and shown(alice, chat) is None
    bob.crash()
    world.run(60)
    assert len(world.fetched) == 4


def test_a_picture_that_no_relay_has_is_looked_for_seldom(world: World) -> None:
    alice, bob = world.people("alice", "bob")
    chat = world.group("Tea", alice, bob)
    reference, _ = seal_picture(webp("tea"), entropy_of("gone"))
    name(alice, chat, reference.encode())
    world.run(3 * 3600)
    assert sorted(who for who, _ in world.fetched) == ["alice", "bob"]
    assert "picture" in bob.lines(chat)[-1]


def test_sealing_again_gives_the_same_bytes() -> None:
    reference, blob = seal_picture(webp("tea"), entropy_of("again"))
    assert PictureReference.from_bytes(reference.encode()) == reference
    assert reference.seal(webp("tea")) == blob and reference.open(blob) == webp("tea")
    assert len(blob) == reference.blob_size and len(reference.encode()) == 101
