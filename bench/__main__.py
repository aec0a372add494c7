"""`python -m bench`: measure, print one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from bench import table
from bench.floor import CLASSICAL, POST_QUANTUM, Kind, counted
from bench.machine import machine
from bench.measure import OURS, RINE, TWO_THREADS, Notebook
from bench.run import Scenario, Side

SIZES = (2, 10, 100, 1000)
NOTES = (
    "ours: this engine. 2 threads: the same with a pool of two threads as `Config.parallel`.",
    "rine-mls: mls-rs (Rust). Each of its commits has a path and comes with a GroupInfo that holds "
    "the tree; it makes one Welcome a joiner. Its state is a file, in memory here. Its post-"
    "quantum suite is X-Wing with SHA-256 and ChaCha20-Poly1305: comparable, not the same as ours.",
    "bytes: of the key package, commit, Welcome or message that is sent, or of what is saved. Our "
    "Welcome is one for all joiners, the other is one of many.",
    "floor: the primitives that the operation cannot do without, one after the other in one thread "
    "(`python -m bench --counts` lists them).",
    "mdk-python (OpenMLS) is not measured: its compiled part needs glibc 2.39, and each of its "
    "operations is also a transaction of an encrypted database.",
    "cold tree: no member but the sender has committed. warm tree: up to 64 have, evenly spread.",
)


def main() -> int:
    options = _options()
    kinds = [_kinds()[name] for name in options.suites]
    if options.counts:
        print("\n\n".join(_counts(kind, max(options.sizes)) for kind in kinds))
        return 0
    notebook = Notebook(runs=2 if options.quick else 5, only=options.only)
    if options.cpu:
        notebook.clock = time.process_time
    if options.quick:
        notebook.patience = 0.5
    started, load = time.time(), os.getloadavg()[0]
    notes = list(NOTES)
    with ExitStack() as stack:
        pool = None if options.cpu else stack.enter_context(ThreadPoolExecutor(2))
        for kind in kinds:
            for size in options.sizes:
                if size == options.sizes[0]:
                    sides = _sides(kind, pool, stack, notes)
                    Scenario(notebook, kind, size, sides).key_packages()
                Scenario(notebook, kind, size, _sides(kind, pool, stack, notes)).run()
    about = machine(("cryptography", "pynacl", "rine-mls")) | {
        "clock": "processor" if options.cpu else "wall",
        "seconds": round(time.time() - started),
        "load before": round(load, 2),
        "load after": round(os.getloadavg()[0], 2),
    }
    _print(options, notebook, about, notes)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs, and groups up to 100")
    parser.add_argument(
        "--sizes", type=lambda text: tuple(map(int, text.split(","))), help="such as 2,10,100"
    )
    parser.add_argument("--suites", nargs="+", choices=list(_kinds()), default=list(_kinds()))
    parser.add_argument("--only", default="", help="only operations whose name contains this")
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="processor time, for a busy machine; without the two threads",
    )
    parser.add_argument("--counts", action="store_true", help="print what the floor consists of")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true")
    form.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.sizes is None:
        options.sizes = SIZES[:3] if options.quick else SIZES
    return options


def _kinds() -> dict[str, Kind]:
    return {"classical": CLASSICAL, "post-quantum": POST_QUANTUM}


def _sides(
    kind: Kind, pool: ThreadPoolExecutor | None, stack: ExitStack, notes: list[str]
) -> list[Side]:
    """Fresh engines: ours, and those of the others that are installed."""
    from bench.ours import Ours

    sides = [Side(OURS, Ours(kind))]
    if pool is not None:
        sides.append(Side(TWO_THREADS, Ours(kind, parallel=pool.map)))
    try:
        from bench.rine import Rine
    except ImportError as error:
        _note(notes, f"{RINE} is not measured: {error}.")
    else:
        rine = Rine(kind)
        stack.callback(rine.close)
        sides.append(Side(RINE, rine))
    return sides


def _note(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)


def _counts(kind: Kind, members: int) -> str:
    parts = [f"{kind.name}, a group of {members:,} in a cold tree: calls, primitive, bytes, why"]
    for operation, steps in counted(kind, members).items():
        parts.append(f"\n{operation}")
        parts += [f"  {s.times:>6,} {s.primitive:<12} {s.size:>9,}  {s.why}" for s in steps]
    return "\n".join(parts)


def _print(
    options: argparse.Namespace, notebook: Notebook, about: dict[str, Any], notes: list[str]
) -> None:
    if options.json:
        rows = table.as_data(notebook, POST_QUANTUM.name)
        json.dump({"about": about, "notes": notes, "rows": rows}, sys.stdout, indent=1)
        print()
        return
    body = table.lines(notebook, POST_QUANTUM.name)
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print()
    print(table.as_markdown(body) if options.markdown else table.as_text(body))
    print()
    for note in notes:
        print(f"- {note}" if options.markdown else note)


if __name__ == "__main__":
    sys.exit(main())
