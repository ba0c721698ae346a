"""Quotas counted in this worker's memory: its part of every limit, where nobody can count for all workers together.

Nothing here is undone by time: a reservation ends with its request, and both with the process.
"""

from gateway.core.quota import MICRO, Ask, Limits, Refused
from gateway.core.quota_book import Book
from gateway.ports import Clock, Holder, Reservation


class MemoryQuotaStore:
    """Implements `ports.QuotaStore` for the worker with this `number`, from 0, of `parts`.

    `is_stand_in` marks every reservation as made without the store that everybody shares.
    """

    def __init__(self, clock: Clock, *, parts: int = 1, number: int = 0, is_stand_in: bool = False) -> None:
        self._clock = clock
        self._parts = parts
        self._number = number
        self._is_stand_in = is_stand_in
        self._books: dict[str, Book] = {}
        self._part_of: dict[Limits, Limits] = {}

    @property
    def is_degraded(self) -> bool:
        """Whether what is counted here should be counted elsewhere."""
        return self._is_stand_in

    def reserve_now(self, subject: str, key: str, ask: Ask, limits: Limits) -> Reservation | Refused:
        """Hold all of `ask` under `key`, or nothing."""
        answer = self._book(subject).reserve(key, ask, self.part_of(limits), now_us=self._now_us())
        if isinstance(answer, Refused):
            return answer
        return Reservation(subject, key, ask, limits, answer.standing, Holder.LOCAL, self._is_stand_in)

    async def reserve(self, subject: str, key: str, ask: Ask, limits: Limits) -> Reservation | Refused:
        """The same."""
        return self.reserve_now(subject, key, ask, limits)

    def settle(self, reservation: Reservation, took: Ask) -> None:
        """Replace what is held by what was taken, once."""
        part = self.part_of(reservation.limits)
        self._book(reservation.subject).settle(reservation.key, took, part, now_us=self._now_us())

    async def spent(self, subject: str, limits: Limits) -> tuple[int, int, int] | None:  # noqa: ARG002 -- the port's
        """What was spent in this hour, on this day and in this month."""
        return self._book(subject).spent(now_us=self._now_us())

    @property
    def unsettled(self) -> int:
        """Whoever settles here is heard at once."""
        return 0

    def tick(self) -> None:
        """Nothing has to be done from time to time."""

    async def finish(self) -> None:
        """Nor at the end."""

    def _book(self, subject: str) -> Book:
        book = self._books.get(subject)
        if book is None:
            book = self._books[subject] = Book(hold_us=None)
        return book

    def part_of(self, limits: Limits) -> Limits:
        """This worker's part of `limits`."""
        if self._parts == 1:
            return limits
        part = self._part_of.get(limits)
        if part is None:
            part = self._part_of[limits] = limits.part(self._parts, self._number)
        return part

    def _now_us(self) -> int:
        # By the wall clock, since months are: a bucket that sees it go back waits, one that sees it jump is full.
        return int(self._clock.wall() * MICRO)
