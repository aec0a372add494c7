"""Frames between nodes and relays, the objects inside of them, and the connection that carries them."""
