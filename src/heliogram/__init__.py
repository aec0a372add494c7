"""Heliogram: a messenger with nobody in the middle."""

__version__ = "0.1.0.dev0"
