"""The list of commands, each of which is loaded when it is used: `heliogram --help` loads none.

A command that starts fast is used; what all of them import would be paid for at each of them.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from heliogram.cli.coercing import lighten

#: Name, where it is, and the first sentence of its help.
COMMANDS: Final = (
    ("init", "setup", "Make a profile: your account on this machine."),
    ("restore", "setup", "Make a profile from the 24 words of an account."),
    ("serve", "setup", "Run the node until Ctrl-C, SIGTERM or `heliogram lock`."),
    ("web", "setup", "Run the node and show the app in your browser, until Ctrl-C or SIGTERM."),
    ("status", "setup", "Show who you are and how the node is."),
    ("lock", "setup", "Let the running node forget all keys and stop."),
    ("chats", "talking", "List your conversations."),
    ("chat", "talking", "Stay in a conversation: write below, read above."),
    ("read", "talking", "Show what was said, newest last."),
    ("send", "talking", "Say something."),
    ("schedule", "scheduling", "Messages that wait for their time."),
    ("poll", "polling", "Polls: ask, vote, see how they stand."),
    ("search", "talking", "Search in all that was said."),
    ("edit", "talking", "Give a message of yours another text."),
    ("delete", "talking", "Take a message of yours back from all, as far as their programs obey."),
    ("react", "talking", "React to a message."),
    ("forward", "pinning", "Say again in a conversation what messages say, with their files."),
    ("resend", "pinning", "Say again what a message of yours that failed says."),
    ("pin", "pinning", "Pin a message, for all."),
    ("unpin", "pinning", "Let a message be pinned no longer, for all."),
    ("pins", "pinning", "Show what is pinned in a conversation, the newest first."),
    ("explain", "keeping", "Show what relays and the network saw of a message of yours."),
    ("files", "keeping", "Files of messages."),
    ("group", "groups", "Groups: make, change, look at."),
    ("mute", "arranging", "Let a conversation make no noise."),
    ("archive", "arranging", "Put a conversation away: `chats --archived` lists it."),
    ("top", "arranging", "Keep a conversation on top of the list."),
    ("folder", "arranging", "Folders of conversations."),
    ("link", "people", "Links that lead to you: make, list, take back."),
    ("contact", "people", "People that you know."),
    ("requests", "people", "List who wants to get in touch."),
    ("accept", "people", "Accept a request: go into the conversation."),
    ("decline", "people", "Throw a request away."),
    ("me", "people", "Show or change what others see you as."),
    ("preferences", "arranging", "Show or change what you want of this node."),
    ("devices", "setup", "List the devices of your account."),
    ("words", "setup", "Show the 24 words of your account, to who knows the passphrase."),
    ("passphrase", "setup", "Choose another passphrase for the profile."),
    ("relays", "keeping", "The relays for what you begin."),
    ("network", "network", "Show or change how relays are reached."),
    ("backup", "keeping", "Write an encrypted copy of the profile."),
    ("export", "keeping", "Write everything readable into a directory: JSON Lines, files, a page."),
    (
        "demo",
        "setup",
        "Play a story on this machine: three people, four relays, and one of them is lost.",
    ),
)

#: What stands above some of them in the list.
_HEADINGS: Final = {
    "init": "The node",
    "chats": "Talking",
    "edit": "Messages",
    "group": "Conversations",
    "link": "People",
    "me": "Yourself and this machine",
}


class Lazy(TyperGroup):
    """The commands, loaded one by one."""

    def __init__(self, **settings: Any) -> None:
        """As Typer makes it."""
        super().__init__(**settings)
        lighten(self)

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in order."""
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them."""
        if cmd_name not in self.commands:
            for name, room, _ in COMMANDS:
                if name == cmd_name:
                    self.commands[name] = load(name, room)
                    break
            else:
                # For "did you mean": names without what they do.
                for name in self.list_commands(ctx):
                    self.commands.setdefault(name, TyperCommand(name))
                return None
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List them, none loaded."""
        # One width for all, so that the columns stand below each other.
        room = max(len(name) for name, _, _ in COMMANDS)
        parts: dict[str, list[tuple[str, str]]] = {}
        heading = ""
        for name, _, what in COMMANDS:
            heading = _HEADINGS.get(name, heading)
            parts.setdefault(heading, []).append((name.ljust(room), what))
        for heading, rows in parts.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


def load(name: str, room: str) -> Any:
    """A command, by its name and the module that adds it."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    importlib.import_module(f"heliogram.cli.{room}").add(app)
    # Only what is wanted is built.
    groups = [one for one in app.registered_groups if one.typer_instance and _name(one) == name]
    app.registered_groups = groups
    app.registered_commands = [one for one in app.registered_commands if one.name == name]
    made = get_command(app)
    return lighten(made.commands[name] if isinstance(made, TyperGroup) else made)


def _name(group: Any) -> str | None:
    return group.name if isinstance(group.name, str) else group.typer_instance.info.name
