"""What one request wants to hold of its tenant's limits, and what it holds; `quotas.py` does the rest."""

from gateway.core.quota import Ask, Limits
from gateway.ports import Reservation


class Quota:
    """One request's. `prompt` and `completion` are estimates, in tokens."""

    __slots__ = ("ask", "completion", "limits", "prompt", "reservation", "subject")

    def __init__(self, subject: str, limits: Limits, prompt: int, completion: int, cost_micros: int) -> None:
        self.subject = subject
        self.limits = limits
        self.prompt = prompt
        self.completion = completion
        self.ask = Ask(prompt + completion, cost_micros)
        self.reservation: Reservation | None = None
