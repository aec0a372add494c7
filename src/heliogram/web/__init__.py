"""The web app's server: a face of the node, for the browser of its owner on this machine.

`server` listens; `gate` says who is heard at all; `sessions` and `scopes` who may do what; `calls`, `events`,
`uploads` and `attachments` carry; `host` has the node. `app/` is what runs in the browser. The contract
between the two, and with other programs of the owner, is `docs/local-api.md`.
"""
