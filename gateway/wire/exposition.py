"""An account of figures in the text format that Prometheus reads (version 0.0.4).

Families come in the order of their table and series in the order of their labels, so that two scrapes differ only in
what has changed. A family of which nothing is known yet is named all the same, without a value.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

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
