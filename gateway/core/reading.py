"""From a tree of `core/written.py` to typed values: one reader for every file, which reports all problems at once.

Each method returns None for what is missing or wrong, after reporting what is wrong; the caller goes on with the rest.
Messages name keys and names, never values: a value in the wrong place may be a secret.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.core.problems import Problem, Problems, did_you_mean
from gateway.core.written import Group, Listing, Node, Place, Scalar, Unreadable

API_VERSION: Final = "tidegate/v1"

NAME_PATTERN: Final = "[A-Za-z0-9][A-Za-z0-9._/:-]{0,99}"

_NAME: Final = re.compile(NAME_PATTERN)
_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h)")
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TOKENS: Final = re.compile(r"([0-9]{1,9})([kK]?)")
_MOST_TOKENS: Final = 100_000_000
_SIZE: Final = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)")
_SIZE_UNITS: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True, slots=True)
class Word:
    """A text and where it stands."""

    text: str
    at: Place


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping whose keys are known."""

    at: Place
    nodes: tuple[tuple[str, Node], ...] = ()

    def get(self, key: str) -> Node | None:
        """The value under `key`, if it is there."""
        return next((node for name, node in self.nodes if name == key), None)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None


class Reader:
    """Turns nodes into values and keeps every problem it meets."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self.problems = list(problems)

    def report(self, at: Place, message: str, mend: str = "") -> None:
        """Keep one problem."""
        self.problems.append(at.problem(message, mend))

    def finish(self) -> None:
        """Raise every problem so far, if there is any."""
        if self.problems:
            raise Problems(self.problems)

    # Groups

    def fields(self, node: Node | None, what: str, known: Collection[str], required: Collection[str] = ()) -> Fields:
        """A mapping with keys out of `known`. Unknown and missing keys are reported; what is not known is left out."""
        if node is None or isinstance(node, Unreadable):
            return Fields(node.at if node is not None else Place(""))
        if not isinstance(node, Group):
            self.report(node.at, f"{what} must be a group of keys.", f"Write one or more of: {', '.join(known)}.")
            return Fields(node.at)
        present = []
        # A key that is misspelt is not there as it should be.
        missing = set(known).difference([key.text for key, _ in node.entries])
        for key, value in node.entries:
            if key.text in known:
                present.append((key.text, value))
            else:
                self.report(key.at, f"{what} has no key {shown(key.text)}.", did_you_mean(key.text, known, missing))
        for wanted in required:
            if all(present_key != wanted for present_key, _ in present):
                self.report(node.at, f"{what} lacks the key `{wanted}`.", "Add it.")
        return Fields(node.at, tuple(present))

    def entries(self, node: Node | None, what: str, *, wildcard: bool = False) -> Iterator[tuple[Word, Node]]:
        """A mapping whose keys are names that the writer chose, or `*` where that means something."""
        if isinstance(node, Group):
            for key, value in node.entries:
                name = self._named(key, f"A name in {what}", wildcard=wildcard)
                if name is not None:
                    yield name, value
        elif node is not None and not isinstance(node, Unreadable):
            self.report(node.at, f"{what} must be a group of names, each with its settings.", "Write `name: {…}`.")

    def items(self, node: Node | None, what: str, *, least: int = 1) -> tuple[Node, ...]:
        """A list."""
        if isinstance(node, Listing):
            if len(node.items) < least:
                self.report(node.at, f"{what} must not be empty.", "Add an entry, or remove the key.")
            return node.items
        if node is not None and not isinstance(node, Unreadable):
            self.report(node.at, f"{what} must be a list.", "Write `[a, b]`, or one `- item` per line.")
        return ()

    # Single values

    def text(self, node: Node | None, what: str) -> Word | None:
        """A text that is not empty. Numbers in plain writing are taken as they are written."""
        if isinstance(node, Scalar) and node.value is not None and node.text.strip():
            return Word(node.text, node.at)
        self._wrong(node, f"{what} must be a text that is not empty.")
        return None

    def name(self, node: Node | None, what: str, *, wildcard: bool = False) -> Word | None:
        """A name: letters, digits and `. _ - / :`, at most 100 of them; or `*` where that means something."""
        if isinstance(node, Scalar):
            return self._named(node, what, wildcard=wildcard)
        self._wrong(node, f"{what} must be a name.")
        return None

    def names(self, node: Node | None, what: str, *, least: int = 1, wildcard: bool = False) -> tuple[Word, ...]:
        """A list of names, each once."""
        return self.each_once(
            [self.name(item, f"Each of {what}", wildcard=wildcard) for item in self.items(node, what, least=least)],
            what,
        )

    def each_once(self, words: Iterable[Word | None], what: str) -> tuple[Word, ...]:
        """`words` without what could not be read; repetitions are reported."""
        seen: dict[str, Word] = {}
        for word in words:
            if word is None:
                continue
            if word.text in seen:
                self.report(word.at, f"{shown(word.text)} stands a second time in {what}.", "Remove one of them.")
            seen.setdefault(word.text, word)
        return tuple(seen.values())

    def one_of(self, node: Node | None, what: str, choices: Collection[str]) -> str | None:
        """One of a few words."""
        word = self.name(node, what)
        if word is None or word.text in choices:
            return word.text if word is not None else None
        self.report(word.at, f"{what} must be one of: {', '.join(choices)}.", did_you_mean(word.text, choices))
        return None

    def reference(self, word: Word | None, what: str, known: Collection[str]) -> str | None:
        """A name that must be among `known`."""
        if word is None or word.text in known:
            return word.text if word is not None else None
        self.report(word.at, f"{what} {shown(word.text)} does not exist.", did_you_mean(word.text, known))
        return None

    def integer(self, node: Node | None, what: str, *, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self._wrong(node, f"{what} must be a whole number from {least} to {most}.")
        return None

    def number(self, node: Node | None, what: str, *, least: float, most: float) -> float | None:
        """A number within bounds."""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
            return float(value)
        self._wrong(node, f"{what} must be a number from {least:g} to {most:g}.")
        return None

    def flag(self, node: Node | None, what: str) -> bool | None:
        """`true` or `false`; `on` and `yes` are texts."""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool):
            return value
        self._wrong(node, f"{what} must be `true` or `false`.")
        return None

    def duration(self, node: Node | None, what: str, *, least: float, most: float) -> float | None:
        """A time such as `250ms`, `10s`, `5m`, `2h`, in seconds."""
        found = _DURATION.fullmatch(node.text) if isinstance(node, Scalar) else None
        if found is None:
            self._wrong(node, f"{what} must be a time such as `250ms`, `10s`, `5m` or `2h`.")
            return None
        seconds = int(found[1]) * _DURATION_UNITS[found[2]]
        if least <= seconds <= most:
            return seconds
        self._wrong(node, f"{what} must be between {least:g}s and {most:g}s.")
        return None

    def size(self, node: Node | None, what: str, *, least: int, most: int) -> int | None:
        """A size such as `32KiB` or `8MiB`, in bytes."""
        found = _SIZE.fullmatch(node.text) if isinstance(node, Scalar) else None
        if found is None:
            self._wrong(node, f"{what} must be a size such as `32KiB` or `8MiB`.")
            return None
        size = int(found[1]) * _SIZE_UNITS[found[2]]
        if least <= size <= most:
            return size
        self._wrong(node, f"{what} must be between {least} and {most} bytes.")
        return None

    def tokens(self, node: Node | None, what: str) -> int | None:
        """A number of tokens such as `32768` or `32k`, which is the same."""
        found = _TOKENS.fullmatch(node.text) if isinstance(node, Scalar) else None
        number = int(found[1]) * (1024 if found[2] else 1) if found is not None else 0
        if 1 <= number <= _MOST_TOKENS:
            return number
        self._wrong(node, f"{what} must be a whole number such as `32768` or `32k`, from 1 to {_MOST_TOKENS}.")
        return None

    def api_version(self, fields: Fields) -> None:
        """Every file says which shape it has."""
        node = fields.get("apiVersion")
        if isinstance(node, Scalar) and node.text != API_VERSION:
            self.report(node.at, f"`apiVersion` must be `{API_VERSION}`.", "This build reads no other.")
        elif node is not None and not isinstance(node, Scalar):
            self._wrong(node, f"`apiVersion` must be `{API_VERSION}`.")

    def _named(self, node: Scalar, what: str, *, wildcard: bool) -> Word | None:
        if (node.text == "*" and wildcard) or _NAME.fullmatch(node.text):
            return Word(node.text, node.at)
        self._wrong(node, f"{what} must be a name: letters, digits and `. _ - / :`, at most 100 of them.")
        return None

    def _wrong(self, node: Node | None, message: str) -> None:
        if node is not None and not isinstance(node, Unreadable):
            self.report(node.at, message)


def shown(name: str) -> str:
    """A name as it may stand in a message: in full if it looks like one, otherwise not at all."""
    return f"`{name}`" if _NAME.fullmatch(name) or name == "*" else "(a name with other characters)"
