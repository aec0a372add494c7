"""What the shell offers when Tab is pressed: names that the running node knows; nothing without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from heliogram.cli import cleaning

#: Seconds that a Tab may take.
PATIENCE = 0.5


def chats(incomplete: str) -> list[str]:
    """Conversations."""
    from heliogram.node import api

    return _offered(api.GetChats(), lambda one: (one.name,), incomplete)


def contacts(incomplete: str) -> list[str]:
    """Contacts."""
    from heliogram.node import api

    return _offered(api.GetContacts(), lambda one: (one.who.name,), incomplete)


def relays(incomplete: str) -> list[str]:
    """Relays of ours."""
    from heliogram.node import api

    return _offered(api.GetRelays(), lambda one: (one.relay.name,), incomplete)


def requests(incomplete: str) -> list[str]:
    """Invitations that wait."""
    from heliogram.node import api

    return _offered(api.GetRequests(), lambda one: (one.who.name, one.id[:12]), incomplete)


def folders(incomplete: str) -> list[str]:
    """Folders of conversations."""
    from heliogram.node import api

    return _offered(api.GetFolders(), lambda one: (one.name,), incomplete)


def scheduled(incomplete: str) -> list[str]:
    """Numbers of what waits for its time."""
    from heliogram.node import api

    return _offered(api.GetScheduled(), lambda one: (str(one.number),), incomplete)


def _offered(command: Any, names: Callable[[Any], Iterable[str]], incomplete: str) -> list[str]:
    from heliogram.cli.reaching import reach_running
    from heliogram.node.profile.directory import find

    node = reach_running(find(None), PATIENCE)
    if node is None:
        return []
    try:
        known = [name for one in node.call(command) for name in names(one)]
    except Exception:
        # A Tab that fails offers nothing: an error would be written over what is being typed.
        return []
    finally:
        node.close()
    wanted = incomplete.casefold()
    # A name that has to be cleaned cannot be typed as it is shown: its id can.
    safe = {name for name in known if cleaning.line(name) == name}
    return sorted(name for name in safe if name.casefold().startswith(wanted))
