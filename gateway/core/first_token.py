"""How long to wait for the first token of a streamed answer: a few times what one endpoint usually takes.

Bounded both ways, so that a fast endpoint is not given up for one slow answer, and a slow one not waited for without
end; patient while little is known, so that a cold endpoint causes no storm, and with long prompts.
"""

import math
from typing import Final

TIMES: Final = 4.0
LEAST_S: Final = 5.0
ENOUGH: Final = 20
"""Samples before anything is concluded from them."""

KEPT: Final = 256
FREE_BYTES: Final = 16 << 10
BYTES_PER_S: Final = 4 << 10
LONGEST_ALLOWANCE_S: Final = 300.0

_EVERY: Final = 16


class FirstToken:
    """What one endpoint usually takes to its first token."""

    __slots__ = ("_known", "_next", "_p99_s", "_samples")

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._next = 0
        self._known = 0
        self._p99_s = math.inf

    def saw(self, waited_s: float) -> None:
        """One answer took so long to begin; or had not begun after so long, when it was given up.

        Those count as well: an endpoint that has grown slow would otherwise never be given more time.
        """
        if len(self._samples) < KEPT:
            self._samples.append(waited_s)
        else:
            self._samples[self._next] = waited_s
            self._next = (self._next + 1) % KEPT
        self._known += 1
        if self._known >= ENOUGH and (self._known == ENOUGH or self._known % _EVERY == 0):
            ordered = sorted(self._samples)
            self._p99_s = ordered[math.ceil(0.99 * len(ordered)) - 1]

    def timeout_s(self, *, most_s: float, body_bytes: int) -> float:
        """How long to wait now; `most_s` is what the pool's owner allows for a prompt of the usual length."""
        usual = min(max(TIMES * self._p99_s, LEAST_S), most_s)
        return usual + allowance_s(body_bytes)


def allowance_s(body_bytes: int) -> float:
    """What a long prompt may take on top: reading it is work, at about 1,000 tokens a second where there is no GPU."""
    return min(max(body_bytes - FREE_BYTES, 0) / BYTES_PER_S, LONGEST_ALLOWANCE_S)
