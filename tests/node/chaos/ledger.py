"""What nodes have promised, and whether they keep it.

A command that returned is a promise: what was said is shown once at everybody, and in one order for all; a
name that was given is the group's, until another comes after it; a file arrives. A command that was
interrupted promises nothing, but what came of it must be the same for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heliogram.node import api
from heliogram.node.errors import NodeError
from tests.node.chaos.nodes import PATIENCE, Died, Node

#: What is shown of a message: all that is equal for everybody.
Shown = tuple[str, str, bool, tuple[tuple[str, str], ...]]


#: What a line says of a new name.


@dataclass
class Talk:
    """One conversation, as its members must see it. `names` is what each of them calls it."""

    members: list[Node]
    names: dict[str, str]
    #: Texts that must be there, by their message; and those that may be.
    said: dict[str, str] = field(default_factory=dict)
    maybe: set[str] = field(default_factory=set)
    #: By message: texts of which one must be there. An interrupted edit leaves several.
    edits: dict[str, set[str]] = field(default_factory=dict)
    reactions: set[tuple[str, str, str]] = field(default_factory=set)
    #: Names: given since the last check, perhaps given, and those that history says it had.
    renamed: list[str] = field(default_factory=list)
    perhaps: set[str] = field(default_factory=set)
    had: set[str] = field(default_factory=set)
    #: Files by message: the bytes.
    files: dict[str, bytes] = field(default_factory=dict)

    def id(self, node: Node) -> str:
        """How a member calls it."""
        return self.names[node.name]

    async def settled(self) -> None:
        """Wait until everything promised is there and all agree; then look closer."""
        views: list[list[Shown]] = []
        infos: list[api.ChatInfo] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    views = [await self.view(one) for one in self.members]
                    infos = [await one.call(api.GetChat(self.id(one))) for one in self.members]
                    status = [await one.call(api.GetStatus()) for one in self.members]
                    if not any(one.queued for one in status) and self._agreed(views, infos):
                        break
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(self._differences(views, infos)) from None
        for one, view in zip(self.members, views, strict=True):
            self._examine(one, view)
        self._close(infos[0])

    async def view(self, node: Node) -> list[Shown]:
        """All messages that a member sees, in order."""
        found: list[api.Message] = []
        before: int | None = None
        while page := await node.call(api.GetHistory(self.id(node), before=before, limit=500)):
            found = [*page, *found]
            before = page[0].number
            if len(page) < 500:
                break
        bad = [one.number for one in found if one.kind == "unreadable"]
        assert not bad, f"{node.name} could not read {len(bad)} messages of {len(found)}"
        for one in found:
            if one.line is not None and one.line.name:
                self.had.add(one.line.name)
        return [_shown(one) for one in found if one.kind != "line"]

    def _agreed(self, views: Sequence[list[Shown]], infos: Sequence[api.ChatInfo]) -> bool:
        first, info = views[0], infos[0]
        if any(view != first for view in views) or not {*self.said} <= {one[0] for one in first}:
            return False
        for other in infos:
            same = (other.authenticator, other.chat.name, _accounts(other)) == (
                *(info.authenticator, info.chat.name),
                _accounts(info),
            )
            if other.chat.kind == "group" and not same:
                return False
            if other.authenticator != info.authenticator or other.chat.phase != "open":
                return False
        texts = {one[0]: one[1] for one in first}
        if any(texts[id] not in allowed for id, allowed in self.edits.items()):
            return False
        there = {(id, who, emoji) for id, _, _, all in first for who, emoji in all}
        if not self.reactions <= there:
            return False
        # A change that was promised may be done long after the next one: all of them must be done.
        if not {*self.renamed} <= self.had:
            return False
        names = {*self.renamed, *self.perhaps}
        if self.renamed and info.chat.name not in names:
            return False
        return len(self.renamed) != 1 or bool(self.perhaps) or info.chat.name == self.renamed[0]

    def _differences(self, views: Sequence[list[Shown]], infos: Sequence[api.ChatInfo]) -> str:
        """What is wrong, in numbers: texts of tests are no secrets."""
        lines = ["they do not agree:"]
        for one, view, info in zip(self.members, views, infos, strict=False):
            missing = [text for id, text in self.said.items() if id not in {it[0] for it in view}]
            lines.append(
                f"{one.name}: {len(view)} messages, lacks {missing}, epoch {info.epoch},"
                f" {info.authenticator[:8]}, {info.chat.phase}, {info.chat.name},"
                f" {len(info.members)} members, {[relay.state for relay in info.relays]}"
            )
            if view != views[0]:
                lines.append(f"  only there: {[it for it in view if it not in views[0]][:5]}")
                lines.append(f"  not there: {[it for it in views[0] if it not in view][:5]}")
        never = {*self.renamed} - self.had
        lines.append(f"renamed {self.renamed}, perhaps {self.perhaps}, never called {never}")
        return "\n".join(lines)

    def _examine(self, node: Node, view: list[Shown]) -> None:
        ids = [one[0] for one in view]
        assert len(ids) == len(set(ids)), f"{node.name} sees something twice"
        words = [one[1] for one in view if one[0] not in self.edits and one[1]]
        assert len(words) == len(set(words)), f"{node.name} sees a text twice"
        for id, text, _, _ in view:
            if id in self.edits:
                assert text in self.edits[id]
            else:
                assert text == self.said.get(id, text)
                assert id in self.said or text in self.maybe, "nobody said this"

    def _close(self, info: api.ChatInfo) -> None:
        # Who was interrupted may have put it down, and do it later.
        self.renamed, self.perhaps = [], self.perhaps - self.had

    async def files_arrive(self) -> None:
        """Every file that was said to be fetched is there, byte for byte."""
        for id, data in self.files.items():
            for one in self.members:
                message: api.Message = await one.call(api.GetMessage(id))
                if message.mine:
                    continue
                if message.files[0].state != "here":
                    if message.files[0].state == "remote":
                        await one.call(api.GetFile(id))
                    message = await one.until(
                        api.GetMessage(id), lambda found: found.files[0].state == "here"
                    )
                path = message.files[0].path
                assert path is not None and Path(path).read_bytes() == data


def _shown(one: api.Message) -> Shown:
    marks = sorted((mark.who.account, mark.emoji) for mark in one.reactions)
    return one.id, one.text, one.edited, tuple(marks)


def _accounts(info: api.ChatInfo) -> list[tuple[str, str]]:
    return sorted((one.who.account, one.role) for one in info.members)


async def tried(node: Node, command: api.Command) -> object | None:
    """What it gives; None if the node died of something else meanwhile, or cannot do it now."""
    try:
        result: object = await node.call(command)
    except (Died, NodeError):
        return None
    return result
