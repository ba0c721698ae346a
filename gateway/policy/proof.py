"""What a proof says: a verdict for every claim, counterexamples, and what else was found out about the table.

Values only; `prove.py` finds them, `proof_words.py` says them, `certificate.py` keeps them.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.core.facts import RequestFacts
from gateway.core.findings import Tier
from gateway.core.written import Place
from gateway.policy.bans import Kind
from gateway.policy.leaving import Leaving


class Outcome(StrEnum):
    """What is known of a claim. `NOT_PROVED`: the node budget was spent, or the table is not what its layout says."""

    PROVED = "proved"
    DISPROVED = "disproved"
    NOT_PROVED = "not_proved"


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Facts in which a claim is broken: the most ordinary of their kind, and what `route` does with them.

    `pools` are those that break the claim. For a claim about two states `second` is the one that should reach no more
    than `facts`, and `second_pools` what it reaches besides. `route` is empty if no row matches.
    """

    facts: RequestFacts
    route: str
    pools: tuple[str, ...]
    second: RequestFacts | None = None
    second_pools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one claim. `counterexamples` has one for each route that breaks it, the most ordinary first."""

    id: str
    kind: Kind
    outcome: Outcome
    at: Place | None
    counterexamples: tuple[Counterexample, ...] = ()

    @property
    def counterexample(self) -> Counterexample | None:
        """The most ordinary request that breaks the claim."""
        return self.counterexamples[0] if self.counterexamples else None


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A row that never matches, because the rows `by` take everything that it accepts. `example` is one such request,
    with the row that takes it."""

    route: str
    by: tuple[str, ...]
    example: Counterexample


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was found out about a policy.

    `states` is how many there are, and `nodes` how many steps it took to look at all of them; `is_spent` says that the
    budget did not allow that. `dead` rows accept no state; `shadowed` ones lose all theirs to rows before them.
    `leaving` is what may leave, `idle` what `may_leave` acknowledges in vain; `unread` are carriers whose content may
    leave although nobody can read it, and `unasked` scans that need not have run before. `vacuous` are invariants about
    labels that there are not. `steered` are requests whose model would lead out if `decide` let it.
    """

    verdicts: tuple[Verdict, ...]
    states: int
    nodes: int
    is_spent: bool = False
    dead: tuple[str, ...] = ()
    shadowed: tuple[Shadowed, ...] = ()
    leaving: tuple[Leaving, ...] = ()
    idle: tuple[str, ...] = ()
    steered: tuple[Counterexample, ...] = ()
    unread: tuple[str, ...] = ()
    unasked: tuple[Tier, ...] = ()
    vacuous: tuple[str, ...] = ()

    @property
    def is_proved(self) -> bool:
        """Whether everything was proved."""
        return all(verdict.outcome is Outcome.PROVED for verdict in self.verdicts)


class Worst:
    """The most ordinary counterexample for each route and pool."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[int, Counterexample]] = {}

    def add(self, cost: int, example: Counterexample) -> None:
        """Keep `example` for those of its pools for which none is known that is more ordinary."""
        for pool in example.pools or ("",):
            known = self._found.get((example.route, pool))
            if known is None or cost < known[0]:
                self._found[example.route, pool] = (cost, example)

    @property
    def examples(self) -> tuple[Counterexample, ...]:
        """All of them, the most ordinary first, those with the same facts as one."""
        found: dict[tuple[RequestFacts, str], Counterexample] = {}
        for (_, pool), (_, example) in sorted(self._found.items(), key=lambda item: item[1][0]):
            key = example.facts, example.route
            one = replace(example, pools=(pool,) if pool else ())
            found[key] = replace(one, pools=found[key].pools + one.pools) if key in found else one
        return tuple(found.values())
