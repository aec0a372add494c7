"""Mirrors `heliogram.node.identity`."""
