"""Makes what a bundle decides with, from what a worker has for life and what the bundle says."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from gateway.core import measures
from gateway.detect.memo import Memos, MemoStore
from gateway.parts import scanned_inline
from gateway.ports import Clock, FullScanner, Scanner, TaintStore
from gateway.runtime.bundles import Bundle
from gateway.runtime.classify import Classifier
from gateway.runtime.generation import Generation
from gateway.runtime.instruments import Instruments
from gateway.runtime.keyring import Keyring, Purpose
from gateway.runtime.provenance import ReplyRecord
from gateway.runtime.scoring import scoring_of
from gateway.runtime.surroundings import Outlook
from gateway.settings import Settings

_LATE_S: Final = 0.5
"""How long after its deadline a full scan is no longer waited for: it ends by itself, so this is only a second look."""


@dataclass(frozen=True, slots=True)
class Generations:
    """What of a worker outlives its bundles and is asked when requests are decided."""

    settings: Settings
    keyring: Keyring
    clock: Clock
    executor: Executor
    instruments: Instruments
    memo: MemoStore
    full_scanner: FullScanner | None
    replies: TaintStore
    has_place: Callable[[str], bool]
    is_closed: Callable[[str], bool]
    is_spent: Callable[[], bool]

    def of(self, bundle: Bundle, scanner: Scanner, certificate: str) -> Generation:
        """What `bundle` decides with; `scanner` is the one that reads for it."""
        policy, gateway, meter = bundle.policy, self.settings.gateway, self.instruments.meter
        return Generation(
            bundle=bundle,
            digest=bundle.digest,
            policy=policy,
            order=policy.order,
            classifier=Classifier(
                scanner,
                policy,
                self.executor,
                inline=scanned_inline(bundle, gateway.limits.scan_inline),
                home_only_above=gateway.limits.home_only_above,
                memo_of=Memos(self.keyring.keyed_hash(Purpose.MEMO), scanner.digest, self.memo).of,
                full_scanner=self.full_scanner,
                full_deadline_s=gateway.ner.deadline_s + _LATE_S,
                took=meter(measures.SCAN, "request"),
                took_at_door=meter(measures.SCAN, "door"),
                took_in_full=meter(measures.SCAN, "models"),
            ),
            replies=ReplyRecord(self.replies, self.keyring.keyed_hash(Purpose.TAINT), policy),
            outlook=self.outlook(bundle),
            scoring=scoring_of(policy),
            prices=bundle.prices if bundle.prices.pools else None,
            certificate=certificate,
        )

    def outlook(self, bundle: Bundle) -> Outlook:
        """What is true of the gateway, as far as `bundle` asks."""
        return Outlook(
            bundle.policy.layout,
            bundle.topology,
            self.clock,
            has_place=self.has_place,
            is_closed=self.is_closed,
            is_spent=self.is_spent,
        )
