"""Where all connections go through: read from the store, and changed while the node runs.

    way = WayOut(store, entropy)
    way.dialler                         # that of now
    dialler = way.choose(api.SetNetwork(proxy="socks5://127.0.0.1:9050"))

What was chosen is written before anything goes that way. Whatever is wrong with it, nothing goes around it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from heliogram.node import api
from heliogram.node.errors import InvalidAuthority
from heliogram.node.network.dialling import Dialler
from heliogram.node.network.proxy import Proxy
from heliogram.node.store.database import Store

#: Settings of the store: where all connections go through, and certificates that are trusted besides.
PROXY, AUTHORITY = "proxy", "authority"

#: Bytes of a file of certificates.
MAX_AUTHORITY: Final = 4 << 20


class WayOut:
    """The settings, and the dialler that follows from them. Used within one event loop."""

    def __init__(self, store: Store, entropy: Callable[[int], bytes]) -> None:
        """As it was chosen last. Raises `InvalidProxy` if that cannot be read: then nothing is sent.

        A file of certificates that is gone or broken is not trusted, and nothing else changes.
        """
        self._store = store
        self._entropy = entropy
        self._proxy = (store.setting(PROXY) or b"").decode()
        self._authority = (store.setting(AUTHORITY) or b"").decode()
        self._readable = True
        try:
            self.dialler = self._make(self._proxy, self._authority)
        except InvalidAuthority:
            self._readable = False
            self.dialler = self._make(self._proxy, "")

    @property
    def proxy(self) -> str:
        """The proxy; empty for none."""
        return self._proxy

    @property
    def shown(self) -> api.Network:
        """The settings, as shown."""
        return api.Network(self._proxy, self._authority, self._readable)

    def choose(self, command: api.SetNetwork) -> Dialler:
        """Take other settings: checked, then written, then in force. The former dialler is to be closed.

        Gives the dialler of now; the same one if nothing is new. Raises `InvalidProxy`, `InvalidAuthority`,
        `StoreError`; then nothing has changed.
        """
        if command.proxy is None and command.authority is None:
            return self.dialler
        proxy = self._proxy if command.proxy is None else command.proxy.strip()
        authority = self._authority if command.authority is None else command.authority
        proxy = str(Proxy.parse(proxy)) if proxy else ""
        made = self._make(proxy, authority)
        if (proxy, authority) == (self._proxy, self._authority) and self._readable:
            return self.dialler
        with self._store.transaction():
            self._store.set_setting(PROXY, proxy.encode() or None)
            self._store.set_setting(AUTHORITY, authority.encode() or None)
        self._proxy, self._authority, self._readable = proxy, authority, True
        self.dialler = made
        return made

    def _make(self, proxy: str, authority: str) -> Dialler:
        file = Path(authority) if authority else None
        try:
            if file is not None and not (file.is_absolute() and file.is_file()):
                raise InvalidAuthority
            if file is not None and file.stat().st_size > MAX_AUTHORITY:
                raise InvalidAuthority
            return Dialler(
                proxy=Proxy.parse(proxy) if proxy else None,
                authority=file,
                entropy=self._entropy,
            )
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            raise InvalidAuthority from None
