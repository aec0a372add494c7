"""Explain: what each relay, and who watches the network, saw of a message of ours."""

from __future__ import annotations

from collections.abc import Mapping

from heliogram.codec import opaque
from heliogram.content.framing import MIMI_CONTENT, framed
from heliogram.content.padding import bucket
from heliogram.node import api
from heliogram.node.engine import naming
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.views import Views, relay_info
from heliogram.node.errors import NotAllowed
from heliogram.wire.objects import RelayDescription

#: The setting that says through which proxy we go.
PROXY = "proxy"

#: Bytes of a signature in MLS, with its length: Ed25519, as in all suites that are offered.
_SIGNATURE = 66


class Tracing:
    """Does the command."""

    def __init__(self, desk: Desk, views: Views) -> None:
        self._desk = desk
        self._views = views

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.Explain: self._explain}

    def _explain(self, command: api.Explain, extra: object) -> api.Explanation:
        row = naming.message(self._desk, command.message)
        if not row.mine:
            raise NotAllowed("what was seen is known of messages of your own")
        conversation = self._desk.logs.get(row.conversation)
        configuration = None if conversation is None else self._views.configuration(conversation)
        known = {} if configuration is None else {one.key: one for one in configuration.relays}
        kept = self._desk.logs.traces(row.number)
        traces = tuple(
            api.Trace(
                relay=relay_info(known.get(one.relay) or RelayDescription(one.relay, b"", ())),
                what=one.what,
                size=one.size,
                minute=one.minute,
                epoch=one.epoch,
                stored=one.stored,
            )
            for one in kept
            if one.relay
        )
        text_size = len(row.text.encode("utf-8", "replace"))
        proxy = (self._desk.context.store.setting(PROXY) or b"").decode("utf-8", "replace")
        return api.Explanation(
            message=self._views.message(row),
            traces=traces,
            text_size=text_size,
            entry_size=next((one.size for one in reversed(kept) if not one.relay), 0),
            bucket=largest(text_size, row.content or b""),
            network=tuple(_network(traces, hidden=bool(proxy))),
            proxy=proxy,
        )


def largest(text_size: int, content: bytes) -> int:
    """Bytes of the longest text that looks the same from outside as one of `text_size` in `content`."""
    data = opaque(framed(MIMI_CONTENT, content))
    sealed = len(data) + _SIGNATURE
    return text_size + bucket(sealed) - sealed


def _network(traces: tuple[api.Trace, ...], *, hidden: bool) -> list[api.Passed]:
    seen: dict[tuple[str, int], int] = {}
    # On one's own machine there may be none.
    tls = {
        one.relay.name: all(end.startswith("wss:") for end in one.relay.endpoints) for one in traces
    }
    for one in traces:
        key = (one.relay.name, one.size)
        seen[key] = seen.get(key, 0) + 1
    if hidden:
        total = sum(size * many for (_, size), many in seen.items())
        return [api.Passed(to="", size=total, times=1, tls=True)]
    return [
        api.Passed(to=name, size=size, times=many, tls=tls[name])
        for (name, size), many in seen.items()
    ]
