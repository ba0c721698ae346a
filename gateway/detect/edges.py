"""With which characters the matches of a pattern begin and end, read off the pattern as Python's own parser sees it.

Whoever knows them need not look for a match where the characters that are there rule it out. What is not understood
begins and ends with anything. Pure.
"""

import re
from collections.abc import Iterable, Sequence
from re import _constants, _parser  # type: ignore[attr-defined]  # see config/regexes.py

_Token = tuple[object, object]
_Edge = tuple[frozenset[str], bool]
"""Characters, and whether there may be none at all."""

_SPACES = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000").union(
    map(chr, range(0x2000, 0x200B))
)
# What Python takes for another case of a letter of ASCII.
_ODD_CASES = (("i", "\u0130\u0131"), ("k", "\u212a"), ("s", "\u017f"))


class _Unknown(Exception):
    """It may be any character."""


def heads(pattern: re.Pattern[str]) -> frozenset[str] | None:
    """The characters with which a match can begin; None where nobody knows."""
    found = _found(pattern.pattern, 1)
    return _in_any_case(found) if found and pattern.flags & re.IGNORECASE else found


def tails(pattern: re.Pattern[str]) -> frozenset[str] | None:
    """The characters with which a match can end but for white space, in any case; None where nobody knows."""
    found = _found(pattern.pattern, -1)
    return found and _in_any_case(found)


def characters(pattern: str) -> frozenset[str] | None:
    """Every character that a match can have, in any case; None where nobody knows."""
    found = _found(pattern, 0)
    return found and _in_any_case(found)


def _found(pattern: str, step: int) -> frozenset[str] | None:
    try:
        found, may_be_empty = _of_all(_parser.parse(pattern), step)
    except _Unknown:
        return None
    return None if step and may_be_empty else found


def _of_all(tokens: Iterable[_Token], step: int) -> _Edge:
    """The edge of a sequence. With a `step` of 0 it goes on for ever."""
    found: set[str] = set()
    for token in list(tokens)[:: step or 1]:
        those, may_be_empty = _of_one(token, step)
        found |= those
        if step and not may_be_empty:
            return frozenset(found), False
    return frozenset(found), True


def _of_one(token: _Token, step: int) -> _Edge:
    kind, value = token
    if kind in (_constants.AT, _constants.ASSERT, _constants.ASSERT_NOT):
        return frozenset(), True
    if kind in (_constants.LITERAL, _constants.IN):
        found = _of_class([token] if kind is _constants.LITERAL else value)  # type: ignore[arg-type]  # tokens
        return (found - _SPACES, not found.isdisjoint(_SPACES)) if step < 0 else (found, False)
    if kind is _constants.BRANCH and isinstance(value, tuple):
        edges = [_of_all(branch, step) for branch in value[1]]
        return frozenset().union(*[those for those, _ in edges]), any(may_be_empty for _, may_be_empty in edges)
    if kind is _constants.SUBPATTERN and isinstance(value, tuple):
        _, more, _, inner = value  # flags that hold in it, and those that do not
        those, may_be_empty = _of_all(inner, step)
        return (_in_any_case(those) if more & re.IGNORECASE else those), may_be_empty
    if kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) and isinstance(value, tuple):
        least, _, inner = value
        those, may_be_empty = _of_all(inner, step)
        return those, may_be_empty or not least
    raise _Unknown


def _of_class(tokens: Sequence[_Token]) -> frozenset[str]:
    found: set[str] = set()
    for kind, value in tokens:
        if kind is _constants.LITERAL and isinstance(value, int):
            found.add(chr(value))
        elif kind is _constants.RANGE and isinstance(value, tuple):
            found.update(map(chr, range(value[0], value[1] + 1)))
        elif value is _constants.CATEGORY_SPACE:
            found.update(_SPACES)
        else:
            raise _Unknown
    return frozenset(found)


def _in_any_case(found: frozenset[str]) -> frozenset[str]:
    odd = [case for letter, cases in _ODD_CASES if not found.isdisjoint((letter, letter.upper())) for case in cases]
    return frozenset((*found, *map(str.lower, found), *map(str.upper, found), *odd))
