"""The devices of our own account, as shown."""

from __future__ import annotations

import os
import time
from pathlib import Path

from heliogram.mls import Secret
from heliogram.node import api
from heliogram.node.engine.account import create_account, load_account, replace_device
from heliogram.node.engine.context import Context
from heliogram.node.engine.overview import Overview
from heliogram.node.engine.people import People
from heliogram.node.engine.talks import Talks
from heliogram.node.store.database import Store


def devices(store: Store) -> list[api.Device]:
    context = Context(store, os.urandom)
    people = People(context)
    talks = Talks(context, people)
    people.connect(talks)
    found = Overview(context, people, talks, "home").handlers[api.GetDevices](
        api.GetDevices(), None
    )
    assert isinstance(found, list)
    return found


def test_this_one_comes_first_and_those_that_are_gone_last(tmp_path: Path) -> None:
    now = int(time.time())
    store = Store.create(tmp_path / "profile.db", Secret(bytes(32)))
    first = create_account(store, name="Ben", now=now, entropy=os.urandom)
    id = first.certificate.device_id.hex()[:8]
    assert devices(store) == [api.Device(id=id, this=True, added=now)]
    second = replace_device(
        store, first.certificate.device_id, first.device.suite, now=now + 5, entropy=os.urandom
    )
    me = load_account(store)
    assert me is not None and me.created == now + 5
    assert devices(store) == [
        api.Device(id=second.device_id.hex()[:8], this=True, added=now + 5),
        api.Device(id=id, revoked=True),
    ]
    store.close()
