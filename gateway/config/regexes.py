"""Regular expressions that a customer writes: which of them may run on every request, and why not the others.

Looks at an expression as Python's own parser sees it. What has to be tried, how long it takes, is `detect/stress.py`'s.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# There is no public way to what a pattern means. Python 3.11 to 3.13 have it here, and a test looks at each piece.
from re import _constants, _parser  # type: ignore[attr-defined]  # typeshed lists neither
from typing import Final

LONGEST: Final = 1_000
WIDEST: Final = 400
"""What overlaps between the pieces in which a text is scanned: a match that is never wider is always seen whole."""
FLAGS: Final = re.IGNORECASE | re.MULTILINE | re.DOTALL
"""Those that Presidio gives the patterns of its registry files."""
_MOST_WAYS: Final = 10.0**8
_FEW: Final = 16
_MANY: Final = 32  # a repeat of more than this is as good as one without an end

Token = tuple[object, object]
REPEATS: Final = frozenset((_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT))
LOOKS: Final = frozenset((_constants.ASSERT, _constants.ASSERT_NOT))
_REFERENCES: Final = frozenset((_constants.GROUPREF, _constants.GROUPREF_EXISTS))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an expression may not run, and what to do."""

    message: str
    mend: str


def tokens_of(pattern: str) -> list[Token]:
    """What an expression that compiles consists of."""
    return list(_parser.parse(pattern, FLAGS))


def fault_of(pattern: str) -> Fault | None:
    """What is wrong with an expression; None if it may be tried."""
    if len(pattern) > LONGEST:
        return Fault(f"This expression is longer than {LONGEST} characters.", "Make several patterns of it.")
    try:
        re.compile(pattern, FLAGS)
        tree = _parser.parse(pattern, FLAGS)
    except re.error as error:
        where = f" (character {error.pos + 1})" if error.pos is not None else ""
        return Fault(f"This is no regular expression of Python's{where}.", "Test it with Python's `re` module.")
    except (RecursionError, OverflowError):
        return Fault("This expression is too deep, or repeats too often.", "Simplify it.")
    least = tree.getwidth()[0]
    tokens = list(tree)
    if least == 0:
        return Fault("This expression matches an empty text.", "Demand at least one character.")
    if least > WIDEST:
        return Fault(f"What this expression matches is longer than {WIDEST} characters.", "Match the start of it.")
    if any(kind in _REFERENCES for kind, _ in _every(tokens)):
        return Fault("This expression refers back to a group.", "Write out what may stand there.")
    if _is_nested(tokens, within=False):
        message = "This expression repeats without an end what itself repeats without an end."
        return Fault(message, "Give both an end, as in `{1,5}`, or write the inner one out.")
    if _ways(tokens) > _MOST_WAYS:
        message = "This expression can match the same text in more ways than anybody could try."
        return Fault(message, "Repeat fewer things that may be absent, or that may themselves be of several lengths.")
    return None


def inner(token: Token) -> Iterator[list[Token]]:
    """The sequences of tokens directly within a token."""
    kind, value = token
    if kind is _constants.BRANCH and isinstance(value, tuple):
        yield from (list(branch) for branch in value[1])
    elif kind is _constants.ATOMIC_GROUP:
        yield list(value)  # type: ignore[call-overload]  # a sequence of tokens
    elif isinstance(value, tuple) and (kind in REPEATS or kind in LOOKS or kind is _constants.SUBPATTERN):
        yield list(value[-1])


def _every(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        for within in inner(token):
            yield from _every(within)


def _is_nested(tokens: list[Token], *, within: bool) -> bool:
    for kind, value in tokens:
        is_endless = kind in REPEATS and isinstance(value, tuple) and value[1] > _MANY and value[0] != value[1]
        if is_endless and within:
            return True
        if any(_is_nested(one, within=within or is_endless) for one in inner((kind, value))):
            return True
    return False


def _ways(tokens: list[Token]) -> float:
    """About how many ways there are through the tokens, were every way to fail: what trying all of them could take.

    Where growing texts show by themselves how long it takes, as in one repeat after another, a few ways stand for all.
    What shows itself only in a text that is long enough to match at all, and then at once, is counted in full.
    """
    ways = 1.0
    for kind, value in tokens:
        within = [_ways(one) for one in inner((kind, value))]
        if kind in REPEATS and isinstance(value, tuple):
            least, most = int(value[0]), min(int(value[1]), WIDEST)
            counts = max(1, most - least + 1)
            ways *= (counts if least > 1 else min(counts, _FEW)) * min(within[0], _MOST_WAYS) ** min(most, 64)
        elif within:
            ways *= max(within) if _begin_differently((kind, value)) else sum(within)
        ways = min(ways, _MOST_WAYS * 10)
    return ways


def _begin_differently(token: Token) -> bool:
    """Whether the alternatives can be told apart by their first character."""
    starts = [branch[0] if branch else None for branch in inner(token)]
    letters = {
        chr(start[1]).casefold()
        for start in starts
        if start is not None and start[0] is _constants.LITERAL and isinstance(start[1], int)
    }
    return len(letters) == len(starts)
