"""Whether a policy's names refer to something, and whether its rules can be meant.

Reports every problem at once and changes nothing. Without pools.yaml or tenants.yaml at hand the policy is checked for
what it says itself. What it lets through is no question of meaning: that is proved.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from gateway.core.entities import ENTITIES
from gateway.core.labels import Label
from gateway.core.problems import Problem, did_you_mean
from gateway.core.reading import Reader, Word, shown
from gateway.core.topology import Pool
from gateway.policy.compiled import Premises
from gateway.policy.document import NONE, Never, Only, WrittenAttributes, WrittenPolicy
from gateway.policy.layout import guards_of, pools_of

_NUMBER: Final = re.compile("[0-9]+")


def check(policy: WrittenPolicy, premises: Premises, reader: Reader) -> tuple[Problem, ...]:
    """Report what is wrong; what is worth knowing and no fault comes back."""
    checker = _Checker(policy, premises, reader)
    checker.check()
    return tuple(checker.notes)


class _Checker:
    def __init__(self, policy: WrittenPolicy, premises: Premises, reader: Reader) -> None:
        self._policy = policy
        self._premises = premises
        self._order = premises.order
        self._reader = reader
        self.notes: list[Problem] = []
        topology = premises.topology
        self._pools = {pool.name: pool for pool in topology.pools} if topology is not None else dict[str, Pool]()

    def check(self) -> None:
        """Report every name that refers to nothing, and every rule that cannot be meant."""
        policy = self._policy
        self._label(policy.default)
        self._top(policy.unscanned, "unscanned", "To let one kind of part through, name it in `label.carriers`.")
        self._top(policy.unmapped, "unmapped", "To let one entity through, name it in a rule.")
        entities = (*ENTITIES, *self._premises.own_entities)
        for entity in policy.may_leave:
            self._reader.reference(entity, "The entity", entities)
        for _, label in policy.carriers:
            self._label(label)
        for rule in policy.rules:
            self._label(rule.label)
            for entity in (*rule.any_of, *rule.all_of, *(entity for entity, _ in rule.counts)):
                self._reader.reference(entity, "The entity", entities)
        for label, _ in policy.cache:
            self._label(label)
        self._guards()
        self._zones()
        self._named_pools()
        self._weights()
        self._attributes()
        self._last_row()

    def _label(self, word: Word | None) -> Label | None:
        name = self._reader.reference(word, "The label", self._order.names)
        return self._order.rank(name) if name is not None else None

    def _top(self, word: Word | None, key: str, mend: str) -> None:
        rank = self._label(word)
        if word is not None and rank is not None and rank != self._order.top:
            top = self._order.name(self._order.top)
            message = f"`label.{key}` must be the highest label, `{top}`: what nobody looked at counts as the worst."
            self._reader.report(word.at, message, mend)

    # What is asked

    def _guards(self) -> None:
        reader, zones, classes = self._reader, self._premises.frame.zones, self._premises.classes
        models = {alias.name.text for alias in self._policy.aliases}
        for guard in guards_of(self._policy):
            if guard.label is not None:
                self._label(guard.label[1])
            for word in guard.models:
                reader.reference(word, "The model", models)
            if classes is not None:
                for word in guard.tenant_classes:
                    reader.reference(word, "The tenant class", classes)
            for zone, _ in guard.pressure:
                reader.reference(zone, "The zone", zones)
        for stated in self._policy.invariants:
            if isinstance(stated, Never):
                reader.reference(stated.zone, "The zone", zones)

    def _zones(self) -> None:
        zones, topology = self._premises.frame.zones, self._premises.topology
        for pool in topology.pools if topology is not None else ():
            if pool.zone not in zones:
                message = f"The pool {shown(pool.name)} lies in the zone {shown(pool.zone)}, which is not declared."
                self._reader.report(self._policy.at, message, did_you_mean(pool.zone, zones))

    # What is named

    def _named_pools(self) -> None:
        policy, reader = self._policy, self._reader
        in_routes = [word for route in policy.routes for word in pools_of(route)]
        in_models = [word for alias in policy.aliases for word in alias.pools]
        in_invariants = [stated.pool for stated in policy.invariants if isinstance(stated, Never) and stated.pool]
        if self._premises.topology is not None:
            for word in (*in_models, *in_routes, *in_invariants):
                reader.reference(word, "The pool", self._pools)
        routed, offered = {word.text for word in in_routes}, {word.text for word in in_models}
        # A slip is often made once, so a name that stands on both sides is the one that is meant.
        sure = routed & offered
        slips = {word.text for word in (*in_routes, *in_models) if word.text not in sure}
        for word in (*in_models, *in_invariants):
            if word.text not in routed:
                self._lonely(word, f"No route sends anything to the pool {shown(word.text)}.", sure, slips & routed)
        for word in in_routes:
            if word.text not in offered:
                message = f"No model lists the pool {shown(word.text)}, so nothing can reach it."
                self._lonely(word, message, sure, slips & offered)

    def _lonely(self, word: Word, message: str, sure: Collection[str], others: Collection[str]) -> None:
        """Note a pool that is named on one side only; without pools.yaml a near miss is taken for a slip.

        Where both of two names that are alike stand on one side only, nobody can say which of them is the slip.
        """
        if self._premises.topology is not None:
            if word.text in self._pools:
                self.notes.append(word.at.problem(message))
        elif _is_near(word.text, sure):
            self._reader.report(word.at, message, did_you_mean(word.text, sure))
        elif _is_near(word.text, others):
            self._reader.report(word.at, message, "Something like it stands elsewhere: write both alike.")
        else:
            self.notes.append(word.at.problem(message))

    def _weights(self) -> None:
        """Whatever shares the first place may come first: so what is said of the first one must be true of all."""
        for route in self._policy.routes:
            zones = {self._pools[word.text].zone for word in route.to if route.weights and word.text in self._pools}
            if len(zones) > 1:
                message = f"The pools of {shown(route.id.text)} that share out the first place lie in several zones."
                mend = "Give those of one zone weights; a share for another zone is a `canary`."
                self._reader.report(route.at, message, mend)

    def _attributes(self) -> None:
        topology = self._premises.topology
        if topology is None:
            return
        for asked in _attributes_of(self._policy):
            for kind, words, known in (
                ("processor", asked.processors, {pool.processor for pool in topology.pools}),
                ("residency", asked.residencies, {pool.residency for pool in topology.pools}),
                ("agreement", asked.agreements, {pool.agreement for pool in topology.pools}),
            ):
                self._attribute(kind, words, {name for name in known if name is not None})

    def _attribute(self, kind: str, words: Iterable[Word], known: Collection[str]) -> None:
        for word in words:
            if word.text in known or word.text == NONE:
                continue
            message = f"No pool has the {kind} {shown(word.text)}."
            # What differs in its numbers alone belongs to a series (`eu-west-1`, `dpa-2026`) and is no slip.
            alike = {name for name in known if _NUMBER.sub("#", name) != _NUMBER.sub("#", word.text)}
            if _is_near(word.text, alike):
                self._reader.report(word.at, message, did_you_mean(word.text, alike))
            else:
                self.notes.append(word.at.problem(message))

    def _last_row(self) -> None:
        policy, reader = self._policy, self._reader
        if not policy.routes:
            return
        last = policy.routes[-1]
        if not last.guard.is_total:
            message = f"The last route, {shown(last.id.text)}, does not match everything."
            reader.report(last.at, message, "Add a last route with `when: {}`, or a `deny`.")
        for early in policy.routes[:-1]:
            if early.guard.is_total:
                message = f"Every request matches the route {shown(early.id.text)}, so those after it are never used."
                reader.report(early.at, message, "Move it to the end, or narrow its `when`.")
        if last.deny is not None:
            return
        to = {word.text for word in last.to}
        for alias in policy.aliases:
            if alias.pools and to.isdisjoint(word.text for word in alias.pools):
                message = f"The model {shown(alias.name.text)} has no pool of the last route's `to`."
                mend = "Requests that only that route matches would be refused: add one of its pools to the model."
                reader.report(alias.name.at, message, mend)


def _attributes_of(policy: WrittenPolicy) -> Iterator[WrittenAttributes]:
    """What is asked of pools, by rows and by invariants."""
    for route in policy.routes:
        if route.only is not None:
            yield route.only
    for stated in policy.invariants:
        if isinstance(stated, Never | Only) and stated.where is not None:
            yield stated.where


def _is_near(word: str, others: Collection[str]) -> bool:
    return bool(get_close_matches(word, others, n=1, cutoff=0.8))
