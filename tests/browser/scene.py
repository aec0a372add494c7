"""A small town that is good to look at: friends of a reading circle who talk of books, walks and bread.

All of it is said by real nodes. Only the times are moved afterwards, so that it looks like a week and not
like a minute.
"""

from __future__ import annotations

import asyncio
import io
import math
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from heliogram.node import api
from heliogram.node.local import LocalNode
from tests.browser.kit import Friend, People, Person
from tests.cli.town import seen, until

MINUTE = 60
HOUR = 60 * MINUTE


# --- Pictures and sounds that nobody took -----------------------------------------------------------


def landscape(path: Path, seed: int, *, evening: bool = False) -> str:
    """Hills under a sky. Gives the path as text."""
    rng = random.Random(seed)
    width, height = 1200, 800
    top, low = ((94, 92, 148), (250, 190, 130)) if evening else ((120, 180, 225), (236, 244, 240))
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        part = y / height
        draw.line(
            [(0, y), (width, y)],
            fill=tuple(round(a + (b - a) * part) for a, b in zip(top, low, strict=True)),
        )
    x, y = rng.randint(250, 950), rng.randint(140, 300)
    draw.ellipse((x - 60, y - 60, x + 60, y + 60), fill=(255, 236, 180))
    for layer in range(5):
        base = height * (0.45 + 0.12 * layer)
        waves = [
            (rng.uniform(20, 70), rng.uniform(0.003, 0.009), rng.uniform(0, 6)) for _ in range(3)
        ]
        ridge = [
            (x, base - sum(high * math.sin(x * wide + begin) for high, wide, begin in waves))
            for x in range(0, width + 8, 8)
        ]
        shade = 1 - 0.15 * layer
        tone = (110, 92, 120) if evening else (128, 168, 118)
        draw.polygon(
            [(0, height), *ridge, (width, height)], fill=tuple(round(c * shade) for c in tone)
        )
    picture.filter(ImageFilter.GaussianBlur(0.8)).save(path, "JPEG", quality=88)
    return str(path)


def shelf(path: Path) -> str:
    """Books on a shelf."""
    rng = random.Random(5)
    picture = Image.new("RGB", (1000, 750), (238, 226, 206))
    draw = ImageDraw.Draw(picture)
    tones = [
        (160, 82, 60),
        (60, 98, 110),
        (198, 150, 70),
        (88, 110, 76),
        (120, 80, 110),
        (210, 200, 180),
    ]
    for floor in (360, 720):
        x = 30
        while x < 930:
            wide, high = rng.randint(28, 64), rng.randint(200, 290)
            tone = rng.choice(tones)
            draw.rectangle((x, floor - high, x + wide, floor), fill=tone)
            for band in (0.15, 0.82):
                y = floor - high + high * band
                draw.rectangle((x, y, x + wide, y + 8), fill=tuple(min(255, c + 50) for c in tone))
            x += wide + 3
        draw.rectangle((0, floor, 1000, floor + 26), fill=(120, 86, 56))
    picture.save(path, "JPEG", quality=88)
    return str(path)


def sound(path: Path) -> str:
    """The beginning of a voice note: nobody hears it."""
    path.write_bytes(b"OggS\0\2" + bytes(22) + b"\x01\x13OpusHead\1\1" + bytes(9000))
    return str(path)


def booklet(path: Path) -> str:
    """A file that is no picture."""
    made = io.BytesIO()
    Image.new("RGB", (595, 842), "white").save(made, "PDF")
    path.write_bytes(made.getvalue())
    return str(path)


# --- People and what they say ---------------------------------------------------------------------


@dataclass
class Talk:
    """One conversation while it is being said. `folk` are those in it by their names."""

    chat: str
    folk: dict[str, api.Node]
    said: dict[str, api.Message] = field(default_factory=dict)
    _me: str = "Nora"

    async def say(
        self,
        who: str,
        text: str,
        *files: str,
        to: str = "",
        voice: float | None = None,
        as_files: bool = False,
    ) -> None:
        """Say it, until all have it. `to` begins the text that is answered."""
        node, chat = self.folk[who], self._called(who)
        answered = next(
            (one.id for begin, one in self.said.items() if to and begin.startswith(to)), None
        )
        command = api.SendMessage(
            chat, text, reply_to=answered, files=files, voice=voice, as_files=as_files
        )
        message: api.Message = await node.call(command)
        name = text or Path(files[0]).name
        self.said[name] = message
        await self._all_have(name)

    async def ask(self, who: str, question: str, *options: str) -> None:
        """Begin a poll."""
        message: api.Message = await self.folk[who].call(
            api.SendPoll(self._called(who), question, options)
        )
        self.said[question] = message
        await self._all_have_id(message.id)

    async def vote(self, who: str, question: str, *options: int) -> None:
        await self.folk[who].call(api.Vote(self.said[question].id, options))

    async def react(self, who: str, begin: str, emoji: str) -> None:
        message = next(one for text, one in self.said.items() if text.startswith(begin))
        await self.folk[who].call(api.React(message.id, emoji))

    async def read(self, *who: str) -> None:
        """Let them see all of it."""
        for one in who:
            await self.folk[one].call(api.MarkRead(self._called(one)))

    def _called(self, who: str) -> str:
        """What this conversation is called at somebody's node."""
        if who == self._me or len(self.folk) > 2:
            return self.chat
        return self._me

    async def _all_have(self, text: str) -> None:
        for name, node in self.folk.items():
            await until(lambda node=node, name=name: seen(node, self._called(name), text))  # type: ignore[misc]

    async def _all_have_id(self, id: str) -> None:
        for name, node in self.folk.items():

            async def has(node: api.Node = node, name: str = name) -> bool | None:
                history: list[api.Message] = await node.call(api.GetHistory(self._called(name)))
                return any(one.id == id for one in history) or None

            await until(has)


FRIENDS = ("Ida Lund", "Milo Brandt", "Tomás Vega", "ليلى")

CIRCLE = "Reading circle"
WALK = "Sunday walk"


def furnish(people: People, nora: Person, folder: Path) -> dict[str, Friend]:
    """Give Nora, who has an account and no window yet, her friends and all that is said. Gives these."""
    friends = {name: people.friend(name) for name in FRIENDS}
    for one in friends.values():
        people.acquaint(nora, one)
    folder.mkdir(parents=True, exist_ok=True)
    nora.do(_talk(nora, friends, folder))
    nora.do(_last_week(nora))
    return friends


async def _group(nora: Person, friends: dict[str, Friend], name: str, *members: str) -> Talk:
    await nora.node.call(api.CreateGroup(name, members))
    await asyncio.gather(*(friends[one]._person.accepts() for one in members))
    return Talk(name, {"Nora": nora.node, **{one: friends[one].node for one in members}})


async def _talk(nora: Person, friends: dict[str, Friend], folder: Path) -> None:
    def two(name: str) -> Talk:
        return Talk(name, {"Nora": nora.node, name: friends[name].node})

    circle = await _group(nora, friends, CIRCLE, "Ida Lund", "Milo Brandt", "Tomás Vega")
    walk = await _group(nora, friends, WALK, "Ida Lund", "Tomás Vega")
    await nora.node.call(
        api.SetProfile(
            CIRCLE,
            description="One book a month, tea and cake. Guests are welcome.",
            picture=shelf(folder / "circle.jpg"),
        )
    )
    await asyncio.gather(
        _ida(two("Ida Lund"), folder),
        _milo(two("Milo Brandt"), folder),
        _tomas(two("Tomás Vega")),
        _leila(two("ليلى")),
        _circle(circle),
        _walk(walk, folder),
        _notes(nora.node),
    )
    await nora.node.call(api.SetChat(CIRCLE, pinned=True))
    await nora.node.call(api.SetChat(WALK, muted=True))
    await nora.node.call(api.SetFolders((api.Folder("Friends", await _ids(nora.node)),)))
    code: api.SafetyCode = await nora.node.call(api.GetSafetyCode("Ida Lund"))
    await nora.node.call(api.VerifyContact("Ida Lund", code.digits))


async def _ids(node: api.Node) -> tuple[str, ...]:
    chats: list[api.Chat] = await node.call(api.GetChats())
    return tuple(one.id for one in chats if one.kind == "direct")


async def _circle(talk: Talk) -> None:
    await talk.say("Milo Brandt", "Who brings the tea on Thursday?")
    await talk.say("Nora", "I do. And a lemon cake, if nobody minds.")
    await talk.say("Tomás Vega", "Nobody minds 😄")
    await talk.say("Ida Lund", "I am through with chapter four. The letter from the lighthouse!")
    await talk.say(
        "Nora",
        "No spoilers, please! I have **two chapters** to go.",
        to="I am through",
    )
    await talk.say(
        "Milo Brandt",
        "The library has three copies left: https://library.example.org/shelf/lighthouse",
    )
    await talk.ask(
        "Ida Lund", "What do we read in autumn?", "The Summer Book", "Flatland", "Walden"
    )
    await talk.vote("Ida Lund", "What do we read in autumn?", 0)
    await talk.vote("Milo Brandt", "What do we read in autumn?", 1)
    await talk.vote("Nora", "What do we read in autumn?", 0)
    await talk.react("Ida Lund", "I do. And a lemon", "❤️")
    await talk.react("Tomás Vega", "I do. And a lemon", "❤️")
    await talk.react("Milo Brandt", "I do. And a lemon", "🍋")
    await talk.read("Nora", "Ida Lund", "Milo Brandt", "Tomás Vega")
    await talk.folk["Nora"].call(
        api.PinMessage(next(one.id for text, one in talk.said.items() if text.startswith("Who")))
    )
    await talk.say("Tomás Vega", "Same place as last time? I bring my sister along.")
    await talk.read("Nora")


async def _walk(talk: Talk, folder: Path) -> None:
    await talk.say("Tomás Vega", "The path along the river is open again.")
    await talk.say("Ida Lund", "", landscape(folder / "river.jpg", 3))
    await talk.say("Ida Lund", "That was this morning, very early.")
    await talk.say("Nora", "I am in. At ten at the old mill?")
    await talk.say("Tomás Vega", "Ten is good. I bring bread and plums.")


async def _ida(talk: Talk, folder: Path) -> None:
    await talk.say("Ida Lund", "Look what I saw on the way home:")
    evening = landscape(folder / "evening.jpg", 11, evening=True)
    hills = landscape(folder / "hills.jpg", 8)
    await talk.say("Ida Lund", "The hills, first from the train and then on foot", evening, hills)
    await talk.say("Nora", "Beautiful! Where is that?")
    await talk.say("Ida Lund", "", sound(folder / "voice.ogg"), voice=14.0)
    await talk.say("Nora", "Then we go there next month. I bring the map.", to="The hills")
    await talk.say("Ida Lund", "Gladly 🙂")
    await talk.react("Ida Lund", "Then we go", "👍")
    await talk.react("Nora", "The hills", "😍")
    await talk.say("Nora", "", booklet(folder / "Trains and paths.pdf"), as_files=True)
    await talk.read("Ida Lund", "Nora")
    await talk.say("Ida Lund", "I have it, thank you. The early train, then?")
    await talk.read("Nora")


async def _milo(talk: Talk, folder: Path) -> None:
    await talk.say(
        "Milo Brandt", "My bread, the third try:\n\n- 500 g flour\n- 350 g water\n- patience"
    )
    await talk.say("Nora", "And? Did it rise?")
    await talk.say("Milo Brandt", "It did. I leave you half of it at the door.")
    await talk.say("Milo Brandt", "Are you at home this evening?")


async def _tomas(talk: Talk) -> None:
    await talk.say("Tomás Vega", "Do you still have my atlas?")
    await talk.say("Nora", "Yes, on Thursday you get it back.")
    await talk.read("Tomás Vega", "Nora")


async def _leila(talk: Talk) -> None:
    await talk.say("ليلى", "مرحبا نورا! هل نلتقي يوم السبت عند المكتبة؟")
    await talk.say("Nora", "Yes! السبت الساعة 10:30, at the big door.")
    await talk.say("ليلى", "ممتاز 😊 أحضر معي كتاب The Summer Book.")
    await talk.read("Nora", "ليلى")


async def _notes(node: api.Node) -> None:
    chats: list[api.Chat] = await node.call(api.GetChats())
    mine = next((one for one in chats if one.kind == "self"), None)
    if mine is not None:
        await node.call(api.SendMessage(mine.id, "Lemons, flour, tea. Return the atlas."))


# --- Times ----------------------------------------------------------------------------------------

#: When the last thing was said in each conversation, in seconds before now.
_AGO = {
    CIRCLE: 4 * MINUTE,
    "Ida Lund": 12 * MINUTE,
    "Milo Brandt": 2 * HOUR,
    WALK: 26 * HOUR,
    "ليلى": 50 * HOUR,
    "Tomás Vega": 75 * HOUR,
}


async def _last_week(nora: Person) -> None:
    """Move the times of all that was said: a few minutes between two messages, days between talks."""
    node = nora.node
    assert isinstance(node, LocalNode)
    await node.drained()
    store = node._profile.store
    chats: list[api.Chat] = await node.call(api.GetChats())
    now = int(time.time())
    with store.transaction():
        for chat in chats:
            rng = random.Random(chat.name)
            at = now - _AGO.get(chat.name, 100 * HOUR)
            rows = store.query(
                "SELECT m.number FROM messages m JOIN conversations c ON c.number = m.conversation"
                " WHERE c.id = ? ORDER BY m.sent DESC, m.number DESC",
                (bytes.fromhex(chat.id),),
            )
            for (number,) in rows:
                store.execute(
                    "UPDATE messages SET sent = ?, received = ? WHERE number = ?",
                    (at * 1000, at, number),
                )
                at -= rng.randint(40, 9 * MINUTE)
