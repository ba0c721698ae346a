"""What one process of a run does: scan a share of the requests, or of the cells, with each detector in turn."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from corpus.build import Example, examples
from corpus.carriers import CARRIERS, USUAL
from corpus.templates import Split
from corpus.transforms import Mark

from gateway.core.entities import ENTITIES
from scoring.counts import Judge, Outcome
from scoring.detectors import Detector, Ours, Presidio, WithModels, default_policy, label_alone, label_of
from scoring.matrix import Verdict, cells, tried

PUBLIC = Path(__file__).parents[4] / "shared" / "data" / "pii" / "en_dev.jsonl"

_PUBLIC_ENTITIES = {
    "PERSON": "PERSON",
    "STREET_ADDRESS": "ADDRESS",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "BANK_CARD",
    "EMAIL_ADDRESS": "EMAIL",
    "IP_ADDRESS": "IP_ADDRESS",
    "IBAN_CODE": "IBAN",
}
_EXAMPLES_KEPT = 4_000
PRESIDIO_EVERY = 4
"""Presidio sees every fourth pair of requests: it takes ten times as long, and its figures need no tight interval."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a run, for one process."""

    seed: int
    split: Split
    numbers: tuple[tuple[int, int], ...]  # first and count
    with_presidio: bool
    with_models: bool = False
    public: bool = False
    matrix: tuple[int, int] | None = None  # this share, of so many; none: no matrix
    matrix_transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a share came to."""

    outcomes: tuple[Outcome, ...]
    public: tuple[Outcome, ...]
    matrix: Verdict | None


def work(share: Share) -> Result:
    """Do one share."""
    policy = default_policy()
    judge = Judge(policy.ceiling, {name: label_alone(policy, name) for name in ENTITIES}, policy.labels.default)
    ours = Ours(policy)
    detectors: list[Detector] = [ours]
    if share.with_models:
        detectors.append(WithModels(ours))
    always = len(detectors)
    if share.with_presidio:
        detectors.append(Presidio())

    def outcomes(given: Iterator[Example]) -> Iterator[Outcome]:
        kept = 0
        for number, example in enumerate(given):
            # By pairs, since the languages take turns.
            for detector in detectors if number // 2 % PRESIDIO_EVERY == 0 else detectors[:always]:
                evidence = detector.evidence(example.dialect, example.request, example.language)
                outcome = judge.outcome(detector.name, example, evidence, label_of(policy, evidence))
                keep = outcome.example is not None and detector is ours and kept < _EXAMPLES_KEPT
                kept += keep
                yield outcome if keep else replace(outcome, example=None)

    made = tuple(
        outcome
        for first, count in share.numbers
        for outcome in outcomes(examples(share.seed, count, split=share.split, first=first))
    )
    public = tuple(outcomes(public_examples())) if share.public else ()
    verdict = None
    if share.matrix is not None:
        part, of = share.matrix
        verdict = tried(ours, policy, islice(cells(policy, (), share.matrix_transforms), part, None, of))
    return Result(made, public, verdict)


def public_examples(file: Path = PUBLIC) -> Iterator[Example]:
    """The labelled texts of others, as requests; none if they are not here."""
    if not file.exists():
        return
    for line in file.read_text("utf-8").splitlines():
        given = json.loads(line)
        marks = tuple(
            Mark(_PUBLIC_ENTITIES[span["entity"]], span["start"], span["end"], "")
            for span in given["spans"]
            if span["entity"] in _PUBLIC_ENTITIES
        )
        put = CARRIERS[USUAL](given["text"])
        assert put is not None
        yield Example(
            given["id"], "en", "public", "", "", "public", USUAL, "as written", "as written",
            any(mark.entity != "PERSON" for mark in marks), given["text"], marks, *put,
        )  # fmt: skip
