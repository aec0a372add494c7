"""The picture of a group over real relays, from a file to whoever is in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from heliogram.node import api
from heliogram.node.errors import InvalidPicture, NotFound
from tests.node.chaos.inside import Inside, meet, together
from tests.relay.process import RelayProcess


@pytest.fixture
def relays(tmp_path: Path) -> Iterator[list[RelayProcess]]:
    made = [RelayProcess(tmp_path / f"relay-{i}") for i in range(3)]
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            if one.running:
                one.kill()


async def test_a_picture_goes_to_all_and_to_who_comes_later(
    tmp_path: Path, relays: list[RelayProcess]
) -> None:
    path = tmp_path / "tea.jpg"
    exif = Image.Exif()
    exif[0x010F] = "a camera that tells"
    Image.effect_noise((900, 700), 90).convert("RGB").save(path, exif=exif)
    alice, bob, carol = people = [Inside(tmp_path, name) for name in ("Alice", "Bob", "Carol")]
    for one in people:
        await one.start()
        for relay in relays:
            await one.call(api.AddRelay(f"ws://{relay.where}/ws#{relay.key.hex()}"))
    try:
        await meet(alice, bob)
        await meet(alice, carol)
        chat = await together("Tea", alice, bob)
        with pytest.raises(NotFound):
            await alice.call(api.GetPicture(chat))
        with pytest.raises(InvalidPicture):
            broken = tmp_path / "broken.jpg"
            broken.write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))
            await alice.call(api.SetProfile(chat, picture=str(broken)))
        await alice.call(api.SetProfile(chat, picture=str(path)))
        await bob.until(api.GetChat(chat), lambda info: info.chat.picture)
        small: api.Thumbnail = await bob.call(api.GetPicture(chat))
        assert small == await alice.call(api.GetPicture(chat))
        assert len(small.data) <= 64 << 10 and b"camera" not in small.data
        seen = tmp_path / "seen.webp"
        seen.write_bytes(small.data)
        with Image.open(seen) as image:
            assert image.format == "WEBP" and max(image.size) <= 320
        # Who comes later fetches it from the relays; while one of them is away, from another.
        relays[0].kill()
        await alice.call(api.AddMembers(chat, ("Carol",)))
        waiting = await carol.until(
            api.GetRequests(), lambda found: any(it.name == "Tea" for it in found)
        )
        request = next(it for it in waiting if it.name == "Tea")
        await carol.call(api.AcceptRequest(request.id))
        await carol.until(
            api.GetChats(), lambda found: any(it.id == chat and it.picture for it in found)
        )
        assert await carol.call(api.GetPicture(chat)) == small
        # It is kept: nobody is needed to show it.
        await bob.stop()
        for relay in relays[1:]:
            relay.kill()
        await bob.start()
        assert await bob.call(api.GetPicture(chat)) == small
    finally:
        for one in people:
            await one.stop()
