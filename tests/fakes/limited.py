"""A gateway whose tenant `bank` has limits, in memory or on a real Valkey."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from gateway.core.quota import Ask
from gateway.ports import NOT_NOW, Reservation
from tests.fakes.house import TIMEOUTS, House, house
from tests.fakes.model_server import ModelServer
from tests.fakes.valkey import Valkey

PRICES = "prices:\n  currency: EUR\n  pools: {burst: {prompt: 2, completion: 8}, home: {prompt: 1, completion: 1}}\n"
SUBJECT = "tenant:bank"


def limiting(limits: str):
    """Give the tenant `bank` these limits."""

    def rewrite(config: Path) -> None:
        path = config / "tenants.yaml"
        text = path.read_text()
        text = text.replace("bank: {class: default,", f"bank: {{class: default, limits: {{{limits}}},")
        path.write_text(text + (PRICES if "money" in limits else ""))

    return rewrite


@contextlib.asynccontextmanager
async def limited(
    folder: Path,
    pools: Mapping[str, ModelServer | str],
    limits: str,
    *,
    redis: Valkey | None = None,
    more: str = "",
    waits: str = "1s",
    places: int = 64,
    timeouts: str = TIMEOUTS,
) -> AsyncIterator[House]:
    """A running gateway. `waits` is how long Redis may take: on a busy machine the usual 50 ms are soon over."""
    stores = f"stores: {{state: {{address: 'unix:{redis.socket}', timeout: {waits}}}}}\n" if redis is not None else ""
    async with house(
        folder,
        pools,
        rewrite=limiting(limits),
        gateway=stores + more,
        limits={"home": places},
        timeouts=timeouts,
    ) as running:
        yield running


async def standing(gateway: House, subject: str = SUBJECT) -> Reservation:
    """How the tenant stands now, asked of the store itself and without holding anything."""
    store = gateway.worker._quota_store
    await store.finish()
    limits = gateway.worker._pipeline.generation.bundle.tenants["bank"].limits
    assert limits is not None
    found = store.reserve_now(subject, "probe", Ask(requests=0), limits)
    if found is NOT_NOW:
        found = await store.reserve(subject, "probe", Ask(requests=0), limits)
    assert isinstance(found, Reservation), found
    store.settle(found, Ask(requests=0))
    return found
