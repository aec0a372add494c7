"""Commands for what somebody wants of this node, and what follows where a conversation says nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from heliogram.node import api
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.reports import Reports
from heliogram.node.engine.views import Views
from heliogram.node.store import preferences


class Preferences:
    """Does the commands."""

    def __init__(self, desk: Desk, views: Views, reports: Reports) -> None:
        self._desk = desk
        self._views = views
        self._reports = reports

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.GetPreferences: lambda command, extra: self._desk.preferences,
            api.SetPreferences: self._set,
        }

    def _set(self, command: api.SetPreferences, extra: object) -> api.Preferences:
        before = self._desk.preferences
        wanted = {name: getattr(command, name) for name in command.__struct_fields__}
        after = msgspec.structs.replace(
            before, **{name: value for name, value in wanted.items() if value is not None}
        )
        if after == before:
            return before
        shown = self._shown() if after.reports != before.reports else {}
        preferences.save(self._desk.context.store, after)
        for number, reported in shown.items():
            row = self._desk.logs.get(number)
            if row is not None and self._views.reports(row) != reported:
                self._desk.chat_changed(number)
                if reported:
                    self._reports.forget(number)
        self._desk.context.tell(api.PreferencesChanged(after))
        return after

    def _shown(self) -> dict[int, bool]:
        """Which conversations report."""
        return {row.number: self._views.reports(row) for row in self._desk.logs.every()}
