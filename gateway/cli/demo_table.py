"""Draws the demo's table in the columns that a terminal has, where a Chinese character takes two of them.

Pure: lines out, for given cells, width and colour. A terminal too narrow for a table gets one block per question.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NARROWEST_TABLE: Final = 110
_NARROWEST_REASON: Final = 28
_GAP: Final = "  "


class Colour(StrEnum):
    """What a piece of text means; the value is its terminal code."""

    HOME = "32"
    CLOUD = "36"
    WRONG = "31"
    DIM = "2"
    STRONG = "1"


@dataclass(frozen=True, slots=True)
class Cell:
    """One text with what it means."""

    text: str
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One question: its cells in the order of the columns, and a note that goes below."""

    cells: tuple[Cell, ...]
    note: str = ""


def width(text: str) -> int:
    """How many terminal columns `text` takes."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def printable(text: str) -> str:
    """`text` on one line, without anything that a terminal would take for a command."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def fit(text: str, columns: int) -> str:
    """The start of `text` that fits into `columns`, with an ellipsis where something was left out."""
    if width(text) <= columns:
        return text
    kept, used = "", 0
    for character in text:
        used += _width(character)
        if used > columns - 1:
            break
        kept += character
    return kept + "…"


def fold(text: str, columns: int) -> list[str]:
    """`text` broken into lines of at most `columns`: at spaces, and anywhere inside Chinese or what is too long."""
    lines, line, used = [], "", 0
    for piece in _pieces(text):
        if used + width(piece.rstrip()) > columns and line:
            lines.append(line.rstrip())
            line, used = "", 0
        if not line:
            piece = piece.lstrip()
        line += piece
        used += width(piece)
        while used > columns and width(line.rstrip()) > columns:
            head = fit(line, columns + 1)[:-1]
            lines.append(head)
            line = line[len(head) :]
            used = width(line)
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> list[str]:
    # A piece is a word with the spaces behind it, or one wide character.
    pieces: list[str] = []
    for character in text:
        joins = pieces and _width(character) < 2 and _width(pieces[-1][-1]) < 2
        if joins and not (pieces[-1].endswith(" ") and character != " "):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def painted(text: str, colour: Colour | None, *, in_colour: bool) -> str:
    """`text` in its colour, where colour is wanted."""
    return f"\x1b[{colour}m{text}\x1b[0m" if in_colour and colour is not None else text


def draw(headings: Sequence[str], rows: Sequence[Row], *, columns: int, in_colour: bool) -> list[str]:
    """The table's lines, or one block per row when `columns` are too few for a table."""
    if columns < _NARROWEST_TABLE:
        return _blocks(headings, rows, columns, in_colour)
    return _table(headings, rows, columns, in_colour)


def _table(headings: Sequence[str], rows: Sequence[Row], columns: int, in_colour: bool) -> list[str]:
    natural = [
        max(width(headings[index]), *(width(row.cells[index].text) for row in rows)) for index in range(len(headings))
    ]
    # What is between the question and the reason is short and must be whole; those two share the rest.
    rest = columns - sum(natural[1:-1]) - len(_GAP) * (len(natural) - 1)
    last = min(natural[-1], max(_NARROWEST_REASON, rest - natural[0]))
    sizes = [min(natural[0], rest - last), *natural[1:-1], last]
    lines = [_line([Cell(heading, Colour.STRONG) for heading in headings], sizes, in_colour)]
    lines.append(
        painted("─" * min(columns, sum(sizes) + len(_GAP) * (len(sizes) - 1)), Colour.DIM, in_colour=in_colour)
    )
    for row in rows:
        *whole, reason = row.cells
        reasons = fold(reason.text, sizes[-1])
        lines.append(_line([*whole, Cell(reasons[0], reason.colour)], sizes, in_colour))
        indent = " " * (sum(sizes[:-1]) + len(_GAP) * (len(sizes) - 1))
        lines += [indent + painted(more, reason.colour, in_colour=in_colour) for more in reasons[1:]]
        if row.note:
            lines.append(painted(fit("  " + row.note, columns), Colour.DIM, in_colour=in_colour))
    return lines


def _line(cells: Sequence[Cell], sizes: Sequence[int], in_colour: bool) -> str:
    drawn = []
    for cell, size in zip(cells, sizes, strict=True):
        text = fit(cell.text, size)
        drawn.append(painted(text, cell.colour, in_colour=in_colour) + " " * (size - width(text)))
    return _GAP.join(drawn).rstrip()


def _blocks(headings: Sequence[str], rows: Sequence[Row], columns: int, in_colour: bool) -> list[str]:
    lines: list[str] = []
    label = max(width(heading) for heading in headings)
    for row in rows:
        question, *rest = row.cells
        lines.append(painted(fit(question.text, columns), Colour.STRONG, in_colour=in_colour))
        for heading, cell in zip(headings[1:], rest, strict=True):
            start = "  " + heading + " " * (label - width(heading)) + _GAP
            folded = fold(cell.text, max(10, columns - width(start)))
            lines.append(start + painted(folded[0], cell.colour, in_colour=in_colour))
            lines += [" " * width(start) + painted(more, cell.colour, in_colour=in_colour) for more in folded[1:]]
        if row.note:
            lines.append(painted(fit("  " + row.note, columns), Colour.DIM, in_colour=in_colour))
        lines.append("")
    return lines[:-1]
