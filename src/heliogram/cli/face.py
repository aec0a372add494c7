"""What each command has at hand: a way to the node, a screen, and sentences for what goes wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from heliogram.cli import cleaning
from heliogram.cli.printing import Screen
from heliogram.cli.sentences import FAILED, TIMEOUT, sentence
from heliogram.node.errors import NodeError

if TYPE_CHECKING:
    from heliogram.cli.reaching import Reached
    from heliogram.node import api
    from heliogram.node.profile.directory import Directory

#: Exit code when Ctrl-C ended it.
INTERRUPTED = 130


class Stop(Exception):
    """A sentence, a hint and an exit code for what only the command line knows."""

    def __init__(self, what: str, hint: str = "", exit: int = FAILED, code: str = "usage") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.exit = exit
        self.code = code


class Face:
    """One run of a command."""

    def __init__(self, home: Path | None, as_json: bool, timeout: float, wait: bool) -> None:
        self.home = home
        self.as_json = as_json
        self.timeout = timeout
        self.wait = wait
        self.screen = Screen()
        self._reached: Reached | None = None

    # --- The node ---------------------------------------------------------------------------------

    @property
    def directory(self) -> Directory:
        """Where the profile is."""
        from heliogram.node.profile.directory import find

        return find(self.home)

    @property
    def node(self) -> Reached:
        """The node: one that runs, or one for the time of this command. Raises `NodeError`."""
        if self._reached is None:
            from heliogram.cli.reaching import reach

            self._reached = reach(self.directory, self.timeout, wait=self.wait, note=self.note)
        return self._reached

    def ask(self, command: api.Command) -> Any:
        """What the node gives. Raises `NodeError`."""
        return self.node.call(command)

    def close(self) -> None:
        """Let the node go: one of our own first brings out what waits."""
        if self._reached is not None:
            reached, self._reached = self._reached, None
            reached.close()

    # --- The screen -------------------------------------------------------------------------------

    def done(self, sentence: str, result: object = None) -> None:
        """Say that it is done; as JSON the result, or that."""
        if self.as_json:
            self.screen.json({"done": True} if result is None else result)
        else:
            self.screen.write(cleaning.line(sentence))

    def note(self, text: str) -> None:
        """Say something beside the result, on standard error."""
        print(cleaning.block(text), file=sys.stderr)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What goes wrong inside ends the program with a sentence and an exit code."""
        try:
            try:
                yield
                self.screen.flush()
            finally:
                self.close()
        except Stop as stop:
            self._fail(stop.code, stop.what, stop.hint, stop.exit)
        except NodeError as error:
            found = sentence(error)
            self._fail(error.code, found.what, found.hint, found.exit)
        except TimeoutError:
            hint = "It is kept, and goes on when relays can be reached."
            self._fail("timeout", "It was not done in time.", hint, TIMEOUT)
        except BrokenPipeError:
            # Who read our output has seen enough. Nothing is left to be flushed at the end either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(FAILED) from None
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except OSError as error:
            what = error.strerror or "The system refused."
            where = f" ({error.filename})" if error.filename else ""
            self._fail("system", f"{what}{where}", "", FAILED)

    def _fail(self, code: str, what: str, hint: str, exit: int) -> NoReturn:
        self.screen.flush()
        if self.as_json:
            error = {"code": code, "sentence": what, "hint": hint}
            Screen(sys.stderr).json({"error": error}, line=True)
        else:
            print(cleaning.line(what), file=sys.stderr)
            if hint:
                print(cleaning.line(hint), file=sys.stderr)
        raise SystemExit(exit) from None
