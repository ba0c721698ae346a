"""An account of figures as others read it: in the text format of Prometheus (version 0.0.4), and as JSON.

Families come in the order of their table and series in the order of their labels, so that two scrapes differ only in
what has changed. A family of which nothing is known yet is named all the same, without a value.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gateway.core.figures import Account, Family, Kind, Labels, Spread

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_KINDS: Final = {Kind.COUNTER: "counter", Kind.STATE: "gauge", Kind.MOST: "gauge", Kind.SPREAD: "histogram"}
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


def render(families: Iterable[Family], account: Account) -> bytes:
    """The whole account as text."""
    return "".join(line for family in families for line in _family(family, account)).encode()


def _family(family: Family, account: Account) -> Iterator[str]:
    yield f"# HELP {family.name} {family.says}\n# TYPE {family.name} {_KINDS[family.kind]}\n"
    if family.kind is Kind.SPREAD:
        spreads = account.spreads.get(family.name, {})
        for values in sorted(spreads):
            yield from _spread(family, values, spreads[values])
    else:
        numbers: Mapping[Labels, float] = account.numbers.get(family.name, {})
        for values in sorted(numbers):
            yield f"{family.name}{_braced(_pairs(family.labels, values))} {_number(numbers[values])}\n"


def _spread(family: Family, values: Labels, spread: Spread) -> Iterator[str]:
    pairs = _pairs(family.labels, values)
    below = 0
    for bound, count in zip((*family.bounds, math.inf), spread.counts, strict=True):
        below += count
        yield f"{family.name}_bucket{_braced([*pairs, _pair('le', _number(bound))])} {below}\n"
    yield f"{family.name}_sum{_braced(pairs)} {_number(spread.sum)}\n{family.name}_count{_braced(pairs)} {below}\n"


def _pairs(names: Sequence[str], values: Labels) -> list[str]:
    return [_pair(name, value) for name, value in zip(names, values, strict=True)]


def _pair(name: str, value: str) -> str:
    return f'{name}="{value.translate(_ESCAPES)}"'


def _braced(pairs: Sequence[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _number(value: float) -> str:
    if value == math.inf:
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """One figure as JSON has it. `counts` are those of each bucket by itself, the last beyond all bounds."""

    labels: dict[str, str]
    value: float | None = None
    counts: tuple[int, ...] = ()
    sum: float = 0.0


class Listed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One family as JSON has it."""

    name: str
    kind: Kind
    series: tuple[Series, ...] = ()
    bounds: tuple[float, ...] = ()


class Figures(msgspec.Struct, frozen=True):
    """The whole account as JSON has it. `at` counts seconds since some moment: two of them make a rate."""

    at: float
    families: tuple[Listed, ...]


_decoder: Final = msgspec.json.Decoder(Figures)


def as_json(families: Iterable[Family], account: Account) -> bytes:
    """The whole account as one JSON object."""
    return msgspec.json.encode(Figures(account.at, tuple([_listed(family, account) for family in families])))


def from_json(data: bytes, families: Mapping[str, Family]) -> Account | None:
    """The account that `as_json` wrote, as far as it is about `families`; None if it is none."""
    try:
        figures = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    account = Account(figures.at)
    for listed in figures.families:
        family = families.get(listed.name)
        if family is None or family.bounds != listed.bounds:
            continue
        for series in listed.series:
            values = tuple([series.labels.get(name, "") for name in family.labels])
            if series.value is not None:
                account.add(family.name, values, series.value)
            elif len(series.counts) == len(family.bounds) + 1:
                account.join(family.name, values, Spread(list(series.counts), series.sum))
    return account


def _listed(family: Family, account: Account) -> Listed:
    def named(values: Labels) -> dict[str, str]:
        return dict(zip(family.labels, values, strict=True))

    if family.kind is Kind.SPREAD:
        spreads = account.spreads.get(family.name, {})
        series = [Series(named(v), None, tuple(spreads[v].counts), spreads[v].sum) for v in sorted(spreads)]
    else:
        numbers = account.numbers.get(family.name, {})
        series = [Series(named(v), numbers[v]) for v in sorted(numbers)]
    return Listed(family.name, family.kind, tuple(series), family.bounds)
