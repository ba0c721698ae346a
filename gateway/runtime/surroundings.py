"""What is true of the gateway at the moment of a decision: the minute of the week, each zone's pressure, the budget.

Read only where the policy asks; values that say the same are the same value. What a pool says beyond its zone is not
here, so that no pool's state can steer a request.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.core.facts import MINUTES_PER_WEEK, QUIET, Budget, Pressure, Surroundings
from gateway.core.topology import Topology
from gateway.policy.compiled import Layout
from gateway.ports import Clock

_THURSDAY: Final = 3 * 24 * 60  # Unix time began on one


class Outlook:
    """Looks around for one bundle. `has_place` says whether a pool would take a request at once, `is_closed` whether
    it is known to take none; `is_spent` whether the money for the cloud is."""

    __slots__ = (
        "_asks_budget",
        "_asks_pressure",
        "_asks_week",
        "_clock",
        "_has_place",
        "_is_closed",
        "_is_spent",
        "_seen",
        "_zones",
    )

    def __init__(
        self,
        layout: Layout,
        topology: Topology,
        clock: Clock,
        *,
        has_place: Callable[[str], bool],
        is_closed: Callable[[str], bool],
        is_spent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._has_place = has_place
        self._is_closed = is_closed
        self._is_spent = is_spent
        self._asks_week = layout.week is not None
        self._asks_budget = layout.budget is not None
        self._zones: Mapping[str, tuple[str, ...]] = {
            zone: tuple(pool.name for pool in topology.pools if pool.zone == zone) for zone in layout.pressure or ()
        }
        self._asks_pressure = bool(self._zones)
        self._seen = QUIET

    def now(self) -> Surroundings:
        """What a request that is decided now is decided under."""
        if not self._asks_week and not self._asks_pressure and not self._asks_budget:
            return QUIET
        minute = (int(self._clock.wall()) // 60 + _THURSDAY) % MINUTES_PER_WEEK if self._asks_week else 0
        pressure = tuple([(zone, self._pressure(pools)) for zone, pools in self._zones.items()])
        budget = Budget.SPENT if self._asks_budget and self._is_spent() else Budget.OK
        seen = self._seen
        if minute != seen.minute_of_week or pressure != seen.pressure or budget is not seen.budget:
            self._seen = Surroundings(minute, pressure, budget)
        return self._seen

    def _pressure(self, pools: tuple[str, ...]) -> Pressure:
        is_down = True
        for pool in pools:
            if self._is_closed(pool):
                continue
            if self._has_place(pool):
                return Pressure.FREE
            is_down = False
        return Pressure.DOWN if is_down else Pressure.SATURATED
