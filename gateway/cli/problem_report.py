"""How commands print problems: one line each on standard error, then their number; or JSON for machines."""

import json as json_text
import sys
from collections.abc import Sequence

from gateway.core.problems import Problem


def report(problems: Sequence[Problem], *, json: bool) -> int:
    """Print `problems` and return the exit status that goes with them."""
    if json:
        print(as_json(problems))
        return 1
    for problem in problems:
        print(problem, file=sys.stderr)
    count = len(problems)
    print("1 problem." if count == 1 else f"{count} problems.", file=sys.stderr)
    return 1


def as_json(problems: Sequence[Problem], notes: Sequence[Problem] = ()) -> str:
    """The problems and notes as one JSON object; `ok` says whether there is no problem."""
    shown = {
        "ok": not problems,
        "problems": [_fields(one) for one in problems],
        "notes": [_fields(one) for one in notes],
    }
    return json_text.dumps(shown, ensure_ascii=False, indent=2)


def _fields(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "mend": problem.mend,
    }
