"""A picture of what `run.py` and `scale.py` measured last: `docs/images/performance.svg`, written by `make bench`.

Bars over a logarithmic axis, one panel for each table, and the marks that performance.md sets. Nothing is measured
here, and what was not measured has no bar.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from run import HERE, OUT

WIDTH: Final = 960
_LEFT, _RIGHT, _ROW, _BAR = 410, 880, 24, 15
_OURS, _OTHERS, _INK, _QUIET = "#2c6e49", "#9aa5b1", "#16324f", "#40566b"


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure. `mark` is the most that is wanted of it, None if nothing is."""

    name: str
    value: float
    is_ours: bool
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one unit."""

    title: str
    bars: tuple[Bar, ...]


def main() -> int:
    """Draw what there is; 1 if there is nothing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, default=OUT / "run.json")
    parser.add_argument("--scale", type=Path, default=OUT / "scale.json")
    parser.add_argument("--to", type=Path, default=HERE.parent / "docs" / "images" / "performance.svg")
    options = parser.parse_args()
    panels = [*_of_run(_read(options.run)), *_of_scale(_read(options.scale))]
    if not panels:
        print("bench: nothing was measured, so there is nothing to draw.", file=sys.stderr)
        return 1
    options.to.write_text(drawn(panels, _machine(_read(options.run) or _read(options.scale))))
    print(f"drawn: {options.to}")
    return 0


def drawn(panels: Sequence[Panel], machine: str) -> str:
    """The picture as SVG."""
    lines: list[str] = []
    y = 20
    for panel in panels:
        lines += _panel(panel, y)
        y += 56 + _ROW * len(panel.bars)
    lines.append(f'<text x="40" y="{y + 4}" font-size="11" fill="{_QUIET}">{escape(machine)}</text>')
    lines.append(
        f'<text x="40" y="{y + 20}" font-size="11" fill="{_QUIET}">Logarithmic; a red line is the most that is wanted'
        " of the bar that it crosses.</text>"
    )
    height = y + 36
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif"'
        ' role="img" aria-label="What a request and a chunk cost, beside other proxies">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="#fbfaf7"/>', *lines, "</svg>", ""])


def _panel(panel: Panel, top: int) -> Iterator[str]:
    values = [value for bar in panel.bars for value in (bar.value, bar.mark) if value is not None and value > 0]
    low = math.floor(math.log10(min(values)) - 0.2)
    high = max(math.ceil(math.log10(max(values))), low + 1)

    def x(value: float) -> float:
        share = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return _LEFT + (_RIGHT - _LEFT) * share

    bottom = top + 28 + _ROW * len(panel.bars)
    yield f'<text x="40" y="{top + 14}" font-size="15" font-weight="600" fill="{_INK}">{escape(panel.title)}</text>'
    for power in range(low, high + 1):
        at = x(10.0**power)
        yield f'<path d="M{at:.1f} {top + 24} V{bottom}" stroke="#dde3e8"/>'
        yield (
            f'<text x="{at:.1f}" y="{bottom + 13}" font-size="11" text-anchor="middle" fill="{_QUIET}">'
            f"{10.0**power:g}</text>"
        )
    for place, bar in enumerate(panel.bars):
        y = top + 28 + _ROW * place
        colour = _OURS if bar.is_ours else _OTHERS
        name = escape(bar.name)
        yield f'<text x="{_LEFT - 8}" y="{y + 12}" font-size="12" text-anchor="end" fill="{_INK}">{name}</text>'
        wide = max(x(bar.value) - _LEFT, 1.0)
        yield f'<rect x="{_LEFT}" y="{y}" width="{wide:.1f}" height="{_BAR}" fill="{colour}"/>'
        yield (
            f'<text x="{_LEFT + wide + 6:.1f}" y="{y + 12}" font-size="11" fill="{_QUIET}">{_number(bar.value)}</text>'
        )
        if bar.mark is not None:
            at = x(bar.mark)
            yield f'<path d="M{at:.1f} {y - 3} v{_BAR + 6}" stroke="#b3261e" stroke-width="2"/>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# What was measured

_WANTED: Final = (
    ("(a) last message new, 1.3 KB", "nginx", 3.0),
    ("(b) all new, nothing found, 1.3 KB", "nginx", 4.0),
    ("(b) all new, nothing found, 17 KB", "Envoy", 4.0),
    ("600 at once", "nginx", 1.15),
)
"""The most that a row of ours may be, by what its name has: so many times another's row of the same size."""


def _of_run(record: dict[str, object]) -> Iterator[Panel]:
    tables = record.get("tables", [])
    assert isinstance(tables, list)
    for table in tables:
        rows = [row for row in table["rows"] if not row["failed"] and row["cost"]]
        if rows:
            costs = {row["name"]: row["cost"] for row in rows}
            yield Panel(f"{table['title']}: {table['unit']}", tuple(_bars(rows, costs)))


def _bars(rows: Iterable[dict[str, object]], costs: dict[str, float]) -> Iterator[Bar]:
    for row in rows:
        name, cost = row["name"], row["cost"]
        assert isinstance(name, str)
        assert isinstance(cost, int | float)
        is_ours = name.startswith("tidegate")
        base, times = next(((base, times) for word, base, times in _WANTED if is_ours and word in name), ("", 0.0))
        mark = costs.get(f"{base}, {_size(name)}", 0.0) * times
        yield Bar(name, float(cost), is_ours, mark or None)


def _size(name: str) -> str:
    return name.rpartition(", ")[2]


def _of_scale(record: dict[str, object]) -> Iterator[Panel]:
    rows = record.get("rows", [])
    assert isinstance(rows, list)
    shown = [row for row in rows if row["value"] > 0]
    marks = {"× CPU/request": 1.0, "× per character": 1.5, "ms": 100.0}
    for unit in dict.fromkeys(row["unit"] for row in shown):
        bars = (Bar(row["name"], row["value"], True, marks.get(unit)) for row in shown if row["unit"] == unit)
        yield Panel(f"As the work grows: {unit}", tuple(bars))


def _read(path: Path) -> dict[str, object]:
    if not path.exists():
        return {}
    record: dict[str, object] = json.loads(path.read_text())
    return record


def _machine(record: dict[str, object]) -> str:
    about = record.get("machine", {})
    assert isinstance(about, dict)
    wanted = ("when", "commit", "cpu", "cores", "python", "load before")
    return " · ".join(f"{key} {about[key]}" for key in wanted if key in about)


if __name__ == "__main__":
    sys.exit(main())
