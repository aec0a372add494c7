"""How the node is, at a glance: a part of the engine that only looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heliogram import __version__, mls
from heliogram.node import api
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.people import People
from heliogram.node.engine.talks import Talks
from heliogram.node.store.logs import Logs

_NAMES = {suite.value: suite.name for suite in mls.CipherSuite}


class Overview:
    """Does `GetStatus` and `GetDevices`, and says whether anything is still on its way."""

    def __init__(self, context: Context, people: People, talks: Talks, profile: str) -> None:
        """`profile` is the directory's name, as shown."""
        self._context = context
        self._people = people
        self._talks = talks
        self._profile = profile

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """What it does for which command."""
        return {api.GetStatus: self._status, api.GetDevices: self._devices}

    def settle(self) -> None:
        """Nothing follows from anything here."""

    def asks(self) -> list[Any]:
        """Nothing is asked."""
        return []

    def deadline(self) -> float | None:
        """Never."""
        return None

    @property
    def waiting(self) -> int:
        """What somebody here wanted and what is not done yet: things to say, changes, first contacts."""
        store = self._context.store
        counts = (
            store.one("SELECT count(*) FROM outbox WHERE NOT stored"),
            store.one("SELECT count(*) FROM wishes"),
            store.one("SELECT count(*) FROM jobs"),
            store.one("SELECT count(*) FROM conversations WHERE phase = 'opening'"),
        )
        return sum(row[0] for row in counts if row is not None)

    def _status(self, command: api.GetStatus, extra: object) -> api.Status:
        store, me = self._context.store, self._people.me
        relays = self._talks.handlers[api.GetRelays](api.GetRelays(), None)

        def count(sql: str) -> int:
            row = store.one(sql)
            return 0 if row is None or row[0] is None else int(row[0])

        return api.Status(
            version=__version__,
            profile=self._profile,
            me=self._people.person(me.id),
            device=shown(me.certificate.device_id),
            suite=_NAMES.get(me.device.suite, "unknown"),
            relays=tuple(relays),  # type: ignore[arg-type]
            proxy="",
            chats=count("SELECT count(*) FROM conversations"),
            contacts=count("SELECT count(*) FROM contacts WHERE NOT blocked"),
            requests=count("SELECT count(*) FROM requests WHERE state = 'waiting'"),
            unread=count("SELECT sum(unread) FROM conversations WHERE NOT muted"),
            queued=Logs(store).waiting(),
            packages=self._people.ready_packages,
            online=False,
        )

    def _devices(self, command: api.GetDevices, extra: object) -> list[api.Device]:
        me = self._people.me
        own = me.certificate.device_id
        # Of the others we have the ids alone: when they were made stands in their own certificates.
        others = [api.Device(id=shown(id)) for id in me.devices.devices if id != own]
        gone = [api.Device(id=shown(id), revoked=True) for id in me.devices.revoked if id != own]
        this = api.Device(
            id=shown(own), this=True, added=me.created, revoked=own in me.devices.revoked
        )
        return [this, *others, *gone]


def shown(device: bytes) -> str:
    """A device's id as people see it."""
    return device.hex()[:8]
