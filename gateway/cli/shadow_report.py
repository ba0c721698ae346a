"""What a candidate would have changed so far, worked out of a gateway's figures, in words and as plain values.

Pure: an account in, lines out. What counts comes first: whether anything would get out that does not now.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.cli.demo_table import width
from gateway.cli.shadow_words import say
from gateway.core import measures
from gateway.core.figures import Account, Family
from gateway.core.measures import NONE
from gateway.policy.shadow import Direction
from gateway.policy.words import Language
from gateway.runtime.shadow import State

_GRAVE: Final = (Direction.NEW_CLOUD, Direction.UNDECIDABLE)
_BY_GRAVITY: Final = {
    way: rank
    for rank, way in enumerate(
        (
            *_GRAVE,
            Direction.REFUSED,
            Direction.ALLOWED,
            Direction.TO_HOME,
            Direction.MOVED,
            Direction.SAME,
        )
    )
}


@dataclass(frozen=True, slots=True)
class Move:
    """Requests that took `route`, and what the candidate would have made of them; names as the figures have them."""

    route: str
    new_route: str
    new_label: str
    direction: Direction
    count: int


@dataclass(frozen=True, slots=True)
class Report:
    """One candidate beside one bundle. `candidate` is empty while nothing is compared. `states` are workers; `since` is
    Unix time; `moves` are the gravest first, what stays as it is included."""

    candidate: str
    bundle: str
    version: str
    since: float
    states: Mapping[State, int]
    moves: tuple[Move, ...]
    gained: Mapping[str, int]
    gaps: Mapping[str, int]

    @property
    def compared(self) -> int:
        """How many requests were compared."""
        return sum(move.count for move in self.moves)

    def count(self, direction: Direction) -> int:
        """How many of them would go that way."""
        return sum(move.count for move in self.moves if move.direction is direction)

    @property
    def has_new_access(self) -> bool:
        """Whether anything may go to the cloud that does not now: what cannot be told counts as that."""
        return any(self.count(direction) for direction in _GRAVE)


def report_of(account: Account) -> Report | None:
    """The candidate that most workers know of; None if there is no file."""
    states: dict[tuple[str, str], dict[State, int]] = {}
    for labels, value in _numbers(account, measures.SHADOW_WORKERS):
        candidate, bundle, state = labels
        states.setdefault((candidate, bundle), {})[State(state)] = int(value)
    if not states:
        return None
    names = max(states, key=lambda pair: (pair[0] != NONE, sum(states[pair].values())))
    every: dict[State, int] = {}
    for told in states.values():
        for state, workers in told.items():
            every[state] = every.get(state, 0) + workers
    candidate, bundle = names
    found = [(labels[0], labels[1], at) for labels, at in _numbers(account, measures.SHADOW_SINCE)]
    version, since = next(((version, at) for name, version, at in found if name == candidate), ("", 0.0))
    moves = [
        Move(labels[2], labels[3], labels[4], Direction(labels[5]), int(value))
        for labels, value in _numbers(account, measures.SHADOW)
        if labels[:2] == names
    ]
    return Report(
        candidate if candidate != NONE else "",
        bundle,
        version,
        since,
        every,
        tuple(sorted(moves, key=lambda move: (_BY_GRAVITY[move.direction], -move.count, move.route, move.new_route))),
        _by_last(account, measures.SHADOW_GAINED, names),
        _by_last(account, measures.SHADOW_UNDECIDED, names),
    )


def _numbers(account: Account, family: Family) -> Sequence[tuple[tuple[str, ...], float]]:
    return sorted(account.numbers.get(family.name, {}).items())


def _by_last(account: Account, family: Family, names: tuple[str, str]) -> Mapping[str, int]:
    return {labels[2]: int(value) for labels, value in _numbers(account, family) if labels[:2] == names}


def said(report: Report, language: Language) -> str:
    """The report as lines of text, the answer of the gate first."""
    return "\n".join(_lines(report, language))


def _lines(report: Report, language: Language) -> Iterator[str]:
    if report.candidate:
        yield _access(report, language)
        yield say(
            "who",
            language,
            candidate=report.candidate,
            version=report.version,
            bundle=report.bundle,
            since=datetime.fromtimestamp(report.since, UTC).strftime("%Y-%m-%d %H:%M"),
        )
    workers = sum(report.states.values())
    for state, count in report.states.items():
        if state is not State.COMPARING:
            yield say(f"state_{state}", language, workers=say("workers", language, count=count, all=workers))
    if not report.compared:
        return
    same = report.count(Direction.SAME)
    gaps = {"compared": f"{report.compared:,}", "same": f"{same:,}", "moved": f"{report.compared - same:,}"}
    yield say("sum", language, **gaps)
    yield from _table(report.moves, language)
    if report.gaps:
        yield say("why", language)
        for gap, count in sorted(report.gaps.items(), key=lambda one: -one[1]):
            yield "  " + say(f"gap_{gap}", language, count=f"{count:,}")


def _table(moves: Sequence[Move], language: Language) -> Iterator[str]:
    heads = ("count", "route", "new_route", "new_label", "direction")
    rows = [
        (f"{move.count:,}", move.route, move.new_route, move.new_label, say(f"way_{move.direction}", language))
        for move in moves
    ]
    table = [tuple(say(f"head_{head}", language) for head in heads), *rows]
    widths = [max(width(cell) for cell in column) for column in zip(*table, strict=True)]
    grave = [False, *(move.direction in _GRAVE for move in moves)]
    for is_grave, (count, *cells) in zip(grave, table, strict=True):
        padded = [cell + " " * (size - width(cell)) for cell, size in zip(cells, widths[1:], strict=True)]
        lead = " " * (widths[0] - width(count)) + count
        yield f"{'✗ ' if is_grave else '  '}{lead}  {'  '.join(padded)}".rstrip()


def _access(report: Report, language: Language) -> str:
    if not report.compared:
        return say("nothing_yet", language)
    if report.count(Direction.NEW_CLOUD):
        return say("access_yes", language, pools=say("list", language).join(sorted(report.gained)))
    return say("access_unknown" if report.has_new_access else "access_no", language)


def as_json(report: Report) -> dict[str, object]:
    """The report as plain values."""
    return {
        "candidate": report.candidate or None,
        "bundle": report.bundle,
        "version": int(report.version) if report.version else None,
        "since": report.since or None,
        "workers": {str(state): count for state, count in report.states.items()},
        "compared": report.compared,
        **{str(direction): report.count(direction) for direction in _BY_GRAVITY},
        "new_cloud_access": report.has_new_access,
        "gained": dict(report.gained),
        "gaps": dict(report.gaps),
        "moves": [
            {
                "route": _none(move.route),
                "new_route": _none(move.new_route),
                "new_label": _none(move.new_label),
                "direction": str(move.direction),
                "count": move.count,
            }
            for move in report.moves
        ],
    }


def _none(name: str) -> str | None:
    return None if name == NONE else name
