"""The client engine, of which the first rooms are open.

`identity`: accounts, devices, contact links, safety codes, names; `docs/identity.md` is its law. `files`:
files as they lie on relays; `docs/content.md` is its law. Cores: they do no I/O, read no clock, draw no
randomness.
"""
