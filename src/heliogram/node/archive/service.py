"""Archives of a running node: backups and exports on command; and contacts reached anew after a restore."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from heliogram.node import api
from heliogram.node.archive.backup import RESTORED, back_up
from heliogram.node.archive.export import export
from heliogram.node.errors import BackupFault, InvalidBackup, NodeError
from heliogram.node.identity.links import ContactLink
from heliogram.node.profile.profile import Profile
from heliogram.node.shell import Outside, Shell

Entropy = Callable[[int], bytes]


class Archives:
    """What is done with a profile as a whole while its node runs."""

    def __init__(
        self,
        profile: Profile,
        shell: Shell,
        entropy: Entropy,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._profile = profile
        self._shell = shell
        self._entropy = entropy
        self._clock = clock
        #: One at a time: each reads all there is.
        self._lock = asyncio.Lock()

    @property
    def outside(self) -> Mapping[type[api.Command], Outside]:
        """For `Shell.outside`."""
        return {api.Backup: self._back_up, api.Export: self._export}

    async def reach_again(self) -> None:
        """Get in touch anew with everybody whose link we have, once after a restore.

        The direct conversations of before are history: our device in them is gone. Whoever cannot be reached
        is shown as such, like any contact.
        """
        store = self._profile.store
        if store.setting(RESTORED) is None:
            return
        rows = store.query(
            "SELECT link FROM contacts WHERE link IS NOT NULL AND blocked = 0 AND conversation IS NULL"
        )
        for (encoded,) in rows:
            try:
                link = ContactLink.from_bytes(bytes(encoded)).to_text()
                await self._shell.turn(api.AddContact(link))
            except NodeError:
                continue  # one link that leads nowhere holds up nobody else
        store.set_setting(RESTORED, None)

    async def _back_up(self, command: api.Backup) -> api.Done:
        async with self._lock:
            await asyncio.to_thread(
                back_up,
                self._profile,
                _place(command.file),
                time=int(self._clock()),
                entropy=self._entropy,
            )
        return api.Done()

    async def _export(self, command: api.Export) -> api.Done:
        async with self._lock:
            await asyncio.to_thread(
                export,
                self._profile.store,
                _place(command.directory),
                time=int(self._clock()),
                spool=self._profile.directory.spool,
            )
        return api.Done()


def _place(text: str) -> Path:
    """Where to write. Raises `InvalidBackup` for what is no path to anything new."""
    path = Path(text)
    try:
        usable = bool(path.name) and b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise InvalidBackup(BackupFault.NOT_WRITTEN)
    return path
