"""Conversations, tested with real groups and real certificates."""
