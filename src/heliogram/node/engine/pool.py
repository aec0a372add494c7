"""Key packages of ours: made, given to relays, kept until they are used or nobody can use them any more.

Each relay of our inbox has its own: a package on two relays could be taken twice. All of a relay's packages
are replaced in each period, whether any was taken or not. So neither when we are here nor what somebody took
can be seen from it: relays tell nobody how full a pool is, and we do not ask.

A one-time package is deleted when it was used, so what a relay gives away twice is refused the second time.
"""

from __future__ import annotations

from heliogram import mls
from heliogram.node.engine.account import Me
from heliogram.node.engine.context import Context
from heliogram.node.errors import DamagedState
from heliogram.node.inbox.own import FILL_TIME, OwnInbox
from heliogram.node.store.people import PackageRow, PeopleTables
from heliogram.wire import frames

#: Seconds after which a relay's packages are replaced.
PERIOD = 2 * 86_400

#: One-time packages for each relay, beside one of last resort.
ONE_TIME = 20

#: Seconds until a relay that did not take its packages gets others, at most.
LATEST = 86_400.0

#: Seconds for which a package is kept that no relay gives away any more: its invitation may still wait there.
KEPT = 35 * 86_400

#: Seconds for which others may use a package, and after which it is deleted in any case.
LIFETIME = 84 * 86_400


class Pool:
    """Our key packages."""

    def __init__(self, context: Context, tables: PeopleTables, me: Me) -> None:
        self._context = context
        self._tables = tables
        self._me = me
        #: The period that each relay was last filled in, and when what is under way to it was made.
        self.filled: dict[bytes, int] = {}
        self._begun: dict[bytes, int] = {}
        #: How often a relay did not take what was made for it, and until when it gets nothing new.
        self._tries: dict[bytes, int] = {}
        self._again: dict[bytes, float] = {}

    def settle(self, inbox: OwnInbox, relays: list[bytes]) -> bool:
        """Fill one relay whose time has come; True if there are more.

        New links of a relay that was filled before are told to it again, in case it has lost some.
        """
        context = self._context
        due = [
            relay
            for relay in relays
            if self.filled.get(relay) != self.period
            and inbox.is_up(relay)
            and context.now >= self._again.get(relay, 0.0)
            and not inbox.is_filling(relay, context.now)
        ]
        if not due:
            return False
        relay = due[0]
        device = self._me.certificate.device_id
        packages = [self._new(relay=relay) for _ in range(ONE_TIME)]
        packages.append(self._new(relay=relay, last_resort=True))
        offered = [
            frames.Package(device, one.key_package.last_resort, one.message) for one in packages
        ]
        inbox.fill(relay, offered, context.now)
        inbox.renew_links(relay)
        self._begun[relay] = int(context.time)
        # What was made and not taken must be kept. A relay shall not make us keep ever more.
        tries = self._tries[relay] = self._tries.get(relay, 0) + 1
        self._again[relay] = context.now + min(LATEST, FILL_TIME * 2.0 ** min(tries - 1, 16))
        return len(due) > 1

    def done(self, relay: bytes) -> None:
        """A relay has what was made for it, and nothing from before."""
        before = self._begun.pop(relay, 0)
        self._tries.pop(relay, None)
        self.filled[relay] = self.period
        self._tables.set_filled(relay, self.period)
        self._tables.replace_packages(relay, before=before, ends=int(self._context.time) + KEPT)
        self._tables.expire_packages(int(self._context.time))

    @property
    def period(self) -> int:
        """The period that we are in. They begin when the device was made, so each has its own hours."""
        return (int(self._context.time) - self._me.created) // PERIOD

    def due_in(self) -> float:
        """Seconds until there is something to do here, if nothing happens until then."""
        begins = self._me.created + (self.period + 1) * PERIOD - self._context.time
        again = (at - self._context.now for at in self._again.values())
        return min((begins, *(one for one in again if one > 0)))

    def package(self, reference: bytes) -> mls.OwnKeyPackage | None:
        """The package with this reference, if it was not used."""
        found = self._tables.package(reference)
        return None if found is None else _own(found)

    def fresh(self) -> mls.OwnKeyPackage:
        """A package that no relay gets."""
        return self._new()

    def _new(self, *, relay: bytes | None = None, last_resort: bool = False) -> mls.OwnKeyPackage:
        now = int(self._context.time)
        package = self._me.device.package(
            last_resort=last_resort, now=now, entropy=self._context.entropy
        )
        ends = now + LIFETIME + KEPT
        self._tables.add_package(
            PackageRow(package.reference, bytes(package.to_bytes()), last_resort, relay, now, ends)
        )
        return package


def _own(data: bytes) -> mls.OwnKeyPackage:
    try:
        return mls.OwnKeyPackage.from_bytes(data)
    except mls.UsageError:
        raise DamagedState from None
