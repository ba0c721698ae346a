"""What `tidegate doctor` looks at of money: whether what may be spent in the cloud is bounded, and who counts it."""

from collections.abc import Iterator

from gateway.cli.checkup import Check, live, missing
from gateway.core.topology import Zone
from gateway.settings import Settings


def of_budget(settings: Settings) -> Iterator[Check]:
    """Whether there is a budget where work may leave, and whether it is counted exactly."""
    bundle, gateway = settings.bundle, settings.gateway
    cloud = [pool.name for pool in bundle.topology.pools if Zone(pool.zone, None).is_cloud]
    if not cloud:
        return
    if bundle.budget is None:
        unpriced = [name for name in cloud if bundle.prices.rate(name) is None]
        if unpriced:
            yield missing("no_prices", pools=", ".join(unpriced))
        yield missing("no_budget")
        return
    parts = gateway.workers * gateway.replicas
    if settings.stores.state is not None:
        yield live("budget_shared")
    elif parts > 1:
        yield missing("budget_in_parts", parts=parts)
    else:
        yield live("budget")
