"""Where reports are printed: wrapped between words at the width of the terminal, in colour only on one.

Lines keep their indentation where they go on, so that a list stays a list. Chinese text breaks between characters,
which take two columns each. What is not a terminal gets lines that fit into a ticket.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self, TextIO

from gateway.cli.demo_table import Colour, painted, width

_WIDEST: Final = 120
_NARROWEST: Final = 40
_WIDTH_OF_A_FILE: Final = 100
# What a line begins with: an indentation, a mark or a number, or a short word in a column of its own.
_LEAD: Final = re.compile(r" *(?:[✓✗·•!-] |[0-9]{1,3}\. |(?<= )[^ ]{1,6} {2,}|(?<= )\u3000?[\u4e00-\u9fff]{1,3}：)?")
# One wide character, or a word with the space before it; with what may not end a line before it, and what may not begin
# one after it.
_OPENING: Final = "（《「『“‘"
_CLOSING: Final = "，。；：、！？）》」』”’…,.;:!?)"
_WIDE: Final = r"\u2e80-\u9fff\uff00-\uffef"
_PIECE: Final = re.compile(
    rf"\s*[{_OPENING}]*(?:(?![{_OPENING}])[{_WIDE}]|[^\s{_WIDE}{_OPENING}]+)[{_CLOSING}]*|[{_OPENING}]+|\s+"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A place to print to. `columns` is how wide its lines may be."""

    out: TextIO
    columns: int
    in_colour: bool

    @classmethod
    def on(cls, out: TextIO, environment: Mapping[str, str]) -> Self:
        """The page behind `out`: a terminal's width or COLUMNS; colours never where NO_COLOR is set."""
        is_terminal = out.isatty()
        given = environment.get("COLUMNS", "")
        if given.isascii() and given.isdigit():
            columns = int(given)
        else:
            columns = shutil.get_terminal_size().columns if is_terminal else _WIDTH_OF_A_FILE
        in_colour = is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        return cls(out, max(_NARROWEST, min(columns, _WIDEST)), in_colour)

    def say(self, text: str = "", colour: Colour | None = None, *, crossed: Colour = Colour.WRONG) -> None:
        """Print a paragraph, or several that stand on lines of their own; `crossed` is for those that begin with ✗."""
        marked = {"✓ ": Colour.HOME, "✗ ": crossed}
        for paragraph in text.split("\n"):
            meant = colour or marked.get(paragraph.lstrip(" ")[:2])
            for line in wrapped(paragraph, self.columns):
                print(painted(line, meant, in_colour=self.in_colour), file=self.out)


def wrapped(paragraph: str, columns: int) -> Iterator[str]:
    """`paragraph` as lines of at most `columns`, indented like its first; a longer word has a line of its own."""
    lead = _LEAD.match(paragraph)
    indent = " " * width(lead[0]) if lead is not None else ""
    line, used = "", 0
    for piece in _pieces(paragraph):
        taken = width(piece)
        if used > width(indent) and used + taken > columns:
            yield line.rstrip()
            piece = indent + piece.lstrip()
            line, used = "", 0
            taken = width(piece)
        line += piece
        used += taken
    yield line.rstrip()


def _pieces(paragraph: str) -> Iterator[str]:
    lead = _LEAD.match(paragraph)
    start = lead.end() if lead is not None else 0
    if start:
        yield paragraph[:start]
    for found in _PIECE.finditer(paragraph, start):
        yield found[0]
