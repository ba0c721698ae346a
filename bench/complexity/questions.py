"""The labelled questions, read and measured: two models' right and wrong answers to each. The file is no part of this
project (bench/complexity/README.md says where it comes from); only what is derived from it is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.core.complexity import Measured, Question, Scorer

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "complexity" / "train.jsonl"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One question, as counted. `gain` is 1 where only the strong model was right, -1 where only the weak one was."""

    benchmark: str
    domain: str
    prompt: str
    measured: Measured
    weak: int
    strong: int

    @property
    def gain(self) -> int:
        """What the strong model adds."""
        return self.strong - self.weak


def read(path: Path, scorer: Scorer) -> tuple[Labelled, ...]:
    """All questions of the file."""
    return tuple(_read(path, scorer))


def _read(path: Path, scorer: Scorer) -> Iterator[Labelled]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            given = json.loads(line)
            prompt = given["prompt"]
            yield Labelled(
                given["benchmark"],
                given["domain"],
                prompt,
                scorer.measure(Question(prompt)),
                given["weak_correct"],
                given["strong_correct"],
            )


def by_chance(count: int, folds: int, seed: int) -> list[int]:
    """A fold for each of `count` questions."""
    found = [at % folds for at in range(count)]
    Random(seed).shuffle(found)
    return found


def by_domain(questions: Sequence[Labelled]) -> list[int]:
    """A fold for each question; a domain is a fold."""
    names = sorted({one.domain for one in questions})
    return [names.index(one.domain) for one in questions]
