"""How many second tries a pool may cause: a share of its requests, and a few for the quiet hours.

When everything fails, retries are what turns a fault into a storm. Time is an argument; what counts as a second try is
the caller's to say.
"""

from typing import Final

from gateway.core.tally import Tally

SHARE: Final = 0.2
SPAN_S: Final = 10.0
FLOOR: Final = 3


class RetryBudget:
    """One pool's: a fifth of the requests of the last ten seconds may be tried again, and `floor` in any case."""

    __slots__ = ("_floor", "_tally")

    def __init__(self, floor: int = FLOOR) -> None:
        self._floor = floor
        self._tally = Tally(SPAN_S)

    def asked(self, now: float) -> None:
        """A request came to this pool first."""
        self._tally.add_good(now)

    def spend(self, now: float) -> bool:
        """Take one more try; False if there is none left."""
        tally = self._tally
        tally.forget_old(now)
        if tally.bad + 1 > max(self._floor, SHARE * tally.good):
            return False
        tally.add_bad(now)
        return True
