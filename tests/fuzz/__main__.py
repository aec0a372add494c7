"""`python -m tests.fuzz --seconds 60`: broken input for everything that reads input.

`targets` says what must hold. With `--target` only that one is tried (give it more than once for
more), `--seed` makes a run repeat, and files from `.fuzz/` are tried again when they are named:

    python -m tests.fuzz .fuzz/process-0123456789.json

The exit code is 1 if something was found.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

from tests.fuzz import guided  # first: it may instrument the engine
from tests.fuzz.engine import (
    CLASSIC,
    HEADER,
    OTHERS,
    POST_QUANTUM,
    Finding,
    Fuzzer,
    bounded,
    chosen,
    replay,
    save,
    smaller,
)
from tests.fuzz.forging import Worlds
from tests.fuzz.targets import TARGETS

FOLDER = Path(".fuzz")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument("--seed", type=int, help="repeat the run with this seed")
    parser.add_argument(
        "--target", action="append", default=[], choices=[target.name for target in TARGETS]
    )
    parser.add_argument("file", nargs="*", type=Path, help="findings to be tried again")
    options = parser.parse_args()
    if options.file:
        return again(options.file)
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"seed {seed}")
    return fuzz(options.seconds, seed, options.target)


def again(files: list[Path]) -> int:
    """Try saved findings again."""
    worst = 0
    with bounded():
        for path in files:
            outcome = replay(path)
            if isinstance(outcome, Finding):
                print(f"{path}: {outcome.what}\n{outcome.trace}")
                worst = 1
            else:
                print(f"{path}: {outcome}")
    return worst


def fuzz(seconds: float, seed: int, names: list[str]) -> int:
    """Give each target its share of the time."""
    worlds = Worlds()
    fuzzers = [Fuzzer(target(worlds), worlds, seed) for target in chosen(names)]
    suites = (CLASSIC, POST_QUANTUM, *(OTHERS if seconds >= 300 else ()))
    for suite in suites:
        worlds.world(suite)
    print(HEADER, flush=True)
    warnings.simplefilter("error")  # input must not make us print anything either
    with bounded():
        for fuzzer in fuzzers:
            for suite in suites:
                fuzzer.add_seeds(suite)
            if guided.AVAILABLE:
                guided.run(fuzzer, seconds / len(fuzzers), seed, FOLDER)
            else:
                fuzzer.run(seconds / len(fuzzers))
            print(fuzzer.report(), flush=True)
        total = sum(fuzzer.executions for fuzzer in fuzzers)
        print(f"{total:,} executions in {sum(fuzzer.seconds for fuzzer in fuzzers):.0f} s")
        found = sum(fuzzer.elsewhere for fuzzer in fuzzers)
        for fuzzer in fuzzers:
            for finding in fuzzer.findings.values():
                small = smaller(fuzzer.target, finding)
                path = save(small, worlds.world(small.given.suite), FOLDER)
                print(f"\n{small.target}: {small.what}\n{small.trace}\n  {path}")
                found += 1
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
