"""What a person keeps for themselves: backups that only they can open, and exports that anybody can read."""
