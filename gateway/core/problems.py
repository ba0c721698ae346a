"""What is wrong with something a person wrote: one sentence, where, and the likely mend.

Every check collects problems and reports them together, sorted by place; nothing is applied while there is one.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}" + (f" {self.mend}" if self.mend else "")


class Problems(Exception):
    """Every problem of one load, in the order in which a reader meets them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Iterable[str], likely: Iterable[str] = ()) -> str:
    """A mend that names the closest known word, one of the `likely` ones if it is close, or lists a few, or nothing."""
    words = sorted(known)
    close = _closest(word, sorted(likely)) or _closest(word, words)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Known: {', '.join(words[:12])}." if words else ""


def _closest(word: str, words: Sequence[str]) -> Sequence[str]:
    return difflib.get_close_matches(word, words, n=1, cutoff=0.6)
