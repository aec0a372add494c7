"""How each thing of a node is shown: as rows of a table, as names and values, as lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from heliogram.cli.cleaning import block, field, line
from heliogram.cli.printing import Screen, Table, bounded, moment, size
from heliogram.node import api, english

#: Digits of an id that are shown: enough to name it.
SHOWN = 12


def short(name: str) -> str:
    """The first digits of an id."""
    return name[:SHOWN]


def named(name: str, id: str) -> str:
    """How somebody gives a name to a shell; the id's first digits if the name cannot be typed."""
    if line(name) != name or not name:
        return short(id)
    quoted = "'" + name.replace("'", "'\\''") + "'"
    return f"-- {quoted}" if name.startswith("-") else quoted


def person(who: api.Person) -> str:
    """Name, and what tells equal names apart."""
    name = line(who.name)
    if who.me:
        return f"{name} (you)"
    notes = [*(["verified"] if who.verified else []), *who.warnings]
    return f"{name} [{', '.join(notes)}]" if notes else name


def summary(message: api.Message | None) -> str:
    """What a message says, on one line."""
    if message is None:
        return ""
    if message.line is not None:
        return line(content(message))  # names whoever did it
    text = line(message.text[:500]) if message.poll is None else line(message.poll.question)
    text = text or line(content(message))
    return text if message.sender is None else f"{line(message.sender.name)}: {text}"


def content(message: api.Message) -> str:
    """What a message shows: its text, or what there is instead of one."""
    if message.line is not None:
        said = english.sentence(message.line, message.sender)
        return f"{said} ({short(message.reply_to)})" if message.reply_to else said
    if message.kind == "deleted":
        return "(deleted)"
    text = message.text if message.poll is None else poll(message.poll)
    files = " ".join(
        f"[file {one.index}: {line(one.name)}, {size(one.size)}]" for one in message.files
    )
    return "\n".join(part for part in (_origin(message.forwarded), text, files) if part)


def poll(asked: api.PollInfo) -> str:
    """A poll and how it stands: a line for the question, and one for each option with who chose it."""
    many = f"up to {asked.most}" if asked.most > 1 else "one"
    rows = [f"{line(asked.question)} (poll: choose {many})"]
    for at, one in enumerate(asked.options):
        mark = "x" if at in asked.chosen else " "
        names = ", ".join(line(who.name) for who in one.votes)
        count = f": {len(one.votes)} ({names})" if one.votes else ""
        rows.append(f"{at + 1}. [{mark}] {line(one.text)}{count}")
    return "\n".join(rows)


def poll_rows(asked: api.PollInfo) -> Table:
    """How a poll stands, an option a row."""
    rows = [
        (
            str(at + 1),
            "yes" if at in asked.chosen else "",
            str(len(one.votes)),
            one.text,
            ", ".join(who.name for who in one.votes),
        )
        for at, one in enumerate(asked.options)
    ]
    return Table(("number", "yours", "votes", "option", "who"), rows)


def _origin(came: api.Origin | None) -> str:
    """Where a forwarded message comes from."""
    if came is None:
        return ""
    at = f", {moment(came.time)}" if came.time else ""
    return f"[forwarded from {line(came.name)}{at}]"


def standing(message: api.Message) -> str:
    """Where a message stands; nothing of a line."""
    if message.line is not None:
        return ""
    if not message.mine:
        return message.state
    if message.state == "stored" and message.relays:
        return f"stored by {len(message.stored_by)} of {message.relays} relays"
    return message.state


def message(screen: Screen, one: api.Message) -> None:
    """Print a message: for a terminal some lines, for a pipe one."""
    name = "" if one.sender is None else line(one.sender.name)
    if not screen.tty:
        fields = (short(one.id), moment(one.time), name, standing(one), content(one))
        screen.write("\t".join(map(field, fields)))
        return
    at = screen.style(moment(one.time), "2")
    if one.line is not None:
        screen.write(f"{at}  {screen.style(f'-- {line(content(one))}', '2')}")
        return
    lines = block(bounded(content(one))).split("\n")
    shown = screen.style(name, "1;32" if one.mine else "1")
    screen.write(f"{at}  {shown}: {lines[0]}")
    for more in lines[1:]:
        screen.write(f"    {more}")
    screen.write(screen.style(f"    {'  '.join(notes(one))}", "2"))


def notes(one: api.Message) -> list[str]:
    """What stands under a message."""
    found = [short(one.id)]
    if one.mine:
        found.append(standing(one))
    if one.edited:
        found.append("edited")
    if one.pinned:
        found.append("pinned")
    if one.reply_to:
        found.append(f"answers {short(one.reply_to)}")
    found += [f"{line(r.emoji)} {line(r.who.name)}" for r in one.reactions]
    if one.expires:
        found.append(f"goes {moment(one.expires)}")
    return found


def chats(found: Sequence[api.Chat]) -> Table:
    """The list of conversations."""
    going = {(one.name, one.kind) for one in found if one.phase not in ("dead", "out")}
    rows = [
        (
            short(one.id),
            one.name,
            _kind(one, (one.name, one.kind) in going),
            str(one.unread or ""),
            moment(one.last.time) if one.last else "",
            summary(one.last),
        )
        for one in found
    ]
    empty = "No conversations yet. Give somebody your link: heliogram link new"
    return Table(("id", "name", "kind", "unread", "last", "message"), rows, empty)


def _kind(chat: api.Chat, goes_on: bool) -> str:
    """What a chat is and how it stands; `goes_on`: another one of this name is there to write in."""
    over = goes_on and chat.phase in ("dead", "out")
    notes = [
        *([] if chat.phase == "open" else [chat.phase]),
        *(["earlier"] if over else []),
        *(["on top"] if chat.pinned else []),
        *(["muted"] if chat.muted else []),
    ]
    return ", ".join([chat.kind, *notes])


def scheduled(found: Sequence[api.Scheduled], names: Mapping[str, str]) -> Table:
    """What waits for its time; `names` of conversations by their ids."""
    rows = [
        (
            str(one.number),
            moment(one.at),
            names.get(one.chat, short(one.chat)),
            " ".join((one.text, *(f"[file: {name}]" for name in one.files))).strip(),
        )
        for one in found
    ]
    return Table(("number", "goes", "chat", "message"), rows, "Nothing waits for its time.")


def folders(found: Sequence[api.Folder], names: Mapping[str, str]) -> Table:
    """Folders; `names` of conversations by their ids."""
    rows = [
        (one.name, str(len(one.chats)), ", ".join(names.get(id, short(id)) for id in one.chats))
        for one in found
    ]
    empty = "No folders. Make one: heliogram folder add FOLDER CHAT"
    return Table(("folder", "chats", "names"), rows, empty)


def preferences(now: api.Preferences) -> list[tuple[str, str]]:
    """What somebody wants of a node."""
    return [
        ("typing", "yes" if now.typing else "no"),
        ("reports", "yes" if now.reports else "no"),
        ("lock after", english.span(now.lock_after) if now.lock_after else "off"),
    ]


def devices(found: Sequence[api.Device]) -> Table:
    """Devices of an account."""
    rows = [
        (
            one.id,
            "this one" if one.this else "revoked" if one.revoked else "in use",
            moment(one.added) if one.added else "",
        )
        for one in found
    ]
    return Table(("device", "state", "added"), rows)


def storage(now: api.Storage) -> list[tuple[str, str]]:
    """What a profile takes."""
    return [
        ("messages", str(now.messages)),
        ("database", size(now.database)),
        ("kept copies of files", size(now.kept)),
        ("saved files", size(now.saved)),
    ]


def chat_info(info: api.ChatInfo) -> list[tuple[str, str]]:
    """All about a conversation."""
    chat = info.chat
    return [
        ("id", chat.id),
        ("name", chat.name),
        ("description", info.description),
        ("kind", chat.kind),
        ("phase", chat.phase),
        ("picture", "yes" if chat.picture else ""),
        ("expiry", english.span(chat.expiry) if chat.expiry else ""),
        ("muted", "yes" if chat.muted else ""),
        ("archived", "yes" if chat.archived else ""),
        ("reports", "yes" if chat.reports else "no"),
        ("folders", ", ".join(map(line, chat.folders))),
        ("suite", info.suite),
        ("epoch", str(info.epoch)),
        ("authenticator", info.authenticator),
        ("quorum", f"{info.quorum} of {len(info.relays)} relays"),
        ("guarantee", english.guarantee(info)),
        *(
            ("member", f"{person(one.who)}, {one.role}, {one.devices} device(s), {one.who.mark}")
            for one in info.members
        ),
        *(("relay", f"{one.relay.name}: {one.state}") for one in info.relays),
        *(("not decided yet", english.wanted(one)) for one in info.waiting),
        ("goes on from", chat.predecessor or ""),
        ("goes on in", chat.successor or ""),
    ]


def contacts(found: Sequence[api.Contact]) -> Table:
    """The list of contacts."""
    rows = [
        (
            short(one.who.account),
            person(one.who),
            one.who.mark,
            "blocked" if one.blocked else f"{one.state} {one.trouble}".strip(),
        )
        for one in found
    ]
    empty = "No contacts yet. Add one by a link: heliogram contact add LINK"
    return Table(("account", "name", "mark", "state"), rows, empty)


def requests(found: Sequence[api.Request]) -> Table:
    """Invitations that wait."""
    rows = [
        (
            short(one.id),
            person(one.who),
            one.who.mark,
            one.kind,
            f"{one.name}, {one.members} people" if one.kind == "group" else "",
            moment(one.time),
            one.safety,
        )
        for one in found
    ]
    headings = ("id", "from", "mark", "kind", "group", "came", "safety code")
    return Table(headings, rows, "Nobody waits.", whole=True)


def links(found: Sequence[api.ContactLink]) -> Table:
    """Links that lead to us."""
    rows = [
        (
            short(one.id),
            "one-time" if one.one_time else "open",
            one.name,
            moment(one.created),
            one.person.name if one.person else "",
            one.uri,
        )
        for one in found
    ]
    empty = "No links. Make one: heliogram link new"
    return Table(("id", "kind", "name", "made", "for", "link"), rows, empty, whole=True)


def relays(found: Iterable[api.RelayHealth]) -> Table:
    """Relays and how they do."""
    rows = [
        (
            short(one.relay.key),
            one.relay.name,
            one.state,
            "" if one.round_trip_ms is None else f"{one.round_trip_ms:.0f} ms",
            # Of a relay that was added by its address nothing is known but its key.
            "" if one.relay.key.startswith(one.relay.operator) else one.relay.operator,
            "; ".join(one.faults),
        )
        for one in found
    ]
    empty = "No relays yet. Add one: heliogram relays add ADDRESS"
    return Table(("key", "name", "state", "answer", "operator", "faults"), rows, empty)


def transfers(found: Sequence[api.Transfer]) -> Table:
    """Files on their way."""
    rows = [
        (
            short(one.message),
            str(one.index),
            one.name,
            one.direction,
            one.state if not one.trouble else f"{one.state}: {one.trouble}",
            f"{size(one.done)} of {size(one.size)}",
        )
        for one in found
    ]
    headings = ("message", "file", "name", "way", "state", "done")
    return Table(headings, rows, "No file is on its way.")


def files(found: Iterable[api.Message]) -> Table:
    """Files of messages."""
    rows = [
        (
            short(message.id),
            str(one.index),
            one.name,
            size(one.size),
            one.content_type,
            one.state,
            one.path or "",
        )
        for message in found
        for one in message.files
    ]
    headings = ("message", "file", "name", "size", "type", "state", "path")
    return Table(headings, rows, "No files.", whole=True)


def found(screen: Screen, results: Sequence[api.Found]) -> None:
    """Print what a search found, with what matched in bold."""
    rows = []
    for one in results:
        who = line(one.message.sender.name) if one.message.sender else ""
        marked = one.excerpt if screen.color else one.excerpt.replace("\2", "").replace("\3", "")
        rows.append((one, who, marked))
    if not screen.tty:
        for one, who, marked in rows:
            fields = (short(one.message.id), moment(one.message.time), one.chat_name, who, marked)
            screen.write("\t".join(map(field, fields)))
        return
    for one, who, marked in rows:
        at = screen.style(f"{moment(one.message.time)}  {short(one.message.id)}", "2")
        parts = [part.split("\3", 1) for part in marked.split("\2")]
        shown = _inner(parts[0][0]).lstrip()
        for part in parts[1:]:
            rest = part[1] if len(part) > 1 else ""
            shown += screen.style(_inner(part[0]), "1") + _inner(rest)
        screen.write(f"{at}  {line(one.chat_name)}  {who}: {shown}")
    if not rows:
        screen.write(screen.style("Nothing was found.", "2"))


def _inner(text: str) -> str:
    """Part of a line: its outer spaces stay."""
    shown = line(text)
    left = " " if text[:1].isspace() and shown else ""
    right = " " if text[-1:].isspace() and (shown or left == "") else ""
    return f"{left}{shown}{right}"


def explanation(screen: Screen, seen: api.Explanation) -> None:
    """Print what relays and the network saw of a message."""
    screen.pairs(
        [
            ("message", seen.message.id),
            ("state", standing(seen.message)),
            ("text", f"{seen.text_size} bytes; hidden in {seen.entry_size}"),
            ("looks like", f"any text up to {seen.bucket} bytes"),
            *(("network", english.passed(one)) for one in seen.network),
            ("proxy", seen.proxy),
        ]
    )
    rows = [
        (
            one.relay.name,
            one.what,
            size(one.size),
            moment(one.minute * 60),
            str(one.epoch),
            "stored" if one.stored else "not stored",
        )
        for one in seen.traces
    ]
    screen.table(Table(("relay", "saw", "size", "minute", "epoch", "state"), rows))


def status(now: api.Status) -> list[tuple[str, str]]:
    """How the node is."""
    return [
        ("you", f"{line(now.me.name)}, {now.me.mark}"),
        ("account", now.me.account),
        ("device", now.device),
        ("profile", now.profile),
        ("version", now.version),
        ("suite", now.suite),
        ("online", "yes" if now.online else "no"),
        ("proxy", now.proxy),
        ("conversations", str(now.chats)),
        ("contacts", str(now.contacts)),
        ("requests", str(now.requests)),
        ("unread", str(now.unread)),
        ("waiting to go", str(now.queued)),
        ("key packages", str(now.packages)),
        *(("relay", f"{one.relay.name}: {one.state}") for one in now.relays),
    ]
