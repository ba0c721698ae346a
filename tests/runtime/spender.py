"""A worker that spends money from a part that it shares: a process of its own, for `test_kept_budget.py`.

It spends one unit at a time, and says how much it has spent itself each time that this is kept.
"""

import asyncio
import sys
from pathlib import Path

from gateway.core.quota import MICRO, Ask, Limits
from gateway.runtime.clock import SystemClock
from gateway.runtime.kept_budget import KeptBudget
from gateway.stores.memory_quota import MemoryQuotaStore

LIMITS = Limits(money_per_month=10**7 * MICRO)
WHO = "burst"


async def main(path: Path, units: int) -> None:
    clock = SystemClock()
    store = MemoryQuotaStore(clock)
    kept = KeptBudget(path, store, clock)
    kept.recall()
    for number in range(units):
        ask = Ask(cost_micros=MICRO, requests=0)
        store.settle(await store.reserve(WHO, str(number), ask, LIMITS), ask)
        known = {WHO: await store.spent(WHO, LIMITS)}
        now, own = kept.now(), kept.own(known)
        total = await asyncio.to_thread(kept.add, own, now)
        if total is not None:
            kept.hear(total, own)
            print(own[WHO][2] // MICRO, flush=True)
        # A worker does this once a second; whoever does nothing else keeps the lock from all others.
        await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
