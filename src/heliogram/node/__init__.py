"""The client engine, of which the first rooms are open.

`identity`: accounts, devices, contact links, safety codes, names; `docs/identity.md` is its law. `files`:
files as they lie on relays; `docs/content.md` is its law.

`slots`, `chain`, `posting`, `sync`, `repair`: one log on its relays. What they want to send they hand out as
frames, what came back is handed to them. `docs/protocol.md` is their law.

All are cores: no I/O, no clock, no randomness of their own.
"""
