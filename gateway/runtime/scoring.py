"""How hard requests look, where the policy asks. Where it does not, nothing of this exists and nothing is counted."""

from gateway.core.complexity import Scorer
from gateway.core.records import Scored
from gateway.policy.compiled import CompiledPolicy
from gateway.wire.question import question_of
from gateway.wire.requests import Dialect, Request


class Scoring:
    """Scores requests under the bands of one policy."""

    def __init__(self, policy: CompiledPolicy) -> None:
        self._bands = policy.bands
        self._scorer = Scorer()

    def of(self, request: Request) -> Scored | None:
        """How hard a request looks; None if nothing is asked in words, as in a request for embeddings."""
        if request.dialect is Dialect.EMBEDDINGS:
            return None
        measured = self._scorer.measure(question_of(request.document))
        score = self._scorer.weigh(measured)
        return Scored(round(score, 4), self._bands.of(score), self._scorer.adds(measured))


def scoring_of(policy: CompiledPolicy) -> Scoring | None:
    """What scores requests under a policy; None if it never asks."""
    return Scoring(policy) if policy.asks_complexity else None
