"""What our relay costs, beside other servers that keep and deliver messages.

`python -m bench.relay` prints one table. Every server runs on the first core, with its data on the same
disk, and is asked for the same by the same load generator on the second.

- `loop`: the generator: sockets, and clients that count. `websocket`: WebSocket for it.
- `server`: starting a server, and what it uses. `peer`: what a server must offer to be measured.
- `ours`, `nats`, `mqtt`, `xmpp`: the servers and their clients.
- `scenarios`: what is measured on one server. `slots`: what four relays decide together.
- `run`: all of it. `table`: rows, goals, units.
"""
