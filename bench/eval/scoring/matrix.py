"""Every carrier x transform x entity of threats.md as one cell each: a request, and the label that it must have.

A cell passes if the label of the request is at least that of the value by itself. What does not pass must stand in
`gaps.yaml`, by name and with the reason; a gap that has closed must be struck off there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, cast

import yaml
from corpus import carriers, transforms
from corpus.templates import LANGUAGES, entity, read_phrases
from corpus.transforms import Mark
from corpus.values import MAKERS

from gateway.core.labels import Label
from gateway.policy.compiled import CompiledPolicy
from scoring.detectors import Detector, label_alone, label_of

GAPS = Path(__file__).parents[1] / "gaps.yaml"
SEED = 20_261_121

# Markers are the policy's own words: no number, but threats.md lists them with the entities.
_MARKERS: Mapping[str, tuple[str, str]] = {"en": ("This is ", "top secret"), "zh": ("本页为", "内部资料")}


@dataclass(frozen=True, slots=True)
class Item:
    """One value and the words that announce it."""

    maker: str
    language: str
    text: str
    marks: tuple[Mark, ...]
    least: Label
    finding: str  # the entity that must be reported, where the label alone would prove nothing; else empty


@dataclass(frozen=True, slots=True)
class Cell:
    """One place, one disguise, one value."""

    carrier: str
    transform: str
    item: Item

    @property
    def entity(self) -> str:
        """The entity, or `MARKER`."""
        return entity(self.item.maker)

    def __str__(self) -> str:
        return f"{self.carrier} x {self.transform} x {self.item.maker} ({self.item.language})"


@dataclass(frozen=True, slots=True)
class Gap:
    """Cells that are known not to pass. An empty tuple stands for all."""

    name: str
    name_zh: str
    carriers: tuple[str, ...]
    transforms: tuple[str, ...]
    makers: tuple[str, ...]
    languages: tuple[str, ...]
    reason_en: str
    reason_zh: str

    def covers(self, cell: Cell) -> bool:
        """Whether the gap names this cell."""
        return (
            (not self.carriers or cell.carrier in self.carriers)
            and (not self.transforms or cell.transform in self.transforms)
            and (not self.makers or cell.item.maker in self.makers or cell.entity in self.makers)
            and (not self.languages or cell.item.language in self.languages)
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The cells that were tried, and those that did not pass."""

    tried: int
    failed: tuple[Cell, ...]


def items(policy: CompiledPolicy) -> Iterator[Item]:
    """One value of each kind in each language, always the same."""
    for language in LANGUAGES:
        phrases = read_phrases(language)
        for maker in sorted(phrases):
            phrase = phrases[maker][0]
            value = MAKERS[maker](Random(f"{SEED}/{maker}/{language}"))
            start = len(phrase.before)
            mark = Mark(entity(maker), start, start + len(value), value)
            least, finding = label_alone(policy, mark.entity), ""
            if mark.entity == "PERSON":
                # By itself a name may leave; with the words around it, it may not.
                least = max(least, Label(policy.labels.default + 1))
            elif least <= policy.labels.default:
                finding = mark.entity
            yield Item(maker, language, phrase.before + value + phrase.after, (mark,), least, finding)
        before, value = _MARKERS[language]
        mark = Mark("MARKER", len(before), len(before) + len(value), value)
        least = label_alone(policy, f"MARKER:{value}")
        yield Item("MARKER", language, before + value, (mark,), least, "")


def cells(
    policy: CompiledPolicy, carriers_: Iterable[str] = (), transforms_: Iterable[str] = ()
) -> Iterator[tuple[Cell, str, carriers.Request]]:
    """Every cell that makes sense, with its dialect and request; of these places and disguises, if any are given."""
    wanted = list(items(policy))
    for transform in transforms_ or transforms.NAMES:
        for item in wanted:
            changed = transforms.disguised(item.text, item.marks, transform)
            if transform == "as written":
                changed = item.text, item.marks
            if changed is None:
                continue
            for carrier in carriers_ or carriers.CARRIERS:
                # A number is a place for the value alone; everything else carries the words with it.
                bare = carrier in ("tool_calls arguments, a number", "seed")
                if bare and (transform != "as written" or not _needs_no_words(item)):
                    continue
                put = carriers.CARRIERS[carrier](item.marks[0].value if bare else changed[0])
                if put is not None:
                    yield Cell(carrier, transform, item), *put


def _needs_no_words(item: Item) -> bool:
    return item.maker in ("CN_RESIDENT_ID", "CN_MOBILE", "BANK_CARD")


def tried(detector: Detector, policy: CompiledPolicy, chosen: Iterable[tuple[Cell, str, carriers.Request]]) -> Verdict:
    """Try the cells."""
    count, failed = 0, []
    for cell, dialect, request in chosen:
        count += 1
        evidence = detector.evidence(dialect, request, cell.item.language)
        label = label_of(policy, evidence)
        shown = not cell.item.finding or any(found.entity == cell.item.finding for found in evidence.findings)
        if label < cell.item.least or not (shown or label > cell.item.least):
            failed.append(cell)
    return Verdict(count, tuple(failed))


@cache
def gaps(file: Path = GAPS) -> tuple[Gap, ...]:
    """The known gaps."""
    written = cast(Sequence[Mapping[str, Any]], yaml.safe_load(file.read_text("utf-8")) or ())
    return tuple(
        Gap(
            entry["name"],
            entry["name_zh"],
            tuple(entry.get("carriers", ())),
            tuple(entry.get("transforms", ())),
            tuple(entry.get("entities", ())),
            tuple(entry.get("languages", ())),
            entry["reason"],
            entry["reason_zh"],
        )
        for entry in written
    )
