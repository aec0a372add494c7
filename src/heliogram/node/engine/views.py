"""Rows as faces see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, cast
from urllib.parse import urlsplit

from heliogram.content.errors import ContentError
from heliogram.content.forwarded import Forwarded
from heliogram.content.status import Status
from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.engine import facts, reading
from heliogram.node.engine.desk import Desk
from heliogram.node.identity.names import clean
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.marks import ReactionRow, ReportRow
from heliogram.node.store.messages import MessageRow
from heliogram.node.store.votes import VoteRow
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import Configuration, RelayDescription

#: Accounts in a conversation from which on nobody reports what they read, unless they want to.
LARGE = 20

#: What the conversation with oneself is called.
NOTES = "Notes"

_ROLES: dict[int, Literal["member", "admin", "owner"]] = {
    Role.MEMBER: "member",
    Role.ADMIN: "admin",
    Role.OWNER: "owner",
}

#: Between several emoji of one reaction in the store.
SEVERAL = "\x1f"

_NONE: Mapping[int, api.Message] = MappingProxyType({})

_STATUSES = {Status.DELIVERED: "delivered", Status.READ: "read"}


@dataclass(frozen=True, slots=True)
class _About:
    """What belongs to messages, by their numbers; of `signers` each once."""

    reactions: dict[int, list[ReactionRow]]
    reports: dict[int, list[ReportRow]]
    signers: dict[int, list[bytes]]
    votes: dict[int, list[VoteRow]]
    pinned: frozenset[int]


class Views:
    """Makes what faces get."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # --- Messages ---

    def messages(self, rows: Sequence[MessageRow]) -> list[api.Message]:
        """Messages and lines, as in a list."""
        about = self._about(rows)
        return [self._message(row, about, False) for row in rows]

    def message(self, row: MessageRow, *, whole: bool = False) -> api.Message:
        """A message or a line; `whole`: also a text that is too long for a list."""
        return self._message(row, self._about([row]), whole)

    def _about(self, rows: Sequence[MessageRow]) -> _About:
        numbers = [row.number for row in rows if row.id is not None]
        mine = [row.number for row in rows if row.id is not None and row.mine]
        polls = [row.number for row in rows if row.kind == "poll"]
        desk = self._desk
        return _About(
            desk.marks.reactions(numbers) if numbers else {},
            desk.marks.reports(mine) if mine else {},
            desk.logs.signers(mine) if mine else {},
            desk.votes.of(polls) if polls else {},
            desk.pins.among(numbers) if numbers else frozenset(),
        )

    def _message(self, row: MessageRow, about: _About, whole: bool) -> api.Message:
        desk = self._desk
        conversation = desk.logs.get(row.conversation)
        chat = b"" if conversation is None else conversation.id
        if row.kind in ("line", "unreadable"):
            return api.Message(
                number=row.number,
                chat=chat.hex(),
                kind=row.kind,
                line=facts.line(row.event, row.data, desk.people.person),
                time=min(row.sent // 1000, row.received),
                received=row.received,
                reply_to=None if row.reply_to is None else row.reply_to.hex(),
                sender=None if row.sender is None else desk.people.person(row.sender),
            )
        text, cut = reading.bounded(row.text), False
        if not whole:
            text, cut = reading.short(text)
        markdown = row.kind in ("text", "file") and self._is_markdown(row)
        stored = self._names_of(row, about.signers.get(row.number, ())) if row.mine else []
        configuration = None if conversation is None else self.configuration(conversation)
        return api.Message(
            number=row.number,
            id="" if row.id is None else row.id.hex(),
            chat=chat.hex(),
            sender=None if row.sender is None else desk.people.person(row.sender),
            mine=row.mine,
            kind=row.kind,
            text=text,
            cut=cut,
            markdown=markdown,
            time=min(row.sent // 1000, row.received),
            received=row.received,
            reply_to=self._answered(row),
            edited=row.edited > 0,
            files=desk.files.infos(row.number) if row.files else (),
            reactions=tuple(
                api.Reaction(emoji, desk.people.person(one.sender))
                for one in about.reactions.get(row.number, ())
                for emoji in one.emoji.split(SEVERAL)
            ),
            mentions=tuple(map(desk.people.person, reading.mentions(row.text) if markdown else ())),
            state=cast(api.State, row.state if row.mine else "received"),
            stored_by=tuple(stored),
            relays=0 if configuration is None or not row.mine else configuration.n,
            reports=self._reports(about.reports.get(row.number, ())),
            expires=row.expires,
            poll=self._poll(row, about.votes.get(row.number, ())) if row.kind == "poll" else None,
            pinned=row.number in about.pinned,
            forwarded=None if row.origin is None else self._origin(row, row.origin),
        )

    def stored_by(self, row: MessageRow) -> list[str]:
        """Names of the relays that signed for a message of ours, each once."""
        return self._names_of(row, self._desk.logs.signers([row.number]).get(row.number, ()))

    def _names_of(self, row: MessageRow, relays: Sequence[bytes]) -> list[str]:
        conversation = self._desk.logs.get(row.conversation)
        known = {} if conversation is None else _relay_names(conversation.relays)
        return [known.get(key) or key.hex()[:16] for key in relays]

    def _is_markdown(self, row: MessageRow) -> bool:
        version = row.number, row.edited, row.version
        known: bool | None = self._desk.markdown.get(version)
        if known is None:
            content = reading.of_bytes(row.content)
            known = content is not None and reading.shown(content).markdown
            self._desk.markdown.keep(version, known)
        return known

    def _poll(self, row: MessageRow, votes: Sequence[VoteRow]) -> api.PollInfo | None:
        chose = [(one.sender, one.target, one.options) for one in votes]
        found = reading.standing(row.content, row.version or row.id, chose)
        if found is None:
            return None
        asked, chosen = found
        person = self._desk.people.person
        options = tuple(
            api.PollOption(
                reading.bounded(option),
                tuple(person(account) for account, places in chosen.items() if at in places),
            )
            for at, option in enumerate(asked.options)
        )
        ours = chosen.get(self._desk.account, ())
        return api.PollInfo(reading.bounded(asked.question), options, asked.most, ours)

    def _origin(self, row: MessageRow, data: bytes) -> api.Origin | None:
        """Where a message was forwarded from. Only of their own words senders tell who said them."""
        try:
            found = Forwarded.from_bytes(data)
        except ContentError:
            return None
        if found.name:
            return api.Origin(clean(found.name) or found.name[:1])
        who = self._desk.people.person(row.sender or b"")
        return api.Origin(who.name, who, found.time // 1000)

    def _reports(self, rows: Sequence[ReportRow]) -> tuple[api.Reported, ...]:
        return tuple(
            api.Reported(self._desk.people.person(one.account), _STATUSES[one.status], one.time)  # type: ignore[index]
            for one in rows
            if one.status in _STATUSES
        )

    def _answered(self, row: MessageRow) -> str | None:
        """The id of the message that this one answers: that of its first version, if it is here."""
        if row.reply_to is None:
            return None
        found = self._desk.by_version(row.conversation, row.reply_to)
        return (row.reply_to if found is None or found.id is None else found.id).hex()

    # --- Chats ---

    def chat(self, row: ConversationRow, shown: Mapping[int, api.Message] = _NONE) -> api.Chat:
        """A conversation in the list. `shown` are messages that were made just now, by their numbers."""
        logs = self._desk.logs
        last = None if row.last is None else shown.get(row.last) or self._last(row.last)
        return api.Chat(
            id=row.id.hex(),
            name=self.name(row),
            kind=cast(Literal["direct", "group", "self"], row.kind),
            phase=row.phase,
            unread=self._desk.messages.count_unread(row.number),
            last=last,
            members=max(1, logs.member_count(row.number)),
            draft=row.draft,
            pinned=row.pinned,
            archived=row.archived,
            muted=row.muted,
            reports=self.reports(row),
            expiry=row.expiry,
            picture=bool(row.picture) and self._desk.pictures.is_here(row.number, row.picture),
            folders=self._desk.folders.of(row.number),
            peer=None if row.peer is None else self._desk.people.person(row.peer),
            predecessor=self._id(row.predecessor),
            successor=self._id(row.successor),
        )

    def _last(self, number: int) -> api.Message | None:
        row = self._desk.messages.get(number)
        return None if row is None else self.message(row)

    def name(self, row: ConversationRow) -> str:
        """What a conversation is called here."""
        if row.kind == "self":
            return NOTES
        if row.kind == "direct" and row.peer is not None:
            return self._desk.people.person(row.peer).name
        return clean(row.name)

    def reports(self, row: ConversationRow) -> bool:
        """Whether others hear what was delivered and read here."""
        if row.reports == 2:
            wanted = self._desk.preferences.reports
            return wanted and self._desk.logs.member_count(row.number) <= LARGE
        return row.reports == 1

    def members(self, row: ConversationRow) -> tuple[api.Member, ...]:
        """Who is in: owners first, then admins, then by name."""
        found = [
            api.Member(self._desk.people.person(one.account), _ROLES[one.role], one.devices)
            for one in self._desk.logs.members(row.number)
        ]
        order = ("owner", "admin", "member")
        return tuple(
            sorted(found, key=lambda one: (order.index(one.role), one.who.name.casefold()))
        )

    @staticmethod
    def configuration(row: ConversationRow) -> Configuration | None:
        """The relays of a conversation, as far as we follow."""
        return configuration_of(row.relays)

    def _id(self, number: int | None) -> str | None:
        row = None if number is None else self._desk.logs.get(number)
        return None if row is None else row.id.hex()


@lru_cache(256)
def configuration_of(data: bytes) -> Configuration | None:
    """Encoded relays as what they are; None if they are none."""
    try:
        return Configuration.from_bytes(data)
    except RemoteError:
        return None


@lru_cache(256)
def _relay_names(data: bytes) -> dict[bytes, str]:
    configuration = configuration_of(data)
    if configuration is None:
        return {}
    return {one.key: relay_name(one) for one in configuration.relays}


# --- Relays ---------------------------------------------------------------------------------------


def relay_name(relay: RelayDescription) -> str:
    """Host and port of a relay's first endpoint."""
    for endpoint in relay.endpoints:
        place = urlsplit(endpoint.decode("ascii", "replace")).netloc
        return "".join(char for char in place if char.isprintable())[:300]
    return relay.key.hex()[:16]


def relay_info(relay: RelayDescription) -> api.RelayInfo:
    """A relay, as shown."""
    return api.RelayInfo(
        relay.key.hex(),
        relay_name(relay),
        tuple(one.decode("ascii", "replace") for one in relay.endpoints),
        relay.operator_key.hex(),
    )
