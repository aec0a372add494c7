"""What the MLS engine costs, beside other engines and beside the bare primitives.

`python -m bench` prints one table. Everything in it is measured in the same run on the same
machine, the columns taking turns, so that a machine that gets slower gets slower for all of them.

- `shape`: which nodes of a ratchet tree are filled, to know how many recipients a path has.
- `floor`: the primitives an operation cannot do without, counted and run.
- `engines`: what an engine must offer to be measured; `ours` and `rine` offer it.
- `run`: the scenarios. `table`: rows, ratios, goals, and how they are printed.
"""
