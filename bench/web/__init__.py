"""What the app costs: a real browser before `heliogram web`, with relays and another node, all processes.

`python -m bench.web` prints one table: figures beside the goals that they are held against.

- `profile`: a profile with very many messages, and one very long conversation.
- `page`: the browser, and what is measured in it. `scripts`: the part of that which runs in the page.
- `run`: all of it. `measures`: rows, goals, sizes.
"""
