"""Mirrors `heliogram.node`."""
