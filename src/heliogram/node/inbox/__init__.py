"""Inboxes: our own, and those of others that we reach by a contact link. Cores without I/O.

Each is an `asking.Source`: it hands out asks and takes answers. What came of it is fetched by its owner, who
writes it in the same turn.
"""
