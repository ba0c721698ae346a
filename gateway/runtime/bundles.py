"""The bundle: policy, topology, tenants and keys, activated together and read once per request.

Frozen. Its digest is in every record; its epoch only rises, when something is tightened.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from gateway.core.audit_record import SignedBy
from gateway.core.burst_budget import BurstBudget
from gateway.core.facts import Tenant
from gateway.core.prices import UNPRICED, Prices
from gateway.core.topology import Pool, Topology
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.prove import PROVER_VERSION
from gateway.ports import Recognizer
from gateway.runtime.authn import StoredKey


def _is_kept(old: Pool, new: Pool) -> bool:
    is_no_higher = old.clearance <= new.clearance
    return old.zone == new.zone and is_no_higher and set(old.endpoints) <= set(new.endpoints)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a request is decided under. `pools_digest` and `tenants_digest` cover those files as written; the
    customer's own `recognizers` are covered by the digest of the scanner that runs them. `models_digest` is empty where
    the policy asks for no models. `signed_by` and
    `recognizers_version` are no part of the digest: they say who let the bundle in, and what authors call their file.

    Keys are no part of the digest: they say who calls, not where anything may go, and are revoked by the epoch.
    """

    policy: CompiledPolicy
    topology: Topology
    tenants: Mapping[str, Tenant]
    keys: tuple[StoredKey, ...]
    pools_digest: str
    tenants_digest: str
    recognizers: tuple[Recognizer, ...] = ()
    scanner_digest: str = ""
    models_digest: str = ""
    epoch: int = 0
    prices: Prices = UNPRICED
    budget: BurstBudget | None = None
    signed_by: tuple[SignedBy, ...] = ()
    recognizers_version: int = 0

    @property
    def digest(self) -> str:
        """One name for the policy, the pools, the tenants, the scanner, the models and the prover together."""
        parts: tuple[str, ...] = (
            self.policy.digest,
            self.pools_digest,
            self.tenants_digest,
            self.scanner_digest,
            str(PROVER_VERSION),
        )
        if self.models_digest:
            parts += (self.models_digest,)
        return hashlib.sha256("\n".join(("tidegate/v1 bundle", *parts)).encode()).hexdigest()

    @property
    def foundation(self) -> str:
        """A digest of what lies deeper than a decision, and therefore takes other workers if it changes: the pools, the
        zones, the order of labels, the models, whether there is a budget, and in what money."""
        policy = self.policy
        deep = (
            self.pools_digest,
            sorted(policy.zones.items()),
            policy.order.names,
            self.models_digest,
            self.budget is None,
            self.prices.currency,
        )
        return hashlib.sha256(repr(deep).encode()).hexdigest()

    def is_kept_by(self, new: "Bundle") -> bool:
        """Whether `new` takes nothing away: the same decisions, over pools that have what they had. In doubt, no."""
        ours = self.policy.digest, self.tenants_digest, self.scanner_digest, self.models_digest, self.policy.zones
        theirs = new.policy.digest, new.tenants_digest, new.scanner_digest, new.models_digest, new.policy.zones
        if ours != theirs:
            return False
        found = {pool.name: pool for pool in new.topology.pools}
        return all(pool.name in found and _is_kept(pool, found[pool.name]) for pool in self.topology.pools)

    def with_scanner(self, digest: str) -> Self:
        """This bundle with the scanner that reads for it."""
        return replace(self, scanner_digest=digest)
