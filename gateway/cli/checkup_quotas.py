"""What `tidegate doctor` looks at of limits: who has some, and whether they are counted for all or in parts."""

from collections.abc import Iterator

from gateway.cli.checkup import Check, live, missing, wrong
from gateway.settings import Settings


def of_quotas(settings: Settings) -> Iterator[Check]:
    """Whether the limits of tenants hold for all workers and replicas together."""
    limited = [tenant.id for tenant in settings.bundle.tenants.values() if tenant.limits is not None]
    gateway = settings.gateway
    if not limited:
        return
    count = len(limited)
    if settings.stores.state is not None:
        yield live("quotas_shared", count=count, replicas=gateway.replicas, workers=gateway.workers)
    elif gateway.replicas > 1:
        yield wrong("quotas_in_parts", count=count, parts=gateway.workers * gateway.replicas)
    elif gateway.workers > 1:
        yield missing("quotas_in_parts", count=count, parts=gateway.workers)
    else:
        yield live("quotas_here", count=count)
