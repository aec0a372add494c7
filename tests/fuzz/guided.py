"""The same targets under libFuzzer, where `atheris` is installed; else there is our own loop.

libFuzzer counts edges in compiled instrumentation instead of lines in a tracer, and decides what to
keep. Everything else is ours: seeds, changes, limits, findings. Each target runs in a process of
its own, since libFuzzer does not give one back.
"""

from __future__ import annotations

import importlib
import importlib.util
import mmap
import os
import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

AVAILABLE = importlib.util.find_spec("atheris") is not None

if AVAILABLE:  # the engine must be imported under instrumentation, so before anybody else does
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["heliogram"]):
        importlib.import_module("heliogram.mls")

from tests.fuzz.engine import Finding, Fuzzer, attempt, bounded, save  # noqa: E402
from tests.fuzz.targets import Input  # noqa: E402

_COUNTS = struct.Struct(">QQ")


def run(fuzzer: Fuzzer, seconds: float, seed: int, folder: Path) -> None:
    """Fuzz one target for so long; findings are written at once, and counted."""
    shared = mmap.mmap(-1, _COUNTS.size)
    child = os.fork()
    if child == 0:
        _child(fuzzer, seconds, seed, folder, shared)
    _, status = os.waitpid(child, 0)
    executions, findings = _COUNTS.unpack_from(shared)
    fuzzer.executions += executions
    fuzzer.seconds += seconds
    fuzzer.elsewhere += findings + (status != 0)
    if status:
        print(f"{fuzzer.target.name}: its process ended with status {status}", flush=True)


def _child(fuzzer: Fuzzer, seconds: float, seed: int, folder: Path, shared: mmap.mmap) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libFuzzer's own report
    seeds = [given for kept in fuzzer.corpus.values() for given in kept]
    target = fuzzer.target
    found: set[str] = set()
    executions = 0

    def read(data: bytes) -> Input:
        """libFuzzer's input is the number of a seed, for its place, and the bytes for that place."""
        return replace(seeds[int.from_bytes(data[:2], "big") % len(seeds)], data=bytes(data[2:]))

    def one_input(data: bytes) -> None:
        nonlocal executions
        executions += 1
        given = read(data)
        outcome = attempt(target, given)
        if isinstance(outcome, Finding) and outcome.what not in found:
            found.add(outcome.what)
            path = save(outcome, fuzzer.worlds.world(given.suite), folder)
            print(f"{outcome.target}: {outcome.what}\n{outcome.trace}\n  {path}", flush=True)
        _COUNTS.pack_into(shared, 0, executions, len(found))

    def mutate(data: bytes, longest: int, number: int) -> bytes:
        fuzzer.mutator.random = Random(number)
        changed = target.mutated(read(data), fuzzer.mutator)
        # The place may have changed too, which has no number: then only its bytes are taken.
        return (data[:2] + changed.data)[:longest]

    with tempfile.TemporaryDirectory() as corpus:
        for number, given in enumerate(seeds):
            Path(corpus, str(number)).write_bytes(number.to_bytes(2, "big") + given.data)
        arguments = [
            *("fuzz", corpus, f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}"),
            *("-max_len=1048576", "-len_control=0", "-verbosity=0", "-print_final_stats=0"),
            *("-rss_limit_mb=0", "-handle_segv=0", "-timeout=120"),
        ]
        atheris.Setup(arguments, one_input, custom_mutator=mutate)
        with bounded(1 << 32):
            atheris.Fuzz()
    os._exit(0)
