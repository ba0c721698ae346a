"""Tables of figures: rows that took turns, their ratios, and how they are shown to people and kept as JSON."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from load import Figures, Load, Target


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `baseline` marks the line that the others are divided by."""

    name: str
    target: Target
    load: Load
    baseline: str | None


@dataclass(slots=True)
class Table:
    """Rows that are compared with each other. `cost` is the figure of the ratio; `columns` what else is shown."""

    title: str
    unit: str
    cost: Callable[[Figures], float]
    columns: tuple[tuple[str, Callable[[Figures], float]], ...]
    rows: list[Row]
    figures: dict[str, list[Figures]] = field(default_factory=dict)

    def costs(self, row: Row) -> list[float]:
        """The row's cost in each round."""
        return [self.cost(figures) for figures in self.figures[row.name]]

    def cost_of(self, row: Row) -> float:
        """The row's cost: the median of its rounds."""
        return statistics.median(self.costs(row))

    def failed(self, row: Row) -> int:
        """How many requests of the row were not a complete 200."""
        return sum(figures.failed for figures in self.figures[row.name])

    def ratio(self, row: Row) -> float | None:
        """The median over the rounds of the row's cost against its baseline's in the same round."""
        base = next((other for other in self.rows if other.name == row.baseline), None)
        if base is None or not all(self.costs(base)):
            return None
        return statistics.median(own / other for own, other in zip(self.costs(row), self.costs(base), strict=True))

    def cells(self, row: Row) -> list[str]:
        """What is shown of a row: cost with its spread, ratio, and the other columns."""
        costs, ratio = self.costs(row), self.ratio(row)
        shown = [
            f"{self.cost_of(row):.1f} [{min(costs):.1f}-{max(costs):.1f}]",
            "" if ratio is None else f"{ratio:.2f}",
        ]
        shown += [f"{statistics.median(map(read, self.figures[row.name])):,.1f}" for _, read in self.columns]
        return shown

    @property
    def heads(self) -> list[str]:
        """The names of the cells."""
        return [self.unit, "× nginx", *(head for head, _ in self.columns)]


def as_text(table: Table) -> str:
    """The table for a terminal."""
    lines = [table.title, f"  {'':46}" + _aligned(table.heads)]
    for row in table.rows:
        failed = table.failed(row)
        mark = f"  NOT A FIGURE: {failed} requests failed" if failed else ""
        lines.append(f"  {row.name:46}{_aligned(table.cells(row))}{mark}")
    return "\n".join(lines)


def _aligned(cells: Sequence[str]) -> str:
    return f"{cells[0]:>24}" + "".join(f"{cell:>15}" for cell in cells[1:])


def as_markdown(table: Table) -> str:
    """The table for a document; rows with failures are left out."""
    rows = [["", *table.heads], ["---"] * (len(table.heads) + 1)]
    rows += [[row.name, *table.cells(row)] for row in table.rows if not table.failed(row)]
    return f"**{table.title}**\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def as_record(table: Table) -> dict[str, object]:
    """The table with every burst, for a machine."""
    return {
        "title": table.title,
        "unit": table.unit,
        "rows": [
            {
                "name": row.name,
                "times_nginx": table.ratio(row),
                "cost": table.cost_of(row),
                "failed": table.failed(row),
                "bursts": [asdict(figures) for figures in table.figures[row.name]],
            }
            for row in table.rows
        ],
    }
