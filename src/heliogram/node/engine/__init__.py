"""The engine: all of one person's conversations, people, files, without sockets and clock.

`Engine.turn` takes what has come and gives what is to be done, in one transaction of the store. Its parts:
`talks`, `people`, `files`, `relays`.
"""
