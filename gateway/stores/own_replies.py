"""What one worker has itself put on the shared record of replies, and what of it the store has said that it has.

A label that was sent and not yet answered may be there or not, and one that could not be saved is not: neither may be
missed. What is confirmed must be found until it expires; which of it is looked for, and when, is told here too.
Sending, reading and judging are `redis_taint`'s.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.ports import Clock
from gateway.stores.memory import MOST

SAMPLE: Final = 16
"""Replies of the longer past that one look asks for."""

RECENT: Final = 64
"""Replies since the last look that one look asks for."""

Labels = frozenset[str]


class OwnReplies:
    """One worker's own part of the record; the newest `most` of it, for `kept_s` each."""

    def __init__(self, clock: Clock, *, kept_s: float, most: int = MOST) -> None:
        self._clock = clock
        self._kept_s = kept_s
        self._most = most
        # Oldest first. Expired is what either clock says is: a machine that slept, or a wall clock that was put right,
        # must not make us miss what everybody else holds for over.
        self._marks: OrderedDict[bytes, tuple[float, float, Labels]] = OrderedDict()
        self._sets: dict[Labels, Labels] = {}
        self._open: dict[bytes, set[str]] = {}
        self._unsaved: dict[bytes, set[str]] = {}
        self._fresh: deque[bytes] = deque(maxlen=most)
        self._others: deque[bytes] = deque(maxlen=most)

    def __len__(self) -> int:
        return len(self._marks)

    def labels(self, marks: Iterable[bytes]) -> dict[bytes, Labels]:
        """The labels that we gave to those of `marks` which are ours."""
        found: dict[bytes, Labels] = {}
        for mark in marks:
            entry = self._marks.get(mark)
            if entry is not None and not self._has_expired(entry):
                found[mark] = entry[2]
        return found

    def confirmed(self, labels: Mapping[bytes, Labels]) -> Mapping[bytes, Labels]:
        """Of what `labels` has told, what the store has said that it has: a question sent from now on must find it."""
        if not self._open:
            return labels
        return {mark: own - self._open.get(mark, frozenset()) for mark, own in labels.items()}

    # What becomes of it

    def put(self, marks: Sequence[bytes], label: str) -> list[tuple[bytes, str]]:
        """They are about to be sent with `label`. What else they have is ours for longer now too, and is given back:
        it must be sent again, or it would be missed when it has expired there."""
        expires, wall = self._clock.monotonic() + self._kept_s, self._clock.wall() + self._kept_s
        others: list[tuple[bytes, str]] = []
        for mark in marks:
            entry = self._marks.pop(mark, None)
            known = entry[2] if entry is not None and not self._has_expired(entry) else Labels()
            if label not in known:
                self._open.setdefault(mark, set()).add(label)
            labels = known | {label}
            self._marks[mark] = (expires, wall, self._sets.setdefault(labels, labels))
            others += [(mark, other) for other in known if other != label]
        while len(self._marks) > self._most:
            self._marks.popitem(last=False)
        return others

    def arrived(self, marks: Sequence[bytes], label: str) -> None:
        """The store has them."""
        for mark in marks:
            _discard(self._unsaved, mark, label)
            # What was only made to last is looked for in its turn as it was.
            if _discard(self._open, mark, label) and mark in self._marks:
                self._fresh.append(mark)

    def missed(self, marks: Sequence[bytes], label: str) -> None:
        """The store does not have them, or nobody knows."""
        for mark in marks:
            self._open.setdefault(mark, set()).add(label)
            self._unsaved.setdefault(mark, set()).add(label)

    @property
    def unsaved(self) -> int:
        """Replies of which something must be sent again."""
        return len(self._unsaved)

    def to_save(self) -> Mapping[str, Sequence[bytes]]:
        """What must be sent again, by label: it is on its way from now on."""
        by_label: dict[str, list[bytes]] = {}
        for mark, labels in self._unsaved.items():
            for label in labels:
                by_label.setdefault(label, []).append(mark)
        self._unsaved = {}
        return by_label

    def forget(self) -> None:
        """A new era: what is known here may be what was lost, and has expired by the time that the era proves anything.
        What could not be saved is still to be saved."""
        self._marks.clear()
        self._open = {mark: set(labels) for mark, labels in self._unsaved.items()}
        self._fresh.clear()
        self._others.clear()

    def give_up(self) -> None:
        """What could not be saved never will be."""
        self._unsaved = {}

    # Looking for it

    def sample(self) -> list[bytes]:
        """Some of it to look for: what is new since the last look, and of the rest whatever's turn it is."""
        fresh, others = self._fresh, self._others
        sample = [fresh.popleft() for _ in range(min(RECENT, len(fresh)))]
        return sample + [others.popleft() for _ in range(min(SAMPLE, len(others)))]

    def looked_for(self, sample: Sequence[bytes]) -> None:
        """Their turn comes again, while they count."""
        self._others.extend(self.labels(sample))

    def not_looked_for(self, sample: Sequence[bytes]) -> None:
        """It came to nothing: they are first the next time."""
        self._fresh.extend(sample)

    def _has_expired(self, entry: tuple[float, float, Labels]) -> bool:
        return entry[0] <= self._clock.monotonic() or entry[1] <= self._clock.wall()


def _discard(open_ones: dict[bytes, set[str]], mark: bytes, label: str) -> bool:
    labels = open_ones.get(mark)
    if labels is None or label not in labels:
        return False
    labels.discard(label)
    if not labels:
        del open_ones[mark]
    return True
