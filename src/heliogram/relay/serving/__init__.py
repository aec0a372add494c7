"""The shell of a relay: sockets, sessions, who is let in, who is told. `server` ties it together."""
