"""The bundle: policy, topology, tenants and keys, activated together and read once per request.

Frozen. Its digest is in every record; its epoch only rises, when something is tightened.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from gateway.core.burst_budget import BurstBudget
from gateway.core.facts import Tenant
from gateway.core.prices import UNPRICED, Prices
from gateway.core.topology import Topology
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.prove import PROVER_VERSION
from gateway.ports import Recognizer
from gateway.runtime.authn import StoredKey


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a request is decided under. `pools_digest` and `tenants_digest` cover those files as written; the
    customer's own `recognizers` are covered by the digest of the scanner that runs them. `models_digest` is empty where
    the policy asks for no models.

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

    def with_scanner(self, digest: str) -> Self:
        """This bundle with the scanner that reads for it."""
        return replace(self, scanner_digest=digest)
