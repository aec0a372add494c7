"""Mirrors `heliogram.node.store`."""
