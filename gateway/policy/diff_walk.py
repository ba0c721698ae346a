"""Every state of the facts, walked under two policies at once: where do they decide differently?

Axis by axis (those of `space.py`), carrying for each policy the rows that are still alive and the pools already
refused; values that leave both alike are one branch, and what was worked out once is not worked out again. At the end
of every branch stands a real request's facts, and the shipped `decide` answers for both. The result is a diagram of
merged nodes, and from it regions that never overlap. Over the node budget there is no answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from gateway.core.facts import MINUTES_PER_WEEK, Budget, Capability, Complexity, Modality, Pressure, RequestFacts
from gateway.core.labels import Label
from gateway.policy import space
from gateway.policy.answers import Answer, Places
from gateway.policy.compiled import ABOVE_CEILING, ALWAYS, OTHER_CLASS, Alias, CompiledPolicy, Fact, Route
from gateway.policy.decide import decide
from gateway.policy.regions import MODEL, OWN_CEILING, SAME, Axis, Box, Diagram, boxes_of

MOST_NODES: Final = 400_000


class TooLarge(Exception):
    """The walk took more nodes than it may: nothing is known about what is left."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A label as both policies know it: by its name, or as two labels that the same evidence gives."""

    name: str
    old: Label
    new: Label


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk found. `is_cut` says that there were more regions than `boxes` lists; none overlaps another."""

    axes: tuple[Axis, ...]
    differences: tuple[tuple[Answer, Answer], ...]
    boxes: tuple[Box, ...]
    is_cut: bool


def walk(old: CompiledPolicy, new: CompiledPolicy, labels: Sequence[Shared], *, most_nodes: int = MOST_NODES) -> Walked:
    """Where `old` and `new` decide differently for the same facts; raises TooLarge."""
    return _Walk(old, new, labels, most_nodes).walked()


def shared_labels(old: CompiledPolicy, new: CompiledPolicy) -> tuple[Shared, ...]:
    """The labels that both have, in the old order."""
    both = [name for name in old.order.names if name in new.order.names]
    return tuple(Shared(name, old.order.rank(name), new.order.rank(name)) for name in both)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row's guard. What comes after is out of reach once it `ends` and nothing can refuse it any more."""

    refused: int
    ends: bool
    pools: tuple[int, ...]


class _Side:
    """One policy under one model: what a state that is not whole yet has decided already."""

    def __init__(self, side: space.Side, alias: Alias | None) -> None:
        shift = side.shift
        self._rows: list[_Row] = []
        self._without: list[_Row] = []
        narrows = False
        for refused, row in alias.rows if alias is not None else ():
            self._rows.append(_Row(refused << shift, not row.has_no_pool, _refusals(row.route, shift)))
            narrows = narrows or row.has_no_pool or row.to is not row.route.to or row.spill is not row.route.spill
            narrows = narrows or row.route.models is not None
        if narrows:
            # What would happen without the model matters only where the model takes something away.
            self._without = [
                _Row(route.refused << shift, True, _refusals(route, shift))
                for route in side.compiled.routes
                if route.models is None
            ]

    def signature(self, state: int, later: int) -> tuple[int, ...]:
        """What of `state` can still matter when `later` are the bits that may yet come."""
        return (*_alive(self._rows, state, later), -1, *_alive(self._without, state, later))


def _refusals(route: Route, shift: int) -> tuple[int, ...]:
    return tuple(pool.refused << shift for pool in route.pools)


def _alive(rows: Sequence[_Row], state: int, later: int) -> Iterator[int]:
    """The rows that can match, each with the pools that it has lost."""
    for index, row in enumerate(rows):
        if state & row.refused:
            continue
        yield index
        yield sum(1 << place for place, refused in enumerate(row.pools) if state & refused)
        if row.ends and not row.refused & later:
            return


@dataclass(frozen=True, slots=True)
class _Subject:
    """Under which model, for which class and label: the part of a path that is not carried on axes of `space.py`."""

    sides: tuple[_Side, _Side]
    memo: dict[object, int]
    facts: tuple[RequestFacts, RequestFacts]


class _Walk:
    def __init__(self, old: CompiledPolicy, new: CompiledPolicy, labels: Sequence[Shared], most_nodes: int) -> None:
        self._space = space.Space((old, new))
        self._labels = labels
        self._most_nodes = most_nodes
        self._places = Places(old), Places(new)
        # The model and who asks are walked here: labels may have two names, and both must be told apart at the end.
        self._content = self._space.axes[2:]
        self._later = self._space.later[1:]
        self._differences: dict[tuple[Answer, Answer], int] = {}
        self._diagram = Diagram()
        self._steps = 0

    def walked(self) -> Walked:
        old, new = (side.compiled for side in self._space.sides)
        models = self._space.models
        classes = tuple(dict.fromkeys((*old.layout.classes, *new.layout.classes, OTHER_CLASS)))
        done: list[tuple[tuple[object, object], int]] = []
        of_models: list[int] = []
        for model in models:
            aliases = old.alias(model), new.alias(model)
            # Compared, not hashed: what a row holds need not be hashable.
            rows = tuple(alias.rows if alias is not None else None for alias in aliases)
            known = next((node for other, node in done if other == rows), None)
            node = known if known is not None else self._of_model(model, aliases, classes)
            done.append(((rows[0], rows[1]), node))
            of_models.append(node)
        axes = (
            Axis(MODEL, "", tuple((model,) for model in models)),
            Axis(Fact.TENANT_CLASS, "", tuple((name,) for name in classes)),
            Axis(Fact.LABEL, "", tuple((label.name,) for label in self._labels)),
            Axis(OWN_CEILING, "", (("no",), ("yes",))),
            *(self._named(axis) for axis in self._content),
        )
        root = self._diagram.node(0, of_models)
        boxes, is_cut = boxes_of(self._diagram, root, axes)
        return Walked(axes, tuple(self._differences), boxes, is_cut)

    def _of_model(self, model: str, aliases: tuple[Alias | None, Alias | None], classes: Sequence[str]) -> int:
        old, new = self._space.sides
        sides = _Side(old, aliases[0]), _Side(new, aliases[1])
        memo: dict[object, int] = {}
        of_classes: list[int] = []
        for name in classes:
            of_labels: list[int] = []
            for label in self._labels:
                of_ceilings: list[int] = []
                for is_above in (False, True):
                    state = self._who_bits(old, name, label.old, is_above) | self._who_bits(
                        new, name, label.new, is_above
                    )
                    facts = _who(old, model, name, label.old, is_above), _who(new, model, name, label.new, is_above)
                    of_ceilings.append(self._descend(0, state, _Subject(sides, memo, facts), ()))
                of_labels.append(self._diagram.node(3, of_ceilings))
            of_classes.append(self._diagram.node(2, of_labels))
        return self._diagram.node(1, of_classes)

    @staticmethod
    def _who_bits(side: space.Side, name: str, label: Label, is_above: bool) -> int:
        layout = side.compiled.layout
        entry = layout.classes.get(name, layout.other_class)
        state = ALWAYS | entry.bit | layout.labels[label]
        return (state | ABOVE_CEILING if is_above or label > entry.ceiling else state) << side.shift

    def _descend(self, depth: int, state: int, subject: _Subject, chosen: tuple[int, ...]) -> int:
        later = self._later[depth]
        old, new = subject.sides
        of_old, of_new = subject.facts
        # Labels stand in the key since what may be cached, and for how long, goes by label.
        labels = of_old.label_high, of_new.label_high
        key = (depth, labels, old.signature(state, later), new.signature(state, later))
        known = subject.memo.get(key)
        if known is not None:
            return known
        self._steps += 1
        if self._steps > self._most_nodes:
            raise TooLarge
        if depth == len(self._content):
            node = self._leaf(self._with_content(of_old, chosen), self._with_content(of_new, chosen))
        else:
            cells = self._content[depth].cells
            node = self._diagram.node(
                4 + depth,
                [
                    self._descend(depth + 1, state | cell.bits, subject, (*chosen, place))
                    for place, cell in enumerate(cells)
                ],
            )
        subject.memo[key] = node
        return node

    def _leaf(self, of_old: RequestFacts, of_new: RequestFacts) -> int:
        old, new = self._space.sides
        was = self._places[0].answer(decide(old.compiled, of_old))
        becomes = self._places[1].answer(decide(new.compiled, of_new))
        if was == becomes:
            return SAME
        return SAME - 1 - self._differences.setdefault((was, becomes), len(self._differences))

    def _with_content(self, facts: RequestFacts, chosen: Sequence[int]) -> RequestFacts:
        """`facts` with one fact of each chosen value."""
        for axis, place in zip(self._content, chosen, strict=True):
            around = facts.surroundings
            match axis.fact, axis.cells[place].sample:
                case Fact.COMPLEXITY, Complexity() as complexity:
                    facts = replace(facts, complexity=complexity)
                case Fact.CAPABILITY, True:
                    facts = replace(facts, capabilities=facts.capabilities | {Capability(axis.member)})
                case Fact.MODALITY, True:
                    facts = replace(facts, modalities=facts.modalities | {Modality(axis.member)})
                case Fact.CONTEXT, int(tokens):
                    facts = replace(facts, context_tokens=tokens)
                case Fact.TIME, int(minute):
                    facts = replace(facts, surroundings=replace(around, minute_of_week=minute))
                case Fact.PRESSURE, Pressure() as pressure:
                    pairs = (*around.pressure, (axis.member, pressure))
                    facts = replace(facts, surroundings=replace(around, pressure=pairs))
                case Fact.BUDGET, Budget() as budget:
                    facts = replace(facts, surroundings=replace(around, budget=budget))
        return facts

    def _named(self, axis: space.Axis) -> Axis:
        """`axis` as people read it: what all the facts in each cell are called."""
        assert axis.fact is not None  # noqa: S101  # only the model's axis has none
        found: dict[int, list[space.Sample]] = {cell.bits: [] for cell in axis.cells}
        for sample in _samples(self._space, axis):
            bits = 0
            for side in self._space.sides:
                bits |= space.bits_of(side.compiled.layout, axis.fact, axis.member, sample) << side.shift
            found[bits].append(sample)
        names = tuple(tuple(_name(sample) for sample in found[cell.bits]) for cell in axis.cells)
        if axis.fact not in (Fact.CONTEXT, Fact.TIME):
            return Axis(axis.fact, axis.member, names)
        bounds = sorted(sample for samples in found.values() for sample in samples if isinstance(sample, int))
        ends = dict(zip(bounds, [*bounds[1:], MINUTES_PER_WEEK if axis.fact is Fact.TIME else None], strict=True))
        spans = tuple(
            tuple((sample, ends[sample]) for sample in found[cell.bits] if isinstance(sample, int))
            for cell in axis.cells
        )
        return Axis(axis.fact, axis.member, names, spans)


def _who(side: space.Side, model: str, name: str, label: Label, is_above: bool) -> RequestFacts:
    """Facts with this label, under a ceiling of the tenant's own that is below it, or that allows everything."""
    below = Label(label - 1) if label else None
    return RequestFacts(label, label, name, below if is_above else side.compiled.order.top, model)


def _samples(both: space.Space, axis: space.Axis) -> Sequence[space.Sample]:
    """A fact of every value of `axis` under either policy; numbers ascending."""
    layouts = [side.compiled.layout for side in both.sides]
    if axis.fact in (Fact.CONTEXT, Fact.TIME):
        cuts = [layout.context if axis.fact is Fact.CONTEXT else layout.week for layout in layouts]
        return sorted({0, *(bound for one in cuts if one is not None for bound in one.bounds)})
    return tuple(
        dict.fromkeys(
            value.sample
            for layout in layouts
            for dimension in layout.dimensions
            if (dimension.fact, dimension.member) == (axis.fact, axis.member)
            for value in dimension.values
        )
    )


def _name(sample: space.Sample) -> str:
    if isinstance(sample, bool):
        return "yes" if sample else "no"
    return str(sample)
