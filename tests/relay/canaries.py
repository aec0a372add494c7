"""Users of a relay whose every word is a canary: what they say, and where it must never turn up.

A canary is looked for as it is, in hexadecimal, base64, as Python writes bytes, and as a decimal number.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yarl
from aiohttp import ClientWebSocketResponse

from heliogram.wire import RemoteError, SigningKey, frames, work
from heliogram.wire.limits import HASH_SIZE
from heliogram.wire.objects import (
    Configuration,
    Open,
    RelayDescription,
    Seat,
    blob_delete_hash,
    cell_content,
    cell_id,
    inbox_id,
    inbox_post_content,
    package_take_content,
)
from heliogram.wire.signing import Label
from tests.relay.client import Client, Failed, seeded

#: In each name, text, header and path of a user.
MARK = "canary-7c1f"

#: Bytes by which a canary is first recognised.
_GRAM = 8

#: Bytes that are searched at once: a page of the database.
_PIECE = 8192

#: Fields of requests that a relay needs for a moment only.
FLEETING = {"nonce", "signature", "proof", "evidence", "secret"}


# --- Looking --------------------------------------------------------------------------------------


def forms(canary: bytes) -> Iterator[bytes]:
    """A canary as it might be written down."""
    yield canary
    yield canary.hex().encode()
    yield canary.hex().upper().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # Where it begins in the middle of a group of three bytes, its inner groups are the same.
        for skip in range(3):
            text = encode(canary[skip : skip + (len(canary) - skip) // 3 * 3])
            if len(text) >= _GRAM:
                yield text
    yield repr(canary)[2:-1].encode()
    yield str(int.from_bytes(canary, "big")).encode()


class Net:
    """Many canaries, looked for at once."""

    def __init__(self, canaries: Iterable[bytes]) -> None:
        self._grams: dict[bytes, set[bytes]] = {}
        self._clean: set[bytes] = set()
        self._longest = 0
        for canary in canaries:
            for form in forms(canary):
                if len(form) >= _GRAM:
                    self._longest = max(self._longest, len(form))
                    self._grams.setdefault(form[:_GRAM], set()).add(form)

    def caught(self, data: bytes) -> bool:
        """Whether there is one in `data`."""
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE + self._longest]
            digest = sha256(piece).digest()
            # Most pages of a database are the same from one moment to the next.
            if digest not in self._clean:
                if self._found(piece):
                    return True
                self._clean.add(digest)
        return False

    def _found(self, data: bytes) -> bool:
        grams = self._grams
        for at in range(len(data) - _GRAM + 1):
            found = grams.get(data[at : at + _GRAM])
            if found is not None and any(data.startswith(form, at) for form in found):
                return True
        return False


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def of_process(pid: int, folder: Path) -> dict[str, bytes]:
    """What a process shows of itself besides its memory and its environment: words, names, open files."""
    proc = Path(f"/proc/{pid}")
    found = {name: (proc / name).read_bytes() for name in ("cmdline", "maps", "status")}
    for task in (proc / "task").iterdir():
        found[f"task {task.name}"] = (task / "comm").read_bytes()
    for link in (proc / "fd").iterdir():
        target = link.readlink()
        found[f"fd {link.name}"] = str(target).encode()
        # A file that has no name any more is a file all the same.
        if target.is_absolute() and not target.is_relative_to(folder) and link.is_file():
            found[f"content of fd {link.name}"] = link.read_bytes()[: 1 << 20]
    return found


# --- Users ----------------------------------------------------------------------------------------


@dataclass
class Heard:
    """What went over the wire, in both directions, and what must be nowhere afterwards."""

    requests: list[frames.Request] = field(default_factory=list)
    #: Never on disk, in no moment.
    never: set[bytes] = field(default_factory=set)
    #: Deleted: not on disk after a clean stop.
    deleted: set[bytes] = field(default_factory=set)
    #: What is kept.
    kept: set[bytes] = field(default_factory=set)

    def sent(self, message: bytes) -> None:
        """Note the canaries of a message."""
        try:
            frame = frames.decode_request(message)
        except RemoteError:
            return
        self.requests.append(frame)
        for name in frame.__struct_fields__:
            value = getattr(frame, name)
            # A cell keeps its signature.
            if name in FLEETING and len(value) >= _GRAM and not isinstance(frame, frames.CellPut):
                self.never.add(value[-8:] if name == "proof" else value)

    def received(self, message: bytes) -> None:
        """Note the canaries of an answer: what the relay drew or signed only for this connection."""
        frame = frames.decode_answer(message)
        if isinstance(frame, frames.BlobReady):
            self.never.add(frame.ticket)
        if isinstance(frame, frames.Greeting):
            # The two nonces and the signature of the greeting.
            self.never.update({frame.greeting[-HASH_SIZE * 3 : -HASH_SIZE], frame.signature})


HEARD: ContextVar[Heard] = ContextVar("HEARD")
USER: ContextVar[int] = ContextVar("USER")


class Recording(ClientWebSocketResponse):
    """A socket that notes what passes."""

    async def send_bytes(self, data: Any, compress: int | None = None) -> None:
        HEARD.get().sent(bytes(data))
        await super().send_bytes(data, compress)

    async def receive(self, timeout: Any = None) -> aiohttp.WSMessage:
        message = await super().receive(timeout)
        if message.type is aiohttp.WSMsgType.BINARY:
            HEARD.get().received(message.data)
        return message


def address(user: int) -> str:
    """Where a user connects from."""
    return f"127.77.{user // 250}.{user % 250 + 1}"


def headers(user: int) -> dict[str, str]:
    """What a browser and its proxies would tell."""
    return {
        "User-Agent": f"{MARK}-agent/{user}",
        "Cookie": f"session={MARK}-cookie-{user}",
        "Referer": f"http://{MARK}.example/{user}",
        "Origin": f"http://{MARK}-origin-{user}.example",
        "X-Forwarded-For": address(user),
        "Forwarded": f"for={address(user)}",
        "Accept-Language": f"{MARK}-language",
    }


def session(_original: Any = aiohttp.ClientSession, **options: Any) -> aiohttp.ClientSession:
    """In the place of `aiohttp.ClientSession`: from the user's address, with the user's headers."""
    user = USER.get()
    made: aiohttp.ClientSession = _original(
        **options,
        connector=aiohttp.TCPConnector(local_addr=(address(user), 0)),
        headers=headers(user),
        ws_response_class=Recording,
    )
    return made


def cipher(text: str, length: int = 512) -> bytes:
    """A text as members would encrypt it: only who knows their key can read it."""
    padded = text.encode().ljust(length, b"\0")
    stream = shake_256(f"{MARK} key {text}".encode()).digest(length)
    return bytes(a ^ b for a, b in zip(padded, stream, strict=True))


class User:
    """One user, who does everything that can be done."""

    def __init__(self, number: int, relay: bytes, heard: Heard) -> None:
        self.number = number
        self.relay = relay
        self.heard = heard
        self._draw = seeded(f"user {number}")
        self.member, self.owner, self.link, self.cell = (
            SigningKey(self._draw(32)) for _ in range(4)
        )
        described = RelayDescription(relay, self._draw(32), ())
        configuration = Configuration(self._draw(32), 1, (described,))
        self.seat = Seat(configuration, 1, (self.member.public,))

    def text(self, what: str) -> str:
        """Something that only users know."""
        text = f"{MARK} {what} of user {self.number}"
        self.heard.never.add(text.encode())
        return text

    def _proof(self, client: Client) -> bytes:
        """Work for nothing, with a number that is known again."""
        window = client.greeting.time // 600
        return work.Proof(window, int.from_bytes(self._draw(8), "big")).encode()

    async def live(self, where: str, *, thorough: bool) -> None:
        """Connect, do all that is to be done, and go."""
        USER.set(self.number)
        HEARD.set(self.heard)
        async with await Client.connect(where, self.relay, entropy=self._draw) as client:
            await self._converse(client)
            if thorough:
                await self._meet_strangers(client)
                await self._keep_a_cell(client)
                await self._share_a_file(client)
                await self._misbehave(client)

    async def _converse(self, client: Client) -> None:
        opened = Open(self.seat, work.Proof.from_bytes(self._proof(client)))
        self.heard.never.add(opened.encode()[-8:])
        await client.ask(frames.Open(0, opened.encode()), frames.Done)
        await client.authorise(0, self.seat.id, 1, self.member)
        for number in range(2):
            entry = cipher(self.text(f"message {number}"))
            self.heard.kept.add(entry)
            await client.ask(frames.Post(0, 0, entry), frames.Stored)
        await client.ask(frames.Read(0, 0, 0, 10), frames.Entries)
        await client.ask(frames.Status(0, 0, self._draw(32)), frames.StatusSigned)
        for wrong in (self.seat.id, self._draw(32)):
            assert (
                await client.failure(client.core.authorise(1, wrong, 1, self.owner))
            ).name == "NOT_AUTHORISED"

    async def _meet_strangers(self, client: Client) -> None:
        inbox = inbox_id(self.owner.public)
        await client.ask(frames.InboxOpen(0, self.owner.public, self._proof(client)), frames.Done)
        await client.authorise_inbox(2, inbox, self.owner)
        await client.ask(frames.LinkAdd(0, 2, self.link.public, 5), frames.Done)
        packages = tuple(
            frames.Package(self._draw(16), True, cipher(self.text(f"package {number}")))
            for number in range(3)
        )
        await client.ask(frames.PackagesPut(0, 2, packages), frames.Done)
        for number in range(3):
            item = cipher(self.text(f"request {number}"))
            content = inbox_post_content(self.relay, inbox, self.link.public, item)
            signed = self.link.sign(Label.INBOX_POST, content)
            post = frames.InboxPost(0, inbox, self.link.public, signed, self._proof(client), item)
            await client.ask(post, frames.Done)
            (self.heard.deleted if number < 2 else self.heard.kept).add(item)
        await client.ask(frames.InboxDelete(0, 2, (0, 1)), frames.Done)
        nonce = self._draw(32)
        content = package_take_content(self.relay, inbox, self.link.public, nonce)
        signed = self.link.sign(Label.PACKAGE_TAKE, content)
        take = frames.PackageTake(0, inbox, self.link.public, nonce, signed, self._proof(client))
        await client.ask(take, frames.Packages)

    async def _keep_a_cell(self, client: Client) -> None:
        for version in (1, 2):
            value = cipher(self.text(f"settings {version}"))
            cell = cell_id(self.cell.public)
            signed = self.cell.sign(Label.CELL, cell_content(cell, version, value))
            proof = self._proof(client)
            self.heard.never.add(proof[-8:])
            put = frames.CellPut(0, self.cell.public, version, value, signed, proof)
            await client.ask(put, frames.Done)
            if version == 1:
                self.heard.deleted.update({value, signed})
            else:
                self.heard.kept.update({value, signed})

    async def _share_a_file(self, client: Client) -> None:
        for number in range(2):
            blob, secret = cipher(self.text(f"file {number}"), 70_000), self._draw(32)
            name = sha256(blob).digest()
            frame = frames.BlobOpen(0, 0, name, len(blob), 1, blob_delete_hash(secret))
            ready = await client.ask(frame, frames.BlobReady)
            put = client.session.put(
                f"{client.base}/blob/{name.hex()}",
                data=blob,
                headers={
                    "Authorization": f"Heliogram {ready.ticket.hex()}",
                    "Content-Range": f"bytes 0-{len(blob) - 1}/{len(blob)}",
                },
            )
            async with put as answer:
                assert answer.status == 201, answer.status
            async with client.session.get(f"{client.base}/blob/{name.hex()}") as answer:
                assert await answer.read() == blob
            if number:
                await client.ask(frames.BlobDelete(0, name, secret), frames.Done)
                self.heard.deleted.add(blob[:512])
            else:
                self.heard.never.add(secret)
                self.heard.kept.add(blob[:512])

    async def suffer(self, where: str) -> None:
        """Ask for what the relay cannot do now, since its disk is full."""
        USER.set(self.number)
        HEARD.set(self.heard)
        async with await Client.connect(where, self.relay, entropy=self._draw) as client:
            await client.authorise(0, self.seat.id, 1, self.member)
            entry = cipher(self.text("a message that is lost"))
            self.heard.never.add(entry)
            code = await client.failure(frames.Post(0, 0, entry))
            assert code.name in ("DISK_FULL", "UNAVAILABLE"), code.name

    async def _misbehave(self, client: Client) -> None:
        """Say what no relay understands, in every way that may end up in a traceback."""
        said = self.text("curse").encode()
        for path in (f"/{MARK}/{self.number}", f"/blob/{MARK}?name={MARK}", "/ws", "/%00"):
            url = yarl.URL(client.base + path, encoded=True)
            async with client.session.get(url) as answer:
                assert answer.status in (400, 404, 426), (path, answer.status)
        async with client.session.post(f"{client.base}/", data=said) as answer:
            assert answer.status in (404, 405)
        open_ = frames.Open(0, said)
        assert (await client.failure(open_)).name == "MALFORMED"
        lock = frames.Lock(0, 0, 0, said)
        assert (await client.failure(lock)).name == "MALFORMED"
        reader, writer = await asyncio.open_connection(
            *client.base.removeprefix("http://").split(":"), local_addr=(address(self.number), 0)
        )
        writer.write(said + b" HTTP/1.1\r\n" + said + b"\r\n\r\n")
        await reader.read()
        writer.close()
        # The answer to the first is not expected by our own side, which ends the connection.
        client.send_raw(b"\xc1" + said)
        client.send_raw(msgspec.msgpack.encode([0x5F, 0x10000, said]))
        await client.ended.wait()


__all__ = ["HEARD", "MARK", "USER", "Failed", "Heard", "Net", "User", "address", "files", "session"]
