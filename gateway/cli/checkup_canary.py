"""What `tidegate doctor` looks at of live canaries: whether any are sent, for whom, and how the last of them fared."""

from collections.abc import Iterator
from datetime import UTC, datetime

from gateway.cli.checkup import Check, live, missing, wrong
from gateway.config.canary_block import CanaryBlock
from gateway.core.topology import Zone
from gateway.detect.synthetic import SCORES
from gateway.policy.live_canary import ALARMS, Verdict, plan
from gateway.runtime.canary_book import FILE, Fared, read_book
from gateway.settings import Settings


def of_canary(settings: Settings, now: datetime) -> Iterator[Check]:
    """Whether canaries are sent where something could leave, and whether they were held."""
    block, bundle = settings.gateway.canary, settings.bundle
    if block is None:
        if any(Zone(pool.zone, None).is_cloud for pool in bundle.topology.pools):
            yield missing("canary_off")
        return
    model = block.model.text if block.model is not None else None
    found = plan(bundle.policy, bundle.tenants.values(), SCORES, model)
    for name, reason in found.skipped.items():
        yield missing(f"canary_{reason}", tenant_class=name)
    book = read_book(settings.state_dir / FILE)
    for name in found.asked:
        fared = book.get(name)
        if fared is None or fared.verdict is None:
            yield live("canary_waits", tenant_class=name)
        else:
            yield from _fared(name, fared, fared.verdict, block, now.timestamp())


def _fared(name: str, fared: Fared, verdict: Verdict, block: CanaryBlock, now: float) -> Iterator[Check]:
    about = {"tenant_class": name, "when": _when(fared.at), "id": fared.alarm_id}
    if verdict in ALARMS:
        yield wrong(f"canary_{verdict}", **about)
        return
    if fared.alarm is not None:
        yield missing("canary_alarmed", **about | {"when": _when(fared.alarm_at), "verdict": fared.alarm})
    if now - max(fared.held_at, fared.since) > 2 * block.every_s:
        held = _when(fared.held_at) if fared.held_at else "–"
        yield missing("canary_not_held", tenant_class=name, when=held)
    elif verdict is Verdict.FAILED:
        yield missing("canary_failed", **about)
    else:
        yield live("canary_held", **about)


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
