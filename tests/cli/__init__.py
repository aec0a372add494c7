"""Mirrors `heliogram.cli`."""
