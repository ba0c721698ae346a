"""Searches through long texts piece by piece: a search that has begun can neither be stopped nor let others run.

What is found is what one search through the whole text finds. Pure.
"""

import re
from collections.abc import Callable, Iterator

SLICE = 8_192
"""Characters that one step looks at: for the slowest pattern a millisecond or two."""
REACH = 512  # how far behind its slice a match may go before it is looked at again
_EDGE = 64  # a match that ends nearer than this to where its search ended may go on behind that

Tick = Callable[[], None]
"""Called every so often by what may take long; it raises when there is no time left."""


def matches(pattern: re.Pattern[str], text: str, tick: Tick, start: int = 0) -> Iterator[re.Match[str]]:
    """`pattern.finditer(text, start)`, with a `tick` before the first, every few hundred, and before each slice.

    For patterns whose choice does not depend on what stands more than `REACH` behind the match's first character.
    """
    length = len(text)
    count = 0
    while start < length:
        tick()
        stop = min(start + SLICE, length)
        reach = min(stop + REACH, length)
        done = stop
        for match in pattern.finditer(text, start, reach):
            if match.start() >= stop:
                break
            is_cut = match.end() > reach - _EDGE and reach < length
            if is_cut:
                match = _whole(pattern, match, text, tick)
            count += 1
            if not count & 511:
                tick()
            yield match
            done = max(done, match.end())
            if is_cut:
                break
        start = done


def is_in(pattern: re.Pattern[str], text: str, tick: Tick) -> bool:
    """Whether `pattern` matches somewhere in `text`."""
    return next(matches(pattern, text, tick), None) is not None


def match_at(pattern: re.Pattern[str], text: str, tick: Tick, start: int) -> re.Match[str] | None:
    """The match of `pattern` that `matches` finds at `start`, if one begins there."""
    reach = min(start + REACH, len(text))
    match = pattern.match(text, start, reach)
    if match is not None and match.end() > reach - _EDGE and reach < len(text):
        return _whole(pattern, match, text, tick)
    return match


def _whole(pattern: re.Pattern[str], match: re.Match[str], text: str, tick: Tick) -> re.Match[str]:
    """The match that begins where `match` does, seen in as much of the text as it takes."""
    start, length = match.start(), len(text)
    reach = match.end()
    while match.end() > reach - _EDGE and reach < length:
        tick()
        reach = min(start + 2 * (reach - start) + SLICE, length)
        match = pattern.match(text, start, reach) or match
    return match
