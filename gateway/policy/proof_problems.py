"""What is wrong with a policy that is not proved, as problems of its file: the sentence, the place, and the mend.

One problem for each route and pool (or entity) at fault, not for each claim that the same fault breaks.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.core.problems import Problem
from gateway.policy.bans import DENY, Kind, pools_of
from gateway.policy.compiled import CompiledPolicy, CompiledPool, Route
from gateway.policy.document import NONE, Required
from gateway.policy.fact_words import together
from gateway.policy.proof import Counterexample, Outcome, Proof, Shadowed, Verdict
from gateway.policy.shown_facts import unusual

_SIMPLER: Final = "Ask for fewer different things in `when` and `invariants`, or split the policy."


def problems(proof: Proof, compiled: CompiledPolicy, file: str) -> tuple[Problem, ...]:
    """Why the policy in `file` does not load; empty if it is proved."""
    if proof.is_proved:
        return ()
    found = _Faults(proof, compiled, file).problems()
    return tuple(dict.fromkeys(found))


def notes(proof: Proof, compiled: CompiledPolicy, file: str) -> tuple[Problem, ...]:
    """What is worth knowing about a policy and no fault."""
    return tuple(_Faults(proof, compiled, file).notes())


class _Faults:
    def __init__(self, proof: Proof, compiled: CompiledPolicy, file: str) -> None:
        self._proof = proof
        self._compiled = compiled
        self._file = file
        self._routes = {route.id: route for route in compiled.routes}
        self._pools = {pool.name: pool for pool in pools_of(compiled)}

    def problems(self) -> Iterator[Problem]:
        broken = [verdict for verdict in self._proof.verdicts if verdict.outcome is Outcome.DISPROVED]
        if not broken:
            yield self._not_proved()
        # A pool above the ceiling is often above its clearance too: once is enough.
        told: set[tuple[str, str]] = set()
        for verdict in broken:
            match verdict.kind:
                case Kind.CEILING | Kind.CLEARANCE | Kind.NEVER | Kind.ONLY:
                    yield from self._reached(verdict, told)
                case Kind.LEAVING:
                    yield from self._leaving()
                case Kind.REACHABLE:
                    yield from self._unused(only_refusals=verdict.id == DENY)
                case _:
                    yield from (self._other(verdict, example) for example in verdict.counterexamples)

    def notes(self) -> Iterator[Problem]:
        proof = self._proof
        stated = {one.kind for one in self._compiled.invariants if isinstance(one, Required)}
        if Kind.REACHABLE not in stated:
            yield from self._unused(only_refusals=False)
        if proof.steered:
            routes = dict.fromkeys(example.route for example in proof.steered)
            first = proof.steered[0]
            message = (
                f"By the route {_list(routes)} some requests would reach a pool outside only because of the model that "
                f"they name{self._for_example(first)}; the gateway takes such pools away."
            )
            mend = "Let the same requests reach them without a model's name, or leave it so."
            yield self._at(self._routes[first.route], message, mend)
        if proof.idle:
            message = f"`may_leave` names {_list(proof.idle)}, which cannot leave."
            yield Problem(self._file, 0, 0, message, "Remove what is not needed, so that the list says what is true.")

    # One fault each

    def _not_proved(self) -> Problem:
        proof = self._proof
        if proof.is_spent:
            message = (
                f"This policy distinguishes {proof.states:,} states, too many for {proof.nodes:,} steps: not proved."
            )
            return Problem(self._file, 0, 0, message, _SIMPLER)
        message = "The compiled table asks for facts that its layout does not list, so it is not proved."
        return Problem(self._file, 0, 0, message, "This is a fault of this build: use another, and report it.")

    def _reached(self, verdict: Verdict, told: set[tuple[str, str]]) -> Iterator[Problem]:
        for example in verdict.counterexamples:
            if not example.pools:
                yield self._class_ceiling(example)
            for name in example.pools:
                if verdict.kind is Kind.CLEARANCE and (example.route, name) in told:
                    continue
                told.add((example.route, name))
                yield self._sent(verdict, example, self._pools[name])

    def _class_ceiling(self, example: Counterexample) -> Problem:
        compiled = self._compiled
        limit = compiled.order.name(compiled.ceiling) if compiled.ceiling is not None else NONE
        message = (
            f"The tenant class `{example.facts.tenant_class}` has the ceiling "
            f"`{compiled.order.name(example.facts.label_high)}`, above the policy's cloud ceiling `{limit}`."
        )
        return Problem(self._file, 0, 0, message, "A class may only lower the ceiling: lower it in tenants.yaml.")

    def _sent(self, verdict: Verdict, example: Counterexample, pool: CompiledPool) -> Problem:
        compiled, route = self._compiled, self._routes[example.route]
        label = compiled.order.name(example.facts.label_high)
        how = _as_what(route, pool)
        sends = f"The route `{route.id}` sends requests labelled `{label}`{how} to the pool `{pool.name}`"
        seen = self._for_example(example)
        if verdict.kind is Kind.CEILING:
            ceiling = compiled.order.name(compiled.ceiling) if compiled.ceiling is not None else NONE
            message = f"{sends} in the zone `{pool.zone}`, above the cloud ceiling `{ceiling}`{seen}."
            mend = f'Put a route with `when: {{label: ">= {label}"}}` before it that stays home, or lower `when`.'
            return self._at(route, message, mend)
        if verdict.kind is Kind.CLEARANCE:
            message = f"{sends}, whose clearance is only `{compiled.order.name(pool.clearance)}`{seen}."
            return self._at(route, message, "Take the pool out of the route, or lower `when`.")
        message = f"{sends} in the zone `{pool.zone}`, which the invariant `{verdict.id}` forbids{seen}."
        return self._at(route, message, "Change the route or the invariant.")

    def _leaving(self) -> Iterator[Problem]:
        for one in self._proof.leaving:
            if one.acknowledged:
                continue
            score = f" with a score below {one.below_score:g}" if one.below_score is not None else ""
            few = f", fewer than {one.below_count}," if one.below_count is not None else ""
            message = f"Findings of `{one.entity}`{score}{few} may still leave for the cloud, unacknowledged."
            mend = f"Add `{one.entity}` to `label.may_leave`, or raise its label by a rule."
            yield Problem(self._file, one.line, 1 if one.line else 0, message, mend)

    def _unused(self, *, only_refusals: bool) -> Iterator[Problem]:
        for id in self._proof.dead:
            route = self._routes[id]
            if not only_refusals:
                yield self._at(route, f"No request ever matches the route `{id}`.", "Remove it.")
        for one in self._proof.shadowed:
            route = self._routes[one.route]
            if route.deny is not None or not only_refusals:
                yield self._shadowed(route, one)

    def _shadowed(self, route: Route, one: Shadowed) -> Problem:
        taken = f"the route {_list(one.by)} takes" if len(one.by) == 1 else f"the routes {_list(one.by)} take"
        if route.deny is not None:
            message = f"The route `{route.id}` refuses nothing: {taken} everything that it is for."
            return self._at(route, message, "Move it up, or remove it.")
        message = f"No request ever matches the route `{route.id}`: {taken} everything that it accepts."
        return self._at(route, message, "Move it up, or remove it.")

    def _other(self, verdict: Verdict, example: Counterexample) -> Problem:
        compiled = self._compiled
        route = self._routes.get(example.route, compiled.routes[-1])
        seen = self._for_example(example)
        label = compiled.order.name(example.facts.label_high)
        if verdict.kind is Kind.TOTAL:
            message = f"No route matches requests labelled `{label}`{seen}."
            return self._at(route, message, "Add a last route with `when: {}`, or a `deny`.")
        if verdict.kind is Kind.MONOTONE and example.second is not None:
            higher = compiled.order.name(example.second.label_high)
            message = (
                f"Raising the label from `{label}` to `{higher}` adds the pool {_list(example.second_pools)} outside "
                f"the building, by the route `{route.id}`{seen}."
            )
            mend = f"Let the route for `{label}` list the pool as well, or keep it out of this one."
            return self._at(route, message, mend)
        if verdict.kind is Kind.CLIENT:
            message = f"Naming a model leads requests to {_list(example.pools)} by the route `{route.id}`{seen}."
        else:
            message = f"What the route `{route.id}` does is not what was proved{seen}."
        return self._at(route, message, "This is a fault of this build: use another, and report it.")

    def _at(self, route: Route, message: str, mend: str) -> Problem:
        return Problem(self._file, route.line, route.column, message, mend)

    def _for_example(self, example: Counterexample) -> str:
        """What is out of the ordinary about the request, if anything is."""
        special = list(unusual(self._compiled, example.facts, "en"))
        return f" (for example: {together(special, 'en')})" if special else ""


def _as_what(route: Route, pool: CompiledPool) -> str:
    """As what of `route` the pool gets requests, if that is easily overlooked."""
    if pool.name in {one.name for one in (*route.to, *route.spill)}:
        return ""
    if route.canary is not None and route.canary.pool.name == pool.name:
        return " as its canary, which counts at any share,"
    return " as copies to its mirror, which counts at any share,"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
