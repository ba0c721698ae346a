"""From the policy as written to a table that decides, or every problem at once.

`load` does it all; `settings.py` uses the steps, since the pools' and tenants' files need the policy's labels and
zones before the policy can be compiled against them. Compiled without topology a policy labels and checks names among
themselves, and decides nothing: no pool is known, so every request is refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType

from gateway.core import written
from gateway.core.entities import ENTITIES
from gateway.core.labels import Label, LabelOrder
from gateway.core.problems import Problem, did_you_mean
from gateway.core.reading import Reader, Word, shown
from gateway.core.topology import Topology
from gateway.policy import form, reach, table
from gateway.policy.compiled import CompiledPolicy, Frame
from gateway.policy.document import NONE, Never, WrittenPolicy


def load(
    data: bytes, file: str, topology: Topology | None = None, classes: Mapping[str, Label | None] | None = None
) -> CompiledPolicy:
    """The policy in a file's bytes; raises Problems."""
    document = written.parse(data, file, end_marker=True)
    reader = Reader(document.problems)
    policy = form.read(document, reader)
    compiled = compile_policy(policy, frame(policy, reader), reader, topology, classes)
    reader.finish()
    # `finish` has raised if anything was reported, and nothing is missing without a report.
    assert compiled is not None  # noqa: S101
    return compiled


def frame(policy: WrittenPolicy, reader: Reader) -> Frame:
    """The label order, the zones and the cloud ceiling of `policy`."""
    if not policy.labels:
        return Frame(None, {}, None)
    order = LabelOrder(tuple(word.text for word in policy.labels))
    ceiling = policy.cloud_ceiling
    zones = MappingProxyType({zone.name: zone for zone, _ in policy.zones})
    if ceiling is None or ceiling.text == NONE:
        return Frame(order, zones, None)
    rank = _rank(reader, ceiling, "The label", order)
    # A ceiling that does not exist is reported; it must not make every class's ceiling look too high besides.
    return Frame(order, zones, rank if rank is not None else order.top)


def compile_policy(
    policy: WrittenPolicy,
    frame: Frame,
    reader: Reader,
    topology: Topology | None,
    classes: Mapping[str, Label | None] | None,
) -> CompiledPolicy | None:
    """The table for `policy`, or None once `reader` has problems."""
    if frame.order is None:
        return None
    checker = _Checker(policy, frame.order, frame, reader, topology, classes)
    checker.check()
    if reader.problems:
        return None
    compiled = table.build(policy, frame, topology, classes, checker.notes)
    if topology is not None:
        problems, notes = reach.examine(compiled, policy.at)
        reader.problems += problems
        compiled = replace(compiled, notes=(*compiled.notes, *notes))
    return compiled if not reader.problems else None


def _rank(reader: Reader, word: Word | None, what: str, order: LabelOrder) -> Label | None:
    name = reader.reference(word, what, order.names)
    return order.rank(name) if name is not None else None


class _Checker:
    def __init__(
        self,
        policy: WrittenPolicy,
        order: LabelOrder,
        frame: Frame,
        reader: Reader,
        topology: Topology | None,
        classes: Mapping[str, Label | None] | None,
    ) -> None:
        self._policy = policy
        self._order = order
        self._frame = frame
        self._reader = reader
        self._topology = topology
        self._classes = classes
        self.notes: list[Problem] = []
        self._pools = {pool.name for pool in topology.pools} if topology is not None else set[str]()

    def check(self) -> None:
        """Report every name that refers to nothing, and every rule that cannot be meant."""
        policy = self._policy
        self._check_label(policy.default, "The label")
        self._check_top(policy.unscanned, "unscanned", "To let one kind of part through, name it in `label.carriers`.")
        self._check_top(policy.unmapped, "unmapped", "To let one entity through, name it in a rule.")
        for entity in policy.may_leave:
            self._reader.reference(entity, "The entity", ENTITIES)
        for _, label in policy.carriers:
            self._check_label(label, "The label")
        for rule in policy.rules:
            self._check_label(rule.label, "The label")
            for entity in (*rule.any_of, *rule.all_of, *(entity for entity, _ in rule.counts)):
                self._reader.reference(entity, "The entity", ENTITIES)
        for label, _ in policy.cache:
            self._check_label(label, "The label")
        self._check_guards()
        self._check_zones()
        self._check_pools()
        self._check_last_row()

    def _check_label(self, word: Word | None, what: str) -> None:
        _rank(self._reader, word, what, self._order)

    def _check_top(self, word: Word | None, key: str, mend: str) -> None:
        rank = _rank(self._reader, word, "The label", self._order)
        if word is not None and rank is not None and rank != self._order.top:
            top = self._order.name(self._order.top)
            message = f"`label.{key}` must be the highest label, `{top}`: what nobody looked at counts as the worst."
            self._reader.report(word.at, message, mend)

    def _check_guards(self) -> None:
        models = {alias.name.text for alias in self._policy.aliases}
        nevers = [stated for stated in self._policy.invariants if isinstance(stated, Never)]
        for guard in (*(route.guard for route in self._policy.routes), *(stated.guard for stated in nevers)):
            if guard.label is not None:
                self._check_label(guard.label[1], "The label")
            for word in guard.models:
                self._reader.reference(word, "The model", models)
            if self._classes is not None:
                for word in guard.tenant_classes:
                    self._reader.reference(word, "The tenant class", self._classes)
        for stated in nevers:
            self._reader.reference(stated.zone, "The zone", self._frame.zones)

    def _check_zones(self) -> None:
        zones = self._frame.zones
        for pool in self._topology.pools if self._topology is not None else ():
            if pool.zone not in zones:
                message = f"The pool {shown(pool.name)} lies in the zone {shown(pool.zone)}, which is not declared."
                self._reader.report(self._policy.at, message, did_you_mean(pool.zone, zones))

    def _check_pools(self) -> None:
        policy, reader = self._policy, self._reader
        in_routes = [word for route in policy.routes for word in (*route.to, *route.spill)]
        in_models = [word for alias in policy.aliases for word in alias.pools]
        in_invariants = [stated.pool for stated in policy.invariants if isinstance(stated, Never) and stated.pool]
        if self._topology is not None:
            for word in (*in_models, *in_routes, *in_invariants):
                reader.reference(word, "The pool", self._pools)
        routed, offered = {word.text for word in in_routes}, {word.text for word in in_models}
        for word in (*in_models, *in_invariants):
            if word.text not in routed:
                self._lonely(word, f"No route sends anything to the pool {shown(word.text)}.", routed)
        for word in in_routes:
            if word.text not in offered:
                self._lonely(word, f"No model lists the pool {shown(word.text)}, so nothing can reach it.", offered)

    def _lonely(self, word: Word, message: str, others: Collection[str]) -> None:
        """Note a pool that is named on one side only; without pools.yaml a near miss is taken for a slip."""
        if self._topology is None and get_close_matches(word.text, others, n=1, cutoff=0.8):
            self._reader.report(word.at, message, did_you_mean(word.text, others))
        elif self._topology is None or word.text in self._pools:
            self.notes.append(word.at.problem(message))

    def _check_last_row(self) -> None:
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
