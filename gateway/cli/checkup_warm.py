"""What `tidegate doctor` looks at of warm-ups: does anything ask for one, is there money for it."""

from collections.abc import Iterator

from gateway.cli.checkup import Check, live, missing, wrong
from gateway.core.prices import money
from gateway.core.quota import Limits
from gateway.runtime.warm_ups import fillers_of
from gateway.settings import Settings


def of_warm_ups(settings: Settings) -> Iterator[Check]:
    """Of each pool with `warm`, whether it can ever be made ready."""
    bundle, gateway = settings.bundle, settings.gateway
    for pool in bundle.topology.pools:
        rules = pool.sagemaker.warm if pool.sagemaker is not None else None
        if rules is None:
            continue
        cost = f"{money(rules.cost_micros, 2)} {bundle.prices.currency}".rstrip()
        parts = 1 if settings.stores.state is not None else gateway.workers * gateway.replicas
        whole = bundle.budget.whole if bundle.budget is not None else Limits()
        # The first worker begins them, by its own part where nobody counts for all.
        least = _least(whole if parts == 1 else whole.part(parts, 0))
        if not fillers_of(bundle, pool.name):
            yield missing("warm_never", pool=pool.name)
        elif least is not None and least < rules.cost_micros:
            yield wrong("warm_unaffordable", pool=pool.name, cost=cost)
        else:
            yield live("warm", pool=pool.name, cost=cost)


def _least(limits: Limits) -> int | None:
    amounts = (limits.money_per_hour, limits.money_per_day, limits.money_per_month)
    return min((amount for amount in amounts if amount is not None), default=None)
