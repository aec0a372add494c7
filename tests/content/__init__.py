"""Mirrors `heliogram.content`."""
