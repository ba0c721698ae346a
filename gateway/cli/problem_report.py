"""How commands print problems: one line each on standard error, then their number; or JSON for machines, in English.

A command that could look and found something ends with 1; one that could not look, since it was called wrongly or a
file that it was told to read is not there, ends with 2.
"""

import json as json_text
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.cli.problem_words import Chinese
from gateway.core.problems import Problem, Problems
from gateway.policy.words import Language

GOOD: Final = 0
FOUND: Final = 1
MISUSED: Final = 2


class Misuse(Problems):
    """What the command line asks for cannot be looked at."""

    def __init__(self, place: str, message: str, mend: str = "") -> None:
        super().__init__((Problem(place, 0, 0, message, mend),))


def report(problems: Sequence[Problem], *, json: bool, spoken: Language, status: int = FOUND) -> int:
    """Print `problems` and return `status`."""
    if json:
        print(as_json(problems))
        return status
    count = len(problems)
    number = "1 problem." if count == 1 else f"{count} problems."
    for line in (*lines(problems, spoken), number if spoken == "en" else f"共 {count} 个问题。"):
        print(line, file=sys.stderr)
    return status


def lines(problems: Sequence[Problem], spoken: Language) -> Sequence[str]:
    """The problems as a person reads them, one on a line."""
    chinese = Chinese() if spoken == "zh" else None
    return [str(problem) if chinese is None else chinese.shown(problem) for problem in problems]


def as_json(problems: Sequence[Problem], notes: Sequence[Problem] = (), **more: object) -> str:
    """The problems and notes as one JSON object; `ok` says whether there is no problem."""
    return text_of(
        {
            "ok": not problems,
            "problems": [fields_of(one) for one in problems],
            "notes": [fields_of(one) for one in notes],
            **more,
        }
    )


def text_of(shown: Mapping[str, object]) -> str:
    """A JSON object as every command prints it."""
    return json_text.dumps(shown, ensure_ascii=False, indent=2)


def fields_of(problem: Problem) -> dict[str, object]:
    """One problem as JSON has it."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "mend": problem.mend,
    }
