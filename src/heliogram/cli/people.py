"""`me`, `link`, `contact`, `requests`, `accept`, `decline`: whom one knows, and how one gets known."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from heliogram.cli import cleaning, completing, showing, waiting
from heliogram.cli.commands import command, group
from heliogram.cli.face import Face, Stop
from heliogram.cli.sentences import USAGE
from heliogram.node import api
from heliogram.node.identity.names import clean

links = group("link", "Links that lead to you: make, list, take back.")
contacts = group("contact", "People that you know.")

Who = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A contact.", autocompletion=completing.contacts),
]
Waiting = Annotated[
    str,
    typer.Argument(
        metavar="REQUEST", help="Its id, or who it is from.", autocompletion=completing.requests
    ),
]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    command(app, "me", "me", "me 'Anna B.'")(me)
    app.add_typer(links)
    app.add_typer(contacts)
    command(app, "requests", "requests")(requests)
    command(app, "accept", "accept Anna")(accept)
    command(app, "decline", "decline 3fa2c1d0", "decline Mallory --block")(decline)


# --- Ourselves ------------------------------------------------------------------------------------


def me(
    face: Face,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="What you are called from now on.")
    ] = None,
) -> None:
    """Show or change what others see you as. They see another name with the next thing that you say."""
    if name is not None and not clean(name):
        raise Stop("There must be a name.", exit=USAGE)
    found: api.Person = face.ask(api.SetMe(name)) if name else face.ask(api.GetStatus()).me
    if face.as_json:
        face.screen.json(found)
    else:
        face.screen.pairs([("name", found.name), ("mark", found.mark), ("account", found.account)])


# --- Links ----------------------------------------------------------------------------------------


@command(links, "new", "link new --qr", "link new --one-time --svg anna.svg")
def link_new(
    face: Face,
    one_time: Annotated[
        bool, typer.Option("--one-time", help="It counts for the first who uses it.")
    ] = False,
    name: Annotated[
        str, typer.Option("--name", help="The name in it. Else that of your profile.")
    ] = "",
    qr: Annotated[bool, typer.Option("--qr", help="Show it as a QR code.")] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write the QR code into a file.")
    ] = None,
) -> None:
    """Make a link. Who has it can ask to get in touch with you."""
    link: api.ContactLink = face.ask(api.NewLink(one_time, name))
    if svg is not None:
        _qr(link).save(str(svg), kind="svg", scale=8)
    if face.as_json:
        face.screen.json(link)
        return
    face.screen.write(cleaning.line(link.uri))
    if qr:
        _qr(link).terminal(face.screen.stream, compact=True)


def _qr(link: api.ContactLink):  # type: ignore[no-untyped-def]
    import segno

    return segno.make(link.scan, error="m", micro=False)


@command(links, "list", "link list")
def link_list(face: Face) -> None:
    """List your links."""
    found = face.ask(api.GetLinks())
    if face.as_json:
        face.screen.json(found)
    else:
        face.screen.table(showing.links(found))


@command(links, "revoke", "link revoke 3fa2c1d0")
def link_revoke(
    face: Face, link: Annotated[str, typer.Argument(metavar="LINK", help="Its id.")]
) -> None:
    """Let a link lead nowhere from now on. Who used it before stays a contact."""
    face.ask(api.RevokeLink(link))
    face.done("The link leads nowhere now.")


# --- Contacts -------------------------------------------------------------------------------------


@command(contacts, "add", "contact add heliogram:contact/… --name Anna")
def contact_add(
    face: Face,
    link: Annotated[str, typer.Argument(metavar="LINK", help="The link that they gave you.")],
    name: Annotated[
        str, typer.Option("--name", help="What you call them. Else what the link says.")
    ] = "",
) -> None:
    """Get in touch with whoever gave you a link. They are asked first."""
    contact: api.Contact = face.ask(api.AddContact(link, name))
    if face.wait:
        with suppress(TimeoutError):
            contact = waiting.reached(face, contact)
    face.done(
        f"{contact.who.name} ({contact.who.mark}): {contact.state}. "
        f"Write: heliogram chat {showing.named(contact.who.name, contact.who.account)}",
        contact,
    )


@command(contacts, "list", "contact list", "contact list --json")
def contact_list(face: Face) -> None:
    """List your contacts."""
    found = face.ask(api.GetContacts())
    if face.as_json:
        face.screen.json(found)
    else:
        face.screen.table(showing.contacts(found))


@command(contacts, "verify", "contact verify Anna", "contact verify Anna --code '12345 67890 …'")
def contact_verify(
    face: Face,
    name: Who,
    code: Annotated[
        str, typer.Option("--code", help="What they read to you: digits, words, or a scan.")
    ] = "",
    same: Annotated[
        bool, typer.Option("--same", help="You have compared, and the codes are the same.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Count them as not verified.")] = False,
) -> None:
    """Compare safety codes: then you know that nobody stands between you.

    Without an option the code is shown. Read it to each other over the phone, or side by side.
    """
    if code or same or undo:
        contact: api.Contact = face.ask(api.VerifyContact(name, code, not undo))
        state = "verified" if contact.who.verified else "not verified"
        face.done(f"{contact.who.name} is {state}.", contact)
        return
    safety: api.SafetyCode = face.ask(api.GetSafetyCode(name))
    if face.as_json:
        face.screen.json(safety)
        return
    face.screen.pairs(
        [("name", safety.who.name), ("digits", safety.digits), ("words", safety.words)]
    )
    if face.screen.tty:
        face.screen.write("If theirs are the same: heliogram contact verify NAME --same")


@command(contacts, "rename", "contact rename Anna 'Anna from work'")
def contact_rename(
    face: Face,
    name: Who,
    new: Annotated[str, typer.Argument(metavar="NEW", help="What you call them from now on.")],
) -> None:
    """Call a contact by another name. They do not get to know."""
    contact: api.Contact = face.ask(api.RenameContact(name, new))
    face.done(f"This is {contact.who.name} now.", contact)


@command(contacts, "block", "contact block Mallory", "contact block Mallory --undo")
def contact_block(
    face: Face,
    name: Who,
    undo: Annotated[bool, typer.Option("--undo", help="Let them write again.")] = False,
) -> None:
    """See nothing of somebody any more. They do not get to know."""
    contact: api.Contact = face.ask(api.BlockContact(name, not undo))
    state = "blocked" if contact.blocked else "not blocked"
    face.done(f"{contact.who.name} is {state}.", contact)


# --- Requests -------------------------------------------------------------------------------------


def requests(face: Face) -> None:
    """List who wants to get in touch. They notice nothing until you accept."""
    found = face.ask(api.GetRequests())
    if face.as_json:
        face.screen.json(found)
    else:
        face.screen.table(showing.requests(found))


def accept(face: Face, request: Waiting) -> None:
    """Accept a request: go into the conversation."""
    chat: api.Chat = face.ask(api.AcceptRequest(request))
    face.done(
        f"You are in: {chat.name}. Write: heliogram chat {showing.named(chat.name, chat.id)}", chat
    )


def decline(
    face: Face,
    request: Waiting,
    block: Annotated[bool, typer.Option("--block", help="And block who sent it.")] = False,
) -> None:
    """Throw a request away. Nobody gets to know."""
    face.ask(api.DeclineRequest(request, block))
    face.done("It is gone.")
