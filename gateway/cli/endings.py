"""How a command that reports problems ends: what it raised becomes sentences, or JSON, and a status.

Text that the terminal's encoding cannot show is replaced, since a report must not end in a traceback.
"""

import argparse
import io
import sys
from collections.abc import Callable

from gateway.cli.problem_report import MISUSED, Misuse, report
from gateway.core.problems import Problems

_Run = Callable[[argparse.Namespace], int]


def told(run: _Run) -> _Run:
    """`run`, with every problem that it raises reported as its `--json` asks."""

    def ran(arguments: argparse.Namespace) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            return run(arguments)
        except Misuse as found:
            return report(found.problems, json=arguments.json, status=MISUSED)
        except Problems as found:
            return report(found.problems, json=arguments.json)

    return ran
