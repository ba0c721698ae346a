"""What may leave without having been read: carriers that a policy lets count as less, scans that it does not ask for.

Neither is a fault, since somebody wrote it. Both are told beside a proof, which is about labels and not about texts.
"""

from gateway.core.findings import Tier
from gateway.core.labels import Label
from gateway.policy.compiled import LabelRules


def unread(rules: LabelRules, highest: Label | None) -> tuple[str, ...]:
    """The carriers whose content may leave, if no label above `highest` reaches a cloud pool (None: no label does)."""
    return tuple(carrier for carrier, label in rules.carriers.items() if highest is not None and label <= highest)


def unasked(rules: LabelRules, highest: Label | None) -> tuple[Tier, ...]:
    """The scans that need not have run before a request leaves. The models are an extra, and a policy's own choice."""
    if highest is None:
        return ()
    return tuple(tier for tier in Tier if tier is not Tier.NER and tier not in rules.required)
