"""Frames, what is signed in them, and the connection."""
