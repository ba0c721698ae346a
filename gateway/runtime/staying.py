"""Why a request that had to wait at home, or found no place there, did not leave: what privacy cost it.

Asked once a request is over, and only of those that waited or were turned away; nothing of it steers anything.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from gateway.core.decision import Allow
from gateway.core.facts import RequestFacts
from gateway.core.labels import LOWEST
from gateway.core.records import Stayed
from gateway.errors import Overloaded, TidegateError, Unavailable
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import decide
from gateway.runtime.admission import Admission
from gateway.runtime.call import Call

WORTH_TELLING_S: Final = 0.001
"""A wait as short as this is no wait: every request that is not sent at once has one."""


class Staying:
    """Looks at requests. `is_spent` says whether the money for the cloud is, for a tenant."""

    __slots__ = ("_admission", "_cloud", "_is_spent")

    def __init__(self, admission: Admission, *, is_spent: Callable[[str], bool]) -> None:
        self._admission = admission
        self._cloud = admission.cloud
        self._is_spent = is_spent

    def why(self, call: Call, policy: CompiledPolicy, error: TidegateError | None) -> Stayed | None:
        """Why `call`, which is over, did not leave although it had to wait or was turned away; None if it did not.

        `policy` is what it was decided by.
        """
        was_turned_away = isinstance(error, Overloaded | Unavailable)
        decision, facts = call.decision, call.facts
        if call.queued_s < WORTH_TELLING_S and not was_turned_away:
            return None
        if type(decision) is not Allow or facts is None or call.tenant is None or call.pool in self._cloud:
            return None
        if call.stayed is not None:
            return call.stayed
        permitted = self._cloud.intersection(decision.pools)
        if not permitted:
            return Stayed.LABEL if self._might_leave(facts, policy) else Stayed.POLICY
        if self._is_spent(call.tenant.id):
            return Stayed.BUDGET
        is_shut = all(self._admission.is_kept_shut(pool) for pool in permitted)
        return Stayed.OPERATIONS if is_shut else None

    def _might_leave(self, facts: RequestFacts, policy: CompiledPolicy) -> bool:
        """Whether it would have had a pool in the cloud with the lowest label."""
        decision = decide(policy, replace(facts, label_low=LOWEST, label_high=LOWEST))
        return isinstance(decision, Allow) and not self._cloud.isdisjoint(decision.pools)
