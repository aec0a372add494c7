"""Mirrors `heliogram.node.control`."""
