"""Prosody and ejabberd: a room for each log, kept by MAM. Reflection to the sender acknowledges a post.

Both store a message of a room before they send it to the occupants. Members log in anonymously, without
TLS, and rooms do not announce who comes and goes: so nothing is measured but messages.
"""

from __future__ import annotations

import base64
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.relay.loop import Connection, LoadError, Loop
from bench.relay.peer import NotHere, Peer
from bench.relay.server import Server, free_port

_HEAD = (
    b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
_ROOMS = "rooms.localhost"
_MUC = "http://jabber.org/protocol/muc"


class Xmpp(Connection):
    """A client. Stanzas are counted by what each has once."""

    _count = 0

    def __init__(self, loop: Loop, port: int, posts: Sequence[int], follows: Sequence[int]) -> None:
        Xmpp._count += 1
        self._name = f"p{Xmpp._count}"
        self._mark = f"id='{self._name}_".encode()
        self._rooms = list(dict.fromkeys([*posts, *follows]))
        self._posts = bool(posts)
        super().__init__(loop, port)

    def login(self) -> Iterator[None]:
        self.write(_HEAD)
        yield from self.until(b"</stream:features>")
        self.write(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'>=</auth>")
        yield from self.until(b"<success")
        self.write(_HEAD)
        yield from self.until(b"</stream:features>")
        self.write(b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        yield from self.until(b"</iq>")
        for start in range(0, len(self._rooms), 50):
            some = self._rooms[start : start + 50]
            self.write(b"".join(map(self._join, some)))
            yield from self.until(b"</subject>", len(some))

    def _join(self, room: int) -> bytes:
        return (
            f"<presence to='r{room}@{_ROOMS}/{self._name}'><x xmlns='{_MUC}'>"
            "<history maxstanzas='0'/></x></presence>"
        ).encode()

    def until(self, token: bytes, times: int = 1) -> Iterator[None]:
        # Without a subject the element is empty, and servers differ in how they write that.
        for _ in range(times):
            while True:
                self.tail = self.tail.replace(b"<subject/>", b"<subject></subject>")
                if token in self.tail:
                    break
                if b"type='error'" in self.tail or b"<failure" in self.tail:
                    raise LoadError(f"refused: {self.tail.decode(errors='replace')[-300:]}")
                yield
            self.tail = self.tail[self.tail.index(token) + len(token) :]

    def encode(self, log: int, payload: bytes) -> bytes:
        self.sent += 1
        return (
            b"<message to='r%d@rooms.localhost' type='groupchat' id='%b_%d'><body>%b</body></message>"
        ) % (log, self._name.encode(), self.sent, base64.b64encode(payload))

    def parse(self, data: bytes) -> bytes:
        # Up to the end of the last stanza that is whole.
        end = data.rfind(b"</message>") + len(b"</message>")
        if end < len(b"</message>"):
            if b"</stream:stream>" in data:
                raise LoadError(f"the stream ended: {data.decode(errors='replace')[-300:]}")
            return data
        if data.find(b"type='error'", 0, end) >= 0:
            raise LoadError(f"a post is refused: {data[:2000].decode(errors='replace')}")
        if self._posts:
            self.acked += data.count(self._mark, 0, end)
        else:
            self.received += data.count(b"</body>", 0, end)
        return data[end:]


class _XmppServer(Peer):
    def connect(self, loop: Loop, *, posts: Sequence[int], follows: Sequence[int]) -> Xmpp:
        return Xmpp(loop, self.server.port, posts, follows)


_PROSODY = """
run_as_root = true
pidfile = "{folder}/pid"
data_path = "{data}"
log = {{ {{ levels = {{ min = "warn" }}, to = "console" }} }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
s2s_ports = {{}}
modules_enabled = {{ "saslauth", "mam" }}
modules_disabled = {{ "s2s", "tls", "offline" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_anonymous_s2s = false
authentication = "anonymous"
default_storage = "internal"
storage = {{ muc_log = "sql", archive = "sql" }}
sql = {{ driver = "SQLite3", database = "prosody.sqlite" }}
VirtualHost "localhost"
Component "rooms.localhost" "muc"
  modules_enabled = {{ "muc_mam" }}
  storage = {{ muc_log = "sql" }}
  muc_room_locking = false
  muc_room_cache_size = 100000
  muc_room_default_persistent = true
  muc_log_by_default = true
  muc_room_default_presence_broadcast = {{ visitor = false, participant = false, moderator = false }}
  max_archive_query_results = 50
"""


class Prosody(_XmppServer):
    name = "Prosody"
    durability = (
        "MAM in SQLite, rollback journal, synchronous full (the only way it opens it): fsync before "
        "the reflection"
    )

    def start(self) -> None:
        found = shutil.which("prosody")
        if found is None:
            raise NotHere("prosody is not installed")
        port = free_port()
        settings = self.folder / "prosody.cfg.lua"
        settings.write_text(_PROSODY.format(port=port, data=self.data, folder=self.folder))
        self.server = Server([found, "-F", "--config", settings], port, self.folder / "log")
        self.server.wait()


_EJABBERD = """
hosts: [localhost]
loglevel: error
listen:
  - {{ port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, access: c2s, shaper: none,
      max_stanza_size: infinity, starttls: false, backlog: 1024 }}
auth_method: anonymous
anonymous_protocol: sasl_anon
access_rules: {{ c2s: {{ allow: all }}, any: {{ allow: all }} }}
shaper_rules: {{ max_user_sessions: infinity }}
registration_timeout: infinity
{sql}
modules:
  mod_muc:
    host: {rooms}
    access: any
    access_create: any
    access_persistent: any
    access_mam: any
    max_users: 100000
    max_user_conferences: 100000
    max_users_presence: 0
    min_message_interval: 0
    min_presence_interval: 0
    history_size: 0
    default_room_options:
      mam: true
      persistent: true
      max_users: 100000
      presence_broadcast: []
      allow_subscription: false
  mod_mam: {{ default: never, use_cache: false, db_type: {store} }}
"""


class Ejabberd(_XmppServer):
    name = "ejabberd"

    def start(self) -> None:
        erl, control = shutil.which("erl"), shutil.which("ejabberdctl", path="/usr/sbin:/usr/bin")
        if erl is None or control is None:
            raise NotHere("ejabberd is not installed")
        libraries = next(
            line.partition("=")[2].strip("'\" \n")
            for line in Path(control).read_text().splitlines()
            if line.startswith("ERL_LIBS=")
        )
        schema = next(Path("/usr/share/ejabberd").rglob("lite.sql"), None)
        driver = next(Path("/usr/lib/erlang/lib").glob("p1_sqlite3*"), None)
        port = free_port()
        sql, store = "", "mnesia"
        self.durability = "MAM in Mnesia (disc_only_copies), no fsync"
        if schema and driver:
            file = self.data / "ejabberd.sqlite"
            with sqlite3.connect(file) as database:
                database.executescript(schema.read_text())
            sql, store = f"sql_type: sqlite\nsql_database: {file}", "sql"
            self.durability = (
                "MAM in SQLite, rollback journal, synchronous full: fsync before the reflection"
            )
        settings = self.folder / "ejabberd.yml"
        settings.write_text(_EJABBERD.format(port=port, rooms=_ROOMS, sql=sql, store=store))
        self.server = Server(
            f'{erl} -noinput +P 500000 +Q 200000 -mnesia dir "{self.data}" -s ejabberd'.split(),
            port,
            self.folder / "log",
            environment={
                "ERL_LIBS": libraries,
                "EJABBERD_CONFIG_PATH": str(settings),
                "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
                "ERL_CRASH_DUMP_BYTES": "0",
            },
        )
        self.server.wait()
