"""Mirrors `heliogram.node.profile`."""
