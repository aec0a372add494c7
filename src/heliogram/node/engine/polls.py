"""Polls: asking, voting, and what others vote.

A vote answers one version of a poll and counts for that one: whoever gives a poll other options asks anew.
Of each person the last vote counts, by its time. Votes are no messages of history, and nobody reports them.
"""

from __future__ import annotations

from collections.abc import Mapping

from heliogram.content import forms, making
from heliogram.content.errors import ContentError
from heliogram.content.mimi import Part
from heliogram.node import api
from heliogram.node.engine import naming, reading
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.speaking import Speaking, checked, newest
from heliogram.node.errors import NotAllowed


class Polls:
    """Does the commands."""

    def __init__(self, desk: Desk, speaking: Speaking) -> None:
        self._desk = desk
        self._speaking = speaking

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.SendPoll: self._ask, api.Vote: self._vote}

    def _ask(self, command: api.SendPoll, extra: object) -> api.Message:
        chat = self._speaking.open(command.chat)

        def asked() -> Part:
            return making.poll(forms.Poll(command.question, command.options, command.most))

        number = self._speaking.post(chat, checked(asked, "this is no poll"))
        return self._speaking.shown(number)

    def _vote(self, command: api.Vote, extra: object) -> api.Message:
        row = naming.message(self._desk, command.message)
        asked = reading.poll(row.content)
        if asked is None:
            raise NotAllowed("this is no poll")
        chat = self._speaking.open_number(row.conversation)
        try:
            part = making.vote(forms.Vote(tuple(sorted(set(command.options)))), asked)
        except ContentError:
            raise NotAllowed("nobody can choose that in this poll") from None
        entropy = self._desk.context.entropy
        self._speaking.do(chat, making.post(part, in_reply_to=newest(row), entropy=entropy))
        return self._speaking.shown(row.number)
