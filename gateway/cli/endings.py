"""How a command that reports problems ends: what it raised becomes sentences, or JSON, and a status.

What it prints is held back until the status is known, so that a reader who has seen enough, as `head` has, takes
nothing away from the answer. Text that the terminal's encoding cannot show is replaced.
"""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable

from gateway.cli.problem_report import MISUSED, Misuse, report
from gateway.cli.spoken import language
from gateway.core.problems import Problems

_Run = Callable[[argparse.Namespace], int]


class _Held(io.StringIO):
    """Standard output until the end of a command; as much of a terminal as that is."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def told(run: _Run) -> _Run:
    """`run`, with every problem that it raises reported as its `--json` asks."""

    def ran(arguments: argparse.Namespace) -> int:
        out = sys.stdout
        for stream in (out, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        held = _Held(is_terminal=out.isatty())
        with contextlib.redirect_stdout(held):
            status = _status(run, arguments)
        try:
            out.write(held.getvalue())
            out.flush()
        except BrokenPipeError:
            # Python would complain again when it flushes at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return status

    return ran


def _status(run: _Run, arguments: argparse.Namespace) -> int:
    try:
        return run(arguments)
    except Misuse as found:
        return report(found.problems, json=arguments.json, spoken=language(arguments), status=MISUSED)
    except Problems as found:
        return report(found.problems, json=arguments.json, spoken=language(arguments))
