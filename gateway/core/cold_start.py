"""One endpoint that starts from nothing: since when it has been starting, how long that takes, when to ask it again.

A start is no failure, and no sign of much to do either: nothing helps but time, and whoever asks meanwhile learns
nothing. So it is asked now and then, and everybody else is told how long it may still take. What a start took is
remembered for the next. Time is an argument.
"""

from typing import Final

USUAL_S: Final = 300.0
"""How long a start is taken to last before one has been seen: AWS speaks of several minutes."""

SHORTEST_S: Final = 5.0
LONGEST_S: Final = 3600.0
_ASKED: Final = 0.05
_ASKED_LEAST_S: Final = 2.0
_ASKED_MOST_S: Final = 15.0
_NEWEST: Final = 0.5


class ColdStart:
    """The starts of one endpoint. `expected_s` is how long one takes, as far as is known."""

    __slots__ = ("_refused_at", "expected_s", "since", "took_s")

    def __init__(self, expected_s: float = USUAL_S) -> None:
        self.expected_s = expected_s
        self.since: float | None = None
        """When the start that is under way was first heard of; None if none is."""

        self.took_s: float | None = None
        """How long the last one took that was seen from its first refusal to its first answer."""

        self._refused_at = 0.0

    def refused(self, now: float) -> bool:
        """The endpoint said that it is not up yet; whether that begins a start."""
        # Long after the last refusal it is another start: nobody has asked in between.
        begins = self.since is None or now - self._refused_at > max(self.expected_s, 2 * _ASKED_MOST_S)
        if begins:
            self.since = now
        self._refused_at = now
        return begins

    def answered(self, now: float) -> float:
        """The endpoint has answered: what the start took since it was heard of."""
        took = now - (self.since if self.since is not None else now)
        if now - self._refused_at <= 2 * _ASKED_MOST_S:
            # Otherwise nobody was there to see its end.
            self.took_s = took
            self.expected_s += _NEWEST * (min(max(took, SHORTEST_S), LONGEST_S) - self.expected_s)
        self.since = None
        return took

    @property
    def ask_again_s(self) -> float:
        """After how long one request may look whether it is up."""
        return min(max(_ASKED * self.expected_s, _ASKED_LEAST_S), _ASKED_MOST_S)

    def left_s(self, now: float) -> float:
        """How long the start that is under way may still take; of one that takes longer than expected nobody knows."""
        if self.since is None:
            return 0.0
        return max(self.since + self.expected_s - now, self.ask_again_s)
