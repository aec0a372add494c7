"""Sockets of the node, against real relays and against what is none."""
