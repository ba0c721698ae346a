"""Which recognizers and views can matter for some texts, and where, found in one pass.

One Hyperscan database holds every pattern, in prefilter mode: it may trigger too much, never too little, which a test
holds against running everything. It knows where a match ends, and not where it begins. Without Hyperscan everything
triggers, and only speed is lost. A database is read-only and may be shared by threads; its scratch space may not, so
each scan borrows one of its own.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

try:
    import hyperscan
except ImportError:  # no wheel for this platform
    HAS_HYPERSCAN = False
else:
    HAS_HYPERSCAN = True

SEPARATOR = "\x00"
"""What callers put between texts that they scan in one pass: no pattern matches it, so it stands for an edge."""

# A class or an escape: the pieces in which characters do not mean themselves.
_PIECE = re.compile(r"\\U([0-9a-fA-F]{8})|\\u([0-9a-fA-F]{4})|\\(.)|(\[)|(\])|([^\x00-\x7f])", re.DOTALL)
_LEADING = re.compile(r"\A(?P<flags>\(\?i\))?\(\?<!\[(?P<cls>[^\]^]+)\]\)")
_TRAILING = re.compile(r"\(\?!\[(?P<cls>[^\]^]+)\]\)\Z")
# What Python means by its classes. Hyperscan's own flag for that makes its database half as fast.
_ASCII_CLASSES = MappingProxyType({"s": r"\s\x1c-\x1f"})
_CLASSES = MappingProxyType(
    {
        "s": r"\s\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}",
        "d": r"\p{Nd}",
        "w": r"\p{L}\p{N}_",
        "W": r"\x00-/:-@\[-^`{-\x7f\x{80}-\x{10ffff}",
        "D": r"\x00-/:-\x7f\x{80}-\x{10ffff}",
        "S": r"\x00-\x08\x0e-\x1b\x21-\x7f\x{80}-\x{10ffff}",
    }
)
_NAMED = re.compile(r"\(\?P<[a-z]+>")

# The parts of a pattern's sketch, in which `ÿ` stands for a character beyond ASCII and `.` for any other.
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_CLASS = re.compile(r"\[([^\]]*)\]")
_OTHERS_ONLY = re.compile(r"(?:ÿ-ÿ|ÿ)+")
_INNERMOST = re.compile(r"\((?P<kind>\?(?:i?:|<?[=!]))?(?P<body>[^()]*)\)")
_NEEDED = re.compile(r"ÿ(?![?*{])")


_NEVER = r"\xff"  # where there is nothing to look for: Hyperscan wants one pattern all the same

_Match = tuple[int, int]  # where it ends, and the number of its expression


@dataclass(frozen=True, slots=True)
class Entry:
    """A pattern, in Python's syntax, and the index that it triggers. Entries may share either.

    One that is common is told once, as what may be there: a call for each of its matches would cost too much.
    """

    index: int
    pattern: str
    beyond_ascii: bool = False  # cannot match in a text of ASCII alone
    is_common: bool = False


Seen = Mapping[int, Sequence[int]]
"""Which groups may match in a text, and where such matches end, in order. For what is common the places mean nothing;
without any it may be anywhere."""


class Prefilter(Protocol):
    """Says which of the patterns it was built from may match in texts."""

    @property
    def groups(self) -> Sequence[frozenset[int]]:
        """The indexes that the patterns of each group trigger: many recognizers share one."""

    def seen(self, texts: Sequence[str]) -> Sequence[tuple[int, Seen]]:
        """What may match, for each text, by its number, in which anything may."""


@dataclass(frozen=True, slots=True)
class Everything:
    """The prefilter that excludes nothing."""

    indexes: frozenset[int]

    @property
    def groups(self) -> Sequence[frozenset[int]]:
        """All of them are one."""
        return (self.indexes,)

    def seen(self, texts: Sequence[str]) -> Sequence[tuple[int, Seen]]:
        """All of them, anywhere."""
        return [(number, {0: ()}) for number in range(len(texts))] if self.indexes else ()


class HyperscanPrefilter:
    """Two databases over all patterns: one for texts of ASCII alone, which is twice as fast, and one for the rest."""

    __slots__ = ("_always", "_ascii", "_unicode", "groups")

    def __init__(self, entries: Sequence[Entry], always: frozenset[int]) -> None:
        numbers: dict[frozenset[int], int] = {}
        self._always = numbers.setdefault(always, 0) if always else None
        self._ascii = _Database([entry for entry in entries if not entry.beyond_ascii], numbers, is_ascii=True)
        self._unicode = _Database(entries, numbers, is_ascii=False)
        self.groups: Sequence[frozenset[int]] = tuple(numbers)

    def seen(self, texts: Sequence[str]) -> Sequence[tuple[int, Seen]]:
        """What may match in each of `texts`, all of which are looked at in one pass."""
        joined = texts[0] if len(texts) == 1 else SEPARATOR.join(texts)
        is_ascii = joined.isascii()
        database = self._ascii if is_ascii else self._unicode
        data = joined.encode()
        matches = database.scan(data)
        if not matches and self._always is None:
            return ()
        common = database.common_in(matches)
        if common:
            matches = [match for match in matches if match[1] not in common]
        found = database.told(matches if is_ascii else _in_characters(matches, data), texts)
        if not common and self._always is None:
            return found
        seen_in: dict[int, Seen] = dict(found)
        for number, text in enumerate(texts):
            # What is told only once is asked for in each text again, unless there is only one.
            groups = database.groups_of(common) if len(texts) == 1 else self._common_in(text) if common else ()
            more = dict.fromkeys(groups if self._always is None else (*groups, self._always), ())
            if more:
                seen_in[number] = {**seen_in.get(number, {}), **more}
        return sorted(seen_in.items())

    def _common_in(self, text: str) -> Collection[int]:
        database = self._ascii if text.isascii() else self._unicode
        return database.common(text.encode())


class _Scanning:
    """A compiled database and the scratch spaces that nobody is using at the moment."""

    __slots__ = ("_database", "_master", "_spare")

    def __init__(self, expressions: Sequence[bytes], flags: Sequence[int]) -> None:
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=list(expressions), ids=list(range(len(flags))), elements=len(flags), flags=list(flags)
        )
        self._master = hyperscan.Scratch(self._database)  # cloned, never scanned with
        self._spare = [self._master.clone()]

    def scan(self, data: bytes) -> list[_Match]:
        """What may match, by the expression's number."""
        found: list[_Match] = []
        try:
            scratch = self._spare.pop()
        except IndexError:
            scratch = self._master.clone()
        self._database.scan(data, match_event_handler=_note, context=found, scratch=scratch)  # type: ignore[arg-type]  # the context is ours
        # Not put back after an error: a scratch that a failed scan may have left in use is dropped.
        self._spare.append(scratch)
        return found


class _Database:
    """All patterns for one kind of text, and beside them those that are common, by themselves.

    `numbers` are the groups that there are so far, which is added to.
    """

    __slots__ = ("_all", "_common", "_common_group", "_common_only", "_group")

    def __init__(self, entries: Sequence[Entry], numbers: dict[frozenset[int], int], *, is_ascii: bool) -> None:
        flags = hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_ALLOWEMPTY
        if not is_ascii:
            flags |= hyperscan.HS_FLAG_UTF8
        grouped: dict[str, list[Entry]] = {}
        for entry in entries:
            for pattern in expressions(entry.pattern, is_ascii=is_ascii):
                grouped.setdefault(pattern, []).append(entry)
        grouped = grouped or {_NEVER: []}
        self._group = tuple(
            numbers.setdefault(frozenset(entry.index for entry in those), len(numbers)) for those in grouped.values()
        )
        is_common = [all(entry.is_common for entry in those) for those in grouped.values()]
        self._common = frozenset(number for number, common in enumerate(is_common) if common)
        patterns = [pattern.encode() for pattern in grouped]
        once = flags | hyperscan.HS_FLAG_SINGLEMATCH
        self._all = _Scanning(patterns, [once if common else flags for common in is_common])
        alone = [pattern for pattern, common in zip(patterns, is_common, strict=True) if common] or [_NEVER.encode()]
        self._common_only = _Scanning(alone, [once] * len(alone))
        self._common_group = [group for group, common in zip(self._group, is_common, strict=True) if common]

    def scan(self, data: bytes) -> list[_Match]:
        """What may match: once if it is common, else wherever it ends."""
        return self._all.scan(data)

    def common(self, data: bytes) -> Collection[int]:
        """The groups that may match, of those that are common."""
        return {self._common_group[number] for _, number in self._common_only.scan(data)}

    def common_in(self, matches: Iterable[_Match]) -> frozenset[int]:
        """The expressions among `matches` that are told only once."""
        return self._common.intersection([number for _, number in matches])

    def groups_of(self, common: Iterable[int]) -> Collection[int]:
        """The groups of these expressions."""
        return {self._group[number] for number in common}

    def told(self, matches: list[_Match], texts: Sequence[str]) -> list[tuple[int, Seen]]:
        """What `matches` in joined `texts` say of each of them."""
        found: list[tuple[int, Seen]] = []
        ends: dict[int, list[int]] = {}
        group_of = self._group
        number, start, last = 0, 0, len(texts[0]) + 1 if texts else 0  # a match may take in the separator behind it
        matches.sort()
        for end, expression in matches:
            if end > last:
                if ends:
                    found.append((number, ends))
                    ends = {}
                while end > last:
                    number += 1
                    start = last
                    last += len(texts[number]) + 1
            group = group_of[expression]
            if group in ends:
                ends[group].append(end - start)
            else:
                ends[group] = [end - start]
        if ends:
            found.append((number, ends))
        return found


def expressions(pattern: str, *, is_ascii: bool) -> list[str]:
    """What Hyperscan compiles for a Python pattern: each alternative by itself, so that it finds their literals.

    For texts of ASCII, alternatives that need another character are left out.
    """
    flags, body = ("(?i)", pattern[4:]) if pattern.startswith("(?i)") else ("", pattern)
    branches = [translated(flags + branch, is_ascii=is_ascii) for branch in _alternatives(body)]
    return [branch for branch in branches if not (is_ascii and _is_beyond_ascii(branch))]


def _note(number: int, _start: int, end: int, _flags: int, found: list[_Match]) -> None:
    found.append((end, number))


def _in_characters(matches: Sequence[_Match], data: bytes) -> list[_Match]:
    """The same matches, with ends in code points and not in bytes of UTF-8."""
    told = []
    byte = place = 0
    for end, number in sorted(matches):
        if end > byte:
            place += len(data[byte:end].decode())
            byte = end
        told.append((place, number))
    return told


def translated(pattern: str, *, is_ascii: bool) -> str:
    """A Python pattern as Hyperscan reads it, matching at least wherever it matched.

    A negative look-around at the very edge becomes "the end, or another character", which Hyperscan can do exactly; the
    rest is left to its prefilter mode, which ignores what it cannot do. For texts of ASCII, every other character
    becomes one byte that does not occur in them.
    """
    pattern = _TRAILING.sub(r"(?:\\Z|[^\g<cls>])", pattern)
    leading = _LEADING.match(pattern)
    if leading and len(_alternatives(pattern)) == 1:
        pattern = f"{leading['flags'] or ''}(?:^|[^{leading['cls']}])" + pattern[leading.end() :]
    pattern = _NAMED.sub("(?:", pattern)
    depth = 0
    classes = _ASCII_CLASSES if is_ascii else _CLASSES

    def piece(match: re.Match[str]) -> str:
        nonlocal depth
        wide, short, escape, opening, closing, literal = match.groups()
        if wide or short or literal:
            if is_ascii:
                return r"\xff"
            return literal or rf"\x{{{wide or short}}}"
        if escape == "Z":
            return r"\z"
        if escape and escape in classes:
            return classes[escape] if depth else f"[{classes[escape]}]"
        if opening:
            depth += 1
            return r"\[" if depth > 1 else "["
        if closing:
            depth = 0
        return match.group()

    return _PIECE.sub(piece, pattern)


def _alternatives(pattern: str) -> list[str]:
    """The alternatives of a pattern that stand outside every group."""
    branches = [""]
    depth = 0
    in_class = escaped = False
    for character in pattern:
        if escaped or character == "\\":
            escaped = not escaped
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "|" and depth == 0:
            branches.append("")
            continue
        branches[-1] += character
    return branches


def _is_beyond_ascii(translation: str) -> bool:
    """Whether every match of a pattern translated for ASCII holds the byte that stands for other characters.

    A sketch of the pattern is reduced from its innermost group outwards. Whatever may be absent is taken to be absent.
    """
    sketch = _ESCAPED.sub(".", translation.replace(r"\xff", "ÿ"))
    sketch = _CLASS.sub(lambda found: "ÿ" if _OTHERS_ONLY.fullmatch(found[1]) else ".", sketch)
    group = _INNERMOST.search(sketch)
    while group:
        is_needed = group["kind"] in (None, "?:", "?i:") and all(map(_NEEDED.search, group["body"].split("|")))
        sketch = sketch[: group.start()] + ("ÿ" if is_needed else ".") + sketch[group.end() :]
        group = _INNERMOST.search(sketch)
    return all(map(_NEEDED.search, sketch.split("|")))


def build_prefilter(entries: Sequence[Entry], always: frozenset[int]) -> Prefilter:
    """The best prefilter that this machine has. Compiling takes a second or two: build it off the event loop."""
    if not HAS_HYPERSCAN:
        return Everything(always.union(entry.index for entry in entries))
    return HyperscanPrefilter(entries, always)
