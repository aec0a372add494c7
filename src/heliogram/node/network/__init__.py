"""Sockets: how asks get to relays and back, and how blobs do.

`Circuits` carries asks, over one connection per circuit and relay; `blobs` moves files. All of it goes
through a `Dialler`, which knows the proxy: there is no other way out.
"""
