"""From outcomes to a record: plain numbers, kept as JSON, from which every table is written and checked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from corpus import carriers, transforms
from corpus.build import LENGTHS
from corpus.templates import LANGUAGES, Kind

from scoring.counts import UNSTRUCTURED, Outcome, Rate, Tally, ordered, tally

Numbers = list[int]  # hits, of
Record = dict[str, Any]

_PLAIN = "as written"


def numbers(rate: Rate) -> Numbers:
    """A rate as it is kept."""
    return [rate.hits, rate.of]


def record(about: Mapping[str, Any], outcomes: Sequence[Outcome], public: Sequence[Outcome]) -> Record:
    """Everything that the tables need. `public` are outcomes on labelled data of others, if there is any here."""
    detectors = list(dict.fromkeys(outcome.detector for outcome in outcomes))
    return {
        **about,
        "detectors": detectors,
        "totals": {
            f"{language}/{detector}": _total(
                [o for o in outcomes if o.language == language and o.detector == detector]
            )
            for language in LANGUAGES
            for detector in detectors
        },
        "entities": _by(outcomes, detectors, lambda o: o.transform == _PLAIN, _entity_rows),
        "transforms": _by(
            outcomes, detectors, lambda o: o.length == _PLAIN, _rows(lambda o: o.transform, transforms.NAMES)
        ),
        "lengths": _by(outcomes, detectors, lambda o: o.transform == _PLAIN, _rows(lambda o: o.length, tuple(LENGTHS))),
        "places": _by(
            outcomes,
            detectors,
            lambda o: o.transform == _PLAIN and o.length == _PLAIN,
            _rows(lambda o: "messages.content" if o.carrier == carriers.USUAL else "elsewhere", ("messages.content",)),
        ),
        "public": _by(public, detectors, lambda o: o.kind == "public", _entity_rows),
        "public_totals": {
            f"en/{detector}": _total([o for o in public if o.detector == detector]) for detector in detectors
        } if public else {},
    }  # fmt: skip


def _total(outcomes: Sequence[Outcome]) -> dict[str, Numbers]:
    everything = tally(outcomes)
    plain = tally(o for o in outcomes if o.transform == _PLAIN)
    names = [o for o in outcomes if o.is_sensitive and o.values and all(entity == "PERSON" for entity, _ in o.values)]
    others = [o for o in outcomes if o.is_sensitive and not (o.values and all(e == "PERSON" for e, _ in o.values))]
    return {
        "requests": [len(outcomes), len(outcomes)],
        "recall": numbers(plain.recall()),
        "recall_disguised": numbers(tally(o for o in outcomes if o.transform != _PLAIN).recall()),
        "recall_names": numbers(plain.recall(["PERSON"])),
        "recall_addresses": numbers(plain.recall(["ADDRESS"])),
        "precision": numbers(everything.precision),
        "leaks": numbers(everything.leaks),
        "leaks_plain": numbers(plain.leaks),
        "leaks_identifier": numbers(tally(others).leaks),
        "leaks_name_only": numbers(tally(names).leaks),
        "request_precision": numbers(everything.request_precision),
        "over_restriction": numbers(everything.over_restriction),
    }


def _by(
    outcomes: Sequence[Outcome],
    detectors: Sequence[str],
    chosen: Callable[[Outcome], bool],
    rows: Callable[[Sequence[Outcome]], Mapping[str, Mapping[str, Numbers]]],
) -> dict[str, dict[str, dict[str, Numbers]]]:
    """Rows by `language/detector`."""
    return {
        f"{language}/{detector}": {
            name: dict(columns)
            for name, columns in rows(
                [o for o in outcomes if o.language == language and o.detector == detector and chosen(o)]
            ).items()
        }
        for language in LANGUAGES
        for detector in detectors
    }


def _entity_rows(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Numbers]]:
    counted = tally(outcomes)
    names = ordered({*counted.found, *counted.missed, *counted.false})
    structured = [name for name in names if name not in UNSTRUCTURED]
    return {
        name: {"recall": numbers(counted.recall([name])), "false": [counted.false[name], len(outcomes)]}
        for name in (*structured, *(name for name in names if name in UNSTRUCTURED))
    }


def _rows(
    key: Callable[[Outcome], str], first: Sequence[str]
) -> Callable[[Sequence[Outcome]], dict[str, dict[str, Numbers]]]:
    def rows(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Numbers]]:
        groups: dict[str, Tally] = {}
        for outcome in outcomes:
            groups.setdefault(key(outcome), Tally()).add(outcome)
        return {
            name: {
                "recall": numbers(groups[name].recall()),
                "leaks": numbers(groups[name].leaks),
                "over_restriction": numbers(groups[name].over_restriction),
            }
            for name in ordered(groups, first)
        }

    return rows


def cells(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Recall of every entity x language x transform x length, for who wants to look closer."""
    counts: dict[tuple[str, ...], list[int]] = {}
    for outcome in outcomes:
        for entity, hit in outcome.values:
            key = (outcome.detector, entity, outcome.language, outcome.transform, outcome.length)
            pair = counts.setdefault(key, [0, 0])
            pair[0] += hit
            pair[1] += 1
    names = ("detector", "entity", "language", "transform", "length")
    return [
        dict(zip(names, key, strict=True)) | {"found": hits, "of": of} for key, (hits, of) in sorted(counts.items())
    ]


def kinds(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many requests of each kind there were, for one detector."""
    counted = {kind.value: 0 for kind in Kind}
    for outcome in outcomes:
        counted[outcome.kind] = counted.get(outcome.kind, 0) + 1
    return counted
