"""Draws what a scan found for people: each place with its line of text, and below it what was found, underlined.

Columns are those of a terminal, where a Chinese character takes two and a combining one none. What a terminal would
take for a command, or would not show, is drawn as a question mark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.cli.demo_table import Colour, painted, printable, width
from gateway.cli.page import Page
from gateway.core.findings import Evidence, Finding
from gateway.detect.leaves import Leaf
from gateway.policy.words import Language, Table, fill

_INDENT: Final = "    "
_MOST_PLACES: Final = 20
_MOST_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one line: places, and no text. `label` is what governs."""

    id: str | int
    label: str
    label_low: str
    evidence: Evidence
    ms: float


@dataclass(frozen=True, slots=True)
class Scanned:
    """The same with the texts that were scanned."""

    told: Told
    leaves: Sequence[Leaf]


@dataclass(frozen=True, slots=True)
class _Row:
    """As much of a text as fits into one row of the page, by its code points."""

    start: int
    end: int


def draw(scanned: Scanned, page: Page, language: Language) -> None:
    """Print one line's answer."""
    told = scanned.told
    evidence = told.evidence
    gaps = {"id": printable(str(told.id)), "label": told.label, "count": len(evidence.findings), "ms": f"{told.ms:.1f}"}
    page.say(fill(_WORDS, "head", language, **gaps), Colour.STRONG)
    coverage = evidence.coverage
    if coverage.failure is not None:
        page.say("  " + fill(_WORDS, "failure", language, reason=coverage.failure), Colour.WRONG)
    for part in coverage.unscanned:
        page.say("  " + fill(_WORDS, "unscanned", language, carrier=part.carrier, path=part.path or "-"), Colour.WRONG)
    if told.label_low != told.label and coverage.failure is None and not coverage.unscanned:
        page.say("  " + fill(_WORDS, "low", language, low=told.label_low), Colour.DIM)
    by_path: dict[str, list[Finding]] = {}
    for finding in evidence.findings:
        by_path.setdefault(finding.path, []).append(finding)
    texts = _texts(scanned.leaves, by_path)
    for number, (path, findings) in enumerate(by_path.items()):
        if number == _MOST_PLACES:
            page.say("  " + fill(_WORDS, "more_places", language, count=len(by_path) - number), Colour.DIM)
            break
        page.say(f"  {path}", Colour.DIM)
        for line in _place(texts.get(path), findings, page, language):
            print(line, file=page.out)
    page.say()


def _texts(leaves: Sequence[Leaf], wanted: dict[str, list[Finding]]) -> dict[str, str]:
    """The text at each path; none where several leaves have the same, as the values of unknown keys may."""
    texts: dict[str, str] = {}
    twice: set[str] = set()
    for leaf in leaves:
        if leaf.path in wanted and leaf.path in texts:
            twice.add(leaf.path)
        texts[leaf.path] = leaf.text
    return {path: text for path, text in texts.items() if path in wanted and path not in twice}


def _place(text: str | None, findings: list[Finding], page: Page, language: Language) -> Iterator[str]:
    """The rows of one text that hold something, each with what it holds below."""
    spans: dict[tuple[int, int], list[str]] = {}
    for finding in sorted(findings, key=lambda found: (found.start, -found.end)):
        spans.setdefault((finding.start, finding.end), []).append(_named(finding))
    named = [(start, end, ", ".join(dict.fromkeys(names))) for (start, end), names in spans.items()]
    if text is None or any(not 0 <= start <= end <= len(text) for start, end, _ in named):
        for start, end, names in named:
            yield f"{_INDENT}{start}-{end} {names}"
        return
    drawn = 0
    for row in _rows(text, page.columns - len(_INDENT)):
        here = [(start, end, names) for start, end, names in named if start < row.end and end > row.start]
        if not here:
            continue
        if drawn == _MOST_LINES:
            yield _INDENT + painted(fill(_WORDS, "more_lines", language), Colour.DIM, in_colour=page.in_colour)
            return
        drawn += 1
        yield _INDENT + visible(text[row.start : row.end])
        for line in _underlined(text, row, here):
            yield _INDENT + painted(line, Colour.WRONG, in_colour=page.in_colour)


def _named(finding: Finding) -> str:
    through = f" ({', '.join(finding.transforms)})" if finding.transforms else ""
    return f"{finding.entity} {finding.score:.2f}{through}"


def _rows(text: str, columns: int) -> Iterator[_Row]:
    """`text` cut at its line ends, and where a row is full."""
    start = used = 0
    for index, character in enumerate(text):
        if character == "\n":
            yield _Row(start, index)
            start, used = index + 1, 0
            continue
        taken = width(visible(character))
        if used + taken > columns:
            yield _Row(start, index)
            start, used = index, 0
        used += taken
    yield _Row(start, len(text))


def _underlined(text: str, row: _Row, here: Sequence[tuple[int, int, str]]) -> Iterator[str]:
    """Lines of carets under what was found, each followed by what it is; as few lines as nothing on them touches."""
    lines: list[str] = []
    for start, end, names in here:
        before = width(visible(text[row.start : max(start, row.start)]))
        under = max(1, width(visible(text[max(start, row.start) : min(end, row.end)])))
        mark = "^" * under + f" {names}"
        for number, line in enumerate(lines):
            if len(line) + 2 <= before:
                lines[number] = line.ljust(before) + mark
                break
        else:
            lines.append(" " * before + mark)
    yield from lines


def visible(text: str) -> str:
    """`text` as it may be shown: a tab is a space, and what no terminal shows is a question mark."""
    return "".join(character if character.isprintable() else " " if character in "\t\r" else "?" for character in text)


_WORDS: Final[Table] = MappingProxyType(
    {
        "head": ("{id} · {label} · findings: {count} · {ms} ms", "{id} · {label} · 检出 {count} 项 · {ms} 毫秒"),
        "failure": ("The scan did not finish ({reason}).", "扫描未完成（{reason}）。"),
        "unscanned": ("Cannot be read: {carrier} at {path}.", "无法扫描：{path} 处的 {carrier}。"),
        "low": (
            "What was found gives {low}; a scan that the policy requires has not run.",
            "已检出的内容对应 {low}；策略要求的扫描尚未全部执行。",
        ),
        "more_places": ("and {count} more places", "另有 {count} 处"),
        "more_lines": ("and more further on", "后面还有"),
    }
)
