"""Relays for what we begin: the list of them, and how people name one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from heliogram.node import api
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.views import relay_info, relay_name
from heliogram.node.errors import Ambiguous, InvalidEndpoint, NotFound
from heliogram.node.network.endpoints import Endpoint
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import RelayDescription

#: How a relay does, as far as conversations know.
Health = Callable[[RelayDescription], api.RelayHealth]

_ADDRESS = re.compile(r"(wss?://[!-~]+)#([0-9a-fA-F]{64})(?:&operator=([0-9a-fA-F]{64}))?")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


class RelayList:
    """Does the commands."""

    def __init__(self, desk: Desk, health: Health) -> None:
        self._desk = desk
        self._health = health

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.GetRelays: self._get,
            api.AddRelay: self._add,
            api.RemoveRelay: self._remove,
        }

    def _get(self, command: api.GetRelays, extra: object) -> list[api.RelayHealth]:
        return [self._health(one) for one in own_relays(self._desk)]

    def _add(self, command: api.AddRelay, extra: object) -> api.RelayInfo:
        relay = described(command.address)
        self._desk.logs.add_relay(relay.key, relay.encode(), added=self._desk.time)
        return relay_info(relay)

    def _remove(self, command: api.RemoveRelay, extra: object) -> api.Done:
        self._desk.logs.remove_relay(named(own_relays(self._desk), command.relay).key)
        return api.Done()


def own_relays(desk: Desk) -> list[RelayDescription]:
    """Relays for what we begin, in the order in which they were added."""
    return [RelayDescription.from_bytes(one) for one in desk.logs.relays()]


def named(relays: Sequence[RelayDescription], text: str) -> RelayDescription:
    """The one that somebody means by its name or the first digits of its key.

    Raises `NotFound`, `Ambiguous`.
    """
    wanted = text.strip().lower()
    found = [one for one in relays if relay_name(one).lower() == wanted]
    if not found and wanted:
        found = [one for one in relays if one.key.hex().startswith(wanted)]
    if not found:
        raise NotFound("relay")
    if len(found) > 1:
        raise Ambiguous("relay")
    return found[0]


def described(address: str) -> RelayDescription:
    """The relay of an address: `wss://host/path#KEY`, `…#KEY&operator=KEY`, or an encoded description in
    hexadecimal, as `heliogram-relay init` prints it.

    Where nothing says who runs it, it counts as run by somebody of its own. Raises `InvalidEndpoint`.
    """
    text = address.strip()
    found = _ADDRESS.fullmatch(text)
    if found is not None:
        key, operator = bytes.fromhex(found[2]), bytes.fromhex(found[3] or found[2])
        relay = RelayDescription(key, operator, (found[1].encode("ascii"),))
    elif _HEX.fullmatch(text):
        try:
            relay = RelayDescription.from_bytes(bytes.fromhex(text))
        except RemoteError:
            raise InvalidEndpoint from None
    else:
        raise InvalidEndpoint
    if not relay.endpoints:
        raise InvalidEndpoint
    for endpoint in relay.endpoints:
        Endpoint.parse(endpoint)
    return relay


def meant(relays: Sequence[RelayDescription], text: str) -> RelayDescription:
    """A relay by name, key, or address. Raises `NotFound`, `Ambiguous`, `InvalidEndpoint`."""
    if "#" in text or len(text.strip()) > 64:
        return described(text)
    return named(relays, text)
