"""The app as people have it: a real browser, real relays, real nodes."""
