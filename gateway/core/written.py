"""What a person wrote, as a tree in which every key and value knows its place.

A strict subset of YAML 1.2: core scalars (`on`, `yes` are text), one document, no tabs, anchors, tags or duplicate
keys, bounded in size and depth. Every problem is collected in words of ours, since the parser's own quote the file.
Turning the tree into values is `core/reading.py`'s.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from gateway.core.problems import Problem

LARGEST_FILE: Final = 1 << 20
DEEPEST: Final = 24
_MOST_OF_A_KIND: Final = 20

# Line breaks, controls and directions that only some programs and no person can see.
_ODD: Final = re.compile(
    r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]|\r(?!\n)"
)
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_PREFIXED: Final = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}\.[0-9]{0,30}|[0-9]{1,30}(?=[eE]))([eE][-+]?[0-9]{1,3})?")

_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

# libyaml's words, by a part of them that never quotes the file, and ours for the same.
_SYNTAX: Final = (
    ("mapping values are not allowed", "A second `: ` stands on one line.", "Put quotation marks around the value."),
    ("escape", "This escape is not one that YAML knows.", "Use single quotation marks, or double the backslash."),
    ("quoted scalar", "A quotation mark is opened here and not closed.", "Close it on the same line."),
    ("cannot start any token", "A value cannot begin with this character.", "Put quotation marks around the value."),
    ("block scalar", "A value cannot begin with `>` or `|`.", 'Quote it: `">= internal"`.'),
    ("flow sequence", "A list in brackets is not closed, or lacks a comma.", "Check `[`, `,` and `]` above."),
    ("flow mapping", "A group in braces is not closed, or lacks a comma.", "Check `{`, `,` and `}` above."),
    ("could not find expected ':'", "A key without `: ` and a value stands above.", "Write `key: value`."),
    ("block collection", "This does not line up with the list above it.", "Check the indentation."),
    ("block mapping", "This does not line up with the keys above it.", "Check the indentation."),
    ("<document start>", "This does not belong to what stands before it.", "Check the indentation and brackets."),
    ("alphabetic or numeric", "`*` and `&` begin a reference, which this file may not hold.", "Use quotation marks."),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands. `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def problem(self, message: str, mend: str = "") -> Problem:
        """A problem at this place."""
        return Problem(self.file, self.line, self.column, message, mend)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as written. `is_plain` is true when it stood without quotation marks, and so may be a number."""

    text: str
    is_plain: bool
    at: Place

    @property
    def value(self) -> str | int | float | bool | None:
        """What YAML 1.2's core schema makes of it. Numbers too long to be meant are text."""
        return _resolved(self.text) if self.is_plain else self.text


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    items: tuple["Node", ...]
    at: Place


@dataclass(frozen=True, slots=True)
class Group:
    """Keys and values in the order in which they are written; keys are unique."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    at: Place


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something whose problem is reported already; readers pass over it in silence."""

    at: Place


Node = Scalar | Listing | Group | Unreadable


@dataclass(frozen=True, slots=True)
class Document:
    """One file's tree, and what is wrong with its form. Without a tree there is always a problem."""

    root: Node
    problems: tuple[Problem, ...]


def parse(data: bytes, file: str, *, end_marker: bool = False) -> Document:
    """The tree of a file's bytes. `end_marker` demands YAML's `...` at the end: without it the file is half-written."""
    whole = Place(file)
    if len(data) > LARGEST_FILE:
        size = f"The file is larger than {LARGEST_FILE >> 20} MiB."
        return _failed(whole.problem(size, "Nobody can review that much; is it the right file?"))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _failed(_undecodable(data, error.start, file))
    odd = list(_odd_characters(text.removeprefix("\ufeff"), file))
    builder = _Builder(file)
    try:
        # Replaced one for one, so that the rest can be read and columns stay what they are.
        root = builder.build(_ODD.sub(" ", text.removeprefix("\ufeff")), end_marker=end_marker)
    except yaml.YAMLError as error:
        root = Unreadable(whole)
        # With a tab or a control character in it the syntax is anybody's guess: mend those first.
        if not odd:
            builder.problems.append(_syntax(error, file))
    except _Unbounded:
        root = Unreadable(whole)
    return Document(root, (*odd, *builder.problems))


def canonical(node: Node) -> str:
    """`node` as JSON: comments, layout and the order of keys do not change it; quotation marks can.

    Not to be told apart by: a name may look like a number, and `1.0` and `1.00` are two names and one number.
    """
    return json.dumps(_plain(node), sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def exact(node: Node) -> str:
    """One text per meaning, for digests. Like `canonical`, but a value that is no text is taken as it is written."""
    return json.dumps(_exact(node), sort_keys=True, ensure_ascii=True, separators=(",", ":"))


class _Unbounded(Exception):
    """Reading stopped because the file exceeds a bound; the problem is reported."""


class _Builder:
    """Builds the tree from the parser's events."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def build(self, text: str, *, end_marker: bool) -> Node:
        events = iter(yaml.parse(text, Loader=_LOADER))
        root: Node = Unreadable(Place(self._file))
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if event.version or event.tags:
                    self._report(event, "A `%` directive is not accepted.", "Remove the line.")
                if documents == 2:
                    self._report(
                        event, "A second document begins here.", "Keep one document, with one `...`, per file."
                    )
                content = self._node(next(events), events, 1)
                root = content if documents == 1 else root
            elif isinstance(event, yaml.DocumentEndEvent) and end_marker and not event.explicit and documents == 1:
                self._report(event, "The end marker `...` is missing: the file is half-written.", "End it with `...`.")
        if not documents:
            mend = "Write its content, ending with the line `...`." if end_marker else "Write its content."
            self.problems.append(Place(self._file).problem("The file is empty.", mend))
        return root

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        at = self._place(event)
        if depth > DEEPEST:
            self.problems.append(at.problem(f"More than {DEEPEST} levels stand inside one another.", "Flatten it."))
            raise _Unbounded
        if isinstance(event, yaml.AliasEvent):
            self._report(event, "A reference (`*`) is not accepted.", "Write the value out, or use quotation marks.")
            return Unreadable(at)
        if getattr(event, "anchor", None) is not None:
            self._report(event, "An anchor (`&`) is not accepted.", "Remove it, or use quotation marks.")
        if getattr(event, "tag", None) is not None:
            self._report(event, "A tag (`!`) is not accepted.", "Remove it, or use quotation marks.")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(at, events, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                items.append(self._node(item, events, depth + 1))
            return Listing(tuple(items), at)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101  # the only kind that is left at this point
        return Scalar(event.value, event.implicit[0], at)

    def _mapping(self, at: Place, events: Iterator[yaml.Event], depth: int) -> Group:
        entries: list[tuple[Scalar, Node]] = []
        seen: dict[str, Place] = {}
        while not isinstance(start := next(events), yaml.MappingEndEvent):
            key = self._node(start, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if isinstance(key, Unreadable):
                continue
            if not isinstance(key, Scalar):
                self.problems.append(key.at.problem("A key must be a single word.", "Write `key: value`."))
            elif (first := seen.get(key.text)) is not None:
                message = f"This key stands here a second time; the first is on line {first.line}."
                self.problems.append(key.at.problem(message, "Keep one of them."))
            else:
                seen[key.text] = key.at
                entries.append((key, value))
        return Group(tuple(entries), at)

    def _report(self, event: yaml.Event, message: str, mend: str) -> None:
        self.problems.append(self._place(event).problem(message, mend))

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark is not None else Place(self._file)


def _resolved(text: str) -> str | int | float | bool | None:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _plain(node: Node) -> object:
    match node:
        case Scalar():
            return node.value
        case Listing(items=items):
            return [_plain(item) for item in items]
        case Group(entries=entries):
            return {key.text: _plain(value) for key, value in entries}
    return None


def _exact(node: Node) -> object:
    match node:
        case Scalar():
            return ("'" if isinstance(node.value, str) else "=") + node.text
        case Listing(items=items):
            return [_exact(item) for item in items]
        case Group(entries=entries):
            return {key.text: _exact(value) for key, value in entries}
    return None


def _failed(problem: Problem) -> Document:
    return Document(Unreadable(Place(problem.file)), (problem,))


def _undecodable(data: bytes, start: int, file: str) -> Problem:
    line = data.count(b"\n", 0, start) + 1
    before = data[data.rfind(b"\n", 0, start) + 1 : start]
    return Problem(
        file, line, len(before.decode()) + 1, "This is not valid UTF-8.", "Save the file as UTF-8; it may be cut short."
    )


def _odd_characters(text: str, file: str) -> Iterator[Problem]:
    for count, found in enumerate(_ODD.finditer(text)):
        if count == _MOST_OF_A_KIND:
            return
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        if found[0] == "\t":
            yield Problem(file, line, column, "A tab is not accepted.", "Use spaces.")
        else:
            yield Problem(
                file, line, column, f"The invisible character U+{ord(found[0]):04X} is not accepted.", "Remove it."
            )


def _syntax(error: yaml.YAMLError, file: str) -> Problem:
    said = f"{getattr(error, 'context', None)} {getattr(error, 'problem', None)}"
    mark = getattr(error, "context_mark" if "quoted scalar" in said or "block scalar" in said else "problem_mark", None)
    place = Place(file, mark.line + 1, mark.column + 1) if mark is not None else Place(file)
    for part, message, mend in _SYNTAX:
        if part in said:
            return place.problem(message, mend)
    return place.problem("This is not valid YAML.", "Check the indentation, colons, brackets and quotation marks.")
