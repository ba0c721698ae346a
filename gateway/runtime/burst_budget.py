"""The money for the cloud while a worker serves: reserved before bytes leave, settled after, and closed when spent.

One desk for each worker, over the store that counts quotas: exact for all workers where they share one, and this
worker's part of the budget where they do not. A store that should be shared and does not answer counts as spent. What
is spent closes the cloud in `core/gates.py`, so that work which may stay waits at home; a single tenant's money closes
it for that tenant alone.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core import measures
from gateway.core.burst_budget import SUBJECT, WINDOWS, BurstBudget, Level, longest_answer, shares, subject_of
from gateway.core.prices import Prices
from gateway.core.quota import Ask, Limits
from gateway.core.topology import Pool
from gateway.errors import BudgetSpent
from gateway.ports import QuotaStore, Reservation
from gateway.runtime.call import Call
from gateway.runtime.instruments import Reading
from gateway.runtime.kept_budget import Amounts, KeptBudget
from gateway.telemetry import EventLog
from gateway.wire.requests import Request
from gateway.wire.token_demand import answer_tokens, answers_written, prompt_tokens

LOOK_EVERY_S: Final = 1.0
"""How often a worker asks what the others have spent, and whether a new hour has begun."""

log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Hold:
    """What one attempt has reserved, and how long its prompt was reckoned to be."""

    reservations: tuple[Reservation, ...]
    pool: str
    model: str
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How one budget stands: the shares of the hour's, the day's and the month's money that are spent, None of what
    has no limit or nobody knows."""

    level: Level
    shares: tuple[float | None, float | None, float | None]


class BudgetDesk:
    """`part_of` is what this worker may spend of a limit where the store is its own, and `kept` remembers what it has.

    `closed` hears when nothing more may leave, and when something may again.
    """

    def __init__(
        self,
        budget: BurstBudget,
        prices: Prices,
        store: QuotaStore,
        *,
        part_of: Callable[[Limits], Limits] = lambda limits: limits,
        kept: KeptBudget | None = None,
        closed: Callable[[bool], None],
    ) -> None:
        self._budget = budget
        self._part_of = part_of
        self._kept = kept
        if kept is not None:
            kept.recall()
        self._prices = prices
        self._store = store
        self._closed = closed
        self._number = 0
        self.refused = 0
        """Attempts for which there was no money."""

        self.standings: dict[str, Standing] = {
            subject: Standing(Level.OK, (None, None, None)) for subject in self._limits()
        }

    def adopt(self, budget: BurstBudget | None, prices: Prices) -> None:
        """From now on these are the limits, and these the prices. What was spent stays spent."""
        self._prices = prices
        if budget is None or budget == self._budget:
            return
        before, self._budget = self.standings, budget
        self.standings = {
            subject: before.get(subject, Standing(Level.OK, (None, None, None))) for subject in self._limits()
        }
        if SUBJECT in before and SUBJECT not in self.standings and before[SUBJECT].level.is_closed:
            self._closed(False)

    @property
    def currency(self) -> str:
        """What the money is."""
        return self._prices.currency

    @property
    def level(self) -> Level:
        """How the money stands that all tenants may spend."""
        standing = self.standings.get(SUBJECT)
        return standing.level if standing is not None else Level.OK

    @property
    def is_spent(self) -> bool:
        """Whether nobody's work may leave."""
        return self.level.is_closed

    def told(self) -> Standing | None:
        """How the money stands that all tenants may spend; None if only tenants have limits."""
        return self.standings.get(SUBJECT)

    def has_spent(self, tenant: str) -> bool:
        """Whether this tenant has spent what it may spend itself."""
        own = self.standings.get(subject_of(tenant)) if self._budget.tenants else None
        return own is not None and own.level.is_closed

    def keeps(self, tenant: str) -> bool:
        """Whether money keeps this tenant's work at home."""
        return self.is_spent or self.has_spent(tenant)

    async def reserve(self, call: Call, pool: Pool, request: Request, tenant: str) -> Hold:
        """Set aside what an attempt in `pool` can cost; raises BudgetSpent if there is not as much."""
        prompt, completion = _demand(call, pool, request)
        cost = self._prices.cost_micros(pool.name, prompt, completion, request.model)
        made: list[Reservation] = []
        try:
            for subject in (SUBJECT, subject_of(tenant)):
                limits = self._of(subject)
                if limits is not None:
                    made.append(await self._reserved(call.id, subject, cost, limits))
        except BaseException as error:
            self.refused += isinstance(error, BudgetSpent)
            for reservation in made:
                self._store.settle(reservation, _NOTHING)
            raise
        return Hold(tuple(made), pool.name, request.model, prompt)

    async def set_aside(self, name: str, micros: int) -> tuple[Reservation, ...]:
        """Set aside money for something in the cloud that is nobody's request; raises BudgetSpent."""
        limits = self._of(SUBJECT)
        return () if limits is None else (await self._reserved(name, SUBJECT, micros, limits),)

    def charge(self, reservations: tuple[Reservation, ...], micros: int) -> None:
        """That took so much of what was set aside; the rest is free again."""
        for reservation in reservations:
            self._store.settle(reservation, Ask(cost_micros=micros, requests=0))

    def settle(self, hold: Hold, call: Call, *, was_sent: bool) -> None:
        """The attempt is over: what it took is charged, and the rest is free again."""
        took = Ask(cost_micros=self._took(hold, call) if was_sent else 0, requests=0)
        for reservation in hold.reservations:
            self._store.settle(reservation, took)

    async def run(self, stop: asyncio.Event) -> None:
        """Look at what all workers have spent, until `stop`; where nothing is limited there is nothing to look at."""
        while self.standings and not stop.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await stop.wait()
        if self._kept is not None:
            # What the last requests took is known only now, and kept for whoever starts next.
            await self.look()

    async def look(self) -> None:
        """Find out how the budgets stand now."""
        known: dict[str, tuple[int, int, int]] = {}
        now = self._kept.now() if self._kept is not None else None
        for subject, limits in self._limits().items():
            spent = await self._store.spent(subject, limits)
            if spent is None:
                self._stands(subject, Level.LOST, (None, None, None))
            else:
                known[subject] = spent
                self._hear(subject, spent)
        # What was read as an hour ended belongs to neither: a second later it does.
        if self._kept is not None and now == self._kept.now():
            await self._share(self._kept, known, now)

    async def _share(self, kept: KeptBudget, known: Mapping[str, Amounts], now: Amounts) -> None:
        """Keep what this worker has spent, and hear what others did who have the same part."""
        own = kept.own(known)
        # Beside the loop: it waits for a disk.
        total = await asyncio.to_thread(kept.add, own, now)
        if total is not None and now == kept.now():
            kept.hear(total, own)

    def readings(self) -> Iterator[Reading]:
        """The figures of the money that all tenants may spend; none where nothing is limited."""
        if not self.standings:
            return
        standing = self.standings.get(SUBJECT)
        for window, share in zip(WINDOWS, standing.shares if standing is not None else (), strict=False):
            if share is not None:
                yield measures.BUDGET_USED, (window,), share
        yield measures.BUDGET_CLOSED, (), self.is_spent
        yield measures.BUDGET_REFUSED, (), self.refused

    # Inside

    def _limits(self) -> Mapping[str, Limits]:
        whole = {SUBJECT: self._budget.whole} if self._budget.whole.has_money else {}
        return whole | {subject_of(tenant): limits for tenant, limits in self._budget.tenants.items()}

    def _of(self, subject: str) -> Limits | None:
        if subject == SUBJECT:
            return self._budget.whole if self._budget.whole.has_money else None
        return self._budget.tenants.get(subject.removeprefix(f"{SUBJECT}:"))

    async def _reserved(self, name: str, subject: str, cost: int, limits: Limits) -> Reservation:
        self._number += 1
        key = f"{name}.{self._number}"
        answer = await self._store.reserve(subject, key, Ask(cost_micros=cost, requests=0), limits)
        if isinstance(answer, Reservation) and not answer.is_degraded:
            return answer
        if isinstance(answer, Reservation):
            # This worker's part of the budget stands in for a store that is gone. With money that is not good enough.
            self._store.settle(answer, _NOTHING)
            self._stands(subject, Level.LOST, (None, None, None))
            raise BudgetSpent(detail="the store of budgets is lost")
        spent = await self._store.spent(subject, limits)
        if spent is not None:
            self._hear(subject, spent, is_refused=True)
        wait_s = answer.wait_us / 1e6 if answer.wait_us is not None else None
        raise BudgetSpent(detail=f"{subject} {answer.limit}", retry_after_s=wait_s)

    def _hear(self, subject: str, spent: tuple[int, int, int], *, is_refused: bool = False) -> None:
        limits = self._part_of(self._of(subject) or Limits())
        level = self._budget.level(limits, spent, self.standings[subject].level, is_refused=is_refused)
        self._stands(subject, level, shares(limits, spent))

    def _stands(self, subject: str, level: Level, known: tuple[float | None, float | None, float | None]) -> None:
        before = self.standings[subject].level
        self.standings[subject] = Standing(level, known)
        if level is before:
            return
        tenant = subject.removeprefix(SUBJECT).removeprefix(":")
        (log.warning if level.is_closed else log.info)("burst_budget", reason=str(level), tenant=tenant)
        if subject == SUBJECT and level.is_closed is not before.is_closed:
            self._closed(level.is_closed)

    def _took(self, hold: Hold, call: Call) -> int:
        """What an attempt cost that was sent. What no server counted is reckoned, rather high."""
        if call.usage is not None or call.reckoned is not None:
            return call.cost(self._prices)
        status = call.attempts[-1].status if call.attempts else None
        # Nobody charges for an error that is one by its status; whoever breaks off may have read the prompt.
        is_free = status is not None and status != 200
        return 0 if is_free else self._prices.cost_micros(hold.pool, hold.prompt_tokens, 0, hold.model)


_NOTHING: Final = Ask(requests=0)


def _demand(call: Call, pool: Pool, request: Request) -> tuple[int, int]:
    """How many tokens a request may take in `pool`, read and written ones."""
    prompt = prompt_tokens(request, call.inbound.body)
    return prompt, answers_written(request) * longest_answer(answer_tokens(request), pool.context_tokens, prompt)
