"""The smallest change of a request's facts that would change where it goes.

Every fact that the policy tells apart is tried, each through the shipped `decide`: one change first, then two together
where no single one will do, or only one that nobody would think of. Those win that open a place, then those that a
caller can make (ask for less, choose another model, leave something out), then waiting, then an administrator's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from msgspec.structs import replace

from gateway.core.decision import Allow, Decision
from gateway.core.facts import MINUTES_PER_WEEK, Budget, Capability, Complexity, Modality, Pressure, RequestFacts
from gateway.core.labels import Label
from gateway.policy.compiled import CompiledPolicy, Cuts, Fact
from gateway.policy.decide import decide

MODEL: Final = "model"
CEILING: Final = "ceiling"
_FAR_FETCHED: Final = 19
"""Above this a single change is to need more and be refused, or an administrator's: two near ones may be better."""
_OPENS_NOTHING: Final = 8
"""What a change costs more that only takes places away: people ask why something was refused, or kept home."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One fact that would be something else. `member` says which capability, modality or zone.

    `value` is the new value: a name, `yes` or `no` for capability and modality, a number of tokens, a minute of the
    week in UTC, or None for a ceiling that lets nothing out.
    """

    fact: str
    member: str
    value: str | int | None


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """The changes, the facts with them, and what is decided then."""

    changes: tuple[Changed, ...]
    facts: RequestFacts
    decision: Decision


def smallest_change(compiled: CompiledPolicy, facts: RequestFacts) -> Counterfactual | None:
    """What would change the places that `facts` lead to; None if no change of one or two facts does."""
    moves = sorted(_moves(compiled, facts), key=lambda move: move.cost)
    one = _cheapest(compiled, facts, [(move,) for move in moves])
    if one is not None and one[0] <= _FAR_FETCHED:
        return one[1]
    two = _cheapest(compiled, facts, [pair for pair in combinations(moves, 2) if _are_two(*pair)])
    found = [best for best in (one, two) if best is not None]
    return min(found, key=lambda best: best[0])[1] if found else None


def _cheapest(
    compiled: CompiledPolicy, facts: RequestFacts, candidates: Sequence[Sequence["_Move"]]
) -> tuple[int, Counterfactual] | None:
    was = _places(decide(compiled, facts))
    best: tuple[int, Counterfactual] | None = None
    for chosen in candidates:
        cost = sum(move.cost for move in chosen)
        if best is not None and cost >= best[0]:
            continue
        changed = facts
        for move in chosen:
            changed = _applied(compiled, changed, move.changed)
        decision = decide(compiled, changed)
        places = _places(decision)
        cost += 0 if set(places) - set(was) else _OPENS_NOTHING
        if places != was and (best is None or cost < best[0]):
            best = cost, Counterfactual(tuple(move.changed for move in chosen), changed, decision)
    return best


def _are_two(one: "_Move", other: "_Move") -> bool:
    """Whether two changes are of two facts, so that they can be made together."""
    return (one.changed.fact, one.changed.member) != (other.changed.fact, other.changed.member)


@dataclass(frozen=True, slots=True)
class _Move:
    """A change that could be tried; cheaper ones are nearer to what a person can do."""

    cost: int
    changed: Changed


def _places(decision: Decision) -> tuple[str, ...]:
    return decision.pools if isinstance(decision, Allow) else ()


def _moves(compiled: CompiledPolicy, facts: RequestFacts) -> Iterator[_Move]:
    layout, names = compiled.layout, compiled.order.names
    for dimension in layout.dimensions:
        member = dimension.member
        if dimension.fact is Fact.CAPABILITY:
            has = member in facts.capabilities
            yield _Move(1 if has else 15, Changed(Fact.CAPABILITY, member, "no" if has else "yes"))
        elif dimension.fact is Fact.MODALITY:
            has = member in facts.modalities
            yield _Move(2 if has else 15, Changed(Fact.MODALITY, member, "no" if has else "yes"))
        elif dimension.fact is Fact.COMPLEXITY:
            others = (one for one in Complexity if one is not facts.complexity)
            yield from (_Move(7, Changed(Fact.COMPLEXITY, "", one)) for one in others)
        elif dimension.fact is Fact.PRESSURE:
            now = dict(facts.surroundings.pressure).get(member, Pressure.FREE)
            others_of_zone = (one for one in Pressure if one is not now)
            yield from (_Move(9, Changed(Fact.PRESSURE, member, one)) for one in others_of_zone)
        elif dimension.fact is Fact.BUDGET:
            others_of_budget = (one for one in Budget if one is not facts.surroundings.budget)
            yield from (_Move(10, Changed(Fact.BUDGET, "", one)) for one in others_of_budget)
        elif dimension.fact is Fact.TENANT_CLASS:
            classes = (name for name in layout.classes if name != facts.tenant_class)
            yield from (_Move(20, Changed(Fact.TENANT_CLASS, "", name)) for name in classes)
    if layout.context is not None:
        yield from _other_contexts(layout.context, facts.context_tokens)
    if layout.week is not None:
        yield from _other_times(layout.week, facts.surroundings.minute_of_week)
    yield from (_Move(4, Changed(MODEL, "", name)) for name in compiled.aliases if name != facts.model)
    high = facts.label_high
    for rank in (*range(high - 1, -1, -1), *range(high + 1, len(names))):
        yield _Move(_cost_of_label(compiled, facts, rank), Changed(Fact.LABEL, "", names[rank]))
    limits: Sequence[Label | None] = (None, *(Label(rank) for rank in range((compiled.ceiling or 0) + 1)))
    for limit in limits if compiled.ceiling is not None else ():
        if limit != facts.ceiling:
            yield _Move(21, Changed(CEILING, "", names[limit] if limit is not None else None))


def _cost_of_label(compiled: CompiledPolicy, facts: RequestFacts, rank: int) -> int:
    """A caller can leave out what gave the label, down to where every request starts; below that a class must vouch."""
    if rank > facts.label_high:
        return 11
    return 5 if rank >= compiled.labels.default else 19


def _other_contexts(cuts: Cuts, tokens: int) -> Iterator[_Move]:
    """The nearest number of tokens in each other interval."""
    now = cuts.at(tokens)
    for place, (bound, bit) in enumerate(zip(cuts.bounds, cuts.bits, strict=True)):
        if bit == now:
            continue
        if bound > tokens:
            yield _Move(13, Changed(Fact.CONTEXT, "", bound))
        else:
            yield _Move(3, Changed(Fact.CONTEXT, "", cuts.bounds[place + 1] - 1))


def _other_times(cuts: Cuts, minute: int) -> Iterator[_Move]:
    """The next minute of each other kind."""
    now = cuts.at(minute)
    seen = {now}
    ahead = sorted(zip(cuts.bounds, cuts.bits, strict=True), key=lambda cut: (cut[0] - minute) % MINUTES_PER_WEEK)
    for bound, bit in ahead:
        if bit not in seen:
            seen.add(bit)
            yield _Move(8, Changed(Fact.TIME, "", bound))


def _applied(compiled: CompiledPolicy, facts: RequestFacts, changed: Changed) -> RequestFacts:
    """`facts` with one change."""
    around, value, member = facts.surroundings, changed.value, changed.member
    match changed.fact, value:
        case Fact.LABEL, str(name):
            rank = compiled.order.rank(name)
            return replace(facts, label_low=rank, label_high=rank)
        case Fact.CAPABILITY, _:
            one = frozenset({Capability(member)})
            return replace(facts, capabilities=facts.capabilities | one if value == "yes" else facts.capabilities - one)
        case Fact.MODALITY, _:
            part = frozenset({Modality(member)})
            return replace(facts, modalities=facts.modalities | part if value == "yes" else facts.modalities - part)
        case Fact.COMPLEXITY, str(name):
            return replace(facts, complexity=Complexity(name))
        case Fact.CONTEXT, int(tokens):
            return replace(facts, context_tokens=tokens)
        case Fact.TIME, int(minute):
            return replace(facts, surroundings=replace(around, minute_of_week=minute))
        case Fact.PRESSURE, str(name):
            others = tuple(pair for pair in around.pressure if pair[0] != member)
            return replace(facts, surroundings=replace(around, pressure=(*others, (member, Pressure(name)))))
        case Fact.BUDGET, str(name):
            return replace(facts, surroundings=replace(around, budget=Budget(name)))
        case Fact.TENANT_CLASS, str(name):
            ceiling = compiled.layout.classes[name].ceiling
            return replace(facts, tenant_class=name, ceiling=Label(ceiling) if ceiling >= 0 else None)
        case "model", str(name):
            return replace(facts, model=name)
        case _:
            return replace(facts, ceiling=compiled.order.rank(value) if isinstance(value, str) else None)
