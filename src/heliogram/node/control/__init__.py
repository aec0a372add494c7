"""A node for other processes of its owner: commands, answers and notices as JSON over a local socket.

`place` says where it listens and who may come; `protocol` what a line holds; `server` carries a node;
`client` is a node that runs elsewhere, `plain` the same without asyncio, for programs that ask one thing.
"""
