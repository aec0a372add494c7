"""`python -m bench.web`: measure, print one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.machine import machine
from bench.relay.run import file_system
from bench.relay.server import allow_many_files
from bench.table import as_markdown, as_text
from bench.web import measures as m
from bench.web.run import run

PACKAGES = ("uvloop", "aiohttp", "sqlcipher3", "cryptography", "msgspec", "playwright")
NOTES = (
    "the page is in Chromium without a window and without a graphics processor (headless, --no-sandbox).",
    "four relays, the other node, the program and the browser are processes of this machine, on loopback.",
    "times in the page end when what should be seen was painted.",
    "search: from the last letter; the field rests 140 ms of it.",
)


def main() -> int:
    options = _options()
    if sys.platform != "linux":
        print("The app is measured on Linux only: it needs /proc.", file=sys.stderr)
        return 1
    allow_many_files()
    started, load = time.time(), os.getloadavg()[0]
    size = m.TINY if options.tiny else m.QUICK if options.quick else m.Size()
    if options.history:
        size = replace(size, history=options.history)
    results = m.Results(size, only=options.only, patience=options.patience)
    if sys.stderr.isatty():
        results.tell = lambda text: print(f"  {text}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as name:
        disk = file_system(Path(name))
        run(results, Path(name))
    about = machine(PACKAGES) | {
        "disk": disk,
        "seconds": round(time.time() - started),
        "load before": round(load, 2),
        "load after": round(os.getloadavg()[0], 2),
    }
    notes = [*NOTES, *results.notes]
    if options.json:
        json.dump({"about": about, "notes": notes, "rows": results.as_data()}, sys.stdout, indent=1)
        print()
        return 0
    form = as_markdown if options.markdown else as_text
    print(", ".join(f"{key} {value}" for key, value in about.items()), end="\n\n")
    print(form(results.lines(), m.HEADER, m.LEFT), end="\n\n")
    for note in notes:
        print(f"- {note}" if options.markdown else note)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.web", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="shorter and smaller")
    size.add_argument("--tiny", action="store_true", help="only whether all of it can be measured")
    parser.add_argument("--only", default="", help="only rows whose name contains this")
    parser.add_argument("--history", type=int, help="messages of the large profile")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="on a busy machine: so many times as long"
    )
    parser.add_argument("--folder", type=Path, help="where all data is kept")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true")
    form.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
