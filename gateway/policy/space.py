"""Every state that one or more policies tell apart, walked once without looking at each.

A state is one cell of every axis: the model, then label × tenant class × tenant ceiling (one axis, since what is above
a ceiling is a relation between the three), then whatever else the layouts hold. `walk` carries the set of guards that
still accept, takes cells that the same guards accept as one, and merges paths with the same guards alive; so each state
follows exactly one path, none is dropped, and counts are exact. What a guard stands for is the caller's business.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure, RequestFacts, Surroundings
from gateway.core.labels import Label
from gateway.policy.compiled import ABOVE_CEILING, ALWAYS, NOWHERE, OTHER_CLASS, CompiledPolicy, Fact, Layout

Sample = Hashable
"""A fact that has a cell's value: what `compiled.Value` says, a model's name, or a `Who`."""
UNUSUAL: Final = 1 << 12
"""What an unusual value costs a witness; within one axis the earlier cell wins, which costs less."""
ANY_MODEL: Final = "*"
"""Stands for every model that no policy names, where a policy lets such models in. No client's model is called so."""


@dataclass(frozen=True, slots=True)
class Who:
    """Label, tenant class and tenant ceiling, by name; no `ceiling` keeps everything home."""

    label: str
    tenant_class: str
    ceiling: str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of an axis: the bits that its states set, and a fact that has it. `cost` is 0 for what is usual."""

    sample: Sample
    bits: int
    cost: int


@dataclass(frozen=True, slots=True)
class Axis:
    """Everything that one fact can be. `fact` is None for the model; LABEL stands for a `Who`."""

    fact: Fact | None
    member: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One policy in a space. Its bits are moved up by `shift`, so that several fit in one number.

    `raised` is how many labels higher its states are than the sample says. `lowered` is set where the label is above
    a class's or a tenant's ceiling that is lower than the policy's own.
    """

    compiled: CompiledPolicy
    shift: int
    raised: int
    lowered: int


@dataclass(frozen=True, slots=True)
class Region:
    """States in which the same guards accept. `alive` has bit i set if guard i does; `path` is the cell on each axis
    of the most ordinary of them."""

    alive: int
    states: int
    path: tuple[int, ...]
    cost: int


_TELL_EVERY: Final = 1 << 10


class BudgetSpent(Exception):
    """The walk would take more nodes than it was given: nothing is known."""


class Space:
    """The product of the axes. Labels that not every policy has are left out."""

    def __init__(self, policies: Sequence[CompiledPolicy], raised: Sequence[int] = ()) -> None:
        self.models: tuple[str, ...] = tuple(dict.fromkeys(name for one in policies for name in one.aliases))
        if any(compiled.any_alias is not None for compiled in policies):
            self.models = (*self.models, ANY_MODEL)
        self._model_bits: Mapping[str, int] = {name: 1 << place for place, name in enumerate(self.models)}
        sides = []
        shift = len(self.models)
        for place, compiled in enumerate(policies):
            width = _width(compiled.layout)
            sides.append(Side(compiled, shift, raised[place] if raised else 0, 1 << (shift + width)))
            shift += width + 1
        self.sides: tuple[Side, ...] = tuple(sides)
        self.axes: tuple[Axis, ...] = (self._model_axis(), self._who_axis(), *self._other_axes())

    @property
    def states(self) -> int:
        """How many states there are."""
        count = 1
        for axis in self.axes:
            count *= len(axis.cells)
        return count

    @cached_property
    def later(self) -> tuple[int, ...]:
        """For each axis, the bits of all axes after it."""
        found, bits = [], 0
        for axis in reversed(self.axes):
            found.append(bits)
            for cell in axis.cells:
                bits |= cell.bits
        return tuple(reversed(found))

    def bits_of_models(self, names: Iterable[str]) -> int:
        """The bits of the models called so."""
        return sum(self._model_bits[name] for name in names)

    def facts(self, path: Sequence[int], side: int = 0) -> RequestFacts:
        """Facts in the cells of `path`, as the policy of `side` counts labels."""
        one = self.sides[side]
        order = one.compiled.order
        model, label, tenant_class, ceiling = "", Label(0), "", None
        complexity, tokens, minute, budget = Complexity.MEDIUM, 0, 0, Budget.OK
        capabilities: set[Capability] = set()
        modalities: set[Modality] = {Modality.TEXT}
        pressure: list[tuple[str, Pressure]] = []
        for axis, place in zip(self.axes, path, strict=True):
            match axis.fact, axis.cells[place].sample:
                case None, str(name):
                    model = name
                case Fact.LABEL, Who() as who:
                    label = Label(order.rank(who.label) + one.raised)
                    tenant_class = who.tenant_class
                    ceiling = order.rank(who.ceiling) if who.ceiling is not None else None
                case Fact.COMPLEXITY, Complexity() as found:
                    complexity = found
                case Fact.CAPABILITY, True:
                    capabilities.add(Capability(axis.member))
                case Fact.MODALITY, True:
                    modalities.add(Modality(axis.member))
                case Fact.CONTEXT, int(number):
                    tokens = number
                case Fact.TIME, int(number):
                    minute = number
                case Fact.PRESSURE, Pressure() as state if state is not Pressure.FREE:
                    pressure.append((axis.member, state))
                case Fact.BUDGET, Budget() as state:
                    budget = state
                case _:
                    pass  # what is usual says nothing
        return RequestFacts(
            label_low=label,
            label_high=label,
            tenant_class=tenant_class,
            ceiling=ceiling,
            model=model,
            capabilities=frozenset(capabilities),
            complexity=complexity,
            modalities=frozenset(modalities),
            context_tokens=tokens,
            surroundings=Surroundings(minute, tuple(pressure), budget),
        )

    # The axes

    def _model_axis(self) -> Axis:
        cells = (
            Cell(name, bit, min(place, UNUSUAL - 1) + (UNUSUAL if name == ANY_MODEL else 0))
            for place, (name, bit) in enumerate(self._model_bits.items())
        )
        return Axis(None, "", tuple(cells))

    def _who_axis(self) -> Axis:
        first = self.sides[0].compiled.order
        labels = [
            name
            for name in first.names
            if all(
                name in side.compiled.order.names
                and side.compiled.order.rank(name) + side.raised <= side.compiled.order.top
                for side in self.sides
            )
        ]
        classes = dict.fromkeys(name for side in self.sides for name in side.compiled.layout.classes)
        cells = []
        for place, tenant_class in enumerate((*classes, OTHER_CLASS)):
            # The class `default` is the usual one, and a class that no file names less usual than any that one does.
            cost = UNUSUAL if tenant_class == OTHER_CLASS and classes else min(place + 1, 99) * 4
            cost = 0 if tenant_class == "default" else cost
            highest = max(self._ceiling_rank(tenant_class), default=NOWHERE)
            ceilings = (*(first.names[rank] for rank in range(highest, NOWHERE, -1)), None)
            for lower, ceiling in enumerate(ceilings):
                for rank, label in enumerate(labels):
                    who = Who(label, tenant_class, ceiling)
                    cells.append(Cell(who, self._who_bits(who), cost + (UNUSUAL + lower if lower else 0) + rank))
        return Axis(Fact.LABEL, "", tuple(cells))

    def _ceiling_rank(self, tenant_class: str) -> Iterator[int]:
        """The class's ceiling under each policy, as ranks of the first one's order."""
        first = self.sides[0].compiled.order
        for side in self.sides:
            layout = side.compiled.layout
            ceiling = layout.classes.get(tenant_class, layout.other_class).ceiling
            name = side.compiled.order.names[ceiling] if ceiling != NOWHERE else ""
            yield first.rank(name) if name in first.names else NOWHERE

    def _who_bits(self, who: Who) -> int:
        bits = 0
        for side in self.sides:
            compiled, layout = side.compiled, side.compiled.layout
            label = compiled.order.rank(who.label) + side.raised
            entry = layout.classes.get(who.tenant_class, layout.other_class)
            known = who.ceiling is not None and who.ceiling in compiled.order.names
            lowest = min(compiled.order.rank(who.ceiling) if known and who.ceiling else NOWHERE, entry.ceiling)
            state = ALWAYS | layout.labels[label] | entry.bit
            if label > lowest:
                state |= ABOVE_CEILING
            bits |= state << side.shift
            if label > lowest and lowest < (compiled.ceiling if compiled.ceiling is not None else NOWHERE):
                bits |= side.lowered
        return bits

    def _other_axes(self) -> Iterator[Axis]:
        asked = dict.fromkeys(
            (dimension.fact, dimension.member) for side in self.sides for dimension in side.compiled.layout.dimensions
        )
        for fact, member in asked:
            if fact in (Fact.LABEL, Fact.TENANT_CLASS):
                continue
            cells: dict[int, Cell] = {}
            for sample in self._samples(fact, member):
                bits = 0
                for side in self.sides:
                    bits |= bits_of(side.compiled.layout, fact, member, sample) << side.shift
                is_usual = sample in _USUAL[fact]
                cost = 0 if is_usual else UNUSUAL + min(len(cells), UNUSUAL - 1)
                cells.setdefault(bits, Cell(sample, bits, cost))
            yield Axis(fact, member, tuple(cells.values()))

    def _samples(self, fact: Fact, member: str) -> Iterable[Sample]:
        """A fact of every value under every policy; numbers ascending."""
        found = dict.fromkeys(
            value.sample
            for side in self.sides
            for dimension in side.compiled.layout.dimensions
            if (dimension.fact, dimension.member) == (fact, member)
            for value in dimension.values
        )
        if fact not in (Fact.CONTEXT, Fact.TIME):
            return found
        bounds = {0, *(sample for sample in found if isinstance(sample, int))}
        for side in self.sides:
            cuts = side.compiled.layout.context if fact is Fact.CONTEXT else side.compiled.layout.week
            bounds.update(cuts.bounds if cuts is not None else ())
        return sorted(bounds)


_USUAL: Final[Mapping[Fact, frozenset[Sample]]] = {
    Fact.COMPLEXITY: frozenset({Complexity.MEDIUM}),
    Fact.CAPABILITY: frozenset({False}),
    Fact.MODALITY: frozenset({False}),
    Fact.CONTEXT: frozenset({0}),
    Fact.TIME: frozenset({0}),
    Fact.PRESSURE: frozenset({Pressure.FREE}),
    Fact.BUDGET: frozenset({Budget.OK}),
}


def bits_of(layout: Layout, fact: Fact, member: str, sample: Sample) -> int:
    """The bits that a fact sets under `layout`; none if the policy does not tell this fact apart."""
    if fact is Fact.CONTEXT or fact is Fact.TIME:
        cuts = layout.context if fact is Fact.CONTEXT else layout.week
        assert isinstance(sample, int)  # noqa: S101  # so says `Value`
        return cuts.at(sample) if cuts is not None else 0
    for dimension in layout.dimensions:
        if (dimension.fact, dimension.member) == (fact, member):
            return next((value.bits for value in dimension.values if value.sample == sample), 0)
    return 0


def walk(
    space: Space,
    guards: Sequence[int],
    keep: Callable[[int, int], int] | None = None,
    *,
    most_nodes: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[tuple[Region, ...], int]:
    """The regions of `space` that `guards` tell apart, and how many nodes it took; raises BudgetSpent.

    A guard is the bits that it refuses. `keep(axis, alive)` may take guards out of `alive` after an axis, if nothing
    that the caller will read from a region depends on them any more.
    """
    # alive -> number of states, cost and path of the most ordinary
    frontier: dict[int, tuple[int, int, _Link]] = {(1 << len(guards)) - 1: (1, 0, None)}
    nodes = 1
    for place, axis in enumerate(space.axes):
        groups = _groups(axis, guards)
        kept: dict[int, int] = {}
        after: dict[int, tuple[int, int, _Link]] = {}
        for count, (alive, (states, cost, link)) in enumerate(frontier.items()):
            for accepted, size, cheapest, cell in groups:
                left = alive & accepted
                reduced = kept.get(left)
                if reduced is None:
                    reduced = kept[left] = keep(place, left) if keep is not None else left
                entry = after.get(reduced)
                if entry is None:
                    after[reduced] = (states * size, cost + cheapest, (link, cell))
                elif cost + cheapest < entry[1]:
                    after[reduced] = (entry[0] + states * size, cost + cheapest, (link, cell))
                else:
                    after[reduced] = (entry[0] + states * size, entry[1], entry[2])
            if nodes + len(after) > most_nodes:
                raise BudgetSpent
            if progress is not None and count % _TELL_EVERY == _TELL_EVERY - 1:
                progress(nodes + len(after))
        nodes += len(after)
        frontier = after
        if progress is not None:
            progress(nodes)
    regions = tuple(Region(alive, states, _path(link), cost) for alive, (states, cost, link) in frontier.items())
    return regions, nodes


_Link = tuple["_Link", int] | None


def _groups(axis: Axis, guards: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Cells that the same guards accept: those guards, how many cells, and the cost and place of the most usual."""
    found: dict[int, tuple[int, int, int]] = {}
    for place, cell in enumerate(axis.cells):
        accepted = 0
        for index, refused in enumerate(guards):
            if not refused & cell.bits:
                accepted |= 1 << index
        size, cost, best = found.get(accepted, (0, cell.cost + 1, place))
        found[accepted] = (size + 1, cell.cost, place) if cell.cost < cost else (size + 1, cost, best)
    return [(accepted, size, cost, best) for accepted, (size, cost, best) in found.items()]


def _path(link: "_Link") -> tuple[int, ...]:
    cells = []
    while link is not None:
        link, cell = link
        cells.append(cell)
    return tuple(reversed(cells))


def _width(layout: Layout) -> int:
    bits = ALWAYS | ABOVE_CEILING
    for dimension in layout.dimensions:
        bits |= dimension.bits
    return bits.bit_length()
