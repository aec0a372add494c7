"""The client engine, of which the first rooms are open.

`identity`: accounts, devices, contact links, safety codes, names. A core: no I/O, no clock, no randomness of
its own. `docs/identity.md` is its law.
"""
