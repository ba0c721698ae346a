"""Which recognizers and views can matter for a text, found in one pass.

One Hyperscan database holds every pattern, in prefilter mode: it may trigger too much, never too little, which a test
holds against running everything. Without Hyperscan everything triggers, and only speed is lost. A database is read-only
and may be shared by threads; its scratch space may not, so each scan borrows one of its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

try:
    import hyperscan
except ImportError:  # no wheel for this platform
    HAS_HYPERSCAN = False
else:
    HAS_HYPERSCAN = True

_LEADING = re.compile(r"\A(?P<flags>\(\?i\))?\(\?<!\[(?P<cls>[^\]^]+)\]\)")
_TRAILING = re.compile(r"\(\?!\[(?P<cls>[^\]^]+)\]\)\Z")

SEPARATOR = "\x00"
"""What callers put between texts that they scan in one pass: no pattern matches it, so it stands for an edge."""


class Prefilter(Protocol):
    """Says which of the patterns it was built from may match in a text, by their index."""

    def triggered(self, text: str) -> frozenset[int]: ...


@dataclass(frozen=True, slots=True)
class Everything:
    """The prefilter that excludes nothing."""

    indexes: frozenset[int]

    def triggered(self, text: str) -> frozenset[int]:  # noqa: ARG002  # the port's name
        """All of them."""
        return self.indexes


class HyperscanPrefilter:
    """One database over all patterns. Patterns that share an index trigger it together."""

    __slots__ = ("_always", "_database", "_scratch", "_spare")

    def __init__(self, patterns: Sequence[tuple[int, str]], always: frozenset[int]) -> None:
        flags = (
            hyperscan.HS_FLAG_PREFILTER
            | hyperscan.HS_FLAG_UTF8
            | hyperscan.HS_FLAG_UCP
            | hyperscan.HS_FLAG_SINGLEMATCH
            | hyperscan.HS_FLAG_ALLOWEMPTY
        )
        self._always = always
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[translated(pattern).encode() for _, pattern in patterns],
            ids=[index for index, _ in patterns],
            elements=len(patterns),
            flags=[flags] * len(patterns),
        )
        self._scratch = hyperscan.Scratch(self._database)  # the master: cloned, never scanned with
        self._spare = [self._scratch.clone()]

    def triggered(self, text: str) -> frozenset[int]:
        """The indexes of the patterns that may match in `text`."""
        found: list[int] = []
        try:
            scratch = self._spare.pop()
        except IndexError:
            scratch = self._scratch.clone()
        self._database.scan(text.encode(), match_event_handler=_note, context=found, scratch=scratch)  # type: ignore[arg-type]  # the context is ours
        # Not put back after an error: a scratch that a failed scan may have left in use is dropped.
        self._spare.append(scratch)
        return self._always.union(found) if found else self._always


def _note(index: int, _start: int, _end: int, _flags: int, found: list[int]) -> None:
    found.append(index)


def translated(pattern: str) -> str:
    """A Python pattern as Hyperscan reads it, matching at least wherever it matched.

    A negative look-around at the very edge becomes "the end, or another character", which Hyperscan can do exactly;
    the rest is left to its prefilter mode, which ignores what it cannot do.
    """
    # Not at the edge of an alternative: `(?<!x)a|b` must not become `(?:^|[^x])a|b`, which is right by luck only.
    pattern = _LEADING.sub(r"\g<flags>(?:^|[^\g<cls>])(?:", pattern) + (")" if _LEADING.match(pattern) else "")
    closing = pattern.endswith(")") and "(?:^|[^" in pattern[:40]
    body = pattern[:-1] if closing else pattern
    body = _TRAILING.sub(r"(?:\\z|[^\g<cls>])", body)
    pattern = body + (")" if closing else "")
    pattern = re.sub(r"\(\?P<[a-z]+>", "(?:", pattern).replace(r"\Z", r"\z")
    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))", r"\\x{\1\2}", pattern)


def build_prefilter(patterns: Sequence[tuple[int, str]], always: frozenset[int]) -> Prefilter:
    """The best prefilter that this machine has. Compiling takes seconds: build it off the event loop."""
    if not HAS_HYPERSCAN:
        return Everything(always.union(index for index, _ in patterns))
    return HyperscanPrefilter(patterns, always)
