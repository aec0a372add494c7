"""The node: the program on a person's own machine. It holds keys, history and search.

Its cores do no I/O: what they want to send they hand out as frames for relays, what came back is handed to
them, time and randomness are arguments.
"""
