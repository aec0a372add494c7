"""A profile: the directory of one person on one machine, its lock, its passphrase, its store."""
