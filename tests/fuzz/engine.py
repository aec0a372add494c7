"""The loop: choose an input, change it, try it, keep it if it reached something new.

What is new is told by lines of `heliogram` that were not run before and by answers that were not
given before. Lines come from `sys.settrace`, limited to the files of the package: no dependency,
and quick because most inputs are refused early. Under `atheris` (see `guided`) this loop is not
used.

A finding is anything that breaks the invariant in `targets`. It is made smaller if that is quickly
done, and written with its whole world into a folder, from where it can be tried again.
"""

from __future__ import annotations

import base64
import contextlib
import json
import resource
import signal
import sys
import time
import traceback
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

import heliogram
from heliogram import codec
from tests.fuzz.forging import Worlds
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import TARGETS, Input, Target
from tests.fuzz.world import World

#: What one input may cost. The second figure is for each byte of it beyond the first MiB.
SECONDS, SECONDS_PER_BYTE = 1.0, 0.1 / (1 << 20)
MEMORY, MEMORY_PER_BYTE = 64 << 20, 8

#: Seconds of processor time after which an input counts as endless.
_ENDLESS = 30
#: Bytes from which on the memory of an input is measured.
_LARGE = 1 << 16
#: Bytes that an input may have.
_LONGEST = 1 << 25

#: How many inputs are traced. Tracing takes most of the time; an answer that is new tells as much.
_TRACED = 0.3

CLASSIC, POST_QUANTUM = 1, 0xF002
#: Suites with other KEMs, signatures and hashes, tried now and then.
OTHERS = (2, 4, 5, 0xF003, 0xF00A)

_PACKAGE = str(Path(heliogram.__file__).parent)


class Endless(BaseException):
    """An input has no end. Nothing in the engine catches this."""


@dataclass(frozen=True)
class Finding:
    """An input that breaks the invariant."""

    target: str
    given: Input
    #: What went wrong; the same for the same mistake.
    what: str
    trace: str


# --- Coverage -------------------------------------------------------------------------------------


class Coverage:
    """Which lines of the package were run."""

    def __init__(self) -> None:
        self._tracers: dict[CodeType, Callable[[FrameType, str, Any], Any] | None] = {}
        self._lines: list[set[int]] = []

    def __len__(self) -> int:
        return sum(map(len, self._lines))

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count what is run in here."""
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        try:
            return self._tracers[code]
        except KeyError:
            tracer = self._tracers[code] = self._tracer(code)
            return tracer

    def _tracer(self, code: CodeType) -> Callable[[FrameType, str, Any], Any] | None:
        if not code.co_filename.startswith(_PACKAGE) or code.co_filename == codec.__file__:
            return None  # the codec's lines are all run at once, and would take most of the time
        lines: set[int] = set()
        self._lines.append(lines)
        add = lines.add

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            add(frame.f_lineno)
            return line

        return line


# --- Limits ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def bounded(more: int = 1 << 30) -> Iterator[None]:
    """Let this process have so many bytes more than now, and each input a time."""

    def endless(number: int, frame: FrameType | None) -> None:
        raise Endless

    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGVTALRM, endless)
    if (used := _address_space()) is not None:
        resource.setrlimit(resource.RLIMIT_AS, (used + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGVTALRM, handler)


def _address_space() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return None
    return pages * resource.getpagesize()


@contextlib.contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def attempt(target: Target, given: Input, coverage: Coverage | None = None) -> str | Finding:
    """What came of an input, or what is wrong with it."""
    allowed = SECONDS + SECONDS_PER_BYTE * max(0, len(given.data) - (1 << 20))
    outcome, seconds = _try(target, given, coverage)
    if isinstance(outcome, Finding):
        return outcome
    if seconds > allowed:  # tracing takes time as well, and so does what else the machine does
        seconds = min(_try(target, given, None)[1] for _ in range(2))
        if seconds > allowed:
            return Finding(target.name, given, "too slow", f"{seconds:.2f} s: {outcome}")
    if len(given.data) > _LARGE:
        peak = _memory(target, given)
        if peak > MEMORY + MEMORY_PER_BYTE * len(given.data):
            return Finding(target.name, given, "too large", f"{peak >> 20} MiB: {outcome}")
    return outcome


def _try(target: Target, given: Input, coverage: Coverage | None) -> tuple[str | Finding, float]:
    watching = contextlib.nullcontext() if coverage is None else coverage.watching()
    start = time.process_time()
    try:
        with _no_longer_than(_ENDLESS), watching:
            outcome: str | Finding = target.run(given)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the library's Rust is no Exception
        outcome = Finding(target.name, given, _name(error), traceback.format_exc(limit=-12))
    return outcome, time.process_time() - start


def _memory(target: Target, given: Input) -> int:
    """Bytes in use at the most while this runs, beyond those before."""
    tracemalloc.start()
    try:
        target.run(given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _name(error: BaseException) -> str:
    """The mistake: what was raised, and where in the package."""
    place = "?"
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith(_PACKAGE):
            place = f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}:{line}"
    text = str(error) if type(error).__name__ == "Broken" else ""
    return f"{type(error).__name__} in {place} {text}".strip()


# --- The loop -------------------------------------------------------------------------------------


class Fuzzer:
    """One target, its corpus, and what was found."""

    def __init__(self, target: Target, worlds: Worlds, seed: int, *, traced: bool = True) -> None:
        self.target = target
        self.traced = traced
        self.worlds = worlds
        self.random = Random(f"{seed} {target.name}")
        self.mutator = Mutator(self.random)
        self.coverage = Coverage()
        self.corpus: dict[int, list[Input]] = {}
        self.answers: Counter[str] = Counter()
        self.findings: dict[str, Finding] = {}
        #: Findings that another process has written already.
        self.elsewhere = 0
        self.executions = 0
        self.seconds = 0.0

    def add_seeds(self, suite: int) -> None:
        """Start with the real inputs of a suite."""
        kept = self.corpus.setdefault(suite, [])
        for given in self.target.seeds(suite):
            kept.append(given)
            kind = self.target.kind(given)
            if kind is not None:
                self.mutator.learn(kind, given.data)
            self._run(given)

    def run(self, seconds: float) -> None:
        """Fuzz for so long."""
        start = time.monotonic()
        while (spent := time.monotonic() - start) < seconds:
            self.step()
        self.seconds += spent

    def step(self) -> None:
        """Try one more input."""
        random = self.random
        suite = CLASSIC
        if len(self.corpus) > 1 and random.random() < 0.2:
            suite = random.choice(list(self.corpus))
        kept = self.corpus[suite]
        given = random.choice(kept[-40:] if random.random() < 0.3 else kept)
        changed = self.target.mutated(given, self.mutator)
        if len(changed.data) <= _LONGEST:
            self._run(changed, traced=random.random() < _TRACED)

    def _run(self, given: Input, *, traced: bool = True) -> None:
        self.executions += 1
        before = len(self.coverage)
        outcome = attempt(self.target, given, self.coverage if traced and self.traced else None)
        if isinstance(outcome, Finding):
            self.findings.setdefault(outcome.what, outcome)
            return
        new = outcome not in self.answers or len(self.coverage) > before
        self.answers[outcome] += 1
        if new and len(given.data) <= 1 << 16:
            self.corpus[given.suite].append(given)

    def report(self) -> str:
        """One line."""
        rate = self.executions / self.seconds if self.seconds else 0
        size = sum(map(len, self.corpus.values()))
        return (
            f"{self.target.name:16}{self.executions:>11,}{rate:>9,.0f}/s{size:>8}"
            f"{len(self.coverage):>8}{len(self.answers):>9}{len(self.findings) + self.elsewhere:>10}"
        )


HEADER = f"{'target':16}{'executions':>11}{'rate':>11}{'corpus':>8}{'lines':>8}{'answers':>9}{'findings':>10}"


def chosen(names: list[str]) -> list[type[Target]]:
    """The targets with these names; all if there are none."""
    return [target for target in TARGETS if not names or target.name in names]


# --- Reproducers ----------------------------------------------------------------------------------


def smaller(target: Target, finding: Finding, tries: int = 400) -> Finding:
    """The same finding with fewer bytes."""
    best = finding
    size = len(best.given.data) // 2
    while size and tries > 0:
        at = 0
        while at < len(best.given.data) and tries > 0:
            tries -= 1
            data = best.given.data[:at] + best.given.data[at + size :]
            outcome, _ = _try(target, replace(best.given, data=data), None)
            if isinstance(outcome, Finding) and outcome.what == finding.what:
                best = outcome
            else:
                at += size
        size //= 2
    return best


def save(finding: Finding, world: World, folder: Path) -> Path:
    """Write a finding with all that it needs."""
    data = base64.b64encode(zlib.compress(finding.given.data)).decode()
    value = {
        "target": finding.target,
        "what": finding.what,
        "trace": finding.trace.splitlines(),
        "suite": finding.given.suite,
        "where": finding.given.where,
        "data": data,
        "world": world.to_json(),
    }
    digest = sha256(finding.what.encode()).hexdigest()[:10]
    folder.mkdir(exist_ok=True)
    path = folder / f"{finding.target}-{digest}.json"
    path.write_text(json.dumps(value, indent=1))
    return path


def replay(path: Path) -> str | Finding:
    """Try a saved finding again, in its own world."""
    value = json.loads(path.read_text())
    worlds = Worlds()
    worlds.known[value["suite"]] = World.from_json(value["world"])
    target = next(iter(chosen([value["target"]])))(worlds)
    data = zlib.decompress(base64.b64decode(value["data"]))
    return attempt(target, Input(value["suite"], value["where"], data))
