"""What our node costs: four relays and whole nodes, each a process, over loopback.

`python -m bench.node` prints one table: figures beside the goals that they are held against.

- `worker`: a process with a node in it, or with many; does what the benchmark orders.
- `orders`: what can be ordered. `world`: relays and workers, started and ended.
- `talking`: messages. `meeting`: first contact and groups. `keeping`: large profiles, commands, memory.
- `run`: all of it. `table`: rows, goals, units.
"""
