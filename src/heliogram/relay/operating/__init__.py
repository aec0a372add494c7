"""What the operator has in hand: settings, the relay's identity, the log, upkeep."""
